/*
 * Starting a group while the system refuses one thing, and then while every allocation and call
 * fails once, the first, the second, ...: whatever fails, nothing is left over.
 */
#include "lib/fault.h"

#include <dgram_group.h>

#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>

enum { THREADS = 3, MOST_BINDS = THREADS + 1 };

static struct noted_bind {
  bool shares;
  int port;
} binds[MOST_BINDS];
static int bound;

static int refused; /* the option of SOL_SOCKET that is always refused; 0: none */

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
FAULT(socket)
FAULT(getsockname)
FAULT(uv_poll_init_socket)
FAULT_WRAP(int, sched_getaffinity, (pid_t process, size_t size, cpu_set_t *cpus),
           (process, size, cpus), -1)
FAULT_WRAP(int, sched_setaffinity, (pid_t process, size_t size, const cpu_set_t *cpus),
           (process, size, cpus), -1)
FAULT_WRAP(int, uv_loop_init, (uv_loop_t * loop), (loop), UV_EMFILE)
FAULT_WRAP(int, uv_async_init, (uv_loop_t * loop, uv_async_t *async, uv_async_cb callback),
           (loop, async, callback), UV_EMFILE)
FAULT_WRAP(int, uv_mutex_init, (uv_mutex_t * mutex), (mutex), UV_ENOMEM)
FAULT_WRAP(int, uv_sem_init, (uv_sem_t * semaphore, unsigned value), (semaphore, value), UV_ENOMEM)
FAULT_WRAP(int, uv_thread_create, (uv_thread_t * thread, uv_thread_cb run, void *context),
           (thread, run, context), UV_EAGAIN)

/* Notes of each whether it shares, and its port. */
WRAP(int, bind, (int fd, const struct sockaddr *address, socklen_t length)) {
  struct sockaddr_in local;
  int shares = 0;
  socklen_t size = sizeof shares;
  memcpy(&local, address, sizeof local);
  if (bound < MOST_BINDS && getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &shares, &size) == 0)
    binds[bound++] = (struct noted_bind){shares != 0, ntohs(local.sin_port)};
  return fails("bind") ? -1 : __real_bind(fd, address, length);
}

WRAP(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t length)) {
  if (level == SOL_SOCKET && name == refused) {
    errno = fault.error;
    return -1;
  }
  return fails("setsockopt") ? -1 : __real_setsockopt(fd, level, name, value, length);
}
/* NOLINTEND(bugprone-reserved-identifier) */

/* ---- the group ---- */

static atomic_int started; /* threads that owe an on_stop */

static void ignore_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                           void *context) {
}

static int start(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  int err = dgram_on_message(socket, ignore_message, NULL);
  started += err == 0;
  return err;
}

static void stop(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  started--;
}

/* Does it all: pins, and steers. */
static int start_and_stop(dgram_steer_t steer) {
  dgram_options_t socket = dgram_default_options(DGRAM_UDP4);
  dgram_group_options_t options = dgram_default_group_options(&socket, start, NULL);
  dgram_group_t *group;
  options.address = "127.0.0.1";
  options.threads = THREADS;
  options.steer = steer;
  options.pin = 1;
  options.on_stop = stop;
  int err = dgram_group_start(&options, &group);
  assert_true((group != NULL) == (err == 0));
  if (err == 0)
    assert_int_equal(started, THREADS);
  assert_int_equal(dgram_group_stop(group), 0);
  return err;
}

/* ---- tests ---- */

/* And nothing that was requested is missing without an error. */
static void start_and_fail(void) {
  int err = start_and_stop(DGRAM_STEER_CPU);
  bool evaded = fault.in != NULL && strcmp(fault.in, "socket") == 0; /* by one without flags */
  CHECK((err < 0) == (fault.in != NULL) || evaded);
  CHECK(started == 0 || err == 0);
}

TEST("a group whose start meets a fault fails, and leaves nothing") {
  static const int errors[] = {EPERM};
  survive_all_faults(start_and_fail, errors, 1, 5);
}

static void assert_refusal(int option, int with, dgram_steer_t steer, int expected) {
  refused = option;
  fault.error = with;
  assert_int_equal(start_and_stop(steer), expected);
  refused = 0;
}

TEST("a group is ENOTSUP on a kernel that has no SO_REUSEPORT") {
  assert_refusal(SO_REUSEPORT, ENOPROTOOPT, DGRAM_STEER_FLOW, UV_ENOTSUP);
}

TEST("a group that steers is ENOTSUP on a kernel that takes no program") {
  assert_refusal(SO_ATTACH_REUSEPORT_CBPF, ENOPROTOOPT, DGRAM_STEER_CPU, UV_ENOTSUP);
  assert_refusal(SO_ATTACH_REUSEPORT_CBPF, ENOPROTOOPT, DGRAM_STEER_PAYLOAD, UV_ENOTSUP);
}

TEST("another refusal of the group's program is returned as it is") {
  assert_refusal(SO_ATTACH_REUSEPORT_CBPF, EPERM, DGRAM_STEER_CPU, UV_EPERM);
}

TEST("a group that does not steer needs no program") {
  assert_refusal(SO_ATTACH_REUSEPORT_CBPF, ENOPROTOOPT, DGRAM_STEER_FLOW, 0);
}

/* The system may choose a port that others share for a socket that shares, too. */
TEST("a port is chosen by a socket that does not share") {
  bound = 0;
  assert_int_equal(start_and_stop(DGRAM_STEER_FLOW), 0);
  assert_int_equal(bound, THREADS + 1);
  assert_false(binds[0].shares);
  assert_int_equal(binds[0].port, 0);
  for (int i = 1; i <= THREADS; i++) {
    assert_true(binds[i].shares);
    assert_int_not_equal(binds[i].port, 0);
    assert_int_equal(binds[i].port, binds[1].port);
  }
}

/* The first socket makes a lock of the library's. */
int main(void) {
  return start_and_stop(DGRAM_STEER_FLOW) == 0 ? fixture_run() : 1;
}
