/*
 * Sends that the system does not take yet, and what comes behind them: a failure is reported in its
 * turn, and an option waits until what was sent before it has left.
 */
#include "fake/scripted.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* The options that were set, as words among those of fake_sends(). */
static char set[256];

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length);
int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t length);

static dgram_socket_t *watched;

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length) {
  if (watched == NULL || fd != watched->udp.fd)
    return __real_setsockopt(fd, level, name, value, length);
  int number;
  memcpy(&number, value, sizeof number);
  size_t used = strlen(set);
  snprintf(set + used, sizeof set - used, "%d@%u ", number, fake_sent_count());
  return 0;
}
/* NOLINTEND(bugprone-reserved-identifier) */

static dgram_socket_t *blocked_socket(void) {
  dgram_socket_t *socket = scripted_socket();
  watched = socket;
  set[0] = '\0';
  fake_reply(UV_EAGAIN);
  scripted_send_all(socket, 0, 2);
  scripted_run();
  assert_string_equal(fake_sends(), "EAGAIN");
  return socket;
}

static void on_failed(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                      void *context) {
  if (scripted_on_sent != NULL)
    scripted_on_sent(socket, error != NULL ? error->code : 0);
}

static int order[8];
static int order_count;

static void keep_order(dgram_socket_t *socket, int number) {
  if (order_count < 8)
    order[order_count++] = number;
}

SCRIPTED_TEST("a send that fails behind blocked ones ends behind them") {
  dgram_socket_t *socket = blocked_socket();
  order_count = 0;
  scripted_on_sent = keep_order;
  assert_int_equal(dgram_send(socket, "x", 1, 9, "::1", on_failed, NULL), 0);
  scripted_send(socket, 3);
  scripted_run();
  assert_int_equal(order_count, 0);
  fake_make_writable(socket);
  scripted_run();
  assert_string_equal(fake_sends(), "0 1 2 | 3");
  static const int expected[] = {0, 1, 2, UV_EINVAL, 3};
  assert_int_equal(order_count, 5);
  assert_memory_equal(order, expected, sizeof expected);
}

SCRIPTED_TEST("a close ends each blocked send in its own way") {
  dgram_socket_t *socket = blocked_socket();
  order_count = 0;
  scripted_on_sent = keep_order;
  assert_int_equal(dgram_send(socket, "x", 1, 9, "::1", on_failed, NULL), 0);
  fake_reply_always(UV_EAGAIN);
  close_socket(socket);
  scripted_run();
  static const int expected[] = {0, 1, 2, UV_EINVAL};
  assert_int_equal(order_count, 4);
  assert_memory_equal(order, expected, sizeof expected);
  trace_clear();
}

SCRIPTED_TEST("an option waits until blocked sends have left") {
  dgram_socket_t *socket = blocked_socket();
  assert_int_equal(dgram_set_ttl(socket, 20), 0);
  scripted_send(socket, 3);
  assert_int_equal(dgram_set_ttl(socket, 30), 0);
  scripted_send(socket, 4);
  scripted_run();
  assert_string_equal(set, "");
  fake_make_writable(socket);
  scripted_run();
  assert_string_equal(fake_sends(), "0 1 2 | 3 | 4");
  assert_string_equal(set, "20@3 30@4 ");
  assert_trace("0 1 2 3 4");
}

/* Else each call of a system that takes one datagram a call would walk the whole queue. */
SCRIPTED_TEST("a flush with an option in the queue counts no further than one call can send") {
  dgram_socket_t *socket = blocked_socket();
  socket->udp.capabilities.max_tx_batch = 2;
  socket->udp.capabilities.max_segments = 1;
  assert_int_equal(dgram_set_ttl(socket, 20), 0);
  scripted_send(socket, 3);
  fake_make_writable(socket);
  scripted_run();
  assert_string_equal(fake_sends(), "0 1 | 2 | 3");
  assert_string_equal(set, "20@3 ");
  assert_trace("0 1 2 3");
}

SCRIPTED_TEST("an option that the system refuses is refused at once") {
  dgram_socket_t *socket = blocked_socket();
  assert_int_equal(dgram_set_multicast_interface(socket, "192.0.2.77"), UV_EADDRNOTAVAIL);
  fake_make_writable(socket);
  scripted_run();
  assert_string_equal(set, "");
  assert_trace("0 1 2");
}

SCRIPTED_TEST("an option that waits when the socket closes is forgotten") {
  dgram_socket_t *socket = blocked_socket();
  assert_int_equal(dgram_set_ttl(socket, 20), 0);
  fake_reply_always(UV_EAGAIN);
  close_socket(socket);
  scripted_run();
  assert_string_equal(set, "");
  assert_trace("close 0:ECANCELED 1:ECANCELED 2:ECANCELED");
}

SCRIPTED_TEST("a disconnect among blocked sends keeps all in order") {
  dgram_socket_t *socket = blocked_socket();
  assert_int_equal(dgram_set_ttl(socket, 20), 0);
  dgram__send_disconnected(socket, &(union dgram__address){.any.sa_family = AF_INET});
  scripted_send(socket, 3);
  fake_make_writable(socket);
  scripted_run();
  assert_string_equal(set, "20@3 ");
  assert_trace("0 1 2 3");
}
