/*
 * One UDP descriptor, apart from what it sends and receives: opening, binding and taking over,
 * connecting, what the system says of it, its pending error.
 */
#include "udp.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/sock_diag.h>
#endif

#include "descriptor.h"
#include "environment.h"

#ifdef __linux__
enum { HAS_OFFLOADS = 1 };
#else
enum { HAS_OFFLOADS = 0 };
#endif

static bool udp_is_switched_off(const char *variable) {
  const char *value = dgram__environment(variable);
  return value != NULL && strcmp(value, "0") == 0;
}

struct dgram__udp_capabilities dgram__udp_capabilities(void) {
  bool gso = HAS_OFFLOADS && !udp_is_switched_off("DGRAM_GSO");
  bool gro = HAS_OFFLOADS && !udp_is_switched_off("DGRAM_GRO");
  bool mmsg = !udp_is_switched_off("DGRAM_MMSG");
  return (struct dgram__udp_capabilities){
      .max_segments = gso ? DGRAM__MAX_SEGMENTS : 1,
      .max_gro_segments = gro ? DGRAM__MAX_SEGMENTS : 1,
      .max_tx_batch = mmsg && DGRAM__HAS_SENDMMSG ? DGRAM__MAX_TX_BATCH : 1,
      .max_rx_batch = mmsg && DGRAM__HAS_RECVMMSG ? DGRAM__RX_BUFFERS : 1,
  };
}

static int udp_set_flag(int fd, int level, int name) {
  int on = 1;
  return setsockopt(fd, level, name, &on, sizeof on) == 0 ? 0 : -errno;
}

static int udp_share_port(int fd) {
#if defined(__linux__) && defined(SO_REUSEPORT) /* some sandboxes' kernels don't know it */
  int err = udp_set_flag(fd, SOL_SOCKET, SO_REUSEPORT);
  return err == UV_ENOPROTOOPT ? UV_ENOTSUP : err;
#else /* elsewhere it may exist, but does not spread what comes */
  (void)fd;
  return UV_ENOTSUP;
#endif
}

static int udp_share(int fd, const struct dgram__settings *settings) {
  int err = 0;
  if (settings->reuse_addr)
    err = udp_set_flag(fd, SOL_SOCKET, SO_REUSEADDR);
  return err == 0 && settings->reuse_port ? udp_share_port(fd) : err;
}

/* Sets what else has to be set before bind(2), and binds. */
static int udp_bind_to(int fd, const struct dgram__settings *settings,
                       const union dgram__address *local) {
  int err = 0;
  if (settings->ipv6_only)
    err = udp_set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY);
  if (err == 0)
    err = dgram__rx_info_ask(fd, local->any.sa_family, settings->info);
  const struct dgram__udp unbound = {.fd = fd};
  if (err == 0)
    err = dgram__sockopt_make_calls(&unbound, settings->calls, settings->call_count,
                                    settings->refused);
  if (err == 0 && bind(fd, &local->any, dgram__address_length(local)) != 0)
    err = -errno;
  return err;
}

/* Makes a bound socket the first member of a group (SO_REUSEPORT), which can be steered: the kernel
 * makes the group for the second one, which is closed again. */
static int udp_found_group(int fd, const struct dgram__settings *settings) {
  const struct dgram__udp first = {.fd = fd};
  union dgram__address name;
  int err = dgram__udp_name(&first, false, &name);
  if (err != 0 || dgram__address_port(&name) == 0) /* IP_BIND_ADDRESS_NO_PORT */
    return err;
  int second = dgram__descriptor_socket(name.any.sa_family, SOCK_DGRAM);
  if (second < 0)
    return second;
  err = udp_share(second, settings);
  if (err == 0)
    err = udp_bind_to(second, settings, &name);
  close(second);
  return err;
}

/*
 * Of a socket that may share its port, port 0 is bound before it may: else the kernel would choose
 * also a port that others share, who would get what is for this socket, and it what is for them.
 */
