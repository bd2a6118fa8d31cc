/*
 * Sends from any thread: each accepted post ends exactly once, in the order of its thread, on the
 * thread of the loop; also when the socket is closed while threads post.
 */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"
#include "lib/task_list.h"

#include <dgram_post.h>
#include <dgram_stats.h>

#include <sched.h>

enum { THREADS = 4, POSTS = 2000 }; /* of each thread */

static dgram_sender_t *new_sender(dgram_socket_t *socket, size_t max_bytes, size_t max_count) {
  dgram_sender_options_t options = dgram_default_sender_options();
  dgram_sender_t *sender;
  options.max_bytes = max_bytes;
  options.max_count = max_count;
  assert_int_equal(dgram_sender_create(socket, &options, &sender), 0);
  assert_non_null(sender);
  return sender;
}

static int post(dgram_sender_t *sender, const char *text, int port, dgram_send_cb callback,
                void *context) {
  struct sockaddr_in to = loopback_address(port);
  uv_buf_t buffer = {.base = (char *)text, .len = strlen(text)};
  return dgram_post_send(sender, &buffer, 1, port != 0 ? (const struct sockaddr *)&to : NULL,
                         callback, context);
}

/* ---- one thread ---- */

TEST("a post is sent by the loop, and its bytes are copied") {
  int port;
  char bytes[] = "abc";
  int sent = 0;
  int received = 0;
  dgram_socket_t *receiver = new_bound(loop, trace_message, "got", &port);
  assert_int_equal(dgram_on_message(receiver, count_message, &received), 0);
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &(int){0});
  dgram_sender_t *sender = new_sender(socket, 100, 100);
  assert_int_equal(post(sender, bytes, port, count_sent, &sent), 0);
  memset(bytes, 'X', 3);
  assert_int_equal(dgram_get_send_queue_count(socket), 0);
  assert_int_equal(sent, 0);
  run_until(loop, &received, 1);
  assert_int_equal(sent, 1);
  assert_trace("got(abc)");
  dgram_sender_free(sender);
}

TEST("a post has many buffers, or none, and no callback") {
  int port;
  int received = 0;
  dgram_socket_t *receiver = new_bound(loop, trace_message, "got", &port);
  assert_int_equal(dgram_on_message(receiver, count_message, &received), 0);
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &(int){0});
  dgram_sender_t *sender = new_sender(socket, 100, 100);
  struct sockaddr_in to = loopback_address(port);
  uv_buf_t parts[] = {{.base = "xy", .len = 2}, {.base = NULL, .len = 0}, {.base = "z", .len = 1}};
  assert_int_equal(dgram_post_send(sender, parts, 3, (struct sockaddr *)&to, NULL, NULL), 0);
  assert_int_equal(dgram_post_send(sender, NULL, 0, (struct sockaddr *)&to, NULL, NULL), 0);
  run_until(loop, &received, 2);
  assert_trace("got(xyz) got()");
  dgram_sender_free(sender);
}

TEST("the first post of an unbound socket binds it") {
  int port;
  int received = 0;
  new_bound(loop, count_message, &received, &port);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_sender_t *sender = new_sender(socket, 100, 100);
  assert_int_equal(post(sender, "x", port, NULL, NULL), 0);
  assert_int_equal(dgram_bind_state(socket), DGRAM_UNBOUND);
  for (int i = 0; i < 1000 && received == 0; i++)
    uv_run(loop, UV_RUN_NOWAIT);
  assert_int_equal(received, 1);
  assert_int_equal(dgram_bind_state(socket), DGRAM_BOUND);
  dgram_sender_free(sender);
}

TEST("a post goes to the peer of a connected socket") {
  int port;
  int received = 0;
  struct kept_error kept = {0};
  new_bound(loop, count_message, &received, &port);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  connect_now(socket, port);
  dgram_sender_t *sender = new_sender(socket, 100, 100);
  assert_int_equal(post(sender, "x", 0, NULL, NULL), 0);
  assert_int_equal(post(sender, "x", port, keep_send_error, &kept), 0);
  run_until(loop, &received, 1);
  run_until(loop, &kept.calls, 1);
  assert_string_equal(kept.name, "ERR_SOCKET_DGRAM_IS_CONNECTED");
  assert_string_equal(kept.syscall, "send");
  dgram_sender_free(sender);
}

