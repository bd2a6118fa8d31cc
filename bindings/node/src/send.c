/*
 * Sends. The bytes are copied at once, since JavaScript may detach or shrink its buffers. The
 * library completes the sends that have a callback in order, so both sides only count them.
 */
#include "addon.h"

#include <assert.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

/* ---- completion ---- */

/* What JavaScript learns of a failure. */
struct send_failure {
  uint32_t sequence;
  int code;       /* 0: none */
  int mtu;        /* ... of the path, with EMSGSIZE; or 0 */
  uint32_t index; /* of sendMany(): of the first datagram that failed, and */
  uint32_t sent;  /* how many were sent */
};

/* JavaScript gets a completion from flush(), or, when the send was blocked, by `sent`. */
static void send_report(struct handle *handle, const struct send_failure *failure) {
  napi_env env = handle->addon->env;
  bool has_failed = failure->code != 0;
  handle->completed++;
  if ((!has_failed && handle->flushing) || handle->addon->ending)
    return;
  napi_handle_scope scope;
  napi_open_handle_scope(env, &scope);
  if (has_failed) {
    napi_value failed[] = {addon_int(env, failure->sequence), addon_int(env, failure->code),
                           addon_int(env, failure->mtu), addon_int(env, failure->index),
                           addon_int(env, failure->sent)};
    addon_call(handle, ON_failed, 5, failed);
  }
  if (!handle->flushing) {
    napi_value completed = addon_int(env, handle->completed);
    addon_emit(handle, ON_sent, 1, &completed);
  }
  napi_close_handle_scope(env, scope);
}

/* A send with a callback. */
struct send_request {
  struct handle *handle;
  struct send_request *next, *previous; /* in `cancellable` of the Handle */
  uint32_t sequence;
  bool is_cancellable;
  char bytes[];
};

static void send_link(struct send_request *request) {
  struct handle *handle = request->handle;
  request->next = handle->cancellable;
  request->previous = NULL;
  if (request->next != NULL)
    request->next->previous = request;
  handle->cancellable = request;
}

static void send_unlink(struct send_request *request) {
  if (request->next != NULL)
    request->next->previous = request->previous;
  if (request->previous != NULL)
    request->previous->next = request->next;
  else
    request->handle->cancellable = request->next;
}

static void send_on_complete(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                             void *context) {
  (void)socket, (void)bytes;
  struct send_request *request = context;
  struct send_failure failure = {.sequence = request->sequence};
  if (request->is_cancellable)
    send_unlink(request);
  if (error != NULL) {
    failure.code = error->code;
    failure.mtu = error->mtu;
  }
  send_report(request->handle, &failure);
  addon_handle_release(request->handle);
  free(request);
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
 * Copies the bytes of a list of views one after the other, not many more than `most`. Reading an
 * element may run the program's code, so each is copied at once. Returns 0, or an error, which may
 * have been thrown as well; the caller owns `base` either way.
 */
static int send_concatenate(napi_env env, napi_value list, size_t most, uv_buf_t *all) {
  size_t capacity = 0;
  uint32_t count;
  *all = (uv_buf_t){.base = NULL, .len = 0};
  if (napi_get_array_length(env, list, &count) != napi_ok) {
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "The list of messages must be an array");
    return UV_EINVAL;
  }
  for (uint32_t i = 0; i < count && all->len < most; i++) {
    napi_value view;
    uv_buf_t part;
    if (napi_get_element(env, list, i, &view) != napi_ok || !send_read_bytes(env, view, &part))
      return UV_EINVAL;
    if (part.len > most)
      part.len = most;
    if (!send_append(all, &capacity, part))
      return UV_ENOMEM;
  }
  if (all->base == NULL)
    all->base = calloc(1, 1);
  return all->base != NULL ? 0 : UV_ENOMEM;
}

/* ---- to the library ---- */

/* Where a datagram goes, and how. */
struct send_way {
  const struct sockaddr *to;           /* NULL: the peer */
  const dgram_path_t *path;            /* NULL: none, or it is in the options */
  const dgram_send_options_t *options; /* NULL: none */
};

