// Mirrors "socket.send(msg[, offset, length][, port][, address][, callback])": "Example of sending
// a UDP packet to a port on `localhost`".
// Usage: send [port]
#include <dgram.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int failed;
static void on_sent(dgram_socket_t *client, const dgram_error_t *err, size_t bytes, void *ctx) {
  if (err != NULL) {
    fprintf(stderr, "%s\n", err->message);
    failed = 1;
  }
  dgram_close(client, NULL, NULL);
}
int main(int argc, char **argv) {
  const char *message = "Some bytes";
  dgram_socket_t *client;
  int port = argc > 1 ? atoi(argv[1]) : 41234;
  dgram_create_socket(uv_default_loop(), DGRAM_UDP4, NULL, NULL, &client);
  int err = dgram_send(client, message, strlen(message), port, "localhost", on_sent, NULL);
  if (err != 0) { // in JavaScript it would throw
    fprintf(stderr, "send: %s\n", dgram_strerror(err));
    return 1;
  }
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  return failed;
}
