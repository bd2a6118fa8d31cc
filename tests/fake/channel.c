/*
 * The channel between two processes, both ends of it in this one: frames and descriptors come as
 * they were sent, whatever the system does on the way, and whatever the other side sends.
 * The linker puts the functions __wrap_... of this file in the place of the true ones (__real_...).
 */
#include "channel.h"
#include "descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/raw.h"

/* ---- the system ---- */

static struct {
  size_t most;    /* bytes that one call moves */
  int interrupts; /* calls that are still to be interrupted */
  int calls;
  int attached; /* those that sent a descriptor */
} faked;

static bool interrupted(void) {
  faked.calls++;
  errno = EINTR;
  return faked.interrupts > 0 && faked.interrupts-- > 0;
}

/* The same message with at most so many bytes; there is one piece. */
static struct iovec shortened(const struct msghdr *message) {
  assert_int_equal(message->msg_iovlen, 1);
  struct iovec iov = message->msg_iov[0];
  if (iov.iov_len > faked.most)
    iov.iov_len = faked.most;
  return iov;
}

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags) {
  struct iovec iov = shortened(message);
  struct msghdr shorter = *message;
  shorter.msg_iov = &iov;
  faked.attached += message->msg_control != NULL;
  assert_true(flags & MSG_DONTWAIT);
  return interrupted() ? -1 : __real_sendmsg(fd, &shorter, flags);
}

ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags) {
  assert_true(flags & MSG_CMSG_CLOEXEC); /* or a fork in another thread may inherit it */
  assert_true(flags & MSG_DONTWAIT);     /* another that has the descriptor may make it blocking */
  if (interrupted())
    return -1;
  struct iovec whole = message->msg_iov[0];
  message->msg_iov[0] = shortened(message);
  ssize_t got = __real_recvmsg(fd, message, flags);
  message->msg_iov[0] = whole;
  return got;
}

int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd) {
  int result = __real_close(fd);
  assert_int_equal(result, 0); /* so nothing is closed twice */
  return result;
}
/* NOLINTEND(bugprone-reserved-identifier) */

/* ---- two ends ---- */

static struct dgram__channel ours;
static struct dgram__channel theirs;
static int open_files;

static int begin(void **state) {
  int fds[2];
  faked.most = DGRAM__FRAME_SIZE;
  faked.interrupts = 0;
  open_files = count_open_files();
  assert_int_equal(dgram__descriptor_pair(fds), 0);
  dgram__channel_init(&ours, fds[0]);
  dgram__channel_init(&theirs, fds[1]);
  return 0;
}

/* Whatever a test did: with both ends no descriptor is left. */
static int end(void **state) {
  dgram__channel_close(&ours);
  dgram__channel_close(&theirs);
  assert_int_equal(count_open_files(), open_files);
  return 0;
}

static int send_number(uint32_t number, int fd) {
  struct dgram__frame frame = {.kind = DGRAM__FRAME_REPLY, .number = number};
  return dgram__channel_send(&ours, &frame, fd);
}

/* Receives a frame that has come, and with it a descriptor or -1. */
static uint32_t receive_number(int *fd) {
  struct dgram__frame frame;
  assert_int_equal(dgram__channel_receive(&theirs, &frame, fd), 1);
  assert_int_equal(frame.kind, DGRAM__FRAME_REPLY);
  return frame.number;
}

static void assert_received(uint32_t number) {
  int fd;
  assert_int_equal(receive_number(&fd), number);
  assert_int_equal(fd, -1);
}

/* What a receive returns that brings no frame. */
static int receive_none(void) {
  struct dgram__frame frame;
  int fd;
  return dgram__channel_receive(&theirs, &frame, &fd);
}

/* A file that is known again by its number on the disk. */
static int new_file(ino_t *inode) {
  struct stat about;
  FILE *file = tmpfile();
  assert_non_null(file);
  int fd = dup(fileno(file));
  fclose(file);
  assert_int_equal(fstat(fd, &about), 0);
  *inode = about.st_ino;
  return fd;
}

