/*
 * Datagram sockets of another protocol than UDP, UDP-Lite here, are taken over like those of UDP,
 * but nothing of UDP's own is tried on them. tests/netns/ping.c has those of ICMP.
 */
#include "lib/fixture.h"

#include <netinet/udp.h>

enum {
  MANY = 300,          /* more than one system call takes */
  UDPLITE_OF_UDP = 17, /* SOL_UDP: the kernel has UDP's options for UDP-Lite, too */
};

static int lite_socket(int family) {
  int fd = socket(family, SOCK_DGRAM, IPPROTO_UDPLITE);
  if (fd < 0) {
    print_message("skipped: no UDP-Lite here: %s\n", strerror(errno));
    skip();
  }
  return fd;
}

/* A UDP-Lite socket, bound to a port of this host. */
static int bound_lite(int family) {
  int fd = lite_socket(family);
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  const struct sockaddr *local = family == AF_INET ? (void *)&v4 : (void *)&v6;
  assert_int_equal(bind(fd, local, family == AF_INET ? sizeof v4 : sizeof v6), 0);
  return fd;
}

static dgram_socket_t *adopt(uv_loop_t *loop, dgram_type_t type, int fd,
                             dgram_message_cb on_message, void *context) {
  dgram_socket_t *socket = new_socket(loop, type, on_message, context);
  assert_int_equal(adopt_fd(socket, fd), 0);
  return socket;
}

/* Each is answered, by its sender's address. */
static void echo(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                 void *context) {
  assert_int_equal(
      dgram_send(socket, message, rinfo->size, rinfo->port, dgram_rinfo_address(rinfo), NULL, NULL),
      0);
}

static void exchange(uv_loop_t *loop, dgram_type_t type, int family) {
  begin_round(loop);
  int fds[] = {bound_lite(family), bound_lite(family)};
  dgram_socket_t *server = adopt(loop, type, fds[0], echo, NULL);
  dgram_socket_t *client = adopt(loop, type, fds[1], trace_message, "got");
  int port = port_of(server);
  assert_int_equal(dgram_send(client, "hello", 5, port, NULL, trace_sent, "sent"), 0);
  run_until_trace(loop, "sent got(hello)");
}

TEST("a UDP-Lite descriptor sends and receives") {
  exchange(loop, DGRAM_UDP4, AF_INET);
}

TEST("a UDP-Lite descriptor of IPv6 sends and receives") {
  skip_without_ipv6();
  exchange(loop, DGRAM_UDP6, AF_INET6);
}

/* ---- many at once, which UDP would segment and join ---- */

static int came;

static void count_whole(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                        void *context) {
  assert_int_equal(rinfo->size, 100);
  assert_int_equal(message[99], (char)came);
  came++;
}

static int option_of(int fd, int name) {
  int value = -1;
  socklen_t length = sizeof value;
  if (getsockopt(fd, UDPLITE_OF_UDP, name, &value, &length) != 0)
    return 0; /* this kernel has none */
  return value;
}

TEST("a UDP-Lite descriptor neither segments nor joins") {
  int fds[] = {bound_lite(AF_INET), bound_lite(AF_INET)};
  int sent = 0;
  char message[100] = {0};
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.recv_buffer_size = 1 << 20;
  dgram_socket_t *server = new_with(loop, &options);
  assert_int_equal(adopt_fd(server, fds[0]), 0);
  assert_int_equal(dgram_on_message(server, count_whole, NULL), 0);
  dgram_socket_t *client = adopt(loop, DGRAM_UDP4, fds[1], NULL, NULL);
  came = 0;
  for (int i = 0; i < MANY; i++) {
    message[99] = (char)i;
    uv_buf_t buffer = uv_buf_init(message, sizeof message);
    assert_int_equal(dgram_send_buffers(client, &buffer, 1, port_of(server), NULL, NULL, NULL), 0);
    sent++;
    if (i % 50 == 49) /* little enough for any receive buffer */
      while (came < sent)
        uv_run(loop, UV_RUN_ONCE);
  }
  assert_int_equal(came, MANY);
#ifdef UDP_GRO
  assert_int_equal(option_of(fds[0], UDP_GRO), 0);
#endif
}

/* ---- what else takes a descriptor ---- */

static dgram_lookup_t *asked;

static void keep_query(dgram_lookup_t *lookup, const char *host, dgram_type_t type, void *context) {
  asked = lookup;
}

TEST("a UDP-Lite descriptor may be the answer of a look-up") {
  int fd = bound_lite(AF_INET);
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.lookup = keep_query;
  dgram_socket_t *socket = new_with(loop, &options);
  assert_int_equal(dgram_bind(socket, 0, NULL, trace_event, "listening"), 0);
  assert_int_equal(dgram_lookup_done_fd(asked, fd), 0);
  assert_trace("listening");
  assert_int_equal(port_of(socket), raw_port(fd));
}

/* A connected descriptor receives from its peer only. */
TEST("a connected UDP-Lite descriptor receives from its peer") {
  struct sockaddr_in peer = {0};
  socklen_t length = sizeof peer;
  int server_fd = bound_lite(AF_INET);
  int client_fd = lite_socket(AF_INET);
  assert_int_equal(getsockname(server_fd, (struct sockaddr *)&peer, &length), 0);
  assert_int_equal(connect(client_fd, (struct sockaddr *)&peer, sizeof peer), 0);
  adopt(loop, DGRAM_UDP4, server_fd, echo, NULL);
  dgram_socket_t *client = adopt(loop, DGRAM_UDP4, client_fd, trace_message, "got");
  assert_int_equal(dgram_connect_state(client), DGRAM_CONNECTED);
  assert_int_equal(dgram_send(client, "hello", 5, 0, NULL, trace_sent, "sent"), 0);
  run_until_trace(loop, "sent got(hello)");
}

TEST("a UDP-Lite descriptor of the other family is refused") {
  skip_without_ipv6();
  int fd = lite_socket(AF_INET);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP6, NULL, NULL);
  assert_int_equal(adopt_fd(socket, fd), UV_EINVAL);
  assert_true(is_open(fd));
  close(fd);
}
