/* An error about one datagram: it ends with it, and the others leave. */
#include "fake/scripted.h"

SCRIPTED_TEST("a datagram in the midst fails and the others leave") {
  dgram_socket_t *socket = scripted_socket();
  FAKE_REPLIES(2, UV_EPERM);
  scripted_send_all(socket, 0, 4);
  EXPECT_SENT("0 1 | EPERM | 3 4", "0 1 2:EPERM 3 4");
}

SCRIPTED_TEST("the first and the last datagram may fail") {
  dgram_socket_t *socket = scripted_socket();
  FAKE_REPLIES(UV_EMSGSIZE, 2, UV_ENETUNREACH);
  scripted_send_all(socket, 0, 3);
  EXPECT_SENT("EMSGSIZE | 1 2 | ENETUNREACH", "0:EMSGSIZE 1 2 3:ENETUNREACH");
}

SCRIPTED_TEST("all datagrams may fail") {
  dgram_socket_t *socket = scripted_socket();
  fake_reply_always(UV_EPERM);
  scripted_send_all(socket, 0, 2);
  EXPECT("0:EPERM 1:EPERM 2:EPERM");
}

SCRIPTED_TEST("a blocked datagram may fail") {
  dgram_socket_t *socket = scripted_socket();
  FAKE_REPLIES(1, UV_EAGAIN, UV_EPERM);
  scripted_send_all(socket, 0, 2);
  scripted_run();
  fake_make_writable(socket);
  EXPECT_SENT("0 | EAGAIN | EPERM | 2", "0 1:EPERM 2");
}

SCRIPTED_TEST("the error of a send without a callback is an 'error' in its place") {
  dgram_socket_t *socket = scripted_socket();
  FAKE_REPLIES(1, UV_EPERM);
  scripted_send(socket, 0);
  scripted_send_silently(socket, 1);
  scripted_send(socket, 2);
  EXPECT("0 error(send EPERM 127.0.0.1:1001) 2");
}

SCRIPTED_TEST("the callback of a failed send gets what failed and where to") {
  struct kept_error error = {0};
  dgram_socket_t *socket = scripted_socket();
  fake_reply(UV_EPERM);
  assert_int_equal(dgram_send(socket, "x", 1, 53, "192.0.2.1", keep_send_error, &error), 0);
  scripted_run();
  assert_int_equal(error.code, UV_EPERM);
  assert_string_equal(error.name, "EPERM");
  assert_string_equal(error.syscall, "send");
  assert_string_equal(error.address, "192.0.2.1");
  assert_int_equal(error.port, 53);
  assert_string_equal(error.message, "send EPERM 192.0.2.1:53");
}

/* ---- nobody listens ---- */

SCRIPTED_TEST("an error of a send goes to the handler of unhandled errors where nobody listens") {
  struct kept_error error = {0};
  dgram_socket_t *socket = new_socket(scripted_loop, DGRAM_UDP4, NULL, NULL);
  fake_reply(UV_EPERM);
  dgram_on_unhandled_error(keep_error, &error);
  assert_int_equal(dgram_send(socket, "x", 1, 9, NULL, NULL, NULL), 0);
  close_socket(socket); /* once it has left */
  scripted_run();
  dgram_on_unhandled_error(NULL, NULL);
  assert_int_equal(error.calls, 1);
  assert_string_equal(error.message, "send EPERM 127.0.0.1:9");
}
