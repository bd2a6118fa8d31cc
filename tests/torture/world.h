/* Between the runner, which chooses what fails, and the world that a scenario runs in. */
#ifndef TESTS_TORTURE_WORLD_H
#define TESTS_TORTURE_WORLD_H

#include "torture/torture.h"

struct mode {
  const char *name;
  int family;
  const char *gso;
  const char *gro;
  const char *mmsg;
};

/* Runs a scenario while calls fail by the plans. `lifts`: before the end nothing fails any more,
 * and each socket is tried; else all is closed under the fault. */
void world_run(const struct scenario *scenario, const struct mode *mode,
               const struct inject_plan plans[INJECT_PLANS], bool lifts);

/* Has the loop and the sockets of the system that a process uses once. */
void world_init(void);

#endif
