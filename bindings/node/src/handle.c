/*
 * The life of a Handle: made, bound, connected, closed; and what its socket tells.
 */
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of an address as text; what is longer is none. */
enum { ADDRESS_SIZE = 256 };

/* ---- what keeps it alive ---- */

/* A socket that nobody else refers to lives on while it is bound, or on its way there. */
static void hold(struct handle *handle, bool held) {
  if (handle->held == held)
    return;
  uint32_t count;
  handle->held = held;
  if (held)
    napi_reference_ref(handle->addon->env, handle->owner, &count);
  else
    napi_reference_unref(handle->addon->env, handle->owner, &count);
}

void addon_show_state(struct handle *handle) {
  struct addon *addon = handle->addon;
  if (addon->ending || !handle->wrapped)
    return;
  dgram_bind_state_t bound = dgram_bind_state(handle->socket);
  hold(handle, bound != DGRAM_UNBOUND || (handle->closing && handle->socket != NULL));
  if (handle->closing) /* as it was when it was closed */
    return;
  napi_value wrapper = NULL;
  napi_get_reference_value(addon->env, handle->wrapper, &wrapper);
  if (wrapper == NULL)
    return;
  addon_define(addon->env, wrapper, "bindState", addon_int(addon->env, bound));
  addon_define(addon->env, wrapper, "connectState",
               addon_int(addon->env, dgram_connect_state(handle->socket)));
}

static void link_handle(struct handle *handle) {
  struct addon *addon = handle->addon;
  handle->previous = addon->last;
  if (handle->previous != NULL)
    handle->previous->next = handle;
  else
    addon->first = handle;
  addon->last = handle;
}

static void unlink_handle(struct handle *handle) {
  if (handle->previous != NULL)
    handle->previous->next = handle->next;
  else
    handle->addon->first = handle->next;
  if (handle->next != NULL)
    handle->next->previous = handle->previous;
  else
    handle->addon->last = handle->previous;
}

/* Frees the memory once neither JavaScript nor the library refers to it. */
static void free_if_unused(struct handle *handle) {
  if (handle->wrapped || handle->pins > 0)
    return;
  dgram_lookup_done(handle->lookup, UV_ECANCELED, NULL);
  addon_release(handle->addon);
  free(handle);
}

void addon_pin(struct handle *handle) {
  handle->pins++;
}

void addon_unpin(struct handle *handle) {
  if (--handle->pins > 0)
    return;
  if (handle->context != NULL)
    napi_async_destroy(handle->addon->env, handle->context);
  handle->context = NULL;
  free_if_unused(handle);
}

static void forget_wrapper(struct handle *handle, napi_env env) {
  if (handle->wrapper != NULL)
    napi_delete_reference(env, handle->wrapper);
  if (handle->owner != NULL)
    napi_delete_reference(env, handle->owner);
  handle->wrapper = NULL;
  handle->owner = NULL;
  handle->wrapped = false;
  addon_table_remove(&handle->addon->handles, handle->id);
}

/* The JavaScript object is gone; it was not bound, or it would have been held. */
static void on_finalize(napi_env env, void *data, void *hint) {
  (void)data;
  struct handle *handle = hint;
  forget_wrapper(handle, env);
  if (handle->socket != NULL && !handle->closing)
    dgram_close(handle->socket, NULL, NULL);
  else
    free_if_unused(handle);
}

/* ---- what the socket tells ---- */

/* Opens the scope that a call from the loop has not. */
#define WITH_SCOPE(handle, statement)                     \
  do {                                                    \
    napi_handle_scope scope;                              \
    napi_open_handle_scope((handle)->addon->env, &scope); \
    statement;                                            \
    napi_close_handle_scope((handle)->addon->env, scope); \
  } while (0)

static void tell(struct handle *handle, enum addon_callback callback, size_t argc,
                 const napi_value argv[]) {
  addon_show_state(handle);
  addon_emit(handle, callback, argc, argv);
}

static void on_listening(dgram_socket_t *socket, void *context) {
  (void)socket;
  WITH_SCOPE((struct handle *)context, tell(context, ON_listening, 0, NULL));
}

static void on_connect(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  (void)socket;
  struct handle *handle = context;
  napi_handle_scope scope;
  napi_open_handle_scope(handle->addon->env, &scope);
  if (error == NULL) {
    tell(handle, ON_connected, 0, NULL);
  } else {
    napi_value code = addon_int(handle->addon->env, error->code);
    tell(handle, ON_connect_failed, 1, &code);
  }
  napi_close_handle_scope(handle->addon->env, scope);
}

