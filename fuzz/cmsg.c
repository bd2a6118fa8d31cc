/*
 * Control messages of a received message, as a kernel writes them and as none does.
 *
 * With an odd first byte they are well-formed messages, of which the last may be cut off, and what
 * is read is compared with a model: the segment size, each fact about a datagram, the error of the
 * error queue. Else they are any bytes: nothing is read beyond them, and what is read is in range.
 */
#include "cmsg.h"

#include <linux/errqueue.h>
#include <time.h>

#include "error_queue.h"
#include "rx_info.h"
#include "target.h"

enum { MAX_MESSAGES = 12, MAX_DATA = 64, MAX_CONTROL = 1024, PORT = 4321 };

/* ---- messages ---- */

struct control {
  int level;
  int type;
  size_t size; /* of the data that the buffer has */
  uint8_t data[MAX_DATA];
};

static const struct {
  int level;
  int type;
  size_t size;
} known[] = {
    {SOL_UDP, UDP_GRO, sizeof(int)},
    {IPPROTO_IP, IP_PKTINFO, sizeof(struct in_pktinfo)},
    {IPPROTO_IPV6, IPV6_PKTINFO, sizeof(struct in6_pktinfo)},
    {IPPROTO_IP, IP_TTL, sizeof(int)},
    {IPPROTO_IPV6, IPV6_HOPLIMIT, sizeof(int)},
    {IPPROTO_IP, IP_TOS, 1},
    {IPPROTO_IPV6, IPV6_TCLASS, sizeof(int)},
    {SOL_SOCKET, SO_TIMESTAMPNS, sizeof(struct timespec)},
    {SOL_SOCKET, SO_TIMESTAMP, sizeof(struct timeval)},
    {SOL_SOCKET, SO_TIMESTAMPING, 3 * sizeof(struct timespec)},
    {IPPROTO_IP, IP_RECVERR, sizeof(struct sock_extended_err) + sizeof(struct sockaddr_in)},
    {IPPROTO_IPV6, IPV6_RECVERR, sizeof(struct sock_extended_err) + sizeof(struct sockaddr_in6)},
};
enum { KNOWN = sizeof known / sizeof *known };

static struct control controls[MAX_MESSAGES];
static unsigned control_count;

static void read_control(struct input *input, struct control *control) {
  uint8_t choice = input_byte(input);
  memset(control, 0, sizeof *control);
  if (choice % 16 < KNOWN) {
    *control = (struct control){
        known[choice % 16].level, known[choice % 16].type, known[choice % 16].size, {0}};
    if (choice & 128) /* another length */
      control->size = input_below(input, MAX_DATA + 1);
  } else {
    control->level = input_byte(input) - 1;
    control->type = input_byte(input) - 1;
    control->size = input_below(input, MAX_DATA + 1);
  }
  input_copy(input, control->data, control->size);
}

/* Writes the messages; returns the bytes. */
static size_t compose(struct input *input, uint8_t *bytes) {
  size_t length = 0;
  uint8_t cut = input_byte(input); /* 8-byte words that are missing at the end */
  control_count = input_below(input, MAX_MESSAGES + 1);
  for (unsigned i = 0; i < control_count; i++) {
    struct control *control = &controls[i];
    read_control(input, control);
    struct cmsghdr header = {.cmsg_len = (socklen_t)CMSG_LEN(control->size),
                             .cmsg_level = control->level,
                             .cmsg_type = control->type};
    memcpy(bytes + length, &header, sizeof header);
    memcpy(bytes + length + CMSG_LEN(0), control->data, control->size);
    length += CMSG_SPACE(control->size);
  }
  if (cut % 8 == 0 || control_count == 0)
    return length;
  /* As the kernel does, the last message gets a length that the buffer has. */
  struct control *last = &controls[control_count - 1];
  size_t begin = length - CMSG_SPACE(last->size);
  size_t missing = (cut % 8) * CMSG_ALIGN(1);
  if (CMSG_LEN(0) + missing > length - begin) {
    control_count--;
    return begin;
  }
  length -= missing;
  if (CMSG_LEN(last->size) > length - begin) {
    struct cmsghdr header = {.cmsg_len = (socklen_t)(length - begin),
                             .cmsg_level = last->level,
                             .cmsg_type = last->type};
    memcpy(bytes + begin, &header, sizeof header);
    last->size = length - begin - CMSG_LEN(0);
  }
  return length;
}

/* ---- the model ---- */

/* The last, or the first, message of this kind that has so many bytes; NULL: there is none. */
static const struct control *find(bool last, int level, int type, size_t size) {
  const struct control *found = NULL;
  for (unsigned i = 0; i < control_count; i++)
    if (controls[i].level == level && controls[i].type == type && controls[i].size >= size &&
        (last || found == NULL))
      found = &controls[i];
  return found;
}

static int read_int(const struct control *control) {
  int value;
  memcpy(&value, control->data, sizeof value);
  return value;
}

