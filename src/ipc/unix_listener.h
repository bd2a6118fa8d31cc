/*
 * UNIX stream sockets at a path (unix(7)), where two processes of a host meet. No call blocks, and
 * every descriptor is close-on-exec.
 * Knows neither libuv's loop nor what the processes exchange.
 */
#ifndef DGRAM_UNIX_LISTENER_H
#define DGRAM_UNIX_LISTENER_H

#include <stdbool.h>
#include <sys/types.h>

/* Bytes of a path: sun_path must also have room for a temporary name made of it. */
enum { DGRAM__UNIX_LISTENER_MAX_PATH = 80 };

/*
 * Identifies the socket file of a listener, since another process may replace the file. While the
 * listening socket is open the kernel keeps the inode, so no other file can have the same.
 */
struct dgram__unix_listener {
  dev_t device;
  ino_t inode;
};

/* Whether a path is too long to listen or connect at. It need not be terminated. */
bool dgram__unix_listener_is_too_long(const char *path);

/*
 * Listens at a path, and atomically replaces a socket file that is there: at any time a client
 * connects to the one or the other. Mode 0600. Returns a descriptor or an error.
 */
int dgram__unix_listener_listen(const char *path, struct dgram__unix_listener *listener);

/*
 * Removes the file at the path if it is this listener's; a file that another process puts there,
 * at whatever moment, stays. To be called while the listening socket is open. A file that can't be
 * removed stays, and connecting to it fails with ECONNREFUSED.
 */
void dgram__unix_listener_remove(const char *path, const struct dgram__unix_listener *listener);

/*
 * Whether this listener's file was replaced or removed and nobody listens at the path now: the
 * process that replaced it has died, or withdrawn its offer.
 */
bool dgram__unix_listener_is_deserted(const char *path,
                                      const struct dgram__unix_listener *listener);

/* Connects to a path. Returns a descriptor; UV_EAGAIN: the backlog is full; or an error. */
int dgram__unix_listener_connect(const char *path);

/* Whether the peer of a connection has this process's effective user id, or root's. */
bool dgram__unix_listener_trusts(int fd);

#endif
