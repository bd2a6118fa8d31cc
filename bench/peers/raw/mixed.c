/* The server of many clients, and the clients, in one process; see mixed.h. */
#define _GNU_SOURCE
#include "../../mixed.h"
#include "batch.h"
#include "roles.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { CLIENT_SLOTS = 8, REPLY_SLOTS = 64, MAX_EVENTS = 64 };

/* ---- the clients: a socket and a flow each ---- */

typedef struct clients {
  bench_side_t *side;
  int *fds;
  uint64_t *next;     /* sequence number of each one's replies */
  uint64_t *received; /* datagrams not yet replied to */
  batch_t replies;
  batch_t datagrams;
} clients_t;

static void reply(clients_t *clients, size_t client, size_t count) {
  while (count > 0) {
    unsigned now = (unsigned)smaller(count, clients->replies.count);
    clients->next[client] = batch_send_flow(clients->fds[client], &clients->replies, now,
                                            clients->next[client], clients->side->flows);
    count -= now;
  }
}

static size_t read_datagrams(clients_t *clients, size_t client) {
  bench_side_t *side = clients->side;
  size_t count = 0;
  int received = batch_receive(clients->fds[client], &clients->datagrams, false);
  for (int i = 0; i < received; i++) {
    struct mmsghdr *message = &clients->datagrams.messages[i];
    const char *payload = message->msg_hdr.msg_iov->iov_base;
    size_t segment = batch_segment(message);
    for (size_t at = 0; at < message->msg_len; at += segment, count++)
      mixed_read(&side->readers[client], side->size, payload + at,
                 smaller(segment, message->msg_len - at));
  }
  bench_count(side, count);
  return count;
}

static void serve_client(clients_t *clients, size_t client) {
  clients->received[client] += read_datagrams(clients, client);
  reply(clients, client, clients->received[client] / MIXED_REPLY_EVERY);
  clients->received[client] %= MIXED_REPLY_EVERY;
}

/* The last datagrams of the server are still received. */
static void serve_clients(clients_t *clients, int poller) {
  struct epoll_event events[MAX_EVENTS];
  for (size_t i = 0; i < clients->side->flows; i++)
    reply(clients, i, 1);
  for (;;) {
    int ready = epoll_wait(poller, events, MAX_EVENTS, BENCH_QUIET_MS);
    for (int i = 0; i < ready; i++)
      serve_client(clients, events[i].data.u64);
    if (ready == 0 && bench_stop_sending(clients->side))
      break;
  }
}

void mixed_send(bench_side_t *side) {
  clients_t clients = {.side = side};
  batch_init(&clients.replies, REPLY_SLOTS, MIXED_REPLY_SIZE);
  batch_init(&clients.datagrams, CLIENT_SLOTS, SLOT_BYTES);
  clients.next = bench_allocate(side->flows * sizeof *clients.next);
  clients.received = bench_allocate(side->flows * sizeof *clients.received);
  clients.fds = open_clients(side);
  for (size_t i = 0; i < side->flows; i++) {
    clients.next[i] = i;
    clients.received[i] = 0;
  }
  int poller = open_poller(clients.fds, side->flows);

  bench_begin(side, NULL);
  serve_clients(&clients, poller);
  close(poller);
  close_sockets(clients.fds, side->flows);
  free(clients.received);
  free(clients.next);
  free(clients.datagrams.bytes);
  free(clients.replies.bytes);
}

/* ---- the server ---- */

typedef struct server {
  bench_side_t *side;
  int fd;
  struct sockaddr_in addresses[MIXED_CLIENTS]; /* port 0: not known yet */
  size_t known;
  mixed_source_t source;
  batch_t runs; /* one message for each GSO batch */
  batch_t replies;
} server_t;

static void read_replies(server_t *server) {
  bench_side_t *side = server->side;
  int received = batch_receive(server->fd, &server->replies, true);
  for (int i = 0; i < received; i++) {
    size_t client = mixed_read_reply(side->readers, server->replies.vectors[i].iov_base,
                                     server->replies.messages[i].msg_len);
    server->known += server->addresses[client].sin_port == 0;
    server->addresses[client] = server->replies.names[i];
  }
}

/* Adds a datagram to the last GSO batch if it may be its next segment, else begins another. */
static unsigned add_datagram(server_t *server, mixed_datagram_t datagram, unsigned count,
                             bool continues, char *payload) {
  struct sockaddr_in *address = &server->addresses[datagram.client];
  struct iovec *last = &server->runs.vectors[count ? count - 1 : 0];
  work_write(payload, datagram.size, datagram.sequence);
  if (continues && server->runs.messages[count - 1].msg_hdr.msg_name == address &&
      last->iov_len + datagram.size <= GSO_BYTES) {
    last->iov_len += datagram.size;
    return count;
  }
  server->runs.vectors[count] = (struct iovec){payload, datagram.size};
  server->runs.messages[count].msg_hdr.msg_name = address;
  return count + 1;
}

/* Sends as many as may be in flight: when the call returns, none is any more. */
static void send_runs(server_t *server) {
  char *payload = server->runs.bytes;
  bool continues = false; /* a shorter datagram ends its GSO batch */
  unsigned count = 0;
  for (int i = 0; i < MIXED_IN_FLIGHT; i++) {
    mixed_datagram_t datagram = mixed_next(&server->source);
    count = add_datagram(server, datagram, count, continues, payload);
    continues = datagram.size == server->side->size;
    payload += datagram.size;
  }
  batch_send(server->fd, &server->runs, count);
  bench_count(server->side, MIXED_IN_FLIGHT);
}

static void serve(server_t *server, int poller) {
  bench_side_t *side = server->side;
  struct epoll_event event;
  for (;;) {
    bool sends = server->known == MIXED_CLIENTS && !bench_stop_sending(side);
    int ready = epoll_wait(poller, &event, 1, sends ? 0 : BENCH_QUIET_MS);
    if (ready > 0)
      read_replies(server);
    if (sends)
      send_runs(server);
    else if (ready == 0 && bench_stop_receiving(side))
      return;
  }
}

void mixed_receive(bench_side_t *side) {
  server_t server = {.side = side, .source = mixed_source(side->size)};
  batch_init(&server.runs, MIXED_IN_FLIGHT, side->size);
  batch_set_destination(&server.runs, server.addresses); /* for the lengths */
  batch_init(&server.replies, REPLY_SLOTS, MIXED_REPLY_SIZE + 1);
  uint16_t port;
  int *fds = open_receivers(side, &port);
  server.fd = fds[0];
  set_option(server.fd, SOL_UDP, UDP_SEGMENT, (int)side->size);
  int poller = open_poller(fds, 1);

  bench_begin(side, &port);
  serve(&server, poller);
  close(poller);
  close_sockets(fds, 1);
  free(server.replies.bytes);
  free(server.runs.bytes);
}
