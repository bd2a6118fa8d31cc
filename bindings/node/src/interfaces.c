/*
 * The network interfaces of the host (dgram_interfaces.h): a list of them, and watchers of their
 * changes. A watcher calls its function from the loop until unwatchInterfaces(). The library's does
 * not keep the loop alive; this one does unless it is unreferenced, by an async handle that is
 * never sent.
 */
#include "addon.h"

#include <dgram_interfaces.h>
#include <stdio.h>
#include <stdlib.h>

struct addon_watcher {
  uv_async_t reference; /* its memory is that of the watcher */
  struct addon *addon;
  addon_id id; /* 0: none; it has ended */
  dgram_interface_watcher_t *watcher;
  napi_ref function;
  napi_async_context context;
};

/* ---- what JavaScript sees of an interface ---- */

static bool interfaces_set_address(napi_env env, napi_value list, size_t index,
                                   const dgram_interface_address_t *address) {
  napi_value shown;
  return napi_create_object(env, &shown) == napi_ok &&
         addon_define(env, shown, "address", addon_text(env, address->address)) &&
         addon_define(env, shown, "netmask", addon_text(env, address->netmask)) &&
         addon_define(env, shown, "family", addon_text(env, address->family)) &&
         addon_define(env, shown, "prefix", addon_int(env, address->prefix)) &&
         napi_set_element(env, list, (uint32_t)index, shown) == napi_ok;
}

/* Returns NULL if it could not be made. */
static napi_value interfaces_describe(napi_env env, const dgram_interface_t *interface) {
  enum { MAC_TEXT = sizeof "00:00:00:00:00:00" };
  char mac[MAC_TEXT];
  const unsigned char *bytes = interface->mac;
  napi_value object, addresses;
  (void)snprintf(mac, sizeof mac, "%02x:%02x:%02x:%02x:%02x:%02x", bytes[0], bytes[1], bytes[2],
                 bytes[3], bytes[4], bytes[5]);
  if (napi_create_object(env, &object) != napi_ok ||
      napi_create_array_with_length(env, interface->address_count, &addresses) != napi_ok)
    return NULL;
  for (size_t i = 0; i < interface->address_count; i++)
    if (!interfaces_set_address(env, addresses, i, interface->addresses[i]))
      return NULL;
  bool described = addon_define(env, object, "name", addon_text(env, interface->name)) &&
                   addon_define(env, object, "index", addon_int(env, interface->index)) &&
                   addon_define(env, object, "flags", addon_int(env, interface->flags)) &&
                   addon_define(env, object, "mac", addon_text(env, mac)) &&
                   addon_define(env, object, "addresses", addresses);
  return described ? object : NULL;
}

/* interfaces(): an array of them, or a negative code. */
static napi_value interfaces_list(napi_env env, napi_callback_info info) {
  (void)info;
  const dgram_interface_t *const *all;
  size_t count;
  napi_value list = NULL;
  int err = dgram_interfaces(&all, &count);
  if (err != 0)
    return addon_int(env, err);
  if (napi_create_array_with_length(env, count, &list) != napi_ok)
    err = UV_ENOMEM;
  for (size_t i = 0; err == 0 && i < count; i++) {
    napi_value shown = interfaces_describe(env, all[i]);
    if (shown == NULL || napi_set_element(env, list, (uint32_t)i, shown) != napi_ok)
      err = UV_ENOMEM;
  }
  dgram_free_interfaces(all);
  return err == 0 ? list : addon_int(env, err);
}

/* ---- a watcher ---- */

/* The function only queues a tick: an exception is that of an environment that ends. */
static void interfaces_on_change(dgram_interface_watcher_t *watcher, dgram_interface_event_t event,
                                 const dgram_interface_t *interface, void *context) {
  (void)watcher;
  const struct addon_watcher *own = context;
  struct addon *addon = own->addon;
  napi_env env = addon->env;
  napi_handle_scope scope;
  napi_value global, function, error, argv[2];
  bool pending = false;
  if (addon->ending || own->id == 0 || napi_open_handle_scope(env, &scope) != napi_ok)
    return;
  argv[0] = addon_int(env, event);
  argv[1] = interfaces_describe(env, interface);
  if (argv[1] != NULL && napi_get_global(env, &global) == napi_ok &&
      napi_get_reference_value(env, own->function, &function) == napi_ok)
    napi_make_callback(env, own->context, global, function, 2, argv, NULL);
  napi_is_exception_pending(env, &pending);
  if (pending && napi_get_and_clear_last_exception(env, &error) != napi_ok)
    addon->ending = true;
  else if (pending)
    napi_fatal_exception(env, error);
  napi_close_handle_scope(env, scope);
}

