/*
 * The event 'icmp': ICMP errors as information about one destination.
 *
 *   OFF -> ON    the first listener, of a bound socket; or the bind, if there are listeners
 *   ON -> OFF    no listener is left, or the socket has closed
 *
 * A shared system socket goes on being asked, for its other holders; those without listeners read
 * what they are woken for, count it, and emit nothing.
 *
 * While it is ON the system keeps ICMP errors in an error queue (IP_RECVERR). It also makes each of
 * them the pending error of the socket, which the next system call on it returns instead of doing
 * its work; a message that is read from the queue makes the next one's error pending. So:
 *
 *   a wake-up   POLLERR: emits messages of the queue, a bounded number; as long as there are more,
 *               poll(2) reports POLLERR again
 *   a receive   that fails with such an error is made again at the next wake-up
 *   a send      that fails with such an error is made again at once, a few times; if the error can
 *               only be one of an earlier datagram, then later
 *
 * In this file: the state; its listeners; a wake-up; a send.
 */
#include "internal.h"

enum {
  ICMP_BUDGET = 32,       /* messages that are read in an iteration of the loop */
  ICMP_MAX_RETRIES = 4,   /* of a send, at once */
  ICMP_MAX_DRAINED = 1024 /* calls that empty the queue when it is no longer wanted */
};

/* ---- the state ---- */

static void icmp_set_state(struct dgram__icmp *icmp, enum dgram__icmp_state state) {
  assert(state != icmp->state);
  icmp->state = state;
  icmp->retries = 0;
}

static int icmp_switch_on(dgram_socket_t *socket) {
  struct dgram__icmp *icmp = &socket->extras->icmp;
  int family = dgram__family(socket->options.type);
  unsigned both = family == AF_INET6 ? DGRAM__RECVERR_V4 | DGRAM__RECVERR_V6 : DGRAM__RECVERR_V4;
  icmp->former = (unsigned char)dgram__recverr_read(socket->udp.fd, family);
  int err = dgram__recverr_write(socket->udp.fd, family, both);
  if (err == 0)
    icmp_set_state(icmp, DGRAM__ICMP_ON);
  return err;
}

/* What has been reported is dropped: without listeners it would be taken for errors. */
static void icmp_drain(dgram_socket_t *socket) {
  for (int i = 0; i < ICMP_MAX_DRAINED && dgram__udp_take_error(&socket->udp) != 0; i++)
    continue;
}

/*
 * On a shared system socket it stays as it is, since another holder may have listeners, too; what
 * is reported from now on is for them: dgram__icmp_is_for_others().
 */
static void icmp_switch_off(dgram_socket_t *socket) {
  struct dgram__icmp *icmp = &socket->extras->icmp;
  if (!dgram__is_shared(socket))
    (void)dgram__recverr_write(socket->udp.fd, dgram__family(socket->options.type), icmp->former);
  if (!dgram__is_shared(socket) || dgram__is_connected(&socket->connecting))
    icmp_drain(socket);
  icmp_set_state(icmp, DGRAM__ICMP_OFF);
}

bool dgram__icmp_is_for_others(const dgram_socket_t *socket, int err) {
  return dgram__is_shared(socket) && !dgram__is_connected(&socket->connecting) &&
         dgram__is_icmp_error(err);
}

/* Has the state follow the listeners. Returns 0, or an error of switching it on. */
static int icmp_update(dgram_socket_t *socket) {
  struct dgram__icmp *icmp = &socket->extras->icmp;
  bool wanted = dgram__listeners_has_any(&icmp->listeners);
  if (socket->udp.fd < 0 || wanted == (icmp->state == DGRAM__ICMP_ON))
    return 0;
  if (wanted)
    return icmp_switch_on(socket);
  icmp_switch_off(socket);
  return 0;
}

int dgram__icmp_bound(dgram_socket_t *socket) {
  if (socket->extras->icmp.state ==
      DGRAM__ICMP_ON) /* on the descriptor of a bind that has failed */
    icmp_set_state(&socket->extras->icmp, DGRAM__ICMP_OFF);
  int err = icmp_update(socket);
  if (err != 0)
    socket->extras->refused = "IP_RECVERR";
  return err;
}

void dgram__icmp_free(struct dgram__icmp *icmp) {
  dgram__listeners_clear(&icmp->listeners);
}

/* ---- its listeners ---- */