TEST("a post without callback that fails is an 'error' event") {
  struct kept_error kept = {0};
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &(int){0});
  assert_int_equal(dgram_on_error(socket, keep_error, &kept), 0);
  dgram_sender_t *sender = new_sender(socket, 100000, 100);
  assert_int_equal(post(sender, "x", 0, NULL, NULL), 0);
  run_until(loop, &kept.calls, 1);
  assert_string_equal(kept.name, "ERR_SOCKET_BAD_PORT");
  static char overlong[65508]; /* of IPv4 */
  struct sockaddr_in to = loopback_address(9);
  uv_buf_t buffer = {.base = overlong, .len = sizeof overlong};
  assert_int_equal(dgram_post_send(sender, &buffer, 1, (struct sockaddr *)&to, NULL, NULL), 0);
  run_until(loop, &kept.calls, 2);
  assert_string_equal(kept.name, "EMSGSIZE");
  dgram_stats_t stats = dgram_default_stats();
  assert_int_equal(dgram_get_stats(socket, &stats), 0);
  assert_int_equal(stats.send_failures, 2);
  dgram_sender_free(sender);
}

TEST("a post without callback that meets a failed bind is one 'error' event, of the bind") {
  int port;
  struct kept_error kept = {0};
  new_bound(loop, NULL, NULL, &port);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, keep_error, &kept), 0);
  dgram_sender_t *sender = new_sender(socket, 100, 100);
  assert_int_equal(dgram_bind(socket, port, "127.0.0.1", NULL, NULL), 0);
  assert_int_equal(post(sender, "x", 9, NULL, NULL), 0);
  dgram_stats_t stats = dgram_default_stats();
  settle(loop);
  assert_int_equal(kept.calls, 1);
  assert_string_equal(kept.syscall, "bind");
  assert_int_equal(dgram_get_stats(socket, &stats), 0);
  if (stats.send_failures == 0) /* the bind had failed before the loop took the post over */
    assert_int_equal(stats.datagrams_out, 1);
  dgram_sender_free(sender);
}

TEST("arguments of a post that can never be sent are refused at once") {
  static char large[65528];
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &(int){0});
  dgram_sender_t *sender = new_sender(socket, SIZE_MAX, SIZE_MAX);
  dgram_sender_options_t options = dgram_default_sender_options();
  dgram_sender_t *none = sender;
  struct sockaddr_in to = loopback_address(9);
  struct sockaddr_in no_port = loopback_address(0);
  struct sockaddr_in6 to6 = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
  uv_buf_t buffer = {.base = large, .len = sizeof large};
  uv_buf_t no_buffer = {.base = NULL, .len = 1};
  uv_buf_t endless[] = {{.base = large, .len = 9}, {.base = large, .len = SIZE_MAX}};
  const struct sockaddr *there = (const struct sockaddr *)&to;
#define REFUSED(code, call) assert_int_equal(call, code)
  REFUSED(UV_EINVAL, dgram_post_send(NULL, &buffer, 1, there, count_sent, NULL));
  REFUSED(UV_EINVAL, dgram_post_send(sender, NULL, 1, there, count_sent, NULL));
  REFUSED(UV_EINVAL, dgram_post_send(sender, &no_buffer, 1, there, count_sent, NULL));
  REFUSED(UV_EINVAL, dgram_post_send(sender, &buffer, 1025, there, count_sent, NULL));
  REFUSED(UV_EINVAL, dgram_post_send(sender, &buffer, 0, (struct sockaddr *)&to6, NULL, NULL));
  REFUSED(UV_EMSGSIZE, dgram_post_send(sender, &buffer, 1, there, count_sent, NULL));
  REFUSED(UV_EMSGSIZE, dgram_post_send(sender, endless, 2, there, count_sent, NULL));
  REFUSED(DGRAM_ERR_SOCKET_BAD_PORT,
          dgram_post_send(sender, &buffer, 0, (struct sockaddr *)&no_port, count_sent, NULL));
  REFUSED(UV_EINVAL, dgram_sender_create(NULL, &options, &none));
  assert_null(none);
  REFUSED(UV_EINVAL, dgram_sender_create(socket, &options, NULL));
  options.max_count = 0;
  REFUSED(UV_EINVAL, dgram_sender_create(socket, &options, &none));
  options = dgram_default_sender_options();
  options.max_bytes = 0;
  REFUSED(UV_EINVAL, dgram_sender_create(socket, &options, &none));
  options = dgram_default_sender_options();
  options.struct_size++;
  REFUSED(UV_EINVAL, dgram_sender_create(socket, &options, &none));
  dgram_sender_free(NULL);
  dgram_sender_free(sender);
  settle(loop);
}

