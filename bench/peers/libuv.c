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
 * In fanin, where sendmmsg(2) has nothing to gather, send=try takes 10 % less CPU time than
 * send=queue; receive=mmsg is better there too.
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

typedef struct sender sender_t;

/* Sends that follow one another, each made when the one before it has ended. */
typedef struct lane {
  uv_udp_send_t request;
  sender_t *sender;
  uv_udp_t *socket;
  char *payload;
  uint64_t sequence;
} lane_t;

struct sender {
  bench_thread_t *thread;
  uv_loop_t loop;
  uv_idle_t idle;
  struct sockaddr_in to;
  const struct sockaddr *address; /* NULL on a connected socket */
  uv_udp_t *sockets;              /* one for each flow */
  lane_t *lanes;                  /* `window` of them, which the sockets have in turn */
  char *payloads;
  size_t window;
  size_t flows;
  size_t size;
  size_t in_flight;
};

static uv_buf_t next_payload(lane_t *lane) {
  work_write(lane->payload, lane->sender->size, lane->sequence);
  lane->sequence += lane->sender->window;
  return uv_buf_init(lane->payload, (unsigned)lane->sender->size);
}

static void close_sockets(sender_t *sender) {
  for (size_t i = 0; i < sender->flows; i++)
    uv_close((uv_handle_t *)&sender->sockets[i], NULL);
}

static void on_sent(uv_udp_send_t *request, int status);

static void send_next(lane_t *lane) {
  uv_buf_t payload = next_payload(lane);
  checked(uv_udp_send(&lane->request, lane->socket, &payload, 1, lane->sender->address, on_sent),
          "uv_udp_send");
}

/* The requests of a socket end in order, so its lanes' next datagrams stay in order too. */
static void on_sent(uv_udp_send_t *request, int status) {
  lane_t *lane = request->data;
  sender_t *sender = lane->sender;
  checked(status, "uv_udp_send");
  bench_count(sender->thread, 1);
  if (!bench_stop_sending(sender->thread))
    send_next(lane);
  else if (--sender->in_flight == 0)
    close_sockets(sender);
}

static void send_by_queue(sender_t *sender) {
  for (; sender->in_flight < sender->window; sender->in_flight++)
    send_next(&sender->lanes[sender->in_flight]);
}

static void on_idle(uv_idle_t *idle) {
  sender_t *sender = idle->data;
  for (size_t i = 0; i < sender->window; i++) {
    uv_buf_t payload = next_payload(&sender->lanes[i]);
    checked(uv_udp_try_send(sender->lanes[i].socket, &payload, 1, sender->address),
            "uv_udp_try_send");
  }
  bench_count(sender->thread, sender->window);
  if (bench_stop_sending(sender->thread)) {
    uv_close((uv_handle_t *)idle, NULL);
    close_sockets(sender);
  }
}

static void send_by_try(sender_t *sender) {
  sender->idle.data = sender;
  checked(uv_idle_init(&sender->loop, &sender->idle), "uv_idle_init");
  checked(uv_idle_start(&sender->idle, on_idle), "uv_idle_start");
}

static void make_lanes(sender_t *sender) {
  sender->sockets = bench_allocate(sender->flows * sizeof *sender->sockets);
  sender->lanes = bench_allocate(sender->window * sizeof *sender->lanes);
  sender->payloads = bench_allocate(sender->window * sender->size);
  for (size_t i = 0; i < sender->flows; i++)
    checked(uv_udp_init(&sender->loop, &sender->sockets[i]), "uv_udp_init");
  for (size_t i = 0; i < sender->window; i++) {
    lane_t *lane = &sender->lanes[i];
    lane->sender = sender;
    lane->socket = i < sender->flows ? &sender->sockets[i] : (lane - sender->flows)->socket;
    lane->payload = sender->payloads + i * sender->size;
    lane->sequence = i;
    lane->request.data = lane;
  }
}

