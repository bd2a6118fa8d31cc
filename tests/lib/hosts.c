#include "lib/hosts.h"

#include <ifaddrs.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>

static struct host hosts[] = {{.name = "left"}, {.name = "middle"}, {.name = "right"}};
enum { HOSTS = sizeof hosts / sizeof hosts[0] };
struct host *const left = &hosts[0], *const middle = &hosts[1], *const right = &hosts[2];
struct host *here;

const struct addresses ipv4 = {DGRAM_UDP4, "10.0.1.2", "10.0.1.1",
                               "10.0.2.1", "10.0.2.2", "239.1.2.3"};
const struct addresses ipv6 = {DGRAM_UDP6,  "fd00:1::2", "fd00:1::1",
                               "fd00:2::1", "fd00:2::2", "ff15::1234"};

void enter(struct host *host) {
  assert_int_equal(setns(host->netns, CLONE_NEWNET), 0);
  here = host;
}

void sh(const char *format, ...) {
  char command[2048] = "set -e; PATH=$PATH:/usr/sbin:/sbin; ";
  size_t length = strlen(command);
  va_list arguments;
  va_start(arguments, format);
  int written = vsnprintf(command + length, sizeof command - length, format, arguments);
  va_end(arguments);
  assert_true(written > 0 && (size_t)written < sizeof command - length);
  if (system(command) != 0)
    fail_msg("on %s: %s", here->name, command);
}

int have_command(const char *name) {
  char command[128];
  snprintf(command, sizeof command, "PATH=$PATH:/usr/sbin:/sbin; command -v %s >/dev/null", name);
  return system(command) == 0;
}

int hosts_allowed(void) {
  cpu_set_t this_one;
  CPU_ZERO(&this_one);
  CPU_SET((size_t)sched_getcpu(), &this_one);
  if (sched_setaffinity(0, sizeof this_one, &this_one) != 0)
    print_message("skipped: cannot keep to one processor: %s\n", strerror(errno));
  else if (!have_command("ip"))
    print_message("skipped: ip(8) is missing\n");
  else if (unshare(CLONE_NEWNET) != 0)
    print_message("skipped: no network namespaces here: %s\n", strerror(errno));
  else if (access("/proc/thread-self/net/if_inet6", F_OK) != 0)
    print_message("skipped: no IPv6 in this kernel\n");
  else
    return 1;
  return 0;
}

/* Makes a host without links, and enters it. */
static void open_host(struct host *host) {
  assert_int_equal(unshare(CLONE_NEWNET), 0);
  host->netns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  assert_true(host->netns >= 0);
  host->loop = open_loop();
  host->messages = 0;
  host->received[0] = '\0';
  here = host;
  /* IPv6 addresses that can be used at once; sources that need not be where a route leads to. */
  sh("for i in all default; do "
     "echo 0 >/proc/sys/net/ipv6/conf/$i/disable_ipv6; "
     "echo 0 >/proc/sys/net/ipv6/conf/$i/accept_dad; "
     "echo 0 >/proc/sys/net/ipv4/conf/$i/rp_filter; done; "
     "ip link set lo up");
}

/* A link between the host that the program is now and another one. */
static void add_link(const char *interface, const struct host *other,
                     const char *others_interface) {
  sh("ip link add name %s type veth peer name %s netns /proc/%d/fd/%d", interface, others_interface,
     (int)getpid(), other->netns);
}

int find_link_local(const char *interface, char text[INET6_ADDRSTRLEN]) {
  struct ifaddrs *all = NULL;
  int found = 0;
  assert_int_equal(getifaddrs(&all), 0);
  for (const struct ifaddrs *at = all; at != NULL && !found; at = at->ifa_next) {
    if (at->ifa_addr == NULL || at->ifa_addr->sa_family != AF_INET6 ||
        strcmp(at->ifa_name, interface) != 0)
      continue;
    const struct sockaddr_in6 *address = (const void *)at->ifa_addr;
    found = IN6_IS_ADDR_LINKLOCAL(&address->sin6_addr);
    inet_ntop(AF_INET6, &address->sin6_addr, text, INET6_ADDRSTRLEN);
  }
  freeifaddrs(all);
  return found;
}

/*
 * Waits until the interface carries datagrams. The kernel notices a moment after both ends are up,
 * and gives it its link-local address last.
 */
