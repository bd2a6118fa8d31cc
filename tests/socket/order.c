/*
 * The order of events around binds, sends and connects, as traces: what happens inside the call,
 * and what in which order later. The numbers are those of the observed behaviour of node:dgram.
 */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

#include <stdbool.h>

/* ---- binds ---- */

/* Other work of the loop, which is traced. */
static void trace_check(uv_check_t *check) {
  trace("check");
  uv_close((uv_handle_t *)check, NULL);
}

/* B20: after the call, and before what the loop finds when it polls. */
TEST("listening comes before the loop polls") {
  static const char *const addresses[] = {NULL, "127.0.0.1"};
  for (int i = 0; i < 2; i++) {
    uv_check_t check;
    uv_check_init(loop, &check);
    uv_check_start(&check, trace_check);
    dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
    trace_events(socket);
    assert_int_equal(dgram_bind(socket, 0, addresses[i], trace_event, "callback"), 0);
    trace("returned");
    run_until_trace(loop, "returned listening callback check");
    close_sockets(loop);
    trace_clear();
  }
}

/* B21: the state is unbound when the error is emitted, so a bind in it is a new one. */
static void bind_again(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  dgram_address_t address;
  trace("%s", error->message);
  assert_int_equal(dgram_address(socket, &address), UV_EBADF);
  assert_int_equal(dgram_bind(socket, 0, "127.0.0.1", trace_event, "second"), 0);
  trace("again");
}

TEST("the state is unbound before error") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, bind_again, NULL), 0);
  assert_int_equal(dgram_bind(socket, 0, "::1", trace_event, "first"), 0);
  trace("returned");
  run_until_trace(loop, "returned bind EINVAL ::1 again second");
}

/* B21: with a port it is named, without it is left out. */
TEST("the error of a bind names address and port") {
  struct kept_error kept = {0};
  int fd = raw_socket();
  char expected[64];
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, keep_error, &kept), 0);
  assert_int_equal(dgram_bind(socket, raw_port(fd), "localhost", NULL, NULL), 0);
  run_until(loop, &kept.calls, 1);
  snprintf(expected, sizeof expected, "bind EADDRINUSE 127.0.0.1:%d", raw_port(fd));
  assert_string_equal(kept.message, expected);
  assert_int_equal(dgram_bind(socket, 0, "203.0.113.9", NULL, NULL), 0);
  run_until(loop, &kept.calls, 2);
  assert_string_equal(kept.message, "bind EADDRNOTAVAIL 203.0.113.9");
  close(fd);
}

static void use_all(dgram_socket_t *socket, void *context) {
  dgram_address_t address;
  trace("listening");
  assert_int_equal(dgram_address(socket, &address), 0);
  assert_int_equal(dgram_set_ttl(socket, 2), 0);
  assert_true(dgram_get_recv_buffer_size(socket) > 0);
  assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), DGRAM_ERR_SOCKET_ALREADY_BOUND);
  send_text(socket, "mine", address.port, NULL, NULL);
}

/* B23: it receives already; the state is bound. */
TEST("a socket is ready in listening") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, trace_message, "got");
  assert_int_equal(dgram_bind(socket, 0, "127.0.0.1", use_all, NULL), 0);
  run_until_trace(loop, "listening got(mine)");
}

static void allow_broadcast(dgram_socket_t *socket, void *context) {
  trace("listening");
  assert_int_equal(dgram_set_broadcast(socket, 1), 0);
}

/* B63: a listener that is added after the send still runs before it leaves. */
TEST("sends leave after every listener of listening") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_send(socket, "x", 1, 9, "127.255.255.255", trace_sent, "sent"), 0);
  assert_int_equal(dgram_on_listening(socket, allow_broadcast, NULL), 0);
  assert_int_equal(dgram_on_listening(socket, trace_event, "last"), 0);
  run_until_trace(loop, "listening last sent");
}

static void send_second(dgram_socket_t *socket, void *context) {
  trace("listening");
  send_text(socket, "2", *(int *)context, trace_sent, "sent2");
}

