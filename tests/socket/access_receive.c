/* Access lists on what a socket receives: what is refused is not seen, and counted. */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

#include <dgram_access.h>

enum { SENDERS = 3 };

/* A bound socket, and senders on 127.0.0.1, .2 and .3. */
struct fixture {
  uv_loop_t *loop;
  dgram_socket_t *socket;
  int port;
  int senders[SENDERS];
  dgram_access_list_t *list; /* the program's reference; NULL: given up */
};

static struct fixture fixture;

static int sender_on(int last_octet) {
  struct sockaddr_in address = loopback_address(0);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + (unsigned)last_octet);
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
  return fd;
}

static void open_fixture(uv_loop_t *loop) {
  memset(&fixture, 0, sizeof fixture);
  fixture.loop = loop;
  for (int i = 0; i < SENDERS; i++)
    fixture.senders[i] = sender_on(i + 1);
  fixture.socket = new_bound(loop, trace_message, "got", &fixture.port);
  assert_int_equal(dgram_access_list_create(&fixture.list), 0);
}

static void close_fixture(void) {
  close_sockets(fixture.loop);
  dgram_access_list_free(fixture.list);
  for (int i = 0; i < SENDERS; i++)
    close(fixture.senders[i]);
}

/* From 127.0.0.NUMBER. */
static void send_from(int number, const char *text) {
  raw_send(fixture.senders[number - 1], text, strlen(text), fixture.port);
}

static void send_from_all(void) {
  send_from(1, "1");
  send_from(2, "2");
  send_from(3, "3");
}

#define OK(call) assert_int_equal(call, 0)

static void assert_refused(uint64_t refused) {
  dgram_access_counts_t counts = dgram_default_access_counts();
  OK(dgram_get_access_counts(fixture.socket, &counts));
  assert_int_equal(counts.receives_refused, refused);
  assert_int_equal(counts.receives_limited, 0);
  assert_int_equal(counts.sources_evicted, 0);
  assert_int_equal(counts.sends_refused, 0);
}

/* Sends from each, and compares what of it comes. */
static void assert_gets(const char *expected) {
  send_from_all();
  settle(fixture.loop);
  assert_trace(expected);
}

TEST("a socket does not receive from the addresses that it blocks") {
  open_fixture(loop);
  OK(dgram_access_list_add_address(fixture.list, "127.0.0.2"));
  OK(dgram_set_receive_access(fixture.socket, DGRAM_BLOCK, fixture.list));
  assert_gets("got(1) got(3)");
  assert_refused(1);
  OK(dgram_set_receive_access(fixture.socket, DGRAM_BLOCK, NULL));
  assert_gets("got(1) got(2) got(3)");
  assert_refused(1);
  close_fixture();
}

TEST("a socket receives only from the addresses that it allows") {
  open_fixture(loop);
  OK(dgram_set_receive_access(fixture.socket, DGRAM_ALLOW, fixture.list));
  assert_gets(""); /* an empty list */
  OK(dgram_access_list_add_range(fixture.list, "127.0.0.2", "127.0.0.3"));
  assert_gets("got(2) got(3)");
  assert_refused(4);
  close_fixture();
}

TEST("a socket blocks some of the addresses that it allows") {
  dgram_access_list_t *block;
  open_fixture(loop);
  OK(dgram_access_list_create(&block));
  OK(dgram_access_list_add_range(fixture.list, "127.0.0.2", "127.0.0.3"));
  OK(dgram_access_list_add_subnet(block, "127.0.0.3", 32));
  OK(dgram_set_receive_access(fixture.socket, DGRAM_BLOCK, block));
  OK(dgram_set_receive_access(fixture.socket, DGRAM_ALLOW, fixture.list));
  dgram_access_list_free(block);
  assert_gets("got(2)");
  OK(dgram_set_receive_access(fixture.socket, DGRAM_ALLOW, NULL));
  assert_gets("got(1) got(2)");
  assert_refused(3);
  close_fixture();
}

