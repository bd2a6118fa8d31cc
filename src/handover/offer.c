/*
 * A server's offer of its sockets to a successor, on a loop.
 *
 *   IDLE -> SERVING   a process of this user connects to the path: it is the successor
 *   SERVING -> IDLE   the successor is dropped: it has closed, broken the protocol or exceeded its
 *                     time limit
 *   IDLE -> ENDED     the successor, dropped first, has confirmed; or the offer is withdrawn
 *
 * 1. The offer duplicates the descriptors and records their SO_REUSEADDR and SO_REUSEPORT.
 * 2. It listens at a path, and refuses with UV_EBUSY who connects while it is SERVING.
 * 3. The successor gets a frame with each descriptor, and sends DGRAM__FRAME_CONFIRM. No step waits
 *    for it, and what it sends is checked.
 * 4. A timer restores the options, enforces the time limit, and listens anew where a successor that
 *    was dropped had replaced the path.
 * 5. The end closes what the offer owns, and reports a confirmation.
 */
#include <dgram_handover.h>

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel.h"
#include "udp.h"
#include "descriptor.h"
#include "unix_listener.h"
#include "sharing.h"

enum {
  ACCEPT_RETRY_MS = 100,  /* after accept(2) has failed: EMFILE, ENFILE, ... */
  GUARD_MS = 1,           /* the period of the guard timer while there is a successor */
  GUARD_DROPPED_MS = 100, /* and after one was dropped, which may still have the sockets */
  PATH_CHECKS = 100       /* by that timer, since the dropped one may have offered at the path */
};

/*
 * The options that open a bound port to other processes. A successor may be another program, or an
 * older version, that sets one on a socket that it adopts.
 */
static const int offer_guarded[] = {
    SO_REUSEADDR,
#ifdef SO_REUSEPORT
    SO_REUSEPORT,
#endif
};
enum { GUARDED = sizeof offer_guarded / sizeof *offer_guarded };

struct offered {
  int fd;               /* a duplicate, owned */
  int original;         /* the number that was offered; by now it may be another socket's */
  int options[GUARDED]; /* their values when it was offered */
};

/* A process that has connected, and gets the sockets. */
struct successor {
  dgram_offer_t *offer;
  uv_poll_t poll;
  struct dgram__channel channel;
  size_t sent;       /* descriptors sent, or in the channel */
  uint64_t deadline; /* uv_now() at which it is dropped */
};

enum offer_state { OFFER_IDLE, OFFER_SERVING, OFFER_ENDED };

struct dgram_offer {
  enum offer_state state;
  uv_loop_t *loop;
  dgram_taken_cb on_taken;
  void *context;
  char *path;
  struct dgram__unix_listener listener;
  int listener_fd;
  uv_poll_t poll; /* of `listener_fd` */
  uv_timer_t accept_retry;
  uv_timer_t guard; /* runs while there is a successor, and once one was dropped */
  unsigned open_handles;
  int limit_ms;                /* a successor's time limit; negative: none */
  unsigned path_checks;        /* still to be done by `guard` */
  struct successor *successor; /* while SERVING, else NULL */
  size_t count;
  struct offered sockets[];
};

static void offer_set_state(dgram_offer_t *offer, enum offer_state state) {
  assert(offer->state == (state == OFFER_IDLE ? OFFER_SERVING : OFFER_IDLE));
  assert((offer->successor != NULL) == (state == OFFER_SERVING));
  offer->state = state;
}

/* ---- 1. the sockets ---- */

static int offer_get_option(int fd, int name, int *value) {
  socklen_t length = sizeof *value;
  return getsockopt(fd, SOL_SOCKET, name, value, &length) == 0 ? 0 : -errno;
}

/* Adds a duplicate of `fd`. Returns 0 or an error. */
static int offer_add(dgram_offer_t *offer, int fd) {
  struct offered *offered = &offer->sockets[offer->count];
  offered->original = fd;
  offered->fd = dgram__descriptor_duplicate(fd);
  if (offered->fd < 0)
    return offered->fd;
  offer->count++;
  if (dgram__udp_family(offered->fd) == 0)
    return DGRAM_ERR_INVALID_FD_TYPE;
  int err = 0;
  for (int i = 0; i < GUARDED && err == 0; i++)
    err = offer_get_option(offered->fd, offer_guarded[i], &offered->options[i]);
  return err != UV_ENOPROTOOPT ? err : 0; /* an option that the system lacks nobody changes */
}

