/*
 * The socket, the state that the sockets of a loop share, and the functions that cross files.
 *
 * Memory: a socket lives while it is held. It is held until it has closed, while libuv knows its
 * poll handle, while a task of it waits or runs, and while a function here calls listeners. So code
 * after a callback need not ask whether the socket still exists, only whether it has closed.
 */
#ifndef DGRAM_INTERNAL_H
#define DGRAM_INTERNAL_H

#include <dgram.h>
#include <dgram_access.h>
#include <dgram_stats.h>

#include <assert.h>

#include "access_list.h"
#include "address.h"
#include "gso.h"
#include "udp.h"
#include "counters.h"
#include "errors.h"
#include "list.h"
#include "listeners.h"
#include "rx_coalesce.h"
#include "send_queue.h"
#include "state.h"
#include "busy_poll.h"

/* ---- loop.c: what the sockets of a loop share ---- */

/* What a task runs, and where in its socket it stands: a constant of whoever defers it. */
struct dgram__task_type {
  void (*run)(dgram_socket_t *socket);
  size_t offset; /* of the task in dgram_socket_t */
};

/* Work of a socket. A task waits in one queue at a time, and holds the socket until it has run. */
struct dgram_task {
  struct dgram_task *next;
  const struct dgram__task_type *type; /* NULL: the task does not wait */
};

/* First in, first out; singly linked, so that a socket is small. Zero-initialised: empty. */
struct dgram__task_queue {
  struct dgram_task *first;
  struct dgram_task *last;
};

struct dgram__loop {
  struct dgram__list_node node; /* in the list of loops */
  uv_loop_t *uv;
  unsigned sockets;
  uv_idle_t idle;       /* active while tasks wait that run before the loop blocks */
  uv_prepare_t prepare; /* always active: runs just before the loop may block */
  uv_timer_t retry;     /* active while tasks wait for a time */
  uint64_t retry_at;    /* when it fires, ms */
  unsigned open_handles;
  struct dgram__udp_capabilities capabilities;
  struct dgram__rx_coalesce rx_coalesce;
  struct dgram__busy_poll busy_poll;
  bool has_sent;                              /* in this iteration */
  unsigned iteration;                         /* its number */
  unsigned low_latency;                       /* sockets with `low_latency` */
  struct dgram__tx_batch *tx_batch;           /* made at the first send of several datagrams */
  struct dgram__options_batch *options_batch; /* ... and at the first with options */
  void *rx_memory;                   /* receive buffers; NULL before the first receive call */
  struct dgram__task_queue flushes;  /* run by the idle handle: first */
  struct dgram__task_queue deferred; /* ... second */
  struct dgram__task_queue backlogs; /* ... third */
  struct dgram__task_queue waiting;  /* run by the retry timer, each at its socket's `wake_at` */
  dgram_socket_t **by_fd;            /* the sockets by their descriptors */
  int fd_room;                       /* descriptors that `by_fd` has room for */
  bool has_virtual_time;             /* of a simulated network */
  unsigned forks;                    /* of this process, as dgram__loop_enter() last saw them */
  const struct dgram__bind_agent *bind_agent;   /* binds for the loop's sockets; NULL: none */
  struct dgram_worker *worker;                  /* the agent's own state */
  struct dgram__send *free_list;                /* ended sends, kept for the next ones */
  size_t free_bytes;                            /* of these and their memory; 0: none are left */
  struct dgram__list time_limits;               /* of sockets, that may be over at some time */
  uv_timer_t limit_timer;                       /* for these; made for the first one */
  void (*free_sends)(struct dgram__loop *loop); /* frees these with the loop */
  void (*free_socket)(dgram_socket_t *socket);  /* at its last release */
  struct dgram__counters counters;              /* of the sockets that were freed */
  struct dgram__stats_codes *stats_codes;       /* ... and their errors; NULL: none */
  struct dgram__name_cache *names;              /* NULL: off */
  struct dgram__list stats_blocks;              /* of the others */
};

struct dgram__tasks {
  struct dgram_task flush;
  struct dgram_task resume;      /* after ENOBUFS, or receiving after a back-off */
  struct dgram_task complete;    /* the callbacks of sends */
  struct dgram_task async_error; /* of an earlier datagram */
  struct dgram_task bind;        /* to a numeric address; or report one made inside a call */
  struct dgram_task connect;     /* likewise; and report how it ended */
  struct dgram_task backlog;     /* datagrams received in an earlier iteration */
  struct dgram_task close;
};

/* The loop's shared state, made for its first socket, gone after its last. NULL: no memory. */
struct dgram__loop *dgram__loop_enter(uv_loop_t *uv);
void dgram__loop_leave(struct dgram__loop *loop);

/* The loop's shared state. NULL: the loop has no sockets. */
struct dgram__loop *dgram__loop_find(const uv_loop_t *uv);

/* How often this process is the child of a fork, from the first one with a socket on. */
unsigned dgram__forks(void);

/* Runs the task before the loop blocks; `queue` is one of the loop's. */
void dgram__enqueue(dgram_socket_t *socket, struct dgram__task_queue *queue,
                    const struct dgram__task_type *type);

/* Hands the task to the program's `defer`; if that declines, the task goes into `deferred`. */
void dgram__defer(dgram_socket_t *socket, const struct dgram__task_type *type);

/* Runs what the loop has to run before it blocks. Whether there is more: it would not block. */
bool dgram__loop_run_tasks(struct dgram__loop *loop);

/* Runs the task `resume` after so many milliseconds, or earlier if it is to already. */
void dgram__resume_after(dgram_socket_t *socket, unsigned ms, const struct dgram__task_type *type);

/* A socket has begun or ceased to keep the loop alive: then so does the retry timer, perhaps. */
void dgram__retry_refer(struct dgram__loop *loop);

