/*
 * How datagrams are received, over a recvmmsg(2) and a recvmsg(2) that the tests simulate: the
 * linker puts them (__wrap_...) in the place of the true ones.
 */
#include "udp.h"

#include <poll.h>

#include "lib/fixture.h"

/* What recvmmsg does; NULL: the true one. */
static int (*receive)(struct mmsghdr *headers, unsigned count);
static bool can_join; /* the kernel knows UDP_GRO */
static int joins_asked;
static bool can_ask = true; /* getsockopt(2) is allowed */

/* What calls of recvmsg do, in order: bytes received, or a negative error. Then: EAGAIN. */
static const int *script;
static size_t script_length;
static size_t single_calls;

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
int __wrap_recvmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags,
                    struct timespec *timeout);
int __real_recvmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags,
                    struct timespec *timeout);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length);
int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t length);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *length);
int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *length);

int __wrap_recvmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags,
                    struct timespec *timeout) {
  assert_int_equal(count, DGRAM__RX_BUFFERS);
  assert_int_equal(flags, MSG_DONTWAIT);
  if (receive == NULL)
    return __real_recvmmsg(fd, headers, count, flags, timeout);
  return receive(headers, count);
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags) {
  assert_int_equal(flags, MSG_DONTWAIT); /* others may have made the socket blocking */
  assert_int_equal(message->msg_namelen, sizeof(union dgram__address));
  assert_int_equal(message->msg_iov[0].iov_len, DGRAM__RX_BUFFER_SIZE);
  assert_int_equal(message->msg_controllen, sizeof(struct dgram__cmsg_in));
  int result = single_calls < script_length ? script[single_calls] : -EAGAIN;
  single_calls++;
  errno = result < 0 ? -result : 0;
  if (result < 0)
    return -1;
  message->msg_controllen = 0; /* it has no control messages */
  memset(message->msg_iov[0].iov_base, 'a' + (int)single_calls - 1, (size_t)result);
  return result;
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length) {
  bool joining = level == SOL_UDP && name == UDP_GRO;
  joins_asked += joining;
  if (!joining || can_join)
    return __real_setsockopt(fd, level, name, value, length);
  errno = ENOPROTOOPT;
  return -1;
}
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *length) {
  if (can_ask)
    return __real_getsockopt(fd, level, name, value, length);
  errno = EPERM;
  return -1;
}
/* NOLINTEND(bugprone-reserved-identifier) */

static struct dgram__counters counters;
static struct dgram__udp udp = {.fd = -1, .counters = &counters};
static struct dgram__rx_buffers buffers;

static void begin(uint8_t max_rx_batch) {
  static char data[DGRAM__RX_BUFFERS][DGRAM__RX_BUFFER_SIZE];
  struct dgram__settings settings = {
      .capabilities = {.max_gro_segments = DGRAM__MAX_SEGMENTS, .max_rx_batch = max_rx_batch}};
  counters = (struct dgram__counters){0};
  receive = NULL;
  can_join = true;
  joins_asked = 0;
  single_calls = script_length = 0;
  for (int i = 0; i < DGRAM__RX_BUFFERS; i++)
    buffers.all[i] = (struct dgram__rx_buffer){.data = data[i], .size = 77, .segment = 77};
  dgram__rx_buffers_init(&buffers);
  dgram__address_loopback(&settings.local, AF_INET, 0);
  assert_int_equal(dgram__udp_open(&udp, &settings), 0);
}

#define RECV_TEST_(sentence, max_rx_batch, name)     \
  static void name(void);                            \
  FIXTURE_TEST(sentence, FIXTURE_JOIN(name, _run)) { \
    begin(max_rx_batch);                             \
    name();                                          \
    dgram__udp_close(&udp);                          \
  }                                                  \
  static void name(void)
#define RECV_TEST(sentence) \
  RECV_TEST_(sentence, DGRAM__RX_BUFFERS, FIXTURE_JOIN(recv_in_line_, __LINE__))
#define SINGLE_RECV_TEST(sentence) RECV_TEST_(sentence, 1, FIXTURE_JOIN(recv_in_line_, __LINE__))

static int receive_all(void) {
  return dgram__udp_recv(&udp, &buffers, DGRAM__RX_BUFFERS);
}

