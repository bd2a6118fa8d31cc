/*
 * The socket, the state that the sockets of a loop share, and the few functions that cross files.
 * Only the files of the top floor include this.
 *
 * Memory: a socket lives while it is pinned. It is pinned while it is open, while libuv knows its
 * poll handle, and while work on it waits or runs in the loop; so no function here needs to ask
 * whether a callback destroyed the socket under it, only whether it closed it.
 */
#ifndef DGRAM_INTERNAL_H
#define DGRAM_INTERNAL_H

#include <dgram.h>

#include "address.h"
#include "gso.h"
#include "connect.h"
#include "udp.h"
#include "errors.h"
#include "listeners.h"
#include "rx_coalesce.h"
#include "send_queue.h"
#include "receive.h"
#include "busy_poll.h"

/* ---- loop.c: what the sockets of a loop share ---- */

/* What a socket has the loop, or the program, do later. */
enum dgram__task_kind {
  DGRAM__TASK_FLUSH,
  DGRAM__TASK_RESUME,      /* a flush that the system had stopped, or receiving after a back-off */
  DGRAM__TASK_COMPLETE,    /* the callbacks of sends */
  DGRAM__TASK_ASYNC_ERROR, /* of an earlier datagram */
  DGRAM__TASK_BIND,        /* to a numeric address, unless that was done inside a call; and tell */
  DGRAM__TASK_CONNECT,     /* unless that was done inside a call; and tell how it ended */
  DGRAM__TASK_BACKLOG,     /* what was received in an earlier turn */
  DGRAM__TASK_CLOSE,
  DGRAM__TASK_KINDS
};

/* Each stands in its socket's `tasks`, and at most once in line at a time. */
struct dgram_task {
  struct dgram_task *next;
  unsigned char kind;
  bool waiting;
};

/* Tasks that wait for the same moment, first come first served. */
struct dgram__task_queue {
  struct dgram_task *first;
  struct dgram_task *last;
};

struct dgram__loop {
  struct dgram__loop *next; /* in the list of loops */
  uv_loop_t *uv;
  unsigned sockets;
  uv_idle_t idle;       /* runs while there is work to do before the loop may block */
  uv_prepare_t prepare; /* runs just before the loop may block */
  uv_timer_t retry;     /* runs while sockets wait for a time */
  uint64_t retry_at;    /* when it fires, ms */
  unsigned open_handles;
  const struct dgram__datapath *datapath;
  bool gso;
  struct dgram__rx_coalesce rx_coalesce;
  struct dgram__busy_poll busy_poll;
  bool has_sent;                       /* in this turn */
  unsigned iteration;                  /* its number */
  unsigned low_latency;                /* sockets with `low_latency` */
  struct dgram__rx_buffers *inbox;     /* made at the first receive */
  void *inbox_memory;                  /* has it in it */
  struct dgram__message_batch *basket; /* made with it */
  struct dgram__task_queue flushes;    /* before the loop blocks, first */
  struct dgram__task_queue deferred;   /* before the loop blocks, then */
  struct dgram__task_queue backlogs; /* before the loop blocks, last: received, and not told yet */
  struct dgram__task_queue waiting;  /* when the retry timer fires */
  dgram_socket_t **by_fd;            /* the sockets by their descriptors */
  int fd_room;                       /* descriptors that `by_fd` has room for */
  unsigned forks;                /* what dgram__loop_enter() counts, when it last saw the loop */
  struct dgram_worker *worker;   /* the connection to a primary, if the loop has joined one */
  struct dgram__send *free_list; /* finished sends, kept for the next ones */
  size_t free_bytes;             /* of these and their memory */
};

/* The loop's shared state, made for its first socket, gone after its last. NULL: no memory. */
struct dgram__loop *dgram__loop_enter(uv_loop_t *uv);
void dgram__loop_leave(struct dgram__loop *loop);

/*
 * Has the program run the task, if it wants to put work off in its own way; else runs it from the
 * loop, before it blocks, after the flushes.
 */
void dgram__defer(dgram_socket_t *socket, enum dgram__task_kind kind);

/* Has the socket flushed before the loop blocks. */
void dgram__flush_later(dgram_socket_t *socket);

/* Has the backlog told before the loop blocks, in its next turn. */
void dgram__backlog_later(dgram_socket_t *socket);

