#include "peer.h"

void checked(int result, const char *what) {
  if (result < 0)
    bench_fail(what, uv_strerror(result));
}

bool sends_by_trying(const bench_side_t *side) {
  return bench_chosen(side, "send", "try", false);
}

bool try_to_send(uv_udp_t *socket, const uv_buf_t *datagram, const struct sockaddr *to) {
  int result = uv_udp_try_send(socket, datagram, 1, to);
  if (result == UV_EAGAIN)
    return false;
  checked(result, "uv_udp_try_send");
  return true;
}

bool send_datagram(uv_udp_send_t *request, uv_udp_t *socket, const uv_buf_t *datagram,
                   const struct sockaddr *to, uv_udp_send_cb callback, bool tries) {
  if (tries && try_to_send(socket, datagram, to))
    return true;
  checked(uv_udp_send(request, socket, datagram, 1, to, callback), "uv_udp_send");
  return false;
}

void init_loop(uv_loop_t *loop) {
  checked(uv_loop_init(loop), "uv_loop_init");
}

void run_loop(uv_loop_t *loop) {
  uv_run(loop, UV_RUN_DEFAULT);
  checked(uv_loop_close(loop), "uv_loop_close");
}
