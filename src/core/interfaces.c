/*
 * The list of interfaces: what getifaddrs(3) reports, an entry for each address and on Linux one
 * more for each interface, grouped by interface.
 *
 * 1. The entries' interfaces are found by name, and their addresses counted.
 * 2. Each gets its addresses.
 * 3. An interface without index has gone meanwhile and is left out; the others are sorted.
 */
#include "interfaces.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <netpacket/packet.h>
#else
#include <net/if_dl.h>
#endif

#include "address.h"

struct interface_slot {
  dgram_interface_t interface; /* `addresses` is set in step 2 */
  char name[IF_NAMESIZE];
};

struct interface_address_slot {
  dgram_interface_address_t address;
  union dgram__address sockaddr;
};

/* Begins with what dgram_interfaces() returns. It has room for an interface of each entry. */
struct interface_list {
  const dgram_interface_t **all;
  struct interface_slot *slots;
  const dgram_interface_address_t **pointers;
  struct interface_address_slot *addresses;
  size_t count;
  size_t last; /* where an interface was last found: entries of one stand together */
};

/* ---- memory: one allocation, which begins with `all` ---- */

/* False: no memory. */
static bool interface_list_allocate(struct interface_list *list, size_t entries) {
  size_t room = entries + 1; /* none is an allocation, too */
  size_t pointers_size = room * sizeof(void *);
  size_t slots_size = room * sizeof *list->slots;
  size_t addresses_size = room * sizeof *list->addresses;
  char *memory = calloc(1, 2 * pointers_size + slots_size + addresses_size);
  if (memory == NULL)
    return false;
  *list = (struct interface_list){
      .all = (void *)memory,
      .pointers = (void *)(memory + pointers_size),
      .slots = (void *)(memory + 2 * pointers_size),
      .addresses = (void *)(memory + 2 * pointers_size + slots_size),
  };
  return true;
}

void dgram_free_interfaces(const dgram_interface_t *const *interfaces) {
  free((void *)interfaces);
}

/* ---- 1. the entries' interfaces ---- */

/* In Linux an address may have a label, "eth0:1", that begins with the interface's name. */
static size_t interface_name_length(const char *name) {
#ifdef __linux__
  return strcspn(name, ":");
#else
  return strlen(name);
#endif
}

/* Finds the interface of an entry, or adds it. NULL: its name is too long for the system. */
static struct interface_slot *interface_list_enter(struct interface_list *list,
                                                   const struct ifaddrs *entry) {
  size_t length = interface_name_length(entry->ifa_name);
  for (size_t i = 0; i < list->count; i++) {
    size_t at = (list->last + i) % list->count;
    struct interface_slot *slot = &list->slots[at];
    if (strncmp(slot->name, entry->ifa_name, length) == 0 && slot->name[length] == '\0') {
      list->last = at;
      return slot;
    }
  }
  if (length >= IF_NAMESIZE)
    return NULL;
  list->last = list->count++;
  struct interface_slot *slot = &list->slots[list->last];
  memcpy(slot->name, entry->ifa_name, length);
  slot->interface.name = slot->name;
  return slot;
}

static unsigned interface_flags(unsigned system) {
  return ((system & IFF_UP) ? DGRAM_INTERFACE_UP : 0U) |
         ((system & IFF_RUNNING) ? DGRAM_INTERFACE_RUNNING : 0U) |
         ((system & IFF_LOOPBACK) ? DGRAM_INTERFACE_LOOPBACK : 0U) |
         ((system & IFF_MULTICAST) ? DGRAM_INTERFACE_MULTICAST : 0U) |
         ((system & IFF_BROADCAST) ? DGRAM_INTERFACE_BROADCAST : 0U) |
         ((system & IFF_POINTOPOINT) ? DGRAM_INTERFACE_POINT_TO_POINT : 0U);
}

/* Reads the entry that an interface has for itself: its index and hardware address. */
static void interface_read_link(dgram_interface_t *interface, const struct sockaddr *address) {
#ifdef __linux__
  struct sockaddr_ll link;
  if (address->sa_family != AF_PACKET)
    return;
  memcpy(&link, address, sizeof link);
  interface->index = (unsigned)link.sll_ifindex;
  if (link.sll_halen == sizeof interface->mac)
    memcpy(interface->mac, link.sll_addr, sizeof interface->mac);
#else
  const struct sockaddr_dl *link = (const void *)address;
  if (address->sa_family != AF_LINK)
    return;
  interface->index = link->sdl_index;
  if (link->sdl_alen == sizeof interface->mac)
    memcpy(interface->mac, LLADDR(link), sizeof interface->mac);
#endif
}

static bool interface_has_address(const struct ifaddrs *entry) {
  return entry->ifa_addr != NULL &&
         (entry->ifa_addr->sa_family == AF_INET || entry->ifa_addr->sa_family == AF_INET6);
}

static void interface_list_read_entries(struct interface_list *list, const struct ifaddrs *first) {
  for (const struct ifaddrs *entry = first; entry != NULL; entry = entry->ifa_next) {
    struct interface_slot *slot = interface_list_enter(list, entry);
    if (slot == NULL)
      continue;
    slot->interface.flags = interface_flags(entry->ifa_flags);
    if (interface_has_address(entry))
      slot->interface.address_count++;
    else if (entry->ifa_addr != NULL)
      interface_read_link(&slot->interface, entry->ifa_addr);
  }
}

/* ---- 2. their addresses ---- */

