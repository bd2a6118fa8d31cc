/* Descriptors from the service manager, by the environment variables of sd_listen_fds(3). */
#include <dgram_handover.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "environment.h"

enum { FIRST_FD = 3 }; /* SD_LISTEN_FDS_START */

/* Reads a number from 0 to INT_MAX, digits only. Returns it or UV_EINVAL. */
static int listen_fds_read_number(const char *text) {
  char *end;
  long long number = strtoll(text, &end, 10); /* LLONG_MAX on overflow */
  bool is_number = *text >= '0' && *text <= '9' && *end == '\0';
  return is_number && number <= INT_MAX ? (int)number : UV_EINVAL;
}

/* The number of descriptors for this process, or UV_EINVAL. */
static int listen_fds_count(void) {
  const char *pid = dgram__environment("LISTEN_PID");
  const char *count = dgram__environment("LISTEN_FDS");
  if (pid == NULL || count == NULL)
    return 0;
  int number = listen_fds_read_number(pid);
  if (number < 0 || number != getpid())
    return number < 0 ? number : 0;
  number = listen_fds_read_number(count);
  return number <= INT_MAX - FIRST_FD ? number : UV_EINVAL;
}

/* Checks that the list "NAME:NAME" names each descriptor, and writes the names that fit. */
static int listen_fds_read_names(const char *list, dgram_listen_fd_t fds[], size_t room,
                                 int count) {
  for (int i = 0; i < count; i++) {
    size_t length = strcspn(list, ":");
    if (length >= DGRAM_LISTEN_NAME || list[length] != (i < count - 1 ? ':' : '\0'))
      return UV_EINVAL;
    if ((size_t)i < room) {
      memcpy(fds[i].name, list, length);
      fds[i].name[length] = '\0';
    }
    list += length + 1;
  }
  return 0;
}

static int listen_fds_read(dgram_listen_fd_t fds[], size_t room) {
  int count = listen_fds_count();
  if (count <= 0)
    return count;
  for (int i = 0; i < count && (size_t)i < room; i++)
    fds[i] = (dgram_listen_fd_t){.fd = FIRST_FD + i, .name = "unknown"};
  const char *names = dgram__environment("LISTEN_FDNAMES");
  int err = names != NULL ? listen_fds_read_names(names, fds, room, count) : 0;
  for (int fd = FIRST_FD; err == 0 && fd < FIRST_FD + count; fd++)
    err = fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 ? 0 : -errno;
  return err != 0 ? err : count;
}

int dgram_listen_fds(dgram_listen_fd_t fds[], size_t room, int clear) {
  if (fds == NULL && room > 0)
    return UV_EINVAL;
  int result = listen_fds_read(fds, room);
  if (clear) {
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
  }
  return result;
}
