/*
 * Segmentation offload in the linux datapath: what shares a send, and what is done where the
 * system refuses to segment.
 */
#include "fake/kernel.h"

#include <errno.h>
#include <string.h>

static const struct dgram__datapath *const linux_path = &dgram__datapath_linux;
static struct dgram__udp udp;

static void open_with(bool gso) {
  dgram__udp_close(&udp);
  struct dgram__settings settings = {.gso = gso};
  dgram__address_loopback(&settings.local, AF_INET, 0);
  assert_int_equal(linux_path->open(&udp, &settings), 0);
}

static int begin(void **state) {
  memset(&kernel, 0, sizeof kernel);
  kernel.segments = true;
  kernel.release = "6.18.44";
  kernel.size_error = EINVAL;
  queued = 0;
  udp.fd = -1;
  open_with(true);
  return 0;
}

static int end(void **state) {
  dgram__udp_close(&udp);
  return 0;
}

/* Sends the queue as a socket does, call by call. Returns its first error, if there is one. */
static int send_queue(void) {
  unsigned at = 0;
  kernel.left = 0;
  while (at < queued) {
    int sent = linux_path->send(&udp, &queue[at], queued - at);
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
    open_with(true);
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
  open_with(true);
  assert_string_equal(send_some(3, 1200), "100 101 102");
  kernel.release = NULL; /* and one that can't be known */
  open_with(true);
  assert_string_equal(send_some(3, 1200), "100 101 102");
  kernel.release = "7.1.5";
  open_with(true);
  assert_string_equal(send_some(3, 1200), "[100 101 102]");
}

static void a_kernel_without_segmentation_is_not_asked(void **state) {
  kernel.segments = false;
  open_with(true);
  assert_string_equal(send_some(3, 1200), "100 101 102");
}

static void segmentation_can_be_turned_off(void **state) {
  open_with(false);
  assert_string_equal(send_some(3, 1200), "100 101 102");
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
      TEST(a_refusal_counts_for_its_destination_alone),
      TEST(so_does_a_refused_size),
      TEST(where_many_refuse_none_is_tried_for_a_while),
      TEST(flow_labels_are_not_mixed),
      TEST(after_a_refused_size_smaller_segments_are_still_sent),
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
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