static int expected_segment(int flags) {
  const struct control *gro = find(false, SOL_UDP, UDP_GRO, sizeof(int));
  if (gro == NULL)
    return flags & MSG_CTRUNC ? UV_EMSGSIZE : 0;
  return read_int(gro) > 0 ? read_int(gro) : 0;
}

/* Of two messages that tell the same the later one counts. */
static const struct control *later(const struct control *a, const struct control *b) {
  if (a == NULL || b == NULL)
    return a != NULL ? a : b;
  return a > b ? a : b;
}

static void check_ttl_and_tos(const dgram_info_t *facts, unsigned asked) {
  const struct control *ttl = later(find(true, IPPROTO_IP, IP_TTL, sizeof(int)),
                                    find(true, IPPROTO_IPV6, IPV6_HOPLIMIT, sizeof(int)));
  const struct control *v4 = find(true, IPPROTO_IP, IP_TOS, 1);
  const struct control *tos = later(v4, find(true, IPPROTO_IPV6, IPV6_TCLASS, sizeof(int)));
  bool knows_ttl = ttl != NULL && (asked & DGRAM_INFO_TTL) != 0;
  bool knows_tos = tos != NULL && (asked & DGRAM_INFO_TOS) != 0;
  REQUIRE(((facts->flags & DGRAM_INFO_TTL) != 0) == knows_ttl);
  REQUIRE(((facts->flags & DGRAM_INFO_TOS) != 0) == knows_tos);
  REQUIRE(facts->ttl == (knows_ttl ? read_int(ttl) : 0));
  int byte = !knows_tos ? 0 : tos == v4 ? tos->data[0] : read_int(tos) & 0xff;
  REQUIRE(facts->dscp == byte >> 2 && facts->ecn == (byte & 3));
}

/* The struct timespec, or timeval, at an index of the data. Numbers that are no time wrap. */
static uint64_t read_time(const struct control *control, size_t at, uint64_t unit) {
  struct timespec time;
  memcpy(&time, control->data + at * sizeof time, sizeof time);
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec * unit;
}

_Static_assert(sizeof(struct timespec) == sizeof(struct timeval), "they have one layout");

/* A time of 0 is none, and leaves the one before. */
static void check_time(const dgram_info_t *facts, unsigned asked) {
  uint64_t time = 0;
  uint64_t device = 0;
  for (unsigned i = 0; i < control_count; i++) {
    const struct control *at = &controls[i];
    uint64_t told = 0;
    if (at->level != SOL_SOCKET)
      continue;
    if (at->type == SO_TIMESTAMPNS && at->size >= sizeof(struct timespec))
      told = read_time(at, 0, 1);
    else if (at->type == SO_TIMESTAMP && at->size >= sizeof(struct timeval))
      told = read_time(at, 0, 1000);
    else if (at->type == SO_TIMESTAMPING && at->size >= 3 * sizeof(struct timespec) &&
             read_time(at, 2, 1) != 0)
      device = read_time(at, 2, 1);
    if (told != 0)
      time = told;
  }
  REQUIRE(facts->timestamp_ns == ((asked & DGRAM_INFO_TIMESTAMP) != 0 ? time : 0));
  REQUIRE(facts->hardware_timestamp_ns ==
          ((asked & DGRAM_INFO_HARDWARE_TIMESTAMP) != 0 ? device : 0));
}

static void check_addresses(const struct dgram__rx_info *info, unsigned asked, int family) {
  const unsigned both = DGRAM_INFO_DESTINATION | DGRAM_INFO_INTERFACE;
  const dgram_info_t *facts = &info->facts;
  const struct control *v4 = find(true, IPPROTO_IP, IP_PKTINFO, sizeof(struct in_pktinfo));
  const struct control *v6 = find(true, IPPROTO_IPV6, IPV6_PKTINFO, sizeof(struct in6_pktinfo));
  if (v4 == NULL && v6 == NULL)
    REQUIRE((facts->flags & both) == 0 && facts->interface_index == 0);
  if (v4 != NULL && v6 == NULL && (asked & DGRAM_INFO_DESTINATION) != 0) {
    struct in_pktinfo told;
    memcpy(&told, v4->data, sizeof told);
    REQUIRE((facts->flags & DGRAM_INFO_DESTINATION) != 0);
    REQUIRE(info->destination.any.sa_family == family);
    REQUIRE(memcmp(family == AF_INET ? (const void *)&info->destination.v4.sin_addr
                                     : &info->destination.v6.sin6_addr.s6_addr[12],
                   &told.ipi_addr, sizeof told.ipi_addr) == 0);
  }
  if ((facts->flags & DGRAM_INFO_DESTINATION) != 0)
    REQUIRE(dgram__address_port(&info->destination) == PORT);
  else
    REQUIRE(facts->destination == NULL && facts->local == NULL);
}