/* The socket closes: its task `resume` runs in the next iteration. */
void dgram__retry_now(dgram_socket_t *socket);

/* ---- poll.c: what libuv watches for a socket ---- */

/* Whether libuv watches the socket's descriptor; poll.c draws it. */
enum __attribute__((packed)) dgram__poll_state {
  DGRAM__NOT_POLLED,
  DGRAM__POLLED,
  DGRAM__BACKED_OFF /* not for datagrams, for some ms: wake-ups led to nothing */
};

/* Whether a socket of this loop has the descriptor. */
bool dgram__poll_has_fd(const struct dgram__loop *loop, int fd);

/* Opens the poll handle, has it watch what the socket's state demands, closes it. */
int dgram__poll_open(dgram_socket_t *socket);
void dgram__poll_update(dgram_socket_t *socket);
void dgram__poll_close(dgram_socket_t *socket);

/* The socket is paused, or not any more. */
void dgram__poll_paused(dgram_socket_t *socket);

/* Flushes and receives again after so many milliseconds, or earlier. */
void dgram__retry_later(dgram_socket_t *socket, unsigned ms);

/* ---- name_cache.c: names that are known, or looked up for several ---- */

struct dgram__name_query;

/* Who waits for a name: a member of its own struct. */
struct dgram__name_waiter {
  struct dgram__list_node node;    /* in its query */
  struct dgram__name_query *query; /* NULL: it does not wait */
  void (*answer)(struct dgram__name_waiter *waiter, int status,
                 const union dgram__address *address); /* called once, as dgram__resolved_fn */
};

/* The loop has a cache. Whether it knows the name's address. */
bool dgram__name_cache_get(struct dgram__loop *loop, const char *host, int family,
                           union dgram__address *address);

/* It does not: waits for the look-up of the name. False: it can't be looked up like this. */
bool dgram__name_cache_join(struct dgram__loop *loop, const char *host, int family,
                            struct dgram__name_waiter *waiter);

/* Ceases to wait. */
void dgram__name_cache_leave(struct dgram__name_waiter *waiter);

/* ---- resolve.c: names to addresses ---- */

enum { DGRAM__HOST_MAX = 255 }; /* bytes of a host name, RFC 1035, 2.3.4 */

/* The address argument of a bind, connect or send. */
struct dgram__destination {
  union dgram__address address;
  const char *host; /* a name to look up, and then `address` has its port; or NULL */
  char text[DGRAM_ADDRESS_TEXT];
};

/*
 * Reads an address argument and its port. NULL or "" is this host, or else all interfaces. Returns
 * 0, or UV_EINVAL for a name that is too long. `host` borrows the argument, or points to `text`.
 */
int dgram__destination_read(const dgram_socket_t *socket, int port, const char *address,
                            bool to_this_host, struct dgram__destination *destination);

/* Called once, with status 0 and an address of either family with port 0, or with an error. */
typedef void dgram__resolved_fn(void *owner, int status, const union dgram__address *address);

/* Called instead with a bound descriptor. Returns 0, or an error with `fd` still the program's. */
typedef int dgram__resolved_fd_fn(void *owner, int fd);

/* Reads a numeric address of the socket's family, likewise. Returns 0, or UV_EINVAL for another. */
int dgram__numeric_read(const dgram_socket_t *socket, int port, const char *address,
                        bool to_this_host, union dgram__address *numeric);

/*
 * Looks a host name up; a program's own look-up may answer inside the call. Returns 0, or an
 * error, and then neither function is called. `resolved_fd` NULL: a descriptor is no valid answer.
 */
int dgram__resolve_start(dgram_socket_t *socket, dgram_lookup_t **lookup, const char *host,
                         dgram__resolved_fn *resolved, dgram__resolved_fd_fn *resolved_fd,
                         void *owner);

/* Asks the system for a name's addresses. Returns 0 or an error. */
int dgram__resolve_by_system(uv_loop_t *loop, uv_getaddrinfo_t *request, uv_getaddrinfo_cb callback,
                             const char *host, int family);

/* The name that is looked up. */
const char *dgram__resolve_host(const dgram_lookup_t *lookup);

/* The owner goes: neither function is called any more. */
void dgram__resolve_forget(dgram_lookup_t *lookup);

/* When the look-up is given up, in the loop's ms; 0: never. */
uint64_t dgram__resolve_deadline(const dgram_lookup_t *lookup);
void dgram__resolve_set_deadline(dgram_lookup_t *lookup, uint64_t deadline);

/* If its deadline is over, the look-up fails with UV_ETIMEDOUT. NULL: nothing happens. */
void dgram__resolve_time_out(dgram_lookup_t *lookup, uint64_t now);

/* ---- send.c: sends, until their callbacks ---- */

/* What a send has to be checked for, as flags; with none of them it takes the fast path. */
enum {
  DGRAM__GUARD_LIFE = 1,        /* the socket is not open any more */
  DGRAM__GUARD_ACCESS = 2,      /* it may not send to all addresses */
  DGRAM__GUARD_QUEUE_LIMIT = 4, /* the send queue is limited, or 'drain' is due */
  DGRAM__GUARD_TIME_LIMIT = 8   /* sends are limited in time */
};

/* Why a flush does not go on. */
enum __attribute__((packed)) dgram__blocked {
  DGRAM__NOT_BLOCKED,
  DGRAM__BLOCKED_BY_EAGAIN, /* the socket's send buffer is full */
  DGRAM__BLOCKED_BY_ENOBUFS /* the device's queue, or no port is free: only time tells */
};

/* When the callbacks of `completed` are called. */
enum __attribute__((packed)) dgram__completion {
  DGRAM__COMPLETE_LATER,   /* by a deferred task */
  DGRAM__COMPLETE_IN_CALL, /* before the dgram_flush() under way returns */
  DGRAM__COMPLETING        /* they are being called now */
};

