/*
 * A primary and a worker of it while every allocation and system call fails once: nothing crashes,
 * nothing is left over, and the end of what was begun is reported. The worker is a process of its
 * own when the primary is looked at, and the primary one thread's other end of a channel when the
 * worker is.
 */
#include "internal.h"

#include <dgram_cluster.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/fault.h"
#include "lib/process.h"

#include "channel.h"
#include "worker_env.h"

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
FAULT(socket)
FAULT(bind)
FAULT(getsockname)
FAULT(setsockopt)
FAULT(recvmsg)
FAULT(uv_poll_init)
FAULT(uv_poll_init_socket)
FAULT_FCNTL()
/* That too many descriptors are on their way does not change from one call to the next. */
static bool too_many_refs(void) {
  return fault.in != NULL && strcmp(fault.in, "sendmsg") == 0 && fault.error == ETOOMANYREFS;
}

WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags)) {
  bool refused = fails("sendmsg") || (too_many_refs() && message->msg_controllen > 0);
  if (refused)
    errno = fault.error;
  return refused ? -1 : __real_sendmsg(fd, message, flags);
}

FAULT_WRAP(int, socketpair, (int family, int type, int protocol, int fds[2]),
           (family, type, protocol, fds), -1)

/* It makes the handle one of the loop's even when it fails. */
WRAP(int, uv_spawn, (uv_loop_t * on, uv_process_t *process, const uv_process_options_t *options)) {
  uv_process_options_t used = *options;
  if (fails("uv_spawn"))
    used.file = "/nowhere/no-such-program";
  return __real_uv_spawn(on, process, &used);
}
/* NOLINTEND(bugprone-reserved-identifier) */

static const int errors[] = {EIO, EAGAIN, EINTR, ETOOMANYREFS};
enum { ERRORS = sizeof errors / sizeof *errors, LEAST = 5 };

static uv_loop_t scenario_loop;

static void end_loop(void) {
  CHECK(uv_run(&scenario_loop, UV_RUN_DEFAULT) == 0);
  CHECK(uv_loop_close(&scenario_loop) == 0);
}

/* ---- a primary ---- */

static int onlines;
static int disconnects;
static int exits;
static int closes;

static void on_online(dgram_cluster_t *cluster, int id, void *context) {
  onlines++;
}

/* The worker has sent all that it has to send. */
static void on_listening(dgram_cluster_t *cluster, int id, const dgram_address_t *address,
                         void *context) {
  CHECK(address->port > 0);
  dgram_cluster_kill(cluster, id, SIGKILL);
}

static void on_worker_disconnect(dgram_cluster_t *cluster, int id, void *context) {
  disconnects++;
  dgram_cluster_kill(cluster, id, SIGKILL); /* unless it has ended */
}

static void on_worker_exit(dgram_cluster_t *cluster, int id, int64_t status, int signum,
                           void *context) {
  CHECK(!too_many_refs() || signum == 0); /* it was refused a socket, and goes on */
  CHECK(disconnects == exits + 1);
  exits++;
}

static void on_cluster_closed(void *context) {
  closes++;
}

static void a_primary(void) {
  char *const args[] = {"worker", NULL};
  dgram_cluster_t *cluster;
  dgram_cluster_options_t options = dgram_default_cluster_options(args);
  options.on_online = on_online;
  options.on_listening = on_listening;
  options.on_disconnect = on_worker_disconnect;
  options.on_exit = on_worker_exit;
  onlines = disconnects = exits = closes = 0;
  uv_loop_init(&scenario_loop);
  int err = dgram_cluster_create(&scenario_loop, &options, &cluster);
  CHECK(err == 0 || (fault.in != NULL && cluster == NULL));
  if (err == 0) {
    int id = dgram_cluster_fork(cluster, NULL);
    CHECK(id == 1 || (id < 0 && fault.in != NULL));
    while (id == 1 && exits == 0)
      uv_run(&scenario_loop, UV_RUN_ONCE);
    CHECK(dgram_cluster_close(cluster, 0, on_cluster_closed, NULL) == 0);
    CHECK(closes == 0);
  }
  end_loop();
  CHECK(closes == (err == 0));
}

/* In the process that the primary starts. When it was refused it requests no more, and ends. */
static void on_refused(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  dgram_close(socket, NULL, NULL);
}