static int udp_bind_socket(int fd, const struct dgram__settings *settings) {
  const union dgram__address *local = &settings->local;
  if (settings->ipv6_only && local->any.sa_family != AF_INET6)
    return UV_EINVAL;
  bool any_port = dgram__address_port(local) == 0;
  int err = any_port ? 0 : udp_share(fd, settings);
  if (err == 0)
    err = udp_bind_to(fd, settings, local);
  if (err == 0 && any_port)
    err = udp_share(fd, settings);
  return err == 0 && any_port && settings->reuse_port ? udp_found_group(fd, settings) : err;
}

void dgram__udp_adopt(struct dgram__udp *udp, const struct dgram__udp_capabilities *capabilities) {
  *udp = (struct dgram__udp){
      .fd = udp->fd,
      .gso = capabilities->max_segments > 1 ? DGRAM__OFFLOAD_UNPROBED : DGRAM__OFFLOAD_OFF,
      .gro = capabilities->max_gro_segments > 1 ? DGRAM__OFFLOAD_UNPROBED : DGRAM__OFFLOAD_OFF,
      .capabilities = *capabilities,
      .counters = udp->counters,
  };
}

static int udp_open_simulated(struct dgram__udp *udp, const struct dgram__settings *settings) {
  struct dgram__endpoint *endpoint;
  int err = settings->network->ops->open(settings->network, settings, &endpoint);
  if (err != 0)
    return err;
  udp->fd = DGRAM__SIMULATED_FD;
  struct dgram__udp_capabilities capabilities = settings->capabilities;
  capabilities.max_segments = capabilities.max_gro_segments = 1;
  dgram__udp_adopt(udp, &capabilities);
  udp->endpoint = endpoint;
  udp->info = settings->info;
  err = dgram__sockopt_make_calls(udp, settings->calls, settings->call_count, settings->refused);
  if (err != 0)
    dgram__udp_close(udp);
  return err;
}

int dgram__udp_open(struct dgram__udp *udp, const struct dgram__settings *settings) {
  if (settings->network != NULL)
    return udp_open_simulated(udp, settings);
  int fd = dgram__descriptor_socket(settings->local.any.sa_family, SOCK_DGRAM);
  if (fd < 0)
    return fd;
  int err = udp_bind_socket(fd, settings);
  if (err != 0) {
    close(fd);
    return err;
  }
  udp->fd = fd;
  dgram__udp_adopt(udp, &settings->capabilities);
  udp->info = settings->info;
  return 0;
}

