/*
 * Spins before the loop blocks: after an exchange, and only then. The clock and what the loop looks
 * at are the test's: the linker puts __wrap_uv_hrtime and __wrap_poll in place of the true ones.
 */
#include "fake/scripted.h"

#include <poll.h>

static uint64_t now;   /* ns; each look at it takes 1 us */
static uint64_t comes; /* when something to receive comes */
static int looks;

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
uint64_t __wrap_uv_hrtime(void);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout);

uint64_t __wrap_uv_hrtime(void) {
  return now += 1000;
}

int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout) {
  assert_int_equal(count, 1);
  assert_int_equal(fds->fd, uv_backend_fd(scripted_loop));
  assert_int_equal(timeout, 0);
  looks++;
  return now >= comes;
}
/* NOLINTEND(bugprone-reserved-identifier) */

static void answer(dgram_socket_t *socket, int number) {
  scripted_send(socket, number);
}

/* Turns with a datagram each. Returns how often the loop has looked whether something came. */
static int receive(dgram_socket_t *socket, int turns, uint64_t answered_after) {
  static const struct fake_buffer buffer = {.size = 1};
  looks = 0;
  for (int i = 0; i < turns; i++) {
    fake_receive(socket, &buffer, 1);
    comes = now + answered_after;
    scripted_run();
    trace_clear();
  }
  return looks;
}

SCRIPTED_TEST("after an exchange the loop polls until something comes") {
  scripted_on_message = answer;
  assert_int_equal(receive(scripted_socket(), 50, 10000), 50 * 10);
}

SCRIPTED_TEST("a loop to which nothing comes polls for a short time") {
  scripted_on_message = answer;
  assert_in_range(receive(scripted_socket(), 1, 1000000), 20, 30);
}

SCRIPTED_TEST("a busy poll that fails is not tried each time") {
  scripted_on_message = answer;
  assert_in_range(receive(scripted_socket(), 50, 1000000), 3 * 20, 3 * 30);
}

SCRIPTED_TEST("a loop that has not answered does not busy-poll") {
  dgram_socket_t *socket = scripted_socket();
  scripted_send(socket, 1); /* in another turn */
  scripted_run();
  assert_int_equal(receive(socket, 50, 10000), 0);
}

SCRIPTED_TEST("a loop that has not received does not busy-poll") {
  dgram_socket_t *socket = scripted_socket();
  looks = 0;
  scripted_send_all(socket, 0, 9);
  scripted_run();
  assert_int_equal(looks, 0);
}

static void busy(uv_idle_t *idle) {
}

SCRIPTED_TEST("a loop with other work does not busy-poll") {
  uv_idle_t idle;
  dgram_socket_t *socket = scripted_socket();
  scripted_on_message = answer;
  uv_idle_init(scripted_loop, &idle);
  uv_idle_start(&idle, busy);
  assert_int_equal(receive(socket, 50, 10000), 0);
  uv_close((uv_handle_t *)&idle, NULL);
  scripted_run();
}
