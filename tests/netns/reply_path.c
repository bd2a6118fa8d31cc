/*
 * Answers of a host with two interfaces: each leaves from the address and by the interface that the
 * question came to, also where the routing table would have it otherwise.
 */
#include "lib/hosts.h"

/* Answers "re", and counts. */
static void answer(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                   void *context) {
  static char text[] = "re";
  uv_buf_t buffer = uv_buf_init(text, 2);
  assert_int_equal(dgram_reply(socket, rinfo, &buffer, 1, NULL, NULL), 0);
}

static dgram_socket_t *answer_on(struct host *host, dgram_type_t type) {
  struct host *before = here;
  enter(host);
  dgram_options_t options = dgram_default_options(type);
  options.receive_info = DGRAM_INFO_DESTINATION;
  dgram_socket_t *socket = new_with(host->loop, &options);
  assert_int_equal(dgram_on_message(socket, answer, NULL), 0);
  assert_int_equal(dgram_bind_sync(socket, PORT, NULL), 0);
  enter(before);
  return socket;
}

static char answer_from[DGRAM_ADDRESS_TEXT];

static void keep_sender(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                        void *context) {
  snprintf(answer_from, sizeof answer_from, "%s", dgram_rinfo_address(rinfo));
  ++*(int *)context;
}

/* Asks; the answer must come from `expected`. */
static void assert_answer(struct host *host, dgram_type_t type, const char *asked,
                          const char *expected) {
  int count = 0;
  dgram_socket_t *client = bind_with(host, type, keep_sender, &count);
  send_from(client, "question", asked);
  run_hosts_until(&count, 1);
  assert_string_equal(answer_from, expected);
  close_socket(client);
}

TEST_OVER_EACH("an answer has the address that was asked as its sender") {
  forward();
  answer_on(middle, net->type);
  assert_answer(left, net->type, net->middle, net->middle);
  assert_answer(left, net->type, net->middle_1, net->middle_1);
  assert_answer(right, net->type, net->middle, net->middle);
  assert_answer(right, net->type, net->middle_1, net->middle_1);
}

TEST("an answer of a udp6 socket has the address of IPv4 that was asked as its sender") {
  forward();
  answer_on(middle, DGRAM_UDP6);
  assert_answer(left, DGRAM_UDP4, ipv4.middle_1, ipv4.middle_1);
  assert_answer(right, DGRAM_UDP4, ipv4.middle, ipv4.middle);
}

/* What the kernel would choose is the first address of the interface. */
TEST_OVER_EACH("an answer has the second address of an interface as its sender") {
  enter(middle);
  const char *second = net == &ipv4 ? "10.0.1.77" : "fd00:1::77";
  if (net == &ipv4)
    sh("ip addr add %s/24 dev eth0", second);
  else
    add_address(second, 64, "eth0");
  answer_on(middle, net->type);
  assert_answer(left, net->type, second, second);
  assert_answer(left, net->type, net->middle, net->middle);
}

/* The host asks itself: the datagrams take the loopback interface, whatever their addresses. */
TEST_OVER_EACH("an answer to the own host has the address that was asked as its sender") {
  int count = 0;
  answer_on(middle, net->type);
  enter(middle);
  dgram_socket_t *client = new_socket(middle->loop, net->type, keep_sender, &count);
  bind_now(client, NULL);
  send_from(client, "question", net->middle_1);
  run_hosts_until(&count, 1);
  assert_string_equal(answer_from, net->middle_1);
}

TEST("an answer to a loopback address has the address that was asked as its sender") {
  int count = 0;
  answer_on(middle, DGRAM_UDP4);
  enter(middle);
  dgram_socket_t *client = new_socket(middle->loop, DGRAM_UDP4, keep_sender, &count);
  bind_now(client, "127.0.0.1");
  send_from(client, "question", ipv4.middle_1);
  run_hosts_until(&count, 1);
  assert_string_equal(answer_from, ipv4.middle_1);
}

TEST("a question to a group of IPv4 is answered from an address of the interface") {
  dgram_socket_t *server = answer_on(middle, DGRAM_UDP4);
  assert_int_equal(dgram_add_membership(server, ipv4.group, "eth0"), 0);
  assert_int_equal(dgram_add_membership(server, ipv4.group, "eth1"), 0);
  assert_answer(left, DGRAM_UDP4, ipv4.group, ipv4.middle);
  assert_answer(right, DGRAM_UDP4, ipv4.group, ipv4.middle_1);
}

