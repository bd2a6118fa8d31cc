/*
 * NATs (RFC 4787): mappings and their timeout, who is let in by each kind, hairpins, errors, hosts
 * with the same address behind two NATs.
 */
#include "lib/sim_fixture.h"

/* Two homes, whose hosts have the same private address, and a server with two addresses. */
static struct {
  dgram_sim_host_t *home[2];
  dgram_sim_host_t *router[2];
  dgram_sim_host_t *server;
  dgram_socket_t *inside[2];
  dgram_socket_t *outside;
} net;

static struct {
  char address[DGRAM_ADDRESS_TEXT];
  int port;
} seen;

static void keep_sender(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                        void *context) {
  snprintf(seen.address, sizeof seen.address, "%s", dgram_rinfo_address(rinfo));
  seen.port = rinfo->port;
}

static void open_net(uv_loop_t *loop, const dgram_sim_nat_options_t *options) {
  static const char *const names[2][2] = {{"home0", "router0"}, {"home1", "router1"}};
  static const char *const addresses[] = {"198.51.100.1", "203.0.113.1"};
  net.server = sim_host("server", "192.0.2.1", NULL);
  assert_int_equal(dgram_sim_host_add_address(net.server, "192.0.2.2"), 0);
  for (int i = 0; i < 2; i++) {
    net.home[i] = sim_host(names[i][0], "192.168.1.2", NULL);
    net.router[i] = sim_host(names[i][1], "192.168.1.1", NULL);
    assert_int_equal(dgram_sim_host_add_address(net.router[i], addresses[i]), 0);
    sim_link(net.home[i], net.router[i], NULL);
    dgram_sim_link_t *outside = sim_link(net.router[i], net.server, NULL);
    assert_int_equal(dgram_sim_host_set_nat(net.router[i], outside, addresses[i], options), 0);
    net.inside[i] = sim_traced(loop, net.home[i], 1000, names[i][0]);
    assert_int_equal(dgram_on_message(net.inside[i], keep_sender, NULL), 0);
  }
  net.outside = sim_traced(loop, net.server, 2000, "server");
  assert_int_equal(dgram_on_message(net.outside, keep_sender, NULL), 0);
}

static dgram_sim_nat_options_t of_type(dgram_sim_nat_type_t type) {
  dgram_sim_nat_options_t options = dgram_default_sim_nat_options();
  options.type = type;
  return options;
}

TEST("a NAT gives what leaves its own address, and brings the answer back") {
  open_net(loop, NULL);
  sim_send(net.inside[0], "hello", 2000, "192.0.2.1");
  sim_run();
  assert_trace("server(hello)");
  assert_string_equal(seen.address, "198.51.100.1");
  assert_int_equal(seen.port, 1000); /* free there, so it is kept */
  sim_send(net.outside, "answer", 1000, "198.51.100.1");
  sim_run();
  assert_trace("home0(answer)");
  assert_string_equal(seen.address, "192.0.2.1");
  sim_send(net.inside[1], "other", 2000, "192.0.2.1");
  sim_run();
  assert_trace("server(other)");
  assert_string_equal(seen.address, "203.0.113.1");
}

TEST("without a mapping nothing comes in, and no private address is reached") {
  open_net(loop, NULL);
  sim_send(net.outside, "x", 1000, "198.51.100.1");
  sim_send(net.outside, "y", 1000, "192.168.1.2");
  sim_run();
  assert_trace("");
  assert_int_equal(dgram_sim_count(sim, DGRAM_SIM_FILTERED), 1);
  assert_int_equal(dgram_sim_count(sim, DGRAM_SIM_NO_ROUTE), 1);
}