/* Sends to the socket itself, and receives. */
static void receive_hellos(int count) {
  union dgram__address own = {0};
  socklen_t length = sizeof own;
  assert_int_equal(getsockname(udp.fd, &own.any, &length), 0);
  for (int i = 0; i < count; i++)
    assert_int_equal(sendto(udp.fd, "hello", 5, 0, &own.any, length), 5);
  struct pollfd readable = {.fd = udp.fd, .events = POLLIN};
  assert_int_equal(poll(&readable, 1, -1), 1);
  assert_int_equal(receive_all(), count);
  for (int i = 0; i < count; i++) {
    assert_int_equal(buffers.all[i].size, 5);
    assert_int_equal(buffers.all[i].segment, 0);
    assert_memory_equal(buffers.all[i].data, "hello", 5);
    assert_true(dgram__address_equal(&buffers.all[i].from, &own));
  }
  assert_int_equal(receive_all(), 0);
}

/* Where UDP_GRO is not in use yet, it is dear. */
RECV_TEST("GRO is asked for when several datagrams have come at a time") {
  receive_hellos(1);
  receive_hellos(1);
  assert_int_equal(joins_asked, 0);
  receive_hellos(2);
  assert_int_equal(joins_asked, 1);
  int on = 0;
  socklen_t length = sizeof on;
  if (getsockopt(udp.fd, SOL_UDP, UDP_GRO, &on, &length) == 0)
    assert_int_equal(on, 1);
}

RECV_TEST("GRO is asked for once") {
  can_join = false;
  receive_hellos(2);
  receive_hellos(3); /* and without it all goes on */
  assert_int_equal(joins_asked, 1);
}

/* As the kernel wants it; https://github.com/netty/netty/issues/17492 */
static void check_header(const struct mmsghdr *header) {
  const struct msghdr *message = &header->msg_hdr;
  assert_int_equal(message->msg_namelen, sizeof(struct sockaddr_in6));
  assert_int_equal(message->msg_controllen, sizeof(struct dgram__cmsg_in));
  assert_non_null(message->msg_control);
  assert_int_equal(message->msg_iovlen, 1);
  assert_int_equal(message->msg_iov[0].iov_len, DGRAM__RX_BUFFER_SIZE);
}

/* A filled header, as the kernel leaves it. */
static void fill_header(struct mmsghdr *header, unsigned size) {
  struct msghdr *message = &header->msg_hdr;
  header->msg_len = size;
  dgram__address_loopback(message->msg_name, AF_INET, 53);
  message->msg_namelen = sizeof(struct sockaddr_in);
  message->msg_flags = 0;
  message->msg_controllen = 0;
}

static void add_control(struct mmsghdr *header, int level, int type, int value) {
  struct msghdr *message = &header->msg_hdr;
  struct cmsghdr *control =
      (struct cmsghdr *)(void *)((char *)message->msg_control + message->msg_controllen);
  control->cmsg_level = level;
  control->cmsg_type = type;
  control->cmsg_len = CMSG_LEN(sizeof value);
  memcpy(CMSG_DATA(control), &value, sizeof value);
  message->msg_controllen += CMSG_SPACE(sizeof value);
}

static int receive_three(struct mmsghdr *headers, unsigned count) {
  for (unsigned i = 0; i < count; i++)
    check_header(&headers[i]);
  fill_header(&headers[0], 3000);
  add_control(&headers[0], SOL_UDP, UDP_GRO, 1200);
  fill_header(&headers[1], 10);
  headers[1].msg_hdr.msg_flags = MSG_TRUNC;
  fill_header(&headers[2], 0);
  return 3;
}

static int receive_two_plain(struct mmsghdr *headers, unsigned count) {
  for (unsigned i = 0; i < count; i++)
    check_header(&headers[i]);
  fill_header(&headers[0], 7);
  fill_header(&headers[1], 8);
  return 2;
}

