/*
 * A name server that takes its time, which here is until the test has seen what goes on meanwhile;
 * that fails, or that does not answer at all.
 */
#include "lib/name_server.h"

/* A udp4 socket on 127.0.0.1 that notes and counts what it gets. */
static dgram_socket_t *open_listener(uv_loop_t *loop, int *received, int *port) {
  dgram_socket_t *socket = new_bound(loop, trace_message, "got", port);
  assert_int_equal(dgram_on_message(socket, count_message, received), 0);
  return socket;
}

static void send_to_name(dgram_socket_t *socket, const char *text, int port, const char *name,
                         dgram_send_cb callback, void *context) {
  assert_int_equal(dgram_send(socket, text, strlen(text), port, name, callback, context), 0);
}

/* ---- what goes on meanwhile ---- */

/* Not even while as many names as libuv looks up at once, and more, wait for their answers. */
TEST("a send to a numeric address does not wait for slow names") {
  enum { SLOW = 8 };
  struct query query;
  int port;
  int received = 0;
  int sent = 0;
  open_listener(loop, &received, &port);
  dgram_socket_t *sender = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  bind_now(sender, "127.0.0.1");
  for (int i = 0; i < SLOW; i++) {
    char name[64];
    snprintf(name, sizeof name, "good%d.up.test", i);
    send_to_name(sender, "slow", port, name, count_sent, &sent);
  }
  send_text(sender, "quick", port, trace_sent, "sent");
  wait_for_query(loop, &query);
  run_until(loop, &received, 1);
  send_text(sender, "too", port, trace_sent, "sent");
  run_until(loop, &received, 2);
  assert_trace("sent got(quick) sent got(too)");
  assert_int_equal(sent, 0);
  assert_int_equal(dgram_get_send_queue_count(sender), SLOW);
  assert_int_equal(dgram_get_send_queue_size(sender), SLOW * strlen("slow"));

  answer_query(&query, FOUND, "127.0.0.1");
  run_answering_until(loop, FOUND, &received, 2 + SLOW);
  assert_int_equal(sent, SLOW);
  assert_int_equal(dgram_get_send_queue_count(sender), 0);
}

TEST("a send to a later name leaves first if that is known first") {
  struct query queries[2];
  int port;
  int received = 0;
  dgram_socket_t *socket = open_listener(loop, &received, &port);
  send_to_name(socket, "a", port, "a.up.test", NULL, NULL);
  wait_for_query(loop, &queries[0]);
  send_to_name(socket, "b", port, "b.up.test", NULL, NULL);
  wait_for_query(loop, &queries[1]);
  answer_query(&queries[1], FOUND, "127.0.0.1");
  run_until(loop, &received, 1);
  answer_query(&queries[0], FOUND, "127.0.0.1");
  run_until(loop, &received, 2);
  assert_trace("got(b) got(a)");
}

/* More than libuv looks up at once: it keeps half of its threads for other work. */
TEST("sends to many slow names all get their answers") {
  enum { SENDS = 20 };
  int port;
  int received = 0;
  int sent = 0;
  struct kept_error kept = {0};
  dgram_socket_t *socket = new_bound(loop, count_message, &received, &port);
  for (int i = 0; i < SENDS; i++) {
    char name[64];
    snprintf(name, sizeof name, "good%d.up.test", i);
    send_to_name(socket, "x", port, name, count_sent, &sent);
    snprintf(name, sizeof name, "bad%d.up.test", i);
    send_to_name(socket, "x", port, name, keep_send_error, &kept);
  }
  run_answering_until(loop, NO_SUCH_NAME, &received, SENDS);
  run_answering_until(loop, NO_SUCH_NAME, &kept.calls, SENDS);
  assert_int_equal(received, SENDS);
  assert_int_equal(kept.calls, SENDS);
  assert_int_equal(sent, SENDS);
  assert_string_equal(kept.name, "ENOTFOUND");
  assert_int_equal(dgram_get_send_queue_count(socket), 0);
}

TEST("sends wait for a bind to a slow name") {
  struct query query;
  int port;
  int received = 0;
  dgram_address_t address;
  dgram_socket_t *receiver = open_listener(loop, &received, &port);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(socket, 0, "a.up.test", trace_event, "listening"), 0);
  send_text(socket, "1", port, trace_sent, "sent");
  send_text(socket, "2", port, trace_sent, "sent");
  wait_for_query(loop, &query);
  send_text(receiver, "other", port, NULL, NULL);
  run_until(loop, &received, 1);
  assert_trace("got(other)");
  assert_int_equal(dgram_address(socket, &address), UV_EBADF);

  answer_query(&query, FOUND, "127.0.0.7");
  run_until(loop, &received, 3);
  assert_trace("listening sent sent got(1) got(2)");
  assert_int_equal(dgram_address(socket, &address), 0);
  assert_string_equal(address.address, "127.0.0.7");
}

/* ---- close while a look-up is under way ---- */

static void trace_connected(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("%s(%s)", (const char *)context, error != NULL ? error->name : "");
}

TEST("close cancels sends whose names are looked up") {
  struct query queries[2];
  int closed = 0;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  send_to_name(socket, "x", PORT, "a.up.test", trace_sent, "first");
  wait_for_query(loop, &queries[0]);
  send_to_name(socket, "x", PORT, "b.up.test", NULL, NULL);
  wait_for_query(loop, &queries[1]);
  send_to_name(socket, "x", PORT, "c.up.test", trace_sent, "third");
  assert_int_equal(dgram_on_close(socket, trace_event, "close"), 0);
  assert_int_equal(dgram_close(socket, count_event, &closed), 0);
  assert_trace("");
  run_until(loop, &closed, 1);
  assert_trace("close first(ECANCELED) third(ECANCELED)");
  answer_query(&queries[0], FOUND, "127.0.0.1"); /* finds nobody, which must harm nobody */
  answer_query(&queries[1], FOUND, "127.0.0.1");
  run_answering_until(loop, FOUND, &closed, 2); /* to the loop's end */
}