/* ---- bounds ---- */

TEST("a sender is bounded in datagrams and in bytes, and has room again when they have left") {
  int port;
  int sent = 0;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  dgram_sender_t *few = new_sender(socket, 100, 2);
  dgram_sender_t *small = new_sender(socket, 5, 100);
  dgram_stats_t stats = dgram_default_stats();
  for (int round = 1; round <= 3; round++) {
    assert_int_equal(post(few, "a", port, count_sent, &sent), 0);
    assert_int_equal(post(few, "b", port, count_sent, &sent), 0);
    assert_int_equal(post(few, "", port, count_sent, &sent), UV_ENOBUFS);
    assert_int_equal(post(small, "abc", port, count_sent, &sent), 0);
    assert_int_equal(post(small, "abc", port, count_sent, &sent), UV_ENOBUFS);
    assert_int_equal(post(small, "ab", port, count_sent, &sent), 0);
    assert_int_equal(post(small, "", port, count_sent, &sent), 0);
    assert_int_equal(post(small, "a", port, count_sent, &sent), UV_ENOBUFS);
    assert_int_equal(dgram_get_stats(socket, &stats), 0);
    assert_int_equal(stats.posts_refused, 3 * round);
    run_until(loop, &sent, 5 * round);
    assert_int_equal(dgram_get_stats(socket, &stats), 0);
    assert_int_equal(stats.posts, 5 * round);
    assert_int_equal(stats.datagrams_out, 5 * round);
  }
  assert_int_equal(post(small, "abcdef", port, count_sent, &sent), UV_ENOBUFS);
  dgram_sender_free(few);
  dgram_sender_free(small);
}

struct reposter {
  dgram_sender_t *sender;
  int port;
  int sent;
};

static void post_again(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                       void *context) {
  struct reposter *reposter = context;
  assert_null(error);
  if (++reposter->sent < 100)
    assert_int_equal(post(reposter->sender, "x", reposter->port, post_again, reposter), 0);
}

TEST("a post that was accepted is not refused by the limit of the socket's queue") {
  enum { MANY = 50 };
  int port;
  int sent = 0;
  int received = 0;
  struct sockaddr_in to;
  uv_buf_t buffer = {.base = "x", .len = 1};
  new_bound(loop, count_message, &received, &port);
  to = loopback_address(port);
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &(int){0});
  assert_int_equal(dgram_set_send_queue_limit(socket, 0, 2, 0, 0), 0);
  dgram_sender_t *sender = new_sender(socket, 1000, MANY);
  for (int i = 0; i < MANY; i++)
    assert_int_equal(post(sender, "x", port, count_sent, &sent), 0);
  for (int i = 0; i < 2; i++)
    assert_int_equal(dgram_send_to(socket, &buffer, 1, (struct sockaddr *)&to, count_sent, &sent),
                     0);
  assert_int_equal(dgram_send_to(socket, &buffer, 1, (struct sockaddr *)&to, NULL, NULL),
                   UV_ENOBUFS);
  run_until(loop, &received, MANY + 2);
  run_until(loop, &sent, MANY + 2);
  dgram_sender_free(sender);
}

TEST("a post has made room when its callback runs") {
  struct reposter reposter = {0};
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &reposter.port);
  reposter.sender = new_sender(socket, 1, 1);
  assert_int_equal(post(reposter.sender, "x", reposter.port, post_again, &reposter), 0);
  run_until(loop, &reposter.sent, 100);
  dgram_sender_free(reposter.sender);
}

/* ---- the end ---- */

