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

static void a_ttl_acts_on_the_sends_behind_it(void **state) {
  uv_loop_t *loop = open_loop();
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
  close_socket(socket);
  close_loop(loop);
}

/* What waits for 'listening' was sent before, too; the last one leaves after it. */
static void so_it_does_before_listening(bool connected) {
  uv_loop_t *loop = open_loop();
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
  close_socket(socket);
  close_loop(loop);
}

static void so_it_does_on_a_socket_that_does_not_listen_yet(void **state) {
  so_it_does_before_listening(false);
}

static void so_it_does_on_one_that_is_connected(void **state) {
  so_it_does_before_listening(true);
}

/* Its own port is given back by the call. */
static void what_waits_for_listening_leaves_before_a_disconnect(void **state) {
  uv_loop_t *loop = open_loop();
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
  close_socket(socket);
  close_loop(loop);
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

static void so_does_a_hop_limit_of_IPv6(void **state) {
  skip_without_ipv6();
  uv_loop_t *loop = open_loop();
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
  close_socket(socket);
  close_loop(loop);
}

/* A program's own option, by the descriptor. */
static void so_does_what_is_set_by_the_descriptor(void **state) {
  uv_loop_t *loop = open_loop();
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
  close_socket(socket);
  close_loop(loop);
}

static void a_permission_to_broadcast_holds_for_the_sends_before_it_is_taken_back(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_set_broadcast(socket, 1), 0);
  assert_int_equal(dgram_send(socket, "x", 1, port, "127.255.255.255", trace_sent, "allowed"), 0);
  assert_int_equal(dgram_set_broadcast(socket, 0), 0);
  assert_int_equal(dgram_send(socket, "x", 1, port, "127.255.255.255", trace_sent, "refused"), 0);
  settle(loop);
  assert_trace("allowed refused(EACCES)");
  close_socket(socket);
  close_loop(loop);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_ttl_acts_on_the_sends_behind_it),
      cmocka_unit_test(so_it_does_on_a_socket_that_does_not_listen_yet),
      cmocka_unit_test(so_it_does_on_one_that_is_connected),
      cmocka_unit_test(what_waits_for_listening_leaves_before_a_disconnect),
      cmocka_unit_test(so_does_a_hop_limit_of_IPv6),
      cmocka_unit_test(so_does_what_is_set_by_the_descriptor),
      cmocka_unit_test(a_permission_to_broadcast_holds_for_the_sends_before_it_is_taken_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
