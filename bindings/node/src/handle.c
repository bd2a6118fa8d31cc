/*
 * The life of a Handle: created, bound, connected, closed; the events of its socket; the work that
 * its socket defers.
 */
#include "addon.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- what keeps it alive ---- */

/* A socket that nobody else refers to stays while it is bound, or on its way there. */
static void handle_set_strong(struct handle *handle, bool strong) {
  uint32_t count;
  if (handle->strong == strong)
    return;
  handle->strong = strong;
  if (strong)
    napi_reference_ref(handle->addon->env, handle->owner, &count);
  else
    napi_reference_unref(handle->addon->env, handle->owner, &count);
}

void addon_update_state(struct handle *handle) {
  struct addon *addon = handle->addon;
  if (addon->ending || !handle->wrapped)
    return;
  dgram_bind_state_t bound = dgram_bind_state(handle->socket);
  handle_set_strong(handle, bound != DGRAM_UNBOUND || (handle->closing && handle->socket != NULL));
  if (handle->closing) /* JavaScript sees the states that it was closed in */
    return;
  napi_value wrapper = NULL;
  napi_get_reference_value(addon->env, handle->wrapper, &wrapper);
  if (wrapper == NULL)
    return;
  addon_define(addon->env, wrapper, "bindState", addon_int(addon->env, bound));
  addon_define(addon->env, wrapper, "connectState",
               addon_int(addon->env, dgram_connect_state(handle->socket)));
}

static void handle_link(struct handle *handle) {
  struct addon *addon = handle->addon;
  handle->previous = addon->last;
  if (handle->previous != NULL)
    handle->previous->next = handle;
  else
    addon->first = handle;
  addon->last = handle;
}

static void handle_unlink(struct handle *handle) {
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
static void handle_free_if_unused(struct handle *handle) {
  if (handle->wrapped || handle->holds > 0)
    return;
  assert(handle->socket == NULL);
  dgram_lookup_done(handle->lookup, UV_ECANCELED, NULL);
  addon_release(handle->addon);
  free(handle);
}

void addon_handle_hold(struct handle *handle) {
  handle->holds++;
}

void addon_handle_release(struct handle *handle) {
  assert(handle->holds > 0);
  if (--handle->holds > 0)
    return;
  if (handle->context != NULL)
    napi_async_destroy(handle->addon->env, handle->context);
  handle->context = NULL;
  handle_free_if_unused(handle);
}

static void handle_forget_wrapper(struct handle *handle, napi_env env) {
  if (handle->wrapper != NULL)
    napi_delete_reference(env, handle->wrapper);
  if (handle->owner != NULL)
    napi_delete_reference(env, handle->owner);
  handle->wrapper = NULL;
  handle->owner = NULL;
  handle->wrapped = false;
  addon_table_remove(&handle->addon->handles, handle->id);
}

/* The JavaScript object is gone; it was not bound, or the reference to it would be strong. */
static void handle_on_finalize(napi_env env, void *data, void *hint) {
  (void)data;
  struct handle *handle = hint;
  handle_forget_wrapper(handle, env);
  if (handle->socket != NULL && !handle->closing)
    dgram_close(handle->socket, NULL, NULL);
  else
    handle_free_if_unused(handle);
}

/* ---- events of the socket ---- */

/* A call from the loop has no handle scope. */
static napi_handle_scope handle_open_scope(const struct handle *handle) {
  napi_handle_scope scope = NULL;
  napi_open_handle_scope(handle->addon->env, &scope);
  return scope;
}

/* Emits the event, with the states as they are then, and closes the scope. */
static void handle_emit(struct handle *handle, napi_handle_scope scope,
                        enum addon_callback callback, size_t argc, const napi_value argv[]) {
  addon_update_state(handle);
  addon_emit(handle, callback, argc, argv);
  napi_close_handle_scope(handle->addon->env, scope);
}

static void handle_on_listening(dgram_socket_t *socket, void *context) {
  (void)socket;
  handle_emit(context, handle_open_scope(context), ON_listening, 0, NULL);
}

static void handle_on_connect(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  (void)socket;
  struct handle *handle = context;
  napi_handle_scope scope = handle_open_scope(handle);
  if (error == NULL) {
    handle_emit(handle, scope, ON_connected, 0, NULL);
  } else {
    napi_value code = addon_int(handle->addon->env, error->code);
    handle_emit(handle, scope, ON_connect_failed, 1, &code);
  }
}

static void handle_on_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  (void)socket;
  struct handle *handle = context;
  napi_env env = handle->addon->env;
  napi_handle_scope scope = handle_open_scope(handle);
  napi_value argv[] = {addon_int(env, error->code), addon_text(env, error->syscall),
                       addon_text(env, error->address != NULL ? error->address : ""),
                       addon_int(env, error->port), addon_int(env, error->mtu)};
  handle_emit(handle, scope, ON_error, 5, argv);
}