/* Takes a received descriptor: it is this file's, and no program that is started inherits it. */
static void assert_file(int fd, ino_t inode) {
  struct stat about;
  assert_int_equal(fstat(fd, &about), 0);
  assert_true(about.st_ino == inode);
  assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
  close(fd);
}

/* Sends bytes, and descriptors with them, as the other side would that keeps to no rules. */
static void send_raw(const void *bytes, size_t size, const int fds[], size_t count) {
  union {
    char bytes[CMSG_SPACE(8 * sizeof(int))];
    struct cmsghdr align;
  } control = {0};
  struct iovec iov = {.iov_base = (void *)bytes, .iov_len = size};
  struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
  if (count > 0) {
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(header), fds, count * sizeof(int));
  }
  assert_int_equal(__real_sendmsg(ours.fd, &message, 0), size);
}

static void write_number(unsigned char bytes[DGRAM__FRAME_SIZE], uint32_t number) {
  dgram__frame_write(&(struct dgram__frame){.kind = DGRAM__FRAME_REPLY, .number = number}, bytes);
}

/* ---- the ends themselves ---- */

static void neither_end_blocks_or_is_inherited(void **state) {
  const int fds[] = {ours.fd, theirs.fd};
  for (int i = 0; i < 2; i++) {
    assert_int_equal(fcntl(fds[i], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    assert_int_equal(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
  }
  assert_int_equal(receive_none(), 0);
}

static void closing_twice_closes_once(void **state) {
  dgram__channel_close(&ours);
  assert_int_equal(count_open_files(), open_files + 1);
  dgram__channel_close(&ours);
  assert_int_equal(count_open_files(), open_files + 1);
}

/* ---- frames and descriptors ---- */

static void frames_come_in_order(void **state) {
  for (uint32_t number = 0; number < 10; number++)
    assert_int_equal(send_number(number, -1), 0);
  for (uint32_t number = 0; number < 10; number++)
    assert_received(number);
  assert_int_equal(receive_none(), 0);
}

static void each_descriptor_comes_with_its_frame(void **state) {
  ino_t inodes[3];
  for (uint32_t number = 0; number < 6; number++) {
    int fd = number % 2 == 0 ? -1 : new_file(&inodes[number / 2]);
    assert_int_equal(send_number(number, fd), 0);
    if (fd >= 0)
      close(fd); /* it has been sent */
  }
  for (uint32_t number = 0; number < 6; number++) {
    int fd;
    assert_int_equal(receive_number(&fd), number);
    if (number % 2 == 0)
      assert_int_equal(fd, -1);
    else
      assert_file(fd, inodes[number / 2]);
  }
}

static void both_sides_may_speak_at_once(void **state) {
  struct dgram__frame frame = {.kind = DGRAM__FRAME_LISTENING, .number = 7};
  assert_int_equal(send_number(1, -1), 0);
  assert_int_equal(dgram__channel_send(&theirs, &frame, -1), 0);
  assert_received(1);
  frame.number = 0;
  assert_int_equal(dgram__channel_receive(&ours, &frame, NULL), 1);
  assert_int_equal(frame.number, 7);
}

/* ---- what the system does to them ---- */

static void it_goes_and_comes_a_byte_at_a_time(void **state) {
  ino_t inode;
  int fd = new_file(&inode);
  faked.most = 1;
  faked.calls = 0;
  faked.attached = 0;
  assert_int_equal(send_number(1, fd), 0);
  assert_int_equal(faked.calls, DGRAM__FRAME_SIZE);
  assert_int_equal(faked.attached, 1);
  close(fd);
  assert_int_equal(send_number(2, -1), 0);

  assert_int_equal(receive_number(&fd), 1);
  assert_file(fd, inode);
  assert_received(2);
}

static void a_frame_that_has_not_come_as_a_whole_is_waited_for(void **state) {
  ino_t inode;
  int fd = new_file(&inode);
  unsigned char bytes[DGRAM__FRAME_SIZE];
  write_number(bytes, 5);
  send_raw(bytes, 1, &fd, 1);
  close(fd);
  assert_int_equal(receive_none(), 0);
  for (size_t at = 1; at < sizeof bytes - 1; at++) {
    send_raw(bytes + at, 1, NULL, 0);
    assert_int_equal(receive_none(), 0);
  }
  send_raw(bytes + sizeof bytes - 1, 1, NULL, 0);
  assert_int_equal(receive_number(&fd), 5);
  assert_file(fd, inode);
}

static void interrupted_calls_are_repeated(void **state) {
  faked.interrupts = 3;
  assert_int_equal(send_number(1, -1), 0);
  assert_int_equal(faked.interrupts, 0);
  faked.interrupts = 3;
  assert_received(1);
  assert_int_equal(faked.interrupts, 0);
}

/* Returns the number of the frame that the connection had no room for, or not for all of. */
static uint32_t fill(void) {
  uint32_t number = 0;
  while (!dgram__channel_busy(&ours))
    assert_int_equal(send_number(number++, -1), 0);
  return number - 1;
}

static void what_there_is_no_room_for_goes_later(void **state) {
  uint32_t last = fill();
  assert_int_equal(dgram__channel_resume(&ours), 0);
  assert_true(dgram__channel_busy(&ours)); /* there is still no room */
  for (uint32_t number = 0; number < last; number++)
    assert_received(number);
  assert_int_equal(receive_none(), 0);
  assert_int_equal(dgram__channel_resume(&ours), 0);
  assert_false(dgram__channel_busy(&ours));
  assert_received(last);
  assert_int_equal(dgram__channel_resume(&ours), 0); /* and not once more */
  assert_int_equal(receive_none(), 0);
}

/* Its descriptor waits with it. */
static void so_does_a_descriptor(void **state) {
  ino_t inode;
  int fd = new_file(&inode);
  uint32_t before = fill();
  for (uint32_t number = 0; number < before; number++)
    assert_received(number);
  assert_int_equal(dgram__channel_resume(&ours), 0);
  faked.most = 3; /* the rest of it, in pieces */
  assert_int_equal(send_number(before + 1, fd), 0);
  assert_false(dgram__channel_busy(&ours));
  close(fd);
  assert_received(before);
  assert_int_equal(receive_number(&fd), before + 1);
  assert_file(fd, inode);
}

/* ---- the end ---- */

static void what_was_sent_before_the_end_still_comes(void **state) {
  assert_int_equal(send_number(1, -1), 0);
  dgram__channel_close(&ours);
  assert_received(1);
  assert_int_equal(receive_none(), UV_EOF);
  assert_int_equal(receive_none(), UV_EOF);
}

static void an_end_within_a_frame_is_one_too(void **state) {
  ino_t inode;
  int fd = new_file(&inode);
  unsigned char bytes[DGRAM__FRAME_SIZE];
  write_number(bytes, 5);
  send_raw(bytes, sizeof bytes - 1, &fd, 1);
  close(fd);
  dgram__channel_close(&ours);
  assert_int_equal(receive_none(), UV_EOF); /* the descriptor goes with the channel */
}

/* The other side closes without reading what was said to it: ECONNRESET. */
static void so_is_a_reset(void **state) {
  struct dgram__frame frame = {.kind = DGRAM__FRAME_REPLY};
  assert_int_equal(dgram__channel_send(&theirs, &frame, -1), 0);
  dgram__channel_close(&ours);
  assert_int_equal(receive_none(), UV_EOF);
}

/* SIGPIPE would end the test. */
static void sending_to_nobody_is_an_error_and_no_signal(void **state) {
  ino_t inode;
  int fd = new_file(&inode);
  dgram__channel_close(&theirs);
  assert_int_equal(send_number(1, -1), UV_EPIPE);
  assert_int_equal(send_number(2, fd), UV_EPIPE);
  close(fd);
}

static void a_frame_that_can_not_go_on_is_an_error_too(void **state) {
  fill();
  dgram__channel_close(&theirs);
  assert_true(dgram__channel_resume(&ours) < 0);
}

/* ---- what the other side must not send ---- */

static void what_is_no_frame_is_EPROTO(void **state) {
  unsigned char bytes[DGRAM__FRAME_SIZE];
  ino_t inode;
  int fd = new_file(&inode);
  memset(bytes, 0x55, sizeof bytes);
  assert_int_equal(send_number(1, -1), 0);
  send_raw(bytes, sizeof bytes, &fd, 1);
  close(fd);
  assert_received(1);
  assert_int_equal(receive_none(), UV_EPROTO);
  assert_int_equal(receive_none(), UV_EPROTO); /* nothing behind it is believed */
}

static void of_several_descriptors_at_once_one_comes(void **state) {
  enum { SENT = 5 };
  int fds[SENT];
  ino_t inodes[SENT];
  unsigned char bytes[DGRAM__FRAME_SIZE];
  for (int i = 0; i < SENT; i++)
    fds[i] = new_file(&inodes[i]);
  write_number(bytes, 5);
  for (size_t count = 2; count <= SENT; count++) {
    int fd;
    send_raw(bytes, sizeof bytes, fds, count);
    int before = count_open_files();
    assert_int_equal(receive_number(&fd), 5);
    assert_int_equal(count_open_files(), before + 1);
    assert_file(fd, inodes[0]);
  }
  for (int i = 0; i < SENT; i++)
    close(fds[i]);
}

static void of_several_within_one_frame_the_last_stays(void **state) {
  int fd;
  ino_t inode = 0;
  unsigned char bytes[DGRAM__FRAME_SIZE];
  write_number(bytes, 5);
  for (size_t at = 0; at < sizeof bytes; at += 10) {
    fd = new_file(&inode);
    send_raw(bytes + at, 10, &fd, 1);
    close(fd);
  }
  int before = count_open_files();
  assert_int_equal(receive_number(&fd), 5);
  assert_int_equal(count_open_files(), before + 1);
  assert_file(fd, inode);
}

static void where_none_is_wanted_none_comes(void **state) {
  struct dgram__frame frame;
  ino_t inode;
  int fd = new_file(&inode);
  assert_int_equal(send_number(1, fd), 0);
  close(fd);
  int before = count_open_files();
  assert_int_equal(dgram__channel_receive(&theirs, &frame, NULL), 1);
  assert_int_equal(frame.number, 1);
  assert_int_equal(count_open_files(), before);

  assert_int_equal(send_number(2, -1), 0);
  assert_received(2); /* nor with the next frame */
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(neither_end_blocks_or_is_inherited),
      TEST(closing_twice_closes_once),
      TEST(frames_come_in_order),
      TEST(each_descriptor_comes_with_its_frame),
      TEST(both_sides_may_speak_at_once),
      TEST(it_goes_and_comes_a_byte_at_a_time),
      TEST(a_frame_that_has_not_come_as_a_whole_is_waited_for),
      TEST(interrupted_calls_are_repeated),
      TEST(what_there_is_no_room_for_goes_later),
      TEST(so_does_a_descriptor),
      TEST(what_was_sent_before_the_end_still_comes),
      TEST(an_end_within_a_frame_is_one_too),
      TEST(so_is_a_reset),
      TEST(sending_to_nobody_is_an_error_and_no_signal),
      TEST(a_frame_that_can_not_go_on_is_an_error_too),
      TEST(what_is_no_frame_is_EPROTO),
      TEST(of_several_descriptors_at_once_one_comes),
      TEST(of_several_within_one_frame_the_last_stays),
      TEST(where_none_is_wanted_none_comes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