/* Which of these are let in to a mapping for 192.0.2.1:2000: another port, another address. */
static void assert_filter(uv_loop_t *loop, dgram_sim_nat_type_t type, const char *expected) {
  dgram_sim_nat_options_t options = of_type(type);
  open_net(loop, &options);
  dgram_socket_t *port = sim_bound(loop, net.server, 2001);
  dgram_socket_t *address = sim_socket(loop, net.server, DGRAM_UDP4);
  assert_int_equal(dgram_bind_sync(address, 2002, "192.0.2.2"), 0);
  sim_send(net.inside[0], "out", 2000, "192.0.2.1");
  sim_run();
  sim_send(net.outside, "peer", 1000, "198.51.100.1");
  sim_run();
  sim_send(port, "port", 1000, "198.51.100.1");
  sim_run();
  sim_send(address, "address", 1000, "198.51.100.1");
  sim_run();
  assert_trace(expected);
}

TEST("a full cone lets everybody in") {
  assert_filter(loop, DGRAM_SIM_NAT_FULL_CONE,
                "server(out) home0(peer) home0(port) home0(address)");
}

TEST("a restricted cone lets the hosts in that it has sent to") {
  assert_filter(loop, DGRAM_SIM_NAT_RESTRICTED, "server(out) home0(peer) home0(port)");
}

TEST("a port-restricted cone lets the ports in that it has sent to") {
  assert_filter(loop, DGRAM_SIM_NAT_PORT_RESTRICTED, "server(out) home0(peer)");
}

TEST("a symmetric NAT lets the ports in that it has sent to, each at a port of its own") {
  assert_filter(loop, DGRAM_SIM_NAT_SYMMETRIC, "server(out) home0(peer)");
  int first = 1000;
  dgram_socket_t *second = sim_traced(loop, net.server, 2003, "second");
  assert_int_equal(dgram_on_message(second, keep_sender, NULL), 0);
  sim_send(net.inside[0], "x", 2003, "192.0.2.1");
  sim_run();
  assert_trace("second(x)");
  assert_int_not_equal(seen.port, first);
}

TEST("a cone has one port for all destinations") {
  open_net(loop, NULL);
  dgram_socket_t *second = sim_bound(loop, net.server, 2001);
  assert_int_equal(dgram_on_message(second, keep_sender, NULL), 0);
  sim_send(net.inside[0], "x", 2001, "192.0.2.2");
  sim_run();
  assert_int_equal(seen.port, 1000);
}

TEST("two hosts inside with one port get two outside") {
  open_net(loop, NULL);
  dgram_sim_host_t *other = sim_host("other", "192.168.1.3", NULL);
  sim_link(other, net.router[0], NULL);
  sim_send(net.inside[0], "x", 2000, "192.0.2.1");
  sim_run();
  assert_int_equal(seen.port, 1000);
  sim_send(sim_bound(loop, other, 1000), "y", 2000, "192.0.2.1");
  sim_run();
  assert_int_not_equal(seen.port, 1000);
  assert_string_equal(seen.address, "198.51.100.1");
  assert_trace("server(x) server(y)");
}

TEST("ports outside are by chance on request") {
  dgram_sim_nat_options_t options = dgram_default_sim_nat_options();
  options.random_ports = 1;
  open_net(loop, &options);
  sim_send(net.inside[0], "x", 2000, "192.0.2.1");
  sim_run();
  assert_int_not_equal(seen.port, 1000);
  assert_trace("server(x)");
}

TEST("a mapping ends after its timeout, unless it is used from inside") {
  dgram_sim_nat_options_t options = dgram_default_sim_nat_options();
  options.timeout = DGRAM_SIM_S(30);
  open_net(loop, &options);
  sim_send(net.inside[0], "out", 2000, "192.0.2.1");
  sim_run_for(DGRAM_SIM_S(29));
  sim_send(net.outside, "in time", 1000, "198.51.100.1");
  sim_run_for(DGRAM_SIM_S(2)); /* what comes in does not prolong it */
  sim_send(net.outside, "late", 1000, "198.51.100.1");
  sim_run();
  assert_trace("server(out) home0(in time)");
  sim_send(net.inside[0], "again", 2000, "192.0.2.1");
  sim_run_for(DGRAM_SIM_S(29));
  sim_send(net.inside[0], "kept", 2000, "192.0.2.1");
  sim_run_for(DGRAM_SIM_S(29));
  sim_send(net.outside, "in", 1000, "198.51.100.1");
  sim_run();
  assert_trace("server(again) server(kept) home0(in)");
}

