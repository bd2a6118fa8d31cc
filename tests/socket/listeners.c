/* The listeners of an event: their order, once, off, and changes while it is emitted. */
#include "lib/fixture.h"

/* 'message' stands for all events here; the last tests go through the others. */

static uv_loop_t *loop;
static dgram_socket_t *target;
static int target_port;
static int arrivals;

static void begin(void) {
  loop = open_loop();
  target = new_bound(loop, NULL, NULL, &target_port);
  arrivals = 0;
}

static void count_arrival(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                          void *context) {
  arrivals++;
}

/* Emits 'message' once. */
static void emit(void) {
  int wanted = arrivals + 1;
  assert_int_equal(dgram_on_message(target, count_arrival, &arrivals), 0);
  send_text(target, "x", target_port, NULL, NULL);
  run_until(loop, &arrivals, wanted);
  assert_int_equal(dgram_off_message(target, count_arrival, &arrivals), 0);
}

static void end(void) {
  close_socket(target);
  close_loop(loop);
}

static void on(const char *name) {
  assert_int_equal(dgram_on_message(target, trace_message, (void *)name), 0);
}

static void are_called_in_the_order_in_which_they_were_added(void **state) {
  begin();
  on("a");
  on("b");
  on("c");
  emit();
  emit();
  assert_trace("a(x) b(x) c(x) a(x) b(x) c(x)");
  end();
}

static void the_listener_given_at_creation_is_the_first(void **state) {
  loop = open_loop();
  target = new_bound(loop, trace_message, "created", &target_port);
  on("later");
  emit();
  assert_trace("created(x) later(x)");
  end();
}

static void one_function_may_be_added_twice(void **state) {
  begin();
  on("a");
  on("a");
  emit();
  assert_trace("a(x) a(x)");
  end();
}

static void once_is_called_once(void **state) {
  begin();
  on("a");
  assert_int_equal(dgram_once_message(target, trace_message, "once"), 0);
  on("b");
  emit();
  emit();
  assert_trace("a(x) once(x) b(x) a(x) b(x)");
  end();
}

static void off_itself_is_too_late(dgram_socket_t *socket, const char *message,
                                   const dgram_rinfo_t *rinfo, void *context) {
  trace("off:%d", dgram_off_message(socket, off_itself_is_too_late, context) == UV_ENOENT);
}

static void once_is_removed_before_its_call(void **state) {
  begin();
  assert_int_equal(dgram_once_message(target, off_itself_is_too_late, NULL), 0);
  emit();
  assert_trace("off:1");
  end();
}

static void off_removes_the_one_with_this_function_and_context(void **state) {
  begin();
  on("a");
  on("b");
  assert_int_equal(dgram_off_message(target, trace_message, "nobody"), UV_ENOENT);
  assert_int_equal(dgram_off_message(target, count_message, "a"), UV_ENOENT);
  assert_int_equal(dgram_off_message(target, trace_message, "a"), 0);
  assert_int_equal(dgram_off_message(target, trace_message, "a"), UV_ENOENT);
  emit();
  assert_trace("b(x)");
  end();
}

static void off_removes_the_most_recently_added_of_equals(void **state) {
  begin();
  on("a");
  on("b");
  on("a");
  assert_int_equal(dgram_off_message(target, trace_message, "a"), 0);
  emit();
  assert_trace("a(x) b(x)");
  end();
}

static void off_removes_a_once_listener_too(void **state) {
  begin();
  assert_int_equal(dgram_once_message(target, trace_message, "once"), 0);
  assert_int_equal(dgram_off_message(target, trace_message, "once"), 0);
  emit();
  assert_trace("");
  end();
}

static void remove_b_and_c(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                           void *context) {
  trace("remover");
  dgram_off_message(socket, trace_message, "b");
  dgram_off_message(socket, trace_message, "c");
}

static void a_removed_listener_is_not_called_any_more_in_this_emission(void **state) {
  begin();
  on("a");
  on("b");
  assert_int_equal(dgram_once_message(target, remove_b_and_c, NULL), 0);
  on("c");
  on("d");
  emit();
  emit();
  assert_trace("a(x) b(x) remover d(x) a(x) d(x)");
  end();
}

static void remove_itself(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                          void *context) {
  trace("gone:%d", dgram_off_message(socket, remove_itself, context) == 0);
}

static void a_listener_may_remove_itself(void **state) {
  begin();
  on("a");
  assert_int_equal(dgram_on_message(target, remove_itself, NULL), 0);
  on("b");
  emit();
  emit();
  assert_trace("a(x) gone:1 b(x) a(x) b(x)");
  end();
}

static void add_another(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                        void *context) {
  trace("adder");
  dgram_on_message(socket, trace_message, "added");
}

static void a_listener_added_in_an_emission_is_first_called_at_the_next(void **state) {
  begin();
  assert_int_equal(dgram_once_message(target, add_another, NULL), 0);
  on("a");
  emit();
  assert_trace("adder a(x)");
  emit();
  assert_trace("a(x) added(x)");
  end();
}

