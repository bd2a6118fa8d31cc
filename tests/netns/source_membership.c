/*
 * Joining a group for the datagrams of one source: left has two addresses, and of what they send
 * to the group, middle hears the wanted one's.
 */
#include "lib/packets.h"

/* What the test says in one family. */
struct words {
  dgram_type_t type;
  const char *group;
  const char *sources[2]; /* addresses of left */
  const char *member;     /* middle's, on the same link */
  const char *far_source; /* right's */
};

static const struct words v4 = {.type = DGRAM_UDP4,
                                .group = "232.1.2.3",
                                .sources = {"10.0.1.2", "10.0.1.3"},
                                .member = "10.0.1.1",
                                .far_source = "10.0.2.2"};
static const struct words v6 = {.type = DGRAM_UDP6,
                                .group = "ff35::1234",
                                .sources = {"fd00:1::2", "fd00:1::3"},
                                .member = "fd00:1::1",
                                .far_source = "fd00:2::2"};

struct scene {
  const struct words *words;
  dgram_socket_t *member;
  dgram_socket_t *first;
  dgram_socket_t *second;
  int wire;
};

static void open_scene(struct scene *scene, const struct words *words) {
  open_hosts();
  enter(left);
  sh("ip addr add 10.0.1.3/24 dev eth0; ip addr add fd00:1::3/64 nodad dev eth0");
  scene->wire = tap("eth0");
  enter(middle);
  scene->words = words;
  scene->member = bind_on(middle, words->type, NULL);
  scene->first = bind_on(left, words->type, words->sources[0]);
  scene->second = bind_on(left, words->type, words->sources[1]);
}

static void close_scene(const struct scene *scene) {
  close_socket(scene->member);
  close_socket(scene->first);
  close_socket(scene->second);
  close(scene->wire);
  close_hosts();
}

static void assert_member_hears(const struct scene *scene, const char *expected) {
  say(scene->first, "first", scene->words->group);
  say(scene->second, "second", scene->words->group);
  say(scene->second, "end", scene->words->member);
  assert_heard(middle, expected);
}

static void add(const struct scene *scene, int source, const char *interface) {
  const struct words *words = scene->words;
  assert_int_equal(dgram_add_source_specific_membership(scene->member, words->sources[source],
                                                        words->group, interface),
                   0);
}

static void drop(const struct scene *scene, int source, const char *interface) {
  const struct words *words = scene->words;
  assert_int_equal(dgram_drop_source_specific_membership(scene->member, words->sources[source],
                                                         words->group, interface),
                   0);
}

/* How the interface is said does not change what happens. */
static void only_the_wanted_source_is_heard(const struct words *words, const char *interface) {
  struct scene scene;
  open_scene(&scene, words);
  assert_member_hears(&scene, "end");

  add(&scene, 0, interface);
  wait_for_report(scene.wire, NOW_ALSO_FROM, words->group, words->sources[0]);
  assert_member_hears(&scene, "first end");

  add(&scene, 1, interface);
  wait_for_report(scene.wire, NOW_ALSO_FROM, words->group, words->sources[1]);
  assert_member_hears(&scene, "first second end");

  drop(&scene, 0, interface);
  wait_for_report(scene.wire, NO_MORE_FROM, words->group, words->sources[0]);
  assert_member_hears(&scene, "second end");

  drop(&scene, 1, interface);
  wait_for_report(scene.wire, NO_MORE_FROM, words->group, words->sources[1]);
  assert_member_hears(&scene, "end");
  close_scene(&scene);
}

static void the_system_chooses_the_interface(void **state) {
  only_the_wanted_source_is_heard(&v4, NULL);
  only_the_wanted_source_is_heard(&v6, NULL);
}

static void an_address_says_the_interface(void **state) {
  only_the_wanted_source_is_heard(&v4, "10.0.1.1");
}

static void a_name_says_the_interface(void **state) {
  only_the_wanted_source_is_heard(&v4, "eth0");
  only_the_wanted_source_is_heard(&v6, "eth0");
}

static void a_zone_says_the_interface(void **state) {
  only_the_wanted_source_is_heard(&v6, "::%eth0");
}

/* right is on the interface that the system would not choose. */
static void hears_on_the_other_interface(const struct words *words, const char *interface) {
  struct scene scene;
  open_scene(&scene, words);
  dgram_socket_t *far = bind_on(right, words->type, NULL);
  assert_int_equal(dgram_add_source_specific_membership(scene.member, words->far_source,
                                                        words->group, interface),
                   0);
  say(far, "far", words->group);
  assert_member_hears(&scene, "far end");
  close_socket(far);
  close_scene(&scene);
}

static void the_interface_may_be_another_than_the_systems_choice(void **state) {
  hears_on_the_other_interface(&v4, "10.0.2.1");
  hears_on_the_other_interface(&v4, "eth1");
  hears_on_the_other_interface(&v6, "::%eth1");
}

/* A source that is not a member's, and a group of which the socket is no member. */
static void what_was_not_joined_cannot_be_left(void **state) {
  struct scene scene;
  open_scene(&scene, &v4);
  add(&scene, 0, NULL);
  assert_int_equal(
      dgram_drop_source_specific_membership(scene.member, v4.sources[1], v4.group, NULL),
      UV_EADDRNOTAVAIL);
  assert_member_hears(&scene, "first end");
  close_scene(&scene);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_system_chooses_the_interface),
      cmocka_unit_test(an_address_says_the_interface),
      cmocka_unit_test(a_name_says_the_interface),
      cmocka_unit_test(a_zone_says_the_interface),
      cmocka_unit_test(the_interface_may_be_another_than_the_systems_choice),
      cmocka_unit_test(what_was_not_joined_cannot_be_left),
  };
  return HOSTS_MAIN("source_membership", tests);
}
