/*
 * The module, and its beginning and end in an environment.
 *
 * It exports one function, create(): each JavaScript that loads the addon, in a realm of its own
 * perhaps, gets a Handle class and a `struct addon` of its own.
 */
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Memory that JavaScript sees too, for as long as the environment lives. */
static void *share(napi_env env, napi_value typed_array, napi_ref *reference, size_t *length) {
  void *data;
  napi_get_typedarray_info(env, typed_array, NULL, length, &data, NULL, NULL);
  napi_create_reference(env, typed_array, 1, reference);
  return data;
}

/* setup(callbacks, view, stage): whom to call; where the numbers of a message go, and its bytes. */
static napi_value setup(napi_env env, napi_callback_info info) {
  static const char *const names[] = {
#define NAME(name) #name,
      ADDON_CALLBACKS(NAME)
#undef NAME
  };
  struct addon *addon;
  size_t argc = 3;
  napi_value argv[3], list;
  napi_get_cb_info(env, info, &argc, argv, NULL, (void **)&addon);
  napi_create_array_with_length(env, ADDON_CALLBACK_COUNT, &list);
  for (uint32_t i = 0; i < ADDON_CALLBACK_COUNT; i++) {
    napi_value function;
    napi_get_named_property(env, argv[0], names[i], &function);
    napi_set_element(env, list, i, function);
  }
  napi_create_reference(env, list, 1, &addon->callbacks);
  addon->view = share(env, argv[1], &addon->view_buffer, NULL);
  addon->stage.bytes = share(env, argv[2], &addon->stage.reference, &addon->stage.size);
  return NULL;
}

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

/* copyDescriptor(fd): a copy, or a negative code. closeDescriptor(fd): closes it. */
static napi_value copy_descriptor(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value argv[1];
  napi_get_cb_info(env, info, &argc, argv, NULL, NULL);
  int copy = fcntl(addon_int_argument(env, argv[0]), F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  return addon_int(env, copy >= 0 ? copy : -errno);
}

static napi_value close_descriptor(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value argv[1];
  napi_get_cb_info(env, info, &argc, argv, NULL, NULL);
  close(addon_int_argument(env, argv[0]));
  return NULL;
}

/* reuseAddress(fd): whether SO_REUSEADDR is set, as 0 or 1. setReuseAddress(fd, value): sets it. */
static napi_value reuse_address(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value argv[1];
  int value = 0;
  socklen_t size = sizeof value;
  napi_get_cb_info(env, info, &argc, argv, NULL, NULL);
  getsockopt(addon_int_argument(env, argv[0]), SOL_SOCKET, SO_REUSEADDR, &value, &size);
  return addon_int(env, value != 0);
}

static napi_value set_reuse_address(napi_env env, napi_callback_info info) {
  size_t argc = 2;
  napi_value argv[2];
  napi_get_cb_info(env, info, &argc, argv, NULL, NULL);
  int value = addon_int_argument(env, argv[1]);
  setsockopt(addon_int_argument(env, argv[0]), SOL_SOCKET, SO_REUSEADDR, &value, sizeof value);
  return NULL;
}

static void define_class(napi_env env, napi_value exports, struct addon *addon) {
  size_t count = addon_life_method_count + addon_option_method_count + addon_send_method_count;
  napi_property_descriptor *methods = calloc(count, sizeof *methods);
  if (methods == NULL)
    abort();
  napi_property_descriptor *end = methods;
  for (size_t i = 0; i < addon_life_method_count; i++)
    *end++ = addon_life_methods[i];
  for (size_t i = 0; i < addon_option_method_count; i++)
    *end++ = addon_option_methods[i];
  for (size_t i = 0; i < addon_send_method_count; i++)
    *end++ = addon_send_methods[i];
  napi_value class;
  napi_define_class(env, "Handle", NAPI_AUTO_LENGTH, addon_handle_new, addon, count, methods,
                    &class);
  free(methods);
  napi_set_named_property(env, exports, "Handle", class);
}

static void define_functions(napi_env env, napi_value exports, struct addon *addon) {
  static const struct {
    const char *name;
    napi_callback function;
  } functions[] = {{"setup", setup},
                   {"runErrand", addon_run_errand},
                   {"descriptorType", descriptor_type},
                   {"copyDescriptor", copy_descriptor},
                   {"closeDescriptor", close_descriptor},
                   {"reuseAddress", reuse_address},
                   {"setReuseAddress", set_reuse_address},
                   {"errorName", error_name},
                   {"errorText", error_text}};
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
    napi_value function;
    napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].function, addon,
                         &function);
    napi_set_named_property(env, exports, functions[i].name, function);
  }
}

static void define_codes(napi_env env, napi_value exports) {
  napi_value codes;
  napi_create_object(env, &codes);
#define CODE(name, code, text) napi_set_named_property(env, codes, #name, addon_int(env, code));
  DGRAM_ERROR_MAP(CODE)
#undef CODE
#define CODE(name, text) napi_set_named_property(env, codes, #name, addon_int(env, UV_##name));
  UV_ERRNO_MAP(CODE)
#undef CODE
  napi_set_named_property(env, exports, "codes", codes);
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

/* A worker's environment ends, or the main one when its loop has. */
static void on_cleanup(void *data) {
  struct addon *addon = data;
  addon->ending = true;
  addon_close_all(addon);
  if (addon->in_main)
    forget_main(addon);
  free(addon);
}

/* ---- the beginning ---- */

static napi_value create(napi_env env, napi_callback_info info) {
  (void)info;
  struct addon *addon = calloc(1, sizeof *addon);
  if (addon == NULL || napi_get_uv_event_loop(env, &addon->loop) != napi_ok) {
    free(addon);
    napi_throw_error(env, NULL, "libdgram: no memory, or no event loop");
    return NULL;
  }
  addon->env = env;
  addon->in_main = addon->loop == uv_default_loop();
  if (addon->in_main)
    remember_main(addon);
  napi_add_env_cleanup_hook(env, on_cleanup, addon);
  napi_value exports;
  napi_create_object(env, &exports);
  define_class(env, exports, addon);
  define_functions(env, exports, addon);
  define_codes(env, exports);
  return exports;
}

NAPI_MODULE_INIT() {
  napi_value function;
  napi_create_function(env, "create", NAPI_AUTO_LENGTH, create, NULL, &function);
  napi_set_named_property(env, exports, "create", function);
  return exports;
}
