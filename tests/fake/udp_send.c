/*
 * How datagrams leave: what shares a message and a system call, what is done where the system
 * refuses to segment, and one message a call where it has no sendmmsg(2).
 */
#include "fake/kernel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct dgram__udp udp;
static struct dgram__tx_batch *batch;
static bool no_memory;

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
void *__wrap_malloc(size_t size);
void *__real_malloc(size_t size);

void *__wrap_malloc(size_t size) {
  return no_memory ? NULL : __real_malloc(size);
}
/* NOLINTEND(bugprone-reserved-identifier) */

/* The socket is another one, which may have so many segments in a message and messages in a call.
 */
static void open_with(unsigned max_segments, unsigned max_tx_batch) {
  dgram__udp_close(&udp);
  struct dgram__settings settings = {
      .capabilities = {.max_segments = max_segments, .max_tx_batch = max_tx_batch}};
  dgram__address_loopback(&settings.local, AF_INET, 0);
  assert_int_equal(dgram__udp_open(&udp, &settings), 0);
}

static void open_segmenting(void) {
  open_with(DGRAM__MAX_SEGMENTS, DGRAM__MAX_TX_BATCH);
}

static int begin(void **state) {
  memset(&kernel, 0, sizeof kernel);
  kernel.segments = true;
  kernel.release = "6.18.44";
  kernel.size_error = EINVAL;
  queued = 0;
  no_memory = false;
  udp.fd = -1;
  open_segmenting();
  return 0;
}

static int end(void **state) {
  dgram__udp_close(&udp);
  free(batch);
  batch = NULL;
  return 0;
}

/* One call, with the queue from `at` on. */
static int send_from(unsigned at) {
  return dgram__udp_send(&udp, &batch, &queue[at], queued - at);
}

/* Sends the queue as a socket does, call by call. Returns its first error, if there is one. */
static int send_queue(void) {
  unsigned at = 0;
  kernel.left = 0;
  while (at < queued) {
    int sent = send_from(at);
    if (sent < 0) {
      assert_int_equal(kernel.left, at);
      return sent;
    }
    assert_in_range(sent, 1, queued - at);
    at += (unsigned)sent;
    assert_int_equal(kernel.left, at); /* exactly those */
  }
  queued = 0;
  return 0;
}

/* Sends some new datagrams; tells how. */
static const char *send_some(unsigned count, uint32_t size) {
  queued = 0;
  enqueue(count, size);
  story();
  assert_int_equal(send_queue(), 0);
  return story();
}

/* ---- where it is segmented ---- */

static void a_run_is_one_segmented_send(void **state) {
  assert_string_equal(send_some(4, 1200), "[100 101 102 103]");
}

static void one_datagram_is_sent_plainly(void **state) {
  assert_string_equal(send_some(1, 1200), "100");
}

static void runs_of_a_call_leave_together(void **state) {
  enqueue(3, 1200);
  enqueue(1, 30);
  enqueue(2, 500);
  enqueue(1, 700);
  assert_int_equal(send_queue(), 0);
  assert_string_equal(story(), "[100 101 102 103] [104 105] 106");
}

/* check_datagram() sees where each goes. https://github.com/netty/netty/issues/5233 */
static void each_run_goes_to_its_own_address(void **state) {
  for (size_t i = 0; i < 6; i++)
    enqueue_at(memory + i * ROOM, 100, 1000 + (int)i / 2);
  assert_int_equal(send_queue(), 0);
  assert_string_equal(story(), "[100 101] [102 103] [104 105]");
}

static void so_does_each_run_over_IPv6(void **state) {
  enqueue(6, 100);
  for (int i = 0; i < 6; i++)
    dgram__address_loopback(&queue[i].to, AF_INET6, 1000 + i / 2);
  assert_int_equal(send_queue(), 0);
  assert_string_equal(story(), "[100 101] [102 103] [104 105]");
}

static void no_call_is_over_a_limit_and_all_leave(void **state) {
  static const uint32_t sizes[] = {3, 100, 1200, 2520, 4000};
  for (size_t i = 0; i < 5; i++) { /* the played system fails whatever is over one */
    queued = 0;
    enqueue(MOST, sizes[i]);
    assert_int_equal(send_queue(), 0);
    queued = 0;
    for (unsigned j = 0; j < MOST; j++) /* each for itself: more sends than a call may have */
      enqueue(1, sizes[i] + j % 2);
    assert_int_equal(send_queue(), 0);
  }
}

