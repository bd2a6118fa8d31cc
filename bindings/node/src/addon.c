/*
 * The module, and its beginning and end in an environment.
 *
 * It exports one function, create(): each JavaScript that loads the addon, in a realm of its own
 * perhaps, gets a Handle class and a `struct addon` of its own.
 */
#include "addon.h"

#include <assert.h>
#include <stdlib.h>

/* ---- setup() ---- */

/*
 * Whether nobody can detach or shrink this memory: it is shared, or WebAssembly's. Other memory is
 * detached by this.
 */
static bool addon_is_lasting(napi_env env, napi_value buffer) {
  bool is_own = true;
  if (napi_is_arraybuffer(env, buffer, &is_own) != napi_ok)
    return false;
  return !is_own || napi_detach_arraybuffer(env, buffer) == napi_detachable_arraybuffer_expected;
}

/*
 * Memory that JavaScript shares for as long as the environment lives: a view of the type, of at
 * least `least` elements, of lasting memory. NULL: it is none.
 */
static void *addon_share(napi_env env, napi_value view, napi_typedarray_type type, size_t least,
                         napi_ref *reference, size_t *length) {
  void *data = NULL;
  napi_value buffer;
  napi_typedarray_type given = napi_float64_array; /* stays where there is no name for it */
  if (napi_get_typedarray_info(env, view, &given, length, &data, &buffer, NULL) != napi_ok ||
      given != type || *length < least || !addon_is_lasting(env, buffer) ||
      napi_create_reference(env, view, 1, reference) != napi_ok)
    return NULL;
  return data;
}

/* The functions of setup(), which a getter may give. False: one is none. */
static bool addon_read_functions(napi_env env, napi_value given, napi_value functions[]) {
  static const char *const names[] = {
#define NAME(name) #name,
      ADDON_CALLBACKS(NAME)
#undef NAME
  };
  for (size_t i = 0; i < ADDON_CALLBACK_COUNT; i++) {
    napi_valuetype type;
    if (napi_get_named_property(env, given, names[i], &functions[i]) != napi_ok ||
        napi_typeof(env, functions[i], &type) != napi_ok || type != napi_function)
      return false;
  }
  return true;
}

static void addon_drop_reference(napi_env env, napi_ref *reference) {
  if (*reference != NULL)
    napi_delete_reference(env, *reference);
  *reference = NULL;
}

/* Refers to all that setup() was given, or, when it returns false, to nothing. */
static bool addon_keep(struct addon *addon, const napi_value functions[], const napi_value argv[]) {
  napi_env env = addon->env;
  struct addon_memory *staging = &addon->staging;
  size_t length;
  addon->shared = addon_share(env, argv[1], napi_int32_array, ADDON_SHARED_LENGTH,
                              &addon->shared_reference, &length);
  staging->bytes = addon_share(env, argv[2], napi_uint8_array, ADDON_STAGING_SIZE,
                               &staging->reference, &staging->size);
  bool kept = addon->shared != NULL && staging->bytes != NULL;
  for (size_t i = 0; kept && i < ADDON_CALLBACK_COUNT; i++)
    kept = napi_create_reference(env, functions[i], 1, &addon->callbacks[i]) == napi_ok;
  if (kept)
    return true;
  addon_drop_reference(env, &addon->shared_reference);
  addon_drop_reference(env, &staging->reference);
  for (size_t i = 0; i < ADDON_CALLBACK_COUNT; i++)
    addon_drop_reference(env, &addon->callbacks[i]);
  return false;
}

/*
 * setup(callbacks, shared, staging), once: the functions to call; an Int32Array for the fields of
 * messages and a Uint8Array for their payloads, both of lasting memory.
 */
static napi_value addon_setup(napi_env env, napi_callback_info info) {
  void *data;
  size_t argc = 3;
  napi_value argv[3], functions[ADDON_CALLBACK_COUNT];
  if (napi_get_cb_info(env, info, &argc, argv, NULL, &data) != napi_ok)
    return NULL;
  struct addon *addon = data;
  /* Getters run before `ready` is read: they may call setup() as well. */
  if (!addon_read_functions(env, argv[0], functions))
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "setup() needs functions");
  else if (addon->ready)
    napi_throw_error(env, NULL, "setup() has been called already");
  else if (!addon_keep(addon, functions, argv))
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "setup() needs views of lasting memory");
  else
    addon->ready = true;
  return NULL;
}

/* ---- functions ---- */

static int addon_first_argument(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value argv[1];
  napi_get_cb_info(env, info, &argc, argv, NULL, NULL);
  return addon_read_int(env, argv[0]);
}

/* errorName(code), errorText(code) */
static napi_value addon_error_name(napi_env env, napi_callback_info info) {
  return addon_text(env, dgram_err_name(addon_first_argument(env, info)));
}

static napi_value addon_error_text(napi_env env, napi_callback_info info) {
  return addon_text(env, dgram_strerror(addon_first_argument(env, info)));
}

