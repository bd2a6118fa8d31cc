/* A connect that fails: how that is reported, and that the socket can be connected after it. */
#include "lib/fixture.h"

static void keep_connect_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  dgram_address_t remote;
  assert_non_null(error);
  assert_int_equal(dgram_remote_address(socket, &remote), DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED);
  keep_error(socket, error, context);
}

/* Connects, which must fail; only the callback is called. */
static struct kept_error connect_failure(uv_loop_t *loop, dgram_type_t type, int port,
                                         const char *address) {
  begin_round(loop);
  struct kept_error kept = {0};
  dgram_socket_t *socket = new_socket(loop, type, NULL, NULL);
  assert_int_equal(dgram_on_connect(socket, trace_connect, "connect"), 0);
  assert_int_equal(dgram_on_error(socket, trace_error, "error"), 0);
  assert_int_equal(dgram_connect(socket, port, address, keep_connect_error, &kept), 0);
  run_until(loop, &kept.calls, 1);
  settle(loop);
  assert_int_equal(kept.calls, 1);
  assert_trace("");
  connect_now(socket, 9);
  assert_trace("connect");
  return kept;
}

TEST("a connect to an address of the other family is EINVAL") {
  struct kept_error kept = connect_failure(loop, DGRAM_UDP4, 1234, "::1");
  assert_int_equal(kept.code, UV_EINVAL);
  assert_string_equal(kept.syscall, "connect");
  assert_string_equal(kept.address, "::1");
  assert_int_equal(kept.port, 1234);
  assert_string_equal(kept.message, "connect EINVAL ::1:1234");
}

TEST("a connect of a udp6 socket to an IPv4 address is EINVAL") {
  skip_without_ipv6();
  struct kept_error kept = connect_failure(loop, DGRAM_UDP6, 1234, "127.0.0.1");
  assert_int_equal(kept.code, UV_EINVAL);
  assert_string_equal(kept.message, "connect EINVAL 127.0.0.1:1234");
}

TEST("a connect to an unknown host has the error of its look-up") {
  struct kept_error kept = connect_failure(loop, DGRAM_UDP4, 1234, "no-such-host.invalid");
  assert_string_equal(kept.syscall, "getaddrinfo");
  assert_string_equal(kept.address, "no-such-host.invalid");
  assert_int_equal(kept.port, 0);
  if (kept.code == UV_EAI_AGAIN) {
    print_message("skipped: no name server answers here\n");
    return;
  }
  assert_string_equal(kept.message, "getaddrinfo ENOTFOUND no-such-host.invalid");
}

/* libuv refuses it before any look-up; it is reported as every other failure is. */
TEST("a connect to a name that is no text is EINVAL") {
  struct kept_error kept = connect_failure(loop, DGRAM_UDP4, 1234, "\xff\xfe");
  assert_int_equal(kept.code, UV_EINVAL);
  assert_string_equal(kept.syscall, "getaddrinfo");
  assert_string_equal(kept.address, "\xff\xfe");
}

/* The loopback's broadcast address, which needs SO_BROADCAST. */
TEST("a connect that the kernel refuses has its code") {
  struct kept_error kept = connect_failure(loop, DGRAM_UDP4, 1234, "127.255.255.255");
  assert_int_equal(kept.code, UV_EACCES);
  assert_string_equal(kept.message, "connect EACCES 127.255.255.255:1234");
}

TEST("a failed connect without a callback is an error event") {
  int port;
  struct kept_error kept = {0};
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_on_connect(socket, trace_connect, "connect"), 0);
  assert_int_equal(dgram_on_error(socket, keep_connect_error, &kept), 0);
  assert_int_equal(dgram_connect(socket, 1234, "::1", NULL, NULL), 0);
  assert_int_equal(kept.calls, 0);
  settle(loop);
  assert_int_equal(kept.calls, 1);
  assert_string_equal(kept.message, "connect EINVAL ::1:1234");
  assert_trace("");
}

TEST("a failed connect without a listener goes to the handler of unhandled errors") {
  int port;
  struct kept_error kept = {0};
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  dgram_on_unhandled_error(keep_error, &kept);
  assert_int_equal(dgram_connect(socket, 1234, "::1", NULL, NULL), 0);
  settle(loop);
  assert_int_equal(kept.calls, 1);
}

TEST("the callback of a failed connect is forgotten") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_connect(socket, 9, "::1", trace_connect, "callback"), 0);
  settle(loop);
  assert_trace("callback(EINVAL)");
  assert_int_equal(dgram_off_connect(socket, trace_connect, "callback"), UV_ENOENT);
  connect_now(socket, 9);
  assert_trace("");
}

static void try_again(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace("%s", error->name);
  assert_int_equal(dgram_connect(socket, 9, NULL, trace_connect, "again"), 0);
}

TEST("a failed connect can be tried again in its callback") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_connect(socket, 9, "::1", try_again, NULL), 0);
  run_until_trace(loop, "EINVAL again");
}

TEST("a failed connect can be tried again in its error") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_on_error(socket, try_again, NULL), 0);
  assert_int_equal(dgram_connect(socket, 9, "::1", NULL, NULL), 0);
  run_until_trace(loop, "EINVAL again");
}

TEST("many failed connects leave no listeners") {
  enum { TIMES = 20 };
  int port;
  int connected = 0;
  struct kept_error kept = {0};
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  for (int i = 1; i <= TIMES; i++) {
    assert_int_equal(dgram_connect(socket, 9, "::1", keep_connect_error, &kept), 0);
    run_until(loop, &kept.calls, i);
  }
  assert_int_equal(dgram_connect(socket, 9, NULL, count_connect, &connected), 0);
  settle(loop);
  assert_int_equal(connected, 1);
  assert_int_equal(kept.calls, TIMES);
}
