/*
 * On which of two interfaces a group is joined: left and right both speak to it, and middle hears
 * those whose interface it chose.
 */
#include "lib/hosts.h"

struct scene {
  dgram_socket_t *member;
  dgram_socket_t *speakers[2];
};

static void open_scene(struct scene *scene, dgram_type_t type) {
  open_hosts();
  scene->member = bind_on(middle, type, NULL);
  scene->speakers[0] = bind_on(left, type, NULL);
  scene->speakers[1] = bind_on(right, type, NULL);
}

static void close_scene(const struct scene *scene) {
  close_socket(scene->member);
  close_socket(scene->speakers[0]);
  close_socket(scene->speakers[1]);
  close_hosts();
}

static void assert_member_hears(const struct scene *scene, const char *group, const char *words) {
  int is_v6 = strchr(group, ':') != NULL;
  say(scene->speakers[0], "left", group);
  say(scene->speakers[1], "right", group);
  say(scene->speakers[1], "end", is_v6 ? "fd00:2::1" : "10.0.2.1");
  assert_heard(middle, words);
}

static void each_interface_hears_its_own(dgram_type_t type, const char *group, const char *eth0,
                                         const char *eth1) {
  struct scene scene;
  open_scene(&scene, type);
  assert_int_equal(dgram_add_membership(scene.member, group, eth0), 0);
  assert_member_hears(&scene, group, "left end");
  assert_int_equal(dgram_add_membership(scene.member, group, eth1), 0);
  assert_member_hears(&scene, group, "left right end");
  assert_int_equal(dgram_drop_membership(scene.member, group, eth0), 0);
  assert_member_hears(&scene, group, "right end");
  assert_int_equal(dgram_drop_membership(scene.member, group, eth0), UV_EADDRNOTAVAIL);
  assert_int_equal(dgram_drop_membership(scene.member, group, eth1), 0);
  assert_member_hears(&scene, group, "end");
  close_scene(&scene);
}

static void an_address_says_it(void **state) {
  each_interface_hears_its_own(DGRAM_UDP4, "239.1.2.3", "10.0.1.1", "10.0.2.1");
}

static void a_name_says_it(void **state) {
  each_interface_hears_its_own(DGRAM_UDP4, "239.1.2.3", "eth0", "eth1");
  each_interface_hears_its_own(DGRAM_UDP6, "ff15::1234", "eth0", "eth1");
}

static void a_zone_says_it(void **state) {
  each_interface_hears_its_own(DGRAM_UDP6, "ff15::1234", "::%eth0", "::%eth1");
}

static void a_zone_may_be_a_number(void **state) {
  struct scene scene;
  char number[32];
  open_scene(&scene, DGRAM_UDP6);
  snprintf(number, sizeof number, "::%%%u", if_nametoindex("eth1"));
  assert_int_equal(dgram_add_membership(scene.member, "ff15::1234", number), 0);
  assert_member_hears(&scene, "ff15::1234", "right end");
  close_scene(&scene);
}

static void the_zone_of_the_group_says_it(void **state) {
  struct scene scene;
  open_scene(&scene, DGRAM_UDP6);
  assert_int_equal(dgram_add_membership(scene.member, "ff02::1234%eth1", NULL), 0);
  assert_member_hears(&scene, "ff02::1234", "right end");
  close_scene(&scene);
}

static void otherwise_the_system_chooses(dgram_type_t type, const char *group) {
  struct scene scene;
  open_scene(&scene, type);
  assert_int_equal(dgram_add_membership(scene.member, group, NULL), 0);
  assert_member_hears(&scene, group, "left end");
  assert_int_equal(dgram_drop_membership(scene.member, group, NULL), 0);
  assert_member_hears(&scene, group, "end");
  close_scene(&scene);
}

static void otherwise_the_system_chooses_for_ipv4(void **state) {
  otherwise_the_system_chooses(DGRAM_UDP4, "239.1.2.3");
}

static void otherwise_the_system_chooses_for_ipv6(void **state) {
  otherwise_the_system_chooses(DGRAM_UDP6, "ff15::1234");
}

static void also_where_a_zone_names_nothing(void **state) {
  struct scene scene;
  open_scene(&scene, DGRAM_UDP6);
  assert_int_equal(dgram_add_membership(scene.member, "ff15::1234", "::%eth9"), 0);
  assert_member_hears(&scene, "ff15::1234", "left end");
  close_scene(&scene);
}

static void an_address_that_is_not_there_is_an_error(void **state) {
  struct scene scene;
  open_scene(&scene, DGRAM_UDP4);
  assert_int_equal(dgram_add_membership(scene.member, "239.1.2.3", "10.9.9.9"), UV_ENODEV);
  assert_member_hears(&scene, "239.1.2.3", "end");
  close_scene(&scene);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_address_says_it),
      cmocka_unit_test(a_name_says_it),
      cmocka_unit_test(a_zone_says_it),
      cmocka_unit_test(a_zone_may_be_a_number),
      cmocka_unit_test(the_zone_of_the_group_says_it),
      cmocka_unit_test(otherwise_the_system_chooses_for_ipv4),
      cmocka_unit_test(otherwise_the_system_chooses_for_ipv6),
      cmocka_unit_test(also_where_a_zone_names_nothing),
      cmocka_unit_test(an_address_that_is_not_there_is_an_error),
  };
  return HOSTS_MAIN("membership_interface", tests);
}
