/*
 * The socket's life: created, closed, its memory freed.
 *
 *   OPEN -> CLOSING   dgram_close(), or the abort of its signal
 *   CLOSING -> CLOSED at once, unless sends or a connect wait for the bind: then when it has ended
 *
 * In this file: the state, memory, create, close, what is known of a socket.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

#define VERSION_TEXT(major, minor, patch) #major "." #minor "." #patch
#define VERSION_OF(major, minor, patch) VERSION_TEXT(major, minor, patch)

/*
 * What a program's dgram_options_t may measure: it ends where a member begins, or with the last
 * one. In version 0.1, the first, it ended before `lookup`; in 0.2 before `reuse_port`; in 0.3 with
 * padding behind `low_latency`, where `receive_batch` is now.
 */
#define OPTIONS_SIZE_0_3 offsetof(dgram_options_t, receive_budget)
static const size_t options_sizes[] = {
    offsetof(dgram_options_t, lookup),
    offsetof(dgram_options_t, lookup_context),
    offsetof(dgram_options_t, signal),
    offsetof(dgram_options_t, reuse_port),
    offsetof(dgram_options_t, defer),
    offsetof(dgram_options_t, defer_context),
    offsetof(dgram_options_t, low_latency),
    offsetof(dgram_options_t, receive_batch),
    OPTIONS_SIZE_0_3,
    offsetof(dgram_options_t, receive_info),
    sizeof(dgram_options_t),
};

const char *dgram_version(void) {
  return VERSION_OF(DGRAM_VERSION_MAJOR, DGRAM_VERSION_MINOR, DGRAM_VERSION_PATCH);
}

/* ---- the state ---- */

static void socket_set_life(dgram_socket_t *socket, enum dgram__life life) {
  assert(life == socket->life + 1);
  socket->life = life;
  socket->tx.guards |= DGRAM__GUARD_LIFE;
}

/* ---- memory ---- */

static void socket_free_extras(dgram_socket_t *socket) {
  struct dgram__extras *extras = socket->extras;
  if (extras == NULL)
    return;
  if (extras->network != NULL)
    extras->network->sockets--;
  dgram__listeners_clear(&extras->drain);
  dgram__access_free(socket);
  dgram__icmp_free(&extras->icmp);
  free(extras->sockopts);
  free(extras);
}

static void socket_free(dgram_socket_t *socket) {
  assert(socket->tx.count == 0);
  dgram__events_clear(&socket->events);
  dgram__count_freed(socket);
  if (socket->options.flags & DGRAM__LOW_LATENCY)
    socket->loop->low_latency--;
  dgram__loop_leave(socket->loop);
  if (socket->gone != NULL)
    *socket->gone = true;
  socket_free_extras(socket);
  free(socket);
}

struct dgram__extras *dgram__extras(dgram_socket_t *socket) {
  if (socket->extras == NULL)
    socket->extras = calloc(1, sizeof *socket->extras);
  if (socket->extras != NULL)
    socket->extras->socket = socket;
  return socket->extras;
}

/* ---- create ---- */

int dgram__options_read(dgram_options_t *options, const dgram_options_t *given) {
  const size_t count = sizeof options_sizes / sizeof *options_sizes;
  size_t i = 0;
  while (i < count && options_sizes[i] != given->struct_size)
    i++;
  if (i == count)
    return UV_EINVAL;
  *options = dgram_default_options(given->type);
  memcpy(options, given, given->struct_size);
  if (given->struct_size == OPTIONS_SIZE_0_3)
    options->receive_batch = 0;
  if (options->recv_buffer_size < 0 || options->send_buffer_size < 0 ||
      options->receive_batch < 0 || options->receive_budget < 0 ||
      (options->receive_info & ~(unsigned)DGRAM_INFO_ALL) != 0)
    return UV_EINVAL;
  if (options->type != DGRAM_UDP4 && options->type != DGRAM_UDP6)
    return DGRAM_ERR_SOCKET_BAD_TYPE;
  return dgram__sockopts_check(options);
}

