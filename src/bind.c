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
  dgram__outbox_fail_unbound(socket, code, syscall);
  dgram__connect_fail_unbound(socket, code, syscall);
  dgram__emit_error(socket, code, syscall, address, port);
  dgram__shut_if_ready(socket);
}

/* Begins to receive, emits 'listening', and then lets go what waited for it. */
static void announce(dgram_socket_t *socket) {
  if (socket->closed)
    return;
  socket->announced = true;
  dgram__watch(socket);
  if (socket->shared)
    dgram__share_listening(socket);
  dgram__emit_listening(socket);
  if (socket->closed)
    return;
  dgram__outbox_release(socket);
  dgram__connect_release(socket);
  dgram__shut_if_ready(socket);
}

/* Sets up the system socket as the options say, and has it watched; all of it or nothing. */
static int start_path(dgram_socket_t *socket) {
  int err = dgram__set_buffer_size(socket, SO_RCVBUF, socket->options.recv_buffer_size);
  if (err == 0)
    err = dgram__set_buffer_size(socket, SO_SNDBUF, socket->options.send_buffer_size);
  return err != 0 ? err : dgram__watch_open(socket);
}

static bool gso_wanted(const dgram_socket_t *socket) {
  return socket->loop->gso && !socket->options.disable_gso;
}

static bool is_of_its_family(const dgram_socket_t *socket, const union dgram__address *address) {
  return address->any.sa_family == dgram__family(socket->options.type);
}

static int open_path(dgram_socket_t *socket) {
  struct dgram__settings settings = {.local = socket->binding.to,
                                     .reuse_addr = socket->options.reuse_addr,
                                     .reuse_port = socket->options.reuse_port,
                                     .ipv6_only = socket->options.ipv6_only,
                                     .gso = gso_wanted(socket)};
  if (!is_of_its_family(socket, &settings.local))
    return UV_EINVAL;
  int err = socket->loop->datapath->open(&socket->path, &settings);
  if (err != 0)
    return err;
  err = start_path(socket);
  if (err != 0)
    dgram__path_close(&socket->path);
  return err;
}

static void finish(dgram_socket_t *socket, int err) {
  const union dgram__address *to = &socket->binding.to;
  char text[DGRAM_ADDRESS_TEXT];
  if (err == 0) {
    socket->state = DGRAM_BOUND;
    announce(socket);
  } else if (to->any.sa_family == AF_UNSPEC) {
    bind_failed(socket, err, "open", NULL, 0);
  } else {
    dgram__address_text(to, text);
    bind_failed(socket, err, "bind", text, dgram__address_port(to));
  }
}

static int ask_primary(dgram_socket_t *socket) {
  return is_of_its_family(socket, &socket->binding.to) ? dgram__share_ask(socket, 0) : UV_EINVAL;
}

void dgram__bind_finish(dgram_socket_t *socket) {
  if (socket->closed)
    return;
  bool asks = socket->shares && socket->loop->worker != NULL;
  int err = 0;
  if (socket->state != DGRAM_BOUND)
    err = asks ? ask_primary(socket) : open_path(socket);
  if (err != 0 || !asks)
    finish(socket, err);
}

/* ---- what a bind waits for ---- */

/* The look-up has ended: returns what was looked up, now the caller's. */
static char *end_lookup(dgram_socket_t *socket) {
  char *host = socket->binding.host;
  socket->binding.host = NULL;
  socket->binding.lookup = NULL;
  return host;
}

void dgram__bind_answered(void *owner, int status, const union dgram__address *address) {
  dgram_socket_t *socket = owner;
  char *host = end_lookup(socket);
  dgram__pin(socket);
  if (status != 0) {
    bind_failed(socket, status, "getaddrinfo", host, 0);
  } else {
    dgram__address_set_host(&socket->binding.to, address);
    dgram__bind_finish(socket);
  }
  dgram__unpin(socket);
  free(host);
}

static int look_up(dgram_socket_t *socket, const char *host) {
  struct dgram__binding *binding = &socket->binding;
  binding->host = strdup(host);
  if (binding->host == NULL)
    return UV_ENOMEM;
  int err = dgram__lookup_start(socket, &binding->lookup, host, dgram__bind_answered, socket);
  if (err != 0) {
    free(binding->host);
    binding->host = NULL;
  }
  return err;
}

