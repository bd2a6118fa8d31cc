/* Control messages: written so that the kernel reads them, and read within their bounds. */
#include "cmsg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dgram.h>

#include "unit/random.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- writing ---- */

static void the_segment_is_one_control_message_with_a_uint16(void **state) {
  static const uint16_t segments[] = {1, 255, 256, 1200, 65535};
  for (size_t i = 0; i < COUNT(segments); i++) {
    struct dgram__cmsg_out control;
    memset(&control, 0xaa, sizeof control);
    struct msghdr message = {.msg_flags = 0};
    dgram__cmsg_set_segment(&message, &control, segments[i]);

    assert_ptr_equal(message.msg_control, &control);
    assert_int_equal(message.msg_controllen, CMSG_SPACE(sizeof(uint16_t)));
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    assert_non_null(header);
    assert_int_equal(header->cmsg_level, IPPROTO_UDP);
    assert_int_equal(header->cmsg_type, UDP_SEGMENT);
    assert_int_equal(header->cmsg_len, CMSG_LEN(sizeof(uint16_t)));
    assert_memory_equal(CMSG_DATA(header), &segments[i], sizeof(uint16_t));
    assert_null(CMSG_NXTHDR(&message, header));
  }
}

/* Those behind the number too: the kernel is handed all of them, and valgrind asks. */
static void no_byte_of_it_is_left_as_it_was(void **state) {
  struct dgram__cmsg_out zeros;
  struct dgram__cmsg_out ones;
  memset(&zeros, 0, sizeof zeros);
  memset(&ones, 0xff, sizeof ones);
  struct msghdr message = {.msg_flags = 0};
  dgram__cmsg_set_segment(&message, &zeros, 1200);
  dgram__cmsg_set_segment(&message, &ones, 1200);
  assert_memory_equal(&zeros, &ones, sizeof zeros);
}

/* ---- reading ---- */

/* Received control messages: a buffer that a test fills. */
struct received {
  _Alignas(struct cmsghdr) char bytes[256];
  struct msghdr message;
};

static void receive_nothing(struct received *received) {
  memset(received, 0, sizeof *received);
  received->message.msg_control = received->bytes;
}

static void receive(struct received *received, int level, int type, const void *data, size_t size) {
  struct cmsghdr *header =
      (struct cmsghdr *)(void *)(received->bytes + received->message.msg_controllen);
  *header = (struct cmsghdr){
      .cmsg_level = level, .cmsg_type = type, .cmsg_len = (socklen_t)CMSG_LEN(size)};
  memcpy(CMSG_DATA(header), data, size);
  received->message.msg_controllen += (socklen_t)CMSG_SPACE(size);
}

static void receive_int(struct received *received, int level, int type, int value) {
  receive(received, level, type, &value, sizeof value);
}

static void without_control_message_it_is_one_datagram(void **state) {
  struct msghdr message = {.msg_flags = 0};
  assert_int_equal(dgram__cmsg_segment(&message), 0);
  struct received received;
  receive_nothing(&received);
  assert_int_equal(dgram__cmsg_segment(&received.message), 0);
}

static const struct {
  int level;
  int type;
  int value;
  int segment;
} singles[] = {
    {IPPROTO_UDP, UDP_GRO, 1200, 1200},   {IPPROTO_UDP, UDP_GRO, 1, 1},
    {IPPROTO_UDP, UDP_GRO, 65535, 65535}, {IPPROTO_UDP, UDP_GRO, 0, 0},
    {IPPROTO_UDP, UDP_GRO, -1200, 0},     {IPPROTO_UDP, UDP_SEGMENT, 1200, 0},
    {SOL_SOCKET, UDP_GRO, 1200, 0},       {IPPROTO_IP, UDP_GRO, 1200, 0},
};

static void the_segment_is_read_from_the_message_of_its_level_and_type(void **state) {
  for (size_t i = 0; i < COUNT(singles); i++) {
    struct received received;
    receive_nothing(&received);
    receive_int(&received, singles[i].level, singles[i].type, singles[i].value);
    assert_int_equal(dgram__cmsg_segment(&received.message), singles[i].segment);
  }
}

