/* Which interfaces messages of netlink report as deleted, and what malformed ones lead to. */
#include "rtnetlink.h"

#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

struct link_message {
  struct nlmsghdr header;
  struct ifinfomsg link;
};

static unsigned char bytes[4096];
static size_t size;

static void add(int type, int family, int index) {
  struct link_message message = {
      .header = {.nlmsg_len = sizeof message, .nlmsg_type = (unsigned short)type},
      .link = {.ifi_family = (unsigned char)family, .ifi_index = index}};
  memcpy(bytes + size, &message, sizeof message);
  size += sizeof message;
}

static void set_length(size_t at, unsigned length) {
  memcpy(bytes + at, &length, sizeof length);
}

/* Reads all; the indices must be these, 0 at their end. */
static void assert_deleted(const unsigned expected[], size_t count) {
  struct dgram__rtnetlink_iter messages = {.at = bytes, .left = size};
  unsigned index = 0;
  for (size_t i = 0; i + 1 < count; i++) {
    assert_true(dgram__rtnetlink_next_deleted(&messages, &index));
    assert_int_equal(index, expected[i]);
  }
  assert_false(dgram__rtnetlink_next_deleted(&messages, &index));
  assert_int_equal(messages.left, 0);
  size = 0;
}

#define DELETED(...)                              \
  assert_deleted((const unsigned[]){__VA_ARGS__}, \
                 sizeof((const unsigned[]){__VA_ARGS__}) / sizeof(unsigned))

static void the_deleted_interfaces_among_several_messages_are_read(void **state) {
  add(RTM_NEWLINK, AF_UNSPEC, 1);
  add(RTM_DELLINK, AF_UNSPEC, 2);
  add(RTM_NEWADDR, AF_INET, 3);
  add(RTM_DELLINK, AF_UNSPEC, 4);
  DELETED(2, 4, 0);
}

static void nothing_and_less_than_a_header_are_no_message(void **state) {
  DELETED(0);
  size = sizeof(struct nlmsghdr) - 1;
  memset(bytes, 0xff, size);
  DELETED(0);
}

static void an_interface_that_has_left_a_bridge_is_not_deleted(void **state) {
  add(RTM_DELLINK, AF_BRIDGE, 2);
  DELETED(0);
}

static void an_index_that_no_interface_has_is_ignored(void **state) {
  add(RTM_DELLINK, AF_UNSPEC, 0);
  add(RTM_DELLINK, AF_UNSPEC, -1);
  DELETED(0);
}

static void a_message_that_is_shorter_than_its_header_ends_the_datagram(void **state) {
  for (unsigned length = 0; length < sizeof(struct nlmsghdr); length++) {
    add(RTM_NEWLINK, AF_UNSPEC, 1);
    add(RTM_DELLINK, AF_UNSPEC, 2);
    set_length(0, length);
    DELETED(0);
  }
}

static void a_message_without_room_for_an_interface_has_none_and_the_next_is_read(void **state) {
  add(RTM_DELLINK, AF_UNSPEC, 1);
  size = sizeof(struct nlmsghdr);
  set_length(0, sizeof(struct nlmsghdr));
  add(RTM_DELLINK, AF_UNSPEC, 2);
  DELETED(2, 0);
}

static void a_message_that_is_longer_than_the_datagram_is_read_as_far_as_it_is_there(void **state) {
  add(RTM_DELLINK, AF_UNSPEC, 2);
  set_length(0, UINT32_MAX);
  DELETED(2, 0);
  add(RTM_DELLINK, AF_UNSPEC, 2);
  size--;
  DELETED(0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_deleted_interfaces_among_several_messages_are_read),
      cmocka_unit_test(nothing_and_less_than_a_header_are_no_message),
      cmocka_unit_test(an_interface_that_has_left_a_bridge_is_not_deleted),
      cmocka_unit_test(an_index_that_no_interface_has_is_ignored),
      cmocka_unit_test(a_message_that_is_shorter_than_its_header_ends_the_datagram),
      cmocka_unit_test(a_message_without_room_for_an_interface_has_none_and_the_next_is_read),
      cmocka_unit_test(a_message_that_is_longer_than_the_datagram_is_read_as_far_as_it_is_there),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
