/*
 * The socket's life: create, bind, close, and what it can say of itself.
 *
 *   UNBOUND -> BINDING -> BOUND      dgram_bind(), or the first send
 *           <----------              binding failed
 *   any of them -> closing -> closed dgram_close(); `closing` lasts while sends wait for the bind
 */
#include "internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VERSION_TEXT(major, minor, patch) #major "." #minor "." #patch
#define VERSION_OF(major, minor, patch) VERSION_TEXT(major, minor, patch)

/* What dgram_options_t ended with in version 0.1, the first. */
#define OPTIONS_SIZE_0_1 (offsetof(dgram_options_t, disable_gso) + sizeof(int))

const char *dgram_version(void) {
  return VERSION_OF(DGRAM_VERSION_MAJOR, DGRAM_VERSION_MINOR, DGRAM_VERSION_PATCH);
}

/* ---- memory ---- */

void dgram__pin(dgram_socket_t *socket) {
  socket->pins++;
}

void dgram__unpin(dgram_socket_t *socket) {
  assert(socket->pins > 0);
  if (--socket->pins > 0)
    return;
  assert(socket->outbox.count == 0);
  dgram__events_clear(&socket->events);
  dgram__loop_leave(socket->loop);
  free(socket);
}

/* ---- create ---- */

static void bind_to_address(dgram_socket_t *socket);
static void finish_close(dgram_socket_t *socket);

/* Reads the members that the program knew when it was compiled; the others have their default. */
static int read_options(dgram_options_t *options, const dgram_options_t *given) {
  if (given->struct_size < OPTIONS_SIZE_0_1 || given->struct_size > sizeof *options)
    return UV_EINVAL;
  *options = dgram_default_options(given->type);
  memcpy(options, given, given->struct_size);
  if (options->recv_buffer_size < 0 || options->send_buffer_size < 0)
    return UV_EINVAL;
  if (options->type != DGRAM_UDP4 && options->type != DGRAM_UDP6)
    return DGRAM_ERR_SOCKET_BAD_TYPE;
  return 0;
}

static dgram_socket_t *new_socket(uv_loop_t *loop, const dgram_options_t *options) {
  dgram_socket_t *socket = calloc(1, sizeof *socket);
  if (socket == NULL)
    return NULL;
  socket->loop = dgram__loop_enter(loop);
  if (socket->loop == NULL) {
    free(socket);
    return NULL;
  }
  socket->options = *options;
  socket->pins = 1; /* until closed */
  socket->referenced = true;
  socket->path.fd = -1;
  socket->binding.task = (struct dgram__task){.socket = socket, .run = bind_to_address};
  socket->close_task = (struct dgram__task){.socket = socket, .run = finish_close};
  dgram__outbox_init(socket);
  return socket;
}

int dgram_create_socket_options(uv_loop_t *loop, const dgram_options_t *options,
                                dgram_message_cb on_message, void *context,
                                dgram_socket_t **socket) {
  if (socket == NULL)
    return UV_EINVAL;
  *socket = NULL;
  if (loop == NULL || options == NULL)
    return UV_EINVAL;
  dgram_options_t read;
  int err = read_options(&read, options);
  if (err != 0)
    return err;
  dgram_socket_t *created = new_socket(loop, &read);
  if (created == NULL)
    return UV_ENOMEM;
  if (on_message != NULL)
    err = dgram_on_message(created, on_message, context);
  if (err != 0)
    dgram__unpin(created);
  else
    *socket = created;
  return err;
}

int dgram_create_socket(uv_loop_t *loop, dgram_type_t type, dgram_message_cb on_message,
                        void *context, dgram_socket_t **socket) {
  dgram_options_t options = dgram_default_options(type);
  return dgram_create_socket_options(loop, &options, on_message, context, socket);
}

/* ---- bind ---- */

static void shut_if_ready(dgram_socket_t *socket);

