/*
 * Connecting: one remote endpoint for all of a socket's datagrams.
 *
 *   DISCONNECTED      -> WAITING_FOR_BIND   dgram_connect()
 *   WAITING_FOR_BIND  -> RESOLVING          the socket is bound: to a host name
 *                     -> SCHEDULED          ... to a numeric address: from the loop
 *   DISCONNECTED      -> SCHEDULED          dgram_connect_sync(), for the time of the call
 *   RESOLVING, SCHEDULED -> CONNECTED_PENDING  connect(2) has succeeded: sends go to the peer
 *   CONNECTED_PENDING -> CONNECTED          'connect' is emitted
 *   WAITING_FOR_BIND, RESOLVING, SCHEDULED -> FAILED   to be reported from the loop
 *   DISCONNECTED, FAILED -> CONNECTED       a descriptor is adopted that is connected
 *   any -> DISCONNECTED                     a failure is reported; dgram_disconnect(); close
 *
 * In this file: the state; an attempt and its failure; connect(2); what an attempt waits for; the
 * bind, and the close; the public functions.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- the state ---- */

static const unsigned char connect_edges[] = {
    [DGRAM__DISCONNECTED] = DGRAM__FROM_ANY,
    [DGRAM__CONNECT_WAITING_FOR_BIND] = DGRAM__FROM(DGRAM__DISCONNECTED),
    [DGRAM__CONNECT_RESOLVING] = DGRAM__FROM(DGRAM__CONNECT_WAITING_FOR_BIND),
    [DGRAM__CONNECT_SCHEDULED] =
        DGRAM__FROM(DGRAM__CONNECT_WAITING_FOR_BIND) | DGRAM__FROM(DGRAM__DISCONNECTED),
    [DGRAM__CONNECT_FAILED] = DGRAM__FROM(DGRAM__CONNECT_WAITING_FOR_BIND) |
                              DGRAM__FROM(DGRAM__CONNECT_RESOLVING) |
                              DGRAM__FROM(DGRAM__CONNECT_SCHEDULED),
    [DGRAM__CONNECTED_PENDING] =
        DGRAM__FROM(DGRAM__CONNECT_RESOLVING) | DGRAM__FROM(DGRAM__CONNECT_SCHEDULED),
    [DGRAM__CONNECTED] = DGRAM__FROM(DGRAM__CONNECTED_PENDING) | DGRAM__FROM(DGRAM__DISCONNECTED) |
                         DGRAM__FROM(DGRAM__CONNECT_FAILED),
};

static void connect_set_state(dgram_socket_t *socket, enum dgram__connect_state state) {
  struct dgram__connecting *connecting = &socket->connecting;
  dgram__assert_edge(connect_edges, connecting->state, state);
  assert(connecting->attempt == NULL || connecting->attempt->lookup == NULL);
  assert(state != DGRAM__CONNECT_FAILED || connecting->attempt != NULL);
  connecting->state = state;
}

dgram_connect_state_t dgram_connect_state(const dgram_socket_t *socket) {
  if (socket == NULL || socket->connecting.state == DGRAM__DISCONNECTED)
    return DGRAM_DISCONNECTED;
  return dgram__is_connected(&socket->connecting) ? DGRAM_CONNECTED : DGRAM_CONNECTING;
}

static void connect_run(dgram_socket_t *socket);

static const struct dgram__task_type connect_task = {connect_run,
                                                     offsetof(dgram_socket_t, tasks.connect)};

/* ---- an attempt and its failure ---- */

/* Takes the arguments over. Returns 0 or UV_ENOMEM, with nothing changed. */
static int connect_begin(dgram_socket_t *socket, const struct dgram__destination *destination,
                         dgram_connect_cb callback, void *context) {
  struct dgram__attempt *attempt = calloc(1, sizeof *attempt);
  char *host = destination->host != NULL ? strdup(destination->host) : NULL;
  if (attempt == NULL || (host == NULL && destination->host != NULL) ||
      (callback != NULL &&
       !dgram__listeners_add(&socket->events.connect, (dgram__listener_fn *)callback, context,
                             DGRAM__ON_ATTEMPT))) {
    free(host);
    free(attempt);
    return UV_ENOMEM;
  }
  *attempt = (struct dgram__attempt){
      .to = destination->address, .host = host, .callback = callback, .context = context};
  socket->connecting.attempt = attempt;
  connect_set_state(socket, DGRAM__CONNECT_WAITING_FOR_BIND);
  return 0;
}

