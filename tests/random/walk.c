/*
 * A random walk through the public header: many sockets on one loop, and calls of every function
 * at the top level, and inside every callback, look-up and deferred task. After each call,
 * and in each callback, the state is compared with a small model of the header's contracts.
 *
 *   DGRAM_TEST_SEED=N   repeats a walk (time and results of the system may differ)
 *   DGRAM_TEST_STEPS=N  the number of steps
 *   DGRAM_TEST_TRACE=1  prints each call and callback
 *
 * With WALK_FAULTS the program is linked over system calls that fail at random.
 */
#include <dgram.h>
#include <dgram_access.h>
#include <dgram_interfaces.h>
#include <dgram_peer.h>
#include <dgram_names.h>
#include <dgram_post.h>
#include <dgram_stats.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/wrap.h"
#include "unit/random.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum {
  MEMBERS = 30,
  STEPS_PER_LOOP = 10000, /* of one loop and its sockets */
  DEPTH = 4,              /* of calls from inside callbacks */
  MAX_LOOKUPS = 256,
  MAX_TASKS = 1024,
  SIGNALS = 2,
  LISTS = 3,
  PORTS = 64,
  PATTERN = 3000,           /* bytes; longer datagrams have one of two sizes */
  MAX_ITERATIONS = 200,     /* in 8 idle ms; a busy loop has more */
  MAX_PENDING_SENDS = 2000, /* sends of a socket */
  WATCHDOG_SECONDS = 30     /* for STEPS_PER_LOOP steps */
};

/* What may run inside a call; see the contracts. */
enum event {
  MESSAGE = 1,
  LISTENING = 2,
  ERROR = 4,
  CONNECT = 8,
  CLOSE = 16,
  SENT = 32,
  LOOKUP = 64,
  ICMP = 128,
  DRAIN = 256,
  EVERYTHING = 511
};

struct member {
  dgram_socket_t *socket; /* NULL: not created yet, or freed */
  unsigned number;        /* unique; the contexts of its callbacks have it */
  dgram_type_t type;
  bool looks_up;  /* has the `lookup` of this program */
  bool defers;    /* has the `defer` of this program */
  unsigned info;  /* its `receive_info` */
  bool fd_shared; /* its system socket is also used elsewhere */
  bool reuses;    /* another socket may have the same port, and receive its datagrams */
  bool listened;  /* 'listening' has been emitted */
  bool receives;  /* has the listener on_message() */
  bool closing;
  bool closed_inside; /* of a listener of 'drain' or 'icmp': those behind it are still called */
  unsigned emitting;  /* listeners of these that have not returned */
  bool close_emitted;
  bool was_connected;   /* 'connect' has been emitted */
  bool tried_connect;   /* successfully or not */
  bool connect_emitted; /* since then it was neither disconnected nor closed */
  int signal;           /* or -1 */
  unsigned sends;       /* with callbacks: accepted, and not completed */
  size_t bytes;         /* of these */
  uint64_t sent;        /* accepted with a destination in binary form: their order is kept */
  uint64_t completed;   /* the last of these */
  unsigned attempts;    /* pending callbacks of dgram_connect() */
  uint64_t left;        /* sends whose callbacks had no error */
  uint64_t left_bytes;  /* of these */
  bool limited;         /* its queue, so that sends may be refused */
  bool paused;
  uint64_t paused_at;        /* in this iteration */
  struct pending_send *last; /* accepted; NULL: it has completed */
  unsigned posts;            /* pending callbacks of dgram_post_send() */
  dgram_sender_t *sender;    /* NULL: none */
  /* Access lists, by dgram_access_t: of walk.lists, or NULL. */
  dgram_access_list_t *receives_by[2];
  dgram_access_list_t *sends_by[2];
  bool filtered; /* has had such a list of what it receives, or a limit of the rate */
};

/* A send with a callback. */
struct pending_send {
  struct member *member;
  unsigned number; /* of the socket */
  uint64_t order;  /* 0: its order is not checked */
  size_t size;
  bool cancelled;
};

/* A dgram_connect() with a callback. */
struct attempt {
  struct member *member;
  unsigned number;
};

struct frame {
  const char *name;             /* NULL: the loop */
  unsigned allowed;             /* events that may be emitted inside it */
  const struct member *flushed; /* it is a flush of this one alone */
};

static struct {
  uint64_t seed;
  uint32_t random;
  uint64_t step;
  uint64_t calls;
  uint64_t events;
  uint64_t messages;
  uint64_t sends;
  uint64_t accepted;      /* sends on this loop */
  dgram_socket_t *keeper; /* does nothing, so that the loop keeps its counters */
  bool trace;
  bool quiet; /* callbacks make no calls, no system call fails */
  unsigned depth;
  struct frame frame; /* the call that is being made, or the callback that runs */
  uv_loop_t *loop;
  uv_prepare_t iteration_handle;
  uint64_t iterations;
  struct member members[MEMBERS];
  unsigned next_number;
  unsigned pending_sends;
  unsigned pending_connects;
  dgram_lookup_t *lookups[MAX_LOOKUPS];
  unsigned lookup_count;
  dgram_task_t *tasks[MAX_TASKS];
  unsigned task_count;
  dgram_abort_signal_t *signals[SIGNALS];
  bool aborted[SIGNALS];
  dgram_access_list_t *lists[LISTS];
  int raw4;
  int raw6;
  int closed_port;
  int taken_port;
  int taken_fd;
  int shared_port;
  int ports[2][PORTS]; /* that sockets of each family have had */
  bool have_ipv6;
  uint64_t probes; /* probes received */
} walk;

static char pattern[256][PATTERN];
static char huge[70000];
static const char probe[] = "probe";

/* ---- failing ---- */

#ifndef HISTORY
#define HISTORY 64 /* last lines of the trace, printed at a failure */
#endif
static char history[HISTORY][160];
static unsigned history_count;

static void record(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void record(const char *format, ...) {
  char *line = history[history_count++ % HISTORY];
  va_list arguments;
  va_start(arguments, format);
  /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is not */
  vsnprintf(line, sizeof history[0], format, arguments);
  va_end(arguments);
  if (walk.trace)
    fprintf(stderr, "%*s%s\n", (int)walk.depth * 2, "", line);
}

static void print_history(void) {
  for (unsigned i = 0; i < HISTORY; i++)
    if (history[(history_count + i) % HISTORY][0] != '\0')
      fprintf(stderr, "  %s\n", history[(history_count + i) % HISTORY]);
  fprintf(stderr, "in step %llu of the walk with DGRAM_TEST_SEED=%llu, inside %s\n",
          (unsigned long long)walk.step, (unsigned long long)walk.seed,
          walk.frame.name != NULL ? walk.frame.name : "the loop");
}

#define CHECK(condition, ...)                                               \
  do {                                                                      \
    if (!(condition)) {                                                     \
      fprintf(stderr, "walk.c:%d: %s does not hold", __LINE__, #condition); \
      fprintf(stderr, ": " __VA_ARGS__);                                    \
      fprintf(stderr, "\n");                                                \
      print_history();                                                      \
      abort();                                                              \
    }                                                                       \
  } while (0)

/* The seed was printed when the walk began. */
static void on_watchdog(int number) {
  static const char text[] = "watchdog: this walk does not end\n";
  ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
  (void)number;
  (void)written;
  _exit(98);
}

/* ---- chance ---- */

static uint32_t below(uint32_t limit) {
  return random_below(&walk.random, limit);
}

static bool one_in(uint32_t of) {
  return below(of) == 0;
}

#define PICK(list) (list)[below(sizeof(list) / sizeof *(list))]

/* ---- failing system calls ---- */

#ifdef WALK_FAULTS
/* A call that fails does so several times in a row, with the same error. */
struct fault {
  unsigned left; /* calls that fail */
  int error;
};

static bool call_fails(struct fault *fault, const int errors[], size_t count, uint32_t rarely,
                       uint32_t in_a_row, uint32_t at_most) {
  if (walk.quiet)
    fault->left = 0;
  else if (fault->left == 0 && one_in(rarely)) {
    fault->left = 1 + below(one_in(4) ? at_most : in_a_row);
    fault->error = errors[below((uint32_t)count)];
  }
  if (fault->left == 0)
    return false;
  fault->left--;
  errno = fault->error;
  return true;
}

#define COUNT(list) (sizeof(list) / sizeof *(list))

static bool send_fails(void) {
  static const int errors[] = {EAGAIN,  EAGAIN, EAGAIN, ENOBUFS,
                               ENOBUFS, EPERM,  ENOMEM, ECONNREFUSED};
  static struct fault fault;
  return call_fails(&fault, errors, COUNT(errors), 20, 6, 150);
}

static bool receive_fails(void) {
  static const int errors[] = {EAGAIN, ENOMEM, ENOBUFS, ECONNREFUSED, EHOSTUNREACH, ENOTCONN};
  static struct fault fault;
  return call_fails(&fault, errors, COUNT(errors), 50, 3, 30);
}

static bool fails_once(int error) {
  static struct fault fault;
  return call_fails(&fault, &error, 1, 100, 1, 1);
}

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker sets these names */
#define FAILING(type, name, parameters, arguments, fails, failure) \
  WRAP(type, name, parameters) {                                   \
    return (fails) ? (failure) : __real_##name arguments;          \
  }

FAILING(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags),
        send_fails(), -1)
FAILING(int, sendmmsg, (int fd, struct mmsghdr *messages, unsigned count, int flags),
        (fd, messages, count, flags), send_fails(), -1)
FAILING(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags),
        receive_fails(), -1)
FAILING(int, recvmmsg,
        (int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout),
        (fd, messages, count, flags, timeout), receive_fails(), -1)
FAILING(int, connect, (int fd, const struct sockaddr *to, socklen_t length), (fd, to, length),
        fails_once(ENOBUFS), -1)
FAILING(int, getsockname, (int fd, struct sockaddr *name, socklen_t *length), (fd, name, length),
        fails_once(ENOBUFS), -1)
FAILING(int, getpeername, (int fd, struct sockaddr *name, socklen_t *length), (fd, name, length),
        fails_once(ENOBUFS), -1)
FAILING(void *, malloc, (size_t size), (size), fails_once(ENOMEM), NULL)
FAILING(void *, calloc, (size_t count, size_t size), (count, size), fails_once(ENOMEM), NULL)
FAILING(char *, strdup, (const char *text), (text), fails_once(ENOMEM), NULL)
#define REAL(function) __real_##function /* for the walk's own calls */
/* NOLINTEND(bugprone-reserved-identifier) */

enum { FAULTS = true };
#else
#define REAL(function) function
enum { FAULTS = false };
#endif

/* Allocates without injected faults. */
static void *allocate(size_t size) {
  void *memory = REAL(calloc)(1, size);
  CHECK(memory != NULL, "no memory");
  return memory;
}

/* ---- the state of a socket, as its getters return it ---- */

struct socket_state {
  dgram_bind_state_t bind;
  dgram_connect_state_t connect;
  size_t bytes;
  size_t count;
};