static void handle_on_icmp(dgram_socket_t *socket, const dgram_icmp_t *icmp, void *context) {
  (void)socket;
  struct handle *handle = context;
  napi_env env = handle->addon->env;
  napi_handle_scope scope = handle_open_scope(handle);
  napi_value report;
  if (napi_create_object(env, &report) == napi_ok &&
      addon_define(env, report, "address", addon_text(env, icmp->peer.address)) &&
      addon_define(env, report, "port", addon_int(env, icmp->peer.port)) &&
      addon_define(env, report, "family", addon_text(env, icmp->family)) &&
      addon_define(env, report, "kind", addon_text(env, dgram_icmp_kind_name(icmp->kind))) &&
      addon_define(env, report, "type", addon_int(env, icmp->type)) &&
      addon_define(env, report, "code", addon_int(env, icmp->code)) &&
      addon_define(env, report, "reporter", addon_text(env, icmp->reporter.address)) &&
      addon_define(env, report, "mtu", addon_int(env, icmp->mtu)) &&
      addon_define(env, report, "error", addon_text(env, dgram_err_name(icmp->error))))
    handle_emit(handle, scope, ON_icmp, 1, &report);
  else
    napi_close_handle_scope(env, scope);
}

/* watchIcmp(on): whether the event 'icmp' has listeners. */
int64_t addon_watch_icmp(struct handle *handle, const struct addon_argument argv[]) {
  return argv[0].number ? dgram_on_icmp(handle->socket, handle_on_icmp, handle)
                        : dgram_off_icmp(handle->socket, handle_on_icmp, handle);
}

static void handle_on_close(dgram_socket_t *socket, void *context) {
  (void)socket;
  struct handle *handle = context;
  napi_handle_scope scope = handle_open_scope(handle);
  handle->socket = NULL;
  handle_unlink(handle);
  addon_drop_slab(handle);
  addon_emit(handle, ON_closed, 0, NULL);
  napi_close_handle_scope(handle->addon->env, scope);
  addon_update_state(handle);
  addon_handle_release(handle);
}

static void handle_on_lookup(dgram_lookup_t *lookup, const char *host, dgram_type_t type,
                             void *context) {
  (void)host, (void)type;
  struct handle *handle = context;
  napi_env env = handle->addon->env;
  napi_handle_scope scope = handle_open_scope(handle);
  napi_value binding;
  handle->lookup = lookup;
  napi_get_boolean(env, dgram_bind_state(handle->socket) != DGRAM_BOUND, &binding);
  addon_emit(handle, ON_lookup, 1, &binding);
  napi_close_handle_scope(env, scope);
}

static dgram_lookup_t *handle_take_lookup(struct handle *handle) {
  dgram_lookup_t *lookup = handle->lookup;
  handle->lookup = NULL;
  return lookup;
}

/* ---- deferred work ---- */

/* Runs a task once: a program may have had its tick run twice, or made up the id. */
static void handle_run_task(struct addon *addon, addon_id id) {
  dgram_task_run(addon_table_remove(&addon->tasks, id));
}