/* ICMP errors of earlier datagrams that send() has reported. */
struct dgram__async_error {
  int suspect; /* the error of a send that is being retried; 0: none */
  int error;   /* to be emitted by the task `async_error` */
};

/*
 * Every accepted send is in exactly one of the queues, and counted in `bytes_accepted` and `count`.
 * What has been sent is thus known without an instruction for it: see dgram__tx_bytes().
 */
struct dgram__tx {
  struct dgram__queue wait_bind; /* until the socket is bound */
  struct dgram__list resolving;  /* until the address of the host name is known */
  struct dgram__queue ready;     /* until they are flushed, or no longer blocked */
  struct dgram__queue completed; /* until their callbacks are called */
  struct dgram__queue cancelled; /* the same, after 'close' */
  uint64_t bytes_accepted;       /* of all sends, but for those that ended and were not sent */
  uint64_t bytes_sent;           /* of the sends that ended otherwise */
  unsigned count;
  unsigned markers;     /* of `ready` are not plain datagrams: failures, options; with options */
  unsigned no_callback; /* of `ready` have no callback */
  uint8_t retries;      /* ENOBUFS in a row; since a send last succeeded or none was left */
  enum dgram__blocked blocked;
  enum dgram__completion completion;
  unsigned char guards; /* DGRAM__GUARD_...: why a send does not take the fast path */
  struct dgram__async_error async_error;
};

/* The bytes of the sends in the queues. */
static inline size_t dgram__tx_bytes(const struct dgram__tx *tx) {
  return (size_t)(tx->bytes_accepted - tx->bytes_sent);
}

void dgram__send_init(dgram_socket_t *socket);

/* The socket is bound: what waited for it is resolved, or becomes ready. */
void dgram__send_bound(dgram_socket_t *socket);

/* The socket could not be bound: what waited for it ends with this error. */
void dgram__send_bind_failed(dgram_socket_t *socket, int code, const char *syscall);

/* The socket is no longer connected: what was sent to its peer still goes there. */
void dgram__send_disconnected(dgram_socket_t *socket, const union dgram__address *peer);

/* Hands what is ready to the kernel, until nothing is left or it is blocked. */
void dgram__send_flush(dgram_socket_t *socket);

/* Flushes what was blocked. Whether anything has left, or it is not blocked any more. */
bool dgram__send_resume(dgram_socket_t *socket);

/*
 * A writable socket has answered EAGAIN: no port is free for the automatic bind. It is retried
 * after the back-off. `first`: EAGAIN is emitted as an 'error'.
 */
void dgram__send_blocked_by_ports(dgram_socket_t *socket, bool first);

/*
 * The system socket is about to change in a way that must not act on what was sent before: what can
 * leave does, even if it only waits for 'listening'.
 */
void dgram__send_before_change(dgram_socket_t *socket);

/*
 * Sets options of the system socket, 1 or 2, behind the sends that are ready: at once if they can
 * leave. Returns 0, or an error and none is set.
 */
int dgram__send_then_make(dgram_socket_t *socket, const struct dgram__sockopt_call calls[],
                          unsigned count);

/* The same for one option. */
int dgram__send_then_set(dgram_socket_t *socket, int level, int name, const void *value,
                         socklen_t length);

/* Calls the callbacks of a queue's sends, of as many as there are now. */
void dgram__send_complete(dgram_socket_t *socket, struct dgram__queue *queue);

/* Calls those of the completed sends; inside such a callback it is deferred. */
void dgram__send_complete_all(dgram_socket_t *socket);

/* The socket closes: what has not left moves to `cancelled`. */
void dgram__send_cancel_all(dgram_socket_t *socket);

/* Ends a send that is in no queue. Nothing is reported. */
void dgram__send_drop(dgram_socket_t *socket, struct dgram__send *send);

/*
 * Whether datagrams can leave inside a call: binds an unbound socket, and flushes what was sent
 * before. Returns 0, UV_EAGAIN or an error of the bind.
 */
int dgram__send_try_begin(dgram_socket_t *socket);

/*
 * Then sends a prefix of what was made; these end, and nothing is reported. Returns 0 if all have
 * left, or the error about the first that is still in `made`.
 */
int dgram__send_try(dgram_socket_t *socket, struct dgram__queue *made);

/* The send has failed, and ends behind those that are ready: so errors come in order. */
void dgram__send_fail(dgram_socket_t *socket, struct dgram__send *send, int code,
                      const char *syscall, enum dgram__shown shown);

/* The same of one that is ready: it keeps its place. */
void dgram__send_fail_ready(dgram_socket_t *socket, struct dgram__send *send, int code);

/* Sends at the head of `ready` have failed: they end though those behind them may be blocked. */
void dgram__send_pass_failed(dgram_socket_t *socket);

/* Sets or clears a guard of sends. */
void dgram__send_guard(dgram_socket_t *socket, unsigned guard, bool set);

/* Completions are reported by a task, and then 'drain' is emitted if it is due. */
void dgram__send_drain_later(dgram_socket_t *socket);

/* ---- send_accept.c: a send is accepted ---- */

/* The arguments of a send to an address in binary form. */
struct dgram__outgoing {
  const uv_buf_t *buffers;
  size_t count;
  const struct sockaddr *to; /* NULL: the peer */
  size_t size;               /* of the buffers together */
  bool has_options;
  struct dgram__tx_options options;
};

/* Sets options that were read. Returns 0, or UV_EINVAL for a source that does not fit `to`. */
int dgram__outgoing_set_options(const dgram_socket_t *socket,
                                const struct dgram__tx_options *options,
                                struct dgram__outgoing *outgoing);

/* Checks the arguments of a send and reads them. Returns 0, or what the send is to return. */
int dgram__send_read(dgram_socket_t *socket, const uv_buf_t buffers[], size_t count,
                     const struct sockaddr *to, const dgram_send_options_t *options,
                     struct dgram__outgoing *outgoing);

