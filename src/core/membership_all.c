/*
 * Groups on every interface. A socket has one watcher of interfaces for all of its groups, and each
 * group an entry for each interface that carries it:
 *
 *   JOINED   setsockopt(2) has joined the group there
 *   FAILED   ... has refused it; tried again when something changes
 *   LEFT     the interface has gone, or does not carry the group any more: only to be reported
 *
 * The system forgets a membership neither for a deleted interface, nor for one that is made anew
 * with its index: there the socket would be no member, and could not join ("a member already")
 * before it has left.
 *
 * 1. A group is added, and joined on the interfaces that there are.
 * 2. The watcher reports a change: each group is joined or left.
 * 3. After a look at the interfaces what has failed is tried again, and what is new is reported.
 * 4. A group is dropped, or the socket closes.
 */
#include "internal.h"
#include "interfaces.h"

#include <net/if.h>
#include <stdlib.h>
#include <string.h>

enum report { REPORT_PENDING, REPORT_DONE };

struct membership_entry {
  struct dgram__list_node node;
  unsigned index;
  char name[IF_NAMESIZE];
  dgram_membership_change_t state;
  int error; /* of FAILED */
  enum report report;
};

enum membership_memory { MEMORY_SUFFICED, MEMORY_WAS_SHORT };

struct membership_group {
  struct dgram__list_node node;
  union dgram__address address;
  dgram_membership_cb callback; /* or NULL */
  void *context;
  enum membership_memory memory; /* for the entries of the last look */
  struct dgram__list entries;    /* the LEFT ones in the order of their events */
};

struct dgram__membership_all {
  dgram_socket_t *socket;
  dgram_interface_watcher_t *watcher;
  struct dgram__list groups;
};

static struct dgram__membership_all *membership_all_of(const dgram_socket_t *socket) {
  return socket->extras != NULL ? socket->extras->membership_all : NULL;
}

/* ---- one group on one interface ---- */

/* The entry of an interface that is there. NULL: the group has none. */
static struct membership_entry *membership_entry_find(const struct membership_group *group,
                                                      unsigned index) {
  DGRAM__LIST_FOR_EACH (entry, &group->entries, struct membership_entry, node)
    if (entry->index == index && entry->state != DGRAM_MEMBERSHIP_LEFT)
      return entry;
  return NULL;
}

static void membership_entry_remove(struct membership_group *group,
                                    struct membership_entry *entry) {
  dgram__list_remove(&group->entries, &entry->node);
  free(entry);
}

/* Joins, for the first time or once more. A member already: by dgram_add_membership(). */
static void membership_entry_join(const dgram_socket_t *socket,
                                  const struct membership_group *group,
                                  struct membership_entry *entry) {
  int err = dgram__multicast_set(socket, &group->address, entry->index, DGRAM__MEMBERSHIP_JOIN);
  if (err == UV_EADDRINUSE)
    err = 0;
  dgram_membership_change_t state = err == 0 ? DGRAM_MEMBERSHIP_JOINED : DGRAM_MEMBERSHIP_FAILED;
  if (state != entry->state || err != entry->error)
    entry->report = REPORT_PENDING;
  entry->state = state;
  entry->error = err;
}

/* Returns 0 or the error of the join. Without memory for an entry another look tries again. */
static int membership_group_join(const dgram_socket_t *socket, struct membership_group *group,
                                 const dgram_interface_t *interface) {
  struct membership_entry *entry = calloc(1, sizeof *entry);
  if (entry == NULL) {
    group->memory = MEMORY_WAS_SHORT;
    return UV_ENOMEM;
  }
  entry->index = interface->index;
  strncpy(entry->name, interface->name, sizeof entry->name - 1);
  entry->report = REPORT_PENDING;
  membership_entry_join(socket, group, entry);
  dgram__list_append(&group->entries, &entry->node);
  return entry->error;
}

/* An entry whose join has never been reported goes without a word. */
static void membership_group_leave(const dgram_socket_t *socket, struct membership_group *group,
                                   struct membership_entry *entry) {
  bool was_joined = entry->state == DGRAM_MEMBERSHIP_JOINED;
  if (was_joined)
    (void)dgram__multicast_set(socket, &group->address, entry->index, DGRAM__MEMBERSHIP_LEAVE);
  if (!was_joined || entry->report == REPORT_PENDING || group->callback == NULL) {
    membership_entry_remove(group, entry);
    return;
  }
  entry->state = DGRAM_MEMBERSHIP_LEFT;
  entry->report = REPORT_PENDING;
}

