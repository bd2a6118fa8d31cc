/*
 * Time limits of sends and look-ups. What is not limited here waits for ever; so a test that does
 * not fail has seen the limit. (That a send which the kernel has no room for ends is in
 * fake/time_limits.c.)
 */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"
#include "lib/task_list.h"

enum { SHORT_MS = 5, LONG_MS = 1000000 };

static void send_to_name(dgram_socket_t *socket, const char *context) {
  assert_int_equal(dgram_send(socket, "x", 1, 9, "name", trace_sent, (void *)context), 0);
}

/* Unbound; and another socket keeps the loop alive, which no look-up of a program's does. */
static dgram_socket_t *new_unbound(uv_loop_t *loop, struct lookup_stub *stub) {
  int port;
  new_bound(loop, NULL, NULL, &port);
  return new_with_lookup(loop, DGRAM_UDP4, stub);
}

/* Runs the loop until the trace has the word, which comes last. */
static void run_until_word(uv_loop_t *loop, const char *word) {
  while (strstr(trace_text, word) == NULL)
    uv_run(loop, UV_RUN_ONCE);
  settle(loop);
}

/* What a program owes: each query gets an answer, which here is too late. */
static void answer_all(struct lookup_stub *stub) {
  for (int i = 0; i < stub->asked; i++)
    if (stub->queries[i].lookup != NULL)
      lookup_stub_answer(stub, i, 0, "127.0.0.1");
}

/* ---- sends ---- */

TEST("a send that waits for its look-up ends after its time") {
  struct lookup_stub stub = {0};
  struct kept_error error = {0};
  dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
  assert_int_equal(dgram_set_send_timeout(socket, SHORT_MS), 0);
  assert_int_equal(dgram_send(socket, "x", 1, 9, "name", keep_send_error, &error), 0);
  run_until(loop, &error.calls, 1);
  assert_int_equal(error.code, UV_ETIMEDOUT);
  assert_string_equal(error.message, "send ETIMEDOUT name:9");
  assert_int_equal(dgram_get_send_queue_count(socket), 0);
  lookup_stub_answer(&stub, 0, 0, "127.0.0.1");
  settle(loop);
  assert_int_equal(error.calls, 1);
}

TEST("a send that waits for a bind ends after its time, and the socket binds") {
  struct lookup_stub stub = {0};
  dgram_socket_t *socket = new_unbound(loop, &stub);
  assert_int_equal(dgram_set_send_timeout(socket, SHORT_MS), 0);
  assert_int_equal(dgram_send(socket, "x", 1, 9, "127.0.0.1", trace_sent, "sent"), 0);
  run_until_trace(loop, "ask(0.0.0.0) sent(ETIMEDOUT)");
  lookup_stub_answer(&stub, 0, 0, "127.0.0.1");
  settle(loop);
  assert_int_equal(dgram_bind_state(socket), DGRAM_BOUND);
  assert_trace("");
}

TEST("sends end after their time in their order") {
  struct lookup_stub stub = {0};
  dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
  assert_int_equal(dgram_set_send_timeout(socket, SHORT_MS), 0);
  send_to_name(socket, "1");
  send_to_name(socket, "2");
  send_to_name(socket, "3");
  run_until_trace(loop, "ask(name) ask(name) ask(name) 1(ETIMEDOUT) 2(ETIMEDOUT) 3(ETIMEDOUT)");
  answer_all(&stub);
}

TEST("a send without a callback that is over its time is an error event") {
  struct lookup_stub stub = {0};
  struct kept_error error = {0};
  dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
  assert_int_equal(dgram_on_error(socket, keep_error, &error), 0);
  assert_int_equal(dgram_set_send_timeout(socket, SHORT_MS), 0);
  assert_int_equal(dgram_send(socket, "x", 1, 9, "name", NULL, NULL), 0);
  run_until(loop, &error.calls, 1);
  assert_string_equal(error.message, "send ETIMEDOUT name:9");
  answer_all(&stub);
}

TEST("sends that leave in time leave, whatever the program did before") {
  enum { SENDS = 3000 };
  int port;
  int sent = 0;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_set_send_timeout(socket, 1), 0);
  for (int i = 0; i < SENDS; i++)
    assert_int_equal(dgram_send(socket, "x", 1, 9, "127.0.0.1", count_sent, &sent), 0);
  usleep(5000); /* a computation: the loop's time stands still, and then jumps over the limit */
  run_until(loop, &sent, SENDS);
}

/* ---- the limit changes ---- */

