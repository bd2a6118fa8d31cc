#include "peer.h"

#include <stdlib.h>

enum {
  CHUNK_BYTES = 65536, /* libuv cuts the buffer into such pieces, one for each datagram */
  CHUNKS = 20          /* the most that libuv takes in a call */
};

/* receive=mmsg: by recvmmsg(2). */
static bool receives_many(const bench_side_t *side) {
  return bench_chosen(side, "receive", "mmsg", false);
}

bool is_datagram(ssize_t size, const struct sockaddr *from) {
  if (size < 0)
    checked((int)size, "uv_udp_recv");
  return from != NULL;
}

/* One buffer does for all sockets: what came is read before more is asked for. */
static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
  *buffer = ((inbox_t *)handle->data)->buffer;
}

void make_buffer(inbox_t *inbox, bench_side_t *side) {
  size_t bytes = receives_many(side) ? CHUNKS * CHUNK_BYTES : CHUNK_BYTES;
  inbox->side = side;
  inbox->buffer = uv_buf_init(bench_allocate(bytes), (unsigned)bytes);
}

void init_receiving(inbox_t *inbox, uv_loop_t *loop, uv_udp_t *socket) {
  unsigned flags = AF_INET | (receives_many(inbox->side) ? UV_UDP_RECVMMSG : 0);
  checked(uv_udp_init_ex(loop, socket, flags), "uv_udp_init_ex");
  socket->data = inbox;
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

void open_inbox(inbox_t *inbox, bench_side_t *side, uv_loop_t *loop, uv_udp_recv_cb listener) {
  make_buffer(inbox, side);
  inbox->count = side->sockets;
  inbox->ports = bench_allocate(inbox->count * sizeof *inbox->ports);
  bench_weigh_sockets(side);
  inbox->sockets = bench_allocate(inbox->count * sizeof *inbox->sockets);
  for (size_t i = 0; i < inbox->count; i++) {
    init_receiving(inbox, loop, &inbox->sockets[i]);
    inbox->ports[i] = bind_to_free_port(&inbox->sockets[i]);
    start_receiving(&inbox->sockets[i], listener);
  }
}

static void on_timer(uv_timer_t *timer) {
  inbox_t *inbox = timer->data;
  if (!bench_stop_receiving(inbox->side))
    return;
  uv_close((uv_handle_t *)timer, NULL);
  for (size_t i = 0; i < inbox->count; i++)
    uv_close((uv_handle_t *)&inbox->sockets[i], NULL);
}

void watch_for_end(inbox_t *inbox, uv_loop_t *loop) {
  inbox->timer.data = inbox;
  checked(uv_timer_init(loop, &inbox->timer), "uv_timer_init");
  checked(uv_timer_start(&inbox->timer, on_timer, BENCH_QUIET_MS, BENCH_QUIET_MS),
          "uv_timer_start");
}

void end_inbox(inbox_t *inbox) {
  free(inbox->sockets);
  free(inbox->ports);
  free(inbox->buffer.base);
}
