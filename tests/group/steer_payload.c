/* DGRAM_STEER_PAYLOAD: a number in the datagram says which socket gets it. */
#include "group_test.h"

enum { THREADS = 3 };

static dgram_group_t *start_steered(int offset, int width) {
  dgram_options_t socket = dgram_default_options(DGRAM_UDP4);
  dgram_group_options_t options = answering(&socket, THREADS);
  options.steer = DGRAM_STEER_PAYLOAD;
  options.payload_offset = offset;
  options.payload_width = width;
  return start_group(&options);
}

static void the_number_counts_whoever_sends(void **state) {
  dgram_group_t *group = start_steered(0, 1);
  int port = port_of_group(group);
  for (int number = 0; number < 256; number++) {
    unsigned char byte = (unsigned char)number;
    int fd = raw_socket(); /* a port of its own each time */
    assert_int_equal(ask(fd, &byte, 1, port), number % THREADS);
    close(fd);
  }
  stop_group(group);
}

/* The bytes before and behind would lead elsewhere. */
static void it_may_be_wide_and_anywhere(void **state) {
  static const struct {
    int width;
    unsigned char bytes[6]; /* from offset 1 on */
    unsigned long number;
  } cases[] = {
      {1, {1, 200, 1, 1, 1, 1}, 200},
      {2, {1, 0x12, 0x35, 1, 1, 1}, 0x1235},
      {2, {1, 0xff, 0xfe, 0, 0, 0}, 0xfffe},
      {4, {1, 0x12, 0x34, 0x56, 0x79, 1}, 0x12345679},
      {4, {1, 0xff, 0xff, 0xff, 0xfe, 0}, 0xfffffffe},
  };
  int fd = raw_socket();
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    dgram_group_t *group = start_steered(1, cases[i].width);
    assert_int_equal(ask(fd, cases[i].bytes, sizeof cases[i].bytes, port_of_group(group)),
                     cases[i].number % THREADS);
    stop_group(group);
  }
  close(fd);
}

/* One byte short, from 64 ports: they do not all go to one place. */
static void what_is_too_short_goes_by_the_hash(void **state) {
  dgram_group_t *group = start_steered(3, 2);
  int seen[THREADS] = {0};
  for (int i = 0; i < 64; i++) {
    int fd = raw_socket();
    int home = ask(fd, "abcd", 4, port_of_group(group));
    assert_int_equal(ask(fd, "", 0, port_of_group(group)), home);
    seen[home]++;
    close(fd);
  }
  for (int i = 0; i < THREADS; i++)
    assert_true(seen[i] > 0);
  stop_group(group);
}

static void udp6_is_steered_too(void **state) {
  skip_without_ipv6();
  dgram_options_t socket = dgram_default_options(DGRAM_UDP6);
  dgram_group_options_t options = answering(&socket, THREADS);
  options.steer = DGRAM_STEER_PAYLOAD;
  options.address = NULL;
  dgram_group_t *group = start_group(&options);
  int fd = raw_socket(); /* of IPv4 */
  for (int i = 0; i < 2 * THREADS; i++) {
    unsigned char number = (unsigned char)i;
    assert_int_equal(ask(fd, &number, 1, port_of_group(group)), i % THREADS);
  }
  close(fd);
  stop_group(group);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_number_counts_whoever_sends),
      cmocka_unit_test(it_may_be_wide_and_anywhere),
      cmocka_unit_test(what_is_too_short_goes_by_the_hash),
      cmocka_unit_test(udp6_is_steered_too),
  };
  return cmocka_run_group_tests_name("steer_payload", tests, NULL, NULL);
}