static void the_segment_is_found_among_others(void **state) {
  struct received received;
  receive_nothing(&received);
  receive(&received, SOL_SOCKET, SO_TIMESTAMP, "sixteen bytes...", 16);
  receive(&received, IPPROTO_IP, IP_TOS, "", 1);
  receive_int(&received, IPPROTO_UDP, UDP_GRO, 1200);
  receive_int(&received, IPPROTO_IP, IP_TTL, 64);
  assert_int_equal(dgram__cmsg_segment(&received.message), 1200);
}

static void one_that_is_too_short_for_an_int_is_passed_over(void **state) {
  struct received received;
  receive_nothing(&received);
  receive(&received, IPPROTO_UDP, UDP_GRO, "\x01\x02\x03", 3);
  assert_int_equal(dgram__cmsg_segment(&received.message), 0);
  receive_int(&received, IPPROTO_UDP, UDP_GRO, 1200);
  assert_int_equal(dgram__cmsg_segment(&received.message), 1200);
}

static void a_list_that_was_cut_off_without_the_segment_is_EMSGSIZE(void **state) {
  struct received received;
  receive_nothing(&received);
  received.message.msg_flags = MSG_CTRUNC;
  assert_int_equal(dgram__cmsg_segment(&received.message), UV_EMSGSIZE);
  receive_int(&received, IPPROTO_IP, IP_TTL, 64);
  assert_int_equal(dgram__cmsg_segment(&received.message), UV_EMSGSIZE);
  receive(&received, IPPROTO_UDP, UDP_GRO, "\x01\x02\x03", 3); /* it is the one */
  assert_int_equal(dgram__cmsg_segment(&received.message), UV_EMSGSIZE);
}

static void a_list_that_was_cut_off_behind_the_segment_says_it(void **state) {
  struct received received;
  receive_nothing(&received);
  received.message.msg_flags = MSG_CTRUNC;
  receive_int(&received, IPPROTO_UDP, UDP_GRO, 1200);
  assert_int_equal(dgram__cmsg_segment(&received.message), 1200);
  receive(&received, IPPROTO_IP, IP_TTL, "", 1);
  assert_int_equal(dgram__cmsg_segment(&received.message), 1200);
}

static void other_flags_do_not_matter(void **state) {
  struct received received;
  receive_nothing(&received);
  receive_int(&received, IPPROTO_UDP, UDP_GRO, 1200);
  received.message.msg_flags = MSG_TRUNC | MSG_OOB | MSG_CMSG_CLOEXEC;
  assert_int_equal(dgram__cmsg_segment(&received.message), 1200);
}

/* ---- reading what no kernel writes ---- */

/* The value stands where the message says, but behind the end of the buffer. */
static void a_message_that_goes_on_behind_the_buffer_is_not_read(void **state) {
  struct received received;
  receive_nothing(&received);
  receive_int(&received, IPPROTO_UDP, UDP_GRO, 1200);
  received.message.msg_controllen = CMSG_LEN(sizeof(int)) - 1;
  assert_true(dgram__cmsg_segment(&received.message) <= 0);
  received.message.msg_controllen = sizeof(struct cmsghdr);
  assert_true(dgram__cmsg_segment(&received.message) <= 0);

  receive_nothing(&received);
  receive_int(&received, IPPROTO_IP, IP_TTL, 64);
  receive_int(&received, IPPROTO_UDP, UDP_GRO, 1200);
  received.message.msg_controllen -= (socklen_t)(CMSG_SPACE(sizeof(int)) - sizeof(struct cmsghdr));
  assert_true(dgram__cmsg_segment(&received.message) <= 0);
}