/* A send of these, in no queue yet. NULL: no memory. */
struct dgram__send *dgram__send_make(dgram_socket_t *socket, const struct dgram__outgoing *outgoing,
                                     dgram_send_cb callback, void *context);

/* Sends that were made begin here, in no queue of the socket yet. */
static inline struct dgram__queue dgram__send_made(void) {
  return (struct dgram__queue){.state = DGRAM__SEND_FREE};
}

/* Accepts what was made. Returns 0; or an error of the bind that it starts, and they have ended. */
int dgram__send_accept(dgram_socket_t *socket, struct dgram__queue *made);

/* ---- send_cancel.c: sends that fail where they wait ---- */

/* Every accepted send that has not left gets this deadline, in the loop's ms. */
void dgram__send_set_deadlines(dgram_socket_t *socket, uint64_t deadline);

/* Tries once more, and then ends the sends whose deadline is over. */
void dgram__send_time_out(dgram_socket_t *socket, uint64_t now);

/* The same for the look-ups of sends; 0: none. */
void dgram__send_set_lookup_deadlines(dgram_socket_t *socket, uint64_t deadline);

/* Ends the sends whose look-up is over its deadline. */
void dgram__send_time_out_lookups(dgram_socket_t *socket, uint64_t now);

/* The earliest deadline of a send, and of a look-up of one. UINT64_MAX: there is none. */
uint64_t dgram__send_first_deadline(const dgram_socket_t *socket);
uint64_t dgram__send_first_lookup_deadline(const dgram_socket_t *socket);

/* ---- async_error.c: ICMP errors of earlier datagrams ---- */

/*
 * The first of the ready sends has failed. If the error may be that of an earlier datagram it is
 * the suspect, and the send is made again. Whether it is.
 */
bool dgram__async_error_suspect(dgram_socket_t *socket, int err);

/* There is a suspect, and the retry has ended with `result`. */
void dgram__async_error_settle(dgram_socket_t *socket, int result);

/* Takes the pending ICMP error of an earlier datagram, if there is one, and has it emitted. */
void dgram__async_error_take(dgram_socket_t *socket);

/* ---- send_with.c: sends with options, lists ---- */

/*
 * As dgram_send_with(), for a post that was accepted already: no limit of the queue refuses it.
 * `options` NULL: it has none.
 */
int dgram__send_posted(dgram_socket_t *socket, const uv_buf_t *buffer, const struct sockaddr *to,
                       const struct dgram__tx_options *options, dgram_send_cb callback,
                       void *context);

/* ---- send_options.c: the options of one datagram ---- */

/* Reads the options of a send of a socket of the family. Returns 0, UV_EINVAL or UV_ENOTSUP. */
int dgram__send_options_read(int family, const dgram_send_options_t *given,
                             struct dgram__tx_options *options);

/* Returns 0, or UV_EINVAL for a source by which nothing goes to the address: one is IPv4-mapped. */
int dgram__send_options_check_source(const struct dgram__tx_options *options,
                                     const struct sockaddr *to);

/* ---- send_limit.c: how much may be queued ---- */

/* Whether a send was refused, and no 'drain' has come since. */
enum dgram__drain { DGRAM__DRAIN_NOT_DUE, DGRAM__DRAIN_DUE };

/* The limit of the send queue. All zero: it never had one. */
struct dgram__send_limit {
  size_t bytes; /* SIZE_MAX: unlimited; so is `count` */
  size_t count;
  size_t low_bytes;
  size_t low_count;
  size_t refused;       /* bytes of what was refused last: a datagram, or a list */
  size_t refused_count; /* of its datagrams */
  enum dgram__drain drain;
};

/* Returns 0, or UV_ENOBUFS: a datagram of this size is refused, and 'drain' is due then. */
int dgram__send_limit_admit(dgram_socket_t *socket, size_t size);

/* The same of a list of sends, with so many bytes together: all of it or nothing. */
int dgram__send_limit_admit_list(dgram_socket_t *socket, size_t size, size_t count);

/* The queue has shrunk: 'drain' comes, if it is due. */
void dgram__send_limit_check(dgram_socket_t *socket);

/* Emits 'drain' if it is due, and the queue has room still. */
void dgram__send_limit_emit(dgram_socket_t *socket);

/* ---- time_limits.c: of sends and look-ups ---- */

/* All zero: there are none. */
struct dgram__time_limits {
  struct dgram__list_node node; /* in the loop's list, while `at` is not 0 */
  uint64_t at;                  /* when something may be over; the loop's ms */
  unsigned send_ms;             /* 0: unlimited */
  unsigned lookup_ms;
};

/* The deadline of a send that is accepted now, in the loop's ms. Sends are limited in time. */
uint64_t dgram__time_limit_send(dgram_socket_t *socket);

/* The deadline of a look-up that starts now. 0: there is none. */
uint64_t dgram__time_limit_lookup(dgram_socket_t *socket);

/* The socket has closed. */
void dgram__time_limits_forget(dgram_socket_t *socket);

/* ---- receive.c: from a wake-up to the listeners ---- */

/* Which datagrams are emitted, as flags; with none of them all are. */
enum {
  DGRAM__FILTER_NONE = 0,
  DGRAM__FILTER_PEER = 1,   /* while connected, the peer's: they may have come before the connect */
  DGRAM__FILTER_ACCESS = 2, /* those that access lists and the limit of the rate let pass */
  DGRAM__FILTER_DIVERT = 4  /* the peer's; the others go to the server's listeners */
};

/* Where `max_batch` comes from. */
enum __attribute__((packed)) dgram__rx_sizing {
  DGRAM__BATCH_SAFE, /* the library: 1 on a system socket that others have, too */
  DGRAM__BATCH_GIVEN /* `receive_batch` of the options */
};

