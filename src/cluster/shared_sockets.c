#include "shared_sockets.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "udp.h"

unsigned dgram__shared_sockets_default_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
      limit.rlim_cur > INT_MAX)
    return INT_MAX;
  return (unsigned)(limit.rlim_cur - limit.rlim_cur / 4);
}

/* ---- the primary's own descriptors ---- */

static struct dgram__allowed *
shared_sockets_find_allowed(const struct dgram__shared_sockets *shared, int fd) {
  DGRAM__LIST_FOR_EACH (allowed, &shared->allowed, struct dgram__allowed, node)
    if (allowed->fd == fd)
      return allowed;
  return NULL;
}

int dgram__shared_sockets_allow(struct dgram__shared_sockets *shared, int fd) {
  struct dgram__identity identity;
  int err = dgram__descriptor_identify(fd, &identity);
  if (err != 0)
    return err;
  if (dgram__udp_family(fd) == 0)
    return DGRAM_ERR_INVALID_FD_TYPE;
  struct dgram__allowed *allowed = shared_sockets_find_allowed(shared, fd);
  if (allowed == NULL) {
    allowed = malloc(sizeof *allowed);
    if (allowed == NULL)
      return UV_ENOMEM;
    dgram__list_append(&shared->allowed, &allowed->node);
    allowed->fd = fd;
  }
  allowed->identity = identity;
  return 0;
}

bool dgram__shared_sockets_forbid(struct dgram__shared_sockets *shared, int fd) {
  struct dgram__allowed *allowed = shared_sockets_find_allowed(shared, fd);
  if (allowed == NULL)
    return false;
  dgram__list_remove(&shared->allowed, &allowed->node);
  free(allowed);
  return true;
}

void dgram__shared_sockets_forbid_all(struct dgram__shared_sockets *shared) {
  struct dgram__list_node *node;
  while ((node = dgram__list_take_first(&shared->allowed)) != NULL)
    free(DGRAM__LIST_ENTRY(node, struct dgram__allowed, node));
}

/* ---- system sockets ---- */

/* Opens a socket and adds it to the list. Returns 0 or an error. */
static int shared_sockets_open(struct dgram__shared_sockets *shared,
                               const struct dgram__frame *request,
                               const struct dgram__identity *identity,
                               struct dgram__shared_socket **opened) {
  const struct dgram__settings settings = {.local = request->address,
                                           .reuse_addr = request->reuse_addr,
                                           .ipv6_only = request->ipv6_only};
  struct dgram__udp udp = {.fd = -1};
  struct dgram__shared_socket *socket = calloc(1, sizeof *socket);
  if (socket == NULL)
    return UV_ENOMEM;
  int err = 0;
  if (request->fd == 0) {
    err = dgram__udp_open(&udp, &settings);
  } else {
    int family = dgram__udp_family(request->fd);
    if (family == request->address.any.sa_family)
      udp.fd = dgram__descriptor_duplicate(request->fd);
    else
      udp.fd = family != 0 ? UV_EINVAL : DGRAM_ERR_INVALID_FD_TYPE;
    err = udp.fd < 0 ? udp.fd : 0;
  }
  if (err == 0)
    err = dgram__udp_name(&udp, false, &socket->name);
  if (err != 0) {
    if (udp.fd >= 0)
      close(udp.fd);
    free(socket);
    return err;
  }
  socket->request = *request;
  socket->identity = *identity;
  socket->fd = udp.fd;
  dgram__list_append(&shared->sockets, &socket->node);
  shared->count++;
  *opened = socket;
  return 0;
}

/*
 * The first socket of an equal request that the worker does not lease, or NULL. The worker's
 * sockets are marked first: searching the leases for each socket would be quadratic, a second for a
 * hostile worker with all the leases that it may have.
 */
