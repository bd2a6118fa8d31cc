/*
 * By which interface multicast leaves: left and right are members of the group, and the one hears
 * it by whose link middle sends.
 */
#include "lib/hosts.h"

struct scene {
  const char *group;
  dgram_socket_t *speaker;
  dgram_socket_t *members[2];
};

static void open_scene(struct scene *scene, dgram_type_t type, const char *group) {
  struct host *const listeners[2] = {left, right};
  open_hosts();
  scene->group = group;
  scene->speaker = bind_on(middle, type, NULL);
  for (int i = 0; i < 2; i++) {
    scene->members[i] = bind_on(listeners[i], type, NULL);
    enter(listeners[i]);
    assert_int_equal(dgram_add_membership(scene->members[i], group, "eth0"), 0);
  }
  enter(middle);
}

static void close_scene(const struct scene *scene) {
  close_socket(scene->speaker);
  close_socket(scene->members[0]);
  close_socket(scene->members[1]);
  close_hosts();
}

/* What is sent to the group goes to this host, and not to the other. */
static void assert_leads_to(const struct scene *scene, const struct host *host) {
  int is_v6 = strchr(scene->group, ':') != NULL;
  say(scene->speaker, "hello", scene->group);
  say(scene->speaker, "end", is_v6 ? "fd00:1::2" : "10.0.1.2");
  say(scene->speaker, "end", is_v6 ? "fd00:2::2" : "10.0.2.2");
  assert_heard(left, host == left ? "hello end" : "end");
  assert_heard(right, host == right ? "hello end" : "end");
}

/* Chooses the interface towards right, and gives the choice back to the system: left. */
static void the_choice_leads_there(dgram_type_t type, const char *group, const char *interface,
                                   const char *nobody) {
  struct scene scene;
  open_scene(&scene, type, group);
  assert_leads_to(&scene, left);
  assert_int_equal(dgram_set_multicast_interface(scene.speaker, interface), 0);
  assert_leads_to(&scene, right);
  assert_int_equal(dgram_set_multicast_interface(scene.speaker, nobody), 0);
  assert_leads_to(&scene, left);
  close_scene(&scene);
}

static void an_address_says_it(void **state) {
  the_choice_leads_there(DGRAM_UDP4, "239.1.2.3", "10.0.2.1", "0.0.0.0");
}

static void a_name_says_it(void **state) {
  the_choice_leads_there(DGRAM_UDP4, "239.1.2.3", "eth1", "0.0.0.0");
  the_choice_leads_there(DGRAM_UDP6, "ff15::1234", "eth1", "::");
}

static void a_zone_says_it(void **state) {
  the_choice_leads_there(DGRAM_UDP6, "ff15::1234", "::%eth1", "::");
  the_choice_leads_there(DGRAM_UDP6, "ff02::1234", "::%eth1", "::");
}

/* The specification's own words: most errors return to the system's choice. */
static void an_unknown_zone_returns_the_choice_to_the_system(void **state) {
  the_choice_leads_there(DGRAM_UDP6, "ff15::1234", "::%eth1", "::%eth9");
}

static void a_zone_may_be_a_number(void **state) {
  struct scene scene;
  char number[32];
  open_scene(&scene, DGRAM_UDP6, "ff15::1234");
  snprintf(number, sizeof number, "::%%%u", if_nametoindex("eth1"));
  assert_int_equal(dgram_set_multicast_interface(scene.speaker, number), 0);
  assert_leads_to(&scene, right);
  close_scene(&scene);
}

static void the_zone_of_a_single_send_goes_before_it(void **state) {
  struct scene scene;
  open_scene(&scene, DGRAM_UDP6, "ff02::1234");
  assert_leads_to(&scene, left);
  scene.group = "ff02::1234%eth1";
  assert_leads_to(&scene, right);
  scene.group = "ff02::1234";
  assert_leads_to(&scene, left);
  close_scene(&scene);
}

static void an_address_of_nobody_is_refused_and_changes_nothing(void **state) {
  struct scene scene;
  open_scene(&scene, DGRAM_UDP4, "239.1.2.3");
  assert_int_equal(dgram_set_multicast_interface(scene.speaker, "10.0.2.1"), 0);
  assert_int_equal(dgram_set_multicast_interface(scene.speaker, "10.9.9.9"), UV_EADDRNOTAVAIL);
  assert_int_equal(dgram_set_multicast_interface(scene.speaker, "::%eth0"), UV_ENOPROTOOPT);
  assert_int_equal(dgram_set_multicast_interface(scene.speaker, "eth9"), UV_EINVAL);
  assert_leads_to(&scene, right);
  close_scene(&scene);
}

/* Two choices and a send after each, in one turn of the loop: each leaves by its own. */
static void a_choice_acts_on_the_sends_behind_it(void **state) {
  struct scene scene;
  open_scene(&scene, DGRAM_UDP4, "239.1.2.3");
  assert_int_equal(dgram_set_multicast_interface(scene.speaker, "10.0.1.1"), 0);
  assert_int_equal(dgram_send(scene.speaker, "a", 1, PORT, scene.group, NULL, NULL), 0);
  assert_int_equal(dgram_set_multicast_interface(scene.speaker, "10.0.2.1"), 0);
  assert_int_equal(dgram_send(scene.speaker, "b", 1, PORT, scene.group, NULL, NULL), 0);
  say(scene.speaker, "end", "10.0.1.2");
  say(scene.speaker, "end", "10.0.2.2");
  assert_heard(left, "a end");
  assert_heard(right, "b end");
  close_scene(&scene);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_address_says_it),
      cmocka_unit_test(a_name_says_it),
      cmocka_unit_test(a_zone_says_it),
      cmocka_unit_test(an_unknown_zone_returns_the_choice_to_the_system),
      cmocka_unit_test(a_zone_may_be_a_number),
      cmocka_unit_test(the_zone_of_a_single_send_goes_before_it),
      cmocka_unit_test(an_address_of_nobody_is_refused_and_changes_nothing),
      cmocka_unit_test(a_choice_acts_on_the_sends_behind_it),
  };
  return HOSTS_MAIN("multicast_interface", tests);
}
