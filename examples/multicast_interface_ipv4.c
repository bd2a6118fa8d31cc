// Mirrors "socket.setMulticastInterface(multicastInterface)": "Example: IPv4 outgoing multicast
// interface".
// Usage: multicast_interface_ipv4 [interface]
#include <dgram.h>
#include <stdio.h>
static int failed;
static void on_error(dgram_socket_t *socket, const dgram_error_t *error, void *ctx) {
  fprintf(stderr, "%s\n", error->message);
  failed = 1;
  dgram_close(socket, NULL, NULL);
}
static void on_listening(dgram_socket_t *socket, void *interface) {
  int err = dgram_set_multicast_interface(socket, interface);
  if (err != 0) { // in JavaScript it would throw
    fprintf(stderr, "setMulticastInterface: %s\n", dgram_strerror(err));
    failed = 1;
    dgram_close(socket, NULL, NULL);
    return;
  }
  // Not in the specification's example: datagrams to a group now leave by that interface.
  dgram_send(socket, "Some bytes", 10, 1234, "224.0.0.114", NULL, NULL);
}
int main(int argc, char **argv) {
  dgram_socket_t *socket;
  dgram_create_socket(uv_default_loop(), DGRAM_UDP4, NULL, NULL, &socket);
  dgram_on_error(socket, on_error, NULL);
  dgram_bind(socket, 1234, NULL, on_listening, argc > 1 ? argv[1] : "10.0.0.2");
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  return failed;
}
