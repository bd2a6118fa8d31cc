/* A bind that fails is an 'error' event; the socket is then unbound, and can be bound again. */
#include "lib/fixture.h"

#include <sys/resource.h>

/* Binds, and runs the loop to its end: an unbound socket does not keep it alive. */
static struct kept_error fail_to_bind(uv_loop_t *loop, dgram_socket_t *socket, int port,
                                      const char *address) {
  struct kept_error kept = {0};
  assert_int_equal(dgram_once_error(socket, keep_error, &kept), 0);
  assert_int_equal(dgram_bind(socket, port, address, trace_event, "listening"), 0);
  assert_int_equal(kept.calls, 0);
  while (kept.calls == 0 && uv_run(loop, UV_RUN_ONCE) != 0)
    continue;
  assert_int_equal(kept.calls, 1);
  assert_trace("");
  return kept;
}

TEST("a bind to a port in use is EADDRINUSE") {
  int port;
  char expected[64];
  new_bound(loop, NULL, NULL, &port);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  struct kept_error kept = fail_to_bind(loop, socket, port, "127.0.0.1");
  assert_int_equal(kept.code, UV_EADDRINUSE);
  assert_string_equal(kept.name, "EADDRINUSE");
  assert_string_equal(kept.syscall, "bind");
  assert_string_equal(kept.address, "127.0.0.1");
  assert_int_equal(kept.port, port);
  snprintf(expected, sizeof expected, "bind EADDRINUSE 127.0.0.1:%d", port);
  assert_string_equal(kept.message, expected);
}

TEST("a bind to an address of another host is EADDRNOTAVAIL") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  struct kept_error kept = fail_to_bind(loop, socket, 0, "192.0.2.1");
  assert_int_equal(kept.code, UV_EADDRNOTAVAIL);
  assert_string_equal(kept.address, "192.0.2.1");
  assert_int_equal(kept.port, 0);
  assert_string_equal(kept.message, "bind EADDRNOTAVAIL 192.0.2.1");
}

TEST("the error of a bind without an address names the wildcard") {
  char expected[64];
  dgram_socket_t *owner = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  int port = bind_now(owner, NULL);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  struct kept_error kept = fail_to_bind(loop, socket, port, NULL);
  snprintf(expected, sizeof expected, "bind EADDRINUSE 0.0.0.0:%d", port);
  assert_string_equal(kept.message, expected);
}

TEST("a bind to an address of the other family is EINVAL") {
  dgram_socket_t *v4 = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_socket_t *v6 = new_socket(loop, DGRAM_UDP6, NULL, NULL);
  assert_string_equal(fail_to_bind(loop, v4, 0, "::1").message, "bind EINVAL ::1");
  assert_string_equal(fail_to_bind(loop, v6, 0, "127.0.0.1").message, "bind EINVAL 127.0.0.1");
}

TEST("a failed bind can be tried again") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_address_t address;
  fail_to_bind(loop, socket, 0, "192.0.2.1");
  assert_int_equal(dgram_address(socket, &address), UV_EBADF);
  fail_to_bind(loop, socket, 0, "::1");
  bind_now(socket, "127.0.0.1");
  assert_usable(socket);
}

static void bind_again(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("error:%d", dgram_bind(socket, 0, "127.0.0.1", trace_event, "second"));
}

TEST("a failed bind can be tried again in its error") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  int listening = 0;
  assert_int_equal(dgram_on_error(socket, bind_again, NULL), 0);
  assert_int_equal(dgram_on_listening(socket, count_event, &listening), 0);
  assert_int_equal(dgram_bind(socket, 0, "192.0.2.1", trace_event, "first"), 0);
  run_until(loop, &listening, 1);
  while (strstr(trace_text, "second") == NULL)
    assert_int_not_equal(uv_run(loop, UV_RUN_ONCE), 0);
  assert_trace("error:0 second");
}

TEST("the callback of a failed bind is forgotten") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  int errors = 0;
  int listening = 0;
  for (int i = 0; i < 20; i++) {
    struct kept_error kept = {0};
    assert_int_equal(dgram_once_error(socket, keep_error, &kept), 0);
    assert_int_equal(dgram_bind(socket, 0, "192.0.2.1", trace_event, "forgotten"), 0);
    run_to_end(loop);
    errors += kept.calls;
  }
  assert_int_equal(errors, 20);
  assert_int_equal(dgram_off_listening(socket, trace_event, "forgotten"), UV_ENOENT);
  assert_int_equal(dgram_bind(socket, 0, "127.0.0.1", count_event, &listening), 0);
  run_until(loop, &listening, 1);
  assert_trace("");
}

