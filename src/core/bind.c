/*
 * From a socket of ours to one of the system's: bind, or take one over.
 *
 *   UNBOUND -> BINDING -> BOUND   dgram_bind(), or the first send or connect
 *           <----------           binding failed
 */
#include "internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(dgram_bind_options_t) == offsetof(dgram_bind_options_t, fd) + sizeof(int),
               "With more members, read_options() takes the size of version 0.2, which ends with "
               "`fd`, too.");

/* ---- the end of a bind ---- */

/* In the listeners of 'error' the program may already start the next bind. */
static void bind_failed(dgram_socket_t *socket, int code, const char *syscall, const char *address,
                        int port) {
  socket->state = DGRAM_UNBOUND;
  dgram__listeners_remove_kind(&socket->events.listening, DGRAM__ON_ATTEMPT);
  dgram__send_bind_failed(socket, code, syscall);
  dgram__connect_fail_unbound(socket, code, syscall);
  dgram__emit_error(socket, code, syscall, address, port);
  dgram__close_if_ready(socket);
}

/* Begins to receive, emits 'listening', and then lets go what waited for it. */
static void bind_announce(dgram_socket_t *socket) {
  if (socket->closed)
    return;
  socket->announced = true;
  dgram__poll_update(socket);
  if (socket->binding.request != NULL)
    socket->binding.agent->listening(socket->binding.request);
  dgram__emit_listening(socket);
  if (socket->closed)
    return;
  dgram__send_bound(socket);
  dgram__connect_release(socket);
  dgram__close_if_ready(socket);
}

/* Sets up the system socket as the options say, and has it watched; all of it or nothing. */
static int bind_start_udp(dgram_socket_t *socket) {
  int err = dgram__set_buffer_size(socket, SO_RCVBUF, socket->options.recv_buffer_size);
  if (err == 0)
    err = dgram__set_buffer_size(socket, SO_SNDBUF, socket->options.send_buffer_size);
  return err != 0 ? err : dgram__poll_open(socket);
}

/* What the socket may try: what the loop may, less what its options switch off. */
static struct dgram__udp_capabilities bind_capabilities(const dgram_socket_t *socket) {
  struct dgram__udp_capabilities capabilities = socket->loop->capabilities;
  if (socket->options.disable_gso)
    capabilities.max_segments = 1;
  return capabilities;
}

static bool bind_is_of_its_family(const dgram_socket_t *socket,
                                  const union dgram__address *address) {
  return address->any.sa_family == dgram__family(socket->options.type);
}

static int bind_open_udp(dgram_socket_t *socket) {
  struct dgram__settings settings = {.local = socket->binding.to,
                                     .reuse_addr = socket->options.reuse_addr,
                                     .reuse_port = socket->options.reuse_port,
                                     .ipv6_only = socket->options.ipv6_only,
                                     .capabilities = bind_capabilities(socket)};
  if (!bind_is_of_its_family(socket, &settings.local))
    return UV_EINVAL;
  int err = dgram__udp_open(&socket->udp, &settings);
  if (err != 0)
    return err;
  err = bind_start_udp(socket);
  if (err != 0)
    dgram__udp_close(&socket->udp);
  return err;
}

static void bind_finish_attempt(dgram_socket_t *socket, int err) {
  const union dgram__address *to = &socket->binding.to;
  char text[DGRAM_ADDRESS_TEXT];
  if (err == 0) {
    socket->state = DGRAM_BOUND;
    bind_announce(socket);
  } else if (to->any.sa_family == AF_UNSPEC) {
    bind_failed(socket, err, "open", NULL, 0);
  } else {
    dgram__address_text(to, text);
    bind_failed(socket, err, "bind", text, dgram__address_port(to));
  }
}

static int bind_ask_agent(dgram_socket_t *socket) {
  struct dgram__binding *binding = &socket->binding;
  return bind_is_of_its_family(socket, &binding->to)
             ? binding->agent->ask(socket, 0, &binding->request)
             : UV_EINVAL;
}

