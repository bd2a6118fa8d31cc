/*
 * How datagrams leave: what shares a message and a system call, what is done where the system
 * refuses to segment, and one message a call where it has no sendmmsg(2). The linker puts the
 * system calls of this file (__wrap_...) in the place of the true ones.
 */
#include "udp.h"

#include <sys/utsname.h>

#include "lib/fixture.h"

/* ---- datagrams to send ---- */

enum {
  FIRST = 100, /* datagrams are numbered with three digits: their first bytes */
  MOST = 700,
  STEP = 4096 /* bytes from one datagram to the next: they do not touch */
};

static char memory[MOST * STEP];
static struct dgram__datagram queue[MOST];
static struct iovec iov[MOST];
static unsigned queued;

/* Adds a datagram at `bytes`, to the port. */
static void enqueue_at(char *bytes, uint32_t size, int port) {
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

/* Adds some to one port, each in a place of its own. */
static void enqueue(unsigned count, uint32_t size) {
  for (unsigned i = 0; i < count; i++)
    enqueue_at(memory + (size_t)queued * STEP, size, 53);
}

/* ---- the kernel, simulated ---- */

/* It segments, refuses and stops as the fields say, and checks every datagram that it is given. */
static struct {
  int refusal;               /* the error of every segmented send; 0: none */
  uint32_t largest_segment;  /* `size_error` for more; 0: no limit */
  uint32_t largest_datagram; /* the same, segmented or not */
  int size_error;
  int errors[8]; /* of the next calls, 0 for none, before they do anything */
  unsigned error_count;
  unsigned stop_after; /* EAGAIN after so many messages of a call; 0: never */
  uint64_t seconds;    /* of the clock */
  const char *release; /* of the kernel; NULL: uname() fails */
  bool segments;       /* it knows UDP_SEGMENT */
  bool no_memory;
  unsigned left;     /* datagrams that left */
  size_t most_parts; /* of one message */
  char trace[8192];
} kernel;

static void write_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void write_trace(const char *format, ...) {
  size_t length = strlen(kernel.trace);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(kernel.trace + length, sizeof kernel.trace - length, format, arguments);
  va_end(arguments);
}

static void write_space(void) {
  size_t length = strlen(kernel.trace);
  if (length > 0 && strchr("[ ", kernel.trace[length - 1]) == NULL)
    write_trace(" ");
}

/*
 * What was asked of the kernel since this was last called, calls parted by '|', segmented sends in
 * brackets, refused ones with their error: "[100 101]:EIO | 100 101".
 */
static const char *asked(void) {
  static char copy[sizeof kernel.trace];
  memcpy(copy, kernel.trace, sizeof copy);
  kernel.trace[0] = '\0';
  return copy;
}

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
  for (size_t i = 0; i < (size_t)message->msg_iovlen; i++) {
    const struct iovec *part = &message->msg_iov[i];
    assert_true(size + part->iov_len <= 65507);
    memcpy(bytes + size, part->iov_base, part->iov_len);
    size += part->iov_len;
  }
  if ((size_t)message->msg_iovlen > kernel.most_parts)
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
  write_space();
  write_trace("%s", segment != 0 ? "[" : "");
  for (size_t at = 0; at < size; at += step) {
    size_t rest = size - at < step ? size - at : step;
    write_space();
    write_trace("%u", check_datagram(message, bytes + at, rest));
    kernel.left += err == 0;
  }
  write_trace("%s", segment != 0 ? "]" : "");
  if (err != 0)
    write_trace(":%s", dgram_err_name(-err));
  return err;
}

/* The error that a call begins with, if there is one. */
static int begin_call(void) {
  if (kernel.trace[0] != '\0')
    write_trace(" | ");
  if (kernel.error_count == 0)
    return 0;
  int err = kernel.errors[0];
  memmove(kernel.errors, kernel.errors + 1, sizeof kernel.errors - sizeof kernel.errors[0]);
  kernel.error_count--;
  if (err != 0)
    write_trace("%s", dgram_err_name(-err));
  return err;
}

static void fail_next_call(int err) {
  kernel.errors[kernel.error_count++] = err;
}

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *length);
int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *length);
int __wrap_uname(struct utsname *names);
uint64_t __wrap_uv_hrtime(void);
void *__wrap_malloc(size_t size);
void *__real_malloc(size_t size);

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

