/* Receiving: a batch a wake-up, whatever is in it, and going on after every error. */
#include "fake/scene.h"

#include <string.h>

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants this name */
uint64_t __wrap_uv_hrtime(void);

/* Time hardly goes on: how much is told in a turn does not depend on the machine. */
uint64_t __wrap_uv_hrtime(void) {
  static uint64_t time = 1000000000;
  return time += 100;
}
/* NOLINTEND(bugprone-reserved-identifier) */

static const struct fake_slot hello = {.data = "hello", .size = 5};

/* ---- batches ---- */

static void each_slot_is_a_message(void **state) {
  static const struct fake_slot slots[] = {
      {.data = "a", .size = 1}, {.data = "bc", .size = 2}, {.data = "def", .size = 3}};
  fake_receive(scene_socket(), slots, 3);
  scene_run();
  assert_string_equal(scene_story(), "(a) (bc) (def)");
}

static void a_slot_falls_into_its_segments(void **state) {
  static const struct fake_slot slots[] = {{.data = "aabbccd", .size = 7, .segment = 2},
                                           {.data = "e", .size = 1, .segment = 2},
                                           {.data = "ffgg", .size = 4, .segment = 2}};
  fake_receive(scene_socket(), slots, 3);
  scene_run();
  assert_string_equal(scene_story(), "(aa) (bb) (cc) (d) (e) (ff) (gg)");
}

/* Zeros are written as "()" too: so these are counted by their sizes. */
static unsigned empty_count;

static void count_empty(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                        void *context) {
  empty_count += rinfo->size == 0;
}

static void an_empty_datagram_is_a_message(void **state) {
  static const struct fake_slot slots[] = {{.size = 0}, {.data = "a", .size = 1}, {.size = 0}};
  dgram_socket_t *socket = scene_socket();
  empty_count = 0;
  assert_int_equal(dgram_on_message(socket, count_empty, NULL), 0);
  fake_receive(socket, slots, 3);
  fake_receive(socket, slots, 1);
  scene_run();
  assert_string_equal(scene_story(), "() (a) () ()");
  assert_int_equal(empty_count, 3);
}

static void less_than_all_slots_is_one_call_and_no_more(void **state) {
  dgram_socket_t *socket = scene_socket();
  for (int count = 1; count < DGRAM__RX_BUFFERS; count++) {
    struct fake_slot slots[DGRAM__RX_BUFFERS];
    for (int i = 0; i < count; i++)
      slots[i] = hello;
    unsigned before = fake_recv_calls();
    fake_receive(socket, slots, count);
    scene_run();
    assert_int_equal(fake_recv_calls() - before, 1);
  }
}

/* ---- the bound of a wake-up ---- */

static unsigned received;

static void count_received(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                           void *context) {
  assert_int_equal(rinfo->size, 2);
  received++;
}

static void a_full_inbox_is_delivered_in_one_turn_and_the_next_waits(void **state) {
  static struct fake_slot slots[DGRAM__RX_BUFFERS];
  for (int i = 0; i < DGRAM__RX_BUFFERS; i++) /* 64 datagrams in each */
    slots[i] = (struct fake_slot){.size = 128, .segment = 2};
  dgram_socket_t *socket = scene_socket();
  assert_int_equal(dgram_on_message(socket, count_received, NULL), 0);
  fake_receive(socket, slots, DGRAM__RX_BUFFERS);
  fake_receive(socket, slots, DGRAM__RX_BUFFERS);
  received = 0;
  uv_run(&scene_loop, UV_RUN_NOWAIT);
  assert_int_equal(received, DGRAM__RX_BUFFERS * 64);
  assert_int_equal(fake_recv_calls(), 1);
  uv_run(&scene_loop, UV_RUN_NOWAIT);
  assert_int_equal(received, 2 * DGRAM__RX_BUFFERS * 64);
  assert_int_equal(fake_recv_calls(), 2);
}

static void a_turn_gives_each_socket_one_batch(void **state) {
  dgram_socket_t *a = scene_socket();
  dgram_socket_t *b = scene_socket();
  struct fake_slot slots[DGRAM__RX_BUFFERS];
  for (int i = 0; i < DGRAM__RX_BUFFERS; i++)
    slots[i] = (struct fake_slot){.size = 2};
  assert_int_equal(dgram_on_message(b, count_received, NULL), 0);
  for (int i = 0; i < 3; i++)
    fake_receive(a, slots, DGRAM__RX_BUFFERS);
  fake_receive(b, slots, DGRAM__RX_BUFFERS);
  received = 0;
  uv_run(&scene_loop, UV_RUN_NOWAIT);
  assert_int_equal(received, DGRAM__RX_BUFFERS);
  assert_int_equal(fake_recv_calls(), 2);
}

/* ---- the sender ---- */

static void check_sender(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                         void *context) {
  assert_string_equal(dgram_rinfo_address(rinfo), "192.0.2.1");
  assert_ptr_equal(dgram_rinfo_address(rinfo), dgram_rinfo_address(rinfo));
  assert_string_equal(rinfo->family, "IPv4");
  assert_int_equal(rinfo->port, FAKE_SENDER_PORT);
  assert_int_equal(rinfo->size, 5);
  assert_int_equal(rinfo->sockaddr->sa_family, AF_INET);
  received++;
}

static void each_message_tells_its_sender(void **state) {
  dgram_socket_t *socket = scene_socket();
  assert_int_equal(dgram_on_message(socket, check_sender, NULL), 0);
  received = 0;
  fake_receive(socket, &hello, 1);
  scene_run();
  assert_int_equal(received, 1);
}

/* ---- errors ---- */

static void an_error_is_told_and_receiving_goes_on(void **state) {
  static const int codes[] = {UV_ECONNREFUSED, UV_ENOMEM, UV_EIO};
  dgram_socket_t *socket = scene_socket();
  for (int i = 0; i < 3; i++)
    fake_receive(socket, NULL, codes[i]);
  fake_receive(socket, &hello, 1);
  scene_run();
  assert_string_equal(
      scene_story(),
      "error(recvmsg ECONNREFUSED) error(recvmsg ENOMEM) error(recvmsg EIO) (hello)");
}

static void a_lost_slot_is_an_error_in_its_place(void **state) {
  static const struct fake_slot slots[] = {{.data = "a", .size = 1},
                                           {.data = "lost", .size = 4, .segment = UV_EMSGSIZE},
                                           {.data = "b", .size = 1}};
  fake_receive(scene_socket(), slots, 3);
  scene_run();
  assert_string_equal(scene_story(), "(a) error(recvmsg EMSGSIZE) (b)");
}

static void a_wake_up_with_nothing_to_receive_is_none(void **state) {
  dgram_socket_t *socket = scene_socket();
  fake_receive(socket, NULL, 0);
  fake_receive(socket, &hello, 1);
  scene_run();
  assert_string_equal(scene_story(), "(hello)");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE(each_slot_is_a_message),
      SCENE(a_slot_falls_into_its_segments),
      SCENE(an_empty_datagram_is_a_message),
      SCENE(less_than_all_slots_is_one_call_and_no_more),
      SCENE(a_full_inbox_is_delivered_in_one_turn_and_the_next_waits),
      SCENE(a_turn_gives_each_socket_one_batch),
      SCENE(each_message_tells_its_sender),
      SCENE(an_error_is_told_and_receiving_goes_on),
      SCENE(a_lost_slot_is_an_error_in_its_place),
      SCENE(a_wake_up_with_nothing_to_receive_is_none),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
