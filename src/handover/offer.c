/*
 * A server's offer of its sockets to the next one: at a path, to one at a time, until that one says
 * that it listens. Whoever asks is not waited for; what it says is checked.
 */
#include <dgram_handover.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "channel.h"
#include "udp.h"
#include "descriptor.h"
#include "unix_listener.h"
#include "sharing.h"

enum {
  PAUSE_MS = 100,   /* until the next try, when the process has no descriptor to spare */
  GUARD_MS = 1,     /* between two looks at what a successor has changed */
  DROPPED_MS = 100, /* likewise, if it was dropped and may still have the sockets */
  LOOKS = 100       /* at the path, after one was dropped that may have offered in its place */
};

/*
 * Options by which a port that is bound already is opened to others. The next server may be another
 * program, or an older version, which sets one where it takes a descriptor over.
 */
static const int opening[] = {
    SO_REUSEADDR,
#ifdef SO_REUSEPORT
    SO_REUSEPORT,
#endif
};
enum { OPENING = sizeof opening / sizeof *opening };

/* A duplicate of what is offered, and the options as they were. */
struct offered {
  int fd;
  int original; /* the number that was offered; it may be another socket's by now */
  int options[OPENING];
};

/* The next server: one that has connected. */
struct successor {
  dgram_offer_t *offer;
  uv_poll_t poll;
  struct dgram__channel channel;
  size_t given;      /* descriptors, so far */
  uint64_t deadline; /* by the loop's clock: when it is dropped */
};

struct dgram_offer {
  uv_loop_t *loop;
  dgram_taken_cb on_taken;
  void *context;
  char *path;
  struct dgram__unix_listener place;
  int listener;
  uv_poll_t poll; /* of the listener */
  uv_timer_t pause;
  uv_timer_t guard; /* while there is a successor, or was one that was dropped */
  unsigned open_handles;
  bool ended;
  int limit_ms;                /* how long a successor may take; negative: without end */
  unsigned looks;              /* at the path, that are left */
  struct successor *successor; /* NULL: none */
  size_t count;
  struct offered sockets[];
};

/* ---- the options ---- */

static int offer_read_option(int fd, int name, int *value) {
  socklen_t length = sizeof *value;
  return getsockopt(fd, SOL_SOCKET, name, value, &length) == 0 ? 0 : -errno;
}

/* Sets back what another has changed. */
static void offer_restore_options(const dgram_offer_t *offer) {
  for (size_t i = 0; i < offer->count; i++) {
    const struct offered *offered = &offer->sockets[i];
    for (int k = 0; k < OPENING; k++) {
      const int *was = &offered->options[k];
      int is = *was;
      if (offer_read_option(offered->fd, opening[k], &is) == 0 && is != *was)
        (void)setsockopt(offered->fd, SOL_SOCKET, opening[k], was, sizeof *was);
    }
  }
}

/* ---- the end of an offer ---- */

static void offer_free_offer(dgram_offer_t *offer) {
  for (size_t i = 0; i < offer->count; i++)
    close(offer->sockets[i].fd);
  free(offer->path);
  free(offer);
}

static void offer_handle_closed(dgram_offer_t *offer) {
  if (--offer->open_handles == 0)
    offer_free_offer(offer);
}

static void offer_on_handle_closed(uv_handle_t *handle) {
  offer_handle_closed(handle->data);
}

static void offer_on_successor_closed(uv_handle_t *handle) {
  struct successor *successor = handle->data;
  offer_handle_closed(successor->offer);
  free(successor);
}

static void offer_on_guard(uv_timer_t *timer);

static void offer_drop(dgram_offer_t *offer) {
  struct successor *successor = offer->successor;
  if (successor == NULL)
    return;
  offer->successor = NULL;
  offer->looks = LOOKS;
  uv_timer_start(&offer->guard, offer_on_guard, DROPPED_MS, DROPPED_MS);
  uv_close((uv_handle_t *)&successor->poll, offer_on_successor_closed);
  dgram__channel_close(&successor->channel);
  offer_restore_options(offer);
}

static void offer_end(dgram_offer_t *offer) {
  offer->ended = true;
  offer_drop(offer);
  offer_restore_options(offer); /* one that was dropped before may have lived on */
  uv_close((uv_handle_t *)&offer->guard, offer_on_handle_closed);
  uv_close((uv_handle_t *)&offer->pause, offer_on_handle_closed);
  uv_close((uv_handle_t *)&offer->poll, offer_on_handle_closed);
  close(offer->listener);
}

/* The path stays: the next server's own offer may lie there already. */
static void offer_taken(dgram_offer_t *offer) {
  offer_end(offer);
  if (offer->on_taken != NULL)
    offer->on_taken(offer->context);
}

/* ---- giving ---- */

