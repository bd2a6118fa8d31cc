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

static void a_flood_starves_neither_timers_nor_other_sockets(void **state) {
  enum { AT_ONCE = 150, TICKS = 20 }; /* more than one receive takes */
  uv_loop_t *loop = open_loop();
  struct flood flood = {.fd = raw_socket()};
  int ticks = 0;
  int port;
  uv_timer_t timer = {.data = &ticks};
  dgram_socket_t *victim = new_bound(loop, flood_on, &flood, &flood.port);
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
  close(flood.fd);
  close_socket(victim);
  close_socket(other);
  close_loop(loop);
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
static void a_match_without_end_does_not_starve_timers(void **state) {
  enum { TICKS = 20 };
  uv_loop_t *loop = open_loop();
  struct echoing sides[2] = {{0, 0}, {0, 0}};
  int ticks = 0;
  uv_timer_t timer = {.data = &ticks};
  dgram_socket_t *a = new_bound(loop, send_back, &sides[0], &sides[1].peer_port);
  dgram_socket_t *b = new_bound(loop, send_back, &sides[1], &sides[0].peer_port);
  send_text(a, "ball", sides[0].peer_port, NULL, NULL);
  uv_timer_init(loop, &timer);
  uv_timer_start(&timer, count_tick, 1, 1);
  run_until(loop, &ticks, TICKS);
  assert_true(sides[0].exchanges > 0 && sides[1].exchanges > 0);
  uv_close((uv_handle_t *)&timer, ignore_handle);
  close_socket(a);
  close_socket(b);
  close_loop(loop);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_flood_starves_neither_timers_nor_other_sockets),
      cmocka_unit_test(a_match_without_end_does_not_starve_timers),
  };
  return cmocka_run_group_tests_name("fairness", tests, NULL, NULL);
}
