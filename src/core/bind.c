/*
 * Binding: a socket gets a system socket, by bind(2) or by taking one over.
 *
 *   UNBOUND -> RESOLVING         dgram_bind() or the first send or connect: to a host name
 *           -> SCHEDULED         ... to a numeric address: bound from the loop, in one order of
 *                                events with the others
 *           -> ASKING_PRIMARY    ... to a descriptor of the primary's
 *           -> BOUND             dgram_bind_sync(), a membership; a descriptor that is adopted
 *   RESOLVING, SCHEDULED -> ASKING_PRIMARY   in a worker
 *   RESOLVING, SCHEDULED, ASKING_PRIMARY -> BOUND
 *   BOUND -> LISTENING           'listening' is emitted; what waited for it goes on
 *   any -> UNBOUND               the bind has failed, or the socket has closed
 *
 * 'listening' comes late, from the loop, also where the socket is bound inside the call; only a
 * descriptor that is adopted, or a program's look-up that answers at once, emits it inside. Sends
 * wait for it, so that its listeners can set options first.
 *
 * In this file: the state; a system socket is opened or adopted; the bind ends; what it waits for;
 * the agent's answers; the public functions.
 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(dgram_bind_options_t) == offsetof(dgram_bind_options_t, fd) + sizeof(int),
               "With more members, dgram_bind_options() takes the size of version 0.2, which ends "
               "with `fd`, too.");

/* ---- the state ---- */

static const unsigned char bind_edges[] = {
    [DGRAM__UNBOUND] = DGRAM__FROM_ANY,
    [DGRAM__BIND_RESOLVING] = DGRAM__FROM(DGRAM__UNBOUND),
    [DGRAM__BIND_SCHEDULED] = DGRAM__FROM(DGRAM__UNBOUND),
    [DGRAM__BIND_ASKING_PRIMARY] = DGRAM__FROM(DGRAM__UNBOUND) |
                                   DGRAM__FROM(DGRAM__BIND_RESOLVING) |
                                   DGRAM__FROM(DGRAM__BIND_SCHEDULED),
    [DGRAM__BOUND] = DGRAM__FROM(DGRAM__UNBOUND) | DGRAM__FROM(DGRAM__BIND_RESOLVING) |
                     DGRAM__FROM(DGRAM__BIND_SCHEDULED) | DGRAM__FROM(DGRAM__BIND_ASKING_PRIMARY),
    [DGRAM__LISTENING] = DGRAM__FROM(DGRAM__BOUND),
};

static void bind_set_state(dgram_socket_t *socket, enum dgram__bind_state state) {
  struct dgram__binding *binding = &socket->binding;
  dgram__assert_edge(bind_edges, binding->state, state);
  assert((state >= DGRAM__BOUND) == (socket->udp.fd >= 0));
  assert(binding->lookup == NULL);
  assert(state >= DGRAM__BIND_ASKING_PRIMARY || binding->request == NULL);
  assert(state != DGRAM__BIND_ASKING_PRIMARY || binding->request != NULL);
  binding->state = state;
}

dgram_bind_state_t dgram_bind_state(const dgram_socket_t *socket) {
  if (socket == NULL || socket->binding.state == DGRAM__UNBOUND)
    return DGRAM_UNBOUND;
  return dgram__is_bound(socket) ? DGRAM_BOUND : DGRAM_BINDING;
}

/* ---- a system socket ---- */

/* What the socket may try: what the loop may, less what its options switch off. */
static struct dgram__udp_capabilities bind_capabilities(const dgram_socket_t *socket) {
  struct dgram__udp_capabilities capabilities = socket->loop->capabilities;
  if (socket->options.flags & DGRAM__DISABLE_GSO)
    capabilities.max_segments = 1;
  if (socket->options.flags & DGRAM__DISABLE_GRO)
    capabilities.max_gro_segments = 1;
  return capabilities;
}

/* Sets the descriptor up as the options say, and has it polled; all of it or nothing. */
static int bind_set_up(dgram_socket_t *socket) {
  int err = dgram__set_buffer_size(socket, SO_RCVBUF, socket->options.recv_buffer_size);
  if (err == 0)
    err = dgram__set_buffer_size(socket, SO_SNDBUF, socket->options.send_buffer_size);
  if (err == 0 && socket->extras != NULL)
    err = dgram__icmp_bound(socket);
  return err != 0 ? err : dgram__poll_open(socket);
}