/* Sets the options back that a successor has changed. */
static void offer_restore_options(const dgram_offer_t *offer) {
  for (size_t i = 0; i < offer->count; i++) {
    const struct offered *offered = &offer->sockets[i];
    for (int k = 0; k < GUARDED; k++) {
      const int *was = &offered->options[k];
      int is = *was;
      if (offer_get_option(offered->fd, offer_guarded[k], &is) == 0 && is != *was)
        (void)setsockopt(offered->fd, SOL_SOCKET, offer_guarded[k], was, sizeof *was);
    }
  }
}

/* ---- 2. connections ---- */

static void offer_serve(struct successor *successor, int status);
static void offer_expire(struct successor *successor);
static void offer_on_guard(uv_timer_t *timer);

/*
 * From now on the successor may read from the sockets too, so those of this loop deliver what they
 * have received and take one datagram at a time. A listener may withdraw the offer.
 */
static void offer_lend_all(const dgram_offer_t *offer) {
  for (size_t i = 0; i < offer->count && offer->state != OFFER_ENDED; i++) {
    const struct offered *offered = &offer->sockets[i];
    struct dgram__identity own;
    struct dgram__identity now;
    if (dgram__descriptor_identify(offered->fd, &own) == 0 &&
        dgram__descriptor_identify(offered->original, &now) == 0 &&
        dgram__identity_equal(&own, &now))
      dgram__lend_descriptor(offer->loop, offered->original);
  }
}

/* Makes the peer of a connection the successor. Returns 0, or an error with `fd` not closed. */
static int offer_admit(dgram_offer_t *offer, int fd) {
  if (!dgram__unix_listener_trusts(fd))
    return UV_EACCES;
  if (offer->successor != NULL) /* its end may not have been noticed yet */
    offer_serve(offer->successor, 0);
  if (offer->state != OFFER_IDLE)
    return UV_EBUSY;
  offer_lend_all(offer);
  if (offer->state == OFFER_ENDED)
    return UV_ECANCELED;
  struct successor *successor = calloc(1, sizeof *successor);
  if (successor == NULL)
    return UV_ENOMEM;
  int err = uv_poll_init(offer->loop, &successor->poll, fd);
  if (err != 0) {
    free(successor);
    return err;
  }
  uv_unref((uv_handle_t *)&successor->poll);
  successor->poll.data = successor;
  successor->offer = offer;
  uv_update_time(offer->loop); /* the iteration may have been long */
  successor->deadline =
      offer->limit_ms >= 0 ? uv_now(offer->loop) + (uint64_t)offer->limit_ms : UINT64_MAX;
  dgram__channel_init(&successor->channel, fd);
  offer->open_handles++;
  offer->successor = successor;
  offer_set_state(offer, OFFER_SERVING);
  offer_restore_options(offer);
  uv_timer_start(&offer->guard, offer_on_guard, GUARD_MS, GUARD_MS);
  offer_serve(successor, 0);
  return 0;
}

static void offer_on_accept_retry(uv_timer_t *timer);

static void offer_on_connection(uv_poll_t *poll, int status, int events) {
  dgram_offer_t *offer = poll->data;
  int fd = dgram__descriptor_accept(offer->listener_fd);
  if (fd < 0 && fd != UV_EAGAIN) { /* it stays readable, and the loop would spin */
    uv_poll_stop(poll);
    uv_timer_start(&offer->accept_retry, offer_on_accept_retry, ACCEPT_RETRY_MS, 0);
  }
  if (fd < 0)
    return;
  const struct dgram__frame refusal = {.kind = DGRAM__FRAME_DESCRIPTOR,
                                       .status = offer_admit(offer, fd)};
  if (refusal.status != 0) {
    struct dgram__channel channel;
    dgram__channel_init(&channel, fd);
    (void)dgram__channel_send(&channel, &refusal, -1); /* a new connection has room for it */
    dgram__channel_close(&channel);
  }
}

static void offer_on_accept_retry(uv_timer_t *timer) {
  dgram_offer_t *offer = timer->data;
  uv_poll_start(&offer->poll, UV_READABLE, offer_on_connection);
}

/* ---- 3. the successor ---- */

