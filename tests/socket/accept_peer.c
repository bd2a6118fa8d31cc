/*
 * A connected socket for each peer on its server's port: who gets what, on which addresses, and
 * what is refused. That nothing is lost or mixed up on the way is shown by accept_peer_load.c.
 */
#include "lib/info.h"

#include <dgram_access.h>
#include <dgram_peer.h>

#include <poll.h>

static dgram_socket_t *server;
static int server_port;

static dgram_socket_t *new_server(uv_loop_t *loop, dgram_type_t type, const char *address) {
  dgram_options_t options = dgram_default_options(type);
  options.reuse_port = 1;
  server = new_with(loop, &options);
  assert_int_equal(dgram_on_message(server, trace_message, "server"), 0);
  server_port = bind_now(server, address);
  return server;
}

/* A program elsewhere: a plain socket. */
struct remote {
  int fd;
  union raw_address name;
};

static struct remote open_remote(const char *address) {
  struct remote remote;
  socklen_t length = raw_address(&remote.name, address, 0);
  remote.fd = socket(remote.name.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  assert_int_equal(bind(remote.fd, &remote.name.any, length), 0);
  assert_int_equal(getsockname(remote.fd, &remote.name.any, &length), 0);
  return remote;
}

/* Sends a text to the server's port of an address. */
static void remote_send(const struct remote *remote, const char *text, const char *address) {
  raw_send_to(remote->fd, text, address, server_port);
}

static void remote_expect(const struct remote *remote, const char *text) {
  char bytes[64] = "";
  struct pollfd readable = {.fd = remote->fd, .events = POLLIN};
  assert_int_equal(poll(&readable, 1, 5000), 1);
  assert_true(recv(remote->fd, bytes, sizeof bytes - 1, 0) >= 0);
  assert_string_equal(bytes, text);
}

static dgram_socket_t *accept_remote(const struct remote *remote, const char *local) {
  union raw_address own;
  dgram_accept_options_t options = dgram_default_accept_options();
  dgram_socket_t *accepted;
  if (local != NULL) {
    raw_address(&own, local, 0);
    options.local = &own.any;
  }
  assert_int_equal(dgram_accept_peer(server, &remote->name.any, &options, &accepted), 0);
  assert_int_equal(dgram_bind_state(accepted), DGRAM_BOUND);
  assert_int_equal(dgram_connect_state(accepted), DGRAM_CONNECTED);
  assert_int_equal(port_of(accepted), server_port);
  assert_int_equal(dgram_on_message(accepted, trace_message, "peer"), 0);
  return accepted;
}

static void assert_served(uv_loop_t *loop, dgram_type_t type, const char *bound_to,
                          const char *here, const char *local) {
  new_server(loop, type, bound_to);
  struct remote peer = open_remote(here);
  struct remote other = open_remote(here);
  dgram_address_t address;
  remote_send(&peer, "a", here);
  dgram_socket_t *accepted = accept_remote(&peer, local);
  assert_int_equal(dgram_address(accepted, &address), 0);
  assert_string_equal(address.address, here);
  settle(loop);
  assert_trace("server(a)");
  remote_send(&peer, "b", here);
  settle(loop);
  assert_trace("peer(b)");
  remote_send(&other, "c", here);
  settle(loop);
  assert_trace("server(c)");
  assert_int_equal(dgram_send(accepted, "answer", 6, 0, NULL, NULL, NULL), 0);
  settle(loop);
  remote_expect(&peer, "answer");
  close_socket(accepted);
  remote_send(&peer, "d", here);
  settle(loop);
  assert_trace("server(d)");
  close(peer.fd);
  close(other.fd);
}

TEST("an accepted peer has its own socket on the server's port until that is closed") {
  assert_served(loop, DGRAM_UDP4, "127.0.0.1", "127.0.0.1", NULL);
}

TEST("a peer of a server on all interfaces has a socket on the address of the route to it") {
  assert_served(loop, DGRAM_UDP4, NULL, "127.0.0.1", NULL);
}

TEST("a peer over IPv6 has its own socket") {
  skip_without_ipv6();
  assert_served(loop, DGRAM_UDP6, "::1", "::1", NULL);
}

TEST("a peer over IPv6 of a server on all interfaces has its own socket") {
  skip_without_ipv6();
  assert_served(loop, DGRAM_UDP6, NULL, "::1", NULL);
}

TEST("a peer of a server on all interfaces has a socket on the address that it is given") {
  assert_served(loop, DGRAM_UDP4, NULL, "127.0.0.1", "127.0.0.1");
}

TEST("a peer over IPv6 has a socket on the address that it is given") {
  skip_without_ipv6();
  assert_served(loop, DGRAM_UDP6, NULL, "::1", "::1");
}

/* All of 127.0.0.0/8 is this host's; of the route to itself an address is the source. */
TEST("a peer on a host of several addresses is served on the one that it has addressed") {
  new_server(loop, DGRAM_UDP4, NULL);
  struct remote peer = open_remote("127.0.0.9");
  struct remote others[2] = {open_remote("127.0.0.9"), open_remote("127.0.0.3")};
  dgram_socket_t *accepted = accept_remote(&peer, "127.0.0.2");
  remote_send(&peer, "mine", "127.0.0.2");
  settle(loop);
  assert_trace("peer(mine)");
  for (int i = 0; i < 2; i++) {
    remote_send(&others[i], "x", "127.0.0.2");
    remote_send(&others[i], "y", "127.0.0.1");
  }
  remote_send(&peer, "z", "127.0.0.1"); /* another address than that of its socket */
  settle(loop);
  assert_trace("server(x) server(y) server(x) server(y) server(z)");
  close_socket(accepted);
  close(peer.fd);
  close(others[0].fd);
  close(others[1].fd);
}

TEST("many peers of one host have a socket each") {
  enum { PEERS = 50 };
  struct remote peers[PEERS];
  dgram_socket_t *accepted[PEERS];
  int received[PEERS] = {0};
  int from_others = 0;
  new_server(loop, DGRAM_UDP4, "127.0.0.1");
  assert_int_equal(dgram_off_message(server, trace_message, "server"), 0);
  assert_int_equal(dgram_on_message(server, count_message, &from_others), 0);
  for (int i = 0; i < PEERS; i++) {
    peers[i] = open_remote("127.0.0.1");
    accepted[i] = accept_remote(&peers[i], NULL);
    assert_int_equal(dgram_off_message(accepted[i], trace_message, "peer"), 0);
    assert_int_equal(dgram_on_message(accepted[i], count_message, &received[i]), 0);
  }
  for (int round = 1; round <= 3; round++) {
    for (int i = 0; i < PEERS; i++)
      remote_send(&peers[i], "x", "127.0.0.1");
    settle(loop);
    for (int i = 0; i < PEERS; i++)
      assert_int_equal(received[i], round);
  }
  assert_int_equal(from_others, 0);
  for (int i = 0; i < PEERS; i++) {
    close_socket(accepted[i]);
    close(peers[i].fd);
  }
}

TEST("a socket of the program's own is bound and connected, and emits 'listening' from the loop") {
  dgram_options_t own = dgram_default_options(DGRAM_UDP4);
  dgram_accept_options_t options = dgram_default_accept_options();
  new_server(loop, DGRAM_UDP4, "127.0.0.1");
  own.reuse_port = 1;
  own.recv_buffer_size = 50000;
  options.socket = new_with(loop, &own);
  trace_events(options.socket);
  struct remote peer = open_remote("127.0.0.1");
  dgram_socket_t *accepted;
  assert_int_equal(dgram_accept_peer(server, &peer.name.any, &options, &accepted), 0);
  assert_ptr_equal(accepted, options.socket);
  assert_int_equal(dgram_get_recv_buffer_size(accepted), 100000);
  assert_trace("");
  settle(loop);
  assert_trace("listening");
  assert_int_equal(dgram_accept_peer(server, &peer.name.any, &options, &accepted),
                   DGRAM_ERR_SOCKET_ALREADY_BOUND);
  assert_null(accepted);
  assert_int_equal(dgram_disconnect(options.socket), 0);
  close(peer.fd);
}

TEST("a new socket has the server's buffer sizes") {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.reuse_port = 1;
  options.recv_buffer_size = 50000;
  server = new_with(loop, &options);
  server_port = bind_now(server, "127.0.0.1");
  struct remote peer = open_remote("127.0.0.1");
  dgram_socket_t *accepted = accept_remote(&peer, NULL);
  assert_int_equal(dgram_get_recv_buffer_size(accepted), 100000);
  close_socket(accepted);
  close(peer.fd);
}

/* ---- what a new socket has of its server ---- */

static dgram_access_list_t *list_of(const char *address) {
  dgram_access_list_t *list;
  assert_int_equal(dgram_access_list_create(&list), 0);
  assert_int_equal(dgram_access_list_add_address(list, address), 0);
  return list;
}

TEST("a new socket has the server's access lists, and follows their changes") {
  new_server(loop, DGRAM_UDP4, "127.0.0.1");
  dgram_access_list_t *list = list_of("192.0.2.1");
  assert_int_equal(dgram_set_receive_access(server, DGRAM_BLOCK, list), 0);
  assert_int_equal(dgram_set_send_access(server, DGRAM_BLOCK, list), 0);
  struct remote peer = open_remote("127.0.0.1");
  dgram_socket_t *accepted = accept_remote(&peer, NULL);
  remote_send(&peer, "a", "127.0.0.1");
  settle(loop);
  assert_trace("peer(a)");
  assert_int_equal(dgram_access_list_add_address(list, "127.0.0.1"), 0);
  remote_send(&peer, "b", "127.0.0.1");
  settle(loop);
  assert_trace("");
  assert_int_equal(dgram_try_send(accepted, "x", 1, NULL), DGRAM_ERR_IP_BLOCKED);
  dgram_access_list_free(list);
  close_socket(accepted);
  close(peer.fd);
}

TEST("a new socket has the server's lists of both kinds and directions") {
  new_server(loop, DGRAM_UDP4, "127.0.0.1");
  dgram_access_list_t *allowed = list_of("127.0.0.1");
  dgram_access_list_t *blocked = list_of("192.0.2.1");
  assert_int_equal(dgram_set_receive_access(server, DGRAM_ALLOW, allowed), 0);
  assert_int_equal(dgram_set_receive_access(server, DGRAM_BLOCK, blocked), 0);
  assert_int_equal(dgram_set_send_access(server, DGRAM_ALLOW, allowed), 0);
  assert_int_equal(dgram_set_send_access(server, DGRAM_BLOCK, blocked), 0);
  struct remote peer = open_remote("127.0.0.1");
  dgram_socket_t *accepted = accept_remote(&peer, NULL);
  assert_int_equal(dgram_try_send(accepted, "x", 1, NULL), 0);
  dgram_access_list_clear(allowed); /* it allows nobody now */
  remote_send(&peer, "a", "127.0.0.1");
  settle(loop);
  assert_trace("");
  assert_int_equal(dgram_try_send(accepted, "x", 1, NULL), DGRAM_ERR_IP_BLOCKED);
  assert_int_equal(dgram_access_list_add_address(allowed, "127.0.0.1"), 0);
  remote_send(&peer, "b", "127.0.0.1");
  settle(loop);
  assert_trace("peer(b)");
  dgram_access_list_free(allowed);
  dgram_access_list_free(blocked);
  close_socket(accepted);
  close(peer.fd);
}

TEST("a new socket has the server's rate limit, and counts for itself") {
  new_server(loop, DGRAM_UDP4, "127.0.0.1");
  dgram_rate_options_t limit = dgram_default_rate_options();
  limit.packets_per_second = 1;
  limit.packets_burst = 2;
  assert_int_equal(dgram_set_receive_rate(server, &limit), 0);
  struct remote peers[2];
  dgram_socket_t *accepted[2];
  for (int i = 0; i < 2; i++) {
    peers[i] = open_remote("127.0.0.1");
    accepted[i] = accept_remote(&peers[i], NULL);
  }
  for (int i = 0; i < 2; i++)
    for (int n = 0; n < 10; n++)
      remote_send(&peers[i], "a", "127.0.0.1");
  settle(loop);
  for (int i = 0; i < 2; i++) {
    dgram_access_counts_t counts = dgram_default_access_counts();
    assert_int_equal(dgram_get_access_counts(accepted[i], &counts), 0);
    assert_in_range(counts.receives_limited, 1, 8); /* a slow machine lets more than two pass */
    close_socket(accepted[i]);
    close(peers[i].fd);
  }
  trace_clear();
}

TEST("a new socket has the options that the server was given, before and after its bind") {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  dgram_sockopt_value_t before = {DGRAM_SO_PRIORITY, 3};
  int64_t value;
  options.reuse_port = 1;
  options.sockopts = &before;
  options.sockopt_count = 1;
  server = new_with(loop, &options);
  server_port = bind_now(server, "127.0.0.1");
  assert_int_equal(dgram_set_sockopt(server, DGRAM_SO_TOS, 0x28), 0);
  struct remote peer = open_remote("127.0.0.1");
  dgram_socket_t *accepted = accept_remote(&peer, NULL);
  assert_int_equal(dgram_get_sockopt(accepted, DGRAM_SO_PRIORITY, &value), 0);
  assert_int_equal(value, 3);
  assert_int_equal(dgram_get_sockopt(accepted, DGRAM_SO_TOS, &value), 0);
  assert_int_equal(value, 0x28);
  close_socket(accepted);
  close(peer.fd);
}

TEST("a new socket has the limits of the server's send queue") {
  new_server(loop, DGRAM_UDP4, "127.0.0.1");
  assert_int_equal(dgram_set_send_queue_limit(server, 4, 0, 0, 0), 0);
  struct remote peer = open_remote("127.0.0.1");
  dgram_socket_t *accepted = accept_remote(&peer, NULL);
  assert_int_equal(dgram_send(accepted, "123", 3, 0, NULL, NULL, NULL), 0);
  assert_int_equal(dgram_send(accepted, "45", 2, 0, NULL, NULL, NULL), UV_ENOBUFS);
  settle(loop);
  close_socket(accepted);
  close(peer.fd);
}

TEST("a peer that the server, or the program's socket, may not send to is not accepted") {
  new_server(loop, DGRAM_UDP4, "127.0.0.1");
  dgram_options_t reuse = dgram_default_options(DGRAM_UDP4);
  dgram_accept_options_t options = dgram_default_accept_options();
  dgram_access_list_t *list = list_of("127.0.0.1");
  struct remote peer = open_remote("127.0.0.1");
  dgram_socket_t *accepted;
  reuse.reuse_port = 1;
  options.socket = new_with(loop, &reuse);
  assert_int_equal(dgram_set_send_access(options.socket, DGRAM_BLOCK, list), 0);
  assert_int_equal(dgram_accept_peer(server, &peer.name.any, &options, &accepted),
                   DGRAM_ERR_IP_BLOCKED);
  assert_null(accepted);
  assert_int_equal(dgram_bind_state(options.socket), DGRAM_UNBOUND);
  assert_int_equal(dgram_set_send_access(server, DGRAM_BLOCK, list), 0);
  assert_int_equal(dgram_accept_peer(server, &peer.name.any, NULL, &accepted),
                   DGRAM_ERR_IP_BLOCKED);
  assert_null(accepted);
  dgram_access_list_free(list);
  close(peer.fd);
}

static void expect_facts(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                         void *context) {
  const dgram_info_t *info = dgram_rinfo_info(rinfo);
  assert_non_null(info);
  assert_true(info->flags & DGRAM_INFO_DESTINATION);
  ++*(int *)context;
}

TEST("a new socket is bound to the server's interface") {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  char name[DGRAM_INTERFACE_NAME];
  options.reuse_port = 1;
  options.bind_device = "lo";
  server = new_with(loop, &options);
  int err = dgram_bind_sync(server, 0, "127.0.0.1");
  if (err == UV_EPERM) {
    print_message("skipped: before Linux 5.7 an interface takes CAP_NET_RAW\n");
    skip();
  }
  assert_int_equal(err, 0);
  settle(loop);
  server_port = port_of(server);
  struct remote peer = open_remote("127.0.0.1");
  dgram_socket_t *accepted = accept_remote(&peer, NULL);
  assert_int_equal(dgram_get_bind_device(accepted, name), 0);
  assert_string_equal(name, "lo");
  close_socket(accepted);
  close(peer.fd);
}

TEST("a new socket has the server's receive_info") {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  int calls = 0;
  options.reuse_port = 1;
  options.receive_info = DGRAM_INFO_DESTINATION;
  server = new_with(loop, &options);
  server_port = bind_now(server, "127.0.0.1");
  struct remote peer = open_remote("127.0.0.1");
  dgram_socket_t *accepted = accept_remote(&peer, NULL);
  assert_int_equal(dgram_on_message(accepted, expect_facts, &calls), 0);
  remote_send(&peer, "a", "127.0.0.1");
  run_until(loop, &calls, 1);
  close_socket(accepted);
  close(peer.fd);
}

/* It is the peer's: nobody else's datagram can reach it. */
TEST("an ICMP error of the peer's host is the peer's socket's") {
  new_server(loop, DGRAM_UDP4, "127.0.0.1");
  trace_events(server);
  struct remote peer = open_remote("127.0.0.1");
  dgram_socket_t *accepted = accept_remote(&peer, NULL);
  assert_int_equal(dgram_on_error(accepted, trace_error, "error"), 0);
  close(peer.fd);
  assert_int_equal(dgram_send(accepted, "x", 1, 0, NULL, NULL, NULL), 0);
  settle(loop);
  assert_trace("error(ECONNREFUSED)");
  close_socket(accepted);
}

TEST("the server's descriptor may be adopted") {
  int on = 1;
  struct sockaddr_in to = loopback_address(0);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on), 0);
  assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof to), 0);
  server = new_socket(loop, DGRAM_UDP4, trace_message, "server");
  assert_int_equal(adopt_fd(server, fd), 0);
  server_port = port_of(server);
  struct remote peer = open_remote("127.0.0.1");
  dgram_socket_t *accepted = accept_remote(&peer, NULL);
  remote_send(&peer, "b", "127.0.0.1");
  settle(loop);
  assert_trace("peer(b)");
  close_socket(accepted);
  close(peer.fd);
}