static struct socket_state read_state(const struct member *member) {
  const dgram_socket_t *socket = member->socket;
  return (struct socket_state){dgram_bind_state(socket), dgram_connect_state(socket),
                               dgram_get_send_queue_size(socket),
                               dgram_get_send_queue_count(socket)};
}

static void check_member(struct member *member) {
  if (member->socket == NULL)
    return;
  struct socket_state state = read_state(member);
  CHECK(state.count >= member->sends, "socket %u has %zu sends, %u have not completed",
        member->number, state.count, member->sends);
  CHECK(state.bytes >= member->bytes, "socket %u has %zu bytes of %zu", member->number, state.bytes,
        member->bytes);
  CHECK(state.count > 0 || state.bytes == 0, "socket %u", member->number);
  CHECK(!member->listened || member->closing || state.bind == DGRAM_BOUND,
        "socket %u listens and is in state %d", member->number, state.bind);
  CHECK(!member->close_emitted ||
            (state.bind == DGRAM_UNBOUND && state.connect == DGRAM_DISCONNECTED),
        "socket %u is closed", member->number);
  CHECK(state.connect != DGRAM_CONNECTED || state.bind == DGRAM_BOUND, "socket %u", member->number);
  dgram_stats_t stats = dgram_default_stats();
  int read = dgram_get_stats(member->socket, &stats);
  CHECK(read == 0 || FAULTS, "socket %u: %s", member->number, dgram_err_name(read));
  CHECK(FAULTS || (stats.datagrams_out >= member->left && stats.bytes_out >= member->left_bytes),
        "socket %u has counted %llu sends of %llu", member->number,
        (unsigned long long)stats.datagrams_out, (unsigned long long)member->left);
  if (FAULTS || member->fd_shared)
    return;
  dgram_address_t address;
  int err = dgram_remote_address(member->socket, &address);
  CHECK(err != 0 || state.connect == DGRAM_CONNECTED, "socket %u", member->number);
  CHECK(err == 0 || member->closing || state.connect != DGRAM_CONNECTED, "socket %u: %s",
        member->number, dgram_err_name(err));
}

/* Lists refuse where a send or a connect goes. */
static bool is_refused(const struct member *member, int result) {
  bool has_list = member->sends_by[DGRAM_ALLOW] != NULL || member->sends_by[DGRAM_BLOCK] != NULL;
  CHECK(result != DGRAM_ERR_IP_BLOCKED || has_list, "refused by no list");
  return result == DGRAM_ERR_IP_BLOCKED;
}

/* ---- calls ---- */

/* Enters a call or callback, inside which these events may be emitted. Returns the outer frame. */
static struct frame enter(const char *name, unsigned allowed) {
  struct frame outer = walk.frame;
  walk.frame = (struct frame){.name = name, .allowed = allowed};
  return outer;
}

struct call {
  struct member *member;
  struct socket_state before;
  uint64_t events;
  struct frame outer;
};

static struct call begin_call(struct member *member, const char *name, unsigned allowed) {
  struct call call = {member, read_state(member), walk.events, enter(name, allowed)};
  record("%llu: %s(%u)", (unsigned long long)walk.step, name, member->number);
  walk.calls++;
  return call;
}

/* No callback ran in the call. */
static bool ran_no_callback(const struct call *call) {
  return call->events == walk.events;
}

static int end_call(const struct call *call, int result) {
  struct socket_state now = read_state(call->member);
  record("%llu: %s(%u) = %d", (unsigned long long)walk.step, walk.frame.name, call->member->number,
         result);
  if (result < 0 && ran_no_callback(call)) {
    /* Sends without callbacks may have left, for example before an option is set. */
    CHECK(now.bytes <= call->before.bytes && now.count <= call->before.count,
          "%s returned %s, and the queue has grown", walk.frame.name, dgram_err_name(result));
    CHECK(now.connect == call->before.connect, "%s returned %s, and the peer is another",
          walk.frame.name, dgram_err_name(result));
    bool may_bind =
        strstr(walk.frame.name, "membership") != NULL || strstr(walk.frame.name, "_sync") != NULL;
    CHECK(now.bind == call->before.bind || (may_bind && now.bind == DGRAM_BOUND),
          "%s returned %s, and the port is another", walk.frame.name, dgram_err_name(result));
  }
  walk.frame = call->outer;
  check_member(call->member);
  return result;
}

/* ---- callbacks ---- */

static void take_step(void);

static struct frame begin_callback(enum event event, const char *name, unsigned number) {
  record("%s of %u", name, number);
  walk.events++;
  CHECK((walk.frame.allowed & event) != 0, "'%s' of socket %u is called inside %s", name, number,
        walk.frame.name);
  walk.depth++;
  return enter(name, 0);
}

/* Uses more than half of the time that a socket's listeners have in an iteration of the loop. */
static void take_time(void) {
  uint64_t end = uv_hrtime() + 250000;
  while (uv_hrtime() < end)
    ;
}

/* Everything can be called from a callback. */
static void do_something(void) {
  if (walk.quiet || walk.depth > DEPTH)
    return;
  if (one_in(200))
    take_time();
  while (one_in(3))
    take_step();
}

static void end_callback(struct frame outer) {
  do_something();
  walk.depth--;
  walk.frame = outer;
}

static bool is_same(const struct member *member, unsigned number) {
  return member->number == number;
}

/* The last callback of a socket has begun; its pointer is not used any more. */
static void forget_if_gone(struct member *member) {
  if (member->close_emitted && member->sends == 0 && member->attempts == 0 && member->posts == 0)
    member->socket = NULL;
}

/* Its send has completed, or was rejected. */
static void free_pending_send(struct pending_send *pending) {
  if (pending->member->last == pending)
    pending->member->last = NULL;
  pending->member->sends--;
  pending->member->bytes -= pending->size;
  walk.pending_sends--;
  free(pending);
}

static void on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                    void *context) {
  struct pending_send *pending = context;
  struct member *member = pending->member;
  CHECK(walk.frame.flushed == NULL || walk.frame.flushed == member,
        "a flush of another socket completes a send");
  struct frame outer = begin_callback(SENT, "sent", pending->number);
  CHECK(is_same(member, pending->number) && member->socket == socket,
        "a send of a socket that was freed");
  CHECK(member->sends > 0, "more sends complete than were made");
  CHECK(error == NULL ? bytes == pending->size : bytes == 0 && error->code < 0, "%zu of %zu", bytes,
        pending->size);
  CHECK(!member->close_emitted || (error != NULL && error->code < 0), "sent after 'close'");
  member->left += error == NULL;
  member->left_bytes += bytes;
  CHECK(!pending->cancelled || (error != NULL && error->code == UV_ECANCELED),
        "a send that was cancelled has left");
  bool out_of_turn = pending->cancelled || (error != NULL && error->code == UV_ETIMEDOUT);
  if (pending->order != 0 && !out_of_turn) {
    CHECK(pending->order > member->completed, "send %llu completes after %llu",
          (unsigned long long)pending->order, (unsigned long long)member->completed);
    member->completed = pending->order;
  }
  free_pending_send(pending);
  check_member(member);
  do_something();
  forget_if_gone(member);
  end_callback(outer);
}

static void on_posted(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                      void *context) {
  struct attempt *post = context;
  struct member *member = post->member;
  struct frame outer = begin_callback(SENT, "posted", post->number);
  CHECK(is_same(member, post->number) && member->socket == socket,
        "a post of a socket that was freed");
  CHECK(member->posts > 0, "more posts end than were made");
  CHECK(!member->close_emitted || error != NULL, "posted after 'close'");
  member->posts--;
  member->left += error == NULL;
  member->left_bytes += bytes;
  free(post);
  check_member(member);
  do_something();
  forget_if_gone(member);
  end_callback(outer);
}

static void on_attempt(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  struct attempt *attempt = context;
  struct member *member = attempt->member;
  struct frame outer = begin_callback(CONNECT, "connected", attempt->number);
  CHECK(is_same(member, attempt->number) && member->socket == socket,
        "a connect of a socket that was freed");
  CHECK(member->attempts > 0, "more connects end than were made");
  CHECK(error != NULL || !member->connect_emitted || dgram_connect_state(socket) == DGRAM_CONNECTED,
        "connected, and without a peer");
  /* A listener in front of it may have closed the socket. */
  CHECK(error != NULL || !member->close_emitted || member->was_connected,
        "connected after 'close'");
  member->attempts--;
  walk.pending_connects--;
  free(attempt);
  do_something();
  forget_if_gone(member);
  end_callback(outer);
}

static void on_connect(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  struct member *member = context;
  struct frame outer = begin_callback(CONNECT, "connect", member->number);
  CHECK(error == NULL, "'connect' with an error");
  CHECK(!member->closing || !member->close_emitted, "'connect' after 'close'");
  CHECK(dgram_connect_state(socket) == DGRAM_CONNECTED, "'connect' without a peer");
  member->connect_emitted = true;
  member->was_connected = true;
  end_callback(outer);
}

static void note_port(const struct member *member, int port) {
  if (port != 0)
    walk.ports[member->type == DGRAM_UDP6][below(PORTS)] = port;
}

static void on_listening(dgram_socket_t *socket, void *context) {
  struct member *member = context;
  struct frame outer = begin_callback(LISTENING, "listening", member->number);
  CHECK(!member->listened, "'listening' twice");
  CHECK(!member->close_emitted, "'listening' after 'close'");
  CHECK(dgram_bind_state(socket) == DGRAM_BOUND, "'listening' and not bound");
  member->listened = true;
  dgram_address_t address;
  if (dgram_address(socket, &address) == 0)
    note_port(member, address.port);
  end_callback(outer);
}

static void on_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  struct member *member = context;
  struct frame outer = begin_callback(ERROR, "error", member->number);
  record("error %s", error->message);
  CHECK(error->code < 0 && error->name != NULL && error->syscall != NULL, "%s", error->message);
  CHECK(!member->close_emitted, "'error' after 'close'");
  if (strcmp(error->syscall, "bind") == 0 || strcmp(error->syscall, "open") == 0 ||
      strcmp(error->syscall, "setsockopt") == 0)
    CHECK(!member->listened && dgram_bind_state(socket) == DGRAM_UNBOUND, "%s", error->message);
  end_callback(outer);
}

/* Ends a callback of 'drain' or 'icmp', which may close the socket: others of its may follow. */
static void end_emission(struct member *member, struct frame outer) {
  unsigned number = member->number;
  member->emitting++;
  end_callback(outer);
  if (member->number == number)
    member->emitting--;
}

static void on_drain(dgram_socket_t *socket, void *context) {
  struct member *member = context;
  struct frame outer = begin_callback(DRAIN, "drain", member->number);
  CHECK(member->socket != socket || !member->closing || member->closed_inside,
        "'drain' of one that is closed");
  end_emission(member, outer);
}

