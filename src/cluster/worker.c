/*
 * A worker's connection to its primary: asks for the sockets that it shares, and says what becomes
 * of them. Like loop.c it has a libuv handle of its own.
 *
 * A share is a question, and then what was got for it. Questions are answered in the order in which
 * they were asked, so of the list of shares the last ones, from `unanswered` on, still wait.
 */
#include "internal.h"

#include <dgram_cluster.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel.h"
#include "worker_env.h"

enum { MOST_FRAMES = 64 }; /* heard at a time */

struct dgram__bind_request {
  struct dgram__bind_request *previous; /* in the list of the worker */
  struct dgram__bind_request *next;
  struct dgram__bind_request *next_said; /* in its line of those that have something to say */
  dgram_worker_t *worker;
  dgram_socket_t *socket; /* NULL: closed */
  struct dgram__frame ask;
  enum dgram__frame_kind says; /* while in line */
  bool in_line;
  bool answered;
};

struct dgram_worker {
  struct dgram__loop *loop;
  int id;
  uv_poll_t poll; /* of the channel */
  struct dgram__channel channel;
  struct dgram__bind_request *first;
  struct dgram__bind_request *last;
  struct dgram__bind_request *unanswered;
  struct dgram__bind_request *first_said;
  struct dgram__bind_request *last_said;
  uint32_t questions; /* asked so far */
  unsigned waiting;   /* sockets that wait for an answer */
  bool leaving;
  dgram_worker_disconnect_cb on_disconnect;
  void *context;
};

/* ---- the list of shares ---- */

static void worker_append(dgram_worker_t *worker, struct dgram__bind_request *share) {
  share->previous = worker->last;
  if (worker->last != NULL)
    worker->last->next = share;
  else
    worker->first = share;
  worker->last = share;
  if (worker->unanswered == NULL)
    worker->unanswered = share;
}

static void worker_drop_request(struct dgram__bind_request *share) {
  dgram_worker_t *worker = share->worker;
  if (share->previous != NULL)
    share->previous->next = share->next;
  else
    worker->first = share->next;
  if (share->next != NULL)
    share->next->previous = share->previous;
  else
    worker->last = share->previous;
  free(share);
}

/* Off the list, and the caller's. NULL: there is none. */
static struct dgram__bind_request *worker_take_first(dgram_worker_t *worker) {
  struct dgram__bind_request *share = worker->first;
  if (share == NULL)
    return NULL;
  worker->first = share->next;
  if (share->next != NULL)
    share->next->previous = NULL;
  else
    worker->last = NULL;
  return share;
}

/* ---- what is said ---- */

static void worker_watch(dgram_worker_t *worker);

static void worker_write_first(dgram_worker_t *worker) {
  struct dgram__bind_request *share = worker->first_said;
  struct dgram__frame frame = {.kind = share->says, .number = share->ask.number};
  /* An error shows when the channel is read next. */
  (void)dgram__channel_send(&worker->channel,
                            share->says == DGRAM__FRAME_REQUEST ? &share->ask : &frame, -1);
  worker->first_said = share->next_said;
  share->in_line = false;
  if (share->says == DGRAM__FRAME_RELEASE)
    worker_drop_request(share);
}

static void worker_write_queue(dgram_worker_t *worker) {
  while (worker->first_said != NULL && !dgram__channel_busy(&worker->channel))
    worker_write_first(worker);
  worker_watch(worker);
}

/* What the share has not said yet, it need not say any more. */
static void worker_queue(struct dgram__bind_request *share, enum dgram__frame_kind kind) {
  dgram_worker_t *worker = share->worker;
  share->says = kind;
  if (!share->in_line) {
    share->in_line = true;
    share->next_said = NULL;
    if (worker->first_said != NULL)
      worker->last_said->next_said = share;
    else
      worker->first_said = share;
    worker->last_said = share;
  }
  worker_write_queue(worker);
}

/* ---- what is heard ---- */

/* The share is of no use: the socket has failed, or was closed before the answer. */
static void worker_give_back(struct dgram__bind_request *share, bool held) {
  share->socket = NULL;
  if (held)
    worker_queue(share, DGRAM__FRAME_RELEASE);
  else
    worker_drop_request(share);
}

