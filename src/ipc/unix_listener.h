/*
 * A place in the file system where two processes of a host meet: a UNIX socket at a path (unix(7)).
 * Nothing here blocks, and no descriptor is inherited.
 * Floor 1: knows neither libuv's loop nor what the processes say.
 */
#ifndef DGRAM_UNIX_LISTENER_H
#define DGRAM_UNIX_LISTENER_H

#include <stdbool.h>
#include <sys/types.h>

/* Bytes of a path, so that there is room in an address for a name beside it. */
enum { DGRAM__UNIX_LISTENER_MAX_PATH = 80 };

/*
 * The file at a path, to be known again: another may have been put there since. It is no other
 * file's as long as the socket that listens there is open, since the system keeps the inode for it.
 */
struct dgram__unix_listener {
  dev_t device;
  ino_t inode;
};

/*
 * Listens at a path, in the place of any socket that lies there; whoever connects meets the one or
 * the other, never none. Only this user may connect. Returns a descriptor or an error.
 */
int dgram__unix_listener_listen(const char *path, struct dgram__unix_listener *place);

/*
 * Removes the file, if it is still this one; that of another stays, whenever it comes. Call it
 * while the socket listens. Where the file can't be removed it stays: one that nobody listens on.
 */
void dgram__unix_listener_remove(const char *path, const struct dgram__unix_listener *place);

/*
 * Whether another's file has come in the place of this one, or none, and nobody listens there: the
 * other has died, or withdrawn.
 */
bool dgram__unix_listener_is_deserted(const char *path, const struct dgram__unix_listener *place);

/* Returns the descriptor of one who has connected, UV_EAGAIN when there is none, or an error. */
int dgram__unix_listener_accept(int listener);

/* Connects to who listens at a path. Returns a descriptor; UV_EAGAIN: too many do; or an error. */
int dgram__unix_listener_connect(const char *path);

/* Whether the process at the other end is of this effective user, or of root. */
bool dgram__unix_listener_trusts(int fd);

#endif
