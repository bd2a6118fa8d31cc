/*
 * What a primary hears from a worker, and answers. A worker is not trusted: what it says is
 * checked, one that breaks the rules is killed, and one that does not read its answers is not
 * heard.
 */
#include "cluster.h"

#include <errno.h>
#include <signal.h>

enum { MOST_FRAMES = 64 }; /* of one worker at a time, so that none keeps the others waiting */

static void answer(struct dgram__member *worker, const struct dgram__frame *ask, int status,
                   int fd) {
  struct dgram__frame frame = {.kind = DGRAM__ANSWER, .number = ask->number, .status = status};
  /* An error shows when the channel is read, or written to, next. */
  (void)dgram__channel_send(&worker->channel, &frame, fd);
}

/*
 * The system lets a user have only so many descriptors on their way, and workers that don't read
 * have them all: this one's answer, of which nothing has gone, is that there is none.
 */
static void answer_without(struct dgram__member *worker) {
  struct dgram__frame frame;
  if (!dgram__frame_read(&frame, worker->channel.out))
    return;
  dgram__shares_take(&worker->cluster->shares, &worker->holder, frame.number);
  answer(worker, &frame, UV_EMFILE, -1);
}

static int resume(struct dgram__member *worker) {
  int err = dgram__channel_resume(&worker->channel);
  if (err != -ETOOMANYREFS)
    return err;
  answer_without(worker);
  return 0;
}

static int on_ask(struct dgram__member *worker, const struct dgram__frame *ask) {
  const struct dgram__holding *holding = NULL;
  if (ask->address.any.sa_family == AF_UNSPEC)
    return UV_EPROTO;
  int err = dgram__shares_give(&worker->cluster->shares, &worker->holder, ask, &holding);
  if (err != UV_EPROTO)
    answer(worker, ask, err, err == 0 ? holding->shared->fd : -1);
  return err == UV_EPROTO ? err : 0;
}

static int on_online(struct dgram__member *worker) {
  dgram_cluster_t *cluster = worker->cluster;
  if (worker->online)
    return UV_EPROTO;
  worker->online = true;
  if (cluster->options.on_online != NULL)
    cluster->options.on_online(cluster, worker->id, cluster->options.context);
  return 0;
}

static void tell_listening(struct dgram__member *worker, const struct dgram__holding *holding) {
  dgram_cluster_t *cluster = worker->cluster;
  dgram_address_t address;
  if (cluster->options.on_listening == NULL)
    return;
  dgram__address_describe(&holding->shared->name, &address);
  cluster->options.on_listening(cluster, worker->id, &address, cluster->options.context);
}

static int on_listening(struct dgram__member *worker, uint32_t number) {
  const struct dgram__holding *holding = dgram__shares_find(&worker->holder, number);
  if (holding == NULL)
    return UV_EPROTO;
  int replaced = worker->replaces;
  worker->replaces = 0;
  if (replaced != 0)
    (void)dgram_cluster_disconnect(worker->cluster, replaced); /* unless it has gone already */
  tell_listening(worker, holding);
  return 0;
}

static int on_frame(struct dgram__member *worker, const struct dgram__frame *frame) {
  switch (frame->kind) {
  case DGRAM__ONLINE:
    return on_online(worker);
  case DGRAM__ASK:
    return on_ask(worker, frame);
  case DGRAM__LISTENING:
    return on_listening(worker, frame->number);
  case DGRAM__RELEASE:
    return dgram__shares_take(&worker->cluster->shares, &worker->holder, frame->number) ? 0
                                                                                        : UV_EPROTO;
  default: /* what only a primary says */
    return UV_EPROTO;
  }
}

int dgram__member_hear(struct dgram__member *worker) {
  struct dgram__frame frame;
  for (int i = 0; i < MOST_FRAMES && !dgram__channel_busy(&worker->channel); i++) {
    int got = dgram__channel_receive(&worker->channel, &frame, NULL);
    int err = got > 0 ? on_frame(worker, &frame) : got;
    if (got <= 0 || err != 0)
      return err;
  }
  return 0;
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  struct dgram__member *worker = poll->data;
  int err = resume(worker);
  if (err == 0)
    err = dgram__member_hear(worker);
  if (err == 0)
    err = status;
  if (err == UV_EPROTO && !worker->exited)
    uv_process_kill(&worker->process, SIGKILL);
  if (err != 0)
    dgram__member_disconnect(worker);
  else
    dgram__member_go_on(worker);
}

void dgram__member_go_on(struct dgram__member *worker) {
  struct dgram__channel *channel = &worker->channel;
  const struct dgram__frame frame = {.kind = DGRAM__DISCONNECT};
  if (worker->to_disconnect && !dgram__channel_busy(channel)) {
    worker->to_disconnect = false;
    (void)dgram__channel_send(channel, &frame, -1);
  }
  uv_poll_start(&worker->poll, dgram__channel_busy(channel) ? UV_WRITABLE : UV_READABLE, on_poll);
  uv_unref((uv_handle_t *)&worker->poll); /* the process keeps the loop alive */
}