enum __attribute__((packed)) dgram__rx_delivery {
  DGRAM__DELIVERY_UNDISTURBED,
  DGRAM__DELIVERY_INTERRUPTED /* a listener has closed, connected or paused the socket */
};

/* Why a socket does not receive; flags, since both may hold. */
enum { DGRAM__PAUSED_BY_PROGRAM = 1, DGRAM__PAUSED_WITHOUT_LISTENER = 2 };

struct dgram__rx {
  struct dgram__backlog *backlog;     /* received, and not emitted in that iteration; or NULL */
  struct dgram__rx_batch *delivering; /* what listeners get now, or after the callbacks of sends */
  unsigned budget;                    /* datagrams that are emitted in an iteration */
  unsigned backlog_iteration;         /* the last one in which the backlog was emitted from */
  uint32_t message_ns;                /* that a listener of 'messages' takes for one; 0: unknown */
  int reported_error;                 /* of receiving, which has not gone; or 0 */
  unsigned char next_batch;           /* buffers of the next receive call */
  unsigned char max_batch;            /* ... at most */
  enum dgram__rx_sizing sizing;
  enum dgram__rx_delivery delivery;
  unsigned char filter; /* DGRAM__FILTER_..., for what is in the system's queue */
  unsigned char paused; /* reasons; 0: it receives */
  uint16_t reporting;   /* messages that listeners of 'messages' get now; 0: none */
};

void dgram__receive_init(dgram_socket_t *socket, const dgram_options_t *options);

/* Others have the system socket, too. */
void dgram__receive_share(dgram_socket_t *socket);

/* Receives a batch and emits its messages, as far as the iteration allows. Whether anything came.
 */
bool dgram__receive(dgram_socket_t *socket);

/* The socket has just been connected. */
void dgram__receive_connected(dgram_socket_t *socket);

/* What has been received and not emitted is checked by the access lists, which have changed. */
void dgram__receive_recheck(dgram_socket_t *socket);

/* The socket has changed: a delivery under way looks at it before it goes on. */
void dgram__receive_interrupt(dgram_socket_t *socket);

/* Listeners of 'message' or 'messages' were added or removed: perhaps it is paused without any. */
void dgram__receive_listeners_changed(dgram_socket_t *socket);

/* ---- receive_backlog.c: what was received, and is not emitted yet ---- */

/* 'listening' has been emitted. */
void dgram__receive_listening(dgram_socket_t *socket);

/* Others will have it: what has been received is emitted now. */
void dgram__receive_lend(dgram_socket_t *socket);

/*
 * The socket has been bound and, perhaps, connected inside a call: receives what has come by now.
 * What is not its peer's, goes to the server's listeners, behind what the system has queued for
 * that; the rest to its own. Without memory it is lost.
 */
void dgram__receive_divert(dgram_socket_t *socket, dgram_socket_t *server);

/* The socket closes. */
void dgram__receive_forget(dgram_socket_t *socket);

/* ---- events.c: events and their listeners ---- */

struct dgram__events {
  struct dgram__listeners messages;
  struct dgram__listeners message;
  struct dgram__listeners listening;
  struct dgram__listeners error;
  struct dgram__listeners connect;
  struct dgram__listeners close;
};

void dgram__emit_messages(dgram_socket_t *socket, const dgram_message_t *const messages[],
                          size_t count);
void dgram__emit_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo);
void dgram__emit_listening(dgram_socket_t *socket);
void dgram__emit_connect(dgram_socket_t *socket);
void dgram__emit_drain(dgram_socket_t *socket);
void dgram__emit_close(dgram_socket_t *socket);
void dgram__emit_described_error(dgram_socket_t *socket, const dgram_error_t *error);
void dgram__emit_error(dgram_socket_t *socket, int code, const char *syscall, const char *address,
                       int port);

/* The same for a failure that is not reported by the call that caused it: of an earlier datagram.
 */
void dgram__emit_async_error(dgram_socket_t *socket, int code);

void dgram__events_clear(struct dgram__events *events);

/* Adds a listener to those of an event; removes the newest one. Returns 0 or an error. */
int dgram__events_add(dgram_socket_t *socket, struct dgram__listeners *listeners,
                      dgram__listener_fn *listener, void *context, enum dgram__listener_kind kind);
int dgram__events_remove(dgram_socket_t *socket, struct dgram__listeners *listeners,
                         dgram__listener_fn *listener, void *context);

/* ---- stats.c: counters ---- */

/* The socket's counters, made if there are none yet; without memory for them its loop's sums. */
struct dgram__counters *dgram__count(dgram_socket_t *socket);

/* A send has ended with this code. */
void dgram__count_send_error(dgram_socket_t *socket, int code);

/* An error of receiving, or an ICMP error of an earlier datagram. */
void dgram__count_receive_error(dgram_socket_t *socket, int code);

/* Sends may have waited until now: takes the high-water marks. */
void dgram__count_queue(dgram_socket_t *socket);

/* An ICMP error that was read from the error queue. */
void dgram__count_icmp(dgram_socket_t *socket, int code);

/* The system socket is about to be closed. */
void dgram__count_closing(dgram_socket_t *socket);

/* The socket is freed: what it counted stays in its loop's sums. */
void dgram__count_freed(dgram_socket_t *socket);

/* ---- post_send.c: sends from any thread ---- */

struct dgram__posts {
  struct dgram__list senders; /* that are not closed */
  struct dgram__list failed;  /* posts that could not be sent; to be reported */
};

/* The socket is about to be closed: takes over what was posted, and closes its senders. */
void dgram__posts_close(dgram_socket_t *socket);

/* Calls the callbacks of posts that could not be sent. */
void dgram__posts_report(dgram_socket_t *socket);

/* Adds what was refused to the counters. */
void dgram__posts_count(dgram_socket_t *socket);

