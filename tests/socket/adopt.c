/* A UDP socket that the program made is taken over: inside the call, and with all that it has. */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

static void adopt(dgram_socket_t *socket, int fd) {
  dgram_bind_options_t options = dgram_default_bind_options();
  options.fd = fd;
  assert_int_equal(dgram_bind_options(socket, &options, trace_event, "callback"), 0);
}

/* B24 */
TEST("an adopted descriptor is listening inside the call") {
  int fd = raw_socket();
  int port = raw_port(fd);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  adopt(socket, fd);
  assert_trace("listening callback");
  assert_int_equal(port_of(socket), port);
  settle(loop);
  assert_trace("");
  assert_usable(socket);
}

TEST("an adopted descriptor is closed with its socket") {
  int fd = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  adopt(socket, fd);
  assert_true(is_open(fd));
  close_socket(socket);
  run_to_end(loop);
  assert_false(is_open(fd));
}

/* A loop on a blocking descriptor would hang in its first receive. */
TEST("an adopted descriptor is made non-blocking") {
  int fd = raw_socket();
  int twin = dup(fd);
  assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  adopt(socket, fd);
  assert_int_equal(fcntl(twin, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
  close(twin);
}

/* Set on a port that is bound already it would let any process of the host bind to it, too. */
TEST("an adopted descriptor keeps its SO_REUSEADDR") {
  for (int before = 0; before <= 1; before++) {
    for (int wanted = 0; wanted <= 1; wanted++) {
      dgram_options_t options = dgram_default_options(DGRAM_UDP4);
      int on = -1;
      socklen_t length = sizeof on;
      int fd = raw_socket();
      options.reuse_addr = wanted;
      assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &before, sizeof before), 0);
      dgram_socket_t *socket = new_with(loop, &options);
      adopt(socket, fd);
      assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, &length), 0);
      assert_int_equal(on, before);
      close_socket(socket);
    }
  }
}

TEST("a socket receives what had arrived at its adopted descriptor") {
  int fd = raw_socket();
  int sender = raw_socket();
  raw_send(sender, "early", 5, raw_port(fd));
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, trace_message, "got");
  adopt(socket, fd);
  run_until_trace(loop, "callback got(early)");
  close(sender);
}

TEST("a bind to a descriptor ignores port and address") {
  int fd = raw_socket();
  int port = raw_port(fd);
  dgram_bind_options_t options = dgram_default_bind_options();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  options.fd = fd;
  options.port = 70000;
  options.address = "no-such-host.invalid";
  assert_int_equal(dgram_bind_options(socket, &options, NULL, NULL), 0);
  assert_int_equal(port_of(socket), port);
}

TEST("a bind to a descriptor does not look up") {
  struct lookup_stub stub = {0};
  dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, &stub);
  adopt(socket, raw_socket());
  assert_trace("callback");
}

/* The system gives it a port with its first send. */
TEST("an adopted descriptor that is not bound has no port until it sends") {
  char text[8];
  int peer = raw_socket();
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  dgram_address_t address;
  dgram_socket_t *adopter = new_socket(loop, DGRAM_UDP4, trace_message, "got");
  adopt(adopter, fd);
  assert_int_equal(dgram_address(adopter, &address), 0);
  assert_string_equal(address.address, "0.0.0.0");
  assert_int_equal(address.port, 0);
  send_text(adopter, "ping", raw_port(peer), trace_sent, "sent");
  run_until_trace(loop, "callback sent");
  raw_send(peer, "pong", 4, raw_receive(peer, text, sizeof text));
  run_until_trace(loop, "got(pong)");
  close(peer);
}

TEST("a descriptor of IPv6 is adopted by a udp6 socket") {
  skip_without_ipv6();
  struct sockaddr_in6 bound = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
  dgram_address_t address;
  int fd = socket(AF_INET6, SOCK_DGRAM, 0);
  assert_int_equal(bind(fd, (struct sockaddr *)&bound, sizeof bound), 0);
  dgram_socket_t *adopter = new_socket(loop, DGRAM_UDP6, NULL, NULL);
  adopt(adopter, fd);
  assert_int_equal(dgram_address(adopter, &address), 0);
  assert_string_equal(address.address, "::1");
  assert_string_equal(address.family, "IPv6");
  assert_usable(adopter);
}

TEST("the buffer sizes of the options are set on an adopted descriptor") {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.recv_buffer_size = 10000;
  options.send_buffer_size = 12000;
  dgram_socket_t *socket = new_with(loop, &options);
  adopt(socket, raw_socket());
  assert_in_range(dgram_get_recv_buffer_size(socket), 10000, 20000);
  assert_in_range(dgram_get_send_buffer_size(socket), 12000, 24000);
}

static void close_in_listening(dgram_socket_t *socket, void *context) {
  trace("listening");
  assert_int_equal(dgram_close(socket, trace_event, "close"), 0);
}

TEST("a socket may be closed in the listening of its descriptor") {
  int fd = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_listening(socket, close_in_listening, NULL), 0);
  adopt(socket, fd);
  assert_trace("listening callback");
  run_to_end(loop);
  assert_trace("close");
  assert_false(is_open(fd));
}

TEST("a socket with a descriptor keeps the loop alive unless it is unreferenced") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  adopt(socket, raw_socket());
  assert_true(uv_run(loop, UV_RUN_NOWAIT) != 0);
  dgram_unref(socket);
  assert_true(uv_run(loop, UV_RUN_NOWAIT) == 0);
}

TEST("a socket with a descriptor sends and receives in bulk") {
  enum { SENT = 200 };
  int received = 0;
  int sent = 0;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, count_message, &received);
  adopt(socket, raw_socket());
  for (int i = 0; i < SENT; i++)
    send_text(socket, "x", port_of(socket), count_sent, &sent);
  run_until(loop, &received, SENT);
  assert_int_equal(sent, SENT);
}

/* Another program may have it, too, which takes what the system joins (UDP_GRO) for one datagram.
 */
TEST("a descriptor that others have does not join datagrams") {
  enum { BURST = 40, SIZE = 100 };
  static const char payload[SIZE];
  char text[BURST * SIZE];
  int received = 0;
  int fd = raw_socket();
  int twin = dup(fd);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, count_message, &received);
  dgram_socket_t *sender = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  adopt(socket, fd);
  assert_int_equal(dgram_connect_sync(sender, raw_port(fd), NULL), 0);
  for (int round = 0; round < 2; round++) { /* the first one shows that they come in bulk */
    for (int i = 0; i < BURST; i++)
      assert_int_equal(dgram_send(sender, payload, SIZE, 0, NULL, NULL, NULL), 0);
    dgram_flush(sender);
    if (round == 0)
      run_until(loop, &received, BURST);
  }
  for (int i = 0; i < BURST; i++)
    assert_int_equal(recv(twin, text, sizeof text, MSG_DONTWAIT), SIZE);
  close(twin);
}
