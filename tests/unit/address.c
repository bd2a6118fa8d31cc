/* Addresses: read, written, compared; the same whatever the memory held before. */
#include "address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* An interface that is not there: numbers are given out from 1. */
enum { NO_INTERFACE = 2147483632 };

static union dgram__address parsed(const char *text, int port) {
  union dgram__address address;
  if (!dgram__address_parse(&address, text, port))
    fail_msg("\"%s\" is an address, but was not taken for one", text);
  return address;
}

static void assert_text(const union dgram__address *address, const char *expected) {
  char text[DGRAM_ADDRESS_TEXT];
  dgram__address_text(address, text);
  assert_string_equal(text, expected);
}

/* ---- reading and writing ---- */

static const struct {
  const char *text;
  int family;
  const char *written;
} literals[] = {
    {"127.0.0.1", AF_INET, "127.0.0.1"},
    {"0.0.0.0", AF_INET, "0.0.0.0"},
    {"255.255.255.255", AF_INET, "255.255.255.255"},
    {"::", AF_INET6, "::"},
    {"::1", AF_INET6, "::1"},
    {"2001:DB8:0:0::1", AF_INET6, "2001:db8::1"},
    {"1:2:3:4:5:6:7:8", AF_INET6, "1:2:3:4:5:6:7:8"},
    {"::ffff:192.0.2.1", AF_INET6, "::ffff:192.0.2.1"},
    {"fe80::1", AF_INET6, "fe80::1"},
    {"0000:0000:0000:0000:0000:ffff:255.255.255.255", AF_INET6, "::ffff:255.255.255.255"},
};

static void literals_of_both_families_are_read_and_written(void **state) {
  for (size_t i = 0; i < COUNT(literals); i++) {
    union dgram__address address = parsed(literals[i].text, 53);
    assert_int_equal(address.any.sa_family, literals[i].family);
    assert_int_equal(dgram__address_port(&address), 53);
    assert_text(&address, literals[i].written);
  }
}

static const char *const no_literals[] = {
    "",
    " ",
    "localhost",
    "127.1", /* inet_aton(3) would take this and the next two */
    "0x7f.0.0.1",
    "2130706433",
    "127.0.0",
    "127.0.0.1.1",
    "127.0.0.256",
    "127.0.0.1 ",
    " 127.0.0.1",
    "127.0.0.1:53",
    "127.0.0.1%lo",
    "localhost%lo",
    "1::2::3%lo",
    ":",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7:8:9",
    "::12345",
    "::g",
    "[::1]",
    "::1/64",
    "%lo",
    "0000:0000:0000:0000:0000:ffff:255.255.255.2555", /* a byte more than the longest */
    "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000%lo",
};

static void all_else_is_refused_and_leaves_the_address_untouched(void **state) {
  union dgram__address untouched;
  memset(&untouched, 0xaa, sizeof untouched);
  for (size_t i = 0; i < COUNT(no_literals); i++) {
    union dgram__address address = untouched;
    if (dgram__address_parse(&address, no_literals[i], 53))
      fail_msg("\"%s\" was taken for an address", no_literals[i]);
    assert_memory_equal(&address, &untouched, sizeof address);
  }
}

/* ---- zones ---- */

static void a_zone_is_read_by_name_and_by_number(void **state) {
  unsigned lo = if_nametoindex("lo");
  char by_number[64];
  snprintf(by_number, sizeof by_number, "fe80::1%%%u", lo);
  assert_int_equal(parsed("fe80::1%lo", 0).v6.sin6_scope_id, lo);
  assert_int_equal(parsed(by_number, 0).v6.sin6_scope_id, lo);
}

/* The texts, and whether Node.js takes them for an address where a host name could be as well. */
static const struct {
  const char *text;
  bool literal;
} nobodys_zones[] = {
    {"fe80::1%0", true},
    {"fe80::1%-1", true},
    {"fe80::1%1x", true},
    {"fe80::1%nosuch", true},
    {"fe80::1%no.such:interface-as-this", true},
    {"fe80::1%2147483632", true},
    {"fe80::1%99999999999999999999999", true},
    {"::1%nosuch", true},
    {"ff02::1%nosuch", true},
    {"::ffff:127.0.0.1%nosuch", true},
    {"fe80::1%", false},
    {"fe80::1%+1", false},
    {"fe80::1% lo", false},
    {"fe80::1%lo ", false},
    {"fe80::1%no_such", false},
    {"fe80::1%lo%lo", false},
    {"fe80::1%\303\251", false},
};