void *__wrap_malloc(size_t size) {
  return kernel.no_memory ? NULL : __real_malloc(size);
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

static struct dgram__counters counters;
static struct dgram__udp udp = {.fd = -1, .counters = &counters};
static struct dgram__tx_batch *batch;

/* The socket is another one, which may have so many segments in a message and messages in a call.
 */
static void open_with(uint16_t max_segments, uint16_t max_tx_batch) {
  dgram__udp_close(&udp);
  struct dgram__settings settings = {
      .capabilities = {.max_segments = max_segments, .max_tx_batch = max_tx_batch}};
  dgram__address_loopback(&settings.local, AF_INET, 0);
  assert_int_equal(dgram__udp_open(&udp, &settings), 0);
}

static void open_segmenting(void) {
  open_with(DGRAM__MAX_SEGMENTS, DGRAM__MAX_TX_BATCH);
}

static void begin(void) {
  memset(&kernel, 0, sizeof kernel);
  kernel.segments = true;
  kernel.release = "6.18.44";
  kernel.size_error = EINVAL;
  queued = 0;
  counters = (struct dgram__counters){0};
  open_segmenting();
}

static void end(void) {
  dgram__udp_close(&udp);
  free(batch);
  batch = NULL;
}

#define SEND_TEST_(sentence, name)                   \
  static void name(void);                            \
  FIXTURE_TEST(sentence, FIXTURE_JOIN(name, _run)) { \
    begin();                                         \
    name();                                          \
    end();                                           \
  }                                                  \
  static void name(void)
#define SEND_TEST(sentence) SEND_TEST_(sentence, FIXTURE_JOIN(send_in_line_, __LINE__))

/* One call, with the queue from `at` on. */
static int send_from(unsigned at) {
  return dgram__udp_send(&udp, &batch, &queue[at], queued - at);
}

/* Sends the queue as a socket does, call by call. Returns its first error, if there is one. */
static int send_queue(void) {
  unsigned at = 0;
  kernel.left = 0;
  while (at < queued) {
    int sent = send_from(at);
    if (sent < 0) {
      assert_int_equal(kernel.left, at);
      return sent;
    }
    assert_in_range(sent, 1, queued - at);
    at += (unsigned)sent;
    assert_int_equal(kernel.left, at); /* exactly those */
  }
  queued = 0;
  return 0;
}

/* Sends some new datagrams; returns what was asked of the kernel. */
static const char *send_some(unsigned count, uint32_t size) {
  queued = 0;
  enqueue(count, size);
  asked();
  assert_int_equal(send_queue(), 0);
  return asked();
}

/* ---- where it is segmented ---- */

SEND_TEST("datagrams of one size to one address are one segmented message") {
  assert_string_equal(send_some(4, 1200), "[100 101 102 103]");
}

SEND_TEST("one datagram is not segmented") {
  assert_string_equal(send_some(1, 1200), "100");
}

SEND_TEST("the messages of a call leave together") {
  enqueue(3, 1200);
  enqueue(1, 30);
  enqueue(2, 500);
  enqueue(1, 700);
  assert_int_equal(send_queue(), 0);
  assert_string_equal(asked(), "[100 101 102 103] [104 105] 106");
}

/* check_datagram() sees where each goes. https://github.com/netty/netty/issues/5233 */
SEND_TEST("each message goes to its own address") {
  for (size_t i = 0; i < 6; i++)
    enqueue_at(memory + i * STEP, 100, 1000 + (int)i / 2);
  assert_int_equal(send_queue(), 0);
  assert_string_equal(asked(), "[100 101] [102 103] [104 105]");
}

SEND_TEST("each message over IPv6 goes to its own address") {
  enqueue(6, 100);
  for (int i = 0; i < 6; i++)
    dgram__address_loopback(&queue[i].to, AF_INET6, 1000 + i / 2);
  assert_int_equal(send_queue(), 0);
  assert_string_equal(asked(), "[100 101] [102 103] [104 105]");
}

SEND_TEST("a call is over no limit of the system and all leave") {
  static const uint32_t sizes[] = {3, 100, 1200, 2520, 4000};
  for (size_t i = 0; i < 5; i++) { /* the simulated kernel fails whatever is over one */
    queued = 0;
    enqueue(MOST, sizes[i]);
    assert_int_equal(send_queue(), 0);
    queued = 0;
    for (unsigned j = 0; j < MOST; j++) /* each for itself: more sends than a call may have */
      enqueue(1, sizes[i] + j % 2);
    assert_int_equal(send_queue(), 0);
  }
}

SEND_TEST("a message of lists of buffers is within the limit of iovecs") {
  static struct iovec parts[8][400];
  for (unsigned i = 0; i < 8; i++) {
    char *bytes = memory + (size_t)i * STEP;
    enqueue_at(bytes, 1200, 53);
    for (unsigned j = 0; j < 400; j++) /* back to front in memory, so that none can be joined */
      parts[i][j] = (struct iovec){.iov_base = bytes + (size_t)(399 - j) * 3, .iov_len = 3};
    memcpy(bytes + 1197, bytes, 3); /* the number comes first */
    queue[i].iov = parts[i];
    queue[i].iov_count = 400;
  }
  assert_int_equal(send_queue(), 0);
  assert_string_equal(asked(), "[100 101] [102 103] | [104 105] [106 107]");
}

/* ---- parts that touch ---- */

SEND_TEST("datagrams that touch in memory are one iovec") {
  for (size_t i = 0; i < 5; i++)
    enqueue_at(memory + i * 100, 100, 53);
  assert_int_equal(send_queue(), 0);
  assert_string_equal(asked(), "[100 101 102 103 104]");
  assert_int_equal(kernel.most_parts, 1);
}

SEND_TEST("datagrams that do not touch are as many iovecs") {
  for (size_t i = 0; i < 5; i++)
    enqueue_at(memory + i * 101, 100, 53);
  assert_int_equal(send_queue(), 0);
  assert_string_equal(asked(), "[100 101 102 103 104]");
  assert_int_equal(kernel.most_parts, 5);
}

SEND_TEST("datagrams that touch in the wrong order are not joined") {
  for (size_t i = 0; i < 5; i++)
    enqueue_at(memory + (4 - i) * 100, 100, 53);
  assert_int_equal(send_queue(), 0);
  assert_int_equal(kernel.most_parts, 5);
}

SEND_TEST("iovecs of datagrams to different addresses are not joined") {
  for (size_t i = 0; i < 4; i++)
    enqueue_at(memory + i * 100, 100, 1000 + (int)i);
  assert_int_equal(send_queue(), 0);
  assert_string_equal(asked(), "100 101 102 103");
}

SEND_TEST("iovecs of different messages are not joined") {
  for (size_t i = 0; i < 6; i++)
    enqueue_at(memory + i * 100, 100, 1000 + (int)i / 2);
  assert_int_equal(send_queue(), 0);
  assert_string_equal(asked(), "[100 101] [102 103] [104 105]");
}

/* ---- where segmentation is refused ---- */

enum { A_WHILE = 11 }; /* seconds, after which a refusal is forgotten */

/* Three new datagrams to a host each, by its last byte. */
static const char *send_to_hosts(unsigned char first, unsigned char second) {
  queued = 0;
  enqueue(6, 1200);
  for (unsigned i = 0; i < 6; i++)
    ((unsigned char *)&queue[i].to.v4.sin_addr)[3] = i < 3 ? first : second;
  asked();
  assert_int_equal(send_queue(), 0);
  return asked();
}

/* https://github.com/quinn-rs/quinn/issues/1128 */
SEND_TEST("a destination that answered EIO is sent no segments for a while") {
  kernel.refusal = EIO;
  assert_string_equal(send_some(3, 1200), "[100 101 102]:EIO | 100 101 102");
  assert_string_equal(send_some(3, 1200), "100 101 102");
  assert_string_equal(send_some(3, 10), "100 101 102");
  kernel.refusal = 0;
  kernel.seconds += A_WHILE;
  assert_string_equal(send_some(3, 1200), "[100 101 102]");
}

SEND_TEST("a destination that refused a size is still sent smaller segments") {
  static const int codes[] = {EINVAL, EMSGSIZE};
  static const char *const traces[] = {"[100 101 102]:EINVAL | 100 101 102",
                                       "[100 101 102]:EMSGSIZE | 100 101 102"};
  for (int i = 0; i < 2; i++) {
    open_segmenting();
    kernel.size_error = codes[i];
    kernel.largest_segment = 1372;
    assert_string_equal(send_some(3, 1472), traces[i]);
    assert_string_equal(send_some(3, 1472), "100 101 102");
    assert_string_equal(send_some(3, 1500), "100 101 102");
    assert_string_equal(send_some(3, 1372), "[100 101 102]");
    kernel.largest_segment = 0;
    kernel.seconds += A_WHILE;
    assert_string_equal(send_some(3, 1472), "[100 101 102]");
  }
}

/* What one client's way refuses says nothing about the others'. */
SEND_TEST("a refusal counts for its destination alone") {
  kernel.refusal = EIO;
  assert_string_equal(send_some(3, 1200), "[100 101 102]:EIO | 100 101 102"); /* to 127.0.0.1 */
  kernel.refusal = 0;
  assert_string_equal(send_to_hosts(1, 2), "100 101 102 [103 104 105]");
  assert_string_equal(send_to_hosts(3, 1), "[100 101 102] 103 104 105");
}

SEND_TEST("a refused size counts for its destination alone") {
  kernel.largest_segment = 1000;
  assert_string_equal(send_some(3, 1200), "[100 101 102]:EINVAL | 100 101 102");
  kernel.largest_segment = 0;
  assert_string_equal(send_to_hosts(1, 2), "100 101 102 [103 104 105]");
}

/* A device that can't: after some of its hosts the others are not tried one by one. */
SEND_TEST("no destination is tried for a while where many refuse") {
  kernel.refusal = EIO;
  unsigned tried = 0;
  for (unsigned host = 1; host <= 200; host++)
    tried += strstr(send_to_hosts((unsigned char)host, (unsigned char)host), "EIO") != NULL;
  assert_in_range(tried, 2, 64);
  kernel.refusal = 0;
  assert_string_equal(send_to_hosts(250, 251), "100 101 102 103 104 105");
  kernel.seconds += A_WHILE;
  assert_string_equal(send_to_hosts(250, 251), "[100 101 102] [103 104 105]");
}

/* A flow label is part of the address: a segmented send would leave with the first one's. */
SEND_TEST("flow labels are not mixed") {
  enqueue(6, 100);
  for (unsigned i = 0; i < 6; i++) {
    dgram__address_loopback(&queue[i].to, AF_INET6, 53);
    queue[i].to.v6.sin6_flowinfo = i / 2;
  }
  assert_int_equal(send_queue(), 0);
  assert_string_equal(asked(), "[100 101] [102 103] [104 105]");
}

SEND_TEST("a datagram refused by itself does not end segmentation") {
  static const int codes[] = {EINVAL, EMSGSIZE};
  for (int i = 0; i < 2; i++) {
    kernel.size_error = codes[i];
    kernel.largest_datagram = 2000;
    queued = 0;
    enqueue(3, 3000);
    assert_int_equal(send_queue(), -codes[i]);
    assert_string_equal(send_some(3, 1200), "[100 101 102]");
    kernel.largest_datagram = 0; /* the way has become wider */
    assert_string_equal(send_some(3, 3000), "[100 101 102]");
  }
}

SEND_TEST("one datagram that is refused is not tried again") {
  static const int codes[] = {EINVAL, EMSGSIZE, EIO};
  static const char *const traces[] = {"100:EINVAL", "100:EMSGSIZE", "100:EIO"};
  kernel.largest_datagram = 2000;
  for (int i = 0; i < 3; i++) {
    kernel.size_error = codes[i];
    queued = 0;
    enqueue(1, 3000);
    assert_int_equal(send_queue(), -codes[i]);
    assert_string_equal(asked(), traces[i]);
  }
}

SEND_TEST("EIO of a datagram by itself does not end segmentation") {
  kernel.size_error = EIO;
  kernel.largest_datagram = 2000;
  enqueue(3, 3000);
  assert_int_equal(send_queue(), UV_EIO);
  assert_string_equal(send_some(3, 1200), "[100 101 102]");
}

SEND_TEST("a refusal behind sends that left is met in the next call") {
  kernel.largest_segment = 1372;
  enqueue(2, 100);
  enqueue(2, 1472);
  assert_int_equal(send_queue(), 0);
  assert_string_equal(asked(), "[100 101] [102 103]:EINVAL | [102 103]:EINVAL | 102 103");
}

SEND_TEST("a refusal is not remembered before the plain send worked") {
  kernel.refusal = EIO;
  enqueue(3, 1200);
  fail_next_call(0);
  fail_next_call(EAGAIN);
  assert_int_equal(send_queue(), UV_EAGAIN);
  kernel.refusal = 0;
  asked();
  assert_int_equal(send_queue(), 0);
  assert_string_equal(asked(), "[100 101 102]");
}

SEND_TEST("an error that is no refusal of segments is returned at once") {
  static const int codes[] = {EAGAIN, ENOBUFS, EPERM, ENETUNREACH, ECONNREFUSED, ENOMEM};
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
    queued = 0;
    enqueue(3, 1200);
    fail_next_call(codes[i]);
    assert_int_equal(send_queue(), -codes[i]);
    assert_string_equal(asked(), dgram_err_name(-codes[i]));
    assert_string_equal(send_some(3, 1200), "[100 101 102]");
  }
}