/* Ends a bind. In the listeners of 'error' the program may already start the next one. */
static void bind_failed(dgram_socket_t *socket, int code, const char *syscall, const char *address,
                        int port) {
  socket->state = DGRAM__UNBOUND;
  dgram__listeners_remove_kind(&socket->events.listening, DGRAM__ON_BIND);
  dgram__outbox_fail_unbound(socket, code, syscall);
  dgram__emit_error(socket, code, syscall, address, port);
  shut_if_ready(socket);
}

static int set_buffer_size(int fd, int name, int size) {
  if (size == 0 || setsockopt(fd, SOL_SOCKET, name, &size, sizeof size) == 0)
    return 0;
  return DGRAM_ERR_SOCKET_BUFFER_SIZE;
}

static int set_buffer_sizes(const dgram_socket_t *socket) {
  int err = set_buffer_size(socket->path.fd, SO_RCVBUF, socket->options.recv_buffer_size);
  if (err == 0)
    err = set_buffer_size(socket->path.fd, SO_SNDBUF, socket->options.send_buffer_size);
  return err;
}

/* Makes the system socket and has it watched; all of it or nothing. */
static int open_path(dgram_socket_t *socket) {
  struct dgram__settings settings = {.local = socket->binding.to,
                                     .reuse_addr = socket->options.reuse_addr != 0,
                                     .ipv6_only = socket->options.ipv6_only != 0,
                                     .gso = socket->loop->gso && !socket->options.disable_gso};
  if (settings.local.any.sa_family != dgram__family(socket->options.type))
    return UV_EINVAL;
  int err = socket->loop->datapath->open(&socket->path, &settings);
  if (err != 0)
    return err;
  err = set_buffer_sizes(socket);
  if (err == 0)
    err = dgram__watch_open(socket);
  if (err != 0) {
    close(socket->path.fd);
    socket->path.fd = -1;
  }
  return err;
}

static void bind_to_address(dgram_socket_t *socket) {
  if (socket->closed)
    return;
  int err = open_path(socket);
  if (err != 0) {
    char text[DGRAM_ADDRESS_TEXT];
    dgram__address_text(&socket->binding.to, text);
    bind_failed(socket, err, "bind", text, socket->binding.port);
    return;
  }
  socket->state = DGRAM__BOUND;
  dgram__watch(socket);
  dgram__emit_listening(socket);
  if (socket->closed)
    return;
  dgram__outbox_release(socket);
  shut_if_ready(socket);
}

static void on_bind_answer(void *owner, int status, const union dgram__address *address) {
  dgram_socket_t *socket = owner;
  char *host = socket->binding.host;
  socket->binding.host = NULL;
  socket->binding.lookup = NULL;
  dgram__pin(socket);
  if (status != 0) {
    bind_failed(socket, status, "getaddrinfo", host, 0);
  } else {
    socket->binding.to = *address;
    dgram__address_set_port(&socket->binding.to, socket->binding.port);
    bind_to_address(socket);
  }
  dgram__unpin(socket);
  free(host);
}

static int look_up_host(dgram_socket_t *socket, const char *host) {
  struct dgram__binding *binding = &socket->binding;
  char *copy = strdup(host);
  if (copy == NULL)
    return UV_ENOMEM;
  int err = dgram__lookup_start(&binding->lookup, socket->loop->uv, host,
                                dgram__family(socket->options.type), on_bind_answer, socket);
  if (err != 0)
    free(copy);
  else
    binding->host = copy;
  return err;
}

/* Starts to bind. A numeric address too is bound to later, from the loop: one order of events. */
static int start_bind(dgram_socket_t *socket, int port, const char *address) {
  struct dgram__binding *binding = &socket->binding;
  binding->port = port;
  if (address == NULL || *address == '\0')
    dgram__address_any(&binding->to, dgram__family(socket->options.type), port);
  else if (!dgram__address_parse(&binding->to, address, port)) {
    int err = look_up_host(socket, address);
    if (err != 0)
      return err;
  }
  if (binding->lookup == NULL)
    dgram__defer(&binding->task);
  socket->state = DGRAM__BINDING;
  return 0;
}

