/* Starting a group: all or nothing. */
#include "lib/group_fixture.h"

enum { THREADS = 4, LATE = 2 };

TEST("a group's sockets share the port that is wanted") {
  dgram_group_options_t options = answering(THREADS);
  dgram_address_t address;
  options.port = free_port();
  assert_int_equal(dgram_group_address(start_group(&options), &address), 0);
  assert_int_equal(address.port, options.port);
  assert_string_equal(address.address, "127.0.0.1");
  assert_string_equal(address.family, "IPv4");
}

TEST("a group on a port that another has for itself is EADDRINUSE") {
  dgram_group_options_t options = answering(THREADS);
  int fd = raw_socket();
  options.port = raw_port(fd);
  assert_not_started(&options, UV_EADDRINUSE);
  close(fd);
}

/* Options of a socket are checked once more by each thread. */
TEST("a group is refused what a socket is refused") {
  static const struct {
    const char *address;
    int port;
    int type;
    int expected;
  } rows[] = {
      {"::1", 0, DGRAM_UDP4, UV_EINVAL},
      {"localhost", 0, DGRAM_UDP4, UV_EINVAL},
      {"192.0.2.1", 0, DGRAM_UDP4, UV_EADDRNOTAVAIL}, /* RFC 5737: nobody's */
      {"127.0.0.1", 65536, DGRAM_UDP4, DGRAM_ERR_SOCKET_BAD_PORT},
      {"127.0.0.1", -1, DGRAM_UDP4, DGRAM_ERR_SOCKET_BAD_PORT},
      {"127.0.0.1", 0, 5, DGRAM_ERR_SOCKET_BAD_TYPE},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    dgram_group_options_t options = answering(THREADS);
    options.address = rows[i].address;
    options.port = rows[i].port;
    group_socket.type = (dgram_type_t)rows[i].type;
    assert_not_started(&options, rows[i].expected);
  }
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
  counts[index].failures += err != DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING;
  counts[index].stops++;
}

TEST("an on_start that fails stops the threads that have started, and its error is returned") {
  dgram_group_options_t options = answering(THREADS);
  options.on_start = fail_late;
  options.on_stop = check_refusal;
  assert_not_started(&options, UV_EACCES); /* the first one's error */
  for (int i = 0; i < THREADS; i++) {
    assert_int_equal(counts[i].stops, i < LATE); /* those that started */
    assert_int_equal(counts[i].failures, 0);
  }
  assert_int_equal(received, 0);
}
