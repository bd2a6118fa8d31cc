/*
 * Host names to addresses: by the program's own look-up, or by libuv's thread pool and the system's
 * resolver. A look-up cannot be stopped: it outlives an owner that forgets it.
 *
 * In this file: an address argument is read; a look-up is answered, forgotten, timed out, started.
 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef DGRAM_HAVE_LIBIDN2
#include <idn2.h>
#endif

enum resolver {
  BY_PROGRAM, /* its own look-up, which can't be stopped */
  BY_NETWORK, /* that simulates one, likewise */
  BY_CACHE,   /* of the loop: the system, for all that wait for the name */
  BY_SYSTEM
};

struct dgram_lookup {
  enum resolver resolver;
  union {
    uv_getaddrinfo_t request;         /* BY_SYSTEM */
    struct dgram__name_waiter waiter; /* BY_CACHE */
  };
  dgram__resolved_fn *resolved;
  dgram__resolved_fd_fn *resolved_fd; /* NULL: a descriptor is no valid answer */
  void *owner;                        /* NULL: forgotten */
  uint64_t deadline;                  /* the loop's ms; 0: none */
  char host[];
};

/* ---- an address argument ---- */

/*
 * Reads what is no name: nothing, which is this host or all interfaces; or else, unless the program
 * looks up everything, a numeric address. Returns 0; 1: it is a name, and `numeric` has its port;
 * UV_EINVAL: it is too long, or without an end.
 */
static int resolve_read_numeric(const dgram_socket_t *socket, int port, const char *address,
                                bool to_this_host, bool by_program, union dgram__address *numeric) {
  bool given = address != NULL && *address != '\0';
  if (given && strnlen(address, DGRAM__HOST_MAX + 1) > DGRAM__HOST_MAX)
    return UV_EINVAL;
  if (given && !by_program && dgram__address_parse_literal(numeric, address, port))
    return 0;
  if (to_this_host)
    dgram__address_loopback(numeric, dgram__family(socket->options.type), port);
  else
    dgram__address_any(numeric, dgram__family(socket->options.type), port);
  return given ? 1 : 0;
}

int dgram__numeric_read(const dgram_socket_t *socket, int port, const char *address,
                        bool to_this_host, union dgram__address *numeric) {
  int kind = resolve_read_numeric(socket, port, address, to_this_host, false, numeric);
  bool fits = kind == 0 && numeric->any.sa_family == dgram__family(socket->options.type);
  return fits ? 0 : UV_EINVAL;
}

int dgram__destination_read(const dgram_socket_t *socket, int port, const char *address,
                            bool to_this_host, struct dgram__destination *destination) {
  union dgram__address *to = &destination->address;
  bool by_program = socket->options.lookup != NULL;
  destination->host = NULL;
  int kind = resolve_read_numeric(socket, port, address, to_this_host, by_program, to);
  if (kind > 0) {
    destination->host = address;
  } else if (kind == 0 && by_program) { /* this host or all interfaces: looked up, too */
    dgram__address_text(to, destination->text);
    destination->host = destination->text;
  }
  return kind < 0 ? kind : 0;
}

/* ---- a look-up is answered ---- */

static void resolve_finish(struct dgram_lookup *lookup, int status,
                           const union dgram__address *address) {
  if (lookup->owner != NULL)
    lookup->resolved(lookup->owner, status, address);
  free(lookup);
}

static void resolve_on_getaddrinfo(uv_getaddrinfo_t *request, int status, struct addrinfo *found) {
  union dgram__address address = {0};
  if (status == 0 && !dgram__address_copy(&address, found->ai_addr))
    status = UV_EAI_ADDRFAMILY;
  resolve_finish(request->data, status, &address);
  uv_freeaddrinfo(found);
}

static void resolve_on_answer(void *lookup, int status, const union dgram__address *address) {
  resolve_finish(lookup, status, address);
}

static void resolve_on_cached(struct dgram__name_waiter *waiter, int status,
                              const union dgram__address *address) {
  resolve_finish(DGRAM__LIST_ENTRY(waiter, struct dgram_lookup, waiter), status, address);
}

void dgram_lookup_done(dgram_lookup_t *lookup, int status, const char *address) {
  union dgram__address found = {0};
  if (lookup == NULL)
    return;
  if (status > 0 || (status == 0 && (address == NULL || !dgram__address_parse(&found, address, 0))))
    status = UV_EINVAL;
  resolve_finish(lookup, status, &found);
}

int dgram_lookup_done_fd(dgram_lookup_t *lookup, int fd) {
  if (lookup == NULL)
    return UV_EINVAL;
  int err = UV_ECANCELED;
  if (lookup->owner != NULL && lookup->resolved_fd != NULL)
    err = lookup->resolved_fd(lookup->owner, fd);
  else if (lookup->owner != NULL)
    lookup->resolved(lookup->owner, err = UV_EINVAL, &dgram__address_unspec);
  free(lookup);
  return err;
}