TEST("a list applies to messages") {
  open_fixture(loop);
  OK(dgram_on_messages(fixture.socket, trace_messages, "all"));
  OK(dgram_access_list_add_address(fixture.list, "127.0.0.2"));
  OK(dgram_set_receive_access(fixture.socket, DGRAM_BLOCK, fixture.list));
  assert_gets("all[1 3] got(1) got(3)");
  OK(dgram_access_list_add_subnet(fixture.list, "127.0.0.0", 8));
  assert_gets("");
  assert_refused(4);
  close_fixture();
}

TEST("a refused datagram without bytes is counted") {
  open_fixture(loop);
  OK(dgram_access_list_add_address(fixture.list, "127.0.0.2"));
  OK(dgram_set_receive_access(fixture.socket, DGRAM_BLOCK, fixture.list));
  send_from(2, "");
  send_from(1, "");
  settle(loop);
  assert_trace("got()");
  assert_refused(1);
  close_fixture();
}

/* ---- the list's life ---- */

TEST("a list that the program has given up lives with its sockets") {
  open_fixture(loop);
  OK(dgram_access_list_add_address(fixture.list, "127.0.0.2"));
  OK(dgram_set_receive_access(fixture.socket, DGRAM_BLOCK, fixture.list));
  dgram_access_list_free(fixture.list);
  fixture.list = NULL;
  assert_gets("got(1) got(3)");
  close_fixture();
}

TEST("sockets share a list") {
  open_fixture(loop);
  int port;
  dgram_socket_t *other = new_bound(loop, trace_message, "other", &port);
  OK(dgram_set_receive_access(fixture.socket, DGRAM_BLOCK, fixture.list));
  OK(dgram_set_receive_access(other, DGRAM_BLOCK, fixture.list));
  OK(dgram_set_receive_access(other, DGRAM_BLOCK, fixture.list)); /* the same again */
  OK(dgram_access_list_add_address(fixture.list, "127.0.0.2"));
  assert_gets("got(1) got(3)");
  raw_send(fixture.senders[1], "2", 1, port);
  settle(loop);
  assert_trace("");
  close_socket(fixture.socket);
  settle(loop);
  raw_send(fixture.senders[1], "2", 1, port);
  raw_send(fixture.senders[0], "1", 1, port);
  settle(loop);
  assert_trace("other(1)");
  close_fixture();
}

TEST("an unbound socket can be given a list") {
  open_fixture(loop);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, trace_message, "late");
  OK(dgram_access_list_add_address(fixture.list, "127.0.0.2"));
  OK(dgram_set_receive_access(socket, DGRAM_BLOCK, fixture.list));
  fixture.port = bind_now(socket, "127.0.0.1");
  assert_gets("late(1) late(3)");
  close_fixture();
}

/* ---- changes while datagrams are delivered ---- */

/* Blocks 127.0.0.2 in the listener of its first message. */
static void block_the_second(dgram_socket_t *socket, const char *message,
                             const dgram_rinfo_t *rinfo, void *context) {
  trace_message(socket, message, rinfo, "got");
  if (*message == '2' && dgram_access_list_count(fixture.list) == 0)
    OK(dgram_access_list_add_address(fixture.list, "127.0.0.2"));
}

static void listen_and_block(void) {
  OK(dgram_off_message(fixture.socket, trace_message, "got"));
  OK(dgram_on_message(fixture.socket, block_the_second, NULL));
}

TEST("an address that is blocked in a listener is not heard of again") {
  open_fixture(loop);
  listen_and_block();
  OK(dgram_set_receive_access(fixture.socket, DGRAM_BLOCK, fixture.list));
  send_from(2, "2a");
  send_from(1, "1");
  send_from(2, "2b");
  send_from(3, "3");
  send_from(2, "2c");
  settle(loop);
  assert_trace("got(2a) got(1) got(3)");
  assert_refused(2);
  close_fixture();
}

static void set_a_list(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  trace_message(socket, message, rinfo, "first");
  OK(dgram_set_receive_access(socket, DGRAM_BLOCK, fixture.list));
}

