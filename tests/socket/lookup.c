/*
 * A program's own look-up: what it is called for, which is every address that is given as text or
 * left out; its answers, inside the call or later; and what becomes of them.
 */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

/* ---- what is looked up ---- */

/* The last query; and that there were so many. */
static void assert_asked(const struct lookup_stub *stub, int asked, const char *host,
                         dgram_type_t type) {
  assert_int_equal(stub->asked, asked);
  assert_string_equal(stub->queries[asked - 1].host, host);
  assert_int_equal(stub->queries[asked - 1].type, type);
}

/* A bind, a send and a connect to this address, of a socket that is bound for the last two. */
static void assert_all_look_up(uv_loop_t *loop, dgram_type_t type, const char *address,
                               const char *bound_to, const char *sent_to) {
  begin_round(loop);
  struct lookup_stub stub = {0};
  dgram_socket_t *socket = new_with_lookup(loop, type, &stub);
  assert_int_equal(dgram_bind(socket, 0, address, NULL, NULL), 0);
  assert_asked(&stub, 1, bound_to, type);
  lookup_stub_answer(&stub, 0, 0, type == DGRAM_UDP4 ? "127.0.0.1" : "::1");
  assert_int_equal(dgram_send(socket, "x", 1, 9, address, NULL, NULL), 0);
  assert_asked(&stub, 2, sent_to, type);
  assert_int_equal(dgram_send_buffers(socket, NULL, 0, 9, address, NULL, NULL), 0);
  assert_asked(&stub, 3, sent_to, type);
  assert_int_equal(dgram_connect(socket, 9, address, NULL, NULL), 0);
  assert_asked(&stub, 4, sent_to, type);
  close_socket(socket);
  for (int i = 1; i < 4; i++)
    lookup_stub_answer(&stub, i, UV_ECANCELED, NULL);
  run_to_end(loop);
}

TEST("a missing address is looked up as the wildcard or this host") {
  assert_all_look_up(loop, DGRAM_UDP4, NULL, "0.0.0.0", "127.0.0.1");
  assert_all_look_up(loop, DGRAM_UDP4, "", "0.0.0.0", "127.0.0.1");
}

TEST("a missing address of a udp6 socket is looked up as :: or ::1") {
  skip_without_ipv6();
  assert_all_look_up(loop, DGRAM_UDP6, NULL, "::", "::1");
  assert_all_look_up(loop, DGRAM_UDP6, "", "::", "::1");
}

TEST("numeric addresses are looked up") {
  assert_all_look_up(loop, DGRAM_UDP4, "127.0.0.1", "127.0.0.1", "127.0.0.1");
  assert_all_look_up(loop, DGRAM_UDP4, "0.0.0.0", "0.0.0.0", "0.0.0.0");
}

TEST("numeric addresses of IPv6 are looked up") {
  skip_without_ipv6();
  assert_all_look_up(loop, DGRAM_UDP6, "0:0::1", "0:0::1", "0:0::1");
  assert_all_look_up(loop, DGRAM_UDP6, "fe80::1%lo", "fe80::1%lo", "fe80::1%lo");
}

/* Also one of the other family, of which the program may make what it likes. */
TEST("numeric addresses of the other family are looked up") {
  assert_all_look_up(loop, DGRAM_UDP4, "::1", "::1", "::1");
}

TEST("names are looked up as they are") {
  char host[256];
  memset(host, 'a', sizeof host - 1);
  host[sizeof host - 1] = '\0';
  assert_all_look_up(loop, DGRAM_UDP4, "Some.Name", "Some.Name", "Some.Name");
  assert_all_look_up(loop, DGRAM_UDP4, host, host, host);
}

/* Neither a bind nor a send or connect refuses it: what names there are is the program's matter. */
TEST("a name that is not UTF-8 is looked up as it is") {
  static const char latin1[] = {'b', '\xfc', 'c', 'h', 'e', 'r', '\0'};
  assert_all_look_up(loop, DGRAM_UDP4, latin1, latin1, latin1);
  assert_all_look_up(loop, DGRAM_UDP4, "\xff\xfe", "\xff\xfe", "\xff\xfe");
}

TEST("an implicit bind looks up the wildcard first") {
  struct lookup_stub stub = {0};
  dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, &stub);
  assert_int_equal(dgram_send(socket, "x", 1, 9, "name", trace_sent, "sent"), 0);
  assert_asked(&stub, 1, "0.0.0.0", DGRAM_UDP4);
  settle(loop);
  lookup_stub_answer(&stub, 0, 0, "0.0.0.0");
  assert_asked(&stub, 2, "name", DGRAM_UDP4);
  lookup_stub_answer(&stub, 1, 0, "127.0.0.1");
  run_until_trace(loop, "ask(0.0.0.0) ask(name) sent");
}

