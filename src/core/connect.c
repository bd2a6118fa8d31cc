/*
 * One remote endpoint for all of a socket's datagrams: connect, disconnect.
 *
 *   NONE --> WAITS_FOR_BIND --> RESOLVING --> PENDING --> DONE    dgram_connect()
 *                          \--> SCHEDULED -/                      to a numeric address
 *   NONE --> SCHEDULED --> PENDING --> DONE                       dgram_connect_sync()
 *   NONE, FAILED --> DONE                                         a descriptor that is connected
 *   WAITS_FOR_BIND, RESOLVING, SCHEDULED --> FAILED --> NONE
 *   PENDING, DONE --> NONE                                        dgram_disconnect()
 *
 * From PENDING on sends go to the peer; until DONE 'connect' has not been emitted.
 */
#include "internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void connect_finish(dgram_socket_t *socket);

static const struct dgram__task_type connect_task = {connect_finish,
                                                     offsetof(dgram_socket_t, tasks.connect)};

/* ---- the state ---- */

static inline bool connect_may_follow(enum dgram__connect_state from,
                                      enum dgram__connect_state to) {
#define BIT(state) (1U << (state))
  static const unsigned followers[] = {
      [DGRAM__DISCONNECTED] = BIT(DGRAM__CONNECT_WAITING_FOR_BIND) | BIT(DGRAM__CONNECT_SCHEDULED) |
                              BIT(DGRAM__CONNECTED),
      [DGRAM__CONNECT_WAITING_FOR_BIND] = BIT(DGRAM__CONNECT_RESOLVING) |
                                          BIT(DGRAM__CONNECT_SCHEDULED) |
                                          BIT(DGRAM__CONNECT_FAILED) | BIT(DGRAM__DISCONNECTED),
      [DGRAM__CONNECT_RESOLVING] = BIT(DGRAM__CONNECTED_PENDING) | BIT(DGRAM__CONNECT_FAILED),
      [DGRAM__CONNECT_SCHEDULED] =
          BIT(DGRAM__CONNECTED_PENDING) | BIT(DGRAM__CONNECT_FAILED) | BIT(DGRAM__DISCONNECTED),
      [DGRAM__CONNECT_FAILED] = BIT(DGRAM__DISCONNECTED) | BIT(DGRAM__CONNECTED),
      [DGRAM__CONNECTED_PENDING] = BIT(DGRAM__CONNECTED) | BIT(DGRAM__DISCONNECTED),
      [DGRAM__CONNECTED] = BIT(DGRAM__DISCONNECTED),
  };
#undef BIT
  return (followers[from] >> to & 1U) != 0;
}

static void connect_set_state(dgram_socket_t *socket, enum dgram__connect_state state) {
  assert(connect_may_follow(socket->connecting.state, state));
  socket->connecting.state = state;
}

/* ---- an attempt and its end ---- */

static void connect_free_attempt(struct dgram__attempt *attempt) {
  if (attempt != NULL)
    free(attempt->host);
  free(attempt);
}

/*
 * Takes the attempt out of the socket, so that in its callback the program may already start the
 * next one.
 */
static struct dgram__attempt *connect_take_attempt(dgram_socket_t *socket) {
  struct dgram__attempt *attempt = socket->connecting.attempt;
  socket->connecting.attempt = NULL;
  dgram__listeners_remove_kind(&socket->events.connect, DGRAM__ON_ATTEMPT);
  return attempt;
}

static void connect_set_failure(struct dgram__attempt *attempt, int status, const char *syscall,
                                enum dgram__shown shown) {
  attempt->status = status;
  attempt->syscall = syscall;
  attempt->shown = shown;
}

static void connect_set_cancelled(struct dgram__attempt *attempt) {
  connect_set_failure(attempt, UV_ECANCELED, "connect", DGRAM__SHOW_ENDPOINT);
}

static void connect_report_failure(dgram_socket_t *socket, struct dgram__attempt *attempt) {
  struct dgram__described described;
  dgram__error_describe_at(&described, attempt->status, attempt->syscall, attempt->shown,
                           attempt->host, &attempt->to);
  if (attempt->callback != NULL)
    attempt->callback(socket, &described.error, attempt->context);
  else
    dgram__emit_described_error(socket, &described.error);
  connect_free_attempt(attempt);
}

/* The socket's state is no longer about the attempt; its callback is still to be told. */
static void connect_set_ended(dgram_socket_t *socket) {
  struct dgram__attempt **end = &socket->connecting.ended;
  while (*end != NULL)
    end = &(*end)->next;
  *end = connect_take_attempt(socket);
  dgram__defer(socket, &connect_task);
}

/* The program has given the attempt up: only its callback is told. */
static void connect_report_cancelled(dgram_socket_t *socket, struct dgram__attempt *attempt) {
  if (attempt->callback != NULL)
    connect_report_failure(socket, attempt);
  else
    connect_free_attempt(attempt);
}

