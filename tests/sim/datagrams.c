/*
 * Datagrams between hosts of a network in memory: bind, send, receive, connect, close, as dgram.h
 * has them.
 */
#include "lib/sim_fixture.h"

static dgram_address_t last_sender;

static void keep_sender(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                        void *context) {
  snprintf(last_sender.address, sizeof last_sender.address, "%s", dgram_rinfo_address(rinfo));
  last_sender.port = rinfo->port;
  last_sender.family = rinfo->family;
}

TEST("a datagram comes to the other host after the link's delay") {
  struct sim_pair pair = sim_pair(NULL);
  dgram_socket_t *a = sim_bound(loop, pair.a, 1000);
  dgram_socket_t *b = sim_traced(loop, pair.b, 2000, "b");
  assert_int_equal(dgram_on_message(b, keep_sender, NULL), 0);
  assert_int_equal(dgram_send(a, "hello", 5, 2000, "10.0.0.2", trace_sent, "sent"), 0);
  sim_run_for(DGRAM_SIM_MS(1) - 1);
  assert_trace("sent");
  sim_run_for(1);
  assert_trace("b(hello)");
  assert_string_equal(last_sender.address, "10.0.0.1");
  assert_int_equal(last_sender.port, 1000);
  assert_int_equal(dgram_sim_now(sim), DGRAM_SIM_MS(1));
}

TEST("many datagrams come in order, an empty one and the largest among them") {
  static char largest[65507];
  int count = 0;
  struct sim_pair pair = sim_pair(NULL);
  dgram_options_t options = sim_options(pair.b, DGRAM_UDP4);
  options.recv_buffer_size = 1 << 20;
  dgram_socket_t *a = sim_bound(loop, pair.a, 1000);
  dgram_socket_t *b = new_with(loop, &options);
  assert_int_equal(dgram_bind_sync(b, 2000, NULL), 0);
  assert_int_equal(dgram_on_message(b, count_message, &count), 0);
  for (int i = 0; i < 300; i++)
    sim_send(a, "x", 2000, "10.0.0.2");
  assert_int_equal(dgram_send(a, largest, sizeof largest, 2000, "10.0.0.2", NULL, NULL), 0);
  assert_int_equal(dgram_send(a, "", 0, 2000, "10.0.0.2", NULL, NULL), 0);
  sim_run();
  assert_int_equal(count, 302);
  assert_int_equal(dgram_send(a, largest, sizeof largest, 2000, "10.0.0.2", trace_sent, "sent"), 0);
  static char too_large[65508];
  assert_int_equal(
      dgram_send(a, too_large, sizeof too_large, 2000, "10.0.0.2", trace_sent, "large"), 0);
  sim_run();
  assert_trace("sent large(EMSGSIZE)");
}

TEST("IPv6, and IPv4 on a dual-stack socket") {
  struct sim_pair pair = sim_pair(NULL);
  dgram_socket_t *a4 = sim_bound(loop, pair.a, 1000);
  dgram_socket_t *a6 = sim_socket(loop, pair.a, DGRAM_UDP6);
  dgram_socket_t *b6 = sim_socket(loop, pair.b, DGRAM_UDP6);
  assert_int_equal(dgram_bind_sync(a6, 1001, "fd00::1"), 0);
  assert_int_equal(dgram_bind_sync(b6, 2000, NULL), 0);
  assert_int_equal(dgram_on_message(b6, trace_message, "b"), 0);
  assert_int_equal(dgram_on_message(b6, keep_sender, NULL), 0);
  sim_send(a6, "six", 2000, "fd00::2");
  sim_run();
  assert_trace("b(six)");
  assert_string_equal(last_sender.address, "fd00::1");
  sim_send(a4, "four", 2000, "10.0.0.2");
  sim_run();
  assert_trace("b(four)");
  assert_string_equal(last_sender.address, "::ffff:10.0.0.1");
  assert_int_equal(dgram_on_message(a4, trace_message, "a"), 0);
  sim_send(b6, "back", 1000, "::ffff:10.0.0.1");
  sim_run();
  assert_trace("a(back)");
}