static void lists_of_buffers_are_within_the_limit_of_parts(void **state) {
  static struct iovec parts[8][400];
  for (unsigned i = 0; i < 8; i++) {
    char *bytes = memory + (size_t)i * ROOM;
    enqueue_at(bytes, 1200, 53);
    for (unsigned j = 0; j < 400; j++) /* back to front in memory, so that none can be joined */
      parts[i][j] = (struct iovec){.iov_base = bytes + (size_t)(399 - j) * 3, .iov_len = 3};
    memcpy(bytes + 1197, bytes, 3); /* the number comes first */
    queue[i].iov = parts[i];
    queue[i].iov_count = 400;
  }
  assert_int_equal(send_queue(), 0);
  assert_string_equal(story(), "[100 101] [102 103] | [104 105] [106 107]");
}

/* ---- parts that touch ---- */

static void datagrams_that_touch_in_memory_are_one_part(void **state) {
  for (size_t i = 0; i < 5; i++)
    enqueue_at(memory + i * 100, 100, 53);
  assert_int_equal(send_queue(), 0);
  assert_string_equal(story(), "[100 101 102 103 104]");
  assert_int_equal(kernel.most_parts, 1);
}

static void datagrams_that_do_not_touch_are_as_many_parts(void **state) {
  for (size_t i = 0; i < 5; i++)
    enqueue_at(memory + i * 101, 100, 53);
  assert_int_equal(send_queue(), 0);
  assert_string_equal(story(), "[100 101 102 103 104]");
  assert_int_equal(kernel.most_parts, 5);
}

static void datagrams_that_touch_in_the_wrong_order_are_not_joined(void **state) {
  for (size_t i = 0; i < 5; i++)
    enqueue_at(memory + (4 - i) * 100, 100, 53);
  assert_int_equal(send_queue(), 0);
  assert_int_equal(kernel.most_parts, 5);
}

static void parts_of_different_sends_are_not_joined(void **state) {
  for (size_t i = 0; i < 4; i++)
    enqueue_at(memory + i * 100, 100, 1000 + (int)i);
  assert_int_equal(send_queue(), 0);
  assert_string_equal(story(), "100 101 102 103");
}

static void parts_of_different_runs_are_not_joined(void **state) {
  for (size_t i = 0; i < 6; i++)
    enqueue_at(memory + i * 100, 100, 1000 + (int)i / 2);
  assert_int_equal(send_queue(), 0);
  assert_string_equal(story(), "[100 101] [102 103] [104 105]");
}

/* ---- where segmentation is refused ---- */

enum { A_WHILE = 11 }; /* seconds, after which a refusal is forgotten */

/* Three new datagrams to a host each, by its last byte. */
static const char *send_to_hosts(unsigned char first, unsigned char second) {
  queued = 0;
  enqueue(6, 1200);
  for (unsigned i = 0; i < 6; i++)
    ((unsigned char *)&queue[i].to.v4.sin_addr)[3] = i < 3 ? first : second;
  story();
  assert_int_equal(send_queue(), 0);
  return story();
}

/* https://github.com/quinn-rs/quinn/issues/1128 */
static void after_EIO_all_is_sent_singly_for_a_while(void **state) {
  kernel.refusal = EIO;
  assert_string_equal(send_some(3, 1200), "[100 101 102]:EIO | 100 101 102");
  assert_string_equal(send_some(3, 1200), "100 101 102");
  assert_string_equal(send_some(3, 10), "100 101 102");
  kernel.refusal = 0;
  kernel.seconds += A_WHILE;
  assert_string_equal(send_some(3, 1200), "[100 101 102]");
}

static void after_a_refused_size_smaller_segments_are_still_sent(void **state) {
  static const int codes[] = {EINVAL, EMSGSIZE};
  static const char *const stories[] = {"[100 101 102]:EINVAL | 100 101 102",
                                        "[100 101 102]:EMSGSIZE | 100 101 102"};
  for (int i = 0; i < 2; i++) {
    open_segmenting();
    kernel.size_error = codes[i];
    kernel.largest_segment = 1372;
    assert_string_equal(send_some(3, 1472), stories[i]);
    assert_string_equal(send_some(3, 1472), "100 101 102");
    assert_string_equal(send_some(3, 1500), "100 101 102");
    assert_string_equal(send_some(3, 1372), "[100 101 102]");
    kernel.largest_segment = 0;
    kernel.seconds += A_WHILE;
    assert_string_equal(send_some(3, 1472), "[100 101 102]");
  }
}

/* What one client's way refuses says nothing about the others'. */
static void a_refusal_counts_for_its_destination_alone(void **state) {
  kernel.refusal = EIO;
  assert_string_equal(send_some(3, 1200), "[100 101 102]:EIO | 100 101 102"); /* to 127.0.0.1 */
  kernel.refusal = 0;
  assert_string_equal(send_to_hosts(1, 2), "100 101 102 [103 104 105]");
  assert_string_equal(send_to_hosts(3, 1), "[100 101 102] 103 104 105");
}

