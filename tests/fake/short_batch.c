/*
 * A receive call may return fewer datagrams than it has buffers for though more are there: an ICMP
 * error has come in the midst of them, and waits for the next call. What strangers sent before the
 * socket was connected is not told then either. Played: each call brings one datagram.
 */
#include "fake/scene.h"

#include <sys/socket.h>
#include <unistd.h>

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
int __wrap_recvmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags,
                    struct timespec *timeout);
int __real_recvmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags,
                    struct timespec *timeout);

int __wrap_recvmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags,
                    struct timespec *timeout) {
  return __real_recvmmsg(fd, headers, count > 0 ? 1 : 0, flags, timeout);
}
/* NOLINTEND(bugprone-reserved-identifier) */

static void send_text(int fd, const char *text, const struct sockaddr_in *to) {
  size_t size = strlen(text);
  assert_int_equal(sendto(fd, text, size, 0, (const struct sockaddr *)to, sizeof *to), size);
}

static void what_came_before_the_connect_is_not_told(void **state) {
  union dgram__address peer;
  union dgram__address other;
  struct sockaddr_in own;
  socklen_t length = sizeof own;
  int fd = scene_system_socket(&peer);
  int stranger = scene_system_socket(&other);
  dgram_socket_t *socket = scene_unbound_socket();
  fake_use_system(socket->loop, true);
  assert_int_equal(dgram_bind_sync(socket, 0, "127.0.0.1"), 0);
  assert_int_equal(getsockname(socket->udp.fd, (struct sockaddr *)&own, &length), 0);
  for (int i = 0; i < 3; i++)
    send_text(stranger, "stranger", &own);
  send_text(fd, "peer", &own);
  assert_int_equal(dgram_connect_sync(socket, ntohs(peer.v4.sin_port), "127.0.0.1"), 0);
  scene_run();
  assert_string_equal(scene_story(), "listening (peer)");
  close(fd);
  close(stranger);
}

int main(void) {
  const struct CMUnitTest tests[] = {SCENE(what_came_before_the_connect_is_not_told)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
