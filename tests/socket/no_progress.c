/*
 * Wake-ups that lead to nothing: the loop does not turn at full speed for them, and what comes
 * nevertheless is received.
 */
#include "lib/fixture.h"
#include "lib/fixture.h"

enum { FEW = 40 };

/* Another holder of the system socket shuts it down: it is readable for ever, and empty. */
static void shut_down(dgram_socket_t *socket, int peer_port) {
  int copy = dup(dgram_fileno(socket));
  connect_now(socket, peer_port); /* shutdown(2) wants that */
  assert_int_equal(shutdown(copy, SHUT_RD), 0);
  assert_in_range(turns_in(dgram_loop(socket), 100), 0, FEW);
  close(copy);
}

static void a_socket_that_was_shut_down(void **state) {
  uv_loop_t *loop = open_loop();
  int received = 0;
  int port;
  dgram_socket_t *socket = new_bound(loop, count_message, &received, &port);
  int peer = raw_socket();
  shut_down(socket, raw_port(peer));
  raw_send(peer, "x", 1, port);
  run_until(loop, &received, 1);
  assert_in_range(turns_in(loop, 100), 0, FEW);
  assert_int_equal(dgram_send(socket, "y", 1, 0, NULL, trace_sent, "sent"), 0);
  run_until_trace(loop, "sent");
  assert_string_equal(arrived(peer), "y");
  close(peer);
  close_socket(socket);
  close_loop(loop);
}

static void one_that_is_closed_meanwhile_does_not_keep_the_loop(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  int peer = raw_socket();
  shut_down(socket, raw_port(peer));
  close_socket(socket);
  settle(loop);
  assert_int_equal(uv_loop_alive(loop), 0); /* without waiting for a timer */
  close(peer);
  close_loop(loop);
}

static void one_without_a_reference_does_not_keep_the_loop(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  int peer = raw_socket();
  shut_down(socket, raw_port(peer));
  dgram_unref(socket);
  assert_int_equal(uv_run(loop, UV_RUN_NOWAIT), 0);
  dgram_ref(socket);
  assert_int_not_equal(uv_run(loop, UV_RUN_NOWAIT), 0);
  close(peer);
  close_socket(socket);
  close_loop(loop);
}

/* Both are woken for each datagram, and one is too late: that is no reason to wait. */
static void a_race_that_is_lost_is_none(void **state) {
  enum { MANY = 500 };
  uv_loop_t *loop = open_loop();
  int received[2] = {0, 0};
  int fd = raw_socket();
  dgram_socket_t *sockets[2];
  int sender = raw_socket();
  for (int i = 0; i < 2; i++) {
    dgram_bind_options_t options = dgram_default_bind_options();
    options.fd = dup(fd);
    sockets[i] = new_socket(loop, DGRAM_UDP4, count_message, &received[i]);
    assert_int_equal(dgram_bind_options(sockets[i], &options, NULL, NULL), 0);
  }
  for (int i = 0; i < MANY; i++) {
    raw_send(sender, "x", 1, raw_port(fd));
    uv_run(loop, UV_RUN_ONCE);
  }
  assert_int_equal(received[0] + received[1], MANY);
  for (int i = 0; i < 2; i++)
    close_socket(sockets[i]);
  close(sender);
  close(fd);
  close_loop(loop);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_socket_that_was_shut_down),
      cmocka_unit_test(one_that_is_closed_meanwhile_does_not_keep_the_loop),
      cmocka_unit_test(one_without_a_reference_does_not_keep_the_loop),
      cmocka_unit_test(a_race_that_is_lost_is_none),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
