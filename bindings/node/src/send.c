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
  case napi_int16_array:
  case napi_uint16_array:
    return 2;
  case napi_int32_array:
  case napi_uint32_array:
  case napi_float32_array:
    return 4;
  case napi_float64_array:
  case napi_bigint64_array:
  case napi_biguint64_array:
    return 8;
  default:
    return 1;
  }
}

/* What a typed array or DataView shows now; nothing when its memory is gone. */
static uv_buf_t bytes_of(napi_env env, napi_value view) {
  void *data = NULL;
  size_t length = 0;
  napi_typedarray_type type = napi_uint8_array;
  if (napi_get_typedarray_info(env, view, &type, &length, &data, NULL, NULL) == napi_ok)
    length *= size_of_element(type);
  else
    napi_get_dataview_info(env, view, &length, &data, NULL, NULL);
  return (uv_buf_t){.base = length > 0 && data != NULL ? data : "",
                    .len = data != NULL ? length : 0};
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
  handle->addon->view[ADDON_SENT_SIZE] = (int32_t)bytes.len;
  handle->sending = true;
  napi_ref outer = addon_enter(handle->addon);
  int64_t result = told ? send_told(handle, bytes, to)
                        : dgram_send_to(handle->socket, &bytes, 1, to, NULL, NULL);
  addon_leave(handle->addon, outer);
  handle->sending = false;
  return result;
}

/*
 * send(view, aimed, told): sends what the view shows, to the destination of aim() or to the peer.
 * Returns a negative code, or the send's sequence number, of flush() and `failed`, if its end is to
 * be told. Leaves the number of bytes in the numbers' view.
 */
static napi_value send_one(napi_env env, napi_callback_info info) {
  napi_value argv[3];
  struct handle *handle = addon_arguments(env, info, 3, argv);
  if (handle == NULL)
    return NULL;
  return addon_int(env, send_bytes(handle, bytes_of(env, argv[0]), argv));
}

/* Puts the bytes of a list of views one after the other. False: no memory; else `base` is owned. */
static bool concatenate(napi_env env, napi_value list, uint32_t count, uv_buf_t *all) {
  size_t capacity = 0;
  *all = (uv_buf_t){.base = NULL, .len = 0};
  for (uint32_t i = 0; i < count; i++) {
    napi_value view;
    napi_get_element(env, list, i, &view);
    uv_buf_t part = bytes_of(env, view);
    if (all->len + part.len > capacity || all->base == NULL) {
      capacity = 2 * (all->len + part.len) + 1;
      char *grown = realloc(all->base, capacity);
      if (grown == NULL) {
        free(all->base);
        return false;
      }
      all->base = grown;
    }
    memcpy(all->base + all->len, part.base, part.len);
    all->len += part.len;
  }
  return true;
}

/* sendList(views, aimed, told): the same with the bytes of all views, one after the other. */
static napi_value send_list(napi_env env, napi_callback_info info) {
  napi_value argv[3];
  uint32_t count = 0;
  uv_buf_t all;
  struct handle *handle = addon_arguments(env, info, 3, argv);
  if (handle == NULL)
    return NULL;
  napi_get_array_length(env, argv[0], &count);
  if (!concatenate(env, argv[0], count, &all))
    return addon_int(env, UV_ENOMEM);
  int64_t result = send_bytes(handle, all, argv);
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
  handle->destination = to;
  return addon_int(env, err);
}

static void flush(struct handle *handle) {
  bool was_flushing = handle->flushing;
  handle->flushing = true;
  dgram_flush(handle->socket);
  handle->flushing = was_flushing;
}

/* flush(): sends now. Returns how many sends that are told have ended so far, modulo 2^32. */
static napi_value flush_now(napi_env env, napi_callback_info info) {
  struct handle *handle = addon_arguments(env, info, 0, NULL);
  if (handle == NULL)
    return NULL;
  napi_ref outer = addon_enter(handle->addon);
  flush(handle);
  addon_leave(handle->addon, outer);
  return addon_int(env, handle->completed);
}

/* getSendQueueSize(), getSendQueueCount(): of what the system does not take yet. */
static napi_value queue_size(napi_env env, napi_callback_info info) {
  struct handle *handle = addon_arguments(env, info, 0, NULL);
  if (handle == NULL)
    return NULL;
  napi_ref outer = addon_enter(handle->addon);
  flush(handle);
  addon_leave(handle->addon, outer);
  return addon_int(env, (int64_t)dgram_get_send_queue_size(handle->socket));
}

static napi_value queue_count(napi_env env, napi_callback_info info) {
  struct handle *handle = addon_arguments(env, info, 0, NULL);
  if (handle == NULL)
    return NULL;
  napi_ref outer = addon_enter(handle->addon);
  flush(handle);
  addon_leave(handle->addon, outer);
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
