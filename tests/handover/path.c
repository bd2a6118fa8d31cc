/* The file at the path: who may open it, what it replaces, and when it goes. */
#include "lib/handover_fixture.h"

#include <sys/mman.h>

/* A mask that takes the owner's rights, too, or one that takes none. */
TEST("an offer's file is a socket that only its owner may open, whatever the umask") {
  static const mode_t masks[] = {0, 0022, 0777};
  struct stat file;
  int port;
  dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
  for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
    mode_t before = umask(masks[i]);
    dgram_offer_t *offer = offer_socket(old);
    umask(before);
    assert_int_equal(lstat(path, &file), 0);
    assert_true(S_ISSOCK(file.st_mode));
    assert_int_equal(file.st_mode & 0777, 0600);
    withdraw(offer);
  }
}

TEST("a take fails with ENOENT without an offer") {
  assert_int_equal(take_at_once(path), UV_ENOENT);
}

/* A server that crashed leaves it. */
TEST("a file on which nobody listens is no offer, and is replaced by one") {
  struct taker taker;
  dgram_offer_t *offer;
  close(raw_unix_bound());
  assert_int_equal(take_at_once(path), UV_ECONNREFUSED);
  new_offered(loop, &offer);
  take_one(loop, &taker);
  give_up(&taker);
  withdraw(offer);
  assert_false(path_exists());
}

/* Names of its own are gone once the offer stands, and when it has ended. */
TEST("an offer has no other file than the one at its path") {
  int port;
  dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
  offer_socket(old);
  dgram_offer_t *second = offer_socket(old);
  assert_int_equal(folder_count_files(), 1);
  withdraw(second);
  assert_int_equal(folder_count_files(), 0);
}

/* An offer of a socket that must fail, and leave the path and the descriptors as they are. */
static void assert_not_offered(uv_loop_t *loop, const char *at, int expected) {
  dgram_offer_t *offer;
  int fd = raw_socket();
  int before = count_open_files();
  assert_int_equal(dgram_handover_offer(loop, at, &fd, 1, NULL, NULL, &offer), expected);
  assert_null(offer);
  assert_int_equal(count_open_files(), before);
  close(fd);
}

/* What it points to keeps its mode, and nobody is let in there. */
TEST("a symbolic link at the path is left alone, with EEXIST") {
  char target[80];
  struct stat file;
  snprintf(target, sizeof target, "%s/target", folder);
  int kept = open(target, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
  assert_true(kept >= 0);
  assert_int_equal(fchmod(kept, 0644), 0);
  assert_int_equal(symlink(target, path), 0);
  assert_not_offered(loop, path, UV_EEXIST);
  assert_int_equal(fstat(kept, &file), 0);
  assert_int_equal(file.st_mode & 0777, 0644);
  close(kept);
  assert_int_equal(unlink(path), 0);
  assert_int_equal(unlink(target), 0);
}

TEST("a file at the path that is no socket is left alone, with EEXIST") {
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fclose(file);
  assert_not_offered(loop, path, UV_EEXIST);
  assert_true(path_exists());
  assert_int_equal(unlink(path), 0);
}

TEST("withdrawing an offer leaves that of another at its path") {
  int port;
  dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
  dgram_offer_t *first = offer_socket(old);
  dgram_offer_t *second = offer_socket(old);
  withdraw(first);
  assert_true(path_exists());
  withdraw(second);
  assert_false(path_exists());
}

TEST("an offer that was taken leaves a file that is no offer") {
  struct taker taker;
  dgram_offer_t *offer;
  new_offered(loop, &offer);
  take_one(loop, &taker);
  close(taker.fds[0]);
  confirm(loop, &taker);
  assert_int_equal(take_at_once(path), UV_ECONNREFUSED);
}

TEST("a folder that is not there is ENOENT, for an offer and for a take") {
  char nowhere[80];
  int before = count_open_files();
  snprintf(nowhere, sizeof nowhere, "%s/none/offer", folder);
  assert_not_offered(loop, nowhere, UV_ENOENT);
  assert_int_equal(take_at_once(nowhere), UV_ENOENT);
  assert_int_equal(count_open_files(), before);
}

TEST("a path has 80 bytes at most") {
  enum { MOST = 80 };
  char name[200];
  int fd = raw_socket();
  dgram_offer_t *offer;
  memset(name, 'x', sizeof name);
  memcpy(name, folder, strlen(folder));
  name[strlen(folder)] = '/';
  name[sizeof name - 1] = '\0';
  assert_int_equal(take_at_once(name), UV_ENAMETOOLONG);
  name[MOST + 1] = '\0';
  assert_not_offered(loop, name, UV_ENAMETOOLONG);
  name[MOST] = '\0';
  assert_int_equal(dgram_handover_offer(loop, name, &fd, 1, NULL, NULL, &offer), 0);
  assert_int_equal(folder_count_files(), 1);
  dgram_handover_withdraw(offer);
  close(fd);
}

/* The byte behind the first one too many cannot be read. */
TEST("a path without an end is too long") {
  enum { TOO_MANY = 81 };
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  char *area = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert_ptr_not_equal(area, MAP_FAILED);
  assert_int_equal(mprotect(area + page, page, PROT_NONE), 0);
  char *name = memset(area + page - TOO_MANY, 'x', TOO_MANY);
  assert_int_equal(take_at_once(name), UV_ENAMETOOLONG);
  assert_not_offered(loop, name, UV_ENAMETOOLONG);
  assert_int_equal(munmap(area, 2 * page), 0);
}
