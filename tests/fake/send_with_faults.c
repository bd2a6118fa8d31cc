/*
 * Sends with options where system calls take only a part, refuse segments, or fail: what is sent
 * arrives exactly once, in order, each with its options. The linker puts the calls of this file
 * (__wrap_...) in the place of the true ones, which they call.
 */
#include "lib/fixture.h"
#include "lib/observer.h"

#include <netinet/udp.h>
#include <time.h>

/* ---- the system ---- */

enum { MOST_ERRORS = 64 };

static struct {
  unsigned most_messages;  /* of a call; 0: all */
  int refusal;             /* the errno of every segmented message; 0: none */
  size_t largest_segment;  /* the same for larger ones only */
  int errors[MOST_ERRORS]; /* of the next calls; 0: none */
  unsigned error_count;
  unsigned segmented; /* messages that left */
  unsigned refused;   /* ... that did not */
  uint64_t txtime;    /* of the last message that had one */
  int mode;           /* IP_MTU_DISCOVER of the last message */
  int fail_mode;      /* setsockopt() of it fails so */
  unsigned mode_calls;
  int no_memory_in; /* the allocation, counted from 1, that fails; 0: none */
} os;

static size_t segment_of(const struct msghdr *message) {
  struct msghdr *walked = (struct msghdr *)message;
  for (struct cmsghdr *at = CMSG_FIRSTHDR(walked); at != NULL; at = CMSG_NXTHDR(walked, at)) {
    if (at->cmsg_level == SOL_SOCKET && at->cmsg_type == 61 /* SCM_TXTIME */)
      memcpy(&os.txtime, CMSG_DATA(at), sizeof os.txtime);
    if (at->cmsg_level == SOL_UDP && at->cmsg_type == 103 /* UDP_SEGMENT */) {
      uint16_t segment;
      memcpy(&segment, CMSG_DATA(at), sizeof segment);
      return segment;
    }
  }
  return 0;
}

static int take_error(void) {
  if (os.error_count == 0)
    return 0;
  int err = os.errors[0];
  memmove(os.errors, os.errors + 1, sizeof os.errors - sizeof *os.errors);
  os.error_count--;
  return err;
}

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length);
int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t length);
void *__wrap_malloc(size_t size);
void *__real_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__real_calloc(size_t count, size_t size);

static ssize_t send_message(int fd, const struct msghdr *message, int flags) {
  size_t segment = segment_of(message);
  socklen_t length = sizeof os.mode;
  (void)getsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &os.mode, &length);
  if (segment > 0 && os.refusal != 0 && segment > os.largest_segment) {
    errno = os.refusal;
    os.refused++;
    return -1;
  }
  os.segmented += segment > 0;
  return __real_sendmsg(fd, message, flags);
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags) {
  int err = take_error();
  if (err == 0)
    return send_message(fd, message, flags);
  errno = err;
  return -1;
}

int __wrap_sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags) {
  if (count == 0)
    return 0;
  int err = take_error();
  if (err != 0) {
    errno = err;
    return -1;
  }
  if (os.most_messages != 0 && count > os.most_messages)
    count = os.most_messages;
  for (unsigned i = 0; i < count; i++)
    if (send_message(fd, &messages[i].msg_hdr, flags) < 0)
      return i > 0 ? (int)i : -1;
  return (int)count;
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length) {
  if (level == IPPROTO_IP && name == IP_MTU_DISCOVER) {
    os.mode_calls++;
    if (os.fail_mode != 0) {
      errno = os.fail_mode;
      return -1;
    }
  }
  return __real_setsockopt(fd, level, name, value, length);
}

static int fails_now(void) {
  return os.no_memory_in > 0 && --os.no_memory_in == 0;
}

void *__wrap_malloc(size_t size) {
  return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
  return fails_now() ? NULL : __real_calloc(count, size);
}
/* NOLINTEND(bugprone-reserved-identifier) */

static void fail_next(int err) {
  assert_true(os.error_count < MOST_ERRORS);
  os.errors[os.error_count++] = err;
}

/* ---- what is sent ---- */

enum { PARTS = 150000 };

static char bytes[PARTS];
static struct sockaddr_storage to;
static int observer;
static struct observed seen;
static int sent;

