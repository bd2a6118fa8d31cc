/*
 * What can be asked of a bound socket, and set: the methods of Handle that only pass on.
 */
#include "addon.h"

#include <string.h>

enum { TEXT_SIZE = 256 };

/* ---- numbers ---- */

typedef int set_number_fn(dgram_socket_t *socket, int number);

static napi_value set_number(napi_env env, napi_callback_info info, set_number_fn *set) {
  napi_value argv[1];
  struct handle *handle = addon_arguments(env, info, 1, argv);
  if (handle == NULL)
    return NULL;
  return addon_int(env, set(handle->socket, addon_int_argument(env, argv[0])));
}

#define SETTER(method, function)                                    \
  static napi_value method(napi_env env, napi_callback_info info) { \
    return set_number(env, info, function);                         \
  }

SETTER(set_broadcast, dgram_set_broadcast)
SETTER(set_ttl, dgram_set_ttl)
SETTER(set_multicast_ttl, dgram_set_multicast_ttl)
SETTER(set_multicast_loopback, dgram_set_multicast_loopback)
SETTER(set_receive_budget, dgram_set_receive_budget)

static int change_buffer_size(dgram_socket_t *socket, bool receives, int size) {
  int err = receives ? dgram_set_recv_buffer_size(socket, size)
                     : dgram_set_send_buffer_size(socket, size);
  if (err != 0)
    return err;
  return receives ? dgram_get_recv_buffer_size(socket) : dgram_get_send_buffer_size(socket);
}

/* bufferSize(receives, size): sets it, unless `size` is 0. Returns what it is, or a code. */
static napi_value buffer_size(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  bool receives = false;
  struct handle *handle = addon_arguments(env, info, 2, argv);
  if (handle == NULL)
    return NULL;
  napi_get_value_bool(env, argv[0], &receives);
  int size = addon_int_argument(env, argv[1]);
  return addon_int(env, change_buffer_size(handle->socket, receives, size));
}

/* bufferSizeReason(): the system's code for the last ERR_SOCKET_BUFFER_SIZE. */
static napi_value buffer_size_reason(napi_env env, napi_callback_info info) {
  struct handle *handle = addon_arguments(env, info, 0, NULL);
  return handle != NULL ? addon_int(env, dgram_buffer_size_reason(handle->socket)) : NULL;
}

/* ---- multicast ---- */

/* Text arguments; one that is none is NULL. Up to three. */
struct texts {
  char memory[3][TEXT_SIZE]; /* "" for what is none */
  const char *at[3];
};

static struct handle *read_texts(napi_env env, napi_callback_info info, size_t count,
                                 struct texts *texts) {
  napi_value argv[3];
  struct handle *handle = addon_arguments(env, info, count, argv);
  for (size_t i = 0; handle != NULL && i < count; i++) {
    texts->memory[i][0] = '\0';
    bool given = addon_text_argument(env, argv[i], texts->memory[i], TEXT_SIZE);
    texts->at[i] = given ? texts->memory[i] : NULL;
  }
  return handle;
}

/* With Node.js an interface is an address, whereas the library also takes a name or a number. */
static bool is_interface(const char *text) {
  union {
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
  } address;
  return text == NULL || uv_ip4_addr(text, 0, &address.v4) == 0 ||
         uv_ip6_addr(text, 0, &address.v6) == 0;
}

static napi_value set_multicast_interface(napi_env env, napi_callback_info info) {
  struct texts texts;
  struct handle *handle = read_texts(env, info, 1, &texts);
  if (handle == NULL)
    return NULL;
  if (!is_interface(texts.at[0]))
    return addon_int(env, UV_EINVAL);
  return addon_int(env, dgram_set_multicast_interface(handle->socket, texts.at[0]));
}

/* With Node.js the zone of a group does not choose the interface. */
static void drop_zone(char *group) {
  struct sockaddr_in6 address;
  char *zone = strchr(group, '%');
  if (zone != NULL && uv_ip6_addr(group, 0, &address) == 0)
    *zone = '\0';
}

typedef int membership_fn(dgram_socket_t *socket, const char *group, const char *interface);

/* A membership binds an unbound socket: what it puts off comes in the next tick. */
static napi_value change_membership(napi_env env, napi_callback_info info, membership_fn *change) {
  struct texts texts;
  struct handle *handle = read_texts(env, info, 2, &texts);
  if (handle == NULL)
    return NULL;
  drop_zone(texts.memory[0]);
  napi_ref outer = addon_enter(handle->addon);
  int err =
      is_interface(texts.at[1]) ? change(handle->socket, texts.at[0], texts.at[1]) : UV_EINVAL;
  addon_show_state(handle);
  addon_leave(handle->addon, outer);
  return addon_int(env, err);
}