static void so_does_a_refused_size(void **state) {
  kernel.largest_segment = 1000;
  assert_string_equal(send_some(3, 1200), "[100 101 102]:EINVAL | 100 101 102");
  kernel.largest_segment = 0;
  assert_string_equal(send_to_hosts(1, 2), "100 101 102 [103 104 105]");
}

/* A device that can't: after some of its hosts the others are not tried one by one. */
static void where_many_refuse_none_is_tried_for_a_while(void **state) {
  kernel.refusal = EIO;
  unsigned tried = 0;
  for (unsigned host = 1; host <= 200; host++)
    tried += strstr(send_to_hosts((unsigned char)host, (unsigned char)host), "EIO") != NULL;
  assert_in_range(tried, 2, 64);
  kernel.refusal = 0;
  assert_string_equal(send_to_hosts(250, 251), "100 101 102 103 104 105");
  kernel.seconds += A_WHILE;
  assert_string_equal(send_to_hosts(250, 251), "[100 101 102] [103 104 105]");
}

/* A flow label is part of the address: a segmented send would leave with the first one's. */
static void flow_labels_are_not_mixed(void **state) {
  enqueue(6, 100);
  for (unsigned i = 0; i < 6; i++) {
    dgram__address_loopback(&queue[i].to, AF_INET6, 53);
    queue[i].to.v6.sin6_flowinfo = i / 2;
  }
  assert_int_equal(send_queue(), 0);
  assert_string_equal(story(), "[100 101] [102 103] [104 105]");
}

static void a_datagram_refused_by_itself_does_not_end_segmentation(void **state) {
  static const int codes[] = {EINVAL, EMSGSIZE};
  for (int i = 0; i < 2; i++) {
    kernel.size_error = codes[i];
    kernel.largest_datagram = 2000;
    queued = 0;
    enqueue(3, 3000);
    assert_int_equal(send_queue(), -codes[i]);
    assert_string_equal(send_some(3, 1200), "[100 101 102]");
    kernel.largest_datagram = 0; /* the way has become wider */
    assert_string_equal(send_some(3, 3000), "[100 101 102]");
  }
}

static void one_datagram_that_is_refused_is_not_tried_again(void **state) {
  static const int codes[] = {EINVAL, EMSGSIZE, EIO};
  static const char *const stories[] = {"100:EINVAL", "100:EMSGSIZE", "100:EIO"};
  kernel.largest_datagram = 2000;
  for (int i = 0; i < 3; i++) {
    kernel.size_error = codes[i];
    queued = 0;
    enqueue(1, 3000);
    assert_int_equal(send_queue(), -codes[i]);
    assert_string_equal(story(), stories[i]);
  }
}

static void EIO_of_a_datagram_by_itself_does_not_end_segmentation(void **state) {
  kernel.size_error = EIO;
  kernel.largest_datagram = 2000;
  enqueue(3, 3000);
  assert_int_equal(send_queue(), UV_EIO);
  assert_string_equal(send_some(3, 1200), "[100 101 102]");
}

static void a_refusal_behind_sends_that_left_is_met_in_the_next_call(void **state) {
  kernel.largest_segment = 1372;
  enqueue(2, 100);
  enqueue(2, 1472);
  assert_int_equal(send_queue(), 0);
  assert_string_equal(story(), "[100 101] [102 103]:EINVAL | [102 103]:EINVAL | 102 103");
}

static void a_refusal_is_not_remembered_before_the_plain_send_worked(void **state) {
  kernel.refusal = EIO;
  enqueue(3, 1200);
  fail_next_call(0);
  fail_next_call(EAGAIN);
  assert_int_equal(send_queue(), UV_EAGAIN);
  kernel.refusal = 0;
  story();
  assert_int_equal(send_queue(), 0);
  assert_string_equal(story(), "[100 101 102]");
}

static void other_errors_are_no_refusal(void **state) {
  static const int codes[] = {EAGAIN, ENOBUFS, EPERM, ENETUNREACH, ECONNREFUSED, ENOMEM};
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
    queued = 0;
    enqueue(3, 1200);
    fail_next_call(codes[i]);
    assert_int_equal(send_queue(), -codes[i]);
    assert_string_equal(story(), dgram_err_name(-codes[i]));
    assert_string_equal(send_some(3, 1200), "[100 101 102]");
  }
}

/* ---- calls that do less ---- */

