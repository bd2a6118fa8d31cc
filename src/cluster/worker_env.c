#include "worker_env.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "environment.h"
#include "frame.h"

#define VARIABLE "DGRAM_CLUSTER"

/* ---- lists of texts ---- */

static size_t worker_env_count_texts(char *const texts[]) {
  size_t count = 0;
  while (texts != NULL && texts[count] != NULL)
    count++;
  return count;
}

char **dgram__texts_copy(char *const texts[]) {
  size_t count = worker_env_count_texts(texts);
  size_t bytes = (count + 1) * sizeof *texts;
  for (size_t i = 0; i < count; i++)
    bytes += strlen(texts[i]) + 1;
  char **copy = malloc(bytes);
  if (copy == NULL)
    return NULL;
  char *end = (char *)(copy + count + 1);
  for (size_t i = 0; i < count; i++) {
    copy[i] = end;
    end = stpcpy(end, texts[i]) + 1;
  }
  copy[count] = NULL;
  return copy;
}

/* ---- programs with more rights than their users ---- */

#ifdef __linux__
int dgram__worker_env_check(void) {
  if (!dgram__environment_is_foreign())
    return 0;
  bool by_user = getauxval(AT_UID) != getauxval(AT_EUID) || getauxval(AT_GID) != getauxval(AT_EGID);
  bool still = geteuid() == getauxval(AT_EUID) && getegid() == getauxval(AT_EGID);
  return by_user && still ? 0 : UV_EPERM;
}

/* Whether who has made the channel has the user and group that only the program's file gives. */
static bool worker_env_is_trusted(int channel) {
  struct ucred peer;
  socklen_t length = sizeof peer;
  if (!dgram__environment_is_foreign())
    return true;
  return dgram__worker_env_check() == 0 &&
         getsockopt(channel, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
         peer.uid == geteuid() && peer.gid == getegid();
}
#else
int dgram__worker_env_check(void) {
  return dgram__environment_is_foreign() ? UV_EPERM : 0;
}

static bool worker_env_is_trusted(int channel) {
  (void)channel;
  return !dgram__environment_is_foreign();
}
#endif

/* ---- inviting ---- */

/* Whether one of the texts "NAME=value" has the name of another. */
static bool worker_env_is_named(char *const texts[], size_t count, const char *other) {
  size_t length = strcspn(other, "=");
  size_t i = 0;
  while (i < count && (strncmp(texts[i], other, length) != 0 || texts[i][length] != '='))
    i++;
  return i < count;
}

char **dgram__worker_env_make(int id, int channel, char *const added[]) {
  enum { VARIABLE_SIZE = 64 };
  size_t set = 1 + worker_env_count_texts(added);
  size_t places = set + worker_env_count_texts(environ) + 1;
  struct stat socket;
  char **env = malloc(places * sizeof *env + VARIABLE_SIZE);
  if (env == NULL || fstat(channel, &socket) != 0) {
    free(env);
    return NULL;
  }
  env[0] = (char *)(env + places);
  snprintf(env[0], VARIABLE_SIZE, VARIABLE "=%d:%d:%llu", DGRAM__FRAME_VERSION, id,
           (unsigned long long)socket.st_ino);
  size_t count = 1;
  while (count < set) {
    env[count] = added[count - 1];
    count++;
  }
  for (size_t i = 0; environ != NULL && environ[i] != NULL; i++)
    if (!worker_env_is_named(env, set, environ[i]))
      env[count++] = environ[i];
  env[count] = NULL;
  return env;
}

/* ---- being invited ---- */

/* Reads "VERSION:ID:INODE". What is out of range saturates, and then matches nothing. */
static bool worker_env_parse(const char *text, long *version, long *id, unsigned long long *inode) {
  char *end;
  *version = strtol(text, &end, 10);
  if (end == text || *end != ':')
    return false;
  *id = strtol(text = end + 1, &end, 10);
  if (end == text || *end != ':' || *id < 1 || *id > INT_MAX)
    return false;
  *inode = strtoull(text = end + 1, &end, 10);
  return end != text && *end == '\0';
}

static bool worker_env_is_socket(int fd, unsigned long long inode) {
  struct stat file;
  return fstat(fd, &file) == 0 && S_ISSOCK(file.st_mode) && file.st_ino == inode;
}

int dgram__worker_env_read(int *id) {
  long version;
  long number;
  unsigned long long inode;
  const char *variable = getenv(VARIABLE);
  if (variable == NULL || !worker_env_parse(variable, &version, &number, &inode) ||
      !worker_env_is_socket(DGRAM__CHANNEL_FD, inode) || !worker_env_is_trusted(DGRAM__CHANNEL_FD))
    return UV_ENOENT;
  *id = (int)number;
  return version == DGRAM__FRAME_VERSION ? 0 : UV_EPROTONOSUPPORT;
}
