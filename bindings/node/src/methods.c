/*
 * The methods of Handle: one table, and one function that JavaScript calls for all of them. In
 * order: it finds the Handle, reads the arguments by the method's row, calls the method, and
 * returns its result.
 */
#include "addon.h"

#include <dgram_stats.h>

#include <dgram_interfaces.h>
#include <dgram_peer.h>

#include <stdlib.h>
#include <string.h>

/* ---- the Handle ---- */

/*
 * napi_unwrap() also finds what other addons have wrapped, which may point to anything. Hence ids:
 * only those of this addon's Handles are in its table. NULL: it is no such Handle, which has been
 * thrown.
 */
static struct handle *method_find_handle(const struct addon *addon, napi_value self) {
  void *id;
  struct handle *handle = NULL;
  if (napi_unwrap(addon->env, self, &id) == napi_ok)
    handle = addon_table_get(&addon->handles, (addon_id)id);
  if (handle == NULL)
    napi_throw_type_error(addon->env, "ERR_INVALID_THIS",
                          "Value of \"this\" must be of type Handle");
  return handle;
}

/* ---- arguments ---- */

enum method_kind {
  NO_ARGUMENT,
  VALUE,     /* as it is, for the method to read */
  INT,       /* 0 for what is no number */
  TEXT,      /* NULL for what is none */
  ADDRESS,   /* a numeric address; "" for what is no text */
  GROUP,     /* the address of a multicast group */
  INTERFACE, /* the address of an interface; anything else is EINVAL, NULL for what is no text */
};

enum { METHOD_TEXT_SIZE = 256 };

/*
 * In Node.js the zone of an address is the name of an interface, and an unknown one is ignored; the
 * library also takes the number of an interface. The zone of a group does not choose the interface.
 */
static void method_drop_zone(enum method_kind kind, char *text) {
  struct sockaddr_in6 parsed;
  char *zone = strchr(text, '%');
  if (zone != NULL && uv_ip6_addr(text, 0, &parsed) == 0 &&
      (kind == GROUP || parsed.sin6_scope_id == 0))
    *zone = '\0';
}

/* In Node.js an interface is an address; the library also takes a name or a number. */
static bool method_is_interface(const char *text) {
  struct sockaddr_storage address;
  return addon_read_address(text, 0, &address);
}

/* `memory` holds the text. Returns 0 or UV_EINVAL. */
static int method_read_text(napi_env env, enum method_kind kind, char memory[METHOD_TEXT_SIZE],
                            struct addon_argument *argument) {
  size_t length;
  memory[0] = '\0';
  bool is_text = napi_get_value_string_utf8(env, argument->value, memory, METHOD_TEXT_SIZE,
                                            &length) == napi_ok;
  argument->text = is_text || kind == ADDRESS ? memory : NULL;
  if (kind == GROUP || kind == ADDRESS)
    method_drop_zone(kind, memory);
  if (kind == ADDRESS)
    memory[DGRAM_ADDRESS_TEXT - 1] = '\0';
  return kind == INTERFACE && is_text && !method_is_interface(memory) ? UV_EINVAL : 0;
}

/* ---- methods that are a call or two of the library ---- */

#define METHOD(name, result)                                                                \
  static int64_t method_##name(struct handle *handle, const struct addon_argument argv[]) { \
    (void)argv;                                                                             \
    return (result);                                                                        \
  }

