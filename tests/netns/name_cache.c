/*
 * The cache of host names with a true resolver: a name server is asked once for a name, and then
 * not again until it is forgotten.
 */
#include "lib/name_server.h"

#include <dgram_names.h>

static void send_to_name(dgram_socket_t *socket, int port, const char *name, int *sent) {
  assert_int_equal(dgram_send(socket, "x", 1, port, name, count_sent, sent), 0);
}

TEST("many sends to a name that is known do not ask the name server") {
  enum { SENDS = 100 };
  int port;
  int received = 0;
  int sent = 0;
  assert_int_equal(dgram_set_name_cache(loop, 10, 60000), 0);
  new_bound(loop, count_message, &received, &port);
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &(int){0});
  send_to_name(socket, port, "good.up.test", &sent);
  run_answering_until(loop, FOUND, &received, 1);
  for (int i = 0; i < SENDS; i++)
    send_to_name(socket, port, "good.up.test", &sent);
  run_until(loop, &received, 1 + SENDS); /* nobody answers the name server's queries */
  assert_int_equal(sent, 1 + SENDS);
  assert_int_equal(dgram_set_name_cache(loop, 0, 0), 0);
}

TEST("a name that was forgotten is asked for again") {
  struct query query;
  int port;
  int received = 0;
  int sent = 0;
  assert_int_equal(dgram_set_name_cache(loop, 10, 60000), 0);
  new_bound(loop, count_message, &received, &port);
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &(int){0});
  for (int round = 1; round <= 2; round++) {
    for (int i = 0; i < 3; i++)
      send_to_name(socket, port, "again.up.test", &sent);
    wait_for_query(loop, &query);
    answer_query(&query, FOUND, "127.0.0.1");
    run_until(loop, &received, 3 * round);
    dgram_clear_name_cache(loop);
  }
  assert_int_equal(dgram_set_name_cache(loop, 0, 0), 0);
}

TEST("a name that does not exist is asked for by each send") {
  struct kept_error kept = {0};
  struct query query;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &(int){0});
  assert_int_equal(dgram_set_name_cache(loop, 10, 60000), 0);
  for (int round = 1; round <= 2; round++) {
    assert_int_equal(dgram_send(socket, "x", 1, PORT, "no.up.test", keep_send_error, &kept), 0);
    wait_for_query(loop, &query);
    answer_query(&query, NO_SUCH_NAME, NULL);
    run_until(loop, &kept.calls, round);
    assert_string_equal(kept.name, "ENOTFOUND");
  }
  assert_int_equal(dgram_set_name_cache(loop, 0, 0), 0);
}

int main(void) {
  return names_run();
}
