/*
 * What a socket that follows the interfaces needs of their list and their watcher.
 */
#ifndef DGRAM_CORE_INTERFACES_H
#define DGRAM_CORE_INTERFACES_H

#include <dgram_interfaces.h>

#include <stdbool.h>

/* ---- interfaces.c: the list ---- */

/* The interfaces of one moment. Zero-initialised: none. */
struct dgram__interfaces {
  const dgram_interface_t *const *all; /* by rising index; one allocation, or NULL */
  size_t count;
};

/* The one with this index. NULL: there is none. */
const dgram_interface_t *dgram__interfaces_find(const struct dgram__interfaces *interfaces,
                                                unsigned index);

/* Whether nothing has changed that a watcher reports. */
bool dgram__interface_equal(const dgram_interface_t *a, const dgram_interface_t *b);

/* Whether it is up, carries multicast, and has an address of the family. */
bool dgram__interface_carries(const dgram_interface_t *interface, int family);

/* ---- interface_watch.c: the watcher ---- */

/* Called from the loop after each look at the interfaces, changed or not. */
typedef void dgram__interfaces_seen_fn(void *context);

/*
 * As dgram_watch_interfaces(). The interfaces that there are have been reported, to `callback`,
 * when it returns 0. `seen` is called from the loop only.
 */
int dgram__interface_watch_start(uv_loop_t *loop, dgram_interface_cb callback,
                                 dgram__interfaces_seen_fn *seen, void *context,
                                 dgram_interface_watcher_t **watcher);

/* The interfaces as they were last seen. */
const struct dgram__interfaces *
dgram__interface_watch_seen(const dgram_interface_watcher_t *watcher);

/* Looks at the interfaces in the next iteration of the loop, or in a while. */
void dgram__interface_watch_soon(dgram_interface_watcher_t *watcher);
void dgram__interface_watch_later(dgram_interface_watcher_t *watcher);

#endif
