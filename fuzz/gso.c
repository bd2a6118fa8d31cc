/*
 * Datagrams of any sizes, places, destinations and options are sent to a kernel that this file
 * plays: it segments what has UDP_SEGMENT, takes a part of a call, refuses messages and calls as
 * the input says. What leaves it is compared with the queue, datagram by datagram: exactly those
 * that a call reports have left, in order, whole, to their address, with the control messages and
 * the don't-fragment mode of their options.
 *
 *   queue    up to MAX_DATAGRAMS of few sizes, so that they share messages; some beside each other
 *            in memory, some in several pieces
 *   kernel   __wrap_sendmsg() and others
 *   sending  as core/send.c: what an error is about is dropped, EAGAIN and ENOBUFS are tried again
 */
#include "udp_send.h"

#include <errno.h>
#include <sys/utsname.h>

#include "target.h"

enum {
  MAX_DATAGRAMS = 700,
  MAX_PIECES = 8,
  MAX_PARTS = 200, /* of a datagram */
  MEMORY = 1 << 18,
  MAX_PAYLOAD = 65507,
  CHOICES = 4, /* of options, and of destinations */
  FD = 1000000 /* no descriptor of the process */
};

static uint32_t memory[MEMORY / sizeof(uint32_t)];
static struct dgram__datagram queue[MAX_DATAGRAMS];
static struct iovec pieces[MAX_DATAGRAMS][MAX_PIECES];
static struct dgram__tx_options options[MAX_DATAGRAMS];
static unsigned queued;
static union dgram__address destinations[CHOICES];
static struct dgram__tx_options choices[CHOICES];
static bool with_options;

/* ---- the queue ---- */

static void read_destinations(struct input *input) {
  bool connected = input_byte(input) % 4 == 3;
  for (int i = 0; i < CHOICES; i++) {
    uint8_t kind = input_byte(input);
    dgram__address_loopback(&destinations[i], kind & 1 ? AF_INET6 : AF_INET, 1 + kind / 64);
    if (kind & 2 && kind & 1) { /* IPv4-mapped */
      memset(&destinations[i].v6.sin6_addr, 0, 10);
      memset(&destinations[i].v6.sin6_addr.s6_addr[10], 0xff, 2);
    }
    if (kind & 4 && kind & 1)
      destinations[i].v6.sin6_flowinfo = htonl(kind / 64);
    if (connected)
      destinations[i] = dgram__address_unspec;
  }
}

static void read_options(struct input *input) {
  static const uint32_t segments[] = {0, 0, 1, 3, 100, 1200, 40000, MAX_PAYLOAD};
  for (int i = 0; i < CHOICES; i++) {
    uint8_t set = input_byte(input);
    choices[i] = (struct dgram__tx_options){.ttl = -1, .tos = -1, .dont_fragment = -1};
    if (set & 1)
      choices[i].ttl = (int16_t)(1 + input_below(input, 255));
    if (set & 2)
      choices[i].tos = input_byte(input);
    if (set & 4)
      choices[i].dont_fragment = input_bit(input);
    if (set & 8)
      choices[i].interface_index = input_byte(input);
    if (set & 16)
      choices[i].departure_ns = input_byte(input);
    if (set & 32)
      dgram__address_loopback(&choices[i].source, input_bit(input) ? AF_INET6 : AF_INET, 0);
    choices[i].segment_size = segments[set >> 6 ? input_byte(input) % 8 : 0];
  }
}

/* Divides the bytes into pieces, some of them empty. */
static void cut(struct input *input, struct dgram__datagram *datagram, const char *bytes,
                uint8_t how) {
  struct iovec *iov = pieces[datagram - queue];
  size_t left = datagram->size;
  uint32_t count = left == 0 && how % 2 ? 0 : 1 + (how >> 2) % MAX_PIECES;
  for (uint32_t i = 0; i < count; i++) {
    size_t size = i + 1 == count ? left : input_below(input, (uint32_t)left + 1);
    iov[i] = (struct iovec){(char *)bytes, size};
    bytes += size;
    left -= size;
  }
  datagram->iov = iov;
  datagram->iov_count = count;
}

