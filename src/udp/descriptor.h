/*
 * New descriptors, as every one of this library is: close-on-exec from the beginning, since another
 * thread may fork at any time, and never 0, 1 or 2. A program that was started without standard
 * input, output or error has their numbers free, and what it writes there would leave by a socket.
 * Knows neither libuv's loop nor what the descriptors are for.
 */
#ifndef DGRAM_DESCRIPTOR_H
#define DGRAM_DESCRIPTOR_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

/* The file that a descriptor refers to: duplicates have the same one, a number is used again. */
struct dgram__identity {
  dev_t device;
  ino_t inode;
};

/* Returns 0 or an error. */
int dgram__descriptor_identify(int fd, struct dgram__identity *identity);

static inline bool dgram__identity_equal(const struct dgram__identity *a,
                                         const struct dgram__identity *b) {
  return a->device == b->device && a->inode == b->inode;
}

/* The value of a socket's option that is an int; 0 if there is no such option, or no socket. */
static inline int dgram__descriptor_option(int fd, int level, int name) {
  int value = 0;
  socklen_t length = sizeof value;
  return getsockopt(fd, level, name, &value, &length) == 0 ? value : 0;
}

/* Moves a new descriptor above the standard ones. Returns it; on error `fd` is closed. */
int dgram__descriptor_above_standard(int fd);

/* Returns a duplicate, or an error. */
int dgram__descriptor_duplicate(int fd);

/* Puts a descriptor in the place of another, which is closed. On error nothing has changed. */
int dgram__descriptor_replace(int old, int fd);

/* Makes a socket, non-blocking. Returns its descriptor or an error. */
int dgram__descriptor_socket(int family, int type);

/* Accepts a connection, non-blocking. Returns its descriptor or an error. */
int dgram__descriptor_accept(int listener);

/* Makes two connected UNIX sockets, non-blocking. Returns 0, or an error with none left open. */
int dgram__descriptor_pair(int fds[2]);

#endif
