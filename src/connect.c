/*
 * One remote endpoint for all of a socket's datagrams: connect, disconnect.
 *
 *   disconnected -> attempting -> connected   dgram_connect(): waits for the bind, then for a name,
 *                <----------                  then for the loop
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- the end of an attempt ---- */

/*
 * Takes the attempt's end out of the socket, so that in its callback the program may already
 * start the next one.
 */
static struct dgram__connecting end_attempt(dgram_socket_t *socket) {
  struct dgram__connecting ended = socket->connecting;
  socket->connecting.host = NULL;
  socket->connecting.callback = NULL;
  socket->connecting.waits_for_bind = false;
  socket->connecting.attempting = false;
  dgram__listeners_remove_kind(&socket->events.connect, DGRAM__ON_ATTEMPT);
  return ended;
}

static void tell_failure(dgram_socket_t *socket) {
  struct dgram__connecting ended = end_attempt(socket);
  struct dgram__described described;
  dgram__error_describe_at(&described, ended.status, ended.syscall, ended.shown, ended.host,
                           &ended.to);
  if (ended.callback != NULL)
    ended.callback(socket, &described.error, ended.context);
  else
    dgram__tell_error(socket, &described.error);
  free(ended.host);
}

static void set_failure(dgram_socket_t *socket, int status, const char *syscall,
                        enum dgram__shown shown) {
  socket->connecting.status = status;
  socket->connecting.syscall = syscall;
  socket->connecting.shown = shown;
}

static int connect_path(dgram_socket_t *socket) {
  struct dgram__connecting *connecting = &socket->connecting;
  if (connecting->to.any.sa_family != dgram__family(socket->options.type))
    return UV_EINVAL;
  dgram__flush(socket); /* what was sent before has a destination of its own */
  int err = dgram__path_connect(&socket->path, &connecting->to);
  if (err != 0)
    return err;
  err = dgram__path_name(&socket->path, true, &connecting->peer);
  if (err != 0)
    (void)dgram__path_connect(&socket->path, &dgram__nobody);
  return err;
}

/* Everything that the attempt waited for is there. */
static void attempt(dgram_socket_t *socket) {
  struct dgram__connecting *connecting = &socket->connecting;
  set_failure(socket, connect_path(socket), "connect", DGRAM__SHOW_ENDPOINT);
  if (connecting->status == 0)
    connecting->connected = true;
  connecting->attempted = true;
}

void dgram__connect_finish(dgram_socket_t *socket) {
  struct dgram__connecting *connecting = &socket->connecting;
  if (socket->closed)
    return;
  if (!connecting->attempted)
    attempt(socket);
  if (connecting->status != 0) {
    tell_failure(socket);
    return;
  }
  free(connecting->host);
  connecting->host = NULL;
  connecting->attempting = false;
  dgram__emit_connect(socket);
}

void dgram__connect_announce(dgram_socket_t *socket) {
  if (socket->closed || !socket->connecting.untold)
    return;
  socket->connecting.untold = false;
  dgram__emit_connect(socket);
}

/* ---- what an attempt waits for ---- */

static void on_answer(void *owner, int status, const union dgram__address *address) {
  dgram_socket_t *socket = owner;
  struct dgram__connecting *connecting = &socket->connecting;
  connecting->lookup = NULL;
  connecting->attempted = true;
  if (status == 0) {
    dgram__address_set_host(&connecting->to, address);
    attempt(socket);
  } else {
    set_failure(socket, status, "getaddrinfo", DGRAM__SHOW_HOST);
  }
  dgram__defer(socket, DGRAM__CONNECT);
}

static void look_up(dgram_socket_t *socket) {
  struct dgram__connecting *connecting = &socket->connecting;
  int err = dgram__lookup_start(socket, &connecting->lookup, connecting->host, on_answer, socket);
  if (err == 0)
    return;
  connecting->attempted = true;
  set_failure(socket, err, "getaddrinfo", DGRAM__SHOW_HOST);
  dgram__defer(socket, DGRAM__CONNECT);
}

void dgram__connect_release(dgram_socket_t *socket) {
  struct dgram__connecting *connecting = &socket->connecting;
  if (!connecting->waits_for_bind)
    return;
  connecting->waits_for_bind = false;
  if (connecting->host != NULL)
    look_up(socket);
  else
    dgram__defer(socket, DGRAM__CONNECT);
}

void dgram__connect_fail_unbound(dgram_socket_t *socket, int code, const char *syscall) {
  struct dgram__connecting *connecting = &socket->connecting;
  if (!connecting->waits_for_bind)
    return;
  connecting->waits_for_bind = false;
  if (connecting->callback == NULL) { /* the 'error' event of the bind tells it */
    free(end_attempt(socket).host);
    return;
  }
  connecting->attempted = true;
  set_failure(socket, code, syscall, DGRAM__SHOW_NOTHING);
  dgram__defer(socket, DGRAM__CONNECT);
}

void dgram__connect_cancel(dgram_socket_t *socket) {
  struct dgram__connecting *connecting = &socket->connecting;
  if (connecting->lookup != NULL)
    dgram__lookup_forget(connecting->lookup);
  connecting->lookup = NULL;
  set_failure(socket, UV_ECANCELED, "connect", DGRAM__SHOW_ENDPOINT);
}

