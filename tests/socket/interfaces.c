/*
 * The list of interfaces, and the life of a watcher of them. What changes is seen in
 * netns/interfaces.c.
 */
#include "lib/fixture.h"

#include <dgram_interfaces.h>

#include <net/if.h>
#include <stdbool.h>

static const dgram_interface_t *find(const dgram_interface_t *const *list, size_t count,
                                     const char *name) {
  for (size_t i = 0; i < count; i++)
    if (strcmp(list[i]->name, name) == 0)
      return list[i];
  fail_msg("%s is not in the list", name);
  return NULL;
}

static const dgram_interface_address_t *find_address(const dgram_interface_t *interface,
                                                     const char *text) {
  for (size_t i = 0; i < interface->address_count; i++)
    if (strncmp(interface->addresses[i]->address, text, strlen(text)) == 0)
      return interface->addresses[i];
  fail_msg("%s has no address %s", interface->name, text);
  return NULL;
}

TEST("the list has each address that libuv lists, by rising index") {
  const dgram_interface_t *const *list;
  size_t count;
  uv_interface_address_t *known;
  int known_count;
  assert_int_equal(dgram_interfaces(&list, &count), 0);
  assert_int_equal(uv_interface_addresses(&known, &known_count), 0);
  for (size_t i = 0; i < count; i++) {
    assert_int_equal(list[i]->index, if_nametoindex(list[i]->name));
    assert_true(i == 0 || list[i]->index > list[i - 1]->index);
  }
  for (int i = 0; i < known_count; i++) {
    char address[64];
    char netmask[64];
    const dgram_interface_t *interface = find(list, count, known[i].name);
    bool v4 = known[i].address.address4.sin_family == AF_INET;
    assert_int_equal(v4 ? uv_ip4_name(&known[i].address.address4, address, sizeof address)
                        : uv_ip6_name(&known[i].address.address6, address, sizeof address),
                     0);
    assert_int_equal(v4 ? uv_ip4_name(&known[i].netmask.netmask4, netmask, sizeof netmask)
                        : uv_ip6_name(&known[i].netmask.netmask6, netmask, sizeof netmask),
                     0);
    const dgram_interface_address_t *found = find_address(interface, address);
    assert_string_equal(found->netmask, netmask);
    assert_string_equal(found->family, v4 ? "IPv4" : "IPv6");
    assert_memory_equal(interface->mac, known[i].phys_addr, 6);
    assert_int_equal((interface->flags & DGRAM_INTERFACE_LOOPBACK) != 0, known[i].is_internal);
    assert_true((interface->flags & DGRAM_INTERFACE_UP) != 0);
  }
  uv_free_interface_addresses(known, known_count);
  dgram_free_interfaces(list);
}

TEST("the loopback interface has 127.0.0.1/8") {
  const dgram_interface_t *const *list;
  size_t count;
  assert_int_equal(dgram_interfaces(&list, &count), 0);
  const dgram_interface_address_t *address = find_address(find(list, count, "lo"), "127.0.0.1");
  assert_int_equal(address->prefix, 8);
  assert_string_equal(address->netmask, "255.0.0.0");
  assert_int_equal(address->sockaddr->sa_family, AF_INET);
  dgram_free_interfaces(list);
}

TEST("a list without a place for it is refused") {
  const dgram_interface_t *const *list = (void *)&list;
  size_t count = 7;
  assert_int_equal(dgram_interfaces(NULL, &count), UV_EINVAL);
  assert_int_equal(count, 0);
  assert_int_equal(dgram_interfaces(&list, NULL), UV_EINVAL);
  assert_null(list);
  dgram_free_interfaces(NULL);
}

/* ---- a watcher ---- */

struct watch {
  int added;
  int lo;
  dgram_interface_watcher_t *watcher;
};

static void note_interface(dgram_interface_watcher_t *watcher, dgram_interface_event_t event,
                           const dgram_interface_t *interface, void *context) {
  struct watch *watch = context;
  assert_ptr_equal(watcher, watch->watcher);
  assert_int_equal(event, DGRAM_INTERFACE_ADDED);
  watch->added++;
  watch->lo += strcmp(interface->name, "lo") == 0;
}

TEST("a watcher reports the interfaces that there are, from the loop, and once") {
  const dgram_interface_t *const *list;
  size_t count;
  struct watch watch = {0};
  new_bound(loop, NULL, NULL, &(int){0});
  assert_int_equal(dgram_interfaces(&list, &count), 0);
  dgram_free_interfaces(list);
  assert_int_equal(dgram_watch_interfaces(loop, note_interface, &watch, &watch.watcher), 0);
  assert_int_equal(watch.added, 0);
  settle(loop);
  assert_int_equal(watch.added, count);
  assert_int_equal(watch.lo, 1);
  dgram_unwatch_interfaces(watch.watcher);
}

TEST("a watcher does not keep the loop alive") {
  struct watch watch = {0};
  assert_int_equal(dgram_watch_interfaces(loop, note_interface, &watch, &watch.watcher), 0);
  assert_int_equal(uv_run(loop, UV_RUN_DEFAULT), 0);
  dgram_unwatch_interfaces(watch.watcher);
}

TEST("a watcher that has ended reports nothing") {
  struct watch watch = {0};
  assert_int_equal(dgram_watch_interfaces(loop, note_interface, &watch, &watch.watcher), 0);
  dgram_unwatch_interfaces(watch.watcher);
  new_bound(loop, NULL, NULL, &(int){0});
  settle(loop);
  assert_int_equal(watch.added, 0);
  dgram_unwatch_interfaces(NULL);
}

static void unwatch(dgram_interface_watcher_t *watcher, dgram_interface_event_t event,
                    const dgram_interface_t *interface, void *context) {
  assert_non_null(interface->name);
  dgram_unwatch_interfaces(watcher);
  assert_non_null(interface->name); /* it is still there */
  ++*(int *)context;
}

TEST("a watcher that is ended by its callback reports nothing more") {
  int calls = 0;
  dgram_interface_watcher_t *watcher;
  new_bound(loop, NULL, NULL, &(int){0});
  assert_int_equal(dgram_watch_interfaces(loop, unwatch, &calls, &watcher), 0);
  settle(loop);
  assert_int_equal(calls, 1);
}

TEST("a watcher without loop, callback or a place for it is refused") {
  dgram_interface_watcher_t *watcher = (void *)loop;
  assert_int_equal(dgram_watch_interfaces(loop, note_interface, NULL, NULL), UV_EINVAL);
  assert_int_equal(dgram_watch_interfaces(NULL, note_interface, NULL, &watcher), UV_EINVAL);
  assert_null(watcher);
  assert_int_equal(dgram_watch_interfaces(loop, NULL, NULL, &watcher), UV_EINVAL);
}