TEST("what was posted before a close leaves, as what was sent") {
  int port;
  int received = 0;
  int sent = 0;
  new_bound(loop, count_message, &received, &port);
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &(int){0});
  dgram_sender_t *sender = new_sender(socket, 100, 100);
  assert_int_equal(post(sender, "x", port, count_sent, &sent), 0);
  close_socket(socket);
  assert_int_equal(sent, 0);
  assert_int_equal(post(sender, "y", port, count_sent, &sent), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  dgram_sender_t *another;
  assert_int_equal(dgram_sender_create(socket, NULL, &another), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  assert_null(another);
  run_until(loop, &received, 1);
  settle(loop);
  assert_int_equal(sent, 1);
  assert_int_equal(post(sender, "z", port, count_sent, &sent),
                   DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING); /* the socket's memory is gone */
  dgram_sender_free(sender);
}

TEST("a post that a close finds and that cannot be sent fails after 'close'") {
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &(int){0});
  dgram_sender_t *sender = new_sender(socket, 100, 100);
  assert_int_equal(post(sender, "x", 0, trace_sent, "peer"), 0); /* there is no peer */
  assert_int_equal(post(sender, "x", 0, NULL, NULL), 0);
  assert_int_equal(dgram_close(socket, trace_event, "close"), 0);
  assert_trace("");
  settle(loop);
  assert_trace("close peer(ERR_SOCKET_BAD_PORT)");
  dgram_sender_free(sender);
}

TEST("an unbound socket that is closed is bound for what was posted") {
  int port;
  int received = 0;
  int sent = 0;
  new_bound(loop, count_message, &received, &port);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_sender_t *sender = new_sender(socket, 100, 100);
  assert_int_equal(post(sender, "x", port, count_sent, &sent), 0);
  dgram_sender_free(sender);
  close_socket(socket);
  run_until(loop, &received, 1);
  settle(loop);
  assert_int_equal(sent, 1);
}

TEST("a sender that is freed has what it accepted sent") {
  int port;
  int received = 0;
  int sent = 0;
  new_bound(loop, count_message, &received, &port);
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &(int){0});
  dgram_sender_t *sender = new_sender(socket, 100, 100);
  assert_int_equal(post(sender, "x", port, count_sent, &sent), 0);
  dgram_sender_free(sender);
  run_until(loop, &received, 1);
  assert_int_equal(sent, 1);
}

TEST("a sender does not keep the loop alive") {
  int port;
  int sent = 0;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  dgram_sender_t *sender = new_sender(socket, 100, 100);
  dgram_unref(socket);
  run_to_end(loop);
  assert_int_equal(post(sender, "x", port, count_sent, &sent), 0);
  run_to_end(loop);
  assert_int_equal(sent, 0); /* it waits until the loop runs again */
  dgram_ref(socket);
  run_until(loop, &sent, 1);
  dgram_sender_free(sender);
}

static dgram_sender_t *new_alive(dgram_socket_t *socket) {
  dgram_sender_options_t options = dgram_default_sender_options();
  dgram_sender_t *sender;
  options.keep_alive = 1;
  assert_int_equal(dgram_sender_create(socket, &options, &sender), 0);
  return sender;
}

static void post_and_free(void *context) {
  dgram_sender_t *sender = context;
  if (post(sender, "x", 9, NULL, NULL) != 0)
    abort();
  dgram_sender_free(sender);
}

TEST("a sender keeps the loop alive until it is freed, if it is to") {
  uv_thread_t thread;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_unref(socket);
  dgram_sender_t *sender = new_alive(socket);
  assert_int_not_equal(uv_run(loop, UV_RUN_NOWAIT), 0);
  assert_int_equal(uv_thread_create(&thread, post_and_free, sender), 0);
  run_to_end(loop);
  uv_thread_join(&thread);
  dgram_stats_t stats = dgram_default_stats();
  assert_int_equal(dgram_get_stats(socket, &stats), 0);
  assert_int_equal(stats.datagrams_out, 1);
}

static void close_first(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                        void *context) {
  assert_int_equal(dgram_close(socket, NULL, NULL), 0);
  trace("%s", (const char *)context);
}

TEST("a callback of a post may close the socket") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  dgram_sender_t *sender = new_sender(socket, 100, 100);
  assert_int_equal(post(sender, "x", port, close_first, "a"), 0);
  assert_int_equal(post(sender, "y", port, trace_sent, "b"), 0);
  settle(loop);
  assert_trace("a b");
  dgram_sender_free(sender);
}

