// Mirrors "dgram.createSocket(options[, callback])", the option `signal`: "calling `.abort()` on
// the corresponding `AbortController` is similar to calling `.close()` on the socket".
// Usage: abort [port]
#include <dgram.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
static dgram_abort_signal_t *controller; // controller and signal in one
static int failed;
static void on_error(dgram_socket_t *s, const dgram_error_t *error, void *ctx) {
  fprintf(stderr, "%s\n", error->message);
  failed = 1;
  dgram_close(s, NULL, NULL);
}
static void on_message(dgram_socket_t *s, const char *msg, const dgram_rinfo_t *rinfo, void *ctx) {
  printf("server got: %.*s from %s:%d\n", (int)rinfo->size, msg, dgram_rinfo_address(rinfo),
         rinfo->port);
}
static void on_ctrl_c(uv_signal_t *ctrl_c, int number) {
  dgram_abort_signal_abort(controller);
}
int main(int argc, char **argv) {
  dgram_socket_t *server;
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  dgram_abort_signal_create(&controller);
  options.signal = controller;
  dgram_create_socket_options(uv_default_loop(), &options, NULL, NULL, &server);
  dgram_on_error(server, on_error, NULL);
  dgram_on_message(server, on_message, NULL);
  int err = dgram_bind(server, argc > 1 ? atoi(argv[1]) : 41234, NULL, NULL, NULL);
  if (err != 0) { // in JavaScript it would throw
    fprintf(stderr, "bind: %s\n", dgram_strerror(err));
    return 1;
  }
  // Later, when you want to close the server: at Ctrl-C.
  uv_signal_t ctrl_c;
  uv_signal_init(uv_default_loop(), &ctrl_c);
  uv_signal_start_oneshot(&ctrl_c, on_ctrl_c, SIGINT);
  uv_unref((uv_handle_t *)&ctrl_c);
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  dgram_abort_signal_free(controller);
  return failed;
}
