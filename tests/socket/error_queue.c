/*
 * Another use of the system socket has an error queue on (IP_RECVERR, timestamps of sends). What is
 * in it wakes the loop until it is read: the library reads it, and receiving goes on.
 */
#include "lib/fixture.h"

#include <dgram_stats.h>

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>

static void set_on(int fd, int level, int name) {
  int on = 1;
  assert_int_equal(setsockopt(fd, level, name, &on, sizeof on), 0);
}

/* After the ICMP error both ways are as they were, and the loop comes to rest. */
static void assert_alive(uv_loop_t *loop, dgram_socket_t *socket, const int *received) {
  int sender = raw_socket();
  int before = *received;
  assert_in_range(turns_in(loop, 50), 0, 40);
  raw_send(sender, "x", 1, port_of(socket));
  settle(loop);
  assert_int_equal(*received, before + 1);
  send_text(socket, "y", raw_port(sender), trace_sent, "sent");
  settle(loop);
  assert_string_equal(arrived(sender), "y");
  assert_trace("sent");
  assert_in_range(turns_in(loop, 50), 0, 40);
  close(sender);
}

TEST("an ICMP error about a socket without a peer is drained") {
  int received = 0;
  int port;
  dgram_socket_t *socket = new_bound(loop, count_message, &received, &port);
  struct kept_error error = {0};
  assert_int_equal(dgram_on_error(socket, keep_error, &error), 0);
  set_on(dgram_fileno(socket), IPPROTO_IP, IP_RECVERR);
  for (int i = 1; i <= 3; i++) {
    send_text(socket, "x", raw_closed_port(), NULL, NULL);
    settle(loop);
    assert_int_equal(error.calls, i);
    assert_string_equal(error.message, "recvmsg ECONNREFUSED");
    assert_alive(loop, socket, &received);
  }
}

TEST("a healthy send does not fail for an ICMP error") {
  int port;
  int peer = raw_socket();
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_on_error(socket, trace_error, "error"), 0);
  set_on(dgram_fileno(socket), IPPROTO_IP, IP_RECVERR);
  send_text(socket, "lost", raw_closed_port(), trace_sent, "sent1");
  dgram_flush(socket);
  send_text(socket, "healthy", raw_port(peer), trace_sent, "sent2");
  dgram_flush(socket);
  settle(loop);
  assert_string_equal(arrived(peer), "healthy");
  assert_trace("sent1 sent2 error(ECONNREFUSED)");
  close(peer);
}

TEST("an ICMP error about a connected socket is emitted") {
  int received = 0;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, count_message, &received);
  struct kept_error error = {0};
  assert_int_equal(dgram_bind_sync(socket, free_port(), "127.0.0.1"),
                   0); /* kept over a disconnect */
  settle(loop);
  assert_int_equal(dgram_on_error(socket, keep_error, &error), 0);
  set_on(dgram_fileno(socket), IPPROTO_IP, IP_RECVERR);
  connect_now(socket, raw_closed_port());
  assert_int_equal(dgram_send(socket, "x", 1, 0, NULL, NULL, NULL), 0);
  settle(loop);
  assert_int_equal(error.calls, 1);
  assert_in_range(turns_in(loop, 50), 0, 40);
  assert_int_equal(dgram_disconnect(socket), 0);
  assert_alive(loop, socket, &received);
}

/* More of them than are read at a time. */
TEST("many ICMP errors at once are drained") {
  enum { MANY = 200 };
  int received = 0;
  int port;
  dgram_socket_t *socket = new_bound(loop, count_message, &received, &port);
  struct kept_error error = {0};
  int gone = raw_closed_port();
  assert_int_equal(dgram_on_error(socket, keep_error, &error), 0);
  set_on(dgram_fileno(socket), IPPROTO_IP, IP_RECVERR);
  for (int i = 0; i < MANY; i++) {
    send_text(socket, "x", gone, NULL, NULL);
    dgram_flush(socket);
  }
  settle(loop);
  assert_in_range(error.calls, 1, 2 * MANY);
  assert_alive(loop, socket, &received);
}

