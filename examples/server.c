// Mirrors the specification's first example, which it repeats for "socket.bind([port]...)":
// "Example of a UDP server listening on port 41234".
// Usage: server [port [udp6]]
#include <dgram.h>
#include <stdio.h>
#include <stdlib.h>
static int failed;
static void on_error(dgram_socket_t *server, const dgram_error_t *error, void *ctx) {
  fprintf(stderr, "server error:\n%s\n", error->message);
  failed = 1;
  dgram_close(server, NULL, NULL);
}
static void on_message(dgram_socket_t *s, const char *msg, const dgram_rinfo_t *rinfo, void *ctx) {
  printf("server got: %.*s from %s:%d\n", (int)rinfo->size, msg, dgram_rinfo_address(rinfo),
         rinfo->port);
}
static void on_listening(dgram_socket_t *server, void *ctx) {
  dgram_address_t address;
  dgram_address(server, &address);
  printf("server listening %s:%d\n", address.address, address.port);
}
int main(int argc, char **argv) {
  dgram_socket_t *server;
  dgram_type_t type = argc > 2 ? DGRAM_UDP6 : DGRAM_UDP4;
  dgram_create_socket(uv_default_loop(), type, on_message, NULL, &server);
  dgram_on_error(server, on_error, NULL);
  dgram_on_listening(server, on_listening, NULL);
  int err = dgram_bind(server, argc > 1 ? atoi(argv[1]) : 41234, NULL, NULL, NULL);
  if (err != 0) { // in JavaScript it would throw
    fprintf(stderr, "bind: %s\n", dgram_strerror(err));
    return 1;
  }
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  return failed;
}
