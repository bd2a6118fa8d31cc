/*
 * The limit by source, with a clock of the test: against a model in which each source has buckets
 * of its own in floating point, and a list of sources by their last use.
 */
#include "rate_limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "unit/random.h"

#define SECOND UINT64_C(1000000000)

static const uint64_t seed_of_hash[2] = {1, 2};

static struct dgram__ip ip_of(const char *text) {
  union dgram__address address;
  assert_true(dgram__address_parse(&address, text, 0));
  return dgram__ip_of(&address);
}

static dgram_rate_options_t packets(uint32_t per_second, uint32_t burst, uint32_t sources) {
  dgram_rate_options_t options = dgram_default_rate_options();
  options.packets_per_second = per_second;
  options.packets_burst = burst;
  options.sources = sources;
  return options;
}

static struct dgram__rate_limit *new_limit(dgram_rate_options_t options) {
  assert_true(dgram__rate_is_valid(&options));
  struct dgram__rate_limit *limit = dgram__rate_limit_new(&options, seed_of_hash);
  assert_non_null(limit);
  return limit;
}

static unsigned take(struct dgram__rate_limit *limit, const char *from, uint64_t now) {
  return dgram__rate_limit_take(limit, ip_of(from), now, 100, 0);
}

static void a_source_has_its_burst_and_then_its_rate(void **state) {
  struct dgram__rate_limit *limit = new_limit(packets(10, 3, 8));
  for (unsigned i = 0; i < 3; i++)
    assert_int_equal(take(limit, "192.0.2.1", 0), 1);
  assert_int_equal(take(limit, "192.0.2.1", 0), 0);
  assert_int_equal(take(limit, "192.0.2.1", SECOND / 10 - 1), 0);
  assert_int_equal(take(limit, "192.0.2.1", SECOND / 10), 1);
  assert_int_equal(take(limit, "192.0.2.1", SECOND / 10), 0);
  assert_int_equal(take(limit, "192.0.2.2", SECOND / 10), 1); /* another source */
  for (unsigned i = 0; i < 3; i++)
    assert_int_equal(take(limit, "192.0.2.1", SECOND * 1000), 1);
  assert_int_equal(take(limit, "192.0.2.1", SECOND * 1000), 0);
  free(limit);
}

/* What a nanosecond is worth at 3 a second is no whole number; nothing of it is lost. */
static void nothing_is_lost_by_rounding(void **state) {
  struct dgram__rate_limit *limit = new_limit(packets(3, 1, 8));
  unsigned taken = 0;
  for (uint64_t now = 0; now < 100 * SECOND; now += 999983)
    taken += take(limit, "192.0.2.1", now);
  assert_int_equal(taken, 300);
  free(limit);
}

static void the_largest_numbers_do_not_overflow(void **state) {
  dgram_rate_options_t options = packets(UINT32_MAX, UINT32_MAX, 1);
  options.bytes_per_second = UINT32_MAX;
  options.bytes_burst = UINT32_MAX;
  struct dgram__rate_limit *limit = new_limit(options);
  assert_int_equal(dgram__rate_limit_take(limit, ip_of("::1"), 0, 64000, 1000), 64);
  assert_int_equal(dgram__rate_limit_take(limit, ip_of("::1"), UINT64_MAX, 64000, 1000), 64);
  assert_int_equal(dgram__rate_limit_take(limit, ip_of("::1"), 0, 64000, 1000), 64); /* back */
  free(limit);
  limit = new_limit(packets(2, 2, 1));
  assert_int_equal(take(limit, "::1", 0) + take(limit, "::1", 0) + take(limit, "::1", 0), 2);
  assert_int_equal(take(limit, "::1", UINT64_C(1) << 63), 1); /* twice that is 0 in 64 bits */
  free(limit);
}

static void datagrams_that_came_together_are_counted_one_by_one(void **state) {
  struct dgram__rate_limit *limit = new_limit(packets(10, 5, 8));
  assert_int_equal(dgram__rate_limit_take(limit, ip_of("192.0.2.1"), 0, 250, 100), 3);
  assert_int_equal(dgram__rate_limit_take(limit, ip_of("192.0.2.1"), 0, 300, 100), 2);
  assert_int_equal(dgram__rate_limit_take(limit, ip_of("192.0.2.1"), 0, 0, 0), 0);
  assert_int_equal(dgram__rate_limit_take(limit, ip_of("192.0.2.1"), SECOND / 10, 0, 0), 1);
  free(limit);
}

