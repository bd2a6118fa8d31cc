// A relay between a fast and a slow side. What the slow side cannot take yet waits in a send queue
// that is bounded: when a send is refused, the relay stops receiving until the queue has drained.
// Meanwhile datagrams wait in the system's receive buffer; when that is full, the kernel drops
// them. Usage: relay PORT TO_PORT [TO_ADDRESS [MOST]]
//   MOST   datagrams in the queue, 64 by default
// SIGINT or SIGTERM ends it; it prints what it has done.
#include <dgram.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static dgram_socket_t *fast, *slow;
static struct { // the datagram that was refused
  char bytes[65536];
  size_t size;
} held;
static unsigned received, pauses;
static size_t highest; // of the queue
static int failed;
static int pass_on(const char *message, size_t size) {
  int err = dgram_send(slow, message, size, 0, NULL, NULL, NULL); // copies the bytes
  size_t queued = dgram_get_send_queue_count(slow);
  if (queued > highest)
    highest = queued;
  return err;
}
static void on_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  received++;
  if (pass_on(message, rinfo->size) != UV_ENOBUFS)
    return;
  memcpy(held.bytes, message, rinfo->size);
  held.size = rinfo->size;
  pauses++;
  dgram_pause(fast); // takes effect before the next message
}
static void on_drain(dgram_socket_t *socket, void *context) {
  if (pass_on(held.bytes, held.size) == 0) // the queue accepts it now
    dgram_resume(fast);
}
static void on_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  fprintf(stderr, "relay error: %s\n", error->message);
  if (dgram_bind_state(socket) == DGRAM_BOUND)
    return; // a datagram of many
  failed = 1;
  dgram_close(fast, NULL, NULL);
  dgram_close(slow, NULL, NULL);
  uv_stop(dgram_loop(socket));
}
static void on_listening(dgram_socket_t *socket, void *context) {
  dgram_address_t address;
  dgram_address(socket, &address);
  printf("relay listening %s:%d\n", address.address, address.port);
  fflush(stdout);
}
static void on_signal(uv_signal_t *handle, int number) {
  printf("received %u, paused %u times, queued %zu at most\n", received, pauses, highest);
  dgram_close(fast, NULL, NULL);
  dgram_close(slow, NULL, NULL);
  uv_stop(handle->loop);
}
int main(int argc, char **argv) {
  if (argc < 3) {
    fprintf(stderr, "Usage: relay PORT TO_PORT [TO_ADDRESS [MOST]]\n");
    return 1;
  }
  uv_loop_t *loop = uv_default_loop();
  size_t most = argc > 4 ? (size_t)atol(argv[4]) : 64;
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.send_buffer_size = 16384; // little waits in the system, where it cannot be counted
  dgram_create_socket(loop, DGRAM_UDP4, on_message, NULL, &fast);
  dgram_create_socket_options(loop, &options, NULL, NULL, &slow);
  dgram_on_error(fast, on_error, NULL);
  dgram_on_error(slow, on_error, NULL);
  dgram_on_listening(fast, on_listening, NULL);
  dgram_on_drain(slow, on_drain, NULL);
  dgram_set_send_queue_limit(slow, 0, most, 0, 0); // 'drain' comes when half of it has left
  int err = dgram_connect_sync(slow, atoi(argv[2]), argc > 3 ? argv[3] : NULL);
  if (err == 0)
    err = dgram_bind(fast, atoi(argv[1]), NULL, NULL, NULL);
  if (err != 0) {
    fprintf(stderr, "relay: %s\n", dgram_strerror(err));
    return 1;
  }
  uv_signal_t interrupt, terminate;
  uv_signal_init(loop, &interrupt);
  uv_signal_init(loop, &terminate);
  uv_signal_start(&interrupt, on_signal, SIGINT);
  uv_signal_start(&terminate, on_signal, SIGTERM);
  uv_run(loop, UV_RUN_DEFAULT);
  uv_close((uv_handle_t *)&interrupt, NULL);
  uv_close((uv_handle_t *)&terminate, NULL);
  uv_run(loop, UV_RUN_DEFAULT); // the sockets close
  return failed;
}