static napi_value add_membership(napi_env env, napi_callback_info info) {
  return change_membership(env, info, dgram_add_membership);
}

static napi_value drop_membership(napi_env env, napi_callback_info info) {
  return change_membership(env, info, dgram_drop_membership);
}

typedef int source_fn(dgram_socket_t *socket, const char *source, const char *group,
                      const char *interface);

static napi_value change_source(napi_env env, napi_callback_info info, source_fn *change) {
  struct texts texts;
  struct handle *handle = read_texts(env, info, 3, &texts);
  if (handle == NULL)
    return NULL;
  drop_zone(texts.memory[1]);
  napi_ref outer = addon_enter(handle->addon);
  int err = is_interface(texts.at[2])
                ? change(handle->socket, texts.at[0], texts.at[1], texts.at[2])
                : UV_EINVAL;
  addon_show_state(handle);
  addon_leave(handle->addon, outer);
  return addon_int(env, err);
}

static napi_value add_source(napi_env env, napi_callback_info info) {
  return change_source(env, info, dgram_add_source_specific_membership);
}

static napi_value drop_source(napi_env env, napi_callback_info info) {
  return change_source(env, info, dgram_drop_source_specific_membership);
}

/* ---- addresses ---- */

typedef int name_fn(const dgram_socket_t *socket, dgram_address_t *address);

/* address(out): fills in address, family and port, in this order. */
static napi_value describe(napi_env env, napi_callback_info info, name_fn *name) {
  napi_value argv[1];
  dgram_address_t address;
  struct handle *handle = addon_arguments(env, info, 1, argv);
  if (handle == NULL)
    return NULL;
  int err = name(handle->socket, &address);
  if (err == 0 && (!addon_define(env, argv[0], "address", addon_text(env, address.address)) ||
                   !addon_define(env, argv[0], "family", addon_text(env, address.family)) ||
                   !addon_define(env, argv[0], "port", addon_int(env, address.port))))
    err = UV_EINVAL;
  return addon_int(env, err);
}

static napi_value own_address(napi_env env, napi_callback_info info) {
  return describe(env, info, dgram_address);
}

static napi_value remote_address(napi_env env, napi_callback_info info) {
  return describe(env, info, dgram_remote_address);
}

/* fd: the system's descriptor, as a property; negative: there is none. */
static napi_value get_fd(napi_env env, napi_callback_info info) {
  struct handle *handle = addon_arguments(env, info, 0, NULL);
  return handle != NULL ? addon_int(env, dgram_fileno(handle->socket)) : NULL;
}

/* ---- ref, unref ---- */

static napi_value ref(napi_env env, napi_callback_info info) {
  struct handle *handle = addon_arguments(env, info, 0, NULL);
  if (handle != NULL)
    dgram_ref(handle->socket);
  return NULL;
}

static napi_value unref(napi_env env, napi_callback_info info) {
  struct handle *handle = addon_arguments(env, info, 0, NULL);
  if (handle != NULL)
    dgram_unref(handle->socket);
  return NULL;
}

#define METHOD(name, function) \
  { name, NULL, function, NULL, NULL, NULL, napi_default_method, NULL }

const napi_property_descriptor addon_option_methods[] = {
    METHOD("setBroadcast", set_broadcast),
    METHOD("setTTL", set_ttl),
    METHOD("setMulticastTTL", set_multicast_ttl),
    METHOD("setMulticastLoopback", set_multicast_loopback),
    METHOD("setReceiveBudget", set_receive_budget),
    METHOD("setMulticastInterface", set_multicast_interface),
    METHOD("bufferSize", buffer_size),
    METHOD("bufferSizeReason", buffer_size_reason),
    METHOD("addMembership", add_membership),
    METHOD("dropMembership", drop_membership),
    METHOD("addSourceSpecificMembership", add_source),
    METHOD("dropSourceSpecificMembership", drop_source),
    METHOD("address", own_address),
    METHOD("remoteAddress", remote_address),
    METHOD("pool", addon_pool),
    METHOD("takeMessages", addon_take_messages),
    {"fd", NULL, NULL, get_fd, NULL, NULL, napi_enumerable, NULL},
    METHOD("ref", ref),
    METHOD("unref", unref),
};
const size_t addon_option_method_count =
    sizeof addon_option_methods / sizeof addon_option_methods[0];