static void accept_in_listener(dgram_socket_t *socket, const char *message,
                               const dgram_rinfo_t *rinfo, void *context) {
  dgram_socket_t **accepted = context;
  trace("new");
  if (*accepted == NULL) {
    assert_int_equal(dgram_accept_peer(socket, rinfo->sockaddr, NULL, accepted), 0);
    assert_int_equal(dgram_on_message(*accepted, trace_message, "peer"), 0);
  }
}

TEST("a peer is accepted by the listener of its first message") {
  dgram_socket_t *accepted = NULL;
  new_server(loop, DGRAM_UDP4, "127.0.0.1");
  assert_int_equal(dgram_off_message(server, trace_message, "server"), 0);
  assert_int_equal(dgram_on_message(server, accept_in_listener, &accepted), 0);
  struct remote peer = open_remote("127.0.0.1");
  remote_send(&peer, "a", "127.0.0.1");
  settle(loop);
  remote_send(&peer, "b", "127.0.0.1");
  settle(loop);
  assert_trace("new peer(b)");
  close_socket(accepted);
  close(peer.fd);
}

/* A new socket that is not taken. */
TEST("an accepted socket that is closed at once emits nothing but 'close'") {
  new_server(loop, DGRAM_UDP4, "127.0.0.1");
  struct remote peer = open_remote("127.0.0.1");
  dgram_socket_t *accepted = accept_remote(&peer, NULL);
  trace_events(accepted);
  remote_send(&peer, "x", "127.0.0.1");
  assert_int_equal(dgram_close(accepted, NULL, NULL), 0);
  settle(loop);
  assert_trace("close");
  close(peer.fd);
}