/* The interface has come, has changed, or is still the same. */
static int membership_group_follow(const dgram_socket_t *socket, struct membership_group *group,
                                   const dgram_interface_t *interface) {
  struct membership_entry *entry = membership_entry_find(group, interface->index);
  bool carries = dgram__interface_carries(interface, group->address.any.sa_family);
  if (entry == NULL)
    return carries ? membership_group_join(socket, group, interface) : 0;
  if (!carries) {
    membership_group_leave(socket, group, entry);
    return 0;
  }
  strncpy(entry->name, interface->name, sizeof entry->name - 1); /* it may be a new one */
  if (entry->state == DGRAM_MEMBERSHIP_FAILED)
    membership_entry_join(socket, group, entry);
  return entry->error;
}

/* ---- 2. the watcher reports a change ---- */

/* An interface that has come or changed is followed by the look after the changes. */
static void membership_all_on_event(dgram_interface_watcher_t *watcher,
                                    dgram_interface_event_t event,
                                    const dgram_interface_t *interface, void *context) {
  struct dgram__membership_all *all = context;
  if (event != DGRAM_INTERFACE_REMOVED)
    return;
  DGRAM__LIST_FOR_EACH (group, &all->groups, struct membership_group, node) {
    struct membership_entry *entry = membership_entry_find(group, interface->index);
    if (entry != NULL)
      membership_group_leave(all->socket, group, entry);
  }
}

/* ---- 3. a look at the interfaces ---- */

/* Joins the group where it is missing. Returns the first error, 0 if it was joined anywhere. */
static int membership_group_follow_all(const struct dgram__membership_all *all,
                                       struct membership_group *group) {
  const struct dgram__interfaces *seen = dgram__interface_watch_seen(all->watcher);
  int first = 0;
  group->memory = MEMORY_SUFFICED;
  for (size_t i = 0; i < seen->count; i++) {
    int err = membership_group_follow(all->socket, group, seen->all[i]);
    if (first == 0)
      first = err;
  }
  if (group->memory == MEMORY_WAS_SHORT)
    dgram__interface_watch_later(all->watcher);
  DGRAM__LIST_FOR_EACH (entry, &group->entries, struct membership_entry, node)
    if (entry->state == DGRAM_MEMBERSHIP_JOINED)
      return 0;
  return first;
}

static struct membership_entry *membership_group_pending(const struct membership_group *group) {
  DGRAM__LIST_FOR_EACH (entry, &group->entries, struct membership_entry, node)
    if (entry->report == REPORT_PENDING && group->callback != NULL)
      return entry;
  return NULL;
}

/* Reports one change. Returns whether there was one. */
static bool membership_all_report_one(dgram_socket_t *socket, struct dgram__membership_all *all) {
  DGRAM__LIST_FOR_EACH (group, &all->groups, struct membership_group, node) {
    struct membership_entry *entry = membership_group_pending(group);
    if (entry == NULL)
      continue;
    const struct membership_entry reported = *entry;
    char text[DGRAM_ADDRESS_TEXT];
    dgram__address_text(&group->address, text);
    entry->report = REPORT_DONE;
    if (entry->state == DGRAM_MEMBERSHIP_LEFT)
      membership_entry_remove(group, entry);
    const dgram_membership_t membership = {.change = reported.state,
                                           .group = text,
                                           .interface_name = reported.name,
                                           .interface_index = reported.index,
                                           .error = reported.error};
    group->callback(socket, &membership, group->context);
    return true;
  }
  return false;
}

/* A callback may add and drop groups, and close the socket. */
static void membership_all_on_seen(void *context) {
  struct dgram__membership_all *all = context;
  dgram_socket_t *socket = all->socket;
  dgram__hold(socket);
  DGRAM__LIST_FOR_EACH (group, &all->groups, struct membership_group, node)
    (void)membership_group_follow_all(all, group);
  while (socket->life == DGRAM__OPEN && (all = membership_all_of(socket)) != NULL &&
         membership_all_report_one(socket, all))
    continue;
  dgram__release(socket);
}

/* ---- 1. a group is added ---- */

/* Reads a group's address. Returns 0, UV_EINVAL or DGRAM_ERR_MISSING_ARGS. */
static int membership_all_read(union dgram__address *group, const char *text) {
  if (text == NULL || *text == '\0')
    return DGRAM_ERR_MISSING_ARGS;
  return dgram__address_parse(group, text, 0) && strchr(text, '%') == NULL ? 0 : UV_EINVAL;
}