/* descriptorType(fd): 'UDP', or what else it is. */
static napi_value addon_descriptor_type(napi_env env, napi_callback_info info) {
  switch (uv_guess_handle(addon_first_argument(env, info))) {
  case UV_UDP:
    return addon_text(env, "UDP");
  case UV_TCP:
    return addon_text(env, "TCP");
  case UV_NAMED_PIPE:
    return addon_text(env, "PIPE");
  case UV_TTY:
    return addon_text(env, "TTY");
  case UV_FILE:
    return addon_text(env, "FILE");
  default:
    return addon_text(env, "UNKNOWN");
  }
}

bool addon_define_function(napi_env env, napi_value exports, const char *name,
                           napi_callback callback, struct addon *addon) {
  napi_value function;
  return napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, addon, &function) == napi_ok &&
         addon_define(env, exports, name, function);
}

static bool addon_define_functions(napi_env env, napi_value exports, struct addon *addon) {
  return addon_define_function(env, exports, "setup", addon_setup, addon) &&
         addon_define_function(env, exports, "runDeferredTask", addon_run_deferred_task, addon) &&
         addon_define_function(env, exports, "descriptorType", addon_descriptor_type, addon) &&
         addon_define_function(env, exports, "errorName", addon_error_name, addon) &&
         addon_define_function(env, exports, "errorText", addon_error_text, addon);
}

/* `constants`: those of addon.h, the library's error codes, and libuv's. */
static bool addon_define_constants(napi_env env, napi_value exports) {
  static const struct {
    const char *name;
    int value;
  } constants[] = {
#define CONSTANT(name, value) {#name, value},
#define DGRAM_CODE(name, code, text) {#name, code},
#define UV_CODE(name, text) {#name, UV_##name},
      ADDON_CONSTANTS(CONSTANT) DGRAM_ERROR_MAP(DGRAM_CODE) UV_ERRNO_MAP(UV_CODE)
#undef CONSTANT
#undef DGRAM_CODE
#undef UV_CODE
  };
  napi_value numbers;
  if (napi_create_object(env, &numbers) != napi_ok)
    return false;
  for (size_t i = 0; i < sizeof constants / sizeof constants[0]; i++)
    if (!addon_define(env, numbers, constants[i].name, addon_int(env, constants[i].value)))
      return false;
  return addon_define(env, exports, "constants", numbers);
}

/* ---- the end ---- */

/* Those of the main thread. process.exit() ends it without a clean-up, but with exit(3). */
static struct addon *main_addons;

/* Flushes what JavaScript has sent. */
static void addon_at_exit(void) {
  for (struct addon *addon = main_addons; addon != NULL; addon = addon->next) {
    addon->ending = true;
    for (struct handle *handle = addon->first; handle != NULL; handle = handle->next)
      dgram_flush(handle->socket);
  }
}

static void addon_link_main(struct addon *addon) {
  static bool registered;
  addon->next = main_addons;
  main_addons = addon;
  if (!registered)
    registered = atexit(addon_at_exit) == 0;
}

static void addon_unlink_main(struct addon *addon) {
  struct addon **at = &main_addons;
  while (*at != addon)
    at = &(*at)->next;
  *at = addon->next;
}

void addon_hold(struct addon *addon) {
  addon->users++;
}

void addon_release(struct addon *addon) {
  assert(addon->users > 0);
  if (--addon->users > 0)
    return;
  addon_table_free(&addon->handles);
  addon_table_free(&addon->lists);
  addon_table_free(&addon->tasks);
  addon_table_free(&addon->networks);
  addon_table_free(&addon->watchers);
  free(addon->methods);
  free(addon->list_methods);
  free(addon);
}

/* A worker's environment ends, or the main one when its loop has. */
static void addon_on_cleanup(void *data) {
  struct addon *addon = data;
  addon->ending = true;
  addon_close_all(addon);
  addon_free_networks(addon);
  addon_end_watchers(addon);
  if (addon->in_main)
    addon_unlink_main(addon);
  addon_release(addon);
}

/* ---- the beginning ---- */

/* NULL: it could not be made. */
static struct addon *addon_new(napi_env env) {
  struct addon *addon = calloc(1, sizeof *addon);
  if (addon == NULL || napi_get_uv_event_loop(env, &addon->loop) != napi_ok ||
      napi_add_env_cleanup_hook(env, addon_on_cleanup, addon) != napi_ok) {
    free(addon);
    return NULL;
  }
  addon->env = env;
  addon->users = 1; /* the environment */
  addon->in_main = addon->loop == uv_default_loop();
  if (addon->in_main)
    addon_link_main(addon);
  return addon;
}

static napi_value addon_create(napi_env env, napi_callback_info info) {
  (void)info;
  napi_value exports;
  struct addon *addon = addon_new(env);
  if (addon != NULL && napi_create_object(env, &exports) == napi_ok &&
      addon_define_handle(addon, exports) && addon_define_access_list(addon, exports) &&
      addon_define_functions(env, exports, addon) && addon_define_sim(env, exports, addon) &&
      addon_define_interfaces(env, exports, addon) && addon_define_constants(env, exports))
    return exports;
  napi_throw_error(env, NULL, "libdgram: no memory, or no event loop");
  return NULL;
}

NAPI_MODULE_INIT() {
  addon_define_function(env, exports, "create", addon_create, NULL);
  return exports;
}