TEST("a question to a link-local group of IPv6 is answered by the interface") {
  char own[INET6_ADDRSTRLEN];
  char expected[INET6_ADDRSTRLEN + 8];
  dgram_socket_t *server = answer_on(middle, DGRAM_UDP6);
  static const char *const interfaces[] = {"eth0", "eth1"};
  struct host *const hosts[] = {left, right};
  for (int i = 0; i < 2; i++) {
    char zone[16];
    snprintf(zone, sizeof zone, "::%%%s", interfaces[i]);
    enter(middle);
    assert_int_equal(dgram_add_membership(server, "ff02::1234", zone), 0);
    assert_true(find_link_local(interfaces[i], own));
    snprintf(expected, sizeof expected, "%s%%eth0", own);
    assert_answer(hosts[i], DGRAM_UDP6, "ff02::1234%eth0", expected);
  }
}

TEST("a broadcast is answered from an address of the interface") {
  int count = 0;
  answer_on(middle, DGRAM_UDP4);
  dgram_socket_t *client = bind_with(right, DGRAM_UDP4, keep_sender, &count);
  assert_int_equal(dgram_set_broadcast(client, 1), 0);
  send_from(client, "question", "10.0.2.255");
  run_hosts_until(&count, 1);
  assert_string_equal(answer_from, ipv4.middle_1);
  send_from(client, "question", "255.255.255.255");
  run_hosts_until(&count, 2);
  assert_string_equal(answer_from, ipv4.middle_1);
}

/* The same network on both links; the routing table has it on one of them only. */
TEST("an answer leaves by the interface that the question came by, though the route leads "
     "elsewhere") {
  int count = 0;
  enter(right);
  sh("ip addr add 10.0.1.2/32 dev lo");
  sh("ip route add 10.0.1.0/24 dev eth0 src 10.0.1.2");
  sh("ip addr add 10.0.1.2/24 dev eth0");
  answer_on(middle, DGRAM_UDP4);
  enter(right);
  dgram_socket_t *client = new_socket(right->loop, DGRAM_UDP4, keep_sender, &count);
  assert_int_equal(dgram_bind_sync(client, PORT, "10.0.1.2"), 0);
  send_from(client, "question", ipv4.middle_1);
  run_hosts_until(&count, 1);
  assert_string_equal(answer_from, ipv4.middle_1);
}

static void keep_path(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                      void *context) {
  assert_int_equal(dgram_rinfo_path(rinfo, context), 0);
  trace("kept");
}

/* The question comes by one interface, to the address of the other; the route back is another. */
TEST("without its interface a way leads where the routing table has it") {
  static char text[] = "re";
  dgram_path_t path = {.reserved = {0}};
  forward();
  dgram_socket_t *server = answer_on(middle, DGRAM_UDP4);
  assert_int_equal(dgram_off_message(server, answer, NULL), 0);
  assert_int_equal(dgram_on_message(server, keep_path, &path), 0);
  dgram_socket_t *client = bind_on(left, DGRAM_UDP4, NULL);
  send_from(client, "question", ipv4.middle_1);
  run_hosts_until(&trace_count, 1);
  bind_on(right, DGRAM_UDP4, NULL);
  assert_int_equal(inet_pton(AF_INET, ipv4.right, &((struct sockaddr_in *)&path.peer)->sin_addr),
                   1);
  path.interface_index = 0;
  uv_buf_t buffer = uv_buf_init(text, 2);
  enter(middle);
  assert_int_equal(dgram_send_path(server, &path, &buffer, 1, NULL, NULL), 0);
  assert_received(right, "re");
}

TEST("an answer by an interface that is gone ends with the system's error") {
  static char text[] = "re";
  dgram_path_t path = {.reserved = {0}};
  struct kept_error kept = {0};
  dgram_socket_t *server = answer_on(middle, DGRAM_UDP4);
  assert_int_equal(dgram_off_message(server, answer, NULL), 0);
  assert_int_equal(dgram_on_message(server, keep_path, &path), 0);
  dgram_socket_t *client = bind_on(left, DGRAM_UDP4, NULL);
  send_from(client, "question", ipv4.middle);
  run_hosts_until(&trace_count, 1);
  enter(middle);
  sh("ip link del eth0");
  uv_buf_t buffer = uv_buf_init(text, 2);
  assert_int_equal(dgram_send_path(server, &path, &buffer, 1, keep_send_error, &kept), 0);
  run_hosts_until(&kept.calls, 1);
  assert_true(kept.code == UV_ENETUNREACH || kept.code == UV_ENODEV || kept.code == UV_EINVAL);
}

int main(void) {
  return hosts_run();
}
