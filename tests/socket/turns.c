/*
 * An iteration of the loop emits a bounded number of a socket's datagrams; what is left of a
 * burst is emitted in the next ones, in order, and timers and other sockets run between.
 */
#define _GNU_SOURCE
#include "lib/fixture.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdbool.h>

enum { MOST = 64, WHO = 2 };

/* One who receives, and others who send to it numbered datagrams, 2 bytes each. */
static struct fixture {
  uv_loop_t *loop;
  dgram_socket_t *socket;
  int port;
  int senders[WHO];
  bool batches; /* listens to 'messages', else to 'message' */
  bool joins;   /* bursts are sent as one: on linux they come in one buffer */
  int calls;
  int emitted;
  int numbers[MOST * WHO];
  void (*inside)(void); /* what a listener does for each; NULL: nothing */
} fixture;

static void tell(const char *message, const dgram_rinfo_t *rinfo) {
  uint16_t number;
  assert_in_range(fixture.emitted, 0, MOST * WHO - 1);
  assert_int_equal(rinfo->size, sizeof number);
  memcpy(&number, message, sizeof number);
  fixture.numbers[fixture.emitted++] = number;
}

static void on_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  fixture.calls++;
  tell(message, rinfo);
  if (fixture.inside != NULL)
    fixture.inside();
}

static void on_messages(dgram_socket_t *socket, const dgram_message_t *const messages[],
                        size_t count, void *context) {
  fixture.calls++;
  for (size_t i = 0; i < count; i++)
    tell(messages[i]->message, &messages[i]->rinfo);
  if (fixture.inside != NULL)
    fixture.inside();
}

/* ---- sending ---- */

static void send_each(int sender, uint16_t first, int count) {
  for (int i = 0; i < count; i++) {
    uint16_t number = (uint16_t)(first + i);
    raw_send(fixture.senders[sender], &number, sizeof number, fixture.port);
  }
}

#ifdef UDP_SEGMENT
/* As one segmented send: a socket that has joining on gets it in one buffer. */
static void send_joined(int sender, uint16_t first, int count) {
  uint16_t numbers[MOST];
  assert_in_range(count, 1, MOST);
  for (int i = 0; i < count; i++)
    numbers[i] = (uint16_t)(first + i);
  assert_true(raw_send_joined(fixture.senders[sender], numbers, sizeof numbers[0] * (size_t)count,
                              sizeof numbers[0], fixture.port));
}
#else
#define send_joined send_each
#endif

static void send_burst(int sender, uint16_t first, int count) {
  if (fixture.joins)
    send_joined(sender, first, count);
  else
    send_each(sender, first, count);
}

/* ---- the fixture ---- */

/* Several datagrams at a time, upon which the socket asks for joining, until no call brings less.
 */
static void warm_up(void) {
  enum { ROUNDS = 4, EACH = 16 };
  for (int round = 1; round <= ROUNDS; round++) {
    send_each(0, 0, EACH);
    run_until(fixture.loop, &fixture.emitted, round * EACH);
  }
}

static void forget(void) {
  fixture.calls = 0;
  fixture.emitted = 0;
}

static void open_fixture(uv_loop_t *loop, const dgram_options_t *options, bool batches,
                         bool joins) {
  memset(&fixture, 0, sizeof fixture);
  fixture.batches = batches;
  fixture.joins = joins;
  begin_round(loop);
  fixture.loop = loop;
  for (int i = 0; i < WHO; i++)
    fixture.senders[i] = raw_socket();
  assert_int_equal(dgram_create_socket_options(fixture.loop, options, batches ? NULL : on_message,
                                               NULL, &fixture.socket),
                   0);
  if (batches)
    assert_int_equal(dgram_on_messages(fixture.socket, on_messages, NULL), 0);
  fixture.port = bind_now(fixture.socket, "127.0.0.1");
  warm_up();
  forget();
}

static void close_fixture(void) {
  for (int i = 0; i < WHO; i++)
    close(fixture.senders[i]);
  if (fixture.socket != NULL)
    close_socket(fixture.socket);
  run_to_end(fixture.loop);
}

static dgram_options_t with_budget(int budget) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.receive_budget = budget;
  return options;
}

/* Runs the test with listeners of each event, and with bursts of each kind. */
static void in_each_form(uv_loop_t *loop, int budget, void (*test)(void)) {
  dgram_options_t options = with_budget(budget);
  for (int form = 0; form < 4; form++) {
    open_fixture(loop, &options, (form & 1) != 0, (form & 2) != 0);
    test();
    close_fixture();
  }
}