static void answer_and_close(dgram_lookup_t *lookup, const char *host, dgram_type_t type,
                             void *context) {
  dgram_socket_t **socket = context;
  trace("lookup");
  if (*socket != NULL) {
    dgram_socket_t *closed = *socket;
    *socket = NULL;
    assert_int_equal(dgram_close(closed, trace_event, "close"), 0);
  }
  dgram_lookup_done(lookup, 0, "127.0.0.1");
}

TEST("a look-up inside the first post may close the socket, and does not run inside a close") {
  for (int inside_close = 0; inside_close <= 1; inside_close++) {
    dgram_options_t options = dgram_default_options(DGRAM_UDP4);
    dgram_socket_t *socket = NULL;
    options.lookup = answer_and_close;
    options.lookup_context = &socket;
    assert_int_equal(dgram_create_socket_options(loop, &options, NULL, NULL, &socket), 0);
    dgram_sender_t *sender = new_alive(socket);
    assert_int_equal(post(sender, "x", 9, trace_sent, "x"), 0);
    assert_int_equal(post(sender, "y", 9, trace_sent, "y"), 0);
    if (inside_close)
      assert_int_equal(dgram_close(socket, NULL, NULL), 0);
    settle(loop);
    dgram_sender_free(sender);
    settle(loop);
    assert_trace(inside_close ? "x(ECANCELED) y(ECANCELED)" : "lookup x close y(ECANCELED)");
  }
}

static void run_tasks_in_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("error(%s)", error->name);
  task_list_run_all(context);
}

/* Its post is freed then, before the send of it returns. */
TEST("a post ends inside the look-up that it starts") {
  struct task_list tasks = {0};
  struct lookup_stub stub = {.fails = UV_EAI_FAIL};
  dgram_options_t options = lookup_stub_options(DGRAM_UDP4, &stub);
  options.defer = task_list_options(&tasks).defer;
  options.defer_context = &tasks;
  dgram_socket_t *socket = new_with(loop, &options);
  assert_int_equal(dgram_on_error(socket, run_tasks_in_error, &tasks), 0);
  dgram_sender_t *sender = new_alive(socket);
  assert_int_equal(post(sender, "x", 9, trace_sent, "x"), 0);
  settle(loop);
  assert_trace("ask(0.0.0.0) error(EAI_FAIL) x(EAI_FAIL)");
  dgram_sender_free(sender);
  close_socket(socket);
  settle(loop);
  task_list_run_all(&tasks);
  run_to_end(loop);
}

/* ---- many threads ---- */

struct poster {
  dgram_sender_t *sender;
  int port;
  int number;
  int posts;
  int accepted; /* after the thread has ended */
  uv_thread_t thread;
  uint32_t last; /* whose callback has run */
  int left;
  int cancelled;
};

struct numbered {
  struct poster *poster;
  uint32_t number;
};

static uv_thread_t loop_thread;
static int left_of_all; /* what arrives of it depends on the system's limit of receive buffers */

static void on_posted(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                      void *context) {
  struct numbered *numbered = context;
  struct poster *poster = numbered->poster;
  uv_thread_t self = uv_thread_self();
  assert_true(uv_thread_equal(&self, &loop_thread));
  assert_true(numbered->number > poster->last); /* in the order of its thread */
  poster->last = numbered->number;
  if (error == NULL) {
    poster->left++;
    left_of_all++;
  } else if (error->code == UV_ECANCELED)
    poster->cancelled++;
  else
    fail_msg("%s", error->message);
  free(numbered);
}

/* Posts numbered datagrams until it has posted all, or the socket is closed. */
static void run_poster(void *context) {
  struct poster *poster = context;
  struct sockaddr_in to = loopback_address(poster->port);
  for (uint32_t number = 1; number <= (uint32_t)poster->posts;) {
    uint32_t message[2] = {(uint32_t)poster->number, number};
    uv_buf_t buffer = {.base = (char *)message, .len = sizeof message};
    struct numbered *numbered = malloc(sizeof *numbered);
    if (numbered == NULL)
      abort();
    *numbered = (struct numbered){poster, number};
    int err = dgram_post_send(poster->sender, &buffer, 1, (const struct sockaddr *)&to, on_posted,
                              numbered);
    if (err == 0) {
      poster->accepted++;
      number++;
      continue;
    }
    free(numbered);
    if (err == DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING)
      break;
    if (err != UV_ENOBUFS)
      abort();
    sched_yield();
  }
}