static void check_facts(struct dgram__rx_info *info, const struct msghdr *message, unsigned asked) {
  const dgram_info_t *facts = dgram__rx_info_show(info);
  REQUIRE((facts->flags & ~asked) == 0);
  REQUIRE((facts->destination != NULL) == ((facts->flags & DGRAM_INFO_DESTINATION) != 0));
  REQUIRE((facts->flags & DGRAM_INFO_TRUNCATED) == (asked & DGRAM_INFO_TRUNCATED));
  REQUIRE(facts->truncated ==
          ((asked & DGRAM_INFO_TRUNCATED) != 0 && (message->msg_flags & MSG_TRUNC) != 0));
  REQUIRE(facts->dscp >= 0 && facts->dscp < 64 && facts->ecn >= 0 && facts->ecn < 4);
  const char *name = dgram_info_interface_name(facts);
  REQUIRE(name == NULL || (facts->flags & DGRAM_INFO_INTERFACE) != 0);
  if (facts->destination != NULL) {
    dgram_address_t described;
    REQUIRE(dgram_sockaddr_describe(facts->destination, &described) == 0);
  }
}

/* ---- the error queue ---- */

static const struct control *expected_error(void) {
  for (unsigned i = 0; i < control_count; i++) {
    const struct control *control = &controls[i];
    struct sock_extended_err error;
    bool is_error = (control->level == IPPROTO_IP && control->type == IP_RECVERR) ||
                    (control->level == IPPROTO_IPV6 && control->type == IPV6_RECVERR);
    if (!is_error || control->size < sizeof error)
      continue;
    memcpy(&error, control->data, sizeof error);
    if (error.ee_origin == SO_EE_ORIGIN_ICMP || error.ee_origin == SO_EE_ORIGIN_ICMP6)
      return control;
  }
  return NULL;
}

static void check_error(const struct dgram__icmp_error *icmp) {
  REQUIRE(icmp->family == AF_INET || icmp->family == AF_INET6);
  REQUIRE(icmp->type >= 0 && icmp->type < 256 && icmp->code >= 0 && icmp->code < 256);
  REQUIRE(icmp->mtu >= 0);
  const union dgram__address *addresses[] = {&icmp->peer, &icmp->reporter};
  for (int i = 0; i < 2; i++) {
    int family = addresses[i]->any.sa_family;
    REQUIRE(family == AF_UNSPEC || family == AF_INET || family == AF_INET6);
  }
  REQUIRE(icmp->reporter.any.sa_family == AF_UNSPEC || dgram__address_port(&icmp->reporter) == 0);
  REQUIRE(dgram_icmp_kind_name(dgram__icmp_kind(icmp->family, icmp->type, icmp->code)) != NULL);
}

static void try_error_queue(struct input *input, struct msghdr *message, bool modelled) {
  struct dgram__icmp_error icmp;
  struct sock_extended_err error;
  uint8_t length = input_byte(input) % (sizeof(union dgram__address) + 1);
  uint8_t *name = malloc(length + 1U);
  REQUIRE(name != NULL);
  input_copy(input, name, length);
  message->msg_name = name;
  message->msg_namelen = length;
  enum dgram__queued queued = dgram__error_queue_parse(message, &icmp);
  REQUIRE(queued == DGRAM__QUEUED_ICMP || queued == DGRAM__QUEUED_OTHER);
  if (queued == DGRAM__QUEUED_ICMP)
    check_error(&icmp);
  if (modelled) {
    const struct control *expected = expected_error();
    REQUIRE((expected != NULL) == (queued == DGRAM__QUEUED_ICMP));
    if (expected != NULL) {
      memcpy(&error, expected->data, sizeof error);
      REQUIRE(icmp.type == error.ee_type && icmp.code == error.ee_code);
      REQUIRE(icmp.error == -(int)error.ee_errno);
    }
  }
  free(name);
}

/* ---- an input ---- */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static uint8_t composed[MAX_MESSAGES * CMSG_SPACE(MAX_DATA)];
  struct input input = {data, size};
  struct dgram__rx_info info;
  bool modelled = input_bit(&input);
  unsigned asked = input_byte(&input) | 1U;
  int family = input_bit(&input) ? AF_INET6 : AF_INET;
  struct msghdr message = {.msg_flags = input_byte(&input) & (MSG_TRUNC | MSG_CTRUNC)};
  size_t length = input.left < MAX_CONTROL ? input.left : MAX_CONTROL;
  if (modelled)
    length = compose(&input, composed);
  void *control = copy_exactly(modelled ? composed : input.at, length);
  message.msg_control = control;
  message.msg_controllen = (socklen_t)length;
  int segment = dgram__cmsg_segment(&message);
  REQUIRE(segment >= 0 || (segment == UV_EMSGSIZE && (message.msg_flags & MSG_CTRUNC) != 0));
  dgram__rx_info_read(&info, &message, asked, family, PORT);
  check_facts(&info, &message, asked);
  if (modelled) {
    REQUIRE(segment == expected_segment(message.msg_flags));
    check_ttl_and_tos(&info.facts, asked);
    check_time(&info.facts, asked);
    check_addresses(&info, asked, family);
  }
  try_error_queue(&input, &message, modelled);
  free(control);
  return 0;
}
