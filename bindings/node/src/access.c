/*
 * The class AccessList: an access list of the library (dgram_access.h), and what sets lists and the
 * limit of the rate on a socket. A JavaScript object wraps an id, as a Handle does; the sockets
 * that have the list keep it when the object is gone.
 */
#include "addon.h"

#include <dgram_access.h>
#include <stdlib.h>

/* ---- the object ---- */

struct access_list {
  struct addon *addon;
  addon_id id;
  dgram_access_list_t *list;
};

static void access_free(struct access_list *wrapped) {
  (void)addon_table_remove(&wrapped->addon->lists, wrapped->id);
  dgram_access_list_free(wrapped->list);
  addon_release(wrapped->addon);
  free(wrapped);
}

static void access_on_finalize(napi_env env, void *data, void *hint) {
  (void)env;
  (void)data; /* the id */
  access_free(hint);
}

/* new AccessList() */
static napi_value access_new(napi_env env, napi_callback_info info) {
  void *data;
  size_t argc = 0;
  napi_value self, class = NULL;
  if (napi_get_cb_info(env, info, &argc, NULL, &self, &data) != napi_ok)
    return NULL;
  napi_get_new_target(env, info, &class);
  if (class == NULL) {
    napi_throw_type_error(env, NULL,
                          "Class constructor AccessList cannot be invoked without 'new'");
    return NULL;
  }
  struct access_list *wrapped = calloc(1, sizeof *wrapped);
  if (wrapped != NULL && dgram_access_list_create(&wrapped->list) == 0) {
    wrapped->addon = data;
    wrapped->id = addon_table_add(&wrapped->addon->lists, wrapped);
    addon_hold(wrapped->addon);
    if (wrapped->id != 0 &&
        napi_wrap(env, self, (void *)wrapped->id, access_on_finalize, wrapped, NULL) == napi_ok)
      return self;
    access_free(wrapped);
  } else {
    free(wrapped);
  }
  napi_throw_error(env, "ENOMEM", "not enough memory");
  return NULL;
}

/* NULL: it is no AccessList of this addon. */
static dgram_access_list_t *access_find(const struct addon *addon, napi_value object) {
  void *id;
  if (napi_unwrap(addon->env, object, &id) != napi_ok)
    return NULL;
  const struct access_list *wrapped = addon_table_get(&addon->lists, (addon_id)id);
  return wrapped != NULL ? wrapped->list : NULL;
}

/* ---- its methods ---- */

enum { ACCESS_ARGUMENTS = 2, ACCESS_TEXT_SIZE = 64 };

/* Arguments as text, "" for what is none, and the second as a number. */
struct access_arguments {
  char texts[ACCESS_ARGUMENTS][ACCESS_TEXT_SIZE];
  int number;
};

typedef int64_t access_method_fn(dgram_access_list_t *list, const struct access_arguments *given);

#define ACCESS_METHOD(name, result)                                                               \
  static int64_t access_##name(dgram_access_list_t *list, const struct access_arguments *given) { \
    (void)given;                                                                                  \
    return (result);                                                                              \
  }

ACCESS_METHOD(add_address, dgram_access_list_add_address(list, given->texts[0]))
ACCESS_METHOD(add_range, dgram_access_list_add_range(list, given->texts[0], given->texts[1]))
ACCESS_METHOD(add_subnet, dgram_access_list_add_subnet(list, given->texts[0], given->number))
ACCESS_METHOD(remove_address, dgram_access_list_remove_address(list, given->texts[0]))
ACCESS_METHOD(remove_range, dgram_access_list_remove_range(list, given->texts[0], given->texts[1]))
ACCESS_METHOD(remove_subnet, dgram_access_list_remove_subnet(list, given->texts[0], given->number))
ACCESS_METHOD(clear, (dgram_access_list_clear(list), 0))
ACCESS_METHOD(count, (int64_t)dgram_access_list_count(list))

/* check(address): 1, 0, or UV_EINVAL for what is no address. */
static int64_t access_check(dgram_access_list_t *list, const struct access_arguments *given) {
  struct sockaddr_storage address;
  if (!addon_read_address(given->texts[0], 0, &address))
    return UV_EINVAL;
  return dgram_access_list_check(list, (const struct sockaddr *)&address);
}

static const struct access_method {
  const char *name;
  access_method_fn *function;
} access_methods[] = {
    {"addAddress", access_add_address},
    {"addRange", access_add_range},
    {"addSubnet", access_add_subnet},
    {"removeAddress", access_remove_address},
    {"removeRange", access_remove_range},
    {"removeSubnet", access_remove_subnet},
    {"clear", access_clear},
    {"count", access_count},
    {"check", access_check},
};