/* B36: what waited leaves in order, before what is sent in 'listening'. */
TEST("sends that waited for the bind leave first") {
  int fd = raw_socket();
  int port = raw_port(fd);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_listening(socket, send_second, &port), 0);
  send_text(socket, "0", port, trace_sent, "sent0");
  send_text(socket, "1", port, trace_sent, "sent1");
  run_until_trace(loop, "listening sent0 sent1 sent2");
  assert_string_equal(arrived(fd), "0 1 2");
  close(fd);
}

/* B36, but that the library forgets no callback: the error first, then what it ended. */
TEST("a failed bind is reported before the sends that waited for it") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_bind(socket, 0, "::1", trace_event, "never"), 0);
  send_text(socket, "1", 9, trace_sent, "sent1");
  assert_int_equal(dgram_connect(socket, 9, NULL, trace_connect, "callback"), 0);
  send_text(socket, "2", 9, trace_sent, "sent2");
  send_text(socket, "3", 9, NULL, NULL);
  settle(loop);
  assert_trace("error(EINVAL) sent1(EINVAL) sent2(EINVAL) callback(EINVAL)");
}

/* B36: each send after a failed implicit bind starts a new one. */
TEST("a send after a failed implicit bind binds anew") {
  struct lookup_stub stub = {0};
  dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, &stub);
  trace_events(socket);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(dgram_send(socket, "x", 1, 9, NULL, trace_sent, "sent"), 0);
    lookup_stub_answer(&stub, i, UV_EAI_FAIL, NULL);
    settle(loop);
    assert_trace("ask(0.0.0.0) error(EAI_FAIL) sent(EAI_FAIL)");
  }
  stub.at_once = "127.0.0.1";
  assert_int_equal(dgram_send(socket, "x", 1, 9, NULL, trace_sent, "sent"), 0);
  settle(loop);
  assert_trace("ask(0.0.0.0) listening ask(127.0.0.1) sent");
}

TEST("two sockets are bound in the order of the calls") {
  dgram_socket_t *first = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_socket_t *second = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(second, 0, NULL, trace_event, "second"), 0);
  assert_int_equal(dgram_bind(first, 0, NULL, trace_event, "first"), 0);
  run_until_trace(loop, "second first");
}

/* ---- sends and connects ---- */

/* B38: never inside the call, whatever the state. */
TEST("the callback of a send never runs inside the call") {
  static char overlong[65508];
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  send_text(socket, "1", port, trace_sent, "sent");
  assert_int_equal(
      dgram_send(socket, overlong, sizeof overlong, port, NULL, trace_sent, "overlong"), 0);
  trace("returned");
  run_until_trace(loop, "returned sent overlong(EMSGSIZE)");
}

static void send_to_itself(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                           void *context) {
  trace("first");
  send_text(socket, "x", port_of(socket), trace_sent, "second");
}

/* B57: the callback before the message that the send provokes. */
TEST("the callback of a send comes before its message") {
  int port;
  dgram_socket_t *socket = new_bound(loop, trace_message, "got", &port);
  send_text(socket, "x", port, trace_sent, "sent");
  run_until_trace(loop, "sent got(x)");
}

TEST("the callback of a send in a callback comes before its message") {
  int port;
  dgram_socket_t *socket = new_bound(loop, trace_message, "got", &port);
  send_text(socket, "1", 9, send_to_itself, NULL);
  run_until_trace(loop, "first second got(x)");
}

static void send_in_listening(dgram_socket_t *socket, void *context) {
  trace("listening");
  send_text(socket, "x", port_of(socket), trace_sent, "sent");
}

TEST("the callback of a send in listening comes before its message") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, trace_message, "got");
  assert_int_equal(dgram_bind(socket, 0, NULL, send_in_listening, NULL), 0);
  run_until_trace(loop, "listening sent got(x)");
}

static void send_in_connect(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("connect");
  assert_int_equal(dgram_send(socket, "x", 1, 0, NULL, trace_sent, "sent"), 0);
}

/* It is its own peer. */
TEST("the callback of a send in connect comes before its message") {
  int port;
  dgram_socket_t *socket = new_bound(loop, trace_message, "got", &port);
  assert_int_equal(dgram_connect(socket, port, NULL, send_in_connect, NULL), 0);
  run_until_trace(loop, "connect sent got(x)");
}

static void send_in_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                            void *context) {
  trace("got(%.*s)", (int)rinfo->size, message);
  if (*message == '1')
    send_text(socket, "2", port_of(socket), trace_sent, "sent2");
}

