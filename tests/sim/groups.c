/*
 * Groups and broadcasts, and the options of sockets.
 */
#include "lib/sim_fixture.h"

TEST("members of a group receive what is sent to it, on both families") {
  struct sim_pair pair = sim_pair(NULL);
  dgram_socket_t *a = sim_traced(loop, pair.a, 1000, "a");
  dgram_socket_t *b = sim_traced(loop, pair.b, 1000, "b");
  sim_send(a, "early", 1000, "224.0.0.114");
  sim_run();
  assert_trace("");
  assert_int_equal(dgram_add_membership(b, "224.0.0.114", NULL), 0);
  assert_int_equal(dgram_add_membership(b, "224.0.0.114", NULL), UV_EADDRINUSE);
  sim_send(a, "x", 1000, "224.0.0.114");
  sim_run();
  assert_trace("b(x)");
  assert_int_equal(dgram_drop_membership(b, "224.0.0.114", NULL), 0);
  assert_int_equal(dgram_drop_membership(b, "224.0.0.114", NULL), UV_EADDRNOTAVAIL);
  sim_send(a, "late", 1000, "224.0.0.114");
  sim_run();
  assert_trace("");
  dgram_socket_t *six = sim_socket(loop, pair.b, DGRAM_UDP6);
  dgram_socket_t *from = sim_socket(loop, pair.a, DGRAM_UDP6);
  assert_int_equal(dgram_bind_sync(six, 1001, NULL), 0);
  assert_int_equal(dgram_on_message(six, trace_message, "six"), 0);
  assert_int_equal(dgram_add_membership(six, "ff02::1234", NULL), 0);
  assert_int_equal(dgram_add_membership(six, "224.0.0.115", NULL), 0);
  sim_send(from, "y", 1001, "ff02::1234");
  sim_run();
  sim_send(a, "z", 1001, "224.0.0.115");
  sim_run();
  assert_trace("six(y) six(z)");
}

TEST("the sender's host receives it too, unless loopback is off") {
  struct sim_pair pair = sim_pair(NULL);
  dgram_socket_t *a = sim_traced(loop, pair.a, 1000, "a");
  assert_int_equal(dgram_add_membership(a, "224.0.0.114", "10.0.0.1"), 0);
  sim_send(a, "x", 1000, "224.0.0.114");
  sim_run();
  assert_trace("a(x)");
  assert_int_equal(dgram_set_multicast_loopback(a, 0), 0);
  sim_send(a, "y", 1000, "224.0.0.114");
  sim_run();
  assert_trace("");
}

TEST("a membership of one source") {
  dgram_sim_host_t *hosts[3] = {sim_host("h0", "10.0.0.1", NULL), sim_host("h1", "10.0.0.2", NULL),
                                sim_host("h2", "10.0.0.3", NULL)};
  sim_link(hosts[0], hosts[2], NULL);
  sim_link(hosts[1], hosts[2], NULL);
  dgram_socket_t *first = sim_bound(loop, hosts[0], 1000);
  dgram_socket_t *second = sim_bound(loop, hosts[1], 1000);
  dgram_socket_t *member = sim_traced(loop, hosts[2], 1000, "member");
  assert_int_equal(
      dgram_add_source_specific_membership(member, "10.0.0.2", "232.1.1.1", "10.0.0.3"), 0);
  assert_int_equal(
      dgram_add_source_specific_membership(member, "10.0.0.2", "232.1.1.1", "10.0.0.3"),
      UV_EADDRNOTAVAIL);
  sim_send(first, "no", 1000, "232.1.1.1");
  sim_send(second, "yes", 1000, "232.1.1.1");
  sim_run();
  assert_trace("member(yes)");
  assert_int_equal(
      dgram_drop_source_specific_membership(member, "10.0.0.2", "232.1.1.1", "10.0.0.3"), 0);
  sim_send(second, "no more", 1000, "232.1.1.1");
  sim_run();
  assert_trace("");
}

TEST("a membership by IPv6 source") {
  struct sim_pair pair = sim_pair(NULL);
  dgram_socket_t *from = sim_socket(loop, pair.a, DGRAM_UDP6);
  dgram_socket_t *member = sim_socket(loop, pair.b, DGRAM_UDP6);
  assert_int_equal(dgram_bind_sync(member, 1000, NULL), 0);
  assert_int_equal(dgram_on_message(member, trace_message, "member"), 0);
  assert_int_equal(dgram_add_source_specific_membership(member, "fd00::1", "ff3e::1", NULL), 0);
  sim_send(from, "x", 1000, "ff3e::1");
  sim_run();
  assert_trace("member(x)");
}