/* As many: those that still wait for their turn are stopped. */
TEST("close cancels sends that wait for their look-up") {
  enum { SENDS = 20 };
  struct query query;
  struct kept_error kept = {0};
  int closed = 0;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  for (int i = 0; i < SENDS; i++) {
    char name[64];
    snprintf(name, sizeof name, "good%d.up.test", i);
    send_to_name(socket, "x", PORT, name, keep_send_error, &kept);
  }
  wait_for_query(loop, &query);
  assert_int_equal(dgram_close(socket, count_event, &closed), 0);
  run_until(loop, &closed, 1);
  run_until(loop, &kept.calls, SENDS);
  assert_string_equal(kept.name, "ECANCELED");
  assert_int_equal(kept.calls, SENDS);
  answer_query(&query, FOUND, "127.0.0.1");
  run_answering_until(loop, FOUND, &closed, 2); /* to the loop's end */
}

TEST("close ends a bind whose name is looked up") {
  struct query query;
  int closed = 0;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(socket, 0, "a.up.test", trace_event, "listening"), 0);
  wait_for_query(loop, &query);
  assert_int_equal(dgram_close(socket, count_event, &closed), 0);
  run_until(loop, &closed, 1);
  answer_query(&query, FOUND, "127.0.0.1");
  run_to_end(loop);
  assert_trace("");
}

TEST("close cancels a connect whose name is looked up") {
  struct query query;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  bind_now(socket, "127.0.0.1");
  assert_int_equal(dgram_connect(socket, PORT, "a.up.test", trace_connected, "connect"), 0);
  wait_for_query(loop, &query);
  assert_int_equal(dgram_close(socket, trace_event, "close"), 0);
  answer_query(&query, FOUND, "127.0.0.1");
  run_to_end(loop);
  assert_trace("close connect(ECANCELED)");
}

/* ---- failures ---- */

/* A send, a bind and a connect to a name fail alike. */
static void assert_all_fail(uv_loop_t *loop, const char *name, uint8_t code, const char *error) {
  enum { SEND, BIND, CONNECT, CALLS };
  char message[128];
  struct kept_error kept[CALLS] = {0};
  dgram_socket_t *sockets[CALLS];
  for (int i = 0; i < CALLS; i++) {
    sockets[i] = new_socket(loop, DGRAM_UDP4, NULL, NULL);
    assert_int_equal(dgram_on_error(sockets[i], keep_error, &kept[i]), 0);
  }
  send_to_name(sockets[SEND], "x", PORT, name, keep_send_error, &kept[SEND]);
  assert_int_equal(dgram_bind(sockets[BIND], 0, name, trace_event, "listening"), 0);
  assert_int_equal(dgram_connect(sockets[CONNECT], PORT, name, NULL, NULL), 0);
  snprintf(message, sizeof message, "getaddrinfo %s %s", error, name);
  for (int i = 0; i < CALLS; i++) {
    run_answering_until(loop, code, &kept[i].calls, 1);
    assert_string_equal(kept[i].message, message);
    assert_int_equal(kept[i].calls, 1);
    close_socket(sockets[i]);
  }
  assert_trace("");
}

/* That of musl asks again until its time is over, which is longer than this test may take. */
static void skip_unless_resolver_gives_up(void) {
#ifndef __GLIBC__
  print_message(
      "skipped: only glibc's resolver gives up when a server fails, refuses or is missing\n");
  skip();
#endif
}

TEST("a server that fails is EAI_AGAIN") {
  skip_unless_resolver_gives_up();
  assert_all_fail(loop, "a.up.test", SERVER_FAILED, "EAI_AGAIN");
}

TEST("a server that refuses is EAI_AGAIN") {
  skip_unless_resolver_gives_up();
  assert_all_fail(loop, "a.up.test", REFUSED, "EAI_AGAIN");
}

TEST("a name that the server does not know is ENOTFOUND") {
  assert_all_fail(loop, "a.up.test", NO_SUCH_NAME, "ENOTFOUND");
}

TEST("a server that does not exist is EAI_AGAIN") {
  skip_unless_resolver_gives_up();
  write_file(RESOLV_CONF, "options attempts:1 timeout:10\nnameserver 127.0.0.99\n");
  assert_all_fail(loop, "four.test", REFUSED, "EAI_AGAIN");
  write_file(RESOLV_CONF, RESOLVER);
}

/* The resolver gives up after its second; meanwhile the others go on. */
TEST("a server that does not answer is EAI_AGAIN after a time, and others go on") {
  write_file(RESOLV_CONF, "options attempts:1 timeout:1\nnameserver 127.0.0.1\n");
  struct query query;
  struct kept_error kept = {0};
  int received = 0;
  int port;
  dgram_socket_t *receiver = open_listener(loop, &received, &port);
  send_to_name(receiver, "x", port, "a.up.test", keep_send_error, &kept);
  wait_for_query(loop, &query);
  send_text(receiver, "quick", port, NULL, NULL);
  run_until(loop, &received, 1);
  assert_int_equal(kept.calls, 0);
  run_until(loop, &kept.calls, 1);
  assert_string_equal(kept.message, "getaddrinfo EAI_AGAIN a.up.test");
  close_socket(receiver);
  write_file(RESOLV_CONF, RESOLVER);
}

int main(void) {
  return names_run();
}