static void connect_free(struct dgram__attempt *attempt) {
  free(attempt->host);
  free(attempt);
}

/* Out of the socket: in its callback the program may already start the next one. */
static struct dgram__attempt *connect_take_attempt(dgram_socket_t *socket) {
  struct dgram__attempt *attempt = socket->connecting.attempt;
  socket->connecting.attempt = NULL;
  dgram__listeners_remove_kind(&socket->events.connect, DGRAM__ON_ATTEMPT);
  return attempt;
}

static void connect_set_error(struct dgram__attempt *attempt, int status, const char *syscall,
                              enum dgram__shown shown) {
  attempt->status = status;
  attempt->syscall = syscall;
  attempt->shown = shown;
}

/* The caller has the failure reported. */
static void connect_fail(dgram_socket_t *socket, int status, const char *syscall,
                         enum dgram__shown shown) {
  connect_set_error(socket->connecting.attempt, status, syscall, shown);
  connect_set_state(socket, DGRAM__CONNECT_FAILED);
}

static void connect_report(dgram_socket_t *socket, struct dgram__attempt *attempt) {
  struct dgram__described described;
  dgram__error_describe_at(&described, attempt->status, attempt->syscall, attempt->shown,
                           attempt->host, &attempt->to);
  if (attempt->callback != NULL)
    attempt->callback(socket, &described.error, attempt->context);
  else
    dgram__emit_described_error(socket, &described.error);
  connect_free(attempt);
}

/* The program has given the attempt up: only its callback is called. */
static void connect_report_cancelled(dgram_socket_t *socket, struct dgram__attempt *attempt) {
  if (attempt->callback != NULL)
    connect_report(socket, attempt);
  else
    connect_free(attempt);
}

/* The state is no longer about the attempt; its callback is still to be called. */
static void connect_set_ended(dgram_socket_t *socket) {
  dgram__list_append(&socket->connecting.ended, &connect_take_attempt(socket)->node);
  dgram__defer(socket, &connect_task);
}

static void connect_report_ended(dgram_socket_t *socket) {
  struct dgram__list_node *node;
  while ((node = dgram__list_take_first(&socket->connecting.ended)) != NULL)
    connect_report_cancelled(socket, DGRAM__LIST_ENTRY(node, struct dgram__attempt, node));
}

/* ---- connect(2) ---- */

static int connect_udp(dgram_socket_t *socket, const union dgram__address *to) {
  struct dgram__connecting *connecting = &socket->connecting;
  if (to->any.sa_family != dgram__family(socket->options.type))
    return UV_EINVAL;
  dgram__send_flush(socket); /* what was sent before has a destination of its own */
  int err = dgram__udp_connect(&socket->udp, to);
  if (err != 0)
    return err;
  err = dgram__udp_name(&socket->udp, true, &connecting->peer);
  if (err != 0) {
    (void)dgram__udp_connect(&socket->udp, &dgram__address_unspec);
    return err;
  }
  connecting->to = *to;
  dgram__receive_connected(socket);
  return 0;
}

/* All that the attempt waited for is there. The caller has the result reported. */
static void connect_make_attempt(dgram_socket_t *socket) {
  int err = connect_udp(socket, &socket->connecting.attempt->to);
  if (err != 0)
    connect_fail(socket, err, "connect", DGRAM__SHOW_ENDPOINT);
  else
    connect_set_state(socket, DGRAM__CONNECTED_PENDING);
}

