/* The file at the path: who may open it, what it replaces, and when it goes. */
#include "handover_test.h"

#include <sys/mman.h>

static int take_without_waiting(void) {
  int fds[DGRAM_HANDOVER_MOST];
  dgram_takeover_t *takeover = (dgram_takeover_t *)path;
  int count = dgram_handover_take(path, 0, fds, &takeover);
  assert_null(takeover);
  return count;
}

static void only_the_owner_may_open_it(void **state) {
  uv_loop_t *loop = open_loop();
  struct stat file;
  int port;
  dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
  mode_t before = umask(0);
  dgram_offer_t *offer = offer_socket(old);
  umask(before);
  assert_int_equal(lstat(path, &file), 0);
  assert_true(S_ISSOCK(file.st_mode));
  assert_int_equal(file.st_mode & 0777, 0600);
  dgram_handover_withdraw(offer);
  close_socket(old);
  close_loop(loop);
}

static void without_an_offer_there_is_none(void **state) {
  assert_int_equal(take_without_waiting(), UV_ENOENT);
}

/* A server that crashed leaves it. */
static void a_file_that_nobody_listens_on_is_no_offer_and_is_replaced(void **state) {
  uv_loop_t *loop = open_loop();
  struct taker taker;
  struct sockaddr_un address = path_address();
  int port;
  int stale = raw_unix();
  assert_int_equal(bind(stale, (struct sockaddr *)&address, sizeof address), 0);
  close(stale);
  assert_int_equal(take_without_waiting(), UV_ECONNREFUSED);

  dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
  dgram_offer_t *offer = offer_socket(old);
  assert_int_equal(take_from(loop, &taker), 1);
  give_up(&taker);
  dgram_handover_withdraw(offer);
  assert_false(exists(path));
  close_socket(old);
  close_loop(loop);
}

/* Names of its own are gone once the offer stands, and when it has ended. */
static void there_is_no_other_file(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
  dgram_offer_t *first = offer_socket(old);
  dgram_offer_t *second = offer_socket(old);
  assert_int_equal(count_files(), 1);
  dgram_handover_withdraw(second);
  assert_int_equal(count_files(), 0);
  dgram_handover_withdraw(first);
  close_socket(old);
  close_loop(loop);
}

