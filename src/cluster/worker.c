/*
 * A worker's connection to its primary, and the bind agent of its loop: the primary binds for the
 * loop's sockets.
 *
 *   worker    JOINED -> ENDED               the primary disconnects, or is gone
 *             JOINED -> LEAVING -> ENDED    dgram_worker_leave()
 *   request   QUEUED -> SENT -> LEASED      the primary has replied with a descriptor
 *             SENT -> freed                 ... or with an error
 *             LEASED -> LISTENING_QUEUED -> LEASED
 *             LEASED, LISTENING_QUEUED -> RELEASE_QUEUED -> freed
 *
 * 1. A loop joins: descriptor 3 becomes the channel, and the agent is set.
 * 2. A socket's bind is a request. Its frames are queued while the channel is busy.
 * 3. The primary replies in the order of the requests. A reply is a lease, to be released when the
 *    socket closes; at once if it has closed since, or cannot take the descriptor.
 * 4. At the end the sockets are closed, and binds that wait fail with ECANCELED.
 */
#include "internal.h"

#include <dgram_cluster.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel.h"
#include "list.h"
#include "worker_env.h"

enum worker_request_state {
  REQUEST_QUEUED,
  REQUEST_SENT,
  REQUEST_LEASED,
  REQUEST_LISTENING_QUEUED,
  REQUEST_RELEASE_QUEUED
};

struct dgram__bind_request {
  enum worker_request_state state;
  struct dgram__list_node node;       /* in `unanswered`, then in `leased` */
  struct dgram__list_node queue_node; /* in `queue`, in the states *_QUEUED */
  dgram_worker_t *worker;
  dgram_socket_t *socket; /* NULL: closed */
  struct dgram__frame frame;
};

enum worker_state { WORKER_JOINED, WORKER_LEAVING, WORKER_ENDED };

struct dgram_worker {
  enum worker_state state;
  struct dgram__loop *loop;
  int id;
  uv_poll_t poll; /* of the channel */
  struct dgram__channel channel;
  struct dgram__list unanswered; /* requests, in order */
  struct dgram__list leased;     /* requests that were granted a descriptor, in order */
  struct dgram__list queue;      /* requests with a frame to be sent */
  uint32_t requests;             /* so far: the number of the next one */
  unsigned waiting;              /* sockets of `unanswered`: they keep the loop alive */
  dgram_worker_disconnect_cb on_disconnect;
  void *context;
};

static void worker_set_state(dgram_worker_t *worker, enum worker_state state) {
  assert(worker->state < state);
  worker->state = state;
}

static void worker_set_request_state(struct dgram__bind_request *request,
                                     enum worker_request_state state) {
  static const unsigned char edges[] = {
      [REQUEST_SENT] = DGRAM__FROM(REQUEST_QUEUED),
      [REQUEST_LEASED] = DGRAM__FROM(REQUEST_SENT) | DGRAM__FROM(REQUEST_LISTENING_QUEUED),
      [REQUEST_LISTENING_QUEUED] = DGRAM__FROM(REQUEST_LEASED),
      [REQUEST_RELEASE_QUEUED] =
          DGRAM__FROM(REQUEST_LEASED) | DGRAM__FROM(REQUEST_LISTENING_QUEUED),
  };
  dgram__assert_edge(edges, request->state, state);
  request->state = state;
}

/* ---- 2. requests ---- */

static void worker_on_poll(uv_poll_t *poll, int status, int events);

/* Watches the channel. The connection keeps the loop alive while a bind waits or it is to end. */
static void worker_watch(dgram_worker_t *worker) {
  bool busy = dgram__channel_busy(&worker->channel);
  uv_poll_start(&worker->poll, UV_READABLE | (busy ? UV_WRITABLE : 0), worker_on_poll);
  if (worker->waiting > 0 || worker->state == WORKER_LEAVING)
    uv_ref((uv_handle_t *)&worker->poll);
  else
    uv_unref((uv_handle_t *)&worker->poll);
}

