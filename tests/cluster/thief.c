/* A port that workers share is theirs alone, whoever of them comes and goes. */
#include "lib/cluster_fixture.h"
#include "lib/thief.h"

TEST("nobody else gets the port of workers that are killed and restarted") {
  enum { RESTARTS = 10 };
  struct thief thief;
  fork_worker("listen_on_port");
  await("listening(1)");
  thief_start(&thief, port_wanted());
  fork_worker("listen_on_port");
  await("listening(2)");
  assert_int_equal(dgram_cluster_kill(cluster, 2, SIGKILL), 0);
  await("exit(2,0,9)");
  for (int i = 0; i < RESTARTS; i++) {
    int id = dgram_cluster_next(cluster, 0);
    assert_true(dgram_cluster_restart(cluster, id) > 0);
    await_times(1, "exit(%d,0,0)", id);
  }
  thief_end(&thief);
}

int main(void) {
  return cluster_run();
}