static int worker_on_answer(dgram_worker_t *worker, const struct dgram__frame *frame, int fd) {
  struct dgram__bind_request *share = worker->unanswered;
  if (share == NULL || share->in_line || share->ask.number != frame->number)
    return UV_EPROTO;
  dgram_socket_t *socket = share->socket;
  int err = frame->status;
  worker->unanswered = share->next;
  share->answered = true;
  if (err == 0 && fd < 0)
    err = UV_EMFILE; /* it came, but this process has no room for it */
  if (err == 0 && socket != NULL)
    err = dgram__bind_take_shared(socket, fd);
  if (err != 0 || socket == NULL) {
    if (fd >= 0)
      close(fd);
    worker_give_back(share, frame->status == 0);
  }
  if (socket != NULL) {
    worker->waiting--;
    dgram__bind_answered(socket, err);
  }
  return 0;
}

static int worker_on_frame(dgram_worker_t *worker, const struct dgram__frame *frame, int fd) {
  if (frame->kind == DGRAM__FRAME_REPLY)
    return worker_on_answer(worker, frame, fd);
  if (fd >= 0)
    close(fd);
  return frame->kind == DGRAM__FRAME_DISCONNECT ? UV_EOF : UV_EPROTO;
}

/* Returns 0, or that or why the connection is to end. */
static int worker_read(dgram_worker_t *worker) {
  struct dgram__frame frame;
  int fd;
  for (int i = 0; i < MOST_FRAMES; i++) {
    int got = dgram__channel_receive(&worker->channel, &frame, &fd);
    int err = got > 0 ? worker_on_frame(worker, &frame, fd) : got;
    if (got <= 0 || err != 0)
      return err;
  }
  return 0;
}

/* ---- the connection ---- */

static void worker_on_poll_closed(uv_handle_t *handle) {
  dgram_worker_t *worker = handle->data;
  if (worker->on_disconnect != NULL)
    worker->on_disconnect(worker, worker->context);
  dgram__loop_leave(worker->loop);
  free(worker);
}

/* Closes what is shared; in the 'error' of a bind that waits the program may bind anew. */
static void worker_close_all(dgram_worker_t *worker) {
  struct dgram__bind_request *share;
  while ((share = worker_take_first(worker)) != NULL) {
    dgram_socket_t *socket = share->socket;
    bool bound = share->answered;
    free(share);
    if (socket != NULL && bound)
      dgram__bind_revoked(socket);
    else if (socket != NULL)
      dgram__bind_answered(socket, UV_ECANCELED);
  }
}

/* The descriptor stays open, but says no more: by it the process knows that it is a worker. */
static void worker_end(dgram_worker_t *worker) {
  int fd = worker->channel.fd;
  worker->loop->bind_agent = NULL;
  worker->loop->worker = NULL;
  worker_close_all(worker);
  uv_close((uv_handle_t *)&worker->poll, worker_on_poll_closed);
  shutdown(fd, SHUT_RDWR);
  worker->channel.fd = -1;
  dgram__channel_close(&worker->channel);
}

static void worker_on_poll(uv_poll_t *poll, int status, int events) {
  dgram_worker_t *worker = poll->data;
  int err = dgram__channel_resume(&worker->channel);
  if (err == 0)
    err = worker_read(worker);
  if (err == 0)
    err = status;
  if (err != 0)
    worker_end(worker);
  else
    worker_write_queue(worker);
}

static void worker_watch(dgram_worker_t *worker) {
  bool busy = dgram__channel_busy(&worker->channel);
  uv_poll_start(&worker->poll, UV_READABLE | (busy ? UV_WRITABLE : 0), worker_on_poll);
  if (worker->waiting > 0 || worker->leaving)
    uv_ref((uv_handle_t *)&worker->poll);
  else
    uv_unref((uv_handle_t *)&worker->poll);
}

/* ---- what a socket asks for ---- */

static int worker_ask(dgram_socket_t *socket, int fd, struct dgram__bind_request **request) {
  dgram_worker_t *worker = socket->loop->worker;
  struct dgram__bind_request *share = calloc(1, sizeof *share);
  if (share == NULL)
    return UV_ENOMEM;
  share->worker = worker;
  share->socket = socket;
  share->ask = (struct dgram__frame){.kind = DGRAM__FRAME_REQUEST,
                                     .number = worker->questions++,
                                     .fd = fd,
                                     .reuse_addr = fd == 0 && socket->options.reuse_addr,
                                     .ipv6_only = fd == 0 && socket->options.ipv6_only};
  *request = share;
  dgram__address_any(&share->ask.address, dgram__family(socket->options.type), 0);
  if (fd == 0)
    share->ask.address = socket->binding.to;
  worker->waiting++;
  worker_append(worker, share);
  worker_queue(share, DGRAM__FRAME_REQUEST);
  return 0;
}

