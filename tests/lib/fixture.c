#include "lib/fixture.h"

#include <assert.h>
#include <pthread.h>

/* ---- the loop ---- */

unsigned test_scale(void) {
  const char *scale = getenv("DGRAM_TEST_SCALE");
  int number = scale != NULL ? atoi(scale) : 1;
  return number > 1 ? (unsigned)number : 1;
}

int offload_is_on(const char *variable) {
  const char *value = getenv(variable);
  return value == NULL || strcmp(value, "0") != 0;
}

/* A signal, since a loop that never comes to its end may not come to its timers either. */
static void watchdog_expired(int number) {
  static const char text[] = "watchdog: this test does not come to its end\n";
  ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
  (void)written;
  _exit(98);
}

void watch(void) {
  signal(SIGALRM, watchdog_expired);
  alarm(WATCHDOG_SECONDS * (test_scale() > 1 ? 10 : 1));
}

static void fail_on_unhandled(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  fail_msg("unhandled 'error': %s", error->message);
}

uv_loop_t *open_loop(void) {
  uv_loop_t *loop = malloc(sizeof *loop);
  assert_non_null(loop);
  assert_int_equal(uv_loop_init(loop), 0);
  trace_clear();
  dgram_on_unhandled_error(fail_on_unhandled, NULL);
  watch();
  return loop;
}

void run_to_end(uv_loop_t *loop) {
  assert_int_equal(uv_run(loop, UV_RUN_DEFAULT), 0);
}

void close_loop(uv_loop_t *loop) {
  run_to_end(loop);
  assert_int_equal(uv_loop_close(loop), 0);
  free(loop);
  alarm(0);
}

void reopen_loop(uv_loop_t *loop) {
  assert_int_equal(uv_loop_close(loop), 0);
  assert_int_equal(uv_loop_init(loop), 0);
}

void run_until(uv_loop_t *loop, const int *reached, int wanted) {
  while (*reached < wanted)
    if (uv_run(loop, UV_RUN_ONCE) == 0 && *reached < wanted)
      fail_msg("the loop ended at %d of %d", *reached, wanted);
}

void settle(uv_loop_t *loop) {
  enum { TURNS = 100 }; /* a turn reads few datagrams where the machine is slow */
  for (int i = 0; i < TURNS; i++)
    uv_run(loop, UV_RUN_NOWAIT);
}

static void count_turn(uv_prepare_t *prepare) {
  ++*(int *)prepare->data;
}

static void end_of_turns(uv_timer_t *timer) {
  uv_close((uv_handle_t *)timer, NULL);
}

int turns_in(uv_loop_t *loop, unsigned ms) {
  uv_prepare_t prepare;
  uv_timer_t timer;
  int turns = 0;
  assert_int_equal(uv_prepare_init(loop, &prepare), 0);
  prepare.data = &turns;
  assert_int_equal(uv_prepare_start(&prepare, count_turn), 0);
  assert_int_equal(uv_timer_init(loop, &timer), 0);
  assert_int_equal(uv_timer_start(&timer, end_of_turns, ms, 0), 0);
  while (!uv_is_closing((uv_handle_t *)&timer))
    uv_run(loop, UV_RUN_ONCE);
  uv_close((uv_handle_t *)&prepare, NULL);
  uv_run(loop, UV_RUN_NOWAIT);
  return turns;
}

/* ---- sockets: those that are open are in one list, of all threads ---- */

struct fixture_socket {
  dgram_socket_t *socket;
  struct fixture_socket *next;
};

static pthread_mutex_t fixture_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct fixture_socket *fixture_sockets;

static void fixture_forget(dgram_socket_t *socket, void *context) {
  struct fixture_socket *closed = context;
  pthread_mutex_lock(&fixture_mutex);
  struct fixture_socket **at = &fixture_sockets;
  while (*at != closed)
    at = &(*at)->next;
  *at = closed->next;
  pthread_mutex_unlock(&fixture_mutex);
  free(closed);
}

