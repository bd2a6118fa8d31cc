/* Frames: each is read as it was written, and nothing else is read. */
#include "frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unit/random.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* A frame in which everything is said, and its bytes. They change with the version, if at all. */

static const unsigned char full_bytes[DGRAM__FRAME_SIZE] = {
    1,    2,    6,    3,                            /* version, kind, family, flags */
    1,    2,    3,    4,    0xff, 0xff, 0xff, 0x9e, /* number, status */
    0x11, 0x12, 0x13, 0x14,                         /* fd */
    0xa1, 0x06, 0,    0,    0x21, 0x22, 0x23, 0x24, /* port, zero, zone */
    0xfe, 0x80, 2,    3,    4,    5,    6,    7,    /* host */
    8,    9,    10,   11,   12,   13,   14,   15};

static const unsigned char v4_bytes[DGRAM__FRAME_SIZE] = {
    [0] = 1, [1] = 2, [2] = 4, [16] = 0xa1, [17] = 0x06, [24] = 127, [27] = 1};

static const unsigned char plain_bytes[DGRAM__FRAME_SIZE] = {[0] = 1, [1] = 1};

static struct dgram__frame full_frame(void) {
  struct dgram__frame frame = {.kind = DGRAM__FRAME_REQUEST,
                               .number = 0x01020304,
                               .status = -98,
                               .fd = 0x11121314,
                               .reuse_addr = true,
                               .ipv6_only = true};
  dgram__address_any(&frame.address, AF_INET6, 41222);
  memcpy(&frame.address.v6.sin6_addr, full_bytes + 24, sizeof frame.address.v6.sin6_addr);
  frame.address.v6.sin6_scope_id = 0x21222324;
  return frame;
}

static bool are_equal(const struct dgram__frame *a, const struct dgram__frame *b) {
  return a->kind == b->kind && a->number == b->number && a->status == b->status && a->fd == b->fd &&
         a->reuse_addr == b->reuse_addr && a->ipv6_only == b->ipv6_only &&
         dgram__address_equal(&a->address, &b->address);
}

/* ---- what is written is read ---- */

static void assert_round_trip(const struct dgram__frame *frame) {
  unsigned char bytes[DGRAM__FRAME_SIZE];
  struct dgram__frame read;
  memset(bytes, 0xaa, sizeof bytes);
  memset(&read, 0xaa, sizeof read);
  dgram__frame_write(frame, bytes);
  assert_true(dgram__frame_read(&read, bytes));
  assert_true(are_equal(&read, frame));
}

static void every_kind_is_read_as_it_was_written(void **state) {
  for (int kind = 1; kind < DGRAM__FRAME_KINDS; kind++) {
    struct dgram__frame frame = full_frame();
    frame.kind = kind;
    assert_round_trip(&frame);
    assert_round_trip(&(struct dgram__frame){.kind = kind});
  }
}

static void so_are_the_smallest_and_the_largest_numbers(void **state) {
  static const uint32_t numbers[] = {0, 1, INT32_MAX, UINT32_MAX};
  static const int32_t statuses[] = {0, -1, INT32_MIN};
  static const int32_t fds[] = {0, 1, INT32_MAX};
  struct dgram__frame frame = {.kind = DGRAM__FRAME_REPLY};
  for (size_t i = 0; i < COUNT(numbers); i++) {
    frame.number = numbers[i];
    assert_round_trip(&frame);
  }
  for (size_t i = 0; i < COUNT(statuses); i++) {
    frame.status = statuses[i];
    assert_round_trip(&frame);
  }
  for (size_t i = 0; i < COUNT(fds); i++) {
    frame.fd = fds[i];
    assert_round_trip(&frame);
  }
}

static void so_are_both_families_and_none(void **state) {
  static const char *const texts[] = {
      "0.0.0.0", "127.0.0.1", "255.255.255.255", "::", "::1", "fe80::1%1", "::ffff:1.2.3.4"};
  struct dgram__frame frame = {.kind = DGRAM__FRAME_REQUEST};
  assert_round_trip(&frame);
  for (size_t i = 0; i < COUNT(texts); i++) {
    assert_true(dgram__address_parse(&frame.address, texts[i], i % 2 == 0 ? 0 : 65535));
    assert_round_trip(&frame);
  }
}

static void the_bytes_are_these(void **state) {
  unsigned char bytes[DGRAM__FRAME_SIZE];
  struct dgram__frame frame = full_frame();
  dgram__frame_write(&frame, bytes);
  assert_memory_equal(bytes, full_bytes, sizeof bytes);

  frame = (struct dgram__frame){.kind = DGRAM__FRAME_REQUEST};
  dgram__address_loopback(&frame.address, AF_INET, 41222);
  dgram__frame_write(&frame, bytes);
  assert_memory_equal(bytes, v4_bytes, sizeof bytes);
}

/* ---- what is not well formed is not read ---- */