TEST("a full cone lets nobody in once its mapping has ended") {
  dgram_sim_nat_options_t options = of_type(DGRAM_SIM_NAT_FULL_CONE);
  options.timeout = DGRAM_SIM_S(30);
  open_net(loop, &options);
  sim_send(net.inside[0], "out", 2000, "192.0.2.1");
  sim_run_for(DGRAM_SIM_S(29));
  sim_send(net.outside, "in", 1000, "198.51.100.1");
  sim_run_for(DGRAM_SIM_S(2));
  sim_send(net.outside, "late", 1000, "198.51.100.1");
  sim_run();
  assert_trace("server(out) home0(in)");
}

TEST("holes are punched between two restricted NATs, from both sides") {
  open_net(loop, NULL);
  sim_send(net.inside[0], "punch", 1000, "203.0.113.1");
  sim_run();
  assert_trace(""); /* the other NAT has no mapping yet */
  sim_send(net.inside[1], "punch", 1000, "198.51.100.1");
  sim_run();
  assert_trace("home0(punch)");
  sim_send(net.inside[0], "through", 1000, "203.0.113.1");
  sim_run();
  assert_trace("home1(through)");
  assert_string_equal(seen.address, "198.51.100.1");
}

/* Whether a host inside reaches another by its address outside. */
static void assert_hairpin(uv_loop_t *loop, int hairpin, const char *expected) {
  dgram_sim_nat_options_t options = of_type(DGRAM_SIM_NAT_FULL_CONE);
  options.hairpin = hairpin;
  open_net(loop, &options);
  dgram_sim_host_t *other = sim_host("other", "192.168.1.3", NULL);
  sim_link(other, net.router[0], NULL);
  dgram_socket_t *from = sim_bound(loop, other, 1001);
  sim_send(net.inside[0], "out", 2000, "192.0.2.1");
  sim_run();
  trace_clear();
  sim_send(from, "hairpin", 1000, "198.51.100.1");
  sim_run();
  assert_trace(expected);
}

TEST("a hairpin: a host inside reaches another by its address outside") {
  assert_hairpin(loop, 1, "home0(hairpin)");
  assert_string_equal(seen.address, "198.51.100.1");
  assert_int_equal(seen.port, 1001);
}

TEST("no hairpin where the NAT has none") {
  assert_hairpin(loop, 0, "");
}

TEST("errors find their way through a NAT in both directions") {
  open_net(loop, NULL);
  assert_int_equal(dgram_connect_sync(net.inside[0], 2999, "192.0.2.1"), 0);
  sim_send(net.inside[0], "x", 0, NULL);
  sim_run();
  assert_trace("home0(ECONNREFUSED)");
  assert_int_equal(dgram_disconnect(net.inside[0]), 0);
  sim_send(net.inside[0], "x", 2000, "192.0.2.1");
  sim_run();
  assert_trace("server(x)");
  assert_int_equal(dgram_connect_sync(net.outside, 1000, "198.51.100.1"), 0);
  close_socket(net.inside[0]);
  sim_run();
  sim_send(net.outside, "y", 0, NULL);
  sim_run();
  assert_trace("server(ECONNREFUSED)");
}

TEST("the NAT's own sockets are reached") {
  open_net(loop, NULL);
  dgram_socket_t *own = sim_traced(loop, net.router[0], 5000, "router");
  sim_send(net.outside, "in", 5000, "198.51.100.1");
  sim_send(net.inside[0], "from inside", 5000, "192.168.1.1");
  sim_run();
  assert_trace("router(in) router(from inside)");
  sim_send(own, "out", 2000, "192.0.2.1");
  sim_run();
  assert_trace("server(out)");
  assert_int_equal(seen.port, 5000);
}
