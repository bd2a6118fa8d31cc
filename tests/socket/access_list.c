/* Lists of addresses by themselves: rules, what they cover, and how they are taken back. */
#include "lib/fixture.h"

#include <dgram_access.h>

static dgram_access_list_t *list;

static void open_list(void) {
  assert_int_equal(dgram_access_list_create(&list), 0);
}

static void close_list(void) {
  dgram_access_list_free(list);
  list = NULL;
}

static int check(const char *text) {
  union raw_address address;
  raw_address(&address, text, 0);
  return dgram_access_list_check(list, &address.any);
}

#define COVERED(...) assert_all(1, (const char *const[]){__VA_ARGS__, NULL})
#define NOT_COVERED(...) assert_all(0, (const char *const[]){__VA_ARGS__, NULL})

static void assert_all(int expected, const char *const addresses[]) {
  for (; *addresses != NULL; addresses++)
    if (check(*addresses) != expected)
      fail_msg("%s is %s", *addresses, expected ? "not covered" : "covered");
}

#define OK(call) assert_int_equal(call, 0)

TEST("an empty list covers nothing") {
  open_list();
  NOT_COVERED("0.0.0.0", "255.255.255.255", "::", "::ffff:1.2.3.4");
  assert_int_equal(dgram_access_list_count(list), 0);
  close_list();
}

TEST("a list covers an address") {
  open_list();
  OK(dgram_access_list_add_address(list, "192.0.2.1"));
  OK(dgram_access_list_add_address(list, "2001:db8::1"));
  OK(dgram_access_list_add_address(list, "fe80::1%lo"));
  COVERED("192.0.2.1", "2001:db8::1", "fe80::1");
  NOT_COVERED("192.0.2.0", "192.0.2.2", "2001:db8::", "2001:db8::2", "::192.0.2.1");
  assert_int_equal(dgram_access_list_count(list), 3);
  close_list();
}

TEST("a list covers a subnet, whatever its address has behind the prefix") {
  open_list();
  OK(dgram_access_list_add_subnet(list, "192.0.2.77", 25));
  OK(dgram_access_list_add_subnet(list, "2001:db8:1:2::3", 61));
  COVERED("192.0.2.0", "192.0.2.127", "2001:db8:1::", "2001:db8:1:7:ffff:ffff:ffff:ffff");
  NOT_COVERED("192.0.1.255", "192.0.2.128", "2001:db8:1:8::", "2001:db8:0:ffff::");
  close_list();
}

TEST("a list covers a range with both its ends") {
  open_list();
  OK(dgram_access_list_add_range(list, "10.0.0.250", "10.0.2.3"));
  OK(dgram_access_list_add_range(list, "2001:db8::fffe", "2001:db8:0:1::1"));
  COVERED("10.0.0.250", "10.0.0.255", "10.0.1.0", "10.0.1.77", "10.0.2.0", "10.0.2.3",
          "2001:db8::fffe", "2001:db8::1:0", "2001:db8::ffff:ffff:ffff:ffff", "2001:db8:0:1::1");
  NOT_COVERED("10.0.0.249", "10.0.2.4", "2001:db8::fffd", "2001:db8:0:1::2");
  assert_int_equal(dgram_access_list_count(list), 2);
  close_list();
}