static void worker_listening(struct dgram__bind_request *share) {
  worker_queue(share, DGRAM__FRAME_LISTENING);
}

static void worker_release(struct dgram__bind_request *share) {
  dgram_worker_t *worker = share->worker;
  share->socket = NULL;
  if (worker->loop->worker == NULL) /* it ends: nobody is to be told */
    return;
  if (share->answered) {
    worker_queue(share, DGRAM__FRAME_RELEASE);
  } else {
    worker->waiting--;
    worker_watch(worker);
  }
}

static const struct dgram__bind_agent worker_agent = {
    .ask = worker_ask, .listening = worker_listening, .release = worker_release};

/* ---- the public functions ---- */

/* The primary leaves the flag unset: whoever has set it has joined. */
static int worker_take_channel(void) {
  int flags = fcntl(DGRAM__CHANNEL_FD, F_GETFD);
  if (flags & FD_CLOEXEC)
    return UV_EALREADY;
  return fcntl(DGRAM__CHANNEL_FD, F_SETFD, flags | FD_CLOEXEC) == 0 ? 0 : -errno;
}

/* So that one may try again. */
static void worker_give_channel_back(void) {
  (void)fcntl(DGRAM__CHANNEL_FD, F_SETFD, 0);
}

/* Returns 0, or an error with nothing changed. */
static int worker_connect_to_primary(dgram_worker_t *worker, uv_loop_t *loop) {
  int err = worker_take_channel();
  if (err != 0)
    return err;
  err = uv_poll_init(loop, &worker->poll, DGRAM__CHANNEL_FD);
  if (err != 0) {
    worker_give_channel_back();
    return err;
  }
  worker->poll.data = worker;
  dgram__channel_init(&worker->channel, DGRAM__CHANNEL_FD);
  const struct dgram__frame online = {.kind = DGRAM__FRAME_ONLINE};
  (void)dgram__channel_send(&worker->channel, &online, -1);
  worker_watch(worker);
  return 0;
}

static int worker_join(dgram_worker_t *worker, uv_loop_t *loop) {
  worker->loop = dgram__loop_enter(loop);
  if (worker->loop == NULL)
    return UV_ENOMEM;
  int err = worker->loop->worker == NULL ? worker_connect_to_primary(worker, loop) : UV_EALREADY;
  if (err != 0) {
    dgram__loop_leave(worker->loop);
    return err;
  }
  worker->loop->worker = worker;
  worker->loop->bind_agent = &worker_agent;
  return 0;
}

int dgram_worker_join(uv_loop_t *loop, dgram_worker_disconnect_cb on_disconnect, void *context,
                      dgram_worker_t **worker) {
  int id;
  if (worker == NULL)
    return UV_EINVAL;
  *worker = NULL;
  if (loop == NULL)
    return UV_EINVAL;
  int err = dgram__worker_env_read(&id);
  if (err != 0)
    return err;
  dgram_worker_t *joined = calloc(1, sizeof *joined);
  if (joined == NULL)
    return UV_ENOMEM;
  *joined = (dgram_worker_t){.id = id, .on_disconnect = on_disconnect, .context = context};
  err = worker_join(joined, loop);
  if (err != 0) {
    free(joined);
    return err;
  }
  *worker = joined;
  return 0;
}

int dgram_worker_id(const dgram_worker_t *worker) {
  return worker != NULL ? worker->id : 0;
}

/* So its own end is readable: the rest is done from the loop. The primary hears of it then. */
void dgram_worker_leave(dgram_worker_t *worker) {
  if (worker == NULL || worker->loop->worker != worker) /* none, or it ends already */
    return;
  worker->leaving = true;
  shutdown(worker->channel.fd, SHUT_RD);
  worker_watch(worker);
}

int dgram_cluster_is_primary(void) {
  int id;
  return dgram__worker_env_read(&id) == UV_ENOENT;
}