static void a_zone_that_names_nothing_is_none(void **state) {
  for (size_t i = 0; i < COUNT(nobodys_zones); i++) {
    union dgram__address address = parsed(nobodys_zones[i].text, 53);
    assert_int_equal(address.v6.sin6_scope_id, 0);
    if (dgram__address_parse_literal(&address, nobodys_zones[i].text, 53) !=
        nobodys_zones[i].literal)
      fail_msg("\"%s\" may be a host name: %d", nobodys_zones[i].text, nobodys_zones[i].literal);
  }
}

static void a_literal_has_what_the_address_has(void **state) {
  for (size_t i = 0; i < COUNT(literals); i++) {
    union dgram__address expected = parsed(literals[i].text, 53);
    union dgram__address address;
    assert_true(dgram__address_parse_literal(&address, literals[i].text, 53));
    assert_memory_equal(&address, &expected, sizeof address);
  }
  union dgram__address address;
  assert_true(dgram__address_parse_literal(&address, "fe80::1%lo", 53));
  assert_int_equal(address.v6.sin6_scope_id, if_nametoindex("lo"));
}

static void a_zone_number_over_32_bits_names_nothing(void **state) {
  char text[64];
  snprintf(text, sizeof text, "fe80::1%%%llu", 4294967296ULL + if_nametoindex("lo"));
  assert_int_equal(parsed(text, 0).v6.sin6_scope_id, 0);
}

/* ---- interfaces ---- */

static void an_interface_is_an_address_a_zone_a_name_or_a_number(void **state) {
  unsigned lo = if_nametoindex("lo");
  char number[16];
  snprintf(number, sizeof number, "%u", lo);
  const struct {
    const char *text;
    int family; /* 0: as asked */
    unsigned index;
    const char *address;
  } interfaces[] = {{"127.0.0.1", AF_INET, 0, "127.0.0.1"},
                    {"::%lo", AF_INET6, lo, "0.0.0.0"},
                    {"::%nosuch", AF_INET6, 0, "0.0.0.0"},
                    {"::%", AF_INET6, 0, "0.0.0.0"},
                    {"::1", AF_INET6, 0, "0.0.0.0"},
                    {"lo", 0, lo, "0.0.0.0"},
                    {number, 0, lo, "0.0.0.0"}};
  static const int families[] = {AF_INET, AF_INET6};
  for (size_t i = 0; i < COUNT(interfaces); i++)
    for (size_t j = 0; j < COUNT(families); j++) {
      struct dgram__interface interface;
      memset(&interface, 0xaa, sizeof interface);
      assert_true(dgram__interface_parse(&interface, interfaces[i].text, families[j]));
      assert_int_equal(interface.family,
                       interfaces[i].family != 0 ? interfaces[i].family : families[j]);
      assert_int_equal(interface.index, interfaces[i].index);
      assert_string_equal(inet_ntoa(interface.address), interfaces[i].address);
    }
}

static void what_names_no_interface_is_refused(void **state) {
  static const char *const texts[] = {"",    "0",          "nosuch",       "-1",  "4294967297",
                                      "%lo", "127.0.0.1 ", "127.0.0.1%lo", "lo ", "127.1"};
  for (size_t i = 0; i < COUNT(texts); i++) {
    struct dgram__interface interface;
    if (dgram__interface_parse(&interface, texts[i], AF_INET))
      fail_msg("\"%s\" was taken for an interface", texts[i]);
  }
}

static void only_a_link_local_address_is_written_with_its_zone(void **state) {
  union dgram__address link_local = parsed("fe80::1%lo", 0);
  union dgram__address loopback = parsed("::1%lo", 0);
  assert_text(&link_local, "fe80::1%lo");
  assert_text(&loopback, "::1");
}

static void the_zone_of_an_interface_that_is_gone_is_written_as_its_number(void **state) {
  union dgram__address address = parsed("fe80::1%lo", 0);
  address.v6.sin6_scope_id = NO_INTERFACE;
  assert_text(&address, "fe80::1%2147483632");
}

/* ---- made, copied ---- */

static void any_and_loopback_are_those_of_the_family(void **state) {
  union dgram__address address;
  dgram__address_any(&address, AF_INET, 53);
  assert_text(&address, "0.0.0.0");
  dgram__address_any(&address, AF_INET6, 53);
  assert_text(&address, "::");
  dgram__address_loopback(&address, AF_INET, 53);
  assert_text(&address, "127.0.0.1");
  dgram__address_loopback(&address, AF_INET6, 53);
  assert_text(&address, "::1");
  assert_int_equal(dgram__address_port(&address), 53);
}

