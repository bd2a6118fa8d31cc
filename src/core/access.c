/*
 * A socket's access lists and its rate limit of each source (dgram_access.h).
 *
 *   receiving   what a receive call returns is filtered before any of it is emitted: by the lists,
 *               then by the limit; a buffer has datagrams of one sender. If a list changes,
 *               receive.c checks again what was received before and is still to be emitted
 *   sending     a send is checked when its address is known; so is a connect
 *
 * In this file: the state; the lists; the limit; what is received; what is sent; the counts.
 */
#include "internal.h"

#include <assert.h>
#include <stdlib.h>

#include "rate_limit.h"

/* ---- the state ---- */

enum access_direction { ACCESS_RECEIVE, ACCESS_SEND, ACCESS_DIRECTIONS };

enum { ACCESS_KINDS = DGRAM_BLOCK + 1 };

struct dgram__access {
  struct dgram__access_use lists[ACCESS_DIRECTIONS][ACCESS_KINDS];
  struct dgram__rate_limit *rate; /* or NULL */
  dgram_rate_options_t rate_options;
  uint64_t receives_refused;
  uint64_t receives_limited;
  uint64_t sources_evicted; /* by limits before this one */
  uint64_t sends_refused;
};

static struct dgram__access *access_of(const dgram_socket_t *socket) {
  return socket->extras != NULL ? socket->extras->access : NULL;
}

/* Made if there is none yet. NULL: no memory. */
static struct dgram__access *access_make(dgram_socket_t *socket) {
  struct dgram__extras *extras = dgram__extras(socket);
  if (extras == NULL)
    return NULL;
  if (extras->access == NULL)
    extras->access = calloc(1, sizeof *extras->access);
  return extras->access;
}

void dgram__access_free(dgram_socket_t *socket) {
  struct dgram__access *access = access_of(socket);
  if (access == NULL)
    return;
  for (unsigned direction = 0; direction < ACCESS_DIRECTIONS; direction++)
    for (unsigned kind = 0; kind < ACCESS_KINDS; kind++)
      dgram__access_use_set(&access->lists[direction][kind], NULL);
  free(access->rate);
  free(access);
}

/* ---- the lists ---- */

static bool access_has_lists(const struct dgram__access_use lists[ACCESS_KINDS]) {
  return lists[DGRAM_ALLOW].list != NULL || lists[DGRAM_BLOCK].list != NULL;
}

static bool access_permits(const struct dgram__access_use lists[ACCESS_KINDS],
                           const union dgram__address *address) {
  const dgram_access_list_t *allow = lists[DGRAM_ALLOW].list;
  const dgram_access_list_t *block = lists[DGRAM_BLOCK].list;
  return (allow == NULL || dgram__access_list_covers(allow, address)) &&
         (block == NULL || !dgram__access_list_covers(block, address));
}

/* Has sends and received datagrams checked, or not, by what the socket has now. */
static void access_update(dgram_socket_t *socket) {
  const struct dgram__access *access = access_of(socket);
  assert(access != NULL);
  struct dgram__rx *rx = &socket->rx;
  bool receives = access->rate != NULL || access_has_lists(access->lists[ACCESS_RECEIVE]);
  unsigned others = rx->filter & ~(unsigned)DGRAM__FILTER_ACCESS;
  rx->filter = (unsigned char)(receives ? others | DGRAM__FILTER_ACCESS : others);
  dgram__send_guard(socket, DGRAM__GUARD_ACCESS, access_has_lists(access->lists[ACCESS_SEND]));
}

static void access_recheck(void *owner) {
  dgram__receive_recheck(owner);
}

/* Sets a list of the socket, and returns 0 or an error. */
static int access_set_list(dgram_socket_t *socket, enum access_direction direction,
                           dgram_access_t kind, dgram_access_list_t *list) {
  if (socket == NULL || (kind != DGRAM_ALLOW && kind != DGRAM_BLOCK))
    return UV_EINVAL;
  int err = dgram__check_open(socket);
  if (err != 0 || (list == NULL && access_of(socket) == NULL))
    return err;
  struct dgram__access *access = access_make(socket);
  if (access == NULL)
    return UV_ENOMEM;
  struct dgram__access_use *use = &access->lists[direction][kind];
  use->owner = socket;
  use->changed = direction == ACCESS_RECEIVE ? access_recheck : NULL;
  dgram__access_use_set(use, list);
  access_update(socket);
  if (direction == ACCESS_RECEIVE)
    dgram__receive_recheck(socket);
  return 0;
}

int dgram_set_receive_access(dgram_socket_t *socket, dgram_access_t access,
                             dgram_access_list_t *list) {
  return access_set_list(socket, ACCESS_RECEIVE, access, list);
}

int dgram_set_send_access(dgram_socket_t *socket, dgram_access_t access,
                          dgram_access_list_t *list) {
  return access_set_list(socket, ACCESS_SEND, access, list);
}

/* ---- the limit ---- */

/* Reads the members that the program knew when it was compiled. */
static int access_make_limit(const dgram_rate_options_t *options,
                             struct dgram__rate_limit **limit) {
  uint64_t seed[2];
  if (options->struct_size != sizeof *options || !dgram__rate_is_valid(options))
    return UV_EINVAL;
  int err = uv_random(NULL, NULL, seed, sizeof seed, 0, NULL);
  if (err != 0)
    return err;
  *limit = dgram__rate_limit_new(options, seed);
  return *limit != NULL ? 0 : UV_ENOMEM;
}

