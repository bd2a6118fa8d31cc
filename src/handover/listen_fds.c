/* Descriptors from the service manager: the protocol of sd_listen_fds(3), all in the environment.
 */
#include <dgram_handover.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "environment.h"

enum { FIRST = 3 }; /* SD_LISTEN_FDS_START */

/* Reads a number of 0 to INT_MAX, of digits alone. Returns it or UV_EINVAL. */
static int listen_fds_read_number(const char *text) {
  char *end;
  long long number = strtoll(text, &end, 10); /* at the utmost LLONG_MAX */
  bool is_number = *text >= '0' && *text <= '9' && *end == '\0';
  return is_number && number <= INT_MAX ? (int)number : UV_EINVAL;
}

/* How many descriptors there are for this process, or UV_EINVAL. */
static int listen_fds_count_fds(void) {
  const char *pid = dgram__environment("LISTEN_PID");
  const char *count = dgram__environment("LISTEN_FDS");
  if (pid == NULL || count == NULL)
    return 0;
  int number = listen_fds_read_number(pid);
  if (number < 0 || number != getpid())
    return number < 0 ? number : 0;
  number = listen_fds_read_number(count);
  return number <= INT_MAX - FIRST ? number : UV_EINVAL;
}

/* Takes the next name off a list with colons between. Returns its length, or UV_EINVAL. */
static int listen_fds_next_name(const char **list) {
  size_t length = strcspn(*list, ":");
  *list += length;
  return length < DGRAM_LISTEN_NAME ? (int)length : UV_EINVAL;
}

/* Checks that there is a name for each descriptor, and writes those that there is room for. */
static int listen_fds_read_names(const char *list, dgram_listen_fd_t fds[], size_t room,
                                 int count) {
  for (int i = 0; i < count; i++) {
    const char *name = list;
    int length = listen_fds_next_name(&list);
    if (length < 0 || *list != (i < count - 1 ? ':' : '\0'))
      return UV_EINVAL;
    list++;
    if ((size_t)i < room) {
      memcpy(fds[i].name, name, (size_t)length);
      fds[i].name[length] = '\0';
    }
  }
  return 0;
}

static int listen_fds_describe(dgram_listen_fd_t fds[], size_t room, int count) {
  static const char unknown[] = "unknown";
  for (int i = 0; i < count && (size_t)i < room; i++) {
    fds[i].fd = FIRST + i;
    memcpy(fds[i].name, unknown, sizeof unknown);
  }
  const char *names = dgram__environment("LISTEN_FDNAMES");
  return names != NULL ? listen_fds_read_names(names, fds, room, count) : 0;
}

static int listen_fds_keep_to_ourselves(int count) {
  for (int fd = FIRST; fd < FIRST + count; fd++)
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
      return -errno;
  return 0;
}

static int listen_fds(dgram_listen_fd_t fds[], size_t room) {
  int count = listen_fds_count_fds();
  if (count <= 0)
    return count;
  int err = listen_fds_describe(fds, room, count);
  if (err == 0)
    err = listen_fds_keep_to_ourselves(count);
  return err != 0 ? err : count;
}

int dgram_listen_fds(dgram_listen_fd_t fds[], size_t room, int clear) {
  if (fds == NULL && room > 0)
    return UV_EINVAL;
  int result = listen_fds(fds, room);
  if (clear) {
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
  }
  return result;
}
