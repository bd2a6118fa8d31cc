/* Access lists on where a socket sends and connects to: what is refused does not leave. */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"
#include "lib/task_list.h"

#include <dgram_access.h>

static dgram_access_list_t *list;
static dgram_socket_t *sender;
static int peer, port; /* on 127.0.0.1 */

#define OK(call) assert_int_equal(call, 0)
#define BLOCKED(call) assert_int_equal(call, DGRAM_ERR_IP_BLOCKED)

static void open_with(dgram_socket_t *socket) {
  OK(dgram_access_list_create(&list));
  peer = raw_socket();
  port = raw_port(peer);
  sender = socket;
}

/* A bound socket that may not send to 127.0.0.1, but to the rest of 127.0.0.0/8. */
static void open_fixture(uv_loop_t *loop) {
  int own_port;
  open_with(new_bound(loop, NULL, NULL, &own_port));
  OK(dgram_access_list_add_address(list, "127.0.0.1"));
  OK(dgram_set_send_access(sender, DGRAM_BLOCK, list));
}

static void close_fixture(uv_loop_t *loop) {
  close_sockets(loop);
  dgram_access_list_free(list);
  close(peer);
}

static void assert_refused(uint64_t refused) {
  dgram_access_counts_t counts = dgram_default_access_counts();
  OK(dgram_get_access_counts(sender, &counts));
  assert_int_equal(counts.sends_refused, refused);
  assert_int_equal(counts.receives_refused, 0);
}

/* By each of the functions that send; the code of each is the same. */
static int send_by_each(const char *address) {
  uv_buf_t buffer = uv_buf_init("x", 1);
  struct sockaddr_in to = loopback_address(port);
  const struct sockaddr *binary = (const struct sockaddr *)&to;
  dgram_send_options_t options = dgram_default_send_options();
  int err = dgram_send(sender, "x", 1, port, address, trace_sent, "sent");
  assert_int_equal(dgram_send_buffers(sender, &buffer, 1, port, address, trace_sent, "sent"), err);
  if (address != NULL)
    assert_int_equal(inet_pton(AF_INET, address, &to.sin_addr), 1);
  assert_int_equal(dgram_send_to(sender, &buffer, 1, binary, trace_sent, "sent"), err);
  assert_int_equal(dgram_send_with(sender, &buffer, 1, binary, &options, trace_sent, "sent"), err);
  return err;
}

TEST("a send to a blocked address is refused") {
  open_fixture(loop);
  BLOCKED(send_by_each("127.0.0.1"));
  BLOCKED(send_by_each(NULL)); /* which is the same */
  assert_int_equal(dgram_get_send_queue_count(sender), 0);
  settle(loop);
  assert_trace("");
  assert_string_equal(arrived(peer), "");
  assert_refused(8);
  OK(send_by_each("127.0.0.2"));
  OK(dgram_set_send_access(sender, DGRAM_BLOCK, NULL));
  OK(send_by_each("127.0.0.1"));
  settle(loop);
  assert_trace("sent sent sent sent sent sent sent sent");
  assert_string_equal(arrived(peer), "x x x x");
  close_fixture(loop);
}

TEST("a send to an address that is not allowed is refused") {
  open_fixture(loop);
  OK(dgram_set_send_access(sender, DGRAM_BLOCK, NULL));
  OK(dgram_set_send_access(sender, DGRAM_ALLOW, list));
  BLOCKED(send_by_each("127.0.0.2"));
  OK(send_by_each("127.0.0.1"));
  OK(dgram_set_send_access(sender, DGRAM_BLOCK, list));
  BLOCKED(send_by_each("127.0.0.1"));
  settle(loop);
  assert_trace("sent sent sent sent");
  close_fixture(loop);
}

/* What is behind others takes another path through the library. */
TEST("a list applies to a send behind others, and not to those before it") {
  open_fixture(loop);
  OK(dgram_set_send_access(sender, DGRAM_BLOCK, NULL));
  OK(send_by_each("127.0.0.1"));
  OK(dgram_set_send_access(sender, DGRAM_BLOCK, list));
  BLOCKED(send_by_each("127.0.0.1"));
  OK(dgram_access_list_remove_address(list, "127.0.0.1"));
  OK(send_by_each("127.0.0.1"));
  OK(dgram_access_list_add_subnet(list, "127.0.0.0", 8));
  BLOCKED(send_by_each("127.0.0.1"));
  settle(loop);
  assert_trace("sent sent sent sent sent sent sent sent");
  assert_string_equal(arrived(peer), "x x x x x x x x");
  close_fixture(loop);
}

