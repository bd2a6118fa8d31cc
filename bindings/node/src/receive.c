/*
 * Messages: the bytes of each are copied to the stage, an ArrayBuffer that no program sees, and
 * JavaScript copies them on, to memory that is the message's own or its socket's. The numbers of a
 * message stand in a view that both sides see, so that no JavaScript value is made for it here.
 */
#include "addon.h"

#include <string.h>

enum {
  /* The numbers of one message in the view. */
  OFFSET, /* on the stage, bytes */
  SIZE,   /* bytes */
  PORT,   /* the sender's */
  NUMBERS
};

/* Copies the bytes to the stage, which has room, and describes them at `place` of the view. */
static void stage(struct addon *addon, const dgram_message_t *message, size_t place) {
  size_t size = message->rinfo.size;
  int32_t *numbers = addon->view + place * NUMBERS;
  memcpy(addon->stage + addon->staged, message->message, size);
  numbers[OFFSET] = (int32_t)addon->staged;
  numbers[SIZE] = (int32_t)size;
  numbers[PORT] = message->rinfo.port;
  addon->staged += size;
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

/* Tells the next message of the batch; its listeners may call takeMessages() for those after it. */
static void tell(struct handle *handle, const struct addon_function *on_message) {
  struct addon *addon = handle->addon;
  const dgram_message_t *message = handle->batch++;
  handle->batch_left--;
  tell_sender(handle, &message->rinfo);
  addon->staged = 0;
  stage(addon, message, 0);
  addon_call_found(handle, on_message);
}

void addon_on_messages(dgram_socket_t *socket, const dgram_message_t messages[], size_t count,
                       void *context) {
  (void)socket;
  struct handle *handle = context;
  struct addon_function on_message;
  napi_handle_scope scope;
  handle->batch = messages;
  handle->batch_left = count;
  addon_pin(handle);
  napi_open_handle_scope(handle->addon->env, &scope);
  if (addon_find(handle, ON_message, &on_message)) {
    while (handle->batch_left > 0 && !handle->closing && !handle->addon->ending)
      tell(handle, &on_message);
  }
  napi_close_handle_scope(handle->addon->env, scope);
  handle->batch_left = 0;
  addon_unpin(handle);
}

static bool fits(const struct addon *addon, const dgram_message_t *message, size_t taken) {
  return taken < ADDON_MOST_MESSAGES &&
         message->rinfo.size <= addon->stage_size - addon->staged;
}

/*
 * takeMessages(): puts the messages of the batch that come next on the stage. Returns how many:
 * those of one sender that find room there; 0: there are no more.
 */
napi_value addon_take_messages(napi_env env, napi_callback_info info) {
  struct handle *handle = addon_arguments(env, info, 0, NULL);
  if (handle == NULL)
    return NULL;
  struct addon *addon = handle->addon;
  size_t taken = 0;
  napi_ref outer = addon_enter(addon);
  if (handle->batch_left > 0) {
    const struct sockaddr *sender = handle->batch->rinfo.sockaddr;
    tell_sender(handle, &handle->batch->rinfo);
    addon->staged = 0;
    while (handle->batch_left > 0 && fits(addon, handle->batch, taken) &&
           same_host(handle->batch->rinfo.sockaddr, sender)) {
      stage(addon, handle->batch++, taken++);
      handle->batch_left--;
    }
  }
  addon_leave(addon, outer);
  return addon_int(env, (int64_t)taken);
}
