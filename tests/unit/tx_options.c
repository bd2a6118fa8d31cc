/* What a datagram is sent with: which may share a message, and the control messages that say so. */
#include "tx_options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "cmsg.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static union dgram__address address_of(const char *text, int port) {
  union dgram__address address;
  assert_true(dgram__address_parse(&address, text, port));
  return address;
}

static struct dgram__tx_options no_options(void) {
  return (struct dgram__tx_options){
      .source = dgram__address_unspec, .ttl = -1, .tos = -1, .dont_fragment = -1};
}

/* ---- sharing a message ---- */

static void options_that_differ_in_one_member_share_no_message(void **state) {
  struct dgram__tx_options options[8];
  for (size_t i = 0; i < COUNT(options); i++)
    options[i] = no_options();
  options[1].source = address_of("127.0.0.1", 0);
  options[2].departure_ns = 1;
  options[3].interface_index = 1;
  options[4].segment_size = 1;
  options[5].ttl = 1;
  options[6].tos = 0;
  options[7].dont_fragment = 0;
  for (size_t i = 0; i < COUNT(options); i++)
    for (size_t j = 0; j < COUNT(options); j++) {
      struct dgram__tx_options copy = options[j];
      if (dgram__tx_options_equal(&options[i], &copy) != (i == j))
        fail_msg("%zu and %zu", i, j);
    }
}

static void those_without_options_share_a_message_with_each_other_only(void **state) {
  const struct dgram__tx_options options = no_options();
  assert_true(dgram__tx_options_equal(NULL, NULL));
  assert_false(dgram__tx_options_equal(NULL, &options));
  assert_false(dgram__tx_options_equal(&options, NULL));
}

static void how_much_has_left_does_not_matter(void **state) {
  const struct dgram__tx_options a = no_options();
  struct dgram__tx_options b = a;
  b.sent = 100;
  assert_true(dgram__tx_options_equal(&a, &b));
}

static void an_ipv4_mapped_address_leaves_as_ipv4(void **state) {
  union dgram__address v4 = address_of("127.0.0.1", 9);
  union dgram__address v6 = address_of("::1", 9);
  union dgram__address mapped = address_of("::ffff:127.0.0.1", 9);
  assert_true(dgram__tx_options_is_ipv4(&v4));
  assert_false(dgram__tx_options_is_ipv4(&v6));
  assert_true(dgram__tx_options_is_ipv4(&mapped));
}

/* ---- the control messages ---- */

#if DGRAM__HAS_TX_CMSGS

/* The control messages that were written, and one's data; there may be one of each type only. */
struct written {
  struct dgram__cmsg_options control;
  struct msghdr message;
};

static void write_options(struct written *written, const struct dgram__tx_options *options,
                          const char *to, uint16_t segment) {
  union dgram__address address = address_of(to, 9);
  memset(written, 0xaa, sizeof *written);
  memset(&written->message, 0, sizeof written->message);
  dgram__tx_options_write(&written->message, &written->control, options, &address, segment);
}

static unsigned count(struct written *written) {
  unsigned found = 0;
  for (struct cmsghdr *at = CMSG_FIRSTHDR(&written->message); at != NULL;
       at = CMSG_NXTHDR(&written->message, at))
    found++;
  return found;
}

/* Copies the data, if there is a message of this level, type and size. */
static bool find(struct written *written, int level, int type, void *data, size_t size) {
  for (struct cmsghdr *at = CMSG_FIRSTHDR(&written->message); at != NULL;
       at = CMSG_NXTHDR(&written->message, at))
    if (at->cmsg_level == level && at->cmsg_type == type && at->cmsg_len == CMSG_LEN(size)) {
      memcpy(data, CMSG_DATA(at), size);
      return true;
    }
  return false;
}

static void assert_int_message(struct written *written, int level, int type, int expected) {
  int value = -1;
  assert_true(find(written, level, type, &value, sizeof value));
  assert_int_equal(value, expected);
}

static void without_options_and_segment_there_is_no_control_message(void **state) {
  struct written written;
  write_options(&written, NULL, "127.0.0.1", 0);
  assert_null(written.message.msg_control);
  assert_int_equal(written.message.msg_controllen, 0);
  const struct dgram__tx_options none = no_options();
  write_options(&written, &none, "127.0.0.1", 0);
  assert_null(written.message.msg_control);
  write_options(&written, &none, "::1", 0);
  assert_null(written.message.msg_control);
}

/* Of another width it would be wrong where the most significant byte comes first. */
static void the_segment_is_a_uint16(void **state) {
  static const uint16_t segments[] = {1, 255, 256, 1200, 65507};
  for (size_t i = 0; i < COUNT(segments); i++) {
    struct written written;
    uint16_t segment = 0;
    write_options(&written, NULL, "127.0.0.1", segments[i]);
    assert_int_equal(count(&written), 1);
    assert_true(find(&written, SOL_UDP, UDP_SEGMENT, &segment, sizeof segment));
    assert_int_equal(segment, segments[i]);
  }
}

