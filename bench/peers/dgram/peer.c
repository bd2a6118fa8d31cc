#include "peer.h"

static void on_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  bench_fail("error event", error->message);
}

static dgram_socket_t *new_with(uv_loop_t *loop, int recv_buffer, int batch,
                                dgram_message_cb on_message, void *context) {
  dgram_socket_t *socket;
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.recv_buffer_size = recv_buffer;
  options.receive_batch = batch;
  checked(dgram_create_socket_options(loop, &options, on_message, context, &socket),
          "dgram_create_socket_options");
  checked(dgram_on_error(socket, on_error, NULL), "dgram_on_error");
  return socket;
}

dgram_socket_t *new_socket(uv_loop_t *loop, int recv_buffer, dgram_message_cb on_message,
                           void *context) {
  return new_with(loop, recv_buffer, 0, on_message, context);
}

dgram_socket_t *new_connected(uv_loop_t *loop, const struct sockaddr_in *target,
                              dgram_message_cb on_message, void *context) {
  dgram_socket_t *socket = new_socket(loop, 0, on_message, context);
  checked(dgram_connect_sync(socket, ntohs(target->sin_port), "127.0.0.1"), "dgram_connect_sync");
  return socket;
}

dgram_socket_t *new_bound(const bench_side_t *side, uv_loop_t *loop, dgram_message_cb on_message,
                          void *context) {
  int batch = (int)bench_number(side, "batch", 0);
  dgram_socket_t *socket = new_with(loop, BENCH_RECV_BUFFER, batch, on_message, context);
  checked(dgram_bind_sync(socket, 0, "127.0.0.1"), "dgram_bind_sync");
  return socket;
}

uint16_t port_of(const dgram_socket_t *socket) {
  dgram_address_t self;
  checked(dgram_address(socket, &self), "dgram_address");
  return (uint16_t)self.port;
}

void init_loop(uv_loop_t *loop) {
  checked(uv_loop_init(loop), "uv_loop_init");
}

void run_loop(uv_loop_t *loop) {
  uv_run(loop, UV_RUN_DEFAULT);
  checked(uv_loop_close(loop), "uv_loop_close");
}

static void on_timer(uv_timer_t *timer) {
  watch_t *watch = timer->data;
  if (!bench_stop_receiving(watch->side))
    return;
  uv_close((uv_handle_t *)timer, NULL);
  for (size_t i = 0; i < watch->count; i++)
    checked(dgram_close(watch->sockets[i], NULL, NULL), "dgram_close");
}

void watch_for_end(watch_t *watch, uv_loop_t *loop, bench_side_t *side, dgram_socket_t **sockets,
                   size_t count) {
  *watch = (watch_t){.side = side, .sockets = sockets, .count = count, .timer.data = watch};
  checked(uv_timer_init(loop, &watch->timer), "uv_timer_init");
  checked(uv_timer_start(&watch->timer, on_timer, BENCH_QUIET_MS, BENCH_QUIET_MS),
          "uv_timer_start");
}