/* Sends the frames that are queued, as far as the channel has room. */
static void worker_write(dgram_worker_t *worker) {
  while (!dgram__list_is_empty(&worker->queue) && !dgram__channel_busy(&worker->channel)) {
    struct dgram__bind_request *request = DGRAM__LIST_ENTRY(dgram__list_take_first(&worker->queue),
                                                            struct dgram__bind_request, queue_node);
    struct dgram__frame frame = {.number = request->frame.number};
    if (request->state == REQUEST_QUEUED) {
      frame = request->frame;
      worker_set_request_state(request, REQUEST_SENT);
    } else if (request->state == REQUEST_LISTENING_QUEUED) {
      frame.kind = DGRAM__FRAME_LISTENING;
      worker_set_request_state(request, REQUEST_LEASED);
    } else {
      assert(request->state == REQUEST_RELEASE_QUEUED && request->socket == NULL);
      frame.kind = DGRAM__FRAME_RELEASE;
      dgram__list_remove(&worker->leased, &request->node);
      free(request);
    }
    /* An error is found when the channel is read next. */
    (void)dgram__channel_send(&worker->channel, &frame, -1);
  }
  worker_watch(worker);
}

/* Queues the frame of this state. RELEASE takes the place of LISTENING if that was not sent yet. */
static void worker_queue(struct dgram__bind_request *request, enum worker_request_state state) {
  bool queued = request->state == REQUEST_LISTENING_QUEUED;
  worker_set_request_state(request, state);
  if (!queued)
    dgram__list_append(&request->worker->queue, &request->queue_node);
  worker_write(request->worker);
}

static int worker_request(dgram_socket_t *socket, int fd, struct dgram__bind_request **made) {
  dgram_worker_t *worker = socket->loop->worker;
  struct dgram__bind_request *request = calloc(1, sizeof *request);
  if (request == NULL)
    return UV_ENOMEM;
  request->worker = worker;
  request->socket = socket;
  request->frame = (struct dgram__frame){
      .kind = DGRAM__FRAME_REQUEST,
      .number = worker->requests++,
      .fd = fd,
      .reuse_addr = fd == 0 && (socket->options.flags & DGRAM__REUSE_ADDR) != 0,
      .ipv6_only = fd == 0 && (socket->options.flags & DGRAM__IPV6_ONLY) != 0};
  dgram__address_any(&request->frame.address, dgram__family(socket->options.type), 0);
  if (fd == 0)
    request->frame.address = socket->binding.to;
  *made = request;
  worker->waiting++;
  dgram__list_append(&worker->unanswered, &request->node);
  dgram__list_append(&worker->queue, &request->queue_node);
  worker_write(worker);
  return 0;
}

static void worker_listening(struct dgram__bind_request *request) {
  worker_queue(request, REQUEST_LISTENING_QUEUED);
}

static void worker_release(struct dgram__bind_request *request) {
  dgram_worker_t *worker = request->worker;
  request->socket = NULL;
  if (worker->state == WORKER_ENDED)
    return;
  if (request->state >= REQUEST_LEASED) {
    worker_queue(request, REQUEST_RELEASE_QUEUED);
  } else {
    worker->waiting--;
    worker_watch(worker);
  }
}

static const struct dgram__bind_agent worker_agent = {
    .request = worker_request, .listening = worker_listening, .release = worker_release};

/* ---- 3. replies ---- */

/* Owns `fd`, which may be -1. */
static int worker_on_reply(dgram_worker_t *worker, const struct dgram__frame *frame, int fd) {
  struct dgram__bind_request *request =
      DGRAM__LIST_FIRST(&worker->unanswered, struct dgram__bind_request, node);
  bool expected =
      request != NULL && request->state == REQUEST_SENT && request->frame.number == frame->number;
  dgram_socket_t *socket = expected ? request->socket : NULL;
  int err = expected ? frame->status : UV_EPROTO;
  if (err == 0 && fd < 0)
    err = UV_EMFILE; /* one was sent, but this process has no number free for it */
  if (err == 0 && socket != NULL)
    err = dgram__bind_take_shared(socket, fd);
  if (fd >= 0 && (err != 0 || socket == NULL))
    close(fd);
  if (!expected)
    return err;
  dgram__list_remove(&worker->unanswered, &request->node);
  if (err != 0)
    request->socket = NULL;
  if (frame->status != 0) {
    free(request);
  } else {
    dgram__list_append(&worker->leased, &request->node);
    worker_set_request_state(request, REQUEST_LEASED);
    if (request->socket == NULL)
      worker_queue(request, REQUEST_RELEASE_QUEUED);
  }
  if (socket != NULL) {
    worker->waiting--;
    dgram__bind_replied(socket, err);
  }
  return 0;
}

