/*
 * What node:dgram has not, in a program that defers tasks itself and looks names up itself: late
 * tasks and late answers change the order of events, and nothing else.
 */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"
#include "lib/task_list.h"

#include <dgram_access.h>
#include <dgram_peer.h>

static void count_icmp(dgram_socket_t *socket, const dgram_icmp_t *icmp, void *context) {
  ++*(int *)context;
}

/* Runs the loop and the tasks, as a script engine does, until nothing is left to do. */
static void settle_all(uv_loop_t *loop, struct task_list *list) {
  for (int i = 0; i < 5; i++) {
    settle(loop);
    task_list_run_backwards(list);
  }
}

/* ---- defer ---- */

TEST("'drain' comes once though the tasks of completions run late, and backwards") {
  struct task_list list = {0};
  int sent = 0, drained = 0;
  int peer = raw_socket();
  dgram_socket_t *socket = new_bound_with_defer(loop, &list);
  assert_int_equal(dgram_set_send_queue_limit(socket, 0, 2, 0, 0), 0);
  assert_int_equal(dgram_on_drain(socket, count_event, &drained), 0);
  for (int round = 1; round <= 3; round++) {
    for (int i = 0; i < 2; i++)
      send_text(socket, "x", raw_port(peer), count_sent, &sent);
    assert_int_equal(dgram_send(socket, "y", 1, raw_port(peer), NULL, NULL, NULL), UV_ENOBUFS);
    settle(loop);
    assert_int_equal(sent, 2 * (round - 1)); /* what has left waits for its task, and counts */
    assert_int_equal(dgram_send(socket, "y", 1, raw_port(peer), NULL, NULL, NULL), UV_ENOBUFS);
    settle_all(loop, &list);
    assert_int_equal(sent, 2 * round);
    assert_int_equal(drained, round);
  }
  assert_string_equal(arrived(peer), "x x x x x x");
  close_socket(socket);
  settle_all(loop, &list);
  close(peer);
}

TEST("a socket that is closed before its tasks have run emits no 'drain'") {
  struct task_list list = {0};
  int drained = 0;
  dgram_socket_t *socket = new_bound_with_defer(loop, &list);
  assert_int_equal(dgram_set_send_queue_limit(socket, 0, 1, 0, 0), 0);
  assert_int_equal(dgram_on_drain(socket, count_event, &drained), 0);
  send_text(socket, "x", raw_closed_port(), trace_sent, "sent");
  assert_int_equal(dgram_send(socket, "y", 1, 9, NULL, NULL, NULL), UV_ENOBUFS);
  assert_int_equal(dgram_close(socket, trace_event, "close"), 0);
  settle_all(loop, &list);
  assert_int_equal(drained, 0);
  assert_trace("sent close");
}

TEST("a bind that an option is refused for is an 'error' of its deferred task") {
  struct task_list list = {0};
  struct kept_error kept = {0};
  dgram_options_t options = task_list_options(&list);
  options.bind_device = "nosuchif";
  dgram_socket_t *socket = new_with(loop, &options);
  assert_int_equal(dgram_on_error(socket, keep_error, &kept), 0);
  assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), 0);
  send_text(socket, "x", 9, trace_sent, "sent");
  assert_int_equal(dgram_pause(socket), 0);
  settle(loop);
  assert_int_equal(kept.calls, 0);
  settle_all(loop, &list);
  assert_string_equal(kept.message, "setsockopt ENODEV SO_BINDTODEVICE");
  assert_trace("sent(ENODEV)");
  assert_int_equal(dgram_bind_state(socket), DGRAM_UNBOUND);
  assert_int_equal(dgram_is_paused(socket), 1);
  close_socket(socket);
  settle_all(loop, &list);
}

TEST("a pause and a resume need no task, and 'message' still comes after 'listening'") {
  struct task_list list = {0};
  int received = 0;
  int sender = raw_socket();
  dgram_socket_t *socket = new_with_defer(loop, &list);
  assert_int_equal(dgram_on_message(socket, count_message, &received), 0);
  assert_int_equal(dgram_bind_sync(socket, 0, "127.0.0.1"), 0);
  raw_send(sender, "x", 1, port_of(socket));
  assert_int_equal(dgram_pause(socket), 0);
  settle(loop);
  assert_int_equal(dgram_resume(socket), 0);
  settle(loop);
  assert_int_equal(received, 0); /* not before 'listening' */
  task_list_run_all(&list);
  settle(loop);
  assert_int_equal(received, 1);
  close_socket(socket);
  settle_all(loop, &list);
  close(sender);
}