static void offer_drop(dgram_offer_t *offer);
static void offer_taken(dgram_offer_t *offer);

/* Returns 1 when the successor has confirmed; 0: not yet; or the error that ends the connection. */
static int offer_read(struct successor *successor) {
  struct dgram__frame frame;
  int got = dgram__channel_receive(&successor->channel, &frame, NULL);
  bool has_all =
      successor->sent == successor->offer->count && !dgram__channel_busy(&successor->channel);
  return got <= 0 || (frame.kind == DGRAM__FRAME_CONFIRM && has_all) ? got : UV_EPROTO;
}

static void offer_on_successor(uv_poll_t *poll, int status, int events) {
  offer_serve(poll->data, status);
}

/* Sends the descriptors that the connection has room for, and reads the confirmation. */
static void offer_serve(struct successor *successor, int status) {
  dgram_offer_t *offer = successor->offer;
  struct dgram__channel *channel = &successor->channel;
  int result = dgram__channel_resume(channel);
  while (result == 0 && successor->sent < offer->count && !dgram__channel_busy(channel)) {
    int fd = offer->sockets[successor->sent++].fd;
    const struct dgram__frame frame = {.kind = DGRAM__FRAME_DESCRIPTOR,
                                       .number = (uint32_t)(offer->count - successor->sent)};
    result = dgram__channel_send(channel, &frame, fd);
  }
  if (result == 0)
    result = offer_read(successor);
  if (result == 0)
    result = status;
  if (result > 0)
    offer_taken(offer);
  else if (result < 0 && result != UV_EOF && successor->sent == offer->count)
    offer_expire(successor); /* it may have confirmed, and must not serve beside this server */
  else if (result < 0)
    offer_drop(offer);
  else
    uv_poll_start(&successor->poll, dgram__channel_busy(channel) ? UV_WRITABLE : UV_READABLE,
                  offer_on_successor);
}

/* ---- 4. the guard ---- */

/*
 * The time limit has passed, or the connection has failed. After the shutdown no confirmation can
 * arrive any more, so the one read here is the last: the successor has either confirmed, or gets
 * UV_ETIMEDOUT from dgram_handover_confirm().
 */
static void offer_expire(struct successor *successor) {
  dgram_offer_t *offer = successor->offer;
  const struct dgram__frame frame = {.kind = DGRAM__FRAME_DESCRIPTOR, .status = UV_ETIMEDOUT};
  shutdown(successor->channel.fd, SHUT_RD);
  if (offer_read(successor) > 0) {
    offer_taken(offer);
    return;
  }
  if (!dgram__channel_busy(&successor->channel))
    (void)dgram__channel_send(&successor->channel, &frame, -1);
  offer_drop(offer);
}

/* Listens at the path anew, under the same descriptor. Where that fails, the next check retries. */
static void offer_listen_again(dgram_offer_t *offer) {
  struct dgram__unix_listener listener;
  int fd = dgram__unix_listener_listen(offer->path, &listener);
  if (fd < 0)
    return;
  uv_poll_stop(&offer->poll);
  if (dgram__descriptor_replace(offer->listener_fd, fd) == 0) {
    offer->listener = listener;
  } else {
    dgram__unix_listener_remove(offer->path, &listener);
    close(fd);
  }
  uv_poll_start(&offer->poll, UV_READABLE, offer_on_connection);
}

static void offer_on_guard(uv_timer_t *timer) {
  dgram_offer_t *offer = timer->data;
  offer_restore_options(offer);
  if (offer->successor != NULL) {
    if (uv_now(offer->loop) >= offer->successor->deadline)
      offer_expire(offer->successor);
  } else if (offer->path_checks > 0) {
    offer->path_checks--;
    /* The dropped one may have offered at the path before it confirmed, and then died. */
    if (dgram__unix_listener_is_deserted(offer->path, &offer->listener))
      offer_listen_again(offer);
  }
}

/* ---- 5. the end ---- */

static void offer_free(dgram_offer_t *offer) {
  for (size_t i = 0; i < offer->count; i++)
    close(offer->sockets[i].fd);
  free(offer->path);
  free(offer);
}

static void offer_on_handle_closed(uv_handle_t *handle) {
  dgram_offer_t *offer = handle->data;
  if (--offer->open_handles == 0)
    offer_free(offer);
}

