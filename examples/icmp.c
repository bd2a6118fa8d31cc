// Sends a datagram that no router may fragment, and prints what ICMP reports of it, or the answer.
// Usage: icmp [port] [address] [size]
#include <dgram.h>
#include <stdio.h>
#include <stdlib.h>
static void on_icmp(dgram_socket_t *client, const dgram_icmp_t *icmp, void *ctx) {
  printf("%s:%d: %s, says %s\n", icmp->peer.address, icmp->peer.port,
         dgram_icmp_kind_name(icmp->kind), icmp->reporter.address);
  if (icmp->mtu > 0)
    printf("the path takes packets of %d bytes\n", icmp->mtu);
  dgram_close(client, NULL, NULL);
}
static void on_message(dgram_socket_t *client, const char *msg, const dgram_rinfo_t *rinfo,
                       void *ctx) {
  printf("answer: %.*s\n", (int)rinfo->size, msg);
  dgram_close(client, NULL, NULL);
}
static void on_sent(dgram_socket_t *client, const dgram_error_t *err, size_t bytes, void *ctx) {
  if (err == NULL)
    return;
  fprintf(stderr, "%s\n", err->message);
  if (err->mtu > 0)
    fprintf(stderr, "the path takes packets of %d bytes\n", err->mtu);
  exit(1);
}
int main(int argc, char **argv) {
  static char message[65507] = "Some bytes";
  dgram_socket_t *client;
  int port = argc > 1 ? atoi(argv[1]) : 41234;
  const char *address = argc > 2 ? argv[2] : "127.0.0.1";
  size_t size = argc > 3 ? (size_t)atoi(argv[3]) : 10;
  dgram_sockopt_value_t sockopts[] = {{DGRAM_SO_PATH_MTU, DGRAM_PATH_MTU_ON}};
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.sockopts = sockopts;
  options.sockopt_count = 1;
  dgram_create_socket_options(uv_default_loop(), &options, on_message, NULL, &client);
  dgram_on_icmp(client, on_icmp, NULL);
  if (size > sizeof message)
    size = sizeof message;
  int err = dgram_send(client, message, size, port, address, on_sent, NULL);
  if (err != 0) {
    fprintf(stderr, "send: %s\n", dgram_strerror(err));
    return 1;
  }
  return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
