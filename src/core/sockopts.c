/*
 * Options of the system socket by name: set before the bind or on what is taken over, or on a bound
 * socket inside the call; and kept, until the bind, and for dgram_accept_peer(). And the MTU of
 * paths.
 *
 * In this file: what is kept; the bind; the public functions.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- what is kept ---- */

int dgram__sockopts_check(const dgram_options_t *options) {
  if (options->sockopt_count > 0 && options->sockopts == NULL)
    return UV_EINVAL;
  for (size_t i = 0; i < options->sockopt_count; i++) {
    const dgram_sockopt_value_t *given = &options->sockopts[i];
    int err = dgram__sockopt_check((int)given->option);
    if (err == 0 && !dgram__sockopt_allows(given->option, given->value))
      err = UV_EINVAL;
    if (err != 0)
      return err;
  }
  const char *device = options->bind_device;
  if (device == NULL || *device == '\0')
    return 0;
  if (strnlen(device, DGRAM_INTERFACE_NAME) == DGRAM_INTERFACE_NAME)
    return UV_EINVAL;
#ifdef __linux__
  return 0;
#else
  return UV_ENOTSUP;
#endif
}

/* NULL: no memory. */
static struct dgram__sockopts *sockopts_of(dgram_socket_t *socket) {
  struct dgram__extras *extras = dgram__extras(socket);
  if (extras != NULL && extras->sockopts == NULL)
    extras->sockopts = calloc(1, sizeof *extras->sockopts);
  return extras != NULL ? extras->sockopts : NULL;
}

static void sockopts_keep(struct dgram__sockopts *sockopts, dgram_sockopt_t option, int64_t value) {
  sockopts->kept |= 1U << option;
  sockopts->values[option] = value;
}

static const struct dgram__sockopts *sockopts_kept(const dgram_socket_t *socket) {
  return socket->extras != NULL ? socket->extras->sockopts : NULL;
}

static bool sockopts_has(const struct dgram__sockopts *sockopts, int option) {
  _Static_assert(DGRAM__SOCKOPT_END <= 32, "an option is a bit of `kept`");
  return (sockopts->kept >> option & 1U) != 0;
}

int dgram__sockopts_init(dgram_socket_t *socket, const dgram_options_t *options) {
  bool has_device = options->bind_device != NULL && *options->bind_device != '\0';
  if (options->sockopt_count == 0 && !has_device)
    return 0;
  struct dgram__sockopts *sockopts = sockopts_of(socket);
  if (sockopts == NULL)
    return UV_ENOMEM;
  for (size_t i = 0; i < options->sockopt_count; i++)
    sockopts_keep(sockopts, options->sockopts[i].option, options->sockopts[i].value);
  if (has_device)
    memcpy(sockopts->bind_device, options->bind_device, strlen(options->bind_device));
  return 0;
}

int dgram__sockopts_inherit(dgram_socket_t *socket, const dgram_socket_t *from) {
  const struct dgram__sockopts *theirs = sockopts_kept(from);
  if (theirs == NULL || theirs->kept == 0)
    return 0;
  struct dgram__sockopts *sockopts = sockopts_of(socket);
  if (sockopts == NULL)
    return UV_ENOMEM;
  sockopts->kept = theirs->kept;
  memcpy(sockopts->values, theirs->values, sizeof sockopts->values);
  return 0;
}

/* ---- the bind ---- */

void dgram__sockopts_list(const dgram_socket_t *socket, struct dgram__sockopt_calls *calls) {
  const struct dgram__sockopts *sockopts = sockopts_kept(socket);
  int family = dgram__family(socket->options.type);
  calls->count = 0;
  if (sockopts == NULL)
    return;
  for (int option = DGRAM__SOCKOPT_FIRST; option < DGRAM__SOCKOPT_END; option++)
    if (sockopts_has(sockopts, option))
      calls->count += dgram__sockopt_calls((dgram_sockopt_t)option, family,
                                           sockopts->values[option], &calls->all[calls->count]);
  if (sockopts->bind_device[0] != '\0')
    calls->all[calls->count++] = dgram__sockopt_bind_device(sockopts->bind_device);
}

/* The name of an option that has to be set before the bind; NULL: there is none. */
static const char *sockopts_find_too_late(const dgram_socket_t *socket) {
  const struct dgram__sockopts *sockopts = sockopts_kept(socket);
  for (int option = DGRAM__SOCKOPT_FIRST; option < DGRAM__SOCKOPT_END; option++) {
    struct dgram__sockopt_call calls[DGRAM__SOCKOPT_CALLS];
    if (!sockopts_has(sockopts, option) ||
        dgram__sockopt_phase((dgram_sockopt_t)option) != DGRAM__SOCKOPT_BEFORE_BIND)
      continue;
    (void)dgram__sockopt_calls((dgram_sockopt_t)option, dgram__family(socket->options.type), 0,
                               calls);
    return calls[0].text;
  }
  return NULL;
}

