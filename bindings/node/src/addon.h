/*
 * The addon: what its files share. It holds no state of a socket; that is the library's.
 *
 * JavaScript sees one class, Handle: a dgram_socket_t with methods that return 0, a value, or a
 * negative code. What the socket tells goes to functions that JavaScript has given once, by
 * setup(), each called with the Handle's owner, the dgram.Socket, as `this`.
 */
#ifndef ADDON_H
#define ADDON_H

#include <dgram.h>
#include <node_api.h>
#include <stdbool.h>
#include <stdint.h>

/* The functions of setup(), by their names there. */
#define ADDON_CALLBACKS(XX)                                                                \
  XX(queue)          /* (f, ...arguments): call f when the call from JavaScript returns */ \
  XX(tick)           /* (f, ...arguments): call f in the next tick */                      \
  XX(defer)          /* (errand): run it by runErrand(), in the next tick */               \
  XX(lookup)         /* (binding): where to bind, or connect; answered by answer() */      \
  XX(message)        /* (): a message; its numbers stand in the view */                    \
  XX(sender)         /* (address, family): whom the next messages are from */              \
  XX(slab)           /* (): a new ArrayBuffer for the messages of a socket's pool */       \
  XX(listening)      /* () */                                                              \
  XX(connected)      /* () */                                                              \
  XX(connect_failed) /* (code) */                                                          \
  XX(error)          /* (code, syscall, address, port) */                                  \
  XX(sent)           /* (completed): what had been stalled has ended, up to here */        \
  XX(failed)         /* (sequence, code): this send has failed */                          \
  XX(closed)         /* () */

#define ADDON_CALLBACK_INDEX(name) ON_##name,
enum addon_callback { ADDON_CALLBACKS(ADDON_CALLBACK_INDEX) ADDON_CALLBACK_COUNT };
#undef ADDON_CALLBACK_INDEX

/* Of one of these functions. */
enum { ADDON_MOST_ARGUMENTS = 4 };

/* The numbers that JavaScript sees too: three for each message of a batch, and this one. */
enum { ADDON_MOST_MESSAGES = 1024, ADDON_SENT_SIZE = 3 * ADDON_MOST_MESSAGES };

/* Bytes: more than the largest datagram. */
enum { ADDON_STAGE_SIZE = 64 * 1024 };

/* A number that stands for a pointer where JavaScript could hand in another's. Never 0. */
typedef uintptr_t addon_id;

/* Exact as a number of JavaScript's. */
#if UINTPTR_MAX > UINT32_MAX
#define ADDON_MOST_ID ((UINT64_C(1) << 52) - 1)
#else
#define ADDON_MOST_ID UINTPTR_MAX
#endif

/* table.c: items by id. */
struct addon_table {
  struct addon_slot *slots;
  uint32_t capacity;
  uint32_t first_free; /* the capacity: none */
};

/* Memory of JavaScript's for the bytes of messages: more than the largest datagram. */
struct addon_memory {
  napi_ref reference;
  char *bytes;
  size_t size;
  size_t used;
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
  unsigned depth;              /* of calls from JavaScript: 0 means that the loop has called */
  bool ending;                 /* JavaScript can't be called any more */
  napi_ref thrown;             /* by a listener, to be thrown where the call from JavaScript ends */
  struct handle *first, *last; /* the handles with a socket, by age */
  struct addon_table handles;  /* those that a JavaScript object stands for */
  struct addon_table errands;  /* dgram_task_t, which wait for their ticks */
  /* receive.c: memory that nobody can take away or shrink */
  int32_t *view;
  napi_ref view_buffer;
  struct addon_memory stage; /* for the bytes of the messages that the view describes */
  struct sockaddr_storage sender;
};

/* One socket. It lives until the socket has closed and the JavaScript object is gone. */
struct handle {
  struct addon *addon;
  addon_id id; /* what the JavaScript object has of it */
  struct handle *next, *previous;
  dgram_socket_t *socket; /* NULL: closed */
  dgram_lookup_t *lookup; /* the open question where to bind or connect */
  napi_ref wrapper;       /* weak: the owner refers to it */
  napi_ref owner;         /* weak; strong while the socket is bound */
  napi_async_context context;
  unsigned pins;                       /* callbacks of the library that may still come */
  bool wrapped;                        /* the JavaScript object is there */
  bool held;                           /* ... and can't go */
  bool closing;                        /* no message is told any more */
  struct sockaddr_storage destination; /* of the sends to come; AF_UNSPEC: the peer */
  const dgram_message_t *const *batch; /* messages that have not been told */
  size_t batch_left;
  uint32_t accepted;  /* sends with a callback so far, modulo 2^32 */
  uint32_t completed; /* of these, likewise */
  bool sending;       /* in send(): what it puts off is the loop's */
  bool flushing;      /* JavaScript looks at `completed` when this is over */
  /* receive.c */
  bool pooled;              /* the messages lie in slabs of this socket's */
  struct addon_memory slab; /* the current one */
};