TEST("interfaces that the host does not have are refused") {
  struct sim_pair pair = sim_pair(NULL);
  dgram_socket_t *a = sim_bound(loop, pair.a, 1000);
  assert_int_equal(dgram_add_membership(a, "224.0.0.114", "10.0.0.99"), UV_ENODEV);
  assert_int_equal(dgram_add_membership(a, "10.0.0.2", NULL), UV_EINVAL);
  assert_int_equal(dgram_add_membership(a, "ff02::1", NULL), UV_ENOPROTOOPT);
  assert_int_equal(dgram_set_multicast_interface(a, "10.0.0.1"), 0);
  assert_int_equal(dgram_set_multicast_interface(a, "10.0.0.99"), UV_EADDRNOTAVAIL);
}

TEST("no router forwards a group, nor a TTL of 0 leaves the host") {
  dgram_sim_host_t *a = sim_host("a", "10.0.1.1", NULL);
  dgram_sim_host_t *router = sim_host("router", "10.0.1.254", NULL);
  dgram_sim_host_t *b = sim_host("b", "10.0.2.1", NULL);
  sim_link(a, router, NULL);
  sim_link(router, b, NULL);
  dgram_socket_t *from = sim_bound(loop, a, 1000);
  assert_int_equal(dgram_add_membership(sim_traced(loop, b, 1000, "b"), "224.1.1.1", NULL), 0);
  assert_int_equal(dgram_add_membership(sim_traced(loop, router, 1000, "r"), "224.1.1.1", NULL), 0);
  assert_int_equal(dgram_set_multicast_ttl(from, 10), 0);
  sim_send(from, "x", 1000, "224.1.1.1");
  sim_run();
  assert_trace("r(x)");
  assert_int_equal(dgram_set_multicast_ttl(from, 0), 0);
  sim_send(from, "y", 1000, "224.1.1.1");
  sim_run();
  assert_trace("");
}

TEST("a broadcast needs the option") {
  struct sim_pair pair = sim_pair(NULL);
  dgram_socket_t *a = sim_bound(loop, pair.a, 1000);
  sim_traced(loop, pair.b, 1000, "b");
  assert_int_equal(dgram_send(a, "x", 1, 1000, "255.255.255.255", trace_sent, "sent"), 0);
  sim_run();
  assert_trace("sent(EACCES)");
  assert_int_equal(dgram_set_broadcast(a, 1), 0);
  sim_send(a, "x", 1000, "255.255.255.255");
  sim_run();
  assert_trace("b(x)");
}

TEST("buffer sizes are as Linux reports them") {
  struct sim_pair pair = sim_pair(NULL);
  dgram_socket_t *a = sim_bound(loop, pair.a, 1000);
  assert_int_equal(dgram_get_recv_buffer_size(a), 212992);
  assert_int_equal(dgram_get_send_buffer_size(a), 212992);
  assert_int_equal(dgram_set_recv_buffer_size(a, 10000), 0);
  assert_int_equal(dgram_get_recv_buffer_size(a), 20000);
  assert_int_equal(dgram_set_send_buffer_size(a, 1), 0);
  assert_int_equal(dgram_get_send_buffer_size(a), 2304);
  assert_int_equal(dgram_set_send_buffer_size(a, INT32_MAX), 0);
  assert_int_equal(dgram_get_send_buffer_size(a), INT32_MAX);
}

TEST("an option set behind a full send buffer acts on later sends only") {
  dgram_sim_link_options_t slow = dgram_default_sim_link_options();
  slow.rate = 100000;
  struct sim_pair pair = sim_pair(&slow);
  dgram_options_t options = sim_options(pair.a, DGRAM_UDP4);
  options.send_buffer_size = 2000;
  dgram_socket_t *a = new_with(loop, &options);
  int sent = 0;
  assert_int_equal(dgram_bind_sync(a, 1000, NULL), 0);
  sim_traced(loop, pair.b, 1000, "b");
  sim_run();
  static const char data[1000];
  for (int i = 0; i < 10; i++)
    assert_int_equal(dgram_send(a, data, sizeof data, 2000, "10.0.0.2", count_sent, &sent), 0);
  dgram_flush(a);
  assert_true(dgram_get_send_queue_count(a) > 0);
  assert_int_equal(dgram_set_ttl(a, 300), UV_EINVAL);
  assert_int_equal(dgram_set_broadcast(a, 1), 0);
  sim_send(a, "x", 1000, "255.255.255.255");
  sim_run();
  assert_int_equal(sent, 10);
  assert_trace("b(x)");
}
