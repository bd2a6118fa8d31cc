/*
 * A system call for each datagram: sendto(2) and recvfrom(2), and epoll(7) to wait, as in most
 * programs that use no library.
 */
#include "../mixed.h"
#include "raw/sockets.h"
#include "roles.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { MAX_EVENTS = 64 };

/* `to` is NULL on a connected socket. */
static void send_one(int fd, const char *payload, size_t size, const struct sockaddr_in *to) {
  socklen_t length = to ? sizeof *to : 0;
  checked((int)sendto(fd, payload, size, 0, (const struct sockaddr *)to, length), "sendto");
}

/* False if there is none. */
static bool receive_one(int fd, char *payload, size_t room, size_t *size,
                        struct sockaddr_in *from) {
  socklen_t length = sizeof *from;
  ssize_t result = recvfrom(fd, payload, room, MSG_DONTWAIT, (struct sockaddr *)from, &length);
  if (result < 0 && (errno == EAGAIN || errno == EINTR))
    return false;
  *size = (size_t)checked((int)result, "recvfrom");
  return true;
}

/* ---- senders ---- */

void stream_send(bench_side_t *side) {
  char *payload = bench_allocate(side->size);
  int *fds = open_senders(side, 1);

  bench_begin(side, NULL);
  for (uint64_t sequence = 0; !bench_stop_sending(side); bench_count(side, 1)) {
    work_write(payload, side->size, sequence++);
    send_one(fds[0], payload, side->size, NULL);
  }
  close_sockets(fds, 1);
  free(payload);
}

static void fanout(bench_side_t *side, bool by_text) {
  char *payload = bench_allocate(side->size);
  int fd = open_socket();

  bench_begin(side, NULL);
  for (uint64_t sequence = 0; !bench_stop_sending(side); bench_count(side, 1)) {
    struct sockaddr_in *target = &side->targets[sequence % side->target_count], address;
    work_write(payload, side->size, sequence++);
    if (by_text)
      address = read_target("127.0.0.1", target->sin_port);
    send_one(fd, payload, side->size, by_text ? &address : target);
  }
  close(fd);
  free(payload);
}

void fanout_send(bench_side_t *side) {
  fanout(side, false);
}

void fanout_text_send(bench_side_t *side) {
  fanout(side, true);
}

void burst_send(bench_side_t *side) {
  char *payload = bench_allocate(side->size);
  int fd = open_socket();

  bench_begin(side, NULL);
  for (uint64_t sequence = 0; !bench_stop_sending(side);) {
    uint64_t began_ns = bench_now_ns();
    for (int i = 0; i < BENCH_BURST; i++) {
      work_write(payload, side->size, sequence++);
      send_one(fd, payload, side->size, side->targets);
    }
    bench_add_time(side, bench_now_ns() - began_ns);
    bench_count(side, BENCH_BURST);
  }
  close(fd);
  free(payload);
}

/* ---- receivers ---- */

/* Processes a received datagram. */
typedef void (*take_t)(bench_side_t *side, int fd, const char *payload, size_t size,
                       const struct sockaddr_in *from);

static void take(bench_side_t *side, int fd, const char *payload, size_t size,
                 const struct sockaddr_in *from) {
  (void)fd, (void)from;
  work_read_flow(side->readers, side->flows, payload, size);
  bench_count(side, 1);
}

static void take_and_answer(bench_side_t *side, int fd, const char *payload, size_t size,
                            const struct sockaddr_in *from) {
  take(side, fd, payload, size, from);
  send_one(fd, payload, size, from);
}

static void take_waiting(bench_side_t *side, int fd, char *payload, take_t take_one) {
  struct sockaddr_in from;
  size_t size;
  while (receive_one(fd, payload, side->size + 1, &size, &from))
    take_one(side, fd, payload, size, &from);
}

