/*
 * What a primary hears from a worker, and answers. A worker is not trusted: what it says is
 * checked, one that breaks the rules is killed, and one that does not read its answers is not
 * heard.
 */
#include "primary.h"

#include <errno.h>
#include <signal.h>

enum { MOST_FRAMES = 64 }; /* of one worker at a time, so that none keeps the others waiting */

static void primary_read_answer(struct dgram__worker_process *worker,
                                const struct dgram__frame *ask, int status, int fd) {
  struct dgram__frame frame = {.kind = DGRAM__FRAME_REPLY, .number = ask->number, .status = status};
  /* An error shows when the channel is read, or written to, next. */
  (void)dgram__channel_send(&worker->channel, &frame, fd);
}

/*
 * The system lets a user have only so many descriptors on their way, and workers that don't read
 * have them all: this one's answer, of which nothing has gone, is that there is none.
 */
static void primary_read_answer_without(struct dgram__worker_process *worker) {
  struct dgram__frame frame;
  if (!dgram__frame_read(&frame, worker->channel.out))
    return;
  dgram__shared_sockets_take(&worker->cluster->shares, &worker->holder, frame.number);
  primary_read_answer(worker, &frame, UV_EMFILE, -1);
}

static int primary_read_resume(struct dgram__worker_process *worker) {
  int err = dgram__channel_resume(&worker->channel);
  if (err != -ETOOMANYREFS)
    return err;
  primary_read_answer_without(worker);
  return 0;
}

static int primary_read_on_ask(struct dgram__worker_process *worker,
                               const struct dgram__frame *ask) {
  const struct dgram__lease *holding = NULL;
  if (ask->address.any.sa_family == AF_UNSPEC)
    return UV_EPROTO;
  int err = dgram__shared_sockets_give(&worker->cluster->shares, &worker->holder, ask, &holding);
  if (err != UV_EPROTO)
    primary_read_answer(worker, ask, err, err == 0 ? holding->shared->fd : -1);
  return err == UV_EPROTO ? err : 0;
}

static int primary_read_on_online(struct dgram__worker_process *worker) {
  dgram_cluster_t *cluster = worker->cluster;
  if (worker->online)
    return UV_EPROTO;
  worker->online = true;
  if (cluster->options.on_online != NULL)
    cluster->options.on_online(cluster, worker->id, cluster->options.context);
  return 0;
}

static void primary_read_report_listening(struct dgram__worker_process *worker,
                                          const struct dgram__lease *holding) {
  dgram_cluster_t *cluster = worker->cluster;
  dgram_address_t address;
  if (cluster->options.on_listening == NULL)
    return;
  dgram__address_describe(&holding->shared->name, &address);
  cluster->options.on_listening(cluster, worker->id, &address, cluster->options.context);
}

static int primary_read_on_listening(struct dgram__worker_process *worker, uint32_t number) {
  const struct dgram__lease *holding = dgram__shared_sockets_find(&worker->holder, number);
  if (holding == NULL)
    return UV_EPROTO;
  int replaced = worker->replaces;
  worker->replaces = 0;
  if (replaced != 0)
    (void)dgram_cluster_disconnect(worker->cluster, replaced); /* unless it has gone already */
  primary_read_report_listening(worker, holding);
  return 0;
}

static int primary_read_on_frame(struct dgram__worker_process *worker,
                                 const struct dgram__frame *frame) {
  switch (frame->kind) {
  case DGRAM__FRAME_ONLINE:
    return primary_read_on_online(worker);
  case DGRAM__FRAME_REQUEST:
    return primary_read_on_ask(worker, frame);
  case DGRAM__FRAME_LISTENING:
    return primary_read_on_listening(worker, frame->number);
  case DGRAM__FRAME_RELEASE:
    return dgram__shared_sockets_take(&worker->cluster->shares, &worker->holder, frame->number)
               ? 0
               : UV_EPROTO;
  default: /* what only a primary says */
    return UV_EPROTO;
  }
}

int dgram__primary_read(struct dgram__worker_process *worker) {
  struct dgram__frame frame;
  for (int i = 0; i < MOST_FRAMES && !dgram__channel_busy(&worker->channel); i++) {
    int got = dgram__channel_receive(&worker->channel, &frame, NULL);
    int err = got > 0 ? primary_read_on_frame(worker, &frame) : got;
    if (got <= 0 || err != 0)
      return err;
  }
  return 0;
}

static void primary_read_on_poll(uv_poll_t *poll, int status, int events) {
  struct dgram__worker_process *worker = poll->data;
  int err = primary_read_resume(worker);
  if (err == 0)
    err = dgram__primary_read(worker);
  if (err == 0)
    err = status;
  if (err == UV_EPROTO && !worker->exited)
    uv_process_kill(&worker->process, SIGKILL);
  if (err != 0)
    dgram__primary_disconnect(worker);
  else
    dgram__primary_write(worker);
}

void dgram__primary_write(struct dgram__worker_process *worker) {
  struct dgram__channel *channel = &worker->channel;
  const struct dgram__frame frame = {.kind = DGRAM__FRAME_DISCONNECT};
  if (worker->to_disconnect && !dgram__channel_busy(channel)) {
    worker->to_disconnect = false;
    (void)dgram__channel_send(channel, &frame, -1);
  }
  uv_poll_start(&worker->poll, dgram__channel_busy(channel) ? UV_WRITABLE : UV_READABLE,
                primary_read_on_poll);
  uv_unref((uv_handle_t *)&worker->poll); /* the process keeps the loop alive */
}
