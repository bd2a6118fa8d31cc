/*
 * The addon: what its files share. The state of a socket is the library's.
 *
 * JavaScript sees one class, Handle: a dgram_socket_t with the methods of methods.c, which return
 * 0, a value, or a negative code. A socket's events go to functions that JavaScript has given once,
 * by setup(), each called with the Handle's owner, the dgram.Socket, as `this`.
 */
#ifndef ADDON_H
#define ADDON_H

#include <dgram.h>
#include <dgram_interfaces.h>
#include <node_api.h>
#include <stdbool.h>
#include <stdint.h>

/* The functions of setup(), by their names there. */
#define ADDON_CALLBACKS(XX)                                                                \
  XX(queue)          /* (f, ...arguments): call f when the call from JavaScript returns */ \
  XX(tick)           /* (f, ...arguments): call f in the next tick */                      \
  XX(defer)          /* (task): pass it to runDeferredTask() in the next tick */           \
  XX(lookup)         /* (binding): resolve where to bind or connect, then call resolved()  \
                        or resolvedDescriptor() */                                         \
  XX(message)        /* (): a message; its fields are in the shared array */               \
  XX(sender)         /* (address, family): the sender of the messages that follow */       \
  XX(slab)           /* (): returns a new ArrayBuffer for a socket's pooled messages */    \
  XX(listening)      /* () */                                                              \
  XX(connected)      /* () */                                                              \
  XX(connect_failed) /* (code) */                                                          \
  XX(error)          /* (code, syscall, address, port, mtu) */                             \
  XX(icmp)           /* (report): what a host or router has said of a lost datagram */     \
  XX(sent)           /* (completed): blocked sends have completed, up to this count */     \
  XX(failed)         /* (sequence, code, mtu, index, sent): this send has failed; of       \
                        sendMany() the first that failed, and how many have left */        \
  XX(closed)         /* () */

#define ADDON_CALLBACK_INDEX(name) ON_##name,
enum addon_callback { ADDON_CALLBACKS(ADDON_CALLBACK_INDEX) ADDON_CALLBACK_COUNT };
#undef ADDON_CALLBACK_INDEX

/*
 * The numbers that JavaScript needs as well. create() exports them as `constants`, together with
 * the error codes of the library and of libuv.
 */
