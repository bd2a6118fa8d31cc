/*
 * From C to JavaScript, and how arguments are read. Knows nothing of what is called for.
 */
#include "addon.h"

/* ---- what listeners throw ---- */

/* In a call from JavaScript, the first thing thrown is thrown on to the caller. */
static bool keep_thrown(struct addon *addon, napi_value error) {
  return addon->depth > 0 && addon->thrown == NULL &&
         napi_create_reference(addon->env, error, 1, &addon->thrown) == napi_ok;
}

static void take_exception(struct addon *addon) {
  napi_value error;
  bool pending = false;
  napi_is_exception_pending(addon->env, &pending);
  if (!pending) /* a tick has thrown, and 'uncaughtException' knows */
    return;
  if (napi_get_and_clear_last_exception(addon->env, &error) != napi_ok) {
    addon->ending = true; /* a worker that is being terminated */
    return;
  }
  /* Only objects can be referred to before Node-API 10; what else is thrown goes this way too. */
  if (!keep_thrown(addon, error))
    napi_fatal_exception(addon->env, error);
}

napi_ref addon_enter(struct addon *addon) {
  napi_ref outer = addon->thrown;
  addon->thrown = NULL;
  addon->depth++;
  return outer;
}

void addon_leave(struct addon *addon, napi_ref outer) {
  napi_ref thrown = addon->thrown;
  napi_value error = NULL;
  addon->depth--;
  addon->thrown = outer;
  if (thrown == NULL)
    return;
  napi_get_reference_value(addon->env, thrown, &error);
  napi_delete_reference(addon->env, thrown);
  if (error != NULL)
    napi_throw(addon->env, error);
}

/* ---- calls ---- */

bool addon_find(struct handle *handle, enum addon_callback callback, struct addon_function *found) {
  struct addon *addon = handle->addon;
  napi_env env = addon->env;
  *found = (struct addon_function){NULL, NULL};
  return !addon->ending && handle->wrapped &&
         napi_get_reference_value(env, addon->callbacks[callback], &found->function) == napi_ok &&
         napi_get_reference_value(env, handle->owner, &found->owner) == napi_ok &&
         found->function != NULL && found->owner != NULL;
}

static napi_value call_found(struct handle *handle, const struct addon_function *found, size_t argc,
                             const napi_value argv[], bool with_ticks) {
  struct addon *addon = handle->addon;
  napi_env env = addon->env;
  napi_value owner = found->owner, function = found->function, result = NULL;
  napi_status status =
      addon->depth > 0 || !with_ticks
          ? napi_call_function(env, owner, function, argc, argv, &result)
          : napi_make_callback(env, handle->context, owner, function, argc, argv, &result);
  if (status == napi_pending_exception)
    take_exception(addon);
  return status == napi_ok ? result : NULL;
}

void addon_call_found(struct handle *handle, const struct addon_function *found) {
  call_found(handle, found, 0, NULL, true);
}

static napi_value call(struct handle *handle, enum addon_callback callback, size_t argc,
                       const napi_value argv[], bool with_ticks) {
  struct addon_function found;
  if (!addon_find(handle, callback, &found))
    return NULL;
  return call_found(handle, &found, argc, argv, with_ticks);
}

napi_value addon_ask(struct handle *handle, enum addon_callback callback, size_t argc,
                     const napi_value argv[]) {
  return call(handle, callback, argc, argv, false);
}

/* Ticks run when it is closed, in the socket's context. False: the environment ends. */
static bool open_scope(struct handle *handle, napi_callback_scope *scope) {
  napi_env env = handle->addon->env;
  napi_value wrapper = NULL;
  napi_get_reference_value(env, handle->wrapper, &wrapper);
  return wrapper != NULL && handle->context != NULL &&
         napi_open_callback_scope(env, wrapper, handle->context, scope) == napi_ok;
}

/*
 * A tick runs when the callback scope is closed. What it throws Node.js reports there, with the
 * line that has thrown; inside of napi_make_callback() it would lose that. But since Node.js 24 it
 * is that call which gives the tick the asynchronous context.
 */
static bool emit_in_tick(struct handle *handle, size_t argc, const napi_value argv[]) {
  napi_callback_scope scope;
  if (!open_scope(handle, &scope))
    return false;
  bool queued = call(handle, ON_tick, argc, argv, true) != NULL;
  napi_close_callback_scope(handle->addon->env, scope);
  return queued;
}

bool addon_emit(struct handle *handle, enum addon_callback callback, size_t argc,
                const napi_value argv[]) {
  napi_value with_function[1 + ADDON_MOST_ARGUMENTS];
  struct addon_function found;
  if (!addon_find(handle, callback, &found))
    return false;
  with_function[0] = found.function;
  for (size_t i = 0; i < argc; i++)
    with_function[1 + i] = argv[i];
  if (handle->addon->depth == 0)
    return emit_in_tick(handle, 1 + argc, with_function);
  return addon_ask(handle, ON_queue, 1 + argc, with_function) != NULL;
}

/* ---- values ---- */

napi_value addon_int(napi_env env, int64_t number) {
  napi_value value = NULL;
  napi_create_int64(env, number, &value);
  return value;
}

napi_value addon_text(napi_env env, const char *text) {
  napi_value value = NULL;
  napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value);
  return value;
}

bool addon_define(napi_env env, napi_value object, const char *name, napi_value value) {
  napi_property_descriptor property = {
      .utf8name = name, .value = value, .attributes = napi_default_jsproperty};
  return napi_define_properties(env, object, 1, &property) == napi_ok;
}

/*
 * What another addon has wrapped is found here as well, whatever it may point to. Hence ids: ours
 * alone are in the table.
 */
struct handle *addon_arguments(napi_env env, napi_callback_info info, size_t count,
                               napi_value argv[]) {
  napi_value self;
  void *id, *data;
  if (napi_get_cb_info(env, info, &count, argv, &self, &data) != napi_ok)
    return NULL;
  const struct addon *addon = data;
  struct handle *handle = NULL;
  if (napi_unwrap(env, self, &id) == napi_ok)
    handle = addon_table_get(&addon->handles, (addon_id)id);
  if (handle == NULL)
    napi_throw_type_error(env, "ERR_INVALID_THIS", "Value of \"this\" must be of type Handle");
  return handle;
}

int32_t addon_int_argument(napi_env env, napi_value value) {
  int32_t number = 0;
  napi_get_value_int32(env, value, &number);
  return number;
}

bool addon_text_argument(napi_env env, napi_value value, char *text, size_t size) {
  size_t length;
  return napi_get_value_string_utf8(env, value, text, size, &length) == napi_ok;
}