TEST("a refused send does not bind the socket") {
  open_with(new_socket(loop, DGRAM_UDP4, NULL, NULL));
  OK(dgram_set_send_access(sender, DGRAM_ALLOW, list));
  BLOCKED(send_by_each("127.0.0.1"));
  BLOCKED(dgram_connect(sender, port, "127.0.0.1", trace_connect, "connect"));
  BLOCKED(dgram_connect_sync(sender, port, "127.0.0.1"));
  assert_int_equal(dgram_bind_state(sender), DGRAM_UNBOUND);
  assert_int_equal(dgram_connect_state(sender), DGRAM_DISCONNECTED);
  assert_refused(6);
  settle(loop);
  assert_trace("");
  close_fixture(loop);
}

TEST("a send that waits for the bind has been checked") {
  open_with(new_socket(loop, DGRAM_UDP4, NULL, NULL));
  OK(dgram_set_send_access(sender, DGRAM_BLOCK, list));
  OK(dgram_send(sender, "x", 1, port, "127.0.0.1", trace_sent, "sent"));
  OK(dgram_access_list_add_address(list, "127.0.0.1"));
  settle(loop);
  assert_trace("sent");
  close_fixture(loop);
}

/* ---- names ---- */

TEST("a send to a name is refused when its address is known") {
  struct lookup_stub stub = {0};
  open_with(new_bound_with_lookup(loop, &stub));
  OK(dgram_access_list_add_address(list, "127.0.0.1"));
  OK(dgram_set_send_access(sender, DGRAM_BLOCK, list));
  OK(dgram_send(sender, "x", 1, port, "blocked", trace_sent, "sent"));
  OK(dgram_send(sender, "y", 1, port, "other", trace_sent, "other"));
  lookup_stub_answer(&stub, 1, 0, "127.0.0.2");
  lookup_stub_answer(&stub, 0, 0, "127.0.0.1");
  settle(loop);
  assert_trace("ask(blocked) ask(other) other sent(ERR_IP_BLOCKED)");
  assert_refused(1);
  assert_string_equal(arrived(peer), "");
  close_fixture(loop);
}

TEST("the error of a send to a name tells what was refused") {
  struct lookup_stub stub = {0};
  struct kept_error kept = {0};
  char message[64];
  open_with(new_bound_with_lookup(loop, &stub));
  stub.at_once = "127.0.0.1";
  OK(dgram_access_list_add_address(list, "127.0.0.1"));
  OK(dgram_set_send_access(sender, DGRAM_BLOCK, list));
  OK(dgram_on_error(sender, keep_error, &kept));
  OK(dgram_send(sender, "x", 1, port, "example.org", NULL, NULL)); /* no callback */
  settle(loop);
  snprintf(message, sizeof message, "send ERR_IP_BLOCKED example.org:%d", port);
  assert_int_equal(kept.calls, 1);
  assert_int_equal(kept.code, DGRAM_ERR_IP_BLOCKED);
  assert_string_equal(kept.message, message);
  close_fixture(loop);
}

TEST("a send to localhost is refused by its address") {
  open_fixture(loop);
  OK(dgram_send(sender, "x", 1, port, "localhost", trace_sent, "sent"));
  run_until_trace(loop, "sent(ERR_IP_BLOCKED)");
  trace_clear();
  close_fixture(loop);
}

TEST("a list that is set while a name is looked up applies to it") {
  struct lookup_stub stub = {0};
  open_with(new_bound_with_lookup(loop, &stub));
  OK(dgram_send(sender, "x", 1, port, "name", trace_sent, "sent"));
  OK(dgram_set_send_access(sender, DGRAM_ALLOW, list));
  lookup_stub_answer(&stub, 0, 0, "127.0.0.1");
  settle(loop);
  assert_trace("ask(name) sent(ERR_IP_BLOCKED)");
  close_fixture(loop);
}

/* ---- connecting ---- */

TEST("a connect to a blocked address is refused") {
  open_fixture(loop);
  BLOCKED(dgram_connect(sender, port, "127.0.0.1", trace_connect, "connect"));
  BLOCKED(dgram_connect(sender, port, NULL, trace_connect, "connect"));
  BLOCKED(dgram_connect_sync(sender, port, "127.0.0.1"));
  assert_int_equal(dgram_connect_state(sender), DGRAM_DISCONNECTED);
  OK(dgram_connect(sender, 9, "127.0.0.2", trace_connect, "connect"));
  settle(loop);
  assert_trace("connect");
  assert_refused(3);
  close_fixture(loop);
}

TEST("a connect to a name is refused when its address is known") {
  struct lookup_stub stub = {0};
  open_with(new_bound_with_lookup(loop, &stub));
  OK(dgram_access_list_add_address(list, "127.0.0.1"));
  OK(dgram_set_send_access(sender, DGRAM_BLOCK, list));
  OK(dgram_on_error(sender, trace_error, "error"));
  OK(dgram_connect(sender, port, "name", trace_connect, "connect"));
  lookup_stub_answer(&stub, 0, 0, "127.0.0.1");
  settle(loop);
  OK(dgram_connect(sender, port, "again", NULL, NULL));
  lookup_stub_answer(&stub, 1, 0, "127.0.0.1");
  settle(loop);
  OK(dgram_connect(sender, 9, "other", trace_connect, "connect"));
  lookup_stub_answer(&stub, 2, 0, "127.0.0.2");
  settle(loop);
  assert_trace("ask(name) connect(ERR_IP_BLOCKED) ask(again) error(ERR_IP_BLOCKED) ask(other) "
               "connect");
  assert_refused(2);
  close_fixture(loop);
}

