/*
 * An ICMP answer to an earlier datagram of a connected socket, which the system tells to whichever
 * send comes next: that one must not pay for it. https://github.com/oven-sh/bun/issues/36249
 */
#include "fake/scene.h"

#include <string.h>

/* A socket that believes that it is connected. */
static dgram_socket_t *connected_socket(void) {
  dgram_socket_t *socket = scene_socket();
  socket->connecting.state = DGRAM__CONNECTED;
  dgram__address_loopback(&socket->connecting.peer, AF_INET, 53);
  return socket;
}

static char calls[64]; /* how the sends ended, in order */

static void on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                    void *context) {
  size_t length = strlen(calls);
  const char *word = error != NULL ? error->name : (const char *)context;
  assert_true(length + strlen(word) + 2 < sizeof calls);
  strncat(calls, word, sizeof calls - length - 1);
  strncat(calls, " ", 2);
}

/* Sends to the peer. */
static void send_text(dgram_socket_t *socket, const char *text) {
  assert_int_equal(dgram_send(socket, text, strlen(text), 0, NULL, on_sent, (void *)text), 0);
}

static int begin(void **state) {
  calls[0] = '\0';
  return scene_begin(state);
}

static void the_send_that_meets_it_is_tried_again(void **state) {
  static const int codes[] = {UV_ECONNREFUSED, UV_EHOSTUNREACH, UV_EACCES};
  static const char *const sends[] = {"ECONNREFUSED | a b", "EHOSTUNREACH | a b", "EACCES | a b"};
  static const char *const stories[] = {"error(recvmsg ECONNREFUSED)",
                                        "error(recvmsg EHOSTUNREACH)", "error(recvmsg EACCES)"};
  dgram_socket_t *socket = connected_socket();
  for (int i = 0; i < 3; i++) {
    calls[0] = '\0';
    fake_reply(codes[i]);
    send_text(socket, "a");
    send_text(socket, "b");
    scene_run();
    assert_string_equal(fake_sends(), sends[i]);
    assert_string_equal(scene_story(), stories[i]);
    assert_string_equal(calls, "a b ");
  }
}

static void twice_in_a_row_it_is_the_sends_own(void **state) {
  dgram_socket_t *socket = connected_socket();
  fake_reply(UV_ECONNREFUSED);
  fake_reply(UV_ECONNREFUSED);
  send_text(socket, "a");
  send_text(socket, "b");
  scene_run();
  assert_string_equal(fake_sends(), "ECONNREFUSED | ECONNREFUSED | b");
  assert_string_equal(calls, "ECONNREFUSED b ");
}

static void it_may_be_met_before_every_send_that_leaves(void **state) {
  dgram_socket_t *socket = connected_socket();
  for (int i = 0; i < 3; i++) {
    fake_reply(UV_ECONNREFUSED);
    fake_reply(1);
  }
  send_text(socket, "a");
  send_text(socket, "b");
  send_text(socket, "c");
  scene_run();
  assert_string_equal(calls, "a b c ");
}

static void a_full_buffer_in_between_changes_nothing(void **state) {
  dgram_socket_t *socket = connected_socket();
  fake_reply(UV_ECONNREFUSED);
  fake_reply(UV_EAGAIN);
  send_text(socket, "a");
  scene_run();
  fake_make_writable(socket);
  scene_run();
  assert_string_equal(fake_sends(), "ECONNREFUSED | EAGAIN | a");
  assert_string_equal(calls, "a ");
}

static void an_own_error_is_told_once(void **state) {
  dgram_socket_t *socket = connected_socket();
  fake_reply(UV_EPERM);
  fake_reply(UV_EPERM);
  send_text(socket, "a");
  scene_run();
  assert_string_equal(scene_story(), "");
  assert_string_equal(calls, "EPERM ");
}

static void an_own_error_behind_it_hides_it_not(void **state) {
  dgram_socket_t *socket = connected_socket();
  fake_reply(UV_ECONNREFUSED);
  fake_reply(UV_EMSGSIZE);
  send_text(socket, "a");
  scene_run();
  assert_string_equal(scene_story(), "error(recvmsg ECONNREFUSED)");
  assert_string_equal(calls, "EMSGSIZE ");
}

static void on_a_socket_that_is_not_connected_it_is_the_sends_own(void **state) {
  dgram_socket_t *socket = scene_socket();
  fake_reply(UV_ECONNREFUSED);
  scene_send(socket, 0);
  scene_run();
  assert_string_equal(scene_story(), "0:ECONNREFUSED");
}

/* A socket that is disconnected while a send to its peer waits: that one keeps its destination. */
static void after_a_disconnect_what_waits_still_goes_to_the_peer(void **state) {
  dgram_socket_t *socket = connected_socket();
  fake_reply(UV_EAGAIN);
  send_text(socket, "a");
  scene_run();
  assert_int_equal(socket->tx.ready.first->datagram.to.any.sa_family, AF_UNSPEC);
  dgram__send_disconnected(socket, &socket->connecting.peer);
  assert_int_equal(dgram__address_port(&socket->tx.ready.first->datagram.to), 53);
  socket->connecting.state = DGRAM__DISCONNECTED;
  fake_make_writable(socket);
  scene_run();
  assert_string_equal(calls, "a ");
}

static void a_socket_that_closes_does_not_tell_it(void **state) {
  dgram_socket_t *socket = connected_socket();
  fake_reply(UV_ECONNREFUSED);
  send_text(socket, "a");
  scene_close(socket);
  scene_run();
  assert_string_equal(fake_sends(), "ECONNREFUSED | a");
  assert_string_equal(scene_story(), "close");
  assert_string_equal(calls, "a ");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, begin, scene_end)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(the_send_that_meets_it_is_tried_again),
      TEST(twice_in_a_row_it_is_the_sends_own),
      TEST(it_may_be_met_before_every_send_that_leaves),
      TEST(a_full_buffer_in_between_changes_nothing),
      TEST(an_own_error_is_told_once),
      TEST(an_own_error_behind_it_hides_it_not),
      TEST(on_a_socket_that_is_not_connected_it_is_the_sends_own),
      TEST(after_a_disconnect_what_waits_still_goes_to_the_peer),
      TEST(a_socket_that_closes_does_not_tell_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
