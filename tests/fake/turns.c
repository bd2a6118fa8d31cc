/*
 * What bounds a turn's telling: time, by a clock that the test's listeners move, and what is done
 * where there is no memory for the rest. The linker puts __wrap_uv_hrtime and __wrap_malloc in
 * place of the true ones.
 */
#include "fake/scripted.h"

#include <stdlib.h>
#include <string.h>

#define US UINT64_C(1000) /* in ns */
#define MS (1000 * US)

static uint64_t now = MS; /* ns */
static bool out_of_memory;

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
uint64_t __wrap_uv_hrtime(void);
void *__wrap_malloc(size_t size);
void *__real_malloc(size_t size);

uint64_t __wrap_uv_hrtime(void) {
  return now;
}

void *__wrap_malloc(size_t size) {
  return out_of_memory ? NULL : __real_malloc(size);
}
/* NOLINTEND(bugprone-reserved-identifier) */

/* ---- a flood, and listeners that take their time ---- */

enum { PER_SLOT = 64, FLOOD = DGRAM__RX_BUFFERS * PER_SLOT };

static unsigned delivered; /* so many of the flood, in order */
static unsigned slow_at;   /* from this one on a datagram takes ... */
static uint64_t slow_ns;   /* ... so long, ... */
static uint64_t quick_ns;  /* ... and one before it so long */

static void check_number(const char *message, size_t size) {
  uint16_t number;
  assert_int_equal(size, sizeof number);
  memcpy(&number, message, sizeof number);
  assert_int_equal(number, delivered % FLOOD);
  now += delivered++ < slow_at ? quick_ns : slow_ns;
}

static void on_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  check_number(message, rinfo->size);
}

static void on_messages(dgram_socket_t *socket, const dgram_message_t *const messages[],
                        size_t count, void *context) {
  for (size_t i = 0; i < count; i++)
    check_number(messages[i]->message, messages[i]->rinfo.size);
}

static void take_always(uint64_t ns) {
  slow_at = 0;
  slow_ns = ns;
}

static dgram_socket_t *new_listening(bool batches) {
  dgram_socket_t *socket = scripted_socket();
  delivered = 0;
  out_of_memory = false;
  if (batches)
    assert_int_equal(dgram_on_messages(socket, on_messages, NULL), 0);
  else
    assert_int_equal(dgram_on_message(socket, on_message, NULL), 0);
  return socket;
}

/* Numbered datagrams, in full buffers. */
static void flood(const dgram_socket_t *socket) {
  static uint16_t numbers[FLOOD];
  static struct fake_buffer buffers[DGRAM__RX_BUFFERS];
  for (unsigned i = 0; i < FLOOD; i++)
    numbers[i] = (uint16_t)i;
  for (size_t i = 0; i < DGRAM__RX_BUFFERS; i++)
    buffers[i] = (struct fake_buffer){.data = (const char *)&numbers[i * PER_SLOT],
                                      .size = PER_SLOT * sizeof numbers[0],
                                      .segment = sizeof numbers[0]};
  fake_receive(socket, buffers, DGRAM__RX_BUFFERS);
}

static unsigned run_turn(void) {
  unsigned before = delivered;
  uv_run(scripted_loop, UV_RUN_NOWAIT);
  trace_clear();
  return delivered - before;
}

/* ---- time ---- */

enum { FEW = 8 }; /* are delivered without a look at the clock, however long they take */

static void assert_bounded(unsigned count, uint64_t each) {
  if (count > FEW)
    assert_in_range((count - FEW) * each, 0, 420 * US);
}

/* A turn is not cut much shorter either: of the time that is there most is used. */
static void assert_used(unsigned count, uint64_t each) {
  if (delivered < FLOOD)
    assert_true(count * each >= 250 * US);
}

static void bound_turns(bool batches, uint64_t each) {
  dgram_socket_t *socket = new_listening(batches);
  take_always(each);
  flood(socket); /* what listeners of 'messages' take is not known before the first call */
  while (delivered < FLOOD)
    run_turn();
  delivered = 0;
  flood(socket);
  while (delivered < FLOOD) {
    unsigned count = run_turn();
    assert_in_range(count, 1, FLOOD);
    assert_bounded(count, each);
    assert_used(count, each);
  }
}

