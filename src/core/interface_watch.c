/*
 * The watcher of interfaces. The kernel's messages only say that something has changed; what has,
 * is found by a look at the list of interfaces, and comparing it with the last one. So lost and
 * hostile messages do no harm. The one thing that the list does not show is an interface that was
 * made anew with its former index: for that the messages about deleted ones are read.
 *
 *   WATCHING -> DEFERRED   the netlink socket has an error, or there was no memory for the list
 *   DEFERRED -> WATCHING   after 100 ms, and another look
 *   any -> ENDED           dgram_unwatch_interfaces(); the memory goes with the handles
 *
 * 1. A wake-up reads a bounded number of messages.
 * 2. It looks at the interfaces, and reports those that have gone, then those that came or changed.
 * 3. The timer makes the first look, and those after an error. Where the kernel sends no messages,
 *    it makes all of them.
 */
#include "internal.h"
#include "interfaces.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/rtnetlink.h>
#endif

#include "descriptor.h"
#include "rtnetlink.h"

enum {
  MOST_MESSAGES = 64,  /* of one wake-up; more of them wake the loop again */
  MOST_DELETED = 64,   /* interfaces between two looks */
  MESSAGE_SIZE = 4096, /* what is read stands in the first bytes of a message */
  DEFER_MS = 100,
#ifdef __linux__
  PERIOD_MS = 0
#else
  PERIOD_MS = 5000
#endif
};

enum watch_state { WATCH_WATCHING, WATCH_DEFERRED, WATCH_ENDED };

/* Of which interfaces it is known whether they are the ones of the last look. */
enum watch_trust {
  WATCH_ALL_BUT_DELETED, /* of all but those in `deleted` */
  WATCH_NONE             /* messages were lost: any may have been made anew */
};

/* Interfaces that may not be the ones of the last look, though they have the same index. */
struct watch_doubts {
  enum watch_trust trust;
  unsigned deleted[MOST_DELETED]; /* indices */
  unsigned deleted_count;
};

struct dgram_interface_watcher {
  uv_poll_t poll; /* of the netlink socket, where there is one */
  uv_timer_t timer;
  unsigned open_handles;
  int fd; /* the netlink socket; -1: none */
  enum watch_state state;
  struct watch_doubts doubts;
  struct dgram__interfaces seen; /* by the last look */
  dgram_interface_cb callback;
  dgram__interfaces_seen_fn *on_seen; /* or NULL */
  void *context;
};

static const unsigned char watch_edges[] = {
    [WATCH_WATCHING] = DGRAM__FROM(WATCH_DEFERRED),
    [WATCH_DEFERRED] = DGRAM__FROM(WATCH_WATCHING) | DGRAM__FROM(WATCH_DEFERRED),
    [WATCH_ENDED] = DGRAM__FROM(WATCH_WATCHING) | DGRAM__FROM(WATCH_DEFERRED),
};

static void watch_set_state(dgram_interface_watcher_t *watcher, enum watch_state state) {
  dgram__assert_edge(watch_edges, watcher->state, state);
  watcher->state = state;
}

static void watch_on_timer(uv_timer_t *timer);

/* An unreferenced timer fires if something else keeps the loop alive. */
static void watch_start_timer(dgram_interface_watcher_t *watcher, uint64_t ms) {
  uv_timer_start(&watcher->timer, watch_on_timer, ms, PERIOD_MS);
  uv_unref((uv_handle_t *)&watcher->timer);
}

/* The next look is made in a while: until then the netlink socket is not polled. */
static void watch_defer(dgram_interface_watcher_t *watcher) {
  watch_set_state(watcher, WATCH_DEFERRED);
  if (watcher->fd >= 0)
    uv_poll_stop(&watcher->poll);
  watch_start_timer(watcher, DEFER_MS);
}

/* ---- 1. messages ---- */

static bool watch_is_doubtful(const struct watch_doubts *doubts, unsigned index) {
  for (unsigned i = 0; i < doubts->deleted_count; i++)
    if (doubts->deleted[i] == index)
      return true;
  return doubts->trust == WATCH_NONE;
}

#ifdef __linux__

static void watch_add_deleted(struct watch_doubts *doubts, unsigned index) {
  if (watch_is_doubtful(doubts, index))
    return;
  if (doubts->deleted_count < MOST_DELETED)
    doubts->deleted[doubts->deleted_count++] = index;
  else
    doubts->trust = WATCH_NONE;
}