static int send_call(const struct handle *handle, uv_buf_t bytes, const struct send_way *way,
                     dgram_send_cb callback, void *context) {
  if (way->path != NULL)
    return dgram_send_path(handle->socket, way->path, &bytes, 1, callback, context);
  if (way->options != NULL)
    return dgram_send_with(handle->socket, &bytes, 1, way->to, way->options, callback, context);
  return dgram_send_to(handle->socket, &bytes, 1, way->to, callback, context);
}

/* Returns the send's sequence number, or an error. */
static int64_t send_with_callback(struct handle *handle, uv_buf_t bytes, const struct send_way *way,
                                  bool is_cancellable) {
  struct send_request *request = malloc(sizeof *request + bytes.len);
  if (request == NULL)
    return UV_ENOMEM;
  memcpy(request->bytes, bytes.base, bytes.len);
  bytes.base = request->bytes;
  request->handle = handle;
  request->sequence = handle->accepted;
  request->is_cancellable = is_cancellable;
  int err = send_call(handle, bytes, way, send_on_complete, request);
  if (err != 0) {
    free(request);
    return err;
  }
  if (is_cancellable)
    send_link(request);
  addon_handle_hold(handle);
  return handle->accepted++;
}

enum send_time { SEND_SOON, SEND_NOW /* or not at all, and without a callback */ };

/* Returns what send() returns. */
static int64_t send_bytes(struct handle *handle, uv_buf_t bytes, int flags,
                          const dgram_send_options_t *options, enum send_time time) {
  const struct send_way way = {
      .to =
          flags & ADDON_SEND_TO_DESTINATION ? (const struct sockaddr *)&handle->destination : NULL,
      .path = (flags & ADDON_SEND_BY_PATH) && options == NULL ? &handle->addon->path : NULL,
      .options = options};
  bool was_sending = handle->sending;
  int64_t result;
  handle->addon->shared[ADDON_SENT_SIZE] = (int32_t)bytes.len;
  handle->sending = true;
  napi_ref outer = addon_enter(handle->addon);
  if (time == SEND_NOW)
    result = dgram_try_send_with(handle->socket, &bytes, 1, way.to, options, NULL);
  else if (flags & ADDON_SEND_WITH_CALLBACK)
    result = send_with_callback(handle, bytes, &way, flags & ADDON_SEND_CANCELLABLE);
  else
    result = send_call(handle, bytes, &way, NULL, NULL);
  addon_leave(handle->addon, outer);
  handle->sending = was_sending;
  return result;
}

/* ---- the methods ---- */

/*
 * send(view, flags): sends the bytes of the view. Returns a negative code, or with a callback the
 * send's sequence number, for flush() and `failed`. Writes the number of bytes to the shared array.
 */
int64_t addon_send(struct handle *handle, const struct addon_argument argv[]) {
  uv_buf_t bytes;
  if (!send_read_bytes(handle->addon->env, argv[0].value, &bytes))
    return UV_EINVAL;
  if (bytes.len > SEND_OVERLONG)
    bytes.len = SEND_OVERLONG;
  return send_bytes(handle, bytes, argv[1].number, NULL, SEND_SOON);
}

/* sendList(views, flags): one datagram of the bytes of all views. */
int64_t addon_send_list(struct handle *handle, const struct addon_argument argv[]) {
  uv_buf_t all;
  int64_t result = send_concatenate(handle->addon->env, argv[0].value, SEND_OVERLONG, &all);
  if (result == 0)
    result = send_bytes(handle, all, argv[1].number, NULL, SEND_SOON);
  free(all.base);
  return result;
}

/* ---- options of one datagram ---- */

/* Reads the fields of sendWith(). False: they are not what they should be. */
static bool send_read_fields(napi_env env, napi_value value, dgram_send_options_t *options) {
  const void *elements;
  size_t count;
  if (!addon_read_array(env, value, napi_int32_array, &elements, &count) ||
      count != ADDON_OPTION_FIELDS)
    return false;
  const int32_t *fields = elements;
  *options = dgram_default_send_options();
  options->ttl = fields[ADDON_OPTION_TTL];
  options->tos = fields[ADDON_OPTION_TOS];
  options->dont_fragment = fields[ADDON_OPTION_DONT_FRAGMENT];
  options->segment_size = (size_t)fields[ADDON_OPTION_SEGMENT_SIZE];
  options->departure_ns = (uint64_t)(uint32_t)fields[ADDON_OPTION_DEPARTURE_HIGH] << 32 |
                          (uint32_t)fields[ADDON_OPTION_DEPARTURE_LOW];
  return true;
}

