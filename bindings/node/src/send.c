/*
 * Sends. The bytes are copied at once, since JavaScript may detach or shrink its buffers. The
 * library completes the sends that have a callback in order, so both sides only count them.
 */
#include "addon.h"

#include <stdlib.h>
#include <string.h>

/* ---- completion ---- */

/* A send with a callback. */
struct send_request {
  struct handle *handle;
  uint32_t sequence;
  char bytes[];
};

/* JavaScript gets a completion from flush(), or, when the send was blocked, by `sent`. */
static void send_on_complete(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                             void *context) {
  (void)socket, (void)bytes;
  struct send_request *request = context;
  struct handle *handle = request->handle;
  napi_env env = handle->addon->env;
  handle->completed++;
  if ((error != NULL || !handle->flushing) && !handle->addon->ending) {
    napi_handle_scope scope;
    napi_open_handle_scope(env, &scope);
    if (error != NULL) {
      napi_value failed[] = {addon_int(env, request->sequence), addon_int(env, error->code)};
      addon_call(handle, ON_failed, 2, failed);
    }
    if (!handle->flushing) {
      napi_value completed = addon_int(env, handle->completed);
      addon_emit(handle, ON_sent, 1, &completed);
    }
    napi_close_handle_scope(env, scope);
  }
  free(request);
  addon_handle_release(handle);
}

/* Returns the send's sequence number, or an error. */
static int64_t send_with_callback(struct handle *handle, uv_buf_t bytes,
                                  const struct sockaddr *to) {
  struct send_request *request = malloc(sizeof *request + bytes.len);
  if (request == NULL)
    return UV_ENOMEM;
  memcpy(request->bytes, bytes.base, bytes.len);
  bytes.base = request->bytes;
  request->handle = handle;
  request->sequence = handle->accepted;
  int err = dgram_send_to(handle->socket, &bytes, 1, to, send_on_complete, request);
  if (err != 0) {
    free(request);
    return err;
  }
  addon_handle_hold(handle);
  return handle->accepted++;
}

/* ---- the bytes ---- */

static size_t send_element_size(napi_typedarray_type type) {
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

/* Over any UDP length: the library has EMSGSIZE for it, for any bytes beyond it. */
enum { SEND_OVERLONG = 65536 };

/*
 * The bytes of a typed array or DataView; none when its memory is detached. They are valid until
 * JavaScript runs again. False: it is neither, which has been thrown.
 */
static bool send_read_bytes(napi_env env, napi_value view, uv_buf_t *bytes) {
  void *data = NULL;
  size_t length = 0;
  napi_typedarray_type type = napi_int16_array; /* stays where there is no name for it */
  if (napi_get_typedarray_info(env, view, &type, &length, &data, NULL, NULL) == napi_ok) {
    length *= send_element_size(type);
  } else if (napi_get_dataview_info(env, view, &length, &data, NULL, NULL) != napi_ok) {
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "A message must be a view of memory");
    return false;
  }
  if (data == NULL)
    length = 0;
  *bytes = (uv_buf_t){.base = length > 0 ? data : "", .len = length};
  return true;
}

/* Appends a part; false: no memory. */
static bool send_append(uv_buf_t *all, size_t *capacity, uv_buf_t part) {
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
 * Copies the bytes of a list of views one after the other, no more than make it too long for a
 * datagram. Reading an element may run the program's code, so each is copied at once. Returns 0, or
 * an error, which may have been thrown as well; the caller owns `base` either way.
 */
static int send_concatenate(napi_env env, napi_value list, uv_buf_t *all) {
  size_t capacity = 0;
  uint32_t count;
  *all = (uv_buf_t){.base = NULL, .len = 0};
  if (napi_get_array_length(env, list, &count) != napi_ok) {
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "The list of messages must be an array");
    return UV_EINVAL;
  }
  for (uint32_t i = 0; i < count && all->len < SEND_OVERLONG; i++) {
    napi_value view;
    uv_buf_t part;
    if (napi_get_element(env, list, i, &view) != napi_ok || !send_read_bytes(env, view, &part))
      return UV_EINVAL;
    if (part.len > SEND_OVERLONG)
      part.len = SEND_OVERLONG;
    if (!send_append(all, &capacity, part))
      return UV_ENOMEM;
  }
  if (all->base == NULL)
    all->base = calloc(1, 1);
  return all->base != NULL ? 0 : UV_ENOMEM;
}

/* ---- the methods ---- */

/* `argv` is that of send(). */
static int64_t send_bytes(struct handle *handle, uv_buf_t bytes,
                          const struct addon_argument argv[]) {
  const struct sockaddr *to = argv[1].number & ADDON_SEND_TO_DESTINATION
                                  ? (const struct sockaddr *)&handle->destination
                                  : NULL;
  bool was_sending = handle->sending;
  handle->addon->shared[ADDON_SENT_SIZE] = (int32_t)bytes.len;
  if (bytes.len > SEND_OVERLONG)
    bytes.len = SEND_OVERLONG;
  handle->sending = true;
  napi_ref outer = addon_enter(handle->addon);
  int64_t result = argv[1].number & ADDON_SEND_WITH_CALLBACK
                       ? send_with_callback(handle, bytes, to)
                       : dgram_send_to(handle->socket, &bytes, 1, to, NULL, NULL);
  addon_leave(handle->addon, outer);
  handle->sending = was_sending;
  return result;
}

/*
 * send(view, flags): sends the bytes of the view. Returns a negative code, or with a callback the
 * send's sequence number, for flush() and `failed`. Writes the number of bytes to the shared array.
 */
int64_t addon_send(struct handle *handle, const struct addon_argument argv[]) {
  uv_buf_t bytes;
  if (!send_read_bytes(handle->addon->env, argv[0].value, &bytes))
    return UV_EINVAL;
  return send_bytes(handle, bytes, argv);
}

/* sendList(views, flags): one datagram of the bytes of all views. */
int64_t addon_send_list(struct handle *handle, const struct addon_argument argv[]) {
  uv_buf_t all;
  int64_t result = send_concatenate(handle->addon->env, argv[0].value, &all);
  if (result == 0)
    result = send_bytes(handle, all, argv);
  free(all.base);
  return result;
}

/* setDestination(port, address): where send() goes. UV_EINVAL: it is no address. */
int64_t addon_set_destination(struct handle *handle, const struct addon_argument argv[]) {
  struct sockaddr_storage to;
  memset(&to, 0, sizeof to);
  if (argv[1].text == NULL ||
      (uv_ip4_addr(argv[1].text, argv[0].number, (struct sockaddr_in *)&to) != 0 &&
       uv_ip6_addr(argv[1].text, argv[0].number, (struct sockaddr_in6 *)&to) != 0))
    return UV_EINVAL;
  handle->destination = to;
  return 0;
}

/* flush(): sends now. Returns how many sends with a callback have completed, modulo 2^32. */
int64_t addon_flush(struct handle *handle, const struct addon_argument argv[]) {
  (void)argv;
  bool was_flushing = handle->flushing;
  handle->flushing = true;
  dgram_flush(handle->socket);
  handle->flushing = was_flushing;
  return handle->completed;
}

/* getSendQueueSize(), getSendQueueCount(): of what the system does not accept yet. */
int64_t addon_send_queue_size(struct handle *handle, const struct addon_argument argv[]) {
  addon_flush(handle, argv);
  return (int64_t)dgram_get_send_queue_size(handle->socket);
}

int64_t addon_send_queue_count(struct handle *handle, const struct addon_argument argv[]) {
  addon_flush(handle, argv);
  return (int64_t)dgram_get_send_queue_count(handle->socket);
}