/* Starts to bind. A numeric address too is bound to later, from the loop: one order of events. */
static int start_bind(dgram_socket_t *socket, int port, const char *address, bool shares) {
  struct dgram__destination local;
  int err = dgram__destination_read(socket, port, address, false, &local);
  if (err != 0)
    return err;
  socket->state = DGRAM_BINDING;
  socket->shares = shares;
  socket->binding.to = local.address;
  if (local.host == NULL)
    dgram__defer(socket, DGRAM__BIND);
  else
    err = look_up(socket, local.host);
  if (err != 0)
    socket->state = DGRAM_UNBOUND;
  return err;
}

int dgram__bind_implicitly(dgram_socket_t *socket) {
  return start_bind(socket, 0, NULL, false);
}

static int bind_at_once(dgram_socket_t *socket, const union dgram__address *local) {
  socket->binding.to = *local;
  socket->shares = false;
  int err = open_path(socket);
  if (err != 0)
    return err;
  socket->state = DGRAM_BOUND;
  dgram__defer(socket, DGRAM__BIND);
  return 0;
}

int dgram__bind_at_once(dgram_socket_t *socket) {
  union dgram__address local;
  dgram__address_any(&local, dgram__family(socket->options.type), 0);
  return bind_at_once(socket, &local);
}

void dgram__bind_forget(dgram_socket_t *socket) {
  struct dgram__binding *binding = &socket->binding;
  if (socket->shared)
    dgram__share_release(socket);
  else if (binding->lookup != NULL)
    dgram__lookup_forget(binding->lookup);
  free(binding->host);
  binding->host = NULL;
}

/* ---- taking a system socket over ---- */

/*
 * Returns 0, or an error with `fd` still the program's. `ours`: nobody but this library has it;
 * another program would take datagrams that the system has joined for one.
 */
static int adopt_path(dgram_socket_t *socket, int fd, bool ours) {
  int family = dgram__path_family(fd);
  if (family == 0)
    return DGRAM_ERR_INVALID_FD_TYPE;
  if (family != dgram__family(socket->options.type))
    return UV_EINVAL;
  if (dgram__watch_knows(socket->loop, fd))
    return UV_EEXIST;
  socket->path.fd = fd;
  int err = start_path(socket);
  if (err != 0) {
    socket->path.fd = -1;
    return err;
  }
  dgram__receive_share(socket);
  bool is_udp = dgram__path_is_udp(fd);
  socket->loop->datapath->adopt(&socket->path, is_udp && gso_wanted(socket), is_udp && ours);
  dgram__connect_adopt(socket);
  return 0;
}

static int adopt(dgram_socket_t *socket, int fd) {
  int err = adopt_path(socket, fd, false);
  if (err != 0)
    return err;
  socket->state = DGRAM_BOUND;
  announce(socket);
  return 0;
}

int dgram__bind_answered_fd(dgram_socket_t *socket, int fd) {
  dgram__pin(socket);
  free(end_lookup(socket));
  int err = adopt(socket, fd);
  if (err != 0)
    bind_failed(socket, err, "open", NULL, 0);
  dgram__unpin(socket);
  return err;
}

/* ---- sharing one that a primary has bound ---- */

static int start_shared(dgram_socket_t *socket, int fd) {
  socket->binding.to = dgram__nobody;
  int err = dgram__share_ask(socket, fd);
  if (err == 0)
    socket->state = DGRAM_BINDING;
  return err;
}

int dgram__bind_take_shared(dgram_socket_t *socket, int fd) {
  return adopt_path(socket, fd, true);
}

void dgram__bind_answered_shared(dgram_socket_t *socket, int status) {
  dgram__pin(socket);
  finish(socket, status);
  dgram__unpin(socket);
}

/* ---- the public functions ---- */

static int read_options(dgram_bind_options_t *options, const dgram_bind_options_t *given) {
  if (given->struct_size != sizeof *options)
    return UV_EINVAL;
  *options = *given;
  return 0;
}

static int start(dgram_socket_t *socket, const dgram_bind_options_t *options) {
  bool shares = !options->exclusive && !socket->options.reuse_port && socket->loop->worker != NULL;
  if (options->fd <= 0)
    return start_bind(socket, options->port, options->address, shares);
  return shares ? start_shared(socket, options->fd) : adopt(socket, options->fd);
}

int dgram_bind_options(dgram_socket_t *socket, const dgram_bind_options_t *options,
                       dgram_listening_cb callback, void *context) {
  dgram_bind_options_t read;
  if (socket == NULL || options == NULL || read_options(&read, options) != 0)
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
  int err = start(socket, &read);
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
  return err != 0 ? err : bind_at_once(socket, &local);
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
