/* Starting: all or nothing. */
#include "group_test.h"

enum { THREADS = 4, LATE = 2 };

static void watched_start_fails(const dgram_group_options_t *options, int expected) {
  dgram_group_t *group = (dgram_group_t *)options; /* not NULL */
  memset(places, 0, sizeof places);
  watch();
  assert_int_equal(dgram_group_start(options, &group), expected);
  assert_null(group);
  alarm(0);
}

static void all_share_the_port_that_is_wanted(void **state) {
  dgram_options_t socket = dgram_default_options(DGRAM_UDP4);
  dgram_group_options_t options = answering(&socket, THREADS);
  dgram_address_t address;
  options.port = free_port();
  dgram_group_t *group = start_group(&options);
  assert_int_equal(dgram_group_address(group, &address), 0);
  assert_int_equal(address.port, options.port);
  assert_string_equal(address.address, "127.0.0.1");
  assert_string_equal(address.family, "IPv4");
  stop_group(group);
}

static void a_port_that_somebody_has_for_himself_is_refused(void **state) {
  dgram_options_t socket = dgram_default_options(DGRAM_UDP4);
  dgram_group_options_t options = answering(&socket, THREADS);
  int fd = raw_socket();
  options.port = raw_port(fd);
  watched_start_fails(&options, UV_EADDRINUSE);
  close(fd);
}

/* With `threads` options of a socket are checked once more by each. */
static void what_a_socket_refuses_the_group_refuses(void **state) {
  dgram_options_t socket = dgram_default_options(DGRAM_UDP4);
  dgram_group_options_t options = answering(&socket, THREADS);
  options.address = "::1";
  watched_start_fails(&options, UV_EINVAL);
  options.address = "localhost";
  watched_start_fails(&options, UV_EINVAL);
  options.address = "192.0.2.1"; /* RFC 5737: nobody's */
  watched_start_fails(&options, UV_EADDRNOTAVAIL);
  options = answering(&socket, THREADS);
  options.port = 65536;
  watched_start_fails(&options, DGRAM_ERR_SOCKET_BAD_PORT);
  options.port = -1;
  watched_start_fails(&options, DGRAM_ERR_SOCKET_BAD_PORT);
  socket.type = (dgram_type_t)5;
  watched_start_fails(&options, DGRAM_ERR_SOCKET_BAD_TYPE);
}

/* ---- on_start fails ---- */

static int received;

static void count_received(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                           void *context) {
  received++;
}

/* Each has a datagram waiting. */
static int fail_late(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  dgram_address_t address;
  if (dgram_group_address(group, &address) != 0 ||
      dgram_on_message(socket, count_received, NULL) != 0 ||
      dgram_send(socket, "x", 1, address.port, NULL, NULL, NULL) != 0)
    return UV_EINVAL;
  dgram_flush(socket);
  return index == LATE ? UV_EACCES : index > LATE ? UV_EPERM : 0;
}

/* There is nobody left to run anything. */
static void check_refusal(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  int err = dgram_group_post(group, index, count_stop, NULL);
  places[index].failures += err != DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING;
  places[index].stops++;
}

static void an_on_start_that_fails_ends_all(void **state) {
  dgram_options_t socket = dgram_default_options(DGRAM_UDP4);
  dgram_group_options_t options = answering(&socket, THREADS);
  options.on_start = fail_late;
  options.on_stop = check_refusal;
  watched_start_fails(&options, UV_EACCES); /* the first one's error */
  for (int i = 0; i < THREADS; i++) {
    assert_int_equal(places[i].stops, i < LATE); /* those that started */
    assert_int_equal(places[i].failures, 0);
  }
  assert_int_equal(received, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_share_the_port_that_is_wanted),
      cmocka_unit_test(a_port_that_somebody_has_for_himself_is_refused),
      cmocka_unit_test(what_a_socket_refuses_the_group_refuses),
      cmocka_unit_test(an_on_start_that_fails_ends_all),
  };
  return cmocka_run_group_tests_name("start", tests, NULL, NULL);
}