/* One iteration, in which at most so many may be emitted. */
static void run_turn(int most) {
  int before = fixture.emitted;
  uv_run(fixture.loop, UV_RUN_NOWAIT);
  assert_in_range(fixture.emitted - before, 0, most);
}

static void run_turns(int most, int until) {
  for (int turns = 0; fixture.emitted < until; turns++) {
    assert_in_range(turns, 0, 1000);
    run_turn(most);
  }
}

static void assert_numbers(int from, int count, int first) {
  for (int i = 0; i < count; i++)
    assert_int_equal(fixture.numbers[from + i], first + i);
}

/* ---- the bound, and the order ---- */

static int budget;

static void no_turn_tells_more(void) {
  send_burst(0, 0, MOST);
  run_turns(budget, MOST);
  assert_numbers(0, MOST, 0);
}

TEST("an iteration emits no more messages than the budget") {
  static const int budgets[] = {1, 3, 32};
  for (size_t i = 0; i < sizeof budgets / sizeof *budgets; i++) {
    budget = budgets[i];
    in_each_form(loop, budget, no_turn_tells_more);
  }
}

/* While a backlog is emitted more comes: it is emitted behind it. */
static void keep_order(void) {
  enum { BUDGET = 5 };
  send_burst(0, 0, MOST / 2);
  for (int sent = MOST / 2; sent < MOST; sent += 4) {
    run_turn(BUDGET);
    send_burst(0, (uint16_t)sent, 4);
  }
  run_turns(BUDGET, MOST);
  assert_numbers(0, MOST, 0);
}

TEST("messages keep their order over iterations") {
  in_each_form(loop, 5, keep_order);
}

static void change_budget(void) {
  send_burst(0, 0, MOST);
  run_turns(10, 10);
  assert_int_equal(dgram_set_receive_budget(fixture.socket, 2), 0);
  run_turns(2, MOST);
  assert_numbers(0, MOST, 0);
}

TEST("a new budget holds from the next iteration on") {
  in_each_form(loop, 10, change_budget);
}

TEST("a bad budget changes nothing") {
  dgram_options_t options = with_budget(3);
  open_fixture(loop, &options, false, true);
  assert_int_equal(dgram_set_receive_budget(fixture.socket, -1), UV_EINVAL);
  send_burst(0, 0, MOST);
  run_turns(3, MOST);
  close_fixture();
}

/* ---- what comes between ---- */

enum { BETWEEN = 4 }; /* the budget */

static struct {
  dgram_socket_t *socket;
  int port;
  uv_timer_t timer;
  int message_after; /* so many of the burst; 0: not yet */
  int timer_after;
} other;

static void on_other_message(dgram_socket_t *socket, const char *message,
                             const dgram_rinfo_t *rinfo, void *context) {
  other.message_after = fixture.emitted;
}

static void on_other_timer(uv_timer_t *timer) {
  other.timer_after = fixture.emitted;
}

/* In the first turn of the burst. */
static void make_others_ready(void) {
  fixture.inside = NULL;
  raw_send(fixture.senders[1], "x", 1, other.port);
  assert_int_equal(uv_timer_start(&other.timer, on_other_timer, 0, 0), 0);
}

static void others_have_their_turn(void) {
  memset(&other, 0, sizeof other);
  other.socket = new_bound(fixture.loop, on_other_message, NULL, &other.port);
  assert_int_equal(uv_timer_init(fixture.loop, &other.timer), 0);
  fixture.inside = make_others_ready;
  send_burst(0, 0, MOST);
  run_turns(BETWEEN, MOST);
  assert_in_range(other.timer_after, 1, BETWEEN);
  assert_in_range(other.message_after, 1, 2 * BETWEEN);
  uv_close((uv_handle_t *)&other.timer, NULL);
  close_socket(other.socket);
}

TEST("timers and other sockets come between the messages of a budget") {
  in_each_form(loop, BETWEEN, others_have_their_turn);
}

/* ---- what ends a backlog ---- */

static int act_at; /* the listener acts when so many have been emitted */

static void close_inside(void) {
  if (fixture.emitted < act_at)
    return;
  close_socket(fixture.socket);
  fixture.socket = NULL;
  fixture.inside = NULL;
}

/* A batch has at most as many messages as the budget. */
static void assert_ended_at(int emitted) {
  if (fixture.batches)
    assert_in_range(fixture.emitted, emitted, emitted + BETWEEN - 1);
  else
    assert_int_equal(fixture.emitted, emitted);
}

static void close_in_a_listener(void) {
  fixture.inside = close_inside;
  send_burst(0, 0, MOST);
  run_to_end(fixture.loop);
  assert_ended_at(act_at);
}

