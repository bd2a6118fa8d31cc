#include "shared_sockets.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "udp.h"
#include "descriptor.h"

/* ---- descriptors of the process's own ---- */

static int shared_sockets_identify(int fd, struct dgram__identity *identity) {
  struct stat file;
  if (fstat(fd, &file) != 0)
    return -errno;
  *identity = (struct dgram__identity){.device = file.st_dev, .inode = file.st_ino};
  return 0;
}

static bool shared_sockets_is_same(const struct dgram__identity *a,
                                   const struct dgram__identity *b) {
  return a->device == b->device && a->inode == b->inode;
}

/* Where the one of this number is, or is to be. */
static struct dgram__allowed **shared_sockets_find_allowed(struct dgram__shared_sockets *shares,
                                                           int fd) {
  struct dgram__allowed **at = &shares->allowed;
  while (*at != NULL && (*at)->fd != fd)
    at = &(*at)->next;
  return at;
}

int dgram__shared_sockets_allow(struct dgram__shared_sockets *shares, int fd) {
  struct dgram__identity identity;
  int err = shared_sockets_identify(fd, &identity);
  if (err != 0)
    return err;
  if (dgram__udp_family(fd) == 0)
    return DGRAM_ERR_INVALID_FD_TYPE;
  struct dgram__allowed **at = shared_sockets_find_allowed(shares, fd);
  if (*at == NULL) {
    *at = calloc(1, sizeof **at);
    if (*at == NULL)
      return UV_ENOMEM;
    (*at)->fd = fd;
  }
  (*at)->identity = identity;
  return 0;
}

bool dgram__shared_sockets_forbid(struct dgram__shared_sockets *shares, int fd) {
  struct dgram__allowed **at = shared_sockets_find_allowed(shares, fd);
  struct dgram__allowed *allowed = *at;
  if (allowed == NULL)
    return false;
  *at = allowed->next;
  free(allowed);
  return true;
}

void dgram__shared_sockets_forbid_all(struct dgram__shared_sockets *shares) {
  while (shares->allowed != NULL)
    dgram__shared_sockets_forbid(shares, shares->allowed->fd);
}

/* Whether the descriptor is allowed, and still the socket that was meant. */
static int shared_sockets_check_allowed(struct dgram__shared_sockets *shares, int fd,
                                        struct dgram__identity *identity) {
  const struct dgram__allowed *allowed = *shared_sockets_find_allowed(shares, fd);
  bool is_meant = allowed != NULL && shared_sockets_identify(fd, identity) == 0 &&
                  shared_sockets_is_same(identity, &allowed->identity);
  return is_meant ? 0 : UV_EACCES;
}

unsigned dgram__shared_sockets_most(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
      limit.rlim_cur > INT_MAX)
    return INT_MAX;
  return (unsigned)(limit.rlim_cur - limit.rlim_cur / 4);
}

/* ---- system sockets ---- */

static bool shared_sockets_same_key(const struct dgram__frame *a, const struct dgram__frame *b) {
  return a->fd == b->fd && a->reuse_addr == b->reuse_addr && a->ipv6_only == b->ipv6_only &&
         dgram__address_equal(&a->address, &b->address);
}

/* A descriptor of this process's own becomes one more. Returns it, or an error. */
static int shared_sockets_duplicate(const struct dgram__frame *ask) {
  int family = dgram__udp_family(ask->fd);
  if (family == 0)
    return DGRAM_ERR_INVALID_FD_TYPE;
  if (family != ask->address.any.sa_family)
    return UV_EINVAL;
  return dgram__descriptor_duplicate(ask->fd);
}

static int shared_sockets_bind_anew(const struct dgram__frame *ask) {
  struct dgram__udp path;
  struct dgram__settings settings = {
      .local = ask->address, .reuse_addr = ask->reuse_addr, .ipv6_only = ask->ipv6_only};
  int err = dgram__udp_open(&path, &settings);
  return err == 0 ? path.fd : err;
}

/* Opens what the key asks for, and asks what it is bound to. Returns 0 or an error. */
static int shared_sockets_open_shared(struct dgram__shared_socket *shared) {
  const struct dgram__frame *key = &shared->key;
  shared->fd = key->fd > 0 ? shared_sockets_duplicate(key) : shared_sockets_bind_anew(key);
  if (shared->fd < 0)
    return shared->fd;
  const struct dgram__udp path = {.fd = shared->fd};
  int err = dgram__udp_name(&path, false, &shared->name);
  if (err != 0)
    close(shared->fd);
  return err;
}