/* `flags`: of DGRAM__..., those of the socket or some of them. */
static int bind_open_udp(dgram_socket_t *socket, struct dgram__udp *udp,
                         const union dgram__address *local, unsigned flags) {
  struct dgram__sockopt_calls calls;
  dgram__sockopts_list(socket, &calls);
  unsigned refused = calls.count;
  const struct dgram__settings settings = {.local = *local,
                                           .reuse_addr = (flags & DGRAM__REUSE_ADDR) != 0,
                                           .reuse_port = (flags & DGRAM__REUSE_PORT) != 0,
                                           .ipv6_only = (flags & DGRAM__IPV6_ONLY) != 0,
                                           .network = dgram__network_of(socket),
                                           .info = socket->options.receive_info,
                                           .capabilities = bind_capabilities(socket),
                                           .calls = calls.all,
                                           .call_count = calls.count,
                                           .refused = &refused};
  int err = dgram__udp_open(udp, &settings);
  if (refused < calls.count)
    socket->extras->refused = calls.all[refused].text;
  return err;
}

static int bind_open(dgram_socket_t *socket, const union dgram__address *local) {
  int err = bind_open_udp(socket, &socket->udp, local, socket->options.flags);
  if (err != 0)
    return err;
  err = bind_set_up(socket);
  if (err != 0)
    dgram__udp_close(&socket->udp);
  return err;
}

/*
 * Returns 0, or an error with `fd` still the program's. `ours`: only this library has it, and takes
 * datagrams apart that the kernel has joined (GRO); another program would take them for one.
 */
static int bind_adopt(dgram_socket_t *socket, int fd, bool ours) {
  if (dgram__network_of(socket) != NULL)
    return UV_ENOTSUP;
  int family = dgram__udp_family(fd);
  if (family == 0)
    return DGRAM_ERR_INVALID_FD_TYPE;
  if (family != dgram__family(socket->options.type))
    return UV_EINVAL;
  if (dgram__poll_has_fd(socket->loop, fd))
    return UV_EEXIST;
  int err = dgram__rx_info_ask(fd, family, socket->options.receive_info);
  if (err != 0)
    return err;
  socket->udp.fd = fd;
  err = dgram__sockopts_adopt(socket);
  if (err == 0)
    err = bind_set_up(socket);
  if (err != 0) {
    socket->udp.fd = -1;
    return err;
  }
  dgram__receive_share(socket);
  struct dgram__udp_capabilities capabilities = bind_capabilities(socket);
  bool is_udp = dgram__udp_is_udp(fd);
  if (!is_udp)
    capabilities.max_segments = 1;
  if (!is_udp || !ours)
    capabilities.max_gro_segments = 1;
  dgram__udp_adopt(&socket->udp, &capabilities);
  socket->udp.info = socket->options.receive_info;
  (void)dgram__connect_adopt(socket);
  return 0;
}

/* ---- the end of a bind ---- */

/* Begins to receive, emits 'listening', and then lets go what waited for it. */
static void bind_announce(dgram_socket_t *socket) {
  struct dgram__binding *binding = &socket->binding;
  bind_set_state(socket, DGRAM__LISTENING);
  dgram__poll_update(socket);
  if (binding->request != NULL)
    binding->agent->listening(binding->request);
  dgram__emit_listening(socket);
  if (socket->life == DGRAM__CLOSED)
    return;
  dgram__receive_listening(socket);
  dgram__send_bound(socket);
  dgram__connect_bound(socket);
  dgram__close_if_ready(socket);
}

/* In the listeners of 'error' the program may already start the next bind. */
static void bind_fail(dgram_socket_t *socket, int code, const char *syscall, const char *address,
                      int port) {
  bind_set_state(socket, DGRAM__UNBOUND);
  dgram__listeners_remove_kind(&socket->events.listening, DGRAM__ON_ATTEMPT);
  dgram__send_bind_failed(socket, code, syscall);
  dgram__connect_bind_failed(socket, code, syscall);
  dgram__emit_error(socket, code, syscall, address, port);
  dgram__close_if_ready(socket);
}

static void bind_end(dgram_socket_t *socket, int err) {
  const union dgram__address *to = &socket->binding.to;
  const char *refused = socket->extras != NULL ? socket->extras->refused : NULL;
  if (err == 0) {
    bind_set_state(socket, DGRAM__BOUND);
    bind_announce(socket);
  } else if (refused != NULL) {
    bind_fail(socket, err, "setsockopt", refused, 0);
  } else if (to->any.sa_family == AF_UNSPEC) {
    bind_fail(socket, err, "open", NULL, 0);
  } else {
    char text[DGRAM_ADDRESS_TEXT];
    dgram__address_text(to, text);
    bind_fail(socket, err, "bind", text, dgram__address_port(to));
  }
}

/* ---- what a bind waits for ---- */