/* Has the fixture close the socket at the test's end. */
static dgram_socket_t *fixture_own(dgram_socket_t *socket) {
  assert_non_null(socket);
  struct fixture_socket *opened = malloc(sizeof *opened);
  assert_non_null(opened);
  opened->socket = socket;
  assert_int_equal(dgram_on_close(socket, fixture_forget, opened), 0);
  pthread_mutex_lock(&fixture_mutex);
  opened->next = fixture_sockets;
  fixture_sockets = opened;
  pthread_mutex_unlock(&fixture_mutex);
  return socket;
}

/* Closes those of a loop. */
static void fixture_close_sockets(const uv_loop_t *loop) {
  for (struct fixture_socket *at = fixture_sockets; at != NULL; at = at->next)
    if (dgram_loop(at->socket) == loop)
      dgram_close(at->socket, NULL, NULL); /* or it is closing already */
}

void close_sockets(uv_loop_t *loop) {
  fixture_close_sockets(loop);
  run_to_end(loop);
}

void begin_round(uv_loop_t *loop) {
  close_sockets(loop);
  trace_clear();
  watch();
}

dgram_socket_t *new_socket(uv_loop_t *loop, dgram_type_t type, dgram_message_cb on_message,
                           void *context) {
  dgram_socket_t *socket = NULL;
  assert_int_equal(dgram_create_socket(loop, type, on_message, context, &socket), 0);
  return fixture_own(socket);
}

dgram_socket_t *new_with(uv_loop_t *loop, const dgram_options_t *options) {
  dgram_socket_t *socket = NULL;
  assert_int_equal(dgram_create_socket_options(loop, options, NULL, NULL, &socket), 0);
  return fixture_own(socket);
}

dgram_socket_t *new_bound(uv_loop_t *loop, dgram_message_cb on_message, void *context, int *port) {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, on_message, context);
  *port = bind_now(socket, "127.0.0.1");
  return socket;
}

dgram_socket_t *new_roomy(uv_loop_t *loop, dgram_message_cb on_message, void *context, int *port) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.recv_buffer_size = ROOM;
  dgram_socket_t *socket = new_with(loop, &options);
  if (on_message != NULL)
    assert_int_equal(dgram_on_message(socket, on_message, context), 0);
  *port = bind_now(socket, "127.0.0.1");
  return socket;
}

int port_of(const dgram_socket_t *socket) {
  dgram_address_t address;
  assert_int_equal(dgram_address(socket, &address), 0);
  assert_in_range(address.port, 1, 65535);
  return address.port;
}

int bind_now(dgram_socket_t *socket, const char *address) {
  int listening = 0;
  assert_int_equal(dgram_bind(socket, 0, address, count_event, &listening), 0);
  run_until(dgram_loop(socket), &listening, 1);
  return port_of(socket);
}

int adopt_fd(dgram_socket_t *socket, int fd) {
  dgram_bind_options_t options = dgram_default_bind_options();
  options.fd = fd;
  return dgram_bind_options(socket, &options, NULL, NULL);
}

struct twin open_twin(uv_loop_t *loop, dgram_type_t type) {
  begin_round(loop);
  struct twin twin = {.loop = loop};
  int fd = socket(type == DGRAM_UDP4 ? AF_INET : AF_INET6, SOCK_DGRAM, 0);
  assert_true(fd > 0);
  twin.twin = dup(fd);
  twin.socket = new_socket(loop, type, trace_message, "got");
  assert_int_equal(adopt_fd(twin.socket, fd), 0);
  return twin;
}

void close_twin(struct twin *twin) {
  close(twin->twin);
  close_socket(twin->socket);
  run_to_end(twin->loop);
}

void connect_now(dgram_socket_t *socket, int port) {
  int connected = 0;
  assert_int_equal(dgram_connect(socket, port, NULL, count_connect, &connected), 0);
  run_until(dgram_loop(socket), &connected, 1);
}

