/*
 * Sends that the system does not take yet, and what comes behind them: a failure is told in its
 * turn, and an option waits until what was sent before it has left.
 */
#include "fake/scene.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* The options that were set, as words among those of fake_sends(). */
static char set[256];

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length);
int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t length);

static dgram_socket_t *watched;

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t length) {
  if (watched == NULL || fd != watched->udp.fd)
    return __real_setsockopt(fd, level, name, value, length);
  int number;
  memcpy(&number, value, sizeof number);
  size_t used = strlen(set);
  snprintf(set + used, sizeof set - used, "%d@%u ", number, fake_sent_count());
  return 0;
}
/* NOLINTEND(bugprone-reserved-identifier) */

static dgram_socket_t *stalled_socket(void) {
  dgram_socket_t *socket = scene_socket();
  watched = socket;
  set[0] = '\0';
  fake_reply(UV_EAGAIN);
  scene_send_all(socket, 0, 2);
  scene_run();
  assert_string_equal(fake_sends(), "EAGAIN");
  return socket;
}

static int end(void **state) {
  watched = NULL;
  return scene_end(state);
}

static void told(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes, void *context) {
  if (scene_on_sent != NULL)
    scene_on_sent(socket, error != NULL ? error->code : 0);
}

static int order[8];
static int order_count;

static void keep_order(dgram_socket_t *socket, int number) {
  if (order_count < 8)
    order[order_count++] = number;
}

static void a_failure_behind_them_is_told_behind_them(void **state) {
  dgram_socket_t *socket = stalled_socket();
  order_count = 0;
  scene_on_sent = keep_order;
  assert_int_equal(dgram_send(socket, "x", 1, 9, "::1", told, NULL), 0);
  scene_send(socket, 3);
  scene_run();
  assert_int_equal(order_count, 0);
  fake_make_writable(socket);
  scene_run();
  assert_string_equal(fake_sends(), "0 1 2 | 3");
  static const int expected[] = {0, 1, 2, UV_EINVAL, 3};
  assert_int_equal(order_count, 5);
  assert_memory_equal(order, expected, sizeof expected);
}

static void a_close_tells_each_its_own_end(void **state) {
  dgram_socket_t *socket = stalled_socket();
  order_count = 0;
  scene_on_sent = keep_order;
  assert_int_equal(dgram_send(socket, "x", 1, 9, "::1", told, NULL), 0);
  fake_reply_always(UV_EAGAIN);
  scene_close(socket);
  scene_run();
  static const int expected[] = {0, 1, 2, UV_EINVAL};
  assert_int_equal(order_count, 4);
  assert_memory_equal(order, expected, sizeof expected);
  (void)scene_story();
}

static void an_option_waits_until_they_have_left(void **state) {
  dgram_socket_t *socket = stalled_socket();
  assert_int_equal(dgram_set_ttl(socket, 20), 0);
  scene_send(socket, 3);
  assert_int_equal(dgram_set_ttl(socket, 30), 0);
  scene_send(socket, 4);
  scene_run();
  assert_string_equal(set, "");
  fake_make_writable(socket);
  scene_run();
  assert_string_equal(fake_sends(), "0 1 2 | 3 | 4");
  assert_string_equal(set, "20@3 30@4 ");
  assert_string_equal(scene_story(), "0 1 2 3 4");
}

static void one_that_the_system_refuses_is_refused_at_once(void **state) {
  dgram_socket_t *socket = stalled_socket();
  assert_int_equal(dgram_set_multicast_interface(socket, "192.0.2.77"), UV_EADDRNOTAVAIL);
  fake_make_writable(socket);
  scene_run();
  assert_string_equal(set, "");
  assert_string_equal(scene_story(), "0 1 2");
}

static void one_that_waits_when_the_socket_closes_is_forgotten(void **state) {
  dgram_socket_t *socket = stalled_socket();
  assert_int_equal(dgram_set_ttl(socket, 20), 0);
  fake_reply_always(UV_EAGAIN);
  scene_close(socket);
  scene_run();
  assert_string_equal(set, "");
  assert_string_equal(scene_story(), "close 0:ECANCELED 1:ECANCELED 2:ECANCELED");
}

static void a_disconnect_in_between_keeps_all_in_order(void **state) {
  dgram_socket_t *socket = stalled_socket();
  assert_int_equal(dgram_set_ttl(socket, 20), 0);
  dgram__send_disconnected(socket, &(union dgram__address){.any.sa_family = AF_INET});
  scene_send(socket, 3);
  fake_make_writable(socket);
  scene_run();
  assert_string_equal(set, "20@3 ");
  assert_string_equal(scene_story(), "0 1 2 3");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, scene_begin, end)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_failure_behind_them_is_told_behind_them),
      TEST(a_close_tells_each_its_own_end),
      TEST(an_option_waits_until_they_have_left),
      TEST(one_that_the_system_refuses_is_refused_at_once),
      TEST(one_that_waits_when_the_socket_closes_is_forgotten),
      TEST(a_disconnect_in_between_keeps_all_in_order),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
