// Mirrors "socket.send(msg[, offset, length][, port][, address][, callback])": "Example of sending
// a UDP packet to a port on `localhost`".
// Usage: send [port]
#include <dgram.h>
#include <stdlib.h>
#include <string.h>
static void on_sent(dgram_socket_t *client, const dgram_error_t *err, size_t bytes, void *ctx) {
  dgram_close(client, NULL, NULL);
}
int main(int argc, char **argv) {
  const char *message = "Some bytes";
  dgram_socket_t *client;
  int port = argc > 1 ? atoi(argv[1]) : 41234;
  dgram_create_socket(uv_default_loop(), DGRAM_UDP4, NULL, NULL, &client);
  dgram_send(client, message, strlen(message), port, "localhost", on_sent, NULL);
  return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