TEST("a limit applies to what is queued already") {
  struct lookup_stub stub = {0};
  dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
  send_to_name(socket, "1");
  assert_int_equal(dgram_set_send_timeout(socket, LONG_MS), 0);
  send_to_name(socket, "2");
  settle(loop);
  assert_trace("ask(name) ask(name)");
  assert_int_equal(dgram_set_send_timeout(socket, SHORT_MS), 0);
  run_until_trace(loop, "1(ETIMEDOUT) 2(ETIMEDOUT)");
  answer_all(&stub);
}

TEST("a limit that is lifted no longer applies") {
  struct lookup_stub stub = {0};
  dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
  assert_int_equal(dgram_set_send_timeout(socket, SHORT_MS), 0);
  assert_int_equal(dgram_set_lookup_timeout(socket, SHORT_MS), 0);
  send_to_name(socket, "1");
  assert_int_equal(dgram_set_send_timeout(socket, 0), 0);
  assert_int_equal(dgram_set_lookup_timeout(socket, 0), 0);
  turns_in(loop, 4 * SHORT_MS);
  assert_trace("ask(name)");
  lookup_stub_answer(&stub, 0, 0, "127.0.0.1");
  settle(loop);
  assert_trace("1");
}

/* ---- look-ups ---- */

TEST("the look-up of a send ends after its time") {
  struct lookup_stub stub = {0};
  struct kept_error error = {0};
  dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
  assert_int_equal(dgram_set_lookup_timeout(socket, SHORT_MS), 0);
  assert_int_equal(dgram_send(socket, "x", 1, 9, "name", keep_send_error, &error), 0);
  run_until(loop, &error.calls, 1);
  assert_int_equal(error.code, UV_ETIMEDOUT);
  assert_string_equal(error.message, "getaddrinfo ETIMEDOUT name");
  lookup_stub_answer(&stub, 0, UV_EAI_FAIL, NULL);
  settle(loop);
  assert_int_equal(error.calls, 1);
}

TEST("the look-up of a bind ends after its time, and the socket can be bound again") {
  struct lookup_stub stub = {0};
  struct kept_error error = {0};
  dgram_socket_t *socket = new_unbound(loop, &stub);
  assert_int_equal(dgram_on_error(socket, keep_error, &error), 0);
  assert_int_equal(dgram_set_lookup_timeout(socket, SHORT_MS), 0);
  assert_int_equal(dgram_bind(socket, 0, "name", trace_event, "never"), 0);
  run_until(loop, &error.calls, 1);
  assert_string_equal(error.message, "getaddrinfo ETIMEDOUT name");
  assert_int_equal(dgram_bind_state(socket), DGRAM_UNBOUND);
  assert_int_equal(dgram_lookup_done_fd(stub.queries[0].lookup, 0), UV_ECANCELED);
  assert_int_equal(dgram_bind_sync(socket, 0, "127.0.0.1"), 0);
  settle(loop);
  assert_trace("ask(name)");
}

/* The answer that a program owes ends the look-up, whose name the error has. */
static void answer_in_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  answer_all(context);
}

TEST("the look-up of a bind is answered inside the error that it took too long") {
  struct lookup_stub stub = {0};
  struct kept_error error = {0};
  dgram_socket_t *socket = new_unbound(loop, &stub);
  assert_int_equal(dgram_on_error(socket, answer_in_error, &stub), 0);
  assert_int_equal(dgram_on_error(socket, keep_error, &error), 0);
  assert_int_equal(dgram_set_lookup_timeout(socket, SHORT_MS), 0);
  assert_int_equal(dgram_bind(socket, 0, "name", trace_event, "never"), 0);
  run_until(loop, &error.calls, 1);
  assert_string_equal(error.address, "name");
  settle(loop);
  assert_trace("ask(name)");
}

TEST("the look-up of a connect ends after its time, and the socket can be connected again") {
  struct lookup_stub stub = {0};
  dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
  assert_int_equal(dgram_set_lookup_timeout(socket, SHORT_MS), 0);
  assert_int_equal(dgram_connect(socket, 9, "name", trace_connect, "connect"), 0);
  run_until_trace(loop, "ask(name) connect(ETIMEDOUT)");
  assert_int_equal(dgram_connect_state(socket), DGRAM_DISCONNECTED);
  lookup_stub_answer(&stub, 0, 0, "127.0.0.1");
  assert_int_equal(dgram_connect_sync(socket, 9, NULL), 0);
  settle(loop);
  trace_clear();
}

TEST("a limit applies to look-ups under way") {
  struct lookup_stub stub = {0};
  dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
  send_to_name(socket, "1");
  assert_int_equal(dgram_connect(socket, 9, "name", trace_connect, "connect"), 0);
  assert_int_equal(dgram_set_lookup_timeout(socket, SHORT_MS), 0);
  run_until_trace(loop, "ask(name) ask(name) 1(ETIMEDOUT) connect(ETIMEDOUT)");
  lookup_stub_answer(&stub, 0, 0, "127.0.0.1");
  lookup_stub_answer(&stub, 1, 0, "127.0.0.1");
}

