/* What a program's own look-up is asked: every address that is given as text or left out. */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

/* The last question; and that there were so many. */
static void assert_asked(const struct lookup_stub *stub, int asked, const char *host,
                         dgram_type_t type) {
  assert_int_equal(stub->asked, asked);
  assert_string_equal(stub->queries[asked - 1].host, host);
  assert_int_equal(stub->queries[asked - 1].type, type);
}

/* A bind, a send and a connect to this address, of a socket that is bound for the last two. */
static void assert_all_ask(uv_loop_t *loop, dgram_type_t type, const char *address,
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

TEST("what is left out is asked as the wildcard or this host") {
  assert_all_ask(loop, DGRAM_UDP4, NULL, "0.0.0.0", "127.0.0.1");
  assert_all_ask(loop, DGRAM_UDP4, "", "0.0.0.0", "127.0.0.1");
}

TEST("on ipv6 as its own") {
  skip_without_ipv6();
  assert_all_ask(loop, DGRAM_UDP6, NULL, "::", "::1");
  assert_all_ask(loop, DGRAM_UDP6, "", "::", "::1");
}

TEST("numeric addresses are asked") {
  assert_all_ask(loop, DGRAM_UDP4, "127.0.0.1", "127.0.0.1", "127.0.0.1");
  assert_all_ask(loop, DGRAM_UDP4, "0.0.0.0", "0.0.0.0", "0.0.0.0");
}

TEST("numeric addresses of ipv6 are asked") {
  skip_without_ipv6();
  assert_all_ask(loop, DGRAM_UDP6, "0:0::1", "0:0::1", "0:0::1");
  assert_all_ask(loop, DGRAM_UDP6, "fe80::1%lo", "fe80::1%lo", "fe80::1%lo");
}

/* Also one of the other family, of which the program may make what it likes. */
TEST("so are those of the other family") {
  assert_all_ask(loop, DGRAM_UDP4, "::1", "::1", "::1");
}

TEST("names are asked as they are") {
  char host[256];
  memset(host, 'a', sizeof host - 1);
  host[sizeof host - 1] = '\0';
  assert_all_ask(loop, DGRAM_UDP4, "Some.Name", "Some.Name", "Some.Name");
  assert_all_ask(loop, DGRAM_UDP4, host, host, host);
}

TEST("an implicit bind asks for the wildcard first") {
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
TEST("a binary address and a connected send ask nothing") {
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

TEST("each socket asks with its own context") {
  struct lookup_stub hooks[2] = {{.at_once = "127.0.0.1"}, {.at_once = "127.0.0.2"}};
  for (int i = 0; i < 2; i++) {
    dgram_address_t address;
    dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, &hooks[i]);
    assert_int_equal(dgram_bind(socket, 0, "name", NULL, NULL), 0);
    assert_int_equal(dgram_address(socket, &address), 0);
    assert_string_equal(address.address, hooks[i].at_once);
    close_socket(socket);
  }
}
