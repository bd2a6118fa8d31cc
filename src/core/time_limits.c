/*
 * Time limits of sends and of look-ups.
 *
 *   accepted, started   a send or look-up gets its deadline, in the loop's time
 *   armed               its socket is in the loop's list, with the time at which to look at it
 *   due                 the loop's timer fires: what is over its deadline ends with UV_ETIMEDOUT,
 *                       and the socket is armed anew for what is left
 *
 * Deadlines are kept by the sends and look-ups themselves, and found by a look at all of them. So
 * that this stays cheap, a socket is looked at 16 times in the time of its limit, at most. One
 * timer serves all sockets of a loop. It never keeps the loop alive: what is sent or looked up does
 * that itself.
 */
#include "internal.h"

enum { LOOKS = 16 /* at a socket, while a limit lasts */ };

static struct dgram__time_limits *limits_of(const dgram_socket_t *socket) {
  return socket->extras != NULL ? &socket->extras->time_limits : NULL;
}

static dgram_socket_t *limits_owner(struct dgram__time_limits *limits) {
  return DGRAM__LIST_ENTRY(limits, struct dgram__extras, time_limits)->socket;
}

/* ---- armed ---- */

static void limits_on_timer(uv_timer_t *timer);

/* For the first of the sockets; stopped if there is none. */
static void limits_start_timer(struct dgram__loop *loop) {
  uint64_t now = uv_now(loop->uv);
  uint64_t first = UINT64_MAX;
  DGRAM__LIST_FOR_EACH (limits, &loop->time_limits, struct dgram__time_limits, node)
    if (limits->at < first)
      first = limits->at;
  if (first == UINT64_MAX)
    uv_timer_stop(&loop->limit_timer);
  else
    uv_timer_start(&loop->limit_timer, limits_on_timer, first > now ? first - now : 0, 0);
}

static void limits_make_timer(struct dgram__loop *loop) {
  if (loop->limit_timer.data != NULL)
    return;
  uv_timer_init(loop->uv, &loop->limit_timer);
  uv_unref((uv_handle_t *)&loop->limit_timer);
  loop->limit_timer.data = loop;
  loop->open_handles++;
}

/* Something of the socket may be over at this time. */
static void limits_arm(dgram_socket_t *socket, uint64_t at) {
  struct dgram__loop *loop = socket->loop;
  struct dgram__time_limits *limits = limits_of(socket);
  if (limits->at != 0 && limits->at <= at)
    return;
  if (limits->at == 0)
    dgram__list_append(&loop->time_limits, &limits->node);
  limits->at = at;
  limits_make_timer(loop);
  limits_start_timer(loop);
}

static void limits_disarm(dgram_socket_t *socket) {
  struct dgram__time_limits *limits = limits_of(socket);
  if (limits == NULL || limits->at == 0)
    return;
  limits->at = 0;
  dgram__list_remove(&socket->loop->time_limits, &limits->node);
}

void dgram__time_limits_forget(dgram_socket_t *socket) {
  limits_disarm(socket);
}

/* ---- accepted, started ---- */

static uint64_t limits_deadline(const dgram_socket_t *socket, unsigned ms) {
  return uv_now(socket->loop->uv) + ms;
}

uint64_t dgram__time_limit_send(dgram_socket_t *socket) {
  uint64_t deadline = limits_deadline(socket, limits_of(socket)->send_ms);
  limits_arm(socket, deadline);
  return deadline;
}

uint64_t dgram__time_limit_lookup(dgram_socket_t *socket) {
  const struct dgram__time_limits *limits = limits_of(socket);
  if (limits == NULL || limits->lookup_ms == 0)
    return 0;
  uint64_t deadline = limits_deadline(socket, limits->lookup_ms);
  limits_arm(socket, deadline);
  return deadline;
}

/* ---- due ---- */

static uint64_t limits_later(uint64_t a, uint64_t b) {
  return a > b ? a : b;
}