/* ---- calls that do less ---- */

SEND_TEST("a call that is cut short is gone on with") {
  kernel.stop_after = 2;
  for (size_t i = 0; i < 5; i++)
    enqueue_at(memory + i * STEP, 100, 1000 + (int)i);
  assert_int_equal(send_queue(), 0);
  assert_string_equal(asked(), "100 101 | 102 103 | 104");
}

SEND_TEST("an interrupted call is repeated") {
  fail_next_call(EINTR);
  fail_next_call(EINTR);
  enqueue(3, 1200);
  assert_int_equal(send_queue(), 0);
  assert_string_equal(asked(), "EINTR | EINTR | [100 101 102]");
  fail_next_call(EINTR);
  enqueue_at(memory, 100, 1000);
  enqueue_at(memory + STEP, 100, 1001);
  assert_int_equal(send_queue(), 0);
  assert_string_equal(asked(), "EINTR | 100 101");
}

/* ---- where it is not even tried ---- */

/* https://github.com/tailscale/tailscale/issues/21335 */
SEND_TEST("a kernel that corrupts is not asked to segment") {
  kernel.release = "7.1.2";
  open_segmenting();
  assert_string_equal(send_some(3, 1200), "100 101 102");
  kernel.release = NULL; /* and one that can't be known */
  open_segmenting();
  assert_string_equal(send_some(3, 1200), "100 101 102");
  kernel.release = "7.1.5";
  open_segmenting();
  assert_string_equal(send_some(3, 1200), "[100 101 102]");
}

