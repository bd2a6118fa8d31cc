/*
 * The posix datapath over a recvmsg and a sendmsg that the tests play: one datagram a call, as on
 * systems without recvmmsg and sendmmsg. The linker puts the functions __wrap_... of this file in
 * the place of the true ones.
 */
#include "udp.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "udp_recv.h"

/* What the calls do, in order: bytes moved, or an error as a negative number. Then: EAGAIN. */
static const int *script;
static size_t script_length;
static size_t calls;
static char sent_to[256]; /* the ports, in order */

static ssize_t next_result(void) {
  int result = calls < script_length ? script[calls] : -EAGAIN;
  calls++;
  errno = result < 0 ? -result : 0;
  return result < 0 ? -1 : result;
}

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);

ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags) {
  assert_int_equal(flags, MSG_DONTWAIT); /* others may have made the socket blocking */
  assert_int_equal(message->msg_namelen, sizeof(union dgram__address));
  assert_int_equal(message->msg_iov[0].iov_len, DGRAM__RX_BUFFER_SIZE);
  assert_int_equal(message->msg_controllen, sizeof(struct dgram__cmsg_in));
  ssize_t size = next_result();
  if (size >= 0)
    message->msg_controllen = 0; /* nothing more is told of it */
  if (size > 0)
    memset(message->msg_iov[0].iov_base, 'a' + (int)calls - 1, (size_t)size);
  return size;
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags) {
  assert_int_equal(flags, MSG_DONTWAIT); /* others may have made the socket blocking */
  assert_int_equal(message->msg_namelen, sizeof(struct sockaddr_in));
  assert_null(message->msg_control);
  ssize_t size = next_result();
  size_t length = strlen(sent_to);
  if (size >= 0)
    snprintf(sent_to + length, sizeof sent_to - length, " %d",
             dgram__address_port(message->msg_name));
  return size;
}
/* NOLINTEND(bugprone-reserved-identifier) */

static const struct dgram__datapath *const posix_path = &dgram__datapath_posix;
static struct dgram__udp udp = {.fd = -1}; /* never looked at */
static struct dgram__rx_batch arrival;
#define inbox arrival.inbox

static int begin(void **state) {
  static char data[DGRAM__RX_BUFFERS][DGRAM__RX_BUFFER_SIZE];
  for (int i = 0; i < DGRAM__RX_BUFFERS; i++)
    inbox.slots[i] = (struct dgram__rx_buffer){.data = data[i], .size = 77, .segment = 77};
  posix_path->inbox_init(&inbox);
  sent_to[0] = '\0';
  calls = 0;
  script_length = 0;
  return 0;
}

#define PLAY(...)                            \
  static const int played[] = {__VA_ARGS__}; \
  script = played;                           \
  script_length = sizeof played / sizeof *played

/* ---- receiving ---- */

static void each_datagram_has_its_slot(void **state) {
  PLAY(3, 0, 5);
  assert_int_equal(posix_path->recv(&udp, &inbox, DGRAM__RX_BUFFERS), 3);
  assert_int_equal(inbox.slots[0].size, 3);
  assert_int_equal(inbox.slots[1].size, 0); /* an empty one does not end the batch */
  assert_int_equal(inbox.slots[2].size, 5);
  for (int i = 0; i < 3; i++)
    assert_int_equal(inbox.slots[i].segment, 0);
  assert_memory_equal(inbox.slots[2].data, "ccccc", 5);
  assert_int_equal(calls, 4);
}

static void a_batch_is_bounded(void **state) {
  static int ones[2 * DGRAM__RX_BUFFERS];
  for (int i = 0; i < 2 * DGRAM__RX_BUFFERS; i++)
    ones[i] = 1;
  script = ones;
  script_length = 2 * (size_t)DGRAM__RX_BUFFERS;
  assert_int_equal(posix_path->recv(&udp, &inbox, DGRAM__RX_BUFFERS), DGRAM__RX_BUFFERS);
  assert_int_equal(calls, DGRAM__RX_BUFFERS);
}

