/* Batches: which datagrams share a segmented send, which kernels spoil one, and received pieces. */
#include "gso.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unit/random.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* As generous as the kernel is. */
static const struct dgram__gso_limits kernel_limits = {
    .datagrams = 64, .segment = UINT16_MAX, .bytes = 65507, .iov_count = 1024};

/* Datagrams in a row, all to one address, each of one iov. */
enum { QUEUE = 100 };
static struct dgram__datagram queue[QUEUE];
static const struct iovec one_iov[1024];

static union dgram__address address_of(const char *text, int port) {
  union dgram__address address;
  assert_true(dgram__address_parse(&address, text, port));
  return address;
}

static void make_queue(const uint32_t sizes[], unsigned count) {
  for (unsigned i = 0; i < count; i++)
    queue[i] = (struct dgram__datagram){.next = i + 1 < count ? &queue[i + 1] : NULL,
                                        .iov = one_iov,
                                        .iov_count = 1,
                                        .size = sizes[i],
                                        .to = address_of("127.0.0.1", 53)};
}

static void make_equal_queue(uint32_t size, unsigned count) {
  uint32_t sizes[QUEUE];
  for (unsigned i = 0; i < count; i++)
    sizes[i] = size;
  make_queue(sizes, count);
}

/* The longest run at `first`. */
static struct dgram__gso_batch run_at(const struct dgram__datagram *first, unsigned available,
                                      const struct dgram__gso_limits *limits) {
  struct dgram__gso_batch run = dgram__gso_batch_begin(first, available, limits);
  const struct dgram__datagram *next = first->next;
  while (dgram__gso_batch_add(&run, next, limits))
    next = next->next;
  return run;
}

static unsigned run_length(unsigned count, const struct dgram__gso_limits *limits) {
  return run_at(&queue[0], count, limits).datagrams;
}

/* ---- runs: sizes ---- */

static const struct {
  uint32_t sizes[5];
  unsigned run; /* how many of the 5 the first run has */
} by_size[] = {
    {{100, 100, 100, 100, 100}, 5},
    {{100, 100, 100, 99, 100}, 4}, /* only the last may be shorter */
    {{100, 99, 99, 99, 99}, 2},
    {{100, 1, 100, 100, 100}, 2},
    {{100, 100, 101, 100, 100}, 2}, /* a longer one does not fit in a segment */
    {{100, 101, 100, 100, 100}, 1},
    {{100, 100, 0, 100, 100}, 2}, /* an empty one would be no segment at all */
    {{100, 0, 100, 100, 100}, 1},
    {{0, 0, 0, 0, 0}, 1},
    {{0, 100, 100, 100, 100}, 1},
    {{1, 1, 1, 1, 1}, 5},
};

static void a_run_is_of_one_size_but_a_shorter_last_one(void **state) {
  for (size_t i = 0; i < COUNT(by_size); i++) {
    make_queue(by_size[i].sizes, 5);
    struct dgram__gso_batch run = run_at(&queue[0], 5, &kernel_limits);
    if (run.datagrams != by_size[i].run)
      fail_msg("row %zu: a run of %u", i, run.datagrams);
    assert_int_equal(run.iov_count, run.datagrams);
  }
}

/* ---- runs: destinations ---- */

static const struct {
  const char *text;
  int port;
  unsigned run; /* of two datagrams: one to 127.0.0.1 port 53, one to this address */
} by_address[] = {
    {"127.0.0.1", 53, 2},        {"127.0.0.2", 53, 1}, {"127.0.0.1", 54, 1},
    {"::ffff:127.0.0.1", 53, 1}, {"::1", 53, 1},
};

static void a_run_goes_to_one_address_and_port(void **state) {
  for (size_t i = 0; i < COUNT(by_address); i++) {
    make_equal_queue(100, 2);
    queue[1].to = address_of(by_address[i].text, by_address[i].port);
    assert_int_equal(run_length(2, &kernel_limits), by_address[i].run);
  }
}

static void a_run_to_IPv6_goes_to_one_zone(void **state) {
  make_equal_queue(100, 3);
  for (int i = 0; i < 3; i++)
    queue[i].to = address_of("fe80::1", 53);
  queue[2].to.v6.sin6_scope_id = 1;
  assert_int_equal(run_length(3, &kernel_limits), 2);
}

/* ---- runs: limits ---- */

