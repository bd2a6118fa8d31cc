/*
 * Workers on one port under load: flows, each a socket that sends one question after the other and
 * counts how often each was answered, by a worker, with its id. Each question is answered exactly
 * once, and all workers take part. When workers are killed, one after the other, and started again
 * by the primary, what is lost was in the hands of the one that was killed: each flow has one
 * question open, so that is one a flow at most.
 *
 * DGRAM_TEST_LONG=1: one kill each second for 20 seconds; else a few, as fast as that goes.
 */
#include "lib/cluster_fixture.h"

enum { WORKERS = 4, FLOWS = 64, MOST_WORKERS = 64, MOST_QUESTIONS_EACH = 1 << 17 };

/* ---- the workers ---- */

struct answer {
  uint32_t flow;
  uint32_t question;
  int32_t worker;
};

static void give_answer(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                        void *context) {
  struct answer answer;
  must(rinfo->size == sizeof answer);
  memcpy(&answer, message, sizeof answer);
  answer.worker = this_id;
  const uv_buf_t buffer = uv_buf_init((char *)&answer, sizeof answer);
  must(dgram_send_to(socket, &buffer, 1, rinfo->sockaddr, NULL, NULL) == 0);
}

ROLE(answer_all) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.recv_buffer_size = ROOM;
  dgram_socket_t *socket;
  must(dgram_create_socket_options(loop, &options, give_answer, NULL, &socket) == 0);
  must(dgram_on_error(socket, report_error, NULL) == 0);
  worker_bind(socket, port_wanted(), NULL);
}

/* ---- the primary ---- */

struct flow {
  struct flows *flows;
  dgram_socket_t *socket;
  uint32_t number;
  uint32_t sent; /* questions so far */
  unsigned char answered[MOST_QUESTIONS_EACH];
};

struct flows {
  unsigned answers;
  unsigned repeated; /* answers to what was answered already */
  unsigned late;     /* answers to what was given up */
  unsigned errors;   /* refused: for a moment nobody had the port */
  unsigned by_worker[MOST_WORKERS];
  int stopped;
  struct flow all[FLOWS];
};

static void send_question(struct flow *flow) {
  const struct answer question = {.flow = flow->number, .question = ++flow->sent};
  assert_true(flow->sent < MOST_QUESTIONS_EACH);
  assert_int_equal(dgram_send(flow->socket, &question, sizeof question, 0, NULL, NULL, NULL), 0);
}

static void on_answer(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                      void *context) {
  struct flow *flow = context;
  struct flows *flows = flow->flows;
  struct answer answer;
  assert_int_equal(rinfo->size, sizeof answer);
  memcpy(&answer, message, sizeof answer);
  assert_int_equal(answer.flow, flow->number);
  assert_in_range(answer.worker, 1, MOST_WORKERS - 1);
  assert_in_range(answer.question, 1, flow->sent);
  if (flow->answered[answer.question]) {
    flows->repeated++;
    return;
  }
  flow->answered[answer.question] = 1;
  flows->answers++;
  flows->by_worker[answer.worker]++;
  if (answer.question < flow->sent)
    flows->late++;
  else if (!flows->stopped)
    send_question(flow);
}

static void count_refusal(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  struct flow *flow = context;
  flow->flows->errors++;
}

/* Starts all flows to the port; each is connected, so it has ECONNREFUSED if nobody has the port.
 */
static void flows_start(struct flows *flows, uv_loop_t *loop, int port) {
  memset(flows, 0, sizeof *flows);
  for (uint32_t i = 0; i < FLOWS; i++) {
    struct flow *flow = &flows->all[i];
    flow->flows = flows;
    flow->number = i;
    flow->socket = new_socket(loop, DGRAM_UDP4, on_answer, flow);
    assert_int_equal(dgram_on_error(flow->socket, count_refusal, flow), 0);
    assert_int_equal(dgram_connect_sync(flow->socket, port, "127.0.0.1"), 0);
    send_question(flow);
  }
}

static void run_until_answers(uv_loop_t *loop, const struct flows *flows, unsigned answers) {
  while (flows->answers < answers)
    assert_int_not_equal(uv_run(loop, UV_RUN_ONCE), 0);
}

/* Its last question has no answer yet. */
static int question_is_open(const struct flow *flow) {
  return !flow->answered[flow->sent];
}