static void offer_on_successor_closed(uv_handle_t *handle) {
  struct successor *successor = handle->data;
  handle->data = successor->offer;
  offer_on_handle_closed(handle);
  free(successor);
}

static void offer_drop(dgram_offer_t *offer) {
  struct successor *successor = offer->successor;
  offer->successor = NULL;
  offer_set_state(offer, OFFER_IDLE);
  offer->path_checks = PATH_CHECKS;
  uv_timer_start(&offer->guard, offer_on_guard, GUARD_DROPPED_MS, GUARD_DROPPED_MS);
  uv_close((uv_handle_t *)&successor->poll, offer_on_successor_closed);
  dgram__channel_close(&successor->channel);
  offer_restore_options(offer);
}

static void offer_end(dgram_offer_t *offer) {
  if (offer->state == OFFER_SERVING)
    offer_drop(offer);
  offer_set_state(offer, OFFER_ENDED);
  offer_restore_options(offer); /* one that was dropped earlier may still have the sockets */
  uv_close((uv_handle_t *)&offer->guard, offer_on_handle_closed);
  uv_close((uv_handle_t *)&offer->accept_retry, offer_on_handle_closed);
  uv_close((uv_handle_t *)&offer->poll, offer_on_handle_closed);
  close(offer->listener_fd);
}

/* The path stays: the successor's own offer may be there already. */
static void offer_taken(dgram_offer_t *offer) {
  offer_end(offer);
  if (offer->on_taken != NULL)
    offer->on_taken(offer->context);
}

/* ---- the public functions ---- */

/* Listens at the path, and watches for connections. Returns 0, or an error with nothing open. */
static int offer_open(dgram_offer_t *offer) {
  int fd = dgram__unix_listener_listen(offer->path, &offer->listener);
  if (fd < 0)
    return fd;
  int err = uv_poll_init(offer->loop, &offer->poll, fd);
  if (err != 0) {
    dgram__unix_listener_remove(offer->path, &offer->listener);
    close(fd);
    return err;
  }
  uv_timer_init(offer->loop, &offer->accept_retry);
  uv_timer_init(offer->loop, &offer->guard);
  uv_unref((uv_handle_t *)&offer->poll);
  uv_unref((uv_handle_t *)&offer->accept_retry);
  uv_unref((uv_handle_t *)&offer->guard);
  offer->poll.data = offer;
  offer->accept_retry.data = offer;
  offer->guard.data = offer;
  offer->open_handles = 3;
  offer->listener_fd = fd;
  uv_poll_start(&offer->poll, UV_READABLE, offer_on_connection);
  return 0;
}

int dgram_handover_offer(uv_loop_t *loop, const char *path, const int fds[], size_t count,
                         dgram_taken_cb on_taken, void *context, dgram_offer_t **offer) {
  if (offer == NULL)
    return UV_EINVAL;
  *offer = NULL;
  if (loop == NULL || path == NULL || *path == '\0' || fds == NULL || count == 0 ||
      count > DGRAM_HANDOVER_MOST)
    return UV_EINVAL;
  if (dgram__unix_listener_is_too_long(path))
    return UV_ENAMETOOLONG;
  dgram_offer_t *made = calloc(1, sizeof *made + count * sizeof *made->sockets);
  if (made == NULL)
    return UV_ENOMEM;
  made->loop = loop;
  made->limit_ms = DGRAM_HANDOVER_LIMIT_MS;
  made->on_taken = on_taken;
  made->context = context;
  made->path = strdup(path);
  int err = made->path != NULL ? 0 : UV_ENOMEM;
  for (size_t i = 0; i < count && err == 0; i++)
    err = offer_add(made, fds[i]);
  if (err == 0)
    err = offer_open(made);
  if (err != 0) {
    offer_free(made);
    return err;
  }
  *offer = made;
  return 0;
}

int dgram_handover_limit(dgram_offer_t *offer, int limit_ms) {
  if (offer == NULL || limit_ms == 0)
    return UV_EINVAL;
  offer->limit_ms = limit_ms;
  return 0;
}

void dgram_handover_withdraw(dgram_offer_t *offer) {
  if (offer == NULL || offer->state == OFFER_ENDED)
    return;
  dgram__unix_listener_remove(offer->path, &offer->listener);
  offer_end(offer);
}