static void on_close(dgram_socket_t *socket, void *context) {
  struct member *member = context;
  struct frame outer = begin_callback(CLOSE, "close", member->number);
  CHECK(member->closing && !member->close_emitted, "'close' of one that is open, or twice");
  CHECK(member->socket == socket, "'close' of another");
  member->close_emitted = true;
  check_member(member);
  do_something();
  forget_if_gone(member);
  end_callback(outer);
}

/* ---- messages ---- */

static void check_bytes(const char *message, size_t size) {
  if (size == 0 || (size == sizeof probe && memcmp(message, probe, size) == 0))
    return;
  CHECK(size > PATTERN || (message[0] == (char)size && message[size - 1] == (char)size &&
                           message[size / 2] == (char)size),
        "a message of %zu bytes has others", size);
}

/* Messages of a connected socket are from its peer. */
static void check_sender(const struct member *member, const dgram_rinfo_t *rinfo) {
  dgram_address_t peer;
  if (member->fd_shared || dgram_remote_address(member->socket, &peer) != 0)
    return;
  CHECK(peer.port == rinfo->port && strcmp(peer.address, dgram_rinfo_address(rinfo)) == 0,
        "a message from %s:%d to a socket that is connected to %s:%d", dgram_rinfo_address(rinfo),
        rinfo->port, peer.address, peer.port);
}

/* A way of this thread's last message, of whatever socket. */
static dgram_path_t some_path;

/* The facts are those that were asked for; all that need an option of the system may be unknown. */
static void check_info(const struct member *member, const dgram_rinfo_t *rinfo) {
  const unsigned always = DGRAM_INFO_TRUNCATED;
  dgram_address_t address;
  const dgram_info_t *info = dgram_rinfo_info(rinfo);
  CHECK((info != NULL) == (member->info != 0), "socket %u has asked for %x", member->number,
        member->info);
  if (info == NULL)
    return;
  CHECK((info->flags & ~member->info) == 0 && (member->info & always & ~info->flags) == 0,
        "facts %x of %x", info->flags, member->info);
  CHECK((info->destination != NULL) == ((info->flags & DGRAM_INFO_DESTINATION) != 0), "%x",
        info->flags);
  CHECK(info->destination == NULL || dgram_sockaddr_describe(info->destination, &address) == 0,
        "no address");
  const char *name = dgram_info_interface_name(info);
  CHECK(name == NULL || strcmp(name, "lo") == 0, "by %s", name);
  CHECK(!info->truncated && info->ttl <= 255 && info->dscp <= 63 && info->ecn <= 3, "facts");
}

/*
 * In the iteration of the pause the rest of a batch may still follow; later nothing does, unless
 * there was no memory to keep it.
 */
static void check_pause(const struct member *member) {
  CHECK((dgram_is_paused(member->socket) != 0) == (member->paused && !member->closing),
        "socket %u is paused, or it is not", member->number);
  CHECK(FAULTS || !member->paused || member->paused_at == walk.iterations,
        "a message of socket %u, which is paused", member->number);
}

/* The first listener of a message gets what the lists let pass now. */
static void check_access(const struct member *member, const dgram_rinfo_t *rinfo) {
  const dgram_access_list_t *allow = member->receives_by[DGRAM_ALLOW];
  const dgram_access_list_t *block = member->receives_by[DGRAM_BLOCK];
  CHECK(allow == NULL || dgram_access_list_check(allow, rinfo->sockaddr) == 1, "not allowed");
  CHECK(block == NULL || dgram_access_list_check(block, rinfo->sockaddr) == 0, "blocked");
}

static void check_message(const struct member *member, const char *message,
                          const dgram_rinfo_t *rinfo) {
  CHECK(!member->closing, "a message after close");
  CHECK(member->listened, "a message before 'listening'");
  check_bytes(message, rinfo->size);
  check_sender(member, rinfo);
  check_access(member, rinfo);
  check_info(member, rinfo);
  CHECK(dgram_rinfo_path(rinfo, &some_path) == 0, "no path");
  walk.messages++;
}

static void on_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  struct member *member = context;
  struct frame outer = begin_callback(MESSAGE, "message", member->number);
  CHECK(member->socket == socket, "a message of a socket that was freed");
  check_pause(member);
  check_message(member, message, rinfo);
  if (rinfo->size == sizeof probe && memcmp(message, probe, sizeof probe) == 0)
    walk.probes++;
  if (one_in(20)) {
    uv_buf_t nothing = uv_buf_init(NULL, 0);
    int result = dgram_reply(socket, rinfo, &nothing, 1, NULL, NULL);
    walk.accepted += result == 0;
    CHECK(result == 0 || result == UV_EINVAL || FAULTS || member->limited ||
              result == DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED || is_refused(member, result),
          "reply: %s", dgram_err_name(result));
  }
  do_something();
  check_bytes(message, rinfo->size); /* they are still there */
  end_callback(outer);
}

static void on_messages(dgram_socket_t *socket, const dgram_message_t *const messages[],
                        size_t count, void *context) {
  struct member *member = context;
  struct frame outer = begin_callback(MESSAGE, "messages", member->number);
  CHECK(member->socket == socket, "messages of a socket that was freed");
  check_pause(member);
  CHECK(count > 0 && count <= 1024, "%zu", count);
  for (size_t i = 0; i < count; i++)
    check_message(member, messages[i]->message, &messages[i]->rinfo);
  do_something();
  for (size_t i = 0; i < count; i++)
    check_bytes(messages[i]->message, messages[i]->rinfo.size);
  end_callback(outer);
}

/* Additional listeners, added and removed at random: they only make calls. */

static void extra_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                          void *context) {
  const struct member *member = context;
  (void)socket;
  struct frame outer = begin_callback(MESSAGE, "extra message", member->number);
  check_bytes(message, rinfo->size);
  end_callback(outer);
}

static void extra_messages(dgram_socket_t *socket, const dgram_message_t *const messages[],
                           size_t count, void *context) {
  const struct member *member = context;
  (void)socket;
  struct frame outer = begin_callback(MESSAGE, "extra messages", member->number);
  for (size_t i = 0; i < count; i++)
    check_bytes(messages[i]->message, messages[i]->rinfo.size);
  end_callback(outer);
}

static void extra_event(dgram_socket_t *socket, void *context) {
  const struct member *member = context;
  (void)socket;
  struct frame outer = begin_callback(LISTENING | CLOSE, "extra event", member->number);
  end_callback(outer);
}

static void extra_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  const struct member *member = context;
  (void)socket;
  (void)error;
  struct frame outer = begin_callback(ERROR, "extra error", member->number);
  end_callback(outer);
}

static void extra_connect(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  const struct member *member = context;
  (void)socket;
  CHECK(error == NULL, "'connect' with an error");
  struct frame outer = begin_callback(CONNECT, "extra connect", member->number);
  end_callback(outer);
}

static void on_icmp(dgram_socket_t *socket, const dgram_icmp_t *icmp, void *context) {
  struct member *member = context;
  struct frame outer = begin_callback(ICMP, "icmp", member->number);
  CHECK(member->socket != socket || !member->closing || member->closed_inside,
        "'icmp' of one that is closed");
  CHECK(icmp->error < 0 && icmp->type >= 0 && icmp->mtu >= 0, "a broken report");
  CHECK(icmp->peer.port > 0 && icmp->reporter.port == 0, "of port %d", icmp->peer.port);
  CHECK(dgram_icmp_kind_name(icmp->kind) != NULL, "no name");
  if (member->socket == socket)
    check_member(member);
  end_emission(member, outer);
}

static void on_unhandled(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  (void)socket;
  (void)context;
  CHECK(false, "unhandled 'error': %s", error->message);
}

/* ---- descriptors ---- */

static socklen_t loopback(struct sockaddr_storage *address, dgram_type_t type, int port) {
  memset(address, 0, sizeof *address);
  if (type == DGRAM_UDP4) {
    uv_ip4_addr("127.0.0.1", port, (struct sockaddr_in *)(void *)address);
    return sizeof(struct sockaddr_in);
  }
  uv_ip6_addr("::1", port, (struct sockaddr_in6 *)(void *)address);
  return sizeof(struct sockaddr_in6);
}

static int raw_socket(dgram_type_t type) {
  struct sockaddr_storage address;
  int fd = socket(type == DGRAM_UDP4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  CHECK(fd >= 0, "socket: %s", strerror(errno));
  CHECK(bind(fd, (struct sockaddr *)&address, loopback(&address, type, 0)) == 0, "bind: %s",
        strerror(errno));
  return fd;
}

static int raw_port(int fd) {
  union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6; /* with its port at the same offset */
  } address = {.v6 = {0}};
  socklen_t length = sizeof address;
  CHECK(REAL(getsockname)(fd, &address.any, &length) == 0, "getsockname");
  return ntohs(address.v4.sin_port);
}

static int some_port(dgram_type_t type) {
  switch (below(16)) {
  case 0:
    return walk.closed_port;
  case 1:
    return raw_port(type == DGRAM_UDP4 ? walk.raw4 : walk.raw6);
  default:
    return PICK(walk.ports[type == DGRAM_UDP6]);
  }
}

/* A port to connect to: often one of the raw sockets, which send. */
static int some_peer(dgram_type_t type) {
  return one_in(2) ? raw_port(type == DGRAM_UDP4 ? walk.raw4 : walk.raw6) : some_port(type);
}

static struct member *some_member(void) {
  return &PICK(walk.members);
}

/* A descriptor to adopt: one of this program, or that of another dgram socket. */
static int some_descriptor(dgram_type_t type, bool *own, bool *fd_shared) {
  struct sockaddr_storage to;
  struct member *other = some_member();
  *own = true;
  *fd_shared = false;
  int fd = raw_socket(type);
  if (one_in(3))
    (void)connect(fd, (struct sockaddr *)&to, loopback(&to, type, some_port(type)));
  int theirs = other->socket != NULL ? dgram_fileno(other->socket) : -1;
  if (theirs >= 0 && one_in(3)) {
    close(fd);
    *fd_shared = true;
    if (one_in(2)) {
      *own = false;
      return theirs;
    }
    other->fd_shared = true;
    return fcntl(theirs, F_DUPFD_CLOEXEC, 3);
  }
  if (one_in(20)) {
    close(fd);
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  }
  return fd;
}

/* ---- look-ups ---- */

static void complete_lookup(dgram_lookup_t *lookup) {
  static struct member no_member;
  static const char *const addresses[] = {"127.0.0.1", "127.0.0.1", "127.0.0.1", "::1", "::1",
                                          "0.0.0.0",   "::",        "nonsense",  NULL};
  static const int codes[] = {UV_EAI_NONAME, UV_ENOMEM, UV_ETIMEDOUT, 1};
  unsigned kind = below(8);
  struct call call =
      begin_call(&no_member, "dgram_lookup_done", walk.frame.allowed | LISTENING | ERROR | LOOKUP);
  if (kind == 0) {
    dgram_lookup_done(lookup, PICK(codes), NULL);
  } else if (kind == 1) {
    bool own;
    bool fd_shared;
    int fd = some_descriptor(one_in(2) ? DGRAM_UDP4 : DGRAM_UDP6, &own, &fd_shared);
    /* The socket of this look-up is unknown here, so `fd_shared` could not be set. */
    if (fd_shared) {
      if (own)
        close(fd);
      dgram_lookup_done(lookup, 0, "127.0.0.1");
    } else if (dgram_lookup_done_fd(lookup, fd) != 0) {
      close(fd);
    }
  } else {
    dgram_lookup_done(lookup, 0, PICK(addresses));
  }
  end_call(&call, 0);
}

