/*
 * Listeners of 'icmp' over the loopback: when the system is asked for ICMP errors, and what a
 * listener may do. What is reported, by hosts and routers, is in netns/icmp_event.c.
 */
#include "lib/fixture.h"

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>

static int asks(dgram_socket_t *socket, int level, int name) {
  int value = -1;
  socklen_t length = sizeof value;
  assert_int_equal(getsockopt(dgram_fileno(socket), level, name, &value, &length), 0);
  return value;
}

static void count_icmp(dgram_socket_t *socket, const dgram_icmp_t *icmp, void *context) {
  assert_int_equal(icmp->kind, DGRAM_ICMP_PORT_UNREACHABLE);
  ++*(int *)context;
}

static void trace_icmp(dgram_socket_t *socket, const dgram_icmp_t *icmp, void *context) {
  trace_event(socket, context);
}

/* Both ways work, and the loop is at rest. */
static void assert_at_rest(uv_loop_t *loop, dgram_socket_t *socket) {
  assert_usable(socket);
  assert_in_range(turns_in(loop, 50), 0, 40);
}

/* ---- asking ---- */

TEST("the system is asked for ICMP errors while there are listeners") {
  char second[] = "second";
  int port, count = 0;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(asks(socket, IPPROTO_IP, IP_RECVERR), 0);
  assert_int_equal(dgram_on_icmp(socket, count_icmp, &count), 0);
  assert_int_equal(dgram_on_icmp(socket, trace_icmp, second), 0);
  assert_int_equal(asks(socket, IPPROTO_IP, IP_RECVERR), 1);
  assert_int_equal(dgram_off_icmp(socket, count_icmp, &count), 0);
  assert_int_equal(asks(socket, IPPROTO_IP, IP_RECVERR), 1);
  assert_int_equal(dgram_off_icmp(socket, count_icmp, &count), UV_ENOENT);
  assert_int_equal(dgram_off_icmp(socket, trace_icmp, &count), UV_ENOENT);
  assert_int_equal(asks(socket, IPPROTO_IP, IP_RECVERR), 1);
  assert_int_equal(dgram_off_icmp(socket, trace_icmp, second), 0);
  assert_int_equal(asks(socket, IPPROTO_IP, IP_RECVERR), 0);
  assert_int_equal(dgram_once_icmp(socket, count_icmp, &count), 0);
  assert_int_equal(asks(socket, IPPROTO_IP, IP_RECVERR), 1);
}

TEST("a listener that is added before the bind has the bind ask") {
  skip_without_ipv6();
  static const char context[] = "icmp";
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP6, NULL, NULL);
  assert_int_equal(dgram_off_icmp(socket, trace_icmp, (void *)context), UV_ENOENT);
  assert_int_equal(dgram_on_icmp(socket, trace_icmp, (void *)context), 0);
  bind_now(socket, NULL);
  assert_int_equal(asks(socket, IPPROTO_IP, IP_RECVERR), 1);
  assert_int_equal(asks(socket, IPPROTO_IPV6, IPV6_RECVERR), 1);
  assert_int_equal(dgram_off_icmp(socket, trace_icmp, (void *)context), 0);
  assert_int_equal(asks(socket, IPPROTO_IP, IP_RECVERR), 0);
  assert_int_equal(asks(socket, IPPROTO_IPV6, IPV6_RECVERR), 0);
}

TEST("a listener that is removed before the bind leaves nothing to ask") {
  int count = 0;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_icmp(socket, count_icmp, &count), 0);
  assert_int_equal(dgram_off_icmp(socket, count_icmp, &count), 0);
  bind_now(socket, "127.0.0.1");
  assert_int_equal(asks(socket, IPPROTO_IP, IP_RECVERR), 0);
  assert_usable(socket);
}

TEST("what the system was asked before the first listener, it is asked after the last") {
  int count = 0;
  int fd = raw_socket();
  int on = 1;
  assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on), 0);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(adopt_fd(socket, fd), 0);
  assert_int_equal(dgram_on_icmp(socket, count_icmp, &count), 0);
  send_text(socket, "x", raw_closed_port(), NULL, NULL);
  run_until(loop, &count, 1);
  assert_int_equal(dgram_off_icmp(socket, count_icmp, &count), 0);
  assert_int_equal(asks(socket, IPPROTO_IP, IP_RECVERR), 1);
}