static bool is_read(const unsigned char bytes[DGRAM__FRAME_SIZE]) {
  struct dgram__frame frame;
  return dgram__frame_read(&frame, bytes);
}

/* Whether a frame is read that has another byte in one place. */
static bool is_read_with(const unsigned char like[DGRAM__FRAME_SIZE], size_t at, int byte) {
  unsigned char bytes[DGRAM__FRAME_SIZE];
  memcpy(bytes, like, sizeof bytes);
  bytes[at] = (unsigned char)byte;
  return is_read(bytes);
}

static void the_examples_themselves_are_read(void **state) {
  assert_true(is_read(full_bytes));
  assert_true(is_read(v4_bytes));
  assert_true(is_read(plain_bytes));
}

static void other_versions_kinds_families_and_flags_are_refused(void **state) {
  for (int byte = 0; byte <= UINT8_MAX; byte++) {
    assert_int_equal(is_read_with(full_bytes, 0, byte), byte == DGRAM__FRAME_VERSION);
    assert_int_equal(is_read_with(full_bytes, 1, byte), byte > 0 && byte < DGRAM__FRAME_KINDS);
    assert_int_equal(is_read_with(plain_bytes, 2, byte), byte == 0 || byte == 4 || byte == 6);
    assert_int_equal(is_read_with(full_bytes, 3, byte), byte < 4);
  }
}

static void a_status_above_zero_and_a_descriptor_below_are_refused(void **state) {
  for (int byte = 0; byte <= UINT8_MAX; byte++) {
    assert_int_equal(is_read_with(full_bytes, 8, byte), byte >= 0x80);
    assert_int_equal(is_read_with(full_bytes, 12, byte), byte < 0x80);
  }
  assert_false(is_read_with(plain_bytes, 11, 1));
}

/* Each byte of the range, alone, makes the frame none. */
static void assert_refused_in(const unsigned char like[DGRAM__FRAME_SIZE], size_t begin,
                              size_t end) {
  for (size_t at = begin; at < end; at++)
    for (int byte = 1; byte <= UINT8_MAX; byte++)
      assert_false(is_read_with(like, at, byte));
}

static void bytes_that_say_nothing_must_be_zero(void **state) {
  assert_refused_in(full_bytes, 18, 20);                 /* behind the port */
  assert_refused_in(v4_bytes, 18, 24);                   /* IPv4 has no zone */
  assert_refused_in(v4_bytes, 28, DGRAM__FRAME_SIZE);    /* and no more than 4 bytes */
  assert_refused_in(plain_bytes, 16, DGRAM__FRAME_SIZE); /* no family, no address */
}

/* ---- bytes at random ---- */

/* Mostly a good beginning, or hardly any of them would be read. */
static void scramble(unsigned char bytes[DGRAM__FRAME_SIZE], uint32_t *random) {
  static const unsigned char *const likes[] = {full_bytes, v4_bytes, plain_bytes};
  memcpy(bytes, likes[random_below(random, COUNT(likes))], DGRAM__FRAME_SIZE);
  for (uint32_t changes = random_below(random, 4); changes > 0; changes--)
    bytes[random_below(random, DGRAM__FRAME_SIZE)] = (unsigned char)random_next(random);
}

static void whatever_is_read_is_written_as_it_was(void **state) {
  uint32_t random = 2026;
  unsigned char bytes[DGRAM__FRAME_SIZE];
  unsigned char again[DGRAM__FRAME_SIZE];
  int read = 0;
  for (int round = 0; round < 100000; round++) {
    struct dgram__frame frame;
    scramble(bytes, &random);
    if (!dgram__frame_read(&frame, bytes))
      continue;
    read++;
    dgram__frame_write(&frame, again);
    assert_memory_equal(again, bytes, sizeof bytes);
  }
  assert_in_range(read, 10000, 90000); /* it did try both */
}

static void one_changed_bit_makes_another_frame_or_none(void **state) {
  struct dgram__frame frame = full_frame();
  for (size_t bit = 0; bit < 8 * sizeof full_bytes; bit++) {
    unsigned char bytes[DGRAM__FRAME_SIZE];
    struct dgram__frame other;
    memcpy(bytes, full_bytes, sizeof bytes);
    bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    if (dgram__frame_read(&other, bytes))
      assert_false(are_equal(&other, &frame));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_kind_is_read_as_it_was_written),
      cmocka_unit_test(so_are_the_smallest_and_the_largest_numbers),
      cmocka_unit_test(so_are_both_families_and_none),
      cmocka_unit_test(the_bytes_are_these),
      cmocka_unit_test(the_examples_themselves_are_read),
      cmocka_unit_test(other_versions_kinds_families_and_flags_are_refused),
      cmocka_unit_test(a_status_above_zero_and_a_descriptor_below_are_refused),
      cmocka_unit_test(bytes_that_say_nothing_must_be_zero),
      cmocka_unit_test(whatever_is_read_is_written_as_it_was),
      cmocka_unit_test(one_changed_bit_makes_another_frame_or_none),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
