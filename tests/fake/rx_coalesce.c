/*
 * Pauses in which datagrams gather: where the loop makes them, and where not. The clock and the
 * pauses are the test's: the linker puts __wrap_uv_now and __wrap_nanosleep in place of the true
 * ones.
 */
#include "fake/scripted.h"

#include <time.h>

enum { TURNS_A_MS = 200, TURNS = 20 * TURNS_A_MS, GATHERED = 4 };

static int turns;
static int pauses;
static dgram_socket_t *gathering; /* receives more in a pause */
static const struct fake_buffer buffers[GATHERED] = {
    {.size = 1}, {.size = 1}, {.size = 1}, {.size = 1}};

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
uint64_t __wrap_uv_now(const uv_loop_t *loop);
int __wrap_nanosleep(const struct timespec *time, struct timespec *left);

uint64_t __wrap_uv_now(const uv_loop_t *loop) {
  return 1000 + (uint64_t)turns / TURNS_A_MS;
}

int __wrap_nanosleep(const struct timespec *time, struct timespec *left) {
  assert_int_equal(time->tv_sec, 0);
  assert_in_range(time->tv_nsec, 1000, 100000);
  pauses++;
  fake_receive(gathering, buffers, GATHERED);
  return 0;
}
/* NOLINTEND(bugprone-reserved-identifier) */

/* Turns of the loop, each with a datagram. */
static void receive_one_by_one(dgram_socket_t *socket) {
  gathering = scripted_socket();
  pauses = 0;
  for (turns = 0; turns < TURNS; turns++) {
    fake_receive(socket, buffers, 1);
    uv_run(scripted_loop, UV_RUN_NOWAIT);
    trace_clear(); /* or it gets too long */
  }
}

SCRIPTED_TEST("datagrams that come fast and one by one are gathered") {
  receive_one_by_one(scripted_socket());
  assert_in_range(pauses, TURNS / 2, TURNS);
}

static void busy(uv_idle_t *idle) {
}

SCRIPTED_TEST("a loop with other work does not pause") {
  uv_idle_t idle;
  dgram_socket_t *socket = scripted_socket();
  uv_idle_init(scripted_loop, &idle);
  uv_idle_start(&idle, busy);
  receive_one_by_one(socket);
  assert_int_equal(pauses, 0);
  uv_close((uv_handle_t *)&idle, NULL);
  receive_one_by_one(socket);
  assert_true(pauses > 0);
}

SCRIPTED_TEST("one socket of low latency sets its loop free") {
  dgram_socket_t *socket = scripted_socket();
  dgram_socket_t *hasty;
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.low_latency = 1;
  assert_int_equal(dgram_create_socket_options(scripted_loop, &options, NULL, NULL, &hasty), 0);
  receive_one_by_one(socket);
  assert_int_equal(pauses, 0);
  assert_int_equal(dgram_close(hasty, NULL, NULL), 0);
  receive_one_by_one(socket);
  assert_true(pauses > 0);
}
