/*
 * A server of several threads or processes: it sends each datagram back. For scaling.sh, with
 *
 *   threads=N     a group of so many threads, and sockets on one port
 *   processes=N   a cluster of so many workers that share a socket
 *   work=NS       the time for which the application computes with each datagram; 0 by default
 *   pin=yes       each thread is pinned to a core
 */
#include "answer.h"

#include <dgram_cluster.h>

static void serve(bench_side_t *side) {
  if (bench_number(side, "processes", SIZE_MAX) != SIZE_MAX)
    serve_by_processes(side);
  else
    serve_by_threads(side);
}

int main(int argc, char **argv) {
  static const bench_roles_t roles[] = {{"echo-64", NULL, serve}, {NULL, NULL, NULL}};
  return dgram_cluster_is_primary() ? bench_main(argc, argv, roles) : run_worker();
}
