/* Closing while a program looks addresses up: an answer that comes too late does nothing. */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

/* Each query may succeed or fail after the socket has closed, or when it is gone. */
static const char *const answers[] = {"127.0.0.1", NULL};

static void answer_all(struct lookup_stub *stub, const char *address) {
  for (int i = 0; i < stub->asked; i++)
    if (stub->queries[i].lookup != NULL)
      lookup_stub_answer(stub, i, address != NULL ? 0 : UV_EAI_FAIL, address);
}

TEST("close() gives up a bind that is looked up") {
  for (int i = 0; i < 2; i++) {
    begin_round(loop);
    struct lookup_stub stub = {0};
    dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, &stub);
    trace_events(socket);
    assert_int_equal(dgram_bind(socket, 0, "name", trace_event, "never"), 0);
    close_socket(socket);
    answer_all(&stub, answers[i]); /* before 'close' */
    settle(loop);
    assert_trace("ask(name) close");
    run_to_end(loop);
  }
}

/* B15 */
TEST("close() cancels a send and a connect that are looked up") {
  for (int i = 0; i < 2; i++) {
    begin_round(loop);
    struct lookup_stub stub = {0};
    dgram_socket_t *socket = new_bound_with_lookup(loop, &stub);
    trace_events(socket);
    assert_int_equal(dgram_send(socket, "x", 1, 9, "a", trace_sent, "sent"), 0);
    assert_int_equal(dgram_send(socket, "x", 1, 9, "b", NULL, NULL), 0);
    assert_int_equal(dgram_connect(socket, 9, "c", trace_connect, "callback"), 0);
    close_socket(socket);
    answer_all(&stub, answers[i]);
    settle(loop);
    assert_trace("ask(a) ask(b) ask(c) close callback(ECANCELED) sent(ECANCELED)");
    run_to_end(loop);
  }
}

TEST("an answer may come when the socket is gone") {
  for (int i = 0; i < 2; i++) {
    begin_round(loop);
    struct lookup_stub stub = {0};
    dgram_socket_t *bound = new_bound_with_lookup(loop, &stub);
    dgram_socket_t *binding = new_with_lookup(loop, DGRAM_UDP4, &stub);
    assert_int_equal(dgram_send(bound, "x", 1, 9, "a", NULL, NULL), 0);
    assert_int_equal(dgram_connect(bound, 9, "b", NULL, NULL), 0);
    assert_int_equal(dgram_bind(binding, 0, "c", NULL, NULL), 0);
    close_socket(bound);
    close_socket(binding);
    run_to_end(loop);
    answer_all(&stub, answers[i]);
    assert_trace("ask(a) ask(b) ask(c)");
    run_to_end(loop);
  }
}

TEST("an answer may come when the loop is gone") {
  struct lookup_stub stub = {0};
  dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, &stub);
  assert_int_equal(dgram_bind(socket, 0, "name", NULL, NULL), 0);
  close_socket(socket);
  run_to_end(loop);
  answer_all(&stub, "127.0.0.1");
}

/* B14: sends wait for the bind, and the close for them, so the answer still counts. */
TEST("an answer counts for a close that waits for sends") {
  for (int i = 0; i < 2; i++) {
    begin_round(loop);
    struct lookup_stub stub = {0};
    int fd = raw_socket();
    struct sockaddr_in to = loopback_address(raw_port(fd));
    uv_buf_t buffer = uv_buf_init("x", 1);
    dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, &stub);
    trace_events(socket);
    assert_int_equal(dgram_bind(socket, 0, "name", NULL, NULL), 0);
    assert_int_equal(dgram_send_to(socket, &buffer, 1, (struct sockaddr *)&to, trace_sent, "sent"),
                     0);
    close_socket(socket);
    settle(loop);
    assert_trace("ask(name)");
    answer_all(&stub, answers[i]);
    settle(loop);
    assert_trace(answers[i] != NULL ? "listening sent close"
                                    : "error(EAI_FAIL) sent(EAI_FAIL) close");
    assert_string_equal(arrived(fd), answers[i] != NULL ? "x" : "");
    close(fd);
    run_to_end(loop);
  }
}

/* A look-up that closes the socket before it answers. */
struct closing_stub {
  dgram_socket_t *socket;
  int answers_first;
  int asked;
  char host[16];
};

static void close_in_look_up(dgram_lookup_t *lookup, const char *host, dgram_type_t type,
                             void *context) {
  struct closing_stub *stub = context;
  stub->asked++;
  if (stub->answers_first)
    dgram_lookup_done(lookup, 0, "127.0.0.1");
  if (stub->asked == 1)
    close_socket(stub->socket);
  assert_string_equal(host, stub->host); /* it is borrowed until this returns */
  if (!stub->answers_first)
    dgram_lookup_done(lookup, 0, "127.0.0.1");
}

static struct closing_stub closing_stub(const char *host, int answers_first) {
  struct closing_stub stub = {.answers_first = answers_first};
  snprintf(stub.host, sizeof stub.host, "%s", host);
  return stub;
}