TEST("a close in a message ends what is left of the batch") {
  for (act_at = 1; act_at <= 3 * BETWEEN; act_at++)
    in_each_form(loop, BETWEEN, close_in_a_listener);
}

static void close_between_turns(void) {
  send_burst(0, 0, MOST);
  run_turns(BETWEEN, act_at);
  int emitted = fixture.emitted;
  close_socket(fixture.socket);
  assert_int_equal(dgram_set_receive_budget(fixture.socket, 1), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  fixture.socket = NULL;
  run_to_end(fixture.loop);
  assert_int_equal(fixture.emitted, emitted);
}

TEST("a close between iterations ends what is left of the batch") {
  for (act_at = 1; act_at <= 3 * BETWEEN; act_at++)
    in_each_form(loop, BETWEEN, close_between_turns);
}

static void connect_to_first(void) {
  if (fixture.emitted < act_at)
    return;
  fixture.inside = NULL;
  act_at = fixture.emitted;
  assert_int_equal(dgram_connect_sync(fixture.socket, raw_port(fixture.senders[0]), NULL), 0);
}

/* Those of the first sender are even, and come with those of the second one in turn. */
static void send_from_both(void) {
  enum { EACH = 4 };
  for (int i = 0; i < MOST; i += 2 * EACH) {
    send_burst(0, (uint16_t)i, EACH);
    send_burst(1, (uint16_t)(1000 + i), EACH);
  }
}

/* From then on only the peer's are emitted, and all of these. */
static void assert_filtered(void) {
  int from_peer = 0;
  for (int i = 0; i < fixture.emitted; i++) {
    from_peer += fixture.numbers[i] < 1000;
    if (i >= act_at)
      assert_in_range(fixture.numbers[i], 0, 999);
  }
  assert_int_equal(from_peer, MOST / 2);
}

static void run_until_quiet(void) {
  for (int i = 0; i < MOST; i++)
    run_turn(BETWEEN);
}

static void connect_in_a_listener(void) {
  int wanted = act_at;
  fixture.inside = connect_to_first;
  send_from_both();
  run_until_quiet();
  assert_filtered();
  act_at = wanted;
}

TEST("a connect in a message drops what is left of strangers") {
  for (act_at = 1; act_at <= 3 * BETWEEN; act_at++)
    in_each_form(loop, BETWEEN, connect_in_a_listener);
}

static void connect_between_turns(void) {
  int wanted = act_at;
  send_from_both();
  run_turns(BETWEEN, act_at);
  connect_to_first();
  run_until_quiet();
  assert_filtered();
  act_at = wanted;
}

TEST("a connect between iterations drops what is left of strangers") {
  for (act_at = 1; act_at <= 3 * BETWEEN; act_at++)
    in_each_form(loop, BETWEEN, connect_between_turns);
}

/* ---- how many are taken ---- */

static int count_left(int fd) {
  char byte;
  int left = 0;
  while (recv(fd, &byte, sizeof byte, MSG_DONTWAIT) >= 0)
    left++;
  assert_int_equal(errno, EAGAIN);
  return left;
}

/* Closes the socket in so manieth message; another holder of it then gets the rest. */
static int left_after(uv_loop_t *loop, int batch, int close_at) {
  enum { SENT = 40 };
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.receive_batch = batch;
  open_fixture(loop, &options, false, false);
  int twin = dup(dgram_fileno(fixture.socket));
  fixture.inside = close_inside;
  act_at = close_at;
  send_each(0, 0, SENT);
  run_to_end(fixture.loop);
  assert_int_equal(fixture.emitted, close_at);
  assert_numbers(0, close_at, 0);
  int left = count_left(twin);
  close(twin);
  close_fixture();
  return SENT - left;
}

TEST("a system call reads no more than receive_batch") {
  for (int close_at = 1; close_at <= 10; close_at++) {
    assert_int_equal(left_after(loop, 1, close_at), close_at);
    assert_int_equal(left_after(loop, 3, close_at), (close_at + 2) / 3 * 3);
  }
}

/* One at a time is not one a turn. */
TEST("receive_batch 1 emits as many messages in an iteration") {
  dgram_options_t options = with_budget(BETWEEN);
  options.receive_batch = 1;
  for (int batches = 0; batches < 2; batches++) {
    open_fixture(loop, &options, batches != 0, false);
    int turns = 0;
    send_each(0, 0, MOST);
    for (; fixture.emitted < MOST; turns++)
      run_turn(BETWEEN);
    assert_int_equal(fixture.calls, MOST);
    assert_in_range(turns, MOST / BETWEEN, MOST - 1);
    close_fixture();
  }
}
