/* Broadcast: refused without the flag, delivered to the other hosts of the link with it. */
#include "lib/hosts.h"

static void assert_refused(dgram_socket_t *sender, const char *address) {
  struct kept_error kept = {0};
  char message[128];
  assert_int_equal(dgram_send(sender, "no", 2, PORT, address, keep_send_error, &kept), 0);
  run_hosts_until(&kept.calls, 1);
  snprintf(message, sizeof message, "send EACCES %s:%d", address, PORT);
  assert_string_equal(kept.message, message);
}

static void assert_flag_decides(const char *address) {
  dgram_socket_t *sender = bind_on(left, DGRAM_UDP4, NULL);
  dgram_socket_t *receiver = bind_on(middle, DGRAM_UDP4, NULL);
  bind_on(right, DGRAM_UDP4, NULL);

  assert_refused(sender, address);
  assert_int_equal(dgram_set_broadcast(sender, 1), 0);
  send_from(sender, "all", address);
  assert_int_equal(dgram_set_broadcast(sender, 0), 0);
  assert_refused(sender, address);

  send_from(sender, "end", ipv4.middle);
  assert_received(middle, "all end");
  send_from(receiver, "end", ipv4.right);
  assert_received(right, "end"); /* it is on another link */
}

TEST("a broadcast to a network's address needs the flag") {
  assert_flag_decides("10.0.1.255");
}

TEST("a broadcast to 255.255.255.255 needs the flag") {
  assert_flag_decides("255.255.255.255");
}

/* In one iteration, so in one batch: those before and after a refused send leave all the same. */
TEST("a broadcast that is refused harms no other send") {
  dgram_socket_t *sender = bind_on(left, DGRAM_UDP4, NULL);
  bind_on(middle, DGRAM_UDP4, NULL);
  struct kept_error kept = {0};
  int sent = 0;
  assert_int_equal(dgram_send(sender, "one", 3, PORT, "10.0.1.1", count_sent, &sent), 0);
  assert_int_equal(dgram_send(sender, "all", 3, PORT, "10.0.1.255", keep_send_error, &kept), 0);
  assert_int_equal(dgram_send(sender, "two", 3, PORT, "10.0.1.1", count_sent, &sent), 0);
  assert_received(middle, "one two");
  assert_int_equal(sent, 2);
  assert_int_equal(kept.calls, 1);
  assert_int_equal(kept.code, UV_EACCES);
}

int main(void) {
  return hosts_run();
}