static const struct {
  uint32_t size;
  unsigned available;
  struct dgram__gso_limits limits;
  unsigned run;
} by_limit[] = {
    {100, 99, {64, UINT16_MAX, 65507, 1024}, 64},
    {100, 63, {64, UINT16_MAX, 65507, 1024}, 63},
    {100, 99, {1, UINT16_MAX, 65507, 1024}, 1},
    {100, 1, {64, UINT16_MAX, 65507, 1024}, 1},
    {100, 99, {64, 100, 65507, 1024}, 64},
    {100, 99, {64, 99, 65507, 1024}, 1},
    {100, 99, {64, 0, 65507, 1024}, 1},
    {1000, 99, {99, UINT16_MAX, 65507, 1024}, 65},
    {21835, 99, {64, UINT16_MAX, 65507, 1024}, 3}, /* 65,505 bytes */
    {21836, 99, {64, UINT16_MAX, 65507, 1024}, 2}, /* 65,508 */
    {65507, 99, {64, UINT16_MAX, 65507, 1024}, 1},
    {65536, 99, {64, UINT16_MAX, 65507, 1024}, 1}, /* over any limit: the system refuses it */
    {100, 99, {64, UINT16_MAX, 65507, 10}, 10},
    {100, 99, {64, UINT16_MAX, 65507, 1}, 1},
};

static void a_run_keeps_every_limit(void **state) {
  for (size_t i = 0; i < COUNT(by_limit); i++) {
    make_equal_queue(by_limit[i].size, by_limit[i].available);
    unsigned run = run_length(by_limit[i].available, &by_limit[i].limits);
    if (run != by_limit[i].run)
      fail_msg("row %zu: a run of %u", i, run);
  }
}

static void a_shorter_last_one_counts_its_own_bytes(void **state) {
  static const uint32_t sizes[] = {30000, 30000, 5507};
  make_queue(sizes, 3);
  assert_int_equal(run_length(3, &kernel_limits), 3);
  queue[2].size++;
  assert_int_equal(run_length(3, &kernel_limits), 2);
}

static void lists_of_buffers_count_with_all_their_parts(void **state) {
  make_equal_queue(100, 4);
  for (int i = 0; i < 4; i++)
    queue[i].iov_count = 400;
  struct dgram__gso_batch run = run_at(&queue[0], 4, &kernel_limits);
  assert_int_equal(run.datagrams, 2);
  assert_int_equal(run.iov_count, 800);
  queue[2].iov_count = 224;
  run = run_at(&queue[0], 4, &kernel_limits);
  assert_int_equal(run.datagrams, 3);
  assert_int_equal(run.iov_count, 1024);
}

static void the_queue_beyond_what_is_available_is_not_looked_at(void **state) {
  make_equal_queue(100, 3);
  queue[1].next = NULL; /* followed, it would crash */
  assert_int_equal(run_length(2, &kernel_limits), 2);
}

/* ---- runs: against the definition, word for word ---- */

static bool may_share(const struct dgram__datagram at[], unsigned count,
                      const struct dgram__gso_limits *limits) {
  size_t bytes = 0;
  uint32_t iov_count = 0;
  for (unsigned i = 0; i < count; i++) {
    bool last = i == count - 1;
    bool size_fits = last ? at[i].size <= at[0].size : at[i].size == at[0].size;
    if (at[i].size == 0 || !size_fits || !dgram__address_equal(&at[i].to, &at[0].to))
      return false;
    bytes += at[i].size;
    iov_count += at[i].iov_count;
  }
  return count <= limits->datagrams && at[0].size <= limits->segment && bytes <= limits->bytes &&
         iov_count <= limits->iov_count;
}

static unsigned longest_run(const struct dgram__datagram at[], unsigned available,
                            const struct dgram__gso_limits *limits) {
  unsigned longest = 1; /* a datagram alone may always be tried */
  for (unsigned count = 2; count <= available; count++)
    if (may_share(at, count, limits))
      longest = count;
  return longest;
}

static void make_random_queue(uint32_t *random) {
  static const uint32_t sizes[] = {0, 1, 99, 100, 100, 100, 100, 100, 1200, 30000};
  static const char *const hosts[] = {"127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1", "::1"};
  make_equal_queue(100, QUEUE);
  for (int i = 0; i < QUEUE; i++) {
    queue[i].size = sizes[random_below(random, COUNT(sizes))];
    queue[i].iov_count = 1 + random_below(random, 3);
    if (random_below(random, 4) == 0)
      queue[i].to = address_of(hosts[random_below(random, COUNT(hosts))], 53);
    if (random_below(random, 8) == 0)
      dgram__address_set_port(&queue[i].to, 54);
  }
}