TEST("a port can be bound once, unless it is shared") {
  struct sim_pair pair = sim_pair(NULL);
  sim_bound(loop, pair.a, 1000);
  dgram_socket_t *second = sim_socket(loop, pair.a, DGRAM_UDP4);
  assert_int_equal(dgram_bind_sync(second, 1000, NULL), UV_EADDRINUSE);
  assert_int_equal(dgram_bind_sync(second, 1000, "10.0.0.1"), UV_EADDRINUSE);
  assert_int_equal(dgram_bind_sync(second, 1000, "10.0.0.2"), UV_EADDRNOTAVAIL);
  assert_int_equal(dgram_bind(second, 1000, NULL, NULL, NULL), 0);
  assert_int_equal(dgram_on_error(second, trace_error, "error"), 0);
  sim_run();
  assert_trace("error(EADDRINUSE)");
  sim_bound(loop, pair.b, 1000); /* another host */
  dgram_socket_t *six = sim_socket(loop, pair.a, DGRAM_UDP6);
  assert_int_equal(dgram_bind_sync(six, 1000, NULL), UV_EADDRINUSE); /* dual-stack */
  dgram_options_t options = sim_options(pair.a, DGRAM_UDP6);
  options.ipv6_only = 1;
  assert_int_equal(dgram_bind_sync(new_with(loop, &options), 1000, NULL), 0);
  options = sim_options(pair.a, DGRAM_UDP4);
  options.reuse_addr = 1;
  assert_int_equal(dgram_bind_sync(new_with(loop, &options), 1001, NULL), 0);
  assert_int_equal(dgram_bind_sync(new_with(loop, &options), 1001, NULL), 0);
  assert_int_equal(dgram_bind_sync(second, 1001, NULL), UV_EADDRINUSE);
}

TEST("port 0 gives a free port, and the socket has its address") {
  struct sim_pair pair = sim_pair(NULL);
  int ports[50];
  for (int i = 0; i < 50; i++) {
    ports[i] = port_of(sim_bound(loop, pair.a, 0));
    assert_in_range(ports[i], 32768, 60999);
    for (int k = 0; k < i; k++)
      assert_int_not_equal(ports[i], ports[k]);
  }
}

TEST("a connected socket receives from its peer only, and names both ends") {
  struct sim_pair pair = sim_pair(NULL);
  dgram_address_t address;
  dgram_socket_t *a = sim_traced(loop, pair.a, 1000, "a");
  dgram_socket_t *b = sim_traced(loop, pair.b, 2000, "b");
  dgram_socket_t *other = sim_bound(loop, pair.b, 2001);
  assert_int_equal(dgram_connect(a, 2000, "10.0.0.2", trace_connect, "connected"), 0);
  sim_run();
  assert_trace("connected");
  assert_int_equal(dgram_address(a, &address), 0);
  assert_string_equal(address.address, "10.0.0.1");
  assert_int_equal(dgram_remote_address(a, &address), 0);
  assert_string_equal(address.address, "10.0.0.2");
  assert_int_equal(address.port, 2000);
  sim_send(a, "ping", 0, NULL);
  sim_send(b, "pong", 1000, "10.0.0.1");
  sim_send(other, "foreign", 1000, "10.0.0.1");
  sim_run();
  assert_trace("b(ping) a(pong)");
  assert_int_equal(dgram_disconnect(a), 0);
  assert_int_equal(dgram_address(a, &address), 0);
  assert_string_equal(address.address, "0.0.0.0");
  sim_send(other, "foreign", 1000, "10.0.0.1");
  sim_run();
  assert_trace("a(foreign)");
}

TEST("a connected socket learns that nobody has the port") {
  struct sim_pair pair = sim_pair(NULL);
  dgram_socket_t *a = sim_traced(loop, pair.a, 1000, "a");
  assert_int_equal(dgram_connect_sync(a, 2000, "10.0.0.2"), 0);
  sim_run();
  assert_int_equal(dgram_send(a, "x", 1, 0, NULL, trace_sent, "sent"), 0);
  sim_run();
  assert_trace("sent a(ECONNREFUSED)");
  assert_int_equal(dgram_sim_now(sim), DGRAM_SIM_MS(2));
  assert_int_equal(dgram_sim_count(sim, DGRAM_SIM_NO_PORT), 1);
  assert_int_equal(dgram_sim_count(sim, DGRAM_SIM_ICMP), 1);
  assert_int_equal(dgram_disconnect(a), 0);
  sim_send(a, "unconnected", 2000, "10.0.0.2");
  sim_run();
  assert_trace("");
}

/* poll(2) reports an error whatever it watches for. */
TEST("a paused socket learns it, too") {
  struct sim_pair pair = sim_pair(NULL);
  dgram_socket_t *a = sim_traced(loop, pair.a, 1000, "a");
  assert_int_equal(dgram_connect_sync(a, 2000, "10.0.0.2"), 0);
  assert_int_equal(dgram_pause(a), 0);
  sim_run();
  assert_int_equal(dgram_send(a, "x", 1, 0, NULL, NULL, NULL), 0);
  sim_run();
  assert_trace("a(ECONNREFUSED)");
}