static void aim(sender_t *sender) {
  sender->to = bench_target(sender->thread, 0);
  sender->address = (const struct sockaddr *)&sender->to;
  if (bench_chosen(sender->thread, "connect", "no", false))
    return;
  for (size_t i = 0; i < sender->flows; i++)
    checked(uv_udp_connect(&sender->sockets[i], sender->address), "uv_udp_connect");
  sender->address = NULL;
}

static void send_in_lanes(bench_thread_t *thread, size_t window, bool tries) {
  sender_t sender = {.thread = thread, .window = window};
  sender.flows = bench_flows(thread);
  sender.size = bench_size(thread);
  checked(uv_loop_init(&sender.loop), "uv_loop_init");
  make_lanes(&sender);
  bench_begin(thread, 0);
  aim(&sender);
  if (bench_chosen(thread, "send", "try", tries))
    send_by_try(&sender);
  else
    send_by_queue(&sender);
  run_to_the_end(&sender.loop);
  free(sender.payloads);
  free(sender.lanes);
  free(sender.sockets);
}

static void stream_send(bench_thread_t *thread) {
  send_in_lanes(thread, (size_t)bench_number(thread, "window", WINDOW), false);
}

/* One send in flight of each flow: no two datagrams that follow each other are of the same one. */
static void fanin_send(bench_thread_t *thread) {
  send_in_lanes(thread, bench_flows(thread), true);
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

/* False when there is no datagram: libuv is done with the buffer. */
static bool is_datagram(ssize_t size, const struct sockaddr *from) {
  if (size < 0)
    checked((int)size, "uv_udp_recv");
  return from != NULL;
}

static void on_received(uv_udp_t *socket, ssize_t size, const uv_buf_t *buffer,
                        const struct sockaddr *from, unsigned flags) {
  (void)flags;
  receiver_t *receiver = socket->data;
  if (!is_datagram(size, from))
    return;
  work_read(receiver->thread->readers, buffer->base, (size_t)size);
  bench_count(receiver->thread, 1);
}

static void on_flow_received(uv_udp_t *socket, ssize_t size, const uv_buf_t *buffer,
                             const struct sockaddr *from, unsigned flags) {
  (void)flags;
  bench_thread_t *thread = ((receiver_t *)socket->data)->thread;
  if (!is_datagram(size, from))
    return;
  work_read_flow(thread->readers, bench_flows(thread), buffer->base, (size_t)size);
  bench_count(thread, 1);
}

static void on_request(uv_udp_t *socket, ssize_t size, const uv_buf_t *buffer,
                       const struct sockaddr *from, unsigned flags) {
  on_received(socket, size, buffer, from, flags);
  uv_buf_t answer = uv_buf_init(buffer->base, (unsigned)size);
  if (from)
    checked(uv_udp_try_send(socket, &answer, 1, from), "uv_udp_try_send");
}

static void on_timer(uv_timer_t *timer) {
  receiver_t *receiver = timer->data;
  if (!bench_stop_receiving(receiver->thread))
    return;
  uv_close((uv_handle_t *)timer, NULL);
  uv_close((uv_handle_t *)&receiver->socket, NULL);
}

static void receiver_init(receiver_t *receiver, bench_thread_t *thread, bool many) {
  size_t bytes = many ? CHUNKS * CHUNK_BYTES : CHUNK_BYTES;
  unsigned flags = AF_INET | (many ? UV_UDP_RECVMMSG : 0);
  receiver->thread = thread;
  receiver->buffer = uv_buf_init(bench_allocate(bytes), (unsigned)bytes);
  receiver->timer.data = receiver->socket.data = receiver;
  checked(uv_loop_init(&receiver->loop), "uv_loop_init");
  checked(uv_timer_init(&receiver->loop, &receiver->timer), "uv_timer_init");
  checked(uv_udp_init_ex(&receiver->loop, &receiver->socket, flags), "uv_udp_init_ex");
}

static uint16_t listen_on_free_port(uv_udp_t *socket, uv_udp_recv_cb listener) {
  struct sockaddr_in self;
  int length = sizeof self, bytes = BENCH_RECV_BUFFER;
  checked(uv_ip4_addr("127.0.0.1", 0, &self), "uv_ip4_addr");
  checked(uv_udp_bind(socket, (struct sockaddr *)&self, 0), "uv_udp_bind");
  checked(uv_recv_buffer_size((uv_handle_t *)socket, &bytes), "uv_recv_buffer_size");
  checked(uv_udp_getsockname(socket, (struct sockaddr *)&self, &length), "uv_udp_getsockname");
  checked(uv_udp_recv_start(socket, on_allocate, listener), "uv_udp_recv_start");
  return ntohs(self.sin_port);
}

static void receive(bench_thread_t *thread, bool many, uv_udp_recv_cb listener) {
  receiver_t receiver = {0};
  receiver_init(&receiver, thread, bench_chosen(thread, "receive", "mmsg", many));
  uint16_t port = listen_on_free_port(&receiver.socket, listener);
  checked(uv_timer_start(&receiver.timer, on_timer, BENCH_QUIET_MS, BENCH_QUIET_MS),
          "uv_timer_start");
  bench_begin(thread, port);
  run_to_the_end(&receiver.loop);
  free(receiver.buffer.base);
}

static void stream_receive(bench_thread_t *thread) {
  receive(thread, true, on_received);
}

static void fanin_receive(bench_thread_t *thread) {
  receive(thread, true, on_flow_received);
}

static void pingpong_receive(bench_thread_t *thread) {
  receive(thread, false, on_request);
}

/* ---- who asks, in pingpong ---- */

typedef struct asker {
  bench_thread_t *thread;
  uv_udp_t socket;
  uv_buf_t request;
  uv_buf_t answer;
  uint64_t sequence;
  uint64_t sent_ns;
} asker_t;

static void ask(asker_t *asker) {
  work_write(asker->request.base, asker->request.len, asker->sequence++);
  asker->sent_ns = bench_now_ns();
  checked(uv_udp_try_send(&asker->socket, &asker->request, 1, NULL), "uv_udp_try_send");
}

static void on_allocate_answer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
  (void)suggested;
  *buffer = ((asker_t *)handle->data)->answer;
}