static void look_up(dgram_lookup_t *lookup, const char *host, dgram_type_t type, void *context) {
  const struct member *member = context;
  struct frame outer = begin_callback(LOOKUP, "look-up", member->number);
  CHECK(host != NULL, "no host");
  CHECK(type == DGRAM_UDP4 || type == DGRAM_UDP6, "type %d", type);
  do_something();
  if (walk.quiet || one_in(2) || walk.lookup_count == MAX_LOOKUPS) {
    walk.frame.allowed = outer.allowed & (LISTENING | ERROR | LOOKUP); /* as in the outer call */
    complete_lookup(lookup);
  } else {
    walk.lookups[walk.lookup_count++] = lookup;
  }
  end_callback(outer);
}

static void complete_some_lookup(void) {
  if (walk.lookup_count == 0)
    return;
  unsigned chosen = below(walk.lookup_count);
  dgram_lookup_t *lookup = walk.lookups[chosen];
  walk.lookups[chosen] = walk.lookups[--walk.lookup_count];
  complete_lookup(lookup);
}

/* ---- deferred tasks ---- */

static int defer_task(dgram_task_t *task, void *context) {
  (void)context;
  if (walk.task_count == MAX_TASKS || (!walk.quiet && one_in(8)))
    return 0;
  walk.tasks[walk.task_count++] = task;
  return 1;
}

static void run_some_task(void) {
  static struct member no_member;
  if (walk.task_count == 0)
    return;
  unsigned chosen = below(walk.task_count);
  dgram_task_t *task = walk.tasks[chosen];
  walk.tasks[chosen] = walk.tasks[--walk.task_count];
  struct call call = begin_call(&no_member, "dgram_task_run", EVERYTHING);
  dgram_task_run(task);
  end_call(&call, 0);
}

/* ---- creating ---- */

static void add_listeners(struct member *member) {
  dgram_socket_t *socket = member->socket;
  CHECK(dgram_on_error(socket, on_error, member) == 0, "no listener");
  CHECK(dgram_on_close(socket, on_close, member) == 0, "no listener");
  if (member->closing)
    return;
  CHECK(dgram_on_listening(socket, on_listening, member) == 0, "no listener");
  CHECK(dgram_on_connect(socket, on_connect, member) == 0, "no listener");
  member->receives = !one_in(4);
  if (member->receives)
    CHECK(dgram_on_message(socket, on_message, member) == 0, "no listener");
  if (one_in(4))
    CHECK(dgram_on_messages(socket, on_messages, member) == 0, "no listener");
}

/* One that leaves a socket able to send, receive and have a port. */
static dgram_sockopt_value_t some_sockopt(void) {
  static const dgram_sockopt_value_t sockopts[] = {
      {DGRAM_SO_BROADCAST, 1},
      {DGRAM_SO_TTL, 3},
      {DGRAM_SO_TOS, 0xb8},
      {DGRAM_SO_PATH_MTU, DGRAM_PATH_MTU_ON},
      {DGRAM_SO_PATH_MTU, DGRAM_PATH_MTU_PROBE},
      {DGRAM_SO_PATH_MTU, DGRAM_PATH_MTU_OFF},
      {DGRAM_SO_PRIORITY, 4},
      {DGRAM_SO_MULTICAST_ALL, 0},
      {DGRAM_SO_MAX_PACING_RATE, 1000000000},
      {DGRAM_SO_FREEBIND, 1},
  };
  return PICK(sockopts);
}

static dgram_options_t some_options(struct member *member) {
  static const int sizes[] = {0, 0, 0, 4096, 100000, 1000000};
  dgram_options_t options = dgram_default_options(member->type);
  options.reuse_addr = one_in(4);
  options.ipv6_only = one_in(4);
  options.recv_buffer_size = PICK(sizes);
  options.send_buffer_size = PICK(sizes);
  options.disable_gso = one_in(4);
  options.low_latency = one_in(2);
  options.receive_batch = one_in(2) ? (int)below(70) : 0;
  options.receive_budget = one_in(2) ? (int)below(40) : 0;
  options.reuse_port = one_in(5);
  options.pause_without_listener = one_in(4);
  options.receive_info = one_in(2) ? below(DGRAM_INFO_ALL + 1U) : 0;
  member->info = options.receive_info;
  member->reuses = options.reuse_port != 0 || options.reuse_addr != 0;
  options.disable_gro = one_in(4);
  if (one_in(3)) {
    static dgram_sockopt_value_t sockopts[2];
    sockopts[0] = some_sockopt();
    sockopts[1] = some_sockopt();
    options.sockopts = sockopts;
    options.sockopt_count = below(3);
  }
  options.bind_device = one_in(8) ? "lo" : NULL;
  options.lookup_context = member;
  if ((member->looks_up = one_in(3)))
    options.lookup = look_up;
  if ((member->defers = one_in(3)))
    options.defer = defer_task;
  member->signal = one_in(4) ? (int)below(SIGNALS) : -1;
  if (member->signal >= 0)
    options.signal = walk.signals[member->signal];
  return options;
}

static void create(struct member *member) {
  bool quiet = walk.quiet;
  if (member->socket != NULL)
    return;
  dgram_sender_free(member->sender);
  memset(member, 0, sizeof *member);
  member->number = ++walk.next_number;
  member->type = walk.have_ipv6 && one_in(3) ? DGRAM_UDP6 : DGRAM_UDP4;
  dgram_options_t options = some_options(member);
  struct call call = begin_call(member, "dgram_create_socket_options", 0);
  int err = dgram_create_socket_options(walk.loop, &options, NULL, NULL, &member->socket);
  CHECK(err == 0 ? member->socket != NULL : member->socket == NULL && FAULTS, "%d", err);
  walk.quiet = true;
  member->closing = member->signal >= 0 && walk.aborted[member->signal];
  if (err == 0)
    add_listeners(member);
  walk.quiet = quiet;
  end_call(&call, err);
}

/* ---- the calls that change the state of a socket ---- */

/* Events inside a bind that calls look_up(). */
static unsigned inside_bind(const struct member *member) {
  return member->looks_up ? LOOKUP | LISTENING | ERROR : 0;
}

static void check_bind(struct member *member, const struct call *call, int result) {
  if (call->before.bind != DGRAM_UNBOUND && !member->closing)
    CHECK(result < 0, "bound twice");
  if (member->closing && ran_no_callback(call))
    CHECK(result == DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING, "%d", result);
}

static int some_bind_port(void) {
  const int ports[] = {0, 0, 0, 0, walk.taken_port, walk.shared_port, 70000, -1};
  return PICK(ports);
}

static void call_bind(struct member *member) {
  static const char *const hosts[] = {NULL,  "127.0.0.1", "127.0.0.1", "::1",
                                      "::1", "",          "192.0.2.1", "::"};
  bool was_closing = member->closing;
  struct call call = begin_call(member, "dgram_bind", inside_bind(member));
  int result = dgram_bind(member->socket, some_bind_port(), PICK(hosts),
                          one_in(2) ? extra_event : NULL, member);
  if (was_closing == member->closing)
    check_bind(member, &call, result);
  end_call(&call, result);
}

static void call_bind_sync(struct member *member) {
  static const char *const hosts[] = {NULL,  "127.0.0.1", "127.0.0.1", "::1",
                                      "::1", "",          "192.0.2.1", "x"};
  struct call call = begin_call(member, "dgram_bind_sync", 0);
  int result = dgram_bind_sync(member->socket, some_bind_port(), PICK(hosts));
  check_bind(member, &call, result);
  CHECK(result != 0 || dgram_bind_state(member->socket) == DGRAM_BOUND, "bound, and not");
  end_call(&call, result);
}

static void call_adopt(struct member *member) {
  bool own;
  bool fd_shared;
  dgram_bind_options_t options = dgram_default_bind_options();
  options.fd = some_descriptor(member->type, &own, &fd_shared);
  options.exclusive = one_in(2);
  struct call call = begin_call(member, "dgram_bind_options", inside_bind(member) | LISTENING);
  /* To be set before 'listening' is emitted. */
  bool was_shared = member->fd_shared;
  member->tried_connect = true;
  member->fd_shared |= fd_shared;
  int result = dgram_bind_options(member->socket, &options, one_in(2) ? extra_event : NULL, member);
  CHECK(result == 0 || result < 0, "%d", result);
  if (!own)
    CHECK(result < 0, "a descriptor is taken twice");
  if (result != 0) {
    member->fd_shared = was_shared;
    if (own)
      close(options.fd);
  }
  end_call(&call, result);
}

static void call_connect(struct member *member) {
  static const char *const hosts[] = {NULL, NULL, "127.0.0.1", "::1", "::ffff:127.0.0.1", ""};
  struct attempt *attempt = allocate(sizeof *attempt);
  attempt->member = member;
  attempt->number = member->number;
  int port = one_in(20) ? 0 : some_peer(member->type);
  bool has_callback = !one_in(3);
  bool open = !member->closing;
  if (has_callback) {
    member->attempts++; /* it may complete inside the call */
    walk.pending_connects++;
  }
  member->tried_connect = true;
  struct call call = begin_call(member, "dgram_connect", inside_bind(member));
  int result = dgram_connect(member->socket, port, PICK(hosts), has_callback ? on_attempt : NULL,
                             has_callback ? attempt : NULL);
  if (has_callback && result != 0) {
    member->attempts--;
    walk.pending_connects--;
  }
  if (!has_callback || result != 0)
    free(attempt);
  if (open && port != 0 && ran_no_callback(&call) && !FAULTS && !is_refused(member, result))
    CHECK(result ==
              (call.before.connect == DGRAM_DISCONNECTED ? 0 : DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED),
          "%s in state %d", dgram_err_name(result), call.before.connect);
  end_call(&call, result);
}

static void call_connect_sync(struct member *member) {
  static const char *const hosts[] = {NULL, NULL, NULL, "127.0.0.1", "::1", "localhost"};
  member->tried_connect = true;
  struct call call = begin_call(member, "dgram_connect_sync", inside_bind(member) & LOOKUP);
  int result =
      dgram_connect_sync(member->socket, one_in(20) ? 0 : some_peer(member->type), PICK(hosts));
  if (result == 0)
    CHECK(!ran_no_callback(&call) || dgram_connect_state(member->socket) == DGRAM_CONNECTED,
          "connected, and not");
  CHECK(result != 0 || call.before.connect == DGRAM_DISCONNECTED, "connected twice");
  if (result == 0)
    member->connect_emitted = false;
  end_call(&call, result);
}

