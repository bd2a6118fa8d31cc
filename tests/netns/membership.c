/*
 * Joining and leaving a group: the neighbour sees the report, the system lists the group, and only
 * a member hears.
 */
#include "lib/packets.h"

/* Whether the interface listens to the group, as ip(8) shows it. */
static int is_listed(const char *interface, const char *group) {
  char line[256];
  int listed = 0;
  snprintf(line, sizeof line, "PATH=$PATH:/usr/sbin:/sbin ip maddr show dev %s", interface);
  FILE *lines = popen(line, "r");
  assert_non_null(lines);
  while (fgets(line, sizeof line, lines) != NULL) {
    char family[16];
    char address[INET6_ADDRSTRLEN];
    if (sscanf(line, " %15s %45s", family, address) == 2)
      listed |= strcmp(address, group) == 0;
  }
  assert_int_equal(pclose(lines), 0);
  return listed;
}

static void a_member_hears(dgram_type_t type, const char *group, const char *member_address) {
  open_hosts();
  dgram_socket_t *member = bind_on(middle, type, NULL);
  dgram_socket_t *speaker = bind_on(left, type, NULL);
  enter(left);
  int wire = tap("eth0");
  enter(middle);

  say(speaker, "before", group);
  assert_false(is_listed("eth0", group));

  assert_int_equal(dgram_add_membership(member, group, "eth0"), 0);
  assert_true(is_listed("eth0", group));
  wait_for_report(wire, NOW_ALL_BUT_FROM, group, NULL);
  say(speaker, "joined", group);

  assert_int_equal(dgram_drop_membership(member, group, "eth0"), 0);
  assert_false(is_listed("eth0", group));
  wait_for_report(wire, NOW_ONLY_FROM, group, NULL);
  say(speaker, "left", group);

  say(speaker, "end", member_address);
  assert_heard(middle, "joined end");
  close_socket(member);
  close_socket(speaker);
  close_hosts();
  close(wire);
}

static void a_member_hears_over_ipv4(void **state) {
  a_member_hears(DGRAM_UDP4, "239.1.2.3", "10.0.1.1");
}

static void a_member_hears_over_ipv6(void **state) {
  a_member_hears(DGRAM_UDP6, "ff15::1234", "fd00:1::1");
}

static void closing_leaves_the_group(void **state) {
  open_hosts();
  dgram_socket_t *member = bind_on(middle, DGRAM_UDP4, NULL);
  int closed = 0;
  enter(left);
  int wire = tap("eth0");
  enter(middle);
  assert_int_equal(dgram_add_membership(member, "239.1.2.3", NULL), 0);
  wait_for_report(wire, NOW_ALL_BUT_FROM, "239.1.2.3", NULL);
  assert_int_equal(dgram_close(member, count_event, &closed), 0);
  run_hosts_until(&closed, 1);
  wait_for_report(wire, NOW_ONLY_FROM, "239.1.2.3", NULL);
  assert_false(is_listed("eth0", "239.1.2.3"));
  close_hosts();
  close(wire);
}

/* The group stays on the interface for the second, as long as one of the two is a member. */
static void each_socket_has_its_own_membership(void **state) {
  open_hosts();
  dgram_options_t options = dgram_default_options(DGRAM_UDP6);
  dgram_socket_t *members[2];
  for (int i = 0; i < 2; i++) {
    assert_int_equal(dgram_create_socket_options(middle->loop, &options, NULL, NULL, &members[i]),
                     0);
    assert_int_equal(dgram_add_membership(members[i], "ff15::1234", "eth0"), 0);
  }
  assert_int_equal(dgram_drop_membership(members[0], "ff15::1234", "eth0"), 0);
  assert_true(is_listed("eth0", "ff15::1234"));
  assert_int_equal(dgram_drop_membership(members[0], "ff15::1234", "eth0"), UV_EADDRNOTAVAIL);
  assert_int_equal(dgram_add_membership(members[1], "ff15::1234", "eth0"), UV_EADDRINUSE);
  assert_int_equal(dgram_drop_membership(members[1], "ff15::1234", "eth0"), 0);
  assert_false(is_listed("eth0", "ff15::1234"));
  close_socket(members[0]);
  close_socket(members[1]);
  close_hosts();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_member_hears_over_ipv4),
      cmocka_unit_test(a_member_hears_over_ipv6),
      cmocka_unit_test(closing_leaves_the_group),
      cmocka_unit_test(each_socket_has_its_own_membership),
  };
  return HOSTS_MAIN("membership", tests);
}
