/*
 * Workers that share a port and close it one after the other: none takes a datagram with it that
 * another could have had.
 */
#include "cluster_test.h"

enum { WORKERS = 4, DATAGRAMS = 40, EACH = 10 };

/* ---- a worker: closes after its tenth datagram ---- */

static void take(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                 void *context) {
  static int taken;
  report("got");
  if (++taken == EACH)
    must(dgram_close(socket, NULL, NULL) == 0);
}

static void taking(void) {
  uv_loop_t *loop = join();
  dgram_socket_t *socket;
  must(dgram_create_socket(loop, DGRAM_UDP4, take, NULL, &socket) == 0);
  must(dgram_bind(socket, port_wanted(), "127.0.0.1", report_bound, NULL) == 0);
  work_to_end(loop);
}

static const struct role roles[] = {{"taking", taking}};

/* ---- the primary ---- */

static void all_are_received(void **state) {
  struct crew crew;
  set_free_port();
  crew_open(&crew, "taking");
  for (int i = 0; i < WORKERS; i++)
    crew_fork(&crew);
  run_until_noted(crew.loop, ":bound(", WORKERS);
  int fd = raw_socket();
  for (int i = 0; i < DATAGRAMS; i++)
    raw_send(fd, "x", 1, port_wanted());
  run_until_noted(crew.loop, ":got", DATAGRAMS);
  close(fd);
  crew_close(&crew);
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(all_are_received)};

CLUSTER_TEST_MAIN(roles, tests)