static dgram_socket_t *new_closing(uv_loop_t *loop, struct closing_stub *stub) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.lookup = close_in_look_up;
  options.lookup_context = stub;
  stub->socket = new_with(loop, &options);
  trace_events(stub->socket);
  return stub->socket;
}

/* The same on a descriptor of the program's, so that the bind looks up nothing. */
static dgram_socket_t *new_closing_bound(uv_loop_t *loop, struct closing_stub *stub) {
  dgram_socket_t *socket = new_closing(loop, stub);
  assert_int_equal(adopt_fd(socket, raw_socket()), 0);
  trace_clear();
  return socket;
}

TEST("close() in the look-up of a bind emits close only") {
  for (int first = 0; first < 2; first++) {
    begin_round(loop);
    struct closing_stub stub = closing_stub("name", first);
    dgram_socket_t *socket = new_closing(loop, &stub);
    assert_int_equal(dgram_bind(socket, 0, "name", NULL, NULL), 0);
    run_to_end(loop);
    assert_trace(first ? "listening close" : "close");
  }
}

TEST("close() in the look-up of an implicit bind cancels the send") {
  for (int first = 0; first < 2; first++) {
    begin_round(loop);
    struct closing_stub stub = closing_stub("0.0.0.0", first);
    struct sockaddr_in to = loopback_address(9);
    dgram_socket_t *socket = new_closing(loop, &stub);
    assert_int_equal(dgram_send_to(socket, NULL, 0, (struct sockaddr *)&to, trace_sent, "sent"), 0);
    run_to_end(loop);
    assert_trace("listening sent close");
  }
}

TEST("close() in the look-up of a send cancels it") {
  for (int first = 0; first < 2; first++) {
    begin_round(loop);
    struct closing_stub stub = closing_stub("name", first);
    dgram_socket_t *socket = new_closing_bound(loop, &stub);
    assert_int_equal(dgram_send(socket, "x", 1, 9, "name", trace_sent, "sent"), 0);
    run_to_end(loop);
    assert_trace(first ? "sent close" : "close sent(ECANCELED)");
  }
}

TEST("close() in the look-up of a send without a callback emits close") {
  for (int first = 0; first < 2; first++) {
    begin_round(loop);
    struct closing_stub stub = closing_stub("name", first);
    dgram_socket_t *socket = new_closing_bound(loop, &stub);
    assert_int_equal(dgram_send(socket, "x", 1, 9, "name", NULL, NULL), 0);
    run_to_end(loop);
    assert_trace("close");
  }
}

TEST("close() in the look-up of a connect cancels it") {
  for (int first = 0; first < 2; first++) {
    begin_round(loop);
    struct closing_stub stub = closing_stub("name", first);
    dgram_socket_t *socket = new_closing_bound(loop, &stub);
    assert_int_equal(dgram_connect(socket, 9, "name", trace_connect, "callback"), 0);
    run_to_end(loop);
    assert_trace("close callback(ECANCELED)");
  }
}

/* Keeps the bind's query, closes the socket in the next, and answers from then on. */
struct late_stub {
  dgram_socket_t *socket;
  dgram_lookup_t *bind;
  int asked;
};

static void close_in_second_look_up(dgram_lookup_t *lookup, const char *host, dgram_type_t type,
                                    void *context) {
  struct late_stub *stub = context;
  stub->asked++;
  if (stub->asked == 1)
    stub->bind = lookup;
  if (stub->asked == 2)
    close_socket(stub->socket);
  if (stub->asked > 1)
    dgram_lookup_done(lookup, 0, "127.0.0.1");
}

/* They had waited for the bind, and so does the close for them. */
TEST("close() in the look-up of the first of many sends cancels all") {
  struct late_stub stub = {0};
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.lookup = close_in_second_look_up;
  options.lookup_context = &stub;
  stub.socket = new_with(loop, &options);
  trace_events(stub.socket);
  assert_int_equal(dgram_send(stub.socket, "1", 1, 9, "a", trace_sent, "sent1"), 0);
  assert_int_equal(dgram_send(stub.socket, "2", 1, 9, "b", trace_sent, "sent2"), 0);
  assert_int_equal(dgram_send(stub.socket, "3", 1, 9, "c", trace_sent, "sent3"), 0);
  dgram_lookup_done(stub.bind, 0, "127.0.0.1");
  run_to_end(loop);
  assert_int_equal(stub.asked, 4);
  assert_trace("listening sent1 sent2 sent3 close");
}

/* So many at once that the last one's answer sends them off, and their memory goes. */
TEST("the host of a look-up is borrowed until its function returns") {
  enum { SENT = 2100 };
  struct closing_stub stub = closing_stub("name", 1);
  dgram_socket_t *socket = new_closing_bound(loop, &stub);
  stub.asked = 1; /* closes nothing */
  for (int i = 0; i < SENT; i++)
    assert_int_equal(dgram_send(socket, "x", 1, 9, "name", NULL, NULL), 0);
  close_socket(socket);
  run_to_end(loop);
  assert_int_equal(stub.asked, 1 + SENT);
}
