/* Receives and checks datagrams, on one socket or many. */
#include "peer.h"

static void on_received(uv_udp_t *socket, ssize_t size, const uv_buf_t *buffer,
                        const struct sockaddr *from, unsigned flags) {
  bench_side_t *side = ((rx_buffers_t *)socket->data)->side;
  if (!is_datagram(size, from))
    return;
  work_read(side->readers, buffer->base, (size_t)size);
  bench_count(side, 1);
}

static void on_flow_received(uv_udp_t *socket, ssize_t size, const uv_buf_t *buffer,
                             const struct sockaddr *from, unsigned flags) {
  bench_side_t *side = ((rx_buffers_t *)socket->data)->side;
  if (!is_datagram(size, from))
    return;
  work_read_flow(side->readers, side->flows, buffer->base, (size_t)size);
  bench_count(side, 1);
}

void receive(bench_side_t *side) {
  uv_loop_t loop;
  rx_buffers_t rx = {0};
  init_loop(&loop);
  rx_buffers_open(&rx, side, &loop, side->flows > 1 ? on_flow_received : on_received);
  uv_run(&loop, UV_RUN_NOWAIT); /* libuv adds its sockets to epoll in the first iteration */

  bench_begin(side, rx.ports);
  watch_for_end(&rx, &loop);
  run_loop(&loop);
  rx_buffers_free(&rx);
}
