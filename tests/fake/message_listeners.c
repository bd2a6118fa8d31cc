/* What a listener does in the midst of a batch: close, send, remove itself, add another. */
#include "fake/scene.h"

/* Seven messages, some of them pieces of one buffer. */
static const struct fake_slot batch[] = {{.data = "a", .size = 1},
                                         {.data = "bbccd", .size = 5, .segment = 2},
                                         {.data = "e", .size = 1},
                                         {.data = "lost", .size = 4, .segment = UV_EMSGSIZE},
                                         {.data = "ffg", .size = 3, .segment = 2}};
#define BATCH batch, sizeof batch / sizeof *batch

static int at; /* the message at which something is done */

static void close_there(dgram_socket_t *socket, int number) {
  if (number == at)
    scene_close(socket);
}

/* https://github.com/oven-sh/bun/issues/33669 */
static void after_close_nothing_of_the_batch_is_delivered(void **state) {
  static const char *const stories[] = {
      "(a) close",
      "(a) (bb) close",
      "(a) (bb) (cc) close",
      "(a) (bb) (cc) (d) close",
      "(a) (bb) (cc) (d) (e) close",
      "(a) (bb) (cc) (d) (e) error(recvmsg EMSGSIZE) (ff) close",
      "(a) (bb) (cc) (d) (e) error(recvmsg EMSGSIZE) (ff) (g) close",
  };
  const int count = sizeof stories / sizeof *stories;
  for (at = 0; at < count; at++) {
    scene_end(state);
    scene_begin(state);
    scene_on_message = close_there;
    fake_receive(scene_socket(), BATCH);
    scene_run();
    assert_string_equal(scene_story(), stories[at]);
  }
}

static void after_close_no_further_batch_is_received(void **state) {
  dgram_socket_t *socket = scene_socket();
  scene_on_message = close_there;
  at = 0;
  fake_receive(socket, BATCH);
  fake_receive(socket, BATCH);
  scene_run();
  assert_string_equal(scene_story(), "(a) close");
  assert_int_equal(fake_recv_calls(), 1);
}

static void the_listener_of_error_may_close_too(void **state) {
  scene_on_error = scene_close;
  fake_receive(scene_socket(), BATCH);
  scene_run();
  assert_string_equal(scene_story(), "(a) (bb) (cc) (d) (e) error(recvmsg EMSGSIZE) close");
}

static dgram_socket_t *other;

static void close_the_other(dgram_socket_t *socket, int number) {
  if (other != NULL && other != socket)
    scene_close(other);
  other = NULL;
}

static void a_socket_closed_by_another_ones_listener_receives_no_more(void **state) {
  static const struct fake_slot x = {.data = "x", .size = 1};
  dgram_socket_t *a = scene_socket();
  dgram_socket_t *b = scene_socket();
  scene_on_message = close_the_other;
  fake_receive(a, &x, 1);
  fake_receive(b, &x, 1);
  other = b; /* the loop hears of the older one first */
  scene_run();
  assert_string_equal(scene_story(), "(x) close");
}

/* ---- sends ---- */

static void send_number(dgram_socket_t *socket, int number) {
  scene_send(socket, number);
}

static void sends_of_a_batch_leave_together_after_it(void **state) {
  scene_on_message = send_number;
  fake_receive(scene_socket(), BATCH);
  uv_run(&scene_loop, UV_RUN_NOWAIT);
  assert_string_equal(fake_sends(), "0 1 2 3 4 5 6"); /* within the turn, in one call */
  scene_run();
  assert_string_equal(scene_story(), "(a) (bb) (cc) (d) (e) error(recvmsg EMSGSIZE) (ff) (g) "
                                     "0 1 2 3 4 5 6");
}

static void send_and_close_there(dgram_socket_t *socket, int number) {
  scene_send(socket, number);
  close_there(socket, number);
}

static void sends_made_before_close_leave(void **state) {
  scene_on_message = send_and_close_there;
  at = 2;
  fake_receive(scene_socket(), BATCH);
  scene_run();
  assert_string_equal(fake_sends(), "0 1 2");
  assert_string_equal(scene_story(), "(a) (bb) (cc) 0 1 2 close");
}

/* ---- other listeners ---- */

static char calls[64];
static size_t call_count;

static void note(char name) {
  calls[call_count++] = name;
  calls[call_count] = '\0';
}

static void plain(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                  void *context) {
  note('p');
}

static void removes_itself(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                           void *context) {
  note('r');
  assert_int_equal(dgram_off_message(socket, removes_itself, NULL), 0);
}

static void adds_another(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                         void *context) {
  note('a');
  assert_int_equal(dgram_off_message(socket, adds_another, NULL), 0);
  assert_int_equal(dgram_on_message(socket, plain, NULL), 0);
}

static const struct fake_slot three = {.data = "xyz", .size = 3, .segment = 1};

static void one_that_removes_itself_is_not_called_for_the_next_message(void **state) {
  dgram_socket_t *socket = scene_socket();
  call_count = 0;
  assert_int_equal(dgram_on_message(socket, removes_itself, NULL), 0);
  assert_int_equal(dgram_on_message(socket, plain, NULL), 0);
  fake_receive(socket, &three, 1);
  scene_run();
  assert_string_equal(calls, "rppp");
}

static void one_that_is_added_is_called_from_the_next_message_on(void **state) {
  dgram_socket_t *socket = scene_socket();
  call_count = 0;
  assert_int_equal(dgram_on_message(socket, adds_another, NULL), 0);
  fake_receive(socket, &three, 1);
  scene_run();
  assert_string_equal(calls, "app");
}

static void one_added_with_once_is_called_for_one_message_of_a_batch(void **state) {
  dgram_socket_t *socket = scene_socket();
  call_count = 0;
  assert_int_equal(dgram_once_message(socket, plain, NULL), 0);
  fake_receive(socket, &three, 1);
  scene_run();
  assert_string_equal(calls, "p");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE(after_close_nothing_of_the_batch_is_delivered),
      SCENE(after_close_no_further_batch_is_received),
      SCENE(the_listener_of_error_may_close_too),
      SCENE(a_socket_closed_by_another_ones_listener_receives_no_more),
      SCENE(sends_of_a_batch_leave_together_after_it),
      SCENE(sends_made_before_close_leave),
      SCENE(one_that_removes_itself_is_not_called_for_the_next_message),
      SCENE(one_that_is_added_is_called_from_the_next_message_on),
      SCENE(one_added_with_once_is_called_for_one_message_of_a_batch),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
