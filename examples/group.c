// Not in the specification: an echo server on all CPUs. Each CPU has a socket on one port, with a
// thread of its own; the system distributes datagrams over the sockets. SIGINT ends it.
// Usage: group [port]
#include <dgram_group.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
static void on_message(dgram_socket_t *s, const char *msg, const dgram_rinfo_t *rinfo, void *ctx) {
  uv_buf_t reply = uv_buf_init((char *)msg, (unsigned)rinfo->size);
  dgram_send_to(s, &reply, 1, rinfo->sockaddr, NULL, NULL);
}
static int on_start(dgram_group_t *group, int index, dgram_socket_t *socket, void *ctx) {
  return dgram_on_message(socket, on_message, NULL);
}
static void on_interrupt(uv_signal_t *interrupt, int number) {
  uv_close((uv_handle_t *)interrupt, NULL);
}
int main(int argc, char **argv) {
  dgram_group_t *group;
  dgram_address_t address;
  dgram_options_t socket = dgram_default_options(DGRAM_UDP4);
  dgram_group_options_t options = dgram_default_group_options(&socket, on_start, NULL);
  options.port = argc > 1 ? atoi(argv[1]) : 41234;
  int err = dgram_group_start(&options, &group);
  if (err != 0) {
    fprintf(stderr, "group: %s\n", dgram_strerror(err));
    return 1;
  }
  dgram_group_address(group, &address);
  printf("%d sockets listening on %s:%d\n", dgram_group_size(group), address.address, address.port);
  uv_signal_t interrupt;
  uv_signal_init(uv_default_loop(), &interrupt);
  uv_signal_start(&interrupt, on_interrupt, SIGINT);
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  return dgram_group_stop(group);
}
