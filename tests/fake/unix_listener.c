/*
 * The file at which servers meet: whatever another server does there at any moment of a withdrawal,
 * its own offer stays. The linker puts the functions __wrap_... in the place of the true ones.
 */
#include "unix_listener.h"

#include <sys/stat.h>

#include "lib/fixture.h"
#include "lib/folder.h"
#include "lib/wrap.h"

/* ---- the moments ---- */

enum {
  MOST_OTHERS = 3,
  MOST_CALLS = 8 /* of a withdrawal */
};

static struct {
  int at[MOST_OTHERS]; /* before which calls another server puts its file there; 0: none */
  int calls;
  int others; /* so far */
  int fds[MOST_OTHERS];
  struct dgram__unix_listener listeners[MOST_OTHERS];
  int refused; /* the error of what renames only where nothing lies; 0: none */
  bool in_other;
} moments;

static void another_comes(void) {
  int other = moments.others++;
  moments.in_other = true;
  moments.fds[other] = dgram__unix_listener_listen(path, &moments.listeners[other]);
  moments.in_other = false;
  assert_true(moments.fds[other] >= 0);
}

static void before_call(void) {
  if (moments.in_other)
    return;
  moments.calls++;
  for (int i = 0; i < MOST_OTHERS; i++)
    if (moments.at[i] == moments.calls)
      another_comes();
}

#define MOMENT(name, parameters, arguments) \
  WRAP(int, name, parameters) {             \
    before_call();                          \
    return __real_##name arguments;         \
  }

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
MOMENT(lstat, (const char *at, struct stat *file), (at, file))
MOMENT(rename, (const char *from, const char *to), (from, to))
MOMENT(unlink, (const char *at), (at))

#ifdef RENAME_NOREPLACE /* not in every C library */
WRAP(int, renameat2, (int from_fd, const char *from, int to_fd, const char *to, unsigned flags)) {
  before_call();
  errno = moments.refused;
  return moments.refused != 0 ? -1 : __real_renameat2(from_fd, from, to_fd, to, flags);
}
#endif

WRAP(int, link, (const char *from, const char *to)) {
  before_call();
  errno = EPERM;
  return moments.refused == EPERM ? -1 : __real_link(from, to);
}
/* NOLINTEND(bugprone-reserved-identifier) */

/* ---- withdrawals ---- */

static bool is_at_path(const struct dgram__unix_listener *listener) {
  struct stat file;
  return __real_lstat(path, &file) == 0 && file.st_dev == listener->device &&
         file.st_ino == listener->inode;
}

/* Withdraws while others come at these moments. */
static void withdraw(int first, int second) {
  struct dgram__unix_listener listener;
  int fd = dgram__unix_listener_listen(path, &listener);
  assert_true(fd >= 0);
  moments.at[0] = first;
  moments.at[1] = second;
  moments.calls = moments.others = 0;
  dgram__unix_listener_remove(path, &listener);
  moments.at[0] = moments.at[1] = 0;
  assert_in_range(moments.calls, 1, MOST_CALLS);
  close(fd);
}

/* The last of those that came is there, and nothing else; then it goes. */
static void assert_last_stays(void) {
  assert_int_equal(folder_count_files(), moments.others > 0);
  for (int i = 0; i < moments.others; i++) {
    assert_int_equal(is_at_path(&moments.listeners[i]), i == moments.others - 1);
    if (i == moments.others - 1)
      dgram__unix_listener_remove(path, &moments.listeners[i]);
    close(moments.fds[i]);
  }
  assert_int_equal(folder_count_files(), 0);
}

static void while_one_comes(void) {
  for (int first = 1; first <= MOST_CALLS; first++) {
    withdraw(first, 0);
    assert_last_stays();
  }
}

static void while_two_come(void) {
  for (int first = 1; first < MOST_CALLS; first++) {
    for (int second = first + 1; second <= MOST_CALLS; second++) {
      withdraw(first, second);
      assert_last_stays();
    }
  }
}

__attribute__((constructor)) static void set_hooks(void) {
  fixture_hooks((struct fixture_hooks){folder_make, NULL, NULL, folder_remove});
}

TEST("a file is gone when its server withdraws and no other has come") {
  withdraw(0, 0);
  assert_last_stays();
}

TEST("the file of a server stays, whenever it comes while another withdraws") {
  while_one_comes();
}

TEST("the file of the last of two servers stays, whenever they come while another withdraws") {
  while_two_come();
}

/* Kernels before 3.15, other systems, and file systems that can't do it. */
TEST("the file of a server stays where the system lacks renameat2() or link()") {
  moments.refused = ENOSYS;
  while_one_comes();
  while_two_come();
  moments.refused = EPERM; /* links, too */
  while_one_comes();
  moments.refused = 0;
}