static unsigned open_questions(const struct flows *flows) {
  unsigned count = 0;
  for (uint32_t i = 0; i < FLOWS; i++)
    count += question_is_open(&flows->all[i]);
  return count;
}

static int each_has_answered(const struct flows *flows) {
  for (int id = 1; id <= WORKERS; id++)
    if (flows->by_worker[id] == 0)
      return 0;
  return 1;
}

static void fork_answering(void) {
  for (int i = 0; i < WORKERS; i++)
    fork_worker("answer_all");
  await("listening(1)", "listening(2)", "listening(3)", "listening(4)");
}

TEST("each question to a shared port is answered once, and each worker answers") {
  enum { ANSWERS = 20000 };
  static struct flows flows;
  fork_answering();
  flows_start(&flows, loop, port_wanted());
  run_until_answers(loop, &flows, ANSWERS / test_scale());
  while (!each_has_answered(&flows)) /* on a busy machine one may get no turn for long */
    assert_int_not_equal(uv_run(loop, UV_RUN_ONCE), 0);
  flows.stopped = 1;
  while (open_questions(&flows) > 0)
    assert_int_not_equal(uv_run(loop, UV_RUN_ONCE), 0);
  settle(loop);
  assert_int_equal(flows.repeated, 0);
  assert_int_equal(flows.errors, 0);
  for (int id = 1; id <= WORKERS; id++)
    print_message("worker %d: %u answers\n", id, flows.by_worker[id]);
}

/* ---- workers are killed ---- */

enum { KILLS = 5, LONG_KILLS = 20, SHORT_MS = 50, LONG_MS = 1000 };

/* Sets a flag. To close the timer keeps the loop from blocking, if it was due before that. */
static void set_over(uv_timer_t *timer) {
  ++*(int *)timer->data;
  uv_close((uv_handle_t *)timer, NULL);
}

/* Runs the loop for a while; this is about time. */
static void run_for(uv_loop_t *loop, uint64_t ms) {
  uv_timer_t timer;
  int over = 0;
  uv_timer_init(loop, &timer);
  timer.data = &over;
  uv_timer_start(&timer, set_over, ms, 0);
  run_until(loop, &over, 1);
  uv_run(loop, UV_RUN_NOWAIT);
}

/* Gives up questions that stay open for so long; their flows send anew. Returns how many. */
static unsigned give_up(uv_loop_t *loop, struct flows *flows, uint64_t ms) {
  unsigned given_up = 0;
  uint32_t sent[FLOWS];
  for (int i = 0; i < FLOWS; i++)
    sent[i] = flows->all[i].sent;
  run_for(loop, ms);
  for (int i = 0; i < FLOWS; i++) {
    struct flow *flow = &flows->all[i];
    if (question_is_open(flow) && flow->sent == sent[i]) {
      given_up++;
      send_question(flow);
    }
  }
  return given_up;
}

static void fork_another(int id) {
  fork_worker("answer_all");
}

TEST("a worker that is killed loses what it held, and no more; another takes its place") {
  static struct flows flows;
  int is_long = getenv("DGRAM_TEST_LONG") != NULL;
  unsigned given_up = 0;
  cluster_on_exit = fork_another;
  fork_answering();
  flows_start(&flows, loop, port_wanted());
  run_until_answers(loop, &flows, FLOWS);
  int descriptors = count_open_files();
  if (is_long)
    alarm(10 * LONG_KILLS);
  for (int number = 1; number <= (is_long ? LONG_KILLS : KILLS); number++) {
    int id = dgram_cluster_next(cluster, 0); /* the oldest */
    trace_clear();
    assert_int_equal(dgram_cluster_kill(cluster, id, SIGKILL), 0);
    await_times(1, "exit(%d,0,9)", id);
    await_times(1, "listening(%d)", WORKERS + number);
    given_up += give_up(loop, &flows, is_long ? LONG_MS : SHORT_MS * test_scale());
    assert_in_range(given_up - flows.late, 0, number * FLOWS);
  }
  assert_int_equal(count_open_files(), descriptors);
  flows.stopped = 1;
  run_for(loop, SHORT_MS);
  print_message("%u answers, %u lost\n", flows.answers, given_up - flows.late);
  assert_int_equal(flows.repeated, 0);
  assert_int_equal(flows.errors, 0);
}

int main(void) {
  return cluster_run();
}