/* ---- bind.c: from a socket to a system socket ---- */

/* How far a socket is with its system socket; bind.c draws it. */
enum __attribute__((packed)) dgram__bind_state {
  DGRAM__UNBOUND,
  DGRAM__BIND_RESOLVING,
  DGRAM__BIND_SCHEDULED,      /* the address is known; the loop binds */
  DGRAM__BIND_ASKING_PRIMARY, /* the answer is the system socket */
  DGRAM__BOUND,               /* 'listening' is still to be emitted */
  DGRAM__LISTENING
};

struct dgram__bind_request; /* the agent's own */

/*
 * Binds for the sockets of a loop, in place of the system: a worker requests binds from its
 * primary. A table of functions, static: it outlives the requests.
 */
struct dgram__bind_agent {
  /*
   * Requests a system socket bound to `binding.to`, or with `fd` > 0 that descriptor of the
   * primary's. Returns 0, and dgram__bind_replied() comes later; or an error.
   */
  int (*request)(dgram_socket_t *socket, int fd, struct dgram__bind_request **made);

  void (*listening)(struct dgram__bind_request *request);

  /* The socket has closed: cancels the request, or returns the system socket. */
  void (*release)(struct dgram__bind_request *request);
};

/* A bind under way, and what came of it. */
struct dgram__binding {
  enum dgram__bind_state state;
  union dgram__address to;               /* AF_UNSPEC: to a descriptor of the primary's */
  const struct dgram__bind_agent *agent; /* NULL: the system binds */
  struct dgram__bind_request *request;   /* of the agent, from ASKING_PRIMARY on; or NULL */
  dgram_lookup_t *lookup;                /* while RESOLVING; or NULL */
  int buffer_size_reason;                /* the errno of SO_RCVBUF or SO_SNDBUF */
};

/* Starts to bind the unbound socket to a random port on all interfaces. Returns 0 or an error. */
int dgram__bind_implicitly(dgram_socket_t *socket);

/* The same inside the call; 'listening' comes from the loop. */
int dgram__bind_at_once(dgram_socket_t *socket);

/*
 * Binds and connects the unbound socket inside the call, or neither; 'listening' comes from the
 * loop, and 'connect' does not come. What it gets meanwhile, and is not the peer's, is handed to
 * the server. Returns 0 or an error.
 */
int dgram__bind_connected(dgram_socket_t *socket, const union dgram__address *local,
                          const union dgram__address *peer, dgram_socket_t *server);

/* The agent's reply: takes over a system socket. Returns 0, or an error with `fd` the agent's. */
int dgram__bind_take_shared(dgram_socket_t *socket, int fd);

/* Then, or if there is no system socket: ends the bind. An error ends the request, too. */
void dgram__bind_replied(dgram_socket_t *socket, int status);

/* The agent has gone: closes the socket, whose system socket was its reply. */
void dgram__bind_revoked(dgram_socket_t *socket);

/* The socket closes: a bind under way is cancelled, and what is shared is returned. */
void dgram__bind_forget(dgram_socket_t *socket);

/* ---- connect.c: the peer ---- */

/* How far a socket is on its way to a peer; connect.c draws it. */
enum __attribute__((packed)) dgram__connect_state {
  DGRAM__DISCONNECTED,
  DGRAM__CONNECT_WAITING_FOR_BIND,
  DGRAM__CONNECT_RESOLVING,
  DGRAM__CONNECT_SCHEDULED, /* the address is known; the loop, or the call under way, connects */
  DGRAM__CONNECT_FAILED,    /* to be reported */
  DGRAM__CONNECTED_PENDING, /* to be reported */
  DGRAM__CONNECTED
};

/* A dgram_connect() whose result has not been reported. */
struct dgram__attempt {
  struct dgram__list_node node; /* in `ended` */
  union dgram__address to;
  int status; /* an error to be reported, and what failed */
  enum dgram__shown shown;
  const char *syscall;
  char *host; /* as given, if it is a name; or NULL */
  dgram_lookup_t *lookup;
  dgram_connect_cb callback;
  void *context;
};

/* The peer, and an attempt to connect. */
struct dgram__connecting {
  enum dgram__connect_state state;
  union dgram__address to;        /* when connected: the peer as the program named it */
  union dgram__address peer;      /* ... and as the system does */
  struct dgram__attempt *attempt; /* that the state is about; NULL: it is a dgram_connect_sync() */
  struct dgram__list ended;       /* attempts that ended before their result was reported */
};

/* Whether sends go to a peer. */
static inline bool dgram__is_connected(const struct dgram__connecting *connecting) {
  return connecting->state >= DGRAM__CONNECTED_PENDING;
}

/* The socket is bound: a connect that waited goes on. */
void dgram__connect_bound(dgram_socket_t *socket);

/* The socket could not be bound: a connect that waited ends with this error. */
void dgram__connect_bind_failed(dgram_socket_t *socket, int code, const char *syscall);

/* The system socket is connected already, perhaps; UV_ENOTCONN or another error: it is not. */
int dgram__connect_adopt(dgram_socket_t *socket);

/* The socket closes: an attempt under way is cancelled. */
void dgram__connect_cancel(dgram_socket_t *socket);

/* Reports cancelled attempts to their callbacks, after 'close'. */
void dgram__connect_report_cancelled(dgram_socket_t *socket);

/* ---- options.c: of the system socket ---- */

/* 0; UV_EINVAL: NULL; or the specification's error for a socket that was closed. */
int dgram__check_open(const dgram_socket_t *socket);

/* setsockopt(2), for what does not concern sends; returns 0 or its error. */
int dgram__set_option(const dgram_socket_t *socket, int level, int name, const void *value,
                      socklen_t length);