/* ---- listeners ---- */

TEST("'icmp' comes once for each lost datagram, and the sends end without an error") {
  enum { SENDS = 10 };
  int port, count = 0, sent = 0;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_on_icmp(socket, count_icmp, &count), 0);
  for (int i = 0; i < SENDS; i++) {
    assert_int_equal(dgram_send(socket, "x", 1, raw_closed_port(), NULL, count_sent, &sent), 0);
    dgram_flush(socket);
  }
  run_until(loop, &count, SENDS);
  assert_int_equal(sent, SENDS);
  settle(loop);
  assert_int_equal(count, SENDS);
  assert_at_rest(loop, socket);
}

TEST("a listener of the next 'icmp' is called once, and the rest is dropped") {
  int port, count = 0;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_once_icmp(socket, count_icmp, &count), 0);
  for (int i = 0; i < 5; i++) {
    send_text(socket, "x", raw_closed_port(), NULL, NULL);
    dgram_flush(socket);
  }
  run_until(loop, &count, 1);
  settle(loop); /* and no 'error', which would be an unhandled one */
  assert_int_equal(count, 1);
  assert_int_equal(asks(socket, IPPROTO_IP, IP_RECVERR), 0);
  assert_at_rest(loop, socket);
}

TEST("what was reported before the last listener is removed is no 'error'") {
  int port, count = 0;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  for (int connected = 0; connected <= 1; connected++) {
    assert_int_equal(dgram_on_icmp(socket, count_icmp, &count), 0);
    int gone = raw_closed_port();
    if (connected)
      connect_now(socket, gone);
    for (int i = 0; i < 5; i++) {
      assert_int_equal(dgram_send(socket, "x", 1, connected ? 0 : gone, NULL, NULL, NULL), 0);
      dgram_flush(socket);
    }
    assert_int_equal(dgram_off_icmp(socket, count_icmp, &count), 0);
    settle(loop);
    assert_int_equal(count, 0);
    assert_in_range(turns_in(loop, 50), 0, 40);
  }
}

static void close_in_icmp(dgram_socket_t *socket, const dgram_icmp_t *icmp, void *context) {
  ++*(int *)context;
  assert_int_equal(dgram_close(socket, NULL, NULL), 0);
}

TEST("a listener of 'icmp' may close the socket, and nothing comes after it") {
  int port, count = 0, later = 0;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_on_icmp(socket, close_in_icmp, &count), 0);
  for (int i = 0; i < 5; i++) {
    send_text(socket, "x", raw_closed_port(), NULL, NULL);
    dgram_flush(socket);
  }
  assert_int_equal(dgram_on_icmp(socket, count_icmp, &later), 0);
  run_to_end(loop);
  assert_int_equal(count, 1);
  assert_int_equal(later, 1); /* of the same emission */
}

static void send_in_icmp(dgram_socket_t *socket, const dgram_icmp_t *icmp, void *context) {
  int *count = context;
  if (++*count < 5)
    assert_int_equal(dgram_send(socket, "x", 1, icmp->peer.port, icmp->peer.address, NULL, NULL),
                     0);
}

TEST("a listener of 'icmp' may send to the peer again") {
  int port, count = 0;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_on_icmp(socket, send_in_icmp, &count), 0);
  send_text(socket, "x", raw_closed_port(), NULL, NULL);
  run_until(loop, &count, 5);
  assert_at_rest(loop, socket);
}

