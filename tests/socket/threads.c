/*
 * Loops in different threads are independent of each other. cmocka's assertions work in the main
 * thread only, so the others keep what they saw.
 */
#include "lib/fixture.h"

enum { THREADS = 2, ROUNDS = 50, TIMES = 5 };

struct echo {
  uv_loop_t loop;
  dgram_socket_t *client;
  int server_port;
  int rounds;
  int errors;
};

static void echo_back(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                      void *context) {
  struct echo *echo = context;
  if (dgram_send(socket, message, rinfo->size, rinfo->port, NULL, NULL, NULL) != 0)
    echo->errors++;
}

static void ping(struct echo *echo) {
  if (dgram_send(echo->client, "ping", 4, echo->server_port, NULL, NULL, NULL) != 0)
    echo->errors++;
}

static void next_round(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  struct echo *echo = context;
  if (rinfo->size != 4 || rinfo->port != echo->server_port)
    echo->errors++;
  if (++echo->rounds < ROUNDS)
    ping(echo);
  else
    uv_stop(&echo->loop);
}

static void begin_rounds(dgram_socket_t *socket, void *context) {
  struct echo *echo = context;
  dgram_address_t address;
  if (dgram_address(socket, &address) != 0)
    echo->errors++;
  echo->server_port = address.port;
  ping(echo);
}

static void count_failure(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  ++*(int *)context;
}

/* From the loop's first socket to its last. */
static void echo_on_a_loop(struct echo *echo) {
  dgram_socket_t *server;
  if (dgram_create_socket(&echo->loop, DGRAM_UDP4, echo_back, echo, &server) != 0 ||
      dgram_create_socket(&echo->loop, DGRAM_UDP4, next_round, echo, &echo->client) != 0 ||
      dgram_bind(server, 0, "127.0.0.1", begin_rounds, echo) != 0) {
    echo->errors++;
    return;
  }
  uv_run(&echo->loop, UV_RUN_DEFAULT);
  echo->errors += dgram_close(server, NULL, NULL) != 0;
  echo->errors += dgram_close(echo->client, NULL, NULL) != 0;
  echo->errors += uv_run(&echo->loop, UV_RUN_DEFAULT) != 0;
}

static void echo_thread(void *context) {
  struct echo *echo = context;
  dgram_on_unhandled_error(count_failure, &echo->errors);
  for (int i = 0; i < TIMES; i++) {
    echo->rounds = 0;
    echo_on_a_loop(echo);
  }
}

/*
 * The loops themselves are made and ended by the main thread: libuv closes descriptors behind the
 * back of ThreadSanitizer, which then takes another thread's use of the number for a race.
 */
TEST("loops in two threads exchange requests and replies") {
  uv_thread_t threads[THREADS];
  static struct echo echoes[THREADS];
  for (int i = 0; i < THREADS; i++)
    assert_int_equal(uv_loop_init(&echoes[i].loop), 0);
  for (int i = 0; i < THREADS; i++)
    assert_int_equal(uv_thread_create(&threads[i], echo_thread, &echoes[i]), 0);
  for (int i = 0; i < THREADS; i++)
    assert_int_equal(uv_thread_join(&threads[i]), 0);
  for (int i = 0; i < THREADS; i++) {
    assert_int_equal(echoes[i].errors, 0);
    assert_int_equal(echoes[i].rounds, ROUNDS);
    assert_int_equal(uv_loop_close(&echoes[i].loop), 0);
  }
  run_to_end(loop);
}

static void run_elsewhere(void *context) {
  struct echo *echo = context;
  dgram_on_unhandled_error(count_failure, &echo->errors);
  uv_run(&echo->loop, UV_RUN_DEFAULT);
}

/* A loop may be made ready in one thread and run in another, as long as they take turns. */
TEST("a loop may be handed to another thread") {
  uv_thread_t thread;
  static struct echo echo;
  dgram_socket_t *server;
  assert_int_equal(uv_loop_init(&echo.loop), 0);
  server = new_socket(&echo.loop, DGRAM_UDP4, echo_back, &echo);
  echo.client = new_socket(&echo.loop, DGRAM_UDP4, next_round, &echo);
  assert_int_equal(dgram_bind(server, 0, "127.0.0.1", begin_rounds, &echo), 0);
  assert_int_equal(uv_thread_create(&thread, run_elsewhere, &echo), 0);
  assert_int_equal(uv_thread_join(&thread), 0);
  assert_int_equal(echo.errors, 0);
  assert_int_equal(echo.rounds, ROUNDS);
  close_socket(server);
  close_socket(echo.client);
  run_to_end(&echo.loop);
  assert_int_equal(uv_loop_close(&echo.loop), 0);
}

static void fail_to_bind(void *context) {
  struct echo *echo = context;
  dgram_socket_t *socket;
  dgram_on_unhandled_error(count_failure, &echo->errors);
  if (uv_loop_init(&echo->loop) != 0 ||
      dgram_create_socket(&echo->loop, DGRAM_UDP4, NULL, NULL, &socket) != 0)
    return;
  echo->rounds = dgram_bind(socket, 0, "::1", NULL, NULL) == 0;
  uv_run(&echo->loop, UV_RUN_DEFAULT);
  dgram_close(socket, NULL, NULL);
  uv_run(&echo->loop, UV_RUN_DEFAULT);
  echo->rounds += uv_loop_close(&echo->loop) == 0;
}

TEST("each thread has its own handler of unhandled errors") {
  struct kept_error kept = {0};
  static struct echo echo;
  uv_thread_t thread;
  dgram_on_unhandled_error(keep_error, &kept);
  assert_int_equal(uv_thread_create(&thread, fail_to_bind, &echo), 0);
  assert_int_equal(uv_thread_join(&thread), 0);
  assert_int_equal(echo.rounds, 2);
  assert_int_equal(echo.errors, 1);
  assert_int_equal(kept.calls, 0);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(socket, 0, "::1", NULL, NULL), 0);
  run_to_end(loop);
  assert_int_equal(kept.calls, 1);
}
