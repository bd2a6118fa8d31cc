/*
 * The prefix rule: the datapath takes the first k of a queue, and the rest follows; nothing is
 * skipped, sent twice or out of order. https://github.com/libuv/libuv/pull/5245
 */
#include "fake/scene.h"

#include <stdio.h>
#include <string.h>

#include "unit/random.h"

/* What left, as a story of numbers, whatever the calls were. */
static const char *all_that_left(void) {
  static char text[65536];
  size_t length = 0;
  text[0] = '\0';
  for (unsigned i = 0; i < fake_sent_count(); i++)
    length += (size_t)snprintf(text + length, sizeof text - length, i == 0 ? "%s" : " %s",
                               fake_sent(i)->bytes);
  return text;
}

static void the_rest_follows_whatever_the_first_call_takes(void **state) {
  dgram_socket_t *socket = scene_socket();
  for (int k = 1; k <= 9; k++) {
    fake_reply(k);
    scene_send_all(socket, 0, 9);
    scene_run();
    char expected[64];
    int length = snprintf(expected, sizeof expected, "%s | ", scene_numbers(0, k - 1));
    snprintf(expected + length, sizeof expected - (size_t)length, "%s", scene_numbers(k, 9));
    assert_string_equal(fake_sends(), expected);
    assert_string_equal(scene_story(), "0 1 2 3 4 5 6 7 8 9");
  }
}

static void one_at_a_time_is_enough(void **state) {
  dgram_socket_t *socket = scene_socket();
  fake_reply_always(1);
  scene_send_all(socket, 0, 4);
  scene_run();
  assert_string_equal(fake_sends(), "0 | 1 | 2 | 3 | 4");
  assert_string_equal(scene_story(), "0 1 2 3 4");
}

static void no_call_is_made_for_an_empty_queue(void **state) {
  dgram_socket_t *socket = scene_socket();
  scene_send_all(socket, 0, 9);
  scene_run();
  scene_run();
  assert_int_equal(fake_send_calls(), 1);
}

/* Around the number of sends that do not wait for the end of the turn, and far past it. */
static void every_length_of_queue_leaves_whole_and_in_order(void **state) {
  static const int lengths[] = {1, 1023, 1024, 1025, 3 * 1024, 5000};
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    unsigned before = fake_sent_count();
    dgram_socket_t *socket = scene_socket();
    scene_send_all(socket, 0, lengths[i] - 1);
    scene_run();
    assert_string_equal(scene_story(), scene_numbers(0, lengths[i] - 1));
    assert_int_equal(fake_sent_count() - before, lengths[i]);
  }
}

static void random_replies_neither_skip_nor_repeat(void **state) {
  dgram_socket_t *socket = scene_socket();
  uint32_t random = 2026;
  for (int i = 0; i < 500; i++)
    fake_reply(random_below(&random, 5) == 0 ? UV_ENOBUFS : (int)random_below(&random, 9) + 1);
  scene_send_all(socket, 0, 1999);
  while (dgram_get_send_queue_count(socket) > 0)
    uv_run(&scene_loop, UV_RUN_ONCE);
  assert_string_equal(scene_story(), scene_numbers(0, 1999));
  assert_string_equal(all_that_left(), scene_numbers(0, 1999));
}

/* https://github.com/netty/netty/issues/5233: all went to the last one's */
static void each_datagram_goes_to_its_own_address(void **state) {
  dgram_socket_t *socket = scene_socket();
  fake_reply(3);
  fake_reply(1);
  scene_send_all(socket, 0, 9);
  scene_run();
  assert_int_equal(fake_sent_count(), 10);
  for (unsigned i = 0; i < 10; i++) {
    union dgram__address expected;
    dgram__address_loopback(&expected, AF_INET, 1000 + (int)i);
    assert_memory_equal(&fake_sent(i)->to, &expected, sizeof expected);
  }
}

/* ---- the counters ---- */

static size_t sizes_told[10];
static size_t counts_told[10];

static void note_counters(dgram_socket_t *socket, int number) {
  sizes_told[number] = dgram_get_send_queue_size(socket);
  counts_told[number] = dgram_get_send_queue_count(socket);
}

static void the_counters_hold_a_send_until_its_callback_runs(void **state) {
  dgram_socket_t *socket = scene_socket();
  scene_on_sent = note_counters;
  fake_reply(4);
  fake_reply(UV_EAGAIN);
  for (int i = 0; i < 10; i++) {
    scene_send(socket, i);
    assert_int_equal(dgram_get_send_queue_count(socket), i + 1);
    assert_int_equal(dgram_get_send_queue_size(socket), i + 1); /* a digit each */
  }
  scene_run();
  assert_int_equal(dgram_get_send_queue_count(socket), 6);
  assert_int_equal(dgram_get_send_queue_size(socket), 6);
  fake_make_writable(socket);
  scene_run();
  assert_int_equal(dgram_get_send_queue_count(socket), 0);
  assert_int_equal(dgram_get_send_queue_size(socket), 0);
  for (size_t i = 0; i < 10; i++) { /* within the callback it counts no more */
    assert_int_equal(counts_told[i], 9 - i);
    assert_int_equal(sizes_told[i], 9 - i);
  }
}

static void the_counters_hold_a_send_without_callback_until_it_left(void **state) {
  dgram_socket_t *socket = scene_socket();
  fake_reply(1);
  fake_reply(UV_EAGAIN);
  scene_send_silently(socket, 0);
  scene_send_silently(socket, 1);
  scene_run();
  assert_int_equal(dgram_get_send_queue_count(socket), 1);
  fake_make_writable(socket);
  scene_run();
  assert_int_equal(dgram_get_send_queue_count(socket), 0);
  assert_int_equal(dgram_get_send_queue_size(socket), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE(the_rest_follows_whatever_the_first_call_takes),
      SCENE(one_at_a_time_is_enough),
      SCENE(no_call_is_made_for_an_empty_queue),
      SCENE(every_length_of_queue_leaves_whole_and_in_order),
      SCENE(random_replies_neither_skip_nor_repeat),
      SCENE(each_datagram_goes_to_its_own_address),
      SCENE(the_counters_hold_a_send_until_its_callback_runs),
      SCENE(the_counters_hold_a_send_without_callback_until_it_left),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