/* A run of datagrams with the same properties. */
static void read_run(struct input *input, size_t *place) {
  static const uint32_t sizes[] = {0, 1, 2, 100, 1200, 1201, 30000, MAX_PAYLOAD, MAX_PAYLOAD + 1};
  uint8_t kind = input_byte(input);
  uint8_t how = input_byte(input);
  uint8_t option = input_byte(input);
  unsigned count = kind & 64 ? 1 + input_below(input, 300) : 1;
  uint32_t size = kind & 16 ? input_below(input, 70000) : sizes[kind % 16 % 9];
  for (; count > 0 && queued < MAX_DATAGRAMS; count--) {
    struct dgram__datagram *datagram = &queue[queued];
    if (*place + size > MEMORY)
      *place = 0;
    *datagram = (struct dgram__datagram){.size = size, .to = destinations[how % CHOICES]};
    cut(input, datagram, (char *)memory + *place, how & 128 ? how : 0);
    *place += size + (kind & 32 ? 1 : 0);
    uint32_t segment = choices[option % CHOICES].segment_size;
    if (with_options && option % 8 < CHOICES && (segment == 0 || size / segment < MAX_PARTS)) {
      options[queued] = choices[option % CHOICES];
      datagram->options = &options[queued];
    }
    if (queued++ > 0)
      datagram[-1].next = datagram;
  }
}

static void read_queue(struct input *input) {
  size_t place = 0;
  queued = 0;
  unsigned runs = 1 + input_below(input, 16);
  for (unsigned i = 0; i < runs; i++)
    read_run(input, &place);
}

/* ---- the kernel ---- */

static struct {
  struct input *script;     /* what it does at each call */
  uint32_t largest_segment; /* `refusal` for more; UINT16_MAX: for none */
  int refusal;
  bool has_gso;
  bool has_sendmmsg;
  int mtu_mode[2]; /* IP_MTU_DISCOVER, IPV6_MTU_DISCOVER */
  uint64_t time;
  unsigned at; /* the datagram that must leave next */
  size_t sent; /* bytes of it that have left */
  unsigned most_segments;
} kernel;

static const struct dgram__tx_options *options_of(const struct dgram__datagram *datagram) {
  static const struct dgram__tx_options none = {.ttl = -1, .tos = -1, .dont_fragment = -1};
  return datagram->options != NULL ? datagram->options : &none;
}

/* The size of the next piece that leaves of the next datagram. */
static size_t next_size(const struct dgram__datagram *datagram) {
  size_t left = datagram->size - kernel.sent;
  size_t segment = options_of(datagram)->segment_size;
  return segment > 0 && segment < left ? segment : left;
}

static void check_bytes(const struct dgram__datagram *datagram, const char *bytes, size_t size) {
  size_t skipped = kernel.sent;
  for (uint32_t i = 0; i < datagram->iov_count && size > 0; i++) {
    size_t length = datagram->iov[i].iov_len;
    size_t from = skipped < length ? skipped : length;
    size_t part = length - from < size ? length - from : size;
    REQUIRE(memcmp(bytes, (const char *)datagram->iov[i].iov_base + from, part) == 0);
    bytes += part;
    size -= part;
    skipped -= from;
  }
  REQUIRE(size == 0);
}

/* The value of an int of the message; -1: it has none. */
static int control_int(const struct msghdr *message, int level, int type) {
  int value = -1;
  struct msghdr *walked = (struct msghdr *)message;
  for (struct cmsghdr *at = CMSG_FIRSTHDR(walked); at != NULL; at = CMSG_NXTHDR(walked, at))
    if (at->cmsg_level == level && at->cmsg_type == type) {
      REQUIRE(at->cmsg_len == CMSG_LEN(sizeof value) && value == -1);
      memcpy(&value, CMSG_DATA(at), sizeof value);
    }
  return value;
}

static bool has_control(const struct msghdr *message, int level, int type) {
  struct msghdr *walked = (struct msghdr *)message;
  for (struct cmsghdr *at = CMSG_FIRSTHDR(walked); at != NULL; at = CMSG_NXTHDR(walked, at))
    if (at->cmsg_level == level && at->cmsg_type == type)
      return true;
  return false;
}

/* Of a connected socket the peer is destinations[0] of the other family: see main(). */
static const union dgram__address *peer(void) {
  static union dgram__address address;
  dgram__address_loopback(&address, AF_INET, 7);
  return &address;
}

static void check_options(const struct dgram__datagram *datagram, const struct msghdr *message) {
  const struct dgram__tx_options *wanted = options_of(datagram);
  const union dgram__address *to = datagram->to.any.sa_family == AF_UNSPEC ? peer() : &datagram->to;
  bool v4 = dgram__tx_options_is_ipv4(to);
  bool has_source = wanted->source.any.sa_family != AF_UNSPEC || wanted->interface_index != 0;
  int level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
  REQUIRE(control_int(message, level, v4 ? IP_TTL : IPV6_HOPLIMIT) == wanted->ttl);
  REQUIRE(control_int(message, level, v4 ? IP_TOS : IPV6_TCLASS) == wanted->tos);
  REQUIRE(has_control(message, level, v4 ? IP_PKTINFO : IPV6_PKTINFO) == has_source);
  REQUIRE(has_control(message, SOL_SOCKET, SCM_TXTIME) == (wanted->departure_ns != 0));
  if (!v4)
    REQUIRE(control_int(message, level, IPV6_DONTFRAG) == wanted->dont_fragment);
  int mode = IP_PMTUDISC_WANT; /* as of IPv6 */
  if (wanted->dont_fragment == 0)
    mode = IP_PMTUDISC_DONT;
  else if (wanted->dont_fragment == 1 && v4)
    mode = IP_PMTUDISC_DO;
  REQUIRE(kernel.mtu_mode[!v4] == mode);
}