#define ADDON_CONSTANTS(XX)                                                                  \
  /* The fields of a message in the shared array, one message after the other. */            \
  XX(OFFSET, 0) /* in the staging buffer or slab, bytes */                                   \
  XX(SIZE, 1)   /* bytes */                                                                  \
  XX(PORT, 2)   /* the sender's */                                                           \
  XX(MESSAGE_FIELDS, 3)                                                                      \
  XX(MAX_MESSAGES, 1024)  /* whose fields the array holds */                                 \
  XX(SENT_SIZE, 3 * 1024) /* behind them: the size of the last send, bytes */                \
  XX(SHARED_LENGTH, 3 * 1024 + 1)                                                            \
  XX(STAGING_SIZE, 64 * 1024)    /* bytes, over the largest datagram; a WebAssembly page */  \
  XX(MESSAGES_PER_ITERATION, 32) /* of the event loop, as the built-in */                    \
  /* The flags of send() and sendList(). */                                                  \
  XX(SEND_TO_DESTINATION, 1) /* of setDestination(); otherwise to the peer */                \
  XX(SEND_WITH_CALLBACK, 2)                                                                  \
  XX(SEND_BY_PATH, 4)     /* of setPath(), to the destination */                             \
  XX(SEND_CANCELLABLE, 8) /* by cancelSend(); with SEND_WITH_CALLBACK */                     \
  /* The fields of a datagram of sendMany(). */                                              \
  XX(SEND_ADDRESS_SIZE, 0) /* bytes of its address as text; 0: as the one before, or peer */ \
  XX(SEND_SIZE, 1)         /* bytes of its payload */                                        \
  XX(SEND_PORT, 2)                                                                           \
  XX(SEND_CHOICE, 3) /* the number of its options, from 1 on; 0: none */                     \
  XX(SEND_FIELDS, 4)                                                                         \
  XX(SEND_LONGEST, 64 * 1024 * 1024) /* bytes of a message with options; that is EMSGSIZE */ \
  /* The fields of the options of sendWith() and trySend(). */                               \
  XX(OPTION_TTL, 0)                                                                          \
  XX(OPTION_TOS, 1)                                                                          \
  XX(OPTION_DONT_FRAGMENT, 2)                                                                \
  XX(OPTION_SEGMENT_SIZE, 3)                                                                 \
  XX(OPTION_DEPARTURE_LOW, 4) /* 32 bits each */                                             \
  XX(OPTION_DEPARTURE_HIGH, 5)                                                               \
  XX(OPTION_FIELDS, 6)                                                                       \
  /* What a socket is told of each datagram. */                                              \
  XX(INFO_DESTINATION, DGRAM_INFO_DESTINATION)                                               \
  XX(INFO_INTERFACE, DGRAM_INFO_INTERFACE)                                                   \
  XX(INFO_TTL, DGRAM_INFO_TTL)                                                               \
  XX(INFO_TOS, DGRAM_INFO_TOS)                                                               \
  XX(INFO_TIMESTAMP, DGRAM_INFO_TIMESTAMP)                                                   \
  XX(INFO_HARDWARE_TIMESTAMP, DGRAM_INFO_HARDWARE_TIMESTAMP)                                 \
  XX(INFO_TRUNCATED, DGRAM_INFO_TRUNCATED)                                                   \
  XX(INFO_SEGMENT_SIZE, DGRAM_INFO_SEGMENT_SIZE)                                             \
  /* The library's enumerations. */                                                          \
  XX(SO_TOS, DGRAM_SO_TOS)                                                                   \
  XX(SO_PATH_MTU, DGRAM_SO_PATH_MTU)                                                         \
  XX(SO_PRIORITY, DGRAM_SO_PRIORITY)                                                         \
  XX(SO_MARK, DGRAM_SO_MARK)                                                                 \
  XX(SO_MAX_PACING_RATE, DGRAM_SO_MAX_PACING_RATE)                                           \
  XX(SO_BUSY_POLL, DGRAM_SO_BUSY_POLL)                                                       \
  XX(SO_MULTICAST_ALL, DGRAM_SO_MULTICAST_ALL)                                               \
  XX(SO_FREEBIND, DGRAM_SO_FREEBIND)                                                         \
  XX(SO_TRANSPARENT, DGRAM_SO_TRANSPARENT)                                                   \
  XX(SO_BIND_ADDRESS_NO_PORT, DGRAM_SO_BIND_ADDRESS_NO_PORT)                                 \
  XX(SO_LOCAL_PORT_RANGE, DGRAM_SO_LOCAL_PORT_RANGE)                                         \
  XX(SO_TXTIME_CLOCK, DGRAM_SO_TXTIME_CLOCK)                                                 \
  XX(INTERFACE_UP, DGRAM_INTERFACE_UP)                                                       \
  XX(INTERFACE_RUNNING, DGRAM_INTERFACE_RUNNING)                                             \
  XX(INTERFACE_LOOPBACK, DGRAM_INTERFACE_LOOPBACK)                                           \
  XX(INTERFACE_MULTICAST, DGRAM_INTERFACE_MULTICAST)                                         \
  XX(INTERFACE_BROADCAST, DGRAM_INTERFACE_BROADCAST)                                         \
  XX(INTERFACE_POINT_TO_POINT, DGRAM_INTERFACE_POINT_TO_POINT)                               \
  XX(INTERFACE_ADDED, DGRAM_INTERFACE_ADDED)                                                 \
  XX(INTERFACE_CHANGED, DGRAM_INTERFACE_CHANGED)                                             \
  XX(INTERFACE_REMOVED, DGRAM_INTERFACE_REMOVED)                                             \
  XX(UDP4, DGRAM_UDP4)                                                                       \
  XX(UDP6, DGRAM_UDP6)                                                                       \
  XX(UNBOUND, DGRAM_UNBOUND)                                                                 \
  XX(BINDING, DGRAM_BINDING)                                                                 \
  XX(BOUND, DGRAM_BOUND)                                                                     \
  XX(DISCONNECTED, DGRAM_DISCONNECTED)                                                       \
  XX(CONNECTING, DGRAM_CONNECTING)                                                           \
  XX(CONNECTED, DGRAM_CONNECTED)

#define ADDON_CONSTANT(name, value) ADDON_##name = (value),
enum addon_constant { ADDON_CONSTANTS(ADDON_CONSTANT) };
#undef ADDON_CONSTANT

enum {
  ADDON_MAX_CALLBACK_ARGUMENTS = 5,
  ADDON_MAX_METHOD_ARGUMENTS = 4,
};

/* A number that JavaScript holds in place of a pointer, so that it cannot forge one. Never 0. */
typedef uintptr_t addon_id;

/* Exact as a number of JavaScript's. */
#if UINTPTR_MAX > UINT32_MAX
#define ADDON_MAX_ID ((UINT64_C(1) << 52) - 1)
#else
#define ADDON_MAX_ID UINTPTR_MAX
#endif

/* table.c: items by id. */
struct addon_table {
  struct addon_slot *slots;
  uint32_t capacity;
  uint32_t first_free; /* the capacity: none */
};

/* JavaScript's memory for the payloads of messages: larger than the largest datagram. */
struct addon_memory {
  napi_ref reference;
  char *bytes;
  size_t size;
  size_t used;
};

