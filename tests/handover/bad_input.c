/* Arguments that are refused, with nothing changed. */
#include "handover_test.h"

static void an_offer_needs_all_its_arguments(void **state) {
  uv_loop_t *loop = open_loop();
  int fd = raw_socket();
  int fds[DGRAM_HANDOVER_MOST + 1] = {fd};
  int before = count_open_files();
  dgram_offer_t *offer = (dgram_offer_t *)path;
  assert_int_equal(dgram_handover_offer(NULL, path, &fd, 1, NULL, NULL, &offer), UV_EINVAL);
  assert_null(offer);
  assert_int_equal(dgram_handover_offer(loop, NULL, &fd, 1, NULL, NULL, &offer), UV_EINVAL);
  assert_int_equal(dgram_handover_offer(loop, "", &fd, 1, NULL, NULL, &offer), UV_EINVAL);
  assert_int_equal(dgram_handover_offer(loop, path, NULL, 1, NULL, NULL, &offer), UV_EINVAL);
  assert_int_equal(dgram_handover_offer(loop, path, fds, 0, NULL, NULL, &offer), UV_EINVAL);
  assert_int_equal(
      dgram_handover_offer(loop, path, fds, DGRAM_HANDOVER_MOST + 1, NULL, NULL, &offer),
      UV_EINVAL);
  assert_int_equal(dgram_handover_offer(loop, path, &fd, 1, NULL, NULL, NULL), UV_EINVAL);
  assert_int_equal(count_open_files(), before);
  close(fd);
  close_loop(loop);
}

static void only_open_udp_sockets_are_offered(void **state) {
  uv_loop_t *loop = open_loop();
  int stream = socket(AF_INET, SOCK_STREAM, 0);
  int fds[] = {raw_socket(), -1};
  int before = count_open_files();
  dgram_offer_t *offer;
  assert_int_equal(dgram_handover_offer(loop, path, fds, 2, NULL, NULL, &offer), UV_EBADF);
  fds[1] = UV_EBADF; /* what dgram_fileno() says of a socket that is not bound */
  assert_int_equal(dgram_handover_offer(loop, path, fds, 2, NULL, NULL, &offer), UV_EBADF);
  fds[1] = stream;
  assert_int_equal(dgram_handover_offer(loop, path, fds, 2, NULL, NULL, &offer),
                   DGRAM_ERR_INVALID_FD_TYPE);
  fds[1] = raw_unix();
  assert_int_equal(dgram_handover_offer(loop, path, fds, 2, NULL, NULL, &offer),
                   DGRAM_ERR_INVALID_FD_TYPE);
  close(fds[1]);
  assert_int_equal(count_open_files(), before);
  assert_false(exists(path));
  close(stream);
  close(fds[0]);
  close_loop(loop);
}

static void taking_needs_all_its_arguments(void **state) {
  int fds[DGRAM_HANDOVER_MOST];
  dgram_takeover_t *takeover = (dgram_takeover_t *)path;
  assert_int_equal(dgram_handover_take(NULL, 0, fds, &takeover), UV_EINVAL);
  assert_null(takeover);
  assert_int_equal(dgram_handover_take("", 0, fds, &takeover), UV_EINVAL);
  assert_int_equal(dgram_handover_take(path, 0, NULL, &takeover), UV_EINVAL);
  assert_int_equal(dgram_handover_take(path, 0, fds, NULL), UV_EINVAL);
}

static void null_is_nothing_to_end(void **state) {
  dgram_handover_withdraw(NULL);
  dgram_handover_abandon(NULL);
  assert_int_equal(dgram_handover_confirm(NULL), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      HANDOVER_TEST(an_offer_needs_all_its_arguments),
      HANDOVER_TEST(only_open_udp_sockets_are_offered),
      HANDOVER_TEST(taking_needs_all_its_arguments),
      HANDOVER_TEST(null_is_nothing_to_end),
  };
  return cmocka_run_group_tests_name("bad_input", tests, NULL, NULL);
}
