/*
 * A connection between two processes of one host: a UNIX stream socket (unix(7)) that carries
 * frames, each with at most one descriptor (SCM_RIGHTS). It never blocks. It buffers one outgoing
 * frame; while that waits for the socket the channel is busy and takes no other, so a peer that
 * does not read costs no memory.
 * Knows neither libuv's loop nor what the frames mean.
 */
#ifndef DGRAM_CHANNEL_H
#define DGRAM_CHANNEL_H

#include <stddef.h>

#include "frame.h"

/* Frames read of one channel at a wake-up, so that no peer starves the others. */
enum { DGRAM__CHANNEL_BUDGET = 64 };

struct dgram__channel {
  int fd; /* owned; -1: closed */
  unsigned char in[DGRAM__FRAME_SIZE];
  size_t in_size; /* bytes of `in` received so far */
  int in_fd;      /* the descriptor that came with them, owned; -1: none */
  unsigned char out[DGRAM__FRAME_SIZE];
  size_t out_left; /* bytes of `out` still to be sent */
  int out_fd;      /* the descriptor to be sent with them, borrowed; -1: none */
};

/* Takes ownership of one end, which is non-blocking. */
void dgram__channel_init(struct dgram__channel *channel, int fd);

/* Closes the socket, and a descriptor that was received but not passed to the caller. */
void dgram__channel_close(struct dgram__channel *channel);

/* Whether a frame is still to be sent, so that no other can be. */
static inline bool dgram__channel_busy(const struct dgram__channel *channel) {
  return channel->out_left > 0;
}

/*
 * Sends a frame, with a descriptor unless that is -1, which is borrowed while the channel is busy.
 * Returns 0, though the channel may be busy then; or an error of the connection, which is final.
 * Only -ETOOMANYREFS is not: nothing of the frame was sent, and it or another may be sent instead.
 */
int dgram__channel_send(struct dgram__channel *channel, const struct dgram__frame *frame, int fd);

/* Sends the rest of the frame, as far as the socket has room. Returns 0 or an error, as above. */
int dgram__channel_resume(struct dgram__channel *channel);

/*
 * Receives a frame. `fd` gets the descriptor that came with it, which the caller then owns, or -1;
 * with `fd` NULL the kernel discards descriptors, whatever the peer sends. Returns 1; 0: no frame
 * is complete yet; UV_EOF: the peer has closed; UV_EPROTO: the bytes are no frame; or an error.
 */
int dgram__channel_receive(struct dgram__channel *channel, struct dgram__frame *frame, int *fd);

#endif