/* Returns 0, UV_EOF when the connection has ended or is to end, or an error that ends it. */
static int worker_read(dgram_worker_t *worker) {
  struct dgram__frame frame;
  int fd;
  int err = 0;
  for (int i = 0; i < DGRAM__CHANNEL_BUDGET && err == 0; i++) {
    int got = dgram__channel_receive(&worker->channel, &frame, &fd);
    if (got <= 0)
      return got;
    if (frame.kind == DGRAM__FRAME_REPLY) {
      err = worker_on_reply(worker, &frame, fd);
    } else {
      err = frame.kind == DGRAM__FRAME_DISCONNECT ? UV_EOF : UV_EPROTO;
      if (fd >= 0)
        close(fd);
    }
  }
  return err;
}

static void worker_end(dgram_worker_t *worker);

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
    worker_write(worker);
}

/* ---- 4. the end ---- */

static void worker_on_poll_closed(uv_handle_t *handle) {
  dgram_worker_t *worker = handle->data;
  if (worker->on_disconnect != NULL)
    worker->on_disconnect(worker, worker->context);
  dgram__loop_leave(worker->loop);
  free(worker);
}

static void worker_end(dgram_worker_t *worker) {
  struct dgram__list_node *node;
  worker->loop->bind_agent = NULL;
  worker->loop->worker = NULL;
  worker_set_state(worker, WORKER_ENDED);
  /* In the listeners of 'error' and 'close' the program may bind and close other sockets. */
  while ((node = dgram__list_take_first(&worker->leased)) != NULL ||
         (node = dgram__list_take_first(&worker->unanswered)) != NULL) {
    struct dgram__bind_request *request = DGRAM__LIST_ENTRY(node, struct dgram__bind_request, node);
    dgram_socket_t *socket = request->socket;
    bool leased = request->state >= REQUEST_LEASED;
    free(request);
    if (socket != NULL && leased)
      dgram__bind_revoked(socket);
    else if (socket != NULL)
      dgram__bind_replied(socket, UV_ECANCELED);
  }
  uv_close((uv_handle_t *)&worker->poll, worker_on_poll_closed);
  /* The descriptor stays open, though shut down: by it the process knows that it is a worker. */
  shutdown(worker->channel.fd, SHUT_RDWR);
  worker->channel.fd = -1;
  dgram__channel_close(&worker->channel);
}

/* ---- the public functions ---- */

/* Takes descriptor 3. Returns 0, or an error with nothing changed. */
static int worker_open_channel(dgram_worker_t *worker, uv_loop_t *loop) {
  int flags = fcntl(DGRAM__CHANNEL_FD, F_GETFD);
  /* The primary leaves FD_CLOEXEC unset: if it is set the process has joined before. */
  if (worker->loop->worker != NULL || (flags & FD_CLOEXEC) != 0)
    return UV_EALREADY;
  if (fcntl(DGRAM__CHANNEL_FD, F_SETFD, flags | FD_CLOEXEC) != 0)
    return -errno;
  int err = uv_poll_init(loop, &worker->poll, DGRAM__CHANNEL_FD);
  if (err != 0) {
    (void)fcntl(DGRAM__CHANNEL_FD, F_SETFD, 0); /* so that the program may try again */
    return err;
  }
  const struct dgram__frame online = {.kind = DGRAM__FRAME_ONLINE};
  worker->poll.data = worker;
  dgram__channel_init(&worker->channel, DGRAM__CHANNEL_FD);
  (void)dgram__channel_send(&worker->channel, &online, -1);
  worker_watch(worker);
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
  joined->loop = dgram__loop_enter(loop);
  err = joined->loop != NULL ? worker_open_channel(joined, loop) : UV_ENOMEM;
  if (err != 0) {
    if (joined->loop != NULL)
      dgram__loop_leave(joined->loop);
    free(joined);
    return err;
  }
  joined->loop->worker = joined;
  joined->loop->bind_agent = &worker_agent;
  *worker = joined;
  return 0;
}

int dgram_worker_id(const dgram_worker_t *worker) {
  return worker != NULL ? worker->id : 0;
}

/* After the shutdown the channel is readable, and the loop ends the connection. */
void dgram_worker_leave(dgram_worker_t *worker) {
  if (worker == NULL || worker->state != WORKER_JOINED)
    return;
  worker_set_state(worker, WORKER_LEAVING);
  shutdown(worker->channel.fd, SHUT_RD);
  worker_watch(worker);
}

int dgram_cluster_is_primary(void) {
  int id;
  return dgram__worker_env_read(&id) == UV_ENOENT;
}
