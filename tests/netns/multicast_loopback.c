/* Whether the sender's own host hears what it sends to a group; the others always do. */
#include "lib/hosts.h"

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

/* A call of the flag does not act on what was sent before it, though that waits for the loop. */
static void it_acts_on_the_sends_behind_it(void **state) {
  open_hosts();
  dgram_socket_t *speaker = bind_on(middle, DGRAM_UDP4, NULL);
  assert_int_equal(dgram_add_membership(speaker, "239.1.2.3", NULL), 0);
  for (int on = 0; on <= 1; on++) {
    assert_int_equal(dgram_set_multicast_loopback(speaker, on), 0);
    assert_int_equal(
        dgram_send(speaker, on ? "with" : "without", on ? 4 : 7, PORT, "239.1.2.3", NULL, NULL), 0);
  }
  assert_int_equal(dgram_set_multicast_loopback(speaker, 0), 0);
  say(speaker, "end", "10.0.1.1");
  assert_heard(middle, "with end");
  close_socket(speaker);
  close_hosts();
}

static void a_member_does_not_hear_what_it_sent_before_it_joined(void **state) {
  open_hosts();
  dgram_socket_t *speaker = bind_on(middle, DGRAM_UDP4, NULL);
  assert_int_equal(dgram_send(speaker, "before", 6, PORT, "239.1.2.3", NULL, NULL), 0);
  assert_int_equal(dgram_add_membership(speaker, "239.1.2.3", NULL), 0);
  assert_int_equal(dgram_send(speaker, "member", 6, PORT, "239.1.2.3", NULL, NULL), 0);
  assert_int_equal(dgram_drop_membership(speaker, "239.1.2.3", NULL), 0);
  assert_int_equal(dgram_send(speaker, "after", 5, PORT, "239.1.2.3", NULL, NULL), 0);
  say(speaker, "end", "10.0.1.1");
  assert_heard(middle, "member end");
  close_socket(speaker);
  close_hosts();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_flag_decides_for_ipv4),
      cmocka_unit_test(the_flag_decides_for_ipv6),
      cmocka_unit_test(it_acts_on_the_sends_behind_it),
      cmocka_unit_test(a_member_does_not_hear_what_it_sent_before_it_joined),
  };
  return HOSTS_MAIN("multicast_loopback", tests);
}