RECV_TEST("the headers are reset before every call") {
  for (int i = 0; i < 3; i++) {
    receive = receive_three;
    assert_int_equal(receive_all(), 3);
    assert_int_equal(buffers.all[0].size, 3000);
    assert_int_equal(buffers.all[0].segment, 1200);
    assert_int_equal(buffers.all[1].size, 10);
    assert_int_equal(buffers.all[1].segment, 0);
    assert_int_equal(buffers.all[2].size, 0);
    assert_int_equal(buffers.all[2].segment, 0);

    receive = receive_two_plain;
    assert_int_equal(receive_all(), 2);
    assert_int_equal(buffers.all[0].size, 7);
    assert_int_equal(buffers.all[0].segment, 0);
    assert_int_equal(buffers.all[1].size, 8);
    assert_int_equal(buffers.all[1].segment, 0);
  }
}

/* ---- counters ---- */

static int receive_a_mixture(struct mmsghdr *headers, unsigned count) {
  fill_header(&headers[0], 3000); /* three datagrams */
  add_control(&headers[0], SOL_UDP, UDP_GRO, 1200);
  fill_header(&headers[1], 65536);
  headers[1].msg_hdr.msg_flags = MSG_TRUNC;
  fill_header(&headers[2], 1200); /* one, with a segment size */
  add_control(&headers[2], SOL_UDP, UDP_GRO, 1200);
  fill_header(&headers[3], 0);
  fill_header(&headers[4], 0);
  add_control(&headers[4], SOL_UDP, UDP_GRO, 1200);
  fill_header(&headers[5], 2400);
  add_control(&headers[5], SOL_UDP, UDP_GRO, 1200);
  return 6;
}

RECV_TEST("datagrams, joined buffers and truncated ones are counted") {
  receive = receive_a_mixture;
  assert_int_equal(receive_all(), 6);
  assert_int_equal(counters.receive_calls, 1);
  assert_int_equal(counters.datagrams_in, 3 + 1 + 1 + 1 + 1 + 2);
  assert_int_equal(counters.bytes_in, 3000 + 65536 + 1200 + 2400);
  assert_int_equal(counters.gro_buffers, 2);
  assert_int_equal(counters.gro_datagrams, 5);
  assert_int_equal(counters.truncated, 1);
}

SINGLE_RECV_TEST("recvmsg: each call is counted, also the one that finds nothing") {
  static const int sizes[] = {5, 7};
  script = sizes;
  script_length = 2;
  assert_int_equal(receive_all(), 2);
  assert_int_equal(counters.receive_calls, 3);
  assert_int_equal(counters.datagrams_in, 2);
  assert_int_equal(counters.bytes_in, 12);
}

/* ---- control messages that are cut off ---- */

/* One that does not say whether it was joined, and one that does. */
static int receive_two_cut_off(struct mmsghdr *headers, unsigned count) {
  fill_header(&headers[0], 3000);
  add_control(&headers[0], IPPROTO_IP, IP_TTL, 64);
  headers[0].msg_hdr.msg_flags = MSG_CTRUNC;
  fill_header(&headers[1], 3000);
  add_control(&headers[1], SOL_UDP, UDP_GRO, 1200);
  add_control(&headers[1], IPPROTO_IP, IP_TTL, 64);
  headers[1].msg_hdr.msg_flags = MSG_CTRUNC;
  return 2;
}

static void assert_cut_off(int segment) {
  receive = receive_two_cut_off;
  assert_int_equal(receive_all(), 2);
  assert_int_equal(buffers.all[0].segment, segment);
  assert_int_equal(buffers.all[1].segment, 1200);
}

/* Kernels before 5.8 cannot be asked whether GRO is on, and then it may be. */
static void skip_where_gro_is_unknown(void) {
  int on;
  socklen_t length = sizeof on;
  if (getsockopt(udp.fd, SOL_UDP, UDP_GRO, &on, &length) == 0)
    return;
  print_message("skipped: this system does not say whether it joins\n");
  skip();
}

RECV_TEST("a buffer whose control messages are cut off is one datagram without GRO") {
  skip_where_gro_is_unknown();
  can_join = false;
  assert_cut_off(0);
  assert_cut_off(0);
}

RECV_TEST("a buffer whose control messages are cut off is lost with GRO") {
  skip_where_gro_is_unknown();
  assert_cut_off(0);
  assert_int_equal(joins_asked, 1);
  assert_cut_off(UV_EMSGSIZE);
}

