/* Joining and leaving a group for one source: what is returned, and what is received. */
#include "lib/fixture.h"

static const char GROUP6[] = "ff3e::1234";
static const char LOOPBACK[] = "127.0.0.1";

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
  name_group(scene.group, 232, scene.port);
  return scene;
}

static void close_scene(struct scene *scene) {
  close_socket(scene->socket);
  run_to_end(scene->loop);
}

static int join(const struct scene *scene, const char *source, const char *interface) {
  return dgram_add_source_specific_membership(scene->socket, source, scene->group, interface);
}

static int leave(const struct scene *scene, const char *source, const char *interface) {
  return dgram_drop_source_specific_membership(scene->socket, source, scene->group, interface);
}

/* Sends to the group from an address of the loopback. */
static void send_from(const struct scene *scene, const char *source, const char *text) {
  struct sockaddr_in from = {.sin_family = AF_INET};
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)scene->port)};
  struct in_addr loopback = {.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  assert_int_equal(inet_pton(AF_INET, source, &from.sin_addr), 1);
  assert_int_equal(inet_pton(AF_INET, scene->group, &to.sin_addr), 1);
  assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof from), 0);
  assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &loopback, sizeof loopback), 0);
  assert_int_equal(sendto(fd, text, strlen(text), 0, (struct sockaddr *)&to, sizeof to),
                   strlen(text));
  close(fd);
}

/* Sends to the group from two sources, then to the socket itself. */
static void assert_received(const struct scene *scene, const char *expected) {
  int fd = raw_socket();
  send_from(scene, "127.0.0.5", "five");
  send_from(scene, "127.0.0.6", "six");
  raw_send(fd, "end", 3, scene->port);
  run_until_trace(scene->loop, expected);
  close(fd);
}

TEST("only that source is received") {
  struct scene scene = open_scene(loop, DGRAM_UDP4);
  assert_int_equal(join(&scene, "127.0.0.5", LOOPBACK), 0);
  assert_received(&scene, "got(five) got(end)");
  assert_int_equal(join(&scene, "127.0.0.6", LOOPBACK), 0);
  assert_received(&scene, "got(five) got(six) got(end)");
  assert_int_equal(leave(&scene, "127.0.0.5", LOOPBACK), 0);
  assert_received(&scene, "got(six) got(end)");
  assert_int_equal(leave(&scene, "127.0.0.6", LOOPBACK), 0);
  assert_received(&scene, "got(end)");
  close_scene(&scene);
}

TEST("the interface may be given by name") {
  struct scene scene = open_scene(loop, DGRAM_UDP4);
  assert_int_equal(join(&scene, "127.0.0.5", "lo"), 0);
  assert_received(&scene, "got(five) got(end)");
  assert_int_equal(leave(&scene, "127.0.0.5", "lo"), 0);
  assert_received(&scene, "got(end)");
  close_scene(&scene);
}

TEST("joining twice is eaddrnotavail") {
  struct scene scene = open_scene(loop, DGRAM_UDP4);
  assert_int_equal(join(&scene, "127.0.0.5", LOOPBACK), 0);
  assert_int_equal(join(&scene, "127.0.0.5", LOOPBACK), UV_EADDRNOTAVAIL);
  close_scene(&scene);
}

TEST("leaving a source that was not joined is eaddrnotavail") {
  struct scene scene = open_scene(loop, DGRAM_UDP4);
  assert_int_equal(join(&scene, "127.0.0.5", LOOPBACK), 0);
  assert_int_equal(leave(&scene, "127.0.0.6", LOOPBACK), UV_EADDRNOTAVAIL);
  assert_int_equal(leave(&scene, "127.0.0.5", LOOPBACK), 0);
  close_scene(&scene);
}

TEST("leaving a group that was not joined is einval") {
  struct scene scene = open_scene(loop, DGRAM_UDP4);
  assert_int_equal(leave(&scene, "127.0.0.5", LOOPBACK), UV_EINVAL);
  close_scene(&scene);
}

TEST("on ipv6 it is joined and left by zone") {
  static const char *const names[] = {"::%lo", "lo", "::%1", "1"};
  skip_without_ipv6();
  struct scene scene = open_scene(loop, DGRAM_UDP6);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    assert_int_equal(dgram_add_source_specific_membership(scene.socket, "::1", GROUP6, names[i]),
                     0);
    assert_int_equal(dgram_drop_source_specific_membership(scene.socket, "::2", GROUP6, names[i]),
                     UV_EADDRNOTAVAIL);
    assert_int_equal(dgram_drop_source_specific_membership(scene.socket, "::1", GROUP6, "::%lo"),
                     0);
  }
  close_scene(&scene);
}

/* A udp6 socket hears IPv4, too, so it can join its groups. */
TEST("a udp6 socket joins a group of ipv4") {
  skip_without_ipv6();
  struct scene scene = open_scene(loop, DGRAM_UDP6);
  assert_int_equal(join(&scene, "127.0.0.5", LOOPBACK), 0);
  assert_received(&scene, "got(five) got(end)");
  assert_int_equal(leave(&scene, "127.0.0.5", LOOPBACK), 0);
  assert_int_equal(dgram_add_membership(scene.socket, scene.group, LOOPBACK), 0);
  assert_received(&scene, "got(five) got(six) got(end)");
  assert_int_equal(dgram_drop_membership(scene.socket, scene.group, LOOPBACK), 0);
  assert_int_equal(join(&scene, "127.0.0.6", "lo"), 0);
  assert_received(&scene, "got(six) got(end)");
  close_scene(&scene);
}

TEST("on ipv6 joining twice is eaddrnotavail") {
  skip_without_ipv6();
  struct scene scene = open_scene(loop, DGRAM_UDP6);
  assert_int_equal(dgram_add_source_specific_membership(scene.socket, "::1", GROUP6, "lo"), 0);
  assert_int_equal(dgram_add_source_specific_membership(scene.socket, "::1", GROUP6, "lo"),
                   UV_EADDRNOTAVAIL);
  close_scene(&scene);
}
