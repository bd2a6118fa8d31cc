/*
 * Sends from any thread: dgram_post.h.
 *
 *   sender   OPEN -> RELEASED   the program has freed it; what it accepted is still to be sent
 *            OPEN, RELEASED -> CLOSED   the loop has taken all, or the socket closes
 *   post     accepted by any thread -> taken over by the loop's thread, as a send -> its callback
 *
 * A sender lives while it is held: by the program, by its handle on the loop, by each post. Its
 * lock is held for some instructions only, never while a callback or a system call of the socket
 * runs.
 *
 * In this file: the state; the lock; posts that end; a post is made; posts are taken over; a sender
 * is created, freed, closed.
 */
#include "internal.h"

#include <dgram_post.h>

#include <stdlib.h>
#include <string.h>

enum { POST_MAX_BYTES = 65527 }; /* of a datagram: over IPv6, without its header (RFC 768) */

enum sender_state { SENDER_OPEN, SENDER_RELEASED, SENDER_CLOSED };

struct sender_post {
  struct dgram__list_node node; /* in `posts` of its sender, or in `failed` of its socket */
  dgram_sender_t *sender;
  dgram_send_cb callback;
  void *context;
  int status; /* of one that failed when it was taken over */
  size_t size;
  union dgram__address to; /* AF_UNSPEC: the peer */
  bool has_options;
  _Alignas(struct dgram__tx_options) char memory[]; /* the options, if it has any; the payload */
};

struct dgram_sender {
  /* Of the loop's thread alone, but for uv_async_send(). */
  uv_async_t wake;
  struct dgram__list_node node; /* in `senders` of its socket, until it is closed */
  dgram_socket_t *socket;       /* until then */

  /* Constants. */
  int family;
  size_t max_bytes;
  size_t max_count;

  uv_mutex_t lock; /* guards what follows */
  unsigned forks;  /* before this process, when the lock was made */
  enum sender_state state;
  unsigned holds;
  size_t bytes; /* of the posts that have not ended */
  size_t count;
  uint64_t refused;         /* for want of room, since that was last counted */
  struct dgram__list posts; /* that the loop's thread has not taken over */
};

/* ---- the state ---- */

static const unsigned char sender_edges[] = {
    [SENDER_OPEN] = 0,
    [SENDER_RELEASED] = DGRAM__FROM(SENDER_OPEN),
    [SENDER_CLOSED] = DGRAM__FROM(SENDER_OPEN) | DGRAM__FROM(SENDER_RELEASED),
};

static void sender_set_state(dgram_sender_t *sender, enum sender_state state) {
  dgram__assert_edge(sender_edges, sender->state, state);
  sender->state = state;
}

/* ---- the lock ---- */

/*
 * At a fork another thread may have had the lock, and been about to change the list. In the child
 * there is no such thread: the lock is made anew, and what is in the list is dropped.
 */
static void sender_lock(dgram_sender_t *sender) {
  if (sender->forks != dgram__forks() && uv_mutex_init(&sender->lock) == 0) {
    sender->forks = dgram__forks();
    sender->posts = (struct dgram__list){NULL, NULL};
  }
  uv_mutex_lock(&sender->lock);
}

static void sender_unlock(dgram_sender_t *sender) {
  uv_mutex_unlock(&sender->lock);
}

/* Ends a hold, with the lock, which is released. The last one frees the sender. */
static void sender_release(dgram_sender_t *sender) {
  assert(sender->holds > 0);
  bool last = --sender->holds == 0;
  sender_unlock(sender);
  if (!last)
    return;
  uv_mutex_destroy(&sender->lock);
  free(sender);
}

/* ---- posts that end ---- */

/* Without a callback 'error' is emitted, but for what the socket has emitted already: of the bind.
 */
static void post_emit_error(dgram_socket_t *socket, const dgram_error_t *error) {
  if (error->code != UV_ECANCELED && socket->life != DGRAM__CLOSED &&
      strcmp(error->syscall, "send") == 0)
    dgram__emit_described_error(socket, error);
}