TEST("a host reaches itself by loopback and by its own address") {
  dgram_sim_host_t *host = sim_host("alone", "10.0.0.1", "fd00::1");
  dgram_socket_t *a = sim_bound(loop, host, 1000);
  dgram_socket_t *b = sim_traced(loop, host, 2000, "b");
  assert_int_equal(dgram_on_message(b, keep_sender, NULL), 0);
  sim_send(a, "one", 2000, NULL);
  sim_run();
  assert_string_equal(last_sender.address, "127.0.0.1");
  sim_send(a, "two", 2000, "10.0.0.1");
  sim_run();
  assert_string_equal(last_sender.address, "10.0.0.1");
  sim_send(a, "three", 2000, "localhost");
  sim_run();
  assert_trace("b(one) b(two) b(three)");
  assert_int_equal(dgram_send(a, "x", 1, 2000, "10.9.9.9", trace_sent, "sent"), 0);
  sim_run();
  assert_trace("sent(ENETUNREACH)");
}

/* The source is the address in the destination's network; else the first of the family. */
TEST("a host of several networks sends from its address in that of the destination") {
  static const struct {
    const char *to;
    const char *source;
  } rows[] = {{"10.1.0.9", "10.1.0.1"},       {"10.2.0.9", "10.2.0.1"},
              {"10.9.0.9", "10.1.0.1"},       {"fd00:1::9", "fd00:1::1"},
              {"fd00:2::9", "fd00:2::1"},     {"fd00:9::9", "fd00:1::1"},
              {"fd00:3:0:8::9", "fd00:3::1"}, {"fd00:3:0:10::9", "fd00:1::1"}};
  dgram_sim_host_t *a = sim_host("a", "10.1.0.1/24", "fd00:1::1/64");
  dgram_sim_host_t *b = sim_host("b", NULL, NULL);
  assert_int_equal(dgram_sim_host_add_address(a, "10.2.0.1/24"), 0);
  assert_int_equal(dgram_sim_host_add_address(a, "fd00:2::1/64"), 0);
  assert_int_equal(dgram_sim_host_add_address(a, "fd00:3::1/60"), 0);
  sim_link(a, b, NULL);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    assert_int_equal(dgram_sim_host_add_address(b, rows[i].to), 0);
    dgram_type_t type = strchr(rows[i].to, ':') != NULL ? DGRAM_UDP6 : DGRAM_UDP4;
    dgram_socket_t *sender = sim_socket(loop, a, type);
    dgram_socket_t *receiver = sim_socket(loop, b, type);
    assert_int_equal(dgram_on_message(receiver, keep_sender, NULL), 0);
    assert_int_equal(dgram_bind_sync(receiver, 2000, rows[i].to), 0);
    sim_send(sender, "x", 2000, rows[i].to);
    last_sender.address[0] = '\0';
    sim_run();
    assert_string_equal(last_sender.address, rows[i].source);
    close_socket(sender);
    close_socket(receiver);
    sim_run();
  }
}

TEST("hosts are found by their names") {
  struct sim_pair pair = sim_pair(NULL);
  dgram_socket_t *a = sim_traced(loop, pair.a, 1000, "a");
  sim_traced(loop, pair.b, 2000, "b");
  sim_send(a, "hello", 2000, "b");
  sim_run();
  assert_trace("b(hello)");
  assert_int_equal(dgram_send(a, "x", 1, 2000, "nobody", trace_sent, "sent"), 0);
  sim_run();
  assert_trace("sent(ENOTFOUND)");
  dgram_socket_t *six = sim_socket(loop, pair.a, DGRAM_UDP6);
  assert_int_equal(dgram_connect(six, 2000, "b", trace_connect, "connected"), 0);
  sim_run();
  dgram_address_t address;
  assert_int_equal(dgram_remote_address(six, &address), 0);
  assert_string_equal(address.address, "fd00::2");
  assert_trace("connected");
}

TEST("sends before the bind leave once it has ended, and close() waits for them") {
  struct sim_pair pair = sim_pair(NULL);
  sim_traced(loop, pair.b, 2000, "b");
  dgram_socket_t *a = sim_socket(loop, pair.a, DGRAM_UDP4);
  trace_events(a);
  sim_send(a, "early", 2000, "10.0.0.2");
  assert_int_equal(dgram_close(a, NULL, NULL), 0);
  sim_run();
  assert_trace("listening close b(early)");
}

TEST("a socket that was closed receives nothing, and its port is free") {
  struct sim_pair pair = sim_pair(NULL);
  dgram_socket_t *a = sim_bound(loop, pair.a, 1000);
  dgram_socket_t *b = sim_traced(loop, pair.b, 2000, "b");
  sim_send(a, "x", 2000, "10.0.0.2");
  sim_run_for(DGRAM_SIM_US(500));
  assert_int_equal(dgram_close(b, NULL, NULL), 0);
  sim_run();
  assert_trace("");
  sim_bound(loop, pair.b, 2000);
}

