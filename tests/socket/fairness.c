/*
 * A peer that floods a socket keeps neither timers nor other sockets waiting (bun#37103: reading
 * until EAGAIN starved timers, which anybody could cause from afar).
 */
#include "socket_test.h"

#include <stdatomic.h>

struct flood {
  atomic_int stop;
  int port;
  int fd;
};

static void flood_thread(void *context) {
  struct flood *flood = context;
  struct sockaddr_in to = loopback_address(flood->port);
  while (!atomic_load(&flood->stop))
    (void)sendto(flood->fd, "flood", 5, 0, (const struct sockaddr *)&to, sizeof to);
}

/* Slower than the sender, so that there is always more to read. */
static void dawdle(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                   void *context) {
  static volatile unsigned work;
  for (int i = 0; i < 20000; i++)
    work += (unsigned char)message[0];
  ++*(int *)context;
}

static void count_tick(uv_timer_t *timer) {
  ++*(int *)timer->data;
}

static void ignore_handle(uv_handle_t *handle) {
}

static void a_flood_starves_neither_timers_nor_other_sockets(void **state) {
  enum { TICKS = 20 };
  uv_loop_t *loop = open_loop();
  struct flood flood = {.fd = raw_socket()};
  int flooded = 0;
  int ticks = 0;
  int port;
  uv_thread_t thread;
  uv_timer_t timer;
  dgram_socket_t *victim = new_bound(loop, dawdle, &flooded, &flood.port);
  dgram_socket_t *other = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(uv_thread_create(&thread, flood_thread, &flood), 0);
  run_until(loop, &flooded, 1);
  timer.data = &ticks;
  uv_timer_init(loop, &timer);
  uv_timer_start(&timer, count_tick, 1, 1);
  int before = flooded;
  run_until(loop, &ticks, TICKS);
  assert_usable(other);
  assert_true(flooded > before); /* the flood went on all the while */
  atomic_store(&flood.stop, 1);
  assert_int_equal(uv_thread_join(&thread), 0);
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
