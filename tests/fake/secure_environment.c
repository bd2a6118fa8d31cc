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
#include <unistd.h>

#include <cmocka.h>

#include "descriptor.h"
#include "invitation.h"
#include "wire.h"

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
  printf("primary %d, descriptors %d, %s, gso %d\n", dgram_cluster_is_primary(),
         dgram_listen_fds(NULL, 0, 0), entered->datapath->name, entered->gso);
  dgram__loop_leave(entered);
  uv_run(&loop, UV_RUN_DEFAULT);
  return uv_loop_close(&loop);
}

/* ---- starting it ---- */

/* In the process that becomes it: an invitation that is right in every bit, and the others. */
static void believe_this(int output) {
  int fds[2];
  char text[64];
  struct stat file;
  if (dgram__descriptor_pair(fds) != 0 || dup2(output, STDOUT_FILENO) < 0)
    _exit(2);
  if (dup2(fds[1], DGRAM__CHANNEL_FD) < 0 || fcntl(DGRAM__CHANNEL_FD, F_SETFD, 0) != 0 ||
      fstat(DGRAM__CHANNEL_FD, &file) != 0)
    _exit(3);
  snprintf(text, sizeof text, "%d:1:%llu", DGRAM__WIRE_VERSION, (unsigned long long)file.st_ino);
  setenv("DGRAM_CLUSTER", text, 1);
  snprintf(text, sizeof text, "%d", getpid());
  setenv("LISTEN_PID", text, 1);
  setenv("LISTEN_FDS", "1", 1);
  setenv("DGRAM_DATAPATH", "posix", 1);
  setenv("DGRAM_GSO", "0", 1);
  execl(copy, copy, "tell", (char *)NULL);
  _exit(4);
}

static const char *told(void) {
  static char words[256];
  int output[2];
  int status;
  assert_int_equal(pipe(output), 0);
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0)
    believe_this(output[1]);
  close(output[1]);
  FILE *said = fdopen(output[0], "r");
  assert_non_null(said);
  words[fread(words, 1, sizeof words - 1, said)] = '\0';
  fclose(said);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_int_equal(status, 0);
  return words;
}

static void nothing_is_believed_with_more_rights(void **state) {
  struct statvfs mount;
  if (geteuid() != 0 || statvfs(folder, &mount) != 0 || (mount.f_flag & ST_NOSUID) != 0) {
    print_message("skipped: this user, or this file system, can't give a program more rights\n");
    skip();
  }
  assert_int_equal(chown(copy, 0, SOME_GROUP), 0);
  assert_int_equal(chmod(copy, 0755), 0);
  assert_string_equal(told(), "primary 0, descriptors 1, posix, gso 0\n");
  assert_int_equal(chmod(copy, S_ISGID | 0755), 0);
  assert_string_equal(told(), "primary 1, descriptors 0, linux, gso 1\n");
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
  };
  if (argc == 2)
    return tell();
  return cmocka_run_group_tests(tests, make_copy, remove_copy);
}
