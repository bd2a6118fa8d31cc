/* Sending to a host name: it is looked up, while numeric addresses never wait. */
#include "lib/fixture.h"

TEST("the name is looked up") {
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

TEST("without callback the bytes are copied") {
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

TEST("a numeric address does not wait behind a name") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_send(socket, "1", 1, port, "localhost", trace_sent, "name"), 0);
  send_text(socket, "2", port, trace_sent, "number");
  while (strchr(trace_text, ' ') == NULL)
    assert_int_not_equal(uv_run(loop, UV_RUN_ONCE), 0);
  assert_trace("number name");
}

TEST("many look ups at once all end") {
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