TEST("a list that is set in a listener applies to the next message") {
  open_fixture(loop);
  OK(dgram_access_list_add_address(fixture.list, "127.0.0.2"));
  OK(dgram_off_message(fixture.socket, trace_message, "got"));
  OK(dgram_once_message(fixture.socket, set_a_list, NULL));
  OK(dgram_on_message(fixture.socket, trace_message, "got"));
  assert_gets("first(1) got(1) got(3)");
  assert_refused(1);
  close_fixture();
}

static void give_up_the_list(dgram_socket_t *socket, const char *message,
                             const dgram_rinfo_t *rinfo, void *context) {
  trace_message(socket, message, rinfo, "first");
  OK(dgram_set_receive_access(socket, DGRAM_BLOCK, NULL));
  dgram_access_list_free(fixture.list);
  fixture.list = NULL;
}

/* What was refused as it was received stays refused. */
TEST("a list may be given up in a listener") {
  open_fixture(loop);
  OK(dgram_access_list_add_address(fixture.list, "127.0.0.2"));
  OK(dgram_set_receive_access(fixture.socket, DGRAM_BLOCK, fixture.list));
  OK(dgram_off_message(fixture.socket, trace_message, "got"));
  OK(dgram_once_message(fixture.socket, give_up_the_list, NULL));
  OK(dgram_on_message(fixture.socket, trace_message, "got"));
  assert_gets("first(1) got(1) got(3)");
  assert_gets("got(1) got(2) got(3)");
  assert_refused(1);
  close_fixture();
}

static void block_all_in_a_batch(dgram_socket_t *socket, const dgram_message_t *const messages[],
                                 size_t count, void *context) {
  trace("%d", (int)count);
  OK(dgram_access_list_add_subnet(fixture.list, "127.0.0.2", 31));
}

TEST("an address that is blocked in messages has no message any more") {
  open_fixture(loop);
  OK(dgram_once_messages(fixture.socket, block_all_in_a_batch, NULL));
  OK(dgram_set_receive_access(fixture.socket, DGRAM_BLOCK, fixture.list));
  assert_gets("3 got(1)");
  assert_refused(0); /* 'messages' had them */
  assert_gets("got(1)");
  assert_refused(2);
  close_fixture();
}

static void close_in_message(dgram_socket_t *socket, const char *message,
                             const dgram_rinfo_t *rinfo, void *context) {
  trace("closes");
  dgram_access_list_clear(fixture.list);
  close_socket(socket);
  OK(dgram_access_list_add_address(fixture.list, "127.0.0.3"));
  assert_int_equal(dgram_set_receive_access(socket, DGRAM_BLOCK, NULL),
                   DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
}

TEST("a socket with lists may be closed in a listener") {
  open_fixture(loop);
  OK(dgram_set_receive_access(fixture.socket, DGRAM_BLOCK, fixture.list));
  OK(dgram_off_message(fixture.socket, trace_message, "got"));
  OK(dgram_on_message(fixture.socket, close_in_message, NULL));
  assert_gets("closes");
  close_fixture();
}

/* Three datagrams an iteration: what is left of a batch is the backlog of the next ones. */
static void slow_socket(void) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.receive_budget = 3;
  fixture.socket = new_with(fixture.loop, &options);
  OK(dgram_on_message(fixture.socket, block_the_second, NULL));
  fixture.port = bind_now(fixture.socket, "127.0.0.1");
  OK(dgram_set_receive_access(fixture.socket, DGRAM_BLOCK, fixture.list));
}

static void sleep_in_message(dgram_socket_t *socket, const char *message,
                             const dgram_rinfo_t *rinfo, void *context) {
  uint64_t end = uv_hrtime() + 500000; /* more than an iteration has for listeners */
  while (uv_hrtime() < end)
    ;
}

