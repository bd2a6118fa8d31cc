/*
 * Hosts for the tests: each is a network namespace with a loop of its own, and the links between
 * them are veth pairs.
 *
 *   left eth0 ---------- eth0 middle eth1 ---------- eth0 right
 *   10.0.1.2         10.0.1.1    10.0.2.1         10.0.2.2
 *   fd00:1::2       fd00:1::1    fd00:2::1       fd00:2::2
 *
 * left and right have their default route over middle, which forwards after forward() only. Left
 * to itself, middle sends multicast by eth0.
 *
 * The program is one host at a time: what it calls after enter() happens there, and so does what
 * a host's loop calls. A socket stays on the host on which it was bound. The namespaces have no
 * names, so they are gone with the program, however it ends.
 */
#ifndef TESTS_LIB_HOSTS_H
#define TESTS_LIB_HOSTS_H

#include "lib/fixture.h"

#include <net/if.h>
#include <poll.h>

enum {
  PORT = 4000,         /* nobody else is on these hosts */
  PATIENCE_MS = 10000, /* without anything happening, until a test is given up */
  SKIPPED = 77         /* the exit code that ctest takes for it */
};

struct host {
  const char *name;
  uv_loop_t *loop;
  int netns;
  int messages;        /* that came to its sockets and were not yet asserted */
  char received[1024]; /* they, with blanks between them */
};

extern struct host *const left, *const middle, *const right;
extern struct host *here; /* who the program is now */

void enter(struct host *host);

/* Runs shell commands on the host that the program is now; each must succeed. */
void sh(const char *format, ...) __attribute__((format(printf, 1, 2)));

int have_command(const char *name);

#define skip_without_command(name)                     \
  do {                                                 \
    if (!have_command(name)) {                         \
      print_message("skipped: %s is missing\n", name); \
      skip();                                          \
    }                                                  \
  } while (0)

/* ---- making hosts ---- */

/*
 * The first call of a program. Returns false, and prints why, where it may not make hosts.
 *
 * From here on it keeps to one processor: the kernel hands datagrams on in one queue for each
 * processor, and with a single queue what was sent first over a link also arrives first. So what
 * has not come before something that was sent later will not come any more.
 */
int hosts_allowed(void);

/*
 * The main() of a program: each test has left, middle and right, and begins as middle. After it the
 * sockets, loops and taps of all hosts are closed.
 */
int hosts_run(void);

/* The same of a program whose tests have a single host without links, left. */
int single_host_run(void);

/* Closes the hosts of the test, and opens them anew, for a test that has several rounds. */
void reopen_hosts(void);

/* Has the descriptor closed at the end. Returns it. */
int close_with_hosts(int fd);

/* Finds an interface's link-local address, without zone. Returns false if it has none yet. */
int find_link_local(const char *interface, char text[INET6_ADDRSTRLEN]);

/*
 * Gives the host that the program is now an IPv6 address, and waits until it works: the kernel
 * takes in what comes to a new address once it has the route to it, which a worker of its own
 * makes; on a busy machine that may be a while after the call.
 */
void add_address(const char *address, int prefix, const char *interface);

/* Lets middle be a router. */
void forward(void);

/* ---- both families ---- */

/* The addresses above in one family, and groups that nobody has joined yet. */
struct addresses {
  dgram_type_t type;
  const char *left;
  const char *middle;   /* on the link to left */
  const char *middle_1; /* on the link to right */
  const char *right;
  const char *group;
};

extern const struct addresses ipv4, ipv6;

/* A test over IPv4, and the same over IPv6: its body has the addresses in `net`. */
#define TEST_OVER_EACH(sentence) \
  HOSTS_TEST_OVER_EACH(sentence, FIXTURE_JOIN(test_in_line_, __LINE__))
#define HOSTS_TEST_OVER_EACH(sentence, name)                             \
  static void name(const struct addresses *net);                         \
  FIXTURE_TEST(sentence ", over IPv4", FIXTURE_JOIN(name, _over_ipv4)) { \
    name(&ipv4);                                                         \
  }                                                                      \
  FIXTURE_TEST(sentence ", over IPv6", FIXTURE_JOIN(name, _over_ipv6)) { \
    name(&ipv6);                                                         \
  }                                                                      \
  static void name(const struct addresses *net)

/* ---- running them ---- */

/* Waits for one of the descriptors, but not for ever; `what` names what should come. */
void wait_for(struct pollfd *wakes, nfds_t count, int wait_ms, const char *what);

void run_hosts_until(const int *reached, int wanted);

/* ---- sockets ---- */

/*
 * Waits until the host has received as many messages as there are words, and compares. The last one
 * is to be sent last: then it also shows that nothing else came.
 */
void assert_received(struct host *host, const char *words);

/* A socket on PORT of a host, bound, whose messages the host keeps. */
dgram_socket_t *bind_on(struct host *host, dgram_type_t type, const char *address);

/* The same with a listener of its own. */
dgram_socket_t *bind_with(struct host *host, dgram_type_t type, dgram_message_cb on_message,
                          void *context);

/* Sends a text to PORT of an address; NULL: to the peer. Waits until it has left. */
void send_from(dgram_socket_t *socket, const char *text, const char *address);

/* Connects to PORT of an address, and waits until that is done. */
void connect_to_host(dgram_socket_t *socket, const char *address);

#endif
