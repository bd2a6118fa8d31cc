/*
 * How a worker finds its primary: its end of the channel is descriptor 3,
 * and the environment variable DGRAM_CLUSTER is "VERSION:ID:INODE". The number of the socket's
 * inode says that the descriptor is the one that was meant: whatever the worker itself starts has
 * the variable too.
 * Floor 1: knows neither libuv nor sockets.
 */
#ifndef DGRAM_WORKER_ENV_H
#define DGRAM_WORKER_ENV_H

enum { DGRAM__CHANNEL_FD = 3 }; /* of a worker */

/* Lists of texts end in a NULL; a NULL instead of a list is an empty one. */

/* A copy of a list, in one block of memory. NULL: no memory. */
char **dgram__texts_copy(char *const texts[]);

/*
 * The environment of a worker whose end of the channel is `channel`: this process's, with
 * "NAME=..." texts added or replaced. They are borrowed; the list is the caller's. NULL: no memory.
 */
char **dgram__worker_env_make(int id, int channel, char *const added[]);

/*
 * Whether workers that this process starts can know that they are: 0, or UV_EPERM. A program with
 * more rights than its user gives those to its workers, too, whose environment is foreign then.
 * They believe it only if the system says that their primary has these rights as a user or group:
 * not if they are file capabilities, nor once it has given them up.
 */
int dgram__worker_env_check(void);

/*
 * Whether this process is a worker: 0, and its id; UV_ENOENT if it is none; UV_EPROTONOSUPPORT if
 * it is one but its primary speaks another version.
 */
int dgram__worker_env_read(int *id);

#endif
