/*
 * An option acts on sends that are made after it, and on none made before: those leave first.
 * The loop does not run between the calls.
 */
#include "lib/fixture.h"

#include <stdbool.h>

/* What the peer sees of a datagram. */
static int hops_of(int fd, int level, int type) {
  char byte;
  union {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
  } control;
  struct iovec iov = {.iov_base = &byte, .iov_len = 1};
  struct msghdr message = {.msg_iov = &iov,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof control.bytes};
  assert_int_equal(recvmsg(fd, &message, 0), 1);
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  assert_non_null(header);
  assert_int_equal(header->cmsg_level, level);
  assert_int_equal(header->cmsg_type, type);
  int hops;
  memcpy(&hops, CMSG_DATA(header), sizeof hops);
  return hops;
}

static void ask_for_hops(int fd, int level, int option) {
  int on = 1;
  assert_int_equal(setsockopt(fd, level, option, &on, sizeof on), 0);
}

TEST("a ttl acts on the sends behind it") {
  int peer = raw_socket();
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  ask_for_hops(peer, IPPROTO_IP, IP_RECVTTL);
  connect_now(socket, raw_port(peer));
  for (int ttl = 10; ttl <= 30; ttl += 10) {
    assert_int_equal(dgram_set_ttl(socket, ttl), 0);
    assert_int_equal(dgram_send(socket, "x", 1, 0, NULL, NULL, NULL), 0);
  }
  settle(loop);
  for (int ttl = 10; ttl <= 30; ttl += 10)
    assert_int_equal(hops_of(peer, IPPROTO_IP, IP_TTL), ttl);
  close(peer);
}

/* What waits for 'listening' was sent before, too; the last one leaves after it. */
static void so_it_does_before_listening(uv_loop_t *loop, bool connected) {
  begin_round(loop);
  int peer = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  ask_for_hops(peer, IPPROTO_IP, IP_RECVTTL);
  assert_int_equal(dgram_bind_sync(socket, 0, "127.0.0.1"), 0);
  if (connected)
    assert_int_equal(dgram_connect_sync(socket, raw_port(peer), NULL), 0);
  for (int ttl = 10; ttl <= 30; ttl += 10) {
    assert_int_equal(dgram_set_ttl(socket, ttl), 0);
    assert_int_equal(
        dgram_send(socket, "x", 1, connected ? 0 : raw_port(peer), NULL, trace_sent, "x"), 0);
  }
  int last = 40;
  assert_int_equal(setsockopt(dgram_fileno(socket), IPPROTO_IP, IP_TTL, &last, sizeof last), 0);
  if (connected)
    assert_int_equal(dgram_disconnect(socket), 0);
  settle(loop);
  for (int ttl = 10; ttl <= 30; ttl += 10)
    assert_int_equal(hops_of(peer, IPPROTO_IP, IP_TTL), ttl);
  assert_trace("x x x");
  close(peer);
}

TEST("so it does on a socket that does not listen yet") {
  so_it_does_before_listening(loop, false);
}

TEST("so it does on one that is connected") {
  so_it_does_before_listening(loop, true);
}

/* Its own port is given back by the call. */
TEST("what waits for listening leaves before a disconnect") {
  int peer = raw_socket();
  char text[8];
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_connect_sync(socket, raw_port(peer), NULL), 0);
  int port = port_of(socket);
  assert_int_equal(dgram_send(socket, "x", 1, 0, NULL, NULL, NULL), 0);
  assert_int_equal(dgram_disconnect(socket), 0);
  settle(loop);
  assert_int_equal(raw_receive(peer, text, sizeof text), port);
  close(peer);
}

static int raw_socket_v6(struct sockaddr_in6 *address) {
  socklen_t length = sizeof *address;
  int fd = socket(AF_INET6, SOCK_DGRAM, 0);
  *address = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
  assert_true(fd >= 0);
  assert_int_equal(bind(fd, (struct sockaddr *)address, sizeof *address), 0);
  assert_int_equal(getsockname(fd, (struct sockaddr *)address, &length), 0);
  return fd;
}

TEST("so does a hop limit of IPv6") {
  skip_without_ipv6();
  struct sockaddr_in6 to;
  int peer = raw_socket_v6(&to);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP6, NULL, NULL);
  uv_buf_t byte = uv_buf_init("x", 1);
  bind_now(socket, "::1");
  ask_for_hops(peer, IPPROTO_IPV6, IPV6_RECVHOPLIMIT);
  for (int ttl = 10; ttl <= 30; ttl += 10) {
    assert_int_equal(dgram_set_ttl(socket, ttl), 0);
    assert_int_equal(dgram_send_to(socket, &byte, 1, (struct sockaddr *)&to, NULL, NULL), 0);
  }
  settle(loop);
  for (int ttl = 10; ttl <= 30; ttl += 10)
    assert_int_equal(hops_of(peer, IPPROTO_IPV6, IPV6_HOPLIMIT), ttl);
  close(peer);
}

/* A program's own option, by the descriptor. */
TEST("so does what is set by the descriptor") {
  int peer = raw_socket();
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  ask_for_hops(peer, IPPROTO_IP, IP_RECVTTL);
  for (int ttl = 10; ttl <= 20; ttl += 10) {
    assert_int_equal(setsockopt(dgram_fileno(socket), IPPROTO_IP, IP_TTL, &ttl, sizeof ttl), 0);
    send_text(socket, "x", raw_port(peer), NULL, NULL);
  }
  settle(loop);
  for (int ttl = 10; ttl <= 20; ttl += 10)
    assert_int_equal(hops_of(peer, IPPROTO_IP, IP_TTL), ttl);
  close(peer);
}

TEST("a permission to broadcast holds for the sends before it is taken back") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_set_broadcast(socket, 1), 0);
  assert_int_equal(dgram_send(socket, "x", 1, port, "127.255.255.255", trace_sent, "allowed"), 0);
  assert_int_equal(dgram_set_broadcast(socket, 0), 0);
  assert_int_equal(dgram_send(socket, "x", 1, port, "127.255.255.255", trace_sent, "refused"), 0);
  settle(loop);
  assert_trace("allowed refused(EACCES)");
}
