/*
 * A program with more rights than its user (set-group-ID) believes no variable of its environment.
 * It is this program, copied; the same copy without the rights believes each.
 */
#include "internal.h"

#include <dgram_cluster.h>
#include <dgram_handover.h>

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "frame.h"
#include "lib/fixture.h"
#include "lib/folder.h"
#include "lib/process.h"

enum { SOME_GROUP = 65534 };

/* ---- the program that is started ---- */

/* Prints what it has believed. */
static int print_believed(void) {
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
static void run_copy(int output, const char *mode, uid_t user) {
  char text[16];
  if (process_invite_worker(DGRAM__FRAME_VERSION, 1) < 0 || dup2(output, STDOUT_FILENO) < 0)
    _exit(2);
  snprintf(text, sizeof text, "%d", getpid());
  setenv("LISTEN_PID", text, 1);
  setenv("LISTEN_FDS", "1", 1);
  setenv("DGRAM_GSO", "0", 1);
  setenv("DGRAM_GRO", "0", 1);
  setenv("DGRAM_MMSG", "0", 1);
  if (strcmp(mode, "print") != 0)
    unsetenv("DGRAM_CLUSTER");
  if (user != 0 && (setgid(user) != 0 || setuid(user) != 0))
    _exit(5);
  execl(path, path, mode, (char *)NULL);
  _exit(4);
}

static const char *printed(const char *mode, uid_t user) {
  static char words[256];
  int output[2];
  int status;
  assert_int_equal(pipe(output), 0);
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0)
    run_copy(output[1], mode, user);
  close(output[1]);
  FILE *lines = fdopen(output[0], "r");
  assert_non_null(lines);
  words[fread(words, 1, sizeof words - 1, lines)] = '\0';
  fclose(lines);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_int_equal(status, 0);
  return words;
}

/* Of the copy: its group's, or those of whoever starts it. */
static void set_rights(mode_t set_group_id) {
  struct statvfs mount;
  if (geteuid() != 0 || statvfs(folder, &mount) != 0 || (mount.f_flag & ST_NOSUID) != 0) {
    print_message("skipped: this user, or this file system, can't give a program more rights\n");
    skip();
  }
  assert_int_equal(chown(path, 0, SOME_GROUP), 0);
  assert_int_equal(chmod(path, set_group_id | 0755), 0);
}

TEST("a program with more rights than its user believes no variable") {
  set_rights(0);
  assert_string_equal(printed("print", 0), "primary 0, descriptors 1, gso 0, gro 0, mmsg 0\n");
  set_rights(S_ISGID);
  assert_string_equal(printed("print", 0), "primary 1, descriptors 0, gso 1, gro 1, mmsg 1\n");
}

/* Who has made the channel has the group that only the file gives: so it is no other's. */
TEST("a program with more rights than its user is the primary of its own workers") {
  set_rights(0);
  assert_string_equal(printed("primary", 0), "worker 7,0\n");
  set_rights(S_ISGID);
  assert_string_equal(printed("primary", 0), "worker 7,0\n");
}

/* They would take themselves for primaries, and start workers in their turn. */
TEST("a program whose workers would believe nothing starts none: EPERM") {
  static const uint32_t bind_service[] = {0x02000001, 1 << 10, 0, 0, 0}; /* capabilities(7) */
  set_rights(S_ISGID);
  assert_string_equal(printed("given up", 0), "EPERM\n");
  set_rights(0);
  if (setxattr(path, "security.capability", bind_service, sizeof bind_service, 0) != 0) {
    print_message("skipped: no file capabilities here\n");
    skip();
  }
  assert_string_equal(printed("primary", SOME_GROUP), "EPERM\n");
  assert_string_equal(printed("print", SOME_GROUP),
                      "primary 1, descriptors 0, gso 1, gro 1, mmsg 1\n");
}

/* ---- the copy ---- */

static int make_copy(void **state) {
  char bytes[65536];
  folder_make(state);
  assert_int_equal(chmod(folder, 0755), 0);
  int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  int to = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
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
  return unlink(path) + rmdir(folder);
}

int main(int argc, char **argv) {
  const char *mode = argc == 2 ? argv[1] : "";
  fixture_hooks((struct fixture_hooks){make_copy, NULL, NULL, remove_copy});
  if (strcmp(mode, "print") == 0)
    return print_believed();
  if (strcmp(mode, "worker") == 0)
    return be_worker();
  return argc == 2 ? be_primary(argv[0], strcmp(mode, "given up") == 0) : fixture_run();
}
