/*
 * All of the newer calls on two loops in two threads at once: nothing is shared but the list of
 * loops. cmocka's assertions work in the main thread only, so the others count what they saw.
 */
#include "lib/fixture.h"

enum { THREADS = 2, ROUNDS = 100 };

struct worker {
  uv_loop_t loop;
  dgram_lookup_t *late; /* a query that is answered after the socket has closed */
  int errors;           /* of the test */
  int listening;
  int connected;
  int received;
  int sent;
  int refused;
  int cancelled;
  int closed;
};

#define EXPECT(worker, condition) ((worker)->errors += !(condition))

static void on_look_up(dgram_lookup_t *lookup, const char *host, dgram_type_t type, void *context) {
  struct worker *worker = context;
  if (strcmp(host, "late") != 0)
    dgram_lookup_done(lookup, 0, "127.0.0.1");
  else
    worker->late = lookup;
}

static void on_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  struct worker *worker = context;
  EXPECT(worker, error->code == UV_ECONNREFUSED);
  worker->refused++;
}

static void on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                    void *context) {
  struct worker *worker = context;
  if (error == NULL)
    worker->sent++;
  else
    worker->cancelled += error->code == UV_ECANCELED;
}

static void on_close(dgram_socket_t *socket, void *context) {
  ((struct worker *)context)->closed++;
}

static void on_listening(dgram_socket_t *socket, void *context) {
  ((struct worker *)context)->listening++;
}

static void on_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  struct worker *worker = context;
  EXPECT(worker, strcmp(dgram_rinfo_address(rinfo), "127.0.0.1") == 0);
  worker->received++;
}

static void on_connect(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  struct worker *worker = context;
  dgram_address_t remote;
  EXPECT(worker, error == NULL && dgram_remote_address(socket, &remote) == 0);
  worker->connected++;
  EXPECT(worker, dgram_send(socket, "ping", 4, 0, NULL, on_sent, worker) == 0);
}

static void on_failed_connect(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  struct worker *worker = context;
  worker->cancelled += error != NULL && error->code == UV_ECANCELED;
}

/* A server on a descriptor of the program's, in a group; returns its port. */
static int open_server(struct worker *worker, dgram_socket_t *server) {
  dgram_bind_options_t options = dgram_default_bind_options();
  dgram_address_t address = {.port = 0};
  struct sockaddr_in local = loopback_address(0);
  options.fd = socket(AF_INET, SOCK_DGRAM, 0);
  options.exclusive = 1;
  EXPECT(worker, bind(options.fd, (struct sockaddr *)&local, sizeof local) == 0);
  EXPECT(worker, dgram_bind_options(server, &options, on_listening, worker) == 0);
  EXPECT(worker, dgram_address(server, &address) == 0);
  EXPECT(worker, dgram_add_membership(server, "224.0.0.114", "127.0.0.1") == 0);
  EXPECT(worker, dgram_set_recv_buffer_size(server, 65536) == 0);
  EXPECT(worker, dgram_get_recv_buffer_size(server) >= 65536);
  EXPECT(worker, dgram_set_ttl(server, 2) == 0);
  EXPECT(worker, dgram_set_multicast_interface(server, "127.0.0.1") == 0);
  return address.port;
}

/* Runs until this has been reached, or the loop has nothing to do any more. */
static void run_worker(struct worker *worker, const int *reached, int wanted) {
  while (*reached < wanted && uv_run(&worker->loop, UV_RUN_ONCE) != 0) {
  }
  EXPECT(worker, *reached >= wanted);
}

static void play_round(struct worker *worker, int round) {
  dgram_abort_signal_t *signal = NULL;
  dgram_socket_t *server = NULL;
  dgram_socket_t *client = NULL;
  dgram_socket_t *late = NULL;
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  EXPECT(worker, dgram_abort_signal_create(&signal) == 0);
  options.signal = signal;
  options.lookup = on_look_up;
  options.lookup_context = worker;
  EXPECT(worker,
         dgram_create_socket_options(&worker->loop, &options, on_message, worker, &server) == 0);
  EXPECT(worker, dgram_create_socket_options(&worker->loop, &options, NULL, NULL, &client) == 0);
  EXPECT(worker, dgram_create_socket_options(&worker->loop, &options, NULL, NULL, &late) == 0);
  EXPECT(worker, dgram_on_close(server, on_close, worker) == 0);
  EXPECT(worker, dgram_on_close(client, on_close, worker) == 0);
  EXPECT(worker, dgram_on_close(late, on_close, worker) == 0);
  EXPECT(worker, dgram_on_error(client, on_error, worker) == 0);
  int port = open_server(worker, server);
  EXPECT(worker, dgram_connect(client, port, "server", on_connect, worker) == 0);
  run_worker(worker, &worker->received, round + 1);
  run_worker(worker, &worker->sent, 2 * round + 1);
  EXPECT(worker, dgram_close(server, NULL, NULL) == 0);
  EXPECT(worker, dgram_send(client, "lost", 4, 0, NULL, on_sent, worker) == 0);
  run_worker(worker, &worker->refused, round + 1);
  run_worker(worker, &worker->sent, 2 * round + 2);
  EXPECT(worker, dgram_disconnect(client) == 0);
  EXPECT(worker, dgram_bind(late, 0, NULL, NULL, NULL) == 0);
  EXPECT(worker, dgram_connect(late, 9, "late", on_failed_connect, worker) == 0);
  dgram_abort_signal_abort(signal);
  run_worker(worker, &worker->cancelled, round + 1);
  run_worker(worker, &worker->closed, 3 * round + 3);
  dgram_lookup_done(worker->late, 0, "127.0.0.1");
  dgram_abort_signal_free(signal);
}

static void play(void *context) {
  struct worker *worker = context;
  dgram_socket_t *socket = NULL;
  dgram_on_unhandled_error(on_error, worker);
  for (int i = 0; i < ROUNDS / (int)test_scale(); i++) {
    play_round(worker, i);
    EXPECT(worker, dgram_create_socket(&worker->loop, DGRAM_UDP4, NULL, NULL, &socket) == 0);
    dgram_dispose(socket);
    EXPECT(worker, uv_run(&worker->loop, UV_RUN_DEFAULT) == 0);
  }
}

/*
 * The loops themselves are made and ended by the main thread: libuv closes descriptors behind the
 * back of ThreadSanitizer, which then takes another thread's use of the number for a race.
 */
TEST("the whole API in two threads does not disturb each other") {
  uv_thread_t threads[THREADS];
  static struct worker workers[THREADS];
  int rounds = ROUNDS / (int)test_scale();
  for (int i = 0; i < THREADS; i++)
    assert_int_equal(uv_loop_init(&workers[i].loop), 0);
  for (int i = 0; i < THREADS; i++)
    assert_int_equal(uv_thread_create(&threads[i], play, &workers[i]), 0);
  for (int i = 0; i < THREADS; i++)
    assert_int_equal(uv_thread_join(&threads[i]), 0);
  for (int i = 0; i < THREADS; i++) {
    assert_int_equal(workers[i].errors, 0);
    assert_int_equal(workers[i].listening, rounds);
    assert_int_equal(workers[i].connected, rounds);
    assert_int_equal(workers[i].received, rounds);
    assert_int_equal(workers[i].sent, 2 * rounds);
    assert_int_equal(workers[i].cancelled, rounds);
    assert_int_equal(workers[i].closed, 3 * rounds);
    assert_int_equal(uv_loop_close(&workers[i].loop), 0);
  }
  run_to_end(loop);
}