SCRIPTED_TEST("a turn is bounded by time") {
  static const uint64_t each[] = {200, 1 * US, 20 * US, 100 * US, 1 * MS, 50 * MS};
  for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
    bound_turns(false, each[i]);
    bound_turns(true, each[i]);
  }
}

SCRIPTED_TEST("messages that take no time are delivered at once") {
  for (int batches = 0; batches < 2; batches++) {
    dgram_socket_t *socket = new_listening(batches != 0);
    take_always(0);
    flood(socket);
    assert_int_equal(run_turn(), FLOOD);
  }
}

/* As when cheap datagrams are sent before dear ones, to have them delivered in one turn. */
SCRIPTED_TEST("a listener that becomes slow is noticed soon") {
  enum { SOON = 32 };
  for (slow_at = 1; slow_at < 300; slow_at++) {
    dgram_socket_t *socket = new_listening(false);
    quick_ns = 500;
    slow_ns = 10 * MS;
    flood(socket);
    unsigned count = run_turn();
    assert_in_range(count, slow_at, slow_at + SOON);
    close_socket(socket);
    scripted_end();
    scripted_begin(scripted_loop);
  }
}

/* ---- what a call asks for ---- */

/* So many of a byte each, one a buffer, as the call has asked for. Returns how many were delivered.
 */
static unsigned receive_window(const dgram_socket_t *socket, unsigned count) {
  static const uint16_t number = 0;
  static struct fake_buffer buffers[DGRAM__RX_BUFFERS];
  for (unsigned i = 0; i < count; i++)
    buffers[i] = (struct fake_buffer){.data = (const char *)&number, .size = sizeof number};
  fake_receive(socket, buffers, (int)count);
  unsigned sum = 0;
  for (int turn = 0; turn < DGRAM__RX_BUFFERS && sum < count; turn++) {
    delivered = 0;
    sum += run_turn();
  }
  assert_int_equal(sum, count);
  return fake_recv_most();
}

static uint64_t takes_ns;

static void on_any_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                           void *context) {
  delivered++;
  now += takes_ns;
}

SCRIPTED_TEST("a receive call asks for as many as were delivered in a turn") {
  dgram_socket_t *socket = scripted_socket();
  assert_int_equal(dgram_on_message(socket, on_any_message, NULL), 0);
  takes_ns = 0;
  unsigned most = receive_window(socket, 8);
  assert_int_equal(most, 8);
  for (unsigned wanted = 16; wanted <= DGRAM__RX_BUFFERS; wanted *= 2)
    assert_int_equal(receive_window(socket, wanted), wanted);
  assert_int_equal(receive_window(socket, DGRAM__RX_BUFFERS), DGRAM__RX_BUFFERS);
  takes_ns = 1 * MS;
  assert_int_equal(receive_window(socket, DGRAM__RX_BUFFERS), DGRAM__RX_BUFFERS);
  most = receive_window(socket, FEW);
  assert_in_range(most, 1, FEW);
}

/* From the first call on. */
SCRIPTED_TEST("a receive call takes one datagram of a shared system socket") {
  dgram_socket_t *socket = scripted_socket();
  assert_int_equal(dgram_on_message(socket, on_any_message, NULL), 0);
  assert_int_equal(dgram_set_receive_budget(socket, 1), 0); /* so there is one call a turn */
  takes_ns = 0;
  dgram__receive_share(socket);
  for (int i = 0; i < 3; i++)
    assert_int_equal(receive_window(socket, 1), 1);
}

/* ---- no memory ---- */

static void run_out_of_memory(dgram_socket_t *socket, int number) {
  out_of_memory = true;
}

static const struct fake_buffer batch[] = {{.data = "a", .size = 1},
                                           {.data = "bbccd", .size = 5, .segment = 2},
                                           {.size = 0},
                                           {.data = "lost", .size = 4, .segment = UV_EMSGSIZE},
                                           {.data = "ffg", .size = 3, .segment = 2}};
#define BATCH batch, sizeof batch / sizeof *batch
#define TRACE_BUT_A "(bb) (cc) (d) () error(recvmsg EMSGSIZE) (ff) (g)"
#define TRACE "(a) " TRACE_BUT_A

static int in_batches; /* by a listener of 'messages' */

static void count_messages(dgram_socket_t *socket, const dgram_message_t *const messages[],
                           size_t count, void *context) {
  in_batches += (int)count;
}