static void close_it(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                     void *context) {
  assert_int_equal(dgram_close(socket, NULL, NULL), 0);
}

TEST("a listener closes its socket while more has come") {
  struct sim_pair pair = sim_pair(NULL);
  dgram_socket_t *a = sim_bound(loop, pair.a, 1000);
  dgram_socket_t *b = sim_traced(loop, pair.b, 2000, "b");
  assert_int_equal(dgram_on_message(b, close_it, NULL), 0);
  for (int i = 0; i < 100; i++)
    sim_send(a, "x", 2000, "10.0.0.2");
  sim_run();
  assert_trace("b(x)");
}

TEST("sockets that share a port by reuse_port each get the flows of their own") {
  struct sim_pair pair = sim_pair(NULL);
  int counts[4] = {0};
  dgram_options_t options = sim_options(pair.b, DGRAM_UDP4);
  options.reuse_port = 1;
  for (int i = 0; i < 4; i++) {
    dgram_socket_t *socket = new_with(loop, &options);
    assert_int_equal(dgram_bind_sync(socket, 2000, NULL), 0);
    assert_int_equal(dgram_on_message(socket, count_message, &counts[i]), 0);
  }
  for (int i = 0; i < 64; i++) {
    dgram_socket_t *a = sim_bound(loop, pair.a, 0);
    sim_send(a, "x", 2000, "10.0.0.2");
    sim_send(a, "y", 2000, "10.0.0.2");
  }
  sim_run();
  int sum = 0;
  for (int i = 0; i < 4; i++) {
    assert_true(counts[i] > 0 && counts[i] % 2 == 0);
    sum += counts[i];
  }
  assert_int_equal(sum, 128);
}

TEST("of two sockets with reuse_addr the newer gets what comes") {
  struct sim_pair pair = sim_pair(NULL);
  dgram_options_t options = sim_options(pair.b, DGRAM_UDP4);
  options.reuse_addr = 1;
  static const char *const names[] = {"older", "newer"};
  for (int i = 0; i < 2; i++) {
    dgram_socket_t *socket = new_with(loop, &options);
    assert_int_equal(dgram_bind_sync(socket, 2000, NULL), 0);
    assert_int_equal(dgram_on_message(socket, trace_message, (void *)names[i]), 0);
  }
  sim_send(sim_bound(loop, pair.a, 1000), "x", 2000, "10.0.0.2");
  sim_run();
  assert_trace("newer(x)");
}

TEST("what needs the kernel is refused") {
  struct sim_pair pair = sim_pair(NULL);
  dgram_socket_t *a = sim_bound(loop, pair.a, 1000);
  assert_int_equal(dgram_fileno(a), UV_ENOTSUP);
  dgram_bind_options_t bind = dgram_default_bind_options();
  bind.fd = 5;
  assert_int_equal(dgram_bind_options(sim_socket(loop, pair.a, DGRAM_UDP4), &bind, NULL, NULL),
                   UV_ENOTSUP);
  dgram_sim_host_t *bridge;
  assert_int_equal(dgram_sim_switch(sim, "bridge", &bridge), 0);
  assert_int_equal(dgram_bind_sync(sim_socket(loop, bridge, DGRAM_UDP4), 0, NULL), UV_ENOTSUP);
  uv_loop_t other;
  assert_int_equal(uv_loop_init(&other), 0);
  dgram_options_t options = sim_options(pair.a, DGRAM_UDP4);
  dgram_socket_t *socket;
  assert_int_equal(dgram_create_socket_options(&other, &options, NULL, NULL, &socket), UV_EINVAL);
  uv_run(&other, UV_RUN_DEFAULT);
  assert_int_equal(uv_loop_close(&other), 0);
}

TEST("an ICMP error is not sent to what is a broadcast address where it begins") {
  dgram_sim_host_t *a = sim_host("a", "10.0.0.255/16", NULL);
  dgram_sim_host_t *b = sim_host("b", "10.0.0.2/24", NULL);
  sim_link(a, b, NULL);
  dgram_socket_t *socket = sim_traced(loop, a, 1000, "a");
  sim_send(socket, "x", 2000, "10.0.0.2");
  sim_run();
  assert_trace("");
  assert_int_equal(dgram_sim_count(sim, DGRAM_SIM_NO_PORT), 1);
  assert_int_equal(dgram_sim_count(sim, DGRAM_SIM_ICMP), 0);
}