void dgram__connect_tell_cancelled(dgram_socket_t *socket) {
  if (!socket->connecting.attempting)
    return;
  if (socket->connecting.callback != NULL)
    tell_failure(socket);
  else
    free(end_attempt(socket).host);
}

void dgram__connect_adopt(dgram_socket_t *socket) {
  struct dgram__connecting *connecting = &socket->connecting;
  if (dgram__path_name(&socket->path, true, &connecting->peer) != 0)
    return;
  /* On its way to another peer; should that fail, it has none. */
  if (connecting->attempting && !connecting->attempted)
    (void)dgram__path_connect(&socket->path, &dgram__nobody);
  else
    connecting->connected = true;
}

/* ---- the public functions ---- */

/* Takes the arguments over. Returns 0 or UV_ENOMEM, with nothing changed. */
static int begin_attempt(dgram_socket_t *socket, const struct dgram__destination *destination,
                         dgram_connect_cb callback, void *context) {
  struct dgram__connecting *connecting = &socket->connecting;
  char *host = NULL;
  if (destination->host != NULL && (host = strdup(destination->host)) == NULL)
    return UV_ENOMEM;
  if (callback != NULL &&
      !dgram__listeners_add(&socket->events.connect, (dgram__listener_fn *)callback, context,
                            DGRAM__ON_ATTEMPT)) {
    free(host);
    return UV_ENOMEM;
  }
  connecting->host = host;
  connecting->to = destination->address;
  connecting->callback = callback;
  connecting->context = context;
  connecting->status = 0;
  connecting->attempted = false;
  connecting->attempting = true;
  connecting->waits_for_bind = true;
  return 0;
}

int dgram_connect(dgram_socket_t *socket, int port, const char *address, dgram_connect_cb callback,
                  void *context) {
  if (socket == NULL)
    return UV_EINVAL;
  if (port <= 0 || port > UINT16_MAX)
    return DGRAM_ERR_SOCKET_BAD_PORT;
  struct dgram__destination destination;
  int err = dgram__destination_read(socket, port, address, true, &destination);
  if (err != 0)
    return err;
  if (socket->closing)
    return DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING;
  if (socket->connecting.connected || socket->connecting.attempting)
    return DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED;
  err = begin_attempt(socket, &destination, callback, context);
  if (err != 0)
    return err;
  if (socket->announced)
    dgram__connect_release(socket);
  else if (socket->state == DGRAM_UNBOUND)
    err = dgram__bind_implicitly(socket);
  if (err != 0)
    free(end_attempt(socket).host);
  return err;
}

static int connect_at_once(dgram_socket_t *socket, const union dgram__address *to) {
  struct dgram__connecting *connecting = &socket->connecting;
  int err = socket->state == DGRAM_UNBOUND ? dgram__bind_at_once(socket) : 0;
  if (err != 0)
    return err;
  /* What waits for 'listening' was sent before. A look-up that it asks may close the socket. */
  dgram__outbox_release(socket);
  if (socket->closing)
    return DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING;
  connecting->to = *to;
  err = connect_path(socket);
  if (err != 0)
    return err;
  connecting->connected = true;
  connecting->untold = true;
  dgram__defer(socket, DGRAM__ANNOUNCE_CONNECT);
  return 0;
}

int dgram_connect_sync(dgram_socket_t *socket, int port, const char *address) {
  if (socket == NULL)
    return UV_EINVAL;
  if (port <= 0 || port > UINT16_MAX)
    return DGRAM_ERR_SOCKET_BAD_PORT;
  if (socket->closing)
    return DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING;
  if (dgram_connect_state(socket) != DGRAM_DISCONNECTED)
    return DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED;
  if (socket->state == DGRAM_BINDING)
    return DGRAM_ERR_SOCKET_ALREADY_BOUND;
  union dgram__address to;
  int err = dgram__numeric_read(socket, port, address, true, &to);
  return err != 0 ? err : connect_at_once(socket, &to);
}

dgram_connect_state_t dgram_connect_state(const dgram_socket_t *socket) {
  if (socket == NULL || socket->closed)
    return DGRAM_DISCONNECTED;
  if (socket->connecting.connected)
    return DGRAM_CONNECTED;
  return socket->connecting.attempting ? DGRAM_CONNECTING : DGRAM_DISCONNECTED;
}

int dgram_disconnect(dgram_socket_t *socket) {
  if (socket == NULL)
    return UV_EINVAL;
  if (socket->closing || !socket->connecting.connected)
    return DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED;
  dgram__flush(socket);
  int err = dgram__path_connect(&socket->path, &dgram__nobody);
  if (err != 0)
    return err;
  dgram__outbox_readdress(socket, &socket->connecting.peer);
  socket->connecting.connected = false;
  socket->connecting.untold = false;
  dgram__outbox_take_refusal(socket);
  return 0;
}

int dgram_remote_address(const dgram_socket_t *socket, dgram_address_t *address) {
  if (socket == NULL || address == NULL)
    return UV_EINVAL;
  if (socket->closing)
    return DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING;
  if (!socket->connecting.connected)
    return DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED;
  return dgram__describe_name(socket, true, address);
}