/* ---- what is refused ---- */

#define REFUSED(code, of, peer, options)                                    \
  do {                                                                      \
    dgram_socket_t *refused = (dgram_socket_t *)loop;                       \
    int files = count_open_files();                                         \
    assert_int_equal(dgram_accept_peer(of, peer, options, &refused), code); \
    assert_null(refused);                                                   \
    assert_int_equal(count_open_files(), files);                            \
  } while (0)

TEST("a peer, a local address or a socket that does not fit the server is refused") {
  struct remote peer = open_remote("127.0.0.1");
  struct remote local = peer;
  dgram_accept_options_t options = dgram_default_accept_options();
  dgram_options_t own = dgram_default_options(DGRAM_UDP4);
  struct sockaddr_in nowhere = loopback_address(0);
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
  new_server(loop, DGRAM_UDP4, "127.0.0.1");
  REFUSED(UV_EINVAL, NULL, &peer.name.any, NULL);
  REFUSED(UV_EINVAL, server, NULL, NULL);
  assert_int_equal(dgram_accept_peer(server, &peer.name.any, NULL, NULL), UV_EINVAL);
  REFUSED(DGRAM_ERR_SOCKET_BAD_PORT, server, (struct sockaddr *)&nowhere, NULL);
  REFUSED(UV_EINVAL, server, (struct sockaddr *)&v6, NULL);
  options.struct_size--;
  REFUSED(UV_EINVAL, server, &peer.name.any, &options);
  options = dgram_default_accept_options();
  options.local = (struct sockaddr *)&v6;
  REFUSED(UV_EINVAL, server, &peer.name.any, &options);
  options.local = &local.name.any; /* not the one that the server is bound to */
  local.name.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
  REFUSED(UV_EINVAL, server, &peer.name.any, &options);
  options.local = NULL;
  options.socket = new_with(loop, &own);
  REFUSED(UV_EINVAL, server, &peer.name.any, &options); /* without reuse_port */
  own.reuse_port = 1;
  own.type = DGRAM_UDP6;
  options.socket = new_with(loop, &own);
  REFUSED(UV_EINVAL, server, &peer.name.any, &options);
  own.type = DGRAM_UDP4;
  options.socket = new_with(loop, &own);
  close_socket(options.socket);
  REFUSED(DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING, server, &peer.name.any, &options);
  close(peer.fd);
}

