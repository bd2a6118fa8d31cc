#include "unix_listener.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "address.h"
#include "descriptor.h"

enum {
  BACKLOG = 8, /* connections that wait for accept(2) */
  NAME_SIZE = DGRAM__UNIX_LISTENER_MAX_PATH + 18,
  TRIES = 16, /* to find an unused temporary name */
  OWNER_ONLY = S_IRUSR | S_IWUSR
};

bool dgram__unix_listener_is_too_long(const char *path) {
  return strnlen(path, DGRAM__UNIX_LISTENER_MAX_PATH + 1) > DGRAM__UNIX_LISTENER_MAX_PATH;
}

/*
 * A temporary name in the same folder. A process id would not do: in containers that share a folder
 * two processes may have the same one. The name need not be secret, since what is done with it
 * fails where a file exists.
 */
static void unix_listener_temporary_name(const char *path, char name[NAME_SIZE]) {
  static atomic_uint made;
  struct timespec now = {0};
  clock_gettime(CLOCK_REALTIME, &now);
  uint64_t number = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
  number = (number ^ (uint64_t)getpid() << 40) * 0x9e3779b97f4a7c15 + ++made;
  snprintf(name, NAME_SIZE, "%.*s.%016" PRIx64, DGRAM__UNIX_LISTENER_MAX_PATH, path, number);
}

/* ---- listening ---- */

/* Binds to an unused temporary name. Returns 0 or an error. */
static int unix_listener_bind(int fd, const char *path, struct sockaddr_un *address) {
  char name[NAME_SIZE];
  int err = UV_EADDRINUSE;
  for (int i = 0; i < TRIES && err == UV_EADDRINUSE; i++) {
    unix_listener_temporary_name(path, name);
    memcpy(address->sun_path, name, strlen(name) + 1);
    err = bind(fd, (const struct sockaddr *)address, sizeof *address) == 0 ? 0 : -errno;
  }
  return err;
}

/*
 * Sets the file's mode where it did not inherit the socket's. A symbolic link is not followed:
 * whoever may write to the folder could have put one there.
 */
static int unix_listener_restrict_mode(const char *name, struct stat *file) {
  if (lstat(name, file) != 0)
    return -errno;
  if ((file->st_mode & (S_IRWXU | S_IRWXG | S_IRWXO)) == OWNER_ONLY)
    return 0;
  return fchmodat(AT_FDCWD, name, OWNER_ONLY, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : -errno;
}

/* Nobody can connect before listen(2), and then the file has its mode; rename(2) replaces. */
int dgram__unix_listener_listen(const char *path, struct dgram__unix_listener *listener) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  struct stat file;
  if (dgram__unix_listener_is_too_long(path))
    return UV_ENAMETOOLONG;
  if (lstat(path, &file) == 0 ? !S_ISSOCK(file.st_mode) : errno != ENOENT)
    return UV_EEXIST;
  int fd = dgram__descriptor_socket(AF_UNIX, SOCK_STREAM);
  if (fd < 0)
    return fd;
  (void)fchmod(fd, OWNER_ONLY); /* on Linux the file inherits the socket's mode */
  int err = unix_listener_bind(fd, path, &address);
  if (err == 0) {
    err = unix_listener_restrict_mode(address.sun_path, &file);
    if (err == 0 && (listen(fd, BACKLOG) != 0 || rename(address.sun_path, path) != 0))
      err = -errno;
    if (err != 0)
      unlink(address.sun_path);
  }
  if (err != 0) {
    close(fd);
    return err;
  }
  *listener = (struct dgram__unix_listener){.device = file.st_dev, .inode = file.st_ino};
  return fd;
}

/* ---- removing the file ---- */

static bool unix_listener_is_at(const char *path, const struct dgram__unix_listener *listener) {
  struct stat file;
  return lstat(path, &file) == 0 && file.st_dev == listener->device &&
         file.st_ino == listener->inode;
}

/* Renames, unless `to` exists: EEXIST. Returns 0 or -1, as rename(2). */
static int unix_listener_rename_to_free(const char *from, const char *to) {
#if defined(__linux__) && defined(RENAME_NOREPLACE)
  if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
    return 0;
  if (errno == EEXIST)
    return -1;
#endif
  if (link(from, to) != 0) /* older kernels, other systems, some file systems */
    return -1;
  unlink(from);
  return 0;
}

/*
 * No system call removes a file on condition of its inode, and between lstat(2) and unlink(2)
 * another process may replace it. So the file is first moved to a name that nobody else uses, and
 * checked there; another process's file is moved back, unless a third one has replaced it already.
 */
void dgram__unix_listener_remove(const char *path, const struct dgram__unix_listener *listener) {
  char name[NAME_SIZE];
  if (!unix_listener_is_at(path, listener))
    return;
  unix_listener_temporary_name(path, name);
  if (rename(path, name) != 0)
    return;
  if (unix_listener_is_at(name, listener)) {
    unlink(name);
  } else if (unix_listener_rename_to_free(name, path) != 0) {
    if (errno == EEXIST)
      unlink(name);
    else /* this file system can only replace */
      (void)rename(name, path);
  }
}

/* ---- connecting ---- */

int dgram__unix_listener_connect(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (dgram__unix_listener_is_too_long(path))
    return UV_ENAMETOOLONG;
  int fd = dgram__descriptor_socket(AF_UNIX, SOCK_STREAM);
  if (fd < 0)
    return fd;
  memcpy(address.sun_path, path, strlen(path) + 1);
  if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
    return fd;
  int err = -errno;
  close(fd);
  return err;
}

bool dgram__unix_listener_is_deserted(const char *path,
                                      const struct dgram__unix_listener *listener) {
  if (unix_listener_is_at(path, listener))
    return false;
  int fd = dgram__unix_listener_connect(path);
  if (fd >= 0)
    close(fd);
  return fd == UV_ECONNREFUSED || fd == UV_ENOENT;
}

bool dgram__unix_listener_trusts(int fd) {
#ifdef __linux__
  struct ucred peer;
  socklen_t length = sizeof peer;
  bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0;
  uid_t user = known ? peer.uid : 0;
#else
  uid_t user = 0;
  gid_t group;
  bool known = getpeereid(fd, &user, &group) == 0;
#endif
  return known && (user == geteuid() || user == 0);
}
