/*
 * The module, and its beginning and end in an environment.
 *
 * It exports one function, create(): each JavaScript that loads the addon, in a realm of its own
 * perhaps, gets a Handle class and a `struct addon` of its own.
 */
#include "addon.h"

#include <stdlib.h>

/* ---- setup() ---- */

/*
 * Whether nobody can detach or shrink this memory: it is shared, or WebAssembly's. Other memory is
 * not asked politely: it is detached by that.
 */
static bool stays(napi_env env, napi_value buffer) {
  bool is_own = true;
  if (napi_is_arraybuffer(env, buffer, &is_own) != napi_ok)
    return false;
  return !is_own || napi_detach_arraybuffer(env, buffer) == napi_detachable_arraybuffer_expected;
}

/*
 * Memory that JavaScript sees too, for as long as the environment lives: a view of the type, of at
 * least `least` elements, of memory that stays. NULL: it is none.
 */
static void *share(napi_env env, napi_value view, napi_typedarray_type type, size_t least,
                   napi_ref *reference, size_t *length) {
  void *data = NULL;
  napi_value buffer;
  napi_typedarray_type given = napi_float64_array; /* stays where there is no name for it */
  if (napi_get_typedarray_info(env, view, &given, length, &data, &buffer, NULL) != napi_ok ||
      given != type || *length < least || !stays(env, buffer) ||
      napi_create_reference(env, view, 1, reference) != napi_ok)
    return NULL;
  return data;
}

/* The functions of setup(), which a getter may give. False: one is none. */
static bool read_functions(napi_env env, napi_value given, napi_value functions[]) {
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

static bool keep_functions(struct addon *addon, const napi_value functions[]) {
  for (size_t i = 0; i < ADDON_CALLBACK_COUNT; i++)
    if (napi_create_reference(addon->env, functions[i], 1, &addon->callbacks[i]) != napi_ok)
      return false;
  return true;
}

static void drop(napi_env env, napi_ref *reference) {
  if (*reference != NULL)
    napi_delete_reference(env, *reference);
  *reference = NULL;
}

static bool keep(struct addon *addon, const napi_value functions[], const napi_value argv[]) {
  napi_env env = addon->env;
  size_t length;
  addon->view =
      share(env, argv[1], napi_int32_array, ADDON_SENT_SIZE + 1, &addon->view_buffer, &length);
  addon->stage.bytes = share(env, argv[2], napi_uint8_array, ADDON_STAGE_SIZE,
                             &addon->stage.reference, &addon->stage.size);
  if (addon->view != NULL && addon->stage.bytes != NULL && keep_functions(addon, functions))
    return true;
  drop(env, &addon->view_buffer);
  drop(env, &addon->stage.reference);
  for (size_t i = 0; i < ADDON_CALLBACK_COUNT; i++)
    drop(env, &addon->callbacks[i]);
  return false;
}

/*
 * setup(callbacks, view, stage), once: whom to call; where the numbers of a message go, an
 * Int32Array, and its bytes, a Uint8Array, both of memory that stays.
 */
static napi_value setup(napi_env env, napi_callback_info info) {
  void *data;
  size_t argc = 3;
  napi_value argv[3], functions[ADDON_CALLBACK_COUNT];
  if (napi_get_cb_info(env, info, &argc, argv, NULL, &data) != napi_ok)
    return NULL;
  struct addon *addon = data;
  /* Getters run before it is looked at whether this is the first call. */
  if (!read_functions(env, argv[0], functions))
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "setup() needs functions");
  else if (addon->ready)
    napi_throw_error(env, NULL, "setup() has been called already");
  else if (!keep(addon, functions, argv))
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "setup() needs views of memory that stays");
  else
    addon->ready = true;
  return NULL;
}

/* ---- functions ---- */

/* errorName(code), errorText(code): as the system's errors are shown. */
static napi_value error_name(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value argv[1];
  napi_get_cb_info(env, info, &argc, argv, NULL, NULL);
  return addon_text(env, dgram_err_name(addon_int_argument(env, argv[0])));
}

static napi_value error_text(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value argv[1];
  napi_get_cb_info(env, info, &argc, argv, NULL, NULL);
  return addon_text(env, dgram_strerror(addon_int_argument(env, argv[0])));
}

