/*
 * libdgram, as a program uses it: the public header alone, a callback for each datagram on both
 * sides. Connected, as the other peers are; `connect=no` gives each send an address instead.
 */
#include <dgram.h>

#include "../harness.h"

#include <stdlib.h>

/* Sends in flight in one flow. From 256 to 4096 made no difference beyond the noise. */
enum { WINDOW = 1024 };

static void checked(int result, const char *what) {
  if (result < 0)
    bench_fail(what, dgram_strerror(result));
}

static void on_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  (void)socket, (void)context;
  bench_fail("error event", error->message);
}

static dgram_socket_t *new_socket(uv_loop_t *loop, int recv_buffer, dgram_message_cb on_message,
                                  void *context) {
  dgram_socket_t *socket;
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.recv_buffer_size = recv_buffer;
  checked(dgram_create_socket_options(loop, &options, on_message, context, &socket),
          "dgram_create_socket_options");
  checked(dgram_on_error(socket, on_error, NULL), "dgram_on_error");
  return socket;
}

static void on_single_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                           void *context) {
  (void)socket, (void)bytes, (void)context;
  if (error)
    bench_fail("send", error->message);
}

static void run_to_the_end(uv_loop_t *loop) {
  uv_run(loop, UV_RUN_DEFAULT);
  checked(uv_loop_close(loop), "uv_loop_close");
}

static void connect_to(dgram_socket_t *socket, const struct sockaddr_in *target,
                       dgram_connect_cb on_connect, void *context) {
  char host[INET_ADDRSTRLEN];
  uv_ip4_name(target, host, sizeof host);
  checked(dgram_connect(socket, ntohs(target->sin_port), host, on_connect, context),
          "dgram_connect");
}

/* ---- sender ---- */

typedef struct sender sender_t;

/* Sends that follow one another, each made when the one before it has ended. */
typedef struct lane {
  sender_t *sender;
  dgram_socket_t *socket;
  char *payload;
  uint64_t sequence;
} lane_t;

struct sender {
  bench_thread_t *thread;
  struct sockaddr_in target;
  const struct sockaddr *to; /* with each send; NULL when connected */
  char *payloads;
  lane_t *lanes; /* `window` of them, which the sockets of the flows have in turn */
  size_t window;
  size_t flows;
  size_t size;
  size_t in_flight;
};

static void on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                    void *context);

static void send_next(lane_t *lane) {
  const sender_t *sender = lane->sender;
  work_write(lane->payload, sender->size, lane->sequence);
  uv_buf_t buffer = uv_buf_init(lane->payload, (unsigned)sender->size);
  checked(dgram_send_to(lane->socket, &buffer, 1, sender->to, on_sent, lane), "dgram_send_to");
}

static void close_sockets(sender_t *sender) {
  for (size_t i = 0; i < sender->flows; i++)
    checked(dgram_close(sender->lanes[i].socket, NULL, NULL), "dgram_close");
}

/* The sends of a socket end in order, so its lanes' next datagrams stay in order too. */
static void on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                    void *context) {
  (void)socket, (void)bytes;
  lane_t *lane = context;
  sender_t *sender = lane->sender;
  if (error)
    bench_fail("send", error->message);
  bench_count(sender->thread, 1);
  lane->sequence += sender->window;
  if (!bench_stop_sending(sender->thread))
    send_next(lane);
  else if (--sender->in_flight == 0)
    close_sockets(sender);
}

/* Starts the lanes of the socket whose first one it is. */
static void on_connect(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  (void)socket;
  if (error)
    bench_fail("dgram_connect", error->message);
  lane_t *first = context;
  sender_t *sender = first->sender;
  for (lane_t *lane = first; lane < sender->lanes + sender->window; lane += sender->flows) {
    sender->in_flight++;
    send_next(lane);
  }
}

static void aim(sender_t *sender) {
  bool connects = !bench_chosen(sender->thread, "connect", "no", false);
  sender->target = bench_target(sender->thread, 0);
  sender->to = connects ? NULL : (const struct sockaddr *)&sender->target;
  for (size_t i = 0; i < sender->flows; i++) {
    lane_t *first = &sender->lanes[i];
    if (connects)
      connect_to(first->socket, &sender->target, on_connect, first);
    else
      on_connect(first->socket, NULL, first);
  }
}

static void make_lanes(sender_t *sender, uv_loop_t *loop) {
  sender->payloads = bench_allocate(sender->window * sender->size);
  sender->lanes = bench_allocate(sender->window * sizeof *sender->lanes);
  for (size_t i = 0; i < sender->window; i++) {
    lane_t *lane = &sender->lanes[i];
    lane->sender = sender;
    lane->socket =
        i < sender->flows ? new_socket(loop, 0, NULL, NULL) : (lane - sender->flows)->socket;
    lane->payload = sender->payloads + i * sender->size;
    lane->sequence = i;
  }
}

