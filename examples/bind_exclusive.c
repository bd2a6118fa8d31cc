// Mirrors "socket.bind(options[, callback])": "An example socket listening on an exclusive port".
// Usage: bind_exclusive [port]
#include <dgram.h>
#include <stdio.h>
#include <stdlib.h>
static int failed;
static void on_error(dgram_socket_t *socket, const dgram_error_t *error, void *ctx) {
  fprintf(stderr, "%s\n", error->message);
  failed = 1;
  dgram_close(socket, NULL, NULL);
}
static void on_listening(dgram_socket_t *socket, void *ctx) { // not in the specification's example
  dgram_address_t address;
  dgram_address(socket, &address);
  printf("socket listening %s:%d\n", address.address, address.port);
}
int main(int argc, char **argv) {
  dgram_socket_t *socket;
  dgram_create_socket(uv_default_loop(), DGRAM_UDP4, NULL, NULL, &socket);
  dgram_on_error(socket, on_error, NULL);
  dgram_bind_options_t options = dgram_default_bind_options();
  options.address = "localhost";
  options.port = argc > 1 ? atoi(argv[1]) : 8000;
  options.exclusive = 1;
  int err = dgram_bind_options(socket, &options, on_listening, NULL);
  if (err != 0) { // in JavaScript it would throw
    fprintf(stderr, "bind: %s\n", dgram_strerror(err));
    return 1;
  }
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  return failed;
}