TEST("a change of a list applies to the backlog") {
  enum { DATAGRAMS = 40 };
  open_fixture(loop);
  OK(dgram_set_receive_access(fixture.socket, DGRAM_BLOCK, fixture.list));
  OK(dgram_on_message(fixture.socket, sleep_in_message, NULL));
  for (int i = 0; i < DATAGRAMS; i++)
    send_from(2, "2");
  while (*trace_text == '\0')
    uv_run(loop, UV_RUN_NOWAIT);
  OK(dgram_access_list_add_address(fixture.list, "127.0.0.2"));
  int got = 0;
  for (const char *at = trace_text; (at = strstr(at, "got")) != NULL; at++)
    got++;
  trace_clear();
  send_from(1, "1");
  settle(loop);
  assert_trace("got(1)");
  assert_refused((uint64_t)(DATAGRAMS - got));
  close_fixture();
}

TEST("a socket with a small budget refuses and goes on") {
  open_fixture(loop);
  slow_socket();
  for (int i = 0; i < 10; i++) {
    send_from(2, "2");
    send_from(1, "1");
  }
  settle(loop);
  assert_trace("got(2) got(1) got(1) got(1) got(1) got(1) got(1) got(1) got(1) got(1) got(1)");
  assert_refused(9);
  close_fixture();
}

/* ---- joined datagrams ---- */

/* Datagrams of a byte, in one buffer where the system can. */
static void send_joined_from(int number, const char *text) {
  if (raw_send_joined(fixture.senders[number - 1], text, strlen(text), 1, fixture.port))
    return;
  for (; *text != '\0'; text++)
    send_from(number, (const char[]){*text, '\0'});
}

/* Several datagrams at a time: the socket turns GRO on. */
static void warm_up(void) {
  for (int i = 0; i < 20; i++)
    send_from(1, "w");
  settle(fixture.loop);
  trace_clear();
}

TEST("a list refuses all datagrams that came together") {
  open_fixture(loop);
  warm_up();
  OK(dgram_access_list_add_address(fixture.list, "127.0.0.2"));
  OK(dgram_set_receive_access(fixture.socket, DGRAM_BLOCK, fixture.list));
  send_joined_from(2, "abcd");
  send_joined_from(3, "xyz");
  settle(loop);
  assert_trace("got(x) got(y) got(z)");
  assert_refused(4);
  close_fixture();
}

TEST("an address that is blocked in a listener loses the rest of what came together") {
  open_fixture(loop);
  warm_up();
  listen_and_block();
  OK(dgram_set_receive_access(fixture.socket, DGRAM_BLOCK, fixture.list));
  send_joined_from(2, "2345");
  send_joined_from(3, "xy");
  settle(loop);
  assert_trace("got(2) got(x) got(y)");
  assert_refused(3);
  close_fixture();
}

TEST("a list applies to messages that came together") {
  open_fixture(loop);
  warm_up();
  OK(dgram_on_messages(fixture.socket, trace_messages, "all"));
  OK(dgram_access_list_add_address(fixture.list, "127.0.0.2"));
  OK(dgram_set_receive_access(fixture.socket, DGRAM_BLOCK, fixture.list));
  send_joined_from(2, "abcd");
  send_joined_from(3, "xy");
  settle(loop);
  assert_trace("all[x y] got(x) got(y)");
  assert_refused(4);
  close_fixture();
}

/* ---- other sockets ---- */

TEST("a connected socket refuses its peer, too") {
  open_fixture(loop);
  OK(dgram_set_receive_access(fixture.socket, DGRAM_BLOCK, fixture.list));
  send_from(2, "early"); /* the kernel filters only from the connect on */
  connect_now(fixture.socket, raw_port(fixture.senders[0]));
  assert_gets("got(1)");
  OK(dgram_access_list_add_address(fixture.list, "127.0.0.1"));
  assert_gets("");
  assert_refused(1);
  close_fixture();
}

TEST("a list of IPv4 applies to a udp6 socket") {
  skip_without_ipv6();
  open_fixture(loop);
  fixture.socket = new_socket(loop, DGRAM_UDP6, trace_message, "got");
  fixture.port = bind_now(fixture.socket, "::");
  OK(dgram_access_list_add_subnet(fixture.list, "127.0.0.2", 31));
  OK(dgram_set_receive_access(fixture.socket, DGRAM_BLOCK, fixture.list));
  assert_gets("got(1)");
  OK(dgram_set_receive_access(fixture.socket, DGRAM_BLOCK, NULL));
  OK(dgram_set_receive_access(fixture.socket, DGRAM_ALLOW, fixture.list));
  assert_gets("got(2) got(3)");
  assert_refused(3);
  close_fixture();
}