static void a_call_that_is_cut_short_is_gone_on_with(void **state) {
  kernel.stop_after = 2;
  for (size_t i = 0; i < 5; i++)
    enqueue_at(memory + i * ROOM, 100, 1000 + (int)i);
  assert_int_equal(send_queue(), 0);
  assert_string_equal(story(), "100 101 | 102 103 | 104");
}

static void an_interrupted_call_is_repeated(void **state) {
  fail_next_call(EINTR);
  fail_next_call(EINTR);
  enqueue(3, 1200);
  assert_int_equal(send_queue(), 0);
  assert_string_equal(story(), "EINTR | EINTR | [100 101 102]");
  fail_next_call(EINTR);
  enqueue_at(memory, 100, 1000);
  enqueue_at(memory + ROOM, 100, 1001);
  assert_int_equal(send_queue(), 0);
  assert_string_equal(story(), "EINTR | 100 101");
}

/* ---- where it is not even tried ---- */

/* https://github.com/tailscale/tailscale/issues/21335 */
static void a_kernel_that_corrupts_is_not_asked_to_segment(void **state) {
  kernel.release = "7.1.2";
  open_segmenting();
  assert_string_equal(send_some(3, 1200), "100 101 102");
  kernel.release = NULL; /* and one that can't be known */
  open_segmenting();
  assert_string_equal(send_some(3, 1200), "100 101 102");
  kernel.release = "7.1.5";
  open_segmenting();
  assert_string_equal(send_some(3, 1200), "[100 101 102]");
}

static void a_kernel_without_segmentation_is_not_asked(void **state) {
  kernel.segments = false;
  open_segmenting();
  assert_string_equal(send_some(3, 1200), "100 101 102");
}

static void segmentation_can_be_turned_off(void **state) {
  open_with(1, DGRAM__MAX_TX_BATCH);
  assert_string_equal(send_some(3, 1200), "100 101 102");
}

/* ---- without segmentation ---- */

static void without_it_each_datagram_is_a_message_to_its_own_address(void **state) {
  open_with(1, DGRAM__MAX_TX_BATCH);
  for (size_t i = 0; i < 4; i++) /* they touch, which does not make them one */
    enqueue_at(memory + i * 100, 100, 1000 + (int)i);
  dgram__address_loopback(&queue[2].to, AF_INET6, 1002);
  assert_int_equal(send_from(0), 4);
  assert_string_equal(story(), "100 101 102 103");
}

static void a_call_takes_256_at_most(void **state) {
  open_with(1, DGRAM__MAX_TX_BATCH);
  enqueue(600, 10);
  assert_int_equal(send_from(0), 256);
  assert_int_equal(send_from(256), 256);
  assert_int_equal(send_from(512), 88);
  assert_int_equal(kernel.left, 600);
}

static void without_it_an_error_about_the_first_is_returned(void **state) {
  static const int codes[] = {EAGAIN, ENOBUFS, EPERM, EMSGSIZE, EINVAL, EIO};
  open_with(1, DGRAM__MAX_TX_BATCH);
  enqueue(3, 100);
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
    fail_next_call(codes[i]);
    assert_int_equal(send_from(0), -codes[i]);
    assert_string_equal(story(), dgram_err_name(-codes[i])); /* and nothing else is tried */
  }
}

static void an_error_behind_a_prefix_is_met_in_the_next_call(void **state) {
  open_with(1, DGRAM__MAX_TX_BATCH);
  kernel.largest_datagram = 2000;
  kernel.size_error = EMSGSIZE;
  enqueue(2, 100);
  enqueue(1, 3000);
  assert_int_equal(send_from(0), 2);
  assert_int_equal(send_from(2), UV_EMSGSIZE);
  assert_string_equal(story(), "100 101 102:EMSGSIZE | 102:EMSGSIZE");
}

/* ---- ICMP errors of earlier datagrams, which the system reports only once ---- */

/* As on a connected socket. */
static void leave_all_to_the_peer(void) {
  for (unsigned i = 0; i < queued; i++)
    queue[i].to = (union dgram__address){.any.sa_family = AF_UNSPEC};
}

/* The call may have lost such an error. */
static void after_a_connected_call_was_cut_short_16_carry_one_each(void **state) {
  open_with(1, DGRAM__MAX_TX_BATCH);
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
  open_with(1, DGRAM__MAX_TX_BATCH);
  kernel.stop_after = 2;
  enqueue(5, 100);
  assert_int_equal(send_from(0), 2);
  assert_int_equal(send_from(2), 2);
}