/* As send_read_fields(), with the source: that of the path of a reply, or of setSource(). */
static bool send_read_options(const struct handle *handle, napi_value value, int flags,
                              dgram_send_options_t *options) {
  const dgram_path_t *path = &handle->addon->path;
  bool by_path = (flags & ADDON_SEND_BY_PATH) != 0;
  const struct sockaddr_storage *source = by_path ? &path->local : &handle->source;
  if (!send_read_fields(handle->addon->env, value, options))
    return false;
  options->interface_index = by_path ? path->interface_index : handle->source_interface;
  if (source->ss_family != 0)
    options->source = (const struct sockaddr *)source;
  return true;
}

/*
 * Reads an address and the name of an interface, each "" for the system's choice. UV_EINVAL: it is
 * no address; UV_ENODEV: there is no such interface.
 */
static int send_read_source(const char *address, const char *interface,
                            struct sockaddr_storage *source, unsigned *index) {
  memset(source, 0, sizeof *source);
  if (address == NULL || interface == NULL ||
      (*address != '\0' && !addon_read_address(address, 0, source)))
    return UV_EINVAL;
  *index = *interface != '\0' ? if_nametoindex(interface) : 0;
  return *interface != '\0' && *index == 0 ? UV_ENODEV : 0;
}

/* setSource(address, interface): where sendWith() and trySend() send from. */
int64_t addon_set_source(struct handle *handle, const struct addon_argument argv[]) {
  struct sockaddr_storage source;
  unsigned index;
  int err = send_read_source(argv[0].text, argv[1].text, &source, &index);
  if (err != 0)
    return err;
  handle->source = source;
  handle->source_interface = index;
  return 0;
}

/* `argv` is that of sendWith(). */
static int64_t send_with_options(struct handle *handle, const struct addon_argument argv[],
                                 enum send_time time) {
  dgram_send_options_t options;
  uv_buf_t all;
  int64_t result = send_concatenate(handle->addon->env, argv[0].value, ADDON_SEND_LONGEST, &all);
  if (result == 0 && !send_read_options(handle, argv[2].value, argv[1].number, &options))
    result = UV_EINVAL;
  if (result == 0 && all.len >= ADDON_SEND_LONGEST)
    result = UV_EMSGSIZE;
  if (result == 0)
    result = send_bytes(handle, all, argv[1].number, &options, time);
  free(all.base);
  return result;
}

/* sendWith(views, flags, fields): sendList() with options; with SEND_BY_PATH from the path's
 * source. */
int64_t addon_send_with(struct handle *handle, const struct addon_argument argv[]) {
  return send_with_options(handle, argv, SEND_SOON);
}

/* trySend(views, flags, fields): sends now. Returns 0 or a negative code. */
int64_t addon_try_send(struct handle *handle, const struct addon_argument argv[]) {
  return send_with_options(handle, argv, SEND_NOW);
}

/* ---- many datagrams ---- */

/* The datagrams of a sendMany(): one completion for JavaScript, by the last of them. */
struct send_many {
  struct handle *handle;
  uint32_t completed;
  uint32_t count; /* that the library has accepted */
  struct send_failure failure;
  char bytes[];
};

/* The first failure is kept; the library completes the sends in their order. */
static void send_many_fail(struct send_many *many, uint32_t index, int code, int mtu) {
  struct send_failure *failure = &many->failure;
  if (failure->code != 0)
    return;
  failure->code = code;
  failure->mtu = mtu;
  failure->index = index;
}

static void send_many_on_complete(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                                  void *context) {
  (void)socket, (void)bytes;
  struct send_many *many = context;
  if (error != NULL)
    send_many_fail(many, many->completed, error->code, error->mtu);
  else
    many->failure.sent++;
  if (++many->completed < many->count)
    return;
  send_report(many->handle, &many->failure);
  addon_handle_release(many->handle);
  free(many);
}

/* Options of datagrams of a sendMany(). */
struct send_choice {
  dgram_send_options_t options; /* whose source is `source` */
  struct sockaddr_storage source;
  int err; /* of the source: with it they cannot be sent */
};