/* NULL: no memory. */
static dgram_socket_t *socket_new(uv_loop_t *loop, const dgram_options_t *options) {
  unsigned flags = (options->reuse_addr != 0 ? DGRAM__REUSE_ADDR : 0U) |
                   (options->reuse_port != 0 ? DGRAM__REUSE_PORT : 0U) |
                   (options->ipv6_only != 0 ? DGRAM__IPV6_ONLY : 0U) |
                   (options->disable_gso != 0 ? DGRAM__DISABLE_GSO : 0U) |
                   (options->low_latency != 0 ? DGRAM__LOW_LATENCY : 0U) |
                   (options->disable_gro != 0 ? DGRAM__DISABLE_GRO : 0U) |
                   (options->pause_without_listener != 0 ? DGRAM__PAUSE_WITHOUT_LISTENER : 0U);
  dgram_socket_t *socket = calloc(1, sizeof *socket);
  if (socket == NULL)
    return NULL;
  socket->loop = dgram__loop_enter(loop);
  if (socket->loop == NULL) {
    free(socket);
    return NULL;
  }
  socket->options = (struct dgram__options){.type = options->type,
                                            .recv_buffer_size = options->recv_buffer_size,
                                            .send_buffer_size = options->send_buffer_size,
                                            .flags = (uint16_t)flags,
                                            .receive_info = (uint16_t)options->receive_info,
                                            .lookup = options->lookup,
                                            .lookup_context = options->lookup_context,
                                            .defer = options->defer,
                                            .defer_context = options->defer_context};
  socket->loop->free_socket = socket_free;
  if (options->low_latency)
    socket->loop->low_latency++;
  socket->holds = 1; /* until it has closed */
  socket->referenced = true;
  socket->udp.fd = -1;
  dgram__send_init(socket);
  dgram__receive_init(socket, options);
  return socket;
}

/* Returns 0, UV_EINVAL: the host is of another loop, or UV_ENOMEM. */
static int socket_join_network(dgram_socket_t *socket, struct dgram__network *network) {
  if (network->loop != socket->loop->uv)
    return UV_EINVAL;
  if (dgram__extras(socket) == NULL)
    return UV_ENOMEM;
  socket->extras->network = network;
  network->sockets++;
  return 0;
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
  int err = dgram__options_read(&read, options);
  if (err != 0)
    return err;
  dgram_socket_t *created = socket_new(loop, &read);
  if (created == NULL)
    return UV_ENOMEM;
  if (read.sim_host != NULL) /* which begins with its network */
    err = socket_join_network(created, (struct dgram__network *)(void *)read.sim_host);
  if (err == 0 && on_message != NULL)
    err = dgram_on_message(created, on_message, context);
  if (err == 0)
    err = dgram__sockopts_init(created, &read);
  if (err == 0 && read.signal != NULL)
    err = dgram__abort_signal_join(created, read.signal);
  if (err != 0 && err != UV_ECANCELED) {
    dgram__release(created);
    return err;
  }
  *socket = created;
  return err == UV_ECANCELED ? dgram_close(created, NULL, NULL) : 0;
}

int dgram_create_socket(uv_loop_t *loop, dgram_type_t type, dgram_message_cb on_message,
                        void *context, dgram_socket_t **socket) {
  dgram_options_t options = dgram_default_options(type);
  return dgram_create_socket_options(loop, &options, on_message, context, socket);
}

/* ---- close ---- */

/* The callbacks that a close is still to call, in their order. */
static void socket_finish_close(dgram_socket_t *socket) {
  assert(socket->life == DGRAM__CLOSED && socket->binding.state == DGRAM__UNBOUND);
  dgram__send_complete(socket, &socket->tx.completed);
  dgram__emit_close(socket);
  dgram__connect_report_cancelled(socket);
  dgram__send_complete(socket, &socket->tx.cancelled);
  dgram__posts_report(socket);
  dgram__release(socket); /* of socket_new(); the task holds the socket, too */
}