/* Those that a disconnect has ended, the first one first. */
static void connect_report_ended(dgram_socket_t *socket) {
  struct dgram__attempt *attempt;
  while ((attempt = socket->connecting.ended) != NULL) {
    socket->connecting.ended = attempt->next;
    connect_report_cancelled(socket, attempt);
  }
}

/* The attempt has failed; who calls this has that told. */
static void connect_fail(dgram_socket_t *socket, int status, const char *syscall,
                         enum dgram__shown shown) {
  connect_set_failure(socket->connecting.attempt, status, syscall, shown);
  connect_set_state(socket, DGRAM__CONNECT_FAILED);
}

/* ---- connecting ---- */

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

/* Everything that the attempt waited for is there. Who calls this has the end told. */
static void connect_make_attempt(dgram_socket_t *socket) {
  int err = connect_udp(socket, &socket->connecting.attempt->to);
  if (err != 0)
    connect_fail(socket, err, "connect", DGRAM__SHOW_ENDPOINT);
  else
    connect_set_state(socket, DGRAM__CONNECTED_PENDING);
}

static void connect_finish(dgram_socket_t *socket) {
  connect_report_ended(socket);
  if (socket->life == DGRAM__CLOSED)
    return;
  struct dgram__connecting *connecting = &socket->connecting;
  if (connecting->state == DGRAM__CONNECT_SCHEDULED && connecting->attempt != NULL)
    connect_make_attempt(socket);
  if (connecting->state == DGRAM__CONNECT_FAILED) {
    connect_set_state(socket, DGRAM__DISCONNECTED);
    connect_report_failure(socket, connect_take_attempt(socket));
  } else if (connecting->state == DGRAM__CONNECTED_PENDING) {
    connect_set_state(socket, DGRAM__CONNECTED);
    connect_free_attempt(connecting->attempt);
    connecting->attempt = NULL;
    /* Its callback is a listener of 'connect', and those in front may begin the next attempt. */
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
    connect_make_attempt(socket);
  } else {
    connect_fail(socket, status, "getaddrinfo", DGRAM__SHOW_HOST);
  }
  dgram__defer(socket, &connect_task);
}

static void connect_resolve(dgram_socket_t *socket) {
  struct dgram__attempt *attempt = socket->connecting.attempt;
  connect_set_state(socket, DGRAM__CONNECT_RESOLVING);
  int err =
      dgram__resolve_start(socket, &attempt->lookup, attempt->host, connect_resolved, NULL, socket);
  if (err == 0)
    return;
  connect_fail(socket, err, "getaddrinfo", DGRAM__SHOW_HOST);
  dgram__defer(socket, &connect_task);
}

void dgram__connect_release(dgram_socket_t *socket) {
  struct dgram__connecting *connecting = &socket->connecting;
  if (connecting->state != DGRAM__CONNECT_WAITING_FOR_BIND)
    return;
  if (connecting->attempt->host != NULL) {
    connect_resolve(socket);
  } else {
    connect_set_state(socket, DGRAM__CONNECT_SCHEDULED);
    dgram__defer(socket, &connect_task);
  }
}

void dgram__connect_fail_unbound(dgram_socket_t *socket, int code, const char *syscall) {
  struct dgram__connecting *connecting = &socket->connecting;
  if (connecting->state != DGRAM__CONNECT_WAITING_FOR_BIND)
    return;
  if (connecting->attempt->callback != NULL) {
    connect_fail(socket, code, syscall, DGRAM__SHOW_NOTHING);
    dgram__defer(socket, &connect_task);
  } else { /* the 'error' event of the bind tells it */
    connect_set_state(socket, DGRAM__DISCONNECTED);
    connect_free_attempt(connect_take_attempt(socket));
  }
}

void dgram__connect_cancel(dgram_socket_t *socket) {
  struct dgram__attempt *attempt = socket->connecting.attempt;
  if (attempt == NULL)
    return;
  if (attempt->lookup != NULL)
    dgram__resolve_forget(attempt->lookup);
  attempt->lookup = NULL;
  connect_set_cancelled(attempt);
}

void dgram__connect_report_cancelled(dgram_socket_t *socket) {
  connect_report_ended(socket);
  if (socket->connecting.attempt != NULL)
    connect_report_cancelled(socket, connect_take_attempt(socket));
}

void dgram__connect_adopt(dgram_socket_t *socket) {
  struct dgram__connecting *connecting = &socket->connecting;
  if (dgram__udp_name(&socket->udp, true, &connecting->peer) != 0)
    return;
  if (connecting->state == DGRAM__CONNECT_FAILED) { /* with the bind before this one */
    connect_set_ended(socket);
  } else if (connecting->state != DGRAM__DISCONNECTED) {
    /* It is on its way to another peer; should that fail, it has none. */
    (void)dgram__udp_connect(&socket->udp, &dgram__address_unspec);
    return;
  }
  connect_set_state(socket, DGRAM__CONNECTED);
  connecting->to = connecting->peer;
  dgram__receive_connected(socket);
}

