#include "sockopt.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "descriptor.h"
#include "udp.h"

/* Older C libraries lack some names; the numbers are the kernel's. */
#ifdef __linux__
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif
#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif
#ifndef IP_MULTICAST_ALL
#define IP_MULTICAST_ALL 49
#endif
#ifndef IPV6_MULTICAST_ALL
#define IPV6_MULTICAST_ALL 29
#endif
#ifndef IPV6_TRANSPARENT
#define IPV6_TRANSPARENT 75
#endif
#ifndef IPV6_FREEBIND
#define IPV6_FREEBIND 78
#endif
#ifndef SO_TXTIME
#define SO_TXTIME 61
#endif
#endif

/* ---- the table ---- */

/* How a value is passed to the kernel. */
enum sockopt_size {
  SOCKOPT_INT,
  SOCKOPT_RATE, /* uint64_t, where all ones are no limit; Linux 4.20 */
  SOCKOPT_CLOCK /* struct sockopt_txtime */
};

/* struct sock_txtime of <linux/net_tstamp.h>, which older headers lack. */
struct sockopt_txtime {
  int32_t clock;
  uint32_t flags; /* 0: late datagrams are dropped, and not reported */
};

struct sockopt_name {
  int level;
  int name;
  const char *text;
};

struct sockopt {
  struct sockopt_name v4;
  struct sockopt_name v6;   /* of udp6 */
  struct sockopt_name also; /* of udp6, for what it sends to IPv4-mapped addresses; or no text */
  int64_t least;
  int64_t most;
  enum dgram__sockopt_phase phase;
  enum sockopt_size size;
};