METHOD(bind, dgram_bind(handle->socket, argv[0].number, NULL, NULL, NULL)) /* calls `lookup` */
METHOD(bind_sync, dgram_bind_sync(handle->socket, argv[0].number, argv[1].text))
METHOD(disconnect, dgram_disconnect(handle->socket))
METHOD(fd, dgram_fileno(handle->socket))
METHOD(ref, dgram_ref(handle->socket) != NULL)
METHOD(unref, dgram_unref(handle->socket) != NULL)
METHOD(set_receive_budget, dgram_set_receive_budget(handle->socket, argv[0].number))
METHOD(set_send_timeout, dgram_set_send_timeout(handle->socket, argv[0].number))
METHOD(pause, dgram_pause(handle->socket))
METHOD(resume, dgram_resume(handle->socket))
METHOD(set_broadcast, dgram_set_broadcast(handle->socket, argv[0].number))
METHOD(set_ttl, dgram_set_ttl(handle->socket, argv[0].number))
METHOD(set_multicast_ttl, dgram_set_multicast_ttl(handle->socket, argv[0].number))
METHOD(set_multicast_loopback, dgram_set_multicast_loopback(handle->socket, argv[0].number))
METHOD(set_multicast_interface, dgram_set_multicast_interface(handle->socket, argv[0].text))
METHOD(add_membership, dgram_add_membership(handle->socket, argv[0].text, argv[1].text))
METHOD(drop_membership, dgram_drop_membership(handle->socket, argv[0].text, argv[1].text))
METHOD(add_membership_all, dgram_add_membership_all(handle->socket, argv[0].text, NULL, NULL))
METHOD(drop_membership_all, dgram_drop_membership_all(handle->socket, argv[0].text))
METHOD(add_source, dgram_add_source_specific_membership(handle->socket, argv[0].text, argv[1].text,
                                                        argv[2].text))
METHOD(drop_source, dgram_drop_source_specific_membership(handle->socket, argv[0].text,
                                                          argv[1].text, argv[2].text))
METHOD(mtu, dgram_get_mtu(handle->socket))
METHOD(buffer_size_reason, dgram_buffer_size_reason(handle->socket))

/* bufferSize(receives, size): of the receive buffer, or the send buffer if `receives` is 0; sets
 * it, unless `size` is 0. Returns the size, or a code. */
static int64_t method_buffer_size(struct handle *handle, const struct addon_argument argv[]) {
  dgram_socket_t *socket = handle->socket;
  int size = argv[1].number;
  int err = argv[0].number ? dgram_set_recv_buffer_size(socket, size)
                           : dgram_set_send_buffer_size(socket, size);
  if (err != 0)
    return err;
  return argv[0].number ? dgram_get_recv_buffer_size(socket) : dgram_get_send_buffer_size(socket);
}

/* setSockopt(option, value): -1 as a rate is none. */
static int64_t method_set_sockopt(struct handle *handle, const struct addon_argument argv[]) {
  int64_t value = 0;
  if (napi_get_value_int64(handle->addon->env, argv[1].value, &value) != napi_ok)
    return UV_EINVAL;
  dgram_sockopt_t option = (dgram_sockopt_t)argv[0].number;
  if (option == DGRAM_SO_MAX_PACING_RATE && value == -1)
    value = INT64_MAX;
  return dgram_set_sockopt(handle->socket, option, value);
}

/* getSockopt(option): its value, or a negative code. */
static int64_t method_get_sockopt(struct handle *handle, const struct addon_argument argv[]) {
  int64_t value = 0;
  int err = dgram_get_sockopt(handle->socket, (dgram_sockopt_t)argv[0].number, &value);
  return err != 0 ? err : value;
}

/* bindDevice(out): defines the interface's name on `out`. */
static int64_t method_bind_device(struct handle *handle, const struct addon_argument argv[]) {
  char name[DGRAM_INTERFACE_NAME];
  napi_env env = handle->addon->env;
  int err = dgram_get_bind_device(handle->socket, name);
  if (err != 0)
    return err;
  return addon_define(env, argv[0].value, "name", addon_text(env, name)) ? 0 : UV_EINVAL;
}

/* pathMTU(address): in bytes, of the path to a numeric address. */
static int64_t method_path_mtu(struct handle *handle, const struct addon_argument argv[]) {
  enum { DISCARD = 9 }; /* any port: the path does not depend on it */
  struct sockaddr_storage to;
  if (!addon_read_address(argv[0].text, DISCARD, &to))
    return UV_EINVAL;
  return dgram_get_mtu_to(handle->socket, (const struct sockaddr *)&to);
}

