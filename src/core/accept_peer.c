/*
 * A connected socket for a peer, on the port of its server.
 *
 * 1. The arguments are checked: the server's address is where the new socket is bound.
 * 2. The new socket is bound and connected. In between, the kernel gives it datagrams of anybody:
 *    of all unconnected sockets of a port it takes any (SO_REUSEPORT), or that with the most
 *    specific address. A program that steers the port (SO_ATTACH_REUSEPORT_CBPF) would not prevent
 *    that: connected sockets leave the group that it is attached to, and a new one may join theirs.
 * 3. What has come in between is handed to the server, unless it is the peer's. The kernel may have
 *    chosen the socket for a datagram before it was connected, and queue that afterwards; so what
 *    it receives later is looked at, too (DGRAM__FILTER_DIVERT).
 */
#include <dgram_peer.h>

#include <stdlib.h>

#include "descriptor.h"
#include "internal.h"

_Static_assert(sizeof(dgram_accept_options_t) ==
                   offsetof(dgram_accept_options_t, socket) + sizeof(void *),
               "With more members, accept_read() takes the size of version 0.4, too.");

/* What the call is to do. */
struct accept {
  dgram_socket_t *socket;    /* the program's; or NULL */
  union dgram__address peer; /* to connect to */
  union dgram__address server_name;
  union dgram__address local; /* to bind to */
};

/* ---- 1. arguments ---- */

static bool accept_shares_port(const dgram_socket_t *server) {
#ifdef SO_REUSEPORT
  return dgram__descriptor_option(server->udp.fd, SOL_SOCKET, SO_REUSEPORT) != 0;
#else
  return false;
#endif
}

static bool accept_is_ipv6_only(const dgram_socket_t *server) {
  return server->options.type == DGRAM_UDP6 &&
         dgram__descriptor_option(server->udp.fd, IPPROTO_IPV6, IPV6_V6ONLY) != 0;
}

static int accept_check_server(const dgram_socket_t *server) {
  int err = dgram__check_open(server);
  if (err == 0 && dgram__network_of(server) != NULL)
    err = UV_ENOTSUP;
  if (err == 0 && !dgram__is_bound(server))
    err = UV_EBADF;
  if (err == 0 && server->connecting.state != DGRAM__DISCONNECTED)
    err = DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED;
  return err == 0 && !accept_shares_port(server) ? UV_EINVAL : err;
}

/* The program's own socket. */
static int accept_check_socket(const dgram_socket_t *socket, const dgram_socket_t *server) {
  int err = dgram__check_open(socket);
  if (err != 0)
    return err;
  bool ipv6_only = (socket->options.flags & DGRAM__IPV6_ONLY) != 0;
  if (socket->loop != server->loop || socket->options.type != server->options.type ||
      (socket->options.flags & DGRAM__REUSE_PORT) == 0 || dgram__network_of(socket) != NULL ||
      ipv6_only != accept_is_ipv6_only(server))
    return UV_EINVAL;
  if (socket->binding.state != DGRAM__UNBOUND)
    return DGRAM_ERR_SOCKET_ALREADY_BOUND;
  /* Unbound, it is on its way to a peer only while a failure is still to be reported. */
  return socket->connecting.state != DGRAM__DISCONNECTED ? DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED : 0;
}

/* Where to bind; the port is the server's. */
static int accept_read_local(struct accept *accept, const struct sockaddr *given) {
  union dgram__address local;
  accept->local = accept->server_name;
  if (given == NULL)
    return 0;
  if (!dgram__address_copy(&local, given) ||
      local.any.sa_family != accept->server_name.any.sa_family ||
      dgram__address_is_multicast(&local))
    return UV_EINVAL;
  if (dgram__address_is_any(&local))
    return 0;
  dgram__address_set_port(&local, dgram__address_port(&accept->server_name));
  if (local.any.sa_family == AF_INET6)
    local.v6.sin6_flowinfo = 0;
  if (!dgram__address_is_any(&accept->server_name) &&
      !dgram__address_equal(&local, &accept->server_name))
    return UV_EINVAL;
  accept->local = local;
  return 0;
}

static int accept_read(struct accept *accept, dgram_socket_t *server, const struct sockaddr *peer,
                       const dgram_accept_options_t *options) {
  if (options->struct_size != sizeof *options)
    return UV_EINVAL;
  const dgram_accept_options_t given = *options;
  *accept = (struct accept){.socket = given.socket};
  if (!dgram__address_copy(&accept->peer, peer) ||
      accept->peer.any.sa_family != dgram__family(server->options.type))
    return UV_EINVAL;
  if (dgram__address_port(&accept->peer) == 0)
    return DGRAM_ERR_SOCKET_BAD_PORT;
  int err = dgram__udp_name(&server->udp, false, &accept->server_name);
  if (err == 0 && dgram__address_port(&accept->server_name) == 0)
    err = UV_EBADF; /* a disconnect has released the port */
  if (err == 0)
    err = accept_read_local(accept, given.local);
  if (err == 0 && accept->socket != NULL)
    err = accept_check_socket(accept->socket, server);
  if (err == 0)
    err = dgram__access_send(accept->socket != NULL ? accept->socket : server, &accept->peer);
  return err;
}