SEND_TEST("a kernel without segmentation is not asked") {
  kernel.segments = false;
  open_segmenting();
  assert_string_equal(send_some(3, 1200), "100 101 102");
}

SEND_TEST("segmentation can be turned off") {
  open_with(1, DGRAM__MAX_TX_BATCH);
  assert_string_equal(send_some(3, 1200), "100 101 102");
}

/* ---- without segmentation ---- */

SEND_TEST("each datagram is a message to its own address without GSO") {
  open_with(1, DGRAM__MAX_TX_BATCH);
  for (size_t i = 0; i < 4; i++) /* they touch, which does not make them one */
    enqueue_at(memory + i * 100, 100, 1000 + (int)i);
  dgram__address_loopback(&queue[2].to, AF_INET6, 1002);
  assert_int_equal(send_from(0), 4);
  assert_string_equal(asked(), "100 101 102 103");
}

SEND_TEST("a call takes 256 messages at most") {
  open_with(1, DGRAM__MAX_TX_BATCH);
  enqueue(600, 10);
  assert_int_equal(send_from(0), 256);
  assert_int_equal(send_from(256), 256);
  assert_int_equal(send_from(512), 88);
  assert_int_equal(kernel.left, 600);
}

SEND_TEST("an error about the first datagram is returned without GSO") {
  static const int codes[] = {EAGAIN, ENOBUFS, EPERM, EMSGSIZE, EINVAL, EIO};
  open_with(1, DGRAM__MAX_TX_BATCH);
  enqueue(3, 100);
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
    fail_next_call(codes[i]);
    assert_int_equal(send_from(0), -codes[i]);
    assert_string_equal(asked(), dgram_err_name(-codes[i])); /* and nothing else is tried */
  }
}