struct send_choices {
  struct send_choice *all; /* NULL: none */
  uint32_t count;
};

enum { SEND_TEXT_SIZE = 256 };

static bool send_read_element(napi_env env, napi_value list, uint32_t index,
                              char text[SEND_TEXT_SIZE]) {
  napi_value element;
  size_t length;
  return napi_get_element(env, list, index, &element) == napi_ok &&
         napi_get_value_string_utf8(env, element, text, SEND_TEXT_SIZE, &length) == napi_ok;
}

/* Reads the choice from three elements of the list. False: they are not what they should be. */
static bool send_many_read_choice(napi_env env, napi_value list, uint32_t at,
                                  struct send_choice *choice) {
  char source[SEND_TEXT_SIZE], interface[SEND_TEXT_SIZE];
  napi_value fields;
  if (!send_read_element(env, list, at, source) ||
      !send_read_element(env, list, at + 1, interface) ||
      napi_get_element(env, list, at + 2, &fields) != napi_ok ||
      !send_read_fields(env, fields, &choice->options))
    return false;
  choice->err =
      send_read_source(source, interface, &choice->source, &choice->options.interface_index);
  if (choice->source.ss_family != 0)
    choice->options.source = (const struct sockaddr *)&choice->source;
  return true;
}

/*
 * Reads the choices of a sendMany(): a list of source, interface and fields of each; what is no
 * list is empty. Reading an element may run the program's code, so it is done first. The caller
 * owns `all`. Returns 0 or an error.
 */
static int send_many_read_choices(napi_env env, napi_value list, struct send_choices *choices) {
  enum { PARTS = 3 };
  uint32_t length;
  *choices = (struct send_choices){.all = NULL};
  if (napi_get_array_length(env, list, &length) != napi_ok || length == 0)
    return 0;
  choices->count = length / PARTS;
  choices->all = calloc(choices->count, sizeof *choices->all);
  if (choices->all == NULL)
    return choices->count == 0 ? UV_EINVAL : UV_ENOMEM;
  for (uint32_t i = 0; i < choices->count; i++)
    if (!send_many_read_choice(env, list, PARTS * i, &choices->all[i]))
      return UV_EINVAL;
  return 0;
}

/* Sends one datagram with the choice of this number. */
static int send_many_with(struct send_many *many, uv_buf_t payload, const struct sockaddr *to,
                          const struct send_choices *choices, int32_t number) {
  if (number < 0 || (uint32_t)number > choices->count)
    return UV_EINVAL;
  const struct send_choice *choice = &choices->all[number - 1];
  if (choice->err != 0)
    return choice->err;
  if (payload.len >= ADDON_SEND_LONGEST)
    return UV_EMSGSIZE;
  return dgram_send_with(many->handle->socket, &payload, 1, to, &choice->options,
                         send_many_on_complete, many);
}

/* The fields of the datagrams of a sendMany(); NULL: they are not what they should be. */
static const int32_t *send_many_read_fields(napi_env env, napi_value value, uint32_t *count) {
  const void *elements;
  size_t length;
  if (!addon_read_array(env, value, napi_int32_array, &elements, &length) || length == 0 ||
      length % ADDON_SEND_FIELDS != 0 || length / ADDON_SEND_FIELDS > UINT32_MAX)
    return NULL;
  *count = (uint32_t)(length / ADDON_SEND_FIELDS);
  return elements;
}

/* Reads an address of so many bytes. Returns 0 or UV_EINVAL. */
static int send_many_read_address(const char *text, size_t size, int port,
                                  struct sockaddr_storage *to) {
  char address[DGRAM_ADDRESS_TEXT];
  if (size >= sizeof address)
    return UV_EINVAL;
  memcpy(address, text, size);
  address[size] = '\0';
  return addon_read_address(address, port, to) ? 0 : UV_EINVAL;
}

