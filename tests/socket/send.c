/*
 * Sending: the implicit bind, what a callback may rely on, and the ways to name a destination. A
 * host name is looked up, while a numeric address never waits.
 */
#include "lib/fixture.h"

TEST("a send binds an unbound socket to all interfaces") {
  int port;
  int received = 0;
  dgram_address_t address;
  new_bound(loop, count_message, &received, &port);
  dgram_socket_t *sender = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_listening(sender, trace_event, "listening"), 0);
  send_text(sender, "x", port, NULL, NULL);
  assert_int_equal(dgram_address(sender, &address), UV_EBADF);
  run_until(loop, &received, 1);
  assert_trace("listening");
  assert_int_equal(dgram_address(sender, &address), 0);
  assert_string_equal(address.address, "0.0.0.0");
  assert_in_range(address.port, 1, 65535);
}

struct outcome {
  int calls;
  int code;
  size_t bytes;
};

static void keep_outcome(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                         void *context) {
  struct outcome *outcome = context;
  outcome->calls++;
  outcome->code = error != NULL ? error->code : 0;
  outcome->bytes = bytes;
}

TEST("the callback of a send gets the number of bytes") {
  int port;
  struct outcome outcome = {0};
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  send_text(socket, "hello", port, keep_outcome, &outcome);
  run_until(loop, &outcome.calls, 1);
  assert_int_equal(outcome.code, 0);
  assert_int_equal(outcome.bytes, 5);
  outcome.bytes = 99;
  send_text(socket, "", port, keep_outcome, &outcome);
  run_until(loop, &outcome.calls, 2);
  assert_int_equal(outcome.bytes, 0);
  close_socket(socket);
  run_to_end(loop);
  assert_int_equal(outcome.calls, 2);
}

TEST("the callback of a send does not run inside the call") {
  enum { SENDS = 3000 }; /* so many that some leave before the turn's end */
  int port;
  int sent = 0;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  for (int i = 0; i < SENDS; i++) {
    send_text(socket, "x", port, count_sent, &sent);
    assert_int_equal(sent, 0);
  }
  assert_int_equal(dgram_get_send_queue_count(socket), SENDS);
  run_until(loop, &sent, SENDS);
  close_socket(socket);
  assert_int_equal(sent, SENDS);
}

enum { PLACES = 3000 };

static char places[PLACES]; /* the context of send i is &places[i] */
static int next_place;

static void expect_in_order(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                            void *context) {
  assert_null(error);
  assert_ptr_equal(context, &places[next_place]);
  next_place++;
}

TEST("the callback of each send runs once and in order") {
  int port;
  next_place = 0;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  for (int i = 0; i < PLACES; i++)
    send_text(socket, "x", port, expect_in_order, &places[i]);
  run_until(loop, &next_place, PLACES);
  close_socket(socket);
  run_to_end(loop);
  assert_int_equal(next_place, PLACES);
}

TEST("the bytes of a send without a callback are copied") {
  int port;
  int received = 0;
  dgram_socket_t *socket = new_bound(loop, trace_message, "got", &port);
  assert_int_equal(dgram_on_message(socket, count_message, &received), 0);
  char bytes[] = "before";
  assert_int_equal(dgram_send(socket, bytes, 6, port, NULL, NULL, NULL), 0);
  memset(bytes, '2', 6);
  uv_buf_t parts[2] = {uv_buf_init(bytes, 3), uv_buf_init(bytes + 3, 3)};
  assert_int_equal(dgram_send_buffers(socket, parts, 2, port, NULL, NULL, NULL), 0);
  memset(bytes, '?', 6);
  run_until(loop, &received, 2);
  assert_trace("got(before) got(222222)");
}

TEST("the address of a send is copied") {
  int port;
  int received = 0;
  new_bound(loop, count_message, &received, &port);
  dgram_socket_t *sender = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  char address[] = "127.0.0.1";
  char name[] = "localhost";
  struct sockaddr_in binary = loopback_address(port);
  uv_buf_t bytes = uv_buf_init((char[]){"x"}, 1);
  assert_int_equal(dgram_send(sender, "x", 1, port, address, NULL, NULL), 0);
  assert_int_equal(dgram_send(sender, "x", 1, port, name, NULL, NULL), 0);
  assert_int_equal(dgram_send_to(sender, &bytes, 1, (struct sockaddr *)&binary, NULL, NULL), 0);
  memset(address, '9', sizeof address - 1);
  memset(name, '9', sizeof name - 1);
  memset(&binary, 0xff, sizeof binary);
  run_until(loop, &received, 3);
}

TEST("a send without an address goes to this host") {
  int port;
  int received = 0;
  dgram_socket_t *socket = new_bound(loop, count_message, &received, &port);
  assert_int_equal(dgram_send(socket, "x", 1, port, NULL, NULL, NULL), 0);
  assert_int_equal(dgram_send(socket, "x", 1, port, "", NULL, NULL), 0);
  run_until(loop, &received, 2);
}

