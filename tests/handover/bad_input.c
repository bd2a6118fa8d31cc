/* Arguments of <dgram_handover.h> that are refused, with nothing changed. */
#include "lib/handover_fixture.h"
#include "lib/refusals.h"

TEST("an argument of hand-over that is missing or out of range is refused") {
  int fds[DGRAM_HANDOVER_MOST + 1] = {raw_socket()};
  int taken[DGRAM_HANDOVER_MOST];
  dgram_offer_t *standing;
  dgram_socket_t *socket = new_offered(loop, &standing);
  int before = count_open_files();
  dgram_offer_t *offer = (dgram_offer_t *)path; /* not NULL */
  dgram_takeover_t *takeover = (dgram_takeover_t *)path;
  ASSERT_REFUSED(REFUSED(UV_EINVAL, dgram_handover_offer(NULL, path, fds, 1, NULL, NULL, &offer)),
                 REFUSED(UV_EINVAL, dgram_handover_offer(loop, NULL, fds, 1, NULL, NULL, &offer)),
                 REFUSED(UV_EINVAL, dgram_handover_offer(loop, "", fds, 1, NULL, NULL, &offer)),
                 REFUSED(UV_EINVAL, dgram_handover_offer(loop, path, NULL, 1, NULL, NULL, &offer)),
                 REFUSED(UV_EINVAL, dgram_handover_offer(loop, path, fds, 0, NULL, NULL, &offer)),
                 REFUSED(UV_EINVAL, dgram_handover_offer(loop, path, fds, DGRAM_HANDOVER_MOST + 1,
                                                         NULL, NULL, &offer)),
                 REFUSED(UV_EINVAL, dgram_handover_offer(loop, path, fds, 1, NULL, NULL, NULL)),
                 REFUSED(UV_EINVAL, dgram_handover_limit(standing, 0)),
                 REFUSED(UV_EINVAL, dgram_handover_limit(NULL, 1)),
                 REFUSED(UV_EINVAL, dgram_handover_take(NULL, 0, taken, &takeover)),
                 REFUSED(UV_EINVAL, dgram_handover_take("", 0, taken, &takeover)),
                 REFUSED(UV_EINVAL, dgram_handover_take(path, 0, NULL, &takeover)),
                 REFUSED(UV_EINVAL, dgram_handover_take(path, 0, taken, NULL)),
                 REFUSED(UV_EINVAL, dgram_listen_fds(NULL, 1, 0)));
  assert_null(offer);
  assert_null(takeover);
  assert_int_equal(dgram_handover_limit(standing, -1), 0);
  assert_int_equal(count_open_files(), before);
  assert_usable(socket);
  close(fds[0]);
}

TEST("an offer of what is no open UDP socket is refused") {
  const struct {
    int fd;
    int expected;
  } rows[] = {
      {-1, UV_EBADF},
      {UV_EBADF, UV_EBADF}, /* what dgram_fileno() returns for a socket that is not bound */
      {socket(AF_INET, SOCK_STREAM, 0), DGRAM_ERR_INVALID_FD_TYPE},
      {raw_unix(), DGRAM_ERR_INVALID_FD_TYPE},
  };
  int good = raw_socket();
  int before = count_open_files();
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const int fds[] = {good, rows[i].fd};
    dgram_offer_t *offer;
    assert_int_equal(dgram_handover_offer(loop, path, fds, 2, NULL, NULL, &offer),
                     rows[i].expected);
  }
  assert_int_equal(count_open_files(), before);
  assert_false(path_exists());
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    close(rows[i].fd);
  close(good);
}

TEST("withdraw, abandon and confirm do nothing with NULL") {
  dgram_handover_withdraw(NULL);
  dgram_handover_abandon(NULL);
  assert_int_equal(dgram_handover_confirm(NULL), 0);
}
