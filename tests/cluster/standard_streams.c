/*
 * A program that has closed its standard input, output and error: no socket gets their numbers, or
 * what it writes there would leave by it.
 */
#include "lib/cluster_fixture.h"
#include "lib/folder.h"

#include <dgram_handover.h>

TEST("no socket gets the number of a standard stream that is closed") {
  dgram_socket_t *bound = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_socket_t *sync = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_socket_t *sends = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_socket_t *connects = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_socket_t *joins = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_offer_t *offer = NULL;
  folder_make(NULL);
  process_close_standard();
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
  int sockets = process_open_standard();
  assert_int_equal(err, 0);
  assert_int_equal(sockets, 0);
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    assert_true(numbers[i] >= STANDARD_FDS);
  dgram_handover_withdraw(offer);
  folder_remove(NULL);
}

TEST("no socket of a primary gets the number of a standard stream that is closed") {
  fork_worker("listen_on_any"); /* libuv opens files of its own for the first one */
  await("listening(1)");
  process_close_standard();
  int id = fork_worker("listen_on_any");
  while (times_traced("listening(2)") == 0)
    uv_run(loop, UV_RUN_ONCE);
  int sockets = process_open_standard();
  assert_int_equal(id, 2);
  assert_int_equal(sockets, 0);
}

int main(void) {
  return cluster_run();
}
