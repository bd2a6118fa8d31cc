#include "place.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "channel.h"

enum {
  BACKLOG = 8,   /* of those who have not been accepted yet */
  MOST_PATH = 80 /* so that there is room for a name of our own */
};

/* ---- sockets ---- */

/* Makes a new descriptor fit for use, or closes it. Returns it, or an error. */
static int prepared(int fd) {
  if (fd < 0)
    return -errno;
  int err = dgram__channel_prepare(fd);
  if (err != 0)
    close(fd);
  return err != 0 ? err : fd;
}

static int new_socket(void) {
  return prepared(socket(AF_UNIX, SOCK_STREAM, 0));
}

int dgram__place_accept(int listener) {
  return prepared(accept(listener, NULL, NULL));
}

int dgram__place_connect(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path)
    return UV_ENAMETOOLONG;
  int fd = new_socket();
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
static int peer_user(int fd, uid_t *user) {
  struct ucred peer;
  socklen_t length = sizeof peer;
  int result = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length);
  if (result == 0)
    *user = peer.uid;
  return result;
}
#else
static int peer_user(int fd, uid_t *user) {
  gid_t group;
  return getpeereid(fd, user, &group);
}
#endif

bool dgram__place_trusts(int fd) {
  uid_t user;
  return peer_user(fd, &user) == 0 && (user == geteuid() || user == 0);
}

/* ---- the file ---- */

static bool is_socket(const char *path) {
  struct stat file;
  return lstat(path, &file) == 0 && S_ISSOCK(file.st_mode);
}

static bool is_free(const char *path) {
  struct stat file;
  return lstat(path, &file) != 0 ? errno == ENOENT : S_ISSOCK(file.st_mode);
}

void dgram__place_remove(const char *path, const struct dgram__place *place) {
  struct stat file;
  if (lstat(path, &file) == 0 && file.st_dev == place->device && file.st_ino == place->inode)
    unlink(path);
}

/* ---- listening ---- */

/*
 * Makes the file under a name of its own. Nobody can connect before it listens, and then its mode
 * is right.
 */
static int make(int fd, const struct sockaddr_un *address, struct dgram__place *place) {
  const char *name = address->sun_path;
  if (is_socket(name)) /* of a process that had our number, and died in the midst of this */
    unlink(name);
  if (bind(fd, (const struct sockaddr *)address, sizeof *address) != 0)
    return -errno;
  struct stat file;
  int err = 0;
  if (chmod(name, S_IRUSR | S_IWUSR) != 0 || lstat(name, &file) != 0 || listen(fd, BACKLOG) != 0) {
    err = -errno;
    unlink(name);
  } else {
    *place = (struct dgram__place){.device = file.st_dev, .inode = file.st_ino};
  }
  return err;
}

static int listen_at(int fd, const char *path, struct dgram__place *place) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) > MOST_PATH)
    return UV_ENAMETOOLONG;
  if (!is_free(path))
    return UV_EEXIST;
  snprintf(address.sun_path, sizeof address.sun_path, "%s.%ld-%d", path, (long)getpid(), fd);
  int err = make(fd, &address, place);
  if (err == 0 && rename(address.sun_path, path) != 0) {
    err = -errno;
    unlink(address.sun_path);
  }
  return err;
}

int dgram__place_listen(const char *path, struct dgram__place *place) {
  int fd = new_socket();
  if (fd < 0)
    return fd;
  int err = listen_at(fd, path, place);
  if (err != 0)
    close(fd);
  return err != 0 ? err : fd;
}
