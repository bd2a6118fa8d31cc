#include "fake/kernel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "cmsg.h"

char memory[MOST * ROOM];
struct dgram__datagram queue[MOST];
unsigned queued;
struct kernel kernel;

/* ---- datagrams ---- */

static struct iovec iov[MOST];

void enqueue_at(char *bytes, uint32_t size, int port) {
  char number[4];
  snprintf(number, sizeof number, "%u", FIRST + queued);
  memset(bytes, 'a' + (int)(queued % 26), size);
  memcpy(bytes, number, 3);
  iov[queued] = (struct iovec){.iov_base = bytes, .iov_len = size};
  struct dgram__datagram *datagram = &queue[queued];
  *datagram = (struct dgram__datagram){.iov = &iov[queued], .iov_count = 1, .size = size};
  dgram__address_loopback(&datagram->to, AF_INET, port);
  if (queued++ > 0)
    datagram[-1].next = datagram;
}

void enqueue(unsigned count, uint32_t size) {
  for (unsigned i = 0; i < count; i++)
    enqueue_at(memory + (size_t)queued * ROOM, size, 53);
}

/* ---- the story ---- */

static void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void tell(const char *format, ...) {
  size_t length = strlen(kernel.story);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(kernel.story + length, sizeof kernel.story - length, format, arguments);
  va_end(arguments);
}

static void tell_space(void) {
  size_t length = strlen(kernel.story);
  if (length > 0 && strchr("[ ", kernel.story[length - 1]) == NULL)
    tell(" ");
}

const char *story(void) {
  static char told[sizeof kernel.story];
  memcpy(told, kernel.story, sizeof told);
  kernel.story[0] = '\0';
  return told;
}

/* ---- the system ---- */

static uint32_t segment_of(const struct msghdr *message) {
  struct cmsghdr *control = CMSG_FIRSTHDR(message);
  uint16_t segment;
  if (control == NULL)
    return 0;
  assert_int_equal(control->cmsg_level, SOL_UDP);
  assert_int_equal(control->cmsg_type, UDP_SEGMENT);
  memcpy(&segment, CMSG_DATA(control), sizeof segment);
  return segment;
}

/* What the kernel has against a message of so many bytes: udp_send_skb() in net/ipv4/udp.c. */
static int verdict(size_t bytes, uint32_t segment) {
  size_t datagram = segment != 0 && segment < bytes ? segment : bytes;
  if (kernel.largest_datagram != 0 && datagram > kernel.largest_datagram)
    return kernel.size_error;
  if (segment == 0)
    return 0;
  assert_true(bytes <= 64 * (size_t)segment); /* it would be EINVAL, and hidden by the fallback */
  if (kernel.largest_segment != 0 && segment > kernel.largest_segment)
    return kernel.size_error;
  return kernel.refusal;
}

/* On a connected socket nobody says where to. */
static socklen_t length_of(const union dgram__address *to) {
  if (to->any.sa_family == AF_UNSPEC)
    return 0;
  return to->any.sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

/* The number of the datagram at `bytes`; it must be whole and on its way to its own address. */
static unsigned check_datagram(const struct msghdr *message, const char *bytes, size_t size) {
  unsigned number = (unsigned)strtoul((char[]){bytes[0], bytes[1], bytes[2], '\0'}, NULL, 10);
  assert_in_range(number, FIRST, FIRST + queued - 1);
  const struct dgram__datagram *datagram = &queue[number - FIRST];
  assert_int_equal(size, datagram->size);
  socklen_t length = length_of(&datagram->to);
  assert_int_equal(message->msg_namelen, length);
  assert_memory_equal(message->msg_name, &datagram->to, length);
  for (uint32_t i = 0; i < datagram->iov_count; i++) {
    assert_memory_equal(bytes, datagram->iov[i].iov_base, datagram->iov[i].iov_len);
    bytes += datagram->iov[i].iov_len;
  }
  return number;
}

/* Copies what a message carries; no part of it may be over the limits of the system. */
static size_t gather(char bytes[65536], const struct msghdr *message) {
  size_t size = 0;
  assert_in_range(message->msg_iovlen, 1, 1024);
  for (size_t i = 0; i < message->msg_iovlen; i++) {
    const struct iovec *part = &message->msg_iov[i];
    assert_true(size + part->iov_len <= 65507);
    memcpy(bytes + size, part->iov_base, part->iov_len);
    size += part->iov_len;
  }
  if (message->msg_iovlen > kernel.most_parts)
    kernel.most_parts = message->msg_iovlen;
  return size;
}

/* Sends one message, or returns its error. */
static int send_message(const struct msghdr *message) {
  static char bytes[65536];
  size_t size = gather(bytes, message);
  uint32_t segment = segment_of(message);
  int err = verdict(size, segment);
  uint32_t step = segment != 0 ? segment : (uint32_t)size;
  tell_space();
  tell("%s", segment != 0 ? "[" : "");
  for (size_t at = 0; at < size; at += step) {
    size_t rest = size - at < step ? size - at : step;
    tell_space();
    tell("%u", check_datagram(message, bytes + at, rest));
    kernel.left += err == 0;
  }
  tell("%s", segment != 0 ? "]" : "");
  if (err != 0)
    tell(":%s", dgram_err_name(-err));
  return err;
}

/* The error that a call begins with, if there is one. */
static int begin_call(void) {
  if (kernel.story[0] != '\0')
    tell(" | ");
  if (kernel.error_count == 0)
    return 0;
  int err = kernel.errors[0];
  memmove(kernel.errors, kernel.errors + 1, sizeof kernel.errors - sizeof kernel.errors[0]);
  kernel.error_count--;
  if (err != 0)
    tell("%s", dgram_err_name(-err));
  return err;
}

void fail_next_call(int err) {
  kernel.errors[kernel.error_count++] = err;
}

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *length);
int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *length);
int __wrap_uname(struct utsname *names);
uint64_t __wrap_uv_hrtime(void);

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags) {
  assert_int_equal(flags, MSG_DONTWAIT); /* others may have made the socket blocking */
  int err = begin_call();
  if (err == 0)
    err = send_message(message);
  errno = err;
  return err == 0 ? 1 : -1;
}

int __wrap_sendmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags) {
  assert_int_equal(flags, MSG_DONTWAIT); /* others may have made the socket blocking */
  assert_in_range(count, 0, 1024);
  if (count == 0) /* only asks whether there is such a call */
    return 0;
  int err = begin_call();
  unsigned sent = 0;
  while (err == 0 && sent < count) {
    if (kernel.stop_after != 0 && sent == kernel.stop_after)
      err = EAGAIN;
    else
      err = send_message(&headers[sent].msg_hdr);
    sent += err == 0;
  }
  errno = err;
  return sent > 0 ? (int)sent : -1; /* the error is lost if anything left */
}

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *length) {
  if (level != SOL_UDP || name != UDP_SEGMENT)
    return __real_getsockopt(fd, level, name, value, length);
  if (kernel.segments)
    return 0;
  errno = ENOPROTOOPT;
  return -1;
}

uint64_t __wrap_uv_hrtime(void) {
  return (1 + kernel.seconds) * 1000000000;
}

int __wrap_uname(struct utsname *names) {
  if (kernel.release == NULL)
    return -1;
  snprintf(names->release, sizeof names->release, "%s", kernel.release);
  return 0;
}
/* NOLINTEND(bugprone-reserved-identifier) */
