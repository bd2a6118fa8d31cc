/*
 * What scenarios are made of. A scenario is a function that acts on a loop, and that ends whatever
 * fails:
 *
 *   SCENARIO("an exchange") {
 *     struct member *receiver = new_member(NULL);
 *     bind_member(receiver);
 *     ...
 *     WAIT(receiver->messages == 3);
 *     EXPECT(receiver->messages == 3);
 *   }
 *
 * It runs once as it is, while its calls are counted, then once for each of them and each of its
 * faults. After it nothing fails any more, and every socket must be of use, and is closed.
 */
#ifndef TESTS_TORTURE_TORTURE_H
#define TESTS_TORTURE_TORTURE_H

#include <dgram.h>
#include <dgram_access.h>
#include <dgram_cluster.h>
#include <dgram_group.h>
#include <dgram_handover.h>
#include <dgram_interfaces.h>
#include <dgram_names.h>
#include <dgram_peer.h>
#include <dgram_post.h>
#include <dgram_sim.h>
#include <dgram_stats.h>

#include "torture/inject.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Notes that the public function with this number is called; see functions.cmake. */
void torture_note(unsigned function);

/* ---- a scenario ---- */

enum scenario_kind {
  IN_ALL_MODES, /* with offloads, without, with one message a call, and over IPv6 */
  IN_ONE_MODE,  /* does not depend on them */
  IN_REAL_TIME  /* likewise; with other processes or threads */
};

struct scenario {
  const char *name;
  void (*run)(void);
  enum scenario_kind kind;
  struct scenario *next;
};

void scenario_add(struct scenario *scenario);

#define SCENARIO_JOIN_(a, b) a##b
#define SCENARIO_JOIN(a, b) SCENARIO_JOIN_(a, b)
#define SCENARIO_NAMED(function, text, kind)                                     \
  static void function(void);                                                    \
  __attribute__((constructor)) static void SCENARIO_JOIN(function, _add)(void) { \
    static struct scenario added = {text, function, kind, NULL};                 \
    scenario_add(&added);                                                        \
  }                                                                              \
  static void function(void)
#define SCENARIO(text) \
  SCENARIO_NAMED(SCENARIO_JOIN(scenario_in_line_, __LINE__), text, IN_ALL_MODES)
#define SCENARIO_OF(kind, text) \
  SCENARIO_NAMED(SCENARIO_JOIN(scenario_in_line_, __LINE__), text, kind)

/* ---- its world ---- */

enum { MEMBERS = 16, SENDS = 600, TEXT = 64 };

/* A socket. */
struct member {
  dgram_socket_t *socket; /* NULL: it could not be created */
  bool simulated;
  bool closing;    /* dgram_close() was called */
  bool close_owed; /* has a listener of 'close' */
  bool close_emitted;
  bool left_alone; /* is not tried in the end */
  int listening;
  int connects;
  int messages;
  int probes; /* messages of the end */
  int drains;
  int reports; /* of ICMP */
  int errors;
};

/* A send with a callback. */
struct torture_send {
  bool accepted;
  int completed;
  int error;
};

extern struct world {
  uv_loop_t loop;
  int family; /* of this mode: AF_INET or AF_INET6 */
  dgram_type_t type;
  const char *host; /* loopback: "127.0.0.1" */
  int raw;          /* a socket of the system on it, and its port */
  int port;
  unsigned reported; /* errors that calls have returned, or that were emitted */
  unsigned turns;
  unsigned most_turns; /* of a WAIT */
  struct member members[MEMBERS];
  unsigned member_count;
  struct torture_send sends[SENDS];
  unsigned send_count;
} world;

/* ---- checks ---- */

#define CHECK(condition) \
  ((condition) ? (void)0 : torture_fail("%s:%d: %s", __FILE__, __LINE__, #condition))

/* Whether a fault was injected. */
static inline bool met(void) {
  return *inject.met > 0;
}

/* Notes an error of a call, which must have been caused by a fault. Returns whether there is none.
 */
bool torture_ok(int result, const char *file, int line, const char *call);
#define OK(call) torture_ok(call, __FILE__, __LINE__, #call)

/* What must be so unless an error was reported, or calls are to be made again for ever. */
#define EXPECT(condition) CHECK((condition) || torture_excused())
bool torture_excused(void);

/* Runs the loop until the condition holds, or nothing more happens. */
#define WAIT(condition)                                   \
  do {                                                    \
    wait_begin();                                         \
    while (!(condition) && wait_turn(__FILE__, __LINE__)) \
      ;                                                   \
    wait_end();                                           \
  } while (0)
void wait_begin(void);
bool wait_turn(const char *file, int line);
void wait_end(void);

/* Runs the loop a few times without waiting. */
void settle(void);

/* ---- sockets: each call of these accepts a member without a socket ---- */

struct member *new_member(const dgram_options_t *options); /* NULL: the default ones */
struct member *adopt_member(dgram_socket_t *socket);
dgram_options_t options_of_mode(void);
void bind_member(struct member *member);  /* to loopback, and waits */
int port_of(const struct member *member); /* or one that nobody has */
void close_member(struct member *member);
void on_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                void *context);

/* An address of the mode's loopback. */
struct sockaddr_storage loopback(int port);
const struct sockaddr *to_port(int port);

/* ---- sends ---- */

struct torture_send *new_send(void);
void on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes, void *context);
/* Whether the send was accepted. */
bool accept_send(struct torture_send *send, int err);
/* dgram_send() of a text to loopback. */
void say(struct member *member, const char *text, int port);
/* Waits until all that was accepted of this world has completed. */
void wait_for_sends(void);
bool all_sent(void);

#include "functions.h"

#endif