/* Before each poll(2) of the loop: an ICMP error, by a datagram of another holder. */
struct provoker {
  uv_prepare_t prepare;
  int fd;
  int gone;
};

static void provoke(uv_prepare_t *prepare) {
  const struct provoker *provoker = prepare->data;
  const struct sockaddr_in to = loopback_address(provoker->gone);
  (void)sendto(provoker->fd, "x", 1, 0, (const struct sockaddr *)&to, sizeof to);
}

/* libuv then says that only of the socket, and not that it is readable too. */
TEST("a datagram comes though each wake-up is for an ICMP error") {
  int received = 0;
  int port;
  int sender = raw_socket();
  dgram_socket_t *socket = new_bound(loop, count_message, &received, &port);
  struct kept_error error = {0};
  assert_int_equal(dgram_on_error(socket, keep_error, &error), 0);
  set_on(dgram_fileno(socket), IPPROTO_IP, IP_RECVERR);
  struct provoker provoker = {.fd = dgram_fileno(socket), .gone = raw_closed_port()};
  provoker.prepare.data = &provoker;
  uv_prepare_init(loop, &provoker.prepare);
  uv_prepare_start(&provoker.prepare, provoke);
  run_until(loop, &error.calls, 3);
  raw_send(sender, "x", 1, port);
  run_until(loop, &received, 1);
  uv_close((uv_handle_t *)&provoker.prepare, NULL);
  settle(loop);
  assert_alive(loop, socket, &received);
  close(sender);
}

TEST("timestamps of sends are drained") {
  int received = 0;
  int port;
  int peer = raw_socket();
  dgram_socket_t *socket = new_bound(loop, count_message, &received, &port);
  int flags = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
  int fd = dgram_fileno(socket);
  assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof flags), 0);
  for (int i = 0; i < 3; i++)
    send_text(socket, "x", raw_port(peer), NULL, NULL);
  settle(loop);
  assert_string_equal(arrived(peer), "x x x");
  assert_alive(loop, socket, &received); /* and no 'error' */
  close(peer);
}

/* They are taken with the pending error of the peer that is given up, of which there is none. */
TEST("timestamps of sends are drained by a disconnect, and are no 'error'") {
  int received = 0;
  int peer = raw_socket();
  int flags = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, count_message, &received);
  assert_int_equal(dgram_bind_sync(socket, free_port(), "127.0.0.1"), 0);
  settle(loop);
  connect_now(socket, raw_port(peer));
  int fd = dgram_fileno(socket);
  assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof flags), 0);
  assert_int_equal(dgram_send(socket, "x", 1, 0, NULL, NULL, NULL), 0);
  dgram_flush(socket);
  assert_int_equal(dgram_disconnect(socket), 0);
  settle(loop); /* an 'error' would be an unhandled one */
  assert_string_equal(arrived(peer), "x");
  assert_alive(loop, socket, &received);
  close(peer);
}

/*
 * On a descriptor that is taken over it was on before; another holder may set it at any time, and
 * its ICMP errors are no 'error' of this one.
 */
TEST("the error queue of a shared descriptor is drained") {
  dgram_stats_t stats = dgram_default_stats();
  int received = 0;
  int fd = raw_socket();
  int copy = dup(fd);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, count_message, &received);
  struct kept_error error = {0};
  assert_int_equal(dgram_on_error(socket, keep_error, &error), 0);
  assert_int_equal(adopt_fd(socket, fd), 0);
  set_on(copy, IPPROTO_IP, IP_RECVERR);
  raw_send(copy, "x", 1, raw_closed_port());
  settle(loop);
  assert_alive(loop, socket, &received);
  assert_int_equal(error.calls, 0);
  assert_int_equal(dgram_get_stats(socket, &stats), 0);
  assert_int_equal(stats.icmp_errors[0].code, UV_ECONNREFUSED);
  assert_int_equal(stats.icmp_errors[0].count, 1);
  close(copy);
}
