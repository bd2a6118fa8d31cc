/*
 * The environment of this process, unless it is a privileged program: one that has more privileges
 * than the user who has started it (set-user-ID, set-group-ID, file capabilities). That user sets
 * its environment, and must not control it.
 */
#ifndef DGRAM_ENVIRONMENT_H
#define DGRAM_ENVIRONMENT_H

#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/auxv.h>
#endif

/* Whether this is a privileged program. */
static inline bool dgram__environment_is_untrusted(void) {
#if defined(__linux__)
  return getauxval(AT_SECURE) != 0;
#elif defined(__APPLE__) || defined(__FreeBSD__) || defined(__NetBSD__) || defined(__OpenBSD__) || \
    defined(__DragonFly__) || defined(__sun)
  return issetugid() != 0;
#else
  return getuid() != geteuid() || getgid() != getegid();
#endif
}

/* The value of a variable, as getenv(3), but NULL in a privileged program. */
static inline const char *dgram__environment(const char *name) {
  return dgram__environment_is_untrusted() ? NULL : getenv(name);
}

#endif
