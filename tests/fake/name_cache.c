/*
 * The cache of host names, over a getaddrinfo(3) that answers when the test says so: the linker
 * puts it (__wrap_uv_getaddrinfo) in the place of libuv's. The time stands still but for the test.
 */
#include "internal.h"

#include <dgram_names.h>

#include "lib/fixture.h"
#include "lib/wrap.h"

enum { MOST_QUERIES = 64 };

static struct query {
  uv_getaddrinfo_t *request;
  uv_getaddrinfo_cb callback;
  char host[64];
  int family;
} queries[MOST_QUERIES];
static int asked;    /* so far */
static int answered; /* of these, in order */
static int cancels;  /* that uv_cancel() has answered with 0 */
static bool can_cancel;
static uint64_t later; /* ms since the test began */
static bool no_memory;

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
WRAP(int, uv_getaddrinfo,
     (uv_loop_t * loop, uv_getaddrinfo_t *request, uv_getaddrinfo_cb callback, const char *node,
      const char *service, const struct addrinfo *hints)) {
  assert_true(asked < MOST_QUERIES);
  queries[asked] =
      (struct query){.request = request, .callback = callback, .family = hints->ai_family};
  snprintf(queries[asked].host, sizeof queries[asked].host, "%s", node);
  asked++;
  return 0;
}
void __wrap_uv_freeaddrinfo(struct addrinfo *found);
void __wrap_uv_freeaddrinfo(struct addrinfo *found) {
  (void)found; /* on the stack of answer() */
}
WRAP(int, uv_cancel, (uv_req_t * request)) {
  cancels += can_cancel;
  return can_cancel ? 0 : UV_EBUSY;
}
uint64_t __wrap_uv_now(const uv_loop_t *loop);
uint64_t __wrap_uv_now(const uv_loop_t *loop) {
  return 1000000 + later;
}
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size) {
  return no_memory ? NULL : __real_malloc(size);
}
/* NOLINTEND(bugprone-reserved-identifier) */

/* Answers the first query that waits. */
static void answer(int status, const char *address) {
  union dgram__address found;
  struct addrinfo info = {.ai_addr = &found.any};
  assert_true(answered < asked);
  struct query *query = &queries[answered++];
  if (status == 0)
    assert_true(dgram__address_parse(&found, address, 0));
  query->callback(query->request, status, status == 0 ? &info : NULL);
}

static void begin(uv_loop_t *loop) {
  asked = answered = cancels = 0;
  later = 0;
  can_cancel = no_memory = false;
  assert_int_equal(dgram_set_name_cache(loop, 2, 1000), 0);
}

static void end(uv_loop_t *loop) {
  assert_int_equal(dgram_set_name_cache(loop, 0, 0), 0);
  assert_int_equal(answered, asked);
}

__attribute__((constructor)) static void use_hooks(void) {
  fixture_hooks((struct fixture_hooks){.begin = begin, .end = end});
}

static int received;
static int port;

static dgram_socket_t *open_pair(uv_loop_t *loop) {
  received = 0;
  dgram_socket_t *receiver = new_bound(loop, trace_message, "got", &port);
  assert_int_equal(dgram_on_message(receiver, count_message, &received), 0);
  return new_bound(loop, NULL, NULL, &(int){0});
}

static void send_to(dgram_socket_t *socket, const char *text, const char *name) {
  assert_int_equal(dgram_send(socket, text, strlen(text), port, name, trace_sent, (void *)text), 0);
}

TEST("a name that was found is not looked up again, until its time is over") {
  dgram_socket_t *socket = open_pair(loop);
  send_to(socket, "1", "a.test");
  assert_int_equal(asked, 1);
  assert_string_equal(queries[0].host, "a.test");
  answer(0, "127.0.0.1");
  run_until(loop, &received, 1);
  send_to(socket, "2", "a.test");
  later = 999;
  send_to(socket, "3", "a.test");
  run_until(loop, &received, 3);
  assert_int_equal(asked, 1);
  later = 1001;
  send_to(socket, "4", "a.test");
  assert_int_equal(asked, 2);
  answer(0, "127.0.0.1");
  run_until(loop, &received, 4);
  assert_trace("1 got(1) 2 3 got(2) got(3) 4 got(4)");
}

TEST("a send to a known name keeps its place among sends to addresses") {
  dgram_socket_t *socket = open_pair(loop);
  send_to(socket, "1", "a.test");
  answer(0, "127.0.0.1");
  run_until(loop, &received, 1);
  send_to(socket, "2", "a.test");
  send_to(socket, "3", "127.0.0.1");
  send_to(socket, "4", "a.test");
  run_until(loop, &received, 4);
  assert_trace("1 got(1) 2 3 4 got(2) got(3) got(4)");
}

