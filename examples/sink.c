/*
 * Counts what it receives, and says what it lost: sink [PORT [BUFFER]]
 *
 * BUFFER is the size of the receive buffer in bytes. When it is interrupted it prints how many
 * datagrams it has received, how many the kernel has dropped since the buffer was full, and all
 * counters as one line of JSON. With receive offload (GRO) the kernel would count a joined buffer
 * as one, so that is off.
 */
#include <dgram_stats.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static dgram_socket_t *sink;
static uint64_t received;

static void on_messages(dgram_socket_t *socket, const dgram_message_t *const messages[],
                        size_t count, void *context) {
  received += count;
}

static void on_listening(dgram_socket_t *socket, void *context) {
  dgram_address_t address;
  dgram_address(socket, &address);
  printf("sink listening %s:%d\n", address.address, address.port);
  fflush(stdout);
}

static void on_interrupt(uv_signal_t *handle, int number) {
  dgram_stats_t stats = dgram_default_stats();
  char json[4096];
  dgram_get_stats(sink, &stats);
  printf("received %" PRIu64 ", dropped %" PRIu64 "\n", received, stats.kernel_drops);
  if (dgram_stats_json(&stats, json, sizeof json) < (int)sizeof json)
    printf("%s\n", json);
  uv_close((uv_handle_t *)handle, NULL);
  dgram_close(sink, NULL, NULL);
}

int main(int argc, char **argv) {
  uv_loop_t *loop = uv_default_loop();
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  uv_signal_t interrupt;

  options.disable_gro = 1;
  options.recv_buffer_size = argc > 2 ? atoi(argv[2]) : 0;
  int err = dgram_create_socket_options(loop, &options, NULL, NULL, &sink);
  if (err == 0)
    err = dgram_on_messages(sink, on_messages, NULL);
  if (err == 0)
    err = dgram_bind(sink, argc > 1 ? atoi(argv[1]) : 41234, NULL, on_listening, NULL);
  if (err != 0) {
    fprintf(stderr, "sink: %s\n", dgram_strerror(err));
    return 1;
  }
  uv_signal_init(loop, &interrupt);
  uv_signal_start(&interrupt, on_interrupt, SIGINT);
  uv_run(loop, UV_RUN_DEFAULT);
  uv_loop_close(loop);
  return 0;
}