static void lengths_out_of_all_proportion_end_the_list(void **state) {
  static const size_t lengths[] = {
      0, 1, sizeof(struct cmsghdr) - 1, 57, 1000, SIZE_MAX / 2, SIZE_MAX - 100, SIZE_MAX};
  for (size_t i = 0; i < COUNT(lengths); i++) {
    struct received received;
    receive_nothing(&received);
    receive_int(&received, IPPROTO_IP, IP_TTL, 64);
    ((struct cmsghdr *)(void *)received.bytes)->cmsg_len = (socklen_t)lengths[i];
    receive_int(&received, IPPROTO_UDP, UDP_GRO, 1200);
    assert_int_equal(dgram__cmsg_segment(&received.message), 0);
  }
}

static void the_data_of_a_message_ends_with_it_and_with_the_buffer(void **state) {
  static const struct {
    size_t length; /* of the message, as its header says */
    size_t room;   /* of the buffer */
    size_t size;
  } rows[] = {{0, CMSG_LEN(8), 0},           {CMSG_LEN(0) - 1, CMSG_LEN(8), 0},
              {CMSG_LEN(0), CMSG_LEN(8), 0}, {CMSG_LEN(1), CMSG_LEN(8), 1},
              {CMSG_LEN(8), CMSG_LEN(8), 8}, {CMSG_LEN(9), CMSG_LEN(8), 8},
              {SIZE_MAX, CMSG_LEN(8), 8},    {CMSG_LEN(8), CMSG_LEN(7), 7}};
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct received received;
    receive_nothing(&received);
    receive_int(&received, IPPROTO_IP, IP_TTL, 64);
    struct cmsghdr *header = (struct cmsghdr *)(void *)received.bytes;
    header->cmsg_len = rows[i].length;
    received.message.msg_controllen = rows[i].room;
    assert_int_equal(dgram__cmsg_size(&received.message, header), rows[i].size);
  }
}

/* Bytes at random, with here and there a header that makes the reader look closer. */
static void scramble(char *bytes, size_t size, uint32_t *random) {
  for (size_t i = 0; i < size; i++)
    bytes[i] = (char)random_next(random);
  for (size_t at = 0; at + sizeof(struct cmsghdr) <= size; at += 8) {
    struct cmsghdr header = {.cmsg_level = IPPROTO_UDP, .cmsg_type = UDP_GRO};
    header.cmsg_len =
        (socklen_t)(random_below(random, 3) ? random_below(random, 40) : random_next(random));
    if (random_below(random, 3) == 0)
      header.cmsg_type = UDP_SEGMENT;
    if (random_below(random, 2) == 0)
      memcpy(bytes + at, &header, sizeof header);
  }
}

/* The sanitizers and valgrind see a byte read outside: the memory is exactly as long as told. */
static void no_bytes_whatever_make_it_read_outside(void **state) {
  uint32_t random = 2026;
  for (int round = 0; round < 20000; round++) {
    size_t size = random_below(&random, 80);
    char *bytes = malloc(size);
    if (bytes == NULL)
      continue;
    scramble(bytes, size, &random);
    struct msghdr message = {.msg_control = bytes, .msg_controllen = (socklen_t)size};
    assert_true(dgram__cmsg_segment(&message) >= 0);
    free(bytes);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_segment_is_one_control_message_with_a_uint16),
      cmocka_unit_test(no_byte_of_it_is_left_as_it_was),
      cmocka_unit_test(without_control_message_it_is_one_datagram),
      cmocka_unit_test(the_segment_is_read_from_the_message_of_its_level_and_type),
      cmocka_unit_test(the_segment_is_found_among_others),
      cmocka_unit_test(one_that_is_too_short_for_an_int_is_passed_over),
      cmocka_unit_test(a_list_that_was_cut_off_without_the_segment_is_EMSGSIZE),
      cmocka_unit_test(a_list_that_was_cut_off_behind_the_segment_says_it),
      cmocka_unit_test(other_flags_do_not_matter),
      cmocka_unit_test(a_message_that_goes_on_behind_the_buffer_is_not_read),
      cmocka_unit_test(lengths_out_of_all_proportion_end_the_list),
      cmocka_unit_test(the_data_of_a_message_ends_with_it_and_with_the_buffer),
      cmocka_unit_test(no_bytes_whatever_make_it_read_outside),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