/* Binds to the address that is known now, unless the socket is bound, and announces it. */
static void bind_finish(dgram_socket_t *socket) {
  if (socket->closed)
    return;
  bool asks = socket->binding.agent != NULL && socket->loop->bind_agent != NULL;
  int err = 0;
  if (socket->state != DGRAM_BOUND)
    err = asks ? bind_ask_agent(socket) : bind_open_udp(socket);
  if (err != 0 || !asks)
    bind_finish_attempt(socket, err);
}

static const struct dgram__task_type bind_task = {bind_finish, DGRAM__TASK_BIND};

/* ---- what a bind waits for ---- */

static void bind_resolved(void *owner, int status, const union dgram__address *address) {
  dgram_socket_t *socket = owner;
  const char *host = dgram__resolve_host(socket->binding.lookup);
  socket->binding.lookup = NULL;
  dgram__hold(socket);
  if (status != 0) {
    bind_failed(socket, status, "getaddrinfo", host, 0);
  } else {
    dgram__address_set_host(&socket->binding.to, address);
    bind_finish(socket);
  }
  dgram__release(socket);
}

static int bind_resolved_fd(void *owner, int fd);

/* Starts to bind. A numeric address too is bound to later, from the loop: one order of events. */
static int bind_start(dgram_socket_t *socket, int port, const char *address,
                      const struct dgram__bind_agent *agent) {
  struct dgram__destination local;
  int err = dgram__destination_read(socket, port, address, false, &local);
  if (err != 0)
    return err;
  socket->state = DGRAM_BINDING;
  socket->binding.agent = agent;
  socket->binding.to = local.address;
  if (local.host == NULL)
    dgram__defer(socket, &bind_task);
  else
    err = dgram__resolve_start(socket, &socket->binding.lookup, local.host, bind_resolved,
                               bind_resolved_fd, socket);
  if (err != 0)
    socket->state = DGRAM_UNBOUND;
  return err;
}

int dgram__bind_implicitly(dgram_socket_t *socket) {
  return bind_start(socket, 0, NULL, NULL);
}

static int bind_now(dgram_socket_t *socket, const union dgram__address *local) {
  socket->binding.to = *local;
  socket->binding.agent = NULL;
  int err = bind_open_udp(socket);
  if (err != 0)
    return err;
  socket->state = DGRAM_BOUND;
  dgram__defer(socket, &bind_task);
  return 0;
}

int dgram__bind_at_once(dgram_socket_t *socket) {
  union dgram__address local;
  dgram__address_any(&local, dgram__family(socket->options.type), 0);
  return bind_now(socket, &local);
}

void dgram__bind_forget(dgram_socket_t *socket) {
  struct dgram__binding *binding = &socket->binding;
  if (binding->request != NULL)
    binding->agent->release(binding->request);
  binding->request = NULL;
  if (binding->lookup != NULL)
    dgram__resolve_forget(binding->lookup);
  binding->lookup = NULL;
}

/* ---- taking a system socket over ---- */

/*
 * Returns 0, or an error with `fd` still the program's. `ours`: nobody but this library has it;
 * another program would take datagrams that the system has joined for one.
 */
static int bind_adopt_udp(dgram_socket_t *socket, int fd, bool ours) {
  int family = dgram__udp_family(fd);
  if (family == 0)
    return DGRAM_ERR_INVALID_FD_TYPE;
  if (family != dgram__family(socket->options.type))
    return UV_EINVAL;
  if (dgram__poll_has_fd(socket->loop, fd))
    return UV_EEXIST;
  socket->udp.fd = fd;
  int err = bind_start_udp(socket);
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
  dgram__connect_adopt(socket);
  return 0;
}

static int bind_adopt(dgram_socket_t *socket, int fd) {
  int err = bind_adopt_udp(socket, fd, false);
  if (err != 0)
    return err;
  socket->state = DGRAM_BOUND;
  bind_announce(socket);
  return 0;
}