/* A method of one environment's Handle: the data of the function that JavaScript calls. */
struct addon_method {
  struct addon *addon; /* only its Handles are accepted */
  const struct method *method;
};

/* What the handles of one environment (the main thread's, a worker's) share. */
struct addon {
  struct addon *next; /* of the main thread's */
  bool in_main;
  unsigned users; /* the environment, and each handle */
  napi_env env;
  uv_loop_t *loop;
  bool ready; /* setup() was called: without it there are no handles */
  napi_ref callbacks[ADDON_CALLBACK_COUNT];
  struct addon_method *methods;
  struct addon_list_method *list_methods;
  unsigned depth;              /* of calls from JavaScript; 0: the loop has called */
  bool ending;                 /* JavaScript cannot be called any more */
  napi_ref thrown;             /* by a listener; thrown on where the call from JavaScript ends */
  struct handle *first, *last; /* the handles with a socket, by age */
  struct addon_table handles;  /* those that a JavaScript object stands for */
  struct addon_table lists;    /* likewise */
  struct addon_table tasks;    /* dgram_task_t, which wait for their ticks */
  struct addon_table networks; /* sim.c */
  struct addon_table watchers; /* interfaces.c */
  unsigned open_watchers;      /* whose memory has not been freed */
  dgram_sim_host_t *sim_host;  /* that the next Handle is on; NULL: the system's network */
  /* receive.c: memory that nobody can detach or shrink */
  int32_t *shared; /* the fields of messages, and the size of the last send */
  napi_ref shared_reference;
  struct addon_memory staging;    /* the payloads of the messages in `shared` */
  struct sockaddr_storage sender; /* reported last */
  dgram_path_t path;              /* of the next reply; set by setPath() */
};

/* One socket. It is freed once the socket has closed and the JavaScript object is gone. */
struct handle {
  struct addon *addon;
  addon_id id; /* what the JavaScript object wraps */
  struct handle *next, *previous;
  dgram_socket_t *socket; /* NULL: closed */
  dgram_lookup_t *lookup; /* the open request for an address to bind or connect to */
  napi_ref wrapper;       /* weak: the owner refers to it */
  napi_ref owner;         /* weak; strong while the socket is bound */
  napi_async_context context;
  unsigned holds;                      /* callbacks of the library that may still come */
  bool wrapped;                        /* the JavaScript object exists */
  bool strong;                         /* ... and cannot be collected */
  bool closing;                        /* no message is emitted any more */
  struct sockaddr_storage destination; /* of sends; set by setDestination() */
  struct sockaddr_storage source;      /* of sends with options; family 0: none */
  unsigned source_interface;           /* likewise */
  const dgram_message_t *const *batch; /* messages that have not been emitted */
  size_t batch_left;
  bool informed;                    /* JavaScript asks for the facts about each message */
  const dgram_message_t *described; /* whose facts it may ask for now, or NULL */
  uint32_t accepted;                /* sends with a callback so far, modulo 2^32 */
  uint32_t completed;               /* of these, likewise */
  struct send_request *cancellable; /* those that cancelSend() may cancel, the last one first */
  bool sending;                     /* in send(): the work that it defers is left to the loop */
  bool flushing;                    /* in flush(): JavaScript reads `completed` when it returns */
  /* receive.c */
  bool pooled;              /* the messages lie in slabs of this socket's */
  struct addon_memory slab; /* the current one */
};

/* ---- call.c: from C to JavaScript ---- */

/*
 * Brackets a call from JavaScript. addon_leave() throws what a listener has thrown meanwhile; it
 * gets what addon_enter() returned.
 */
napi_ref addon_enter(struct addon *addon);
void addon_leave(struct addon *addon, napi_ref outer);

/*
 * Has a function of setup() called that runs the program's code. JavaScript itself calls it, so
 * that Node.js reports an exception with the program's own line, not the one where Node-API has
 * thrown it again. In a call from JavaScript it is queued until that call returns; in one from the
 * loop it is a tick, which runs before this returns. False: it could not be.
 */
bool addon_emit(struct handle *handle, enum addon_callback callback, size_t argc,
                const napi_value argv[]);

/*
 * Calls a function of setup() that runs none of the program's code: no ticks follow. In a call from
 * JavaScript an exception is kept for addon_leave(). Returns its result, or NULL.
 */
napi_value addon_call(struct handle *handle, enum addon_callback callback, size_t argc,
                      const napi_value argv[]);

/* A function of setup() and its `this`, for many calls in one handle scope. */
struct addon_function {
  napi_value owner;
  napi_value function;
};

/*
 * Looks the function up; false: nothing can be called. addon_call_function() calls it from the
 * loop, and ticks run after it: cheaper than addon_emit(), for messages. An exception becomes an
 * 'uncaughtException'.
 */
