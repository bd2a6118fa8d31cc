/* The listeners of an event: their order, once, off, and changes while it is emitted. */
#include "lib/fixture.h"

/* 'message' stands for all events here; the last tests go through the others. */

static dgram_socket_t *target;
static int target_port;
static int arrivals;

static void begin(uv_loop_t *loop) {
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
  run_until(dgram_loop(target), &arrivals, wanted);
  assert_int_equal(dgram_off_message(target, count_arrival, &arrivals), 0);
}

static void on(const char *name) {
  assert_int_equal(dgram_on_message(target, trace_message, (void *)name), 0);
}

TEST("listeners are called in the order in which they were added") {
  begin(loop);
  on("a");
  on("b");
  on("c");
  emit();
  emit();
  assert_trace("a(x) b(x) c(x) a(x) b(x) c(x)");
}

TEST("the listener given at creation is the first") {
  target = new_bound(loop, trace_message, "created", &target_port);
  on("later");
  emit();
  assert_trace("created(x) later(x)");
}

TEST("one function may be added twice") {
  begin(loop);
  on("a");
  on("a");
  emit();
  assert_trace("a(x) a(x)");
}

TEST("a once listener is called once") {
  begin(loop);
  on("a");
  assert_int_equal(dgram_once_message(target, trace_message, "once"), 0);
  on("b");
  emit();
  emit();
  assert_trace("a(x) once(x) b(x) a(x) b(x)");
}

static void off_itself_is_too_late(dgram_socket_t *socket, const char *message,
                                   const dgram_rinfo_t *rinfo, void *context) {
  trace("off:%d", dgram_off_message(socket, off_itself_is_too_late, context) == UV_ENOENT);
}

TEST("a once listener is removed before its call") {
  begin(loop);
  assert_int_equal(dgram_once_message(target, off_itself_is_too_late, NULL), 0);
  emit();
  assert_trace("off:1");
}

TEST("off removes the one with this function and context") {
  begin(loop);
  on("a");
  on("b");
  assert_int_equal(dgram_off_message(target, trace_message, "nobody"), UV_ENOENT);
  assert_int_equal(dgram_off_message(target, count_message, "a"), UV_ENOENT);
  assert_int_equal(dgram_off_message(target, trace_message, "a"), 0);
  assert_int_equal(dgram_off_message(target, trace_message, "a"), UV_ENOENT);
  emit();
  assert_trace("b(x)");
}

TEST("off removes the most recently added of equals") {
  begin(loop);
  on("a");
  on("b");
  on("a");
  assert_int_equal(dgram_off_message(target, trace_message, "a"), 0);
  emit();
  assert_trace("a(x) b(x)");
}

TEST("off removes a once listener too") {
  begin(loop);
  assert_int_equal(dgram_once_message(target, trace_message, "once"), 0);
  assert_int_equal(dgram_off_message(target, trace_message, "once"), 0);
  emit();
  assert_trace("");
}

static void remove_b_and_c(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                           void *context) {
  trace("remover");
  dgram_off_message(socket, trace_message, "b");
  dgram_off_message(socket, trace_message, "c");
}

TEST("a removed listener is not called any more in this emission") {
  begin(loop);
  on("a");
  on("b");
  assert_int_equal(dgram_once_message(target, remove_b_and_c, NULL), 0);
  on("c");
  on("d");
  emit();
  emit();
  assert_trace("a(x) b(x) remover d(x) a(x) d(x)");
}

static void remove_itself(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                          void *context) {
  trace("gone:%d", dgram_off_message(socket, remove_itself, context) == 0);
}

TEST("a listener may remove itself") {
  begin(loop);
  on("a");
  assert_int_equal(dgram_on_message(target, remove_itself, NULL), 0);
  on("b");
  emit();
  emit();
  assert_trace("a(x) gone:1 b(x) a(x) b(x)");
}

static void add_another(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                        void *context) {
  trace("adder");
  dgram_on_message(socket, trace_message, "added");
}

TEST("a listener added in an emission is first called at the next") {
  begin(loop);
  assert_int_equal(dgram_once_message(target, add_another, NULL), 0);
  on("a");
  emit();
  assert_trace("adder a(x)");
  emit();
  assert_trace("a(x) added(x)");
}

static void remove_and_add_again(dgram_socket_t *socket, const char *message,
                                 const dgram_rinfo_t *rinfo, void *context) {
  trace("swap");
  dgram_off_message(socket, trace_message, "a");
  dgram_on_message(socket, trace_message, "a");
}

TEST("a listener removed and added again waits for the next emission") {
  begin(loop);
  assert_int_equal(dgram_once_message(target, remove_and_add_again, NULL), 0);
  on("a");
  emit();
  assert_trace("swap");
  emit();
  assert_trace("a(x)");
}

TEST("listening has on once and off") {
  target = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_listening(target, trace_event, "on"), 0);
  assert_int_equal(dgram_once_listening(target, trace_event, "once"), 0);
  assert_int_equal(dgram_on_listening(target, trace_event, "off"), 0);
  assert_int_equal(dgram_off_listening(target, trace_event, "off"), 0);
  bind_now(target, "127.0.0.1");
  assert_int_equal(dgram_off_listening(target, trace_event, "once"), UV_ENOENT);
  assert_trace("on once");
}

TEST("close has on once and off") {
  target = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_close(target, trace_event, "on"), 0);
  assert_int_equal(dgram_once_close(target, trace_event, "once"), 0);
  assert_int_equal(dgram_on_close(target, trace_event, "off"), 0);
  assert_int_equal(dgram_off_close(target, trace_event, "off"), 0);
  assert_int_equal(dgram_close(target, trace_event, "callback"), 0);
  run_to_end(loop);
  assert_trace("on once callback");
}

/* Each bind of an address of the other family is an 'error'. */
TEST("error has on once and off") {
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
}

TEST("after close() listeners of close and of error can still be added") {
  begin(loop);
  close_socket(target);
  assert_int_equal(dgram_on_error(target, trace_error, "e"), 0);
  assert_int_equal(dgram_off_error(target, trace_error, "e"), 0);
  assert_int_equal(dgram_on_close(target, trace_event, "on"), 0);
  assert_int_equal(dgram_once_close(target, trace_event, "once"), 0);
  assert_int_equal(dgram_on_close(target, trace_event, "off"), 0);
  assert_int_equal(dgram_off_close(target, trace_event, "off"), 0);
  run_to_end(loop);
  assert_trace("on once");
}
