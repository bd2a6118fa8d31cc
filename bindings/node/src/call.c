/*
 * From C to JavaScript: exceptions, calls, values.
 */
#include "addon.h"

#include <assert.h>
#include <string.h>

/* ---- exceptions of listeners ---- */

/* In a call from JavaScript, the first thing thrown is thrown on to the caller. */
static bool call_keep_exception(struct addon *addon, napi_value error) {
  return addon->depth > 0 && addon->thrown == NULL &&
         napi_create_reference(addon->env, error, 1, &addon->thrown) == napi_ok;
}

static void call_take_exception(struct addon *addon) {
  napi_value error;
  bool pending = false;
  napi_is_exception_pending(addon->env, &pending);
  if (!pending) /* a tick has thrown: it has become an 'uncaughtException' */
    return;
  if (napi_get_and_clear_last_exception(addon->env, &error) != napi_ok) {
    addon->ending = true; /* a worker that is being terminated */
    return;
  }
  /* Before Node-API 10 only objects can be referred to; other values go this way as well. */
  if (!call_keep_exception(addon, error))
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
  assert(addon->depth > 0);
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

bool addon_find_function(struct handle *handle, enum addon_callback callback,
                         struct addon_function *found) {
  struct addon *addon = handle->addon;
  napi_env env = addon->env;
  *found = (struct addon_function){NULL, NULL};
  return !addon->ending && handle->wrapped &&
         napi_get_reference_value(env, addon->callbacks[callback], &found->function) == napi_ok &&
         napi_get_reference_value(env, handle->owner, &found->owner) == napi_ok &&
         found->function != NULL && found->owner != NULL;
}

enum call_ticks { CALL_WITHOUT_TICKS, CALL_WITH_TICKS };

/* Inside a call from JavaScript ticks run when that has returned, in any case. */
static napi_value call_found(struct handle *handle, const struct addon_function *found, size_t argc,
                             const napi_value argv[], enum call_ticks ticks) {
  struct addon *addon = handle->addon;
  napi_env env = addon->env;
  napi_value owner = found->owner, function = found->function, result = NULL;
  napi_status status =
      addon->depth > 0 || ticks == CALL_WITHOUT_TICKS
          ? napi_call_function(env, owner, function, argc, argv, &result)
          : napi_make_callback(env, handle->context, owner, function, argc, argv, &result);
  if (status == napi_pending_exception)
    call_take_exception(addon);
  return status == napi_ok ? result : NULL;
}

void addon_call_function(struct handle *handle, const struct addon_function *found) {
  call_found(handle, found, 0, NULL, CALL_WITH_TICKS);
}

static napi_value call_callback(struct handle *handle, enum addon_callback callback, size_t argc,
                                const napi_value argv[], enum call_ticks ticks) {
  struct addon_function found;
  if (!addon_find_function(handle, callback, &found))
    return NULL;
  return call_found(handle, &found, argc, argv, ticks);
}

napi_value addon_call(struct handle *handle, enum addon_callback callback, size_t argc,
                      const napi_value argv[]) {
  return call_callback(handle, callback, argc, argv, CALL_WITHOUT_TICKS);
}

/*
 * A tick runs when the callback scope is closed, in the socket's asynchronous context. Node.js
 * reports an exception there with the line that has thrown; inside of napi_make_callback() it would
 * lose that line. But since Node.js 24 it is that call which gives the tick its context. False: the
 * environment ends.
 */
static bool call_in_tick(struct handle *handle, size_t argc, const napi_value argv[]) {
  napi_env env = handle->addon->env;
  napi_callback_scope scope;
  napi_value wrapper = NULL;
  napi_get_reference_value(env, handle->wrapper, &wrapper);
  if (wrapper == NULL || handle->context == NULL ||
      napi_open_callback_scope(env, wrapper, handle->context, &scope) != napi_ok)
    return false;
  bool queued = call_callback(handle, ON_tick, argc, argv, CALL_WITH_TICKS) != NULL;
  napi_close_callback_scope(env, scope);
  return queued;
}

bool addon_emit(struct handle *handle, enum addon_callback callback, size_t argc,
                const napi_value argv[]) {
  napi_value with_function[1 + ADDON_MAX_CALLBACK_ARGUMENTS];
  struct addon_function found;
  if (!addon_find_function(handle, callback, &found))
    return false;
  assert(argc <= ADDON_MAX_CALLBACK_ARGUMENTS);
  with_function[0] = found.function;
  for (size_t i = 0; i < argc; i++)
    with_function[1 + i] = argv[i];
  if (handle->addon->depth == 0)
    return call_in_tick(handle, 1 + argc, with_function);
  return addon_call(handle, ON_queue, 1 + argc, with_function) != NULL;
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

int32_t addon_read_int(napi_env env, napi_value value) {
  int32_t number = 0;
  napi_get_value_int32(env, value, &number);
  return number;
}

bool addon_read_array(napi_env env, napi_value value, napi_typedarray_type type,
                      const void **elements, size_t *count) {
  napi_typedarray_type found;
  void *data;
  if (napi_get_typedarray_info(env, value, &found, count, &data, NULL, NULL) != napi_ok ||
      found != type)
    return false;
  *elements = data;
  if (data == NULL)
    *count = 0;
  return true;
}

bool addon_read_address(const char *text, int port, struct sockaddr_storage *address) {
  memset(address, 0, sizeof *address);
  return text != NULL && (uv_ip4_addr(text, port, (struct sockaddr_in *)address) == 0 ||
                          uv_ip6_addr(text, port, (struct sockaddr_in6 *)address) == 0);
}