/* Ends the post: its room is free before its callback runs. `error` NULL: it has left. */
static void post_end(dgram_socket_t *socket, struct sender_post *post, const dgram_error_t *error) {
  dgram_sender_t *sender = post->sender;
  sender_lock(sender);
  sender->bytes -= post->size;
  sender->count--;
  sender_release(sender);
  if (post->callback != NULL)
    post->callback(socket, error, error == NULL ? post->size : 0, post->context);
  else if (error != NULL)
    post_emit_error(socket, error);
  free(post);
}

static void post_on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                         void *context) {
  (void)bytes;
  post_end(socket, context, error);
}

void dgram__posts_report(dgram_socket_t *socket) {
  if (socket->extras == NULL)
    return;
  struct dgram__list failed = dgram__list_take_all(&socket->extras->posts.failed);
  struct dgram__list_node *node;
  while ((node = dgram__list_take_first(&failed)) != NULL) {
    struct sender_post *post = DGRAM__LIST_ENTRY(node, struct sender_post, node);
    struct dgram__described described;
    dgram__count_send_error(socket, post->status);
    dgram__error_describe_at(&described, post->status, "send", DGRAM__SHOW_ENDPOINT, NULL,
                             &post->to);
    post_end(socket, post, &described.error);
  }
}

/* Whether 'close' has been emitted: by a program that runs its deferred tasks inside a look-up. */
static bool posts_is_close_over(const dgram_socket_t *socket) {
  return socket->life == DGRAM__CLOSED && socket->tasks.close.type == NULL;
}

/* ---- a post is made ---- */

/* Adds up the buffers, which may have `most` bytes. Returns 0 or an error. */
static int post_measure(const uv_buf_t buffers[], size_t count, size_t most, size_t *bytes) {
  size_t sum = 0;
  if (count > DGRAM__MAX_IOV || (count > 0 && buffers == NULL))
    return UV_EINVAL;
  for (size_t i = 0; i < count; i++) {
    if (buffers[i].base == NULL && buffers[i].len > 0)
      return UV_EINVAL;
    if (buffers[i].len > most - sum)
      return UV_EMSGSIZE;
    sum += buffers[i].len;
  }
  *bytes = sum;
  return 0;
}

static size_t post_options_size(const struct sender_post *post) {
  return post->has_options ? sizeof(struct dgram__tx_options) : 0;
}

/* NULL: it has none. */
static const struct dgram__tx_options *post_options(const struct sender_post *post) {
  return post->has_options ? (const void *)post->memory : NULL;
}

static char *post_payload(struct sender_post *post) {
  return post->memory + post_options_size(post);
}

/* `options` NULL: it has none. NULL: no memory. */
static struct sender_post *post_new(dgram_sender_t *sender, const uv_buf_t buffers[], size_t count,
                                    size_t size, const struct sockaddr *to,
                                    const struct dgram__tx_options *options) {
  struct sender_post *post = malloc(sizeof *post + (options != NULL ? sizeof *options : 0) + size);
  if (post == NULL)
    return NULL;
  post->sender = sender;
  post->size = size;
  post->to = dgram__address_unspec;
  if (to != NULL)
    (void)dgram__address_copy(&post->to, to);
  post->has_options = options != NULL;
  if (options != NULL)
    memcpy(post->memory, options, sizeof *options);
  char *end = post_payload(post);
  for (size_t i = 0; i < count; i++) {
    if (buffers[i].len > 0)
      memcpy(end, buffers[i].base, buffers[i].len);
    end += buffers[i].len;
  }
  return post;
}

/* Queues the post, with the lock. Returns 0, or why it is refused. */
static int post_queue(dgram_sender_t *sender, struct sender_post *post) {
  if (sender->state != SENDER_OPEN)
    return DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING;
  if (sender->count >= sender->max_count || post->size > sender->max_bytes - sender->bytes) {
    sender->refused++;
    return UV_ENOBUFS;
  }
  sender->holds++;
  sender->bytes += post->size;
  sender->count++;
  if (dgram__list_is_empty(&sender->posts))
    uv_async_send(&sender->wake); /* it cannot fail */
  dgram__list_append(&sender->posts, &post->node);
  return 0;
}