static void bytes_are_limited(void **state) {
  dgram_rate_options_t options = dgram_default_rate_options();
  options.bytes_per_second = 1000;
  options.bytes_burst = 500;
  struct dgram__rate_limit *limit = new_limit(options);
  struct dgram__ip from = ip_of("192.0.2.1");
  assert_int_equal(dgram__rate_limit_take(limit, from, 0, 501, 0), 0);
  assert_int_equal(dgram__rate_limit_take(limit, from, 0, 350, 100), 4);
  assert_int_equal(dgram__rate_limit_take(limit, from, 0, 300, 100), 1);
  assert_int_equal(dgram__rate_limit_take(limit, from, 0, 51, 0), 0);
  assert_int_equal(dgram__rate_limit_take(limit, from, 0, 50, 0), 1);
  assert_int_equal(dgram__rate_limit_take(limit, from, 0, 0, 0), 1); /* of no bytes */
  assert_int_equal(dgram__rate_limit_take(limit, from, SECOND / 100, 11, 0), 0);
  assert_int_equal(dgram__rate_limit_take(limit, from, SECOND / 100, 10, 0), 1);
  free(limit);
}

static void a_datagram_needs_both_kinds_of_tokens(void **state) {
  dgram_rate_options_t options = packets(1, 2, 8);
  options.bytes_per_second = 1;
  options.bytes_burst = 250;
  struct dgram__rate_limit *limit = new_limit(options);
  assert_int_equal(dgram__rate_limit_take(limit, ip_of("192.0.2.1"), 0, 300, 0), 0);
  assert_int_equal(dgram__rate_limit_take(limit, ip_of("192.0.2.1"), 0, 300, 100), 2);
  assert_int_equal(dgram__rate_limit_take(limit, ip_of("192.0.2.1"), 0, 1, 0), 0);
  free(limit);
}

static void the_default_burst_takes_any_datagram(void **state) {
  dgram_rate_options_t options = dgram_default_rate_options();
  options.bytes_per_second = 1;
  struct dgram__rate_limit *limit = new_limit(options);
  assert_int_equal(dgram__rate_limit_take(limit, ip_of("192.0.2.1"), 0, 65527, 0), 1);
  assert_int_equal(dgram__rate_limit_take(limit, ip_of("192.0.2.1"), 0, 10, 0), 0);
  free(limit);
}

static void addresses_with_one_prefix_are_one_source(void **state) {
  dgram_rate_options_t options = packets(1, 1, 8);
  options.ipv4_prefix = 24;
  struct dgram__rate_limit *limit = new_limit(options);
  assert_int_equal(take(limit, "192.0.2.1", 0), 1);
  assert_int_equal(take(limit, "192.0.2.255", 0), 0);
  assert_int_equal(take(limit, "::ffff:192.0.2.7", 0), 0);
  assert_int_equal(take(limit, "192.0.3.1", 0), 1);
  assert_int_equal(take(limit, "2001:db8::1", 0), 1);
  assert_int_equal(take(limit, "2001:db8::ffff:1", 0), 0);
  assert_int_equal(take(limit, "2001:db8:0:1::1", 0), 1);
  free(limit);
}

static void the_source_that_was_silent_longest_loses_its_place(void **state) {
  struct dgram__rate_limit *limit = new_limit(packets(1, 1, 2));
  assert_int_equal(take(limit, "192.0.2.1", 0), 1);
  assert_int_equal(take(limit, "192.0.2.2", 0), 1);
  assert_int_equal(take(limit, "192.0.2.1", 0), 0); /* now 2 was silent longest */
  assert_int_equal(dgram__rate_limit_evictions(limit), 0);
  assert_int_equal(take(limit, "192.0.2.3", 0), 1);
  assert_int_equal(dgram__rate_limit_evictions(limit), 1);
  assert_int_equal(take(limit, "192.0.2.1", 0), 0);
  assert_int_equal(take(limit, "192.0.2.2", 0), 1); /* it is new again */
  assert_int_equal(dgram__rate_limit_evictions(limit), 2);
  free(limit);
}