static void runs_are_the_longest_that_obey_and_make_up_the_queue(void **state) {
  uint32_t random = 2026;
  for (int round = 0; round < 300; round++) {
    make_random_queue(&random);
    struct dgram__gso_limits limits = {.datagrams = 1 + random_below(&random, 8),
                                       .segment = random_below(&random, 2) ? UINT16_MAX : 100,
                                       .bytes = random_below(&random, 2) ? 65507 : 350,
                                       .iov_count = random_below(&random, 2) ? 1024 : 4};
    unsigned at = 0;
    while (at < QUEUE) {
      struct dgram__gso_batch run = run_at(&queue[at], QUEUE - at, &limits);
      assert_int_equal(run.datagrams, longest_run(&queue[at], QUEUE - at, &limits));
      uint32_t iov_count = 0;
      for (unsigned i = 0; i < run.datagrams; i++)
        iov_count += queue[at + i].iov_count;
      assert_int_equal(run.iov_count, iov_count);
      at += run.datagrams;
    }
    assert_int_equal(at, QUEUE);
  }
}

/* ---- kernels ---- */

static const struct {
  const char *release;
  bool corrupts;
} kernels[] = {
    {"6.18.44", false}, {"6.99.99", false},     {"7.0.0-rc1", true},   {"7.0-rc3", true},
    {"7.0.0", true},    {"7.0.9", true},        {"7.1-rc1", true},     {"7.1.0", true},
    {"7.1.4", true},    {"7.1.4-x", true},      {"7.1.2-amd64", true}, {"7.1.4+deb14-amd64", true},
    {"7.1.5", false},   {"7.1.5-amd64", false}, {"7.1.10", false},     {"7.1.45", false},
    {"7.2.0", false},   {"7.2-rc1", false},     {"7.10.1", false},     {"8.0.1", false},
    {"17.1.2", false},  {"5.7.1", false},       {"garbage", false},    {"", false},
    {"7", false},       {"v7.1.2", false},
};

static void only_the_releases_7_0_to_7_1_4_corrupt(void **state) {
  for (size_t i = 0; i < COUNT(kernels); i++)
    if (dgram__gso_kernel_corrupts(kernels[i].release) != kernels[i].corrupts)
      fail_msg("%s", kernels[i].release);
}

/* ---- refusals ---- */

enum { LARGEST = 1000 };

static const struct {
  const char *refused;
  const char *asked;
  bool same;
} hosts[] = {
    {"127.0.0.1", "127.0.0.1", true},
    {"127.0.0.1", "127.0.0.2", false},
    {"::1", "::1", true},
    {"2001:db8::1", "2001:db8:0:1::1:0", false}, /* of one hash: */
    {"2001:db8::1:2", "2001:db8::2:1", false},
    {"0.0.0.0", "::", false},
    {"::1", "0.0.0.1", false},
};

static void a_refusal_concerns_its_host_only_and_all_its_ports(void **state) {
  for (size_t i = 0; i < COUNT(hosts); i++) {
    struct dgram__gso_refusals refusals = {0};
    union dgram__address refused = address_of(hosts[i].refused, 53);
    union dgram__address asked = address_of(hosts[i].asked, 54);
    dgram__gso_refusals_add(&refusals, &refused, LARGEST, 1);
    uint32_t largest = dgram__gso_refusals_largest(&refusals, &asked, 2);
    if (largest != (hosts[i].same ? (uint32_t)LARGEST : UINT16_MAX))
      fail_msg("row %zu: %u", i, largest);
  }
}

/* Two hosts whose slots are one, found by trying. */
static void every_byte_of_an_ipv6_address_tells_hosts_apart(void **state) {
  union dgram__address first = address_of("2001:db8::1", 53);
  for (unsigned byte = 0; byte < 16; byte++)
    for (unsigned value = 1; value < 256; value++) {
      struct dgram__gso_refusals refusals = {0};
      union dgram__address other = first;
      other.v6.sin6_addr.s6_addr[byte] ^= (unsigned char)value;
      dgram__gso_refusals_add(&refusals, &first, LARGEST, 1);
      assert_int_equal(dgram__gso_refusals_largest(&refusals, &other, 2), UINT16_MAX);
    }
}

static void a_zone_tells_hosts_apart(void **state) {
  struct dgram__gso_refusals refusals = {0};
  union dgram__address first = address_of("fe80::1", 53);
  union dgram__address other = first;
  other.v6.sin6_scope_id = 7;
  dgram__gso_refusals_add(&refusals, &first, LARGEST, 1);
  assert_int_equal(dgram__gso_refusals_largest(&refusals, &other, 2), UINT16_MAX);
}

static void a_refusal_expires_after_ten_seconds(void **state) {
  const uint64_t end = 1 + 10 * UINT64_C(1000000000);
  struct dgram__gso_refusals refusals = {0};
  union dgram__address to = address_of("127.0.0.1", 53);
  dgram__gso_refusals_add(&refusals, &to, LARGEST, 1);
  assert_int_equal(dgram__gso_refusals_largest(&refusals, &to, end - 1), LARGEST);
  assert_int_equal(dgram__gso_refusals_largest(&refusals, &to, end), UINT16_MAX);
}