/* ---- call.c: from C to JavaScript ---- */

/*
 * Brackets a call from JavaScript; addon_leave() throws what a listener has thrown meanwhile, and
 * gets what addon_enter() returned.
 */
napi_ref addon_enter(struct addon *addon);
void addon_leave(struct addon *addon, napi_ref outer);

/*
 * Has one of the functions of setup() called, which runs the program's code: by JavaScript itself,
 * so that Node.js shows the program's own line for what that code throws, and not the one where
 * Node-API has thrown it again. In a call from JavaScript it is queued until that call returns; in
 * one from the loop it is a tick, which is run before this returns. False: it could not be.
 */
bool addon_emit(struct handle *handle, enum addon_callback callback, size_t argc,
                const napi_value argv[]);

/*
 * Calls one of the functions of setup() that runs none of the program's code: no ticks follow. In a
 * call from JavaScript what it throws is kept for addon_leave(). Returns what it returned, or NULL.
 */
napi_value addon_ask(struct handle *handle, enum addon_callback callback, size_t argc,
                     const napi_value argv[]);

/* A function of setup() and its `this`, for many calls in one handle scope. */
struct addon_function {
  napi_value owner;
  napi_value function;
};

/*
 * Finds it; false: nothing can be called. addon_call_found() calls it from the loop, and ticks run
 * after it: cheaper than addon_emit(), for messages. What it throws is an 'uncaughtException'.
 */
bool addon_find(struct handle *handle, enum addon_callback callback, struct addon_function *found);
void addon_call_found(struct handle *handle, const struct addon_function *found);

/*
 * Gives an object a property of its own: no setter of the program runs. False: the object does not
 * let it, or is none.
 */
bool addon_define(napi_env env, napi_value object, const char *name, napi_value value);

napi_value addon_int(napi_env env, int64_t number);
napi_value addon_text(napi_env env, const char *text);

/*
 * The Handle that a method was called on, and its arguments; those that are missing are undefined.
 * NULL: it is no Handle of the method's own class, which has been thrown.
 */
struct handle *addon_arguments(napi_env env, napi_callback_info info, size_t count,
                               napi_value argv[]);

/* An argument as a number, with 0 for what is none. */
int32_t addon_int_argument(napi_env env, napi_value value);

/* An argument as text, of which at most `size` - 1 bytes are read; false: it is none. */
bool addon_text_argument(napi_env env, napi_value value, char *text, size_t size);

/* ---- table.c ---- */

/* Returns the item's id; 0: no memory. An item that is NULL is not found until it is set. */
addon_id addon_table_add(struct addon_table *table, void *item);

/* NULL: there is none, whatever the id is. */
void *addon_table_get(const struct addon_table *table, addon_id id);
void addon_table_set(struct addon_table *table, addon_id id, void *item);

/* Returns what was there. */
void *addon_table_remove(struct addon_table *table, addon_id id);

/* The id of the item behind that of `after`, 0: of the first one; 0: there is none. */
addon_id addon_table_next(const struct addon_table *table, addon_id after);
void addon_table_free(struct addon_table *table);

/* ---- addon.c ---- */

/* A handle refers to it, also when the environment has ended. */
void addon_hold(struct addon *addon);
void addon_release(struct addon *addon);

/* ---- handle.c, options.c, send.c: the methods of Handle ---- */

extern const napi_property_descriptor addon_life_methods[];
extern const size_t addon_life_method_count;
extern const napi_property_descriptor addon_option_methods[];
extern const size_t addon_option_method_count;
extern const napi_property_descriptor addon_send_methods[];
extern const size_t addon_send_method_count;

napi_value addon_handle_new(napi_env env, napi_callback_info info);
napi_value addon_run_errand(napi_env env, napi_callback_info info);

/* Closes the sockets of an environment that ends, and waits until they are closed. */
void addon_close_all(struct addon *addon);

/* A callback of the library refers to the handle. */
void addon_pin(struct handle *handle);
void addon_unpin(struct handle *handle);

/* Mirrors the socket's states as own properties of the Handle, where JavaScript reads them. */
void addon_show_state(struct handle *handle);

/* ---- receive.c ---- */

napi_value addon_pool(napi_env env, napi_callback_info info);
napi_value addon_take_messages(napi_env env, napi_callback_info info);
void addon_drop_slab(struct handle *handle);
void addon_on_messages(dgram_socket_t *socket, const dgram_message_t *const messages[],
                       size_t count, void *context);

#endif