static int shared_sockets_make(struct dgram__shared_sockets *shares, const struct dgram__frame *key,
                               const struct dgram__identity *identity,
                               struct dgram__shared_socket **made) {
  struct dgram__shared_socket *shared = calloc(1, sizeof *shared);
  if (shared == NULL)
    return UV_ENOMEM;
  shared->key = *key;
  shared->identity = *identity;
  int err = shared_sockets_open_shared(shared);
  if (err != 0) {
    free(shared);
    return err;
  }
  struct dgram__shared_socket **end = &shares->first;
  while (*end != NULL)
    end = &(*end)->next;
  *end = shared;
  *made = shared;
  shares->count++;
  return 0;
}

static void shared_sockets_unmake(struct dgram__shared_sockets *shares,
                                  struct dgram__shared_socket *shared) {
  struct dgram__shared_socket **at = &shares->first;
  while (*at != shared)
    at = &(*at)->next;
  *at = shared->next;
  shares->count--;
  close(shared->fd);
  free(shared);
}

/* ---- who holds them ---- */

static void shared_sockets_mark(const struct dgram__leases *holder, bool held) {
  for (const struct dgram__lease *at = holder->first; at != NULL; at = at->next)
    at->shared->marked = held;
}

/*
 * The first for this question that the holder does not hold, or NULL. To look through what he holds
 * for each of them would take the primary a second, if a hostile worker asks for all that it may.
 */
static struct dgram__shared_socket *
shared_sockets_find_free(const struct dgram__shared_sockets *shares,
                         const struct dgram__leases *holder, const struct dgram__frame *ask,
                         const struct dgram__identity *identity) {
  shared_sockets_mark(holder, true);
  struct dgram__shared_socket *at = shares->first;
  while (at != NULL && (at->marked || !shared_sockets_same_key(&at->key, ask) ||
                        !shared_sockets_is_same(&at->identity, identity)))
    at = at->next;
  shared_sockets_mark(holder, false);
  return at;
}

const struct dgram__lease *dgram__shared_sockets_find(const struct dgram__leases *holder,
                                                      uint32_t number) {
  const struct dgram__lease *at = holder->first;
  while (at != NULL && at->number != number)
    at = at->next;
  return at;
}

/* Whether another socket may be opened for the holder. */
static bool shared_sockets_has_room(const struct dgram__shared_sockets *shares,
                                    const struct dgram__leases *holder) {
  return shares->count < shares->most && holder->opened < shares->most - shares->count;
}

/* Finds or opens what is asked for. Returns 0 or an error. */
static int shared_sockets_have(struct dgram__shared_sockets *shares,
                               const struct dgram__leases *holder, const struct dgram__frame *ask,
                               struct dgram__lease *given) {
  struct dgram__identity identity = {0};
  int err = ask->fd > 0 ? shared_sockets_check_allowed(shares, ask->fd, &identity) : 0;
  if (err != 0)
    return err;
  given->shared = shared_sockets_find_free(shares, holder, ask, &identity);
  given->opened = given->shared == NULL;
  if (!given->opened)
    return 0;
  return shared_sockets_has_room(shares, holder)
             ? shared_sockets_make(shares, ask, &identity, &given->shared)
             : UV_EMFILE;
}

int dgram__shared_sockets_give(struct dgram__shared_sockets *shares, struct dgram__leases *holder,
                               const struct dgram__frame *ask,
                               const struct dgram__lease **holding) {
  if (dgram__shared_sockets_find(holder, ask->number) != NULL)
    return UV_EPROTO;
  if (holder->count == DGRAM__MAX_LEASES)
    return UV_EMFILE;
  struct dgram__lease *given = calloc(1, sizeof *given);
  if (given == NULL)
    return UV_ENOMEM;
  given->number = ask->number;
  int err = shared_sockets_have(shares, holder, ask, given);
  if (err != 0) {
    free(given);
    return err;
  }
  given->next = holder->first;
  holder->first = given;
  holder->count++;
  holder->opened += given->opened;
  given->shared->holders++;
  *holding = given;
  return 0;
}

bool dgram__shared_sockets_take(struct dgram__shared_sockets *shares, struct dgram__leases *holder,
                                uint32_t number) {
  struct dgram__lease **at = &holder->first;
  while (*at != NULL && (*at)->number != number)
    at = &(*at)->next;
  struct dgram__lease *taken = *at;
  if (taken == NULL)
    return false;
  *at = taken->next;
  holder->count--;
  holder->opened -= taken->opened;
  if (--taken->shared->holders == 0)
    shared_sockets_unmake(shares, taken->shared);
  free(taken);
  return true;
}

void dgram__shared_sockets_take_all(struct dgram__shared_sockets *shares,
                                    struct dgram__leases *holder) {
  while (holder->first != NULL)
    dgram__shared_sockets_take(shares, holder, holder->first->number);
}