/* descriptorType(fd): 'UDP', or what else it is. */
static napi_value descriptor_type(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value argv[1];
  napi_get_cb_info(env, info, &argc, argv, NULL, NULL);
  switch (uv_guess_handle(addon_int_argument(env, argv[0]))) {
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

/* Each method has the addon with it, whose Handles alone it takes. */
static napi_property_descriptor *add_methods(napi_property_descriptor *end,
                                             const napi_property_descriptor methods[], size_t count,
                                             struct addon *addon) {
  for (size_t i = 0; i < count; i++) {
    *end = methods[i];
    end++->data = addon;
  }
  return end;
}

static bool define_class(napi_env env, napi_value exports, struct addon *addon) {
  size_t count = addon_life_method_count + addon_option_method_count + addon_send_method_count;
  napi_property_descriptor *methods = calloc(count, sizeof *methods);
  if (methods == NULL)
    return false;
  napi_property_descriptor *end = methods;
  end = add_methods(end, addon_life_methods, addon_life_method_count, addon);
  end = add_methods(end, addon_option_methods, addon_option_method_count, addon);
  add_methods(end, addon_send_methods, addon_send_method_count, addon);
  napi_value class = NULL;
  bool defined = napi_define_class(env, "Handle", NAPI_AUTO_LENGTH, addon_handle_new, addon, count,
                                   methods, &class) == napi_ok &&
                 addon_define(env, exports, "Handle", class);
  free(methods);
  return defined;
}

static bool define_function(napi_env env, napi_value exports, const char *name,
                            napi_callback callback, struct addon *addon) {
  napi_value function;
  return napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, addon, &function) == napi_ok &&
         addon_define(env, exports, name, function);
}

static bool define_functions(napi_env env, napi_value exports, struct addon *addon) {
  return define_function(env, exports, "setup", setup, addon) &&
         define_function(env, exports, "runErrand", addon_run_errand, addon) &&
         define_function(env, exports, "descriptorType", descriptor_type, addon) &&
         define_function(env, exports, "errorName", error_name, addon) &&
         define_function(env, exports, "errorText", error_text, addon);
}

static bool define_codes(napi_env env, napi_value exports) {
  napi_value codes;
  if (napi_create_object(env, &codes) != napi_ok)
    return false;
#define CODE(name, code, text) addon_define(env, codes, #name, addon_int(env, code));
  DGRAM_ERROR_MAP(CODE)
#undef CODE
#define CODE(name, text) addon_define(env, codes, #name, addon_int(env, UV_##name));
  UV_ERRNO_MAP(CODE)
#undef CODE
  return addon_define(env, exports, "codes", codes);
}

/* ---- the end ---- */

/* Those of the main thread. process.exit() ends it without a clean-up, but with exit(3). */
static struct addon *main_addons;

/* What JavaScript has sent leaves. */
static void at_exit(void) {
  for (struct addon *addon = main_addons; addon != NULL; addon = addon->next) {
    addon->ending = true;
    for (struct handle *handle = addon->first; handle != NULL; handle = handle->next)
      dgram_flush(handle->socket);
  }
}

static void remember_main(struct addon *addon) {
  static bool registered;
  addon->next = main_addons;
  main_addons = addon;
  if (!registered)
    registered = atexit(at_exit) == 0;
}

static void forget_main(struct addon *addon) {
  struct addon **at = &main_addons;
  while (*at != addon)
    at = &(*at)->next;
  *at = addon->next;
}

void addon_hold(struct addon *addon) {
  addon->users++;
}

void addon_release(struct addon *addon) {
  if (--addon->users > 0)
    return;
  addon_table_free(&addon->handles);
  addon_table_free(&addon->errands);
  free(addon);
}

/* A worker's environment ends, or the main one when its loop has. */
static void on_cleanup(void *data) {
  struct addon *addon = data;
  addon->ending = true;
  addon_close_all(addon);
  if (addon->in_main)
    forget_main(addon);
  addon_release(addon);
}

/* ---- the beginning ---- */

/* NULL: it could not be made. */
static struct addon *new_addon(napi_env env) {
  struct addon *addon = calloc(1, sizeof *addon);
  if (addon == NULL || napi_get_uv_event_loop(env, &addon->loop) != napi_ok ||
      napi_add_env_cleanup_hook(env, on_cleanup, addon) != napi_ok) {
    free(addon);
    return NULL;
  }
  addon->env = env;
  addon->users = 1; /* the environment */
  addon->in_main = addon->loop == uv_default_loop();
  if (addon->in_main)
    remember_main(addon);
  return addon;
}

static napi_value create(napi_env env, napi_callback_info info) {
  (void)info;
  napi_value exports;
  struct addon *addon = new_addon(env);
  if (addon != NULL && napi_create_object(env, &exports) == napi_ok &&
      define_class(env, exports, addon) && define_functions(env, exports, addon) &&
      define_codes(env, exports))
    return exports;
  napi_throw_error(env, NULL, "libdgram: no memory, or no event loop");
  return NULL;
}

NAPI_MODULE_INIT() {
  define_function(env, exports, "create", create, NULL);
  return exports;
}
