/* The limit of the rate of each source, over loopback, with a clock of the test. */
#include "lib/fixture.h"
#include "lib/wrap.h"

#include <dgram_access.h>

#define SECOND UINT64_C(1000000000)

static uint64_t now = SECOND;

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants this name */
WRAP(uint64_t, uv_hrtime, (void)) {
  return now;
}
/* NOLINTEND(bugprone-reserved-identifier) */

enum { SENDERS = 3 };

static dgram_socket_t *receiver;
static int port;
static int senders[SENDERS]; /* on 127.0.0.1, .2, .3 */

#define OK(call) assert_int_equal(call, 0)

static void open_fixture(uv_loop_t *loop) {
  for (int i = 0; i < SENDERS; i++) {
    struct sockaddr_in address = loopback_address(0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (unsigned)i);
    senders[i] = socket(AF_INET, SOCK_DGRAM, 0);
    OK(bind(senders[i], (struct sockaddr *)&address, sizeof address));
  }
  receiver = new_bound(loop, trace_message, "got", &port);
}

static void close_fixture(uv_loop_t *loop) {
  close_sockets(loop);
  for (int i = 0; i < SENDERS; i++)
    close(senders[i]);
}

static void send_from(int number, const char *text) {
  raw_send(senders[number - 1], text, strlen(text), port);
}

static void set_rate(uint32_t per_second, uint32_t burst, uint32_t sources) {
  dgram_rate_options_t options = dgram_default_rate_options();
  options.packets_per_second = per_second;
  options.packets_burst = burst;
  options.sources = sources;
  OK(dgram_set_receive_rate(receiver, &options));
}

#define assert_counts(refused, limited, evicted)                     \
  do {                                                               \
    dgram_access_counts_t counts_ = {.struct_size = sizeof counts_}; \
    OK(dgram_get_access_counts(receiver, &counts_));                 \
    assert_int_equal(counts_.receives_refused, refused);             \
    assert_int_equal(counts_.receives_limited, limited);             \
    assert_int_equal(counts_.sources_evicted, evicted);              \
    assert_int_equal(counts_.sends_refused, 0);                      \
  } while (0)

TEST("each source has a burst and then its rate") {
  open_fixture(loop);
  set_rate(10, 2, 16);
  for (int i = 0; i < 4; i++) {
    send_from(1, "1");
    send_from(2, "2");
  }
  settle(loop);
  assert_trace("got(1) got(2) got(1) got(2)");
  now += SECOND / 10;
  for (int i = 0; i < 3; i++)
    send_from(2, "2");
  settle(loop);
  assert_trace("got(2)");
  assert_counts(0, 6, 0);
  close_fixture(loop);
}

TEST("a limit applies to messages") {
  open_fixture(loop);
  OK(dgram_on_messages(receiver, trace_messages, "all"));
  set_rate(10, 2, 16);
  for (int i = 0; i < 4; i++)
    send_from(1, "1");
  send_from(2, "2");
  settle(loop);
  assert_trace("all[1 1 2] got(1) got(1) got(2)");
  send_from(1, "1");
  settle(loop);
  assert_trace("");
  assert_counts(0, 3, 0);
  close_fixture(loop);
}

/* Datagrams of a byte, in one buffer. */
static void send_joined_from(int number, const char *text) {
  assert_true(raw_send_joined(senders[number - 1], text, strlen(text), 1, port));
}

TEST("of datagrams that came together the first ones pass") {
  open_fixture(loop);
  for (int i = 0; i < 20; i++) /* several at a time: GRO is turned on */
    send_from(1, "w");
  settle(loop);
  trace_clear();
  set_rate(10, 3, 16);
  send_joined_from(1, "abcdefgh");
  send_joined_from(2, "xy");
  settle(loop);
  assert_trace("got(a) got(b) got(c) got(x) got(y)");
  now += SECOND / 5;
  send_joined_from(1, "ijkl");
  settle(loop);
  assert_trace("got(i) got(j)");
  assert_counts(0, 7, 0);
  close_fixture(loop);
}

TEST("a limit of bytes applies to what came together") {
  open_fixture(loop);
  for (int i = 0; i < 20; i++)
    send_from(1, "w");
  settle(loop);
  trace_clear();
  dgram_rate_options_t options = dgram_default_rate_options();
  options.bytes_per_second = 10;
  options.bytes_burst = 5;
  OK(dgram_set_receive_rate(receiver, &options));
  send_from(1, "123456"); /* more than the burst */
  send_joined_from(1, "abcdefgh");
  send_from(1, "");
  settle(loop);
  assert_trace("got(a) got(b) got(c) got(d) got(e) got()");
  assert_counts(0, 4, 0);
  close_fixture(loop);
}

