/*
 * The options of one datagram (dgram_send_options_t): checked and read at the call.
 */
#include "internal.h"

#include <limits.h>

_Static_assert(
    sizeof(dgram_send_options_t) == offsetof(dgram_send_options_t, departure_ns) + sizeof(uint64_t),
    "With more members, send_options_are_in_range() takes the size of version 0.4, too.");

enum { MAX_PAYLOAD = 65507 }; /* of IPv4; a larger segment could not leave by any path */

static bool send_options_are_in_range(const dgram_send_options_t *given) {
  return given->struct_size == sizeof *given && given->ttl != 0 && given->ttl >= -1 &&
         given->ttl <= 255 && given->tos >= -1 && given->tos <= 255 && given->dont_fragment >= -1 &&
         given->dont_fragment <= 1 && given->segment_size <= MAX_PAYLOAD &&
         given->interface_index <= INT_MAX;
}

static bool send_options_need_cmsgs(const dgram_send_options_t *given) {
  bool has_source = given->source != NULL && dgram__sockaddr_family(given->source) != AF_UNSPEC;
  return has_source || given->interface_index != 0 || given->ttl >= 0 || given->tos >= 0 ||
         given->dont_fragment >= 0 || given->departure_ns != 0;
}

/* Returns 0, or UV_EINVAL for a source of another family than the socket's. */
static int send_options_read_source(int family, const struct sockaddr *given,
                                    struct dgram__tx_options *options) {
  union dgram__address *source = &options->source;
  if (dgram__sockaddr_family(given) != family || !dgram__address_copy(source, given))
    return UV_EINVAL;
  dgram__address_set_port(source, 0);
  if (source->any.sa_family == AF_INET)
    return 0;
  unsigned scope = IN6_IS_ADDR_LINKLOCAL(&source->v6.sin6_addr) ? source->v6.sin6_scope_id : 0;
  if (scope != 0 && options->interface_index != 0 && options->interface_index != scope)
    return UV_EINVAL;
  if (scope != 0)
    options->interface_index = scope;
  return 0;
}

int dgram__send_options_read(int family, const dgram_send_options_t *given,
                             struct dgram__tx_options *options) {
  if (!send_options_are_in_range(given))
    return UV_EINVAL;
  if (!DGRAM__HAS_TX_CMSGS && send_options_need_cmsgs(given))
    return UV_ENOTSUP;
  *options = (struct dgram__tx_options){.departure_ns = given->departure_ns,
                                        .interface_index = given->interface_index,
                                        .segment_size = (uint32_t)given->segment_size,
                                        .ttl = (int16_t)given->ttl,
                                        .tos = (int16_t)given->tos,
                                        .dont_fragment = (int16_t)given->dont_fragment};
  if (given->source == NULL || dgram__sockaddr_family(given->source) == AF_UNSPEC)
    return 0;
  return send_options_read_source(family, given->source, options);
}

int dgram__send_options_check_source(const struct dgram__tx_options *options,
                                     const struct sockaddr *to) {
  const union dgram__address *source = &options->source;
  union dgram__address address;
  if (source->any.sa_family != AF_INET6 || IN6_IS_ADDR_UNSPECIFIED(&source->v6.sin6_addr))
    return 0;
  bool is_to_ipv4 = dgram__address_copy(&address, to) && dgram__tx_options_is_ipv4(&address);
  return dgram__tx_options_is_ipv4(source) == is_to_ipv4 ? 0 : UV_EINVAL;
}
