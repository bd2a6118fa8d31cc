/*
 * Sends: the bytes are copied at once, since JavaScript may detach or shrink its buffers. The
 * library tells the end of each send that has a callback, in order; JavaScript counts along.
 */
#include "addon.h"

#include <stdlib.h>
#include <string.h>

/* A send with a callback. */
struct outgoing {
  struct handle *handle;
  uint32_t sequence;
  char bytes[];
};

static void tell_failed(struct handle *handle, uint32_t sequence, int code) {
  napi_env env = handle->addon->env;
  napi_value argv[] = {addon_int(env, sequence), addon_int(env, code)};
  addon_ask(handle, ON_failed, 2, argv);
}

/* What JavaScript does not ask for in flush() it had asked for before, and waits for. */
static void tell(struct handle *handle, uint32_t sequence, int code) {
  napi_handle_scope scope;
  napi_open_handle_scope(handle->addon->env, &scope);
  if (code != 0)
    tell_failed(handle, sequence, code);
  if (!handle->flushing) {
    napi_value completed = addon_int(handle->addon->env, handle->completed);
    addon_emit(handle, ON_sent, 1, &completed);
  }
  napi_close_handle_scope(handle->addon->env, scope);
}

static void on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                    void *context) {
  (void)socket, (void)bytes;
  struct outgoing *outgoing = context;
  struct handle *handle = outgoing->handle;
  uint32_t sequence = outgoing->sequence;
  free(outgoing);
  handle->completed++;
  if ((error != NULL || !handle->flushing) && !handle->addon->ending)
    tell(handle, sequence, error != NULL ? error->code : 0);
  addon_unpin(handle);
}

/* Returns the send's sequence number, or an error. */
static int64_t send_told(struct handle *handle, uv_buf_t bytes, const struct sockaddr *to) {
  struct outgoing *outgoing = malloc(sizeof *outgoing + bytes.len);
  if (outgoing == NULL)
    return UV_ENOMEM;
  memcpy(outgoing->bytes, bytes.base, bytes.len);
  bytes.base = outgoing->bytes;
  outgoing->handle = handle;
  outgoing->sequence = handle->accepted;
  int err = dgram_send_to(handle->socket, &bytes, 1, to, on_sent, outgoing);
  if (err != 0) {
    free(outgoing);
    return err;
  }
  addon_pin(handle);
  return handle->accepted++;
}

/* ---- the bytes ---- */

static size_t size_of_element(napi_typedarray_type type) {
  switch (type) {
  case napi_int8_array:
  case napi_uint8_array:
  case napi_uint8_clamped_array:
    return 1;
  case napi_int32_array:
  case napi_uint32_array:
  case napi_float32_array:
    return 4;
  case napi_float64_array:
  case napi_bigint64_array:
  case napi_biguint64_array:
    return 8;
  default: /* and Float16Array, of Node.js 24 and later, which not every Node-API names */
    return 2;
  }
}

/* Over any UDP length: the library has EMSGSIZE for it, whatever the bytes beyond it are. */
enum { OVERLONG = 65536 };

/*
 * What a typed array or DataView shows now; nothing when its memory is gone. It is to be read
 * before JavaScript runs again. False: it is neither, which has been thrown.
 */
static bool bytes_of(napi_env env, napi_value view, uv_buf_t *bytes) {
  void *data = NULL;
  size_t length = 0;
  napi_typedarray_type type = napi_int16_array; /* stays where there is no name for it */
  if (napi_get_typedarray_info(env, view, &type, &length, &data, NULL, NULL) == napi_ok) {
    length *= size_of_element(type);
  } else if (napi_get_dataview_info(env, view, &length, &data, NULL, NULL) != napi_ok) {
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "A message must be a view of memory");
    return false;
  }
  if (data == NULL)
    length = 0;
  *bytes = (uv_buf_t){.base = length > 0 ? data : "", .len = length};
  return true;
}

static bool bool_of(napi_env env, napi_value value) {
  bool result = false;
  napi_get_value_bool(env, value, &result);
  return result;
}

static int64_t send_bytes(struct handle *handle, uv_buf_t bytes, const napi_value argv[]) {
  napi_env env = handle->addon->env;
  const struct sockaddr *to = NULL;
  if (bool_of(env, argv[1]))
    to = (const struct sockaddr *)&handle->destination;
  bool told = bool_of(env, argv[2]);
  bool was_sending = handle->sending;
  handle->addon->view[ADDON_SENT_SIZE] = (int32_t)bytes.len;
  if (bytes.len > OVERLONG)
    bytes.len = OVERLONG;
  handle->sending = true;
  napi_ref outer = addon_enter(handle->addon);
  int64_t result = told ? send_told(handle, bytes, to)
                        : dgram_send_to(handle->socket, &bytes, 1, to, NULL, NULL);
  addon_leave(handle->addon, outer);
  handle->sending = was_sending;
  return result;
}

/*
 * send(view, aimed, told): sends what the view shows, to the destination of aim() or to the peer.
 * Returns a negative code, or the send's sequence number, of flush() and `failed`, if its end is to
 * be told. Leaves the number of bytes in the numbers' view.
 */