static void the_least_values_are_written_for_ipv4(void **state) {
  struct dgram__tx_options options = no_options();
  struct written written;
  options.ttl = 1;
  options.tos = 0;
  options.dont_fragment = 0; /* IPv4 has no control message for it */
  write_options(&written, &options, "127.0.0.1", 0);
  assert_int_equal(count(&written), 2);
  assert_int_message(&written, IPPROTO_IP, IP_TTL, 1);
  assert_int_message(&written, IPPROTO_IP, IP_TOS, 0);
}

static void the_least_values_are_written_for_ipv6(void **state) {
  struct dgram__tx_options options = no_options();
  struct written written;
  options.ttl = 1;
  options.tos = 0;
  options.dont_fragment = 0;
  write_options(&written, &options, "::1", 0);
  assert_int_equal(count(&written), 3);
  assert_int_message(&written, IPPROTO_IPV6, IPV6_HOPLIMIT, 1);
  assert_int_message(&written, IPPROTO_IPV6, IPV6_TCLASS, 0);
  assert_int_message(&written, IPPROTO_IPV6, IPV6_DONTFRAG, 0);
}

static void the_interface_alone_is_written(void **state) {
  struct dgram__tx_options options = no_options();
  struct written written;
  struct in_pktinfo v4;
  struct in6_pktinfo v6;
  options.interface_index = 1;
  write_options(&written, &options, "127.0.0.1", 0);
  assert_int_equal(count(&written), 1);
  assert_true(find(&written, IPPROTO_IP, IP_PKTINFO, &v4, sizeof v4));
  assert_int_equal(v4.ipi_ifindex, 1);
  assert_int_equal(v4.ipi_spec_dst.s_addr, 0);
  write_options(&written, &options, "::1", 0);
  assert_int_equal(count(&written), 1);
  assert_true(find(&written, IPPROTO_IPV6, IPV6_PKTINFO, &v6, sizeof v6));
  assert_int_equal(v6.ipi6_ifindex, 1);
  assert_true(IN6_IS_ADDR_UNSPECIFIED(&v6.ipi6_addr));
}

static void the_source_alone_is_written(void **state) {
  static const char *const sources[] = {"127.0.0.2", "::ffff:127.0.0.2"};
  struct dgram__tx_options options = no_options();
  struct written written;
  struct in_pktinfo v4;
  struct in6_pktinfo v6;
  for (size_t i = 0; i < COUNT(sources); i++) {
    options.source = address_of(sources[i], 0);
    write_options(&written, &options, i == 0 ? "127.0.0.1" : "::ffff:127.0.0.1", 0);
    assert_int_equal(count(&written), 1);
    assert_true(find(&written, IPPROTO_IP, IP_PKTINFO, &v4, sizeof v4));
    assert_int_equal(v4.ipi_ifindex, 0);
    assert_int_equal(ntohl(v4.ipi_spec_dst.s_addr), 0x7f000002);
  }
  options.source = address_of("::2", 0);
  write_options(&written, &options, "::1", 0);
  assert_int_equal(count(&written), 1);
  assert_true(find(&written, IPPROTO_IPV6, IPV6_PKTINFO, &v6, sizeof v6));
  assert_int_equal(v6.ipi6_ifindex, 0);
  assert_memory_equal(&v6.ipi6_addr, &options.source.v6.sin6_addr, sizeof v6.ipi6_addr);
}

/* The kernel is handed all bytes, of which none may be what the memory held before. */
static void all_together_fit_and_their_padding_is_zero(void **state) {
  static const char *const to[] = {"127.0.0.1", "::1"};
  static const unsigned messages[] = {5, 6};
  for (size_t i = 0; i < COUNT(to); i++) {
    struct dgram__tx_options options = {.source = address_of(to[i], 0),
                                        .departure_ns = UINT64_C(0x0102030405060708),
                                        .interface_index = 1,
                                        .ttl = 255,
                                        .tos = 255,
                                        .dont_fragment = 1};
    struct written written;
    uint64_t departure = 0;
    write_options(&written, &options, to[i], 1200);
    assert_int_equal(count(&written), messages[i]);
    assert_true(find(&written, SOL_SOCKET, SO_TXTIME, &departure, sizeof departure));
    assert_true(departure == options.departure_ns);
    for (struct cmsghdr *at = CMSG_FIRSTHDR(&written.message); at != NULL;
         at = CMSG_NXTHDR(&written.message, at)) {
      size_t size = at->cmsg_len - CMSG_LEN(0);
      for (size_t j = size; j < CMSG_SPACE(size) - CMSG_LEN(0); j++)
        assert_int_equal(CMSG_DATA(at)[j], 0);
    }
  }
}

#endif

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(options_that_differ_in_one_member_share_no_message),
    cmocka_unit_test(those_without_options_share_a_message_with_each_other_only),
    cmocka_unit_test(how_much_has_left_does_not_matter),
    cmocka_unit_test(an_ipv4_mapped_address_leaves_as_ipv4),
#if DGRAM__HAS_TX_CMSGS
    cmocka_unit_test(without_options_and_segment_there_is_no_control_message),
    cmocka_unit_test(the_segment_is_a_uint16),
    cmocka_unit_test(the_least_values_are_written_for_ipv4),
    cmocka_unit_test(the_least_values_are_written_for_ipv6),
    cmocka_unit_test(the_interface_alone_is_written),
    cmocka_unit_test(the_source_alone_is_written),
    cmocka_unit_test(all_together_fit_and_their_padding_is_zero),
#endif
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
