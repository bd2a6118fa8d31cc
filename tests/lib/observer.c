#include "lib/observer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "lib/raw.h"

enum { PATIENCE = 10000 }; /* ms */

int observer_open(int family, struct sockaddr_storage *to) {
  static const int options[][3] = {
      {AF_INET, IPPROTO_IP, IP_RECVTTL},         {AF_INET, IPPROTO_IP, IP_RECVTOS},
      {AF_INET, IPPROTO_IP, IP_PKTINFO},         {AF_INET6, IPPROTO_IPV6, IPV6_RECVHOPLIMIT},
      {AF_INET6, IPPROTO_IPV6, IPV6_RECVTCLASS}, {AF_INET6, IPPROTO_IPV6, IPV6_RECVPKTINFO}};
  int fd = socket(family, SOCK_DGRAM, 0);
  int on = 1;
  int room = ROOM;
  assert_true(fd >= 0);
  assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room), 0);
  for (size_t i = 0; i < sizeof options / sizeof *options; i++)
    if (options[i][0] == family)
      assert_int_equal(setsockopt(fd, options[i][1], options[i][2], &on, sizeof on), 0);
  socklen_t length = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
  memset(to, 0, sizeof *to);
  if (family == AF_INET)
    *(struct sockaddr_in *)to = loopback_address(0);
  else
    *(struct sockaddr_in6 *)to =
        (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  assert_int_equal(bind(fd, (struct sockaddr *)to, length), 0);
  assert_int_equal(getsockname(fd, (struct sockaddr *)to, &length), 0);
  return fd;
}

struct sockaddr_in6 observer_mapped(const struct sockaddr_storage *ipv4) {
  const struct sockaddr_in *from = (const struct sockaddr_in *)ipv4;
  struct sockaddr_in6 mapped = {.sin6_family = AF_INET6, .sin6_port = from->sin_port};
  mapped.sin6_addr.s6_addr[10] = mapped.sin6_addr.s6_addr[11] = 0xff;
  memcpy(&mapped.sin6_addr.s6_addr[12], &from->sin_addr, sizeof from->sin_addr);
  return mapped;
}

/* IP_TOS is one byte, the others are ints. */
static int int_of(struct cmsghdr *control) {
  int value = 0;
  if (control->cmsg_len < CMSG_LEN(sizeof value))
    return *CMSG_DATA(control);
  memcpy(&value, CMSG_DATA(control), sizeof value);
  return value;
}

static int is(const struct cmsghdr *control, int v4, int v6) {
  return (control->cmsg_level == IPPROTO_IP && control->cmsg_type == v4) ||
         (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == v6);
}

static void read_control(struct cmsghdr *control, struct observed *observed) {
  if (is(control, IP_TTL, IPV6_HOPLIMIT))
    observed->ttl = int_of(control);
  else if (is(control, IP_TOS, IPV6_TCLASS))
    observed->tos = int_of(control);
  else if (is(control, IP_PKTINFO, -1))
    observed->interface_index = (unsigned)((struct in_pktinfo *)CMSG_DATA(control))->ipi_ifindex;
  else if (is(control, -1, IPV6_PKTINFO))
    observed->interface_index = ((struct in6_pktinfo *)CMSG_DATA(control))->ipi6_ifindex;
}

void observer_take(int fd, struct observed *observed) {
  _Alignas(struct cmsghdr) char control[256];
  struct sockaddr_storage from;
  struct iovec iov = {observed->bytes, sizeof observed->bytes};
  struct msghdr message = {.msg_name = &from,
                           .msg_namelen = sizeof from,
                           .msg_iov = &iov,
                           .msg_iovlen = 1,
                           .msg_control = control,
                           .msg_controllen = sizeof control};
  struct pollfd poller = {.fd = fd, .events = POLLIN};
  assert_int_equal(poll(&poller, 1, PATIENCE), 1);
  ssize_t size = recvmsg(fd, &message, MSG_DONTWAIT);
  assert_true(size >= 0);
  observed->size = (size_t)size;
  observed->ttl = observed->tos = -1;
  observed->interface_index = 0;
  const void *address = from.ss_family == AF_INET
                            ? (void *)&((struct sockaddr_in *)&from)->sin_addr
                            : (void *)&((struct sockaddr_in6 *)&from)->sin6_addr;
  assert_non_null(inet_ntop(from.ss_family, address, observed->source, sizeof observed->source));
  for (struct cmsghdr *at = CMSG_FIRSTHDR(&message); at != NULL; at = CMSG_NXTHDR(&message, at))
    read_control(at, observed);
}

int observer_is_empty(int fd) {
  char byte;
  return recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN;
}
