/*
 * Posts with options: an observer on the loopback interface sees what was chosen for each; options
 * that do not fit are refused in the call, or end the post.
 */
#include "lib/fixture.h"
#include "lib/observer.h"

#include <dgram_post.h>

static dgram_sender_t *new_sender(dgram_socket_t *socket, size_t max_bytes, size_t max_count) {
  dgram_sender_options_t options = dgram_default_sender_options();
  dgram_sender_t *sender;
  options.max_bytes = max_bytes;
  options.max_count = max_count;
  options.keep_alive = 1;
  assert_int_equal(dgram_sender_create(socket, &options, &sender), 0);
  return sender;
}

static int post_with(dgram_sender_t *sender, const char *text, const void *to,
                     const dgram_send_options_t *options, dgram_send_cb callback, void *context) {
  uv_buf_t buffer = {.base = (char *)text, .len = strlen(text)};
  return dgram_post_send_with(sender, &buffer, 1, to, options, callback, context);
}

static void assert_seen(int observer, const char *text, const char *source, int ttl, int tos) {
  static struct observed seen;
  observer_take(observer, &seen);
  assert_int_equal(seen.size, strlen(text));
  assert_memory_equal(seen.bytes, text, strlen(text));
  assert_string_equal(seen.source, source);
  assert_int_equal(seen.ttl, ttl);
  assert_int_equal(seen.tos, tos);
}

/* ---- what arrives ---- */

TEST("a post leaves with the options that were chosen for it, and in its order") {
  struct sockaddr_storage to;
  int sent = 0;
  int observer = observer_open(AF_INET, &to);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_sender_t *sender = new_sender(socket, 1000, 100);
  struct sockaddr_in source = loopback_address(0);
  source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 2);
  dgram_send_options_t options = dgram_default_send_options();
  options.source = (const struct sockaddr *)&source;
  options.ttl = 17;
  options.tos = 46 << 2 | 1;
  assert_int_equal(post_with(sender, "first", &to, NULL, count_sent, &sent), 0);
  assert_int_equal(post_with(sender, "chosen", &to, &options, count_sent, &sent), 0);
  memset(&source, 0, sizeof source); /* it was copied */
  options = dgram_default_send_options();
  assert_int_equal(post_with(sender, "plain", &to, &options, count_sent, &sent), 0);
  assert_int_equal(post_with(sender, "last", &to, NULL, NULL, NULL), 0);
  run_until(loop, &sent, 3);
  assert_seen(observer, "first", "127.0.0.1", 64, 0);
  assert_seen(observer, "chosen", "127.0.0.3", 17, 46 << 2 | 1);
  assert_seen(observer, "plain", "127.0.0.1", 64, 0);
  assert_seen(observer, "last", "127.0.0.1", 64, 0);
  dgram_sender_free(sender);
  close(observer);
}

TEST("a post with options binds a socket, and goes to the peer of a connected one") {
  struct sockaddr_storage to;
  int sent = 0;
  int observer = observer_open(AF_INET, &to);
  dgram_send_options_t options = dgram_default_send_options();
  options.ttl = 5;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_set_send_queue_limit(socket, 0, 1, 0, 0), 0);
  dgram_sender_t *sender = new_sender(socket, 1000, 100);
  assert_int_equal(post_with(sender, "a", &to, &options, count_sent, &sent), 0);
  assert_int_equal(post_with(sender, "b", &to, &options, count_sent, &sent), 0);
  run_until(loop, &sent, 2);
  connect_now(socket, ntohs(((struct sockaddr_in *)&to)->sin_port));
  assert_int_equal(post_with(sender, "c", NULL, &options, count_sent, &sent), 0);
  run_until(loop, &sent, 3);
  assert_seen(observer, "a", "127.0.0.1", 5, 0);
  assert_seen(observer, "b", "127.0.0.1", 5, 0);
  assert_seen(observer, "c", "127.0.0.1", 5, 0);
  dgram_sender_free(sender);
  close(observer);
}

TEST("a post with a segment size leaves as several datagrams, and may be as large as the bound") {
  enum { SEGMENT = 1000, SEGMENTS = 70, ALL = SEGMENT * SEGMENTS };
  static char bytes[ALL + 1];
  static struct observed seen;
  struct sockaddr_storage to;
  int sent = 0;
  int observer = observer_open(AF_INET, &to);
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &(int){0});
  dgram_sender_t *sender = new_sender(socket, ALL, 1);
  dgram_send_options_t options = dgram_default_send_options();
  options.segment_size = SEGMENT;
  for (int i = 0; i < ALL; i++)
    bytes[i] = (char)(i / SEGMENT);
  uv_buf_t buffers[] = {{.base = bytes, .len = ALL}, {.base = bytes, .len = 1}};
  const void *there = &to;
  assert_int_equal(dgram_post_send_with(sender, buffers, 2, there, &options, NULL, NULL),
                   UV_EMSGSIZE);
  assert_int_equal(dgram_post_send_with(sender, buffers, 1, there, NULL, NULL, NULL), UV_EMSGSIZE);
  assert_int_equal(dgram_post_send_with(sender, buffers, 1, there, &options, count_sent, &sent), 0);
  run_until(loop, &sent, 1);
  for (int i = 0; i < SEGMENTS; i++) {
    observer_take(observer, &seen);
    assert_int_equal(seen.size, SEGMENT);
    assert_memory_equal(seen.bytes, bytes + (size_t)i * SEGMENT, SEGMENT);
  }
  dgram_sender_free(sender);
  close(observer);
}

