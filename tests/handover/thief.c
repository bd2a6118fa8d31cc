/*
 * No other socket can bind the exclusive port of a server: not in a hand-over, not when the next
 * server dies during one, and not with a socket of the service manager.
 * DGRAM_TEST_HANDOVERS is the number of hand-overs; the default is 100.
 */
#include "lib/handover_fixture.h"
#include "lib/thief.h"

#include <sys/wait.h>

TEST("no other socket gets the port of a server that runs") {
  struct thief thief;
  int port;
  dgram_socket_t *server = new_bound(loop, NULL, NULL, &port);
  thief_start(&thief, port);
  assert_usable(server);
  thief_end(&thief);
}

TEST("no other socket gets the port of an adopted socket") {
  struct thief thief;
  int fd = raw_socket();
  thief_start(&thief, raw_port(fd));
  assert_usable(new_taken(loop, fd, NULL, NULL));
  thief_end(&thief);
}

static int handover_count(void) {
  const char *text = getenv("DGRAM_TEST_HANDOVERS");
  return text != NULL ? atoi(text) : (int)(100 / test_scale());
}

TEST("no other socket gets the port in hand-overs") {
  struct thief thief;
  int port;
  int count = handover_count();
  dgram_socket_t *server = new_bound(loop, NULL, NULL, &port);
  thief_start(&thief, port);
  for (int i = 0; i < count; i++) {
    watch();
    server = hand_over(loop, server);
    assert_int_equal(raw_option(dgram_fileno(server), SO_REUSEADDR), 0);
  }
  assert_usable(server);
  thief_end(&thief);
}

/* ---- a next server that dies ---- */

enum step { CONNECTED, TAKEN, CREATED, BOUND, OFFERED, CONFIRMED, RUN, STEPS };

/* Runs in a process of its own, which ends after this step. */
static void die_at(enum step last) {
  static uv_loop_t loop;
  int fds[DGRAM_HANDOVER_MOST];
  dgram_takeover_t *takeover;
  dgram_offer_t *offer;
  dgram_socket_t *socket;
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
      err = adopt_fd(socket, fds[0]);
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

TEST("no other socket gets the port when the next server dies at any step of a hand-over") {
  struct thief thief;
  int port;
  dgram_socket_t *server = new_bound(loop, NULL, NULL, &port);
  thief_start(&thief, port);
  for (int last = CONNECTED; last < STEPS; last++) {
    trace_clear();
    dgram_offer_t *offer = offer_socket(server);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
      die_at((enum step)last);
    process_run_until_killed(loop, pid);
    settle(loop);
    if (last < CONFIRMED)
      withdraw(offer);
    settle(loop);
    assert_trace(last < CONFIRMED ? "" : "taken");
    assert_int_equal(raw_option(dgram_fileno(server), SO_REUSEADDR), 0);
    thief_try(&thief, 100);
    assert_usable(server);
  }
  thief_end(&thief);
}

/* ---- socket activation ---- */

static void reply_and_close(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
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
  watch();
  if (dgram_listen_fds(&fd, 1, 1) != 1)
    return 1;
  if (dgram_create_socket(uv_default_loop(), DGRAM_UDP4, reply_and_close, NULL, &socket) != 0 ||
      adopt_fd(socket, fd.fd) != 0)
    return 2;
  return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

/* Starts the program as a service manager does: descriptor 3, and the two variables. */
static pid_t activate(int fd) {
  char pid_text[16];
  char mode[] = "serve";
  char *args[] = {(char *)process_program(), mode, NULL};
  pid_t pid = fork();
  if (pid != 0)
    return pid;
  snprintf(pid_text, sizeof pid_text, "%d", getpid());
  if (dup2(fd, 3) != 3 || fcntl(3, F_SETFD, 0) != 0 || setenv("LISTEN_PID", pid_text, 1) != 0 ||
      setenv("LISTEN_FDS", "1", 1) != 0)
    _exit(1);
  execv(args[0], args);
  _exit(1);
}

TEST("no other socket gets the port of a socket of the service manager") {
  struct thief thief;
  char text[8];
  int status;
  int listener = raw_socket();
  int client = raw_socket();
  thief_start(&thief, raw_port(listener));
  pid_t pid = activate(listener);
  assert_true(pid > 0);
  raw_send(client, "x", 1, raw_port(listener));
  assert_int_equal(raw_receive(client, text, sizeof text), raw_port(listener));
  thief_try(&thief, 200);
  assert_int_equal(raw_option(listener, SO_REUSEADDR), 0);
  raw_send(client, "end", 3, raw_port(listener));
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_int_equal(status, 0);
  thief_end(&thief);
  close(client);
  close(listener);
}

int main(int argc, char **argv) {
  return argc == 2 ? serve() : fixture_run();
}