/* Another process may send to the socket, too: only the kernel's messages count. */
static int watch_read_messages(dgram_interface_watcher_t *watcher) {
  unsigned char bytes[MESSAGE_SIZE];
  for (int i = 0; i < MOST_MESSAGES; i++) {
    struct sockaddr_nl from = {.nl_family = AF_UNSPEC};
    struct iovec iov = {.iov_base = bytes, .iov_len = sizeof bytes};
    struct msghdr message = {
        .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &iov, .msg_iovlen = 1};
    ssize_t size = recvmsg(watcher->fd, &message, MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN)
      return 0;
    if (size < 0 && errno == ENOBUFS) {
      watcher->doubts.trust = WATCH_NONE;
      continue;
    }
    if (size < 0)
      return -errno;
    struct dgram__rtnetlink_iter messages = {.at = bytes, .left = (size_t)size};
    unsigned index;
    while (from.nl_pid == 0 && dgram__rtnetlink_next_deleted(&messages, &index))
      watch_add_deleted(&watcher->doubts, index);
  }
  return 0;
}

#else

static int watch_read_messages(dgram_interface_watcher_t *watcher) {
  return 0;
}

#endif

/* ---- 2. a look ---- */

static void watch_report(dgram_interface_watcher_t *watcher, dgram_interface_event_t event,
                         const dgram_interface_t *interface) {
  if (watcher->state != WATCH_ENDED)
    watcher->callback(watcher, event, interface, watcher->context);
}

/* Looks at the interfaces, and reports how they differ from `seen`. Returns 0 or an error. */
static int watch_look(dgram_interface_watcher_t *watcher) {
  struct dgram__interfaces now;
  int err = dgram_interfaces(&now.all, &now.count);
  if (err != 0)
    return err;
  /* A callback may end the watcher: `now` is then freed with it, in a later iteration. */
  const struct watch_doubts doubts = watcher->doubts;
  const struct dgram__interfaces before = watcher->seen;
  watcher->doubts = (struct watch_doubts){.trust = WATCH_ALL_BUT_DELETED};
  watcher->seen = now;
  for (size_t i = 0; i < before.count; i++) {
    const dgram_interface_t *interface = before.all[i];
    if (watch_is_doubtful(&doubts, interface->index) ||
        dgram__interfaces_find(&now, interface->index) == NULL)
      watch_report(watcher, DGRAM_INTERFACE_REMOVED, interface);
  }
  for (size_t i = 0; i < now.count; i++) {
    const dgram_interface_t *interface = now.all[i];
    const dgram_interface_t *former = dgram__interfaces_find(&before, interface->index);
    if (former == NULL || watch_is_doubtful(&doubts, interface->index))
      watch_report(watcher, DGRAM_INTERFACE_ADDED, interface);
    else if (!dgram__interface_equal(former, interface))
      watch_report(watcher, DGRAM_INTERFACE_CHANGED, interface);
  }
  dgram_free_interfaces(before.all);
  return 0;
}

static void watch_look_from_loop(dgram_interface_watcher_t *watcher) {
  int err = watch_look(watcher);
  if (watcher->state != WATCH_ENDED && watcher->on_seen != NULL)
    watcher->on_seen(watcher->context);
  if (watcher->state != WATCH_ENDED && err != 0)
    watch_defer(watcher);
}

static void watch_on_poll(uv_poll_t *poll, int status, int events) {
  dgram_interface_watcher_t *watcher = poll->data;
  int err = watch_read_messages(watcher);
  if (status != 0 || err != 0) /* libuv has stopped to poll, or what reading does not clear */
    watch_defer(watcher);
  else
    watch_look_from_loop(watcher);
}

/* ---- 3. the timer ---- */

static int watch_poll(dgram_interface_watcher_t *watcher) {
  int err = uv_poll_start(&watcher->poll, UV_READABLE, watch_on_poll);
  uv_unref((uv_handle_t *)&watcher->poll);
  return err;
}

static void watch_on_timer(uv_timer_t *timer) {
  dgram_interface_watcher_t *watcher = timer->data;
  if (watcher->state == WATCH_DEFERRED) {
    (void)watch_read_messages(watcher); /* an error that stays wakes the loop again */
    watch_set_state(watcher, WATCH_WATCHING);
    if (watcher->fd >= 0 && watch_poll(watcher) != 0) {
      watch_defer(watcher);
      return;
    }
  }
  watch_look_from_loop(watcher);
}

