#include "shares.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "datapath.h"

/* ---- system sockets ---- */

static bool same_key(const struct dgram__frame *a, const struct dgram__frame *b) {
  return a->fd == b->fd && a->reuse_addr == b->reuse_addr && a->ipv6_only == b->ipv6_only &&
         dgram__address_equal(&a->address, &b->address);
}

/* A descriptor of this process's own becomes one more. Returns it, or an error. */
static int duplicate(const struct dgram__frame *ask) {
  int family = dgram__path_family(ask->fd);
  if (family == 0)
    return DGRAM_ERR_INVALID_FD_TYPE;
  if (family != ask->address.any.sa_family)
    return UV_EINVAL;
  int fd = fcntl(ask->fd, F_DUPFD_CLOEXEC, 0);
  return fd >= 0 ? fd : -errno;
}

static int bind_anew(const struct dgram__frame *ask) {
  struct dgram__path path;
  struct dgram__settings settings = {
      .local = ask->address, .reuse_addr = ask->reuse_addr, .ipv6_only = ask->ipv6_only};
  int err = dgram__path_open(&path, &settings);
  return err == 0 ? path.fd : err;
}

/* Opens what the key asks for, and asks what it is bound to. Returns 0 or an error. */
static int open_shared(struct dgram__shared *shared) {
  const struct dgram__frame *key = &shared->key;
  shared->fd = key->fd > 0 ? duplicate(key) : bind_anew(key);
  if (shared->fd < 0)
    return shared->fd;
  const struct dgram__path path = {.fd = shared->fd};
  int err = dgram__path_name(&path, false, &shared->name);
  if (err != 0)
    close(shared->fd);
  return err;
}

static int make(struct dgram__shares *shares, const struct dgram__frame *key,
                struct dgram__shared **made) {
  struct dgram__shared *shared = calloc(1, sizeof *shared);
  if (shared == NULL)
    return UV_ENOMEM;
  shared->key = *key;
  int err = open_shared(shared);
  if (err != 0) {
    free(shared);
    return err;
  }
  struct dgram__shared **end = &shares->first;
  while (*end != NULL)
    end = &(*end)->next;
  *end = shared;
  *made = shared;
  return 0;
}

static void unmake(struct dgram__shares *shares, struct dgram__shared *shared) {
  struct dgram__shared **at = &shares->first;
  while (*at != shared)
    at = &(*at)->next;
  *at = shared->next;
  close(shared->fd);
  free(shared);
}

/* ---- who holds them ---- */

static void mark(const struct dgram__holder *holder, bool held) {
  for (const struct dgram__holding *at = holder->first; at != NULL; at = at->next)
    at->shared->marked = held;
}

/*
 * The first for this question that the holder does not hold, or NULL. To look through what he holds
 * for each of them would take the primary a second, if a hostile worker asks for all that it may.
 */
static struct dgram__shared *find_free(const struct dgram__shares *shares,
                                       const struct dgram__holder *holder,
                                       const struct dgram__frame *ask) {
  mark(holder, true);
  struct dgram__shared *at = shares->first;
  while (at != NULL && (at->marked || !same_key(&at->key, ask)))
    at = at->next;
  mark(holder, false);
  return at;
}

const struct dgram__holding *dgram__shares_find(const struct dgram__holder *holder,
                                                uint32_t number) {
  const struct dgram__holding *at = holder->first;
  while (at != NULL && at->number != number)
    at = at->next;
  return at;
}

int dgram__shares_give(struct dgram__shares *shares, struct dgram__holder *holder,
                       const struct dgram__frame *ask, const struct dgram__holding **holding) {
  if (dgram__shares_find(holder, ask->number) != NULL)
    return UV_EPROTO;
  if (holder->count == DGRAM__MOST_HOLDINGS)
    return UV_EMFILE;
  struct dgram__holding *given = malloc(sizeof *given);
  if (given == NULL)
    return UV_ENOMEM;
  struct dgram__shared *shared = find_free(shares, holder, ask);
  int err = shared != NULL ? 0 : make(shares, ask, &shared);
  if (err != 0) {
    free(given);
    return err;
  }
  *given = (struct dgram__holding){holder->first, shared, ask->number};
  holder->first = given;
  holder->count++;
  shared->holders++;
  *holding = given;
  return 0;
}

bool dgram__shares_take(struct dgram__shares *shares, struct dgram__holder *holder,
                        uint32_t number) {
  struct dgram__holding **at = &holder->first;
  while (*at != NULL && (*at)->number != number)
    at = &(*at)->next;
  struct dgram__holding *taken = *at;
  if (taken == NULL)
    return false;
  *at = taken->next;
  holder->count--;
  if (--taken->shared->holders == 0)
    unmake(shares, taken->shared);
  free(taken);
  return true;
}

void dgram__shares_take_all(struct dgram__shares *shares, struct dgram__holder *holder) {
  while (holder->first != NULL)
    dgram__shares_take(shares, holder, holder->first->number);
}
