/*
 * A connection between two processes of one host, over which frames travel, and descriptors with
 * them (SCM_RIGHTS, unix(7)). It never blocks, and holds at most one frame that is on its way: who
 * has more to say waits until it has gone, so a process that does not read costs no memory.
 * Floor 1: knows neither libuv's loop nor what the frames mean.
 */
#ifndef DGRAM_CHANNEL_H
#define DGRAM_CHANNEL_H

#include <stddef.h>

#include "frame.h"

struct dgram__channel {
  int fd;
  unsigned char in[DGRAM__FRAME_SIZE];
  size_t in_size; /* of the frame that is coming */
  int in_fd;      /* that came with it; -1: none */
  unsigned char out[DGRAM__FRAME_SIZE];
  size_t out_left; /* of the frame that is going */
  int out_fd;      /* to go with it; -1: none */
};

/* Takes over one end, which is non-blocking. */
void dgram__channel_init(struct dgram__channel *channel, int fd);

/* Closes it, and a descriptor that nobody has taken. */
void dgram__channel_close(struct dgram__channel *channel);

/* A frame is on its way, and another can't be sent. */
static inline bool dgram__channel_busy(const struct dgram__channel *channel) {
  return channel->out_left > 0;
}

/*
 * Sends a frame, with a descriptor unless that is -1; it is borrowed while the channel is busy.
 * Returns 0, though the channel may be busy then; or an error of the connection, which has ended.
 * But with -ETOOMANYREFS nothing of the frame has gone, and it or another may be sent in its place.
 */
int dgram__channel_send(struct dgram__channel *channel, const struct dgram__frame *frame, int fd);

/* Sends what is left of a frame, as far as that goes. Returns 0 or an error, likewise. */
int dgram__channel_resume(struct dgram__channel *channel);

/*
 * Receives a frame. `fd` gets the descriptor that came with it, now the caller's, or -1; if `fd` is
 * NULL, descriptors are not taken in, whatever the other side sends. Returns 1; 0: there is none
 * yet; UV_EOF: the other side has gone; UV_EPROTO: what came is no frame; or an error.
 */
int dgram__channel_receive(struct dgram__channel *channel, struct dgram__frame *frame, int *fd);

#endif
