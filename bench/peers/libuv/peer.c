#include "peer.h"

void checked(int result, const char *what) {
  if (result < 0)
    bench_fail(what, uv_strerror(result));
}

bool uses_try_send(const bench_side_t *side) {
  return bench_option_is(side, "send", "try", false);
}

bool try_send(uv_udp_t *socket, const uv_buf_t *datagram, const struct sockaddr *to) {
  int result = uv_udp_try_send(socket, datagram, 1, to);
  if (result == UV_EAGAIN)
    return false;
  checked(result, "uv_udp_try_send");
  return true;
}

bool send_datagram(uv_udp_send_t *request, uv_udp_t *socket, const uv_buf_t *datagram,
                   const struct sockaddr *to, uv_udp_send_cb callback, bool try_first) {
  if (try_first && try_send(socket, datagram, to))
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
