/*
 * The posix datapath where the system has sendmmsg: many datagrams a call, and none segmented.
 */
#include "fake/kernel.h"

#include <errno.h>
#include <string.h>

static const struct dgram__datapath *const posix_path = &dgram__datapath_posix;
static struct dgram__udp udp;

static int begin(void **state) {
  memset(&kernel, 0, sizeof kernel);
  kernel.segments = true; /* nobody may ask for it */
  kernel.release = "6.18.44";
  queued = 0;
  udp.fd = -1; /* never looked at */
  posix_path->adopt(&udp, true, true);
  return 0;
}

/* One call, with the queue from `at` on. */
static int send_from(unsigned at) {
  return posix_path->send(&udp, &queue[at], queued - at);
}

/* As on a connected socket. */
static void leave_all_to_the_peer(void) {
  for (unsigned i = 0; i < queued; i++)
    queue[i].to = (union dgram__address){.any.sa_family = AF_UNSPEC};
}

static void a_queue_leaves_by_one_call_unsegmented(void **state) {
  enqueue(5, 1200);
  assert_int_equal(send_from(0), 5);
  assert_string_equal(story(), "100 101 102 103 104");
}

static void one_datagram_does_too(void **state) {
  enqueue(1, 1200);
  assert_int_equal(send_from(0), 1);
  assert_string_equal(story(), "100");
}

static void each_goes_to_its_own_address(void **state) {
  for (size_t i = 0; i < 4; i++)
    enqueue_at(memory + i * ROOM, 100, 1000 + (int)i);
  dgram__address_loopback(&queue[2].to, AF_INET6, 1002);
  assert_int_equal(send_from(0), 4);
  assert_string_equal(story(), "100 101 102 103");
}

static void pieces_that_touch_do_not_make_datagrams_one(void **state) {
  for (size_t i = 0; i < 3; i++)
    enqueue_at(memory + i * 100, 100, 53);
  assert_int_equal(send_from(0), 3);
  assert_string_equal(story(), "100 101 102");
}

static void a_call_takes_256_at_most(void **state) {
  enqueue(600, 10);
  assert_int_equal(send_from(0), 256);
  assert_int_equal(send_from(256), 256);
  assert_int_equal(send_from(512), 88);
  assert_int_equal(kernel.left, 600);
}

static void an_error_about_the_first_is_returned(void **state) {
  static const int codes[] = {EAGAIN, ENOBUFS, EPERM, EMSGSIZE, EINVAL, EIO};
  enqueue(3, 100);
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
    fail_next_call(codes[i]);
    assert_int_equal(send_from(0), -codes[i]);
    assert_string_equal(story(), dgram_err_name(-codes[i])); /* and nothing else is tried */
  }
}

static void an_error_behind_a_prefix_is_met_in_the_next_call(void **state) {
  kernel.largest_datagram = 2000;
  kernel.size_error = EMSGSIZE;
  enqueue(2, 100);
  enqueue(1, 3000);
  assert_int_equal(send_from(0), 2);
  assert_int_equal(send_from(2), UV_EMSGSIZE);
  assert_string_equal(story(), "100 101 102:EMSGSIZE | 102:EMSGSIZE");
}

static void an_interrupted_call_is_repeated(void **state) {
  enqueue(3, 100);
  fail_next_call(EINTR);
  assert_int_equal(send_from(0), 3);
  assert_string_equal(story(), "EINTR | 100 101 102");
}

/* The system may have told the call an answer to an earlier datagram, and tells it but once. */
static void after_a_connected_call_was_cut_short_16_carry_one_each(void **state) {
  kernel.stop_after = 2;
  enqueue(22, 100);
  leave_all_to_the_peer();
  assert_int_equal(send_from(0), 2);
  kernel.stop_after = 0;
  for (unsigned i = 0; i < 16; i++)
    assert_int_equal(send_from(2 + i), 1);
  assert_int_equal(send_from(18), 4);
}

static void on_a_socket_without_a_peer_calls_stay_as_they_are(void **state) {
  kernel.stop_after = 2;
  enqueue(5, 100);
  assert_int_equal(send_from(0), 2);
  assert_int_equal(send_from(2), 2);
}

static void a_socket_that_is_taken_over_begins_without_care(void **state) {
  kernel.stop_after = 1;
  enqueue(3, 100);
  leave_all_to_the_peer();
  assert_int_equal(send_from(0), 1);
  kernel.stop_after = 0;
  posix_path->adopt(&udp, false, false);
  assert_int_equal(send_from(1), 2);
}

#define TEST(test) cmocka_unit_test_setup(test, begin)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_queue_leaves_by_one_call_unsegmented),
      TEST(one_datagram_does_too),
      TEST(each_goes_to_its_own_address),
      TEST(pieces_that_touch_do_not_make_datagrams_one),
      TEST(a_call_takes_256_at_most),
      TEST(an_error_about_the_first_is_returned),
      TEST(an_error_behind_a_prefix_is_met_in_the_next_call),
      TEST(an_interrupted_call_is_repeated),
      TEST(after_a_connected_call_was_cut_short_16_carry_one_each),
      TEST(on_a_socket_without_a_peer_calls_stay_as_they_are),
      TEST(a_socket_that_is_taken_over_begins_without_care),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
