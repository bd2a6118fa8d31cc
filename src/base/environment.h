/*
 * The environment of this process, as far as it may be believed: whoever starts a program with more
 * rights than his own (set-user-ID, set-group-ID, file capabilities) chooses its environment, and
 * shall not choose what it does.
 */
#ifndef DGRAM_ENVIRONMENT_H
#define DGRAM_ENVIRONMENT_H

#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/auxv.h>
#endif

/* Whether the program was given more rights than the user who has started it. */
static inline bool dgram__environment_is_foreign(void) {
#if defined(__linux__)
  return getauxval(AT_SECURE) != 0;
#elif defined(__APPLE__) || defined(__FreeBSD__) || defined(__NetBSD__) || defined(__OpenBSD__) || \
    defined(__DragonFly__) || defined(__sun)
  return issetugid() != 0;
#else
  return getuid() != geteuid() || getgid() != getegid();
#endif
}

/* The value of a variable, as getenv(3); NULL also where the environment is foreign. */
static inline const char *dgram__environment(const char *name) {
  return dgram__environment_is_foreign() ? NULL : getenv(name);
}

#endif