/* Returns 0 or an error. Without a destination the source is checked when it is known, by the loop.
 */
static int post_read_options(const dgram_sender_t *sender, const struct sockaddr *to,
                             const dgram_send_options_t *given, struct dgram__tx_options *options) {
  int err = dgram__send_options_read(sender->family, given, options);
  return err == 0 && to != NULL ? dgram__send_options_check_source(options, to) : err;
}

int dgram_post_send(dgram_sender_t *sender, const uv_buf_t buffers[], size_t count,
                    const struct sockaddr *to, dgram_send_cb callback, void *context) {
  return dgram_post_send_with(sender, buffers, count, to, NULL, callback, context);
}

int dgram_post_send_with(dgram_sender_t *sender, const uv_buf_t buffers[], size_t count,
                         const struct sockaddr *to, const dgram_send_options_t *options,
                         dgram_send_cb callback, void *context) {
  struct dgram__tx_options read = {.segment_size = 0};
  size_t size;
  if (sender == NULL || (to != NULL && dgram__sockaddr_family(to) != sender->family))
    return UV_EINVAL;
  int err = options != NULL ? post_read_options(sender, to, options, &read) : 0;
  if (err == 0)
    err = post_measure(buffers, count, read.segment_size > 0 ? sender->max_bytes : POST_MAX_BYTES,
                       &size);
  if (err != 0)
    return err;
  if (to != NULL && dgram__sockaddr_port(to) == 0)
    return DGRAM_ERR_SOCKET_BAD_PORT;
  struct sender_post *post =
      post_new(sender, buffers, count, size, to, options != NULL ? &read : NULL);
  if (post == NULL)
    return UV_ENOMEM;
  post->callback = callback;
  post->context = context;
  sender_lock(sender);
  err = post_queue(sender, post);
  sender_unlock(sender);
  if (err != 0)
    free(post);
  return err;
}

/* ---- posts are taken over ---- */

/* Why posts are taken over. */
enum sender_reason { SENDER_WOKEN, SENDER_CLOSING };

/* A close does not have the program look up where to bind. */
static bool sender_may_send(const dgram_socket_t *socket, enum sender_reason reason) {
  return socket->life == DGRAM__OPEN &&
         (reason == SENDER_WOKEN || socket->binding.state != DGRAM__UNBOUND ||
          socket->options.lookup == NULL);
}

/*
 * Sends the posts. Woken, a program's own look-up may run inside the first send, which binds the
 * socket, close it, and run the tasks of a program that defers: so the post may end inside.
 */
static void sender_send(dgram_socket_t *socket, struct dgram__list *posts,
                        enum sender_reason reason) {
  struct dgram__list_node *node;
  while ((node = dgram__list_take_first(posts)) != NULL) {
    struct sender_post *post = DGRAM__LIST_ENTRY(node, struct sender_post, node);
    uv_buf_t buffer = {.base = post_payload(post), .len = post->size};
    const struct sockaddr *to = post->to.any.sa_family != AF_UNSPEC ? &post->to.any : NULL;
    dgram__count(socket)->posts++;
    int err = sender_may_send(socket, reason)
                  ? dgram__send_posted(socket, &buffer, to, post_options(post), post_on_sent, post)
                  : UV_ECANCELED;
    if (err == 0) /* it has ended, perhaps */
      continue;
    post->status = err;
    dgram__list_append(&socket->extras->posts.failed, &post->node);
  }
}

/* Counts what was refused, with the lock. */
static void sender_count(dgram_sender_t *sender) {
  if (sender->refused > 0)
    dgram__count(sender->socket)->posts_refused += sender->refused;
  sender->refused = 0;
}

static void sender_on_handle_closed(uv_handle_t *handle) {
  dgram_sender_t *sender = handle->data;
  sender_lock(sender);
  sender_release(sender);
}

