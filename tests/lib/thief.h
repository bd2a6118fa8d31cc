/*
 * A thief: a process of another user (nobody, where the test may change users) that tries to bind
 * to a port which somebody else has, again and again and in every way. Whatever it gets it counts.
 */
#ifndef TESTS_LIB_THIEF_H
#define TESTS_LIB_THIEF_H

#include <stdatomic.h>
#include <sys/types.h>

struct thief {
  pid_t pid;
  struct {
    atomic_int tries;
    atomic_int loot; /* binds that have succeeded */
  } * shared;
};

/* Starts it; it tries before anything else happens. */
void thief_start(struct thief *thief, int port);

/* Lets it try so often again. */
void thief_try(const struct thief *thief, int times);

/* Ends it. It has tried to the very end, and must have got nothing. */
void thief_end(struct thief *thief);

#endif