static void options_out_of_range_are_invalid(void **state) {
  dgram_rate_options_t options = dgram_default_rate_options();
  assert_false(dgram__rate_is_valid(&options)); /* no limit */
  options.packets_per_second = 1;
  assert_true(dgram__rate_is_valid(&options));
#define INVALID(member, value)                \
  do {                                        \
    dgram_rate_options_t bad = options;       \
    bad.member = (value);                     \
    assert_false(dgram__rate_is_valid(&bad)); \
  } while (0)
  INVALID(ipv4_prefix, 0);
  INVALID(ipv4_prefix, 33);
  INVALID(ipv6_prefix, 0);
  INVALID(ipv6_prefix, 129);
  INVALID(sources, 0);
  INVALID(sources, DGRAM__RATE_MAX_SOURCES + 1);
}

/* ---- random ---- */

enum { ADDRESSES = 40, PLACES = 16 };

struct model_source {
  bool known;
  uint64_t used; /* the number of the call */
  uint64_t at;
  long double packets;
  long double bytes;
};

static long double least(long double a, long double b) {
  return a < b ? a : b;
}

static void model_make_room(struct model_source sources[], unsigned *known, uint64_t *evictions) {
  struct model_source *oldest = NULL;
  if (*known < PLACES)
    return;
  for (unsigned i = 0; i < ADDRESSES; i++)
    if (sources[i].known && (oldest == NULL || sources[i].used < oldest->used))
      oldest = &sources[i];
  assert_non_null(oldest);
  oldest->known = false;
  --*known;
  ++*evictions;
}

static void a_walk_agrees_with_a_model(void **state) {
  static struct model_source sources[ADDRESSES];
  dgram_rate_options_t options = packets(7000, 40, PLACES);
  options.bytes_per_second = 900000;
  options.bytes_burst = 9000;
  struct dgram__rate_limit *limit = new_limit(options);
  uint32_t random = 5;
  uint64_t now = 0, evictions = 0;
  unsigned known = 0, passed = 0, dropped = 0;
  for (uint64_t call = 1; call < 200000; call++) {
    now += random_below(&random, 8) == 0 ? random_below(&random, 3000000) : 1000;
    unsigned i = random_below(&random, random_below(&random, 4) == 0 ? ADDRESSES : PLACES);
    struct model_source *source = &sources[i];
    unsigned count = 1 + random_below(&random, 20);
    size_t segment = 1 + random_below(&random, 400);
    size_t size = segment * (count - 1) + 1 + random_below(&random, (uint32_t)segment);
    if (!source->known) {
      model_make_room(sources, &known, &evictions);
      known++;
      *source = (struct model_source){.known = true, .at = now, .packets = 40, .bytes = 9000};
    }
    long double seconds = (long double)(now - source->at) / SECOND;
    source->packets = least(40, source->packets + seconds * 7000);
    source->bytes = least(9000, source->bytes + seconds * 900000);
    source->at = now;
    source->used = call;
    unsigned expected = 0;
    const long double rounding = 1e-9L;
    while (expected < count) {
      size_t bytes = expected + 1 == count ? size : (expected + 1) * segment;
      if (expected + 1 > source->packets + rounding || bytes > source->bytes + rounding)
        break;
      expected++;
    }
    source->packets -= expected;
    source->bytes -= expected == count ? size : expected * segment;
    struct dgram__ip from = {0, UINT64_C(0xffff) << 32 | i};
    assert_int_equal(dgram__rate_limit_take(limit, from, now, size, segment), expected);
    passed += expected;
    dropped += count - expected;
  }
  assert_int_equal(dgram__rate_limit_evictions(limit), evictions);
  assert_true(evictions > 1000 && passed > 1000 && dropped > 1000);
  free(limit);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_source_has_its_burst_and_then_its_rate),
      cmocka_unit_test(nothing_is_lost_by_rounding),
      cmocka_unit_test(the_largest_numbers_do_not_overflow),
      cmocka_unit_test(datagrams_that_came_together_are_counted_one_by_one),
      cmocka_unit_test(bytes_are_limited),
      cmocka_unit_test(a_datagram_needs_both_kinds_of_tokens),
      cmocka_unit_test(the_default_burst_takes_any_datagram),
      cmocka_unit_test(addresses_with_one_prefix_are_one_source),
      cmocka_unit_test(the_source_that_was_silent_longest_loses_its_place),
      cmocka_unit_test(options_out_of_range_are_invalid),
      cmocka_unit_test(a_walk_agrees_with_a_model),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