static struct membership_group *membership_all_find(const struct dgram__membership_all *all,
                                                    const union dgram__address *address) {
  if (all == NULL)
    return NULL;
  DGRAM__LIST_FOR_EACH (group, &all->groups, struct membership_group, node)
    if (dgram__address_equal(&group->address, address))
      return group;
  return NULL;
}

/* Of the socket, made for its first group. Returns 0 or an error. */
static int membership_all_make(dgram_socket_t *socket, struct dgram__membership_all **made) {
  struct dgram__extras *extras = dgram__extras(socket);
  if (extras == NULL)
    return UV_ENOMEM;
  *made = extras->membership_all;
  if (*made != NULL)
    return 0;
  struct dgram__membership_all *all = calloc(1, sizeof *all);
  if (all == NULL)
    return UV_ENOMEM;
  all->socket = socket;
  int err = dgram__interface_watch_start(socket->loop->uv, membership_all_on_event,
                                         membership_all_on_seen, all, &all->watcher);
  if (err != 0) {
    free(all);
    return err;
  }
  *made = extras->membership_all = all;
  return 0;
}

static void membership_all_drop(dgram_socket_t *socket, struct membership_group *group);

int dgram_add_membership_all(dgram_socket_t *socket, const char *multicast_address,
                             dgram_membership_cb callback, void *context) {
  union dgram__address address;
  struct dgram__membership_all *all;
  int err = dgram__check_open(socket);
  if (err == 0 && dgram__network_of(socket) != NULL)
    err = UV_ENOTSUP;
  if (err == 0)
    err = membership_all_read(&address, multicast_address);
  if (err == 0 && !dgram__address_is_multicast(&address))
    err = UV_EINVAL;
  if (err == 0 && socket->options.type == DGRAM_UDP4 && address.any.sa_family == AF_INET6)
    err = UV_ENOPROTOOPT;
  if (err == 0 && membership_all_find(membership_all_of(socket), &address) != NULL)
    err = UV_EADDRINUSE;
  if (err != 0)
    return err;
  struct membership_group *group = calloc(1, sizeof *group);
  if (group == NULL)
    return UV_ENOMEM;
  *group = (struct membership_group){.address = address, .callback = callback, .context = context};
  err = dgram__multicast_bind_if_unbound(socket);
  if (err == 0)
    err = membership_all_make(socket, &all);
  if (err != 0) {
    free(group);
    return err;
  }
  dgram__list_append(&all->groups, &group->node);
  err = membership_group_follow_all(all, group);
  if (err != 0)
    membership_all_drop(socket, group);
  else if (callback != NULL)
    dgram__interface_watch_soon(all->watcher);
  return err;
}

/* ---- 4. the end ---- */

static void membership_group_free(struct membership_group *group) {
  struct dgram__list_node *node;
  while ((node = dgram__list_take_first(&group->entries)) != NULL)
    free(DGRAM__LIST_ENTRY(node, struct membership_entry, node));
  free(group);
}

void dgram__membership_all_forget(dgram_socket_t *socket) {
  struct dgram__membership_all *all = membership_all_of(socket);
  struct dgram__list_node *node;
  if (all == NULL)
    return;
  socket->extras->membership_all = NULL;
  dgram_unwatch_interfaces(all->watcher);
  while ((node = dgram__list_take_first(&all->groups)) != NULL)
    membership_group_free(DGRAM__LIST_ENTRY(node, struct membership_group, node));
  free(all);
}

/* Leaves the group. The interfaces are watched as long as the socket has another one. */
static void membership_all_drop(dgram_socket_t *socket, struct membership_group *group) {
  struct dgram__membership_all *all = membership_all_of(socket);
  DGRAM__LIST_FOR_EACH (entry, &group->entries, struct membership_entry, node)
    if (entry->state == DGRAM_MEMBERSHIP_JOINED)
      (void)dgram__multicast_set(socket, &group->address, entry->index, DGRAM__MEMBERSHIP_LEAVE);
  dgram__list_remove(&all->groups, &group->node);
  membership_group_free(group);
  if (dgram__list_is_empty(&all->groups))
    dgram__membership_all_forget(socket);
}

int dgram_drop_membership_all(dgram_socket_t *socket, const char *multicast_address) {
  union dgram__address address;
  int err = dgram__check_open(socket);
  if (err == 0)
    err = membership_all_read(&address, multicast_address);
  if (err != 0)
    return err;
  struct membership_group *group = membership_all_find(membership_all_of(socket), &address);
  if (group == NULL)
    return UV_EADDRNOTAVAIL;
  dgram__send_before_change(socket);
  membership_all_drop(socket, group);
  return 0;
}
