/*
 * How a process knows that it is a worker: its end of the channel is descriptor 3, and the
 * environment variable DGRAM_CLUSTER is "VERSION:ID:INODE". What the worker starts inherits the
 * variable too; the socket's inode shows whether descriptor 3 is the channel.
 * Knows neither libuv nor sockets.
 */
#ifndef DGRAM_WORKER_ENV_H
#define DGRAM_WORKER_ENV_H

enum { DGRAM__CHANNEL_FD = 3 }; /* in a worker */

/* Copies an array of strings that ends in NULL, in one block of memory. NULL is an empty array. */
char **dgram__strings_copy(char *const strings[]);

/*
 * The environment of a worker whose end of the channel is `channel`: this process's, with
 * "NAME=..." strings added or replaced. The strings are borrowed, the array is the caller's. NULL:
 * no memory.
 */
char **dgram__worker_env_make(int id, int channel, char *const added[]);

/*
 * Whether workers of this process can know that they are workers: 0, or UV_EPERM. A privileged
 * program (environment.h) passes its privileges on to its workers, which then ignore their
 * environment, unless the kernel confirms that the primary has the same effective user and group.
 * It cannot for file capabilities, nor once the program has dropped that user or group.
 */
int dgram__worker_env_check(void);

/*
 * Whether this process is a worker: 0, and its id; UV_ENOENT: it is none; UV_EPROTONOSUPPORT: its
 * primary uses another version of the frames.
 */
int dgram__worker_env_read(int *id);

#endif
