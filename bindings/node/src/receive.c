/*
 * Messages: the bytes of each are copied to the stage, memory that no program sees, and JavaScript
 * copies them on, to memory that is the message's own. Where the socket shall have a pool they are
 * copied to its slab, of which the message is a view: an ArrayBuffer that is used until it is full,
 * and then left to its messages. The numbers of a message stand in a view that both sides see, so
 * that no JavaScript value is made for it here.
 */
#include "addon.h"

#include <string.h>

enum {
  /* The numbers of one message in the view. */
  OFFSET, /* on the stage or in the slab, bytes */
  SIZE,   /* bytes */
  PORT,   /* the sender's */
  NUMBERS,
  ALIGNMENT = 8 /* of each message, so that any typed array can look at it in its slab */
};

static struct addon_memory *memory_of(struct handle *handle) {
  return handle->pooled ? &handle->slab : &handle->addon->stage;
}

static bool fits(const struct addon_memory *memory, size_t size) {
  return memory->bytes != NULL && memory->used <= memory->size &&
         size <= memory->size - memory->used;
}

/*
 * Looks where the slab is now, and how large: a program may have given the memory of a message, and
 * so the slab, to another thread, or shrunk it. That holds until JavaScript runs again.
 */
static bool locate_slab(struct handle *handle) {
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

/* Asks JavaScript for a slab, which has room for any message. */
static bool new_slab(struct handle *handle) {
  napi_ref reference;
  napi_value buffer = addon_ask(handle, ON_slab, 0, NULL);
  if (buffer == NULL || napi_create_reference(handle->addon->env, buffer, 1, &reference) != napi_ok)
    return false;
  addon_drop_slab(handle);
  handle->slab.reference = reference;
  return locate_slab(handle);
}

/*
 * Finds room for the message, which is there until JavaScript runs again. On the stage nothing is
 * needed any more: JavaScript has copied it.
 */
static bool make_room(struct handle *handle, size_t size) {
  struct addon_memory *stage = &handle->addon->stage;
  stage->used = 0;
  if (!handle->pooled)
    return fits(stage, size);
  if (locate_slab(handle) && fits(&handle->slab, size))
    return true;
  return new_slab(handle) && fits(&handle->slab, size);
}

/* Copies the bytes, for which there is room, and describes them at `place` of the view. */
static void copy(struct handle *handle, const dgram_message_t *message, size_t place) {
  struct addon_memory *memory = memory_of(handle);
  size_t size = message->rinfo.size;
  int32_t *numbers = handle->addon->view + place * NUMBERS;
  memcpy(memory->bytes + memory->used, message->message, size);
  numbers[OFFSET] = (int32_t)memory->used;
  numbers[SIZE] = (int32_t)size;
  numbers[PORT] = message->rinfo.port;
  memory->used += (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
  if (memory->used > memory->size)
    memory->used = memory->size;
}

static bool same_host(const struct sockaddr *a, const struct sockaddr *b) {
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

/* The text of an address in a zone has the interface's name, which may change. */
static bool has_zone(const struct sockaddr *address) {
  return address->sa_family == AF_INET6 &&
         ((const struct sockaddr_in6 *)(const void *)address)->sin6_scope_id != 0;
}

/* The address as text is told only when it is another than the message's before. */
static void tell_sender(struct handle *handle, const dgram_rinfo_t *rinfo) {
  struct addon *addon = handle->addon;
  const struct sockaddr *from = rinfo->sockaddr;
  if (same_host(from, (const struct sockaddr *)&addon->sender) && !has_zone(from))
    return;
  bool ip4 = from->sa_family == AF_INET;
  memcpy(&addon->sender, from, ip4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
  napi_value argv[] = {addon_text(addon->env, dgram_rinfo_address(rinfo)),
                       addon_text(addon->env, rinfo->family)};
  addon_ask(handle, ON_sender, 2, argv);
}

/* Tells the next message of the batch; its listeners may call takeMessages() for those after it. */
static bool tell(struct handle *handle, const struct addon_function *on_message) {
  const dgram_message_t *message = *handle->batch++;
  handle->batch_left--;
  tell_sender(handle, &message->rinfo);
  if (!make_room(handle, message->rinfo.size))
    return false;
  copy(handle, message, 0);
  addon_call_found(handle, on_message);
  return true;
}

void addon_on_messages(dgram_socket_t *socket, const dgram_message_t *const messages[],
                       size_t count, void *context) {
  (void)socket;
  struct handle *handle = context;
  struct addon_function on_message;
  napi_handle_scope scope;
  handle->batch = messages;
  handle->batch_left = count;
  addon_pin(handle);
  napi_open_handle_scope(handle->addon->env, &scope);
  if (addon_find(handle, ON_message, &on_message)) {
    while (handle->batch_left > 0 && !handle->closing && !handle->addon->ending &&
           tell(handle, &on_message))
      ;
  }
  napi_close_handle_scope(handle->addon->env, scope);
  handle->batch_left = 0;
  addon_unpin(handle);
}

/* pool(): its messages shall lie in slabs. */
napi_value addon_pool(napi_env env, napi_callback_info info) {
  struct handle *handle = addon_arguments(env, info, 0, NULL);
  if (handle != NULL)
    handle->pooled = true;
  return NULL;
}

/* Those of the batch that come next, of one sender, as far as there is room in one piece. */
static size_t take(struct handle *handle) {
  size_t taken = 0;
  const struct sockaddr *sender = (*handle->batch)->rinfo.sockaddr;
  while (handle->batch_left > 0 && taken < ADDON_MOST_MESSAGES &&
         fits(memory_of(handle), (*handle->batch)->rinfo.size) &&
         same_host((*handle->batch)->rinfo.sockaddr, sender)) {
    copy(handle, *handle->batch++, taken++);
    handle->batch_left--;
  }
  return taken;
}

/* Both steps run JavaScript, which may have taken the rest of the batch itself. */
static bool prepare(struct handle *handle) {
  if (handle->batch_left == 0)
    return false;
  tell_sender(handle, &(*handle->batch)->rinfo);
  return handle->batch_left > 0 && make_room(handle, (*handle->batch)->rinfo.size) &&
         handle->batch_left > 0;
}

/*
 * takeMessages(): describes the messages of the batch that come next in the view. Returns how many;
 * 0: there are no more.
 */
napi_value addon_take_messages(napi_env env, napi_callback_info info) {
  struct handle *handle = addon_arguments(env, info, 0, NULL);
  if (handle == NULL)
    return NULL;
  napi_ref outer = addon_enter(handle->addon);
  size_t taken = prepare(handle) ? take(handle) : 0;
  addon_leave(handle->addon, outer);
  return addon_int(env, (int64_t)taken);
}
