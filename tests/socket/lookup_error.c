/* A program's own look-up that fails, or whose answer can't be used. */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

/* An answer, and what becomes of a call that gets it. */
struct bad_answer {
  int status;
  int code;
  const char *address;
  const char *bind_message;
  const char *send_message;
  const char *connect_message;
};

static const struct bad_answer bad_answers[] = {
    {UV_EAI_NONAME, UV_EAI_NONAME, NULL, "getaddrinfo ENOTFOUND name", "getaddrinfo ENOTFOUND name",
     "getaddrinfo ENOTFOUND name"},
    /* any code of the program's, and then no address counts */
    {UV_ETIMEDOUT, UV_ETIMEDOUT, "127.0.0.1", "getaddrinfo ETIMEDOUT name",
     "getaddrinfo ETIMEDOUT name", "getaddrinfo ETIMEDOUT name"},
    /* no address */
    {0, UV_EINVAL, "localhost", NULL, NULL, NULL},
    {0, UV_EINVAL, "", NULL, NULL, NULL},
    {0, UV_EINVAL, NULL, NULL, NULL, NULL},
    {0, UV_EINVAL, "127.0.0.1:80", NULL, NULL, NULL},
    {7, UV_EINVAL, "127.0.0.1", NULL, NULL, NULL}, /* no code */
    /* one of the other family (B21) */
    {0, UV_EINVAL, "::1", "bind EINVAL ::1:1234", "send EINVAL name:1234",
     "connect EINVAL name:1234"},
};
enum { BAD_ANSWERS = sizeof bad_answers / sizeof *bad_answers };

static void assert_kept(const struct kept_error *kept, int code, const char *message) {
  assert_int_equal(kept->calls, 1);
  assert_int_equal(kept->code, code);
  if (message != NULL)
    assert_string_equal(kept->message, message);
}

/* After it the socket is unbound, and can be bound. */
TEST("a bind whose look-up fails is an error event") {
  for (int i = 0; i < BAD_ANSWERS; i++) {
    begin_round(loop);
    struct lookup_stub stub = {0};
    struct kept_error kept = {0};
    const struct bad_answer *bad = &bad_answers[i];
    dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, &stub);
    assert_int_equal(dgram_once_error(socket, keep_error, &kept), 0);
    assert_int_equal(dgram_bind(socket, 1234, "name", trace_event, "forgotten"), 0);
    lookup_stub_answer(&stub, 0, bad->status, bad->address);
    settle(loop);
    assert_kept(&kept, bad->code, bad->bind_message);
    assert_int_equal(dgram_bind(socket, 0, "name", trace_event, "bound"), 0);
    lookup_stub_answer(&stub, 1, 0, "127.0.0.1");
    settle(loop);
    assert_trace("ask(name) ask(name) bound");
  }
}

TEST("a send whose look-up fails has its callback called") {
  for (int i = 0; i < BAD_ANSWERS; i++) {
    begin_round(loop);
    struct lookup_stub stub = {0};
    struct kept_error kept = {0};
    const struct bad_answer *bad = &bad_answers[i];
    dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
    assert_int_equal(dgram_send(socket, "x", 1, 1234, "name", keep_send_error, &kept), 0);
    lookup_stub_answer(&stub, 0, bad->status, bad->address);
    assert_int_equal(kept.calls, 0);
    settle(loop);
    assert_kept(&kept, bad->code, bad->send_message);
    assert_int_equal(dgram_get_send_queue_count(socket), 0);
  }
}

TEST("a send without a callback whose look-up fails is an error event") {
  for (int i = 0; i < BAD_ANSWERS; i++) {
    begin_round(loop);
    struct lookup_stub stub = {0};
    struct kept_error kept = {0};
    const struct bad_answer *bad = &bad_answers[i];
    dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
    assert_int_equal(dgram_on_error(socket, keep_error, &kept), 0);
    assert_int_equal(dgram_send(socket, "x", 1, 1234, "name", NULL, NULL), 0);
    lookup_stub_answer(&stub, 0, bad->status, bad->address);
    assert_int_equal(kept.calls, 0);
    settle(loop);
    assert_kept(&kept, bad->code, bad->send_message);
  }
}