static struct dgram__shared_socket *shared_sockets_find(const struct dgram__shared_sockets *shared,
                                                        const struct dgram__leases *leases,
                                                        const struct dgram__frame *request,
                                                        const struct dgram__identity *identity) {
  struct dgram__shared_socket *found = NULL;
  DGRAM__LIST_FOR_EACH (lease, &leases->list, struct dgram__lease, node)
    lease->socket->marked = true;
  DGRAM__LIST_FOR_EACH (socket, &shared->sockets, struct dgram__shared_socket, node) {
    const struct dgram__frame *first = &socket->request;
    if (!socket->marked && first->fd == request->fd && first->reuse_addr == request->reuse_addr &&
        first->ipv6_only == request->ipv6_only &&
        dgram__address_equal(&first->address, &request->address) &&
        dgram__identity_equal(&socket->identity, identity)) {
      found = socket;
      break;
    }
  }
  DGRAM__LIST_FOR_EACH (lease, &leases->list, struct dgram__lease, node)
    lease->socket->marked = false;
  return found;
}

/* ---- leases ---- */

struct dgram__lease *dgram__leases_find(const struct dgram__leases *leases, uint32_t number) {
  DGRAM__LIST_FOR_EACH (lease, &leases->list, struct dgram__lease, node)
    if (lease->number == number)
      return lease;
  return NULL;
}

/* Finds or opens the socket of a new lease. Returns 0 or an error. */
static int shared_sockets_assign(struct dgram__shared_sockets *shared,
                                 const struct dgram__leases *leases,
                                 const struct dgram__frame *request, struct dgram__lease *lease) {
  struct dgram__identity identity = {0};
  if (request->fd > 0) {
    const struct dgram__allowed *allowed = shared_sockets_find_allowed(shared, request->fd);
    if (allowed == NULL || dgram__descriptor_identify(request->fd, &identity) != 0 ||
        !dgram__identity_equal(&identity, &allowed->identity))
      return UV_EACCES;
  }
  lease->socket = shared_sockets_find(shared, leases, request, &identity);
  lease->opened = lease->socket == NULL;
  if (!lease->opened)
    return 0;
  if (shared->count >= shared->limit || leases->opened >= shared->limit - shared->count)
    return UV_EMFILE;
  return shared_sockets_open(shared, request, &identity, &lease->socket);
}

int dgram__shared_sockets_lease(struct dgram__shared_sockets *shared, struct dgram__leases *leases,
                                const struct dgram__frame *request,
                                const struct dgram__lease **lease) {
  if (dgram__leases_find(leases, request->number) != NULL)
    return UV_EPROTO;
  if (leases->count == DGRAM__MAX_LEASES)
    return UV_EMFILE;
  struct dgram__lease *made = calloc(1, sizeof *made);
  if (made == NULL)
    return UV_ENOMEM;
  made->number = request->number;
  int err = shared_sockets_assign(shared, leases, request, made);
  if (err != 0) {
    free(made);
    return err;
  }
  dgram__list_append(&leases->list, &made->node);
  leases->count++;
  leases->opened += made->opened;
  made->socket->leases++;
  *lease = made;
  return 0;
}

bool dgram__shared_sockets_release(struct dgram__shared_sockets *shared,
                                   struct dgram__leases *leases, uint32_t number) {
  struct dgram__lease *lease = dgram__leases_find(leases, number);
  if (lease == NULL)
    return false;
  struct dgram__shared_socket *socket = lease->socket;
  assert(socket->leases > 0 && leases->count > 0 && leases->opened >= lease->opened);
  dgram__list_remove(&leases->list, &lease->node);
  leases->count--;
  leases->opened -= lease->opened;
  free(lease);
  if (--socket->leases == 0) {
    dgram__list_remove(&shared->sockets, &socket->node);
    shared->count--;
    close(socket->fd);
    free(socket);
  }
  return true;
}

void dgram__shared_sockets_release_all(struct dgram__shared_sockets *shared,
                                       struct dgram__leases *leases) {
  while (leases->list.first != NULL)
    dgram__shared_sockets_release(
        shared, leases, DGRAM__LIST_ENTRY(leases->list.first, struct dgram__lease, node)->number);
}