/* No thread posts or wakes the loop from now on. Returns what is to be taken over. */
static struct dgram__list sender_close(dgram_sender_t *sender) {
  sender_lock(sender);
  sender_count(sender);
  sender_set_state(sender, SENDER_CLOSED);
  struct dgram__list posts = dgram__list_take_all(&sender->posts);
  sender_unlock(sender);
  dgram__list_remove(&sender->socket->extras->posts.senders, &sender->node);
  sender->socket = NULL;
  uv_close((uv_handle_t *)&sender->wake, sender_on_handle_closed);
  return posts;
}

static void sender_on_wake(uv_async_t *wake) {
  dgram_sender_t *sender = wake->data;
  dgram_socket_t *socket = sender->socket;
  struct dgram__list posts;
  sender_lock(sender);
  if (sender->state == SENDER_RELEASED) {
    sender_unlock(sender);
    posts = sender_close(sender);
  } else {
    posts = dgram__list_take_all(&sender->posts);
    sender_unlock(sender);
  }
  dgram__hold(socket);
  sender_send(socket, &posts, SENDER_WOKEN);
  if (socket->life == DGRAM__OPEN || posts_is_close_over(socket))
    dgram__posts_report(socket);
  dgram__release(socket);
}

void dgram__posts_count(dgram_socket_t *socket) {
  if (socket->extras == NULL)
    return;
  DGRAM__LIST_FOR_EACH (sender, &socket->extras->posts.senders, dgram_sender_t, node) {
    sender_lock(sender);
    sender_count(sender);
    sender_unlock(sender);
  }
}

void dgram__posts_close(dgram_socket_t *socket) {
  struct dgram__list_node *node;
  while (socket->extras != NULL && (node = socket->extras->posts.senders.first) != NULL) {
    struct dgram__list posts = sender_close(DGRAM__LIST_ENTRY(node, dgram_sender_t, node));
    sender_send(socket, &posts, SENDER_CLOSING);
  }
}

/* ---- a sender is created, freed ---- */

_Static_assert(sizeof(dgram_sender_options_t) ==
                   offsetof(dgram_sender_options_t, keep_alive) + sizeof(void *),
               "With more members, dgram_sender_create() takes the size of version 0.4, too.");

int dgram_sender_create(dgram_socket_t *socket, const dgram_sender_options_t *options,
                        dgram_sender_t **sender) {
  const dgram_sender_options_t defaults = dgram_default_sender_options();
  if (sender == NULL)
    return UV_EINVAL;
  *sender = NULL;
  if (options == NULL)
    options = &defaults;
  if (options->struct_size != sizeof *options || options->max_bytes == 0 || options->max_count == 0)
    return UV_EINVAL;
  int err = dgram__check_open(socket);
  if (err != 0)
    return err;
  struct dgram__extras *extras = dgram__extras(socket);
  dgram_sender_t *created = extras != NULL ? calloc(1, sizeof *created) : NULL;
  if (created == NULL)
    return UV_ENOMEM;
  err = uv_mutex_init(&created->lock);
  if (err != 0) {
    free(created);
    return err;
  }
  err = uv_async_init(socket->loop->uv, &created->wake, sender_on_wake);
  if (err != 0) {
    uv_mutex_destroy(&created->lock);
    free(created);
    return err;
  }
  if (!options->keep_alive)
    uv_unref((uv_handle_t *)&created->wake);
  created->wake.data = created;
  created->socket = socket;
  created->family = dgram__family(socket->options.type);
  created->max_bytes = options->max_bytes;
  created->max_count = options->max_count;
  created->forks = dgram__forks();
  created->holds = 2; /* the program and the handle */
  dgram__list_append(&extras->posts.senders, &created->node);
  *sender = created;
  return 0;
}

void dgram_sender_free(dgram_sender_t *sender) {
  if (sender == NULL)
    return;
  sender_lock(sender);
  if (sender->state == SENDER_OPEN) {
    sender_set_state(sender, SENDER_RELEASED);
    uv_async_send(&sender->wake);
  }
  sender_release(sender);
}
