/*
 * Host names to addresses: by libuv's thread pool and the system's resolver, or by the program's
 * own look-up. A look-up outlives its owner: neither can be stopped, only forgotten.
 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef DGRAM_HAVE_LIBIDN2
#include <idn2.h>
#endif

struct dgram_lookup {
  uv_getaddrinfo_t request; /* of the system's */
  bool by_program;
  dgram__resolved_fn *resolved;
  dgram__resolved_fd_fn *resolved_fd; /* NULL: a descriptor is no valid answer */
  void *owner;                        /* NULL: the look-up is forgotten */
  char host[];
};

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

/* The program may answer at once, which frees the look-up: it gets a copy of the name. */
static void resolve_ask_program(const struct dgram__options *options, struct dgram_lookup *lookup) {
  char kept[DGRAM__HOST_MAX + 1];
  snprintf(kept, sizeof kept, "%s", lookup->host);
  options->lookup(lookup, kept, options->type, options->lookup_context);
}

static int resolve_start_getaddrinfo(uv_loop_t *loop, struct dgram_lookup *lookup, const char *host,
                                     int family) {
  struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_DGRAM};
  lookup->request.data = lookup;
  return uv_getaddrinfo(loop, &lookup->request, resolve_on_getaddrinfo, host, NULL, &hints);
}

#ifdef DGRAM_HAVE_LIBIDN2
static bool resolve_is_ascii(const char *text) {
  while (*text != '\0' && (unsigned char)*text < 0x80)
    text++;
  return *text == '\0';
}

/*
 * The name is mapped as Node.js does it, by UTS 46 and not transitionally: case, composition,
 * width. libuv alone encodes the characters as they stand. What libidn2 refuses, by the stricter
 * rules of IDNA 2008, a symbol say, is left to libuv, and so is what is no text.
 */
static int resolve_ask_system(uv_loop_t *loop, struct dgram_lookup *lookup, const char *host,
                              int family) {
  char *ascii = NULL;
  int result = IDN2_OK;
  if (!resolve_is_ascii(host))
    result = idn2_to_ascii_8z(host, &ascii, IDN2_NONTRANSITIONAL);
  if (result == IDN2_MALLOC)
    return UV_ENOMEM;
  int err = resolve_start_getaddrinfo(loop, lookup, ascii != NULL ? ascii : host, family);
  idn2_free(ascii);
  return err;
}
#else
static int resolve_ask_system(uv_loop_t *loop, struct dgram_lookup *lookup, const char *host,
                              int family) {
  return resolve_start_getaddrinfo(loop, lookup, host, family);
}
#endif

int dgram__resolve_start(dgram_socket_t *socket, struct dgram_lookup **lookup, const char *host,
                         dgram__resolved_fn *resolved, dgram__resolved_fd_fn *resolved_fd,
                         void *owner) {
  const struct dgram__options *options = &socket->options;
  size_t size = strlen(host) + 1;
  struct dgram_lookup *started = malloc(sizeof *started + size);
  if (started == NULL)
    return UV_ENOMEM;
  started->by_program = options->lookup != NULL;
  started->resolved = resolved;
  started->resolved_fd = resolved_fd;
  started->owner = owner;
  memcpy(started->host, host, size);
  *lookup = started; /* first: the program may answer at once */
  if (started->by_program) {
    resolve_ask_program(options, started);
    return 0;
  }
  int err = resolve_ask_system(socket->loop->uv, started, host, dgram__family(options->type));
  if (err != 0) {
    *lookup = NULL;
    free(started);
  }
  return err;
}

const char *dgram__resolve_host(const struct dgram_lookup *lookup) {
  return lookup->host;
}

void dgram__resolve_forget(struct dgram_lookup *lookup) {
  lookup->owner = NULL;
  if (!lookup->by_program)
    uv_cancel((uv_req_t *)&lookup->request);
}

/* This host, or all interfaces. */
static void resolve_read_default(int family, int port, bool to_this_host,
                                 union dgram__address *address) {
  if (to_this_host)
    dgram__address_loopback(address, family, port);
  else
    dgram__address_any(address, family, port);
}

static bool resolve_is_given(const char *address) {
  return address != NULL && *address != '\0';
}

/* Asked before anything else reads the text, which may be without an end. */
static bool resolve_is_too_long(const char *address) {
  return address != NULL && strnlen(address, DGRAM__HOST_MAX + 1) > DGRAM__HOST_MAX;
}

int dgram__destination_read(const dgram_socket_t *socket, int port, const char *address,
                            bool to_this_host, struct dgram__destination *destination) {
  union dgram__address *to = &destination->address;
  bool given = resolve_is_given(address);
  bool asks_program = socket->options.lookup != NULL; /* for everything */
  destination->host = NULL;
  if (resolve_is_too_long(address))
    return UV_EINVAL;
  if (given && !asks_program && dgram__address_parse_literal(to, address, port))
    return 0;
  resolve_read_default(dgram__family(socket->options.type), port, to_this_host, to);
  if (given) {
    destination->host = address;
  } else if (asks_program) {
    dgram__address_text(to, destination->text);
    destination->host = destination->text;
  }
  return 0;
}

int dgram__numeric_read(const dgram_socket_t *socket, int port, const char *address,
                        bool to_this_host, union dgram__address *numeric) {
  int family = dgram__family(socket->options.type);
  if (resolve_is_too_long(address))
    return UV_EINVAL;
  resolve_read_default(family, port, to_this_host, numeric);
  if (resolve_is_given(address) &&
      (!dgram__address_parse_literal(numeric, address, port) || numeric->any.sa_family != family))
    return UV_EINVAL;
  return 0;
}
