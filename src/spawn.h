/*
 * How a worker is started, and how it finds its primary: its end of the channel is descriptor 3,
 * and the environment variable DGRAM_CLUSTER is "VERSION:ID:INODE". The number of the socket's
 * inode says that the descriptor is the one that was meant: whatever the worker itself starts has
 * the variable too.
 * Floor 3: on libuv's processes; knows nothing of sockets.
 */
#ifndef DGRAM_SPAWN_H
#define DGRAM_SPAWN_H

#include <uv.h>

enum { DGRAM__CHANNEL_FD = 3 }; /* of a worker */

/* Lists of texts end in a NULL; a NULL instead of a list is an empty one. */

/* A copy of a list, in one block of memory. NULL: no memory. */
char **dgram__texts_copy(char *const texts[]);

/*
 * The environment of a worker whose end of the channel is `channel`: this process's, with
 * "NAME=..." texts added or replaced. They are borrowed; the list is the caller's. NULL: no memory.
 */
char **dgram__worker_environment(int id, int channel, char *const added[]);

/* What to run. */
struct dgram__program {
  const char *file;
  char **args;
  char **env;
  uv_exit_cb on_exit;
};

/* Starts it. Returns 0 or an error; either way libuv knows the handle, which must be closed. */
int dgram__spawn(uv_loop_t *loop, uv_process_t *process, const struct dgram__program *program,
                 int channel);

/*
 * Whether this process is a worker: 0, and its id; UV_ENOENT if it is none; UV_EPROTONOSUPPORT if
 * it is one but its primary speaks another version.
 */
int dgram__worker_invited(int *id);

#endif