static napi_value send_one(napi_env env, napi_callback_info info) {
  napi_value argv[3];
  uv_buf_t bytes;
  struct handle *handle = addon_arguments(env, info, 3, argv);
  if (handle == NULL || !bytes_of(env, argv[0], &bytes))
    return NULL;
  return addon_int(env, send_bytes(handle, bytes, argv));
}

/* Adds a part to what there is room for; false: no memory. */
static bool append(uv_buf_t *all, size_t *capacity, uv_buf_t part) {
  if (all->len + part.len > *capacity || all->base == NULL) {
    size_t grown = 2 * (all->len + part.len) + 1;
    char *base = realloc(all->base, grown);
    if (base == NULL)
      return false;
    all->base = base;
    *capacity = grown;
  }
  memcpy(all->base + all->len, part.base, part.len);
  all->len += part.len;
  return true;
}

/*
 * Puts the bytes of a list of views one after the other, as many as a datagram can't have at most.
 * To read an element may run the program's code, so each is copied at once. Returns 0, or an error,
 * which may have been thrown too; `base` is owned either way.
 */
static int concatenate(napi_env env, napi_value list, uv_buf_t *all) {
  size_t capacity = 0;
  uint32_t count;
  *all = (uv_buf_t){.base = NULL, .len = 0};
  if (napi_get_array_length(env, list, &count) != napi_ok) {
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "The list of messages must be an array");
    return UV_EINVAL;
  }
  for (uint32_t i = 0; i < count && all->len < OVERLONG; i++) {
    napi_value view;
    uv_buf_t part;
    if (napi_get_element(env, list, i, &view) != napi_ok || !bytes_of(env, view, &part))
      return UV_EINVAL;
    if (part.len > OVERLONG)
      part.len = OVERLONG;
    if (!append(all, &capacity, part))
      return UV_ENOMEM;
  }
  if (all->base == NULL)
    all->base = calloc(1, 1);
  return all->base != NULL ? 0 : UV_ENOMEM;
}

/* sendList(views, aimed, told): the same with the bytes of all views, one after the other. */
static napi_value send_list(napi_env env, napi_callback_info info) {
  napi_value argv[3];
  uv_buf_t all;
  struct handle *handle = addon_arguments(env, info, 3, argv);
  if (handle == NULL)
    return NULL;
  int64_t result = concatenate(env, argv[0], &all);
  if (result == 0)
    result = send_bytes(handle, all, argv);
  free(all.base);
  return addon_int(env, result);
}

/* aim(port, address): where send() goes. Returns 0 or a negative code, for what is no address. */
static napi_value aim(napi_env env, napi_callback_info info) {
  napi_value argv[2];
  char text[DGRAM_ADDRESS_TEXT];
  struct handle *handle = addon_arguments(env, info, 2, argv);
  if (handle == NULL)
    return NULL;
  int port = addon_int_argument(env, argv[0]);
  struct sockaddr_storage to;
  memset(&to, 0, sizeof to);
  int err = UV_EINVAL;
  if (addon_text_argument(env, argv[1], text, sizeof text)) {
    err = uv_ip4_addr(text, port, (struct sockaddr_in *)&to);
    if (err != 0)
      err = uv_ip6_addr(text, port, (struct sockaddr_in6 *)&to);
  }
  if (err == 0)
    handle->destination = to;
  return addon_int(env, err);
}

static void flush(struct handle *handle) {
  bool was_flushing = handle->flushing;
  napi_ref outer = addon_enter(handle->addon);
  handle->flushing = true;
  dgram_flush(handle->socket);
  handle->flushing = was_flushing;
  addon_leave(handle->addon, outer);
}

/* flush(): sends now. Returns how many sends that are told have ended so far, modulo 2^32. */
static napi_value flush_now(napi_env env, napi_callback_info info) {
  struct handle *handle = addon_arguments(env, info, 0, NULL);
  if (handle == NULL)
    return NULL;
  flush(handle);
  return addon_int(env, handle->completed);
}

/* getSendQueueSize(), getSendQueueCount(): of what the system does not take yet. */
static napi_value queue_size(napi_env env, napi_callback_info info) {
  struct handle *handle = addon_arguments(env, info, 0, NULL);
  if (handle == NULL)
    return NULL;
  flush(handle);
  return addon_int(env, (int64_t)dgram_get_send_queue_size(handle->socket));
}

static napi_value queue_count(napi_env env, napi_callback_info info) {
  struct handle *handle = addon_arguments(env, info, 0, NULL);
  if (handle == NULL)
    return NULL;
  flush(handle);
  return addon_int(env, (int64_t)dgram_get_send_queue_count(handle->socket));
}

#define METHOD(name, function) \
  { name, NULL, function, NULL, NULL, NULL, napi_default_method, NULL }

const napi_property_descriptor addon_send_methods[] = {
    METHOD("send", send_one),
    METHOD("sendList", send_list),
    METHOD("aim", aim),
    METHOD("flush", flush_now),
    METHOD("getSendQueueSize", queue_size),
    METHOD("getSendQueueCount", queue_count),
};
const size_t addon_send_method_count = sizeof addon_send_methods / sizeof addon_send_methods[0];