/* Has the socket resumed after so many milliseconds, or earlier if that was asked for before. */
void dgram__retry_later(dgram_socket_t *socket, unsigned ms);

/* A socket has begun or ceased to keep the loop alive: so may those that wait for a time. */
void dgram__retry_refer(struct dgram__loop *loop);

/* The socket closes: what waits for a time is over in the loop's next turn. */
void dgram__retry_now(dgram_socket_t *socket);

/* ---- watch.c: what libuv watches for a socket ---- */

/* A socket of this loop has the descriptor. */
bool dgram__poll_has_fd(const struct dgram__loop *loop, int fd);

/* Starts, changes and ends what libuv watches for the socket, as its state demands. */
int dgram__poll_open(dgram_socket_t *socket);
void dgram__poll_update(dgram_socket_t *socket);
void dgram__poll_close(dgram_socket_t *socket);

/* ---- inbox.c ---- */

/* The loop's receive buffers; what is in them stays until the next receive. NULL: no memory. */
struct dgram__rx_buffers *dgram__rx_buffers_get(struct dgram__loop *loop);
void dgram__rx_buffers_free(struct dgram__loop *loop);

/* ---- lookup.c: names to addresses ---- */

enum { DGRAM__HOST_MAX = 255 }; /* bytes of a host name, RFC 1035, 2.3.4 */

/* Where a bind, connect or send goes, as its arguments say. */
struct dgram__destination {
  union dgram__address address;
  const char *host; /* to look up, and then `address` has its port; or NULL */
  char text[DGRAM_ADDRESS_TEXT];
};

/*
 * Reads an address and its port. NULL or "" is this host, or else all interfaces. Returns 0, or
 * UV_EINVAL for a host name that is too long. `host` may point to `address` or to `text`.
 */
int dgram__destination_read(const dgram_socket_t *socket, int port, const char *address,
                            bool to_this_host, struct dgram__destination *destination);

/* Called once, with status 0 and an address of either family with port 0, or with an error. */
typedef void dgram__resolved_fn(void *owner, int status, const union dgram__address *address);

/* Reads a numeric address of the socket's family, likewise. Returns 0, or UV_EINVAL for another. */
int dgram__numeric_read(const dgram_socket_t *socket, int port, const char *address,
                        bool to_this_host, union dgram__address *numeric);

/*
 * Looks a host name up; a program's own look-up may answer inside the call. Returns 0, or an
 * error, and then `answer` is not called.
 */
int dgram__resolve_start(dgram_socket_t *socket, dgram_lookup_t **lookup, const char *host,
                         dgram__resolved_fn *answer, void *owner);

/* Lets go of a look-up: its answer is not called any more. */
void dgram__resolve_forget(dgram_lookup_t *lookup);

/* ---- flush.c: from a ready send to its completion ---- */

enum dgram__blocked {
  DGRAM__NOT_BLOCKED,
  DGRAM__BLOCKED_BY_EAGAIN, /* EAGAIN: the socket's buffer is full */
  DGRAM__BLOCKED_BY_ENOBUFS /* ENOBUFS: the system's are */
};

/* Every accepted send is in exactly one of these, and counted in `bytes` and `count`. */
struct dgram__tx {
  struct dgram__queue wait_bind;       /* waits for the socket to be bound */
  struct dgram__send *first_resolving; /* waits for its host's address */
  struct dgram__send *last_resolving;
  struct dgram__queue ready;     /* waits for the flush, or for the stall to end */
  struct dgram__queue completed; /* waits for its callback */
  struct dgram__queue cancelled; /* waits for its callback, after 'close' */
  size_t bytes;
  unsigned count;
  unsigned markers;       /* of `ready` are no datagrams to send: see dgram__send.status */
  bool completing;        /* callbacks of `done` are being called */
  bool about_to_complete; /* they will be, before the call at hand returns */
  bool some_silent;       /* of `ready` have no callback, perhaps */
  enum dgram__blocked blocked;
  unsigned retries; /* in a row; since a send last succeeded or none was left */
  int suspicion;    /* an error that may be the answer to an earlier datagram; or 0 */
  int refusal;      /* such an answer, to be told */
};

