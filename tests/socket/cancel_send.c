/* One send is cancelled, wherever it waits; all others are as they were. */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

static char words[8][8] = {"a", "b", "c", "d", "e", "f", "g", "h"};

static void send_word(dgram_socket_t *socket, int number, const char *address) {
  assert_int_equal(dgram_send(socket, words[number], 1, 9, address, trace_sent, words[number]), 0);
}

static int cancel(dgram_socket_t *socket, int number) {
  return dgram_cancel_send(socket, trace_sent, words[number]);
}

TEST("a send that is ready is cancelled in its place") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  for (int i = 0; i < 4; i++)
    send_word(socket, i, "127.0.0.1");
  assert_int_equal(cancel(socket, 1), 0);
  assert_int_equal(cancel(socket, 1), UV_EBUSY);
  assert_int_equal(cancel(socket, 5), UV_ENOENT);
  assert_trace("");
  settle(loop);
  assert_trace("a b(ECANCELED) c d");
  assert_int_equal(cancel(socket, 0), UV_ENOENT);
}

TEST("the first and the last of the ready sends are cancelled") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  for (int i = 0; i < 3; i++)
    send_word(socket, i, "127.0.0.1");
  assert_int_equal(cancel(socket, 0), 0);
  assert_int_equal(cancel(socket, 2), 0);
  assert_trace("");
  settle(loop);
  assert_trace("a(ECANCELED) b c(ECANCELED)");
}

TEST("all of the ready sends are cancelled, and the socket goes on") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  for (int i = 0; i < 3; i++)
    send_word(socket, i, "127.0.0.1");
  for (int i = 2; i >= 0; i--)
    assert_int_equal(cancel(socket, i), 0);
  settle(loop);
  assert_trace("a(ECANCELED) b(ECANCELED) c(ECANCELED)");
  assert_int_equal(dgram_get_send_queue_count(socket), 0);
  assert_usable(socket);
}

TEST("what is cancelled does not arrive") {
  int port;
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  for (int i = 0; i < 3; i++)
    assert_int_equal(dgram_send(socket, words[i], 1, raw_port(fd), NULL, trace_sent, words[i]), 0);
  assert_int_equal(cancel(socket, 1), 0);
  settle(loop);
  assert_string_equal(arrived(fd), "a c");
  assert_trace("a b(ECANCELED) c");
  close(fd);
}

TEST("of several sends with one context the first is cancelled") {
  int port;
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  for (int i = 0; i < 3; i++)
    assert_int_equal(dgram_send(socket, words[i], 1, raw_port(fd), NULL, trace_sent, "same"), 0);
  assert_int_equal(dgram_cancel_send(socket, trace_sent, "same"), 0);
  settle(loop);
  assert_trace("same(ECANCELED) same same");
  assert_string_equal(arrived(fd), "b c");
  close(fd);
}

TEST("a send that waits for the bind is cancelled") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  for (int i = 0; i < 3; i++)
    send_word(socket, i, "127.0.0.1");
  assert_int_equal(cancel(socket, 1), 0);
  assert_int_equal(cancel(socket, 1), UV_EBUSY);
  assert_trace("");
  assert_int_equal(dgram_get_send_queue_count(socket), 3);
  settle(loop);
  assert_trace("b(ECANCELED) a c");
}

TEST("the only send that a bind was made for is cancelled") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  send_word(socket, 0, "127.0.0.1");
  assert_int_equal(cancel(socket, 0), 0);
  settle(loop);
  assert_trace("a(ECANCELED)");
  assert_int_equal(dgram_bind_state(socket), DGRAM_BOUND);
  assert_usable(socket);
}

TEST("a send that waits for its look-up is cancelled, and the answer comes to nobody") {
  struct lookup_stub stub = {0};
  dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
  for (int i = 0; i < 3; i++)
    send_word(socket, i, "name");
  assert_int_equal(cancel(socket, 1), 0);
  settle(loop);
  assert_trace("ask(name) ask(name) ask(name) b(ECANCELED)");
  for (int i = 0; i < 3; i++)
    lookup_stub_answer(&stub, i, 0, "127.0.0.1");
  settle(loop);
  assert_trace("a c");
  assert_int_equal(dgram_get_send_queue_size(socket), 0);
}

TEST("a send to a name of the system's is cancelled") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  send_word(socket, 0, "localhost");
  assert_int_equal(cancel(socket, 0), 0);
  run_until_trace(loop, "a(ECANCELED)");
  close_socket(socket);
  run_to_end(loop);
  assert_trace("");
}

static void cancel_next(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                        void *context) {
  int *results = context;
  results[0] = cancel(socket, 0); /* has left, with this one */
  send_word(socket, 1, "127.0.0.1");
  results[1] = cancel(socket, 1);
  trace("next");
}

TEST("a callback of a send cancels others") {
  int port;
  int results[2] = {1, 1};
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_send(socket, "x", 1, 9, "127.0.0.1", cancel_next, results), 0);
  send_word(socket, 0, "127.0.0.1");
  settle(loop);
  assert_int_equal(results[0], UV_EBUSY);
  assert_int_equal(results[1], 0);
  assert_trace("next a b(ECANCELED)");
}

TEST("a cancelled send ends as such when the socket closes") {
  struct lookup_stub stub = {0};
  dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
  trace_events(socket);
  trace_clear();
  send_word(socket, 0, "name");
  assert_int_equal(cancel(socket, 0), 0);
  close_socket(socket);
  assert_int_equal(cancel(socket, 0), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  run_to_end(loop);
  assert_trace("ask(name) a(ECANCELED) close");
  lookup_stub_answer(&stub, 0, 0, "127.0.0.1");
}

TEST("an option behind a cancelled send is set") {
  int port;
  int64_t ttl = -1;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  send_word(socket, 0, "127.0.0.1");
  assert_int_equal(cancel(socket, 0), 0);
  assert_int_equal(dgram_set_ttl(socket, 9), 0);
  assert_int_equal(dgram_get_sockopt(socket, DGRAM_SO_TTL, &ttl), 0);
  assert_int_equal(ttl, 9);
  assert_usable(socket);
  assert_trace("a(ECANCELED)");
}