/* The address is known. An agent that was to be asked may have gone. */
static void bind_finish(dgram_socket_t *socket) {
  struct dgram__binding *binding = &socket->binding;
  int err;
  if (binding->to.any.sa_family != dgram__family(socket->options.type))
    err = UV_EINVAL;
  else if (binding->agent == NULL || socket->loop->bind_agent == NULL)
    err = bind_open(socket, &binding->to);
  else
    err = binding->agent->request(socket, 0, &binding->request);
  if (binding->request != NULL)
    bind_set_state(socket, DGRAM__BIND_ASKING_PRIMARY);
  else
    bind_end(socket, err);
}

static void bind_run(dgram_socket_t *socket) {
  if (socket->binding.state == DGRAM__BIND_SCHEDULED)
    bind_finish(socket);
  else if (socket->binding.state == DGRAM__BOUND) /* inside a call */
    bind_announce(socket);
}

static const struct dgram__task_type bind_task = {bind_run, offsetof(dgram_socket_t, tasks.bind)};

/* A look-up that took too long is freed by its answer, perhaps inside 'error': the name is copied.
 */
static void bind_resolved(void *owner, int status, const union dgram__address *address) {
  dgram_socket_t *socket = owner;
  char host[DGRAM__HOST_MAX + 1];
  snprintf(host, sizeof host, "%s", dgram__resolve_host(socket->binding.lookup));
  socket->binding.lookup = NULL;
  dgram__hold(socket);
  if (status != 0) {
    bind_fail(socket, status, "getaddrinfo", host, 0);
  } else {
    dgram__address_set_host(&socket->binding.to, address);
    bind_finish(socket);
  }
  dgram__release(socket);
}

static int bind_resolved_fd(void *owner, int fd) {
  dgram_socket_t *socket = owner;
  socket->binding.lookup = NULL;
  socket->binding.to = dgram__address_unspec;
  dgram__hold(socket);
  int err = bind_adopt(socket, fd, false);
  bind_end(socket, err);
  dgram__release(socket);
  return err;
}

/* A bind begins. */
static void bind_forget_refused(dgram_socket_t *socket) {
  if (socket->extras != NULL)
    socket->extras->refused = NULL;
}

/* Starts to bind. `agent` NULL: the system is asked, not the primary. */
static int bind_start(dgram_socket_t *socket, int port, const char *address,
                      const struct dgram__bind_agent *agent) {
  struct dgram__binding *binding = &socket->binding;
  struct dgram__destination local;
  int err = dgram__destination_read(socket, port, address, false, &local);
  if (err != 0)
    return err;
  bind_forget_refused(socket);
  binding->agent = agent;
  binding->to = local.address;
  if (local.host == NULL) {
    bind_set_state(socket, DGRAM__BIND_SCHEDULED);
    dgram__defer(socket, &bind_task);
    return 0;
  }
  bind_set_state(socket, DGRAM__BIND_RESOLVING);
  err = dgram__resolve_start(socket, &binding->lookup, local.host, bind_resolved, bind_resolved_fd,
                             socket);
  if (err != 0)
    bind_set_state(socket, DGRAM__UNBOUND);
  return err;
}

int dgram__bind_implicitly(dgram_socket_t *socket) {
  return bind_start(socket, 0, NULL, NULL);
}

static int bind_at_once(dgram_socket_t *socket, const union dgram__address *local) {
  bind_forget_refused(socket);
  int err = bind_open(socket, local);
  if (err != 0)
    return err;
  bind_set_state(socket, DGRAM__BOUND);
  dgram__defer(socket, &bind_task);
  return 0;
}

int dgram__bind_at_once(dgram_socket_t *socket) {
  union dgram__address local;
  dgram__address_any(&local, dgram__family(socket->options.type), 0);
  return bind_at_once(socket, &local);
}

/*
 * Where to bind a socket that is to be connected and is to have no address of its own: to that from
 * which the system reaches the peer, as the connect(2) of a system socket on another port tells.
 * The connect(2) of one that is bound to all interfaces moves it to another chain of the kernel's
 * table, and a look-up that is just at it goes on in that chain: it misses the server, and the
 * datagram's sender is told that nobody is at the port. That risk remains where the system does not
 * tell the address, since its ports are used up.
 */
static union dgram__address bind_source(dgram_socket_t *socket, const union dgram__address *local,
                                        const union dgram__address *peer) {
  union dgram__address source = *local;
  unsigned alone = socket->options.flags & ~(unsigned)(DGRAM__REUSE_ADDR | DGRAM__REUSE_PORT);
  struct dgram__udp asked = {.fd = -1};
  if (!dgram__address_is_any(local))
    return source;
  dgram__address_set_port(&source, 0);
  if (bind_open_udp(socket, &asked, &source, alone) != 0 || dgram__udp_connect(&asked, peer) != 0 ||
      dgram__udp_name(&asked, false, &source) != 0)
    source = *local;
  dgram__udp_close(&asked);
  dgram__address_set_port(&source, dgram__address_port(local));
  return source;
}

