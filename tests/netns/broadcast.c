/* Broadcast: refused without the flag, delivered to the other hosts of the link with it. */
#include "lib/hosts.h"

static void refuses(dgram_socket_t *speaker, const char *address) {
  struct kept_error kept = {0};
  char message[128];
  assert_int_equal(dgram_send(speaker, "no", 2, PORT, address, keep_send_error, &kept), 0);
  run_hosts_until(&kept.calls, 1);
  snprintf(message, sizeof message, "send EACCES %s:%d", address, PORT);
  assert_string_equal(kept.message, message);
}

static void the_flag_decides(const char *address) {
  open_hosts();
  dgram_socket_t *speaker = bind_on(left, DGRAM_UDP4, NULL);
  dgram_socket_t *listener = bind_on(middle, DGRAM_UDP4, NULL);
  dgram_socket_t *far = bind_on(right, DGRAM_UDP4, NULL);

  refuses(speaker, address);
  assert_int_equal(dgram_set_broadcast(speaker, 1), 0);
  say(speaker, "all", address);
  assert_int_equal(dgram_set_broadcast(speaker, 0), 0);
  refuses(speaker, address);

  say(speaker, "end", "10.0.1.1");
  assert_heard(middle, "all end");
  say(listener, "end", "10.0.2.2");
  assert_heard(right, "end"); /* it is on another link */
  close_socket(speaker);
  close_socket(listener);
  close_socket(far);
  close_hosts();
}

static void the_flag_decides_for_a_networks_address(void **state) {
  the_flag_decides("10.0.1.255");
}

static void the_flag_decides_for_the_address_of_all(void **state) {
  the_flag_decides("255.255.255.255");
}

/* In one turn, so in one batch: those before and after a refused send leave all the same. */
static void a_refused_send_harms_no_other(void **state) {
  open_hosts();
  dgram_socket_t *speaker = bind_on(left, DGRAM_UDP4, NULL);
  dgram_socket_t *listener = bind_on(middle, DGRAM_UDP4, NULL);
  struct kept_error kept = {0};
  int sent = 0;
  assert_int_equal(dgram_send(speaker, "one", 3, PORT, "10.0.1.1", count_sent, &sent), 0);
  assert_int_equal(dgram_send(speaker, "all", 3, PORT, "10.0.1.255", keep_send_error, &kept), 0);
  assert_int_equal(dgram_send(speaker, "two", 3, PORT, "10.0.1.1", count_sent, &sent), 0);
  assert_heard(middle, "one two");
  assert_int_equal(sent, 2);
  assert_int_equal(kept.calls, 1);
  assert_int_equal(kept.code, UV_EACCES);
  close_socket(speaker);
  close_socket(listener);
  close_hosts();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_flag_decides_for_a_networks_address),
      cmocka_unit_test(the_flag_decides_for_the_address_of_all),
      cmocka_unit_test(a_refused_send_harms_no_other),
  };
  return HOSTS_MAIN("broadcast", tests);
}