/* B37: the others need no address. */
TEST("a binary address and a connected send look up nothing") {
  struct lookup_stub stub = {0};
  struct sockaddr_in to = loopback_address(9);
  dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
  assert_int_equal(dgram_send_to(socket, NULL, 0, (struct sockaddr *)&to, trace_sent, "1"), 0);
  settle(loop);
  assert_trace("1");
  assert_int_equal(dgram_connect(socket, 9, NULL, trace_connect, "connected"), 0);
  lookup_stub_answer(&stub, 0, 0, "127.0.0.1");
  settle(loop);
  assert_trace("ask(127.0.0.1) connected");
  assert_int_equal(dgram_on_error(socket, trace_error, "error"), 0);
  assert_int_equal(dgram_send(socket, "x", 1, 0, NULL, trace_sent, "2"), 0);
  assert_int_equal(dgram_disconnect(socket), 0);
  settle(loop);
  assert_int_equal(stub.asked, 1);
}

TEST("each socket looks up with its own context") {
  struct lookup_stub stubs[2] = {{.at_once = "127.0.0.1"}, {.at_once = "127.0.0.2"}};
  for (int i = 0; i < 2; i++) {
    dgram_address_t address;
    dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, &stubs[i]);
    assert_int_equal(dgram_bind(socket, 0, "name", NULL, NULL), 0);
    assert_int_equal(dgram_address(socket, &address), 0);
    assert_string_equal(address.address, stubs[i].at_once);
    close_socket(socket);
  }
}

/* ---- the answers ---- */

TEST("an answer that comes later binds the socket") {
  struct lookup_stub stub = {0};
  int port;
  int holder = raw_holder(&port);
  dgram_address_t address;
  dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, &stub);
  trace_events(socket);
  assert_int_equal(dgram_bind(socket, port, "name", trace_event, "callback"), 0);
  settle(loop);
  assert_trace("ask(name)");
  assert_int_equal(dgram_address(socket, &address), UV_EBADF);
  assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), DGRAM_ERR_SOCKET_ALREADY_BOUND);
  lookup_stub_answer(&stub, 0, 0, "127.0.0.7");
  settle(loop);
  assert_trace("listening callback");
  assert_int_equal(dgram_address(socket, &address), 0);
  assert_string_equal(address.address, "127.0.0.7");
  assert_int_equal(address.port, port);
  close(holder);
}

/* B20: then 'listening' is emitted inside the call too. */
TEST("an answer inside the call binds the socket inside it") {
  struct lookup_stub stub = {.at_once = "127.0.0.1"};
  dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, &stub);
  trace_events(socket);
  assert_int_equal(dgram_bind(socket, 0, "name", trace_event, "callback"), 0);
  assert_trace("ask(name) listening callback");
  assert_true(port_of(socket) > 0);
  settle(loop);
  assert_trace("");
}

/* All but that: sends and connects are reported from the loop as ever. */
TEST("an answer inside the call completes no send or connect inside it") {
  struct lookup_stub stub = {.at_once = "127.0.0.1"};
  int fd = raw_socket();
  dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, &stub);
  assert_int_equal(dgram_send(socket, "x", 1, raw_port(fd), "name", trace_sent, "sent"), 0);
  assert_int_equal(dgram_connect(socket, raw_port(fd), "peer", trace_connect, "connected"), 0);
  assert_trace("ask(0.0.0.0) ask(name) ask(peer)");
  settle(loop);
  assert_trace("sent connected");
  assert_string_equal(arrived(fd), "x");
  close(fd);
}

TEST("a send goes where the answer says") {
  struct lookup_stub stub = {0};
  char text[8];
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
  assert_int_equal(dgram_send(socket, "x", 1, raw_port(fd), "192.0.2.1", trace_sent, "sent"), 0);
  settle(loop);
  assert_trace("ask(192.0.2.1)");
  assert_int_equal(dgram_get_send_queue_count(socket), 1);
  lookup_stub_answer(&stub, 0, 0, "127.0.0.1");
  assert_trace("");
  settle(loop);
  assert_trace("sent");
  assert_int_equal(raw_receive(fd, text, sizeof text), port_of(socket));
  close(fd);
}

TEST("a connect goes where the answer says") {
  struct lookup_stub stub = {0};
  dgram_address_t remote;
  dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
  assert_int_equal(dgram_connect(socket, 9, "192.0.2.1", trace_connect, "connected"), 0);
  settle(loop);
  assert_trace("ask(192.0.2.1)");
  lookup_stub_answer(&stub, 0, 0, "127.0.0.9");
  assert_trace("");
  settle(loop);
  assert_trace("connected");
  assert_int_equal(dgram_remote_address(socket, &remote), 0);
  assert_string_equal(remote.address, "127.0.0.9");
  assert_int_equal(remote.port, 9);
}

