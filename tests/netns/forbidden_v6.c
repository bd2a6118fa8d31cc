/*
 * A router that forbids the way over IPv6 (ICMPv6, code 1), which the system calls EACCES: the next
 * send on the connected socket must not pay for it.
 */
#include "lib/packets.h"

struct scene {
  int wire; /* of left */
  struct kept_error healthy;
};

/* As a send's callback, of a send that may fail or not. */
static void keep_outcome(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                         void *context) {
  struct kept_error *kept = context;
  if (error != NULL)
    keep_error(socket, error, kept);
  else
    kept->calls++;
}

static void send_once_more(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                           void *context) {
  struct scene *scene = context;
  assert_null(error);
  wait_for_unreachable(scene->wire);
  enter(middle);
  sh("ip route del prohibit fd00:2::2");
  enter(left);
  assert_int_equal(dgram_send(socket, "healthy", 7, 0, NULL, keep_outcome, &scene->healthy), 0);
}

static void the_next_send_does_not_pay(void **state) {
  struct scene scene = {0};
  struct kept_error told = {0};
  open_hosts();
  forward();
  sh("ip route add prohibit fd00:2::2");
  dgram_socket_t *listener = bind_on(right, DGRAM_UDP6, NULL);
  dgram_socket_t *speaker = bind_on(left, DGRAM_UDP6, NULL);
  assert_int_equal(dgram_on_error(speaker, keep_error, &told), 0);
  connect_to_host(speaker, "fd00:2::2");
  enter(left);
  scene.wire = tap("eth0");
  assert_int_equal(dgram_send(speaker, "lost", 4, 0, NULL, send_once_more, &scene), 0);
  run_hosts_until(&scene.healthy.calls, 1);
  assert_int_equal(scene.healthy.code, 0);
  assert_heard(right, "healthy");
  run_hosts_until(&told.calls, 1);
  assert_string_equal(told.message, "recvmsg EACCES");
  close_socket(speaker);
  close_socket(listener);
  close(scene.wire);
  close_hosts();
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(the_next_send_does_not_pay)};
  return HOSTS_MAIN("forbidden_v6", tests);
}