TEST("a connect whose look-up fails has its callback called or is an error event") {
  for (int i = 0; i < 2 * BAD_ANSWERS; i++) {
    begin_round(loop);
    struct lookup_stub stub = {0};
    struct kept_error kept = {0};
    const struct bad_answer *bad = &bad_answers[i / 2];
    dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
    dgram_connect_cb callback = i % 2 == 0 ? keep_error : NULL;
    if (callback == NULL)
      assert_int_equal(dgram_on_error(socket, keep_error, &kept), 0);
    assert_int_equal(dgram_connect(socket, 1234, "name", callback, &kept), 0);
    lookup_stub_answer(&stub, 0, bad->status, bad->address);
    assert_int_equal(kept.calls, 0);
    settle(loop);
    assert_kept(&kept, bad->code, bad->connect_message);
    stub.at_once = "127.0.0.1";
    connect_now(socket, 9);
  }
}

/* As 'listening' would be. */
TEST("a bind whose look-up fails inside the call is reported inside it") {
  struct lookup_stub stub = {.fails = UV_EAI_FAIL};
  dgram_address_t address;
  dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, &stub);
  trace_events(socket);
  assert_int_equal(dgram_bind(socket, 0, "name", trace_event, "forgotten"), 0);
  assert_trace("ask(name) error(EAI_FAIL)");
  assert_int_equal(dgram_address(socket, &address), UV_EBADF);
  stub.fails = 0;
  stub.at_once = "127.0.0.1";
  assert_int_equal(dgram_bind(socket, 0, "name", trace_event, "bound"), 0);
  assert_trace("ask(name) listening bound");
}

TEST("a send whose implicit bind fails inside the call completes once") {
  for (int with_callback = 0; with_callback < 2; with_callback++) {
    begin_round(loop);
    struct lookup_stub stub = {.fails = UV_EAI_FAIL};
    dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, &stub);
    trace_events(socket);
    assert_int_equal(
        dgram_send(socket, "x", 1, 9, "name", with_callback ? trace_sent : NULL, "sent"), 0);
    settle(loop);
    assert_trace(with_callback ? "ask(0.0.0.0) error(EAI_FAIL) sent(EAI_FAIL)"
                               : "ask(0.0.0.0) error(EAI_FAIL)");
    assert_int_equal(dgram_get_send_queue_count(socket), 0);
  }
}

TEST("a connect whose implicit bind fails inside the call completes once") {
  for (int with_callback = 0; with_callback < 2; with_callback++) {
    begin_round(loop);
    struct lookup_stub stub = {.fails = UV_EAI_FAIL};
    dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, &stub);
    trace_events(socket);
    assert_int_equal(
        dgram_connect(socket, 9, "name", with_callback ? trace_connect : NULL, "callback"), 0);
    settle(loop);
    assert_trace(with_callback ? "ask(0.0.0.0) error(EAI_FAIL) callback(EAI_FAIL)"
                               : "ask(0.0.0.0) error(EAI_FAIL)");
  }
}

TEST("a failed look-up fails its own send only") {
  struct lookup_stub stub = {0};
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
  assert_int_equal(dgram_send(socket, "1", 1, raw_port(fd), "a", trace_sent, "sent1"), 0);
  assert_int_equal(dgram_send(socket, "2", 1, raw_port(fd), "b", trace_sent, "sent2"), 0);
  assert_int_equal(dgram_send(socket, "3", 1, raw_port(fd), "c", trace_sent, "sent3"), 0);
  lookup_stub_answer(&stub, 1, UV_EAI_FAIL, NULL);
  lookup_stub_answer(&stub, 0, 0, "127.0.0.1");
  lookup_stub_answer(&stub, 2, 0, "127.0.0.1");
  settle(loop);
  assert_trace("ask(a) ask(b) ask(c) sent2(EAI_FAIL) sent1 sent3");
  assert_string_equal(arrived(fd), "1 3");
  close(fd);
}