static void call_disconnect(struct member *member) {
  struct call call = begin_call(member, "dgram_disconnect", 0);
  int result = dgram_disconnect(member->socket);
  if (!FAULTS && !member->closing)
    CHECK(result ==
              (call.before.connect == DGRAM_CONNECTED ? 0 : DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED),
          "%s in state %d", dgram_err_name(result), call.before.connect);
  if (result == 0) {
    CHECK(dgram_connect_state(member->socket) == DGRAM_DISCONNECTED, "disconnected, and not");
    member->connect_emitted = false;
  }
  end_call(&call, result);
}

static void call_close(struct member *member) {
  bool open = !member->closing;
  struct call call = begin_call(member, "dgram_close", 0);
  int result = dgram_close(member->socket, one_in(2) ? extra_event : NULL, member);
  CHECK(open ? result == 0 || (FAULTS && result == UV_ENOMEM)
             : result == DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING,
        "%s", dgram_err_name(result));
  if (result == 0) {
    member->closing = true;
    member->closed_inside = member->emitting > 0;
    member->connect_emitted = false;
  }
  end_call(&call, result);
}

/* A signal that is freed is replaced by a new one. */
static void call_abort(void) {
  static struct member no_member;
  unsigned chosen = below(SIGNALS);
  bool aborts = !one_in(4);
  bool frees = one_in(4);
  struct call call =
      begin_call(&no_member, aborts ? "dgram_abort_signal_abort" : "dgram_abort_signal_free", 0);
  if (aborts)
    dgram_abort_signal_abort(walk.signals[chosen]);
  walk.aborted[chosen] |= aborts;
  for (struct member *member = walk.members; member < walk.members + MEMBERS; member++) {
    if (member->signal != (int)chosen)
      continue;
    member->closed_inside |= aborts && !member->closing && member->emitting > 0;
    member->closing |= aborts;
    member->connect_emitted &= !aborts;
    if (frees)
      member->signal = -1;
  }
  if (frees) {
    bool quiet = walk.quiet;
    walk.quiet = true;
    dgram_abort_signal_free(walk.signals[chosen]);
    CHECK(dgram_abort_signal_create(&walk.signals[chosen]) == 0, "no signal");
    walk.aborted[chosen] = false;
    walk.quiet = quiet;
  }
  end_call(&call, 0);
}

/* ---- sending ---- */

static size_t some_size(void) {
  switch (below(16)) {
  case 0:
    return 0;
  case 1:
    return one_in(10) ? one_in(4) ? 66000 : 65507 : 1;
  case 2:
  case 3:
    return 100; /* equal sizes: they form GSO batches */
  default:
    return below(PATTERN);
  }
}

static char *bytes_of(size_t size) {
  return size > PATTERN ? huge : pattern[size & 255];
}

/* Cuts the bytes into some buffers. */
static size_t cut(uv_buf_t buffers[8], size_t size) {
  size_t count = 0;
  size_t at = 0;
  char *bytes = bytes_of(size);
  while (count < 7 && one_in(2)) {
    size_t length = below((uint32_t)(size - at) + 1);
    buffers[count++] = uv_buf_init(bytes + at, (unsigned)length);
    at += length;
  }
  buffers[count++] = uv_buf_init(bytes + at, (unsigned)(size - at));
  return count;
}

static struct pending_send *new_pending_send(struct member *member, size_t size, bool ordered) {
  struct pending_send *pending = allocate(sizeof *pending);
  pending->member = member;
  pending->number = member->number;
  pending->size = size;
  if (ordered)
    pending->order = ++member->sent;
  member->sends++;
  member->bytes += size;
  member->last = pending;
  walk.pending_sends++;
  return pending;
}

/* Valid ones; a few of them the system refuses. */
static dgram_send_options_t some_send_options(void) {
  static const int tos[] = {0, 3, 0x28, 0xff};
  dgram_send_options_t options = dgram_default_send_options();
  if (one_in(2))
    options.ttl = 1 + (int)below(255);
  if (one_in(3))
    options.tos = PICK(tos);
  if (one_in(4))
    options.dont_fragment = (int)below(2);
  if (one_in(20))
    options.interface_index = 1 + below(1000000);
  return options;
}

/*
 * With options. A message that leaves as several datagrams is made of equal ones, since what is
 * received is compared with the bytes of its size.
 */
static int send_with_some_options(struct member *member, size_t size, const struct sockaddr *to,
                                  struct pending_send *pending) {
  dgram_send_options_t options = some_send_options();
  uv_buf_t buffers[8];
  size_t count = 1 + below(8);
  if (size % count != 0 || one_in(2))
    count = 1;
  for (size_t i = 0; i < count; i++)
    buffers[i] = uv_buf_init(bytes_of(size / count), (unsigned)(size / count));
  if ((count > 1 || one_in(4)) && size / count <= 65507)
    options.segment_size = size / count;
  if (count > 1 && options.segment_size == 0)
    count = 0; /* empty, or segments that are too large */
  if (count == 0 && size > 0) {
    buffers[0] = uv_buf_init(bytes_of(size), (unsigned)size);
    count = 1;
  }
  return dgram_send_with(member->socket, buffers, count, to,
                         one_in(8) && count == 1 ? NULL : &options,
                         pending != NULL ? on_sent : NULL, pending);
}

static int send_variant(struct member *member, size_t size, int port, bool binary,
                        struct pending_send *pending) {
  static const char *const hosts[] = {NULL,  NULL, "127.0.0.1",        "127.0.0.1",
                                      "::1", "",   "::ffff:127.0.0.1", "127.0.0.2"};
  dgram_socket_t *socket = member->socket;
  dgram_send_cb callback = pending != NULL ? on_sent : NULL;
  struct sockaddr_storage to;
  uv_buf_t buffers[8];
  if (binary) {
    size_t count = one_in(3) ? cut(buffers, size) : 1;
    if (count == 1)
      buffers[0] = uv_buf_init(bytes_of(size), (unsigned)size);
    loopback(&to, member->type, port);
    if (one_in(3))
      return send_with_some_options(member, size, port != 0 ? (struct sockaddr *)&to : NULL,
                                    pending);
    return dgram_send_to(socket, buffers, count, port != 0 ? (struct sockaddr *)&to : NULL,
                         callback, pending);
  }
  if (one_in(2))
    return dgram_send_buffers(socket, buffers, cut(buffers, size), port,
                              port != 0 ? PICK(hosts) : NULL, callback, pending);
  if (pending != NULL)
    return dgram_send(socket, bytes_of(size), size, port, port != 0 ? PICK(hosts) : NULL, callback,
                      pending);
  char *copy = allocate(size + 1); /* its bytes are copied */
  memcpy(copy, bytes_of(size), size);
  int result = dgram_send(socket, copy, size, port, port != 0 ? PICK(hosts) : NULL, NULL, NULL);
  memset(copy, 'X', size);
  free(copy);
  return result;
}

static void call_send(struct member *member) {
  size_t size = some_size();
  bool connected = dgram_connect_state(member->socket) == DGRAM_CONNECTED;
  int port = connected != one_in(20) ? 0 : some_port(member->type);
  bool binary = one_in(2);
  bool was_closing = member->closing;
  if (member->sends > MAX_PENDING_SENDS)
    return;
  struct pending_send *pending = NULL;
  if (!one_in(3))
    pending = new_pending_send(member, size, binary || connected || !member->looks_up);
  struct call call = begin_call(member, "dgram_send", inside_bind(member));
  int result = send_variant(member, size, port, binary, pending);
  if (was_closing)
    CHECK(result == DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING, "%s", dgram_err_name(result));
  else if (!FAULTS && !(member->limited && result == UV_ENOBUFS) && !is_refused(member, result))
    CHECK(result == (connected   ? port == 0 ? 0 : DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED
                     : port == 0 ? DGRAM_ERR_SOCKET_BAD_PORT
                                 : 0),
          "%s", dgram_err_name(result));
  if (result != 0 && pending != NULL)
    free_pending_send(pending);
  walk.sends += result == 0;
  walk.accepted += result == 0;
  end_call(&call, result);
}

/* By the way of some message, which another socket may have received. */
static void call_send_path(struct member *member) {
  if (member->sends > MAX_PENDING_SENDS || some_path.peer.ss_family == 0)
    return;
  size_t size = some_size();
  dgram_path_t path = some_path;
  if (one_in(3))
    path.interface_index = 0;
  if (one_in(3))
    path.local.ss_family = 0;
  uv_buf_t buffer = uv_buf_init(bytes_of(size), (unsigned)size);
  struct pending_send *pending = one_in(3) ? NULL : new_pending_send(member, size, true);
  bool was_closing = member->closing;
  struct call call = begin_call(member, "dgram_send_path", inside_bind(member));
  int result =
      dgram_send_path(member->socket, &path, &buffer, 1, pending != NULL ? on_sent : NULL, pending);
  CHECK(!was_closing || result == DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING, "%s", dgram_err_name(result));
  CHECK(was_closing || FAULTS || member->limited || result == 0 || result == UV_EINVAL ||
            result == DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED || is_refused(member, result),
        "%s", dgram_err_name(result));
  if (result != 0 && pending != NULL)
    free_pending_send(pending);
  walk.sends += result == 0;
  walk.accepted += result == 0;
  end_call(&call, result);
}

static void call_burst(struct member *member) {
  for (unsigned left = below(one_in(50) ? 1500 : 30); left > 0 && member->socket != NULL; left--)
    call_send(member);
}

static void on_many_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t sent,
                         void *context) {
  CHECK(error == NULL ? sent > 0 : sent < 30, "%zu of a list", sent);
  on_sent(socket, error, 0, context);
}

/* Datagrams to one address, some with options. Returns their number. */
static size_t make_list(struct member *member, dgram_outgoing_t list[30]) {
  static struct sockaddr_storage to;
  static uv_buf_t buffers[30];
  static dgram_send_options_t options[30];
  bool connected = dgram_connect_state(member->socket) == DGRAM_CONNECTED;
  loopback(&to, member->type, some_port(member->type));
  size_t count = 1 + below(one_in(5) ? 30 : 4);
  for (size_t i = 0; i < count; i++) {
    size_t size = some_size();
    buffers[i] = uv_buf_init(bytes_of(size), (unsigned)size);
    options[i] = some_send_options();
    list[i] = (dgram_outgoing_t){.buffers = &buffers[i],
                                 .count = 1,
                                 .to = connected ? NULL : (struct sockaddr *)&to,
                                 .options = one_in(3) ? &options[i] : NULL};
  }
  return count;
}