/* Defines address, family and port on `out`, in this order, unless there is an error. */
static int64_t method_show_address(napi_env env, napi_value out, int err,
                                   const dgram_address_t *address) {
  if (err != 0)
    return err;
  bool shown = addon_define(env, out, "address", addon_text(env, address->address)) &&
               addon_define(env, out, "family", addon_text(env, address->family)) &&
               addon_define(env, out, "port", addon_int(env, address->port));
  return shown ? 0 : UV_EINVAL;
}

/* address(out), remoteAddress(out) */
static int64_t method_address(struct handle *handle, const struct addon_argument argv[]) {
  dgram_address_t address;
  int err = dgram_address(handle->socket, &address);
  return method_show_address(handle->addon->env, argv[0].value, err, &address);
}

static int64_t method_remote_address(struct handle *handle, const struct addon_argument argv[]) {
  dgram_address_t address;
  int err = dgram_remote_address(handle->socket, &address);
  return method_show_address(handle->addon->env, argv[0].value, err, &address);
}

/* stats(out, ofLoop, cancelled): defines `json` and `text` on `out`, the counters of the socket or
 * of its loop, to which are added so many sends that JavaScript has cancelled. What was sent has
 * left, as with the built-in. */
static int64_t method_stats(struct handle *handle, const struct addon_argument argv[]) {
  napi_env env = handle->addon->env;
  dgram_stats_t stats = dgram_default_stats();
  char json[4096], text[4096];
  addon_flush(handle, argv);
  int err = argv[1].number ? dgram_get_loop_stats(dgram_loop(handle->socket), &stats)
                           : dgram_get_stats(handle->socket, &stats);
  if (err != 0)
    return err;
  stats.sends_cancelled += (uint64_t)(unsigned)argv[2].number;
  int length = dgram_stats_json(&stats, json, sizeof json);
  int text_length = dgram_stats_text(&stats, text, sizeof text);
  if (length < 0 || (size_t)length >= sizeof json || text_length < 0 ||
      (size_t)text_length >= sizeof text)
    return UV_ENOMEM;
  bool shown = addon_define(env, argv[0].value, "json", addon_text(env, json)) &&
               addon_define(env, argv[0].value, "text", addon_text(env, text));
  return shown ? 0 : UV_EINVAL;
}

/* acceptedBy(server, port, address, localAddress): of an unbound socket; "": the system's choice.
 */
static int64_t method_accepted_by(struct handle *handle, const struct addon_argument argv[]) {
  struct sockaddr_storage peer, local;
  dgram_socket_t *accepted;
  dgram_accept_options_t options = dgram_default_accept_options();
  const struct handle *server = method_find_handle(handle->addon, argv[0].value);
  if (server == NULL || server->socket == NULL || handle->socket == NULL ||
      !addon_read_address(argv[2].text, argv[1].number, &peer))
    return UV_EINVAL;
  options.socket = handle->socket;
  if (addon_read_address(argv[3].text, 0, &local))
    options.local = (const struct sockaddr *)&local;
  return dgram_accept_peer(server->socket, (const struct sockaddr *)&peer, &options, &accepted);
}

/* ---- the table ---- */

enum method_effect {
  GETTER,        /* a property; changes nothing */
  PLAIN,         /* emits nothing, and leaves deferred work to the loop */
  NO_RESULT,     /* the same; returns undefined */
  ENTERS,        /* addon_enter() and addon_leave(): what it emits is queued until it returns */
  CHANGES_STATE, /* the same; the states that JavaScript sees are updated */
};

struct method {
  const char *name;
  addon_method_fn *function;
  enum method_effect effect;
  enum method_kind arguments[ADDON_MAX_METHOD_ARGUMENTS];
};