TEST("those who wait for one name, of several sockets, have one look-up") {
  dgram_socket_t *socket = open_pair(loop);
  dgram_socket_t *other = new_bound(loop, NULL, NULL, &(int){0});
  dgram_socket_t *connecting = new_bound(loop, NULL, NULL, &(int){0});
  int connected = 0;
  send_to(socket, "1", "a.test");
  send_to(socket, "2", "a.test");
  send_to(other, "3", "a.test");
  assert_int_equal(dgram_connect(connecting, port, "a.test", count_connect, &connected), 0);
  assert_int_equal(asked, 1);
  answer(0, "127.0.0.1");
  run_until(loop, &received, 3);
  run_until(loop, &connected, 1);
  assert_int_equal(asked, 1);
}

TEST("a connect to a known name is made, and reported from the loop") {
  dgram_socket_t *socket = open_pair(loop);
  dgram_socket_t *connecting = new_bound(loop, NULL, NULL, &(int){0});
  int connected = 0;
  send_to(socket, "1", "a.test");
  answer(0, "127.0.0.1");
  run_until(loop, &received, 1);
  assert_int_equal(dgram_connect(connecting, port, "a.test", count_connect, &connected), 0);
  assert_int_equal(connected, 0);
  run_until(loop, &connected, 1);
  dgram_address_t peer;
  assert_int_equal(dgram_remote_address(connecting, &peer), 0);
  assert_string_equal(peer.address, "127.0.0.1");
  assert_int_equal(asked, 1);
}

TEST("a failure ends all who wait, and is not kept") {
  struct kept_error kept = {0};
  dgram_socket_t *socket = open_pair(loop);
  for (int round = 1; round <= 2; round++) {
    for (int i = 0; i < 2; i++)
      assert_int_equal(dgram_send(socket, "x", 1, port, "none.test", keep_send_error, &kept), 0);
    assert_int_equal(asked, round);
    answer(UV_EAI_NONAME, NULL);
    run_until(loop, &kept.calls, 2 * round);
    assert_string_equal(kept.message, "getaddrinfo ENOTFOUND none.test");
  }
}

TEST("a bind asks the system, and each family by itself") {
  int listening = 0;
  dgram_socket_t *socket = open_pair(loop);
  send_to(socket, "1", "a.test");
  answer(0, "127.0.0.1");
  run_until(loop, &received, 1);
  dgram_socket_t *bound = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(bound, 0, "a.test", count_event, &listening), 0);
  assert_int_equal(asked, 2);
  answer(0, "127.0.0.1");
  run_until(loop, &listening, 1);
  dgram_socket_t *socket6 = new_socket(loop, DGRAM_UDP6, NULL, NULL);
  assert_int_equal(dgram_bind(socket6, 0, "::1", NULL, NULL), 0);
  settle(loop);
  if (dgram_bind_state(socket6) != DGRAM_BOUND)
    return; /* no IPv6 here */
  assert_int_equal(dgram_send(socket6, "x", 1, port, "a.test", NULL, NULL), 0);
  assert_int_equal(asked, 3);
  assert_int_equal(queries[2].family, AF_INET6);
  answer(0, "::1");
}

TEST("the least recently used name is dropped when there are too many") {
  dgram_socket_t *socket = open_pair(loop);
  send_to(socket, "", "a.test");
  answer(0, "127.0.0.1");
  send_to(socket, "", "b.test");
  answer(0, "127.0.0.1");
  send_to(socket, "", "a.test"); /* used again */
  send_to(socket, "", "c.test"); /* drops b */
  answer(0, "127.0.0.1");
  assert_int_equal(asked, 3);
  send_to(socket, "", "a.test");
  send_to(socket, "", "c.test");
  assert_int_equal(asked, 3);
  send_to(socket, "", "b.test");
  assert_int_equal(asked, 4);
  answer(0, "127.0.0.1");
  run_until(loop, &received, 7);
}

TEST("a cleared cache looks up again, and does not keep answers of before") {
  dgram_socket_t *socket = open_pair(loop);
  send_to(socket, "1", "a.test");
  answer(0, "127.0.0.1");
  send_to(socket, "2", "b.test"); /* under way */
  dgram_clear_name_cache(loop);
  send_to(socket, "3", "a.test");
  send_to(socket, "4", "b.test"); /* does not join the one of before */
  assert_int_equal(asked, 4);
  answer(0, "127.0.0.1");
  send_to(socket, "5", "b.test"); /* joins */
  assert_int_equal(asked, 4);
  answer(0, "127.0.0.1");
  answer(0, "127.0.0.1");
  run_until(loop, &received, 5);
  dgram_clear_name_cache(NULL);
}

