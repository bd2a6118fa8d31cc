/*
 * A server is replaced by a new process of itself, ten times under load: each datagram is answered,
 * and once. The first "server" is the test, which only holds the socket; the others are this
 * program started anew, each of which takes the socket of the one before.
 */
#include "lib/handover_fixture.h"

enum {
  GENERATIONS = 10,
  FLOWS = 8,
  WINDOW = 32,         /* datagrams under way in a flow, few enough for any receive buffer */
  ANSWERS = 500,       /* of each generation, at least */
  MOST_SENT = 1 << 20, /* of a flow */
  LOST_MS = 3000       /* what has not been answered then will never be */
};

struct answer {
  uint32_t number;
  uint32_t generation;
};

/* ---- a server, in a process of its own ---- */

static dgram_socket_t *server;
static dgram_offer_t *server_offer;
static uint32_t server_generation;

static void close_server(void *context) {
  dgram_close(server, NULL, NULL);
}

/* An empty datagram ends it. */
static void answer_one(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  struct answer answer = {.generation = server_generation};
  if (rinfo->size == 0) {
    dgram_handover_withdraw(server_offer);
    close_server(NULL);
    return;
  }
  memcpy(&answer.number, message, sizeof answer.number);
  uv_buf_t bytes = uv_buf_init((char *)&answer, sizeof answer);
  dgram_send_to(socket, &bytes, 1, rinfo->sockaddr, NULL, NULL);
}

/* Returns the number of the step that failed; 0: none, and it has been replaced. */
static int serve(const char *at, const char *generation) {
  uv_loop_t *loop = uv_default_loop();
  dgram_takeover_t *takeover;
  int fds[DGRAM_HANDOVER_MOST];
  server_generation = (uint32_t)atoi(generation);
  watch(); /* it does not outlive a test that has failed */
  if (dgram_handover_take(at, PATIENCE_MS, fds, &takeover) != 1)
    return 1;
  if (dgram_create_socket(loop, DGRAM_UDP4, answer_one, NULL, &server) != 0 ||
      adopt_fd(server, fds[0]) != 0)
    return 2;
  if (dgram_handover_offer(loop, at, fds, 1, close_server, NULL, &server_offer) != 0)
    return 3;
  if (dgram_handover_confirm(takeover) != 0)
    return 4;
  return uv_run(loop, UV_RUN_DEFAULT) == 0 && uv_loop_close(loop) == 0 ? 0 : 5;
}

/* ---- the load ---- */

struct flow {
  dgram_socket_t *socket;
  uint32_t sent;
  unsigned char answers[MOST_SENT];
};

static struct flow flows[FLOWS];
static int port;
static int stopping; /* no more is sent */
static int unanswered;
static int answers_of_last; /* of the newest generation */
static uint32_t generation;

static void send_next(struct flow *flow) {
  if (stopping || flow->sent == MOST_SENT)
    return;
  uint32_t number = flow->sent++;
  unanswered++;
  assert_int_equal(dgram_send(flow->socket, &number, sizeof number, port, "127.0.0.1", NULL, NULL),
                   0);
}

static void on_answer(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                      void *context) {
  struct flow *flow = context;
  struct answer answer;
  assert_int_equal(rinfo->size, sizeof answer);
  memcpy(&answer, message, sizeof answer);
  assert_true(answer.number < flow->sent);
  assert_int_equal(flow->answers[answer.number]++, 0); /* not a second time */
  unanswered--;
  answers_of_last += answer.generation == generation;
  send_next(flow);
}

/* ---- one generation after the other ---- */

static int exited; /* generations */

static void on_server_exit(uv_process_t *process, int64_t status, int signum) {
  assert_int_equal(status, 0);
  assert_int_equal(signum, 0);
  exited++;
  uv_close((uv_handle_t *)process, NULL);
}

static void start_generation(uv_loop_t *loop, uv_process_t *process) {
  char *program = (char *)process_program();
  char number[16];
  char mode[] = "server";
  snprintf(number, sizeof number, "%u", ++generation);
  answers_of_last = 0;
  char *args[] = {program, mode, path, number, NULL};
  uv_stdio_container_t stdio[] = {[STDIN_FILENO] = {.flags = UV_IGNORE},
                                  [STDOUT_FILENO] = {.flags = UV_INHERIT_FD, .data.fd = 1},
                                  [STDERR_FILENO] = {.flags = UV_INHERIT_FD, .data.fd = 2}};
  uv_process_options_t options = {
      .exit_cb = on_server_exit, .file = program, .args = args, .stdio_count = 3, .stdio = stdio};
  assert_int_equal(uv_spawn(loop, process, &options), 0);
}

static void close_first(void *context) {
  close(*(int *)context);
}

static void fail_for_loss(uv_timer_t *timer) {
  fail_msg("%d datagrams have been lost", unanswered);
}

TEST("a server that is replaced ten times under load answers each datagram once") {
  static uv_process_t processes[GENERATIONS];
  uv_timer_t lost;
  dgram_offer_t *offer;
  int first = raw_socket();
  port = raw_port(first);
  assert_int_equal(dgram_handover_offer(loop, path, &first, 1, close_first, &first, &offer), 0);
  for (int i = 0; i < FLOWS; i++) {
    flows[i].socket = new_socket(loop, DGRAM_UDP4, on_answer, &flows[i]);
    bind_now(flows[i].socket, "127.0.0.1");
    for (int k = 0; k < WINDOW; k++)
      send_next(&flows[i]);
  }
  for (int i = 0; i < GENERATIONS; i++) {
    start_generation(loop, &processes[i]);
    run_until(loop, &exited, i); /* the one before */
    run_until(loop, &answers_of_last, ANSWERS);
  }

  stopping = 1;
  assert_int_equal(uv_timer_init(loop, &lost), 0);
  assert_int_equal(uv_timer_start(&lost, fail_for_loss, LOST_MS, 0), 0);
  while (unanswered > 0)
    uv_run(loop, UV_RUN_ONCE);
  uv_close((uv_handle_t *)&lost, NULL);
  settle(loop); /* a second answer would come now */
  send_text(flows[0].socket, "", port, NULL, NULL);
  run_until(loop, &exited, GENERATIONS);
  for (int i = 0; i < FLOWS; i++) {
    for (uint32_t number = 0; number < flows[i].sent; number++)
      assert_int_equal(flows[i].answers[number], 1);
  }
  assert_false(path_exists()); /* the last one has withdrawn its offer */
}

int main(int argc, char **argv) {
  return argc == 4 ? serve(argv[2], argv[3]) : fixture_run();
}