/* Sets SO_RCVBUF or SO_SNDBUF, unless the size is 0. Returns 0 or the specification's error. */
int dgram__set_buffer_size(dgram_socket_t *socket, int name, int size);

/* ---- multicast.c: groups on one interface ---- */

enum dgram__membership_change { DGRAM__MEMBERSHIP_JOIN, DGRAM__MEMBERSHIP_LEAVE };

/* Binds an unbound socket inside the call: without a system socket there is no member. */
int dgram__multicast_bind_if_unbound(dgram_socket_t *socket);

/* Joins or leaves a group of either family on the interface with this index; 0 or an error. */
int dgram__multicast_set(const dgram_socket_t *socket, const union dgram__address *group,
                         unsigned index, enum dgram__membership_change change);

/* ---- accept_peer.c: a connected socket for each peer of a server ---- */

/* A server and the sockets of its peers. */
struct dgram__accepting {
  struct dgram__list accepted;  /* of a server: its peers' */
  dgram_socket_t *server;       /* of a peer's socket; NULL: none, or it has closed */
  struct dgram__list_node node; /* in its list */
};

/* The server that has accepted the socket's peer. NULL: none, or it has closed. */
dgram_socket_t *dgram__accept_server(const dgram_socket_t *socket);

/* The socket closes. */
void dgram__accept_forget(dgram_socket_t *socket);

/* ---- membership_all.c: groups on every interface ---- */

struct dgram__membership_all;

/* The socket closes: the interfaces are not watched any more. */
void dgram__membership_all_forget(dgram_socket_t *socket);

/* ---- sockopts.c: options of the system socket by name ---- */

/* What a socket keeps for its bind, and for the sockets of peers that it accepts. */
struct dgram__sockopts {
  uint32_t kept; /* bits by dgram_sockopt_t: those that have a value */
  int64_t values[DGRAM__SOCKOPT_END];
  char bind_device[DGRAM_INTERFACE_NAME]; /* "": none */
};

/* The calls that a bind has to make. */
struct dgram__sockopt_calls {
  unsigned count;
  struct dgram__sockopt_call all[DGRAM__SOCKOPT_MOST_CALLS];
};

/* Whether these options of a socket can be kept: 0, or UV_EINVAL or UV_ENOTSUP. */
int dgram__sockopts_check(const dgram_options_t *options);

/* Keeps them. Returns 0 or UV_ENOMEM. */
int dgram__sockopts_init(dgram_socket_t *socket, const dgram_options_t *options);

/* Keeps what another socket has set, but for the interface. Returns 0 or UV_ENOMEM. */
int dgram__sockopts_inherit(dgram_socket_t *socket, const dgram_socket_t *from);

/* What is to be set before bind(2). */
void dgram__sockopts_list(const dgram_socket_t *socket, struct dgram__sockopt_calls *calls);

/* Sets what is kept on a bound system socket that is taken over. Returns 0 or an error. */
int dgram__sockopts_adopt(dgram_socket_t *socket);

/* The MTU of the path to an address, AF_UNSPEC: to the peer; 0: unknown. */
int dgram__path_mtu(const dgram_socket_t *socket, const union dgram__address *to);

/* ---- icmp.c: the event 'icmp' ---- */

/* Whether the system is asked for ICMP errors; icmp.c draws it. */
enum __attribute__((packed)) dgram__icmp_state { DGRAM__ICMP_OFF, DGRAM__ICMP_ON };

struct dgram__icmp {
  struct dgram__listeners listeners;
  enum dgram__icmp_state state;
  unsigned char former;  /* IP_RECVERR and IPV6_RECVERR before that: DGRAM__RECVERR_… */
  unsigned char retries; /* in a row, of a send */
};

/*
 * Whether an error is one of ICMP that no call of this socket has led to: it is not connected, and
 * on its system socket another holder has asked for such errors. It is counted, and not emitted.
 */
bool dgram__icmp_is_for_others(const dgram_socket_t *socket, int err);

/* The socket has a system socket. Returns 0, or the error of asking it. */
int dgram__icmp_bound(dgram_socket_t *socket);

/*
 * Emits what the error queue has, as far as an iteration may. Returns the code of another pending
 * error, to be emitted; else how many messages were taken, 0: nothing was pending.
 */
int dgram__icmp_take(dgram_socket_t *socket);

/*
 * A send has failed with this error while ICMP errors are asked for. Whether it may be that of an
 * earlier datagram, and the send is to be made again at once: this counts as one of few retries.
 */
bool dgram__icmp_retry(dgram_socket_t *socket, int err);

/* Whether a send that has used up its retries is better made again later. */
bool dgram__icmp_floods(const dgram_socket_t *socket, int err);

/* The send has ended, or waits. */
void dgram__icmp_end_retries(dgram_socket_t *socket);

void dgram__icmp_free(struct dgram__icmp *icmp);

/* ---- abort.c: abort signals ---- */

/* A new socket joins a signal. Returns 0, UV_ECANCELED: it is aborted already, or UV_ENOMEM. */
int dgram__abort_signal_join(dgram_socket_t *socket, dgram_abort_signal_t *signal);
void dgram__abort_signal_leave(dgram_socket_t *socket);

/* ---- access.c: who may talk ---- */

/*
 * Of the buffers that have just been received, drops those that access lists refuse, and what is
 * over the limit of the rate: they become DGRAM__RX_REFUSED, or have fewer datagrams.
 */
void dgram__access_filter(dgram_socket_t *socket, struct dgram__rx_buffer buffers[],
                          unsigned count);

/* So many datagrams were refused by the access lists. */
void dgram__access_count_refused(dgram_socket_t *socket, unsigned datagrams);

/* Whether access lists let a datagram of this sender pass. */
bool dgram__access_may_receive(const dgram_socket_t *socket, const union dgram__address *from);

/* Gives a new socket the lists of another, and its rate limit, for one source. Returns 0 or an
 * error. */
