#include "peer.h"

#include <stdlib.h>

enum {
  CHUNK_BYTES = 65536, /* libuv cuts the buffer into such pieces, one for each datagram */
  CHUNKS = 20          /* the most that libuv takes in a call */
};

/* receive=mmsg: by recvmmsg(2). */
static bool receives_many(const bench_side_t *side) {
  return bench_option_is(side, "receive", "mmsg", false);
}

bool is_datagram(ssize_t size, const struct sockaddr *from) {
  if (size < 0)
    checked((int)size, "uv_udp_recv");
  return from != NULL;
}

/* All sockets share one buffer: a datagram is read before the next is requested. */
static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
  *buffer = ((rx_buffers_t *)handle->data)->buffer;
}

void rx_buffers_init(rx_buffers_t *rx, bench_side_t *side) {
  size_t bytes = receives_many(side) ? CHUNKS * CHUNK_BYTES : CHUNK_BYTES;
  rx->side = side;
  rx->buffer = uv_buf_init(bench_allocate(bytes), (unsigned)bytes);
}

void init_receiving(rx_buffers_t *rx, uv_loop_t *loop, uv_udp_t *socket) {
  unsigned flags = AF_INET | (receives_many(rx->side) ? UV_UDP_RECVMMSG : 0);
  checked(uv_udp_init_ex(loop, socket, flags), "uv_udp_init_ex");
  socket->data = rx;
}

void start_receiving(uv_udp_t *socket, uv_udp_recv_cb listener) {
  checked(uv_udp_recv_start(socket, on_allocate, listener), "uv_udp_recv_start");
}

static uint16_t bind_to_free_port(uv_udp_t *socket) {
  struct sockaddr_in self;
  int length = sizeof self, bytes = BENCH_RECV_BUFFER;
  checked(uv_ip4_addr("127.0.0.1", 0, &self), "uv_ip4_addr");
  checked(uv_udp_bind(socket, (struct sockaddr *)&self, 0), "uv_udp_bind");
  checked(uv_recv_buffer_size((uv_handle_t *)socket, &bytes), "uv_recv_buffer_size");
  checked(uv_udp_getsockname(socket, (struct sockaddr *)&self, &length), "uv_udp_getsockname");
  return ntohs(self.sin_port);
}

void rx_buffers_open(rx_buffers_t *rx, bench_side_t *side, uv_loop_t *loop,
                     uv_udp_recv_cb listener) {
  rx_buffers_init(rx, side);
  rx->count = side->sockets;
  rx->ports = bench_allocate(rx->count * sizeof *rx->ports);
  bench_measure_heap(side);
  rx->sockets = bench_allocate(rx->count * sizeof *rx->sockets);
  for (size_t i = 0; i < rx->count; i++) {
    init_receiving(rx, loop, &rx->sockets[i]);
    rx->ports[i] = bind_to_free_port(&rx->sockets[i]);
    start_receiving(&rx->sockets[i], listener);
  }
}

static void on_timer(uv_timer_t *timer) {
  rx_buffers_t *rx = timer->data;
  if (!bench_stop_receiving(rx->side))
    return;
  uv_close((uv_handle_t *)timer, NULL);
  for (size_t i = 0; i < rx->count; i++)
    uv_close((uv_handle_t *)&rx->sockets[i], NULL);
}

void watch_for_end(rx_buffers_t *rx, uv_loop_t *loop) {
  rx->timer.data = rx;
  checked(uv_timer_init(loop, &rx->timer), "uv_timer_init");
  checked(uv_timer_start(&rx->timer, on_timer, BENCH_QUIET_MS, BENCH_QUIET_MS), "uv_timer_start");
}

void rx_buffers_free(rx_buffers_t *rx) {
  free(rx->sockets);
  free(rx->ports);
  free(rx->buffer.base);
}