static const struct dgram__task_type socket_close_task = {socket_finish_close,
                                                          offsetof(dgram_socket_t, tasks.close)};

void dgram__close_if_ready(dgram_socket_t *socket) {
  if (socket->life != DGRAM__CLOSING || socket->tx.wait_bind.count > 0 ||
      socket->connecting.state == DGRAM__CONNECT_WAITING_FOR_BIND)
    return;
  dgram__send_resume(socket);
  socket_set_life(socket, DGRAM__CLOSED);
  dgram__send_cancel_all(socket);
  dgram__connect_cancel(socket);
  dgram__membership_all_forget(socket);
  dgram__accept_forget(socket);
  dgram__receive_forget(socket);
  dgram__time_limits_forget(socket);
  dgram__poll_close(socket);
  dgram__count_closing(socket);
  dgram__udp_close(&socket->udp);
  dgram__bind_forget(socket); /* last: a primary may learn that the port is free */
  dgram__defer(socket, &socket_close_task);
}

int dgram_close(dgram_socket_t *socket, dgram_close_cb callback, void *context) {
  int err = dgram__check_open(socket);
  if (err == 0 && callback != NULL)
    err = dgram_on_close(socket, callback, context);
  if (err != 0)
    return err;
  dgram__posts_close(socket);
  socket_set_life(socket, DGRAM__CLOSING);
  dgram__receive_interrupt(socket);
  dgram__abort_signal_leave(socket);
  dgram__close_if_ready(socket);
  return 0;
}

void dgram_dispose(dgram_socket_t *socket) {
  if (socket == NULL)
    return;
  uv_loop_t *loop = socket->loop->uv;
  bool gone = false;
  socket->gone = &gone; // cppcheck-suppress autoVariables ; the socket is freed before
  if (socket->life == DGRAM__OPEN)
    dgram_close(socket, NULL, NULL);
  while (!gone)
    uv_run(loop, UV_RUN_ONCE);
  uv_run(loop, UV_RUN_NOWAIT); /* after the last socket the loop's shared state goes, too */
}

/* ---- what is known of it ---- */

static dgram_socket_t *socket_set_referenced(dgram_socket_t *socket, bool referenced) {
  if (socket != NULL) {
    socket->referenced = referenced;
    dgram__poll_update(socket);
    dgram__retry_refer(socket->loop);
  }
  return socket;
}

dgram_socket_t *dgram_ref(dgram_socket_t *socket) {
  return socket_set_referenced(socket, true);
}

dgram_socket_t *dgram_unref(dgram_socket_t *socket) {
  return socket_set_referenced(socket, false);
}

uv_loop_t *dgram_loop(const dgram_socket_t *socket) {
  return socket != NULL ? socket->loop->uv : NULL;
}

/* What was sent leaves first: the program is about to change the system socket. */
int dgram_fileno(dgram_socket_t *socket) {
  if (socket == NULL)
    return UV_EINVAL;
  if (socket->udp.fd < 0)
    return UV_EBADF;
  if (dgram__udp_is_simulated(&socket->udp))
    return UV_ENOTSUP;
  dgram__send_before_change(socket);
  return socket->udp.fd;
}

int dgram__describe_name(const dgram_socket_t *socket, bool peer, dgram_address_t *address) {
  union dgram__address name;
  int err = dgram__udp_name(&socket->udp, peer, &name);
  if (err == 0)
    dgram__address_describe(&name, address);
  return err;
}

int dgram_address(const dgram_socket_t *socket, dgram_address_t *address) {
  if (socket == NULL || address == NULL)
    return UV_EINVAL;
  /* CLOSING, in the 'listening' that the close waits for, it still has its address. */
  if (!dgram__is_bound(socket))
    return socket->life == DGRAM__OPEN ? UV_EBADF : DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING;
  return dgram__describe_name(socket, false, address);
}
