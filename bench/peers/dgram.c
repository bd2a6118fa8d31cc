/*
 * libdgram, as a program uses it: the public header alone, a callback for each datagram on both
 * sides. Connected, as the other peers are; `connect=no` gives each send an address instead.
 */
#include <dgram.h>

#include "../harness.h"

#include <stdlib.h>

/* Sends in flight. From 256 to 4096 made no difference beyond the noise. */
enum { WINDOW = 1024 };

static void checked(int result, const char *what) {
  if (result < 0)
    bench_fail(what, dgram_strerror(result));
}

static void on_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  (void)socket, (void)context;
  bench_fail("error event", error->message);
}

static void run_to_the_end(uv_loop_t *loop) {
  uv_run(loop, UV_RUN_DEFAULT);
  checked(uv_loop_close(loop), "uv_loop_close");
}

/* ---- sender ---- */

typedef struct sender {
  bench_thread_t *thread;
  dgram_socket_t *socket;
  struct sockaddr_in address;
  const struct sockaddr *to; /* with each send; NULL when connected */
  char *ring;                /* a payload for each send in flight */
  size_t size;
  size_t window;
  size_t in_flight;
  uint64_t sequence;
} sender_t;

static void on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                    void *context);

static void send_next(sender_t *sender) {
  char *payload = sender->ring + sender->sequence % sender->window * sender->size;
  work_write(payload, sender->size, sender->sequence++);
  uv_buf_t buffer = uv_buf_init(payload, (unsigned)sender->size);
  checked(dgram_send_to(sender->socket, &buffer, 1, sender->to, on_sent, sender), "dgram_send_to");
}

/* Sends end in order, so the ring's next payload is the one of this send. */
static void on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                    void *context) {
  (void)bytes;
  sender_t *sender = context;
  if (error)
    bench_fail("send", error->message);
  bench_count(sender->thread, 1);
  if (!bench_stop_sending(sender->thread))
    send_next(sender);
  else if (--sender->in_flight == 0)
    checked(dgram_close(socket, NULL, NULL), "dgram_close");
}

static void fill_window(sender_t *sender) {
  for (; sender->in_flight < sender->window; sender->in_flight++)
    send_next(sender);
}

static void on_connect(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  (void)socket;
  if (error)
    bench_fail("dgram_connect", error->message);
  fill_window(context);
}

static void aim(sender_t *sender) {
  sender->address = bench_target(sender->thread, 0);
  if (bench_chosen(sender->thread, "connect", "no", false)) {
    sender->to = (const struct sockaddr *)&sender->address;
    fill_window(sender);
    return;
  }
  char host[INET_ADDRSTRLEN];
  uv_ip4_name(&sender->address, host, sizeof host);
  checked(dgram_connect(sender->socket, ntohs(sender->address.sin_port), host, on_connect, sender),
          "dgram_connect");
}

static void stream_send(bench_thread_t *thread) {
  uv_loop_t loop;
  sender_t sender = {.thread = thread, .size = bench_size(thread)};
  sender.window = (size_t)bench_number(thread, "window", WINDOW);
  sender.ring = bench_allocate(sender.window * sender.size);
  checked(uv_loop_init(&loop), "uv_loop_init");
  checked(dgram_create_socket(&loop, DGRAM_UDP4, NULL, NULL, &sender.socket),
          "dgram_create_socket");
  checked(dgram_on_error(sender.socket, on_error, NULL), "dgram_on_error");

  bench_begin(thread, 0);
  aim(&sender);
  run_to_the_end(&loop);
  free(sender.ring);
}

/* ---- receiver ---- */

typedef struct receiver {
  bench_thread_t *thread;
  dgram_socket_t *socket;
  uv_timer_t timer;
} receiver_t;

static void on_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  (void)socket;
  bench_thread_t *thread = context;
  work_read(&thread->reader, message, rinfo->size);
  bench_count(thread, 1);
}

static void on_timer(uv_timer_t *timer) {
  receiver_t *receiver = timer->data;
  if (!bench_stop_receiving(receiver->thread))
    return;
  uv_close((uv_handle_t *)timer, NULL);
  checked(dgram_close(receiver->socket, NULL, NULL), "dgram_close");
}

/* The port is known only here; the wait for the sender keeps no one else from this loop. */
static void on_listening(dgram_socket_t *socket, void *context) {
  receiver_t *receiver = context;
  dgram_address_t self;
  checked(dgram_address(socket, &self), "dgram_address");
  checked(uv_timer_start(&receiver->timer, on_timer, BENCH_QUIET_MS, BENCH_QUIET_MS),
          "uv_timer_start");
  bench_begin(receiver->thread, (uint16_t)self.port);
}

static void stream_receive(bench_thread_t *thread) {
  uv_loop_t loop;
  receiver_t receiver = {.thread = thread};
  receiver.timer.data = &receiver;
  checked(uv_loop_init(&loop), "uv_loop_init");
  checked(uv_timer_init(&loop, &receiver.timer), "uv_timer_init");
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.recv_buffer_size = BENCH_RECV_BUFFER;
  checked(dgram_create_socket_options(&loop, &options, on_message, thread, &receiver.socket),
          "dgram_create_socket_options");
  checked(dgram_on_error(receiver.socket, on_error, NULL), "dgram_on_error");
  checked(dgram_bind(receiver.socket, 0, "127.0.0.1", on_listening, &receiver), "dgram_bind");
  run_to_the_end(&loop);
}

int main(int argc, char **argv) {
  static const bench_part_t parts[] = {{"stream", stream_send, stream_receive}, {NULL, NULL, NULL}};
  return bench_main(argc, argv, "libdgram", parts);
}