TEST("a local address that is no host's, nobody's, or a group's is refused") {
  struct remote peer = open_remote("127.0.0.1");
  struct remote local = peer;
  dgram_accept_options_t options = dgram_default_accept_options();
  options.local = &local.name.any;
  new_server(loop, DGRAM_UDP4, NULL);
  assert_int_equal(inet_pton(AF_INET, "203.0.113.9", &local.name.v4.sin_addr), 1);
  REFUSED(UV_EADDRNOTAVAIL, server, &peer.name.any, &options);
  assert_int_equal(inet_pton(AF_INET, "239.1.2.3", &local.name.v4.sin_addr), 1);
  REFUSED(UV_EINVAL, server, &peer.name.any, &options);
  remote_send(&peer, "still", "127.0.0.1"); /* the server has not lost its port to anybody */
  settle(loop);
  assert_trace("server(still)");
  close(peer.fd);
}

TEST("a server that is unbound, connected, closed or has its port alone is refused") {
  struct remote peer = open_remote("127.0.0.1");
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.reuse_port = 1;
  server = new_with(loop, &options);
  REFUSED(UV_EBADF, server, &peer.name.any, NULL);
  assert_int_equal(dgram_connect_sync(server, 9, NULL), 0);
  REFUSED(DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED, server, &peer.name.any, NULL);
  assert_int_equal(dgram_disconnect(server), 0);
  REFUSED(UV_EBADF, server, &peer.name.any, NULL); /* its port has gone */
  close_socket(server);
  REFUSED(DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING, server, &peer.name.any, NULL);
  server = new_bound(loop, NULL, NULL, &server_port);
  REFUSED(UV_EINVAL, server, &peer.name.any, NULL);
  close(peer.fd);
}

