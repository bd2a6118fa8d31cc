/*
 * libuv's own UDP handle, uv_udp_t, in its best configuration.
 *
 * What was tried, in interleaved runs of libuv 1.44.2 on an otherwise idle virtual machine of 2
 * cores (Linux 6.18), in million datagrams received per second at 64 / 1200 bytes:
 *   send=queue connect=yes receive=mmsg   0.50 / 0.46   the default here
 *   send=queue connect=yes receive=one    0.50 / 0.45   and 2 to 3 % more CPU time to receive
 *   send=queue connect=no  receive=mmsg   0.48 / 0.41
 *   send=queue connect=no  receive=one    0.48 / 0.43
 *   send=try   connect=yes receive=mmsg   0.27 / 0.25
 *   send=try   connect=yes receive=one    0.29 / 0.26
 *   send=try   connect=no  receive=mmsg   0.25 / 0.23
 *   send=try   connect=no  receive=one    0.25 / 0.22
 * send=queue is uv_udp_send() with a pool of requests, each used again from its callback.
 * send=try is uv_udp_try_send() in a loop. receive=mmsg is UV_UDP_RECVMMSG with room for the most
 * that libuv takes in a call. A pool of 64 to 4096 requests made no difference beyond the noise.
 */
#include "../harness.h"

#include <stdlib.h>
#include <uv.h>

enum {
  CHUNK_BYTES = 65536, /* libuv cuts the buffer into such pieces, one for each datagram */
  CHUNKS = 20,
  WINDOW = 1024
};

static void checked(int result, const char *what) {
  if (result < 0)
    bench_fail(what, uv_strerror(result));
}

static void run_to_the_end(uv_loop_t *loop) {
  uv_run(loop, UV_RUN_DEFAULT);
  checked(uv_loop_close(loop), "uv_loop_close");
}

/* ---- sender ---- */

typedef struct sender {
  bench_thread_t *thread;
  uv_loop_t loop;
  uv_udp_t socket;
  uv_idle_t idle;
  struct sockaddr_in to;
  const struct sockaddr *address; /* NULL on a connected socket */
  uv_udp_send_t *requests;
  char *ring; /* a payload for each request */
  size_t size;
  size_t window;
  size_t in_flight;
  uint64_t sequence;
} sender_t;

static uv_buf_t next_payload(sender_t *sender) {
  char *payload = sender->ring + sender->sequence % sender->window * sender->size;
  work_write(payload, sender->size, sender->sequence++);
  return uv_buf_init(payload, (unsigned)sender->size);
}

static void on_sent(uv_udp_send_t *request, int status);

static void send_next(sender_t *sender, uv_udp_send_t *request) {
  uv_buf_t payload = next_payload(sender);
  checked(uv_udp_send(request, &sender->socket, &payload, 1, sender->address, on_sent),
          "uv_udp_send");
}

/* Requests end in order, so the ring's next payload is the one of this request. */
static void on_sent(uv_udp_send_t *request, int status) {
  sender_t *sender = request->data;
  checked(status, "uv_udp_send");
  bench_count(sender->thread, 1);
  if (!bench_stop_sending(sender->thread))
    send_next(sender, request);
  else if (--sender->in_flight == 0)
    uv_close((uv_handle_t *)&sender->socket, NULL);
}

static void send_by_queue(sender_t *sender) {
  for (size_t i = 0; i < sender->window; i++) {
    sender->requests[i].data = sender;
    sender->in_flight++;
    send_next(sender, &sender->requests[i]);
  }
}

static void on_idle(uv_idle_t *idle) {
  sender_t *sender = idle->data;
  for (size_t i = 0; i < sender->window; i++) {
    uv_buf_t payload = next_payload(sender);
    checked(uv_udp_try_send(&sender->socket, &payload, 1, sender->address), "uv_udp_try_send");
  }
  bench_count(sender->thread, sender->window);
  if (bench_stop_sending(sender->thread)) {
    uv_close((uv_handle_t *)idle, NULL);
    uv_close((uv_handle_t *)&sender->socket, NULL);
  }
}

static void send_by_try(sender_t *sender) {
  sender->idle.data = sender;
  checked(uv_idle_init(&sender->loop, &sender->idle), "uv_idle_init");
  checked(uv_idle_start(&sender->idle, on_idle), "uv_idle_start");
}

