/*
 * Every receive call fails with an error that stays, though the socket is readable: one of those
 * that ICMP reports, which the kernel returns once each, but a filter of the system for ever. The
 * loop does not turn at full speed for it, whoever the error is for; and when it has gone, what is
 * there is received.
 */
#include "lib/fixture.h"
#include "lib/wrap.h"

enum { FEW = 40 };

static int error_that_stays;

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
WRAP(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags)) {
  errno = error_that_stays;
  return error_that_stays != 0 ? -1 : __real_recvmsg(fd, message, flags);
}

WRAP(int, recvmmsg,
     (int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)) {
  errno = error_that_stays;
  return error_that_stays != 0 ? -1 : __real_recvmmsg(fd, messages, count, flags, timeout);
}
/* NOLINTEND(bugprone-reserved-identifier) */

static void on_icmp(dgram_socket_t *socket, const dgram_icmp_t *icmp, void *context) {
  fail_msg("there is no report");
}

static void assert_rests(dgram_socket_t *socket, const int *received, int error) {
  uv_loop_t *loop = dgram_loop(socket);
  int peer = raw_socket();
  raw_send(peer, "x", 1, port_of(socket));
  error_that_stays = error;
  assert_in_range(turns_in(loop, 100), 1, FEW);
  assert_int_equal(*received, 0);
  error_that_stays = 0;
  run_until(loop, received, 1);
  close(peer);
}

TEST("a socket that others share rests while an error of ICMP stays") {
  int received = 0;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, count_message, &received);
  assert_int_equal(adopt_fd(socket, raw_socket()), 0);
  assert_rests(socket, &received, ECONNREFUSED);
}

TEST("a socket with a listener of 'icmp' rests while an error of ICMP stays") {
  int received = 0;
  int port;
  dgram_socket_t *socket = new_bound(loop, count_message, &received, &port);
  assert_int_equal(dgram_on_icmp(socket, on_icmp, NULL), 0);
  assert_rests(socket, &received, EHOSTUNREACH);
}

TEST("a socket with a listener of 'error' rests while an error stays, and emits it once") {
  struct kept_error kept = {.calls = 0};
  int received = 0;
  int port;
  dgram_socket_t *socket = new_bound(loop, count_message, &received, &port);
  assert_int_equal(dgram_on_error(socket, keep_error, &kept), 0);
  assert_rests(socket, &received, ENOBUFS);
  assert_int_equal(kept.calls, 1);
  assert_int_equal(kept.code, UV_ENOBUFS);
}