int dgram_set_receive_rate(dgram_socket_t *socket, const dgram_rate_options_t *options) {
  int err = dgram__check_open(socket);
  if (err != 0 || (options == NULL && access_of(socket) == NULL))
    return err;
  struct dgram__rate_limit *limit = NULL;
  if (options != NULL)
    err = access_make_limit(options, &limit);
  if (err != 0)
    return err;
  struct dgram__access *access = access_make(socket);
  if (access == NULL) {
    free(limit);
    return UV_ENOMEM;
  }
  if (access->rate != NULL)
    access->sources_evicted += dgram__rate_limit_evictions(access->rate);
  free(access->rate);
  access->rate = limit;
  if (options != NULL)
    access->rate_options = *options;
  access_update(socket);
  return 0;
}

/* ---- a socket for one peer ---- */

int dgram__access_inherit(dgram_socket_t *socket, const dgram_socket_t *from) {
  const struct dgram__access *access = access_of(from);
  int err = 0;
  if (access == NULL)
    return 0;
  for (unsigned direction = 0; direction < ACCESS_DIRECTIONS; direction++)
    for (unsigned kind = 0; err == 0 && kind < ACCESS_KINDS; kind++)
      if (access->lists[direction][kind].list != NULL)
        err = access_set_list(socket, direction, kind, access->lists[direction][kind].list);
  if (err != 0 || access->rate == NULL)
    return err;
  dgram_rate_options_t limit = access->rate_options;
  limit.sources = 1;
  return dgram_set_receive_rate(socket, &limit);
}

/* ---- what is received ---- */

bool dgram__access_may_receive(const dgram_socket_t *socket, const union dgram__address *from) {
  const struct dgram__access *access = access_of(socket);
  assert(access != NULL);
  return access_permits(access->lists[ACCESS_RECEIVE], from);
}

void dgram__access_count_refused(dgram_socket_t *socket, unsigned datagrams) {
  struct dgram__access *access = access_of(socket);
  assert(access != NULL);
  access->receives_refused += datagrams;
  dgram__count(socket)->receives_refused += datagrams;
}

/* Leaves as many datagrams in the buffer as the limit lets pass. */
static void access_limit(dgram_socket_t *socket, struct dgram__rx_buffer *buffer, uint64_t now) {
  struct dgram__access *access = access_of(socket);
  assert(access != NULL);
  unsigned all = dgram__gro_count(buffer->size, buffer->segment);
  unsigned passed = dgram__rate_limit_take(access->rate, dgram__ip_of(&buffer->from), now,
                                           buffer->size, (size_t)buffer->segment);
  access->receives_limited += all - passed;
  if (passed < all)
    dgram__count(socket)->receives_limited += all - passed;
  if (passed == 0)
    buffer->segment = DGRAM__RX_REFUSED;
  else if (passed < all)
    buffer->size = passed * (size_t)buffer->segment;
}

void dgram__access_filter(dgram_socket_t *socket, struct dgram__rx_buffer buffers[],
                          unsigned count) {
  struct dgram__access *access = access_of(socket);
  assert(access != NULL);
  uint64_t now = access->rate != NULL ? uv_hrtime() : 0;
  for (struct dgram__rx_buffer *buffer = buffers; buffer < buffers + count; buffer++) {
    if (buffer->segment < 0) /* it was lost */
      continue;
    if (!dgram__access_may_receive(socket, &buffer->from)) {
      dgram__access_count_refused(socket, dgram__gro_count(buffer->size, buffer->segment));
      buffer->segment = DGRAM__RX_REFUSED;
    } else if (access->rate != NULL) {
      access_limit(socket, buffer, now);
    }
    if (buffer->segment == DGRAM__RX_REFUSED)
      buffer->size = 0; /* a backlog need not copy it */
  }
}

/* ---- what is sent ---- */

int dgram__access_send(dgram_socket_t *socket, const union dgram__address *to) {
  if ((socket->tx.guards & DGRAM__GUARD_ACCESS) == 0)
    return 0;
  struct dgram__access *access = access_of(socket);
  assert(access != NULL);
  if (to->any.sa_family == AF_UNSPEC)
    to = &socket->connecting.peer;
  if (access_permits(access->lists[ACCESS_SEND], to))
    return 0;
  access->sends_refused++;
  dgram__count(socket)->sends_refused++;
  return DGRAM_ERR_IP_BLOCKED;
}

/* ---- the counts ---- */

int dgram_get_access_counts(const dgram_socket_t *socket, dgram_access_counts_t *counts) {
  if (socket == NULL || counts == NULL || counts->struct_size != sizeof *counts)
    return UV_EINVAL;
  const struct dgram__access *access = access_of(socket);
  *counts = (dgram_access_counts_t){.struct_size = sizeof *counts};
  if (access == NULL)
    return 0;
  counts->receives_refused = access->receives_refused;
  counts->receives_limited = access->receives_limited;
  counts->sources_evicted = access->sources_evicted;
  counts->sends_refused = access->sends_refused;
  if (access->rate != NULL)
    counts->sources_evicted += dgram__rate_limit_evictions(access->rate);
  return 0;
}