TEST("the callback of a send in message comes before its message") {
  int port;
  dgram_socket_t *socket = new_bound(loop, send_in_message, NULL, &port);
  send_text(socket, "1", port, trace_sent, "sent1");
  run_until_trace(loop, "sent1 got(1) sent2 got(2)");
}

/* B37, B39: errors have their place among the sends that left. */
TEST("callbacks come in the order of the sends") {
  static char overlong[65508];
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_on_error(socket, trace_error, "error"), 0);
  send_text(socket, "1", 9, trace_sent, "1");
  assert_int_equal(dgram_send(socket, overlong, sizeof overlong, 9, NULL, trace_sent, "2"), 0);
  assert_int_equal(dgram_send(socket, overlong, sizeof overlong, 9, NULL, NULL, NULL), 0);
  send_text(socket, "4", 9, trace_sent, "4");
  run_until_trace(loop, "1 2(EMSGSIZE) error(EMSGSIZE) 4");
}

/* B39 */
TEST("the error of a send names the address as given") {
  static char overlong[65508];
  static const char *const addresses[] = {"127.0.0.1", NULL, "localhost"};
  static const char *const messages[] = {"send EMSGSIZE 127.0.0.1:1234",
                                         "send EMSGSIZE 127.0.0.1:1234",
                                         "send EMSGSIZE localhost:1234"};
  for (int i = 0; i < 3; i++) {
    begin_round(loop);
    int port;
    struct kept_error kept = {0};
    dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
    assert_int_equal(
        dgram_send(socket, overlong, sizeof overlong, 1234, addresses[i], keep_send_error, &kept),
        0);
    run_until(loop, &kept.calls, 1);
    assert_string_equal(kept.message, messages[i]);
  }
}

/* B37: also of a name that libuv refuses inside the call. */
TEST("a failed look-up of a send is reported from the loop") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  trace_events(socket);
  assert_int_equal(dgram_send(socket, "1", 1, 9, "\xff\xfe", trace_sent, "sent"), 0);
  assert_int_equal(dgram_send(socket, "2", 1, 9, "\xff\xfe", NULL, NULL), 0);
  trace("returned");
  run_until_trace(loop, "returned sent(EINVAL) error(EINVAL)");
}

/* B28, B30: 'connect' from the loop; the state before and after. */
TEST("a connect is reported after the sends before it have left") {
  int fd = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  send_text(socket, "1", raw_port(fd), NULL, NULL);
  assert_int_equal(dgram_connect(socket, raw_port(fd), NULL, send_in_connect, NULL), 0);
  trace("returned");
  run_until_trace(loop, "returned listening connect connect sent");
  assert_string_equal(arrived(fd), "1 x");
  close(fd);
}

/* B30: the state is disconnected when the failure is reported, from the loop. */
static void connect_again(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("%s", error->message);
  assert_int_equal(dgram_connect(socket, 9, NULL, trace_connect, "second"), 0);
  trace("again");
}

TEST("a failed connect is reported from the loop") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  trace_events(socket);
  assert_int_equal(dgram_connect(socket, 1234, "::1", connect_again, NULL), 0);
  trace("returned");
  run_until_trace(loop, "returned connect EINVAL ::1:1234 again connect second");
}

/* B31: at once, and silently. */
TEST("a disconnect is done inside the call") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  connect_now(socket, 9);
  trace_events(socket);
  assert_int_equal(dgram_disconnect(socket), 0);
  trace("returned");
  assert_int_equal(dgram_connect(socket, 9, NULL, NULL, NULL), 0);
  run_until_trace(loop, "returned connect");
}

/* ---- an option acts on the sends after it: those before leave first ---- */

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

TEST("a TTL acts on the sends behind it") {
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

TEST("a TTL acts on the sends behind it of a socket that does not listen yet") {
  so_it_does_before_listening(loop, false);
}

TEST("a TTL acts on the sends behind it of a connected socket") {
  so_it_does_before_listening(loop, true);
}

/* Its own port is given back by the call. */
TEST("sends that wait for listening leave before a disconnect") {
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

TEST("a hop limit of IPv6 acts on the sends behind it") {
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
TEST("an option that is set by the descriptor acts on the sends behind it") {
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