SCRIPTED_TEST("a batch is delivered at once without memory to keep the rest") {
  for (int batches = 0; batches < 2; batches++) {
    dgram_socket_t *socket = scripted_socket();
    in_batches = 0;
    if (batches)
      assert_int_equal(dgram_on_messages(socket, count_messages, NULL), 0);
    assert_int_equal(dgram_set_receive_budget(socket, 1), 0);
    scripted_on_message = run_out_of_memory;
    fake_receive(socket, BATCH);
    uv_run(scripted_loop, UV_RUN_NOWAIT);
    out_of_memory = false;
    assert_trace(TRACE);
    assert_int_equal(in_batches, batches ? 7 : 0);
    scripted_on_message = NULL;
    fake_receive(socket, BATCH);
    uv_run(scripted_loop, UV_RUN_NOWAIT);
    assert_trace("(a)"); /* now there is */
    for (int i = 0; i < 10; i++)
      uv_run(scripted_loop, UV_RUN_NOWAIT);
    trace_clear();
  }
}

static void take_first(dgram_socket_t *socket, const dgram_message_t *const messages[],
                       size_t count, void *context) {
  int *left = context;
  trace("%d", (int)count);
  out_of_memory = true;
  assert_int_equal(dgram_pause_at(socket, *left > 0 ? 1 : 0), 0);
  --*left;
}

/* There is no end to it else: the socket is paused, and what comes again is never taken. */
SCRIPTED_TEST("what listeners do not take is lost without memory to keep it") {
  int left = 2;
  dgram_socket_t *socket = scripted_socket();
  assert_int_equal(dgram_on_messages(socket, take_first, &left), 0);
  fake_receive(socket, BATCH);
  uv_run(scripted_loop, UV_RUN_NOWAIT);
  out_of_memory = false;
  assert_trace("7 (a) 6 (bb) 5 error(recvmsg ENOMEM)");
  assert_int_equal(dgram_is_paused(socket), 1);
  assert_int_equal(dgram_off_messages(socket, take_first, &left), 0);
  assert_int_equal(dgram_resume(socket), 0);
  fake_receive(socket, BATCH);
  EXPECT(TRACE);
}

static void close_at_third(dgram_socket_t *socket, int number) {
  if (number == 2)
    close_socket(socket);
}

SCRIPTED_TEST("a close ends such a delivery too") {
  dgram_socket_t *socket = scripted_socket();
  assert_int_equal(dgram_set_receive_budget(socket, 1), 0);
  scripted_on_message = close_at_third;
  fake_receive(socket, BATCH);
  out_of_memory = true;
  uv_run(scripted_loop, UV_RUN_NOWAIT);
  out_of_memory = false;
  EXPECT("(a) (bb) (cc) close");
}

/* ---- what is left ---- */

/* libuv may ask a socket twice in one turn, where very many are ready. */
SCRIPTED_TEST("a socket with a backlog receives nothing") {
  dgram_socket_t *socket = scripted_socket();
  assert_int_equal(dgram_set_receive_budget(socket, 1), 0);
  fake_receive(socket, BATCH);
  fake_receive(socket, BATCH);
  uv_run(scripted_loop, UV_RUN_NOWAIT);
  unsigned calls = fake_recv_calls();
  assert_true(dgram__receive(socket)); /* it is no wake-up in vain either */
  assert_int_equal(fake_recv_calls(), calls);
  assert_trace("(a)");
  for (int i = 0; i < 20; i++)
    uv_run(scripted_loop, UV_RUN_NOWAIT);
  assert_trace(TRACE_BUT_A " " TRACE);
}

/* Empty ones and losses keep their place, however the turns part them. */
SCRIPTED_TEST("turns change nothing of what is delivered") {
  for (int budget = 1; budget < 8; budget++)
    for (int batches = 0; batches < 2; batches++) {
      dgram_socket_t *socket = scripted_socket();
      assert_int_equal(dgram_set_receive_budget(socket, budget), 0);
      if (batches)
        assert_int_equal(dgram_on_messages(socket, count_messages, NULL), 0);
      fake_receive(socket, BATCH);
      for (int i = 0; i < 10; i++)
        uv_run(scripted_loop, UV_RUN_NOWAIT);
      assert_trace(TRACE);
    }
}