/* Keeps the send for a next one, or frees it. */
void dgram__send_free(struct dgram__loop *loop, struct dgram__send *send);
void dgram__send_free_list_clear(struct dgram__loop *loop);

/* The send ends with an error, which its callback or 'error' will tell. */
void dgram__send_failed(dgram_socket_t *socket, struct dgram__send *send, int code,
                        const char *syscall, enum dgram__shown shown);

/* The same for a send behind others: its end is told after theirs. */
void dgram__send_failed_in_order(dgram_socket_t *socket, struct dgram__send *send, int code,
                                 const char *syscall, enum dgram__shown shown);

/*
 * Sets an option of the system socket behind the sends that are ready: at once if they can leave.
 * Returns 0 or an error.
 */
int dgram__send_then_set(dgram_socket_t *socket, int level, int name, const void *value,
                         socklen_t length);

/* The send ends, and nobody is told. */
void dgram__send_drop(dgram_socket_t *socket, struct dgram__send *send);

/* Tells the answer to an earlier datagram that has come instead of a send's end. */
void dgram__async_error_emit(dgram_socket_t *socket);

/* Hands what is ready to the datapath, until nothing is left or the system takes no more. */
void dgram__send_flush(dgram_socket_t *socket);

/* The stall is over, or to be tried once more: flushes. Whether that has led to anything. */
bool dgram__send_resume(dgram_socket_t *socket);

/*
 * The system says that the socket is writable and takes nothing: it is tried again after the
 * back-off. `first`: this is emitted as an 'error'.
 */
void dgram__send_blocked_by_ports(dgram_socket_t *socket, bool first);

/* Calls the callbacks of a queue's sends, of as many as there are now. */
void dgram__send_complete(dgram_socket_t *socket, struct dgram__queue *queue);

/* Calls those of the sends that are done; inside such a callback it is put off. */
void dgram__send_complete_all(dgram_socket_t *socket);

/* ---- send.c: what a send may wait for before it is ready ---- */

/* The socket is bound: what waited for it goes its way. */
void dgram__send_bound(dgram_socket_t *socket);

/*
 * The system socket is about to change in a way that is not meant for what was sent before: what
 * can leave does, also what only waits for 'listening'.
 */
void dgram__send_before_change(dgram_socket_t *socket);

/* The socket could not be bound: what waited for it ends with this error. */
void dgram__send_bind_failed(dgram_socket_t *socket, int code, const char *syscall);

/* The socket is connected no more: what was sent to its peer still goes there. */
void dgram__send_disconnected(dgram_socket_t *socket, const union dgram__address *peer);

/* What the peer has refused and nobody was told of is told now. */
void dgram__async_error_take(dgram_socket_t *socket);

/* The socket closes: what has not left moves to `cancelled`. */
void dgram__send_cancel_all(dgram_socket_t *socket);

/* ---- events.c: what a socket tells, and to whom ---- */

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
void dgram__emit_close(dgram_socket_t *socket);
void dgram__emit_described_error(dgram_socket_t *socket, const dgram_error_t *error);
void dgram__emit_error(dgram_socket_t *socket, int code, const char *syscall, const char *address,
                       int port);
void dgram__events_clear(struct dgram__events *events);

/* ---- bind.c ---- */

/* A bind under way, and what came of it. */
struct dgram__binding {
  char *host; /* the name that is looked up, or NULL */
  union {
    dgram_lookup_t *lookup;            /* of the name, or NULL */
    struct dgram__bind_request *share; /* if the socket is `shared` */
  };
  union dgram__address to; /* AF_UNSPEC: to a descriptor of the primary's */
  int buffer_size_reason;  /* why a buffer size was refused */
};

/* Binds to the address that is known now, unless the socket is bound, and announces it. */
void dgram__bind_finish(dgram_socket_t *socket);

/* Starts to bind the unbound socket to a random port on all interfaces. Returns 0 or an error. */
int dgram__bind_implicitly(dgram_socket_t *socket);

/* The answers to a bind's look-up: an address, or a system socket that is bound already. */
void dgram__bind_resolved(void *owner, int status, const union dgram__address *address);
int dgram__bind_resolved_fd(dgram_socket_t *socket, int fd);

/* The same inside the call; 'listening' comes from the loop. */
int dgram__bind_at_once(dgram_socket_t *socket);

