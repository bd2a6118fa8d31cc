/*
 * Programs of the kernel (eBPF) at connect(2), getpeername(2) and recvmsg(2) may show a connected
 * socket other addresses than the kernel filters by, as load balancers of clusters do. What the
 * kernel lets through is the peer's. Played: getpeername(2) tells another peer, or recvmsg(2)
 * another sender, than the program has connected to.
 */
#include "fake/scene.h"

#include <sys/socket.h>
#include <unistd.h>

static bool peer_rewritten;
static bool sender_rewritten;

static void rewrite(struct sockaddr *address) {
  ((struct sockaddr_in *)(void *)address)->sin_port = htons(7777);
}

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
int __wrap_getpeername(int fd, struct sockaddr *address, socklen_t *length);
int __real_getpeername(int fd, struct sockaddr *address, socklen_t *length);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
int __wrap_recvmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags,
                    struct timespec *timeout);
int __real_recvmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags,
                    struct timespec *timeout);

int __wrap_getpeername(int fd, struct sockaddr *address, socklen_t *length) {
  int result = __real_getpeername(fd, address, length);
  if (result == 0 && peer_rewritten)
    rewrite(address);
  return result;
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags) {
  ssize_t size = __real_recvmsg(fd, message, flags);
  if (size >= 0 && sender_rewritten && message->msg_name != NULL)
    rewrite(message->msg_name);
  return size;
}

int __wrap_recvmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags,
                    struct timespec *timeout) {
  int received = __real_recvmmsg(fd, headers, count, flags, timeout);
  for (int i = 0; i < received && sender_rewritten; i++)
    rewrite(headers[i].msg_hdr.msg_name);
  return received;
}
/* NOLINTEND(bugprone-reserved-identifier) */

/* A socket that is connected gets the answers of its peer. */
static void answers_come(bool one_a_call) {
  union dgram__address peer;
  struct sockaddr_in own;
  socklen_t length = sizeof own;
  int fd = scene_system_socket(&peer);
  dgram_socket_t *socket = scene_unbound_socket();
  fake_use_system(socket->loop, true);
  if (one_a_call)
    socket->loop->capabilities.max_rx_batch = 1;
  assert_int_equal(dgram_bind_sync(socket, 0, "127.0.0.1"), 0);
  assert_int_equal(dgram_connect_sync(socket, ntohs(peer.v4.sin_port), "127.0.0.1"), 0);
  assert_int_equal(getsockname(socket->udp.fd, (struct sockaddr *)&own, &length), 0);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(sendto(fd, "answer", 6, 0, (struct sockaddr *)&own, sizeof own), 6);
    scene_run();
  }
  assert_string_equal(scene_story(), "listening (answer) (answer) (answer)");
  close(fd);
  scene_close(socket);
  scene_run();
  (void)scene_story();
}

static void play(bool peer, bool sender) {
  peer_rewritten = peer;
  sender_rewritten = sender;
  answers_come(false);
  answers_come(true);
  peer_rewritten = false;
  sender_rewritten = false;
}

static void the_peer_is_told_otherwise(void **state) {
  play(true, false);
}

static void the_sender_is_told_otherwise(void **state) {
  play(false, true);
}

static void both_are(void **state) {
  play(true, true);
}

int main(void) {
  const struct CMUnitTest tests[] = {SCENE(the_peer_is_told_otherwise),
                                     SCENE(the_sender_is_told_otherwise), SCENE(both_are)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