static const struct method methods[] = {
    {"bind", method_bind, CHANGES_STATE, {INT}},
    {"bindSync", method_bind_sync, CHANGES_STATE, {INT, ADDRESS}},
    {"bindDescriptor", addon_bind_descriptor, CHANGES_STATE, {INT}},
    {"bindDescriptorCopy", addon_bind_descriptor_copy, CHANGES_STATE, {INT}},
    {"connect", addon_connect, CHANGES_STATE, {INT}},
    {"connectSync", addon_connect_sync, CHANGES_STATE, {INT, ADDRESS}},
    {"acceptedBy", method_accepted_by, CHANGES_STATE, {VALUE, INT, ADDRESS, ADDRESS}},
    {"resolved", addon_resolved, CHANGES_STATE, {INT, ADDRESS}},
    {"resolvedDescriptor", addon_resolved_descriptor, CHANGES_STATE, {INT, INT}},
    {"disconnect", method_disconnect, CHANGES_STATE, {NO_ARGUMENT}},
    {"close", addon_close, CHANGES_STATE, {NO_ARGUMENT}},

    {"send", addon_send, PLAIN, {VALUE, INT}},
    {"sendList", addon_send_list, PLAIN, {VALUE, INT}},
    {"sendMany", addon_send_many, PLAIN, {VALUE, VALUE, VALUE, VALUE}},
    {"sendWith", addon_send_with, PLAIN, {VALUE, INT, VALUE}},
    {"trySend", addon_try_send, PLAIN, {VALUE, INT, VALUE}},
    {"setSource", addon_set_source, PLAIN, {TEXT, TEXT}},
    {"setDestination", addon_set_destination, PLAIN, {INT, TEXT}},
    {"setPath", addon_set_path, PLAIN, {INT, TEXT}},
    {"cancelSend", addon_cancel_send, ENTERS, {INT}},
    {"flush", addon_flush, ENTERS, {NO_ARGUMENT}},
    {"getSendQueueSize", addon_send_queue_size, ENTERS, {NO_ARGUMENT}},
    {"getSendQueueCount", addon_send_queue_count, ENTERS, {NO_ARGUMENT}},
    {"stats", method_stats, ENTERS, {VALUE, INT, INT}},
    {"takeMessages", addon_take_messages, ENTERS, {NO_ARGUMENT}},
    {"readInfo", addon_read_info, PLAIN, {VALUE}},
    {"pool", addon_pool, NO_RESULT, {NO_ARGUMENT}},

    {"address", method_address, PLAIN, {VALUE}},
    {"remoteAddress", method_remote_address, PLAIN, {VALUE}},
    {"fd", method_fd, GETTER, {NO_ARGUMENT}},
    {"lendDescriptor", addon_lend_descriptor, PLAIN, {VALUE}},
    {"ref", method_ref, NO_RESULT, {NO_ARGUMENT}},
    {"unref", method_unref, NO_RESULT, {NO_ARGUMENT}},

    {"setSockopt", method_set_sockopt, PLAIN, {INT, VALUE}},
    {"getSockopt", method_get_sockopt, PLAIN, {INT}},
    {"bindDevice", method_bind_device, PLAIN, {VALUE}},
    {"mtu", method_mtu, PLAIN, {NO_ARGUMENT}},
    {"pathMTU", method_path_mtu, PLAIN, {ADDRESS}},
    {"watchIcmp", addon_watch_icmp, PLAIN, {INT}},
    {"setAccess", addon_set_access, PLAIN, {INT, INT, VALUE}},
    {"setReceiveRate", addon_set_receive_rate, PLAIN, {VALUE}},
    {"accessCounts", addon_access_counts, PLAIN, {VALUE}},
    {"pause", method_pause, PLAIN, {NO_ARGUMENT}},
    {"resume", method_resume, PLAIN, {NO_ARGUMENT}},
    {"setSendTimeout", method_set_send_timeout, PLAIN, {INT}},
    {"setReceiveBudget", method_set_receive_budget, PLAIN, {INT}},
    {"setBroadcast", method_set_broadcast, PLAIN, {INT}},
    {"setTTL", method_set_ttl, PLAIN, {INT}},
    {"setMulticastTTL", method_set_multicast_ttl, PLAIN, {INT}},
    {"setMulticastLoopback", method_set_multicast_loopback, PLAIN, {INT}},
    {"setMulticastInterface", method_set_multicast_interface, PLAIN, {INTERFACE}},
    {"bufferSize", method_buffer_size, PLAIN, {INT, INT}},
    {"bufferSizeReason", method_buffer_size_reason, PLAIN, {NO_ARGUMENT}},

    /* A membership binds an unbound socket: 'listening' comes in the next tick. */
    {"addMembership", method_add_membership, CHANGES_STATE, {GROUP, INTERFACE}},
    {"dropMembership", method_drop_membership, CHANGES_STATE, {GROUP, INTERFACE}},
    {"addMembershipAll", method_add_membership_all, CHANGES_STATE, {GROUP}},
    {"dropMembershipAll", method_drop_membership_all, PLAIN, {GROUP}},
    {"addSourceSpecificMembership", method_add_source, CHANGES_STATE, {TEXT, GROUP, INTERFACE}},
    {"dropSourceSpecificMembership", method_drop_source, CHANGES_STATE, {TEXT, GROUP, INTERFACE}},
};

