/*
 * While a server has a port for itself nobody else gets it: not in a hand-over, not when the next
 * server dies in the midst of one, and not with a socket of the service manager.
 * DGRAM_TEST_HANDOVERS says how many hand-overs there are; the default is 100.
 */
#include "handover_test.h"
#include "thief.h"

static int reuse_addr_of(int fd) {
  int on = -1;
  socklen_t length = sizeof on;
  assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, &length), 0);
  return on;
}

static void a_server_that_only_runs(void **state) {
  uv_loop_t *loop = open_loop();
  struct thief thief;
  int port;
  dgram_socket_t *server = new_bound(loop, NULL, NULL, &port);
  thief_starts(&thief, port);
  assert_usable(server);
  thief_got_nothing(&thief);
  close_socket(server);
  close_loop(loop);
}

static void an_adopted_socket(void **state) {
  uv_loop_t *loop = open_loop();
  struct thief thief;
  int fd = raw_socket();
  thief_starts(&thief, raw_port(fd));
  dgram_socket_t *server = new_taken(loop, fd, NULL, NULL);
  assert_usable(server);
  thief_got_nothing(&thief);
  close_socket(server);
  close_loop(loop);
}

static int handovers_wanted(void) {
  const char *wanted = getenv("DGRAM_TEST_HANDOVERS");
  return wanted != NULL ? atoi(wanted) : (int)(100 / test_scale());
}

static void hand_overs(void **state) {
  uv_loop_t *loop = open_loop();
  struct thief thief;
  int port;
  int wanted = handovers_wanted();
  dgram_socket_t *server = new_bound(loop, NULL, NULL, &port);
  thief_starts(&thief, port);
  for (int i = 0; i < wanted; i++) {
    watch();
    server = hand_over(loop, server);
    assert_int_equal(reuse_addr_of(dgram_fileno(server)), 0);
  }
  assert_usable(server);
  thief_got_nothing(&thief);
  close_socket(server);
  close_loop(loop);
}

/* ---- a next server that dies ---- */

enum step { CONNECTED, TAKEN, CREATED, BOUND, OFFERED, CONFIRMED, RUN, STEPS };

/* In a process of its own; the last that it does is this step. */
static void die_at(enum step last) {
  static uv_loop_t loop;
  int fds[DGRAM_HANDOVER_MOST];
  dgram_takeover_t *takeover;
  dgram_offer_t *offer;
  dgram_socket_t *socket;
  dgram_bind_options_t options = dgram_default_bind_options();
  for (enum step step = CONNECTED; step <= last; step++) {
    int err = 0;
    switch (step) {
    case CONNECTED:
      if (last == CONNECTED)
        raw_successor();
      break;
    case TAKEN:
      err = dgram_handover_take(path, PATIENCE_MS, fds, &takeover) == 1 ? 0 : 1;
      break;
    case CREATED:
      err = uv_loop_init(&loop) + dgram_create_socket(&loop, DGRAM_UDP4, NULL, NULL, &socket);
      break;
    case BOUND:
      options.fd = fds[0];
      err = dgram_bind_options(socket, &options, NULL, NULL);
      break;
    case OFFERED:
      err = dgram_handover_offer(&loop, path, fds, 1, NULL, NULL, &offer);
      break;
    case CONFIRMED:
      err = dgram_handover_confirm(takeover);
      break;
    case RUN:
      uv_run(&loop, UV_RUN_NOWAIT);
      break;
    case STEPS:
      break;
    }
    if (err != 0)
      _exit(1);
  }
  raise(SIGKILL);
}

/* Starts one, and runs the loop until it has died. */
static void one_dies_at(uv_loop_t *loop, enum step last) {
  int status;
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0)
    die_at(last);
  while (waitpid(pid, &status, WNOHANG) == 0)
    uv_run(loop, UV_RUN_NOWAIT);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  settle(loop);
}

static void next_servers_that_die(void **state) {
  uv_loop_t *loop = open_loop();
  struct thief thief;
  int port;
  dgram_socket_t *server = new_bound(loop, NULL, NULL, &port);
  thief_starts(&thief, port);
  for (int last = CONNECTED; last < STEPS; last++) {
    trace_clear();
    dgram_offer_t *offer = offer_socket(server);
    one_dies_at(loop, (enum step)last);
    if (last < CONFIRMED)
      dgram_handover_withdraw(offer);
    settle(loop);
    assert_trace(last < CONFIRMED ? "" : "taken");
    assert_int_equal(reuse_addr_of(dgram_fileno(server)), 0);
    thief_tries(&thief, 100);
    assert_usable(server);
  }
  thief_got_nothing(&thief);
  close_socket(server);
  close_loop(loop);
}

/* ---- socket activation ---- */

static char program[4096];

static void answer_and_end(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                           void *context) {
  uv_buf_t answer = uv_buf_init((char *)message, (unsigned)rinfo->size);
  dgram_send_to(socket, &answer, 1, rinfo->sockaddr, NULL, NULL);
  if (message[0] == 'e')
    dgram_close(socket, NULL, NULL);
}

/* The program that is activated. Returns which step failed, or 0. */
static int serve(void) {
  dgram_listen_fd_t fd;
  dgram_socket_t *socket;
  dgram_bind_options_t options = dgram_default_bind_options();
  alarm(WATCHDOG_SECONDS);
  if (dgram_listen_fds(&fd, 1, 1) != 1)
    return 1;
  options.fd = fd.fd;
  if (dgram_create_socket(uv_default_loop(), DGRAM_UDP4, answer_and_end, NULL, &socket) != 0 ||
      dgram_bind_options(socket, &options, NULL, NULL) != 0)
    return 2;
  return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

/* What a service manager does: descriptor 3, and the two variables. */
static pid_t activate(int fd) {
  char pid_text[16];
  char mode[] = "serve";
  char *args[] = {program, mode, NULL};
  pid_t pid = fork();
  if (pid != 0)
    return pid;
  snprintf(pid_text, sizeof pid_text, "%d", getpid());
  if (dup2(fd, 3) != 3 || fcntl(3, F_SETFD, 0) != 0 || setenv("LISTEN_PID", pid_text, 1) != 0 ||
      setenv("LISTEN_FDS", "1", 1) != 0)
    _exit(1);
  execv(program, args);
  _exit(1);
}

static void a_socket_of_the_service_manager(void **state) {
  struct thief thief;
  char text[8];
  int status;
  int listener = raw_socket();
  int client = raw_socket();
  watch();
  thief_starts(&thief, raw_port(listener));
  pid_t pid = activate(listener);
  assert_true(pid > 0);
  raw_send(client, "x", 1, raw_port(listener));
  assert_int_equal(raw_receive(client, text, sizeof text), raw_port(listener));
  thief_tries(&thief, 200);
  assert_int_equal(reuse_addr_of(listener), 0);
  raw_send(client, "end", 3, raw_port(listener));
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_int_equal(status, 0);
  thief_got_nothing(&thief);
  close(client);
  close(listener);
}

int main(int argc, char **argv) {
  size_t size = sizeof program;
  if (argc == 2)
    return serve();
  if (uv_exepath(program, &size) != 0)
    return 1;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_server_that_only_runs),
      cmocka_unit_test(an_adopted_socket),
      TAKEN_TEST(hand_overs),
      TAKEN_TEST(next_servers_that_die),
      cmocka_unit_test(a_socket_of_the_service_manager),
  };
  return cmocka_run_group_tests_name("thief", tests, NULL, NULL);
}
