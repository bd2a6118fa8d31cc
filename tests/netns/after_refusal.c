/*
 * A refusal (ICMP) that is there before the next send on a connected socket: the system tells it to
 * that one, but the library tells it by 'error', and the healthy send leaves.
 */
#include "lib/packets.h"

/* What one test says. The shell commands make middle refuse, and not refuse any more. */
struct case_of_refusal {
  dgram_type_t type;
  const char *to; /* an address of right */
  const char *trouble;
  const char *remedy;
  const char *error;
};

struct scene {
  const struct case_of_refusal *of;
  int wire; /* of left */
  int sent;
};

/* The loop has not asked the socket yet, so the next send is the first to hear of the refusal. */
static void send_once_more(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                           void *context) {
  struct scene *scene = context;
  assert_null(error);
  wait_for_unreachable(scene->wire);
  enter(middle);
  sh("%s", scene->of->remedy);
  enter(left);
  assert_int_equal(dgram_send(socket, "healthy", 7, 0, NULL, count_sent, &scene->sent), 0);
}

static void the_next_send_does_not_pay(const struct case_of_refusal *of) {
  struct scene scene = {.of = of};
  struct kept_error kept = {0};
  open_hosts();
  forward();
  sh("%s", of->trouble);
  dgram_socket_t *listener = bind_on(right, of->type, NULL);
  dgram_socket_t *speaker = bind_on(left, of->type, NULL);
  assert_int_equal(dgram_on_error(speaker, keep_error, &kept), 0);
  connect_to_host(speaker, of->to);
  enter(left);
  scene.wire = tap("eth0");
  assert_int_equal(dgram_send(speaker, "lost", 4, 0, NULL, send_once_more, &scene), 0);
  assert_heard(right, "healthy");
  run_hosts_until(&kept.calls, 1);
  assert_string_equal(kept.message, of->error);
  assert_int_equal(scene.sent, 1);
  close_socket(speaker);
  close_socket(listener);
  close(scene.wire);
  close_hosts();
}

/* middle passes for right, but nobody listens there. */
static void after_a_closed_port_over_ipv4(void **state) {
  the_next_send_does_not_pay(
      &(struct case_of_refusal){DGRAM_UDP4, "10.0.2.2", "ip addr add 10.0.2.2 dev lo",
                                "ip addr del 10.0.2.2 dev lo", "recvmsg ECONNREFUSED"});
}

static void after_a_closed_port_over_ipv6(void **state) {
  the_next_send_does_not_pay(
      &(struct case_of_refusal){DGRAM_UDP6, "fd00:2::2",
                                "ip addr add fd00:2::2 dev lo nodad;"
                                "until ip -6 route get fd00:2::2 | grep -q local; do :; done",
                                "ip addr del fd00:2::2 dev lo", "recvmsg ECONNREFUSED"});
}

static void after_a_router_that_forbids_over_ipv4(void **state) {
  the_next_send_does_not_pay(
      &(struct case_of_refusal){DGRAM_UDP4, "10.0.2.2", "ip route add prohibit 10.0.2.2",
                                "ip route del prohibit 10.0.2.2", "recvmsg EHOSTUNREACH"});
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(after_a_closed_port_over_ipv4),
      cmocka_unit_test(after_a_closed_port_over_ipv6),
      cmocka_unit_test(after_a_router_that_forbids_over_ipv4),
  };
  return HOSTS_MAIN("after_refusal", tests);
}