enum { METHOD_COUNT = sizeof methods / sizeof methods[0] };

/* Every method and getter of Handle. Arguments that are missing are undefined. */
static napi_value method_run(napi_env env, napi_callback_info info) {
  char texts[ADDON_MAX_METHOD_ARGUMENTS][METHOD_TEXT_SIZE];
  struct addon_argument arguments[ADDON_MAX_METHOD_ARGUMENTS];
  napi_value argv[ADDON_MAX_METHOD_ARGUMENTS], self;
  size_t argc = ADDON_MAX_METHOD_ARGUMENTS;
  void *data;
  if (napi_get_cb_info(env, info, &argc, argv, &self, &data) != napi_ok)
    return NULL;
  struct addon *addon = ((const struct addon_method *)data)->addon;
  const struct method *method = ((const struct addon_method *)data)->method;
  struct handle *handle = method_find_handle(addon, self);
  if (handle == NULL)
    return NULL;

  int err = 0;
  for (size_t i = 0; i < ADDON_MAX_METHOD_ARGUMENTS && method->arguments[i] != NO_ARGUMENT; i++) {
    enum method_kind kind = method->arguments[i];
    arguments[i].value = argv[i];
    if (kind == INT)
      arguments[i].number = addon_read_int(env, argv[i]);
    else if (kind != VALUE && err == 0)
      err = method_read_text(env, kind, texts[i], &arguments[i]);
  }
  if (err != 0)
    return addon_int(env, err);

  bool enters = method->effect == ENTERS || method->effect == CHANGES_STATE;
  napi_ref outer = enters ? addon_enter(addon) : NULL;
  int64_t result = method->function(handle, arguments);
  if (method->effect == CHANGES_STATE)
    addon_update_state(handle);
  if (enters)
    addon_leave(addon, outer);
  return method->effect != NO_RESULT ? addon_int(env, result) : NULL;
}

bool addon_define_handle(struct addon *addon, napi_value exports) {
  napi_property_descriptor properties[METHOD_COUNT];
  napi_value class = NULL;
  addon->methods = calloc(METHOD_COUNT, sizeof *addon->methods);
  if (addon->methods == NULL)
    return false;
  for (size_t i = 0; i < METHOD_COUNT; i++) {
    bool is_getter = methods[i].effect == GETTER;
    addon->methods[i] = (struct addon_method){addon, &methods[i]};
    properties[i] = (napi_property_descriptor){
        .utf8name = methods[i].name,
        .method = is_getter ? NULL : method_run,
        .getter = is_getter ? method_run : NULL,
        .attributes = is_getter ? napi_enumerable : napi_default_method,
        .data = &addon->methods[i],
    };
  }
  return napi_define_class(addon->env, "Handle", NAPI_AUTO_LENGTH, addon_handle_new, addon,
                           METHOD_COUNT, properties, &class) == napi_ok &&
         addon_define(addon->env, exports, "Handle", class);
}
