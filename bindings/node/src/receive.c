/*
 * Messages: the bytes are copied into a slab, an ArrayBuffer of JavaScript's that is used until it
 * is full, and then left to its messages. The numbers of a message stand in a view that both sides
 * see, so that no JavaScript value is made for it here.
 */
#include "addon.h"

#include <string.h>

enum {
  /* The numbers of one message in the view. */
  OFFSET, /* in the slab, bytes */
  SIZE,   /* bytes */
  PORT,   /* the sender's */
  NUMBERS,
  ALIGNMENT = 8 /* of each message, so that any typed array can look at it */
};

static bool fits(const struct addon *addon, size_t size) {
  return addon->slab_buffer != NULL && size <= addon->slab_size - addon->slab_used;
}

/* A program may have given the memory of a message, and so the slab, to another thread. */
static bool is_slab_there(const struct addon *addon) {
  napi_value buffer;
  bool detached = true;
  if (addon->slab_buffer == NULL)
    return false;
  napi_get_reference_value(addon->env, addon->slab_buffer, &buffer);
  napi_is_detached_arraybuffer(addon->env, buffer, &detached);
  return !detached;
}

/* Asks JavaScript for a slab that holds at least so many bytes. */
static bool new_slab(struct handle *handle, size_t size) {
  struct addon *addon = handle->addon;
  napi_env env = addon->env;
  napi_value wanted = addon_int(env, (int64_t)size);
  napi_value buffer = addon_ask(handle, ON_slab, 1, &wanted);
  void *data;
  if (buffer == NULL || napi_get_arraybuffer_info(env, buffer, &data, &addon->slab_size) != napi_ok)
    return false;
  if (addon->slab_buffer != NULL)
    napi_delete_reference(env, addon->slab_buffer);
  napi_create_reference(env, buffer, 1, &addon->slab_buffer);
  addon->slab = data;
  addon->slab_used = 0;
  return true;
}

/* Copies the bytes into the slab, which has room, and describes them at `place` of the view. */
static void copy(struct addon *addon, const dgram_message_t *message, size_t place) {
  size_t size = message->rinfo.size;
  int32_t *numbers = addon->view + place * NUMBERS;
  memcpy(addon->slab + addon->slab_used, message->message, size);
  numbers[OFFSET] = (int32_t)addon->slab_used;
  numbers[SIZE] = (int32_t)size;
  numbers[PORT] = message->rinfo.port;
  addon->slab_used += (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
  if (addon->slab_used > addon->slab_size)
    addon->slab_used = addon->slab_size;
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

/* The address as text is told only when it is another than the message's before. */
static void tell_sender(struct handle *handle, const dgram_rinfo_t *rinfo) {
  struct addon *addon = handle->addon;
  const struct sockaddr *from = rinfo->sockaddr;
  if (same_host(from, (const struct sockaddr *)&addon->sender))
    return;
  bool ip4 = from->sa_family == AF_INET;
  memcpy(&addon->sender, from, ip4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
  napi_value argv[] = {addon_text(addon->env, dgram_rinfo_address(rinfo)),
                       addon_text(addon->env, rinfo->family)};
  addon_ask(handle, ON_sender, 2, argv);
}

/* Gets what JavaScript must have before it sees the message: a slab with room, the sender. */
static bool prepare(struct handle *handle, const dgram_message_t *message) {
  struct addon *addon = handle->addon;
  size_t size = message->rinfo.size;
  if ((!fits(addon, size) || !is_slab_there(addon)) && !new_slab(handle, size))
    return false;
  tell_sender(handle, &message->rinfo);
  return true;
}

static bool tell(struct handle *handle, const dgram_message_t *message) {
  napi_handle_scope scope;
  napi_open_handle_scope(handle->addon->env, &scope);
  bool prepared = prepare(handle, message);
  if (prepared) {
    copy(handle->addon, message, 0);
    addon_call(handle, ON_message, 0, NULL);
  }
  napi_close_handle_scope(handle->addon->env, scope);
  return prepared;
}

void addon_on_messages(dgram_socket_t *socket, const dgram_message_t messages[], size_t count,
                       void *context) {
  (void)socket;
  struct handle *handle = context;
  handle->batch = messages;
  handle->batch_left = count;
  addon_pin(handle);
  while (handle->batch_left > 0 && !handle->closing && !handle->addon->ending) {
    handle->batch_left--;
    if (!tell(handle, handle->batch++))
      break;
  }
  handle->batch_left = 0;
  addon_unpin(handle);
}

/*
 * takeMessages(): describes the messages of the batch that come next in the view. Returns how many:
 * those of one sender that lie in one slab; 0: there are no more.
 */
napi_value addon_take_messages(napi_env env, napi_callback_info info) {
  struct handle *handle = addon_arguments(env, info, 0, NULL);
  if (handle == NULL)
    return NULL;
  struct addon *addon = handle->addon;
  size_t taken = 0;
  napi_ref outer = addon_enter(addon);
  if (handle->batch_left > 0 && prepare(handle, handle->batch)) {
    const struct sockaddr *sender = handle->batch->rinfo.sockaddr;
    while (handle->batch_left > 0 && fits(addon, handle->batch->rinfo.size) &&
           same_host(handle->batch->rinfo.sockaddr, sender)) {
      copy(addon, handle->batch++, taken++);
      handle->batch_left--;
    }
  }
  addon_leave(addon, outer);
  return addon_int(env, (int64_t)taken);
}