/* ---- 2. the new socket ---- */

/* Gives a new socket what the server's options and calls have set. Returns 0 or an error. */
static int accept_inherit(dgram_socket_t *socket, const dgram_socket_t *server) {
  const struct dgram__extras *of = server->extras;
  socket->rx.budget = server->rx.budget;
  int err = dgram__sockopts_inherit(socket, server);
  if (err == 0)
    err = dgram__access_inherit(socket, server);
  if (err != 0 || of == NULL)
    return err;
  const struct dgram__send_limit *limit = &of->send_limit;
  if (limit->bytes > 0)
    err = dgram_set_send_queue_limit(socket, limit->bytes, limit->count, limit->low_bytes,
                                     limit->low_count);
  if (err == 0 && of->time_limits.send_ms > 0)
    err = dgram_set_send_timeout(socket, (int)of->time_limits.send_ms);
  if (err == 0 && of->time_limits.lookup_ms > 0)
    err = dgram_set_lookup_timeout(socket, (int)of->time_limits.lookup_ms);
  return err;
}

static int accept_new_socket(dgram_socket_t *server, dgram_socket_t **socket) {
  const struct dgram__options *of = &server->options;
  char device[DGRAM_INTERFACE_NAME] = "";
  int err = dgram_get_bind_device(server, device);
  if (err != 0 && err != UV_ENOTSUP)
    return err;
  dgram_options_t options = dgram_default_options(of->type);
  options.reuse_port = 1;
  options.ipv6_only = accept_is_ipv6_only(server);
  options.recv_buffer_size = of->recv_buffer_size;
  options.send_buffer_size = of->send_buffer_size;
  options.disable_gso = (of->flags & DGRAM__DISABLE_GSO) != 0;
  options.disable_gro = (of->flags & DGRAM__DISABLE_GRO) != 0;
  options.receive_info = of->receive_info; /* the server gets what is diverted with its facts */
  options.low_latency = (of->flags & DGRAM__LOW_LATENCY) != 0;
  options.lookup = of->lookup;
  options.lookup_context = of->lookup_context;
  options.defer = of->defer;
  options.defer_context = of->defer_context;
  options.bind_device = device;
  err = dgram_create_socket_options(server->loop->uv, &options, NULL, NULL, socket);
  return err == 0 ? accept_inherit(*socket, server) : err;
}

/* ---- 3. the server of a socket ---- */

dgram_socket_t *dgram__accept_server(const dgram_socket_t *socket) {
  return socket->extras != NULL ? socket->extras->accepting.server : NULL;
}

/* Returns 0 or UV_ENOMEM. */
static int accept_link(dgram_socket_t *socket, dgram_socket_t *server) {
  struct dgram__extras *of_server = dgram__extras(server);
  struct dgram__extras *extras = dgram__extras(socket);
  if (of_server == NULL || extras == NULL)
    return UV_ENOMEM;
  extras->accepting.server = server;
  dgram__list_append(&of_server->accepting.accepted, &extras->accepting.node);
  return 0;
}

void dgram__accept_forget(dgram_socket_t *socket) {
  struct dgram__extras *extras = socket->extras;
  struct dgram__list_node *node;
  if (extras == NULL)
    return;
  if (extras->accepting.server != NULL)
    dgram__list_remove(&extras->accepting.server->extras->accepting.accepted,
                       &extras->accepting.node);
  extras->accepting.server = NULL;
  while ((node = dgram__list_take_first(&extras->accepting.accepted)) != NULL)
    DGRAM__LIST_ENTRY(node, struct dgram__extras, accepting.node)->accepting.server = NULL;
}

static int accept_bind(const struct accept *accept, dgram_socket_t *socket,
                       dgram_socket_t *server) {
  int err = accept_link(socket, server);
  if (err != 0)
    return err;
  err = dgram__bind_connected(socket, &accept->local, &accept->peer, server);
  if (err != 0)
    dgram__accept_forget(socket);
  else
    socket->rx.filter |= DGRAM__FILTER_DIVERT;
  return err;
}

int dgram_accept_peer(dgram_socket_t *server, const struct sockaddr *peer,
                      const dgram_accept_options_t *options, dgram_socket_t **accepted) {
  const dgram_accept_options_t defaults = dgram_default_accept_options();
  struct accept accept;
  if (accepted == NULL)
    return UV_EINVAL;
  *accepted = NULL;
  int err = accept_check_server(server);
  if (err == 0 && peer == NULL)
    err = UV_EINVAL;
  if (err == 0)
    err = accept_read(&accept, server, peer, options != NULL ? options : &defaults);
  if (err != 0)
    return err;
  dgram_socket_t *socket = accept.socket;
  if (socket == NULL)
    err = accept_new_socket(server, &socket);
  if (err == 0)
    err = accept_bind(&accept, socket, server);
  if (err == 0)
    *accepted = socket;
  else if (accept.socket == NULL && socket != NULL)
    (void)dgram_close(socket, NULL, NULL);
  return err;
}