/* https://github.com/WireGuard/wireguard-go/pull/135 */
static void a_reused_address_keeps_no_old_bytes(void **state) {
  const union dgram__address zeroed = {.v4 = {.sin_family = AF_INET,
                                              .sin_port = htons(53),
                                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
  union dgram__address clean;
  memset(&clean, 0, sizeof clean);
  clean.v4 = zeroed.v4;

  union dgram__address address;
  memset(&address, 0xaa, sizeof address);
  assert_true(dgram__address_parse(&address, "127.0.0.1", 53));
  assert_memory_equal(&address, &clean, sizeof address);

  memset(&address, 0xaa, sizeof address);
  dgram__address_loopback(&address, AF_INET, 53);
  assert_memory_equal(&address, &clean, sizeof address);

  union dgram__address dirty;
  memset(&dirty, 0xaa, sizeof dirty);
  dirty.v4.sin_family = AF_INET;
  dirty.v4.sin_port = htons(53);
  dirty.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  memset(&address, 0xaa, sizeof address);
  assert_true(dgram__address_copy(&address, &dirty.any));
  assert_memory_equal(&address, &clean, sizeof address);
}

static void a_copy_of_IPv6_is_whole(void **state) {
  union dgram__address from = parsed("fe80::1%lo", 53);
  from.v6.sin6_flowinfo = htonl(7);
  union dgram__address address;
  memset(&address, 0xaa, sizeof address);
  assert_true(dgram__address_copy(&address, &from.any));
  assert_memory_equal(&address, &from, sizeof address);
}

/* Programs have them in packed structs, and in what they received. The sanitizers see a wrong read.
 */
static void one_at_an_odd_address_is_copied(void **state) {
  static const char *const texts[] = {"192.0.2.1", "fe80::1%lo"};
  for (size_t i = 0; i < COUNT(texts); i++)
    for (size_t offset = 0; offset < 8; offset++) {
      union dgram__address from = parsed(texts[i], 53);
      union dgram__address address;
      char bytes[sizeof from + 8];
      memcpy(bytes + offset, &from, sizeof from);
      assert_true(dgram__address_copy(&address, (const void *)(bytes + offset)));
      assert_memory_equal(&address, &from, sizeof address);
      memset(bytes + offset, 0x7f, sizeof from.any.sa_family);
      assert_false(dgram__address_copy(&address, (const void *)(bytes + offset)));
    }
}

static void other_families_are_not_copied(void **state) {
  static const sa_family_t families[] = {AF_UNSPEC, AF_UNIX, AF_PACKET, 0xffff};
  union dgram__address untouched;
  memset(&untouched, 0xaa, sizeof untouched);
  for (size_t i = 0; i < COUNT(families); i++) {
    struct sockaddr_un from = {.sun_family = families[i], .sun_path = "path"};
    union dgram__address address = untouched;
    assert_false(dgram__address_copy(&address, (const struct sockaddr *)&from));
    assert_memory_equal(&address, &untouched, sizeof address);
  }
}

/* ---- parts ---- */

static void ports_are_kept_in_network_order_in_both_families(void **state) {
  static const int ports[] = {0, 1, 53, 256, 32768, 65535};
  for (size_t i = 0; i < COUNT(ports); i++) {
    union dgram__address v4 = parsed("127.0.0.1", 7);
    union dgram__address v6 = parsed("::1", 7);
    dgram__address_set_port(&v4, ports[i]);
    dgram__address_set_port(&v6, ports[i]);
    assert_int_equal(ntohs(v4.v4.sin_port), ports[i]);
    assert_int_equal(ntohs(v6.v6.sin6_port), ports[i]);
    assert_int_equal(dgram__address_port(&v4), ports[i]);
    assert_int_equal(dgram__address_port(&v6), ports[i]);
  }
}

static void length_family_and_its_name_go_with_the_address(void **state) {
  union dgram__address v4 = parsed("127.0.0.1", 0);
  union dgram__address v6 = parsed("::1", 0);
  assert_int_equal(dgram__address_length(&v4), sizeof(struct sockaddr_in));
  assert_int_equal(dgram__address_length(&v6), sizeof(struct sockaddr_in6));
  assert_int_equal(dgram__family(DGRAM_UDP4), AF_INET);
  assert_int_equal(dgram__family(DGRAM_UDP6), AF_INET6);
  assert_string_equal(dgram__family_name(AF_INET), "IPv4");
  assert_string_equal(dgram__family_name(AF_INET6), "IPv6");
}

static const struct {
  const char *text;
  int port;
} different[] = {
    {"127.0.0.1", 53}, {"127.0.0.1", 54}, {"127.0.0.2", 53}, {"::ffff:127.0.0.1", 53},
    {"::1", 53},       {"::1", 54},       {"::1%lo", 53},    {"::2", 53},
};

static void an_address_equals_itself_and_no_other(void **state) {
  for (size_t i = 0; i < COUNT(different); i++)
    for (size_t j = 0; j < COUNT(different); j++) {
      union dgram__address a = parsed(different[i].text, different[i].port);
      union dgram__address b = parsed(different[j].text, different[j].port);
      if (dgram__address_equal(&a, &b) != (i == j) || dgram__address_same(&a, &b) != (i == j))
        fail_msg("%s %d and %s %d", different[i].text, different[i].port, different[j].text,
                 different[j].port);
    }
}

/* The memory of a union has more bytes than an IPv4 address, and they may be of another before. */
static void what_is_beyond_an_IPv4_address_does_not_tell_two_apart(void **state) {
  union dgram__address a = parsed("127.0.0.1", 53);
  union dgram__address b = a;
  memset((char *)&b + sizeof b.v4, 0xff, sizeof b - sizeof b.v4);
  assert_true(dgram__address_equal(&a, &b));
  assert_true(dgram__address_same(&a, &b));
}

static void a_flow_label_tells_IPv6_destinations_apart_but_no_senders(void **state) {
  union dgram__address a = parsed("::1", 53);
  union dgram__address b = a;
  b.v6.sin6_flowinfo = htonl(1);
  assert_true(dgram__address_equal(&a, &b));
  assert_false(dgram__address_same(&a, &b));
}

static void no_address_equals_no_address_only(void **state) {
  union dgram__address a = parsed("127.0.0.1", 53);
  union dgram__address none = dgram__address_unspec;
  union dgram__address other = none;
  memset((char *)&other + sizeof other.any.sa_family, 0xff,
         sizeof other - sizeof other.any.sa_family);
  assert_true(dgram__address_equal(&none, &other));
  assert_true(dgram__address_same(&none, &other));
  assert_false(dgram__address_equal(&none, &a));
  assert_false(dgram__address_same(&none, &a));
  assert_false(dgram__address_same(&a, &none));
}

static void what_is_beyond_an_address_is_trimmed(void **state) {
  union dgram__address address;
  memset(&address, 0xff, sizeof address);
  dgram__address_trim(&address, sizeof address.v4);
  for (size_t i = 0; i < sizeof address; i++)
    assert_int_equal(((unsigned char *)&address)[i], i < sizeof address.v4 ? 0xff : 0);
  dgram__address_trim(&address,
                      sizeof address + 1); /* the kernel's word for one that was cut off */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(literals_of_both_families_are_read_and_written),
      cmocka_unit_test(all_else_is_refused_and_leaves_the_address_untouched),
      cmocka_unit_test(a_zone_is_read_by_name_and_by_number),
      cmocka_unit_test(a_zone_that_names_nothing_is_none),
      cmocka_unit_test(a_literal_has_what_the_address_has),
      cmocka_unit_test(a_zone_number_over_32_bits_names_nothing),
      cmocka_unit_test(an_interface_is_an_address_a_zone_a_name_or_a_number),
      cmocka_unit_test(what_names_no_interface_is_refused),
      cmocka_unit_test(only_a_link_local_address_is_written_with_its_zone),
      cmocka_unit_test(the_zone_of_an_interface_that_is_gone_is_written_as_its_number),
      cmocka_unit_test(any_and_loopback_are_those_of_the_family),
      cmocka_unit_test(a_reused_address_keeps_no_old_bytes),
      cmocka_unit_test(a_copy_of_IPv6_is_whole),
      cmocka_unit_test(one_at_an_odd_address_is_copied),
      cmocka_unit_test(other_families_are_not_copied),
      cmocka_unit_test(ports_are_kept_in_network_order_in_both_families),
      cmocka_unit_test(length_family_and_its_name_go_with_the_address),
      cmocka_unit_test(an_address_equals_itself_and_no_other),
      cmocka_unit_test(what_is_beyond_an_IPv4_address_does_not_tell_two_apart),
      cmocka_unit_test(a_flow_label_tells_IPv6_destinations_apart_but_no_senders),
      cmocka_unit_test(no_address_equals_no_address_only),
      cmocka_unit_test(what_is_beyond_an_address_is_trimmed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
