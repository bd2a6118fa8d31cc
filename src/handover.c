/*
 * A server's offer of its sockets to the next one: at a path, to one at a time, until that one says
 * that it listens. Whoever asks is not waited for; what it says is checked.
 */
#include <dgram_handover.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "channel.h"
#include "datapath.h"
#include "place.h"

enum { PAUSE_MS = 100 }; /* until the next try, when the process has no descriptor to spare */

/* The next server: one that has connected. */
struct successor {
  dgram_offer_t *offer;
  uv_poll_t poll;
  struct dgram__channel channel;
  size_t given; /* descriptors, so far */
};

struct dgram_offer {
  uv_loop_t *loop;
  dgram_taken_cb on_taken;
  void *context;
  char *path;
  struct dgram__place place;
  int listener;
  uv_poll_t poll; /* of the listener */
  uv_timer_t pause;
  unsigned open_handles;
  bool ended;
  struct successor *successor; /* NULL: none */
  size_t count;
  int fds[]; /* duplicates of what is offered */
};

/* ---- the end of an offer ---- */

static void free_offer(dgram_offer_t *offer) {
  for (size_t i = 0; i < offer->count; i++)
    close(offer->fds[i]);
  free(offer->path);
  free(offer);
}

static void handle_closed(dgram_offer_t *offer) {
  if (--offer->open_handles == 0)
    free_offer(offer);
}

static void on_handle_closed(uv_handle_t *handle) {
  handle_closed(handle->data);
}

static void on_successor_closed(uv_handle_t *handle) {
  struct successor *successor = handle->data;
  handle_closed(successor->offer);
  free(successor);
}

static void drop(dgram_offer_t *offer) {
  struct successor *successor = offer->successor;
  if (successor == NULL)
    return;
  offer->successor = NULL;
  uv_close((uv_handle_t *)&successor->poll, on_successor_closed);
  dgram__channel_close(&successor->channel);
}

static void end(dgram_offer_t *offer) {
  offer->ended = true;
  drop(offer);
  uv_close((uv_handle_t *)&offer->pause, on_handle_closed);
  uv_close((uv_handle_t *)&offer->poll, on_handle_closed);
  close(offer->listener);
}

/* The path stays: the next server's own offer may lie there already. */
static void taken(dgram_offer_t *offer) {
  end(offer);
  if (offer->on_taken != NULL)
    offer->on_taken(offer->context);
}

/* ---- giving ---- */

/* Sends what the connection has room for. Returns 0 or an error. */
static int give(struct successor *successor) {
  const dgram_offer_t *offer = successor->offer;
  int err = dgram__channel_resume(&successor->channel);
  while (err == 0 && successor->given < offer->count && !dgram__channel_busy(&successor->channel)) {
    int fd = offer->fds[successor->given++];
    struct dgram__frame frame = {.kind = DGRAM__GIVE,
                                 .number = (uint32_t)(offer->count - successor->given)};
    err = dgram__channel_send(&successor->channel, &frame, fd);
  }
  return err;
}

static bool has_all(const struct successor *successor) {
  return successor->given == successor->offer->count && !dgram__channel_busy(&successor->channel);
}

/* Returns 1 when the successor has said that it listens; 0: it has not; or how it has ended. */
static int hear(struct successor *successor) {
  struct dgram__frame frame;
  int got = dgram__channel_receive(&successor->channel, &frame, NULL);
  return got <= 0 || (frame.kind == DGRAM__TAKEN && has_all(successor)) ? got : UV_EPROTO;
}

static void on_successor(uv_poll_t *poll, int status, int events);

/* Goes on with the successor as far as that goes without waiting. */
static void serve(struct successor *successor, int status) {
  dgram_offer_t *offer = successor->offer;
  int result = give(successor);
  if (result == 0)
    result = hear(successor);
  if (result == 0)
    result = status;
  if (result > 0)
    taken(offer);
  else if (result < 0)
    drop(offer);
  else
    uv_poll_start(&successor->poll,
                  dgram__channel_busy(&successor->channel) ? UV_WRITABLE : UV_READABLE,
                  on_successor);
}