static void on_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  (void)socket;
  struct handle *handle = context;
  napi_env env = handle->addon->env;
  napi_handle_scope scope;
  napi_open_handle_scope(env, &scope);
  napi_value argv[] = {addon_int(env, error->code), addon_text(env, error->syscall),
                       addon_text(env, error->address != NULL ? error->address : ""),
                       addon_int(env, error->port)};
  tell(handle, ON_error, 4, argv);
  napi_close_handle_scope(env, scope);
}

static void on_close(dgram_socket_t *socket, void *context) {
  (void)socket;
  struct handle *handle = context;
  handle->socket = NULL;
  unlink_handle(handle);
  addon_drop_slab(handle);
  WITH_SCOPE(handle, addon_emit(handle, ON_closed, 0, NULL));
  addon_show_state(handle);
  addon_unpin(handle);
}

static void on_lookup(dgram_lookup_t *lookup, const char *host, dgram_type_t type, void *context) {
  (void)host, (void)type;
  struct handle *handle = context;
  napi_env env = handle->addon->env;
  handle->lookup = lookup;
  napi_handle_scope scope;
  napi_open_handle_scope(env, &scope);
  napi_value binding;
  napi_get_boolean(env, dgram_bind_state(handle->socket) != DGRAM_BOUND, &binding);
  addon_emit(handle, ON_lookup, 1, &binding);
  napi_close_handle_scope(env, scope);
}

/* ---- put-off work ---- */

/* Whoever runs it first: a program may have had a tick run twice, or make up the number. */
static void run_errand(struct addon *addon, addon_id errand) {
  dgram_task_run(addon_table_remove(&addon->errands, errand));
}

static bool put_off(struct handle *handle, addon_id errand) {
  napi_value number = addon_int(handle->addon->env, (int64_t)errand);
  return addon_emit(handle, ON_defer, 1, &number);
}

/*
 * Inside a call from JavaScript work is put off to the next tick; from the loop, to the loop. The
 * errand is not to be found before this returns: the task is the library's until then.
 */
static int on_defer(dgram_task_t *task, void *context) {
  struct handle *handle = context;
  struct addon *addon = handle->addon;
  if (addon->depth == 0 || addon->ending || !handle->wrapped || handle->sending)
    return 0;
  addon_id errand = addon_table_add(&addon->errands, NULL);
  if (errand == 0)
    return 0;
  if (!put_off(handle, errand)) {
    addon_table_remove(&addon->errands, errand);
    return 0;
  }
  addon_table_set(&addon->errands, errand, task);
  return 1;
}

/* An argument as the number of an errand that waits; 0: it is none. */
static addon_id errand_argument(const struct addon *addon, napi_env env, napi_value value) {
  double number = 0;
  if (napi_get_value_double(env, value, &number) != napi_ok ||
      !(number >= 1 && number <= (double)ADDON_MOST_ID))
    return 0;
  addon_id id = (addon_id)number;
  return (double)id == number && addon_table_get(&addon->errands, id) != NULL ? id : 0;
}

/* runErrand(number): what `defer` was told; nothing, if that has been run or is none. */
napi_value addon_run_errand(napi_env env, napi_callback_info info) {
  void *data;
  size_t argc = 1;
  napi_value argv[1];
  if (napi_get_cb_info(env, info, &argc, argv, NULL, &data) != napi_ok)
    return NULL;
  struct addon *addon = data;
  addon_id errand = errand_argument(addon, env, argv[0]);
  if (errand == 0)
    return NULL;
  napi_ref outer = addon_enter(addon);
  run_errand(addon, errand);
  addon_leave(addon, outer);
  return NULL;
}

/* ---- the end of the environment ---- */

void addon_close_all(struct addon *addon) {
  addon_id errand = 0;
  while ((errand = addon_table_next(&addon->errands, errand)) != 0)
    run_errand(addon, errand);
  while (addon->first != NULL) {
    struct handle *handle = addon->first;
    dgram_lookup_t *lookup = handle->lookup;
    handle->lookup = NULL;
    dgram_lookup_done(lookup, UV_ECANCELED, NULL);
    dgram_dispose(handle->socket);
  }
}

/* ---- new Handle(owner, type, reuseAddr, ipv6Only, reusePort, lowLatency, receiveBatch) ---- */

