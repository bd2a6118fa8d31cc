/*
 * What a datagram is sent with, and what is told of it: source, TTL, TOS, "don't fragment",
 * segments; destination, interface, time.
 */
#include "lib/sim_fixture.h"

static struct {
  dgram_info_t info;
  dgram_address_t destination;
  dgram_address_t local;
  char interface[DGRAM_INTERFACE_NAME];
} told;

static void keep_info(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                      void *context) {
  const dgram_info_t *info = dgram_rinfo_info(rinfo);
  const char *name = dgram_info_interface_name(info);
  assert_non_null(info);
  told.info = *info;
  snprintf(told.interface, sizeof told.interface, "%s", name != NULL ? name : "");
  memset(&told.local, 0, sizeof told.local);
  assert_int_equal(dgram_sockaddr_describe(info->destination, &told.destination), 0);
  if (info->local != NULL)
    assert_int_equal(dgram_sockaddr_describe(info->local, &told.local), 0);
}

static dgram_socket_t *informed(uv_loop_t *loop, dgram_sim_host_t *host, dgram_type_t type) {
  dgram_options_t options = sim_options(host, type);
  options.receive_info = DGRAM_INFO_ALL;
  dgram_socket_t *socket = new_with(loop, &options);
  assert_int_equal(dgram_bind_sync(socket, 2000, NULL), 0);
  assert_int_equal(dgram_on_message(socket, keep_info, NULL), 0);
  return socket;
}

TEST("the facts about a datagram") {
  struct sim_pair pair = sim_pair(NULL);
  assert_int_equal(dgram_sim_host_add_address(pair.b, "10.0.0.3"), 0);
  dgram_socket_t *a = sim_bound(loop, pair.a, 1000);
  dgram_socket_t *b = informed(loop, pair.b, DGRAM_UDP4);
  assert_int_equal(dgram_set_ttl(a, 7), 0);
  sim_send(a, "x", 2000, "10.0.0.3");
  sim_run();
  assert_string_equal(told.destination.address, "10.0.0.3");
  assert_int_equal(told.destination.port, 2000);
  assert_string_equal(told.local.address, "10.0.0.3");
  assert_int_equal(told.info.interface_index, 2);
  assert_string_equal(told.interface, "eth0");
  assert_int_equal(told.info.ttl, 7);
  assert_int_equal(told.info.timestamp_ns, DGRAM_SIM_MS(1));
  assert_int_equal(told.info.truncated, 0);
  assert_int_equal(told.info.segment_size, 0);
  assert_int_equal(told.info.flags, DGRAM_INFO_ALL & ~DGRAM_INFO_HARDWARE_TIMESTAMP);
  assert_int_equal(dgram_add_membership(b, "224.0.0.114", NULL), 0);
  sim_send(a, "x", 2000, "224.0.0.114");
  sim_run();
  assert_string_equal(told.destination.address, "224.0.0.114");
  assert_string_equal(told.local.address, "10.0.0.2");
  dgram_socket_t *six = sim_socket(loop, pair.a, DGRAM_UDP6);
  close_socket(b);
  sim_run();
  informed(loop, pair.b, DGRAM_UDP6);
  sim_send(a, "x", 2000, "10.0.0.2");
  sim_run();
  assert_string_equal(told.destination.address, "::ffff:10.0.0.2");
  sim_send(six, "x", 2000, "fd00::2");
  sim_run();
  assert_string_equal(told.local.address, "fd00::2");
}

static struct sockaddr_in v4_address(const char *text, int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  assert_int_equal(inet_pton(AF_INET, text, &address.sin_addr), 1);
  return address;
}

static int send_with(dgram_socket_t *socket, size_t size, const dgram_send_options_t *options,
                     const char *name) {
  static const char data[5000];
  const struct sockaddr_in to = v4_address("10.0.0.2", 2000);
  uv_buf_t buffer = uv_buf_init((char *)data, (unsigned)size);
  return dgram_send_with(socket, &buffer, 1, (const struct sockaddr *)&to, options, trace_sent,
                         (void *)name);
}

