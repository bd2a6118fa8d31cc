/*
 * The control messages of a datagram's options, read as the kernel reads them: by the type that it
 * has for each (ip(7), ipv6(7), udp(7)), so that a value of another width fails where the most
 * significant byte comes first.
 */
#include "tx_options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "cmsg.h"

#ifndef SCM_TXTIME
#define SCM_TXTIME 61
#endif

static const struct dgram__tx_options none = {.ttl = -1, .tos = -1, .dont_fragment = -1};

static union dgram__address address_of(const char *text) {
  union dgram__address address;
  assert_true(dgram__address_parse(&address, text, 9));
  return address;
}

/* Written by the last call of write_options(). */
static struct dgram__cmsg_options control;
static struct msghdr message;

static void write_options(const struct dgram__tx_options *options, const char *to,
                          uint16_t segment) {
  union dgram__address address = address_of(to);
  memset(&control, 0xaa, sizeof control);
  message = (struct msghdr){.msg_name = NULL};
  dgram__tx_options_write(&message, &control, options, &address, segment);
}

/* As the kernel: the data has exactly the size of its type, and there is one of this type. */
static void read_value(int level, int type, void *value, size_t size) {
  int found = 0;
  for (struct cmsghdr *at = CMSG_FIRSTHDR(&message); at != NULL; at = CMSG_NXTHDR(&message, at)) {
    if (at->cmsg_level != level || at->cmsg_type != type)
      continue;
    assert_int_equal(at->cmsg_len, CMSG_LEN(size));
    memcpy(value, CMSG_DATA(at), size);
    found++;
  }
  assert_int_equal(found, 1);
}

static int read_int(int level, int type) {
  int value = -1;
  read_value(level, type, &value, sizeof value);
  return value;
}

static uint16_t read_segment(void) {
  uint16_t segment = 0;
  read_value(SOL_UDP, UDP_SEGMENT, &segment, sizeof segment);
  return segment;
}

static void without_options_there_is_no_control_message(void **state) {
  write_options(NULL, "127.0.0.1", 0);
  assert_null(message.msg_control);
  assert_int_equal(message.msg_controllen, 0);
  write_options(&none, "::1", 0);
  assert_null(message.msg_control);
}

static void the_segment_is_a_uint16(void **state) {
  static const uint16_t segments[] = {1, 255, 256, 1200, 65507};
  for (size_t i = 0; i < sizeof segments / sizeof *segments; i++) {
    write_options(NULL, "127.0.0.1", segments[i]);
    assert_int_equal(read_segment(), segments[i]);
    assert_int_equal(message.msg_controllen, CMSG_SPACE(sizeof(uint16_t)));
  }
}

static void ttl_and_tos_of_ipv4_are_ints(void **state) {
  struct dgram__tx_options options = none;
  options.ttl = 64;
  options.tos = 0xb8;
  static const char *const to[] = {"127.0.0.1", "::ffff:127.0.0.1"};
  for (size_t i = 0; i < sizeof to / sizeof *to; i++) {
    write_options(&options, to[i], 1200);
    assert_int_equal(read_int(IPPROTO_IP, IP_TTL), 64);
    assert_int_equal(read_int(IPPROTO_IP, IP_TOS), 0xb8);
    assert_int_equal(read_segment(), 1200);
  }
}

static void hop_limit_and_traffic_class_of_ipv6_are_ints(void **state) {
  struct dgram__tx_options options = none;
  options.ttl = 1;
  options.tos = 3;
  options.dont_fragment = 1;
  write_options(&options, "::1", 0);
  assert_int_equal(read_int(IPPROTO_IPV6, IPV6_HOPLIMIT), 1);
  assert_int_equal(read_int(IPPROTO_IPV6, IPV6_TCLASS), 3);
  assert_int_equal(read_int(IPPROTO_IPV6, IPV6_DONTFRAG), 1);
}

static void source_and_interface_are_a_pktinfo_in_network_order(void **state) {
  static const unsigned char ipv4[] = {192, 0, 2, 1};
  struct dgram__tx_options options = none;
  options.interface_index = 7;
  options.source = address_of("192.0.2.1");
  write_options(&options, "127.0.0.1", 0);
  struct in_pktinfo info = {0};
  read_value(IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
  assert_int_equal(info.ipi_ifindex, 7);
  assert_memory_equal(&info.ipi_spec_dst, ipv4, sizeof ipv4);

  options.source = address_of("2001:db8::1");
  write_options(&options, "::1", 0);
  struct in6_pktinfo info6 = {.ipi6_ifindex = 0};
  read_value(IPPROTO_IPV6, IPV6_PKTINFO, &info6, sizeof info6);
  assert_int_equal(info6.ipi6_ifindex, 7);
  assert_memory_equal(&info6.ipi6_addr, &options.source.v6.sin6_addr, sizeof info6.ipi6_addr);
}

static void the_time_of_departure_is_a_uint64(void **state) {
  struct dgram__tx_options options = none;
  options.departure_ns = UINT64_C(0x0102030405060708);
  write_options(&options, "::1", 0);
  uint64_t departure = 0;
  read_value(SOL_SOCKET, SCM_TXTIME, &departure, sizeof departure);
  assert_true(departure == options.departure_ns);
}

static void all_of_them_fit(void **state) {
  struct dgram__tx_options options = none;
  options.source = address_of("2001:db8::1");
  options.interface_index = 1;
  options.departure_ns = 1;
  options.ttl = options.tos = options.dont_fragment = 1;
  write_options(&options, "::1", 1200);
  assert_int_equal(message.msg_controllen, sizeof control);
  assert_int_equal(read_segment(), 1200);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(without_options_there_is_no_control_message),
      cmocka_unit_test(the_segment_is_a_uint16),
      cmocka_unit_test(ttl_and_tos_of_ipv4_are_ints),
      cmocka_unit_test(hop_limit_and_traffic_class_of_ipv6_are_ints),
      cmocka_unit_test(source_and_interface_are_a_pktinfo_in_network_order),
      cmocka_unit_test(the_time_of_departure_is_a_uint64),
      cmocka_unit_test(all_of_them_fit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