/* Sends what the connection has room for. Returns 0 or an error. */
static int offer_give(struct successor *successor) {
  const dgram_offer_t *offer = successor->offer;
  int err = dgram__channel_resume(&successor->channel);
  while (err == 0 && successor->given < offer->count && !dgram__channel_busy(&successor->channel)) {
    int fd = offer->sockets[successor->given++].fd;
    struct dgram__frame frame = {.kind = DGRAM__FRAME_DESCRIPTOR,
                                 .number = (uint32_t)(offer->count - successor->given)};
    err = dgram__channel_send(&successor->channel, &frame, fd);
  }
  return err;
}

static bool offer_has_all(const struct successor *successor) {
  return successor->given == successor->offer->count && !dgram__channel_busy(&successor->channel);
}

/* Returns 1 when the successor has said that it listens; 0: it has not; or how it has ended. */
static int offer_read(struct successor *successor) {
  struct dgram__frame frame;
  int got = dgram__channel_receive(&successor->channel, &frame, NULL);
  return got <= 0 || (frame.kind == DGRAM__FRAME_CONFIRM && offer_has_all(successor)) ? got
                                                                                      : UV_EPROTO;
}

static void offer_on_successor(uv_poll_t *poll, int status, int events);

/* Goes on with the successor as far as that goes without waiting. */
static void offer_serve(struct successor *successor, int status) {
  dgram_offer_t *offer = successor->offer;
  int result = offer_give(successor);
  if (result == 0)
    result = offer_read(successor);
  if (result == 0)
    result = status;
  if (result > 0)
    offer_taken(offer);
  else if (result < 0)
    offer_drop(offer);
  else
    uv_poll_start(&successor->poll,
                  dgram__channel_busy(&successor->channel) ? UV_WRITABLE : UV_READABLE,
                  offer_on_successor);
}

static void offer_on_successor(uv_poll_t *poll, int status, int events) {
  offer_serve(poll->data, status);
}

/* ---- one that takes too long ---- */

/*
 * Either its word has come by now, or it never counts: from the shutdown on it can't be said any
 * more. What the successor is told instead its dgram_handover_confirm() returns.
 */
static void offer_expire(struct successor *successor) {
  dgram_offer_t *offer = successor->offer;
  struct dgram__channel *channel = &successor->channel;
  const struct dgram__frame frame = {.kind = DGRAM__FRAME_DESCRIPTOR, .status = UV_ETIMEDOUT};
  shutdown(channel->fd, SHUT_RD);
  if (offer_read(successor) > 0) {
    offer_taken(offer);
    return;
  }
  if (!dgram__channel_busy(channel))
    (void)dgram__channel_send(channel, &frame, -1);
  offer_drop(offer);
}

/* ---- one that had offered in this one's place ---- */

static void offer_on_connection(uv_poll_t *poll, int status, int events);

/* Listens anew. Where that fails there are more looks. */
static void offer_again(dgram_offer_t *offer) {
  struct dgram__unix_listener place;
  int fd = dgram__unix_listener_listen(offer->path, &place);
  if (fd < 0)
    return;
  uv_poll_stop(&offer->poll);
  if (dgram__descriptor_replace(offer->listener, fd) == 0) {
    offer->place = place;
  } else {
    dgram__unix_listener_remove(offer->path, &place);
    close(fd);
  }
  uv_poll_start(&offer->poll, UV_READABLE, offer_on_connection);
}

/* A successor may have put its own offer there before it confirmed, and then died. */
static void offer_look_at_path(dgram_offer_t *offer) {
  if (offer->looks == 0)
    return;
  offer->looks--;
  if (dgram__unix_listener_is_deserted(offer->path, &offer->place))
    offer_again(offer);
}

static void offer_on_guard(uv_timer_t *timer) {
  dgram_offer_t *offer = timer->data;
  struct successor *successor = offer->successor;
  offer_restore_options(offer);
  if (successor == NULL)
    offer_look_at_path(offer);
  if (successor != NULL && uv_now(offer->loop) >= successor->deadline)
    offer_expire(successor);
}

static uint64_t offer_deadline(const dgram_offer_t *offer) {
  return offer->limit_ms >= 0 ? uv_now(offer->loop) + (uint64_t)offer->limit_ms : UINT64_MAX;
}

/* ---- who connects ---- */

static void offer_refuse(int fd, int status) {
  struct dgram__channel channel;
  struct dgram__frame frame = {.kind = DGRAM__FRAME_DESCRIPTOR, .status = status};
  dgram__channel_init(&channel, fd);
  (void)dgram__channel_send(&channel, &frame, -1); /* a new connection has room for it */
  dgram__channel_close(&channel);
}

static bool offer_is_same_socket(int a, int b) {
  struct stat of_a;
  struct stat of_b;
  return fstat(a, &of_a) == 0 && fstat(b, &of_b) == 0 && of_a.st_dev == of_b.st_dev &&
         of_a.st_ino == of_b.st_ino;
}

