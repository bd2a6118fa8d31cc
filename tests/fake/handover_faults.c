/*
 * Every allocation and every system call of a hand-over fails once, the first, the second, ..., on
 * either side, until one goes through. Whatever fails: nothing crashes or is left over, and a
 * server whose on_taken was not called still has its sockets.
 */
#include "lib/fault.h"

#include <dgram_handover.h>

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "lib/folder.h"
#include "lib/process.h"

enum {
  THIS_USER = 1001,
  ANOTHER_USER = 1002,
  ROOT = 0
}; /* who takes part, as SO_PEERCRED returns it */

static uv_loop_t *server_loop; /* of the server that goes; it runs while the other waits */
static int peer_checks;        /* calls of SO_PEERCRED */
static int other_peer;         /* the time when it is another user; 0: never */
static uid_t other_user;
static bool no_files; /* a connection can't be accepted */
static int accept_calls;

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
FAULT(socket)
FAULT(bind)
FAULT(connect)
FAULT(sendmsg)
FAULT(recvmsg)
FAULT(uv_poll_init)
FAULT_FCNTL()
FAULT_WRAP(int, listen, (int fd, int backlog), (fd, backlog), -1)
FAULT_WRAP(int, fchmodat, (int folder_fd, const char *name, mode_t mode, int flags),
           (folder_fd, name, mode, flags), -1)
FAULT_WRAP(int, rename, (const char *from, const char *to), (from, to), -1)

WRAP(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *length)) {
  if (fails("getsockopt"))
    return -1;
  int result = __real_getsockopt(fd, level, name, value, length);
  if (name == SO_PEERCRED && ++peer_checks == other_peer)
    ((struct ucred *)value)->uid = other_user;
  else if (name == SO_PEERCRED)
    ((struct ucred *)value)->uid = THIS_USER;
  return result;
}

WRAP(int, accept4, (int fd, struct sockaddr *address, socklen_t *length, int flags)) {
  accept_calls++;
  if (no_files)
    errno = EMFILE;
  return no_files || fails("accept4") ? -1 : __real_accept4(fd, address, length, flags);
}

uid_t __wrap_geteuid(void);
uid_t __wrap_geteuid(void) {
  return THIS_USER;
}

int __wrap_poll(struct pollfd *watched, nfds_t count, int timeout);
int __wrap_poll(struct pollfd *watched, nfds_t count, int timeout) {
  if (fails("poll"))
    return -1;
  uv_run(server_loop, UV_RUN_NOWAIT);
  return 1;
}
/* NOLINTEND(bugprone-reserved-identifier) */

__attribute__((constructor)) static void set_hooks(void) {
  fixture_hooks((struct fixture_hooks){folder_make, NULL, NULL, folder_remove});
}

/* ---- a hand-over, both sides of it in this process ---- */

enum { SOCKETS = 2, PATIENCE_MS = 1000 };

static int taken;      /* calls of on_taken */
static int first_take; /* what the first dgram_handover_take() returned */

static void count_taken(void *context) {
  taken++;
}

static void never(uv_timer_t *timer) {
}

/* The first server keeps on running, whatever befalls its offer. */
static void open_loop(uv_timer_t *keep_alive) {
  server_loop = __real_malloc(sizeof *server_loop);
  CHECK(uv_loop_init(server_loop) == 0);
  uv_timer_init(server_loop, keep_alive);
  uv_timer_start(keep_alive, never, UINT32_MAX, 0);
}

static void close_loop(uv_timer_t *keep_alive) {
  uv_close((uv_handle_t *)keep_alive, NULL);
  CHECK(uv_run(server_loop, UV_RUN_DEFAULT) == 0);
  CHECK(uv_loop_close(server_loop) == 0);
  __real_free(server_loop);
}

/* Those that are no more than a reason to call again. */
static bool is_harmless(void) {
  const char *in = fault.in != NULL ? fault.in : "";
  if (strcmp(in, "sendmsg") == 0 || strcmp(in, "recvmsg") == 0)
    return fault.error == EINTR || fault.error == EAGAIN;
  return strcmp(in, "poll") == 0 && fault.error == EINTR;
}