static void a_socket_that_is_taken_over_begins_without_single_message_calls(void **state) {
  const struct dgram__udp_capabilities plain = {.max_segments = 1, .max_tx_batch = 256};
  dgram__udp_adopt(&udp, &plain);
  kernel.stop_after = 1;
  enqueue(3, 100);
  leave_all_to_the_peer();
  assert_int_equal(send_from(0), 1);
  kernel.stop_after = 0;
  dgram__udp_adopt(&udp, &plain);
  assert_int_equal(send_from(1), 2);
}

/* ---- one message a call ---- */

static void where_there_is_no_sendmmsg_each_message_is_a_call(void **state) {
  open_with(1, 1);
  assert_string_equal(send_some(4, 100), "100 | 101 | 102 | 103");
  open_with(DGRAM__MAX_SEGMENTS, 1);
  enqueue(3, 1200);
  enqueue(2, 1300);
  assert_int_equal(send_queue(), 0);
  assert_string_equal(story(), "[100 101 102] | [103 104]");
}

static void there_an_error_is_that_of_the_datagram_that_meets_it(void **state) {
  open_with(1, 1);
  enqueue(4, 100);
  fail_next_call(0);
  fail_next_call(0);
  fail_next_call(EPERM);
  assert_int_equal(send_from(0), 1);
  assert_int_equal(send_from(1), 1);
  assert_int_equal(send_from(2), UV_EPERM);
  assert_string_equal(story(), "100 | 101 | EPERM");
  assert_int_equal(send_from(2), 1);
}

static void there_an_interrupted_call_is_repeated(void **state) {
  open_with(1, 1);
  enqueue(2, 100);
  fail_next_call(EINTR);
  assert_int_equal(send_queue(), 0);
  assert_string_equal(story(), "EINTR | 100 | 101");
}

static void without_memory_for_a_batch_each_datagram_is_a_call(void **state) {
  no_memory = true;
  assert_string_equal(send_some(3, 100), "100 | 101 | 102");
  no_memory = false;
  assert_string_equal(send_some(3, 100), "[100 101 102]");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_run_is_one_segmented_send),
      TEST(one_datagram_is_sent_plainly),
      TEST(runs_of_a_call_leave_together),
      TEST(each_run_goes_to_its_own_address),
      TEST(so_does_each_run_over_IPv6),
      TEST(no_call_is_over_a_limit_and_all_leave),
      TEST(lists_of_buffers_are_within_the_limit_of_parts),
      TEST(datagrams_that_touch_in_memory_are_one_part),
      TEST(datagrams_that_do_not_touch_are_as_many_parts),
      TEST(datagrams_that_touch_in_the_wrong_order_are_not_joined),
      TEST(parts_of_different_sends_are_not_joined),
      TEST(parts_of_different_runs_are_not_joined),
      TEST(after_EIO_all_is_sent_singly_for_a_while),
      TEST(after_a_refused_size_smaller_segments_are_still_sent),
      TEST(a_refusal_counts_for_its_destination_alone),
      TEST(so_does_a_refused_size),
      TEST(where_many_refuse_none_is_tried_for_a_while),
      TEST(flow_labels_are_not_mixed),
      TEST(a_datagram_refused_by_itself_does_not_end_segmentation),
      TEST(one_datagram_that_is_refused_is_not_tried_again),
      TEST(EIO_of_a_datagram_by_itself_does_not_end_segmentation),
      TEST(a_refusal_behind_sends_that_left_is_met_in_the_next_call),
      TEST(a_refusal_is_not_remembered_before_the_plain_send_worked),
      TEST(other_errors_are_no_refusal),
      TEST(a_call_that_is_cut_short_is_gone_on_with),
      TEST(an_interrupted_call_is_repeated),
      TEST(a_kernel_that_corrupts_is_not_asked_to_segment),
      TEST(a_kernel_without_segmentation_is_not_asked),
      TEST(segmentation_can_be_turned_off),
      TEST(without_it_each_datagram_is_a_message_to_its_own_address),
      TEST(a_call_takes_256_at_most),
      TEST(without_it_an_error_about_the_first_is_returned),
      TEST(an_error_behind_a_prefix_is_met_in_the_next_call),
      TEST(after_a_connected_call_was_cut_short_16_carry_one_each),
      TEST(on_a_socket_without_a_peer_calls_stay_as_they_are),
      TEST(a_socket_that_is_taken_over_begins_without_single_message_calls),
      TEST(where_there_is_no_sendmmsg_each_message_is_a_call),
      TEST(there_an_error_is_that_of_the_datagram_that_meets_it),
      TEST(there_an_interrupted_call_is_repeated),
      TEST(without_memory_for_a_batch_each_datagram_is_a_call),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
