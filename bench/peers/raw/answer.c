/* Who asks and who answers: one request under way, or a window of them on each socket. */
#define _GNU_SOURCE
#include "batch.h"
#include "roles.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <unistd.h>

enum {
  WINDOW = 64,      /* requests under way on a socket */
  SILENCE_MS = 100, /* then what is under way is given up */
  ANSWER_SLOTS = 8, /* an answer may come merged with those behind it */
  MAX_EVENTS = 64
};

/* ---- pingpong: each side waits in recv(2), from which the system wakes it a call earlier ---- */

void pingpong_send(bench_side_t *side) {
  char *payload = bench_allocate(side->size + 1);
  int *fds = open_senders(side, 1);

  bench_begin(side, NULL);
  for (uint64_t sequence = 0; !bench_stop_sending(side); sequence++) {
    work_write(payload, side->size, sequence);
    uint64_t sent_ns = bench_now_ns();
    checked((int)send(fds[0], payload, side->size, 0), "send");
    int received = checked((int)recv(fds[0], payload, side->size + 1, 0), "recv");
    bench_took(side, bench_now_ns() - sent_ns);
    work_read(side->readers, payload, (size_t)received);
    bench_count(side, 1);
  }
  close_sockets(fds, 1);
  free(payload);
}

/* False if nothing came for a while. */
static bool answer_one(bench_side_t *side, int fd, char *payload) {
  struct sockaddr_in from;
  socklen_t length = sizeof from;
  ssize_t received = recvfrom(fd, payload, side->size + 1, 0, (struct sockaddr *)&from, &length);
  if (received < 0 && errno == EAGAIN)
    return false;
  checked((int)received, "recvfrom");
  work_read(side->readers, payload, (size_t)received);
  bench_count(side, 1);
  checked((int)sendto(fd, payload, (size_t)received, 0, (struct sockaddr *)&from, length),
          "sendto");
  return true;
}

void pingpong_receive(bench_side_t *side) {
  struct timeval quiet = {.tv_usec = BENCH_QUIET_MS * 1000L};
  char *payload = bench_allocate(side->size + 1);
  uint16_t port;
  int *fds = open_receivers(side, &port);
  checked(setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &quiet, sizeof quiet), "SO_RCVTIMEO");

  bench_begin(side, &port);
  while (answer_one(side, fds[0], payload) || !bench_stop_receiving(side))
    ;
  close_sockets(fds, 1);
  free(payload);
}

/* ---- who asks, in echo: a socket for each flow ---- */

typedef struct asker {
  bench_side_t *side;
  int *fds;
  uint64_t *next;    /* sequence number, of each flow */
  uint64_t *awaited; /* the lowest number that has not been given up, of each flow */
  uint64_t *sent_ns; /* when the last WINDOW requests of each flow were sent */
  size_t in_flight;
  bool any_order; /* `order=any`: a flow's answers may overtake each other */
  batch_t requests;
  batch_t answers;
} asker_t;

static uint64_t *sent_at(asker_t *asker, size_t flow, uint64_t sequence) {
  return &asker->sent_ns[flow * WINDOW + sequence / asker->side->flows % WINDOW];
}

/*
 * The requests leave one by one, not as a GSO run: a client's usually do, and a run would reach
 * the server as one.
 */
static void ask(asker_t *asker, size_t flow, size_t count) {
  size_t flows = asker->side->flows;
  uint64_t now_ns = bench_now_ns();
  for (size_t i = 0; i < count; i++)
    *sent_at(asker, flow, asker->next[flow] + i * flows) = now_ns;
  asker->next[flow] = batch_send_flow(asker->fds[flow], &asker->requests, (unsigned)count,
                                      asker->next[flow], flows);
  asker->in_flight += count;
}

/* Gives up what is under way. */
static void ask_all(asker_t *asker) {
  asker->in_flight = 0;
  for (size_t flow = 0; flow < asker->side->flows; flow++) {
    asker->awaited[flow] = asker->next[flow];
    ask(asker, flow, WINDOW);
  }
}

/* False if the answer is late: its request had been given up. */
static bool read_answer(asker_t *asker, size_t flow, const char *payload, size_t size,
                        uint64_t now_ns) {
  uint64_t sequence = 0;
  if (size >= sizeof sequence)
    memcpy(&sequence, payload, sizeof sequence);
  work_read_own_flow(asker->side->readers, asker->side->flows, flow, payload, size);
  if (asker->any_order)
    asker->side->readers[flow].expected = 0;
  bench_count(asker->side, 1);
  if (sequence < asker->awaited[flow])
    return false;
  bench_took(asker->side, now_ns - *sent_at(asker, flow, sequence));
  return true;
}