TEST("sends leave in the order of their answers") {
  struct lookup_stub stub = {0};
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
  assert_int_equal(dgram_send(socket, "1", 1, raw_port(fd), "a", trace_sent, "sent1"), 0);
  assert_int_equal(dgram_send(socket, "2", 1, raw_port(fd), "b", trace_sent, "sent2"), 0);
  assert_int_equal(dgram_send(socket, "3", 1, raw_port(fd), "c", trace_sent, "sent3"), 0);
  assert_int_equal(dgram_get_send_queue_count(socket), 3);
  lookup_stub_answer(&stub, 1, 0, "127.0.0.1");
  settle(loop);
  lookup_stub_answer(&stub, 2, 0, "127.0.0.1");
  lookup_stub_answer(&stub, 0, 0, "127.0.0.1");
  settle(loop);
  assert_trace("ask(a) ask(b) ask(c) sent2 sent3 sent1");
  assert_string_equal(arrived(fd), "2 3 1");
  assert_int_equal(dgram_get_send_queue_count(socket), 0);
  close(fd);
}

TEST("sends answered at once keep their order") {
  struct lookup_stub stub = {.at_once = "127.0.0.1"};
  struct sockaddr_in to;
  uv_buf_t third = uv_buf_init("3", 1);
  int fd = raw_socket();
  dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, &stub);
  to = loopback_address(raw_port(fd));
  assert_int_equal(dgram_send(socket, "1", 1, raw_port(fd), "a", NULL, NULL), 0);
  assert_int_equal(dgram_send(socket, "2", 1, raw_port(fd), "b", NULL, NULL), 0);
  assert_int_equal(dgram_send_to(socket, &third, 1, (struct sockaddr *)&to, NULL, NULL), 0);
  assert_int_equal(dgram_send(socket, "4", 1, raw_port(fd), "d", NULL, NULL), 0);
  settle(loop);
  assert_string_equal(arrived(fd), "1 2 3 4");
  close(fd);
}

TEST("each of several sends goes where its answer says") {
  enum { TARGETS = 3 };
  struct lookup_stub stub = {0};
  static const char *const texts[] = {"a", "b", "c"};
  int fds[TARGETS];
  dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
  for (int i = 0; i < TARGETS; i++) {
    fds[i] = raw_socket();
    assert_int_equal(dgram_send(socket, texts[i], 1, raw_port(fds[i]), texts[i], NULL, NULL), 0);
  }
  for (int i = TARGETS - 1; i >= 0; i--)
    lookup_stub_answer(&stub, i, 0, "127.0.0.1");
  settle(loop);
  for (int i = 0; i < TARGETS; i++) {
    assert_string_equal(arrived(fds[i]), texts[i]);
    close(fds[i]);
  }
}

/* So many that some leave while the last is still looked up. */
TEST("thousands of sends may be answered at once") {
  enum { SENT = 3000 };
  struct lookup_stub stub = {.at_once = "127.0.0.1"};
  int sent = 0;
  dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, &stub);
  for (int i = 0; i < SENT; i++) {
    assert_int_equal(dgram_send(socket, "x", 1, 9, "name", count_sent, &sent), 0);
    stub.asked = 0;
    trace_clear();
  }
  run_until(loop, &sent, SENT);
  settle(loop);
  assert_int_equal(sent, SENT);
}

TEST("an answer of IPv6 keeps its zone") {
  skip_without_ipv6();
  struct lookup_stub stub = {.at_once = "::1%lo"};
  dgram_address_t address;
  dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP6, &stub);
  assert_int_equal(dgram_bind(socket, 0, "name", NULL, NULL), 0);
  assert_int_equal(dgram_address(socket, &address), 0);
  assert_string_equal(address.address, "::1");
}

TEST("an answer of no look-up does nothing") {
  dgram_lookup_done(NULL, 0, "127.0.0.1");
  dgram_lookup_done(NULL, UV_EAI_FAIL, NULL);
}

static void wait_for_idle(uv_idle_t *idle) {
  lookup_stub_answer(idle->data, 0, 0, "127.0.0.1");
  uv_close((uv_handle_t *)idle, NULL);
}

/* The program's own work is what keeps the loop alive until the answer. */
TEST("an answer may come from any callback of the loop") {
  struct lookup_stub stub = {0};
  uv_idle_t idle = {.data = &stub};
  dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, &stub);
  trace_events(socket);
  assert_int_equal(dgram_bind(socket, 0, "name", NULL, NULL), 0);
  assert_int_equal(uv_run(loop, UV_RUN_DEFAULT), 0);
  uv_idle_init(loop, &idle);
  uv_idle_start(&idle, wait_for_idle);
  run_until_trace(loop, "ask(name) listening");
  close_sockets(loop);
}