TEST("listeners of 'icmp' are refused after the close") {
  int port, count = 0;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_on_icmp(socket, count_icmp, &count), 0);
  assert_int_equal(dgram_close(socket, NULL, NULL), 0);
  assert_int_equal(dgram_on_icmp(socket, count_icmp, &count), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  assert_int_equal(dgram_once_icmp(socket, count_icmp, &count), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  assert_int_equal(dgram_off_icmp(socket, count_icmp, &count), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
}

/* ---- the state of the socket ---- */

TEST("'icmp' goes on over connect and disconnect, and there is no 'error'") {
  int count = 0;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind_sync(socket, free_port(), "127.0.0.1"), 0);
  assert_int_equal(dgram_on_icmp(socket, count_icmp, &count), 0);
  for (int i = 0; i < 3; i++) {
    int before = count;
    send_text(socket, "x", raw_closed_port(), NULL, NULL);
    dgram_flush(socket);
    connect_now(socket, raw_closed_port());
    assert_int_equal(dgram_send(socket, "x", 1, 0, NULL, NULL, NULL), 0);
    dgram_flush(socket);
    assert_int_equal(dgram_disconnect(socket), 0);
    run_until(loop, &count, before + 2);
  }
  settle(loop);
  assert_int_equal(count, 6);
  assert_at_rest(loop, socket);
}

TEST("a paused socket is told of ICMP errors") {
  int port, count = 0, received = 0;
  dgram_socket_t *socket = new_bound(loop, count_message, &received, &port);
  int peer = raw_socket();
  assert_int_equal(dgram_on_icmp(socket, count_icmp, &count), 0);
  assert_int_equal(dgram_pause(socket), 0);
  raw_send(peer, "x", 1, port);
  send_text(socket, "x", raw_closed_port(), NULL, NULL);
  run_until(loop, &count, 1);
  assert_in_range(turns_in(loop, 50), 0, 40);
  assert_int_equal(received, 0);
  assert_int_equal(dgram_resume(socket), 0);
  run_until(loop, &received, 1);
  close(peer);
}

TEST("timestamps in the error queue are no 'icmp'") {
  int port, count = 0, sent = 0;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  int peer = raw_socket();
  int flags = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
  assert_int_equal(dgram_on_icmp(socket, count_icmp, &count), 0);
  assert_int_equal(
      setsockopt(dgram_fileno(socket), SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof flags), 0);
  for (int i = 0; i < 3; i++) {
    send_text(socket, "y", raw_port(peer), count_sent, &sent);
    send_text(socket, "x", raw_closed_port(), count_sent, &sent);
  }
  run_until(loop, &count, 3);
  settle(loop);
  assert_int_equal(count, 3);
  assert_int_equal(sent, 6);
  close(peer);
  assert_in_range(turns_in(loop, 50), 0, 40);
}

/* The queue takes as much as the receive buffer; what does not fit is dropped, and is no 'error'.
 */
TEST("more ICMP errors than the error queue takes are no 'error', and no busy loop") {
  enum { MANY = 3000 };
  int port, count = 0, sent = 0;
  int gone = raw_closed_port();
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_set_recv_buffer_size(socket, 4096), 0);
  assert_int_equal(dgram_on_icmp(socket, count_icmp, &count), 0);
  for (int i = 0; i < MANY; i++) {
    assert_int_equal(dgram_send(socket, "x", 1, gone, NULL, count_sent, &sent), 0);
    dgram_flush(socket);
  }
  run_until(loop, &sent, MANY);
  settle(loop);
  assert_in_range(count, 1, MANY - 1);
  assert_in_range(turns_in(loop, 50), 0, 40);
}

TEST("the kinds of ICMP have names") {
  assert_string_equal(dgram_icmp_kind_name(DGRAM_ICMP_PORT_UNREACHABLE), "port unreachable");
  assert_string_equal(dgram_icmp_kind_name(DGRAM_ICMP_PACKET_TOO_BIG), "packet too big");
  assert_string_equal(dgram_icmp_kind_name(DGRAM_ICMP_OTHER), "other");
  assert_string_equal(dgram_icmp_kind_name((dgram_icmp_kind_t)99), "other");
  for (int i = 0; i < DGRAM_ICMP_PARAMETER_PROBLEM; i++)
    for (int j = i + 1; j <= DGRAM_ICMP_PARAMETER_PROBLEM; j++)
      assert_string_not_equal(dgram_icmp_kind_name((dgram_icmp_kind_t)i),
                              dgram_icmp_kind_name((dgram_icmp_kind_t)j));
}
