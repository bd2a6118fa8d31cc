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
  BACKLOG = 8, /* of those who have not been accepted yet */
  NAME_SIZE = DGRAM__UNIX_LISTENER_MAX_PATH + 18,
  TRIES = 16, /* to find a name that is free */
  OWNER_ONLY = S_IRUSR | S_IWUSR
};

/* ---- sockets ---- */

/* A path may be without an end. */
static bool unix_listener_is_too_long(const char *path) {
  return strnlen(path, DGRAM__UNIX_LISTENER_MAX_PATH + 1) > DGRAM__UNIX_LISTENER_MAX_PATH;
}

int dgram__unix_listener_accept(int listener) {
  return dgram__descriptor_accept(listener);
}

int dgram__unix_listener_connect(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (unix_listener_is_too_long(path))
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

#ifdef __linux__
static int unix_listener_peer_user(int fd, uid_t *user) {
  struct ucred peer;
  socklen_t length = sizeof peer;
  int result = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length);
  if (result == 0)
    *user = peer.uid;
  return result;
}
#else
static int unix_listener_peer_user(int fd, uid_t *user) {
  gid_t group;
  return getpeereid(fd, user, &group);
}
#endif

bool dgram__unix_listener_trusts(int fd) {
  uid_t user;
  return unix_listener_peer_user(fd, &user) == 0 && (user == geteuid() || user == 0);
}

/* ---- names ---- */

/*
 * A name beside the path. Process ids won't do: in containers that share a folder two processes may
 * have the same. It need not be a secret, since what is done with it fails where a file lies.
 */
static void unix_listener_name_beside(const char *path, char name[NAME_SIZE]) {
  static atomic_uint made;
  struct timespec now = {0};
  clock_gettime(CLOCK_REALTIME, &now);
  uint64_t number = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
  number = (number ^ (uint64_t)getpid() << 40) * 0x9e3779b97f4a7c15 + ++made;
  snprintf(name, NAME_SIZE, "%.*s.%016" PRIx64, DGRAM__UNIX_LISTENER_MAX_PATH, path, number);
}

/* ---- the file ---- */

static bool unix_listener_is_free(const char *path) {
  struct stat file;
  return lstat(path, &file) != 0 ? errno == ENOENT : S_ISSOCK(file.st_mode);
}

static bool unix_listener_is_at(const char *path, const struct dgram__unix_listener *place) {
  struct stat file;
  return lstat(path, &file) == 0 && file.st_dev == place->device && file.st_ino == place->inode;
}

/* Renames, unless something lies there already. Returns 0 or -1, as rename(2). */
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

/* Another's file was moved away: back with it, unless a third one's has come in its place. */
static void unix_listener_put_back(const char *name, const char *path) {
  if (unix_listener_rename_to_free(name, path) == 0)
    return;
  if (errno == EEXIST)
    unlink(name);
  else /* this file system can only replace */
    (void)rename(name, path);
}

/*
 * No system call removes a file only if it is a certain one, and between looking and removing
 * another may come to lie there. So it is moved away first, and looked at where nobody else is.
 */
void dgram__unix_listener_remove(const char *path, const struct dgram__unix_listener *place) {
  char name[NAME_SIZE];
  if (!unix_listener_is_at(path, place))
    return;
  unix_listener_name_beside(path, name);
  if (rename(path, name) != 0)
    return;
  if (unix_listener_is_at(name, place))
    unlink(name);
  else
    unix_listener_put_back(name, path);
}

bool dgram__unix_listener_is_deserted(const char *path, const struct dgram__unix_listener *place) {
  if (unix_listener_is_at(path, place))
    return false;
  int fd = dgram__unix_listener_connect(path);
  if (fd >= 0)
    close(fd);
  return fd == UV_ECONNREFUSED || fd == UV_ENOENT;
}

/* ---- listening ---- */

/* Binds to a name beside the path that is free. Returns 0 or an error. */
static int unix_listener_bind_beside(int fd, const char *path, struct sockaddr_un *address) {
  char name[NAME_SIZE];
  int err = UV_EADDRINUSE;
  for (int i = 0; i < TRIES && err == UV_EADDRINUSE; i++) {
    unix_listener_name_beside(path, name);
    memcpy(address->sun_path, name, strlen(name) + 1);
    err = bind(fd, (const struct sockaddr *)address, sizeof *address) == 0 ? 0 : -errno;
  }
  return err;
}

/*
 * Gives the file the mode that it must have, where it has not got it from the socket. A symbolic
 * link is not followed: whoever may write to the folder could have put one there.
 */
static int unix_listener_restrict_mode(const char *name, struct stat *file) {
  if (lstat(name, file) != 0)
    return -errno;
  if ((file->st_mode & (S_IRWXU | S_IRWXG | S_IRWXO)) == OWNER_ONLY)
    return 0;
  return fchmodat(AT_FDCWD, name, OWNER_ONLY, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : -errno;
}

/* Nobody can connect before the socket listens, and then the file's mode is right. */
static int unix_listener_listen_beside(int fd, const char *path, struct sockaddr_un *address,
                                       struct dgram__unix_listener *place) {
  struct stat file;
  (void)fchmod(fd, OWNER_ONLY); /* Linux makes the file with the socket's mode */
  int err = unix_listener_bind_beside(fd, path, address);
  if (err != 0)
    return err;
  err = unix_listener_restrict_mode(address->sun_path, &file);
  if (err == 0 && listen(fd, BACKLOG) != 0)
    err = -errno;
  if (err != 0)
    unlink(address->sun_path);
  else
    *place = (struct dgram__unix_listener){.device = file.st_dev, .inode = file.st_ino};
  return err;
}

static int unix_listener_listen_at(int fd, const char *path, struct dgram__unix_listener *place) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (unix_listener_is_too_long(path))
    return UV_ENAMETOOLONG;
  if (!unix_listener_is_free(path))
    return UV_EEXIST;
  int err = unix_listener_listen_beside(fd, path, &address, place);
  if (err == 0 && rename(address.sun_path, path) != 0) {
    err = -errno;
    unlink(address.sun_path);
  }
  return err;
}

int dgram__unix_listener_listen(const char *path, struct dgram__unix_listener *place) {
  int fd = dgram__descriptor_socket(AF_UNIX, SOCK_STREAM);
  if (fd < 0)
    return fd;
  int err = unix_listener_listen_at(fd, path, place);
  if (err != 0)
    close(fd);
  return err != 0 ? err : fd;
}