/* ---- begin and end ---- */

/* Returns the netlink socket or an error; -1 on a system without. */
static int watch_open_netlink(void) {
#ifdef __linux__
  struct sockaddr_nl groups = {.nl_family = AF_NETLINK,
                               .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR};
  int fd = dgram__descriptor_socket(AF_NETLINK, SOCK_RAW);
  if (fd >= 0 && bind(fd, (const struct sockaddr *)&groups, sizeof groups) != 0) {
    int err = -errno;
    close(fd);
    return err;
  }
  return fd;
#else
  return -1;
#endif
}

static void watch_on_handle_closed(uv_handle_t *handle) {
  dgram_interface_watcher_t *watcher = handle->data;
  if (--watcher->open_handles > 0)
    return;
  dgram_free_interfaces(watcher->seen.all);
  free(watcher);
}

/* Opens the netlink socket and the handles, or nothing. */
static int watch_open(dgram_interface_watcher_t *watcher, uv_loop_t *loop) {
  watcher->fd = watch_open_netlink();
#ifdef __linux__
  if (watcher->fd < 0)
    return watcher->fd;
  int err = uv_poll_init_socket(loop, &watcher->poll, watcher->fd);
  if (err != 0) {
    close(watcher->fd);
    return err;
  }
  watcher->poll.data = watcher;
  watcher->open_handles++;
#endif
  uv_timer_init(loop, &watcher->timer);
  watcher->timer.data = watcher;
  watcher->open_handles++;
  return 0;
}

/* Nothing is reported before the first look, which the caller makes or has the loop make. */
static int watch_start(uv_loop_t *loop, dgram_interface_cb callback,
                       dgram__interfaces_seen_fn *seen, void *context,
                       dgram_interface_watcher_t **watcher) {
  dgram_interface_watcher_t *made = calloc(1, sizeof *made);
  if (made == NULL)
    return UV_ENOMEM;
  made->callback = callback;
  made->on_seen = seen;
  made->context = context;
  int err = watch_open(made, loop);
  if (err != 0) {
    free(made);
    return err;
  }
  err = made->fd >= 0 ? watch_poll(made) : 0;
  if (err != 0) {
    dgram_unwatch_interfaces(made);
    return err;
  }
  *watcher = made;
  return 0;
}

int dgram_watch_interfaces(uv_loop_t *loop, dgram_interface_cb callback, void *context,
                           dgram_interface_watcher_t **watcher) {
  if (watcher == NULL)
    return UV_EINVAL;
  *watcher = NULL;
  if (loop == NULL || callback == NULL)
    return UV_EINVAL;
  int err = watch_start(loop, callback, NULL, context, watcher);
  if (err == 0)
    dgram__interface_watch_soon(*watcher);
  return err;
}

void dgram_unwatch_interfaces(dgram_interface_watcher_t *watcher) {
  if (watcher == NULL)
    return;
  watch_set_state(watcher, WATCH_ENDED);
  uv_close((uv_handle_t *)&watcher->timer, watch_on_handle_closed);
  if (watcher->fd < 0)
    return;
  uv_close((uv_handle_t *)&watcher->poll, watch_on_handle_closed);
  close(watcher->fd);
}

/* ---- for a socket ---- */

int dgram__interface_watch_start(uv_loop_t *loop, dgram_interface_cb callback,
                                 dgram__interfaces_seen_fn *seen, void *context,
                                 dgram_interface_watcher_t **watcher) {
  int err = watch_start(loop, callback, seen, context, watcher);
  if (err != 0)
    return err;
  err = watch_look(*watcher);
  if (err != 0)
    dgram_unwatch_interfaces(*watcher);
  else if (PERIOD_MS > 0)
    watch_start_timer(*watcher, PERIOD_MS);
  return err;
}

const struct dgram__interfaces *
dgram__interface_watch_seen(const dgram_interface_watcher_t *watcher) {
  return &watcher->seen;
}

void dgram__interface_watch_soon(dgram_interface_watcher_t *watcher) {
  if (watcher->state == WATCH_WATCHING) /* else a look is to come, and not too soon */
    watch_start_timer(watcher, 0);
}

void dgram__interface_watch_later(dgram_interface_watcher_t *watcher) {
  if (watcher->state == WATCH_WATCHING)
    watch_start_timer(watcher, DEFER_MS);
}