TEST("a send of a udp6 socket without an address goes to this host") {
  skip_without_ipv6();
  int received = 0;
  dgram_socket_t *receiver = new_socket(loop, DGRAM_UDP6, count_message, &received);
  dgram_socket_t *sender = new_socket(loop, DGRAM_UDP6, NULL, NULL);
  int port = bind_now(receiver, "::1");
  assert_int_equal(dgram_send(sender, "x", 1, port, NULL, NULL, NULL), 0);
  assert_int_equal(dgram_send(sender, "x", 1, port, "", NULL, NULL), 0);
  run_until(loop, &received, 2);
}

TEST("a send to a binary address arrives") {
  int port;
  int received = 0;
  dgram_socket_t *receiver = new_bound(loop, trace_message, "got", &port);
  assert_int_equal(dgram_on_message(receiver, count_message, &received), 0);
  dgram_socket_t *sender = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  struct sockaddr_in to = loopback_address(port);
  uv_buf_t parts[2] = {uv_buf_init((char[]){"ab"}, 2), uv_buf_init((char[]){"c"}, 1)};
  struct outcome outcome = {0};
  assert_int_equal(
      dgram_send_to(sender, parts, 2, (const struct sockaddr *)&to, keep_outcome, &outcome), 0);
  run_until(loop, &received, 1);
  run_until(loop, &outcome.calls, 1);
  assert_trace("got(abc)");
  assert_int_equal(outcome.bytes, 3);
}

TEST("a send to a binary IPv6 address arrives") {
  skip_without_ipv6();
  int received = 0;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP6, count_message, &received);
  struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
  to.sin6_port = htons((uint16_t)bind_now(socket, "::1"));
  assert_int_equal(dgram_send_to(socket, NULL, 0, (const struct sockaddr *)&to, NULL, NULL), 0);
  run_until(loop, &received, 1);
}

TEST("a send of no bytes may be without a pointer to them") {
  int port;
  dgram_socket_t *target = new_bound(loop, NULL, NULL, &port);
  int sent = 0;
  assert_int_equal(dgram_send(target, NULL, 0, port, NULL, count_sent, &sent), 0);
  run_until(loop, &sent, 1);
}

/* ---- host names ---- */

TEST("a send to a host name looks it up") {
  int port;
  int received = 0;
  int sent = 0;
  dgram_socket_t *receiver = new_bound(loop, trace_message, "got", &port);
  assert_int_equal(dgram_on_message(receiver, count_message, &received), 0);
  dgram_socket_t *sender = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_send(sender, "hi", 2, port, "localhost", count_sent, &sent), 0);
  assert_int_equal(sent, 0);
  run_until(loop, &received, 1);
  assert_trace("got(hi)");
  assert_int_equal(sent, 1);
}

TEST("the bytes of a send to a host name without a callback are copied") {
  int port;
  int received = 0;
  dgram_socket_t *receiver = new_bound(loop, trace_message, "got", &port);
  assert_int_equal(dgram_on_message(receiver, count_message, &received), 0);
  dgram_socket_t *sender = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  char bytes[] = "hi";
  assert_int_equal(dgram_send(sender, bytes, 2, port, "localhost", NULL, NULL), 0);
  memset(bytes, '?', 2);
  run_until(loop, &received, 1);
  assert_trace("got(hi)");
}

TEST("a send to a numeric address does not wait for a look-up") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_send(socket, "1", 1, port, "localhost", trace_sent, "name"), 0);
  send_text(socket, "2", port, trace_sent, "number");
  while (strchr(trace_text, ' ') == NULL)
    assert_int_not_equal(uv_run(loop, UV_RUN_ONCE), 0);
  assert_trace("number name");
}

TEST("many sends to host names all complete") {
  enum { SENDS = 50 };
  int port;
  int sent = 0;
  int received = 0;
  struct kept_error kept = {0};
  dgram_socket_t *socket = new_bound(loop, count_message, &received, &port);
  for (int i = 0; i < SENDS; i++) {
    assert_int_equal(dgram_send(socket, "x", 1, port, "localhost", count_sent, &sent), 0);
    if (i == SENDS / 2)
      assert_int_equal(
          dgram_send(socket, "y", 1, port, "no-such-host.invalid", keep_send_error, &kept), 0);
  }
  run_until(loop, &sent, SENDS);
  run_until(loop, &received, SENDS);
  run_until(loop, &kept.calls, 1);
  assert_int_equal(dgram_get_send_queue_count(socket), 0);
}

TEST("a send to a name keeps an unreferenced loop alive") {
  int sent = 0;
  dgram_socket_t *socket = dgram_unref(new_socket(loop, DGRAM_UDP4, NULL, NULL));
  assert_int_equal(dgram_send(socket, "x", 1, 9, "localhost", count_sent, &sent), 0);
  run_to_end(loop);
  assert_int_equal(sent, 1);
}