enum { ACCESS_METHOD_COUNT = sizeof access_methods / sizeof access_methods[0] };

struct addon_list_method {
  struct addon *addon;
  const struct access_method *method;
};

/* Every method of AccessList. Arguments that are missing are undefined. */
static napi_value access_run(napi_env env, napi_callback_info info) {
  struct access_arguments given = {.number = 0};
  napi_value argv[ACCESS_ARGUMENTS], self;
  size_t argc = ACCESS_ARGUMENTS;
  void *data;
  if (napi_get_cb_info(env, info, &argc, argv, &self, &data) != napi_ok)
    return NULL;
  const struct addon_list_method *method = data;
  dgram_access_list_t *list = access_find(method->addon, self);
  if (list == NULL) {
    napi_throw_type_error(env, "ERR_INVALID_THIS", "Value of \"this\" must be of type AccessList");
    return NULL;
  }
  for (size_t i = 0; i < ACCESS_ARGUMENTS; i++) {
    size_t length;
    if (napi_get_value_string_utf8(env, argv[i], given.texts[i], ACCESS_TEXT_SIZE, &length) !=
        napi_ok)
      given.texts[i][0] = '\0';
  }
  given.number = addon_read_int(env, argv[1]);
  return addon_int(env, method->method->function(list, &given));
}

bool addon_define_access_list(struct addon *addon, napi_value exports) {
  napi_property_descriptor properties[ACCESS_METHOD_COUNT];
  napi_value class = NULL;
  addon->list_methods = calloc(ACCESS_METHOD_COUNT, sizeof *addon->list_methods);
  if (addon->list_methods == NULL)
    return false;
  for (size_t i = 0; i < ACCESS_METHOD_COUNT; i++) {
    addon->list_methods[i] = (struct addon_list_method){addon, &access_methods[i]};
    properties[i] = (napi_property_descriptor){.utf8name = access_methods[i].name,
                                               .method = access_run,
                                               .attributes = napi_default_method,
                                               .data = &addon->list_methods[i]};
  }
  return napi_define_class(addon->env, "AccessList", NAPI_AUTO_LENGTH, access_new, addon,
                           ACCESS_METHOD_COUNT, properties, &class) == napi_ok &&
         addon_define(addon->env, exports, "AccessList", class);
}

/* ---- methods of Handle ---- */

/* setAccess(receives, blocks, list) */
int64_t addon_set_access(struct handle *handle, const struct addon_argument argv[]) {
  dgram_access_list_t *list = access_find(handle->addon, argv[2].value);
  dgram_access_t access = argv[1].number != 0 ? DGRAM_BLOCK : DGRAM_ALLOW;
  if (list == NULL)
    return UV_EINVAL;
  return argv[0].number != 0 ? dgram_set_receive_access(handle->socket, access, list)
                             : dgram_set_send_access(handle->socket, access, list);
}

/* The numbers of a Uint32Array, for the members of dgram_rate_options_t in their order. */
enum { ACCESS_RATE_NUMBERS = 7 };

/* setReceiveRate(numbers) */
int64_t addon_set_receive_rate(struct handle *handle, const struct addon_argument argv[]) {
  dgram_rate_options_t options = dgram_default_rate_options();
  const void *elements;
  size_t count;
  if (!addon_read_array(handle->addon->env, argv[0].value, napi_uint32_array, &elements, &count) ||
      count != ACCESS_RATE_NUMBERS)
    return UV_EINVAL;
  const uint32_t *numbers = elements;
  options.packets_per_second = numbers[0];
  options.packets_burst = numbers[1];
  options.bytes_per_second = numbers[2];
  options.bytes_burst = numbers[3];
  options.ipv4_prefix = numbers[4];
  options.ipv6_prefix = numbers[5];
  options.sources = numbers[6];
  return dgram_set_receive_rate(handle->socket, &options);
}

/* accessCounts(out): defines the counts on `out`. */
int64_t addon_access_counts(struct handle *handle, const struct addon_argument argv[]) {
  napi_env env = handle->addon->env;
  napi_value out = argv[0].value;
  dgram_access_counts_t counts = dgram_default_access_counts();
  int err = dgram_get_access_counts(handle->socket, &counts);
  if (err != 0)
    return err;
  bool shown =
      addon_define(env, out, "receivesRefused", addon_int(env, (int64_t)counts.receives_refused)) &&
      addon_define(env, out, "receivesLimited", addon_int(env, (int64_t)counts.receives_limited)) &&
      addon_define(env, out, "sourcesEvicted", addon_int(env, (int64_t)counts.sources_evicted)) &&
      addon_define(env, out, "sendsRefused", addon_int(env, (int64_t)counts.sends_refused));
  return shown ? 0 : UV_EINVAL;
}
