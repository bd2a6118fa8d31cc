/* Whether the sender's own host hears what it sends to a group; the others always do. */
#include "hosts.h"

static void the_flag_decides(dgram_type_t type, const char *group, const char *own,
                             const char *others) {
  open_hosts();
  dgram_socket_t *speaker = bind_on(middle, type, NULL);
  dgram_socket_t *other = bind_on(left, type, NULL);
  assert_int_equal(dgram_add_membership(speaker, group, NULL), 0);
  enter(left);
  assert_int_equal(dgram_add_membership(other, group, NULL), 0);
  enter(middle);

  say(speaker, "first", group);
  assert_int_equal(dgram_set_multicast_loopback(speaker, 0), 0);
  say(speaker, "without", group);
  assert_int_equal(dgram_set_multicast_loopback(speaker, 1), 0);
  say(speaker, "with", group);

  say(speaker, "end", own);
  say(speaker, "end", others);
  assert_heard(middle, "first with end");
  assert_heard(left, "first without with end");
  close_socket(speaker);
  close_socket(other);
  close_hosts();
}

static void the_flag_decides_for_ipv4(void **state) {
  the_flag_decides(DGRAM_UDP4, "239.1.2.3", "10.0.1.1", "10.0.1.2");
}

static void the_flag_decides_for_ipv6(void **state) {
  the_flag_decides(DGRAM_UDP6, "ff15::1234", "fd00:1::1", "fd00:1::2");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_flag_decides_for_ipv4),
      cmocka_unit_test(the_flag_decides_for_ipv6),
  };
  return HOSTS_MAIN("multicast_loopback", tests);
}