static int icmp_add(dgram_socket_t *socket, dgram_icmp_cb listener, void *context,
                    enum dgram__listener_kind kind) {
#ifdef __linux__
  int err = listener != NULL ? dgram__check_open(socket) : UV_EINVAL;
  if (err != 0)
    return err;
  if (dgram__network_of(socket) != NULL)
    return UV_ENOTSUP;
  if (dgram__extras(socket) == NULL)
    return UV_ENOMEM;
  struct dgram__listeners *listeners = &socket->extras->icmp.listeners;
  err = dgram__events_add(socket, listeners, (dgram__listener_fn *)listener, context, kind);
  if (err != 0)
    return err;
  err = icmp_update(socket);
  if (err != 0)
    (void)dgram__listeners_remove(listeners, (dgram__listener_fn *)listener, context);
  return err;
#else
  (void)context;
  (void)kind;
  return socket != NULL && listener != NULL ? UV_ENOTSUP : UV_EINVAL;
#endif
}

int dgram_on_icmp(dgram_socket_t *socket, dgram_icmp_cb listener, void *context) {
  return icmp_add(socket, listener, context, DGRAM__ON);
}

int dgram_once_icmp(dgram_socket_t *socket, dgram_icmp_cb listener, void *context) {
  return icmp_add(socket, listener, context, DGRAM__ONCE);
}

int dgram_off_icmp(dgram_socket_t *socket, dgram_icmp_cb listener, void *context) {
  int err = listener != NULL ? dgram__check_open(socket) : UV_EINVAL;
  if (err != 0)
    return err;
  if (socket->extras == NULL)
    return UV_ENOENT;
  err = dgram__events_remove(socket, &socket->extras->icmp.listeners,
                             (dgram__listener_fn *)listener, context);
  return err != 0 ? err : icmp_update(socket);
}

/* ---- a wake-up ---- */

static void icmp_emit(dgram_socket_t *socket, const struct dgram__icmp_error *error) {
  dgram_icmp_t icmp = {.sockaddr = &error->peer.any,
                       .kind = dgram__icmp_kind(error->family, error->type, error->code),
                       .family = dgram__family_name(error->family),
                       .type = error->type,
                       .code = error->code,
                       .mtu = error->mtu,
                       .error = error->error};
  dgram__count_icmp(socket, error->error);
  if (error->peer.any.sa_family != AF_UNSPEC)
    dgram__address_describe(&error->peer, &icmp.peer);
  else
    icmp.peer.family = icmp.family;
  if (error->reporter.any.sa_family != AF_UNSPEC)
    dgram__address_describe(&error->reporter, &icmp.reporter);
  else
    icmp.reporter.family = icmp.family;
  struct dgram__emission emission = dgram__emission_begin(&socket->extras->icmp.listeners);
  const struct dgram__listener *to;
  while ((to = dgram__emission_next(&emission)) != NULL)
    ((dgram_icmp_cb)to->function)(socket, &icmp, to->context);
  if (socket->life != DGRAM__CLOSED)
    (void)icmp_update(socket); /* it can only be switched off */
}

int dgram__icmp_take(dgram_socket_t *socket) {
  int taken = 0;
  while (taken < ICMP_BUDGET) {
    struct dgram__icmp_error error;
    enum dgram__queued queued = dgram__error_queue_take(socket->udp.fd, &error);
    if (queued == DGRAM__QUEUED_NOTHING)
      break;
    taken++;
    if (queued == DGRAM__QUEUED_ICMP)
      icmp_emit(socket, &error);
    if (socket->life == DGRAM__CLOSED || socket->extras->icmp.state == DGRAM__ICMP_OFF)
      return taken;
  }
  if (taken == ICMP_BUDGET)
    return taken;
  /* An error that is pending though the queue is empty did not fit into it, or is of another kind.
   */
  int pending = dgram__udp_take_pending_error(&socket->udp);
  if (pending == 0)
    return taken;
  return dgram__is_icmp_error(pending) ? taken + 1 : pending;
}

/* ---- a send ---- */

bool dgram__icmp_retry(dgram_socket_t *socket, int err) {
  struct dgram__icmp *icmp = &socket->extras->icmp;
  if (!dgram__is_icmp_error(err) || icmp->retries == ICMP_MAX_RETRIES)
    return false;
  icmp->retries++;
  return true;
}

/*
 * No route, a prohibited one, or a datagram that is too large, are errors that a send may have
 * itself. All others of ICMP are those of an earlier datagram.
 */
static bool icmp_is_of_earlier(int err) {
  return dgram__is_icmp_error(err) && err != UV_ENETUNREACH && err != UV_EHOSTUNREACH &&
         err != UV_EACCES && err != UV_EMSGSIZE;
}

/* What is for others is a suspect once; another holder may read the error queue meanwhile. */
bool dgram__icmp_floods(const dgram_socket_t *socket, int err) {
  if (!icmp_is_of_earlier(err))
    return false;
  return dgram__icmp_is_on(socket)
             ? socket->extras->icmp.retries == ICMP_MAX_RETRIES
             : dgram__icmp_is_for_others(socket, err) && socket->tx.async_error.suspect != 0;
}

void dgram__icmp_end_retries(dgram_socket_t *socket) {
  socket->extras->icmp.retries = 0;
}