/* What it points to keeps its mode, and nobody is let in there. */
static void a_symbolic_link_is_left_alone(void **state) {
  uv_loop_t *loop = open_loop();
  char target[80];
  int port;
  dgram_offer_t *offer;
  struct stat file;
  dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
  int fd = dgram_fileno(old);
  snprintf(target, sizeof target, "%s/target", folder);
  int kept = open(target, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
  assert_true(kept >= 0);
  assert_int_equal(fchmod(kept, 0644), 0);
  assert_int_equal(symlink(target, path), 0);
  assert_int_equal(dgram_handover_offer(loop, path, &fd, 1, NULL, NULL, &offer), UV_EEXIST);
  assert_int_equal(fstat(kept, &file), 0);
  assert_int_equal(file.st_mode & 0777, 0644);
  close(kept);
  assert_int_equal(unlink(path), 0);
  assert_int_equal(unlink(target), 0);
  close_socket(old);
  close_loop(loop);
}

/* A mask that takes the owner's rights, too, or one that takes none. */
static void no_mask_changes_the_mode(void **state) {
  static const mode_t masks[] = {0, 0022, 0777};
  uv_loop_t *loop = open_loop();
  struct stat file;
  int port;
  dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
  for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
    mode_t before = umask(masks[i]);
    dgram_offer_t *offer = offer_socket(old);
    umask(before);
    assert_int_equal(lstat(path, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0600);
    dgram_handover_withdraw(offer);
  }
  close_socket(old);
  close_loop(loop);
}

static void a_file_that_is_no_socket_is_left_alone(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_offer_t *offer;
  dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
  int fd = dgram_fileno(old);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fclose(file);
  assert_int_equal(dgram_handover_offer(loop, path, &fd, 1, NULL, NULL, &offer), UV_EEXIST);
  assert_null(offer);
  assert_true(exists(path));
  assert_int_equal(unlink(path), 0);
  close_socket(old);
  close_loop(loop);
}

static void withdrawing_leaves_the_offer_of_another(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
  dgram_offer_t *first = offer_socket(old);
  dgram_offer_t *second = offer_socket(old);
  dgram_handover_withdraw(first);
  assert_true(exists(path));
  dgram_handover_withdraw(second);
  assert_false(exists(path));
  close_socket(old);
  close_loop(loop);
}

static void one_that_was_taken_leaves_a_file_that_is_no_offer(void **state) {
  uv_loop_t *loop = open_loop();
  struct taker taker;
  int port;
  dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
  offer_socket(old);
  assert_int_equal(take_from(loop, &taker), 1);
  close(taker.fds[0]);
  assert_int_equal(dgram_handover_confirm(taker.takeover), 0);
  run_until_trace(loop, "taken");
  assert_int_equal(take_without_waiting(), UV_ECONNREFUSED);
  close_socket(old);
  close_loop(loop);
}

static void a_folder_that_is_not_there_is_an_error(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_offer_t *offer;
  dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
  int fd = dgram_fileno(old);
  int before = count_open_files();
  snprintf(path, sizeof path, "%s/none/offer", folder);
  assert_int_equal(dgram_handover_offer(loop, path, &fd, 1, NULL, NULL, &offer), UV_ENOENT);
  assert_int_equal(take_without_waiting(), UV_ENOENT);
  assert_int_equal(count_open_files(), before);
  close_socket(old);
  close_loop(loop);
}

static void a_path_has_80_bytes_at_most(void **state) {
  enum { MOST = 80 };
  uv_loop_t *loop = open_loop();
  char name[200];
  int port;
  int fds[DGRAM_HANDOVER_MOST];
  dgram_offer_t *offer;
  dgram_takeover_t *takeover;
  dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
  int fd = dgram_fileno(old);
  memset(name, 'x', sizeof name);
  memcpy(name, folder, strlen(folder));
  name[strlen(folder)] = '/';
  name[sizeof name - 1] = '\0';
  assert_int_equal(dgram_handover_take(name, 0, fds, &takeover), UV_ENAMETOOLONG);
  name[MOST + 1] = '\0';
  assert_int_equal(dgram_handover_offer(loop, name, &fd, 1, NULL, NULL, &offer), UV_ENAMETOOLONG);
  name[MOST] = '\0';
  assert_int_equal(dgram_handover_offer(loop, name, &fd, 1, NULL, NULL, &offer), 0);
  assert_true(exists(name));
  dgram_handover_withdraw(offer);
  close_socket(old);
  close_loop(loop);
}

/* The byte behind the first one too many cannot be read. */
static void a_path_without_an_end_is_too_long(void **state) {
  enum { TOO_MANY = 81 };
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  char *area = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  uv_loop_t *loop = open_loop();
  int port;
  int fds[DGRAM_HANDOVER_MOST];
  dgram_offer_t *offer;
  dgram_takeover_t *takeover;
  dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
  int fd = dgram_fileno(old);
  assert_ptr_not_equal(area, MAP_FAILED);
  assert_int_equal(mprotect(area + page, page, PROT_NONE), 0);
  char *name = memset(area + page - TOO_MANY, 'x', TOO_MANY);
  assert_int_equal(dgram_handover_take(name, 0, fds, &takeover), UV_ENAMETOOLONG);
  assert_int_equal(dgram_handover_offer(loop, name, &fd, 1, NULL, NULL, &offer), UV_ENAMETOOLONG);
  close_socket(old);
  close_loop(loop);
  assert_int_equal(munmap(area, 2 * page), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      HANDOVER_TEST(only_the_owner_may_open_it),
      HANDOVER_TEST(without_an_offer_there_is_none),
      HANDOVER_TEST(a_file_that_nobody_listens_on_is_no_offer_and_is_replaced),
      HANDOVER_TEST(there_is_no_other_file),
      HANDOVER_TEST(a_symbolic_link_is_left_alone),
      HANDOVER_TEST(no_mask_changes_the_mode),
      HANDOVER_TEST(a_file_that_is_no_socket_is_left_alone),
      HANDOVER_TEST(withdrawing_leaves_the_offer_of_another),
      TAKEN_TEST(one_that_was_taken_leaves_a_file_that_is_no_offer),
      HANDOVER_TEST(a_folder_that_is_not_there_is_an_error),
      HANDOVER_TEST(a_path_has_80_bytes_at_most),
      HANDOVER_TEST(a_path_without_an_end_is_too_long),
  };
  return cmocka_run_group_tests_name("path", tests, NULL, NULL);
}
