/* The client and the server: one request in flight, or a window of them on each socket. */
#define _GNU_SOURCE
#include "batch.h"
#include "roles.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <unistd.h>

enum {
  WINDOW = 64,      /* requests in flight on a socket */
  TIMEOUT_MS = 100, /* without an answer; then the requests in flight are abandoned */
  ANSWER_SLOTS = 8, /* an answer may be merged with those after it */
  MAX_EVENTS = 64
};

/* ---- pingpong: each side blocks in recv(2), which saves a call of epoll_wait(2) ---- */

void pingpong_send(bench_side_t *side) {
  char *payload = bench_allocate(side->size + 1);
  int *fds = open_senders(side, 1);

  bench_begin(side, NULL);
  for (uint64_t sequence = 0; !bench_stop_sending(side); sequence++) {
    work_write(payload, side->size, sequence);
    uint64_t sent_ns = bench_now_ns();
    checked((int)send(fds[0], payload, side->size, 0), "send");
    int received = checked((int)recv(fds[0], payload, side->size + 1, 0), "recv");
    bench_add_time(side, bench_now_ns() - sent_ns);
    work_read(side->readers, payload, (size_t)received);
    bench_count(side, 1);
  }
  close_sockets(fds, 1);
  free(payload);
}

/* False if nothing arrived within SO_RCVTIMEO. */
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

/* ---- the client of echo: a socket for each flow ---- */

typedef struct client {
  bench_side_t *side;
  int *fds;
  uint64_t *next;    /* sequence number, of each flow */
  uint64_t *awaited; /* the lowest number that was not abandoned, of each flow */
  uint64_t *sent_ns; /* when the last WINDOW requests of each flow were sent */
  size_t in_flight;
  bool any_order; /* `order=any`: a flow's answers may overtake each other */
  batch_t requests;
  batch_t answers;
} client_t;

static uint64_t *sent_at(client_t *client, size_t flow, uint64_t sequence) {
  return &client->sent_ns[flow * WINDOW + sequence / client->side->flows % WINDOW];
}

/*
 * The requests are sent one by one, not as a GSO batch, as by a usual client; a batch would
 * reach the server as one buffer.
 */
static void send_requests(client_t *client, size_t flow, size_t count) {
  size_t flows = client->side->flows;
  uint64_t now_ns = bench_now_ns();
  for (size_t i = 0; i < count; i++)
    *sent_at(client, flow, client->next[flow] + i * flows) = now_ns;
  client->next[flow] = batch_send_flow(client->fds[flow], &client->requests, (unsigned)count,
                                       client->next[flow], flows);
  client->in_flight += count;
}

/* Abandons the requests in flight. */
static void send_all_requests(client_t *client) {
  client->in_flight = 0;
  for (size_t flow = 0; flow < client->side->flows; flow++) {
    client->awaited[flow] = client->next[flow];
    send_requests(client, flow, WINDOW);
  }
}

/* False if the answer is late: its request was abandoned. */
static bool read_answer(client_t *client, size_t flow, const char *payload, size_t size,
                        uint64_t now_ns) {
  uint64_t sequence = 0;
  if (size >= sizeof sequence)
    memcpy(&sequence, payload, sizeof sequence);
  work_read_own_flow(client->side->readers, client->side->flows, flow, payload, size);
  if (client->any_order)
    client->side->readers[flow].expected = 0;
  bench_count(client->side, 1);
  if (sequence < client->awaited[flow])
    return false;
  bench_add_time(client->side, now_ns - *sent_at(client, flow, sequence));
  return true;
}

/* Returns how many requests were answered, without the abandoned. */
static size_t read_answers(client_t *client, size_t flow) {
  size_t answered = 0;
  int received = batch_receive(client->fds[flow], &client->answers, false);
  uint64_t now_ns = bench_now_ns();
  for (int i = 0; i < received; i++) {
    struct mmsghdr *message = &client->answers.messages[i];
    const char *payload = message->msg_hdr.msg_iov->iov_base;
    size_t segment = batch_segment(message);
    for (size_t at = 0; at < message->msg_len; at += segment)
      answered +=
          read_answer(client, flow, payload + at, smaller(segment, message->msg_len - at), now_ns);
  }
  return answered;
}

static void serve(client_t *client, size_t flow) {
  size_t answered = read_answers(client, flow);
  client->in_flight -= answered;
  if (answered > 0 && !bench_stop_sending(client->side))
    send_requests(client, flow, answered);
}

static void request_until_stopped(client_t *client, int poller) {
  struct epoll_event events[MAX_EVENTS];
  send_all_requests(client);
  while (client->in_flight > 0) {
    int ready = epoll_wait(poller, events, MAX_EVENTS, TIMEOUT_MS);
    for (int i = 0; i < ready; i++)
      serve(client, events[i].data.u64);
    if (ready == 0 && bench_stop_sending(client->side))
      break;
    if (ready == 0)
      send_all_requests(client);
  }
}

void echo_send(bench_side_t *side) {
  client_t client = {.side = side, .any_order = bench_option_is(side, "order", "any", false)};
  batch_init(&client.requests, WINDOW, side->size);
  batch_init(&client.answers, ANSWER_SLOTS, SLOT_BYTES);
  client.sent_ns = bench_allocate(side->flows * WINDOW * sizeof *client.sent_ns);
  client.next = bench_allocate(side->flows * sizeof *client.next);
  client.awaited = bench_allocate(side->flows * sizeof *client.awaited);
  client.fds = open_clients(side);
  for (size_t flow = 0; flow < side->flows; flow++)
    client.next[flow] = flow;
  int poller = open_poller(client.fds, side->flows);

  bench_begin(side, NULL);
  request_until_stopped(&client, poller);
  close(poller);
  close_sockets(client.fds, side->flows);
  free(client.awaited);
  free(client.next);
  free(client.sent_ns);
  free(client.answers.bytes);
  free(client.requests.bytes);
}

/* ---- the server of echo ---- */

static bool same_address(const struct sockaddr_in *a, const struct sockaddr_in *b) {
  return a->sin_port == b->sin_port && a->sin_addr.s_addr == b->sin_addr.s_addr;
}

/*
 * Datagrams that came from one address return to it as a GSO batch. Their bytes are not copied: a
 * message's vectors are as many as its datagrams.
 */
static unsigned make_answers(batch_t *answers, batch_t *requests, int received, size_t longest) {
  unsigned count = 0;
  const struct sockaddr_in *address = NULL;
  for (int i = 0; i < received; i++) {
    answers->vectors[i].iov_base = requests->vectors[i].iov_base;
    answers->vectors[i].iov_len = requests->messages[i].msg_len;
    struct msghdr *last = &answers->messages[count ? count - 1 : 0].msg_hdr;
    if (address && same_address(address, &requests->names[i]) && last->msg_iovlen < longest) {
      last->msg_iovlen++;
      continue;
    }
    address = &requests->names[i];
    answers->messages[count++].msg_hdr = (struct msghdr){.msg_name = &requests->names[i],
                                                         .msg_namelen = sizeof requests->names[i],
                                                         .msg_iov = &answers->vectors[i],
                                                         .msg_iovlen = 1};
  }
  return count;
}

static void answer_waiting(bench_side_t *side, int fd, batch_t *requests, batch_t *answers) {
  size_t longest = smaller(GSO_SEGMENTS, GSO_BYTES / side->size);
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
