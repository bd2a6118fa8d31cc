/*
 * A protocol that retransmits, tested on a network in memory that loses 30 % of all packets, and
 * duplicates and reorders others: one run for each seed, thousands in a second. A run that fails is
 * repeated by its seed.
 *
 *   sim_retransmit                 10,000 seeds
 *   sim_retransmit 500             so many
 *   sim_retransmit 500 bug         ... of a receiver with a bug, which some of the seeds find
 *   sim_retransmit seed 17 bug     that run alone, with its trace
 *
 * The protocol itself knows nothing of the simulation: its sockets have an option more, its timer
 * is one of libuv.
 */
#include <dgram.h>
#include <dgram_sim.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGES = 8, PORT = 4000, RETRANSMIT_MS = 10, MOST_TRIES = 100 };

/* ---- the protocol: a message has a number, and is sent until that is acknowledged ---- */

struct sender {
  dgram_socket_t *socket;
  uv_timer_t timer;
  unsigned char number; /* of the message under way */
  int tries;
  enum { SENDING, DONE, FAILED } state;
};

struct receiver {
  unsigned char expected; /* the number of the next message */
  char received[4 * MESSAGES + 1];
  int has_bug; /* it looks at the number's lowest bit only: enough, were there no reordering */
};

static void transmit(struct sender *sender);

static void on_timeout(uv_timer_t *timer) {
  transmit(timer->data);
}

static void transmit(struct sender *sender) {
  const unsigned char message[2] = {sender->number, (unsigned char)('a' + sender->number)};
  if (++sender->tries > MOST_TRIES) {
    sender->state = FAILED;
    return;
  }
  (void)dgram_send(sender->socket, message, sizeof message, 0, NULL, NULL, NULL);
  uv_timer_start(&sender->timer, on_timeout, RETRANSMIT_MS, 0);
}

static void on_acknowledgement(dgram_socket_t *socket, const char *message,
                               const dgram_rinfo_t *rinfo, void *context) {
  struct sender *sender = context;
  (void)socket;
  if (rinfo->size != 1 || (unsigned char)*message != sender->number || sender->state != SENDING)
    return;
  sender->tries = 0;
  uv_timer_stop(&sender->timer);
  if (++sender->number == MESSAGES)
    sender->state = DONE;
  else
    transmit(sender);
}

static void on_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  struct receiver *receiver = context;
  const uv_buf_t acknowledgement = uv_buf_init((char *)message, 1);
  if (rinfo->size != 2)
    return;
  unsigned differs = (unsigned char)message[0] ^ receiver->expected;
  if ((receiver->has_bug ? differs & 1 : differs) == 0) {
    receiver->expected++;
    if (strlen(receiver->received) + 1 < sizeof receiver->received)
      receiver->received[strlen(receiver->received)] = message[1];
  }
  if ((unsigned char)message[0] < receiver->expected) /* one that has come before, too */
    (void)dgram_send_to(socket, &acknowledgement, 1, rinfo->sockaddr, NULL, NULL);
}

/* ---- the test: a run of it on a network of two hosts ---- */

static void check(int err, const char *what) {
  if (err == 0)
    return;
  fprintf(stderr, "%s: %s\n", what, dgram_strerror(err));
  exit(1);
}

static dgram_socket_t *open_socket(uv_loop_t *loop, dgram_sim_host_t *host,
                                   dgram_message_cb listener, void *context) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  dgram_socket_t *socket;
  options.sim_host = host;
  check(dgram_create_socket_options(loop, &options, listener, context, &socket), "socket");
  return socket;
}

static void print_event(const dgram_sim_t *sim, const dgram_sim_event_t *event, void *context) {
  static const char *const kinds[] = {"sent", "delivered", "duplicated"};
  (void)sim, (void)context;
  printf("%8.3f ms  %-8s  %-10s  %d\n", (double)event->time / 1e6, event->host,
         event->kind < 3 ? kinds[event->kind] : "lost", *(const unsigned char *)event->data);
}

/* Whether every message has come once, in order. */
static int run(uv_loop_t *loop, dgram_sim_t *sim, uint64_t seed, int has_bug) {
  struct sender sender = {.state = SENDING};
  struct receiver receiver = {.has_bug = has_bug};
  dgram_sim_host_t *a;
  dgram_sim_host_t *b;
  dgram_sim_link_options_t options = dgram_default_sim_link_options();
  options.loss = 0.3;
  options.duplicate = 0.1;
  options.reorder = 0.1;
  options.jitter = DGRAM_SIM_MS(2);
  check(dgram_sim_reset(sim, seed), "reset");
  check(dgram_sim_host(sim, "sender", &a), "host");
  check(dgram_sim_host(sim, "receiver", &b), "host");
  check(dgram_sim_host_add_address(a, "10.0.0.1"), "address");
  check(dgram_sim_host_add_address(b, "10.0.0.2"), "address");
  check(dgram_sim_link(a, b, &options, NULL), "link");

  dgram_socket_t *server = open_socket(loop, b, on_message, &receiver);
  sender.socket = open_socket(loop, a, on_acknowledgement, &sender);
  uv_timer_init(loop, &sender.timer);
  sender.timer.data = &sender;
  check(dgram_bind_sync(server, PORT, NULL), "bind");
  check(dgram_connect_sync(sender.socket, PORT, "10.0.0.2"), "connect");
  transmit(&sender);
  check(dgram_sim_run(sim), "run");

  dgram_close(server, NULL, NULL);
  dgram_close(sender.socket, NULL, NULL);
  uv_close((uv_handle_t *)&sender.timer, NULL);
  check(dgram_sim_run(sim), "run");
  return sender.state == DONE && strcmp(receiver.received, "abcdefgh") == 0;
}

int main(int argc, char **argv) {
  int alone = argc > 2 && strcmp(argv[1], "seed") == 0;
  uint64_t first = alone ? strtoull(argv[2], NULL, 10) : 0;
  uint64_t count = alone ? 1 : argc > 1 ? strtoull(argv[1], NULL, 10) : 10000;
  int has_bug = argc > 2 && strcmp(argv[argc - 1], "bug") == 0;
  uint64_t failures = 0;
  uv_loop_t loop;
  dgram_sim_t *sim;
  check(uv_loop_init(&loop), "loop");
  check(dgram_sim_create(&loop, 0, &sim), "network");
  if (alone)
    check(dgram_sim_trace(sim, print_event, NULL), "trace");
  for (uint64_t seed = first; seed < first + count; seed++) {
    if (run(&loop, sim, seed, has_bug))
      continue;
    if (failures++ == 0)
      printf("seed %llu fails\n", (unsigned long long)seed);
  }
  printf("%llu of %llu runs failed\n", (unsigned long long)failures, (unsigned long long)count);
  check(dgram_sim_free(sim), "free");
  uv_run(&loop, UV_RUN_DEFAULT);
  check(uv_loop_close(&loop), "close");
  return failures > 0;
}