static void on_answer(uv_udp_t *socket, ssize_t size, const uv_buf_t *buffer,
                      const struct sockaddr *from, unsigned flags) {
  (void)flags;
  asker_t *asker = socket->data;
  if (!is_datagram(size, from))
    return;
  bench_round_trip(asker->thread, asker->sent_ns);
  work_read(asker->thread->readers, buffer->base, (size_t)size);
  bench_count(asker->thread, 1);
  if (!bench_stop_sending(asker->thread))
    ask(asker);
  else
    uv_close((uv_handle_t *)socket, NULL);
}

static void pingpong_send(bench_thread_t *thread) {
  uv_loop_t loop;
  asker_t asker = {.thread = thread};
  size_t size = bench_size(thread);
  asker.request = uv_buf_init(bench_allocate(size), (unsigned)size);
  asker.answer = uv_buf_init(bench_allocate(CHUNK_BYTES), CHUNK_BYTES);
  asker.socket.data = &asker;
  checked(uv_loop_init(&loop), "uv_loop_init");
  checked(uv_udp_init(&loop, &asker.socket), "uv_udp_init");

  bench_begin(thread, 0);
  struct sockaddr_in target = bench_target(thread, 0);
  checked(uv_udp_connect(&asker.socket, (struct sockaddr *)&target), "uv_udp_connect");
  checked(uv_udp_recv_start(&asker.socket, on_allocate_answer, on_answer), "uv_udp_recv_start");
  ask(&asker);
  run_to_the_end(&loop);
  free(asker.answer.base);
  free(asker.request.base);
}

int main(int argc, char **argv) {
  static const bench_part_t parts[] = {{"stream", stream_send, stream_receive},
                                       {"fanin", fanin_send, fanin_receive},
                                       {"pingpong", pingpong_send, pingpong_receive},
                                       {NULL, NULL, NULL}};
  return bench_main(argc, argv, "libuv", parts);
}