TEST("a datagram with choices of its own") {
  struct sim_pair pair = sim_pair(NULL);
  assert_int_equal(dgram_sim_host_add_address(pair.a, "10.0.0.9"), 0);
  dgram_socket_t *a = sim_bound(loop, pair.a, 1000);
  dgram_address_t sender;
  dgram_socket_t *b = informed(loop, pair.b, DGRAM_UDP4);
  assert_int_equal(dgram_connect_sync(b, 1000, "10.0.0.9"), 0); /* receives from this one only */
  struct sockaddr_in source = v4_address("10.0.0.9", 0);
  dgram_send_options_t options = dgram_default_send_options();
  options.source = (const struct sockaddr *)&source;
  options.ttl = 9;
  options.tos = 0xb8 | 2;
  options.interface_index = 2;
  assert_int_equal(send_with(a, 10, &options, "sent"), 0);
  sim_run();
  assert_trace("sent");
  assert_int_equal(dgram_sim_count(sim, DGRAM_SIM_DELIVERED), 1);
  assert_int_equal(told.info.ttl, 9);
  assert_int_equal(told.info.dscp, 46);
  assert_int_equal(told.info.ecn, 2);
  assert_int_equal(dgram_remote_address(b, &sender), 0);
  source = v4_address("10.0.0.77", 0);
  assert_int_equal(send_with(a, 10, &options, "foreign"), 0);
  options.source = NULL;
  options.interface_index = 3;
  assert_int_equal(send_with(a, 10, &options, "interface"), 0);
  sim_run();
  assert_trace("foreign(EINVAL) interface(ENODEV)");
}

TEST("a datagram that may not be fragmented, and one that leaves in segments") {
  struct sim_pair pair = sim_pair(NULL);
  dgram_socket_t *a = sim_bound(loop, pair.a, 1000);
  int count = 0;
  dgram_socket_t *b = sim_bound(loop, pair.b, 2000);
  assert_int_equal(dgram_on_message(b, count_message, &count), 0);
  dgram_send_options_t options = dgram_default_send_options();
  options.dont_fragment = 1;
  assert_int_equal(send_with(a, 1473, &options, "large"), 0);
  assert_int_equal(send_with(a, 1472, &options, "fits"), 0);
  options.dont_fragment = 0;
  assert_int_equal(send_with(a, 1473, &options, "fragments"), 0);
  sim_run();
  assert_trace("large(EMSGSIZE) fits fragments");
  assert_int_equal(count, 2);
  options = dgram_default_send_options();
  options.segment_size = 1000;
  assert_int_equal(send_with(a, 4500, &options, "segments"), 0);
  sim_run();
  assert_trace("segments");
  assert_int_equal(count, 7);
}

TEST("what has no meaning here is refused") {
  struct sim_pair pair = sim_pair(NULL);
  dgram_socket_t *a = sim_bound(loop, pair.a, 1000);
  int64_t value;
  assert_int_equal(dgram_set_sockopt(a, DGRAM_SO_MARK, 1), UV_ENOTSUP);
  assert_int_equal(dgram_set_sockopt(a, DGRAM_SO_TOS, 8), 0);
  assert_int_equal(dgram_get_sockopt(a, DGRAM_SO_TOS, &value), 0);
  assert_int_equal(value, 8);
  assert_int_equal(dgram_connect_sync(a, 2000, "10.0.0.2"), 0);
  assert_int_equal(dgram_get_mtu(a), 1500);
}

static void pause_it(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                     void *context) {
  trace("%.*s", (int)rinfo->size, message);
  assert_int_equal(dgram_pause(socket), 0);
}

TEST("a socket pauses, and loses nothing that its buffer holds") {
  struct sim_pair pair = sim_pair(NULL);
  dgram_socket_t *a = sim_bound(loop, pair.a, 1000);
  dgram_socket_t *b = sim_bound(loop, pair.b, 2000);
  assert_int_equal(dgram_on_message(b, pause_it, NULL), 0);
  sim_send(a, "1", 2000, "10.0.0.2");
  sim_send(a, "2", 2000, "10.0.0.2");
  sim_run();
  assert_trace("1");
  sim_send(a, "3", 2000, "10.0.0.2");
  sim_run();
  assert_trace("");
  for (int i = 0; i < 2; i++) {
    assert_int_equal(dgram_resume(b), 0);
    sim_run();
  }
  assert_trace("2 3");
}