bool dgram__udp_is_udp(int fd) {
#ifdef SO_PROTOCOL
  return dgram__descriptor_option(fd, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_UDP;
#else /* a system without GSO and GRO */
  (void)fd;
  return true;
#endif
}

int dgram__udp_family(int fd) {
  union dgram__address name = {0};
  socklen_t length = sizeof name;
  if (dgram__descriptor_option(fd, SOL_SOCKET, SO_TYPE) != SOCK_DGRAM ||
      getsockname(fd, &name.any, &length) != 0)
    return 0;
  int family = name.any.sa_family;
  return family == AF_INET || family == AF_INET6 ? family : 0;
}

void dgram__udp_abandon(struct dgram__udp *udp) {
  free(udp->refusals);
  udp->refusals = NULL;
  udp->fd = -1;
}

void dgram__udp_close(struct dgram__udp *udp) {
  if (dgram__udp_is_simulated(udp)) {
    udp->endpoint->ops->close(udp->endpoint);
    udp->endpoint = NULL;
  } else if (udp->fd >= 0) {
    close(udp->fd);
  }
  dgram__udp_abandon(udp);
}

int dgram__udp_connect(struct dgram__udp *udp, const union dgram__address *to) {
  if (dgram__udp_is_simulated(udp))
    return udp->endpoint->ops->connect(udp->endpoint, to);
  if (udp->refusals != NULL)
    dgram__gso_refusals_forget_peer(udp->refusals);
  socklen_t length = dgram__address_length(to);
  if (length == 0)
    length = sizeof *to;
  return connect(udp->fd, &to->any, length) == 0 ? 0 : -errno;
}

/* SO_MEMINFO: Linux 4.12. SO_RXQ_OVFL has the same count, but costs each datagram a control
 * message. */
uint32_t dgram__udp_drops(const struct dgram__udp *udp) {
#if defined(__linux__) && defined(SO_MEMINFO)
  uint32_t values[SK_MEMINFO_DROPS + 1] = {0};
  socklen_t length = sizeof values;
  if (dgram__udp_get_option(udp, SOL_SOCKET, SO_MEMINFO, values, &length) == 0 &&
      length == sizeof values)
    return values[SK_MEMINFO_DROPS];
#else
  (void)udp;
#endif
  return 0;
}

int dgram__udp_name(const struct dgram__udp *udp, bool peer, union dgram__address *name) {
  if (dgram__udp_is_simulated(udp))
    return udp->endpoint->ops->name(udp->endpoint, peer, name);
  socklen_t length = sizeof *name;
  memset(name, 0, sizeof *name);
  int result =
      peer ? getpeername(udp->fd, &name->any, &length) : getsockname(udp->fd, &name->any, &length);
  return result == 0 ? 0 : -errno;
}

/* The events that poll(2) reports; all wanted ones, if it fails. */
static short udp_events_of(int fd, short wanted) {
  struct pollfd watched = {.fd = fd, .events = wanted};
  int count = poll(&watched, 1, 0);
  if (count < 0)
    return wanted;
  return count > 0 ? watched.revents : 0;
}

int dgram__udp_set_option(const struct dgram__udp *udp, int level, int name, const void *value,
                          socklen_t length) {
  if (dgram__udp_is_simulated(udp))
    return udp->endpoint->ops->set_option(udp->endpoint, level, name, value, length, false);
  return setsockopt(udp->fd, level, name, value, length) == 0 ? 0 : -errno;
}

int dgram__udp_get_option(const struct dgram__udp *udp, int level, int name, void *value,
                          socklen_t *length) {
  if (dgram__udp_is_simulated(udp))
    return udp->endpoint->ops->get_option(udp->endpoint, level, name, value, length);
  return getsockopt(udp->fd, level, name, value, length) == 0 ? 0 : -errno;
}

bool dgram__udp_is_readable(const struct dgram__udp *udp) {
  if (dgram__udp_is_simulated(udp))
    return (udp->endpoint->ops->events(udp->endpoint) & UV_READABLE) != 0;
  return (udp_events_of(udp->fd, POLLIN) & POLLIN) != 0;
}

bool dgram__udp_has_event(const struct dgram__udp *udp, bool sends) {
  if (dgram__udp_is_simulated(udp))
    return (udp->endpoint->ops->events(udp->endpoint) &
            (sends ? UV_READABLE | UV_WRITABLE : UV_READABLE)) != 0;
  return udp_events_of(udp->fd, sends ? POLLIN | POLLOUT : POLLIN) != 0;
}

bool dgram__udp_queues_errors(const struct dgram__udp *udp) {
  if (dgram__udp_is_simulated(udp))
    return false;
#if defined(IP_RECVERR) && defined(IPV6_RECVERR)
  return dgram__descriptor_option(udp->fd, IPPROTO_IP, IP_RECVERR) == 1 ||
         dgram__descriptor_option(udp->fd, IPPROTO_IPV6, IPV6_RECVERR) == 1;
#else
  (void)udp;
  return false;
#endif
}

int dgram__udp_take_pending_error(struct dgram__udp *udp) {
  int err = 0;
  socklen_t length = sizeof err;
  return getsockopt(udp->fd, SOL_SOCKET, SO_ERROR, &err, &length) == 0 ? -err : 0;
}

/*
 * The pending error first: Linux clears it when the error queue is read. The library asks for no
 * such queue, but the program or another holder of the system socket may have; what is in it makes
 * poll(2) report POLLERR until it is read.
 */
int dgram__udp_take_error(struct dgram__udp *udp) {
  if (dgram__udp_is_simulated(udp))
    return udp->endpoint->ops->take_error(udp->endpoint);
  int err = dgram__udp_take_pending_error(udp);
  int drained = 0;
#ifdef MSG_ERRQUEUE
  enum { MOST = 64 }; /* each is some bytes of the system's; more of them wake the loop again */
  struct msghdr message = {.msg_flags = 0};
  while (drained < MOST && recvmsg(udp->fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) >= 0)
    drained++;
#endif
  return err != 0 ? err : drained;
}