bool addon_find_function(struct handle *handle, enum addon_callback callback,
                         struct addon_function *found);
void addon_call_function(struct handle *handle, const struct addon_function *found);

/*
 * Defines an own property, so that no setter of the program runs. False: the object refuses it, or
 * is none.
 */
bool addon_define(napi_env env, napi_value object, const char *name, napi_value value);

napi_value addon_int(napi_env env, int64_t number);
napi_value addon_text(napi_env env, const char *text);

/* An argument as a number; 0 for what is none. */
int32_t addon_read_int(napi_env env, napi_value value);

/*
 * Reads a typed array of this type, whose elements are valid until JavaScript runs again; none when
 * its memory is detached. False: it is no such array.
 */
bool addon_read_array(napi_env env, napi_value value, napi_typedarray_type type,
                      const void **elements, size_t *count);

/* Reads a numeric address, of either family. False: it is none; NULL is none. */
bool addon_read_address(const char *text, int port, struct sockaddr_storage *address);

/* ---- table.c ---- */

/* Returns the item's id; 0: no memory. An item that is NULL is not found until it is set. */
addon_id addon_table_add(struct addon_table *table, void *item);

/* NULL: there is none, for any id. */
void *addon_table_get(const struct addon_table *table, addon_id id);
void addon_table_set(struct addon_table *table, addon_id id, void *item);

/* Returns the item that was there. */
void *addon_table_remove(struct addon_table *table, addon_id id);

/* The id of the item behind that of `after`, 0: of the first one; 0: there is none. */
addon_id addon_table_next(const struct addon_table *table, addon_id after);
void addon_table_free(struct addon_table *table);

/* ---- addon.c ---- */

/* A handle refers to it, also when the environment has ended. */
void addon_hold(struct addon *addon);
void addon_release(struct addon *addon);

bool addon_define_function(napi_env env, napi_value exports, const char *name,
                           napi_callback callback, struct addon *addon);

/* ---- sim.c ---- */

/* Defines the functions of networks in memory on `exports`. */
bool addon_define_sim(napi_env env, napi_value exports, struct addon *addon);

/* The environment ends, and its sockets are closed. */
void addon_free_networks(struct addon *addon);

/* ---- interfaces.c ---- */

/* Defines the functions about interfaces on `exports`. */
bool addon_define_interfaces(napi_env env, napi_value exports, struct addon *addon);

/* The environment ends: waits until all watchers are closed. */
void addon_end_watchers(struct addon *addon);

/* ---- access.c ---- */

/* Defines the class AccessList on `exports`. False: no memory. */
bool addon_define_access_list(struct addon *addon, napi_value exports);

/* ---- methods.c ---- */

/* Defines the class Handle on `exports`. False: no memory. */
bool addon_define_handle(struct addon *addon, napi_value exports);

/* An argument of a method, as the method's row in the table describes it. */
struct addon_argument {
  napi_value value;
  int number;
  const char *text; /* NULL: it is none */
};

/* A method that methods.c does not implement itself. Returns its result, or a negative code. */
typedef int64_t addon_method_fn(struct handle *handle, const struct addon_argument argv[]);

/* handle.c */
addon_method_fn addon_bind_descriptor, addon_bind_descriptor_copy, addon_resolved,
    addon_resolved_descriptor, addon_connect, addon_connect_sync, addon_close,
    addon_lend_descriptor, addon_watch_icmp;
/* access.c */
addon_method_fn addon_set_access, addon_set_receive_rate, addon_access_counts;
/* receive.c */
addon_method_fn addon_pool, addon_take_messages, addon_read_info;
/* send.c */
addon_method_fn addon_send, addon_send_list, addon_send_many, addon_set_destination, addon_flush,
    addon_set_source, addon_set_path, addon_send_with, addon_try_send, addon_send_queue_size,
    addon_send_queue_count, addon_cancel_send;

/* ---- handle.c ---- */

napi_value addon_handle_new(napi_env env, napi_callback_info info);
napi_value addon_run_deferred_task(napi_env env, napi_callback_info info);

/* Closes the sockets of an environment that ends, and waits until they are closed. */
void addon_close_all(struct addon *addon);

/* A callback of the library refers to the handle. */
void addon_handle_hold(struct handle *handle);
void addon_handle_release(struct handle *handle);

/*
 * Writes the socket's states as own properties of the Handle, where JavaScript reads them: a getter
 * takes 880 instructions, and a send reads them five times. Called wherever they may have changed.
 */
void addon_update_state(struct handle *handle);

/* ---- receive.c ---- */

void addon_drop_slab(struct handle *handle);
void addon_on_messages(dgram_socket_t *socket, const dgram_message_t *const messages[],
                       size_t count, void *context);

#endif
