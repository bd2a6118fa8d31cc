/*
 * A port on which nobody listens: its host says so (ICMP). A connected socket is told by 'error',
 * and stays connected; an unconnected one is not told.
 */
#include "lib/packets.h"

static dgram_socket_t *connect_left(dgram_type_t type, const char *address,
                                    struct kept_error *kept) {
  dgram_socket_t *socket = bind_on(left, type, NULL);
  assert_int_equal(dgram_on_error(socket, keep_error, kept), 0);
  connect_to_host(socket, address);
  return socket;
}

static void a_connected_socket_is_told(dgram_type_t type, const char *address) {
  struct kept_error kept = {0};
  open_hosts();
  dgram_socket_t *speaker = connect_left(type, address, &kept);
  for (int round = 1; round <= 3; round++) {
    say(speaker, "lost", NULL);
    run_hosts_until(&kept.calls, round);
    assert_string_equal(kept.message, "recvmsg ECONNREFUSED");
    assert_string_equal(kept.syscall, "recvmsg");
  }
  dgram_socket_t *listener = bind_on(middle, type, NULL);
  say(speaker, "now", NULL);
  assert_heard(middle, "now");
  assert_int_equal(kept.calls, 3);
  close_socket(speaker);
  close_socket(listener);
  close_hosts();
}

static void a_connected_socket_is_told_over_ipv4(void **state) {
  a_connected_socket_is_told(DGRAM_UDP4, "10.0.1.1");
}

static void a_connected_socket_is_told_over_ipv6(void **state) {
  a_connected_socket_is_told(DGRAM_UDP6, "fd00:1::1");
}

/* The answer to one is there before the next ones leave; how often that is told is not said. */
static void sends_of_one_turn_all_leave(void **state) {
  enum { SENDS = 10 };
  struct kept_error kept = {0};
  int sent = 0;
  open_hosts();
  sh("echo 0 >/proc/sys/net/ipv4/icmp_ratelimit"); /* so that each is answered */
  dgram_socket_t *speaker = connect_left(DGRAM_UDP4, "10.0.1.1", &kept);
  for (int i = 0; i < SENDS; i++) /* of different sizes: no system call can take them as one */
    assert_int_equal(dgram_send(speaker, "0123456789", (size_t)i, 0, NULL, count_sent, &sent), 0);
  run_hosts_until(&sent, SENDS);
  run_hosts_until(&kept.calls, 1);
  assert_string_equal(kept.message, "recvmsg ECONNREFUSED");
  close_socket(speaker);
  close_hosts();
}

/* ---- an unconnected socket ---- */

static void an_unconnected_socket_is_not_told(dgram_type_t type, const char *address) {
  enum { PAIRS = 5 };
  int sent = 0;
  open_hosts();
  enter(left);
  int wire = tap("eth0");
  enter(middle);
  dgram_socket_t *speaker = bind_on(left, type, NULL);
  dgram_socket_t *listener = bind_on(middle, type, NULL);
  for (int i = 0; i < PAIRS; i++) {
    assert_int_equal(dgram_send(speaker, "x", 1, PORT + 1, address, count_sent, &sent), 0);
    assert_int_equal(dgram_send(speaker, "y", 1, PORT, address, count_sent, &sent), 0);
  }
  assert_heard(middle, "y y y y y");
  assert_int_equal(sent, 2 * PAIRS);
  wait_for_unreachable(wire);
  say(speaker, "again", address);
  say(listener, "answer", type == DGRAM_UDP4 ? "10.0.1.2" : "fd00:1::2");
  assert_heard(left, "answer"); /* and no 'error', which would be an unhandled one */
  assert_heard(middle, "again");
  close_socket(speaker);
  close_socket(listener);
  close(wire);
  close_hosts();
}

static void an_unconnected_socket_is_not_told_over_ipv4(void **state) {
  an_unconnected_socket_is_not_told(DGRAM_UDP4, "10.0.1.1");
}

static void an_unconnected_socket_is_not_told_over_ipv6(void **state) {
  an_unconnected_socket_is_not_told(DGRAM_UDP6, "fd00:1::1");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_connected_socket_is_told_over_ipv4),
      cmocka_unit_test(a_connected_socket_is_told_over_ipv6),
      cmocka_unit_test(sends_of_one_turn_all_leave),
      cmocka_unit_test(an_unconnected_socket_is_not_told_over_ipv4),
      cmocka_unit_test(an_unconnected_socket_is_not_told_over_ipv6),
  };
  return HOSTS_MAIN("closed_port", tests);
}
