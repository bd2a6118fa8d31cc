/*
 * A server that takes the sockets of the one before it, at its start: so it blocks, with a limit,
 * and has no loop. What the other side says is checked.
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

static void take_release(dgram_takeover_t *takeover) {
  dgram__channel_close(&takeover->channel);
  free(takeover);
}

/* ---- waiting ---- */

/* In milliseconds. */
static uint64_t take_now_ms(void) {
  return uv_hrtime() / 1000000;
}

/* Returns 0 when there may be something to read, or an error. */
static int take_wait_for(int fd, uint64_t deadline) {
  enum { AT_MOST = 60 * 60 * 1000 }; /* a time that poll(2) can be told */
  struct pollfd watched = {.fd = fd, .events = POLLIN};
  uint64_t time = take_now_ms();
  if (time >= deadline)
    return UV_ETIMEDOUT;
  uint64_t left = deadline - time;
  int result = poll(&watched, 1, left < AT_MOST ? (int)left : AT_MOST);
  return result >= 0 || errno == EINTR ? 0 : -errno;
}

/* Waits for a frame. Returns 0, with a descriptor or -1; or an error. */
static int take_receive(struct dgram__channel *channel, struct dgram__frame *frame, int *fd,
                        uint64_t deadline) {
  int got = 0;
  while ((got = dgram__channel_receive(channel, frame, fd)) == 0) {
    int err = take_wait_for(channel->fd, deadline);
    if (err != 0)
      return err;
  }
  return got > 0 ? 0 : got;
}

/* ---- taking ---- */

/* Receives a descriptor, and how many come after it. Returns it, or an error. */
static int take_receive_one(dgram_takeover_t *takeover, uint64_t deadline, uint32_t *left) {
  struct dgram__frame frame;
  int fd;
  int err = take_receive(&takeover->channel, &frame, &fd, deadline);
  if (err != 0)
    return err;
  *left = frame.number;
  if (frame.kind == DGRAM__FRAME_DESCRIPTOR && frame.status == 0 && fd >= 0)
    return fd;
  if (fd >= 0)
    close(fd);
  return frame.kind == DGRAM__FRAME_DESCRIPTOR && frame.status != 0 ? frame.status : UV_EPROTO;
}

/* Returns the number of descriptors, or an error with none left open. */
static int take_receive_all(dgram_takeover_t *takeover, uint64_t deadline, int fds[]) {
  int count = 0;
  uint32_t left = 0;
  int err = 0;
  do {
    uint32_t expected = left - 1;
    int fd = take_receive_one(takeover, deadline, &left);
    if (fd < 0) {
      err = fd;
      break;
    }
    fds[count++] = fd;
    bool in_order = count == 1 ? left < DGRAM_HANDOVER_MOST : left == expected;
    err = in_order ? 0 : UV_EPROTO;
  } while (err == 0 && left > 0);
  while (err != 0 && count > 0)
    close(fds[--count]);
  return err != 0 ? err : count;
}

/* Returns as dgram_handover_take() does. */
static int take(dgram_takeover_t *takeover, const char *path, uint64_t deadline, int fds[]) {
  int fd = dgram__unix_listener_connect(path);
  if (fd < 0)
    return fd == UV_EAGAIN ? UV_EBUSY : fd;
  dgram__channel_init(&takeover->channel, fd);
  return dgram__unix_listener_trusts(fd) ? take_receive_all(takeover, deadline, fds) : UV_EACCES;
}

/* ---- the public functions ---- */

int dgram_handover_take(const char *path, int timeout_ms, int fds[], dgram_takeover_t **takeover) {
  if (takeover == NULL)
    return UV_EINVAL;
  *takeover = NULL;
  if (path == NULL || *path == '\0' || fds == NULL)
    return UV_EINVAL;
  dgram_takeover_t *made = malloc(sizeof *made);
  if (made == NULL)
    return UV_ENOMEM;
  dgram__channel_init(&made->channel, -1);
  int result =
      take(made, path, timeout_ms < 0 ? UINT64_MAX : take_now_ms() + (uint64_t)timeout_ms, fds);
  if (result < 0)
    take_release(made);
  else
    *takeover = made;
  return result;
}

/* Returns why the other server has ended the connection; 0: it has not, or not said why. */
static int take_refusal(dgram_takeover_t *takeover) {
  struct dgram__frame frame;
  int got = dgram__channel_receive(&takeover->channel, &frame, NULL);
  return got > 0 && frame.kind == DGRAM__FRAME_DESCRIPTOR ? frame.status : 0;
}

/* The refusal may come in the moment before the word is sent, which then fails. */
static int take_confirm(dgram_takeover_t *takeover) {
  const struct dgram__frame frame = {.kind = DGRAM__FRAME_CONFIRM};
  int err = take_refusal(takeover);
  if (err != 0)
    return err;
  err = dgram__channel_send(&takeover->channel, &frame, -1);
  if (err == 0) /* there is room for the first frame */
    return dgram__channel_busy(&takeover->channel) ? UV_EAGAIN : 0;
  int refused = take_refusal(takeover);
  return refused != 0 ? refused : err;
}

int dgram_handover_confirm(dgram_takeover_t *takeover) {
  if (takeover == NULL)
    return 0;
  int err = take_confirm(takeover);
  take_release(takeover);
  return err;
}

void dgram_handover_abandon(dgram_takeover_t *takeover) {
  if (takeover != NULL)
    take_release(takeover);
}