static int be_worker(void) {
  dgram_worker_t *worker;
  dgram_socket_t *socket;
  uv_loop_init(&scenario_loop);
  if (dgram_worker_join(&scenario_loop, NULL, NULL, &worker) != 0 ||
      dgram_create_socket(&scenario_loop, DGRAM_UDP4, NULL, NULL, &socket) != 0)
    return 1;
  dgram_on_error(socket, on_refused, NULL);
  dgram_bind(socket, 0, "127.0.0.1", NULL, NULL);
  return uv_run(&scenario_loop, UV_RUN_DEFAULT);
}

TEST("a primary survives each fault") {
  survive_all_faults(a_primary, errors, ERRORS, LEAST);
}

/* ---- a worker ---- */

static struct dgram__channel primary;
static int placeholder; /* keeps descriptor 3 free of what libuv opens */
static int left;
static int binds_ended;
static int sockets_closed;

/* Outside of what is looked at: nothing fails here, and no call is counted. */
static void invite(void) {
  unsigned at = fault.at;
  unsigned calls = fault.calls;
  fault.at = 0;
  dgram__channel_init(&primary, process_invite_worker(DGRAM__FRAME_VERSION, 1));
  CHECK(primary.fd >= 0);
  fault.calls = calls;
  fault.at = at;
}

/* As a primary does, with system calls of its own that may fail too; then it reads no more. */
static void answer_asks(void) {
  struct dgram__frame frame;
  int got = dgram__channel_receive(&primary, &frame, NULL);
  if (got < 0 || dgram__channel_resume(&primary) != 0)
    dgram__channel_close(&primary);
  if (got <= 0 || primary.fd < 0 || frame.kind != DGRAM__FRAME_REQUEST)
    return;
  struct dgram__udp path = {.fd = -1};
  struct dgram__settings settings = {.local = frame.address};
  int err = dgram__udp_open(&path, &settings);
  const struct dgram__frame answer = {
      .kind = DGRAM__FRAME_REPLY, .number = frame.number, .status = err};
  if (dgram__channel_send(&primary, &answer, err == 0 ? path.fd : -1) != 0)
    dgram__channel_close(&primary);
  if (err == 0)
    close(path.fd);
}

static void on_left(dgram_worker_t *worker, void *context) {
  left++;
}

static void on_listening_here(dgram_socket_t *socket, void *context) {
  binds_ended++;
}

static void on_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  CHECK(error->code < 0);
  binds_ended++;
}

static void on_close(dgram_socket_t *socket, void *context) {
  sockets_closed++;
}

/* Shares a socket, or fails to; ends with the socket closed, whoever closes it first. */
static void share_one(void) {
  dgram_socket_t *socket;
  if (dgram_create_socket(&scenario_loop, DGRAM_UDP4, NULL, NULL, &socket) != 0)
    return;
  bool listens = dgram_on_listening(socket, on_listening_here, NULL) == 0 &&
                 dgram_on_error(socket, on_error, NULL) == 0 &&
                 dgram_on_close(socket, on_close, NULL) == 0;
  bool binds = listens && dgram_bind(socket, 0, "127.0.0.1", NULL, NULL) == 0;
  CHECK(binds || fault.in != NULL);
  while (binds && binds_ended == 0) {
    if (primary.fd >= 0)
      answer_asks();
    uv_run(&scenario_loop, UV_RUN_NOWAIT);
  }
  if (!listens || sockets_closed == 0)
    (void)dgram_close(socket, NULL, NULL); /* refused if the end of the connection has closed it */
  uv_run(&scenario_loop, UV_RUN_NOWAIT);
  CHECK(binds_ended == binds);
}

static void a_worker(void) {
  dgram_worker_t *worker;
  left = binds_ended = sockets_closed = 0;
  invite();
  uv_loop_init(&scenario_loop);
  int err = dgram_worker_join(&scenario_loop, on_left, NULL, &worker);
  CHECK(err == 0 || (fault.in != NULL && worker == NULL));
  CHECK(err == 0 || (__real_fcntl(DGRAM__CHANNEL_FD, F_GETFD) & FD_CLOEXEC) == 0); /* as it was */
  if (err == 0) {
    share_one();
    if (left == 0)
      dgram_worker_leave(worker);
  }
  end_loop();
  CHECK(left == (err == 0));
  dgram__channel_close(&primary);
  dup2(placeholder, DGRAM__CHANNEL_FD);
}

TEST("a worker survives each fault") {
  survive_all_faults(a_worker, errors, ERRORS, LEAST);
  unsetenv("DGRAM_CLUSTER");
}

int main(void) {
  if (!dgram_cluster_is_primary())
    return be_worker();
  placeholder = __real_fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
  dup2(placeholder, DGRAM__CHANNEL_FD);
  a_primary(); /* libuv opens files of its own for the first process */
  return fixture_run();
}