TEST("a cache that is switched off or replaced is empty") {
  dgram_socket_t *socket = open_pair(loop);
  send_to(socket, "1", "a.test");
  answer(0, "127.0.0.1");
  send_to(socket, "2", "b.test"); /* under way */
  assert_int_equal(dgram_set_name_cache(loop, 0, 0), 0);
  answer(0, "127.0.0.1");
  dgram_clear_name_cache(loop);
  send_to(socket, "3", "a.test");
  send_to(socket, "4", "a.test"); /* without a cache each asks */
  assert_int_equal(asked, 4);
  answer(0, "127.0.0.1");
  answer(0, "127.0.0.1");
  assert_int_equal(dgram_set_name_cache(loop, 5, 5), 0);
  send_to(socket, "5", "a.test");
  assert_int_equal(asked, 5);
  answer(0, "127.0.0.1");
  assert_int_equal(dgram_set_name_cache(loop, 100000, 1), 0);
  send_to(socket, "6", "a.test");
  assert_int_equal(asked, 6);
  answer(0, "127.0.0.1");
  run_until(loop, &received, 6);
}

TEST("those who close do not wait any more, and the others do") {
  dgram_socket_t *socket = open_pair(loop);
  dgram_socket_t *other = new_bound(loop, NULL, NULL, &(int){0});
  send_to(socket, "1", "a.test");
  send_to(other, "2", "a.test");
  close_socket(other);
  settle(loop);
  assert_trace("2(ECANCELED)");
  answer(0, "127.0.0.1");
  run_until(loop, &received, 1);
  assert_trace("1 got(1)");
  assert_int_equal(cancels, 0);
}

TEST("a look-up that nobody waits for is cancelled, and another one begins for the next") {
  dgram_socket_t *socket = open_pair(loop);
  dgram_socket_t *other = new_bound(loop, NULL, NULL, &(int){0});
  can_cancel = true;
  send_to(other, "1", "a.test");
  send_to(other, "2", "a.test");
  close_socket(other);
  settle(loop);
  assert_int_equal(cancels, 1);
  send_to(socket, "3", "a.test");
  assert_int_equal(asked, 2);
  answer(UV_ECANCELED, NULL);
  answer(0, "127.0.0.1");
  run_until(loop, &received, 1);
  assert_trace("1(ECANCELED) 2(ECANCELED) 3 got(3)");
}

TEST("a look-up under way that nobody waits for is kept for the next") {
  dgram_socket_t *socket = open_pair(loop);
  dgram_socket_t *other = new_bound(loop, NULL, NULL, &(int){0});
  send_to(other, "1", "a.test");
  close_socket(other);
  settle(loop);
  answer(0, "127.0.0.1");
  send_to(socket, "2", "a.test");
  assert_int_equal(asked, 1);
  run_until(loop, &received, 1);
  assert_trace("1(ECANCELED) 2 got(2)");
}

static dgram_socket_t *closed_by_error;

static void close_that(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                       void *context) {
  trace("%s(%s)", (const char *)context, error != NULL ? error->name : "");
  dgram_clear_name_cache(dgram_loop(socket));
  if (closed_by_error != NULL)
    close_socket(closed_by_error);
  closed_by_error = NULL;
}

TEST("a callback of one who waited may close the others, and clear the cache") {
  dgram_socket_t *socket = open_pair(loop);
  closed_by_error = new_bound(loop, NULL, NULL, &(int){0});
  assert_int_equal(dgram_send(socket, "x", 1, port, "a.test", close_that, "1"), 0);
  assert_int_equal(dgram_send(closed_by_error, "x", 1, port, "b.test", trace_sent, "2"), 0);
  answer(UV_EAI_NONAME, NULL);
  settle(loop);
  answer(0, "127.0.0.1");
  settle(loop);
  assert_trace("1(ENOTFOUND) 2(ECANCELED)");
}

TEST("a name for which there is no memory is looked up as without the cache") {
  dgram_socket_t *socket = open_pair(loop);
  send_to(socket, "1", "a.test");
  no_memory = true; /* to keep the answer */
  answer(0, "127.0.0.1");
  no_memory = false;
  send_to(socket, "2", "a.test");
  assert_int_equal(asked, 2);
  answer(0, "127.0.0.1");
  run_until(loop, &received, 2);
}

TEST("the cache works before the first socket, and keeps names after the last") {
  close_socket(open_pair(loop));
  assert_int_equal(dgram_set_name_cache(loop, 10, 60000), 0);
  dgram_socket_t *socket = open_pair(loop);
  send_to(socket, "1", "a.test");
  answer(0, "127.0.0.1");
  run_until(loop, &received, 1);
  close_sockets(loop);
  socket = open_pair(loop);
  send_to(socket, "2", "a.test");
  run_until(loop, &received, 1);
  assert_int_equal(asked, 1);
}

TEST("bad arguments of the cache are refused, and change nothing") {
  dgram_socket_t *socket = open_pair(loop);
  send_to(socket, "1", "a.test");
  answer(0, "127.0.0.1");
  assert_int_equal(dgram_set_name_cache(NULL, 1, 1), UV_EINVAL);
  assert_int_equal(dgram_set_name_cache(loop, 1, 0), UV_EINVAL);
  send_to(socket, "2", "a.test");
  assert_int_equal(asked, 1);
  run_until(loop, &received, 2);
}