enum { MESSAGES_A_TURN = 32 }; /* of the event loop, as the built-in tells */

static int create_socket(struct handle *handle, napi_env env, const napi_value argv[]) {
  dgram_options_t options = dgram_default_options((dgram_type_t)addon_int_argument(env, argv[1]));
  options.reuse_addr = addon_int_argument(env, argv[2]);
  options.ipv6_only = addon_int_argument(env, argv[3]);
  options.reuse_port = addon_int_argument(env, argv[4]);
  options.low_latency = addon_int_argument(env, argv[5]);
  options.receive_batch = addon_int_argument(env, argv[6]);
  options.receive_budget = MESSAGES_A_TURN;
  options.lookup = on_lookup;
  options.lookup_context = handle;
  options.defer = on_defer;
  options.defer_context = handle;
  int err = dgram_create_socket_options(handle->addon->loop, &options, NULL, NULL, &handle->socket);
  if (err == 0 && (dgram_on_messages(handle->socket, addon_on_messages, handle) != 0 ||
                   dgram_on_listening(handle->socket, on_listening, handle) != 0 ||
                   dgram_on_error(handle->socket, on_error, handle) != 0 ||
                   dgram_on_close(handle->socket, on_close, handle) != 0)) {
    dgram_close(handle->socket, NULL, NULL);
    err = UV_ENOMEM;
  }
  return err;
}

/*
 * Ties it to the JavaScript object. napi_async_init() runs the program's hooks, to which the object
 * is no Handle yet. False: it could not be, or the program has made the object another's meanwhile.
 */