/* Sends what lies in many->bytes, `size` of them, as the fields describe it. */
static void send_many_dispatch(struct send_many *many, size_t size, uv_buf_t addresses,
                               const int32_t *fields, uint32_t count,
                               const struct send_choices *choices) {
  struct sockaddr_storage destination;
  const struct sockaddr *to = NULL;
  uv_buf_t payload = {.base = many->bytes, .len = 0};
  int err = 0;
  while (err == 0 && many->count < count) {
    size_t text_size = (size_t)fields[ADDON_SEND_ADDRESS_SIZE];
    payload.len = (size_t)fields[ADDON_SEND_SIZE];
    if (payload.len > size || text_size > addresses.len) {
      err = UV_EINVAL;
    } else if (text_size > 0) { /* else it goes where the one before goes */
      err =
          send_many_read_address(addresses.base, text_size, fields[ADDON_SEND_PORT], &destination);
      to = (const struct sockaddr *)&destination;
      addresses.base += text_size;
      addresses.len -= text_size;
    }
    int32_t choice = fields[ADDON_SEND_CHOICE];
    if (err == 0)
      err = choice != 0
                ? send_many_with(many, payload, to, choices, choice)
                : dgram_send_to(many->handle->socket, &payload, 1, to, send_many_on_complete, many);
    if (err != 0) {
      send_many_fail(many, many->count, err, 0);
    } else {
      many->count++;
      size -= payload.len;
      payload.base += payload.len;
      fields += ADDON_SEND_FIELDS;
    }
  }
}

/* Sends with choices that have been read. Returns what sendMany() returns. */
static int64_t send_many(struct handle *handle, const struct addon_argument argv[],
                         const struct send_choices *choices) {
  uv_buf_t bytes, addresses;
  uint32_t count;
  const int32_t *fields = send_many_read_fields(handle->addon->env, argv[2].value, &count);
  if (fields == NULL || !send_read_bytes(handle->addon->env, argv[0].value, &bytes) ||
      !send_read_bytes(handle->addon->env, argv[1].value, &addresses))
    return UV_EINVAL;
  struct send_many *many = calloc(1, sizeof *many + bytes.len);
  if (many == NULL)
    return UV_ENOMEM;
  memcpy(many->bytes, bytes.base, bytes.len);
  many->handle = handle;
  many->failure.sequence = handle->accepted;
  bool was_sending = handle->sending;
  handle->sending = true;
  napi_ref outer = addon_enter(handle->addon);
  send_many_dispatch(many, bytes.len, addresses, fields, count, choices);
  addon_leave(handle->addon, outer);
  handle->sending = was_sending;
  assert(many->completed == 0); /* the library completes none inside a send */
  if (many->count == 0) {
    int err = many->failure.code;
    free(many);
    return err;
  }
  addon_handle_hold(handle);
  return handle->accepted++;
}

/*
 * sendMany(payloads, addresses, fields, choices): sends the datagrams whose payloads lie one behind
 * the other, as do the texts of their addresses. Returns a negative code if none was accepted;
 * otherwise a sequence number, as send() does.
 */
int64_t addon_send_many(struct handle *handle, const struct addon_argument argv[]) {
  struct send_choices choices;
  int64_t result = send_many_read_choices(handle->addon->env, argv[3].value, &choices);
  if (result == 0)
    result = send_many(handle, argv, &choices);
  free(choices.all);
  return result;
}

/* setDestination(port, address): where send() goes. UV_EINVAL: it is no address. */
int64_t addon_set_destination(struct handle *handle, const struct addon_argument argv[]) {
  struct sockaddr_storage to;
  if (!addon_read_address(argv[1].text, argv[0].number, &to))
    return UV_EINVAL;
  handle->destination = to;
  return 0;
}

/*
 * setPath(interfaceIndex[, address]): from where the next send to the destination goes.
 * UV_EINVAL: it is no address.
 */
int64_t addon_set_path(struct handle *handle, const struct addon_argument argv[]) {
  dgram_path_t *path = &handle->addon->path;
  memset(path, 0, sizeof *path);
  path->peer = handle->destination;
  path->interface_index = (unsigned)argv[0].number;
  return argv[1].text == NULL || addon_read_address(argv[1].text, 0, &path->local) ? 0 : UV_EINVAL;
}

/* cancelSend(sequence): one that has not left ends with ECANCELED. Returns 0, or why it does not.
 */
int64_t addon_cancel_send(struct handle *handle, const struct addon_argument argv[]) {
  struct send_request *request = handle->cancellable;
  while (request != NULL && request->sequence != (uint32_t)argv[0].number)
    request = request->next;
  return request != NULL ? dgram_cancel_send(handle->socket, send_on_complete, request) : UV_ENOENT;
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