TEST("a look-up that is answered in time is used") {
  struct lookup_stub stub = {0};
  dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
  assert_int_equal(dgram_set_lookup_timeout(socket, LONG_MS), 0);
  send_to_name(socket, "1");
  lookup_stub_answer(&stub, 0, 0, "127.0.0.1");
  settle(loop);
  assert_trace("ask(name) 1");
}

TEST("a look-up that is answered inside the call has no time to be over") {
  struct lookup_stub stub = {.at_once = "127.0.0.1"};
  dgram_socket_t *socket = new_unbound(loop, &stub);
  assert_int_equal(dgram_set_lookup_timeout(socket, 1), 0);
  bind_now(socket, "127.0.0.1");
  send_to_name(socket, "1");
  turns_in(loop, SHORT_MS);
  assert_trace("ask(127.0.0.1) ask(name) 1");
}

/* ---- close, and the loop ---- */

TEST("a close that waits for a bind without end is performed after the time limit") {
  struct lookup_stub stub = {0};
  dgram_socket_t *socket = new_unbound(loop, &stub);
  assert_int_equal(dgram_on_close(socket, trace_event, "close"), 0);
  assert_int_equal(dgram_set_send_timeout(socket, SHORT_MS), 0);
  assert_int_equal(dgram_send(socket, "x", 1, 9, "127.0.0.1", trace_sent, "sent"), 0);
  close_socket(socket);
  run_until_word(loop, "close");
  assert_trace("ask(0.0.0.0) sent(ETIMEDOUT) close");
  lookup_stub_answer(&stub, 0, 0, "127.0.0.1");
}

static void close_in_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("error(%s)", error->name);
  close_socket(socket);
}

TEST("the error of a bind that is over its time closes the socket") {
  struct lookup_stub stub = {0};
  dgram_socket_t *socket = new_unbound(loop, &stub);
  assert_int_equal(dgram_on_error(socket, close_in_error, NULL), 0);
  assert_int_equal(dgram_set_lookup_timeout(socket, SHORT_MS), 0);
  assert_int_equal(dgram_send(socket, "x", 1, 9, "127.0.0.1", trace_sent, "sent"), 0);
  run_until_word(loop, "sent");
  assert_trace("ask(0.0.0.0) error(ETIMEDOUT) sent(ETIMEDOUT)");
  lookup_stub_answer(&stub, 0, 0, "127.0.0.1");
}

TEST("a time limit does not keep the loop alive") {
  struct lookup_stub stub = {0};
  dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
  assert_int_equal(dgram_set_send_timeout(socket, LONG_MS), 0);
  assert_int_equal(dgram_set_lookup_timeout(socket, LONG_MS), 0);
  send_to_name(socket, "1");
  dgram_unref(socket);
  run_to_end(loop);
  dgram_ref(socket);
  close_socket(socket);
  run_to_end(loop);
  assert_trace("ask(name) 1(ECANCELED)");
  lookup_stub_answer(&stub, 0, 0, "127.0.0.1");
}

TEST("sockets with limits of their own end in the order of these") {
  struct lookup_stub stub = {0};
  dgram_socket_t *slow = new_bound_with_lookup(loop, &stub);
  dgram_socket_t *never = new_bound_with_lookup(loop, &stub);
  dgram_socket_t *quick = new_bound_with_lookup(loop, &stub);
  assert_int_equal(dgram_set_send_timeout(slow, 40), 0);
  assert_int_equal(dgram_set_send_timeout(quick, 2), 0);
  assert_int_equal(dgram_set_send_timeout(never, LONG_MS), 0);
  send_to_name(slow, "slow");
  send_to_name(never, "never");
  send_to_name(quick, "quick");
  run_until_trace(loop, "ask(name) ask(name) ask(name) quick(ETIMEDOUT) slow(ETIMEDOUT)");
  close_sockets(loop);
  trace_clear();
  for (int i = 0; i < 3; i++)
    lookup_stub_answer(&stub, i, 0, "127.0.0.1");
}

TEST("sends of a program that defers end after their time") {
  struct task_list list = {0};
  dgram_socket_t *socket = new_with_defer(loop, &list);
  assert_int_equal(dgram_set_send_timeout(socket, SHORT_MS), 0);
  assert_int_equal(dgram_send(socket, "x", 1, 9, "127.0.0.1", trace_sent, "sent"), 0);
  turns_in(loop, 4 * SHORT_MS); /* the bind waits for its task */
  task_list_run_all(&list);
  assert_trace("sent(ETIMEDOUT)");
  close_socket(socket);
  task_list_run_all(&list);
  run_to_end(loop);
}