static bool wrap(struct handle *handle, napi_env env, napi_value self, napi_value owner) {
  napi_value name;
  void *id = (void *)handle->id; /* never a pointer */
  if (napi_create_string_utf8(env, "UDPWRAP", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_async_init(env, self, name, &handle->context) != napi_ok ||
      napi_create_reference(env, owner, 0, &handle->owner) != napi_ok ||
      napi_wrap(env, self, id, on_finalize, handle, &handle->wrapper) != napi_ok)
    return false;
  handle->wrapped = true;
  addon_show_state(handle);
  return true;
}

/* NULL: no memory. */
static struct handle *new_handle(struct addon *addon) {
  struct handle *handle = calloc(1, sizeof *handle);
  if (handle == NULL)
    return NULL;
  handle->id = addon_table_add(&addon->handles, handle);
  if (handle->id == 0) {
    free(handle);
    return NULL;
  }
  handle->addon = addon;
  addon_hold(addon);
  return handle;
}

static int make_handle(struct addon *addon, napi_value self, const napi_value argv[]) {
  napi_env env = addon->env;
  struct handle *handle = new_handle(addon);
  if (handle == NULL)
    return UV_ENOMEM;
  int err = create_socket(handle, env, argv);
  if (err != 0) {
    forget_wrapper(handle, env);
    free_if_unused(handle);
    return err;
  }
  handle->pins = 1; /* until 'close' */
  link_handle(handle);
  if (wrap(handle, env, self, argv[0]))
    return 0;
  forget_wrapper(handle, env);
  dgram_close(handle->socket, NULL, NULL);
  return UV_EINVAL;
}

/* Whether a socket can be made of it; what else has been thrown. */
static bool is_construction(const struct addon *addon, napi_env env, napi_callback_info info,
                            napi_value owner) {
  napi_value class = NULL;
  napi_valuetype type = napi_undefined;
  napi_get_new_target(env, info, &class);
  napi_typeof(env, owner, &type);
  const char *problem = NULL;
  if (class == NULL)
    problem = "Class constructor Handle cannot be invoked without 'new'";
  else if (!addon->ready)
    problem = "setup() has not been called";
  else if (type != napi_object && type != napi_function)
    problem = "The owner of a Handle must be an object";
  if (problem != NULL)
    napi_throw_type_error(env, NULL, problem);
  return problem == NULL;
}

napi_value addon_handle_new(napi_env env, napi_callback_info info) {
  void *data;
  size_t argc = 7;
  napi_value argv[7], self;
  if (napi_get_cb_info(env, info, &argc, argv, &self, &data) != napi_ok)
    return NULL;
  struct addon *addon = data;
  if (!is_construction(addon, env, info, argv[0]))
    return NULL;
  int err = make_handle(addon, self, argv);
  if (err == 0)
    return self;
  napi_throw_error(env, dgram_err_name(err), dgram_strerror(err));
  return NULL;
}

/* ---- bind, connect, close ---- */

/* The code that a method returns, once what it has changed shows. */
static napi_value done(struct handle *handle, napi_ref outer, int code) {
  addon_show_state(handle);
  addon_leave(handle->addon, outer);
  return addon_int(handle->addon->env, code);
}

/* bind(port): asks `lookup` for the address. */
static napi_value bind_port(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  struct handle *handle = addon_arguments(env, info, 1, argv);
  if (handle == NULL)
    return NULL;
  napi_ref outer = addon_enter(handle->addon);
  return done(handle, outer,
              dgram_bind(handle->socket, addon_int_argument(env, argv[0]), NULL, NULL, NULL));
}

/*
 * An argument that is an address, for the library. With Node.js a zone is the name of an interface,
 * and what is none counts for no zone; the library also takes the number of an interface.
 */
static void address_argument(napi_env env, napi_value value, char text[DGRAM_ADDRESS_TEXT]) {
  char given[ADDRESS_SIZE] = "";
  struct sockaddr_in6 address;
  addon_text_argument(env, value, given, sizeof given);
  char *zone = strchr(given, '%');
  if (zone != NULL && uv_ip6_addr(given, 0, &address) == 0 && address.sin6_scope_id == 0)
    *zone = '\0';
  snprintf(text, DGRAM_ADDRESS_TEXT, "%s", given);
}

/* bindSync(port, address): a numeric address. */
static napi_value bind_sync(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  char address[DGRAM_ADDRESS_TEXT];
  struct handle *handle = addon_arguments(env, info, 2, argv);
  if (handle == NULL)
    return NULL;
  address_argument(env, argv[1], address);
  napi_ref outer = addon_enter(handle->addon);
  return done(handle, outer,
              dgram_bind_sync(handle->socket, addon_int_argument(env, argv[0]), address));
}

static int take_over(struct handle *handle, int fd) {
  dgram_bind_options_t options = dgram_default_bind_options();
  options.fd = fd;
  return dgram_bind_options(handle->socket, &options, NULL, NULL);
}

/* bindDescriptor(fd): takes it over. */
static napi_value bind_descriptor(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  struct handle *handle = addon_arguments(env, info, 1, argv);
  if (handle == NULL)
    return NULL;
  napi_ref outer = addon_enter(handle->addon);
  return done(handle, outer, take_over(handle, addon_int_argument(env, argv[0])));
}

typedef int use_fn(struct handle *handle, int fd);

/* Has a copy of a descriptor that others use too taken over. */
static int use_copy(struct handle *handle, int fd, use_fn *use) {
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (copy < 0)
    return -errno;
  int err = use(handle, copy);
  if (err != 0)
    close(copy);
  return err;
}

/* bindDescriptorCopy(fd): takes over a copy of it. */
static napi_value bind_descriptor_copy(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  struct handle *handle = addon_arguments(env, info, 1, argv);
  if (handle == NULL)
    return NULL;
  napi_ref outer = addon_enter(handle->addon);
  return done(handle, outer, use_copy(handle, addon_int_argument(env, argv[0]), take_over));
}

static dgram_lookup_t *take_lookup(struct handle *handle) {
  dgram_lookup_t *lookup = handle->lookup;
  handle->lookup = NULL;
  return lookup;
}

/* answer(status, address): to the question of `lookup`. */
static napi_value answer(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  char address[DGRAM_ADDRESS_TEXT];
  struct handle *handle = addon_arguments(env, info, 2, argv);
  if (handle == NULL)
    return NULL;
  address_argument(env, argv[1], address);
  napi_ref outer = addon_enter(handle->addon);
  dgram_lookup_done(take_lookup(handle), addon_int_argument(env, argv[0]), address);
  return done(handle, outer, 0);
}

static int answer_with(struct handle *handle, int fd) {
  return dgram_lookup_done_fd(take_lookup(handle), fd);
}

/*
 * libuv sets SO_REUSEADDR on each descriptor that it opens, with which any user of the host may
 * bind to the port, too. The primary has bound it without.
 */
static int answer_with_private(struct handle *handle, int fd) {
  int off = 0;
  (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &off, sizeof off);
  return answer_with(handle, fd);
}

/*
 * answerDescriptor(fd, private): to the question where to bind, with a copy of a socket that is
 * bound, and that nobody else may bind to if it is private.
 */
static napi_value answer_descriptor(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  struct handle *handle = addon_arguments(env, info, 2, argv);
  if (handle == NULL)
    return NULL;
  use_fn *use = addon_int_argument(env, argv[1]) != 0 ? answer_with_private : answer_with;
  napi_ref outer = addon_enter(handle->addon);
  return done(handle, outer, use_copy(handle, addon_int_argument(env, argv[0]), use));
}

static void on_connect_ended(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  on_connect(socket, error, context);
  addon_unpin(context);
}

/* connect(port): asks `lookup` for the address. */
static napi_value connect_port(napi_env env, napi_callback_info info) {
  napi_value argv[1];
  struct handle *handle = addon_arguments(env, info, 1, argv);
  if (handle == NULL)
    return NULL;
  napi_ref outer = addon_enter(handle->addon);
  addon_pin(handle);
  int err = dgram_connect(handle->socket, addon_int_argument(env, argv[0]), NULL, on_connect_ended,
                          handle);
  if (err != 0)
    addon_unpin(handle);
  return done(handle, outer, err);
}

/* connectSync(port, address): a numeric address. */
static napi_value connect_sync(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  char address[DGRAM_ADDRESS_TEXT];
  struct handle *handle = addon_arguments(env, info, 2, argv);
  if (handle == NULL)
    return NULL;
  address_argument(env, argv[1], address);
  napi_ref outer = addon_enter(handle->addon);
  int err = dgram_connect_sync(handle->socket, addon_int_argument(env, argv[0]), address);
  if (err == 0)
    dgram_once_connect(handle->socket, on_connect, handle);
  return done(handle, outer, err);
}

static napi_value disconnect(napi_env env, napi_callback_info info) {
  struct handle *handle = addon_arguments(env, info, 0, NULL);
  if (handle == NULL)
    return NULL;
  napi_ref outer = addon_enter(handle->addon);
  return done(handle, outer, dgram_disconnect(handle->socket));
}

static napi_value close_socket(napi_env env, napi_callback_info info) {
  struct handle *handle = addon_arguments(env, info, 0, NULL);
  if (handle == NULL)
    return NULL;
  napi_ref outer = addon_enter(handle->addon);
  handle->closing = true;
  return done(handle, outer, dgram_close(handle->socket, NULL, NULL));
}

/*
 * lendDescriptor(open): calls open(copy) with a copy of the descriptor, which is open()'s from then
 * on if it returns 0. Meanwhile others may set SO_REUSEADDR, which is the socket's own too: libuv
 * does on what it opens, and others could take the port then.
 */
static napi_value lend_descriptor(napi_env env, napi_callback_info info) {
  napi_value argv[1], undefined, result;
  struct handle *handle = addon_arguments(env, info, 1, argv);
  if (handle == NULL || napi_get_undefined(env, &undefined) != napi_ok)
    return NULL;
  int reuse = 0, code = UV_EINVAL;
  socklen_t size = sizeof reuse;
  int copy = fcntl(dgram_fileno(handle->socket), F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (copy < 0)
    return addon_int(env, -errno);
  int kept = fcntl(copy, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  (void)getsockopt(copy, SOL_SOCKET, SO_REUSEADDR, &reuse, &size);
  napi_value number = addon_int(env, copy);
  if (kept < 0 || napi_call_function(env, undefined, argv[0], 1, &number, &result) != napi_ok ||
      napi_get_value_int32(env, result, &code) != napi_ok)
    code = UV_EINVAL;
  if (kept >= 0) {
    (void)setsockopt(kept, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse);
    close(kept);
  }
  if (code != 0)
    close(copy);
  return addon_int(env, code);
}

#define METHOD(name, function) \
  { name, NULL, function, NULL, NULL, NULL, napi_default_method, NULL }

const napi_property_descriptor addon_life_methods[] = {
    METHOD("bind", bind_port),
    METHOD("bindSync", bind_sync),
    METHOD("bindDescriptor", bind_descriptor),
    METHOD("bindDescriptorCopy", bind_descriptor_copy),
    METHOD("answer", answer),
    METHOD("answerDescriptor", answer_descriptor),
    METHOD("connect", connect_port),
    METHOD("connectSync", connect_sync),
    METHOD("disconnect", disconnect),
    METHOD("close", close_socket),
    METHOD("lendDescriptor", lend_descriptor),
};
const size_t addon_life_method_count = sizeof addon_life_methods / sizeof addon_life_methods[0];