/*
 * Inside a call from JavaScript work is deferred to the next tick; from the loop, to the loop. The
 * task is not found by its id before this returns: it is the library's until then.
 */
static int handle_on_defer(dgram_task_t *task, void *context) {
  struct handle *handle = context;
  struct addon *addon = handle->addon;
  if (addon->depth == 0 || addon->ending || !handle->wrapped || handle->sending)
    return 0;
  addon_id id = addon_table_add(&addon->tasks, NULL);
  if (id == 0)
    return 0;
  napi_value number = addon_int(addon->env, (int64_t)id);
  if (!addon_emit(handle, ON_defer, 1, &number)) {
    addon_table_remove(&addon->tasks, id);
    return 0;
  }
  addon_table_set(&addon->tasks, id, task);
  return 1;
}

/* runDeferredTask(id): runs the task that `defer` was given; nothing if it has run or is none. */
napi_value addon_run_deferred_task(napi_env env, napi_callback_info info) {
  void *data;
  size_t argc = 1;
  napi_value argv[1];
  double number = 0;
  if (napi_get_cb_info(env, info, &argc, argv, NULL, &data) != napi_ok ||
      napi_get_value_double(env, argv[0], &number) != napi_ok ||
      !(number >= 1 && number <= (double)ADDON_MAX_ID))
    return NULL;
  struct addon *addon = data;
  addon_id id = (addon_id)number;
  if ((double)id != number || addon_table_get(&addon->tasks, id) == NULL)
    return NULL;
  napi_ref outer = addon_enter(addon);
  handle_run_task(addon, id);
  addon_leave(addon, outer);
  return NULL;
}

/* ---- the end of the environment ---- */

void addon_close_all(struct addon *addon) {
  addon_id id = 0;
  while ((id = addon_table_next(&addon->tasks, id)) != 0)
    handle_run_task(addon, id);
  while (addon->first != NULL) {
    struct handle *handle = addon->first;
    dgram_lookup_done(handle_take_lookup(handle), UV_ECANCELED, NULL);
    dgram_dispose(handle->socket);
  }
}

/* ---- new Handle(owner, type, reuseAddr, ipv6Only, reusePort, lowLatency, receiveBatch,
 * disableGro, bindToDevice, receiveInfo, disableGso) ---- */

enum { HANDLE_ARGUMENTS = 11 };

static int handle_create_socket(struct handle *handle, napi_env env, const napi_value argv[]) {
  dgram_options_t options = dgram_default_options((dgram_type_t)addon_read_int(env, argv[1]));
  options.reuse_addr = addon_read_int(env, argv[2]);
  options.ipv6_only = addon_read_int(env, argv[3]);
  options.reuse_port = addon_read_int(env, argv[4]);
  options.low_latency = addon_read_int(env, argv[5]);
  options.receive_batch = addon_read_int(env, argv[6]);
  options.disable_gro = addon_read_int(env, argv[7]);
  char device[DGRAM_INTERFACE_NAME + 1]; /* with a byte more, so that a long name is noticed */
  size_t length;
  if (napi_get_value_string_utf8(env, argv[8], device, sizeof device, &length) == napi_ok)
    options.bind_device = device;
  options.receive_info = (unsigned)addon_read_int(env, argv[9]);
  handle->informed = options.receive_info != 0;
  options.disable_gso = addon_read_int(env, argv[10]);
  options.receive_budget = ADDON_MESSAGES_PER_ITERATION;
  options.lookup = handle_on_lookup;
  options.lookup_context = handle;
  options.defer = handle_on_defer;
  options.defer_context = handle;
  options.sim_host = handle->addon->sim_host;
  handle->addon->sim_host = NULL;
  int err = dgram_create_socket_options(handle->addon->loop, &options, NULL, NULL, &handle->socket);
  if (err == 0 && (dgram_on_messages(handle->socket, addon_on_messages, handle) != 0 ||
                   dgram_on_listening(handle->socket, handle_on_listening, handle) != 0 ||
                   dgram_on_error(handle->socket, handle_on_error, handle) != 0 ||
                   dgram_on_close(handle->socket, handle_on_close, handle) != 0)) {
    dgram_close(handle->socket, NULL, NULL);
    handle->socket = NULL;
    err = UV_ENOMEM;
  }
  return err;
}