int dgram__sockopts_adopt(dgram_socket_t *socket) {
  if (sockopts_kept(socket) == NULL)
    return 0;
  socket->extras->refused = sockopts_find_too_late(socket);
  if (socket->extras->refused != NULL)
    return UV_EINVAL;
  struct dgram__sockopt_calls calls;
  unsigned refused;
  dgram__sockopts_list(socket, &calls);
  int err = dgram__sockopt_make_calls(&socket->udp, calls.all, calls.count, &refused);
  if (err != 0)
    socket->extras->refused = calls.all[refused].text;
  return err;
}

/* ---- the public functions ---- */

int dgram_set_sockopt(dgram_socket_t *socket, dgram_sockopt_t option, int64_t value) {
  int err = socket != NULL ? dgram__sockopt_check((int)option) : UV_EINVAL;
  if (err == 0 && !dgram__sockopt_allows(option, value))
    err = UV_EINVAL;
  if (err == 0)
    err = dgram__check_open(socket);
  if (err != 0)
    return err;
  enum dgram__sockopt_phase phase = dgram__sockopt_phase(option);
  bool is_bound = dgram__is_bound(socket);
  if (is_bound && phase == DGRAM__SOCKOPT_BEFORE_BIND)
    return DGRAM_ERR_SOCKET_ALREADY_BOUND;
  struct dgram__sockopts *sockopts = sockopts_of(socket);
  if (sockopts == NULL)
    return UV_ENOMEM;
  if (!is_bound) {
    sockopts_keep(sockopts, option, value);
    return 0;
  }
  struct dgram__sockopt_call calls[DGRAM__SOCKOPT_CALLS];
  unsigned refused;
  unsigned count = dgram__sockopt_calls(option, dgram__family(socket->options.type), value, calls);
  err = phase == DGRAM__SOCKOPT_OF_SENDS
            ? dgram__send_then_make(socket, calls, count)
            : dgram__sockopt_make_calls(&socket->udp, calls, count, &refused);
  if (err == 0)
    sockopts_keep(sockopts, option, value); /* for dgram_accept_peer() */
  return err;
}

int dgram_get_sockopt(const dgram_socket_t *socket, dgram_sockopt_t option, int64_t *value) {
  int err = socket != NULL && value != NULL ? dgram__sockopt_check((int)option) : UV_EINVAL;
  if (err == 0)
    err = dgram__check_open(socket);
  if (err != 0)
    return err;
  if (dgram__is_bound(socket))
    return dgram__sockopt_read(&socket->udp, dgram__family(socket->options.type), option, value);
  const struct dgram__sockopts *sockopts = sockopts_kept(socket);
  if (sockopts == NULL || !sockopts_has(sockopts, (int)option))
    return UV_EBADF;
  *value = sockopts->values[option];
  return 0;
}

int dgram_get_bind_device(const dgram_socket_t *socket, char name[DGRAM_INTERFACE_NAME]) {
  int err = name != NULL ? dgram__check_open(socket) : UV_EINVAL;
  if (err != 0)
    return err;
  if (dgram__is_bound(socket))
    return dgram__sockopt_read_bind_device(&socket->udp, name);
  const struct dgram__sockopts *sockopts = sockopts_kept(socket);
  if (sockopts != NULL)
    memcpy(name, sockopts->bind_device, DGRAM_INTERFACE_NAME);
  else
    name[0] = '\0';
  return 0;
}

int dgram__path_mtu(const dgram_socket_t *socket, const union dgram__address *to) {
  int mtu = 0;
  if (to->any.sa_family != AF_UNSPEC)
    mtu = dgram__sockopt_mtu_to(&socket->udp, to);
  else if (socket->udp.fd >= 0)
    mtu = dgram__sockopt_mtu(&socket->udp, dgram__family(socket->options.type));
  return mtu > 0 ? mtu : 0;
}

int dgram_get_mtu(const dgram_socket_t *socket) {
  int err = dgram__check_open(socket);
  if (err == 0 && !dgram__is_connected(&socket->connecting))
    err = DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED;
  return err == 0 ? dgram__sockopt_mtu(&socket->udp, dgram__family(socket->options.type)) : err;
}

int dgram_get_mtu_to(const dgram_socket_t *socket, const struct sockaddr *to) {
  union dgram__address address;
  int err = to != NULL ? dgram__check_open(socket) : UV_EINVAL;
  if (err == 0 && (dgram__sockaddr_family(to) != dgram__family(socket->options.type) ||
                   !dgram__address_copy(&address, to)))
    err = UV_EINVAL;
  if (err == 0 && dgram__address_port(&address) == 0)
    err = DGRAM_ERR_SOCKET_BAD_PORT;
  return err == 0 ? dgram__sockopt_mtu_to(&socket->udp, &address) : err;
}