/* What the peer sends waits for 'listening' of its socket, which waits for the program. */
TEST("the socket of a peer keeps what comes until its deferred 'listening'") {
  for (int closes = 0; closes < 2; closes++) {
    begin_round(loop);
    struct task_list list = {0};
    int received = 0;
    int peer = raw_socket();
    struct sockaddr_in to = loopback_address(raw_port(peer));
    dgram_options_t options = task_list_options(&list);
    dgram_socket_t *accepted;
    options.reuse_port = 1;
    dgram_socket_t *server = new_with(loop, &options);
    assert_int_equal(dgram_bind_sync(server, 0, "127.0.0.1"), 0);
    task_list_run_all(&list);
    assert_int_equal(dgram_accept_peer(server, (struct sockaddr *)&to, NULL, &accepted), 0);
    assert_int_equal(dgram_on_message(accepted, count_message, &received), 0);
    raw_send(peer, "x", 1, port_of(server));
    settle(loop);
    assert_int_equal(received, 0);
    if (closes)
      close_socket(accepted);
    settle_all(loop, &list);
    assert_int_equal(received, !closes);
    if (!closes)
      close_socket(accepted);
    close_socket(server);
    settle_all(loop, &list);
    close(peer);
  }
}

TEST("'icmp' needs no task, and its listener is removed before one of a send runs") {
  struct task_list list = {0};
  int heard = 0;
  dgram_socket_t *socket = new_bound_with_defer(loop, &list);
  assert_int_equal(dgram_on_icmp(socket, count_icmp, &heard), 0);
  for (int i = 0; i < 3; i++) {
    send_text(socket, "x", raw_closed_port(), trace_sent, "sent");
    dgram_flush(socket);
  }
  run_until(loop, &heard, 3);
  assert_int_equal(dgram_off_icmp(socket, count_icmp, &heard), 0);
  settle_all(loop, &list);
  assert_trace("sent sent sent");
  close_socket(socket);
  settle_all(loop, &list);
}

/* ---- look-ups ---- */

static int answer_fd(struct lookup_stub *stub, int number, int fd) {
  dgram_lookup_t *lookup = stub->queries[number].lookup;
  stub->queries[number].lookup = NULL;
  return dgram_lookup_done_fd(lookup, fd);
}

TEST("a descriptor that answers a bind is refused an option that comes too late, and is kept") {
  struct lookup_stub stub = {0};
  struct kept_error kept = {0};
  int fd = raw_socket();
  dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, &stub);
  assert_int_equal(dgram_on_error(socket, keep_error, &kept), 0);
  assert_int_equal(dgram_set_sockopt(socket, DGRAM_SO_FREEBIND, 1), 0);
  assert_int_equal(dgram_bind(socket, 9, "name", NULL, NULL), 0);
  send_text(socket, "x", 9, trace_sent, "sent");
  trace_clear();
  assert_int_equal(answer_fd(&stub, 0, fd), UV_EINVAL);
  assert_string_equal(kept.message, "setsockopt EINVAL IP_FREEBIND");
  settle(loop);
  assert_trace("sent(EINVAL)");
  assert_true(is_open(fd));
  close(fd);
}