TEST("a send to a peer that is blocked after the connect is refused") {
  open_fixture(loop);
  uv_buf_t buffer = uv_buf_init("x", 1);
  OK(dgram_set_send_access(sender, DGRAM_BLOCK, NULL));
  connect_now(sender, port);
  OK(dgram_send(sender, "x", 1, 0, NULL, trace_sent, "sent"));
  OK(dgram_set_send_access(sender, DGRAM_BLOCK, list));
  BLOCKED(dgram_send(sender, "x", 1, 0, NULL, trace_sent, "sent"));
  BLOCKED(dgram_send_to(sender, &buffer, 1, NULL, trace_sent, "sent"));
  assert_int_equal(dgram_connect_state(sender), DGRAM_CONNECTED);
  settle(loop);
  assert_trace("sent");
  assert_string_equal(arrived(peer), "x");
  OK(dgram_disconnect(sender));
  BLOCKED(dgram_send(sender, "x", 1, port, "127.0.0.1", trace_sent, "sent"));
  close_fixture(loop);
}

/* ---- what else is wrong with a call ---- */

TEST("a bad argument of a send comes before its address") {
  open_fixture(loop);
  struct sockaddr_in to = loopback_address(0);
  struct sockaddr_in6 other = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
  uv_buf_t buffer = uv_buf_init("x", 1);
  assert_int_equal(dgram_send(sender, "x", 1, 0, "127.0.0.1", trace_sent, "sent"),
                   DGRAM_ERR_SOCKET_BAD_PORT);
  assert_int_equal(dgram_send_to(sender, &buffer, 1, (struct sockaddr *)&to, trace_sent, "sent"),
                   DGRAM_ERR_SOCKET_BAD_PORT);
  assert_int_equal(dgram_send_to(sender, &buffer, 1, NULL, trace_sent, "sent"),
                   DGRAM_ERR_SOCKET_BAD_PORT);
  assert_int_equal(dgram_send_to(sender, &buffer, 1, (struct sockaddr *)&other, trace_sent, "s"),
                   UV_EINVAL);
  assert_int_equal(dgram_send(sender, NULL, 1, port, "127.0.0.1", trace_sent, "sent"), UV_EINVAL);
  assert_int_equal(dgram_connect(sender, 0, "127.0.0.1", NULL, NULL), DGRAM_ERR_SOCKET_BAD_PORT);
  assert_refused(0);
  close_socket(sender);
  assert_int_equal(send_by_each("127.0.0.1"), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  assert_int_equal(dgram_send(sender, "x", 1, 0, "127.0.0.1", trace_sent, "sent"),
                   DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  assert_int_equal(dgram_set_send_access(sender, DGRAM_BLOCK, list),
                   DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  close_fixture(loop);
}

TEST("a list of where to send needs a socket and a meaning") {
  open_fixture(loop);
  assert_int_equal(dgram_set_send_access(NULL, DGRAM_BLOCK, list), UV_EINVAL);
  assert_int_equal(dgram_set_send_access(sender, (dgram_access_t)-1, list), UV_EINVAL);
  close_fixture(loop);
}

TEST("a list of IPv4 applies to sends of a udp6 socket") {
  skip_without_ipv6();
  open_with(new_socket(loop, DGRAM_UDP6, NULL, NULL));
  OK(dgram_access_list_add_subnet(list, "127.0.0.0", 8));
  OK(dgram_set_send_access(sender, DGRAM_BLOCK, list));
  BLOCKED(dgram_send(sender, "x", 1, port, "::ffff:127.0.0.1", trace_sent, "sent"));
  OK(dgram_send(sender, "x", 1, port, "::1", trace_sent, "sent"));
  settle(loop);
  assert_trace("sent");
  close_fixture(loop);
}

static void refuse_then_close(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                              void *context) {
  trace_sent(socket, error, bytes, context);
  dgram_access_list_free(list);
  list = NULL;
  close_socket(socket);
}

TEST("the callback of a refused send may close the socket") {
  struct lookup_stub stub = {0};
  open_with(new_bound_with_lookup(loop, &stub));
  stub.at_once = "127.0.0.1";
  OK(dgram_set_send_access(sender, DGRAM_ALLOW, list));
  OK(dgram_send(sender, "x", 1, port, "name", refuse_then_close, "first"));
  OK(dgram_send(sender, "x", 1, port, "name", trace_sent, "second"));
  settle(loop);
  assert_trace("ask(name) ask(name) first(ERR_IP_BLOCKED) second(ERR_IP_BLOCKED)");
  close_fixture(loop);
}