/* ---- what does not fit ---- */

TEST("options of a post that are out of range are refused at once") {
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &(int){0});
  dgram_sender_t *sender = new_sender(socket, 1000, 100);
  struct sockaddr_in to = loopback_address(9);
  struct sockaddr_in no_port = loopback_address(0);
  struct sockaddr_in6 source6 = {.sin6_family = AF_INET6};
  int sent = 0;
#define REFUSED(member, bad)                                                                \
  do {                                                                                      \
    dgram_send_options_t options = dgram_default_send_options();                            \
    options.member = bad;                                                                   \
    assert_int_equal(post_with(sender, "x", &to, &options, count_sent, &sent), UV_EINVAL);  \
    assert_int_equal(post_with(sender, "x", NULL, &options, count_sent, &sent), UV_EINVAL); \
  } while (0)
  REFUSED(struct_size, 0);
  REFUSED(struct_size, sizeof(dgram_send_options_t) + 8);
  REFUSED(source, (const struct sockaddr *)&source6);
  REFUSED(interface_index, (unsigned)INT_MAX + 1);
  REFUSED(ttl, 0);
  REFUSED(ttl, 256);
  REFUSED(tos, -2);
  REFUSED(tos, 256);
  REFUSED(dont_fragment, 2);
  REFUSED(segment_size, 65508);
  dgram_send_options_t options = dgram_default_send_options();
  assert_int_equal(post_with(NULL, "x", &to, &options, count_sent, &sent), UV_EINVAL);
  assert_int_equal(post_with(sender, "x", &no_port, &options, count_sent, &sent),
                   DGRAM_ERR_SOCKET_BAD_PORT);
  close_socket(socket);
  assert_int_equal(post_with(sender, "x", &to, &options, count_sent, &sent),
                   DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  settle(loop);
  assert_int_equal(sent, 0);
  dgram_sender_free(sender);
}

TEST("the source of a post has to fit its destination, or else the peer") {
  skip_without_ipv6();
  union raw_address mapped;
  union raw_address plain;
  struct kept_error kept = {0};
  int port;
  raw_address(&mapped, "::ffff:127.0.0.1", 9);
  raw_address(&plain, "::1", 9);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP6, NULL, NULL);
  dgram_sender_t *sender = new_sender(socket, 1000, 100);
  dgram_send_options_t options = dgram_default_send_options();
  options.source = &mapped.any;
  assert_int_equal(post_with(sender, "x", &plain, &options, NULL, NULL), UV_EINVAL);
  options.source = &plain.any;
  assert_int_equal(post_with(sender, "x", &mapped, &options, NULL, NULL), UV_EINVAL);
  int holder = raw_holder(&port);
  assert_int_equal(dgram_connect_sync(socket, port, "::ffff:127.0.0.1"), 0);
  assert_int_equal(post_with(sender, "x", NULL, &options, keep_send_error, &kept), 0);
  run_until(loop, &kept.calls, 1);
  assert_string_equal(kept.name, "EINVAL");
  assert_string_equal(kept.syscall, "send");
  dgram_sender_free(sender);
  close(holder);
}

TEST("what the system refuses is the error of that post, and of no other") {
  struct sockaddr_storage to;
  struct kept_error kept = {0};
  int sent = 0;
  int observer = observer_open(AF_INET, &to);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_sender_t *sender = new_sender(socket, 1000, 100);
  union raw_address foreign;
  raw_address(&foreign, "192.0.2.1", 0);
  dgram_send_options_t options = dgram_default_send_options();
  options.source = &foreign.any;
  assert_int_equal(post_with(sender, "refused", &to, &options, keep_send_error, &kept), 0);
  assert_int_equal(post_with(sender, "plain", &to, NULL, count_sent, &sent), 0);
  run_until(loop, &sent, 1);
  run_until(loop, &kept.calls, 1);
  assert_string_equal(kept.syscall, "send");
  assert_true(kept.code == UV_EINVAL || kept.code == UV_ENETUNREACH);
  assert_seen(observer, "plain", "127.0.0.1", 64, 0);
  assert_int_equal(observer_is_empty(observer), 1);
  dgram_sender_free(sender);
  close(observer);
}