static void wait_for_interface(const char *interface) {
  char text[INET6_ADDRSTRLEN];
  char event[4096];
  struct sockaddr_nl address = {.nl_family = AF_NETLINK,
                                .nl_groups = RTMGRP_LINK | RTMGRP_IPV6_IFADDR};
  int events = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  assert_true(events >= 0);
  assert_int_equal(bind(events, (struct sockaddr *)&address, sizeof address), 0);
  while (!find_link_local(interface, text))
    assert_true(recv(events, event, sizeof event, 0) > 0);
  close(events);
}

static int is_routed(const char *address, const char *interface) {
  char command[256];
  snprintf(command, sizeof command,
           "PATH=$PATH:/usr/sbin:/sbin; ip -6 route show table local dev %s | grep -q '^local %s '",
           interface, address);
  return system(command) == 0;
}

void add_address(const char *address, int prefix, const char *interface) {
  char event[4096];
  struct sockaddr_nl groups = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_IPV6_ROUTE};
  int events = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  assert_true(events >= 0);
  assert_int_equal(bind(events, (struct sockaddr *)&groups, sizeof groups), 0);
  sh("ip addr add %s/%d nodad dev %s", address, prefix, interface);
  while (!is_routed(address, interface))
    assert_true(recv(events, event, sizeof event, 0) > 0);
  close(events);
}

/* Makes left, middle and right, and enters middle. */
static void open_hosts(void) {
  for (int i = 0; i < HOSTS; i++)
    open_host(&hosts[i]);
  enter(middle);
  add_link("eth0", left, "eth0");
  add_link("eth1", right, "eth0");
  sh("ip -batch - <<END\n"
     "link set eth0 up\n"
     "addr add 10.0.1.1/24 broadcast + dev eth0\n"
     "addr add fd00:1::1/64 nodad dev eth0\n"
     "link set eth1 up\n"
     "addr add 10.0.2.1/24 broadcast + dev eth1\n"
     "addr add fd00:2::1/64 nodad dev eth1\n"
     "route add 224.0.0.0/4 dev eth0\n"
     "END\n"
     "ip -6 route add multicast ff00::/8 dev eth0 table local metric 1");
  for (int i = 1; i <= 2; i++) {
    enter(i == 1 ? left : right);
    sh("ip -batch - <<END\n"
       "link set eth0 up\n"
       "addr add 10.0.%d.2/24 broadcast + dev eth0\n"
       "addr add fd00:%d::2/64 nodad dev eth0\n"
       "route add default via 10.0.%d.1\n"
       "route add default via fd00:%d::1\n"
       "END",
       i, i, i, i);
    wait_for_interface("eth0");
  }
  enter(middle);
  wait_for_interface("eth0");
  wait_for_interface("eth1");
}

static int hosts_fds[8]; /* to be closed with the hosts */
static int hosts_fd_count;

int close_with_hosts(int fd) {
  assert_in_range(hosts_fd_count, 0, sizeof hosts_fds / sizeof *hosts_fds - 1);
  return hosts_fds[hosts_fd_count++] = fd;
}

static void close_hosts(void) {
  for (int i = 0; i < HOSTS; i++) {
    if (hosts[i].loop == NULL)
      continue;
    enter(&hosts[i]);
    close_sockets(here->loop);
    close_loop(here->loop);
    here->loop = NULL;
    close(here->netns);
  }
  while (hosts_fd_count > 0)
    close(hosts_fds[--hosts_fd_count]);
}

void reopen_hosts(void) {
  close_hosts();
  open_hosts();
}

/* ---- the program ---- */

static void hosts_begin(uv_loop_t *loop) {
  open_hosts();
}

static void single_host_begin(uv_loop_t *loop) {
  open_host(left);
}

static void hosts_end(uv_loop_t *loop) {
  close_hosts();
}

/*
 * What a test that has failed or was skipped has left is left. The loops stay known, so that they
 * are no leaks.
 */
enum { MOST_LEFT = 64 * HOSTS };
static uv_loop_t *hosts_left[MOST_LEFT];
static unsigned hosts_left_count;

static int hosts_forget(void **state) {
  for (int i = 0; i < HOSTS; i++) {
    if (hosts[i].loop != NULL && hosts_left_count < MOST_LEFT)
      hosts_left[hosts_left_count++] = hosts[i].loop;
    hosts[i].loop = NULL;
  }
  hosts_fd_count = 0;
  return 0;
}

static int run_with(void (*begin)(uv_loop_t *loop)) {
  fixture_hooks((struct fixture_hooks){hosts_forget, begin, hosts_end, NULL});
  return hosts_allowed() ? fixture_run() : SKIPPED;
}

int hosts_run(void) {
  return run_with(hosts_begin);
}