static uint64_t limits_earlier(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

static uint64_t limits_lookup_deadline(const dgram_lookup_t *lookup) {
  uint64_t deadline = lookup != NULL ? dgram__resolve_deadline(lookup) : 0;
  return deadline != 0 ? deadline : UINT64_MAX;
}

static dgram_lookup_t *limits_connect_lookup(const dgram_socket_t *socket) {
  const struct dgram__attempt *attempt = socket->connecting.attempt;
  return attempt != NULL ? attempt->lookup : NULL;
}

/* Arms the socket for what is left, if anything is. */
static void limits_arm_again(dgram_socket_t *socket) {
  const struct dgram__time_limits *limits = limits_of(socket);
  uint64_t soon = uv_now(socket->loop->uv) + 1;
  uint64_t at = UINT64_MAX;
  if (limits->send_ms > 0)
    at = limits_later(dgram__send_first_deadline(socket), soon + limits->send_ms / LOOKS);
  if (limits->lookup_ms > 0) {
    uint64_t first = dgram__send_first_lookup_deadline(socket);
    first = limits_earlier(first, limits_lookup_deadline(socket->binding.lookup));
    first = limits_earlier(first, limits_lookup_deadline(limits_connect_lookup(socket)));
    at = limits_earlier(at, limits_later(first, soon + limits->lookup_ms / LOOKS));
  }
  if (at != UINT64_MAX)
    limits_arm(socket, at);
}

/* The bind is the last: its 'error' is emitted inside, and may change all. */
static void limits_run(dgram_socket_t *socket, uint64_t now) {
  const struct dgram__time_limits *limits = limits_of(socket);
  limits_disarm(socket);
  dgram__hold(socket);
  if (limits->send_ms > 0)
    dgram__send_time_out(socket, now);
  if (limits->lookup_ms > 0) {
    dgram__send_time_out_lookups(socket, now);
    dgram__resolve_time_out(limits_connect_lookup(socket), now);
    dgram__resolve_time_out(socket->binding.lookup, now);
  }
  if (socket->life == DGRAM__CLOSING)
    dgram__close_if_ready(socket); /* no send waits for the bind any more, perhaps */
  if (socket->life != DGRAM__CLOSED)
    limits_arm_again(socket);
  dgram__release(socket);
}

static dgram_socket_t *limits_first_due(struct dgram__loop *loop, uint64_t now) {
  DGRAM__LIST_FOR_EACH (limits, &loop->time_limits, struct dgram__time_limits, node)
    if (limits->at <= now)
      return limits_owner(limits);
  return NULL;
}

static void limits_on_timer(uv_timer_t *timer) {
  struct dgram__loop *loop = timer->data;
  uint64_t now = uv_now(loop->uv);
  dgram_socket_t *socket;
  while ((socket = limits_first_due(loop, now)) != NULL)
    limits_run(socket, now);
  limits_start_timer(loop);
}

/* ---- the public functions ---- */

/* Returns 0 or an error; then the limits are there. */
static int limits_check(dgram_socket_t *socket, int ms) {
  int err = ms >= 0 ? dgram__check_open(socket) : UV_EINVAL;
  if (err == 0 && dgram__extras(socket) == NULL)
    err = UV_ENOMEM;
  return err;
}

int dgram_set_send_timeout(dgram_socket_t *socket, int ms) {
  int err = limits_check(socket, ms);
  if (err != 0)
    return err;
  limits_of(socket)->send_ms = (unsigned)ms;
  dgram__send_guard(socket, DGRAM__GUARD_TIME_LIMIT, ms > 0);
  if (ms > 0) {
    dgram__send_set_deadlines(socket, limits_deadline(socket, (unsigned)ms));
    limits_disarm(socket);
    limits_arm_again(socket);
  }
  return 0;
}

int dgram_set_lookup_timeout(dgram_socket_t *socket, int ms) {
  int err = limits_check(socket, ms);
  if (err != 0)
    return err;
  limits_of(socket)->lookup_ms = (unsigned)ms;
  uint64_t deadline = ms > 0 ? limits_deadline(socket, (unsigned)ms) : 0;
  dgram__send_set_lookup_deadlines(socket, deadline);
  dgram_lookup_t *others[] = {limits_connect_lookup(socket), socket->binding.lookup};
  for (unsigned i = 0; i < 2; i++)
    if (others[i] != NULL)
      dgram__resolve_set_deadline(others[i], deadline);
  if (ms > 0) {
    limits_disarm(socket);
    limits_arm_again(socket);
  }
  return 0;
}