static void sender_init(sender_t *sender, bench_thread_t *thread) {
  sender->thread = thread;
  sender->size = bench_size(thread);
  sender->window = (size_t)bench_number(thread, "window", WINDOW);
  sender->ring = bench_allocate(sender->window * sender->size);
  sender->requests = bench_allocate(sender->window * sizeof *sender->requests);
  checked(uv_loop_init(&sender->loop), "uv_loop_init");
  checked(uv_udp_init(&sender->loop, &sender->socket), "uv_udp_init");
}

static void aim(sender_t *sender) {
  sender->to = bench_target(sender->thread, 0);
  sender->address = (const struct sockaddr *)&sender->to;
  if (bench_chosen(sender->thread, "connect", "no", false))
    return;
  checked(uv_udp_connect(&sender->socket, sender->address), "uv_udp_connect");
  sender->address = NULL;
}

static void stream_send(bench_thread_t *thread) {
  sender_t sender = {0};
  sender_init(&sender, thread);
  bench_begin(thread, 0);
  aim(&sender);
  if (bench_chosen(thread, "send", "try", false))
    send_by_try(&sender);
  else
    send_by_queue(&sender);
  run_to_the_end(&sender.loop);
  free(sender.requests);
  free(sender.ring);
}

/* ---- receiver ---- */

typedef struct receiver {
  bench_thread_t *thread;
  uv_loop_t loop;
  uv_udp_t socket;
  uv_timer_t timer;
  uv_buf_t buffer;
} receiver_t;

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
  (void)suggested;
  *buffer = ((receiver_t *)handle->data)->buffer;
}

static void on_received(uv_udp_t *socket, ssize_t size, const uv_buf_t *buffer,
                        const struct sockaddr *from, unsigned flags) {
  (void)flags;
  receiver_t *receiver = socket->data;
  if (size < 0)
    checked((int)size, "uv_udp_recv");
  if (!from) /* no datagram: libuv is done with the buffer */
    return;
  work_read(&receiver->thread->reader, buffer->base, (size_t)size);
  bench_count(receiver->thread, 1);
}

static void on_timer(uv_timer_t *timer) {
  receiver_t *receiver = timer->data;
  if (!bench_stop_receiving(receiver->thread))
    return;
  uv_close((uv_handle_t *)timer, NULL);
  uv_close((uv_handle_t *)&receiver->socket, NULL);
}

static void receiver_init(receiver_t *receiver, bench_thread_t *thread) {
  bool many = !bench_chosen(thread, "receive", "one", false);
  size_t bytes = many ? CHUNKS * CHUNK_BYTES : CHUNK_BYTES;
  unsigned flags = AF_INET | (many ? UV_UDP_RECVMMSG : 0);
  receiver->thread = thread;
  receiver->buffer = uv_buf_init(bench_allocate(bytes), (unsigned)bytes);
  receiver->timer.data = receiver->socket.data = receiver;
  checked(uv_loop_init(&receiver->loop), "uv_loop_init");
  checked(uv_timer_init(&receiver->loop, &receiver->timer), "uv_timer_init");
  checked(uv_udp_init_ex(&receiver->loop, &receiver->socket, flags), "uv_udp_init_ex");
}

static uint16_t listen_on_free_port(uv_udp_t *socket) {
  struct sockaddr_in self;
  int length = sizeof self, bytes = BENCH_RECV_BUFFER;
  checked(uv_ip4_addr("127.0.0.1", 0, &self), "uv_ip4_addr");
  checked(uv_udp_bind(socket, (struct sockaddr *)&self, 0), "uv_udp_bind");
  checked(uv_recv_buffer_size((uv_handle_t *)socket, &bytes), "uv_recv_buffer_size");
  checked(uv_udp_getsockname(socket, (struct sockaddr *)&self, &length), "uv_udp_getsockname");
  checked(uv_udp_recv_start(socket, on_allocate, on_received), "uv_udp_recv_start");
  return ntohs(self.sin_port);
}

static void stream_receive(bench_thread_t *thread) {
  receiver_t receiver = {0};
  receiver_init(&receiver, thread);
  uint16_t port = listen_on_free_port(&receiver.socket);
  checked(uv_timer_start(&receiver.timer, on_timer, BENCH_QUIET_MS, BENCH_QUIET_MS),
          "uv_timer_start");
  bench_begin(thread, port);
  run_to_the_end(&receiver.loop);
  free(receiver.buffer.base);
}

int main(int argc, char **argv) {
  static const bench_part_t parts[] = {{"stream", stream_send, stream_receive}, {NULL, NULL, NULL}};
  return bench_main(argc, argv, "libuv", parts);
}
