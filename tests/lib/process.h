/* Other processes, and what passes between them and a test: descriptors, invitations, signals. */
#ifndef TESTS_LIB_PROCESS_H
#define TESTS_LIB_PROCESS_H

#include <sys/types.h>
#include <uv.h>

enum { STANDARD_FDS = 3, WORKER_CHANNEL_FD = 3 };

/* This program's file. */
const char *process_program(void);

/* Runs the loop until a child has ended, which must be by SIGKILL. */
void process_run_until_killed(uv_loop_t *loop, pid_t pid);

/* Sends bytes with some descriptors (SCM_RIGHTS); returns what sendmsg() does. */
ssize_t process_send_fds(int to, const void *bytes, size_t size, const int fds[], size_t count,
                         int flags);

/*
 * Makes this process a worker that has not joined yet: descriptor 3 is its channel, and the
 * environment names it. Returns the primary's end, which is 10 or above, or -1.
 */
int process_invite_worker(int frame_version, int id);

/*
 * Closes standard input, output and error, and opens them again. Meanwhile nothing can be
 * asserted. Opening them returns how many of the three numbers had become sockets'.
 */
void process_close_standard(void);
int process_open_standard(void);

#endif