static void on_successor(uv_poll_t *poll, int status, int events) {
  serve(poll->data, status);
}

/* ---- who connects ---- */

static void refuse(int fd, int status) {
  struct dgram__channel channel;
  struct dgram__frame frame = {.kind = DGRAM__GIVE, .status = status};
  dgram__channel_init(&channel, fd);
  (void)dgram__channel_send(&channel, &frame, -1); /* a new connection has room for it */
  dgram__channel_close(&channel);
}

/* Returns 0, or an error with `fd` as it was. */
static int welcome(dgram_offer_t *offer, int fd) {
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
  dgram__channel_init(&successor->channel, fd);
  offer->open_handles++;
  offer->successor = successor;
  serve(successor, 0);
  return 0;
}

/* Whether somebody has the sockets already. That this one is gone may not have been noticed yet. */
static bool is_engaged(dgram_offer_t *offer) {
  if (offer->successor != NULL)
    serve(offer->successor, 0);
  return offer->ended || offer->successor != NULL;
}

static void receive(dgram_offer_t *offer, int fd) {
  int err = 0;
  if (!dgram__place_trusts(fd))
    err = UV_EACCES;
  else if (is_engaged(offer))
    err = UV_EBUSY;
  else
    err = welcome(offer, fd);
  if (err != 0)
    refuse(fd, err);
}

static void on_connection(uv_poll_t *poll, int status, int events);

static void on_pause_over(uv_timer_t *timer) {
  dgram_offer_t *offer = timer->data;
  uv_poll_start(&offer->poll, UV_READABLE, on_connection);
}

static void on_connection(uv_poll_t *poll, int status, int events) {
  dgram_offer_t *offer = poll->data;
  int fd = dgram__place_accept(offer->listener);
  if (fd >= 0)
    receive(offer, fd);
  else if (fd != UV_EAGAIN) { /* the loop would not come to rest */
    uv_poll_stop(poll);
    uv_timer_start(&offer->pause, on_pause_over, PAUSE_MS, 0);
  }
}

/* ---- the public functions ---- */

/* Takes a duplicate. Returns 0 or an error. */
static int add(dgram_offer_t *offer, int fd) {
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0)
    return -errno;
  offer->fds[offer->count++] = copy;
  return dgram__path_family(copy) != 0 ? 0 : DGRAM_ERR_INVALID_FD_TYPE;
}

static int add_all(dgram_offer_t *offer, const int fds[], size_t count) {
  int err = 0;
  for (size_t i = 0; i < count && err == 0; i++)
    err = add(offer, fds[i]);
  return err;
}

/* Listens, and has the loop watch for it. Returns 0, or an error with nothing left. */
static int open_offer(dgram_offer_t *offer) {
  int fd = dgram__place_listen(offer->path, &offer->place);
  if (fd < 0)
    return fd;
  int err = uv_poll_init(offer->loop, &offer->poll, fd);
  if (err != 0) {
    dgram__place_remove(offer->path, &offer->place);
    close(fd);
    return err;
  }
  uv_timer_init(offer->loop, &offer->pause);
  uv_unref((uv_handle_t *)&offer->poll);
  uv_unref((uv_handle_t *)&offer->pause);
  offer->poll.data = offer;
  offer->pause.data = offer;
  offer->open_handles = 2;
  offer->listener = fd;
  uv_poll_start(&offer->poll, UV_READABLE, on_connection);
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
  dgram_offer_t *made = calloc(1, sizeof *made + count * sizeof *made->fds);
  if (made == NULL)
    return UV_ENOMEM;
  made->loop = loop;
  made->on_taken = on_taken;
  made->context = context;
  made->path = strdup(path);
  int err = made->path != NULL ? add_all(made, fds, count) : UV_ENOMEM;
  if (err == 0)
    err = open_offer(made);
  if (err != 0) {
    free_offer(made);
    return err;
  }
  *offer = made;
  return 0;
}

void dgram_handover_withdraw(dgram_offer_t *offer) {
  if (offer == NULL || offer->ended)
    return;
  dgram__place_remove(offer->path, &offer->place);
  end(offer);
}