SEND_TEST("an error behind a prefix is met in the next call") {
  open_with(1, DGRAM__MAX_TX_BATCH);
  kernel.largest_datagram = 2000;
  kernel.size_error = EMSGSIZE;
  enqueue(2, 100);
  enqueue(1, 3000);
  assert_int_equal(send_from(0), 2);
  assert_int_equal(send_from(2), UV_EMSGSIZE);
  assert_string_equal(asked(), "100 101 102:EMSGSIZE | 102:EMSGSIZE");
}

/* ---- ICMP errors of earlier datagrams, which the system reports only once ---- */

/* As on a connected socket. */
static void leave_all_to_the_peer(void) {
  for (unsigned i = 0; i < queued; i++)
    queue[i].to = (union dgram__address){.any.sa_family = AF_UNSPEC};
}

/* The call may have lost such an error. */
SEND_TEST("16 calls carry one message each after a connected one was cut short") {
  open_with(1, DGRAM__MAX_TX_BATCH);
  kernel.stop_after = 2;
  enqueue(22, 100);
  leave_all_to_the_peer();
  assert_int_equal(send_from(0), 2);
  kernel.stop_after = 0;
  for (unsigned i = 0; i < 16; i++)
    assert_int_equal(send_from(2 + i), 1);
  assert_int_equal(send_from(18), 4);
}