static void serve(bench_side_t *side, take_t take_one) {
  struct epoll_event events[MAX_EVENTS];
  char *payload = bench_allocate(side->size + 1); /* a byte more shows what is too long */
  uint16_t *ports = bench_allocate(side->sockets * sizeof *ports);
  int *fds = open_receivers(side, ports);
  int poller = open_poller(fds, side->sockets);

  bench_begin(side, ports);
  for (;;) {
    int ready = epoll_wait(poller, events, MAX_EVENTS, BENCH_QUIET_MS);
    for (int i = 0; i < ready; i++)
      take_waiting(side, fds[events[i].data.u64], payload, take_one);
    if (ready == 0 && bench_stop_receiving(side))
      break;
  }
  close(poller);
  close_sockets(fds, side->sockets);
  free(ports);
  free(payload);
}

void receive(bench_side_t *side) {
  serve(side, take);
}

void answer(bench_side_t *side) {
  serve(side, take_and_answer);
}

/* ---- the client, with one request in flight ---- */

void pingpong_send(bench_side_t *side) {
  char *payload = bench_allocate(side->size + 1);
  int *fds = open_senders(side, 1);
  int poller = open_poller(fds, 1);
  struct epoll_event event;
  struct sockaddr_in from;
  size_t size;

  bench_begin(side, NULL);
  for (uint64_t sequence = 0; !bench_stop_sending(side); bench_count(side, 1)) {
    work_write(payload, side->size, sequence++);
    uint64_t sent_ns = bench_now_ns();
    send_one(fds[0], payload, side->size, NULL);
    do
      epoll_wait(poller, &event, 1, -1);
    while (!receive_one(fds[0], payload, side->size + 1, &size, &from));
    bench_add_time(side, bench_now_ns() - sent_ns);
    work_read(side->readers, payload, size);
  }
  close(poller);
  close_sockets(fds, 1);
  free(payload);
}

/* ---- the server of many clients ---- */

typedef struct server {
  bench_side_t *side;
  int fd;
  char *payload;
  struct sockaddr_in addresses[MIXED_CLIENTS]; /* port 0: not known yet */
  size_t known;
  mixed_source_t source;
} server_t;

static void read_replies(server_t *server) {
  bench_side_t *side = server->side;
  struct sockaddr_in from;
  size_t size;
  while (receive_one(server->fd, server->payload, MIXED_REPLY_SIZE + 1, &size, &from)) {
    size_t client = mixed_read_reply(side->readers, server->payload, size);
    server->known += server->addresses[client].sin_port == 0;
    server->addresses[client] = from;
  }
}

static void send_some(server_t *server) {
  for (int i = 0; i < MIXED_IN_FLIGHT; i++) {
    mixed_datagram_t datagram = mixed_next(&server->source);
    work_write(server->payload, datagram.size, datagram.sequence);
    send_one(server->fd, server->payload, datagram.size, &server->addresses[datagram.client]);
    bench_count(server->side, 1);
  }
}

static void serve_clients(server_t *server, int poller) {
  bench_side_t *side = server->side;
  struct epoll_event event;
  for (;;) {
    bool sends = server->known == MIXED_CLIENTS && !bench_stop_sending(side);
    int ready = epoll_wait(poller, &event, 1, sends ? 0 : BENCH_QUIET_MS);
    if (ready > 0)
      read_replies(server);
    if (sends)
      send_some(server);
    else if (ready == 0 && bench_stop_receiving(side))
      return;
  }
}

void mixed_receive(bench_side_t *side) {
  server_t server = {.side = side, .source = mixed_source(side->size)};
  server.payload = bench_allocate(side->size + MIXED_REPLY_SIZE + 1);
  uint16_t port;
  int *fds = open_receivers(side, &port);
  server.fd = fds[0];
  int poller = open_poller(fds, 1);

  bench_begin(side, &port);
  serve_clients(&server, poller);
  close(poller);
  close_sockets(fds, 1);
  free(server.payload);
}
