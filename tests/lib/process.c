#include "lib/process.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

const char *process_program(void) {
  static char program[4096];
  size_t size = sizeof program;
  assert_int_equal(uv_exepath(program, &size), 0);
  return program;
}

void process_run_until_killed(uv_loop_t *loop, pid_t pid) {
  int status;
  while (waitpid(pid, &status, WNOHANG) == 0)
    uv_run(loop, UV_RUN_NOWAIT);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

ssize_t process_send_fds(int to, const void *bytes, size_t size, const int fds[], size_t count,
                         int flags) {
  union {
    char bytes[CMSG_SPACE(8 * sizeof(int))];
    struct cmsghdr align;
  } control = {.bytes = {0}};
  struct iovec iov = {.iov_base = (void *)bytes, .iov_len = size};
  struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
  if (count > 0) {
    message.msg_control = control.bytes;
    message.msg_controllen = (socklen_t)CMSG_SPACE(count * sizeof(int));
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = (socklen_t)CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(header), fds, count * sizeof(int));
  }
  return sendmsg(to, &message, flags | MSG_NOSIGNAL);
}

int process_invite_worker(int frame_version, int id) {
  enum { OUT_OF_THE_WAY = 10 };
  struct stat file;
  char variable[64];
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0)
    return -1;
  int ours = fcntl(fds[0], F_DUPFD_CLOEXEC, OUT_OF_THE_WAY);
  int theirs = fcntl(fds[1], F_DUPFD_CLOEXEC, OUT_OF_THE_WAY);
  close(fds[0]);
  close(fds[1]);
  int channel = dup2(theirs, WORKER_CHANNEL_FD); /* without FD_CLOEXEC */
  close(theirs);
  if (ours < 0 || channel < 0 || fcntl(ours, F_SETFL, O_NONBLOCK) != 0 ||
      fcntl(channel, F_SETFL, O_NONBLOCK) != 0 || fstat(channel, &file) != 0)
    return -1;
  snprintf(variable, sizeof variable, "%d:%d:%llu", frame_version, id,
           (unsigned long long)file.st_ino);
  return setenv("DGRAM_CLUSTER", variable, 1) == 0 ? ours : -1;
}

static int standard_kept[STANDARD_FDS];

void process_close_standard(void) {
  enum { OUT_OF_THE_WAY = 20 };
  for (int i = 0; i < STANDARD_FDS; i++) {
    standard_kept[i] = fcntl(i, F_DUPFD_CLOEXEC, OUT_OF_THE_WAY);
    close(i);
  }
}

int process_open_standard(void) {
  int sockets = 0;
  for (int i = 0; i < STANDARD_FDS; i++) {
    struct stat file;
    sockets += fstat(i, &file) == 0 && S_ISSOCK(file.st_mode);
    dup2(standard_kept[i], i);
    close(standard_kept[i]);
  }
  return sockets;
}
