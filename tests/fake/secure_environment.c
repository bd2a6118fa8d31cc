/*
 * A program with more rights than its user (set-group-ID) believes no variable of its environment.
 * It is this program, copied; the same copy without the rights believes each.
 */
#include "internal.h"

#include <dgram_cluster.h>
#include <dgram_handover.h>

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "descriptor.h"
#include "worker_env.h"
#include "frame.h"

enum { SOME_GROUP = 65534 };

static char folder[32];
static char copy[64];

/* ---- the program that is started ---- */

/* Says what it has believed. */
static int tell(void) {
  uv_loop_t loop;
  uv_loop_init(&loop);
  struct dgram__loop *entered = dgram__loop_enter(&loop);
  if (entered == NULL)
    return 1;
  const struct dgram__udp_capabilities *capabilities = &entered->capabilities;
  printf("primary %d, descriptors %d, gso %d, gro %d, mmsg %d\n", dgram_cluster_is_primary(),
         dgram_listen_fds(NULL, 0, 0), capabilities->max_segments > 1,
         capabilities->max_gro_segments > 1, capabilities->max_tx_batch > 1);
  dgram__loop_leave(entered);
  uv_run(&loop, UV_RUN_DEFAULT);
  return uv_loop_close(&loop);
}

/* As a primary that starts itself as a worker: how that has ended, or why there is none. */

static void on_worker_end(dgram_cluster_t *cluster, int id, int64_t status, int signum,
                          void *context) {
  printf("worker %d,%d\n", (int)status, signum);
  dgram_cluster_close(cluster, 0, NULL, NULL);
}

static int be_primary(char *program, bool gives_up) {
  char role[] = "worker";
  char *const args[] = {program, role, NULL};
  uv_loop_t *loop = uv_default_loop();
  dgram_cluster_t *cluster;
  dgram_cluster_options_t options = dgram_default_cluster_options(args);
  options.on_exit = on_worker_end;
  if ((gives_up && setegid(getgid()) != 0) || dgram_cluster_create(loop, &options, &cluster) != 0)
    return 1;
  int id = dgram_cluster_fork(cluster, NULL);
  if (id < 0) {
    printf("%s\n", uv_err_name(id));
    dgram_cluster_close(cluster, 0, NULL, NULL);
  }
  uv_run(loop, UV_RUN_DEFAULT);
  return uv_loop_close(loop);
}

/* Ends with 7 when all is well. */
static int be_worker(void) {
  dgram_worker_t *worker;
  if (dgram_cluster_is_primary())
    return 1;
  if (dgram_worker_join(uv_default_loop(), NULL, NULL, &worker) != 0)
    return 2;
  dgram_worker_leave(worker);
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  return uv_loop_close(uv_default_loop()) == 0 ? 7 : 3;
}

/* ---- starting it ---- */

/* In the process that becomes it: an invitation that is right in every bit, and the others. */
static void believe_this(int output, const char *mode, uid_t user) {
  int fds[2];
  char text[64];
  struct stat file;
  if (dgram__descriptor_pair(fds) != 0 || dup2(output, STDOUT_FILENO) < 0)
    _exit(2);
  if (dup2(fds[1], DGRAM__CHANNEL_FD) < 0 || fcntl(DGRAM__CHANNEL_FD, F_SETFD, 0) != 0 ||
      fstat(DGRAM__CHANNEL_FD, &file) != 0)
    _exit(3);
  snprintf(text, sizeof text, "%d:1:%llu", DGRAM__FRAME_VERSION, (unsigned long long)file.st_ino);
  setenv("DGRAM_CLUSTER", text, 1);
  snprintf(text, sizeof text, "%d", getpid());
  setenv("LISTEN_PID", text, 1);
  setenv("LISTEN_FDS", "1", 1);
  setenv("DGRAM_GSO", "0", 1);
  setenv("DGRAM_GRO", "0", 1);
  setenv("DGRAM_MMSG", "0", 1);
  if (strcmp(mode, "tell") != 0)
    unsetenv("DGRAM_CLUSTER");
  if (user != 0 && (setgid(user) != 0 || setuid(user) != 0))
    _exit(5);
  execl(copy, copy, mode, (char *)NULL);
  _exit(4);
}

