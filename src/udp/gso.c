#include "gso.h"

#include <stdio.h>
#include <string.h>

/* The path MTU of Linux expires after 10 minutes; a refusal more costs one system call. */
#define REMEMBERED (10 * UINT64_C(1000000000)) /* ns */

bool dgram__gso_kernel_corrupts(const char *release) {
  unsigned major = 0;
  unsigned minor = 0;
  unsigned patch = 0;
  if (sscanf(release, "%u.%u.%u", &major, &minor, &patch) < 2 || major != 7)
    return false;
  return minor == 0 || (minor == 1 && patch <= 4);
}

static unsigned gso_refusals_hash(const union dgram__address *to) {
  uint32_t words[4] = {0};
  if (to->any.sa_family == AF_INET)
    words[0] = to->v4.sin_addr.s_addr;
  else if (to->any.sa_family == AF_INET6)
    memcpy(words, &to->v6.sin6_addr, sizeof words);
  uint32_t mixed = (words[0] ^ words[1] ^ words[2] ^ words[3]) * UINT32_C(2654435761);
  return mixed >> 26; /* 6 bits: DGRAM__GSO_REFUSALS */
}

static bool gso_refusals_same_host(const union dgram__address *a, const union dgram__address *b) {
  if (a->any.sa_family != b->any.sa_family)
    return false;
  if (a->any.sa_family == AF_INET)
    return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
  if (a->any.sa_family == AF_INET6)
    return IN6_ARE_ADDR_EQUAL(&a->v6.sin6_addr, &b->v6.sin6_addr) &&
           a->v6.sin6_scope_id == b->v6.sin6_scope_id;
  return true;
}

uint32_t dgram__gso_refusals_largest(const struct dgram__gso_refusals *refusals,
                                     const union dgram__address *to, uint64_t now) {
  const struct dgram__gso_refusal *refusal = &refusals->by_host[gso_refusals_hash(to)];
  if (now < refusals->all_expire)
    return 0;
  return now < refusal->expires && gso_refusals_same_host(&refusal->to, to) ? refusal->largest
                                                                            : UINT16_MAX;
}

/* Two hosts with one hash that refuse all segments: there are many such, and all will refuse. */
void dgram__gso_refusals_add(struct dgram__gso_refusals *refusals, const union dgram__address *to,
                             uint32_t largest, uint64_t now) {
  struct dgram__gso_refusal *refusal = &refusals->by_host[gso_refusals_hash(to)];
  if (largest == 0 && refusal->largest == 0 && now < refusal->expires &&
      !gso_refusals_same_host(&refusal->to, to))
    refusals->all_expire = now + REMEMBERED;
  *refusal =
      (struct dgram__gso_refusal){.to = *to, .largest = largest, .expires = now + REMEMBERED};
}

void dgram__gso_refusals_forget_peer(struct dgram__gso_refusals *refusals) {
  struct dgram__gso_refusal *refusal =
      &refusals->by_host[gso_refusals_hash(&dgram__address_unspec)];
  if (refusal->to.any.sa_family == AF_UNSPEC)
    refusal->expires = 0;
}
