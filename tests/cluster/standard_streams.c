/*
 * A program that has closed its standard input, output and error: no socket gets their numbers, or
 * what it writes there would leave by it.
 */
#include "cluster_test.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <dgram_handover.h>

#include "folder.h"

static void share(void) {
  uv_loop_t *loop = join();
  must(dgram_bind(reporting_udp4(loop), 0, "127.0.0.1", NULL, NULL) == 0);
  work_to_end(loop);
}

static const struct role roles[] = {{"share", share}};

enum { STANDARD = STDERR_FILENO + 1 };

static int kept[STANDARD];

static void close_standard(void) {
  for (int i = 0; i < STANDARD; i++) {
    kept[i] = fcntl(i, F_DUPFD_CLOEXEC, STANDARD);
    close(i);
  }
}

/* Returns how many of the numbers have become sockets'. */
static int open_standard(void) {
  int sockets = 0;
  for (int i = 0; i < STANDARD; i++) {
    struct stat file;
    sockets += fstat(i, &file) == 0 && S_ISSOCK(file.st_mode);
    dup2(kept[i], i);
    close(kept[i]);
  }
  return sockets;
}

static void sockets_have_other_numbers(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *bound = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_socket_t *sync = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_socket_t *sends = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_socket_t *connects = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_socket_t *joins = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_offer_t *offer = NULL;
  make_folder(NULL);
  close_standard();
  dgram_bind(bound, 0, "127.0.0.1", NULL, NULL);
  int err = dgram_bind_sync(sync, 0, "127.0.0.1");
  dgram_send(sends, "x", 1, 9, "127.0.0.1", NULL, NULL);
  dgram_connect_sync(connects, 9, "127.0.0.1");
  dgram_add_membership(joins, "224.0.0.114", "127.0.0.1");
  settle(loop);
  int fd = dgram_fileno(sync);
  err += dgram_handover_offer(loop, path, &fd, 1, NULL, NULL, &offer);
  int numbers[] = {dgram_fileno(bound), dgram_fileno(sync), dgram_fileno(sends),
                   dgram_fileno(connects)};
  int sockets = open_standard();
  assert_int_equal(err, 0);
  assert_int_equal(sockets, 0);
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    assert_true(numbers[i] >= STANDARD);
  dgram_handover_withdraw(offer);
  remove_folder(NULL);
  close_socket(bound);
  close_socket(sync);
  close_socket(sends);
  close_socket(connects);
  close_socket(joins);
  close_loop(loop);
}

static void those_of_a_primary_too(void **state) {
  struct crew crew;
  crew_open(&crew, "share");
  crew_fork(&crew); /* libuv opens files of its own for the first one */
  crew_await(&crew, "listening(1)");
  close_standard();
  int id = crew_fork(&crew);
  while (times_noted("listening(2)") == 0)
    uv_run(crew.loop, UV_RUN_ONCE);
  int sockets = open_standard();
  assert_int_equal(id, 2);
  assert_int_equal(sockets, 0);
  crew_close(&crew);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(sockets_have_other_numbers),
    cmocka_unit_test(those_of_a_primary_too),
};

CLUSTER_TEST_MAIN(roles, tests)
