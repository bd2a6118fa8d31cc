/*
 * The channel between two processes, both ends of it in this one: frames and descriptors come as
 * they were sent, whatever the system does on the way, and whatever the other side sends.
 * The linker puts the functions __wrap_... of this file in the place of the true ones (__real_...).
 */
#include "channel.h"
#include "descriptor.h"

#include <sys/stat.h>

#include "lib/fixture.h"
#include "lib/process.h"
#include "lib/wrap.h"

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
WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags)) {
  struct iovec iov = shortened(message);
  struct msghdr shorter = *message;
  shorter.msg_iov = &iov;
  faked.attached += message->msg_control != NULL;
  assert_true(flags & MSG_DONTWAIT);
  return interrupted() ? -1 : __real_sendmsg(fd, &shorter, flags);
}

WRAP(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags)) {
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

WRAP(int, close, (int fd)) {
  int result = __real_close(fd);
  assert_int_equal(result, 0); /* so nothing is closed twice */
  return result;
}
/* NOLINTEND(bugprone-reserved-identifier) */

/* ---- two ends ---- */

static struct dgram__channel ours;
static struct dgram__channel theirs;
static int open_files;

static void begin(uv_loop_t *loop) {
  int fds[2];
  faked.most = DGRAM__FRAME_SIZE;
  faked.interrupts = 0;
  open_files = count_open_files();
  assert_int_equal(dgram__descriptor_pair(fds), 0);
  dgram__channel_init(&ours, fds[0]);
  dgram__channel_init(&theirs, fds[1]);
}

/* Whatever a test did: with both ends no descriptor is left. */
static void end(uv_loop_t *loop) {
  dgram__channel_close(&ours);
  dgram__channel_close(&theirs);
  assert_int_equal(count_open_files(), open_files);
}

__attribute__((constructor)) static void set_hooks(void) {
  fixture_hooks((struct fixture_hooks){NULL, begin, end, NULL});
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
  assert_int_equal(process_send_fds(ours.fd, bytes, size, fds, count, MSG_DONTWAIT), size);
}

static void write_number(unsigned char bytes[DGRAM__FRAME_SIZE], uint32_t number) {
  dgram__frame_write(&(struct dgram__frame){.kind = DGRAM__FRAME_REPLY, .number = number}, bytes);
}

/* ---- the ends themselves ---- */

TEST("a channel neither blocks nor is inherited") {
  const int fds[] = {ours.fd, theirs.fd};
  for (int i = 0; i < 2; i++) {
    assert_int_equal(fcntl(fds[i], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    assert_int_equal(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
  }
  assert_int_equal(receive_none(), 0);
}

TEST("a channel that is closed twice is closed once") {
  dgram__channel_close(&ours);
  assert_int_equal(count_open_files(), open_files + 1);
  dgram__channel_close(&ours);
  assert_int_equal(count_open_files(), open_files + 1);
}

/* ---- frames and descriptors ---- */

TEST("frames are received in order") {
  for (uint32_t number = 0; number < 10; number++)
    assert_int_equal(send_number(number, -1), 0);
  for (uint32_t number = 0; number < 10; number++)
    assert_received(number);
  assert_int_equal(receive_none(), 0);
}

TEST("a descriptor is received with its frame") {
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

TEST("both sides may send at once") {
  struct dgram__frame frame = {.kind = DGRAM__FRAME_LISTENING, .number = 7};
  assert_int_equal(send_number(1, -1), 0);
  assert_int_equal(dgram__channel_send(&theirs, &frame, -1), 0);
  assert_received(1);
  frame.number = 0;
  assert_int_equal(dgram__channel_receive(&ours, &frame, NULL), 1);
  assert_int_equal(frame.number, 7);
}

/* ---- what the system does to them ---- */

TEST("a frame is sent and received a byte at a time, and its descriptor once") {
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

TEST("a frame of which a part has come is not received yet") {
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

TEST("calls that are interrupted are repeated") {
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

TEST("a frame for which there is no room is sent later") {
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
TEST("a descriptor for which there is no room is sent later with its frame") {
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

TEST("a frame that was sent before the end is received, and then EOF") {
  assert_int_equal(send_number(1, -1), 0);
  dgram__channel_close(&ours);
  assert_received(1);
  assert_int_equal(receive_none(), UV_EOF);
  assert_int_equal(receive_none(), UV_EOF);
}

TEST("an end within a frame is EOF") {
  ino_t inode;
  int fd = new_file(&inode);
  unsigned char bytes[DGRAM__FRAME_SIZE];
  write_number(bytes, 5);
  send_raw(bytes, sizeof bytes - 1, &fd, 1);
  close(fd);
  dgram__channel_close(&ours);
  assert_int_equal(receive_none(), UV_EOF); /* the descriptor goes with the channel */
}

/* The other side closes without reading what was sent to it: ECONNRESET. */
TEST("a reset is EOF") {
  struct dgram__frame frame = {.kind = DGRAM__FRAME_REPLY};
  assert_int_equal(dgram__channel_send(&theirs, &frame, -1), 0);
  dgram__channel_close(&ours);
  assert_int_equal(receive_none(), UV_EOF);
}

/* SIGPIPE would end the test. */
TEST("a send to a channel that is closed is EPIPE, and no signal") {
  ino_t inode;
  int fd = new_file(&inode);
  dgram__channel_close(&theirs);
  assert_int_equal(send_number(1, -1), UV_EPIPE);
  assert_int_equal(send_number(2, fd), UV_EPIPE);
  close(fd);
}

TEST("a frame of which the rest cannot be sent is an error") {
  fill();
  dgram__channel_close(&theirs);
  assert_true(dgram__channel_resume(&ours) < 0);
}

/* ---- what the other side must not send ---- */

TEST("bytes that are no frame are EPROTO, and so is what follows") {
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

TEST("the first of several descriptors at once is received, and the others are closed") {
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

TEST("the last of several descriptors within one frame is received") {
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

TEST("a descriptor that is not wanted is closed") {
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
