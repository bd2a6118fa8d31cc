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

static struct scene open_scene(uv_loop_t *loop, dgram_type_t type) {
  begin_round(loop);
  struct scene scene = {.loop = loop};
  scene.socket = new_socket(scene.loop, type, trace_message, "got");
  scene.port = bind_now(scene.socket, NULL);
  name_group(scene.group, 239, scene.port);
  return scene;
}

static void close_scene(struct scene *scene) {
  close_socket(scene->socket);
  run_to_end(scene->loop);
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

TEST("a member receives what is sent to the group") {
  struct scene scene = open_scene(loop, DGRAM_UDP4);
  send_to_group(&scene, scene.group, "got(end)");
  assert_int_equal(dgram_add_membership(scene.socket, scene.group, "127.0.0.1"), 0);
  send_to_group(&scene, scene.group, "got(group) got(end)");
  assert_int_equal(dgram_drop_membership(scene.socket, scene.group, "127.0.0.1"), 0);
  send_to_group(&scene, scene.group, "got(end)");
  close_scene(&scene);
}

TEST("the interface may be given by name or number") {
  struct scene scene = open_scene(loop, DGRAM_UDP4);
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

TEST("joining twice is eaddrinuse") {
  struct scene scene = open_scene(loop, DGRAM_UDP4);
  assert_int_equal(dgram_add_membership(scene.socket, scene.group, "127.0.0.1"), 0);
  assert_int_equal(dgram_add_membership(scene.socket, scene.group, "127.0.0.1"), UV_EADDRINUSE);
  assert_int_equal(dgram_add_membership(scene.socket, scene.group, "lo"), UV_EADDRINUSE);
  assert_int_equal(dgram_drop_membership(scene.socket, scene.group, "127.0.0.1"), 0);
  assert_int_equal(dgram_add_membership(scene.socket, scene.group, "127.0.0.1"), 0);
  close_scene(&scene);
}

TEST("leaving without being a member is eaddrnotavail") {
  struct scene scene = open_scene(loop, DGRAM_UDP4);
  assert_int_equal(dgram_drop_membership(scene.socket, scene.group, "127.0.0.1"), UV_EADDRNOTAVAIL);
  assert_int_equal(dgram_add_membership(scene.socket, scene.group, "127.0.0.1"), 0);
  assert_int_equal(dgram_drop_membership(scene.socket, "224.0.0.115", "127.0.0.1"),
                   UV_EADDRNOTAVAIL);
  assert_int_equal(dgram_drop_membership(scene.socket, scene.group, "127.0.0.1"), 0);
  assert_int_equal(dgram_drop_membership(scene.socket, scene.group, "127.0.0.1"), UV_EADDRNOTAVAIL);
  close_scene(&scene);
}

TEST("a socket may be in many groups") {
  enum { GROUPS = 10 };
  struct scene scene = open_scene(loop, DGRAM_UDP4);
  char group[GROUP_TEXT];
  for (int i = 0; i < GROUPS; i++) {
    snprintf(group, sizeof group, "239.2.1.%d", i);
    assert_int_equal(dgram_add_membership(scene.socket, group, "127.0.0.1"), 0);
  }
  send_to_group(&scene, group, "got(group) got(end)");
  send_to_group(&scene, "239.2.1.0", "got(group) got(end)");
  close_scene(&scene);
}

TEST("on ipv6 the interface is a zone or a name") {
  static const char *const names[] = {"::%lo", "lo", "::%1", "1"};
  skip_without_ipv6();
  struct scene scene = open_scene(loop, DGRAM_UDP6);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    assert_int_equal(dgram_add_membership(scene.socket, GROUP6, names[i]), 0);
    assert_int_equal(dgram_add_membership(scene.socket, GROUP6, "::%lo"), UV_EADDRINUSE);
    assert_int_equal(dgram_drop_membership(scene.socket, GROUP6, "lo"), 0);
    assert_int_equal(dgram_drop_membership(scene.socket, GROUP6, names[i]), UV_EADDRNOTAVAIL);
  }
  close_scene(&scene);
}

TEST("on ipv6 the group may say the zone") {
  skip_without_ipv6();
  struct scene scene = open_scene(loop, DGRAM_UDP6);
  assert_int_equal(dgram_add_membership(scene.socket, "ff02::1234%lo", NULL), 0);
  assert_int_equal(dgram_add_membership(scene.socket, GROUP6, "::%lo"), UV_EADDRINUSE);
  assert_int_equal(dgram_drop_membership(scene.socket, "ff02::1234%lo", NULL), 0);
  close_scene(&scene);
}

TEST("a zone that does not exist is the systems choice") {
  static const char *const zones[] = {"::%nosuchif", "::%4294967295", "::%", "::1"};
  skip_without_ipv6();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP6, NULL, NULL);
  int expected = dgram_add_membership(socket, "ff02::1234", NULL);
  if (expected == 0)
    assert_int_equal(dgram_drop_membership(socket, "ff02::1234", NULL), 0);
  for (size_t i = 0; i < sizeof zones / sizeof *zones; i++) {
    assert_int_equal(dgram_add_membership(socket, "ff02::1234", zones[i]), expected);
    if (expected == 0)
      assert_int_equal(dgram_drop_membership(socket, "ff02::1234%nosuchif", NULL), 0);
  }
}