TEST("a list of IPv6 applies to a udp6 socket") {
  skip_without_ipv6();
  open_fixture(loop);
  fixture.socket = new_socket(loop, DGRAM_UDP6, trace_message, "got");
  fixture.port = bind_now(fixture.socket, "::");
  dgram_socket_t *client = new_socket(loop, DGRAM_UDP6, NULL, NULL);
  OK(dgram_set_receive_access(fixture.socket, DGRAM_BLOCK, fixture.list));
  OK(dgram_send(client, "a", 1, fixture.port, "::1", NULL, NULL));
  settle(loop);
  OK(dgram_access_list_add_address(fixture.list, "::1"));
  OK(dgram_send(client, "b", 1, fixture.port, "::1", NULL, NULL));
  settle(loop);
  assert_trace("got(a)");
  assert_refused(1);
  close_fixture();
}

/* One datagram a call: a call that brings a refused one must not be the last of the wake-up. */
TEST("a list applies to an adopted descriptor") {
  open_fixture(loop);
  int fd = raw_socket();
  fixture.port = raw_port(fd);
  fixture.socket = new_socket(loop, DGRAM_UDP4, trace_message, "got");
  OK(adopt_fd(fixture.socket, fd));
  OK(dgram_access_list_add_address(fixture.list, "127.0.0.1"));
  OK(dgram_set_receive_access(fixture.socket, DGRAM_BLOCK, fixture.list));
  assert_gets("got(2) got(3)");
  OK(dgram_on_messages(fixture.socket, trace_messages, "all"));
  assert_gets("all[2] got(2) all[3] got(3)");
  assert_refused(2);
  close_fixture();
}

/* ---- what is refused is bounded work ---- */

static void flood_again(uv_idle_t *idle) {
  for (int i = 0; i < 64; i++)
    send_from(2, "2");
}

static void count_timer(uv_timer_t *timer) {
  ++*(int *)timer->data;
}

/* A flood of what is refused, to a socket that receives one at a time: timers still run. */
TEST("refused datagrams do not keep the loop from its timers") {
  open_fixture(loop);
  uv_idle_t idle;
  uv_timer_t timer;
  int ticks = 0;
  OK(dgram_on_messages(fixture.socket, trace_messages, "all"));
  OK(dgram_access_list_add_address(fixture.list, "127.0.0.2"));
  OK(dgram_set_receive_access(fixture.socket, DGRAM_BLOCK, fixture.list));
  uv_idle_init(loop, &idle);
  uv_idle_start(&idle, flood_again);
  uv_timer_init(loop, &timer);
  timer.data = &ticks;
  uv_timer_start(&timer, count_timer, 1, 1);
  run_until(loop, &ticks, 5);
  uv_close((uv_handle_t *)&idle, NULL);
  uv_close((uv_handle_t *)&timer, NULL);
  assert_trace("");
  close_fixture();
}

/* ---- bad arguments ---- */

TEST("a list for what is neither allowed nor blocked is refused") {
  open_fixture(loop);
  dgram_access_counts_t counts = {.struct_size = 0};
  assert_int_equal(dgram_set_receive_access(NULL, DGRAM_BLOCK, fixture.list), UV_EINVAL);
  assert_int_equal(dgram_set_receive_access(fixture.socket, (dgram_access_t)2, fixture.list),
                   UV_EINVAL);
  assert_int_equal(dgram_get_access_counts(fixture.socket, &counts), UV_EINVAL);
  assert_int_equal(dgram_get_access_counts(fixture.socket, NULL), UV_EINVAL);
  counts.struct_size = sizeof counts;
  assert_int_equal(dgram_get_access_counts(NULL, &counts), UV_EINVAL);
  assert_refused(0);
  assert_gets("got(1) got(2) got(3)");
  close_fixture();
}
