/*
 * Messages. The payload of each is copied to the staging buffer, memory that no program sees, from
 * where JavaScript copies it to memory that is the message's own. On a socket with a pool it is
 * copied to the socket's slab, an ArrayBuffer that is used until it is full and of which the
 * messages are views. The fields of a message are in an array that both sides share, so that no
 * JavaScript value is made for it here.
 */
#include "addon.h"

#include <string.h>

/* Of each message in a slab, so that any typed array can be a view of it. */
enum { RECEIVE_ALIGNMENT = 8 };

/* ---- room for a payload ---- */

static struct addon_memory *receive_memory(struct handle *handle) {
  return handle->pooled ? &handle->slab : &handle->addon->staging;
}

static bool receive_fits(const struct addon_memory *memory, size_t size) {
  return memory->bytes != NULL && memory->used <= memory->size &&
         size <= memory->size - memory->used;
}

/*
 * Reads the slab's address and size: a program may have transferred the memory of a message, and so
 * the slab, to another thread, or shrunk it. They are valid until JavaScript runs again.
 */
static bool receive_locate_slab(struct handle *handle) {
  napi_env env = handle->addon->env;
  struct addon_memory *slab = &handle->slab;
  napi_value buffer = NULL;
  void *bytes = NULL;
  slab->size = 0;
  if (slab->reference == NULL ||
      napi_get_reference_value(env, slab->reference, &buffer) != napi_ok || buffer == NULL ||
      napi_get_arraybuffer_info(env, buffer, &bytes, &slab->size) != napi_ok)
    return false;
  slab->bytes = bytes;
  return true;
}

void addon_drop_slab(struct handle *handle) {
  if (handle->slab.reference != NULL)
    napi_delete_reference(handle->addon->env, handle->slab.reference);
  memset(&handle->slab, 0, sizeof handle->slab);
}

/* Has JavaScript make a slab, which has room for any message. */
static bool receive_new_slab(struct handle *handle) {
  napi_ref reference;
  napi_value buffer = addon_call(handle, ON_slab, 0, NULL);
  if (buffer == NULL || napi_create_reference(handle->addon->env, buffer, 1, &reference) != napi_ok)
    return false;
  addon_drop_slab(handle);
  handle->slab.reference = reference;
  return receive_locate_slab(handle);
}

/*
 * Makes room for the message, which is valid until JavaScript runs again. The staging buffer is
 * empty at this point: JavaScript has copied what was there.
 */
static bool receive_make_room(struct handle *handle, size_t size) {
  struct addon_memory *staging = &handle->addon->staging;
  staging->used = 0;
  if (!handle->pooled)
    return receive_fits(staging, size);
  if (receive_locate_slab(handle) && receive_fits(&handle->slab, size))
    return true;
  return receive_new_slab(handle) && receive_fits(&handle->slab, size);
}

/* Copies the payload, for which there is room, and writes the fields of message `index`. */
static void receive_copy(struct handle *handle, const dgram_message_t *message, size_t index) {
  struct addon_memory *memory = receive_memory(handle);
  size_t size = message->rinfo.size;
  int32_t *fields = handle->addon->shared + index * ADDON_MESSAGE_FIELDS;
  memcpy(memory->bytes + memory->used, message->message, size);
  fields[ADDON_OFFSET] = (int32_t)memory->used;
  fields[ADDON_SIZE] = (int32_t)size;
  fields[ADDON_PORT] = message->rinfo.port;
  memory->used += (size + RECEIVE_ALIGNMENT - 1) & ~(size_t)(RECEIVE_ALIGNMENT - 1);
  if (memory->used > memory->size)
    memory->used = memory->size;
}

/* ---- the sender ---- */

