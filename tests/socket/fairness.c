/*
 * A peer that floods a socket keeps neither timers nor other sockets waiting (bun#37103: reading
 * until EAGAIN starved timers, which anybody could cause from afar).
 */
#include "lib/fixture.h"

struct flood {
  int fd;
  int port;
  int messages;
};

/* Each message brings the next, so the victim is never without one to read. */
static void flood_on(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                     void *context) {
  struct flood *flood = context;
  flood->messages++;
  raw_send(flood->fd, "flood", 5, flood->port);
}

static void count_tick(uv_timer_t *timer) {
  ++*(int *)timer->data;
}

static void ignore_handle(uv_handle_t *handle) {
}

TEST("a flood starves neither timers nor other sockets") {
  enum { AT_ONCE = 150, TICKS = 20 }; /* more than one receive takes */
  struct flood flood = {.fd = raw_socket()};
  int ticks = 0;
  int port;
  uv_timer_t timer = {.data = &ticks};
  new_bound(loop, flood_on, &flood, &flood.port);
  dgram_socket_t *other = new_bound(loop, NULL, NULL, &port);
  for (int i = 0; i < AT_ONCE; i++)
    raw_send(flood.fd, "flood", 5, flood.port);
  uv_timer_init(loop, &timer);
  uv_timer_start(&timer, count_tick, 1, 1);
  run_until(loop, &ticks, TICKS);
  assert_usable(other);
  int before = flood.messages;
  run_until(loop, &flood.messages, before + AT_ONCE); /* it goes on all the while */
  uv_close((uv_handle_t *)&timer, ignore_handle);
  close_sockets(loop);
  close(flood.fd);
}

struct echoing {
  int exchanges;
  int peer_port;
};

static void send_back(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                      void *context) {
  struct echoing *echoing = context;
  echoing->exchanges++;
  send_text(socket, "ball", echoing->peer_port, NULL, NULL);
}

/* Two sockets of one loop that never stop answering each other. */
TEST("a match without end does not starve timers") {
  enum { TICKS = 20 };
  struct echoing sides[2] = {{0, 0}, {0, 0}};
  int ticks = 0;
  uv_timer_t timer = {.data = &ticks};
  dgram_socket_t *a = new_bound(loop, send_back, &sides[0], &sides[1].peer_port);
  new_bound(loop, send_back, &sides[1], &sides[0].peer_port);
  send_text(a, "ball", sides[0].peer_port, NULL, NULL);
  uv_timer_init(loop, &timer);
  uv_timer_start(&timer, count_tick, 1, 1);
  run_until(loop, &ticks, TICKS);
  assert_true(sides[0].exchanges > 0 && sides[1].exchanges > 0);
  uv_close((uv_handle_t *)&timer, ignore_handle);
  close_sockets(loop);
}
