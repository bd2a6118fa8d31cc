/* Receives and checks datagrams, on one socket or many. */
#include "peer.h"

#include <stdlib.h>

static void on_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  bench_side_t *side = context;
  work_read(side->readers, message, rinfo->size);
  bench_count(side, 1);
}

static void on_flow_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                            void *context) {
  bench_side_t *side = context;
  work_read_flow(side->readers, side->flows, message, rinfo->size);
  bench_count(side, 1);
}

static dgram_socket_t **open_sockets(bench_side_t *side, uv_loop_t *loop, uint16_t *ports) {
  dgram_message_cb listener = side->flows > 1 ? on_flow_message : on_message;
  dgram_socket_t **sockets = bench_allocate(side->sockets * sizeof(dgram_socket_t *));
  bench_measure_heap(side);
  for (size_t i = 0; i < side->sockets; i++) {
    sockets[i] = new_bound(side, loop, listener, side);
    ports[i] = port_of(sockets[i]);
  }
  return sockets;
}

void receive(bench_side_t *side) {
  uv_loop_t loop;
  watch_t watch;
  uint16_t *ports = bench_allocate(side->sockets * sizeof *ports);
  init_loop(&loop);
  dgram_socket_t **sockets = open_sockets(side, &loop, ports);
  uv_run(&loop, UV_RUN_NOWAIT); /* libuv adds its sockets to epoll in the first iteration */

  bench_begin(side, ports);
  watch_for_end(&watch, &loop, side, sockets, side->sockets);
  run_loop(&loop);
  free(sockets);
  free(ports);
}