static void start_posters(struct poster posters[THREADS], dgram_sender_t *sender, int port,
                          int posts) {
  loop_thread = uv_thread_self();
  left_of_all = 0;
  for (int i = 0; i < THREADS; i++) {
    posters[i] = (struct poster){.sender = sender, .port = port, .number = i, .posts = posts};
    assert_int_equal(uv_thread_create(&posters[i].thread, run_poster, &posters[i]), 0);
  }
}

static void join_posters(struct poster posters[THREADS]) {
  for (int i = 0; i < THREADS; i++)
    uv_thread_join(&posters[i].thread);
}

struct tally {
  int received;
  uint32_t last[THREADS];
};

static void tally_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                          void *context) {
  struct tally *tally = context;
  uint32_t words[2];
  assert_int_equal(rinfo->size, sizeof words);
  memcpy(words, message, sizeof words);
  assert_true(words[0] < THREADS);
  assert_true(words[1] > tally->last[words[0]]);
  tally->last[words[0]] = words[1];
  tally->received++;
}

TEST("posts of several threads all leave, each thread's in order") {
  int port;
  int posts = (int)(POSTS / test_scale());
  struct tally tally = {0};
  struct poster posters[THREADS];
  new_roomy(loop, tally_message, &tally, &port);
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &(int){0});
  dgram_sender_t *sender = new_sender(socket, 800, 100); /* so that it is full at times */
  start_posters(posters, sender, port, posts);
  run_until(loop, &left_of_all, THREADS * posts);
  settle(loop);
  assert_in_range(tally.received, 1, THREADS * posts);
  join_posters(posters);
  dgram_sender_free(sender);
  settle(loop);
  dgram_stats_t stats = dgram_default_stats();
  assert_int_equal(dgram_get_stats(socket, &stats), 0);
  assert_int_equal(stats.posts, THREADS * posts);
  assert_int_equal(stats.datagrams_out, THREADS * posts);
  for (int i = 0; i < THREADS; i++) {
    assert_int_equal(posters[i].accepted, posts);
    assert_int_equal(posters[i].left, posts);
  }
}

static void close_after(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                        void *context) {
  dgram_socket_t **sending = context;
  if (*sending != NULL)
    close_socket(*sending);
  *sending = NULL;
}

TEST("a close while threads post ends each accepted post once") {
  for (int round = 0; round < (int)(40 / test_scale()) + 1; round++) {
    int port;
    struct poster posters[THREADS];
    dgram_socket_t *socket = new_bound(loop, NULL, NULL, &(int){0});
    dgram_socket_t *receiver = new_bound(loop, close_after, &socket, &port);
    dgram_sender_t *sender = new_sender(socket, 800, 100);
    start_posters(posters, sender, port, 1000000000);
    while (socket != NULL)
      uv_run(loop, UV_RUN_ONCE);
    join_posters(posters);
    settle(loop);
    dgram_sender_free(sender);
    close_socket(receiver);
    settle(loop);
    for (int i = 0; i < THREADS; i++)
      assert_int_equal(posters[i].accepted, posters[i].left + posters[i].cancelled);
  }
}

static void run_freer(void *context) {
  struct poster *poster = context;
  run_poster(poster);
  dgram_sender_free(poster->sender);
}

TEST("a thread frees its own sender while the loop sends what it accepted") {
  int port;
  int posts = (int)(POSTS / test_scale());
  struct tally tally = {0};
  struct poster posters[THREADS];
  new_roomy(loop, tally_message, &tally, &port);
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &(int){0});
  loop_thread = uv_thread_self();
  left_of_all = 0;
  for (int i = 0; i < THREADS; i++) {
    posters[i] = (struct poster){
        .sender = new_sender(socket, 400, 50), .port = port, .number = i, .posts = posts};
    assert_int_equal(uv_thread_create(&posters[i].thread, run_freer, &posters[i]), 0);
  }
  run_until(loop, &left_of_all, THREADS * posts);
  settle(loop);
  assert_in_range(tally.received, 1, THREADS * posts);
  join_posters(posters);
  for (int i = 0; i < THREADS; i++)
    assert_int_equal(posters[i].left, posts);
}