int dgram__bind_connected(dgram_socket_t *socket, const union dgram__address *local,
                          const union dgram__address *peer, dgram_socket_t *server) {
  const union dgram__address source = bind_source(socket, local, peer);
  int err = bind_open_udp(socket, &socket->udp, &source, socket->options.flags);
  if (err != 0)
    return err;
  err = dgram__udp_connect(&socket->udp, peer);
  if (err == 0)
    err = dgram__connect_adopt(socket);
  if (err == 0)
    err = bind_set_up(socket);
  if (err != 0)
    dgram__connect_cancel(socket);
  dgram__receive_divert(socket, server);
  if (err != 0) {
    dgram__udp_close(&socket->udp);
    return err;
  }
  bind_set_state(socket, DGRAM__BOUND);
  dgram__defer(socket, &bind_task);
  return 0;
}

void dgram__bind_forget(dgram_socket_t *socket) {
  struct dgram__binding *binding = &socket->binding;
  if (binding->request != NULL)
    binding->agent->release(binding->request);
  binding->request = NULL;
  if (binding->lookup != NULL)
    dgram__resolve_forget(binding->lookup);
  binding->lookup = NULL;
  bind_set_state(socket, DGRAM__UNBOUND);
}

/* ---- the agent's answers ---- */

int dgram__bind_take_shared(dgram_socket_t *socket, int fd) {
  assert(socket->binding.state == DGRAM__BIND_ASKING_PRIMARY);
  return bind_adopt(socket, fd, true);
}

void dgram__bind_replied(dgram_socket_t *socket, int status) {
  dgram__hold(socket);
  if (status != 0)
    socket->binding.request = NULL;
  bind_end(socket, status);
  dgram__release(socket);
}

void dgram__bind_revoked(dgram_socket_t *socket) {
  socket->binding.request = NULL;
  dgram_close(socket, NULL, NULL);
}

/* ---- the public functions ---- */

static int bind_check_unbound(const dgram_socket_t *socket) {
  int err = dgram__check_open(socket);
  return err == 0 && socket->binding.state != DGRAM__UNBOUND ? DGRAM_ERR_SOCKET_ALREADY_BOUND : err;
}

static int bind_start_options(dgram_socket_t *socket, const dgram_bind_options_t *options) {
  bool alone = options->exclusive || (socket->options.flags & DGRAM__REUSE_PORT) != 0 ||
               dgram__network_of(socket) != NULL;
  struct dgram__binding *binding = &socket->binding;
  const struct dgram__bind_agent *agent = alone ? NULL : socket->loop->bind_agent;
  if (options->fd <= 0)
    return bind_start(socket, options->port, options->address, agent);
  bind_forget_refused(socket);
  binding->to = dgram__address_unspec;
  binding->agent = agent;
  int err = agent != NULL ? agent->request(socket, options->fd, &binding->request)
                          : bind_adopt(socket, options->fd, false);
  if (binding->request != NULL)
    bind_set_state(socket, DGRAM__BIND_ASKING_PRIMARY);
  else if (err == 0)
    bind_end(socket, 0);
  return err;
}

int dgram_bind_options(dgram_socket_t *socket, const dgram_bind_options_t *options,
                       dgram_listening_cb callback, void *context) {
  if (socket == NULL || options == NULL || options->struct_size != sizeof *options)
    return UV_EINVAL;
  dgram_bind_options_t read = *options;
  int err = bind_check_unbound(socket);
  if (err != 0)
    return err;
  if (read.fd <= 0 && (read.port < 0 || read.port > UINT16_MAX))
    return DGRAM_ERR_SOCKET_BAD_PORT;
  struct dgram__listeners *listening = &socket->events.listening;
  if (callback != NULL &&
      !dgram__listeners_add(listening, (dgram__listener_fn *)callback, context, DGRAM__ON_ATTEMPT))
    return UV_ENOMEM;
  err = bind_start_options(socket, &read);
  if (err != 0)
    dgram__listeners_remove_kind(listening, DGRAM__ON_ATTEMPT);
  return err;
}

int dgram_bind(dgram_socket_t *socket, int port, const char *address, dgram_listening_cb callback,
               void *context) {
  dgram_bind_options_t options = dgram_default_bind_options();
  options.port = port;
  options.address = address;
  return dgram_bind_options(socket, &options, callback, context);
}

int dgram_bind_sync(dgram_socket_t *socket, int port, const char *address) {
  union dgram__address local;
  int err = bind_check_unbound(socket);
  if (err == 0 && (port < 0 || port > UINT16_MAX))
    err = DGRAM_ERR_SOCKET_BAD_PORT;
  if (err == 0)
    err = dgram__numeric_read(socket, port, address, false, &local);
  return err != 0 ? err : bind_at_once(socket, &local);
}
