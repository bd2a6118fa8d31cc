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

/* <unistd.h> declares it in Linux alone; a shared library of macOS cannot refer to it. */
#if defined(__APPLE__)
#include <crt_externs.h>
#define environ (*_NSGetEnviron())
#elif !defined(__linux__)
extern char **environ;
#endif

#define VARIABLE "DGRAM_CLUSTER"

static size_t worker_env_count(char *const strings[]) {
  size_t count = 0;
  while (strings != NULL && strings[count] != NULL)
    count++;
  return count;
}

char **dgram__strings_copy(char *const strings[]) {
  size_t count = worker_env_count(strings);
  size_t bytes = (count + 1) * sizeof *strings;
  for (size_t i = 0; i < count; i++)
    bytes += strlen(strings[i]) + 1;
  char **copy = malloc(bytes);
  if (copy == NULL)
    return NULL;
  char *end = (char *)(copy + count + 1);
  for (size_t i = 0; i < count; i++) {
    copy[i] = end;
    end = stpcpy(end, strings[i]) + 1;
  }
  copy[count] = NULL;
  return copy;
}

/* ---- privileged programs ---- */

#ifdef __linux__
int dgram__worker_env_check(void) {
  if (!dgram__environment_is_untrusted())
    return 0;
  bool by_user = getauxval(AT_UID) != getauxval(AT_EUID) || getauxval(AT_GID) != getauxval(AT_EGID);
  bool kept = geteuid() == getauxval(AT_EUID) && getegid() == getauxval(AT_EGID);
  return by_user && kept ? 0 : UV_EPERM;
}

/*
 * Whether the process that made the channel has the effective user and group that a set-user-ID or
 * set-group-ID program gives.
 */
static bool worker_env_is_trusted(int channel) {
  struct ucred peer;
  socklen_t length = sizeof peer;
  if (!dgram__environment_is_untrusted())
    return true;
  return dgram__worker_env_check() == 0 &&
         getsockopt(channel, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
         peer.uid == geteuid() && peer.gid == getegid();
}
#else
int dgram__worker_env_check(void) {
  return dgram__environment_is_untrusted() ? UV_EPERM : 0;
}

static bool worker_env_is_trusted(int channel) {
  return !dgram__environment_is_untrusted();
}
#endif

/* ---- the primary's side ---- */

/* Whether one of the strings "NAME=value" has the name of `other`. */
static bool worker_env_has_name(char *const strings[], size_t count, const char *other) {
  size_t length = strcspn(other, "=");
  for (size_t i = 0; i < count; i++)
    if (strncmp(strings[i], other, length) == 0 && strings[i][length] == '=')
      return true;
  return false;
}

char **dgram__worker_env_make(int id, int channel, char *const added[]) {
  enum { VARIABLE_SIZE = 64 };
  size_t set = 1 + worker_env_count(added);
  size_t size = set + worker_env_count(environ) + 1;
  struct stat socket;
  char **env = malloc(size * sizeof *env + VARIABLE_SIZE);
  if (env == NULL || fstat(channel, &socket) != 0) {
    free(env);
    return NULL;
  }
  env[0] = (char *)(env + size);
  snprintf(env[0], VARIABLE_SIZE, VARIABLE "=%d:%d:%llu", DGRAM__FRAME_VERSION, id,
           (unsigned long long)socket.st_ino);
  size_t count = 1;
  for (; count < set; count++)
    env[count] = added[count - 1];
  for (size_t i = 0; environ != NULL && environ[i] != NULL; i++)
    if (!worker_env_has_name(env, set, environ[i]))
      env[count++] = environ[i];
  env[count] = NULL;
  return env;
}

/* ---- the worker's side ---- */

/* Parses "VERSION:ID:INODE". A number out of range saturates, and then matches nothing. */
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

int dgram__worker_env_read(int *id) {
  long version;
  long number;
  unsigned long long inode;
  struct stat file;
  const char *variable = getenv(VARIABLE);
  if (variable == NULL || !worker_env_parse(variable, &version, &number, &inode) ||
      fstat(DGRAM__CHANNEL_FD, &file) != 0 || !S_ISSOCK(file.st_mode) || file.st_ino != inode ||
      !worker_env_is_trusted(DGRAM__CHANNEL_FD))
    return UV_ENOENT;
  *id = (int)number;
  return version == DGRAM__FRAME_VERSION ? 0 : UV_EPROTONOSUPPORT;
}