/* The kernel refuses the connect: to broadcast, without SO_BROADCAST. */
TEST("a socket whose connect fails is unbound as before, and can be used") {
  struct remote broadcast = open_remote("127.0.0.1");
  dgram_options_t own = dgram_default_options(DGRAM_UDP4);
  dgram_accept_options_t options = dgram_default_accept_options();
  dgram_socket_t *accepted;
  new_server(loop, DGRAM_UDP4, "127.0.0.1");
  own.reuse_port = 1;
  options.socket = new_with(loop, &own);
  broadcast.name.v4.sin_addr.s_addr = htonl(INADDR_BROADCAST);
  REFUSED(UV_EACCES, server, &broadcast.name.any, &options);
  REFUSED(UV_EACCES, server, &broadcast.name.any, NULL);
  assert_int_equal(dgram_bind_state(options.socket), DGRAM_UNBOUND);
  assert_int_equal(dgram_connect_state(options.socket), DGRAM_DISCONNECTED);
  struct remote peer = open_remote("127.0.0.1");
  assert_int_equal(dgram_accept_peer(server, &peer.name.any, &options, &accepted), 0);
  assert_int_equal(dgram_on_message(accepted, trace_message, "peer"), 0);
  remote_send(&peer, "b", "127.0.0.1");
  settle(loop);
  assert_trace("peer(b)");
  close(peer.fd);
  close(broadcast.fd);
}
