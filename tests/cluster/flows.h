/*
 * Load for the tests of clusters: flows, each a socket that asks one question after the other and
 * counts how often each was answered; and the workers' side, which answers with its id.
 */
#ifndef CLUSTER_FLOWS_H
#define CLUSTER_FLOWS_H

#include "cluster_test.h"

enum { FLOWS = 64, MOST_WORKERS = 64, MOST_QUESTIONS_EACH = 1 << 17 };

/* ---- the workers ---- */

struct answer {
  uint32_t flow;
  uint32_t question;
  int32_t worker;
};

static inline void give_answer(dgram_socket_t *socket, const char *message,
                               const dgram_rinfo_t *rinfo, void *context) {
  struct answer answer;
  must(rinfo->size == sizeof answer);
  memcpy(&answer, message, sizeof answer);
  answer.worker = this_id;
  const uv_buf_t buffer = uv_buf_init((char *)&answer, sizeof answer);
  must(dgram_send_to(socket, &buffer, 1, rinfo->sockaddr, NULL, NULL) == 0);
}

/* Answers on the shared port. */
static inline void answer_all(void) {
  uv_loop_t *loop = join();
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.recv_buffer_size = ROOM;
  dgram_socket_t *socket;
  must(dgram_create_socket_options(loop, &options, give_answer, NULL, &socket) == 0);
  must(dgram_on_error(socket, report_error, NULL) == 0);
  must(dgram_bind(socket, port_wanted(), "127.0.0.1", NULL, NULL) == 0);
  work_to_end(loop);
}

/* ---- the primary ---- */

struct flow {
  struct flows *flows;
  dgram_socket_t *socket;
  uint32_t number;
  uint32_t asked; /* questions so far */
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

static inline void ask(struct flow *flow) {
  const struct answer question = {.flow = flow->number, .question = ++flow->asked};
  assert_true(flow->asked < MOST_QUESTIONS_EACH);
  assert_int_equal(dgram_send(flow->socket, &question, sizeof question, 0, NULL, NULL, NULL), 0);
}

static inline void hear_answer(dgram_socket_t *socket, const char *message,
                               const dgram_rinfo_t *rinfo, void *context) {
  struct flow *flow = context;
  struct flows *flows = flow->flows;
  struct answer answer;
  assert_int_equal(rinfo->size, sizeof answer);
  memcpy(&answer, message, sizeof answer);
  assert_int_equal(answer.flow, flow->number);
  assert_in_range(answer.worker, 1, MOST_WORKERS - 1);
  assert_in_range(answer.question, 1, flow->asked);
  if (flow->answered[answer.question]) {
    flows->repeated++;
    return;
  }
  flow->answered[answer.question] = 1;
  flows->answers++;
  flows->by_worker[answer.worker]++;
  if (answer.question < flow->asked)
    flows->late++;
  else if (!flows->stopped)
    ask(flow);
}

static inline void count_refusal(dgram_socket_t *socket, const dgram_error_t *error,
                                 void *context) {
  struct flow *flow = context;
  flow->flows->errors++;
}

/* Starts all flows to the port; each is connected, so it would hear if nobody had the port. */
static inline void flows_start(struct flows *flows, uv_loop_t *loop, int port) {
  memset(flows, 0, sizeof *flows);
  for (uint32_t i = 0; i < FLOWS; i++) {
    struct flow *flow = &flows->all[i];
    flow->flows = flows;
    flow->number = i;
    flow->socket = new_socket(loop, DGRAM_UDP4, hear_answer, flow);
    assert_int_equal(dgram_on_error(flow->socket, count_refusal, flow), 0);
    assert_int_equal(dgram_connect_sync(flow->socket, port, "127.0.0.1"), 0);
    ask(flow);
  }
}

static inline void run_until_answers(uv_loop_t *loop, const struct flows *flows, unsigned answers) {
  while (flows->answers < answers)
    assert_int_not_equal(uv_run(loop, UV_RUN_ONCE), 0);
}

static inline void flows_close(struct flows *flows) {
  for (uint32_t i = 0; i < FLOWS; i++)
    close_socket(flows->all[i].socket);
}

/* Its last question has no answer yet. */
static inline int question_is_open(const struct flow *flow) {
  return !flow->answered[flow->asked];
}

static inline unsigned open_questions(const struct flows *flows) {
  unsigned count = 0;
  for (uint32_t i = 0; i < FLOWS; i++)
    count += question_is_open(&flows->all[i]);
  return count;
}

#endif