/* Only the cache does not keep the look-up. */
void dgram__resolve_forget(struct dgram_lookup *lookup) {
  lookup->owner = NULL;
  if (lookup->resolver == BY_SYSTEM) {
    uv_cancel((uv_req_t *)&lookup->request);
  } else if (lookup->resolver == BY_CACHE) {
    dgram__name_cache_leave(&lookup->waiter);
    free(lookup);
  }
}

uint64_t dgram__resolve_deadline(const struct dgram_lookup *lookup) {
  return lookup->deadline;
}

void dgram__resolve_set_deadline(struct dgram_lookup *lookup, uint64_t deadline) {
  lookup->deadline = deadline;
}

/* What answers it later finds no owner. */
void dgram__resolve_time_out(struct dgram_lookup *lookup, uint64_t now) {
  if (lookup == NULL || lookup->deadline == 0 || lookup->deadline > now)
    return;
  void *owner = lookup->owner;
  dgram__resolved_fn *resolved = lookup->resolved;
  dgram__resolve_forget(lookup);
  resolved(owner, UV_ETIMEDOUT, NULL);
}

const char *dgram__resolve_host(const struct dgram_lookup *lookup) {
  return lookup->host;
}

/* ---- a look-up is started ---- */

/*
 * The name is mapped as by Node.js, by UTS 46 and not transitionally: case, composition, width.
 * libuv alone encodes the characters as they stand; it gets what libidn2 refuses, by the stricter
 * rules of IDNA 2008, for example a symbol, and what is not UTF-8.
 */
int dgram__resolve_by_system(uv_loop_t *loop, uv_getaddrinfo_t *request, uv_getaddrinfo_cb callback,
                             const char *host, int family) {
  struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_DGRAM};
  char *ascii = NULL;
#ifdef DGRAM_HAVE_LIBIDN2
  const char *at = host;
  while (*at != '\0' && (unsigned char)*at < 0x80)
    at++;
  if (*at != '\0' && idn2_to_ascii_8z(host, &ascii, IDN2_NONTRANSITIONAL) == IDN2_MALLOC)
    return UV_ENOMEM;
#endif
  int err = uv_getaddrinfo(loop, request, callback, ascii != NULL ? ascii : host, NULL, &hints);
#ifdef DGRAM_HAVE_LIBIDN2
  idn2_free(ascii);
#endif
  return err;
}

/* Who is asked for a name. */
static enum resolver resolve_choose(const dgram_socket_t *socket, bool for_bind) {
  if (socket->options.lookup != NULL)
    return BY_PROGRAM;
  if (dgram__network_of(socket) != NULL)
    return BY_NETWORK;
  return socket->loop->names != NULL && !for_bind ? BY_CACHE : BY_SYSTEM;
}

/* Asks for the name. Returns 0 or an error. */
static int resolve_ask(dgram_socket_t *socket, struct dgram_lookup *lookup) {
  struct dgram__loop *loop = socket->loop;
  struct dgram__network *network = dgram__network_of(socket);
  int family = dgram__family(socket->options.type);
  char copy[DGRAM__HOST_MAX + 1];
  switch (lookup->resolver) {
  case BY_PROGRAM:
    snprintf(copy, sizeof copy, "%s", lookup->host);
    socket->options.lookup(lookup, copy, socket->options.type, socket->options.lookup_context);
    return 0;
  case BY_NETWORK:
    return network->ops->resolve(network, lookup->host, family, resolve_on_answer, lookup);
  case BY_CACHE:
    lookup->waiter.answer = resolve_on_cached;
    if (dgram__name_cache_join(loop, lookup->host, family, &lookup->waiter))
      return 0;
    lookup->resolver = BY_SYSTEM;
    break;
  case BY_SYSTEM:
    break;
  }
  lookup->request.data = lookup;
  return dgram__resolve_by_system(loop->uv, &lookup->request, resolve_on_getaddrinfo, lookup->host,
                                  family);
}

/* A program may answer inside the call, and so does the cache: `*lookup` is set before. */
int dgram__resolve_start(dgram_socket_t *socket, struct dgram_lookup **lookup, const char *host,
                         dgram__resolved_fn *resolved, dgram__resolved_fd_fn *resolved_fd,
                         void *owner) {
  enum resolver resolver = resolve_choose(socket, resolved_fd != NULL);
  union dgram__address known;
  *lookup = NULL;
  if (resolver == BY_CACHE &&
      dgram__name_cache_get(socket->loop, host, dgram__family(socket->options.type), &known)) {
    resolved(owner, 0, &known);
    return 0;
  }
  size_t size = strlen(host) + 1;
  struct dgram_lookup *started = malloc(sizeof *started + size);
  if (started == NULL)
    return UV_ENOMEM;
  started->resolver = resolver;
  started->resolved = resolved;
  started->resolved_fd = resolved_fd;
  started->owner = owner;
  started->deadline = dgram__time_limit_lookup(socket);
  memcpy(started->host, host, size);
  *lookup = started;
  int err = resolve_ask(socket, started);
  if (err != 0) {
    *lookup = NULL;
    free(started);
  }
  return err;
}