static void call_send_many(struct member *member) {
  dgram_outgoing_t list[30];
  if (member->sends > MAX_PENDING_SENDS)
    return;
  size_t count = make_list(member, list);
  struct pending_send *pending = one_in(2) ? new_pending_send(member, 0, false) : NULL;
  member->last = NULL; /* a list cannot be cancelled */
  struct call call = begin_call(member, "dgram_send_many", inside_bind(member));
  int result =
      dgram_send_many(member->socket, list, count, pending != NULL ? on_many_sent : NULL, pending);
  if (result != 0 && pending != NULL)
    free_pending_send(pending);
  walk.accepted += result == 0 ? count : 0;
  end_call(&call, result);
}

static void call_try_send(struct member *member) {
  dgram_outgoing_t list[30];
  size_t count = make_list(member, list);
  size_t size = list->buffers->len;
  int result;
  size_t sent = 0;
  struct call call = begin_call(member, "dgram_try_send", 0);
  if (one_in(3)) {
    result = dgram_try_send(member->socket, bytes_of(size), size, list->to);
    walk.accepted += result == 0;
  } else if (one_in(2)) {
    result = dgram_try_send_with(member->socket, list->buffers, 1, list->to, list->options, &sent);
    CHECK(sent == (result == 0 ? size : 0), "%zu bytes", sent);
    walk.accepted += result == 0;
  } else {
    result = dgram_try_send_many(member->socket, list, count);
    CHECK(result != 0 && result <= (int)count, "%d of %zu", result, count);
    walk.accepted += result > 0 ? (unsigned)result : 0;
    for (int i = 0; i < result; i++)
      CHECK(list[i].sent == list[i].buffers->len, "%zu bytes", list[i].sent);
  }
  end_call(&call, 0); /* also if the system refuses it, the socket is bound and flushed */
}

/* ---- flow control ---- */

static void call_pause(struct member *member) {
  struct call call = begin_call(member, "dgram_pause", 0);
  bool pause = one_in(3);
  int result;
  if (one_in(4))
    result = dgram_pause_at(member->socket, below(5)); /* in a listener of 'messages', perhaps */
  else
    result = pause ? dgram_pause(member->socket) : dgram_resume(member->socket);
  member->paused = !member->closing && dgram_is_paused(member->socket) != 0;
  member->paused_at = walk.iterations;
  end_call(&call, result);
}

static int set_queue_limit(struct member *member) {
  size_t bytes = one_in(2) ? below(20000) : 0;
  size_t count = one_in(2) ? below(200) : 0;
  size_t low_bytes = below((uint32_t)bytes + 2); /* one too many, perhaps */
  int result = dgram_set_send_queue_limit(member->socket, bytes, count, low_bytes, 0);
  if (result == 0)
    member->limited = bytes + count > 0;
  return result;
}

static int change_drain_listeners(struct member *member) {
  switch (below(3)) {
  case 0:
    return dgram_on_drain(member->socket, on_drain, member);
  case 1:
    return dgram_once_drain(member->socket, on_drain, member);
  default:
    return dgram_off_drain(member->socket, on_drain, member);
  }
}

static void call_limits(struct member *member) {
  struct call call = begin_call(member, "limits", 0);
  switch (below(4)) {
  case 0:
    end_call(&call, set_queue_limit(member));
    break;
  case 1:
    end_call(&call, change_drain_listeners(member));
    break;
  case 2:
    end_call(&call, dgram_set_send_timeout(member->socket, (int)below(4) * (int)below(20) - 1));
    break;
  default:
    end_call(&call, dgram_set_lookup_timeout(member->socket, (int)below(4) * (int)below(20) - 1));
  }
}

static void call_cancel(struct member *member) {
  struct pending_send *last = member->last;
  struct call call = begin_call(member, "dgram_cancel_send", 0);
  int result = dgram_cancel_send(member->socket, on_sent, last != NULL ? (void *)last : member);
  if (member->closing)
    CHECK(result == DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING, "%s", dgram_err_name(result));
  else if (last == NULL)
    CHECK(result == UV_ENOENT, "%s", dgram_err_name(result));
  else
    CHECK(result == 0 || result == UV_EBUSY, "%s", dgram_err_name(result));
  if (result == 0)
    last->cancelled = true;
  end_call(&call, result);
}

static void call_post(struct member *member) {
  struct sockaddr_storage to;
  struct call call = begin_call(member, "dgram_post_send", 0);
  if (member->sender == NULL) {
    dgram_sender_options_t options = dgram_default_sender_options();
    options.max_count = 1 + below(20);
    options.keep_alive = one_in(2);
    int err = dgram_sender_create(member->socket, &options, &member->sender);
    CHECK(err == 0 || FAULTS || member->closing, "%s", dgram_err_name(err));
    end_call(&call, err);
    return;
  }
  if (one_in(20)) {
    dgram_sender_free(member->sender);
    member->sender = NULL;
    end_call(&call, 0);
    return;
  }
  size_t size = below(PATTERN);
  uv_buf_t buffer = uv_buf_init(pattern[size & 255], (unsigned)size);
  loopback(&to, member->type, some_port(member->type));
  struct attempt *post = NULL;
  if (one_in(2)) {
    post = allocate(sizeof *post);
    *post = (struct attempt){member, member->number};
  }
  dgram_send_options_t options = some_send_options();
  int result =
      dgram_post_send_with(member->sender, &buffer, 1, one_in(4) ? NULL : (void *)&to,
                           one_in(2) ? &options : NULL, post != NULL ? on_posted : NULL, post);
  CHECK(!member->closing || result == DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING ||
            (FAULTS && result == UV_ENOMEM),
        "%s", dgram_err_name(result));
  CHECK(result == 0 || result == UV_ENOBUFS || member->closing || FAULTS, "%s",
        dgram_err_name(result));
  member->posts += result == 0 && post != NULL;
  if (result != 0)
    free(post);
  walk.accepted += result == 0;
  end_call(&call, result);
}

static void call_flush(struct member *member) {
  struct call call = begin_call(member, "dgram_flush", SENT | ERROR | LOOKUP);
  walk.frame.flushed = member;
  dgram_flush(member->socket);
  end_call(&call, 0);
}

/* ---- options and the like ---- */

static int set_interface(dgram_socket_t *socket, int number) {
  static const char *const interfaces[] = {"127.0.0.1", "0.0.0.0", "lo", "::", "::%lo", "x", "1"};
  return dgram_set_multicast_interface(socket, PICK(interfaces));
}

static int get_sizes(dgram_socket_t *socket, int which) {
  int size = which ? dgram_get_recv_buffer_size(socket) : dgram_get_send_buffer_size(socket);
  return size < 0 ? -1 : 0;
}

static void call_sockopt(struct member *member) {
  dgram_sockopt_value_t sockopt = some_sockopt();
  struct call call = begin_call(member, "dgram_set_sockopt", 0);
  if (one_in(4)) /* or any, out of its range or of none */
    sockopt = (dgram_sockopt_value_t){(dgram_sockopt_t)below(20), -1};
  end_call(&call, dgram_set_sockopt(member->socket, sockopt.option, sockopt.value));
}

static void call_setter(struct member *member) {
  static const struct {
    int (*set)(dgram_socket_t *socket, int number);
    uint32_t limit;
  } setters[] = {{dgram_set_broadcast, 2},
                 {dgram_set_ttl, 260},
                 {dgram_set_multicast_ttl, 260},
                 {dgram_set_multicast_loopback, 2},
                 {set_interface, 1},
                 {dgram_set_recv_buffer_size, 100000},
                 {dgram_set_send_buffer_size, 100000},
                 {get_sizes, 2},
                 {get_sizes, 2},
                 {dgram_set_receive_budget, 40}};
  if (one_in(3)) {
    call_sockopt(member);
    return;
  }
  uint32_t chosen = below(sizeof setters / sizeof *setters);
  struct call call = begin_call(member, "a setter", 0);
  end_call(&call, setters[chosen].set(member->socket, (int)below(setters[chosen].limit)));
}

/* ---- who may talk ---- */

static void change_list(void) {
  static const char *const addresses[] = {"127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1", "x"};
  static const char *const lasts[] = {"127.0.0.1", "127.0.0.77", "::2", "::1", "10.0.0.1"};
  dgram_access_list_t *list =
      PICK(walk.lists); // NOLINT(bugprone-sizeof-expression): of a list of pointers
  size_t before = dgram_access_list_count(list);
  const char *address = PICK(addresses);
  int prefix = one_in(3) ? (int)below(140) : strchr(address, ':') != NULL ? 128 : 32;
  struct frame outer = enter("a change of a list", 0);
  int result = 0;
  switch (below(8)) {
  case 0:
    result = dgram_access_list_add_address(list, address);
    break;
  case 1:
  case 2:
    result = dgram_access_list_remove_address(list, address);
    break;
  case 3:
    result = dgram_access_list_add_subnet(list, address, prefix);
    break;
  case 4:
    result = dgram_access_list_remove_subnet(list, address, prefix);
    break;
  case 5:
    result = dgram_access_list_add_range(list, address, PICK(lasts));
    break;
  case 6:
    result = dgram_access_list_remove_range(list, address, PICK(lasts));
    break;
  default:
    dgram_access_list_clear(list);
    before = 0;
  }
  walk.frame = outer;
  size_t after = dgram_access_list_count(list);
  CHECK(result != 0 ? after == before : after + 1 >= before && after <= before + 1, "%zu, %zu: %s",
        before, after, dgram_err_name(result));
}

/* Most of the time no list, else nearly nothing would be received or sent. */
static void call_access(struct member *member) {
  dgram_access_t access = one_in(2) ? DGRAM_ALLOW : DGRAM_BLOCK;
  dgram_access_list_t *list =
      one_in(8) ? PICK(walk.lists) : NULL; // NOLINT(bugprone-sizeof-expression): likewise
  bool receives = one_in(2);
  struct call call = begin_call(member, "access", 0);
  int result =
      (receives ? dgram_set_receive_access : dgram_set_send_access)(member->socket, access, list);
  CHECK(FAULTS || result == (member->closing ? DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING : 0), "%s",
        dgram_err_name(result));
  if (result == 0) {
    (receives ? member->receives_by : member->sends_by)[access] = list;
    member->filtered |= receives && list != NULL;
  }
  end_call(&call, result);
}

static void call_rate(struct member *member) {
  dgram_rate_options_t options = dgram_default_rate_options();
  options.packets_per_second = below(3) * 100000;
  options.bytes_per_second = below(2) * 100000000;
  options.packets_burst = below(3) * 10;
  options.sources = below(4);
  bool none = !one_in(6);
  dgram_access_counts_t counts = dgram_default_access_counts();
  struct call call = begin_call(member, "dgram_set_receive_rate", 0);
  int result = dgram_set_receive_rate(member->socket, none ? NULL : &options);
  member->filtered |= result == 0 && !none;
  CHECK(dgram_get_access_counts(member->socket, &counts) == 0, "no counts");
  CHECK(member->filtered || counts.receives_refused + counts.receives_limited == 0, "refused");
  end_call(&call, result);
}