/* ---- the public functions ---- */

/* NULL: no memory. */
static struct dgram__attempt *connect_new_attempt(const struct dgram__destination *destination,
                                                  dgram_connect_cb callback, void *context) {
  struct dgram__attempt *attempt = calloc(1, sizeof *attempt);
  if (attempt == NULL)
    return NULL;
  if (destination->host != NULL && (attempt->host = strdup(destination->host)) == NULL) {
    free(attempt);
    return NULL;
  }
  attempt->to = destination->address;
  attempt->callback = callback;
  attempt->context = context;
  return attempt;
}

/* Takes the arguments over. Returns 0 or UV_ENOMEM, with nothing changed. */
static int connect_begin_attempt(dgram_socket_t *socket,
                                 const struct dgram__destination *destination,
                                 dgram_connect_cb callback, void *context) {
  struct dgram__attempt *attempt = connect_new_attempt(destination, callback, context);
  if (attempt == NULL)
    return UV_ENOMEM;
  if (callback != NULL &&
      !dgram__listeners_add(&socket->events.connect, (dgram__listener_fn *)callback, context,
                            DGRAM__ON_ATTEMPT)) {
    connect_free_attempt(attempt);
    return UV_ENOMEM;
  }
  socket->connecting.attempt = attempt;
  connect_set_state(socket, DGRAM__CONNECT_WAITING_FOR_BIND);
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
  if (socket->life != DGRAM__OPEN)
    return DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING;
  if (socket->connecting.state != DGRAM__DISCONNECTED)
    return DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED;
  err = connect_begin_attempt(socket, &destination, callback, context);
  if (err != 0)
    return err;
  if (socket->binding.state == DGRAM__LISTENING)
    dgram__connect_release(socket);
  else if (socket->binding.state == DGRAM__UNBOUND)
    err = dgram__bind_implicitly(socket);
  if (err != 0) {
    connect_set_state(socket, DGRAM__DISCONNECTED);
    connect_free_attempt(connect_take_attempt(socket));
  }
  return err;
}

/*
 * What waits for 'listening' was sent before, and leaves first. A look-up that it asks is the
 * program's code, which may do anything but connect, since this call is under way; it may close
 * the socket.
 */
static int connect_now(dgram_socket_t *socket, const union dgram__address *to) {
  dgram__send_bound(socket);
  if (socket->life != DGRAM__OPEN)
    return DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING;
  return connect_udp(socket, to);
}

int dgram_connect_sync(dgram_socket_t *socket, int port, const char *address) {
  if (socket == NULL)
    return UV_EINVAL;
  if (port <= 0 || port > UINT16_MAX)
    return DGRAM_ERR_SOCKET_BAD_PORT;
  if (socket->life != DGRAM__OPEN)
    return DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING;
  if (socket->connecting.state != DGRAM__DISCONNECTED)
    return DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED;
  if (dgram_bind_state(socket) == DGRAM_BINDING)
    return DGRAM_ERR_SOCKET_ALREADY_BOUND;
  union dgram__address to;
  int err = dgram__numeric_read(socket, port, address, true, &to);
  if (err == 0 && socket->binding.state == DGRAM__UNBOUND)
    err = dgram__bind_at_once(socket);
  if (err != 0)
    return err;
  dgram__hold(socket);
  connect_set_state(socket, DGRAM__CONNECT_SCHEDULED);
  err = connect_now(socket, &to);
  connect_set_state(socket, err == 0 ? DGRAM__CONNECTED_PENDING : DGRAM__DISCONNECTED);
  if (err == 0)
    dgram__defer(socket, &connect_task);
  dgram__release(socket);
  return err;
}

dgram_connect_state_t dgram_connect_state(const dgram_socket_t *socket) {
  if (socket == NULL || socket->life == DGRAM__CLOSED ||
      socket->connecting.state == DGRAM__DISCONNECTED)
    return DGRAM_DISCONNECTED;
  return dgram__is_connected(&socket->connecting) ? DGRAM_CONNECTED : DGRAM_CONNECTING;
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
  if (socket->connecting.attempt != NULL) { /* 'connect' would come to a socket without a peer */
    connect_set_cancelled(socket->connecting.attempt);
    connect_set_ended(socket);
  }
  dgram__async_error_take(socket);
  return 0;
}

int dgram_remote_address(const dgram_socket_t *socket, dgram_address_t *address) {
  if (socket == NULL || address == NULL)
    return UV_EINVAL;
  if (socket->life != DGRAM__OPEN)
    return DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING;
  if (!dgram__is_connected(&socket->connecting))
    return DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED;
  return dgram__describe_name(socket, true, address);
}