#define NAME(level, name) \
  { level, name, #name }
#define BOTH(its_level, its_name) \
  .v4 = {its_level, its_name, #its_name}, .v6 = {its_level, its_name, #its_name}

/* Indexed by dgram_sockopt_t; no text: the system lacks it. In this order they are set at a bind:
 * IP_TOS sets SO_PRIORITY, too. */
static const struct sockopt sockopt_table[DGRAM__SOCKOPT_END] = {
    [DGRAM_SO_BROADCAST] = {BOTH(SOL_SOCKET, SO_BROADCAST), .most = 1},
    [DGRAM_SO_TTL] = {.v4 = NAME(IPPROTO_IP, IP_TTL),
                      .v6 = NAME(IPPROTO_IPV6, IPV6_UNICAST_HOPS),
                      .least = 1,
                      .most = 255},
    [DGRAM_SO_MULTICAST_TTL] = {.v4 = NAME(IPPROTO_IP, IP_MULTICAST_TTL),
                                .v6 = NAME(IPPROTO_IPV6, IPV6_MULTICAST_HOPS),
                                .most = 255},
    [DGRAM_SO_MULTICAST_LOOPBACK] = {.v4 = NAME(IPPROTO_IP, IP_MULTICAST_LOOP),
                                     .v6 = NAME(IPPROTO_IPV6, IPV6_MULTICAST_LOOP),
                                     .most = 1},
    [DGRAM_SO_TOS] = {.v4 = NAME(IPPROTO_IP, IP_TOS),
                      .v6 = NAME(IPPROTO_IPV6, IPV6_TCLASS),
#ifdef __linux__
                      .also = NAME(IPPROTO_IP, IP_TOS),
#endif
                      .most = 255},
#ifdef __linux__
    [DGRAM_SO_MULTICAST_ALL] = {.v4 = NAME(IPPROTO_IP, IP_MULTICAST_ALL),
                                .v6 = NAME(IPPROTO_IPV6, IPV6_MULTICAST_ALL),
                                .also = NAME(IPPROTO_IP, IP_MULTICAST_ALL),
                                .most = 1,
                                .phase = DGRAM__SOCKOPT_AT_ANY_TIME},
    [DGRAM_SO_PATH_MTU] = {.v4 = NAME(IPPROTO_IP, IP_MTU_DISCOVER),
                           .v6 = NAME(IPPROTO_IPV6, IPV6_MTU_DISCOVER),
                           .also = NAME(IPPROTO_IP, IP_MTU_DISCOVER),
                           .most = DGRAM_PATH_MTU_PROBE},
    [DGRAM_SO_PRIORITY] = {BOTH(SOL_SOCKET, SO_PRIORITY), .most = INT32_MAX},
    [DGRAM_SO_MARK] = {BOTH(SOL_SOCKET, SO_MARK), .most = UINT32_MAX},
    [DGRAM_SO_MAX_PACING_RATE] = {BOTH(SOL_SOCKET, SO_MAX_PACING_RATE), .least = 1,
                                  .most = INT64_MAX, .size = SOCKOPT_RATE},
    [DGRAM_SO_BUSY_POLL] = {BOTH(SOL_SOCKET, SO_BUSY_POLL), .most = INT32_MAX,
                            .phase = DGRAM__SOCKOPT_AT_ANY_TIME},
    [DGRAM_SO_FREEBIND] = {.v4 = NAME(IPPROTO_IP, IP_FREEBIND),
                           .v6 = NAME(IPPROTO_IPV6, IPV6_FREEBIND),
                           .most = 1,
                           .phase = DGRAM__SOCKOPT_BEFORE_BIND},
    [DGRAM_SO_TRANSPARENT] = {.v4 = NAME(IPPROTO_IP, IP_TRANSPARENT),
                              .v6 = NAME(IPPROTO_IPV6, IPV6_TRANSPARENT),
                              .most = 1,
                              .phase = DGRAM__SOCKOPT_BEFORE_BIND},
    [DGRAM_SO_BIND_ADDRESS_NO_PORT] = {BOTH(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT), .most = 1,
                                       .phase = DGRAM__SOCKOPT_BEFORE_BIND},
    [DGRAM_SO_LOCAL_PORT_RANGE] = {BOTH(IPPROTO_IP, IP_LOCAL_PORT_RANGE), .most = UINT32_MAX,
                                   .phase = DGRAM__SOCKOPT_BEFORE_BIND},
    [DGRAM_SO_TXTIME_CLOCK] = {BOTH(SOL_SOCKET, SO_TXTIME), .most = 15, .size = SOCKOPT_CLOCK},
#endif
};

int dgram__sockopt_check(int option) {
  if (option < DGRAM__SOCKOPT_FIRST || option >= DGRAM__SOCKOPT_END)
    return UV_EINVAL;
  return sockopt_table[option].v4.text != NULL ? 0 : UV_ENOTSUP;
}

bool dgram__sockopt_allows(dgram_sockopt_t option, int64_t value) {
  const struct sockopt *row = &sockopt_table[option];
  if (value < row->least || value > row->most)
    return false;
  if (option != DGRAM_SO_LOCAL_PORT_RANGE)
    return true;
  int64_t low = value & UINT16_MAX;
  int64_t high = value >> 16;
  return low == 0 || high == 0 || low <= high;
}

enum dgram__sockopt_phase dgram__sockopt_phase(dgram_sockopt_t option) {
  return sockopt_table[option].phase;
}

/* ---- the calls ---- */

static struct dgram__sockopt_call sockopt_call(const struct sockopt_name *name,
                                               enum sockopt_size size, int64_t value) {
  struct dgram__sockopt_call call = {.text = name->text, .level = name->level, .name = name->name};
  int number = (int)(uint32_t)value; /* of a mark or a range of ports, all 32 bits */
  uint64_t rate = value == INT64_MAX ? UINT64_MAX : (uint64_t)value;
  struct sockopt_txtime txtime = {.clock = number};
  const struct {
    const void *value;
    socklen_t length;
  } forms[] = {[SOCKOPT_INT] = {&number, sizeof number},
               [SOCKOPT_RATE] = {&rate, sizeof rate},
               [SOCKOPT_CLOCK] = {&txtime, sizeof txtime}};
  call.length = forms[size].length;
  memcpy(call.value, forms[size].value, call.length);
  return call;
}

unsigned dgram__sockopt_calls(dgram_sockopt_t option, int family, int64_t value,
                              struct dgram__sockopt_call calls[DGRAM__SOCKOPT_CALLS]) {
  const struct sockopt *row = &sockopt_table[option];
  if (family == AF_INET) {
    calls[0] = sockopt_call(&row->v4, row->size, value);
    return 1;
  }
  calls[0] = sockopt_call(&row->v6, row->size, value);
  if (row->also.text == NULL)
    return 1;
  calls[1] = sockopt_call(&row->also, row->size, value);
  return 2;
}

struct dgram__sockopt_call dgram__sockopt_bind_device(const char *name) {
#ifdef SO_BINDTODEVICE
  struct dgram__sockopt_call call = {
      .text = "SO_BINDTODEVICE", .level = SOL_SOCKET, .name = SO_BINDTODEVICE};
#else /* the options of creation refuse it */
  struct dgram__sockopt_call call = {.text = "SO_BINDTODEVICE", .level = SOL_SOCKET, .name = -1};
#endif
  call.length = (socklen_t)strnlen(name, sizeof call.value - 1);
  memcpy(call.value, name, call.length);
  return call;
}

/* The call that restores what an option is now; level -1: that cannot be read, nor restored. */
static struct dgram__sockopt_call sockopt_read_former(const struct dgram__udp *udp,
                                                      const struct dgram__sockopt_call *call) {
  struct dgram__sockopt_call former = *call;
  former.length = sizeof former.value;
  if (dgram__udp_get_option(udp, call->level, call->name, former.value, &former.length) != 0)
    former.level = -1;
  return former;
}

int dgram__sockopt_make_calls(const struct dgram__udp *udp,
                              const struct dgram__sockopt_call calls[], unsigned count,
                              unsigned *refused) {
  struct dgram__sockopt_call former[DGRAM__SOCKOPT_MOST_CALLS];
  int err = 0;
  unsigned made = 0;
  while (made < count && err == 0) {
    const struct dgram__sockopt_call *call = &calls[made];
    if (made + 1 < count) /* behind the last one nothing can fail */
      former[made] = sockopt_read_former(udp, call);
    err = dgram__udp_set_option(udp, call->level, call->name, call->value, call->length);
    made += err == 0;
  }
  if (err == 0)
    return 0;
  *refused = made;
  while (made-- > 0)
    if (former[made].level >= 0)
      (void)dgram__udp_set_option(udp, former[made].level, former[made].name, former[made].value,
                                  former[made].length);
  return err;
}

static int sockopt_try_simulated(struct dgram__endpoint *endpoint,
                                 const struct dgram__sockopt_call calls[], unsigned count) {
  int err = 0;
  for (unsigned i = 0; i < count && err == 0; i++)
    err = endpoint->ops->set_option(endpoint, calls[i].level, calls[i].name, calls[i].value,
                                    calls[i].length, true);
  return err;
}

int dgram__sockopt_try_calls(const struct dgram__udp *udp, int family,
                             const struct dgram__sockopt_call calls[], unsigned count) {
  if (dgram__udp_is_simulated(udp))
    return sockopt_try_simulated(udp->endpoint, calls, count);
  struct dgram__udp scratch = {.fd = dgram__descriptor_socket(family, SOCK_DGRAM)};
  if (scratch.fd < 0)
    return scratch.fd;
  unsigned refused;
  int err = dgram__sockopt_make_calls(&scratch, calls, count, &refused);
  close(scratch.fd);
  return err;
}

/* ---- reading ---- */

int dgram__sockopt_read(const struct dgram__udp *udp, int family, dgram_sockopt_t option,
                        int64_t *value) {
  const struct sockopt *row = &sockopt_table[option];
  const struct sockopt_name *name = family == AF_INET ? &row->v4 : &row->v6;
  uint64_t rate = 0;
  int number = 0;
  struct sockopt_txtime txtime = {0};
  bool is_rate = row->size == SOCKOPT_RATE;
  bool is_clock = row->size == SOCKOPT_CLOCK;
  void *read = is_rate ? (void *)&rate : is_clock ? (void *)&txtime : (void *)&number;
  socklen_t length = is_rate ? sizeof rate : is_clock ? sizeof txtime : sizeof number;
  int err = dgram__udp_get_option(udp, name->level, name->name, read, &length);
  if (err != 0)
    return err;
  if (is_rate)
    *value = rate > INT64_MAX ? INT64_MAX : (int64_t)rate;
  else if (is_clock)
    *value = txtime.clock;
  else
    *value = row->most > INT32_MAX ? (int64_t)(uint32_t)number : number;
  return 0;
}

int dgram__sockopt_read_bind_device(const struct dgram__udp *udp, char name[DGRAM_INTERFACE_NAME]) {
#if defined(SO_BINDTODEVICE) && defined(__linux__)
  char read[DGRAM_INTERFACE_NAME] = "";
  socklen_t length = sizeof read;
  int err = dgram__udp_get_option(udp, SOL_SOCKET, SO_BINDTODEVICE, read, &length);
  if (err != 0)
    return err;
  read[sizeof read - 1] = '\0';
  memcpy(name, read, sizeof read);
  return 0;
#else
  (void)udp;
  (void)name;
  return UV_ENOTSUP;
#endif
}

/* ---- the MTU of a path ---- */

int dgram__sockopt_mtu(const struct dgram__udp *udp, int family) {
#ifdef __linux__
  int mtu = 0;
  socklen_t length = sizeof mtu;
  bool v6 = family == AF_INET6;
  int err = dgram__udp_get_option(udp, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_MTU : IP_MTU, &mtu,
                                  &length);
  if (err != 0)
    return err;
  return mtu > 0 ? mtu : UV_ENOTCONN;
#else
  (void)udp;
  (void)family;
  return UV_ENOTSUP;
#endif
}

#ifdef __linux__
/* Has a socket find the same route as another. What is refused, for want of a capability or an
 * address that has gone, is left out. */
static void sockopt_copy_route(int to, int from) {
  static const int names[] = {SO_MARK, SO_BINDTODEVICE};
  for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
    char value[DGRAM_INTERFACE_NAME] = "";
    socklen_t length = sizeof value;
    if (getsockopt(from, SOL_SOCKET, names[i], value, &length) == 0)
      (void)setsockopt(to, SOL_SOCKET, names[i], value, length);
  }
  union dgram__address local = {.any.sa_family = AF_UNSPEC};
  socklen_t length = sizeof local;
  if (getsockname(from, &local.any, &length) != 0)
    return;
  dgram__address_set_port(&local, 0);
  (void)bind(to, &local.any, dgram__address_length(&local));
}

#endif

int dgram__sockopt_mtu_to(const struct dgram__udp *udp, const union dgram__address *to) {
#ifdef __linux__
  if (dgram__udp_is_simulated(udp))
    return UV_ENOTSUP;
  int family = to->any.sa_family;
  struct dgram__udp scratch = {.fd = dgram__descriptor_socket(family, SOCK_DGRAM)};
  if (scratch.fd < 0)
    return scratch.fd;
  if (udp->fd >= 0)
    sockopt_copy_route(scratch.fd, udp->fd);
  int mtu = dgram__udp_connect(&scratch, to);
  if (mtu == 0)
    mtu = dgram__sockopt_mtu(&scratch, family);
  close(scratch.fd);
  return mtu;
#else
  (void)udp;
  (void)to;
  return UV_ENOTSUP;
#endif
}