int single_host_run(void) {
  return run_with(single_host_begin);
}

void forward(void) {
  struct host *before = here;
  enter(middle);
  sh("echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding");
  enter(before);
}

/* Runs each loop, as its host, without waiting. Returns the milliseconds that all can wait. */
static int run_each(struct pollfd wakes[HOSTS]) {
  struct host *before = here;
  int wait_ms = -1;
  for (int i = 0; i < HOSTS; i++) {
    wakes[i] = (struct pollfd){.fd = -1, .events = POLLIN};
    if (hosts[i].loop == NULL)
      continue;
    enter(&hosts[i]);
    if (!uv_run(here->loop, UV_RUN_NOWAIT))
      continue; /* nothing can come of it any more */
    wakes[i].fd = uv_backend_fd(here->loop);
    int timeout_ms = uv_backend_timeout(here->loop);
    if (timeout_ms >= 0 && (wait_ms < 0 || timeout_ms < wait_ms))
      wait_ms = timeout_ms;
  }
  enter(before);
  return wait_ms;
}

void wait_for(struct pollfd *wakes, nfds_t count, int wait_ms, const char *what) {
  int ready = poll(wakes, count, wait_ms >= 0 ? wait_ms : PATIENCE_MS);
  assert_true(ready >= 0);
  if (ready == 0 && wait_ms < 0)
    fail_msg("waited in vain for %s", what);
}

/* Runs all hosts until the count is no longer below `wanted`; `what` names what is counted. */
static void run_hosts_for(const int *reached, int wanted, const char *what) {
  struct pollfd wakes[HOSTS];
  for (;;) {
    int wait_ms = run_each(wakes);
    if (*reached >= wanted)
      return;
    wait_for(wakes, HOSTS, wait_ms, what);
  }
}

void run_hosts_until(const int *reached, int wanted) {
  run_hosts_for(reached, wanted, "a count to be reached");
}

/* A listener; its context is the host. */
static void keep_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                         void *context) {
  struct host *host = context;
  size_t length = strlen(host->received);
  size_t room = sizeof host->received - length;
  assert_true(rinfo->size + 2 <= room);
  snprintf(host->received + length, room, "%s%.*s", length > 0 ? " " : "", (int)rinfo->size,
           message);
  host->messages++;
}

void assert_received(struct host *host, const char *words) {
  char what[128];
  snprintf(what, sizeof what, "%s to receive '%s'", host->name, words);
  run_hosts_for(&host->messages, words_in(words), what);
  if (strcmp(host->received, words) != 0)
    fail_msg("%s received '%s', not '%s'", host->name, host->received, words);
  host->messages = 0;
  host->received[0] = '\0';
}

/* Binds a socket of a host to PORT, and waits until that is done. */
static dgram_socket_t *bind_to(const char *address, struct host *host, dgram_type_t type,
                               dgram_message_cb on_message, void *context) {
  struct host *before = here;
  int listening = 0;
  enter(host);
  dgram_socket_t *socket = new_socket(host->loop, type, on_message, context);
  assert_int_equal(dgram_bind(socket, PORT, address, count_event, &listening), 0);
  run_hosts_until(&listening, 1);
  enter(before);
  return socket;
}

dgram_socket_t *bind_on(struct host *host, dgram_type_t type, const char *address) {
  return bind_to(address, host, type, keep_message, host);
}

dgram_socket_t *bind_with(struct host *host, dgram_type_t type, dgram_message_cb on_message,
                          void *context) {
  return bind_to(NULL, host, type, on_message, context);
}

static struct host *host_of(const dgram_socket_t *socket) {
  int i = 0;
  while (hosts[i].loop != dgram_loop(socket))
    i++;
  return &hosts[i];
}

void send_from(dgram_socket_t *socket, const char *text, const char *address) {
  struct host *before = here;
  int sent = 0;
  enter(host_of(socket));
  assert_int_equal(dgram_send(socket, text, strlen(text), address != NULL ? PORT : 0, address,
                              count_sent, &sent),
                   0);
  run_hosts_until(&sent, 1);
  enter(before);
}

static void on_host_connect(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  if (error != NULL)
    fail_msg("%s", error->message);
  ++*(int *)context;
}

void connect_to_host(dgram_socket_t *socket, const char *address) {
  struct host *before = here;
  int connected = 0;
  enter(host_of(socket));
  assert_int_equal(dgram_connect(socket, PORT, address, on_host_connect, &connected), 0);
  run_hosts_until(&connected, 1);
  enter(before);
}
