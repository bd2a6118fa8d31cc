/*
 * The interfaces are listed, watched and followed while every allocation and call fails once, the
 * first, the second, ...: whatever fails, nothing is left over, and a change of the interfaces is
 * followed in the end. The loopback interface of a network namespace changes here.
 */
#include "lib/fault.h"

#include <dgram_interfaces.h>

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
FAULT(socket)
FAULT(bind)
FAULT(setsockopt)
FAULT(recvmsg)
FAULT(uv_poll_init_socket)
FAULT_WRAP(int, getifaddrs, (struct ifaddrs * *first), (first), -1)
/* NOLINTEND(bugprone-reserved-identifier) */

static uv_loop_t *scenario_loop;
static int events; /* of the watcher */
static int joined, left, failed;

/* A loopback interface that carries multicast, up or down. */
static void set_loopback(int flags) {
  struct ifreq request = {.ifr_name = "lo", .ifr_flags = (short)(IFF_MULTICAST | flags)};
  int fd = __real_socket(AF_INET, SOCK_DGRAM, 0);
  assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
  __real_close(fd);
}

static void count_interface(dgram_interface_watcher_t *watcher, dgram_interface_event_t event,
                            const dgram_interface_t *interface, void *context) {
  events++;
}

static void count_change(dgram_socket_t *socket, const dgram_membership_t *membership,
                         void *context) {
  joined += membership->change == DGRAM_MEMBERSHIP_JOINED;
  left += membership->change == DGRAM_MEMBERSHIP_LEFT;
  failed += membership->change == DGRAM_MEMBERSHIP_FAILED;
}

static void run_until_at_least(const int *count, int wanted) {
  while (*count < wanted)
    uv_run(scenario_loop, UV_RUN_NOWAIT);
}

/* A join that has failed is tried again when something changes. */
static void go_down_and_up(void) {
  set_loopback(0);
  for (int i = 0; i < 10; i++)
    uv_run(scenario_loop, UV_RUN_NOWAIT);
  set_loopback(IFF_UP);
  while (joined - left < 1) {
    uv_run(scenario_loop, UV_RUN_NOWAIT);
    if (failed > 0) {
      failed = 0;
      set_loopback(0);
      set_loopback(IFF_UP);
    }
  }
}

static void follow_the_interfaces(void) {
  const dgram_interface_t *const *list;
  size_t count;
  dgram_interface_watcher_t *watcher;
  dgram_socket_t *socket;
  events = joined = left = failed = 0;
  int err = dgram_interfaces(&list, &count);
  CHECK((err == 0) == (list != NULL) && (err == 0 || (fault.in != NULL && count == 0)));
  dgram_free_interfaces(list);
  err = dgram_watch_interfaces(scenario_loop, count_interface, NULL, &watcher);
  CHECK((err == 0) == (watcher != NULL) && (err == 0 || fault.in != NULL));
  err = dgram_create_socket(scenario_loop, DGRAM_UDP4, NULL, NULL, &socket);
  CHECK(err == 0 || fault.in != NULL);
  err = dgram_add_membership_all(socket, "239.1.2.3", count_change, NULL);
  CHECK(err == 0 || fault.in != NULL);
  if (err == 0) {
    run_until_at_least(&joined, failed > 0 ? 0 : 1);
    if (watcher != NULL)
      run_until_at_least(&events, 1);
    go_down_and_up();
    CHECK(dgram_drop_membership_all(socket, "239.1.2.3") == 0);
  }
  if (socket != NULL)
    CHECK(dgram_close(socket, NULL, NULL) == 0);
  dgram_unwatch_interfaces(watcher);
}

static void run_scenario(void) {
  scenario_loop = __real_malloc(sizeof *scenario_loop);
  assert_int_equal(uv_loop_init(scenario_loop), 0);
  follow_the_interfaces();
  CHECK(uv_run(scenario_loop, UV_RUN_DEFAULT) == 0);
  CHECK(uv_loop_close(scenario_loop) == 0);
  __real_free(scenario_loop);
}

TEST("a socket follows the interfaces in spite of each fault, and leaves nothing") {
  static const int errors[] = {EPERM, ENOBUFS, EIO};
  if (unshare(CLONE_NEWNET) != 0) {
    print_message("skipped: no network namespaces here: %s\n", strerror(errno));
    skip();
  }
  set_loopback(IFF_UP);
  survive_all_faults(run_scenario, errors, sizeof errors / sizeof *errors, 15);
}
