/*
 * An ICMP error of an earlier datagram of a connected socket, which the system reports to whichever
 * send comes next: that one must not fail for it. https://github.com/oven-sh/bun/issues/36249
 */
#include "fake/scripted.h"

#include <string.h>

static char calls[64]; /* how the sends ended, in order */

/* A socket that believes that it is connected. */
static dgram_socket_t *connected_socket(void) {
  dgram_socket_t *socket = scripted_socket();
  socket->connecting.state = DGRAM__CONNECTED;
  dgram__address_loopback(&socket->connecting.peer, AF_INET, 53);
  calls[0] = '\0';
  return socket;
}

static void on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                    void *context) {
  size_t length = strlen(calls);
  const char *word = error != NULL ? error->name : (const char *)context;
  assert_true(length + strlen(word) + 2 < sizeof calls);
  strncat(calls, word, sizeof calls - length - 1);
  strncat(calls, " ", 2);
}

/* Sends to the peer. */
static void send_to_peer(dgram_socket_t *socket, const char *text) {
  assert_int_equal(dgram_send(socket, text, strlen(text), 0, NULL, on_sent, (void *)text), 0);
}

SCRIPTED_TEST("a send that meets an ICMP error of an earlier datagram is tried again") {
  static const int codes[] = {UV_ECONNREFUSED, UV_EHOSTUNREACH, UV_EACCES};
  static const char *const sends[] = {"ECONNREFUSED | a b", "EHOSTUNREACH | a b", "EACCES | a b"};
  static const char *const traces[] = {"error(recvmsg ECONNREFUSED)", "error(recvmsg EHOSTUNREACH)",
                                       "error(recvmsg EACCES)"};
  dgram_socket_t *socket = connected_socket();
  for (int i = 0; i < 3; i++) {
    calls[0] = '\0';
    fake_reply(codes[i]);
    send_to_peer(socket, "a");
    send_to_peer(socket, "b");
    EXPECT_SENT(sends[i], traces[i]);
    assert_string_equal(calls, "a b ");
  }
}

SCRIPTED_TEST("an error twice in a row is the send's own") {
  dgram_socket_t *socket = connected_socket();
  FAKE_REPLIES(UV_ECONNREFUSED, UV_ECONNREFUSED);
  send_to_peer(socket, "a");
  send_to_peer(socket, "b");
  scripted_run();
  assert_string_equal(fake_sends(), "ECONNREFUSED | ECONNREFUSED | b");
  assert_string_equal(calls, "ECONNREFUSED b ");
}

SCRIPTED_TEST("an ICMP error may be met before every send that leaves") {
  dgram_socket_t *socket = connected_socket();
  for (int i = 0; i < 3; i++) {
    FAKE_REPLIES(UV_ECONNREFUSED, 1);
  }
  send_to_peer(socket, "a");
  send_to_peer(socket, "b");
  send_to_peer(socket, "c");
  scripted_run();
  assert_string_equal(calls, "a b c ");
}

SCRIPTED_TEST("an ICMP error before EAGAIN does not end the send") {
  dgram_socket_t *socket = connected_socket();
  FAKE_REPLIES(UV_ECONNREFUSED, UV_EAGAIN);
  send_to_peer(socket, "a");
  scripted_run();
  fake_make_writable(socket);
  scripted_run();
  assert_string_equal(fake_sends(), "ECONNREFUSED | EAGAIN | a");
  assert_string_equal(calls, "a ");
}

SCRIPTED_TEST("a send's own error is reported once") {
  dgram_socket_t *socket = connected_socket();
  FAKE_REPLIES(UV_EPERM, UV_EPERM);
  send_to_peer(socket, "a");
  EXPECT("");
  assert_string_equal(calls, "EPERM ");
}

SCRIPTED_TEST("a send's own error does not hide an ICMP error before it") {
  dgram_socket_t *socket = connected_socket();
  FAKE_REPLIES(UV_ECONNREFUSED, UV_EMSGSIZE);
  send_to_peer(socket, "a");
  EXPECT("error(recvmsg ECONNREFUSED)");
  assert_string_equal(calls, "EMSGSIZE ");
}

SCRIPTED_TEST("an error on a socket that is not connected is the send's own") {
  dgram_socket_t *socket = scripted_socket();
  fake_reply(UV_ECONNREFUSED);
  scripted_send(socket, 0);
  EXPECT("0:ECONNREFUSED");
}

/* A socket that is disconnected while a send to its peer waits: that one keeps its destination. */
SCRIPTED_TEST("a blocked send still goes to the peer after a disconnect") {
  dgram_socket_t *socket = connected_socket();
  fake_reply(UV_EAGAIN);
  send_to_peer(socket, "a");
  scripted_run();
  assert_int_equal(socket->tx.ready.first->datagram.to.any.sa_family, AF_UNSPEC);
  dgram__send_disconnected(socket, &socket->connecting.peer);
  assert_int_equal(dgram__address_port(&socket->tx.ready.first->datagram.to), 53);
  socket->connecting.state = DGRAM__DISCONNECTED;
  fake_make_writable(socket);
  scripted_run();
  assert_string_equal(calls, "a ");
}

SCRIPTED_TEST("a socket that closes does not emit an ICMP error") {
  dgram_socket_t *socket = connected_socket();
  fake_reply(UV_ECONNREFUSED);
  send_to_peer(socket, "a");
  close_socket(socket);
  EXPECT_SENT("ECONNREFUSED | a", "close");
  assert_string_equal(calls, "a ");
}
