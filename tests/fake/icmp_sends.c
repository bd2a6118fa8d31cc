/*
 * Sends while ICMP errors are asked for: the system returns the error of an earlier datagram to
 * whichever send comes next, several in a row under a flood. A healthy send is made again, ends
 * once, without an error, and nothing is an 'error' besides.
 */
#include "fake/scripted.h"

/* A socket that asks for ICMP errors. */
static dgram_socket_t *asking_socket(void) {
  dgram_socket_t *socket = scripted_socket();
  assert_non_null(dgram__extras(socket));
  socket->extras->icmp.state = DGRAM__ICMP_ON;
  return socket;
}

SCRIPTED_TEST("a send that meets ICMP errors of earlier datagrams is made again at once") {
  static const int codes[] = {UV_ECONNREFUSED, UV_EHOSTUNREACH, UV_EACCES, UV_EMSGSIZE, UV_EPROTO};
  dgram_socket_t *socket = asking_socket();
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
    for (int errors = 1; errors <= 4; errors++) {
      unsigned before = fake_send_calls();
      for (int j = 0; j < errors; j++)
        fake_reply(codes[i]);
      scripted_send_all(socket, 1, 3);
      EXPECT("1 2 3");
      assert_int_equal(fake_send_calls() - before, errors + 1);
    }
}

SCRIPTED_TEST("a send without a callback that meets ICMP errors is no 'error'") {
  dgram_socket_t *socket = asking_socket();
  FAKE_REPLIES(UV_ECONNREFUSED, UV_EHOSTUNREACH);
  scripted_send_silently(socket, 1);
  EXPECT_SENT("ECONNREFUSED | EHOSTUNREACH | 1", "");
}

SCRIPTED_TEST("each send of a queue may meet ICMP errors") {
  dgram_socket_t *socket = asking_socket();
  FAKE_REPLIES(UV_ECONNREFUSED, UV_ECONNREFUSED, 1, UV_ECONNREFUSED, UV_ECONNREFUSED,
               UV_ECONNREFUSED, UV_ECONNREFUSED, 1, UV_ECONNREFUSED);
  scripted_send_all(socket, 1, 3);
  EXPECT("1 2 3");
}

/* A route may be missing for the send itself. */
SCRIPTED_TEST("an error that a send may have itself ends it after a few tries") {
  static const int codes[] = {UV_EHOSTUNREACH, UV_ENETUNREACH, UV_EACCES, UV_EMSGSIZE};
  static const char *const traces[] = {"1:EHOSTUNREACH 2", "1:ENETUNREACH 2", "1:EACCES 2",
                                       "1:EMSGSIZE 2"};
  dgram_socket_t *socket = asking_socket();
  for (int i = 0; i < 4; i++) {
    FAKE_REPLIES(codes[i], codes[i], codes[i], codes[i], codes[i]);
    scripted_send_all(socket, 1, 2);
    EXPECT(traces[i]);
  }
}

static void run_until_sent(dgram_socket_t *socket) {
  while (dgram_get_send_queue_count(socket) > 0)
    uv_run(scripted_loop, UV_RUN_ONCE);
}

SCRIPTED_TEST("under a flood of ICMP errors a send waits, and is made again later") {
  dgram_socket_t *socket = asking_socket();
  for (int i = 0; i < 50; i++) /* several rounds of tries */
    fake_reply(UV_ECONNREFUSED);
  scripted_send_all(socket, 1, 3);
  run_until_sent(socket);
  assert_trace("1 2 3");
  assert_int_equal(socket->tx.retries, 0);
}

/* In the end there is a bound, as for ENOBUFS. */
SCRIPTED_TEST("a flood of ICMP errors that does not end fails the send, and the next ones leave") {
  dgram_socket_t *socket = asking_socket();
  fake_reply_always(UV_ECONNREFUSED);
  scripted_send(socket, 1);
  run_until_sent(socket);
  assert_trace("1:ECONNREFUSED");
  fake_reply_always(FAKE_ALL);
  scripted_send_all(socket, 2, 3);
  EXPECT("2 3");
}

SCRIPTED_TEST("an error that ICMP does not report is the send's own at once") {
  dgram_socket_t *socket = asking_socket();
  fake_reply(UV_EPERM);
  scripted_send_all(socket, 1, 2);
  EXPECT_SENT("EPERM | 2", "1:EPERM 2");
}

/* ---- asked for by another holder of the system socket ---- */

static dgram_socket_t *shared_socket(void) {
  dgram_socket_t *socket = scripted_socket();
  dgram__receive_share(socket);
  return socket;
}

SCRIPTED_TEST(
    "a send that meets another holder's ICMP errors is made again, and none is an 'error'") {
  dgram_socket_t *socket = shared_socket();
  FAKE_REPLIES(UV_ECONNREFUSED, 1, UV_EHOSTUNREACH, 1, UV_ECONNREFUSED);
  scripted_send_silently(socket, 1);
  scripted_send_all(socket, 2, 3);
  EXPECT_SENT("ECONNREFUSED | 1 | EHOSTUNREACH | 2 | ECONNREFUSED | 3", "2 3");
}

SCRIPTED_TEST("while another holder reads a flood of ICMP errors a send waits, and then leaves") {
  dgram_socket_t *socket = shared_socket();
  for (int i = 0; i < 8; i++)
    fake_reply(UV_ECONNREFUSED);
  scripted_send_all(socket, 1, 3);
  run_until_sent(socket);
  assert_trace("1 2 3");
}

SCRIPTED_TEST("a shared socket's send that has no route itself ends with that error") {
  dgram_socket_t *socket = shared_socket();
  FAKE_REPLIES(UV_EHOSTUNREACH, UV_EHOSTUNREACH);
  scripted_send_all(socket, 1, 2);
  EXPECT("1:EHOSTUNREACH 2");
}
