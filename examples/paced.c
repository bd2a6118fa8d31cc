// Sends bytes as datagrams that no router may fragment, spaced in time; if the path is too narrow
// for them, it continues with smaller ones. The spacing needs the queueing discipline "fq"
// (tc-fq(8)). Usage: paced [port] [address] [bytes] [segment]
#include <dgram.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
enum { BURST = 10, HEADERS = 28, SPACING_NS = 1000000 };
static char data[1 << 20];
static size_t segment = 1400, sent, total = 100000;
static uint64_t departure;
static void on_sent(dgram_socket_t *client, const dgram_error_t *err, size_t bytes, void *ctx);
static void send_burst(dgram_socket_t *client) {
  dgram_send_options_t options = dgram_default_send_options();
  size_t left = total - sent;
  uv_buf_t buf = {.base = data + sent, .len = left < BURST * segment ? left : BURST * segment};
  options.segment_size = segment;
  options.dont_fragment = 1;
  options.departure_ns = departure;
  departure += SPACING_NS;
  dgram_send_with(client, &buf, 1, NULL, &options, on_sent, NULL);
}
static void use_mtu(int mtu) {
  if (mtu <= HEADERS || (size_t)mtu - HEADERS >= segment)
    return;
  segment = (size_t)mtu - HEADERS;
  printf("segments of %zu bytes\n", segment);
}
static void on_icmp(dgram_socket_t *client, const dgram_icmp_t *icmp, void *ctx) {
  use_mtu(icmp->mtu);
}
static void on_sent(dgram_socket_t *client, const dgram_error_t *err, size_t bytes, void *ctx) {
  size_t before = segment;
  if (err != NULL)
    use_mtu(err->mtu);
  if (err != NULL && segment == before) {
    fprintf(stderr, "%s\n", err->message);
    exit(1);
  }
  sent += bytes;
  if (sent < total) {
    send_burst(client);
    return;
  }
  printf("%zu bytes have left\n", sent);
  dgram_close(client, NULL, NULL);
}
int main(int argc, char **argv) {
  dgram_socket_t *client;
  struct timespec now;
  dgram_create_socket(uv_default_loop(), DGRAM_UDP4, NULL, NULL, &client);
  dgram_set_sockopt(client, DGRAM_SO_TXTIME_CLOCK, CLOCK_MONOTONIC);
  dgram_on_icmp(client, on_icmp, NULL);
  if (argc > 3 && (size_t)atoi(argv[3]) < sizeof data)
    total = (size_t)atoi(argv[3]);
  if (argc > 4)
    segment = (size_t)atoi(argv[4]);
  int err = dgram_connect_sync(client, argc > 1 ? atoi(argv[1]) : 41234,
                               argc > 2 ? argv[2] : "127.0.0.1");
  if (err != 0) {
    fprintf(stderr, "connect: %s\n", dgram_strerror(err));
    return 1;
  }
  clock_gettime(CLOCK_MONOTONIC, &now);
  departure = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
  send_burst(client);
  return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