static void remove_and_add_again(dgram_socket_t *socket, const char *message,
                                 const dgram_rinfo_t *rinfo, void *context) {
  trace("swap");
  dgram_off_message(socket, trace_message, "a");
  dgram_on_message(socket, trace_message, "a");
}

static void a_listener_removed_and_added_again_waits_for_the_next_emission(void **state) {
  begin();
  assert_int_equal(dgram_once_message(target, remove_and_add_again, NULL), 0);
  on("a");
  emit();
  assert_trace("swap");
  emit();
  assert_trace("a(x)");
  end();
}

static void listening_has_on_once_and_off(void **state) {
  loop = open_loop();
  target = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_listening(target, trace_event, "on"), 0);
  assert_int_equal(dgram_once_listening(target, trace_event, "once"), 0);
  assert_int_equal(dgram_on_listening(target, trace_event, "off"), 0);
  assert_int_equal(dgram_off_listening(target, trace_event, "off"), 0);
  bind_now(target, "127.0.0.1");
  assert_int_equal(dgram_off_listening(target, trace_event, "once"), UV_ENOENT);
  assert_trace("on once");
  end();
}

static void close_has_on_once_and_off(void **state) {
  loop = open_loop();
  target = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_close(target, trace_event, "on"), 0);
  assert_int_equal(dgram_once_close(target, trace_event, "once"), 0);
  assert_int_equal(dgram_on_close(target, trace_event, "off"), 0);
  assert_int_equal(dgram_off_close(target, trace_event, "off"), 0);
  assert_int_equal(dgram_close(target, trace_event, "callback"), 0);
  close_loop(loop);
  assert_trace("on once callback");
}

/* Each bind of an address of the other family is an 'error'. */
static void error_has_on_once_and_off(void **state) {
  loop = open_loop();
  target = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(target, trace_error, "on"), 0);
  assert_int_equal(dgram_once_error(target, trace_error, "once"), 0);
  assert_int_equal(dgram_on_error(target, trace_error, "off"), 0);
  assert_int_equal(dgram_off_error(target, trace_error, "off"), 0);
  assert_int_equal(dgram_bind(target, 0, "::1", NULL, NULL), 0);
  run_to_end(loop);
  assert_trace("on(EINVAL) once(EINVAL)");
  assert_int_equal(dgram_bind(target, 0, "::1", NULL, NULL), 0);
  run_to_end(loop);
  assert_trace("on(EINVAL)");
  end();
}

static void after_close_only_close_and_error_can_be_listened_for(void **state) {
  begin();
  close_socket(target);
  assert_int_equal(dgram_on_message(target, trace_message, "m"),
                   DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  assert_int_equal(dgram_once_message(target, trace_message, "m"),
                   DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  assert_int_equal(dgram_off_message(target, trace_message, "m"),
                   DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  assert_int_equal(dgram_on_listening(target, trace_event, "l"),
                   DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  assert_int_equal(dgram_once_listening(target, trace_event, "l"),
                   DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  assert_int_equal(dgram_off_listening(target, trace_event, "l"),
                   DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  assert_int_equal(dgram_on_error(target, trace_error, "e"), 0);
  assert_int_equal(dgram_off_error(target, trace_error, "e"), 0);
  assert_int_equal(dgram_on_close(target, trace_event, "on"), 0);
  assert_int_equal(dgram_once_close(target, trace_event, "once"), 0);
  assert_int_equal(dgram_on_close(target, trace_event, "off"), 0);
  assert_int_equal(dgram_off_close(target, trace_event, "off"), 0);
  close_loop(loop);
  assert_trace("on once");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(are_called_in_the_order_in_which_they_were_added),
      cmocka_unit_test(the_listener_given_at_creation_is_the_first),
      cmocka_unit_test(one_function_may_be_added_twice),
      cmocka_unit_test(once_is_called_once),
      cmocka_unit_test(once_is_removed_before_its_call),
      cmocka_unit_test(off_removes_the_one_with_this_function_and_context),
      cmocka_unit_test(off_removes_the_most_recently_added_of_equals),
      cmocka_unit_test(off_removes_a_once_listener_too),
      cmocka_unit_test(a_removed_listener_is_not_called_any_more_in_this_emission),
      cmocka_unit_test(a_listener_may_remove_itself),
      cmocka_unit_test(a_listener_added_in_an_emission_is_first_called_at_the_next),
      cmocka_unit_test(a_listener_removed_and_added_again_waits_for_the_next_emission),
      cmocka_unit_test(listening_has_on_once_and_off),
      cmocka_unit_test(close_has_on_once_and_off),
      cmocka_unit_test(error_has_on_once_and_off),
      cmocka_unit_test(after_close_only_close_and_error_can_be_listened_for),
  };
  return cmocka_run_group_tests_name("listeners", tests, NULL, NULL);
}
