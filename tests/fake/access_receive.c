/* Access lists over a scripted descriptor: losses among what is received, and bounded work. */
#include "fake/scripted.h"

static dgram_access_list_t *list;

/* A socket that blocks where the script's datagrams come from, or not. */
static dgram_socket_t *new_receiver(bool blocks, bool batches) {
  dgram_socket_t *socket = scripted_socket();
  assert_int_equal(dgram_access_list_create(&list), 0);
  assert_int_equal(dgram_access_list_add_address(list, blocks ? "192.0.2.1" : "192.0.2.2"), 0);
  assert_int_equal(dgram_set_receive_access(socket, DGRAM_BLOCK, list), 0);
  if (batches)
    assert_int_equal(dgram_on_messages(socket, trace_messages, "all"), 0);
  return socket;
}

static uint64_t refused_by(const dgram_socket_t *socket) {
  dgram_access_counts_t counts = dgram_default_access_counts();
  assert_int_equal(dgram_get_access_counts(socket, &counts), 0);
  return counts.receives_refused;
}

/* The second was lost on its way in; its sender is unknown. */
static const struct fake_buffer buffers[] = {
    {.data = "aabb", .size = 4, .segment = 2}, {.segment = UV_EMSGSIZE}, {.data = "c", .size = 1}};

SCRIPTED_TEST("a loss is reported, and counts as nothing that was refused") {
  dgram_socket_t *socket = new_receiver(true, false);
  fake_receive(socket, buffers, 3);
  EXPECT("error(recvmsg EMSGSIZE)");
  assert_int_equal(refused_by(socket), 3);
  dgram_access_list_clear(list);
  fake_receive(socket, buffers, 3);
  EXPECT("(aa) (bb) error(recvmsg EMSGSIZE) (c)");
  assert_int_equal(refused_by(socket), 3);
  dgram_access_list_free(list);
}

SCRIPTED_TEST("a loss is reported to a listener of messages") {
  dgram_socket_t *socket = new_receiver(true, true);
  fake_receive(socket, buffers, 3);
  EXPECT("error(recvmsg EMSGSIZE)");
  assert_int_equal(refused_by(socket), 3);
  dgram_access_list_clear(list);
  fake_receive(socket, buffers, 3);
  EXPECT("all[aa bb c] (aa) (bb) error(recvmsg EMSGSIZE) (c)");
  dgram_access_list_free(list);
}

/* Receive calls of one turn of the loop; each brings one buffer, and the budget is short. */
static unsigned calls_of_a_turn(dgram_socket_t *socket) {
  enum { CALLS = 60 };
  static const struct fake_buffer one = {.data = "x", .size = 1};
  dgram__receive_share(socket); /* so a wake-up goes on while a call brings all that it may */
  assert_int_equal(dgram_set_receive_budget(socket, 10), 0);
  for (int i = 0; i < CALLS; i++)
    fake_receive(socket, &one, 1);
  unsigned before = fake_recv_calls();
  uv_run(scripted_loop, UV_RUN_NOWAIT);
  unsigned calls = fake_recv_calls() - before;
  while (refused_by(socket) < CALLS)
    scripted_run();
  assert_trace("");
  return calls;
}

SCRIPTED_TEST("a turn of the loop receives no more than the budget, though all is refused") {
  assert_in_range(calls_of_a_turn(new_receiver(true, false)), 1, 10);
  dgram_access_list_free(list);
}

SCRIPTED_TEST("a turn of the loop with a listener of messages receives no more, either") {
  assert_in_range(calls_of_a_turn(new_receiver(true, true)), 1, 10);
  dgram_access_list_free(list);
}

static void block_at_the_tenth(dgram_socket_t *socket, int number) {
  if (number == 9)
    assert_int_equal(dgram_access_list_add_address(list, "192.0.2.1"), 0);
}

/* With a budget of 40 the rest of 64 datagrams is the backlog of the next turn. */
static void change_list_before_backlog(dgram_socket_t *socket) {
  static const struct fake_buffer joined = {.size = 64, .segment = 1};
  unsigned delivered = 0;
  assert_int_equal(dgram_set_receive_budget(socket, 40), 0);
  fake_receive(socket, &joined, 1);
  uv_run(scripted_loop, UV_RUN_NOWAIT);
  for (const char *at = trace_text; (at = strstr(at, "()")) != NULL; at++)
    delivered++;
  assert_in_range(delivered, 4, 40);
  trace_clear();
  assert_int_equal(dgram_access_list_add_address(list, "192.0.2.1"), 0);
  EXPECT("");
  assert_int_equal(refused_by(socket), 64 - delivered);
  dgram_access_list_free(list);
}

SCRIPTED_TEST("a list that changes before the backlog is delivered applies to it") {
  change_list_before_backlog(new_receiver(false, false));
}

SCRIPTED_TEST("a list that changes before the backlog of messages is delivered applies to it") {
  change_list_before_backlog(new_receiver(false, true));
}

SCRIPTED_TEST("a list that changes in the middle of a joined buffer applies to its rest") {
  static const struct fake_buffer joined = {.size = 32, .segment = 1};
  dgram_socket_t *socket = new_receiver(false, false);
  scripted_on_message = block_at_the_tenth;
  fake_receive(socket, &joined, 1);
  EXPECT("() () () () () () () () () ()");
  assert_int_equal(refused_by(socket), 22);
  scripted_on_message = NULL;
  dgram_access_list_free(list);
}
