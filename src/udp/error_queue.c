#include "error_queue.h"

#include <errno.h>
#include <string.h>

#include "cmsg.h"
#include "descriptor.h"

#ifdef __linux__
#include <linux/errqueue.h>
#ifndef IPV6_RECVERR
#define IPV6_RECVERR 25
#endif
#endif

/* ---- kinds (RFC 792, RFC 1122 3.2.2.1, RFC 1812 5.2.7.1; RFC 4443) ---- */

enum {
  UNREACHABLE_V4 = 3,
  TIME_EXCEEDED_V4 = 11,
  PARAMETER_PROBLEM_V4 = 12,
  UNREACHABLE_V6 = 1,
  TOO_BIG_V6 = 2,
  TIME_EXCEEDED_V6 = 3,
  PARAMETER_PROBLEM_V6 = 4
};

static dgram_icmp_kind_t icmp_kind_of_unreachable(int code) {
  switch (code) {
  case 0:  /* net unreachable */
  case 6:  /* destination network unknown */
  case 11: /* network unreachable for type of service */
    return DGRAM_ICMP_NETWORK_UNREACHABLE;
  case 1:  /* host unreachable */
  case 7:  /* destination host unknown */
  case 8:  /* source host isolated */
  case 12: /* host unreachable for type of service */
    return DGRAM_ICMP_HOST_UNREACHABLE;
  case 2:
    return DGRAM_ICMP_PROTOCOL_UNREACHABLE;
  case 3:
    return DGRAM_ICMP_PORT_UNREACHABLE;
  case 4: /* fragmentation needed and DF set */
    return DGRAM_ICMP_PACKET_TOO_BIG;
  case 9:  /* network administratively prohibited */
  case 10: /* host administratively prohibited */
  case 13: /* communication administratively prohibited */
  case 14: /* host precedence violation */
  case 15: /* precedence cutoff in effect */
    return DGRAM_ICMP_PROHIBITED;
  default:
    return DGRAM_ICMP_OTHER;
  }
}

static dgram_icmp_kind_t icmp_kind_of_unreachable_v6(int code) {
  switch (code) {
  case 0: /* no route to destination */
  case 2: /* beyond scope of source address */
    return DGRAM_ICMP_NETWORK_UNREACHABLE;
  case 1: /* administratively prohibited */
  case 5: /* source address failed ingress or egress policy */
  case 6: /* reject route to destination */
    return DGRAM_ICMP_PROHIBITED;
  case 3:
    return DGRAM_ICMP_HOST_UNREACHABLE;
  case 4:
    return DGRAM_ICMP_PORT_UNREACHABLE;
  default:
    return DGRAM_ICMP_OTHER;
  }
}

dgram_icmp_kind_t dgram__icmp_kind(int family, int type, int code) {
  bool v6 = family == AF_INET6;
  if (type == (v6 ? UNREACHABLE_V6 : UNREACHABLE_V4))
    return v6 ? icmp_kind_of_unreachable_v6(code) : icmp_kind_of_unreachable(code);
  if (v6 && type == TOO_BIG_V6)
    return DGRAM_ICMP_PACKET_TOO_BIG;
  if (type == (v6 ? TIME_EXCEEDED_V6 : TIME_EXCEEDED_V4))
    return DGRAM_ICMP_TIME_EXCEEDED;
  if (type == (v6 ? PARAMETER_PROBLEM_V6 : PARAMETER_PROBLEM_V4))
    return DGRAM_ICMP_PARAMETER_PROBLEM;
  return DGRAM_ICMP_OTHER;
}

const char *dgram_icmp_kind_name(dgram_icmp_kind_t kind) {
  switch (kind) {
  case DGRAM_ICMP_NETWORK_UNREACHABLE:
    return "network unreachable";
  case DGRAM_ICMP_HOST_UNREACHABLE:
    return "host unreachable";
  case DGRAM_ICMP_PROTOCOL_UNREACHABLE:
    return "protocol unreachable";
  case DGRAM_ICMP_PORT_UNREACHABLE:
    return "port unreachable";
  case DGRAM_ICMP_PACKET_TOO_BIG:
    return "packet too big";
  case DGRAM_ICMP_PROHIBITED:
    return "prohibited";
  case DGRAM_ICMP_TIME_EXCEEDED:
    return "time exceeded";
  case DGRAM_ICMP_PARAMETER_PROBLEM:
    return "parameter problem";
  default:
    return "other";
  }
}

#ifdef __linux__

/* ---- the queue ---- */

/* What IP_RECVERR and IPV6_RECVERR put behind the error: the address of who reported it. */
struct queued_error {
  struct sock_extended_err error;
  union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
  } offender;
};