/* One datagram leaves: it is the next one of the queue, or the next part of that. */
static void leave(const struct msghdr *message, const char *bytes, size_t size) {
  REQUIRE(kernel.at < queued);
  const struct dgram__datagram *datagram = &queue[kernel.at];
  REQUIRE(size == next_size(datagram));
  REQUIRE(message->msg_namelen == dgram__address_length(&datagram->to));
  if (message->msg_namelen > 0)
    REQUIRE(memcmp(message->msg_name, &datagram->to, message->msg_namelen) == 0);
  check_bytes(datagram, bytes, size);
  check_options(datagram, message);
  kernel.sent += size;
  if (kernel.sent == datagram->size) {
    kernel.at++;
    kernel.sent = 0;
  }
}

/* The segment size of the message; 0: it is one datagram. */
static size_t segment_of(const struct msghdr *message) {
  uint16_t segment = 0;
  struct msghdr *walked = (struct msghdr *)message;
  for (struct cmsghdr *at = CMSG_FIRSTHDR(walked); at != NULL; at = CMSG_NXTHDR(walked, at))
    if (at->cmsg_level == SOL_UDP && at->cmsg_type == UDP_SEGMENT) {
      REQUIRE(at->cmsg_len == CMSG_LEN(sizeof segment) && segment == 0);
      memcpy(&segment, CMSG_DATA(at), sizeof segment);
      REQUIRE(segment > 0);
    }
  return segment;
}

/* Takes a message. Returns 0 or an errno, with nothing taken: udp_send_skb() of the kernel. */
static int take(const struct msghdr *message) {
  static char bytes[MEMORY];
  size_t size = 0;
  REQUIRE(message->msg_iovlen <= DGRAM__MAX_IOV);
  for (size_t i = 0; i < message->msg_iovlen; i++) {
    REQUIRE(size + message->msg_iov[i].iov_len <= sizeof bytes);
    if (message->msg_iov[i].iov_len > 0)
      memcpy(bytes + size, message->msg_iov[i].iov_base, message->msg_iov[i].iov_len);
    size += message->msg_iov[i].iov_len;
  }
  size_t segment = segment_of(message);
  if (segment == 0 && size > MAX_PAYLOAD)
    return EMSGSIZE;
  if (segment == 0) {
    leave(message, bytes, size);
    return 0;
  }
  REQUIRE(kernel.has_gso); /* none is sent where the kernel has said that it has none */
  REQUIRE(size <= MAX_PAYLOAD && size <= kernel.most_segments * segment && size > segment);
  if (segment > kernel.largest_segment)
    return kernel.refusal;
  for (size_t at = 0; at < size; at += segment)
    leave(message, bytes + at, size - at < segment ? size - at : segment);
  return 0;
}

/* What the input has in store for a call: 0, or its errno. `taken`: the messages that it takes. */
static int next_error(unsigned count, unsigned *taken) {
  static const int errors[] = {EAGAIN, ENOBUFS, EINTR, EPERM, ECONNREFUSED, EINVAL, EMSGSIZE, EIO};
  uint8_t step = input_byte(kernel.script);
  *taken = count;
  kernel.time += (uint64_t)(step >> 4) * 1000000000;
  if (step % 16 >= 8)
    return errors[step % 8];
  if (step % 16 == 7)
    *taken = input_below(kernel.script, count + 1);
  if (step % 16 == 6)
    kernel.largest_segment = input_below(kernel.script, 65536);
  return *taken > 0 ? 0 : EAGAIN;
}

static int take_messages(struct mmsghdr *messages, unsigned count) {
  unsigned taken;
  int error = next_error(count, &taken);
  for (unsigned i = 0; error == 0 && i < taken; i++) {
    int refused = take(&messages[i].msg_hdr);
    if (refused != 0 && i > 0)
      return (int)i;
    error = refused;
  }
  errno = error;
  return error == 0 ? (int)taken : -1;
}

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker sets the names */
WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags)) {
  struct mmsghdr one = {.msg_hdr = *message};
  REQUIRE(fd == FD);
  return take_messages(&one, 1) < 0 ? -1 : 0;
}