/* Takes, and confirms what came. Returns what dgram_handover_take() does. */
static int take(void) {
  int fds[DGRAM_HANDOVER_MOST];
  dgram_takeover_t *takeover;
  int count = dgram_handover_take(path, PATIENCE_MS, fds, &takeover);
  CHECK((count == SOCKETS) == (takeover != NULL));
  CHECK(count == SOCKETS || (count < 0 && (fault.in != NULL || other_peer != 0)));
  CHECK(count == SOCKETS || !is_harmless());
  CHECK(taken == 0);
  for (int i = 0; i < count; i++)
    __real_close(fds[i]);
  int err = dgram_handover_confirm(takeover);
  CHECK(err == 0 || fault.in != NULL);
  for (int i = 0; i < 5; i++) /* all that was sent is there already */
    uv_run(server_loop, UV_RUN_NOWAIT);
  CHECK(takeover == NULL || err != 0 || taken == 1); /* or both servers would go on */
  CHECK(taken == (takeover != NULL && err == 0) || (fault.in != NULL && !is_harmless()));
  return count;
}

static void hand_over(void) {
  uv_timer_t keep_alive;
  int fds[SOCKETS];
  dgram_offer_t *offer;
  taken = 0;
  peer_checks = 0;
  for (int i = 0; i < SOCKETS; i++)
    fds[i] = __real_socket(AF_INET, SOCK_DGRAM, 0);
  open_loop(&keep_alive);
  int err = dgram_handover_offer(server_loop, path, fds, SOCKETS, count_taken, NULL, &offer);
  CHECK(err == 0 ? offer != NULL : fault.in != NULL && offer == NULL);
  if (err == 0)
    first_take = take();
  if (err == 0 && taken == 0 && fault.in != NULL) /* the next one still can */
    take();
  CHECK(err != 0 || taken == 1 || other_peer != 0);
  if (taken == 0)
    dgram_handover_withdraw(offer);
  close_loop(&keep_alive);
  for (int i = 0; i < SOCKETS; i++)
    __real_close(fds[i]);
  if (taken > 0)
    CHECK(unlink(path) == 0);
  CHECK(rmdir(folder) == 0 && mkdir(folder, S_IRWXU) == 0); /* it is empty */
}

TEST("a hand-over survives each fault on either side") {
  static const int errors[] = {EPERM, EINTR, EAGAIN, EMFILE, EIO};
  survive_all_faults(hand_over, errors, sizeof errors / sizeof *errors, 20);
}

/* The next server checks who offers, and then the one that offers who takes. */
TEST("a hand-over from or to another user is EACCES, and from or to root is none") {
  other_user = ANOTHER_USER;
  for (other_peer = 1; other_peer <= 2; other_peer++) {
    run_with_fault(hand_over, 0);
    assert_int_equal(first_take, UV_EACCES);
    assert_int_equal(taken, 0);
  }
  other_user = ROOT;
  for (other_peer = 1; other_peer <= 2; other_peer++) {
    run_with_fault(hand_over, 0);
    assert_int_equal(first_take, SOCKETS);
  }
  other_peer = 0;
}

/* An offer of one socket, which nobody has taken yet. */
static dgram_offer_t *begin_offer(uv_timer_t *keep_alive) {
  dgram_offer_t *offer;
  int fd = __real_socket(AF_INET, SOCK_DGRAM, 0);
  open_loop(keep_alive);
  taken = 0;
  assert_int_equal(dgram_handover_offer(server_loop, path, &fd, 1, count_taken, NULL, &offer), 0);
  close(fd); /* the offer has it */
  return offer;
}

/* It must not be found readable again and again; there is a descriptor later. */
TEST("a server without a free descriptor does not keep its loop busy") {
  uv_timer_t keep_alive;
  int fds[DGRAM_HANDOVER_MOST];
  dgram_takeover_t *takeover;
  dgram_offer_t *offer = begin_offer(&keep_alive);
  no_files = true;
  accept_calls = 0;
  assert_int_equal(dgram_handover_take(path, 20, fds, &takeover), UV_ETIMEDOUT);
  assert_int_equal(accept_calls, 1);
  no_files = false;
  assert_int_equal(dgram_handover_take(path, PATIENCE_MS, fds, &takeover), 1);
  close(fds[0]);
  dgram_handover_abandon(takeover);
  dgram_handover_withdraw(offer);
  close_loop(&keep_alive);
}

/* A daemon closes them, and then their numbers are free. */
TEST("a taken socket does not get the number of a standard stream") {
  uv_timer_t keep_alive;
  dgram_offer_t *offer = begin_offer(&keep_alive);
  process_close_standard();
  int fds[DGRAM_HANDOVER_MOST] = {0};
  dgram_takeover_t *takeover;
  int count = dgram_handover_take(path, PATIENCE_MS, fds, &takeover);
  dgram_handover_abandon(takeover);
  uv_run(server_loop, UV_RUN_NOWAIT);
  process_open_standard();
  assert_int_equal(count, 1);
  assert_true(fds[0] > STDERR_FILENO);
  close(fds[0]);
  dgram_handover_withdraw(offer);
  close_loop(&keep_alive);
}