/* From now on a successor may read from the sockets, too. A listener may withdraw the offer. */
static void offer_lend_all(const dgram_offer_t *offer) {
  for (size_t i = 0; i < offer->count && !offer->ended; i++) {
    const struct offered *offered = &offer->sockets[i];
    if (offer_is_same_socket(offered->fd, offered->original))
      dgram__lend_descriptor(offer->loop, offered->original);
  }
}

/* Returns 0, or an error with `fd` as it was. */
static int offer_accept_successor(dgram_offer_t *offer, int fd) {
  offer_lend_all(offer);
  if (offer->ended)
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
  uv_update_time(offer->loop); /* the loop may have been busy for long */
  successor->deadline = offer_deadline(offer);
  dgram__channel_init(&successor->channel, fd);
  offer->open_handles++;
  offer->successor = successor;
  offer_restore_options(offer);
  uv_timer_start(&offer->guard, offer_on_guard, GUARD_MS, GUARD_MS);
  offer_serve(successor, 0);
  return 0;
}

/* Whether somebody has the sockets already. That this one is gone may not have been noticed yet. */
static bool offer_is_engaged(dgram_offer_t *offer) {
  if (offer->successor != NULL)
    offer_serve(offer->successor, 0);
  return offer->ended || offer->successor != NULL;
}

static void offer_receive(dgram_offer_t *offer, int fd) {
  int err = 0;
  if (!dgram__unix_listener_trusts(fd))
    err = UV_EACCES;
  else if (offer_is_engaged(offer))
    err = UV_EBUSY;
  else
    err = offer_accept_successor(offer, fd);
  if (err != 0)
    offer_refuse(fd, err);
}

static void offer_on_pause_over(uv_timer_t *timer) {
  dgram_offer_t *offer = timer->data;
  uv_poll_start(&offer->poll, UV_READABLE, offer_on_connection);
}

static void offer_on_connection(uv_poll_t *poll, int status, int events) {
  dgram_offer_t *offer = poll->data;
  int fd = dgram__unix_listener_accept(offer->listener);
  if (fd >= 0)
    offer_receive(offer, fd);
  else if (fd != UV_EAGAIN) { /* the loop would not come to rest */
    uv_poll_stop(poll);
    uv_timer_start(&offer->pause, offer_on_pause_over, PAUSE_MS, 0);
  }
}

/* ---- the public functions ---- */

/* Takes a duplicate. Returns 0 or an error. */
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
  for (int i = 0; i < OPENING && err == 0; i++)
    err = offer_read_option(offered->fd, opening[i], &offered->options[i]);
  return err != UV_ENOPROTOOPT ? err : 0; /* what the system does not know nobody changes */
}

static int offer_add_all(dgram_offer_t *offer, const int fds[], size_t count) {
  int err = 0;
  for (size_t i = 0; i < count && err == 0; i++)
    err = offer_add(offer, fds[i]);
  return err;
}

/* Listens, and has the loop watch for it. Returns 0, or an error with nothing left. */
static int offer_open_offer(dgram_offer_t *offer) {
  int fd = dgram__unix_listener_listen(offer->path, &offer->place);
  if (fd < 0)
    return fd;
  int err = uv_poll_init(offer->loop, &offer->poll, fd);
  if (err != 0) {
    dgram__unix_listener_remove(offer->path, &offer->place);
    close(fd);
    return err;
  }
  uv_timer_init(offer->loop, &offer->pause);
  uv_timer_init(offer->loop, &offer->guard);
  uv_unref((uv_handle_t *)&offer->poll);
  uv_unref((uv_handle_t *)&offer->pause);
  uv_unref((uv_handle_t *)&offer->guard);
  offer->poll.data = offer;
  offer->pause.data = offer;
  offer->guard.data = offer;
  offer->open_handles = 3;
  offer->listener = fd;
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
  if (strnlen(path, DGRAM__UNIX_LISTENER_MAX_PATH + 1) > DGRAM__UNIX_LISTENER_MAX_PATH)
    return UV_ENAMETOOLONG;
  dgram_offer_t *made = calloc(1, sizeof *made + count * sizeof *made->sockets);
  if (made == NULL)
    return UV_ENOMEM;
  made->loop = loop;
  made->limit_ms = DGRAM_HANDOVER_LIMIT_MS;
  made->on_taken = on_taken;
  made->context = context;
  made->path = strdup(path);
  int err = made->path != NULL ? offer_add_all(made, fds, count) : UV_ENOMEM;
  if (err == 0)
    err = offer_open_offer(made);
  if (err != 0) {
    offer_free_offer(made);
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
  if (offer == NULL || offer->ended)
    return;
  dgram__unix_listener_remove(offer->path, &offer->place);
  offer_end(offer);
}