/* How many requests were answered that had not been given up. */
static size_t read_answers(asker_t *asker, size_t flow) {
  size_t answered = 0;
  int received = batch_receive(asker->fds[flow], &asker->answers, false);
  uint64_t now_ns = bench_now_ns();
  for (int i = 0; i < received; i++) {
    struct mmsghdr *message = &asker->answers.messages[i];
    const char *payload = message->msg_hdr.msg_iov->iov_base;
    size_t segment = batch_segment(message);
    for (size_t at = 0; at < message->msg_len; at += segment)
      answered +=
          read_answer(asker, flow, payload + at, smaller(segment, message->msg_len - at), now_ns);
  }
  return answered;
}

static void serve(asker_t *asker, size_t flow) {
  size_t answered = read_answers(asker, flow);
  asker->in_flight -= answered;
  if (answered > 0 && !bench_stop_sending(asker->side))
    ask(asker, flow, answered);
}

static void ask_until_stopped(asker_t *asker, int poller) {
  struct epoll_event events[MAX_EVENTS];
  ask_all(asker);
  while (asker->in_flight > 0) {
    int ready = epoll_wait(poller, events, MAX_EVENTS, SILENCE_MS);
    for (int i = 0; i < ready; i++)
      serve(asker, events[i].data.u64);
    if (ready == 0 && bench_stop_sending(asker->side))
      break;
    if (ready == 0)
      ask_all(asker);
  }
}

void echo_send(bench_side_t *side) {
  asker_t asker = {.side = side, .any_order = bench_chosen(side, "order", "any", false)};
  batch_init(&asker.requests, WINDOW, side->size);
  batch_init(&asker.answers, ANSWER_SLOTS, SLOT_BYTES);
  asker.sent_ns = bench_allocate(side->flows * WINDOW * sizeof *asker.sent_ns);
  asker.next = bench_allocate(side->flows * sizeof *asker.next);
  asker.awaited = bench_allocate(side->flows * sizeof *asker.awaited);
  asker.fds = open_clients(side);
  for (size_t flow = 0; flow < side->flows; flow++)
    asker.next[flow] = flow;
  int poller = open_poller(asker.fds, side->flows);

  bench_begin(side, NULL);
  ask_until_stopped(&asker, poller);
  close(poller);
  close_sockets(asker.fds, side->flows);
  free(asker.awaited);
  free(asker.next);
  free(asker.sent_ns);
  free(asker.answers.bytes);
  free(asker.requests.bytes);
}

/* ---- who answers, in echo ---- */

static bool same_place(const struct sockaddr_in *a, const struct sockaddr_in *b) {
  return a->sin_port == b->sin_port && a->sin_addr.s_addr == b->sin_addr.s_addr;
}

/*
 * Datagrams that came from one place go back to it as a run. Their bytes stay where they are: a
 * message's vectors are as many as its datagrams.
 */
static unsigned make_answers(batch_t *answers, batch_t *requests, int received, size_t longest) {
  unsigned count = 0;
  const struct sockaddr_in *place = NULL;
  for (int i = 0; i < received; i++) {
    answers->vectors[i].iov_base = requests->vectors[i].iov_base;
    answers->vectors[i].iov_len = requests->messages[i].msg_len;
    struct msghdr *run = &answers->messages[count ? count - 1 : 0].msg_hdr;
    if (place && same_place(place, &requests->names[i]) && run->msg_iovlen < longest) {
      run->msg_iovlen++;
      continue;
    }
    place = &requests->names[i];
    answers->messages[count++].msg_hdr = (struct msghdr){.msg_name = &requests->names[i],
                                                         .msg_namelen = sizeof requests->names[i],
                                                         .msg_iov = &answers->vectors[i],
                                                         .msg_iovlen = 1};
  }
  return count;
}

static void answer_waiting(bench_side_t *side, int fd, batch_t *requests, batch_t *answers) {
  size_t longest = smaller(RUN_SEGMENTS, RUN_BYTES / side->size);
  int received;
  while ((received = batch_receive(fd, requests, true)) > 0) {
    for (int i = 0; i < received; i++)
      work_read_flow(side->readers, side->flows, requests->vectors[i].iov_base,
                     requests->messages[i].msg_len);
    batch_send(fd, answers, make_answers(answers, requests, received, longest));
    bench_count(side, (uint64_t)received);
  }
}

void echo_receive(bench_side_t *side) {
  static batch_t requests, answers;
  batch_init(&requests, bench_number(side, "slots", WINDOW), side->size + 1);
  uint16_t port;
  int *fds = open_receivers(side, &port);
  set_option(fds[0], SOL_UDP, UDP_SEGMENT, (int)side->size);
  int poller = open_poller(fds, 1);

  bench_begin(side, &port);
  for (;;) {
    struct epoll_event event;
    int ready = epoll_wait(poller, &event, 1, BENCH_QUIET_MS);
    if (ready > 0)
      answer_waiting(side, fds[0], &requests, &answers);
    if (ready == 0 && bench_stop_receiving(side))
      break;
  }
  close(poller);
  close_sockets(fds, 1);
  free(requests.bytes);
}