static void call_membership(struct member *member) {
  static const char *const groups[] = {"224.0.0.114", "232.1.2.3", "ff02::1234", "ff3e::1", "x"};
  static const char *const sources[] = {"127.0.0.1", "::1", "x"};
  static const char *const interfaces[] = {NULL, NULL, "127.0.0.1", "lo", "::%lo"};
  dgram_socket_t *socket = member->socket;
  struct call call = begin_call(member, "a membership", 0);
  if (one_in(2))
    end_call(&call, (one_in(2) ? dgram_add_membership : dgram_drop_membership)(socket, PICK(groups),
                                                                               PICK(interfaces)));
  else
    end_call(&call, (one_in(2) ? dgram_add_source_specific_membership
                               : dgram_drop_source_specific_membership)(
                        socket, PICK(sources), PICK(groups), PICK(interfaces)));
}

/* Nothing changes on this host; in each call and callback another group may come and go. */
static void on_membership(dgram_socket_t *socket, const dgram_membership_t *membership,
                          void *context) {
  CHECK(membership->interface_index > 0 && membership->group[0] != '\0', "no interface");
  CHECK((membership->error < 0) == (membership->change == DGRAM_MEMBERSHIP_FAILED), "an error");
  CHECK(membership->change != DGRAM_MEMBERSHIP_LEFT, "an interface has gone");
  struct member *member = context;
  CHECK(member->socket == socket && !member->closing, "it is closed");
  if (one_in(4))
    (void)dgram_drop_membership_all(socket, membership->group);
}

/* The socket of the peer is closed again: the peer is a port that others may have, too. */
static void call_accept_peer(struct member *member) {
  struct sockaddr_storage peer;
  dgram_socket_t *accepted;
  struct call call = begin_call(member, "dgram_accept_peer", 0);
  loopback(&peer, member->type, PICK(walk.ports[member->type == DGRAM_UDP6]));
  int result = dgram_accept_peer(member->socket, (struct sockaddr *)&peer, NULL, &accepted);
  CHECK((result == 0) == (accepted != NULL), "a socket with an error");
  if (result == 0) {
    CHECK(dgram_connect_state(accepted) == DGRAM_CONNECTED, "it is not connected");
    CHECK(dgram_close(accepted, NULL, NULL) == 0, "it is closed");
  }
  end_call(&call, result);
}

static void call_membership_all(struct member *member) {
  static const char *const groups[] = {"224.0.0.114", "239.1.2.3", "ff02::1234", "group", NULL};
  struct call call = begin_call(member, "a membership everywhere", 0);
  const char *group = PICK(groups);
  end_call(&call, one_in(2) ? dgram_add_membership_all(member->socket, group, on_membership, member)
                            : dgram_drop_membership_all(member->socket, group));
}

static void call_getters(struct member *member) {
  dgram_socket_t *socket = member->socket;
  dgram_address_t address;
  struct call call = begin_call(member, "the getters", 0);
  if (dgram_address(socket, &address) == 0)
    note_port(member, address.port);
  (void)dgram_remote_address(socket, &address);
  (void)dgram_buffer_size_reason(socket);
  CHECK(dgram_loop(socket) == walk.loop, "another loop");
  if (one_in(4))
    (void)dgram_fileno(socket);
  int64_t value;
  char name[DGRAM_INTERFACE_NAME];
  struct sockaddr_storage to;
  (void)loopback(&to, member->type, walk.closed_port);
  (void)dgram_get_sockopt(socket, (dgram_sockopt_t)below(20), &value);
  (void)dgram_get_bind_device(socket, name);
  int mtu = dgram_get_mtu(socket);
  CHECK(mtu < 0 || dgram_connect_state(socket) == DGRAM_CONNECTED, "MTU %d of no peer", mtu);
  mtu = one_in(4) ? dgram_get_mtu_to(socket, (struct sockaddr *)&to) : 0;
  CHECK(mtu != UV_EINVAL, "the address is valid");
  (void)dgram_address(NULL, &address);
  (void)dgram_bind_state(NULL);
  (void)dgram_connect_state(NULL);
  end_call(&call, 0);
}

static void call_ref(struct member *member) {
  struct call call = begin_call(member, "dgram_ref", 0);
  CHECK((one_in(2) ? dgram_ref : dgram_unref)(member->socket) == member->socket, "another");
  end_call(&call, 0);
}

static int change_listeners_of_messages(struct member *member) {
  dgram_socket_t *socket = member->socket;
  switch (below(8)) {
  case 0:
    return dgram_on_message(socket, extra_message, member);
  case 1:
    return dgram_once_message(socket, extra_message, member);
  case 2:
    return dgram_off_message(socket, extra_message, member);
  case 3:
    return dgram_on_messages(socket, extra_messages, member);
  case 4:
    return dgram_once_messages(socket, extra_messages, member);
  case 5:
    return dgram_off_messages(socket, extra_messages, member);
  case 6:
    return dgram_off_messages(socket, on_messages, member);
  default:
    return 0;
  }
}

static int change_other_listeners(struct member *member) {
  dgram_socket_t *socket = member->socket;
  switch (below(12)) {
  case 0:
    return dgram_once_error(socket, extra_error, member);
  case 1:
    return dgram_off_error(socket, extra_error, member);
  case 2:
    return dgram_once_connect(socket, extra_connect, member);
  case 3:
    return dgram_off_connect(socket, extra_connect, member);
  case 4:
    return dgram_once_listening(socket, extra_event, member);
  case 5:
    return dgram_off_listening(socket, extra_event, member);
  case 6:
    return dgram_once_close(socket, extra_event, member);
  case 7:
    return dgram_off_close(socket, extra_event, member);
  case 8:
    return dgram_on_icmp(socket, on_icmp, member);
  case 9:
    return dgram_once_icmp(socket, on_icmp, member);
  default:
    return dgram_off_icmp(socket, on_icmp, member);
  }
}

/* Without other listeners before it, since those may close the socket. */
static int toggle_message_listener(struct member *member) {
  dgram_socket_t *socket = member->socket;
  if (member->receives) {
    int err = dgram_off_message(socket, on_message, member);
    member->receives = err != 0;
    return err;
  }
  while (dgram_off_message(socket, extra_message, member) == 0)
    ;
  int err = dgram_on_message(socket, on_message, member);
  member->receives = err == 0;
  return err;
}

static void call_listeners(struct member *member) {
  static int (*const changes[])(struct member * member) = {
      change_listeners_of_messages, change_other_listeners, toggle_message_listener};
  struct call call = begin_call(member, "listeners", 0);
  int result = PICK(changes)(member);
  end_call(&call, result);
}

/* ---- datagrams of others ---- */

static void raw_send(int fd, dgram_type_t type, const char *bytes, size_t size, int port,
                     size_t segment) {
  struct sockaddr_storage to;
  union {
    char bytes[CMSG_SPACE(sizeof(uint16_t))];
    struct cmsghdr align;
  } control = {{0}};
  struct iovec iov = {.iov_base = (char *)bytes, .iov_len = size};
  struct msghdr message = {
      .msg_name = &to, .msg_namelen = loopback(&to, type, port), .msg_iov = &iov, .msg_iovlen = 1};
  if (segment > 0) {
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = IPPROTO_UDP;
    header->cmsg_type = UDP_SEGMENT;
    header->cmsg_len = CMSG_LEN(sizeof(uint16_t));
    uint16_t value = (uint16_t)segment;
    memcpy(CMSG_DATA(header), &value, sizeof value);
  }
  (void)REAL(sendmsg)(fd, &message, MSG_DONTWAIT);
}

static void send_joined(int fd, dgram_type_t type, int port) {
  char bytes[60000];
  size_t segment = 1 + below(1400);
  size_t count = 1 + below(60000 / (uint32_t)segment < 63 ? 60000 / (uint32_t)segment : 63);
  size_t last = below((uint32_t)segment + 1);
  memset(bytes, (char)segment, (count - 1) * segment);
  memset(bytes + (count - 1) * segment, (char)last, last);
  raw_send(fd, type, bytes, (count - 1) * segment + last, port, segment);
}

static void send_from_outside(void) {
  dgram_type_t type = walk.have_ipv6 && one_in(3) ? DGRAM_UDP6 : DGRAM_UDP4;
  int fd = type == DGRAM_UDP4 ? walk.raw4 : walk.raw6;
  int port = PICK(walk.ports[type == DGRAM_UDP6]);
  if (port == 0)
    return;
  if (one_in(3)) {
    send_joined(fd, type, port);
    return;
  }
  for (unsigned left = 1 + below(one_in(10) ? 200 : 10); left > 0; left--) {
    size_t size = below(one_in(3) ? 2 : PATTERN);
    raw_send(fd, type, pattern[size & 255], size, port, 0);
  }
}

/* Discards the datagrams that the raw sockets received. */
static void drain(int fd) {
  char byte;
  while (fd >= 0 && recv(fd, &byte, 1, MSG_DONTWAIT) >= 0)
    ;
}

/* ---- steps ---- */

static void call_some(struct member *member) {
  static void (*const calls[])(struct member * member) = {
      call_bind,           call_bind,        call_bind,       call_bind_sync,  call_bind_sync,
      call_adopt,          call_adopt,       call_connect,    call_connect,    call_connect,
      call_disconnect,     call_disconnect,  call_disconnect, call_disconnect, call_connect_sync,
      call_send,           call_send,        call_send,       call_burst,      call_burst,
      call_burst,          call_flush,       call_flush,      call_setter,     call_setter,
      call_send_many,      call_send_many,   call_try_send,   call_try_send,   call_membership,
      call_membership_all, call_accept_peer, call_getters,    call_getters,    call_ref,
      call_listeners,      call_listeners,   call_send_path,  call_pause,      call_pause,
      call_limits,         call_cancel,      call_cancel};
  if (member->socket == NULL)
    create(member);
  else if (one_in(60))
    call_close(member);
  else if (one_in(16))
    call_post(member);
  else if (one_in(12))
    (one_in(3) ? call_rate : call_access)(member);
  else
    PICK(calls)(member);
}

/* No name is looked up by the system here; the calls must only be safe. */
static void change_name_cache(void) {
  if (one_in(2))
    dgram_clear_name_cache(walk.loop);
  else {
    int err = dgram_set_name_cache(walk.loop, below(3), 1 + below(5));
    CHECK(err == 0 || (FAULTS && err == UV_ENOMEM), "%s", dgram_err_name(err));
  }
}

static void take_step(void) {
  walk.step++;
  if (one_in(300))
    change_name_cache();
  switch (below(16)) {
  case 0:
    complete_some_lookup();
    break;
  case 1:
  case 2:
    run_some_task();
    break;
  case 3:
  case 4:
    send_from_outside();
    break;
  case 5:
    if (one_in(40))
      call_abort();
    else
      change_list();
    break;
  default:
    call_some(some_member());
  }
}

static void run(uv_run_mode mode) {
  walk.frame.allowed = EVERYTHING;
  uv_run(walk.loop, mode);
  walk.frame.allowed = 0;
}

static void count_iteration(uv_prepare_t *handle) {
  (void)handle;
  walk.iterations++;
}

