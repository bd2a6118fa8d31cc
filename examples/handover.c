// An echo server that can be replaced while it serves. Start it again with the same path: the new
// process takes over the socket of the running one, which then ends; no datagram is lost.
// Usage: handover path [port]
#include <dgram_handover.h>
#include <stdio.h>
#include <stdlib.h>
static const char *path;
static dgram_takeover_t *takeover;
static int failed;
static void on_error(dgram_socket_t *server, const dgram_error_t *error, void *ctx) {
  fprintf(stderr, "server error:\n%s\n", error->message);
  failed = 1;
  dgram_close(server, NULL, NULL);
}
static void on_message(dgram_socket_t *s, const char *msg, const dgram_rinfo_t *rinfo, void *ctx) {
  uv_buf_t answer = uv_buf_init((char *)msg, (unsigned)rinfo->size);
  dgram_send_to(s, &answer, 1, rinfo->sockaddr, NULL, NULL);
}
static void on_taken(void *server) {
  printf("server replaced\n");
  dgram_close(server, NULL, NULL);
}
static void on_listening(dgram_socket_t *server, void *ctx) {
  dgram_offer_t *offer;
  dgram_address_t address;
  int fd = dgram_fileno(server);
  dgram_address(server, &address);
  printf("server listening %s:%d\n", address.address, address.port);
  if (dgram_handover_confirm(takeover) == UV_ETIMEDOUT) { // the other server continues
    fprintf(stderr, "too late to replace it\n");
    failed = 1;
    dgram_close(server, NULL, NULL);
    return;
  }
  int err = dgram_handover_offer(uv_default_loop(), path, &fd, 1, on_taken, server, &offer);
  if (err != 0) // it serves all the same
    fprintf(stderr, "cannot be replaced: %s\n", dgram_strerror(err));
}
int main(int argc, char **argv) {
  int fds[DGRAM_HANDOVER_MOST];
  dgram_socket_t *server;
  path = argc > 1 ? argv[1] : "handover.sock";
  int taken = dgram_handover_take(path, 5000, fds, &takeover);
  if (taken < 0 && taken != UV_ENOENT && taken != UV_ECONNREFUSED) { // a server exists
    fprintf(stderr, "cannot replace it: %s\n", dgram_strerror(taken));
    return 1;
  }
  dgram_bind_options_t options = dgram_default_bind_options();
  options.port = argc > 2 ? atoi(argv[2]) : 41234;
  options.fd = taken > 0 ? fds[0] : 0;
  dgram_create_socket(uv_default_loop(), DGRAM_UDP4, on_message, NULL, &server);
  dgram_on_error(server, on_error, NULL);
  int err = dgram_bind_options(server, &options, on_listening, NULL);
  if (err != 0) { // in JavaScript it would throw
    fprintf(stderr, "bind: %s\n", dgram_strerror(err));
    return 1;
  }
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  return failed;
}
