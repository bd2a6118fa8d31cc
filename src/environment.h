/*
 * The environment of this process, as far as it may be believed: whoever starts a program with more
 * rights than his own (set-user-ID, set-group-ID, file capabilities) chooses its environment, and
 * shall not choose what it does.
 */
#ifndef DGRAM_ENVIRONMENT_H
#define DGRAM_ENVIRONMENT_H

#include <stdlib.h>
#include <unistd.h>

/* The value of a variable, as getenv(3); NULL also in a program with more rights than its user. */
static inline const char *dgram__environment(const char *name) {
#if defined(__linux__)
  return secure_getenv(name);
#elif defined(__APPLE__) || defined(__FreeBSD__) || defined(__NetBSD__) || defined(__OpenBSD__) || \
    defined(__DragonFly__) || defined(__sun)
  return issetugid() ? NULL : getenv(name);
#else
  return getuid() != geteuid() || getgid() != getegid() ? NULL : getenv(name);
#endif
}

#endif
