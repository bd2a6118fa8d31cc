/*
 * A connected socket whose way is gone: its own system refuses each send, and the send's callback
 * is told so, once, and not by 'error' besides, as if it had been the answer to an earlier
 * datagram.
 */
#include "lib/hosts.h"

static void a_failed_send_is_told_once(void **state) {
  struct kept_error kept = {0};
  struct kept_error told = {0};
  open_hosts();
  forward();
  dgram_socket_t *speaker = bind_on(left, DGRAM_UDP4, NULL);
  assert_int_equal(dgram_on_error(speaker, keep_error, &told), 0);
  connect_to_host(speaker, "10.0.2.2");
  enter(left);
  sh("ip route add unreachable 10.0.2.2");
  assert_int_equal(dgram_send(speaker, "x", 1, 0, NULL, keep_send_error, &kept), 0);
  run_hosts_until(&kept.calls, 1);
  assert_string_equal(kept.message, "send EHOSTUNREACH");
  sh("ip route del unreachable 10.0.2.2");

  dgram_socket_t *listener = bind_on(right, DGRAM_UDP4, NULL);
  say(speaker, "now", NULL);
  assert_heard(right, "now");
  assert_int_equal(kept.calls, 1);
  assert_int_equal(told.calls, 0);
  close_socket(speaker);
  close_socket(listener);
  close_hosts();
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_failed_send_is_told_once)};
  return HOSTS_MAIN("no_way", tests);
}
