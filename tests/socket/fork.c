/*
 * A process that forks: its child can use sockets, whatever other threads were doing at that
 * moment, and whatever lies where the child makes its loop.
 */
#include "lib/fixture.h"

#include <stdatomic.h>
#include <sys/wait.h>

enum { CHILD_SECONDS = 10 };

/* What went wrong in a child ends it with the line. */
#define must(condition)                                              \
  do {                                                               \
    if (!(condition)) {                                              \
      fprintf(stderr, "child: line %d: %s\n", __LINE__, #condition); \
      _exit(1);                                                      \
    }                                                                \
  } while (0)

static void end_at_once(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                        void *context) {
  must(rinfo->size == 1 && message[0] == 'c');
  must(dgram_close(socket, NULL, NULL) == 0);
}

/* Sends a datagram from a new socket of this loop to itself, and closes it. */
static void use(uv_loop_t *loop) {
  dgram_socket_t *socket;
  dgram_address_t address;
  must(dgram_create_socket(loop, DGRAM_UDP4, end_at_once, NULL, &socket) == 0);
  must(dgram_bind_sync(socket, 0, "127.0.0.1") == 0);
  must(dgram_address(socket, &address) == 0);
  must(dgram_send(socket, "c", 1, address.port, NULL, NULL, NULL) == 0);
  must(uv_run(loop, UV_RUN_DEFAULT) == 0);
}

/* Returns in the child only. */
static pid_t fork_child(void) {
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0)
    alarm(CHILD_SECONDS);
  return pid;
}

/*
 * A child kills itself at its end: what it has left of the parent's, valgrind would take for leaks.
 * One that hangs is ended by its alarm.
 */
static void assert_ended_well(pid_t pid) {
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFSIGNALED(status));
  assert_int_equal(WTERMSIG(status), SIGKILL);
}

/* ---- other threads ---- */

static atomic_int stopping;

/* The list of loops changes with the first socket of each, and the last. */
static void make_and_close(void *context) {
  uv_loop_t loop;
  while (!stopping) {
    dgram_socket_t *socket;
    must(uv_loop_init(&loop) == 0);
    must(dgram_create_socket(&loop, DGRAM_UDP4, NULL, NULL, &socket) == 0);
    for (int i = 0; i < 20; i++) {
      dgram_socket_t *another;
      must(dgram_create_socket(&loop, DGRAM_UDP4, NULL, NULL, &another) == 0);
      must(dgram_close(another, NULL, NULL) == 0);
    }
    must(dgram_close(socket, NULL, NULL) == 0);
    must(uv_run(&loop, UV_RUN_DEFAULT) == 0);
    must(uv_loop_close(&loop) == 0);
  }
}

/* A sanitizer's own malloc() hangs in such a child, at least that of gcc 12. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MALLOC_SURVIVES 0
#else
#define MALLOC_SURVIVES 1
#endif

TEST("a child does not hang by what threads were doing") {
  enum { THREADS = 3 };
  uv_thread_t threads[THREADS];
  int forks = (int)(300 / test_scale());
  if (!MALLOC_SURVIVES) {
    print_message("skipped: this malloc() does not survive a fork\n");
    skip();
  }
  watch();
  stopping = 0;
  for (int i = 0; i < THREADS; i++)
    assert_int_equal(uv_thread_create(&threads[i], make_and_close, NULL), 0);
  for (int i = 0; i < forks; i++) {
    pid_t pid = fork_child();
    if (pid == 0) {
      static uv_loop_t own;
      must(uv_loop_init(&own) == 0);
      use(&own);
      raise(SIGKILL);
    }
    watch();
    assert_ended_well(pid);
  }
  stopping = 1;
  for (int i = 0; i < THREADS; i++)
    assert_int_equal(uv_thread_join(&threads[i]), 0);
}

/* ---- the loop's place ---- */

/* The child's loop is none of the parent's, though it has its address. */
TEST("a new loop at the address of the parent's is new") {
  int port;
  int sent = 0;
  int receiver = raw_socket();
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_send(socket, "p", 1, raw_port(receiver), NULL, count_sent, &sent), 0);
  pid_t pid = fork_child(); /* while the parent's loop has work to do */
  if (pid == 0) {
    must(uv_loop_init(loop) == 0);
    use(loop);
    must(uv_loop_close(loop) == 0);
    raise(SIGKILL);
  }
  assert_ended_well(pid);
  assert_string_equal(arrived(receiver), ""); /* the child has not done the parent's work */
  run_until(loop, &sent, 1);
  assert_string_equal(arrived(receiver), "p");
  close(receiver);
}

static void count_and_close(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                            void *context) {
  dgram_close(socket, NULL, NULL);
}

/* As a program does that becomes a daemon: the parent's sockets are the child's. */
TEST("a loop that goes on in the child keeps its sockets") {
  int port;
  dgram_socket_t *socket = new_bound(loop, count_and_close, NULL, &port);
  pid_t pid = fork_child();
  if (pid == 0) {
    dgram_socket_t *another;
    must(uv_loop_fork(loop) == 0);
    must(dgram_create_socket(loop, DGRAM_UDP4, NULL, NULL, &another) == 0);
    must(dgram_send(another, "d", 1, port, "127.0.0.1", NULL, NULL) == 0);
    while (dgram_bind_state(socket) == DGRAM_BOUND)
      uv_run(loop, UV_RUN_ONCE);
    must(dgram_close(another, NULL, NULL) == 0);
    must(uv_run(loop, UV_RUN_DEFAULT) == 0);
    must(uv_loop_close(loop) == 0);
    raise(SIGKILL);
  }
  assert_ended_well(pid);
  close_socket(socket);
}