static dgram_socket_t *begin(uv_loop_t *loop) {
  int port;
  memset(&os, 0, sizeof os);
  for (size_t i = 0; i < PARTS; i++)
    bytes[i] = (char)(i * 13 + i / 255);
  sent = 0;
  observer = observer_open(AF_INET, &to);
  return new_bound(loop, NULL, NULL, &port);
}

static int send_bytes(dgram_socket_t *socket, size_t size, size_t segment, int ttl) {
  dgram_send_options_t options = dgram_default_send_options();
  uv_buf_t buffer = uv_buf_init(bytes, (unsigned)size);
  options.segment_size = segment;
  options.ttl = ttl;
  return dgram_send_with(socket, &buffer, 1, (struct sockaddr *)&to, &options, count_sent, &sent);
}

static void assert_bytes(size_t size, size_t segment, int ttl) {
  size_t at = 0;
  do {
    size_t expected = segment != 0 && size - at > segment ? segment : size - at;
    observer_take(observer, &seen);
    assert_int_equal(seen.size, expected);
    assert_memory_equal(seen.bytes, bytes + at, expected);
    assert_int_equal(seen.ttl, ttl);
    at += expected;
  } while (at < size);
}

static void end(void) {
  assert_true(observer_is_empty(observer));
  close(observer);
}

/* ---- the tests ---- */

TEST("calls that take only a part are continued where they stopped") {
  for (unsigned most = 1; most <= 5; most += 2) {
    dgram_socket_t *socket = begin(loop);
    os.most_messages = most;
    for (int i = 0; i < 20; i++) {
      assert_int_equal(send_bytes(socket, 100 + (size_t)i, 0, 10 + i), 0);
      assert_int_equal(send_bytes(socket, 7000, 1000, 100 + i), 0);
    }
    run_until(loop, &sent, 40);
    for (int i = 0; i < 20; i++) {
      assert_bytes(100 + (size_t)i, 0, 10 + i);
      assert_bytes(7000, 1000, 100 + i);
    }
    end();
  }
}

TEST("EAGAIN, ENOBUFS and EINTR in the middle of a message neither repeat nor skip a datagram") {
  static const int errors[] = {EAGAIN, ENOBUFS, EINTR};
  for (size_t i = 0; i < 3; i++) {
    dgram_socket_t *socket = begin(loop);
    os.most_messages = 1;
    for (int j = 0; j < 8; j++) { /* every second call fails */
      fail_next(0);
      fail_next(errors[i]);
    }
    assert_int_equal(send_bytes(socket, PARTS, 1000, 33), 0);
    assert_int_equal(send_bytes(socket, 50, 0, 34), 0);
    run_until(loop, &sent, 2);
    assert_bytes(PARTS, 1000, 33);
    assert_bytes(50, 0, 34);
    end();
  }
}

TEST("where segments are refused the message leaves as single datagrams, and that is remembered") {
  static const int refusals[] = {EIO, EINVAL, EMSGSIZE};
  for (size_t i = 0; i < 3; i++) {
    dgram_socket_t *socket = begin(loop);
    os.refusal = refusals[i];
    os.largest_segment = refusals[i] == EIO ? 0 : 999;
    assert_int_equal(send_bytes(socket, 100000, 1000, 40), 0);
    run_until(loop, &sent, 1);
    assert_bytes(100000, 1000, 40);
    assert_int_equal(os.segmented, 0);
    assert_int_equal(os.refused, offload_is_on("DGRAM_GSO"));
    assert_int_equal(send_bytes(socket, 30000, 1000, 41), 0);
    assert_int_equal(send_bytes(socket, 30000, 900, 42), 0);
    run_until(loop, &sent, 3);
    assert_bytes(30000, 1000, 41);
    assert_bytes(30000, 900, 42);
    assert_int_equal(os.refused, offload_is_on("DGRAM_GSO")); /* no further ones */
    assert_int_equal(os.segmented > 0, os.largest_segment > 0 && offload_is_on("DGRAM_GSO"));
    end();
  }
}