void send_text(dgram_socket_t *socket, const char *text, int port, dgram_send_cb callback,
               void *context) {
  assert_int_equal(dgram_send(socket, text, strlen(text), port, "127.0.0.1", callback, context), 0);
}

void close_socket(dgram_socket_t *socket) {
  assert_int_equal(dgram_close(socket, NULL, NULL), 0);
}

void assert_usable(dgram_socket_t *socket) {
  int sent = 0;
  int received = 0;
  assert_int_equal(dgram_on_message(socket, count_message, &received), 0);
  assert_int_equal(dgram_send(socket, "x", 1, port_of(socket), NULL, count_sent, &sent), 0);
  run_until(dgram_loop(socket), &received, 1);
  assert_int_equal(sent, 1);
  assert_int_equal(received, 1);
  assert_int_equal(dgram_off_message(socket, count_message, &received), 0);
}

void name_group(char group[GROUP_TEXT], int net, int port) {
  snprintf(group, GROUP_TEXT, "%d.1.%d.%d", net, port / 256, port % 256);
}

/* ---- counts and errors ---- */

void count_event(dgram_socket_t *socket, void *context) {
  ++*(int *)context;
}

void count_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                   void *context) {
  ++*(int *)context;
}

void count_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes, void *context) {
  assert_null(error);
  ++*(int *)context;
}

void count_connect(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  assert_null(error);
  ++*(int *)context;
}

void keep_text(char *to, size_t size, const char *text) {
  int length = snprintf(to, size, "%s", text != NULL ? text : "NULL");
  assert_true(length >= 0 && (size_t)length < size);
}

void keep_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  struct kept_error *kept = context;
  kept->calls++;
  kept->code = error->code;
  kept->port = error->port;
  kept->mtu = error->mtu;
  keep_text(kept->name, sizeof kept->name, error->name);
  keep_text(kept->syscall, sizeof kept->syscall, error->syscall);
  keep_text(kept->address, sizeof kept->address, error->address);
  keep_text(kept->message, sizeof kept->message, error->message);
}

void keep_send_error(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                     void *context) {
  assert_non_null(error);
  assert_int_equal(bytes, 0);
  keep_error(socket, error, context);
}

/* ---- tests ---- */

static struct fixture_test *fixture_first;
static struct fixture_test **fixture_end = &fixture_first;

void fixture_add(struct fixture_test *test) {
  *fixture_end = test;
  fixture_end = &test->next;
}

static struct fixture_hooks fixture_around;

void fixture_hooks(struct fixture_hooks hooks) {
  fixture_around = hooks;
}

/*
 * One test, with its loop. A test that fails or is skipped does not return: its loop is left, and
 * so are its sockets.
 */
static void fixture_test(void **state) {
  struct fixture_test *test = *state;
  int open_files = count_open_files();
  fixture_sockets = NULL;
  test->loop = open_loop();
  if (fixture_around.begin != NULL)
    fixture_around.begin(test->loop);
  test->run(test->loop);
  if (fixture_around.end != NULL)
    fixture_around.end(test->loop);
  fixture_close_sockets(test->loop);
  close_loop(test->loop);
  assert_null(fixture_sockets);
  assert_in_range(count_open_files(), 0, open_files);
}

/* libuv opens files of the process with its first loop. */
static void fixture_warm_up(void) {
  uv_loop_t loop;
  if (uv_loop_init(&loop) == 0)
    uv_loop_close(&loop);
}

int fixture_run(void) {
  enum { MOST = 64 };
  struct CMUnitTest tests[MOST];
  size_t count = 0;
  for (struct fixture_test *test = fixture_first; test != NULL; test = test->next) {
    assert(count < MOST);
    tests[count++] = (struct CMUnitTest){.name = test->sentence,
                                         .test_func = fixture_test,
                                         .setup_func = fixture_around.setup,
                                         .teardown_func = fixture_around.teardown,
                                         .initial_state = test};
  }
  assert(fixture_first != NULL);
  fixture_warm_up();
  return _cmocka_run_group_tests(fixture_first->file, tests, count, NULL, NULL);
}