static void interfaces_on_closed(uv_handle_t *reference) {
  struct addon_watcher *own = reference->data;
  napi_env env = own->addon->env;
  if (own->function != NULL)
    napi_delete_reference(env, own->function);
  if (own->context != NULL)
    napi_async_destroy(env, own->context);
  own->addon->open_watchers--;
  free(own);
}

/* Its memory is freed from the loop. */
static void interfaces_end(struct addon_watcher *own) {
  if (own->id != 0)
    addon_table_remove(&own->addon->watchers, own->id);
  own->id = 0;
  dgram_unwatch_interfaces(own->watcher);
  own->watcher = NULL;
  uv_close((uv_handle_t *)&own->reference, interfaces_on_closed);
}

void addon_end_watchers(struct addon *addon) {
  addon_id id = 0;
  while ((id = addon_table_next(&addon->watchers, id)) != 0)
    interfaces_end(addon_table_get(&addon->watchers, id));
  while (addon->open_watchers > 0)
    uv_run(addon->loop, UV_RUN_ONCE);
}

/* Returns 0 or a negative code, with which interfaces_end() follows. */
static int interfaces_start(struct addon_watcher *own, napi_value function) {
  napi_env env = own->addon->env;
  napi_value name;
  if (napi_create_reference(env, function, 1, &own->function) != napi_ok)
    return UV_EINVAL;
  if (napi_create_string_utf8(env, "INTERFACEWATCHER", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_async_init(env, NULL, name, &own->context) != napi_ok)
    return UV_ENOMEM;
  own->id = addon_table_add(&own->addon->watchers, own);
  if (own->id == 0)
    return UV_ENOMEM;
  return dgram_watch_interfaces(own->addon->loop, interfaces_on_change, own, &own->watcher);
}

/* watchInterfaces(function): has function(event, interface) called. Returns an id, or a code. */
static napi_value interfaces_watch(napi_env env, napi_callback_info info) {
  void *data;
  size_t argc = 1;
  napi_value argv[1];
  napi_valuetype type = napi_undefined;
  if (napi_get_cb_info(env, info, &argc, argv, NULL, &data) != napi_ok)
    return NULL;
  napi_typeof(env, argv[0], &type);
  if (type != napi_function)
    return addon_int(env, UV_EINVAL);
  struct addon *addon = data;
  struct addon_watcher *own = calloc(1, sizeof *own);
  if (own == NULL)
    return addon_int(env, UV_ENOMEM);
  int err = uv_async_init(addon->loop, &own->reference, NULL);
  if (err != 0) {
    free(own);
    return addon_int(env, err);
  }
  own->reference.data = own;
  own->addon = addon;
  addon->open_watchers++;
  err = interfaces_start(own, argv[0]);
  if (err != 0)
    interfaces_end(own);
  return addon_int(env, err != 0 ? err : (int64_t)own->id);
}

/* The watcher whose id is the first argument, or NULL; and the second one as a number. */
static struct addon_watcher *interfaces_find(napi_env env, napi_callback_info info, int *number) {
  void *data;
  size_t argc = 2;
  napi_value argv[2];
  double id = 0;
  if (napi_get_cb_info(env, info, &argc, argv, NULL, &data) != napi_ok ||
      napi_get_value_double(env, argv[0], &id) != napi_ok ||
      !(id >= 1 && id <= (double)ADDON_MAX_ID) || (double)(addon_id)id != id)
    return NULL;
  *number = addon_read_int(env, argv[1]);
  return addon_table_get(&((struct addon *)data)->watchers, (addon_id)id);
}

/* unwatchInterfaces(id): the function is not called any more. */
static napi_value interfaces_unwatch(napi_env env, napi_callback_info info) {
  int number = 0;
  struct addon_watcher *own = interfaces_find(env, info, &number);
  if (own != NULL)
    interfaces_end(own);
  return NULL;
}

/* referInterfaces(id, refers): whether the watcher keeps the loop alive. */
static napi_value interfaces_refer(napi_env env, napi_callback_info info) {
  int refers = 0;
  struct addon_watcher *own = interfaces_find(env, info, &refers);
  if (own != NULL && refers)
    uv_ref((uv_handle_t *)&own->reference);
  else if (own != NULL)
    uv_unref((uv_handle_t *)&own->reference);
  return NULL;
}

bool addon_define_interfaces(napi_env env, napi_value exports, struct addon *addon) {
  return addon_define_function(env, exports, "interfaces", interfaces_list, addon) &&
         addon_define_function(env, exports, "watchInterfaces", interfaces_watch, addon) &&
         addon_define_function(env, exports, "unwatchInterfaces", interfaces_unwatch, addon) &&
         addon_define_function(env, exports, "referInterfaces", interfaces_refer, addon);
}