/* Takes over a system socket that the primary has bound. Returns 0, or an error. */
int dgram__bind_take_shared(dgram_socket_t *socket, int fd);

/* The primary has answered, or never will: tells how the bind has ended. */
void dgram__bind_answered_shared(dgram_socket_t *socket, int status);

/* The socket has closed: a bind under way is given up, and what is shared given back. */
void dgram__bind_forget(dgram_socket_t *socket);

/* ---- worker.c: system sockets that a primary binds ---- */

/*
 * Asks for one that is bound as the socket is to be, or with `fd` > 0 for that descriptor of the
 * primary's; dgram__bind_answered_shared() comes later. Returns 0, or an error.
 */
int dgram__bind_request_ask(dgram_socket_t *socket, int fd);

/* Says that the shared socket listens; that it is closed. */
void dgram__bind_request_listening(dgram_socket_t *socket);
void dgram__bind_request_release(dgram_socket_t *socket);

/* ---- options.c ---- */

/* 0, or why the system socket can't be asked: not open, or not bound. */
int dgram__check_bound(const dgram_socket_t *socket);

/* setsockopt(2), for what does not concern sends; returns 0 or its error. */
int dgram__set_option(const dgram_socket_t *socket, int level, int name, const void *value,
                      socklen_t length);

/* Sets SO_RCVBUF or SO_SNDBUF, unless the size is 0. Returns 0 or the specification's error. */
int dgram__set_buffer_size(dgram_socket_t *socket, int name, int size);

/* ---- abort.c ---- */

/* Puts a new socket on its signal's list, if it has one. False: it is aborted already. */
bool dgram__abort_signal_join(dgram_socket_t *socket);
void dgram__abort_signal_leave(dgram_socket_t *socket);

/* ---- socket.c: its life ---- */

/* What a socket keeps of dgram_options_t, in less room. */
struct dgram__options {
  dgram_type_t type;
  int recv_buffer_size;
  int send_buffer_size;
  bool reuse_addr;
  bool reuse_port;
  bool ipv6_only;
  bool disable_gso;
  bool low_latency;
  dgram_lookup_cb lookup;
  void *lookup_context;
  dgram_defer_cb defer;
  void *defer_context;
  dgram_abort_signal_t *signal;
};

struct dgram_socket {
  struct dgram__loop *loop;
  struct dgram__options options;
  unsigned holds;
  dgram_bind_state_t state;
  bool announced;            /* bound, and 'listening' is being or has been told */
  bool referenced;           /* keeps the loop alive while bound */
  bool closing;              /* the program has closed it */
  bool closed;               /* nothing goes in or out any more */
  bool watched;              /* libuv knows `poll` */
  unsigned char poll_events; /* what it watches for */
  bool backed_off;           /* not watched until a time: wake-ups were in vain */
  unsigned char vain;        /* wake-ups in a row that led to nothing */
  bool shares;               /* the bind under way asks the primary, if there is one */
  bool shared;               /* `binding.share` is what was asked, or got */
  bool *gone;                /* set when the memory goes, if somebody waits for it */
  uv_poll_t poll;
  struct dgram__udp udp;
  struct dgram__events events;
  struct dgram__binding binding;
  struct dgram__connecting connecting;
  struct dgram__tx tx;
  struct dgram__rx rx;
  uint64_t wake_at; /* when the task DGRAM__TASK_RESUME runs, if it waits; ms */
  struct dgram_task tasks[DGRAM__TASK_KINDS];
  dgram_socket_t *signal_next; /* in the list of its abort signal */
  dgram_socket_t *signal_previous;
};

/* Whether the socket keeps the loop alive, once it is bound. */
static inline bool dgram__keeps_loop_alive(const dgram_socket_t *socket) {
  return socket->referenced || socket->tx.ready.count > 0;
}

void dgram__hold(dgram_socket_t *socket);
void dgram__release(dgram_socket_t *socket);

/* Fills in the system socket's own name, or its peer's. Returns 0 or an error. */
int dgram__describe_name(const dgram_socket_t *socket, bool peer, dgram_address_t *address);

/* Tells 'close', and the sends that have not left. */
void dgram__close_finish(dgram_socket_t *socket);

/* Closes the socket for good if the program has closed it and nothing waits for the bind. */
void dgram__close_if_ready(dgram_socket_t *socket);

#endif