WRAP(int, sendmmsg, (int fd, struct mmsghdr *messages, unsigned count, int flags)) {
  REQUIRE(fd == FD);
  if (!kernel.has_sendmmsg) {
    errno = ENOSYS;
    return -1;
  }
  return count > 0 ? take_messages(messages, count) : 0;
}

WRAP(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *length)) {
  int mode = 0;
  REQUIRE(fd == FD);
  if (level == SOL_UDP) {
    errno = ENOPROTOOPT;
    return kernel.has_gso ? 0 : -1;
  }
  mode = kernel.mtu_mode[level == IPPROTO_IPV6];
  memcpy(value, &mode, sizeof mode);
  return 0;
}

WRAP(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t length)) {
  REQUIRE(fd == FD && length == sizeof(int));
  REQUIRE(name == (level == IPPROTO_IPV6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER));
  memcpy(&kernel.mtu_mode[level == IPPROTO_IPV6], value, sizeof(int));
  return 0;
}

WRAP(int, uname, (struct utsname * name)) {
  snprintf(name->release, sizeof name->release, "6.1.0");
  return 0;
}

WRAP(uint64_t, uv_hrtime, (void)) {
  return kernel.time;
}
/* NOLINTEND(bugprone-reserved-identifier) */

static void read_kernel(struct input *input) {
  static const int refusals[] = {EINVAL, EMSGSIZE, EIO};
  uint8_t set = input_byte(input);
  kernel.script = input;
  kernel.refusal = refusals[set % 3];
  kernel.largest_segment = set & 4 ? input_below(input, 65536) : UINT16_MAX;
  kernel.has_gso = (set & 24) != 0;
  kernel.has_sendmmsg = (set & 32) == 0;
  kernel.mtu_mode[0] = IP_PMTUDISC_WANT;
  kernel.mtu_mode[1] = IPV6_PMTUDISC_WANT;
  kernel.time = 1;
  kernel.at = 0;
  kernel.sent = 0;
}

/* ---- sending ---- */

/* The result of one call, about the queue from `from` on. Returns where the queue is then. */
static unsigned account(int result, unsigned from) {
  size_t sent = from < queued ? options_of(&queue[from])->sent : 0;
  if (result < 0 && result != UV_EAGAIN && result != UV_ENOBUFS) { /* the first one's own */
    REQUIRE(kernel.at == from && kernel.sent == sent);
    kernel.at++;
    kernel.sent = 0;
    return from + 1;
  }
  from += result > 0 ? (unsigned)result : 0;
  REQUIRE(kernel.at == from);
  REQUIRE(from == queued || kernel.sent == options_of(&queue[from])->sent);
  return from;
}

static void send_queue(struct dgram__udp *udp) {
  static struct dgram__tx_batch *batch;
  static struct dgram__options_batch *options_batch;
  if (options_batch == NULL)
    options_batch = dgram__options_batch_new();
  for (unsigned from = 0; from < queued;) {
    int result = with_options
                     ? dgram__udp_send_with(udp, options_batch, peer(), &queue[from], queued - from)
                     : dgram__udp_send(udp, &batch, &queue[from], queued - from);
    REQUIRE(result != 0 || with_options);
    REQUIRE(kernel.mtu_mode[0] == IP_PMTUDISC_WANT && kernel.mtu_mode[1] == IPV6_PMTUDISC_WANT);
    from = account(result, from);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct input input = {data, size};
  struct dgram__counters counters = {0};
  if (memory[1] == 0)
    for (uint32_t i = 0; i < MEMORY / sizeof *memory; i++)
      memory[i] = i * 2654435761U;
  struct dgram__udp udp = {.fd = FD, .counters = &counters};
  udp.capabilities.max_segments = (uint16_t)(1 + input_below(&input, DGRAM__MAX_SEGMENTS));
  udp.capabilities.max_tx_batch = (uint16_t)(1 + input_below(&input, DGRAM__MAX_TX_BATCH));
  with_options = input_bit(&input);
  read_destinations(&input);
  read_options(&input);
  read_queue(&input);
  read_kernel(&input);
  kernel.most_segments = udp.capabilities.max_segments;
  udp.gso = kernel.has_gso ? DGRAM__OFFLOAD_UNPROBED : input_byte(&input) % 3;
  if (!kernel.has_gso && udp.gso == DGRAM__OFFLOAD_ON)
    udp.gso = DGRAM__OFFLOAD_OFF;
  send_queue(&udp);
  free(udp.refusals);
  return 0;
}