static int bind_resolved_fd(void *owner, int fd) {
  dgram_socket_t *socket = owner;
  dgram__hold(socket);
  socket->binding.lookup = NULL;
  int err = bind_adopt(socket, fd);
  if (err != 0)
    bind_failed(socket, err, "open", NULL, 0);
  dgram__release(socket);
  return err;
}

/* ---- sharing one that a primary has bound ---- */

static int bind_start_shared(dgram_socket_t *socket, int fd,
                             const struct dgram__bind_agent *agent) {
  socket->binding.to = dgram__address_unspec;
  socket->binding.agent = agent;
  int err = agent->ask(socket, fd, &socket->binding.request);
  if (err == 0)
    socket->state = DGRAM_BINDING;
  return err;
}

int dgram__bind_take_shared(dgram_socket_t *socket, int fd) {
  return bind_adopt_udp(socket, fd, true);
}

void dgram__bind_revoked(dgram_socket_t *socket) {
  socket->binding.request = NULL;
  dgram_close(socket, NULL, NULL);
}

void dgram__bind_answered(dgram_socket_t *socket, int status) {
  dgram__hold(socket);
  if (status != 0)
    socket->binding.request = NULL;
  bind_finish_attempt(socket, status);
  dgram__release(socket);
}

/* ---- the public functions ---- */

static int bind_read_options(dgram_bind_options_t *options, const dgram_bind_options_t *given) {
  if (given->struct_size != sizeof *options)
    return UV_EINVAL;
  *options = *given;
  return 0;
}

static int bind_start_options(dgram_socket_t *socket, const dgram_bind_options_t *options) {
  const struct dgram__bind_agent *agent =
      options->exclusive || socket->options.reuse_port ? NULL : socket->loop->bind_agent;
  if (options->fd <= 0)
    return bind_start(socket, options->port, options->address, agent);
  return agent != NULL ? bind_start_shared(socket, options->fd, agent)
                       : bind_adopt(socket, options->fd);
}

int dgram_bind_options(dgram_socket_t *socket, const dgram_bind_options_t *options,
                       dgram_listening_cb callback, void *context) {
  dgram_bind_options_t read;
  if (socket == NULL || options == NULL || bind_read_options(&read, options) != 0)
    return UV_EINVAL;
  if (socket->closing)
    return DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING;
  if (socket->state != DGRAM_UNBOUND)
    return DGRAM_ERR_SOCKET_ALREADY_BOUND;
  if (read.fd <= 0 && (read.port < 0 || read.port > UINT16_MAX))
    return DGRAM_ERR_SOCKET_BAD_PORT;
  struct dgram__listeners *listening = &socket->events.listening;
  if (callback != NULL &&
      !dgram__listeners_add(listening, (dgram__listener_fn *)callback, context, DGRAM__ON_ATTEMPT))
    return UV_ENOMEM;
  int err = bind_start_options(socket, &read);
  if (err != 0)
    dgram__listeners_remove_kind(listening, DGRAM__ON_ATTEMPT);
  return err;
}

int dgram_bind_sync(dgram_socket_t *socket, int port, const char *address) {
  if (socket == NULL)
    return UV_EINVAL;
  if (socket->closing)
    return DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING;
  if (socket->state != DGRAM_UNBOUND)
    return DGRAM_ERR_SOCKET_ALREADY_BOUND;
  if (port < 0 || port > UINT16_MAX)
    return DGRAM_ERR_SOCKET_BAD_PORT;
  union dgram__address local;
  int err = dgram__numeric_read(socket, port, address, false, &local);
  return err != 0 ? err : bind_now(socket, &local);
}

dgram_bind_state_t dgram_bind_state(const dgram_socket_t *socket) {
  return socket != NULL && !socket->closed ? socket->state : DGRAM_UNBOUND;
}

int dgram_bind(dgram_socket_t *socket, int port, const char *address, dgram_listening_cb callback,
               void *context) {
  dgram_bind_options_t options = dgram_default_bind_options();
  options.port = port;
  options.address = address;
  return dgram_bind_options(socket, &options, callback, context);
}