int dgram_bind(dgram_socket_t *socket, int port, const char *address, dgram_listening_cb callback,
               void *context) {
  if (socket == NULL || (address != NULL && strlen(address) > DGRAM__HOST_MAX))
    return UV_EINVAL;
  if (socket->closing)
    return DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING;
  if (socket->state != DGRAM__UNBOUND)
    return DGRAM_ERR_SOCKET_ALREADY_BOUND;
  if (port < 0 || port > UINT16_MAX)
    return DGRAM_ERR_SOCKET_BAD_PORT;
  struct dgram__listeners *listening = &socket->events.listening;
  if (callback != NULL &&
      !dgram__listeners_add(listening, (dgram__listener_fn *)callback, context, DGRAM__ON_BIND))
    return UV_ENOMEM;
  int err = start_bind(socket, port, address);
  if (err != 0)
    dgram__listeners_remove_kind(listening, DGRAM__ON_BIND);
  return err;
}

void dgram__bind_implicitly(dgram_socket_t *socket) {
  int err = start_bind(socket, 0, NULL);
  assert(err == 0); /* no name to look up, so nothing to fail */
  (void)err;
}

/* ---- close ---- */

static void finish_close(dgram_socket_t *socket) {
  dgram__emit_close(socket);
  dgram__outbox_complete(socket, &socket->outbox.cancelled);
  dgram__unpin(socket); /* the pin of new_socket(): the task holds another */
}

static void forget_bind(struct dgram__binding *binding) {
  if (binding->lookup != NULL)
    dgram__lookup_forget(binding->lookup);
  free(binding->host);
  binding->host = NULL;
}

static void shut(dgram_socket_t *socket) {
  dgram__resume(socket);
  socket->closed = true;
  dgram__outbox_cancel(socket);
  forget_bind(&socket->binding);
  dgram__watch_close(socket);
  if (socket->path.fd >= 0)
    close(socket->path.fd);
  socket->path.fd = -1;
  dgram__defer(&socket->close_task);
}

/* Closes the socket if that was asked for and no send waits for the bind any more. */
static void shut_if_ready(dgram_socket_t *socket) {
  if (socket->closing && !socket->closed && socket->outbox.unbound.count == 0)
    shut(socket);
}

int dgram_close(dgram_socket_t *socket, dgram_close_cb callback, void *context) {
  if (socket == NULL)
    return UV_EINVAL;
  if (socket->closing)
    return DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING;
  if (callback != NULL) {
    int err = dgram_on_close(socket, callback, context);
    if (err != 0)
      return err;
  }
  socket->closing = true;
  shut_if_ready(socket);
  return 0;
}

/* ---- ref and address ---- */

static dgram_socket_t *set_referenced(dgram_socket_t *socket, bool referenced) {
  if (socket != NULL) {
    socket->referenced = referenced;
    dgram__watch(socket);
  }
  return socket;
}

dgram_socket_t *dgram_ref(dgram_socket_t *socket) {
  return set_referenced(socket, true);
}

dgram_socket_t *dgram_unref(dgram_socket_t *socket) {
  return set_referenced(socket, false);
}

uv_loop_t *dgram_loop(const dgram_socket_t *socket) {
  return socket != NULL ? socket->loop->uv : NULL;
}

int dgram_address(const dgram_socket_t *socket, dgram_address_t *address) {
  if (socket == NULL || address == NULL)
    return UV_EINVAL;
  if (socket->closing)
    return DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING;
  if (socket->state != DGRAM__BOUND)
    return UV_EBADF;
  union dgram__address bound = {0};
  socklen_t length = sizeof bound;
  if (getsockname(socket->path.fd, &bound.any, &length) != 0)
    return -errno;
  dgram__address_text(&bound, address->address);
  address->family = dgram__family_name(bound.any.sa_family);
  address->port = dgram__address_port(&bound);
  return 0;
}
