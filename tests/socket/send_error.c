/* A send that fails is reported to its callback, or else an 'error' event; the socket goes on. */
#include "lib/fixture.h"

static char overlong[70000];

/* What the callback of a send gets; an 'error' event besides would be unhandled, and fail. */
static struct kept_error callback_error(uv_loop_t *loop, const void *message, size_t size,
                                        const char *address, int *port) {
  begin_round(loop);
  struct kept_error kept = {0};
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, port);
  assert_int_equal(dgram_send(socket, message, size, *port, address, keep_send_error, &kept), 0);
  assert_int_equal(kept.calls, 0);
  run_until(loop, &kept.calls, 1);
  assert_usable(socket);
  assert_int_equal(dgram_get_send_queue_count(socket), 0);
  assert_int_equal(dgram_get_send_queue_size(socket), 0);
  close_socket(socket);
  run_to_end(loop);
  assert_int_equal(kept.calls, 1);
  return kept;
}

/* The 'error' event of a send without a callback. */
static struct kept_error event_error(uv_loop_t *loop, const void *message, size_t size,
                                     const char *address, int *port) {
  begin_round(loop);
  struct kept_error kept = {0};
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, port);
  assert_int_equal(dgram_on_error(socket, keep_error, &kept), 0);
  assert_int_equal(dgram_send(socket, message, size, *port, address, NULL, NULL), 0);
  assert_int_equal(kept.calls, 0);
  run_until(loop, &kept.calls, 1);
  assert_usable(socket);
  close_socket(socket);
  run_to_end(loop);
  assert_int_equal(kept.calls, 1);
  return kept;
}

static void assert_emsgsize(const struct kept_error *kept, int port) {
  char expected[64];
  snprintf(expected, sizeof expected, "send EMSGSIZE 127.0.0.1:%d", port);
  assert_int_equal(kept->code, UV_EMSGSIZE);
  assert_string_equal(kept->name, "EMSGSIZE");
  assert_string_equal(kept->syscall, "send");
  assert_string_equal(kept->address, "127.0.0.1");
  assert_int_equal(kept->port, port);
  assert_string_equal(kept->message, expected);
}

TEST("the callback of a send that is too long gets EMSGSIZE") {
  static const size_t sizes[] = {65508, 65535, 65536, 70000};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    int port;
    struct kept_error kept = callback_error(loop, overlong, sizes[i], "127.0.0.1", &port);
    assert_emsgsize(&kept, port);
  }
}

TEST("a send that is too long without a callback is an error event") {
  int port;
  struct kept_error kept = event_error(loop, overlong, 65508, "127.0.0.1", &port);
  assert_emsgsize(&kept, port);
  kept = event_error(loop, overlong, 70000, "127.0.0.1", &port);
  assert_emsgsize(&kept, port);
}

static void assert_einval(const struct kept_error *kept, int port) {
  char expected[64];
  snprintf(expected, sizeof expected, "send EINVAL ::1:%d", port);
  assert_int_equal(kept->code, UV_EINVAL);
  assert_string_equal(kept->message, expected);
}

TEST("a send to an address of the other family is EINVAL") {
  int port;
  struct kept_error kept = callback_error(loop, "x", 1, "::1", &port);
  assert_einval(&kept, port);
  kept = event_error(loop, "x", 1, "::1", &port);
  assert_einval(&kept, port);
}

TEST("a send to a broadcast address is EACCES") {
  int port; /* a broadcast, without SO_BROADCAST */
  struct kept_error kept = callback_error(loop, "x", 1, "127.255.255.255", &port);
  assert_int_equal(kept.code, UV_EACCES);
}

/* bun#29135, bun#36249: what comes back from there must not stop an unconnected socket. */
TEST("a send to a port where nobody listens is no error") {
  int port;
  int nobody;
  int sent = 0;
  dgram_socket_t *closed = new_bound(loop, NULL, NULL, &nobody);
  close_socket(closed);
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  for (int i = 1; i <= 5; i++) {
    send_text(socket, "x", nobody, count_sent, &sent);
    run_until(loop, &sent, i);
    uv_run(loop, UV_RUN_NOWAIT);
  }
  assert_usable(socket);
  close_socket(socket);
}

TEST("the callback of a send to an unknown host gets the error of the look-up") {
  int port;
  char expected[128];
  struct kept_error kept = callback_error(loop, "x", 1, "no-such-host.invalid", &port);
  if (kept.code != UV_EAI_AGAIN) /* a machine without a name server */
    assert_string_equal(kept.name, "ENOTFOUND");
  snprintf(expected, sizeof expected, "getaddrinfo %s no-such-host.invalid", kept.name);
  assert_string_equal(kept.syscall, "getaddrinfo");
  assert_string_equal(kept.address, "no-such-host.invalid");
  assert_string_equal(kept.message, expected);
}

TEST("a send to an unknown host without a callback is an error event") {
  int port;
  struct kept_error kept = event_error(loop, "x", 1, "no-such-host.invalid", &port);
  assert_string_equal(kept.syscall, "getaddrinfo");
}

TEST("a failed send among others fails none of them") {
  int port;
  int received = 0;
  dgram_socket_t *socket = new_bound(loop, trace_message, "got", &port);
  assert_int_equal(dgram_on_message(socket, count_message, &received), 0);
  send_text(socket, "1", port, trace_sent, "sent1");
  assert_int_equal(dgram_send(socket, overlong, 65508, port, NULL, trace_sent, "long2"), 0);
  send_text(socket, "3", port, trace_sent, "sent3");
  assert_int_equal(dgram_send(socket, "4", 1, port, "127.255.255.255", trace_sent, "broadcast4"),
                   0);
  send_text(socket, "5", port, trace_sent, "sent5");
  run_until(loop, &received, 3);
  assert_trace("sent1 long2(EMSGSIZE) sent3 broadcast4(EACCES) sent5 got(1) got(3) got(5)");
}

TEST("each of a row of failed sends is reported") {
  int port;
  struct kept_error kept = {0};
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  for (int i = 0; i < 300; i++)
    assert_int_equal(dgram_send(socket, "x", 1, port, "127.255.255.255", keep_send_error, &kept),
                     0);
  run_until(loop, &kept.calls, 300);
  assert_usable(socket);
  close_socket(socket);
  run_to_end(loop);
  assert_int_equal(kept.calls, 300);
}