/* The bits of a netmask up to its first zero. */
static int interface_prefix(const union dgram__address *netmask) {
  const unsigned char *bytes = netmask->any.sa_family == AF_INET
                                   ? (const unsigned char *)&netmask->v4.sin_addr
                                   : netmask->v6.sin6_addr.s6_addr;
  int most = netmask->any.sa_family == AF_INET ? 32 : 128;
  int bits = 0;
  while (bits < most && (bytes[bits / 8] & (0x80 >> (bits % 8))) != 0)
    bits++;
  return bits;
}

static void interface_read_address(struct interface_address_slot *slot,
                                   const struct ifaddrs *entry) {
  union dgram__address netmask = dgram__address_unspec;
  int family = entry->ifa_addr->sa_family;
  (void)dgram__address_copy(&slot->sockaddr, entry->ifa_addr);
  if (entry->ifa_netmask != NULL)
    (void)dgram__address_copy(&netmask, entry->ifa_netmask);
  netmask.any.sa_family = (sa_family_t)family; /* some systems don't say so */
  dgram_interface_address_t *address = &slot->address;
  address->family = dgram__family_name(family);
  address->sockaddr = &slot->sockaddr.any;
  address->prefix = interface_prefix(&netmask);
  dgram__address_text(&slot->sockaddr, address->address);
  if (family == AF_INET6)
    netmask.v6.sin6_scope_id = 0;
  dgram__address_text(&netmask, address->netmask);
}

/* Each interface gets a part of `pointers`, which the second walk fills. */
static void interface_list_read_addresses(struct interface_list *list,
                                          const struct ifaddrs *first) {
  size_t before = 0;
  for (size_t i = 0; i < list->count; i++) {
    dgram_interface_t *interface = &list->slots[i].interface;
    interface->addresses = &list->pointers[before];
    before += interface->address_count;
    interface->address_count = 0;
  }
  size_t count = 0;
  for (const struct ifaddrs *entry = first; entry != NULL; entry = entry->ifa_next) {
    struct interface_slot *slot =
        interface_has_address(entry) ? interface_list_enter(list, entry) : NULL;
    if (slot == NULL)
      continue;
    struct interface_address_slot *address = &list->addresses[count++];
    dgram_interface_t *interface = &slot->interface;
    interface_read_address(address, entry);
    size_t at = (size_t)(interface->addresses - list->pointers) + interface->address_count++;
    list->pointers[at] = &address->address;
  }
}

/* ---- 3. by index ---- */

static int interface_compare(const void *a, const void *b) {
  unsigned one = (*(const dgram_interface_t *const *)a)->index;
  unsigned other = (*(const dgram_interface_t *const *)b)->index;
  return (one > other) - (one < other);
}

static size_t interface_list_sort(struct interface_list *list) {
  size_t kept = 0;
  for (size_t i = 0; i < list->count; i++) {
    dgram_interface_t *interface = &list->slots[i].interface;
    if (interface->index == 0)
      interface->index = if_nametoindex(interface->name);
    if (interface->index != 0)
      list->all[kept++] = interface;
  }
  qsort(list->all, kept, sizeof(void *), interface_compare);
  return kept;
}

int dgram_interfaces(const dgram_interface_t *const **interfaces, size_t *count) {
  struct ifaddrs *first = NULL;
  struct interface_list list;
  size_t entries = 0;
  if (interfaces != NULL)
    *interfaces = NULL;
  if (count != NULL)
    *count = 0;
  if (interfaces == NULL || count == NULL)
    return UV_EINVAL;
  if (getifaddrs(&first) != 0)
    return -errno;
  for (const struct ifaddrs *entry = first; entry != NULL; entry = entry->ifa_next)
    entries++;
  if (!interface_list_allocate(&list, entries)) {
    freeifaddrs(first);
    return UV_ENOMEM;
  }
  interface_list_read_entries(&list, first);
  interface_list_read_addresses(&list, first);
  freeifaddrs(first);
  *count = interface_list_sort(&list);
  *interfaces = list.all;
  return 0;
}

/* ---- what is known of one ---- */

const dgram_interface_t *dgram__interfaces_find(const struct dgram__interfaces *interfaces,
                                                unsigned index) {
  size_t low = 0;
  size_t high = interfaces->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (interfaces->all[middle]->index < index)
      low = middle + 1;
    else
      high = middle;
  }
  bool found = low < interfaces->count && interfaces->all[low]->index == index;
  return found ? interfaces->all[low] : NULL;
}

static bool interface_address_equal(const dgram_interface_address_t *a,
                                    const dgram_interface_address_t *b) {
  return a->prefix == b->prefix &&
         dgram__address_equal((const union dgram__address *)(const void *)a->sockaddr,
                              (const union dgram__address *)(const void *)b->sockaddr);
}

bool dgram__interface_equal(const dgram_interface_t *a, const dgram_interface_t *b) {
  if (a->index != b->index || a->flags != b->flags || a->address_count != b->address_count ||
      strcmp(a->name, b->name) != 0 || memcmp(a->mac, b->mac, sizeof a->mac) != 0)
    return false;
  for (size_t i = 0; i < a->address_count; i++)
    if (!interface_address_equal(a->addresses[i], b->addresses[i]))
      return false;
  return true;
}

bool dgram__interface_carries(const dgram_interface_t *interface, int family) {
  const unsigned needed = DGRAM_INTERFACE_UP | DGRAM_INTERFACE_MULTICAST;
  if ((interface->flags & needed) != needed)
    return false;
  for (size_t i = 0; i < interface->address_count; i++)
    if (interface->addresses[i]->sockaddr->sa_family == family)
      return true;
  return false;
}