TEST("a listener of listening stays after a failed bind") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_once_listening(socket, trace_event, "kept"), 0);
  fail_to_bind(loop, socket, 0, "192.0.2.1");
  bind_now(socket, "127.0.0.1");
  assert_trace("kept");
}

TEST("sends that waited for the bind get its error") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, trace_error, "error"), 0);
  assert_int_equal(dgram_bind(socket, 0, "192.0.2.1", NULL, NULL), 0);
  send_text(socket, "a", 9, trace_sent, "a");
  send_text(socket, "b", 9, NULL, NULL);
  send_text(socket, "c", 9, trace_sent, "c");
  run_to_end(loop);
  assert_trace("error(EADDRNOTAVAIL) a(EADDRNOTAVAIL) c(EADDRNOTAVAIL)");
  assert_int_equal(dgram_get_send_queue_count(socket), 0);
  assert_int_equal(dgram_get_send_queue_size(socket), 0);
  bind_now(socket, "127.0.0.1");
  assert_usable(socket);
}

/* No more descriptors, or as many as before. */
static void allow_descriptors(int allow) {
  static rlim_t before;
  struct rlimit limit;
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
  if (!allow)
    before = limit.rlim_cur;
  limit.rlim_cur = allow ? before : 0;
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

TEST("sends whose implicit bind fails get its error") {
  struct kept_error reported = {0};
  int sent = 0;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_once_error(socket, keep_error, &reported), 0);
  send_text(socket, "a", 9, trace_sent, "a");
  send_text(socket, "b", 9, trace_sent, "b");
  allow_descriptors(0);
  run_to_end(loop);
  allow_descriptors(1);
  assert_string_equal(reported.message, "bind EMFILE 0.0.0.0");
  assert_trace("a(EMFILE) b(EMFILE)");
  send_text(socket, "c", 9, count_sent, &sent); /* binds anew */
  run_until(loop, &sent, 1);
  assert_usable(socket);
}

static void send_once_more(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("error");
  send_text(socket, "x", 9, trace_sent, "sent");
}

TEST("a send in the error listener binds anew") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  int listening = 0;
  assert_int_equal(dgram_on_error(socket, send_once_more, NULL), 0);
  assert_int_equal(dgram_on_listening(socket, count_event, &listening), 0);
  assert_int_equal(dgram_bind(socket, 0, "192.0.2.1", NULL, NULL), 0);
  dgram_unref(socket);
  run_to_end(loop);
  assert_int_equal(listening, 1);
  assert_trace("error sent");
}

/* What isn't an address is taken for a host name, and not found. */
TEST("a bind to what is no address looks it up, and does not find it") {
  static char host_255[256];
  const char *const texts[] = {"256.1.1.1.invalid", "::g",   "127.0.0.1:80", "1.2.3.4.5", "[::1]",
                               "fe80::1%+1",        host_255};
  memset(host_255, 'a', sizeof host_255 - 1);
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    struct kept_error kept = {0};
    dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
    assert_int_equal(dgram_on_error(socket, keep_error, &kept), 0);
    assert_int_equal(dgram_bind(socket, 0, texts[i], NULL, NULL), 0);
    run_until(loop, &kept.calls, 1);
    assert_true(kept.code < 0);
    assert_string_equal(kept.syscall, "getaddrinfo");
    assert_string_equal(kept.address, texts[i]);
    assert_non_null(strstr(kept.message, texts[i]));
    bind_now(socket, "127.0.0.1");
    assert_usable(socket);
    close_socket(socket);
  }
}

/* libuv refuses it in the call, before any look-up. */
TEST("a bind to a name that is no text fails") {
  struct kept_error kept = {0};
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, keep_error, &kept), 0);
  int err = dgram_bind(socket, 0, "\xff\xfe", trace_event, "forgotten");
  if (err == 0)
    run_until(loop, &kept.calls, 1);
  else
    assert_int_equal(err, UV_EINVAL);
  assert_int_equal(dgram_off_listening(socket, trace_event, "forgotten"), UV_ENOENT);
  bind_now(socket, "127.0.0.1");
  assert_usable(socket);
}