static bool receive_same_host(const struct sockaddr *a, const struct sockaddr *b) {
  if (a->sa_family != b->sa_family)
    return false;
  if (a->sa_family == AF_INET)
    return ((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr ==
           ((const struct sockaddr_in *)(const void *)b)->sin_addr.s_addr;
  const struct sockaddr_in6 *a6 = (const struct sockaddr_in6 *)(const void *)a;
  const struct sockaddr_in6 *b6 = (const struct sockaddr_in6 *)(const void *)b;
  return a6->sin6_scope_id == b6->sin6_scope_id &&
         memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof a6->sin6_addr) == 0;
}

/* Its text has the interface's name, which may change. */
static bool receive_has_zone(const struct sockaddr *address) {
  return address->sa_family == AF_INET6 &&
         ((const struct sockaddr_in6 *)(const void *)address)->sin6_scope_id != 0;
}

/* JavaScript gets the address as text when it differs from that of the message before. */
static void receive_report_sender(struct handle *handle, const dgram_rinfo_t *rinfo) {
  struct addon *addon = handle->addon;
  const struct sockaddr *from = rinfo->sockaddr;
  if (receive_same_host(from, (const struct sockaddr *)&addon->sender) && !receive_has_zone(from))
    return;
  bool ip4 = from->sa_family == AF_INET;
  memcpy(&addon->sender, from, ip4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
  napi_value argv[] = {addon_text(addon->env, dgram_rinfo_address(rinfo)),
                       addon_text(addon->env, rinfo->family)};
  addon_call(handle, ON_sender, 2, argv);
}

/* ---- the batch ---- */

/* Emits the next message; its listeners may call takeMessages() for those after it. */
static bool receive_emit(struct handle *handle, const struct addon_function *on_message) {
  const dgram_message_t *message = *handle->batch++;
  handle->batch_left--;
  receive_report_sender(handle, &message->rinfo);
  if (!receive_make_room(handle, message->rinfo.size))
    return false;
  receive_copy(handle, message, 0);
  handle->described = message;
  addon_call_function(handle, on_message);
  return true;
}

/* A listener that pauses the socket leaves the rest of the batch for later. */
void addon_on_messages(dgram_socket_t *socket, const dgram_message_t *const messages[],
                       size_t count, void *context) {
  struct handle *handle = context;
  struct addon_function on_message;
  napi_handle_scope scope;
  handle->batch = messages;
  handle->batch_left = count;
  addon_handle_hold(handle);
  napi_open_handle_scope(handle->addon->env, &scope);
  if (addon_find_function(handle, ON_message, &on_message)) {
    while (handle->batch_left > 0 && !handle->closing && !handle->addon->ending &&
           !dgram_is_paused(socket) && receive_emit(handle, &on_message))
      ;
  }
  napi_close_handle_scope(handle->addon->env, scope);
  if (dgram_is_paused(socket))
    dgram_pause_at(socket, count - handle->batch_left);
  handle->batch_left = 0;
  handle->described = NULL;
  addon_handle_release(handle);
}

/* ---- the methods ---- */

/* pool(): the messages of this socket lie in slabs. */
int64_t addon_pool(struct handle *handle, const struct addon_argument argv[]) {
  (void)argv;
  handle->pooled = true;
  return 0;
}

/*
 * takeMessages(): writes the payloads and fields of the next messages of the batch, those of one
 * sender, as far as there is room in one piece; one only, if JavaScript asks for facts about each.
 * Returns how many; 0: there are no more.
 */
int64_t addon_take_messages(struct handle *handle, const struct addon_argument argv[]) {
  (void)argv;
  if (handle->batch_left == 0)
    return 0;
  receive_report_sender(handle, &(*handle->batch)->rinfo);
  /* Both steps run JavaScript, which may have taken the rest of the batch itself. */
  if (handle->batch_left == 0 || !receive_make_room(handle, (*handle->batch)->rinfo.size))
    return 0;
  const struct sockaddr *sender = (*handle->batch)->rinfo.sockaddr;
  size_t taken = 0;
  size_t most = handle->informed ? 1 : ADDON_MAX_MESSAGES;
  handle->described = *handle->batch;
  while (handle->batch_left > 0 && taken < most &&
         receive_fits(receive_memory(handle), (*handle->batch)->rinfo.size) &&
         receive_same_host((*handle->batch)->rinfo.sockaddr, sender)) {
    receive_copy(handle, *handle->batch++, taken++);
    handle->batch_left--;
  }
  return (int64_t)taken;
}

/* ---- facts about a message ---- */

static void receive_define_address(napi_env env, napi_value out, const char *name,
                                   const struct sockaddr *address) {
  dgram_address_t text;
  if (address != NULL && dgram_sockaddr_describe(address, &text) == 0)
    addon_define(env, out, name, addon_text(env, text.address));
}

static void receive_define_ns(napi_env env, napi_value out, const char *name, uint64_t ns) {
  napi_value value;
  if (napi_create_bigint_uint64(env, ns, &value) == napi_ok)
    addon_define(env, out, name, value);
}

static void receive_define_interface(napi_env env, napi_value out, const dgram_info_t *info) {
  const char *name = dgram_info_interface_name(info);
  if (name != NULL)
    addon_define(env, out, "interface", addon_text(env, name));
  addon_define(env, out, "interfaceIndex", addon_int(env, info->interface_index));
}

/*
 * readInfo(out): defines the facts that are known of the message that was passed last as members of
 * `out`. Returns the index of the interface by which an answer leaves, 0 for the system's choice;
 * or UV_EINVAL outside the call for a message, and where nothing was asked for.
 */
int64_t addon_read_info(struct handle *handle, const struct addon_argument argv[]) {
  napi_env env = handle->addon->env;
  napi_value out = argv[0].value;
  dgram_path_t path;
  if (handle->described == NULL)
    return UV_EINVAL;
  const dgram_rinfo_t *rinfo = &handle->described->rinfo;
  const dgram_info_t *info = dgram_rinfo_info(rinfo);
  if (info == NULL || dgram_rinfo_path(rinfo, &path) != 0)
    return UV_EINVAL;
  if (info->flags & DGRAM_INFO_DESTINATION) {
    receive_define_address(env, out, "destinationAddress", info->destination);
    receive_define_address(env, out, "localAddress", info->local);
  }
  if (info->flags & DGRAM_INFO_INTERFACE)
    receive_define_interface(env, out, info);
  if (info->flags & DGRAM_INFO_TTL)
    addon_define(env, out, "ttl", addon_int(env, info->ttl));
  if (info->flags & DGRAM_INFO_TOS) {
    addon_define(env, out, "dscp", addon_int(env, info->dscp));
    addon_define(env, out, "ecn", addon_int(env, info->ecn));
  }
  if (info->flags & DGRAM_INFO_TIMESTAMP)
    receive_define_ns(env, out, "timestamp", info->timestamp_ns);
  if (info->flags & DGRAM_INFO_HARDWARE_TIMESTAMP)
    receive_define_ns(env, out, "hardwareTimestamp", info->hardware_timestamp_ns);
  if (info->flags & DGRAM_INFO_TRUNCATED) {
    napi_value truncated;
    if (napi_get_boolean(env, info->truncated, &truncated) == napi_ok)
      addon_define(env, out, "truncated", truncated);
  }
  if (info->flags & DGRAM_INFO_SEGMENT_SIZE)
    addon_define(env, out, "segmentSize", addon_int(env, (int64_t)info->segment_size));
  return path.interface_index;
}
