#include "lib/info.h"

#include <net/if.h>

const char *text_of(const struct sockaddr *sockaddr) {
  static dgram_address_t addresses[4];
  static int next;
  dgram_address_t *address = &addresses[next++ % 4];
  if (sockaddr == NULL)
    return "-";
  assert_int_equal(dgram_sockaddr_describe(sockaddr, address), 0);
  return address->address;
}

void trace_info(const char *message, const dgram_rinfo_t *rinfo) {
  const dgram_info_t *info = dgram_rinfo_info(rinfo);
  if (trace_text[0] != '\0')
    trace("|");
  trace("%.*s", (int)rinfo->size, message);
  if (info == NULL) {
    trace("nothing");
    return;
  }
  if (info->flags & DGRAM_INFO_DESTINATION)
    trace("to:%s,%s", text_of(info->destination), text_of(info->local));
  if (info->flags & DGRAM_INFO_INTERFACE) {
    char name[IF_NAMESIZE];
    assert_string_equal(dgram_info_interface_name(info),
                        if_indextoname(info->interface_index, name));
    trace("by:%s", name);
  }
  if (info->flags & DGRAM_INFO_TTL)
    trace("ttl:%d", info->ttl);
  if (info->flags & DGRAM_INFO_TOS)
    trace("dscp:%d ecn:%d", info->dscp, info->ecn);
  if (info->flags & DGRAM_INFO_TRUNCATED)
    trace(info->truncated ? "cut" : "whole");
}

void set_int(int fd, int level, int name, int value) {
  assert_int_equal(setsockopt(fd, level, name, &value, sizeof value), 0);
}

int raw_marked(int family, int ttl, int tos) {
  int fd = family == AF_INET ? raw_socket() : socket(AF_INET6, SOCK_DGRAM, 0);
  assert_true(fd >= 0);
  set_int(fd, IPPROTO_IP, IP_TTL, ttl);
  set_int(fd, IPPROTO_IP, IP_TOS, tos);
  if (family == AF_INET6) {
    set_int(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, ttl);
    set_int(fd, IPPROTO_IPV6, IPV6_TCLASS, tos);
  }
  return fd;
}

void raw_send_to(int fd, const char *text, const char *address, int port) {
  union raw_address to;
  socklen_t length = raw_address(&to, address, port);
  assert_int_equal(sendto(fd, text, strlen(text), 0, &to.any, length), strlen(text));
}
