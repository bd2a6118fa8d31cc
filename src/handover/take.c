/*
 * A server that takes the sockets of its predecessor when it starts. It blocks, with a time limit,
 * and needs no loop. Whatever the predecessor sends is checked.
 *
 * 1. dgram_handover_take() connects to the path and receives a frame with each descriptor. They are
 *    duplicates, and the caller owns them.
 * 2. dgram_handover_confirm() sends DGRAM__FRAME_CONFIRM, unless the predecessor has refused;
 *    dgram_handover_abandon() closes the connection without it.
 */
#include <dgram_handover.h>

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "channel.h"
#include "unix_listener.h"

struct dgram_takeover {
  struct dgram__channel channel;
};

static void take_free(dgram_takeover_t *takeover) {
  dgram__channel_close(&takeover->channel);
  free(takeover);
}

/* ---- 1. taking ---- */

static uint64_t take_now_ms(void) {
  return uv_hrtime() / 1000000;
}

/* Waits for a frame. Returns 0, with a descriptor or -1; or an error. */
static int take_receive(struct dgram__channel *channel, uint64_t deadline,
                        struct dgram__frame *frame, int *fd) {
  enum { MAX_WAIT_MS = 60 * 60 * 1000 }; /* the time left may exceed what poll(2) takes */
  int got;
  while ((got = dgram__channel_receive(channel, frame, fd)) == 0) {
    struct pollfd watched = {.fd = channel->fd, .events = POLLIN};
    uint64_t now = take_now_ms();
    if (now >= deadline)
      return UV_ETIMEDOUT;
    uint64_t left = deadline - now;
    if (poll(&watched, 1, left < MAX_WAIT_MS ? (int)left : MAX_WAIT_MS) < 0 && errno != EINTR)
      return -errno;
  }
  return got > 0 ? 0 : got;
}

/* Returns the number of descriptors, or an error with all of them closed. */
static int take_receive_all(struct dgram__channel *channel, uint64_t deadline, int fds[]) {
  struct dgram__frame frame = {.number = DGRAM_HANDOVER_MOST};
  int count = 0;
  do {
    uint32_t left = frame.number; /* with the one to be received; an upper bound of the first */
    int fd = -1;
    int err = take_receive(channel, deadline, &frame, &fd);
    if (err == 0 && frame.kind == DGRAM__FRAME_DESCRIPTOR && frame.status != 0)
      err = frame.status;
    else if (err == 0 && (frame.kind != DGRAM__FRAME_DESCRIPTOR || fd < 0 ||
                          (count == 0 ? frame.number >= left : frame.number != left - 1)))
      err = UV_EPROTO;
    if (fd >= 0)
      fds[count++] = fd;
    while (err != 0 && count > 0)
      close(fds[--count]);
    if (err != 0)
      return err;
  } while (frame.number > 0);
  return count;
}

int dgram_handover_take(const char *path, int timeout_ms, int fds[], dgram_takeover_t **takeover) {
  if (takeover == NULL)
    return UV_EINVAL;
  *takeover = NULL;
  if (path == NULL || *path == '\0' || fds == NULL)
    return UV_EINVAL;
  dgram_takeover_t *made = malloc(sizeof *made);
  if (made == NULL)
    return UV_ENOMEM;
  uint64_t deadline = timeout_ms < 0 ? UINT64_MAX : take_now_ms() + (uint64_t)timeout_ms;
  int fd = dgram__unix_listener_connect(path);
  dgram__channel_init(&made->channel, fd);
  int result;
  if (fd < 0)
    result = fd == UV_EAGAIN ? UV_EBUSY : fd;
  else if (!dgram__unix_listener_trusts(fd))
    result = UV_EACCES;
  else
    result = take_receive_all(&made->channel, deadline, fds);
  if (result < 0)
    take_free(made);
  else
    *takeover = made;
  return result;
}

/* ---- 2. confirming ---- */

/* Returns the error with which the predecessor has ended the connection, or 0. */
static int take_read_refusal(dgram_takeover_t *takeover) {
  struct dgram__frame frame;
  int got = dgram__channel_receive(&takeover->channel, &frame, NULL);
  return got > 0 && frame.kind == DGRAM__FRAME_DESCRIPTOR ? frame.status : 0;
}

int dgram_handover_confirm(dgram_takeover_t *takeover) {
  const struct dgram__frame frame = {.kind = DGRAM__FRAME_CONFIRM};
  if (takeover == NULL)
    return 0;
  int err = take_read_refusal(takeover);
  if (err == 0) {
    err = dgram__channel_send(&takeover->channel, &frame, -1);
    /* A refusal may have arrived since it was read; sending then fails. */
    int refusal = err != 0 ? take_read_refusal(takeover) : 0;
    if (refusal != 0)
      err = refusal;
    else if (err == 0 && dgram__channel_busy(&takeover->channel))
      err = UV_EAGAIN; /* though the socket has room for the first frame */
  }
  take_free(takeover);
  return err;
}

void dgram_handover_abandon(dgram_takeover_t *takeover) {
  if (takeover != NULL)
    take_free(takeover);
}