static void nothing_to_receive_is_none(void **state) {
  assert_int_equal(posix_path->recv(&udp, &inbox, DGRAM__RX_BUFFERS), 0);
  assert_int_equal(calls, 1);
}

static void an_error_before_all_is_returned(void **state) {
  PLAY(-ECONNREFUSED, 3);
  assert_int_equal(posix_path->recv(&udp, &inbox, DGRAM__RX_BUFFERS), UV_ECONNREFUSED);
  assert_int_equal(posix_path->recv(&udp, &inbox, DGRAM__RX_BUFFERS), 1);
}

static void an_error_among_datagrams_has_a_slot_of_its_own(void **state) {
  PLAY(3, -ECONNREFUSED, 5);
  assert_int_equal(posix_path->recv(&udp, &inbox, DGRAM__RX_BUFFERS), 2);
  assert_int_equal(inbox.slots[0].segment, 0);
  assert_int_equal(inbox.slots[1].segment, UV_ECONNREFUSED);
  assert_int_equal(posix_path->recv(&udp, &inbox, DGRAM__RX_BUFFERS), 1);
  assert_int_equal(inbox.slots[0].segment, 0);
  assert_int_equal(inbox.slots[0].size, 5);
}

static void an_interrupted_receive_is_repeated(void **state) {
  PLAY(-EINTR, 3, -EINTR, -EINTR, 5);
  assert_int_equal(posix_path->recv(&udp, &inbox, DGRAM__RX_BUFFERS), 2);
  assert_int_equal(inbox.slots[1].size, 5);
}

/* ---- sending ---- */

/* Sends four datagrams, to the ports 1 to 4. */
static int send_four(void) {
  static const struct iovec iov = {.iov_base = "hello", .iov_len = 5};
  struct dgram__datagram queue[4];
  for (int i = 0; i < 4; i++) {
    queue[i] = (struct dgram__datagram){.iov = &iov, .iov_count = 1, .size = 5};
    queue[i].next = i < 3 ? &queue[i + 1] : NULL;
    dgram__address_loopback(&queue[i].to, AF_INET, 1 + i);
  }
  return posix_path->send(&udp, queue, 4);
}

static void all_leave_one_a_call(void **state) {
  PLAY(5, 5, 5, 5);
  assert_int_equal(send_four(), 4);
  assert_string_equal(sent_to, " 1 2 3 4");
  assert_int_equal(calls, 4);
}

static void an_error_after_k_is_k_and_nothing_behind_is_tried(void **state) {
  PLAY(5, 5, -EPERM, 5);
  assert_int_equal(send_four(), 2);
  assert_string_equal(sent_to, " 1 2");
  assert_int_equal(calls, 3);
  assert_int_equal(send_four(), UV_EPERM); /* the system would not tell it again */
  assert_int_equal(calls, 3);
  assert_int_equal(send_four(), 1);
  assert_int_equal(udp.deferred_error, 0); /* EAGAIN, which it does */
}

static void an_error_about_the_first_is_returned(void **state) {
  static const int codes[] = {EAGAIN, ENOBUFS, EPERM, EMSGSIZE};
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
    int error = -codes[i];
    script = &error;
    script_length = 1;
    calls = 0;
    assert_int_equal(send_four(), -codes[i]);
    assert_int_equal(calls, 1);
  }
  assert_string_equal(sent_to, "");
}

static void an_interrupted_send_is_repeated(void **state) {
  PLAY(-EINTR, 5, 5, -EINTR, 5, 5);
  assert_int_equal(send_four(), 4);
  assert_string_equal(sent_to, " 1 2 3 4");
}

#define TEST(test) cmocka_unit_test_setup(test, begin)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(each_datagram_has_its_slot),
      TEST(a_batch_is_bounded),
      TEST(nothing_to_receive_is_none),
      TEST(an_error_before_all_is_returned),
      TEST(an_error_among_datagrams_has_a_slot_of_its_own),
      TEST(an_interrupted_receive_is_repeated),
      TEST(all_leave_one_a_call),
      TEST(an_error_after_k_is_k_and_nothing_behind_is_tried),
      TEST(an_error_about_the_first_is_returned),
      TEST(an_interrupted_send_is_repeated),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
