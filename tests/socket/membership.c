/* Joining and leaving a group on the loopback: what the calls return, and what is received. */
#include "lib/fixture.h"

#include <net/if.h>

static const char GROUP6[] = "ff02::1234";

struct scene {
  uv_loop_t *loop;
  dgram_socket_t *socket;
  int port;
  char group[GROUP_TEXT];
};

static struct scene open_scene(dgram_type_t type) {
  struct scene scene = {.loop = open_loop()};
  scene.socket = new_socket(scene.loop, type, trace_message, "got");
  scene.port = bind_now(scene.socket, NULL);
  name_group(scene.group, 239, scene.port);
  return scene;
}

static void close_scene(struct scene *scene) {
  close_socket(scene->socket);
  close_loop(scene->loop);
}

/* Sends to the group by the loopback, then to the socket itself: what comes first must be it. */
static void send_to_group(const struct scene *scene, const char *group, const char *expected) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)scene->port)};
  struct in_addr loopback = {.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = raw_socket();
  assert_int_equal(inet_pton(AF_INET, group, &to.sin_addr), 1);
  assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &loopback, sizeof loopback), 0);
  assert_int_equal(sendto(fd, "group", 5, 0, (struct sockaddr *)&to, sizeof to), 5);
  raw_send(fd, "end", 3, scene->port);
  run_until_trace(scene->loop, expected);
  close(fd);
}

static void a_member_receives_what_is_sent_to_the_group(void **state) {
  struct scene scene = open_scene(DGRAM_UDP4);
  send_to_group(&scene, scene.group, "got(end)");
  assert_int_equal(dgram_add_membership(scene.socket, scene.group, "127.0.0.1"), 0);
  send_to_group(&scene, scene.group, "got(group) got(end)");
  assert_int_equal(dgram_drop_membership(scene.socket, scene.group, "127.0.0.1"), 0);
  send_to_group(&scene, scene.group, "got(end)");
  close_scene(&scene);
}

static void the_interface_may_be_given_by_name_or_number(void **state) {
  struct scene scene = open_scene(DGRAM_UDP4);
  char number[16];
  snprintf(number, sizeof number, "%u", if_nametoindex("lo"));
  const char *const names[] = {"lo", number};
  for (int i = 0; i < 2; i++) {
    assert_int_equal(dgram_add_membership(scene.socket, scene.group, names[i]), 0);
    send_to_group(&scene, scene.group, "got(group) got(end)");
    assert_int_equal(dgram_drop_membership(scene.socket, scene.group, names[1 - i]), 0);
    send_to_group(&scene, scene.group, "got(end)");
  }
  close_scene(&scene);
}

static void joining_twice_is_eaddrinuse(void **state) {
  struct scene scene = open_scene(DGRAM_UDP4);
  assert_int_equal(dgram_add_membership(scene.socket, scene.group, "127.0.0.1"), 0);
  assert_int_equal(dgram_add_membership(scene.socket, scene.group, "127.0.0.1"), UV_EADDRINUSE);
  assert_int_equal(dgram_add_membership(scene.socket, scene.group, "lo"), UV_EADDRINUSE);
  assert_int_equal(dgram_drop_membership(scene.socket, scene.group, "127.0.0.1"), 0);
  assert_int_equal(dgram_add_membership(scene.socket, scene.group, "127.0.0.1"), 0);
  close_scene(&scene);
}

static void leaving_without_being_a_member_is_eaddrnotavail(void **state) {
  struct scene scene = open_scene(DGRAM_UDP4);
  assert_int_equal(dgram_drop_membership(scene.socket, scene.group, "127.0.0.1"), UV_EADDRNOTAVAIL);
  assert_int_equal(dgram_add_membership(scene.socket, scene.group, "127.0.0.1"), 0);
  assert_int_equal(dgram_drop_membership(scene.socket, "224.0.0.115", "127.0.0.1"),
                   UV_EADDRNOTAVAIL);
  assert_int_equal(dgram_drop_membership(scene.socket, scene.group, "127.0.0.1"), 0);
  assert_int_equal(dgram_drop_membership(scene.socket, scene.group, "127.0.0.1"), UV_EADDRNOTAVAIL);
  close_scene(&scene);
}

static void a_socket_may_be_in_many_groups(void **state) {
  enum { GROUPS = 10 };
  struct scene scene = open_scene(DGRAM_UDP4);
  char group[GROUP_TEXT];
  for (int i = 0; i < GROUPS; i++) {
    snprintf(group, sizeof group, "239.2.1.%d", i);
    assert_int_equal(dgram_add_membership(scene.socket, group, "127.0.0.1"), 0);
  }
  send_to_group(&scene, group, "got(group) got(end)");
  send_to_group(&scene, "239.2.1.0", "got(group) got(end)");
  close_scene(&scene);
}

static void on_ipv6_the_interface_is_a_zone_or_a_name(void **state) {
  static const char *const names[] = {"::%lo", "lo", "::%1", "1"};
  skip_without_ipv6();
  struct scene scene = open_scene(DGRAM_UDP6);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    assert_int_equal(dgram_add_membership(scene.socket, GROUP6, names[i]), 0);
    assert_int_equal(dgram_add_membership(scene.socket, GROUP6, "::%lo"), UV_EADDRINUSE);
    assert_int_equal(dgram_drop_membership(scene.socket, GROUP6, "lo"), 0);
    assert_int_equal(dgram_drop_membership(scene.socket, GROUP6, names[i]), UV_EADDRNOTAVAIL);
  }
  close_scene(&scene);
}

static void on_ipv6_the_group_may_say_the_zone(void **state) {
  skip_without_ipv6();
  struct scene scene = open_scene(DGRAM_UDP6);
  assert_int_equal(dgram_add_membership(scene.socket, "ff02::1234%lo", NULL), 0);
  assert_int_equal(dgram_add_membership(scene.socket, GROUP6, "::%lo"), UV_EADDRINUSE);
  assert_int_equal(dgram_drop_membership(scene.socket, "ff02::1234%lo", NULL), 0);
  close_scene(&scene);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_member_receives_what_is_sent_to_the_group),
      cmocka_unit_test(the_interface_may_be_given_by_name_or_number),
      cmocka_unit_test(joining_twice_is_eaddrinuse),
      cmocka_unit_test(leaving_without_being_a_member_is_eaddrnotavail),
      cmocka_unit_test(a_socket_may_be_in_many_groups),
      cmocka_unit_test(on_ipv6_the_interface_is_a_zone_or_a_name),
      cmocka_unit_test(on_ipv6_the_group_may_say_the_zone),
  };
  return cmocka_run_group_tests_name("membership", tests, NULL, NULL);
}
