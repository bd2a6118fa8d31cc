/*
 * Many sends of one turn to a closed port, of which the host answers the first few (Linux limits
 * its ICMP messages): the connected socket must be told at least once, though each answer is met,
 * and taken from the system, by the send after it.
 */
#include "lib/hosts.h"

static void it_is_told_once_at_least(void **state) {
  enum { SENDS = 10 };
  struct kept_error kept = {0};
  int sent = 0;
  open_hosts();
  sh("echo 10000 >/proc/sys/net/ipv4/icmp_ratelimit"); /* six at once, then one in 10 seconds */
  dgram_socket_t *speaker = bind_on(left, DGRAM_UDP4, NULL);
  assert_int_equal(dgram_on_error(speaker, keep_error, &kept), 0);
  connect_to_host(speaker, "10.0.1.1");
  for (int i = 0; i < SENDS; i++) /* of different sizes: no system call can take them as one */
    assert_int_equal(dgram_send(speaker, "0123456789", (size_t)i, 0, NULL, count_sent, &sent), 0);
  run_hosts_until(&sent, SENDS);

  dgram_socket_t *listener = bind_on(middle, DGRAM_UDP4, NULL);
  say(speaker, "end", NULL);
  assert_heard(middle, "end");
  assert_in_range(kept.calls, 1, SENDS);
  assert_string_equal(kept.message, "recvmsg ECONNREFUSED");
  close_socket(speaker);
  close_socket(listener);
  close_hosts();
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(it_is_told_once_at_least)};
  return HOSTS_MAIN("refused_burst", tests);
}