static const char *told(const char *mode, uid_t user) {
  static char words[256];
  int output[2];
  int status;
  assert_int_equal(pipe(output), 0);
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0)
    believe_this(output[1], mode, user);
  close(output[1]);
  FILE *said = fdopen(output[0], "r");
  assert_non_null(said);
  words[fread(words, 1, sizeof words - 1, said)] = '\0';
  fclose(said);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_int_equal(status, 0);
  return words;
}

static void skip_without_rights(void) {
  struct statvfs mount;
  if (geteuid() != 0 || statvfs(folder, &mount) != 0 || (mount.f_flag & ST_NOSUID) != 0) {
    print_message("skipped: this user, or this file system, can't give a program more rights\n");
    skip();
  }
}

static void nothing_is_believed_with_more_rights(void **state) {
  skip_without_rights();
  assert_int_equal(chown(copy, 0, SOME_GROUP), 0);
  assert_int_equal(chmod(copy, 0755), 0);
  assert_string_equal(told("tell", 0), "primary 0, descriptors 1, gso 0, gro 0, mmsg 0\n");
  assert_int_equal(chmod(copy, S_ISGID | 0755), 0);
  assert_string_equal(told("tell", 0), "primary 1, descriptors 0, gso 1, gro 1, mmsg 1\n");
}

/* Who has made the channel has the group that only the file gives: so it is no other's. */
static void its_own_workers_are_workers(void **state) {
  skip_without_rights();
  assert_int_equal(chown(copy, 0, SOME_GROUP), 0);
  assert_int_equal(chmod(copy, 0755), 0);
  assert_string_equal(told("primary", 0), "worker 7,0\n");
  assert_int_equal(chmod(copy, S_ISGID | 0755), 0);
  assert_string_equal(told("primary", 0), "worker 7,0\n");
}

/* They would take themselves for primaries, and start workers in their turn. */
static void or_there_are_none(void **state) {
  static const uint32_t bind_service[] = {0x02000001, 1 << 10, 0, 0, 0}; /* capabilities(7) */
  skip_without_rights();
  assert_int_equal(chown(copy, 0, SOME_GROUP), 0);
  assert_int_equal(chmod(copy, S_ISGID | 0755), 0);
  assert_string_equal(told("given up", 0), "EPERM\n");
  assert_int_equal(chmod(copy, 0755), 0);
  if (setxattr(copy, "security.capability", bind_service, sizeof bind_service, 0) != 0) {
    print_message("skipped: no file capabilities here\n");
    skip();
  }
  assert_string_equal(told("primary", SOME_GROUP), "EPERM\n");
  assert_string_equal(told("tell", SOME_GROUP), "primary 1, descriptors 0, gso 1, gro 1, mmsg 1\n");
  assert_int_equal(removexattr(copy, "security.capability"), 0);
}

/* ---- the copy ---- */

static int make_copy(void **state) {
  char bytes[65536];
  snprintf(folder, sizeof folder, "/tmp/dgram-XXXXXX");
  assert_non_null(mkdtemp(folder));
  assert_int_equal(chmod(folder, 0755), 0);
  snprintf(copy, sizeof copy, "%s/copy", folder);
  int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  int to = open(copy, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
  assert_true(from >= 0 && to >= 0);
  ssize_t size;
  while ((size = read(from, bytes, sizeof bytes)) > 0)
    assert_int_equal(write(to, bytes, (size_t)size), size);
  assert_int_equal(size, 0);
  close(from);
  close(to);
  return 0;
}

static int remove_copy(void **state) {
  return unlink(copy) + rmdir(folder);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nothing_is_believed_with_more_rights),
      cmocka_unit_test(its_own_workers_are_workers),
      cmocka_unit_test(or_there_are_none),
  };
  const char *mode = argc == 2 ? argv[1] : "";
  if (strcmp(mode, "tell") == 0)
    return tell();
  if (strcmp(mode, "worker") == 0)
    return be_worker();
  if (argc == 2)
    return be_primary(argv[0], strcmp(mode, "given up") == 0);
  return cmocka_run_group_tests(tests, make_copy, remove_copy);
}