int dgram__access_inherit(dgram_socket_t *socket, const dgram_socket_t *from);

/* 0; or DGRAM_ERR_IP_BLOCKED, which is counted. AF_UNSPEC: the peer. */
int dgram__access_send(dgram_socket_t *socket, const union dgram__address *to);

/* Gives up lists and limit. */
void dgram__access_free(dgram_socket_t *socket);

/* ---- socket.c: its life ---- */

/* A socket is open, will close, has closed; socket.c draws it. */
enum __attribute__((packed)) dgram__life { DGRAM__OPEN, DGRAM__CLOSING, DGRAM__CLOSED };

/* The flags of dgram__options. */
enum {
  DGRAM__REUSE_ADDR = 1,
  DGRAM__REUSE_PORT = 2,
  DGRAM__IPV6_ONLY = 4,
  DGRAM__DISABLE_GSO = 8,
  DGRAM__LOW_LATENCY = 16,
  DGRAM__DISABLE_GRO = 32,
  DGRAM__PAUSE_WITHOUT_LISTENER = 64,
  DGRAM__SHARED = 128 /* no option: others have, or may have, the system socket, too */
};

/* What a socket keeps of dgram_options_t, in less room. */
struct dgram__options {
  dgram_type_t type;
  int recv_buffer_size;
  int send_buffer_size;
  uint16_t flags;
  uint16_t receive_info; /* DGRAM_INFO_... */
  dgram_lookup_cb lookup;
  void *lookup_context;
  dgram_defer_cb defer;
  void *defer_context;
};

/*
 * What few sockets need, apart from the socket so that an idle one is small: made by the first
 * feature that has something to keep, and freed with the socket. All zero: no feature is in use.
 */
struct dgram__extras {
  dgram_abort_signal_t *signal;
  struct dgram__list_node signal_node;          /* in the signal's list */
  dgram_socket_t *socket;                       /* that these belong to */
  struct dgram__network *network;               /* `sim_host` of the options; or NULL */
  struct dgram__membership_all *membership_all; /* groups on every interface; NULL: none */
  struct dgram__accepting accepting;
  struct dgram__sockopts *sockopts; /* owned; NULL: none was set */
  const char *refused;              /* the option that a bind has failed for; NULL: none */
  struct dgram__icmp icmp;
  struct dgram__access *access; /* lists and limit; NULL: it never had any */
  struct dgram__listeners drain;
  struct dgram__send_limit send_limit;
  struct dgram__time_limits time_limits;
  struct dgram__posts posts;
};

struct dgram_socket {
  struct dgram__loop *loop;
  struct dgram__options options;
  unsigned holds;
  enum dgram__life life;
  enum dgram__poll_state poll_state;
  unsigned char poll_events; /* what libuv watches for */
  unsigned char
      receive_events;         /* of these for receiving: UV_READABLE; paused: UV_DISCONNECT; or 0 */
  unsigned char idle_wakeups; /* in a row: wake-ups that led to nothing */
  bool referenced;            /* keeps the loop alive while bound */
  bool *gone;                 /* set when the memory is freed: by dgram_dispose(); or NULL */
  uv_poll_t poll;
  struct dgram__udp udp;
  struct dgram__events events;
  struct dgram__binding binding;
  struct dgram__connecting connecting;
  struct dgram__tx tx;
  struct dgram__rx rx;
  uint64_t wake_at; /* when the task `resume` runs, if it waits; ms */
  struct dgram__tasks tasks;
  struct dgram__extras *extras; /* NULL: no feature has anything to keep */
};

static inline bool dgram__is_bound(const dgram_socket_t *socket) {
  return socket->binding.state >= DGRAM__BOUND;
}

/* Whether the socket keeps the loop alive, once it is bound. */
static inline bool dgram__keeps_loop_alive(const dgram_socket_t *socket) {
  return socket->referenced || socket->tx.ready.count > 0;
}

/*
 * Reads and checks options: the members that the program knew when it was compiled; the others have
 * their default. Returns 0, or the error of dgram_create_socket_options() for them.
 */
int dgram__options_read(dgram_options_t *options, const dgram_options_t *given);

/* The simulated network that the socket is on; NULL: the kernel's. */
static inline struct dgram__network *dgram__network_of(const dgram_socket_t *socket) {
  return socket->extras != NULL ? socket->extras->network : NULL;
}

/* The socket's counters, for a call of src/udp, which counts there. */
static inline struct dgram__counters *dgram__count_call(dgram_socket_t *socket) {
  return socket->udp.counters != NULL ? socket->udp.counters : dgram__count(socket);
}

/* The socket lives while it is held; the last release frees it. */
static inline void dgram__hold(dgram_socket_t *socket) {
  socket->holds++;
}

static inline void dgram__release(dgram_socket_t *socket) {
  assert(socket->holds > 0);
  if (--socket->holds == 0)
    socket->loop->free_socket(socket);
}

/* Whether ICMP errors are emitted by 'icmp', so that they are not errors. */
static inline bool dgram__icmp_is_on(const dgram_socket_t *socket) {
  return socket->extras != NULL && socket->extras->icmp.state == DGRAM__ICMP_ON;
}

/* Whether others have the system socket, too. */
static inline bool dgram__is_shared(const dgram_socket_t *socket) {
  return (socket->options.flags & DGRAM__SHARED) != 0;
}

/* The socket's extras, made if there are none yet. NULL: no memory. */
struct dgram__extras *dgram__extras(dgram_socket_t *socket);

/* Fills in the system socket's own name, or its peer's. Returns 0 or an error. */
int dgram__describe_name(const dgram_socket_t *socket, bool peer, dgram_address_t *address);

/* Closes the socket for good if the program has closed it and nothing waits for the bind. */
void dgram__close_if_ready(dgram_socket_t *socket);

#endif