/* Another process that has the system socket, too. */
RECV_TEST("GRO of another holder of the system socket counts") {
  skip_where_gro_is_unknown();
  int on = 1;
  int twin = dup(udp.fd);
  can_join = false; /* so this udp has not asked */
  assert_cut_off(0);
  assert_int_equal(__real_setsockopt(twin, SOL_UDP, UDP_GRO, &on, sizeof on), 0);
  assert_cut_off(UV_EMSGSIZE);
  close(twin);
}

/* What cannot be asked may be: a joined buffer must not be delivered as one datagram. */
RECV_TEST("a buffer whose control messages are cut off is lost where getsockopt is refused") {
  can_ask = false;
  assert_cut_off(UV_EMSGSIZE);
  can_ask = true;
}

/* ---- errors ---- */

static int calls;

static int receive_interrupted(struct mmsghdr *headers, unsigned count) {
  if (++calls == 3)
    return receive_two_plain(headers, count);
  errno = EINTR;
  return -1;
}

static int receive_nothing(struct mmsghdr *headers, unsigned count) {
  calls++;
  errno = EAGAIN;
  return -1;
}

static int receive_refusal(struct mmsghdr *headers, unsigned count) {
  calls++;
  errno = ECONNREFUSED;
  return -1;
}

RECV_TEST("an error of recvmmsg is returned, and EAGAIN is nothing") {
  static const struct {
    int (*receive)(struct mmsghdr *headers, unsigned count);
    int result;
    int calls;
  } cases[] = {
      {receive_interrupted, 2, 3}, {receive_nothing, 0, 1}, {receive_refusal, UV_ECONNREFUSED, 1}};
  for (int i = 0; i < 3; i++) {
    receive = cases[i].receive;
    calls = 0;
    assert_int_equal(receive_all(), cases[i].result);
    assert_int_equal(calls, cases[i].calls);
  }
}

/* ---- where there is no recvmmsg ---- */

#define SCRIPT(...)                           \
  static const int results[] = {__VA_ARGS__}; \
  script = results;                           \
  script_length = sizeof results / sizeof *results

SINGLE_RECV_TEST("recvmsg: each datagram has its buffer") {
  SCRIPT(3, 0, 5);
  assert_int_equal(receive_all(), 3);
  assert_int_equal(buffers.all[0].size, 3);
  assert_int_equal(buffers.all[1].size, 0); /* an empty one does not end the batch */
  assert_int_equal(buffers.all[2].size, 5);
  for (int i = 0; i < 3; i++)
    assert_int_equal(buffers.all[i].segment, 0);
  assert_memory_equal(buffers.all[2].data, "ccccc", 5);
  assert_int_equal(single_calls, 4);
}

SINGLE_RECV_TEST("recvmsg: a batch is bounded") {
  static int ones[2 * DGRAM__RX_BUFFERS];
  for (int i = 0; i < 2 * DGRAM__RX_BUFFERS; i++)
    ones[i] = 1;
  script = ones;
  script_length = 2 * (size_t)DGRAM__RX_BUFFERS;
  assert_int_equal(receive_all(), DGRAM__RX_BUFFERS);
  assert_int_equal(single_calls, DGRAM__RX_BUFFERS);
}

SINGLE_RECV_TEST("recvmsg: EAGAIN is nothing") {
  assert_int_equal(receive_all(), 0);
  assert_int_equal(single_calls, 1);
}

SINGLE_RECV_TEST("recvmsg: an error before all datagrams is returned") {
  SCRIPT(-ECONNREFUSED, 3);
  assert_int_equal(receive_all(), UV_ECONNREFUSED);
  assert_int_equal(receive_all(), 1);
}

SINGLE_RECV_TEST("recvmsg: an error among datagrams has a buffer of its own") {
  SCRIPT(3, -ECONNREFUSED, 5);
  assert_int_equal(receive_all(), 2);
  assert_int_equal(buffers.all[0].segment, 0);
  assert_int_equal(buffers.all[1].segment, UV_ECONNREFUSED);
  assert_int_equal(receive_all(), 1);
  assert_int_equal(buffers.all[0].segment, 0);
  assert_int_equal(buffers.all[0].size, 5);
}

SINGLE_RECV_TEST("recvmsg: an interrupted call is repeated") {
  SCRIPT(-EINTR, 3, -EINTR, -EINTR, 5);
  assert_int_equal(receive_all(), 2);
  assert_int_equal(buffers.all[1].size, 5);
}