TEST("an error in the middle of a message ends it, and those behind it leave") {
  dgram_socket_t *socket = begin(loop);
  dgram_send_options_t options = dgram_default_send_options();
  uv_buf_t buffer = uv_buf_init(bytes, PARTS);
  struct kept_error error = {.calls = 0};
  options.segment_size = 1000;
  os.most_messages = 1;
  fail_next(0);
  fail_next(EPERM);
  assert_int_equal(dgram_send_with(socket, &buffer, 1, (struct sockaddr *)&to, &options,
                                   keep_send_error, &error),
                   0);
  assert_int_equal(send_bytes(socket, 20, 0, 50), 0);
  run_until(loop, &sent, 1);
  assert_int_equal(error.calls, 1);
  assert_int_equal(error.code, UV_EPERM);
  do /* what had left before */
    observer_take(observer, &seen);
  while (seen.size == 1000);
  assert_int_equal(seen.size, 20);
  assert_int_equal(seen.ttl, 50);
  end();
}

static void keep_cancel(dgram_socket_t *socket, const dgram_error_t *error, size_t size,
                        void *context) {
  assert_int_equal(error->code, UV_ECANCELED);
  assert_int_equal(size, 0);
  (*(int *)context)++;
}

TEST("a close in the middle of a message cancels it, once") {
  dgram_socket_t *socket = begin(loop);
  dgram_send_options_t options = dgram_default_send_options();
  uv_buf_t buffer = uv_buf_init(bytes, PARTS);
  int cancelled = 0;
  options.segment_size = 1000;
  os.most_messages = 1;
  fail_next(0);
  for (int i = 1; i < MOST_ERRORS; i++)
    fail_next(EAGAIN);
  assert_int_equal(dgram_send_with(socket, &buffer, 1, (struct sockaddr *)&to, &options,
                                   keep_cancel, &cancelled),
                   0);
  dgram_flush(socket);
  assert_int_equal(dgram_get_send_queue_count(socket), 1);
  assert_int_equal(dgram_close(socket, NULL, NULL), 0);
  run_to_end(loop);
  assert_int_equal(cancelled, 1);
  while (!observer_is_empty(observer))
    observer_take(observer, &seen);
  end();
}

TEST("a message that is tried and stops in the middle says how much has left") {
  dgram_socket_t *socket = begin(loop);
  dgram_send_options_t options = dgram_default_send_options();
  uv_buf_t buffer = uv_buf_init(bytes, PARTS);
  size_t left = 0;
  options.segment_size = 1000;
  options.ttl = 61;
  os.most_messages = 1;
  fail_next(0);
  fail_next(0);
  fail_next(EAGAIN);
  assert_int_equal(dgram_try_send_with(socket, &buffer, 1, (struct sockaddr *)&to, &options, &left),
                   UV_EAGAIN);
  assert_true(left > 0 && left < PARTS && left % 1000 == 0);
  assert_int_equal(dgram_get_send_queue_count(socket), 0);
  assert_bytes(left, 1000, 61);
  fail_next(ENOBUFS);
  assert_int_equal(dgram_try_send_with(socket, &buffer, 1, (struct sockaddr *)&to, &options, &left),
                   UV_ENOBUFS);
  assert_int_equal(left, 0);
  assert_int_equal(dgram_try_send(socket, "x", 1, (struct sockaddr *)&to), 0);
  observer_take(observer, &seen);
  assert_int_equal(seen.size, 1);
  end();
}

/* ---- "don't fragment" ---- */

static int mode_of(dgram_socket_t *socket) {
  int mode = -1;
  socklen_t length = sizeof mode;
  assert_int_equal(getsockopt(dgram_fileno(socket), IPPROTO_IP, IP_MTU_DISCOVER, &mode, &length),
                   0);
  return mode;
}

static int send_fragmenting(dgram_socket_t *socket, int dont_fragment, dgram_send_cb callback,
                            void *context) {
  dgram_send_options_t options = dgram_default_send_options();
  uv_buf_t buffer = uv_buf_init(bytes, 10);
  options.dont_fragment = dont_fragment;
  return dgram_send_with(socket, &buffer, 1, (struct sockaddr *)&to, &options, callback, context);
}