/* A connected socket has its peer in place of a destination. */
static void the_refusal_of_a_peer_is_forgotten_and_no_other(void **state) {
  struct dgram__gso_refusals refusals = {0};
  dgram__gso_refusals_add(&refusals, &dgram__address_unspec, LARGEST, 1);
  assert_int_equal(dgram__gso_refusals_largest(&refusals, &dgram__address_unspec, 2), LARGEST);
  dgram__gso_refusals_forget_peer(&refusals);
  assert_int_equal(dgram__gso_refusals_largest(&refusals, &dgram__address_unspec, 2), UINT16_MAX);
  union dgram__address same_slot = address_of("0.0.0.0", 53);
  dgram__gso_refusals_add(&refusals, &same_slot, LARGEST, 1);
  dgram__gso_refusals_forget_peer(&refusals);
  assert_int_equal(dgram__gso_refusals_largest(&refusals, &same_slot, 2), LARGEST);
}

static void two_hosts_of_one_slot_that_refuse_all_stand_for_all(void **state) {
  struct dgram__gso_refusals refusals = {0};
  union dgram__address first = address_of("0.0.0.0", 53);
  union dgram__address second = address_of("::", 53);
  union dgram__address third = address_of("127.0.0.1", 53);
  dgram__gso_refusals_add(&refusals, &first, 0, 1);
  dgram__gso_refusals_add(&refusals, &first, 0, 2); /* the same host again */
  assert_int_equal(dgram__gso_refusals_largest(&refusals, &third, 3), UINT16_MAX);
  dgram__gso_refusals_add(&refusals, &second, 1, 3); /* not all */
  assert_int_equal(dgram__gso_refusals_largest(&refusals, &third, 4), UINT16_MAX);
  dgram__gso_refusals_add(&refusals, &first, 0, 5); /* the one before did not refuse all */
  assert_int_equal(dgram__gso_refusals_largest(&refusals, &third, 6), UINT16_MAX);
  dgram__gso_refusals_add(&refusals, &second, 0, 7);
  assert_int_equal(dgram__gso_refusals_largest(&refusals, &third, 8), 0);
}

/* ---- pieces ---- */

static const struct {
  size_t size;
  size_t segment;
  size_t count;
  size_t pieces[4];
} buffers[] = {
    {0, 0, 1, {0}},                 /* an empty datagram is a datagram */
    {0, 100, 1, {0}},               /* also where they might have been joined */
    {100, 0, 1, {100}},             /* one datagram */
    {300, 100, 3, {100, 100, 100}}, /* no remainder, and no empty piece for it */
    {301, 100, 4, {100, 100, 100, 1}},
    {299, 100, 3, {100, 100, 99}},
    {100, 100, 1, {100}},
    {99, 100, 1, {99}}, /* a segment larger than the data */
    {65535, 65535, 1, {65535}},
    {3, 1, 3, {1, 1, 1}},
};

static void a_buffer_falls_into_segments_and_a_remainder(void **state) {
  for (size_t i = 0; i < COUNT(buffers); i++) {
    size_t left = buffers[i].size;
    for (size_t j = 0; j < buffers[i].count; j++) {
      size_t size = dgram__gro_first_size(left, (int)buffers[i].segment);
      assert_int_equal(size, buffers[i].pieces[j]);
      left -= size;
    }
    assert_int_equal(left, 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_run_is_of_one_size_but_a_shorter_last_one),
      cmocka_unit_test(a_run_goes_to_one_address_and_port),
      cmocka_unit_test(a_run_to_IPv6_goes_to_one_zone),
      cmocka_unit_test(a_run_keeps_every_limit),
      cmocka_unit_test(a_shorter_last_one_counts_its_own_bytes),
      cmocka_unit_test(lists_of_buffers_count_with_all_their_parts),
      cmocka_unit_test(the_queue_beyond_what_is_available_is_not_looked_at),
      cmocka_unit_test(runs_are_the_longest_that_obey_and_make_up_the_queue),
      cmocka_unit_test(only_the_releases_7_0_to_7_1_4_corrupt),
      cmocka_unit_test(a_refusal_concerns_its_host_only_and_all_its_ports),
      cmocka_unit_test(every_byte_of_an_ipv6_address_tells_hosts_apart),
      cmocka_unit_test(a_zone_tells_hosts_apart),
      cmocka_unit_test(a_refusal_expires_after_ten_seconds),
      cmocka_unit_test(the_refusal_of_a_peer_is_forgotten_and_no_other),
      cmocka_unit_test(two_hosts_of_one_slot_that_refuse_all_stand_for_all),
      cmocka_unit_test(a_buffer_falls_into_segments_and_a_remainder),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