/* All that is set up while the answer is awaited holds of the descriptor. */
TEST(
    "a descriptor that answers a bind gets the options, facts, lists and listeners of the socket") {
  struct lookup_stub stub = {0};
  int heard = 0, drained = 0, received = 0;
  int fd = raw_socket();
  int peer = raw_socket();
  dgram_access_list_t *list;
  int64_t ttl = 0;
  dgram_options_t options = lookup_stub_options(DGRAM_UDP4, &stub);
  options.receive_info = DGRAM_INFO_TTL;
  options.disable_gro = 1;
  dgram_socket_t *socket = new_with(loop, &options);
  assert_int_equal(dgram_access_list_create(&list), 0);
  assert_int_equal(dgram_access_list_add_address(list, "127.0.0.2"), 0);
  assert_int_equal(dgram_on_message(socket, count_message, &received), 0);
  assert_int_equal(dgram_bind(socket, 9, "name", NULL, NULL), 0);
  assert_int_equal(dgram_set_sockopt(socket, DGRAM_SO_TTL, 33), 0);
  assert_int_equal(dgram_on_icmp(socket, count_icmp, &heard), 0);
  assert_int_equal(dgram_on_drain(socket, count_event, &drained), 0);
  assert_int_equal(dgram_set_send_queue_limit(socket, 0, 1, 0, 0), 0);
  assert_int_equal(dgram_set_receive_access(socket, DGRAM_BLOCK, list), 0);
  assert_int_equal(dgram_set_send_access(socket, DGRAM_BLOCK, list), 0);
  assert_int_equal(dgram_pause(socket), 0);
  send_text(socket, "x", raw_closed_port(), trace_sent, "sent");
  assert_int_equal(dgram_send(socket, "y", 1, 9, "127.0.0.1", NULL, NULL), UV_ENOBUFS);
  raw_send(peer, "early", 5, raw_port(fd));
  assert_int_equal(answer_fd(&stub, 0, fd), 0);
  assert_int_equal(dgram_get_sockopt(socket, DGRAM_SO_TTL, &ttl), 0);
  assert_int_equal(ttl, 33);
  trace_clear();
  lookup_stub_answer(&stub, 1, 0, "127.0.0.1"); /* the send's */
  run_until(loop, &heard, 1);
  run_until(loop, &drained, 1);
  assert_trace("sent");
  assert_int_equal(received, 0);
  assert_int_equal(dgram_resume(socket), 0);
  run_until(loop, &received, 1);
  assert_int_equal(dgram_send(socket, "x", 1, 9, "name", trace_sent, "blocked"), 0);
  lookup_stub_answer(&stub, 2, 0, "127.0.0.2");
  settle(loop);
  assert_trace("ask(name) blocked(ERR_IP_BLOCKED)");
  dgram_access_list_free(list);
  close(peer);
}

/* A limit that is over when uv_run() begins is reported before it waits: it would wait for ever. */
static void stop_waiting(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  uv_stop(dgram_loop(socket));
}

TEST("a descriptor that answers too late stays the program's") {
  struct lookup_stub stub = {0};
  struct kept_error kept = {0};
  int fd = raw_socket();
  dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, &stub);
  assert_int_equal(dgram_on_error(socket, keep_error, &kept), 0);
  assert_int_equal(dgram_on_error(socket, stop_waiting, NULL), 0);
  int port;
  new_bound(loop, NULL, NULL, &port); /* the time does not keep the loop alive */
  assert_int_equal(dgram_set_lookup_timeout(socket, 1), 0);
  assert_int_equal(dgram_bind(socket, 9, "name", NULL, NULL), 0);
  run_until(loop, &kept.calls, 1);
  assert_string_equal(kept.message, "getaddrinfo ETIMEDOUT name");
  assert_int_equal(answer_fd(&stub, 0, fd), UV_ECANCELED);
  assert_int_equal(kept.calls, 1);
  assert_true(is_open(fd));
  assert_int_equal(dgram_set_lookup_timeout(socket, 0), 0);
  assert_int_equal(dgram_bind(socket, 9, "name", NULL, NULL), 0);
  assert_int_equal(answer_fd(&stub, 1, fd), 0);
  assert_int_equal(port_of(socket), raw_port(fd));
}

static void answer_at_once(dgram_lookup_t *lookup, const char *host, dgram_type_t type,
                           void *context) {
  trace("done(%d)", dgram_lookup_done_fd(lookup, *(int *)context));
}

/* 'error' is then emitted inside dgram_bind(), and may close the socket there. */
static void close_on_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("%s", error->message);
  close_socket(socket);
}

TEST("a look-up that answers at once with a descriptor that is refused fails inside the call") {
  int fd = raw_socket();
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.lookup = answer_at_once;
  options.lookup_context = &fd;
  options.bind_device = "nosuchif";
  dgram_socket_t *socket = new_with(loop, &options);
  assert_int_equal(dgram_on_error(socket, close_on_error, NULL), 0);
  assert_int_equal(dgram_bind(socket, 9, "name", NULL, NULL), 0);
  char expected[64];
  snprintf(expected, sizeof expected, "setsockopt ENODEV SO_BINDTODEVICE done(%d)", UV_ENODEV);
  assert_trace(expected);
  run_to_end(loop);
  assert_true(is_open(fd));
  close(fd);
}