static void send_in_lanes(bench_thread_t *thread, size_t window) {
  uv_loop_t loop;
  sender_t sender = {.thread = thread, .window = window};
  sender.flows = bench_flows(thread);
  sender.size = bench_size(thread);
  checked(uv_loop_init(&loop), "uv_loop_init");
  make_lanes(&sender, &loop);

  bench_begin(thread, 0);
  aim(&sender);
  run_to_the_end(&loop);
  free(sender.lanes);
  free(sender.payloads);
}

static void stream_send(bench_thread_t *thread) {
  send_in_lanes(thread, (size_t)bench_number(thread, "window", WINDOW));
}

/* One send in flight of each flow: no two datagrams that follow each other are of the same one. */
static void fanin_send(bench_thread_t *thread) {
  send_in_lanes(thread, bench_flows(thread));
}

/* ---- receiver ---- */

typedef struct receiver {
  bench_thread_t *thread;
  dgram_socket_t *socket;
  uv_timer_t timer;
  char *answer;
} receiver_t;

static void on_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  (void)socket;
  bench_thread_t *thread = ((receiver_t *)context)->thread;
  work_read(thread->readers, message, rinfo->size);
  bench_count(thread, 1);
}

static void on_flow_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                            void *context) {
  (void)socket;
  bench_thread_t *thread = ((receiver_t *)context)->thread;
  work_read_flow(thread->readers, bench_flows(thread), message, rinfo->size);
  bench_count(thread, 1);
}

/* The message is borrowed: what is sent back is a copy. */
static void on_request(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  receiver_t *receiver = context;
  on_message(socket, message, rinfo, context);
  uv_buf_t buffer = uv_buf_init(receiver->answer, (unsigned)rinfo->size);
  memcpy(buffer.base, message, rinfo->size);
  checked(dgram_send_to(socket, &buffer, 1, rinfo->sockaddr, on_single_sent, NULL),
          "dgram_send_to");
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

static void receive(bench_thread_t *thread, dgram_message_cb listener) {
  uv_loop_t loop;
  receiver_t receiver = {.thread = thread, .answer = bench_allocate(bench_size(thread))};
  receiver.timer.data = &receiver;
  checked(uv_loop_init(&loop), "uv_loop_init");
  checked(uv_timer_init(&loop, &receiver.timer), "uv_timer_init");
  receiver.socket = new_socket(&loop, BENCH_RECV_BUFFER, listener, &receiver);
  checked(dgram_bind(receiver.socket, 0, "127.0.0.1", on_listening, &receiver), "dgram_bind");
  run_to_the_end(&loop);
  free(receiver.answer);
}

static void stream_receive(bench_thread_t *thread) {
  receive(thread, on_message);
}

static void fanin_receive(bench_thread_t *thread) {
  receive(thread, on_flow_message);
}

static void pingpong_receive(bench_thread_t *thread) {
  receive(thread, on_request);
}

/* ---- who asks, in pingpong ---- */

typedef struct asker {
  bench_thread_t *thread;
  dgram_socket_t *socket;
  char *payload;
  uint64_t sequence;
  uint64_t sent_ns;
} asker_t;

static void ask(asker_t *asker) {
  size_t size = bench_size(asker->thread);
  work_write(asker->payload, size, asker->sequence++);
  asker->sent_ns = bench_now_ns();
  uv_buf_t buffer = uv_buf_init(asker->payload, (unsigned)size);
  checked(dgram_send_to(asker->socket, &buffer, 1, NULL, on_single_sent, NULL), "dgram_send_to");
}

static void on_answer(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                      void *context) {
  asker_t *asker = context;
  bench_round_trip(asker->thread, asker->sent_ns);
  work_read(asker->thread->readers, message, rinfo->size);
  bench_count(asker->thread, 1);
  if (!bench_stop_sending(asker->thread))
    ask(asker);
  else
    checked(dgram_close(socket, NULL, NULL), "dgram_close");
}

static void on_asker_connect(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  (void)socket;
  if (error)
    bench_fail("dgram_connect", error->message);
  ask(context);
}

static void pingpong_send(bench_thread_t *thread) {
  uv_loop_t loop;
  asker_t asker = {.thread = thread, .payload = bench_allocate(bench_size(thread))};
  checked(uv_loop_init(&loop), "uv_loop_init");
  asker.socket = new_socket(&loop, 0, on_answer, &asker);

  bench_begin(thread, 0);
  struct sockaddr_in target = bench_target(thread, 0);
  connect_to(asker.socket, &target, on_asker_connect, &asker);
  run_to_the_end(&loop);
  free(asker.payload);
}

int main(int argc, char **argv) {
  static const bench_part_t parts[] = {{"stream", stream_send, stream_receive},
                                       {"fanin", fanin_send, fanin_receive},
                                       {"pingpong", pingpong_send, pingpong_receive},
                                       {NULL, NULL, NULL}};
  return bench_main(argc, argv, "libdgram", parts);
}
