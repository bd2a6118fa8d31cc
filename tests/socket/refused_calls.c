/*
 * A sandbox (seccomp) that refuses recvmmsg and sendmmsg when they are called, by each of the codes
 * that sandboxes use. Each case is a process of its own, for a filter can't be taken off.
 */
#include "lib/fixture.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { DATAGRAMS = 100, CANNOT = 77 };

/* From now on the calls answer with the error. Returns false where the system has no filters. */
static int refuse(int error) {
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_recvmmsg, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendmmsg, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = filter};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static int wrong; /* errors, or callbacks with one */

static void count_wrong(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  wrong++;
}

static void on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                    void *context) {
  wrong += error != NULL;
  ++*(int *)context;
}

/* In the child: all that is sent arrives, and nothing else happens. Returns its exit code. */
static int exchange(int error) {
  uv_loop_t loop;
  dgram_socket_t *socket;
  dgram_address_t address;
  int sent = 0;
  int received = 0;
  alarm(WATCHDOG_SECONDS);
  if (!refuse(error))
    return CANNOT;
  if (uv_loop_init(&loop) != 0 ||
      dgram_create_socket(&loop, DGRAM_UDP4, count_message, &received, &socket) != 0 ||
      dgram_on_error(socket, count_wrong, NULL) != 0 ||
      dgram_bind_sync(socket, 0, "127.0.0.1") != 0 || dgram_address(socket, &address) != 0)
    return 1;
  for (int i = 0; i < DATAGRAMS; i++)
    if (dgram_send(socket, &"abcd"[i % 4], 1, address.port, NULL, on_sent, &sent) != 0)
      return 2;
  while (received < DATAGRAMS || sent < DATAGRAMS)
    uv_run(&loop, UV_RUN_ONCE);
  dgram_close(socket, NULL, NULL);
  uv_run(&loop, UV_RUN_DEFAULT);
  return wrong == 0 && received == DATAGRAMS && sent == DATAGRAMS && uv_loop_close(&loop) == 0 ? 0
                                                                                               : 3;
}

static void all_arrives_when_it_answers(int error) {
  int status;
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0)
    _exit(exchange(error));
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status));
  if (WEXITSTATUS(status) == CANNOT) {
    print_message("skipped: no seccomp filters here\n");
    skip();
  }
  assert_int_equal(WEXITSTATUS(status), 0);
}

TEST("a socket works where the many-datagram calls fail with ENOSYS") {
  all_arrives_when_it_answers(ENOSYS);
}

TEST("a socket works where the many-datagram calls fail with EPERM") {
  all_arrives_when_it_answers(EPERM);
}

TEST("a socket works where the many-datagram calls fail with EACCES") {
  all_arrives_when_it_answers(EACCES);
}