/* Connects if that is scheduled, and reports the result. */
static void connect_run(dgram_socket_t *socket) {
  struct dgram__connecting *connecting = &socket->connecting;
  connect_report_ended(socket);
  if (connecting->state == DGRAM__CONNECT_SCHEDULED && connecting->attempt != NULL)
    connect_make_attempt(socket);
  if (connecting->state == DGRAM__CONNECT_FAILED) {
    connect_set_state(socket, DGRAM__DISCONNECTED);
    connect_report(socket, connect_take_attempt(socket));
  } else if (connecting->state == DGRAM__CONNECTED_PENDING) {
    connect_set_state(socket, DGRAM__CONNECTED);
    if (connecting->attempt != NULL)
      connect_free(connecting->attempt);
    connecting->attempt = NULL;
    /* Its callback is a listener of 'connect', and those before it may begin the next attempt. */
    dgram__listeners_attempt_succeeded(&socket->events.connect);
    dgram__emit_connect(socket);
  }
}

/* ---- what an attempt waits for ---- */

static void connect_resolved(void *owner, int status, const union dgram__address *address) {
  dgram_socket_t *socket = owner;
  struct dgram__attempt *attempt = socket->connecting.attempt;
  attempt->lookup = NULL;
  if (status == 0) {
    dgram__address_set_host(&attempt->to, address);
    status = dgram__access_send(socket, &attempt->to);
    if (status == 0)
      connect_make_attempt(socket);
    else
      connect_fail(socket, status, "connect", DGRAM__SHOW_ENDPOINT);
  } else {
    connect_fail(socket, status, "getaddrinfo", DGRAM__SHOW_HOST);
  }
  dgram__defer(socket, &connect_task);
}

void dgram__connect_bound(dgram_socket_t *socket) {
  struct dgram__connecting *connecting = &socket->connecting;
  struct dgram__attempt *attempt = connecting->attempt;
  if (connecting->state != DGRAM__CONNECT_WAITING_FOR_BIND)
    return;
  if (attempt->host == NULL) {
    connect_set_state(socket, DGRAM__CONNECT_SCHEDULED);
    dgram__defer(socket, &connect_task);
    return;
  }
  connect_set_state(socket, DGRAM__CONNECT_RESOLVING);
  int err =
      dgram__resolve_start(socket, &attempt->lookup, attempt->host, connect_resolved, NULL, socket);
  if (err != 0)
    connect_resolved(socket, err, NULL);
}

/* ---- the bind, and the close ---- */

void dgram__connect_bind_failed(dgram_socket_t *socket, int code, const char *syscall) {
  struct dgram__connecting *connecting = &socket->connecting;
  if (connecting->state != DGRAM__CONNECT_WAITING_FOR_BIND)
    return;
  if (connecting->attempt->callback != NULL) {
    connect_fail(socket, code, syscall, DGRAM__SHOW_NOTHING);
    dgram__defer(socket, &connect_task);
  } else { /* the 'error' event of the bind reports it */
    connect_set_state(socket, DGRAM__DISCONNECTED);
    connect_free(connect_take_attempt(socket));
  }
}

int dgram__connect_adopt(dgram_socket_t *socket) {
  struct dgram__connecting *connecting = &socket->connecting;
  int err = dgram__udp_name(&socket->udp, true, &connecting->peer);
  if (err != 0)
    return err;
  if (connecting->state == DGRAM__CONNECT_FAILED) { /* with the bind before this one */
    connect_set_ended(socket);
  } else if (connecting->state != DGRAM__DISCONNECTED) {
    /* It is to be connected to another peer; should that fail, it has none. */
    (void)dgram__udp_connect(&socket->udp, &dgram__address_unspec);
    return 0;
  }
  connect_set_state(socket, DGRAM__CONNECTED);
  connecting->to = connecting->peer;
  dgram__receive_connected(socket);
  return 0;
}

void dgram__connect_cancel(dgram_socket_t *socket) {
  struct dgram__attempt *attempt = socket->connecting.attempt;
  if (attempt != NULL) {
    if (attempt->lookup != NULL)
      dgram__resolve_forget(attempt->lookup);
    attempt->lookup = NULL;
    connect_set_error(attempt, UV_ECANCELED, "connect", DGRAM__SHOW_ENDPOINT);
  }
  connect_set_state(socket, DGRAM__DISCONNECTED);
}