TEST("the largest range is everything") {
  open_list();
  OK(dgram_access_list_add_range(list, "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
  COVERED("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "1.2.3.4");
  OK(dgram_access_list_remove_range(list, "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
  NOT_COVERED("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "1.2.3.4");
  OK(dgram_access_list_add_range(list, "::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe"));
  COVERED("::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", "1.2.3.4");
  NOT_COVERED("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
  OK(dgram_access_list_add_range(list, "0.0.0.0", "255.255.255.255"));
  OK(dgram_access_list_remove_range(list, "::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe"));
  COVERED("0.0.0.0", "255.255.255.255");
  NOT_COVERED("::1", "::fffe:1.2.3.4");
  close_list();
}

/* As net.BlockList of Node.js has it, which was observed. */
TEST("an IPv4-mapped address is the IPv4 address") {
  open_list();
  OK(dgram_access_list_add_address(list, "192.0.2.1"));
  OK(dgram_access_list_add_address(list, "::ffff:192.0.2.2"));
  OK(dgram_access_list_add_subnet(list, "::ffff:198.51.100.0", 120));
  OK(dgram_access_list_add_range(list, "::ffff:203.0.113.1", "203.0.113.2"));
  COVERED("::ffff:192.0.2.1", "192.0.2.2", "198.51.100.255", "203.0.113.1", "203.0.113.2");
  NOT_COVERED("::ffff:192.0.2.3", "198.51.101.0", "203.0.113.3", "::192.0.2.1");
  OK(dgram_access_list_remove_address(list, "::ffff:192.0.2.1"));
  NOT_COVERED("192.0.2.1");
  close_list();
}

TEST("a subnet of IPv6 with the IPv4-mapped addresses in it covers IPv4") {
  open_list();
  OK(dgram_access_list_add_subnet(list, "::", 64));
  COVERED("1.2.3.4", "::ffff:1.2.3.4", "::1");
  OK(dgram_access_list_remove_subnet(list, "::", 64));
  OK(dgram_access_list_add_subnet(list, "1.2.3.4", 0));
  COVERED("200.2.3.4", "::ffff:8.8.8.8");
  NOT_COVERED("::1", "2001:db8::1");
  close_list();
}

/* ---- taking back ---- */

TEST("what other rules cover stays when a rule is removed") {
  open_list();
  OK(dgram_access_list_add_subnet(list, "10.0.0.0", 8));
  OK(dgram_access_list_add_subnet(list, "10.1.0.0", 16));
  OK(dgram_access_list_add_range(list, "10.1.0.1", "10.1.0.6"));
  OK(dgram_access_list_add_address(list, "10.1.0.2"));
  OK(dgram_access_list_remove_subnet(list, "10.0.0.0", 8));
  COVERED("10.1.0.1", "10.1.255.255");
  NOT_COVERED("10.0.0.1", "10.2.0.0");
  OK(dgram_access_list_remove_subnet(list, "10.1.0.0", 16));
  COVERED("10.1.0.1", "10.1.0.2", "10.1.0.6");
  NOT_COVERED("10.1.0.7");
  OK(dgram_access_list_remove_range(list, "10.1.0.1", "10.1.0.6"));
  COVERED("10.1.0.2");
  NOT_COVERED("10.1.0.1", "10.1.0.3", "10.1.0.4", "10.1.0.5", "10.1.0.6");
  OK(dgram_access_list_remove_address(list, "10.1.0.2"));
  NOT_COVERED("10.1.0.2");
  assert_int_equal(dgram_access_list_count(list), 0);
  close_list();
}

TEST("a rule that was added twice is removed twice") {
  open_list();
  for (int i = 0; i < 2; i++) {
    OK(dgram_access_list_add_address(list, "10.1.0.2"));
    OK(dgram_access_list_add_range(list, "10.1.0.3", "10.1.0.6"));
  }
  assert_int_equal(dgram_access_list_count(list), 4);
  for (int i = 0; i < 2; i++) {
    COVERED("10.1.0.2", "10.1.0.4");
    OK(dgram_access_list_remove_address(list, "10.1.0.2"));
    OK(dgram_access_list_remove_range(list, "10.1.0.3", "10.1.0.6"));
  }
  NOT_COVERED("10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.6");
  assert_int_equal(dgram_access_list_remove_address(list, "10.1.0.2"), UV_ENOENT);
  assert_int_equal(dgram_access_list_remove_range(list, "10.1.0.3", "10.1.0.6"), UV_ENOENT);
  assert_int_equal(dgram_access_list_count(list), 0);
  close_list();
}

TEST("only what was added can be removed") {
  open_list();
  OK(dgram_access_list_add_range(list, "10.0.0.1", "10.0.0.2"));
  OK(dgram_access_list_add_subnet(list, "10.0.1.0", 24));
  assert_int_equal(dgram_access_list_remove_address(list, "10.0.0.1"), UV_ENOENT);
  assert_int_equal(dgram_access_list_remove_address(list, "10.0.1.1"), UV_ENOENT);
  assert_int_equal(dgram_access_list_remove_subnet(list, "10.0.1.0", 25), UV_ENOENT);
  assert_int_equal(dgram_access_list_remove_subnet(list, "10.0.1.0", 23), UV_ENOENT);
  assert_int_equal(dgram_access_list_remove_range(list, "10.0.0.1", "10.0.0.3"), UV_ENOENT);
  assert_int_equal(dgram_access_list_remove_range(list, "10.0.0.2", "10.0.0.3"), UV_ENOENT);
  COVERED("10.0.0.1", "10.0.0.2", "10.0.1.0", "10.0.1.255");
  assert_int_equal(dgram_access_list_count(list), 2);
  close_list();
}

TEST("a range that is a subnet is the same rule") {
  open_list();
  OK(dgram_access_list_add_range(list, "10.0.0.0", "10.0.0.255"));
  OK(dgram_access_list_remove_subnet(list, "10.0.0.7", 24));
  NOT_COVERED("10.0.0.1");
  OK(dgram_access_list_add_subnet(list, "10.0.0.1", 32));
  OK(dgram_access_list_remove_address(list, "10.0.0.1"));
  OK(dgram_access_list_add_address(list, "10.0.0.1"));
  OK(dgram_access_list_remove_range(list, "10.0.0.1", "10.0.0.1"));
  NOT_COVERED("10.0.0.1");
  close_list();
}

TEST("a cleared list covers nothing and can be used again") {
  open_list();
  for (int i = 0; i < 1000; i++) {
    char first[32], last[32];
    snprintf(first, sizeof first, "10.%d.%d.1", i / 256, i % 256);
    snprintf(last, sizeof last, "10.%d.%d.6", i / 256, i % 256);
    OK(dgram_access_list_add_range(list, first, last));
  }
  COVERED("10.3.231.6");
  dgram_access_list_clear(list);
  NOT_COVERED("10.0.0.1", "10.3.231.6");
  assert_int_equal(dgram_access_list_count(list), 0);
  OK(dgram_access_list_add_range(list, "10.0.0.1", "10.0.0.6"));
  COVERED("10.0.0.1");
  close_list();
}

/* ---- many ---- */

static void name(char text[32], int i) {
  snprintf(text, 32, "%d.%d.%d.%d", 1 + i % 199, i / 7 % 251, i / 1009 % 241, i / 31 % 256);
}

TEST("a list holds many rules") {
  enum { RULES = 20000 };
  int rules = RULES / (int)test_scale();
  char text[32];
  open_list();
  for (int i = 0; i < rules; i++) {
    name(text, i);
    OK(i % 3 == 0 ? dgram_access_list_add_subnet(list, text, 24 + i % 9)
                  : dgram_access_list_add_address(list, text));
  }
  assert_int_equal(dgram_access_list_count(list), rules);
  for (int i = 0; i < rules; i++) {
    name(text, i);
    COVERED(text);
  }
  NOT_COVERED("0.1.2.3", "200.0.0.0", "2001:db8::1");
  for (int i = 0; i < rules; i++) {
    name(text, i);
    OK(i % 3 == 0 ? dgram_access_list_remove_subnet(list, text, 24 + i % 9)
                  : dgram_access_list_remove_address(list, text));
  }
  assert_int_equal(dgram_access_list_count(list), 0);
  name(text, 0);
  NOT_COVERED(text);
  close_list();
}

/* ---- bad arguments ---- */

TEST("a rule that is none is refused and changes nothing") {
  open_list();
  static const char *const bad[] = {
      NULL,         "",      "x",     "1.2.3",    "1.2.3.256", "1.2.3.4 ",
      "1.2.3.4/24", "::1::", "1:2:3", "01.2.3.4", "1.2.3.4%lo"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_int_equal(dgram_access_list_add_address(list, bad[i]), UV_EINVAL);
    assert_int_equal(dgram_access_list_remove_address(list, bad[i]), UV_EINVAL);
    assert_int_equal(dgram_access_list_add_subnet(list, bad[i], 8), UV_EINVAL);
    assert_int_equal(dgram_access_list_remove_subnet(list, bad[i], 8), UV_EINVAL);
    assert_int_equal(dgram_access_list_add_range(list, bad[i], "1.2.3.4"), UV_EINVAL);
    assert_int_equal(dgram_access_list_add_range(list, "1.2.3.4", bad[i]), UV_EINVAL);
    assert_int_equal(dgram_access_list_remove_range(list, bad[i], "1.2.3.4"), UV_EINVAL);
    assert_int_equal(dgram_access_list_remove_range(list, "1.2.3.4", bad[i]), UV_EINVAL);
  }
  assert_int_equal(dgram_access_list_add_subnet(list, "1.2.3.4", -1), UV_EINVAL);
  assert_int_equal(dgram_access_list_add_subnet(list, "1.2.3.4", 33), UV_EINVAL);
  assert_int_equal(dgram_access_list_add_subnet(list, "::1", -1), UV_EINVAL);
  assert_int_equal(dgram_access_list_add_subnet(list, "::1", 129), UV_EINVAL);
  assert_int_equal(dgram_access_list_remove_subnet(list, "1.2.3.4", 33), UV_EINVAL);
  assert_int_equal(dgram_access_list_add_range(list, "1.2.3.4", "1.2.3.3"), UV_EINVAL);
  assert_int_equal(dgram_access_list_add_range(list, "1.2.3.4", "2001::"), UV_EINVAL);
  assert_int_equal(dgram_access_list_add_range(list, "::", "1.2.3.4"), UV_EINVAL);
  assert_int_equal(dgram_access_list_count(list), 0);
  NOT_COVERED("1.2.3.4", "::1");
  close_list();
}

TEST("a call without a list is refused") {
  struct sockaddr_in address = loopback_address(9);
  struct sockaddr other = {.sa_family = AF_UNIX};
  assert_int_equal(dgram_access_list_create(NULL), UV_EINVAL);
  assert_int_equal(dgram_access_list_add_address(NULL, "1.2.3.4"), UV_EINVAL);
  assert_int_equal(dgram_access_list_add_range(NULL, "1.2.3.4", "1.2.3.4"), UV_EINVAL);
  assert_int_equal(dgram_access_list_add_subnet(NULL, "1.2.3.4", 8), UV_EINVAL);
  assert_int_equal(dgram_access_list_remove_address(NULL, "1.2.3.4"), UV_EINVAL);
  assert_int_equal(dgram_access_list_remove_range(NULL, "1.2.3.4", "1.2.3.4"), UV_EINVAL);
  assert_int_equal(dgram_access_list_remove_subnet(NULL, "1.2.3.4", 8), UV_EINVAL);
  assert_int_equal(dgram_access_list_check(NULL, (struct sockaddr *)&address), UV_EINVAL);
  assert_int_equal(dgram_access_list_count(NULL), 0);
  dgram_access_list_clear(NULL);
  dgram_access_list_free(NULL);
  open_list();
  assert_int_equal(dgram_access_list_check(list, NULL), UV_EINVAL);
  assert_int_equal(dgram_access_list_check(list, &other), UV_EINVAL);
  close_list();
}

TEST("an address is checked at any alignment") {
  char bytes[1 + sizeof(struct sockaddr_in)];
  struct sockaddr_in address = loopback_address(9);
  memcpy(bytes + 1, &address, sizeof address);
  open_list();
  OK(dgram_access_list_add_address(list, "127.0.0.1"));
  assert_int_equal(dgram_access_list_check(list, (struct sockaddr *)(void *)(bytes + 1)), 1);
  close_list();
}