TEST("the mode of fragmentation is the datagram's own, and the socket's again after it") {
  static const int choices[] = {1, 0, -1, 1, 1, 0};
  dgram_socket_t *socket = begin(loop);
  int own = mode_of(socket);
  for (int i = 0; i < 6; i++) {
    assert_int_equal(send_fragmenting(socket, choices[i], count_sent, &sent), 0);
    dgram_flush(socket);
    assert_int_equal(os.mode, choices[i] == 1   ? IP_PMTUDISC_DO
                              : choices[i] == 0 ? IP_PMTUDISC_DONT
                                                : own);
    assert_int_equal(mode_of(socket), own);
  }
  for (int i = 0; i < 6; i++)
    assert_int_equal(send_fragmenting(socket, choices[i], count_sent, &sent), 0);
  os.mode_calls = 0;
  run_until(loop, &sent, 12);
  assert_int_equal(os.mode_calls, 8); /* four runs have a mode of their own */
  assert_int_equal(mode_of(socket), own);
  for (int i = 0; i < 12; i++)
    observer_take(observer, &seen);
  end();
}

TEST("the socket's mode of fragmentation is restored after an error, and one that can't be set "
     "fails the datagram") {
  dgram_socket_t *socket = begin(loop);
  struct kept_error error = {.calls = 0};
  int own = mode_of(socket);
  fail_next(EPERM);
  assert_int_equal(send_fragmenting(socket, 1, keep_send_error, &error), 0);
  dgram_flush(socket);
  assert_int_equal(error.code, UV_EPERM);
  assert_int_equal(mode_of(socket), own);
  os.fail_mode = EPERM;
  assert_int_equal(send_fragmenting(socket, 1, keep_send_error, &error), 0);
  assert_int_equal(send_fragmenting(socket, -1, count_sent, &sent), 0);
  run_until(loop, &sent, 1);
  assert_int_equal(error.calls, 2);
  os.fail_mode = 0;
  assert_int_equal(mode_of(socket), own);
  observer_take(observer, &seen);
  end();
}

/* ---- departure times ---- */

TEST("a departure time reaches the kernel where the socket has a clock, and fails where it has "
     "not") {
  dgram_socket_t *socket = begin(loop);
  dgram_send_options_t options = dgram_default_send_options();
  uv_buf_t buffer = uv_buf_init(bytes, 10);
  struct timespec now;
  int64_t clock = -1;
  clock_gettime(CLOCK_MONOTONIC, &now);
  options.departure_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
  assert_int_equal(dgram_try_send_with(socket, &buffer, 1, (struct sockaddr *)&to, &options, NULL),
                   UV_EINVAL);
  assert_int_equal(dgram_set_sockopt(socket, DGRAM_SO_TXTIME_CLOCK, CLOCK_MONOTONIC), 0);
  assert_int_equal(dgram_get_sockopt(socket, DGRAM_SO_TXTIME_CLOCK, &clock), 0);
  assert_int_equal(clock, CLOCK_MONOTONIC);
  os.txtime = 0;
  assert_int_equal(dgram_try_send_with(socket, &buffer, 1, (struct sockaddr *)&to, &options, NULL),
                   0);
  assert_true(os.txtime == options.departure_ns);
  observer_take(observer, &seen);
  end();
}

/* ---- no memory ---- */

TEST("a send without memory for any part of it is refused and changes nothing") {
  dgram_socket_t *socket = begin(loop);
  uv_buf_t buffer = uv_buf_init(bytes, 10);
  dgram_send_options_t options = dgram_default_send_options();
  options.ttl = 70;
  dgram_outgoing_t list[3];
  for (int i = 0; i < 3; i++)
    list[i] = (dgram_outgoing_t){
        .buffers = &buffer, .count = 1, .to = (struct sockaddr *)&to, .options = &options};
  int accepted = 0;
  for (int which = 0; which < 3; which++)
    for (int failing = 1, err = UV_ENOMEM; err != 0; failing++) {
      os.no_memory_in = failing;
      if (which == 0)
        err = dgram_send_with(socket, &buffer, 1, list->to, &options, NULL, NULL);
      else if (which == 1)
        err = dgram_send_many(socket, list, 3, NULL, NULL);
      else
        err = dgram_try_send_with(socket, &buffer, 1, list->to, &options, NULL);
      os.no_memory_in = 0;
      assert_true(err == 0 || err == UV_ENOMEM);
      accepted += err == 0 ? (which == 1 ? 3 : 1) : 0;
      assert_true(failing < 30);
    }
  dgram_flush(socket);
  assert_int_equal(accepted, 5);
  for (int i = 0; i < accepted; i++)
    observer_take(observer, &seen);
  end();
}