void dgram__connect_report_cancelled(dgram_socket_t *socket) {
  connect_report_ended(socket);
  if (socket->connecting.attempt != NULL)
    connect_report_cancelled(socket, connect_take_attempt(socket));
}

/* ---- the public functions ---- */

int dgram_connect(dgram_socket_t *socket, int port, const char *address, dgram_connect_cb callback,
                  void *context) {
  if (socket == NULL)
    return UV_EINVAL;
  if (port <= 0 || port > UINT16_MAX)
    return DGRAM_ERR_SOCKET_BAD_PORT;
  struct dgram__destination destination;
  int err = dgram__destination_read(socket, port, address, true, &destination);
  if (err == 0)
    err = dgram__check_open(socket);
  if (err == 0 && socket->connecting.state != DGRAM__DISCONNECTED)
    err = DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED;
  if (err == 0 && destination.host == NULL)
    err = dgram__access_send(socket, &destination.address);
  if (err == 0)
    err = connect_begin(socket, &destination, callback, context);
  if (err != 0)
    return err;
  if (socket->binding.state == DGRAM__LISTENING)
    dgram__connect_bound(socket);
  else if (socket->binding.state == DGRAM__UNBOUND)
    err = dgram__bind_implicitly(socket);
  if (err != 0) {
    connect_set_state(socket, DGRAM__DISCONNECTED);
    connect_free(connect_take_attempt(socket));
  }
  return err;
}

int dgram_connect_sync(dgram_socket_t *socket, int port, const char *address) {
  if (socket == NULL)
    return UV_EINVAL;
  if (port <= 0 || port > UINT16_MAX)
    return DGRAM_ERR_SOCKET_BAD_PORT;
  int err = dgram__check_open(socket);
  if (err != 0)
    return err;
  if (socket->connecting.state != DGRAM__DISCONNECTED)
    return DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED;
  if (dgram_bind_state(socket) == DGRAM_BINDING)
    return DGRAM_ERR_SOCKET_ALREADY_BOUND;
  union dgram__address to;
  err = dgram__numeric_read(socket, port, address, true, &to);
  if (err == 0)
    err = dgram__access_send(socket, &to);
  if (err == 0 && socket->binding.state == DGRAM__UNBOUND)
    err = dgram__bind_at_once(socket);
  if (err != 0)
    return err;
  dgram__hold(socket);
  connect_set_state(socket, DGRAM__CONNECT_SCHEDULED);
  /*
   * What waits for 'listening' was sent before, and leaves first. A look-up that this starts is the
   * program's code; the state keeps it from connecting, but it may close the socket.
   */
  dgram__send_bound(socket);
  err = dgram__check_open(socket);
  if (err == 0)
    err = connect_udp(socket, &to);
  connect_set_state(socket, err == 0 ? DGRAM__CONNECTED_PENDING : DGRAM__DISCONNECTED);
  if (err == 0)
    dgram__defer(socket, &connect_task);
  dgram__release(socket);
  return err;
}

int dgram_disconnect(dgram_socket_t *socket) {
  if (socket == NULL)
    return UV_EINVAL;
  if (socket->life != DGRAM__OPEN || !dgram__is_connected(&socket->connecting))
    return DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED;
  dgram__send_before_change(socket);
  int err = dgram__udp_connect(&socket->udp, &dgram__address_unspec);
  if (err != 0)
    return err;
  dgram__send_disconnected(socket, &socket->connecting.peer);
  connect_set_state(socket, DGRAM__DISCONNECTED);
  struct dgram__attempt *attempt = socket->connecting.attempt;
  if (attempt != NULL) { /* its 'connect' would come to a socket without a peer */
    connect_set_error(attempt, UV_ECANCELED, "connect", DGRAM__SHOW_ENDPOINT);
    connect_set_ended(socket);
  }
  dgram__async_error_take(socket);
  return 0;
}

int dgram_remote_address(const dgram_socket_t *socket, dgram_address_t *address) {
  int err = address != NULL ? dgram__check_open(socket) : UV_EINVAL;
  if (err == 0 && !dgram__is_connected(&socket->connecting))
    err = DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED;
  return err == 0 ? dgram__describe_name(socket, true, address) : err;
}