/* Completes all look-ups and deferred tasks, and iterates the loop until it is idle. */
static void settle(void) {
  unsigned idle = 0;
  walk.quiet = true;
  for (unsigned i = 0; idle < 20; i++) {
    uint64_t before = walk.events;
    while (walk.task_count > 0)
      run_some_task();
    while (walk.lookup_count > 0)
      complete_some_lookup();
    run(UV_RUN_NOWAIT);
    idle = walk.events == before ? idle + 1 : 0;
    CHECK(i < 200000, "the loop does not become idle");
  }
}

/* To close the timer keeps the loop from blocking, if it was due before that. */
static void stop_waiting(uv_timer_t *timer) {
  *(bool *)timer->data = true;
  uv_close((uv_handle_t *)timer, NULL);
}

static void run_for(unsigned ms) {
  uv_timer_t timer;
  bool over = false;
  uv_timer_init(walk.loop, &timer);
  timer.data = &over;
  uv_update_time(walk.loop);
  uv_timer_start(&timer, stop_waiting, ms, 0);
  while (!over)
    run(UV_RUN_ONCE);
  run(UV_RUN_NOWAIT);
}

/* An idle loop iterates a few times at most: retries have a period in ms. */
static void check_iterations(void) {
  uint64_t before = walk.iterations;
  uint64_t events = walk.events; /* a socket after ENOBUFS may continue */
  run_for(8);
  uint64_t idle = walk.iterations - before;
  CHECK(idle < MAX_ITERATIONS + (walk.events - events), "the loop iterated %llu times in 8 ms",
        (unsigned long long)idle);
}

/*
 * A bound socket with a listener receives datagrams. Sockets that have called connect are skipped:
 * after an IPv4 peer Linux lets a udp6 socket receive IPv4 only, even with another peer later.
 */
static void check_receiving(struct member *member) {
  dgram_address_t address;
  if (member->socket == NULL || member->closing || !member->listened || !member->receives ||
      member->fd_shared || member->reuses || member->tried_connect || member->filtered ||
      dgram_connect_state(member->socket) != DGRAM_DISCONNECTED ||
      dgram_address(member->socket, &address) != 0 || address.port == 0)
    return;
  if (member->paused) {
    CHECK(dgram_resume(member->socket) == 0, "it is open");
    member->paused = false;
    settle(); /* its receive buffer may be full */
  }
  uint64_t before = walk.probes;
  int fd = raw_socket(member->type);
  raw_send(fd, member->type, probe, sizeof probe, address.port, 0);
  for (unsigned i = 0; walk.probes == before && i < 400; i++) {
    if (i > 20)
      run_for(1);
    else
      run(UV_RUN_NOWAIT);
  }
  close(fd);
  CHECK(walk.probes > before, "socket %u on %s:%d receives nothing", member->number,
        address.address, address.port);
}

static bool anything_is_queued(void) {
  bool queued = walk.pending_sends + walk.pending_connects > 0;
  for (unsigned i = 0; i < MEMBERS && !queued; i++)
    queued = dgram_get_send_queue_count(walk.members[i].socket) > 0;
  return queued;
}

/* Each accepted send has left, failed, or was cancelled. */
static void check_counters(void) {
  static char text[4096];
  dgram_stats_t stats = dgram_default_stats();
  CHECK(dgram_get_loop_stats(walk.loop, &stats) == 0, "no sums");
  CHECK(dgram_stats_text(&stats, text, sizeof text) < (int)sizeof text, "the text is too long");
  CHECK(stats.datagrams_out + stats.send_failures + stats.sends_cancelled == walk.accepted,
        "of %llu sends: %s", (unsigned long long)walk.accepted, text);
  CHECK(stats.gro_datagrams <= stats.datagrams_in, "%s", text);
  CHECK(2 * stats.gso_batches <= stats.gso_datagrams &&
            2 * stats.gro_buffers <= stats.gro_datagrams,
        "%s", text);
  CHECK(dgram_stats_json(&stats, text, sizeof text) < (int)sizeof text, "the JSON is too long");
}

/* Each accepted send has completed, since nothing blocks it. */
static void check_idle(void) {
  settle();
  for (unsigned wait = 0; anything_is_queued() && wait < 4000; wait++) {
    run_for(1); /* sends after ENOBUFS */
    settle();
  }
  for (unsigned i = 0; i < MEMBERS; i++) {
    const struct member *member = &walk.members[i];
    CHECK(member->socket == NULL || member->posts == 0, "socket %u: %u posts have not ended",
          member->number, member->posts);
    CHECK(member->socket == NULL || (member->sends == 0 && member->attempts == 0),
          "socket %u: %u sends and %u connects have not ended", member->number, member->sends,
          member->attempts);
    CHECK(member->socket == NULL || dgram_get_send_queue_count(member->socket) == 0,
          "socket %u has %zu sends without a callback", member->number,
          dgram_get_send_queue_count(member->socket));
    CHECK(!(member->closing && member->socket != NULL), "socket %u is not closed", member->number);
    CHECK(member->socket == NULL || (dgram_bind_state(member->socket) != DGRAM_BINDING &&
                                     dgram_connect_state(member->socket) != DGRAM_CONNECTING),
          "socket %u remains in BINDING or CONNECTING", member->number);
  }
  check_counters();
  check_iterations();
  for (unsigned i = 0; i < 3; i++)
    check_receiving(some_member());
  walk.quiet = false;
}

/* ---- one loop ---- */

static void open_loop(void) {
  walk.loop = allocate(sizeof *walk.loop);
  walk.quiet = true;
  CHECK(uv_loop_init(walk.loop) == 0, "uv_loop_init");
  uv_prepare_init(walk.loop, &walk.iteration_handle);
  uv_prepare_start(&walk.iteration_handle,
                   count_iteration); /* so the loop iterates though all are unref'd */
  for (unsigned i = 0; i < SIGNALS; i++)
    CHECK(dgram_abort_signal_create(&walk.signals[i]) == 0, "no signal");
  for (unsigned i = 0; i < LISTS; i++)
    CHECK(dgram_access_list_create(&walk.lists[i]) == 0, "no list");
  memset(walk.aborted, 0, sizeof walk.aborted);
  walk.accepted = 0;
  CHECK(dgram_create_socket(walk.loop, DGRAM_UDP4, NULL, NULL, &walk.keeper) == 0, "no keeper");
  walk.raw4 = raw_socket(DGRAM_UDP4);
  walk.raw6 = walk.have_ipv6 ? raw_socket(DGRAM_UDP6) : -1;
  walk.taken_fd = raw_socket(DGRAM_UDP4);
  walk.taken_port = raw_port(walk.taken_fd);
  int fd = raw_socket(DGRAM_UDP4);
  walk.closed_port = raw_port(fd);
  close(fd);
  fd = raw_socket(DGRAM_UDP4);
  walk.shared_port = raw_port(fd);
  close(fd);
  for (unsigned i = 0; i < PORTS; i++)
    walk.ports[0][i] = walk.ports[1][i] = walk.closed_port;
  walk.quiet = false;
}

static void close_loop(void) {
  walk.quiet = true;
  for (unsigned i = 0; i < LISTS; i++)
    dgram_access_list_free(walk.lists[i]); /* those of sockets stay with these */
  for (unsigned i = 0; i < MEMBERS; i++)
    if (walk.members[i].socket != NULL && !walk.members[i].closing)
      call_close(&walk.members[i]);
  settle();
  check_counters();
  for (unsigned i = 0; i < MEMBERS; i++) {
    dgram_sender_free(walk.members[i].sender);
    walk.members[i].sender = NULL;
  }
  CHECK(dgram_set_name_cache(walk.loop, 0, 0) == 0, "the cache stays on");
  dgram_close(walk.keeper, NULL, NULL);
  for (unsigned i = 0; i < SIGNALS; i++)
    dgram_abort_signal_free(walk.signals[i]);
  uv_close((uv_handle_t *)&walk.iteration_handle, NULL);
  walk.frame.allowed = EVERYTHING;
  CHECK(uv_run(walk.loop, UV_RUN_DEFAULT) == 0, "the loop does not end");
  walk.frame.allowed = 0;
  CHECK(walk.pending_sends == 0 && walk.pending_connects == 0, "%u sends, %u connects",
        walk.pending_sends, walk.pending_connects);
  for (unsigned i = 0; i < MEMBERS; i++)
    CHECK(walk.members[i].socket == NULL, "socket %u is left", walk.members[i].number);
  CHECK(uv_loop_close(walk.loop) == 0, "the loop cannot be closed");
  free(walk.loop);
  close(walk.raw4);
  close(walk.taken_fd);
  if (walk.raw6 >= 0)
    close(walk.raw6);
}

static void walk_one_loop(uint64_t steps) {
  open_loop();
  for (uint64_t end = walk.step + steps; walk.step < end;) {
    take_step();
    if (one_in(3))
      run(UV_RUN_NOWAIT);
    if (one_in(50)) {
      drain(walk.raw4);
      drain(walk.raw6);
    }
    if (one_in(500))
      check_idle();
  }
  close_loop();
}

static uint64_t env_number(const char *name, uint64_t fallback) {
  const char *text = getenv(name);
  return text != NULL ? strtoull(text, NULL, 10) : fallback;
}

int main(void) {
  uint64_t scale =
      env_number("DGRAM_TEST_SCALE", 1); /* the factor by which the program is slower */
  uint64_t steps = env_number("DGRAM_TEST_STEPS", 20000 / scale);
  uint64_t first = env_number("DGRAM_TEST_SEED", uv_hrtime() % 1000000000);
  walk.trace = getenv("DGRAM_TEST_TRACE") != NULL;
  walk.quiet = true;
  for (unsigned i = 0; i < 256; i++)
    memset(pattern[i], (int)i, PATTERN);
  signal(SIGALRM, on_watchdog);
  dgram_on_unhandled_error(on_unhandled, NULL);
  struct sockaddr_storage address;
  int fd = socket(AF_INET6, SOCK_DGRAM, 0);
  walk.have_ipv6 =
      fd >= 0 && bind(fd, (struct sockaddr *)&address, loopback(&address, DGRAM_UDP6, 0)) == 0;
  close(fd);
  for (walk.seed = first; steps > 0; walk.seed++) {
    uint64_t part = steps < STEPS_PER_LOOP ? steps : STEPS_PER_LOOP;
    walk.random = (uint32_t)(walk.seed * 2654435761U) | 1U;
    alarm((unsigned)(WATCHDOG_SECONDS * scale));
    fprintf(stderr, "\rDGRAM_TEST_SEED=%llu ", (unsigned long long)walk.seed);
    walk_one_loop(part);
    steps -= part;
  }
  printf("%llu steps, %llu calls, %llu callbacks, %llu messages, %llu sends,\n",
         (unsigned long long)walk.step, (unsigned long long)walk.calls,
         (unsigned long long)walk.events, (unsigned long long)walk.messages,
         (unsigned long long)walk.sends);
  return 0;
}