/*
 * Wraps it in the JavaScript object. napi_async_init() runs the program's hooks, to which the
 * object is no Handle yet. False: it could not be, or a hook has wrapped something else in it.
 */
static bool handle_wrap(struct handle *handle, napi_env env, napi_value self, napi_value owner) {
  napi_value name;
  void *id = (void *)handle->id; /* never a pointer */
  if (napi_create_string_utf8(env, "UDPWRAP", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_async_init(env, self, name, &handle->context) != napi_ok ||
      napi_create_reference(env, owner, 0, &handle->owner) != napi_ok ||
      napi_wrap(env, self, id, handle_on_finalize, handle, &handle->wrapper) != napi_ok)
    return false;
  handle->wrapped = true;
  addon_update_state(handle);
  return true;
}

/* Returns 0 or a negative code. */
static int handle_create(struct addon *addon, napi_value self, const napi_value argv[]) {
  napi_env env = addon->env;
  struct handle *handle = calloc(1, sizeof *handle);
  if (handle == NULL)
    return UV_ENOMEM;
  handle->id = addon_table_add(&addon->handles, handle);
  if (handle->id == 0) {
    free(handle);
    return UV_ENOMEM;
  }
  handle->addon = addon;
  addon_hold(addon);
  int err = handle_create_socket(handle, env, argv);
  if (err != 0) {
    handle_forget_wrapper(handle, env);
    handle_free_if_unused(handle);
    return err;
  }
  addon_handle_hold(handle); /* until 'close' */
  handle_link(handle);
  if (handle_wrap(handle, env, self, argv[0]))
    return 0;
  handle_forget_wrapper(handle, env);
  dgram_close(handle->socket, NULL, NULL);
  return UV_EINVAL;
}

napi_value addon_handle_new(napi_env env, napi_callback_info info) {
  void *data;
  size_t argc = HANDLE_ARGUMENTS;
  napi_value argv[HANDLE_ARGUMENTS], self, class = NULL;
  napi_valuetype type = napi_undefined;
  if (napi_get_cb_info(env, info, &argc, argv, &self, &data) != napi_ok)
    return NULL;
  struct addon *addon = data;
  napi_get_new_target(env, info, &class);
  napi_typeof(env, argv[0], &type);
  const char *problem = NULL;
  if (class == NULL)
    problem = "Class constructor Handle cannot be invoked without 'new'";
  else if (!addon->ready)
    problem = "setup() has not been called";
  else if (type != napi_object && type != napi_function)
    problem = "The owner of a Handle must be an object";
  if (problem != NULL) {
    napi_throw_type_error(env, NULL, problem);
    return NULL;
  }
  int err = handle_create(addon, self, argv);
  if (err == 0)
    return self;
  napi_throw_error(env, dgram_err_name(err), dgram_strerror(err));
  return NULL;
}

/* ---- bind ---- */

static int handle_adopt(struct handle *handle, int fd) {
  dgram_bind_options_t options = dgram_default_bind_options();
  options.fd = fd;
  return dgram_bind_options(handle->socket, &options, NULL, NULL);
}

/* bindDescriptor(fd): the socket owns it from then on. */
int64_t addon_bind_descriptor(struct handle *handle, const struct addon_argument argv[]) {
  return handle_adopt(handle, argv[0].number);
}

static int handle_duplicate(int fd) {
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  return copy >= 0 ? copy : -errno;
}

typedef int handle_adopt_fn(struct handle *handle, int fd);

/* Has a copy of a descriptor adopted that others use as well. */
static int handle_adopt_copy(struct handle *handle, int fd, handle_adopt_fn *adopt) {
  int copy = handle_duplicate(fd);
  if (copy < 0)
    return copy;
  int err = adopt(handle, copy);
  if (err != 0)
    close(copy);
  return err;
}

/* bindDescriptorCopy(fd): the socket owns a copy of it. */
int64_t addon_bind_descriptor_copy(struct handle *handle, const struct addon_argument argv[]) {
  return handle_adopt_copy(handle, argv[0].number, handle_adopt);
}

/* ---- resolved ---- */

/* resolved(status, address): the result of `lookup`. */
int64_t addon_resolved(struct handle *handle, const struct addon_argument argv[]) {
  dgram_lookup_done(handle_take_lookup(handle), argv[0].number, argv[1].text);
  return 0;
}

static int handle_resolve_with(struct handle *handle, int fd) {
  return dgram_lookup_done_fd(handle_take_lookup(handle), fd);
}

/*
 * libuv sets SO_REUSEADDR on each descriptor that it opens, with which any user of the host may
 * bind to the port as well. The primary has bound it without.
 */
static int handle_resolve_with_private(struct handle *handle, int fd) {
  int off = 0;
  (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &off, sizeof off);
  return handle_resolve_with(handle, fd);
}

/*
 * resolvedDescriptor(fd, private): the result of `lookup` for a bind is a copy of a socket that is
 * bound; nobody else may bind to its port if it is private.
 */
int64_t addon_resolved_descriptor(struct handle *handle, const struct addon_argument argv[]) {
  return handle_adopt_copy(handle, argv[0].number,
                           argv[1].number != 0 ? handle_resolve_with_private : handle_resolve_with);
}

/* ---- connect ---- */

static void handle_on_connect_ended(dgram_socket_t *socket, const dgram_error_t *error,
                                    void *context) {
  handle_on_connect(socket, error, context);
  addon_handle_release(context);
}

/* connect(port): has `lookup` called for the address. */
int64_t addon_connect(struct handle *handle, const struct addon_argument argv[]) {
  addon_handle_hold(handle);
  int err = dgram_connect(handle->socket, argv[0].number, NULL, handle_on_connect_ended, handle);
  if (err != 0)
    addon_handle_release(handle);
  return err;
}

/* connectSync(port, address) */
int64_t addon_connect_sync(struct handle *handle, const struct addon_argument argv[]) {
  int err = dgram_connect_sync(handle->socket, argv[0].number, argv[1].text);
  if (err == 0)
    dgram_once_connect(handle->socket, handle_on_connect, handle);
  return err;
}

/* ---- close ---- */

int64_t addon_close(struct handle *handle, const struct addon_argument argv[]) {
  (void)argv;
  handle->closing = true;
  return dgram_close(handle->socket, NULL, NULL);
}

/* ---- a descriptor for others ---- */

/*
 * lendDescriptor(open): calls open(copy) with a copy of the descriptor, which open() owns from then
 * on if it returns 0. libuv sets SO_REUSEADDR on what it opens, which is the socket's own as well,
 * and others could bind to the port: the former value is restored.
 */
int64_t addon_lend_descriptor(struct handle *handle, const struct addon_argument argv[]) {
  napi_env env = handle->addon->env;
  napi_value undefined, result;
  int reuse = 0, code = UV_EINVAL;
  socklen_t size = sizeof reuse;
  int copy = handle_duplicate(dgram_fileno(handle->socket));
  if (copy < 0)
    return copy;
  int kept = handle_duplicate(copy); /* open() may close the other one */
  (void)getsockopt(copy, SOL_SOCKET, SO_REUSEADDR, &reuse, &size);
  napi_value number = addon_int(env, copy);
  if (kept < 0 || napi_get_undefined(env, &undefined) != napi_ok ||
      napi_call_function(env, undefined, argv[0].value, 1, &number, &result) != napi_ok ||
      napi_get_value_int32(env, result, &code) != napi_ok)
    code = UV_EINVAL;
  if (kept >= 0) {
    (void)setsockopt(kept, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse);
    close(kept);
  }
  if (code != 0)
    close(copy);
  return code;
}