TEST("a source that has lost its place begins anew") {
  open_fixture(loop);
  set_rate(1, 1, 2);
  for (int round = 0; round < 2; round++)
    for (int i = 1; i <= SENDERS; i++) {
      send_from(i, "x");
      send_from(i, "y");
    }
  settle(loop);
  assert_trace("got(x) got(x) got(x) got(x) got(x) got(x)");
  assert_counts(0, 6, 4);
  set_rate(1, 1, 2); /* the count goes on */
  send_from(1, "z");
  settle(loop);
  assert_trace("got(z)");
  assert_counts(0, 6, 4);
  close_fixture(loop);
}

TEST("what a list refuses takes no tokens and no place") {
  dgram_access_list_t *list;
  open_fixture(loop);
  OK(dgram_access_list_create(&list));
  OK(dgram_access_list_add_address(list, "127.0.0.1"));
  OK(dgram_set_receive_access(receiver, DGRAM_BLOCK, list));
  set_rate(1, 1, 1);
  for (int i = 0; i < 3; i++) {
    send_from(1, "1");
    send_from(2, "2");
  }
  settle(loop);
  assert_trace("got(2)");
  assert_counts(3, 2, 0);
  OK(dgram_set_receive_access(receiver, DGRAM_BLOCK, NULL)); /* the limit stays */
  dgram_access_list_free(list);
  send_from(2, "2");
  settle(loop);
  assert_trace("");
  OK(dgram_set_receive_rate(receiver, NULL));
  OK(dgram_set_receive_rate(receiver, NULL));
  send_from(2, "2");
  send_from(2, "2");
  settle(loop);
  assert_trace("got(2) got(2)");
  assert_counts(3, 3, 0);
  close_fixture(loop);
}

static void set_rate_in_message(dgram_socket_t *socket, const char *message,
                                const dgram_rinfo_t *rinfo, void *context) {
  trace("%c", *message);
  set_rate(1, 1, 4);
}

/* It applies to what is received next: what has been received was not limited. */
TEST("a limit may be set in a listener") {
  open_fixture(loop);
  OK(dgram_once_message(receiver, set_rate_in_message, NULL));
  send_from(1, "1");
  send_from(1, "2");
  settle(loop);
  assert_trace("got(1) 1 got(2)");
  send_from(1, "3");
  send_from(1, "4");
  settle(loop);
  assert_trace("got(3)");
  close_fixture(loop);
}

TEST("a socket with a limit goes on after a flood") {
  open_fixture(loop);
  set_rate(1, 1, 4);
  for (int i = 0; i < 100; i++)
    send_from(1, "1");
  settle(loop);
  assert_trace("got(1)");
  send_from(2, "2");
  settle(loop);
  assert_trace("got(2)");
  close_fixture(loop);
}

TEST("an udp6 socket limits IPv6 by the subnet and IPv4 by the address") {
  skip_without_ipv6();
  open_fixture(loop);
  receiver = new_socket(loop, DGRAM_UDP6, trace_message, "got");
  port = bind_now(receiver, "::");
  set_rate(1, 1, 4);
  for (int i = 1; i <= 2; i++) {
    send_from(i, "a");
    send_from(i, "b");
  }
  settle(loop);
  assert_trace("got(a) got(a)");
  assert_counts(0, 2, 0);
  close_fixture(loop);
}

TEST("options of a limit that are out of range are refused and change nothing") {
  open_fixture(loop);
  set_rate(1, 1, 4);
  dgram_rate_options_t options = dgram_default_rate_options();
  assert_int_equal(dgram_set_receive_rate(receiver, &options), UV_EINVAL); /* no limit */
  options.packets_per_second = 100;
  assert_int_equal(dgram_set_receive_rate(NULL, &options), UV_EINVAL);
  options.struct_size = 0;
  assert_int_equal(dgram_set_receive_rate(receiver, &options), UV_EINVAL);
  options.struct_size = sizeof options + 1;
  assert_int_equal(dgram_set_receive_rate(receiver, &options), UV_EINVAL);
  options.struct_size = sizeof options;
  options.sources = 0;
  assert_int_equal(dgram_set_receive_rate(receiver, &options), UV_EINVAL);
  options.sources = 16777217;
  assert_int_equal(dgram_set_receive_rate(receiver, &options), UV_EINVAL);
  options.sources = 1;
  options.ipv4_prefix = 33;
  assert_int_equal(dgram_set_receive_rate(receiver, &options), UV_EINVAL);
  send_from(1, "1");
  send_from(1, "2");
  settle(loop);
  assert_trace("got(1)");
  close_socket(receiver);
  assert_int_equal(dgram_set_receive_rate(receiver, NULL), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  close_fixture(loop);
}