/* Copies an address of the kernel's, as far as its `size` bytes go, without its port. */
static union dgram__address error_queue_address(const void *from, size_t size) {
  union dgram__address address = {.any.sa_family = AF_UNSPEC};
  sa_family_t family = AF_UNSPEC;
  if (size >= sizeof(struct sockaddr))
    family = (sa_family_t)dgram__sockaddr_family(from);
  bool whole = (family == AF_INET && size >= sizeof address.v4) ||
               (family == AF_INET6 && size >= sizeof address.v6);
  if (whole)
    (void)dgram__address_copy(&address, from);
  return address;
}

enum dgram__queued dgram__error_queue_parse(const struct msghdr *message,
                                            struct dgram__icmp_error *icmp) {
  /* CMSG_NXTHDR wants a message that it could change, and does not change it. */
  struct msghdr *walked = (struct msghdr *)message;
  for (struct cmsghdr *at = CMSG_FIRSTHDR(walked); at != NULL; at = CMSG_NXTHDR(walked, at)) {
    bool is_error = (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_RECVERR) ||
                    (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_RECVERR);
    size_t size = dgram__cmsg_size(message, at);
    struct sock_extended_err error;
    if (!is_error || size < sizeof error)
      continue;
    memcpy(&error, CMSG_DATA(at), sizeof error);
    if (error.ee_origin != SO_EE_ORIGIN_ICMP && error.ee_origin != SO_EE_ORIGIN_ICMP6)
      continue;
    size_t offset = offsetof(struct queued_error, offender);
    size_t left = size > offset ? size - offset : 0;
    int family = error.ee_origin == SO_EE_ORIGIN_ICMP ? AF_INET : AF_INET6;
    *icmp = (struct dgram__icmp_error){
        .peer = error_queue_address(message->msg_name,
                                    message->msg_name != NULL ? message->msg_namelen : 0),
        .reporter = error_queue_address(CMSG_DATA(at) + offset, left),
        .family = family,
        .type = error.ee_type,
        .code = error.ee_code,
        .error = -(int)error.ee_errno};
    dgram__address_set_port(&icmp->reporter, 0);
    if (dgram__icmp_kind(family, icmp->type, icmp->code) == DGRAM_ICMP_PACKET_TOO_BIG)
      icmp->mtu = error.ee_info <= INT32_MAX ? (int)error.ee_info : 0;
    return DGRAM__QUEUED_ICMP;
  }
  return DGRAM__QUEUED_OTHER;
}

/* The message's bytes are the datagram that was lost, as far as ICMP quotes it: they are not read.
 */
enum dgram__queued dgram__error_queue_take(int fd, struct dgram__icmp_error *icmp) {
  union dgram__address peer = {.any.sa_family = AF_UNSPEC};
  union {
    struct cmsghdr align;
    char bytes[512];
  } control;
  struct msghdr message = {.msg_name = &peer,
                           .msg_namelen = sizeof peer,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof control.bytes};
  ssize_t result;
  do
    result = recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT);
  while (result < 0 && errno == EINTR);
  return result < 0 ? DGRAM__QUEUED_NOTHING : dgram__error_queue_parse(&message, icmp);
}

/* ---- IP_RECVERR ---- */

static bool recverr_is_set(int fd, int level, int name) {
  return dgram__descriptor_option(fd, level, name) != 0;
}

unsigned dgram__recverr_read(int fd, int family) {
  unsigned set = recverr_is_set(fd, IPPROTO_IP, IP_RECVERR) ? DGRAM__RECVERR_V4 : 0;
  if (family == AF_INET6 && recverr_is_set(fd, IPPROTO_IPV6, IPV6_RECVERR))
    set |= DGRAM__RECVERR_V6;
  return set;
}

int dgram__recverr_write(int fd, int family, unsigned wanted) {
  int former = recverr_is_set(fd, IPPROTO_IP, IP_RECVERR);
  int v4 = (wanted & DGRAM__RECVERR_V4) != 0;
  int v6 = (wanted & DGRAM__RECVERR_V6) != 0;
  if (setsockopt(fd, IPPROTO_IP, IP_RECVERR, &v4, sizeof v4) != 0)
    return -errno;
  if (family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &v6, sizeof v6) == 0)
    return 0;
  int err = -errno;
  (void)setsockopt(fd, IPPROTO_IP, IP_RECVERR, &former, sizeof former);
  return err;
}

#else

enum dgram__queued dgram__error_queue_parse(const struct msghdr *message,
                                            struct dgram__icmp_error *icmp) {
  (void)message;
  (void)icmp;
  return DGRAM__QUEUED_OTHER;
}

enum dgram__queued dgram__error_queue_take(int fd, struct dgram__icmp_error *icmp) {
  (void)fd;
  (void)icmp;
  return DGRAM__QUEUED_NOTHING;
}

unsigned dgram__recverr_read(int fd, int family) {
  (void)fd;
  (void)family;
  return 0;
}

int dgram__recverr_write(int fd, int family, unsigned wanted) {
  (void)fd;
  (void)family;
  return wanted != 0 ? UV_ENOTSUP : 0;
}

#endif