SEND_TEST("calls of a socket without a peer stay as they are when one was cut short") {
  open_with(1, DGRAM__MAX_TX_BATCH);
  kernel.stop_after = 2;
  enqueue(5, 100);
  assert_int_equal(send_from(0), 2);
  assert_int_equal(send_from(2), 2);
}

SEND_TEST("a socket that is taken over begins without single message calls") {
  const struct dgram__udp_capabilities plain = {.max_segments = 1, .max_tx_batch = 256};
  dgram__udp_adopt(&udp, &plain);
  kernel.stop_after = 1;
  enqueue(3, 100);
  leave_all_to_the_peer();
  assert_int_equal(send_from(0), 1);
  kernel.stop_after = 0;
  dgram__udp_adopt(&udp, &plain);
  assert_int_equal(send_from(1), 2);
}

/* ---- one message a call ---- */

SEND_TEST("each message is a call where there is no sendmmsg") {
  open_with(1, 1);
  assert_string_equal(send_some(4, 100), "100 | 101 | 102 | 103");
  open_with(DGRAM__MAX_SEGMENTS, 1);
  enqueue(3, 1200);
  enqueue(2, 1300);
  assert_int_equal(send_queue(), 0);
  assert_string_equal(asked(), "[100 101 102] | [103 104]");
}

SEND_TEST("an error is that of the datagram that meets it where there is no sendmmsg") {
  open_with(1, 1);
  enqueue(4, 100);
  fail_next_call(0);
  fail_next_call(0);
  fail_next_call(EPERM);
  assert_int_equal(send_from(0), 1);
  assert_int_equal(send_from(1), 1);
  assert_int_equal(send_from(2), UV_EPERM);
  assert_string_equal(asked(), "100 | 101 | EPERM");
  assert_int_equal(send_from(2), 1);
}

SEND_TEST("an interrupted call is repeated where there is no sendmmsg") {
  open_with(1, 1);
  enqueue(2, 100);
  fail_next_call(EINTR);
  assert_int_equal(send_queue(), 0);
  assert_string_equal(asked(), "EINTR | 100 | 101");
}

SEND_TEST("each datagram is a call without memory for a batch") {
  kernel.no_memory = true;
  assert_string_equal(send_some(3, 100), "100 | 101 | 102");
  kernel.no_memory = false;
  assert_string_equal(send_some(3, 100), "[100 101 102]");
}

/* ---- counters ---- */

SEND_TEST("calls, segmented messages and their datagrams are counted") {
  enqueue(3, 1200);
  enqueue(1, 100);
  enqueue(2, 1300);
  enqueue(1, 1400);
  assert_int_equal(send_queue(), 0);
  assert_string_equal(asked(), "[100 101 102 103] [104 105] 106");
  assert_int_equal(counters.send_calls, 1);
  assert_int_equal(counters.gso_batches, 2);
  assert_int_equal(counters.gso_datagrams, 6);
}

SEND_TEST("a refused call is counted, and its messages are not") {
  kernel.refusal = EIO;
  enqueue(3, 1200);
  assert_int_equal(send_queue(), 0);
  assert_int_equal(counters.send_calls, 2);
  assert_int_equal(counters.gso_batches, 0);
  assert_int_equal(counters.gso_datagrams, 0);
}

SEND_TEST("of a call that was cut short the messages that left are counted") {
  kernel.stop_after = 1;
  enqueue(2, 1200);
  enqueue(3, 1300);
  assert_int_equal(send_from(0), 2);
  assert_int_equal(counters.gso_batches, 1);
  assert_int_equal(counters.gso_datagrams, 2);
}
