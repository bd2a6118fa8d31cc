/*
 * What links do to datagrams: loss, duplicates, reordering, jitter, rate and queue, MTU; links and
 * hosts that go down; partitions; routers and switches.
 */
#include "lib/sim_fixture.h"

enum { MANY = 10000 };

static int order_breaks;
static int last_number;

static void check_order(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                        void *context) {
  int number;
  memcpy(&number, message, sizeof number);
  order_breaks += number < last_number;
  last_number = number;
}

/* Sends so many, some a ms, over a link; returns how many come. */
static int count_over(uv_loop_t *loop, const dgram_sim_link_options_t *options, int sent) {
  int count = 0;
  struct sim_pair pair = sim_pair(options);
  dgram_socket_t *a = sim_bound(loop, pair.a, 1000);
  dgram_socket_t *b = sim_bound(loop, pair.b, 2000);
  assert_int_equal(dgram_on_message(b, count_message, &count), 0);
  assert_int_equal(dgram_on_message(b, check_order, NULL), 0);
  order_breaks = 0;
  last_number = -1;
  for (int i = 0; i < sent; i++) {
    uv_buf_t buffer = uv_buf_init((char *)&i, sizeof i);
    assert_int_equal(dgram_send_buffers(a, &buffer, 1, 2000, "10.0.0.2", NULL, NULL), 0);
    if (i % 10 == 9)
      sim_run_for(DGRAM_SIM_US(100));
  }
  sim_run();
  return count;
}

TEST("a link without options loses nothing, and keeps the order") {
  assert_int_equal(count_over(loop, NULL, MANY), MANY);
  assert_int_equal(order_breaks, 0);
}

TEST("a link loses as many as it should") {
  dgram_sim_link_options_t options = dgram_default_sim_link_options();
  options.loss = 0.3;
  int count = count_over(loop, &options, MANY);
  assert_in_range(count, MANY * 67 / 100, MANY * 73 / 100);
  assert_int_equal(dgram_sim_count(sim, DGRAM_SIM_SENT), MANY);
  assert_int_equal(dgram_sim_count(sim, DGRAM_SIM_LOST), MANY - count);
  assert_int_equal(dgram_sim_count(sim, DGRAM_SIM_DELIVERED), count);
}

TEST("a link that loses all delivers nothing") {
  dgram_sim_link_options_t options = dgram_default_sim_link_options();
  options.loss = 1;
  assert_int_equal(count_over(loop, &options, 100), 0);
}

TEST("a link makes duplicates") {
  dgram_sim_link_options_t options = dgram_default_sim_link_options();
  options.duplicate = 0.1;
  int count = count_over(loop, &options, MANY);
  assert_in_range(count, MANY * 108 / 100, MANY * 112 / 100);
  assert_int_equal(dgram_sim_count(sim, DGRAM_SIM_DUPLICATED), count - MANY);
}

TEST("jitter alone keeps the order") {
  dgram_sim_link_options_t options = dgram_default_sim_link_options();
  options.jitter = DGRAM_SIM_MS(5);
  assert_int_equal(count_over(loop, &options, MANY), MANY);
  assert_int_equal(order_breaks, 0);
}

TEST("a link reorders as many as it should") {
  dgram_sim_link_options_t options = dgram_default_sim_link_options();
  options.reorder = 0.1;
  assert_int_equal(count_over(loop, &options, MANY), MANY);
  assert_in_range(order_breaks, MANY * 5 / 100, MANY * 12 / 100);
}

TEST("each direction of a link has its own options") {
  struct sim_pair pair = sim_pair(NULL);
  dgram_socket_t *a = sim_traced(loop, pair.a, 1000, "a");
  dgram_socket_t *b = sim_traced(loop, pair.b, 2000, "b");
  dgram_sim_link_options_t options = dgram_default_sim_link_options();
  options.loss = 1;
  assert_int_equal(dgram_sim_link_set(pair.link, pair.a, &options), 0);
  sim_send(a, "lost", 2000, "10.0.0.2");
  sim_send(b, "back", 1000, "10.0.0.1");
  sim_run();
  assert_trace("a(back)");
}

static void trace_time(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  trace("%u@%u", (unsigned)rinfo->size, (unsigned)(dgram_sim_now(sim) / 1000));
}

TEST("a rate spaces what it lets through, and counts the headers") {
  dgram_sim_link_options_t options = dgram_default_sim_link_options();
  options.delay = DGRAM_SIM_US(100);
  options.rate = 1000000; /* a byte each us */
  struct sim_pair pair = sim_pair(&options);
  dgram_socket_t *a = sim_bound(loop, pair.a, 1000);
  dgram_socket_t *b = sim_bound(loop, pair.b, 2000);
  assert_int_equal(dgram_on_message(b, trace_time, NULL), 0);
  static const char data[972];
  for (int i = 0; i < 3; i++)
    assert_int_equal(dgram_send(a, data, sizeof data, 2000, "10.0.0.2", NULL, NULL), 0);
  sim_run();
  assert_trace("972@1100 972@2100 972@3100");
}

TEST("a link's queue is bounded") {
  dgram_sim_link_options_t options = dgram_default_sim_link_options();
  options.rate = 1000000;
  options.queue_bytes = 3000;
  assert_int_equal(count_over(loop, &options, 9), 9);
  assert_int_equal(dgram_sim_count(sim, DGRAM_SIM_QUEUE_FULL), 0);
  struct sim_pair pair = {0};
  pair.a = sim_host("c", "10.1.0.1", NULL);
  pair.b = sim_host("d", "10.1.0.2", NULL);
  sim_link(pair.a, pair.b, &options);
  int count = 0;
  dgram_socket_t *a = sim_bound(loop, pair.a, 1000);
  dgram_socket_t *b = sim_bound(loop, pair.b, 2000);
  assert_int_equal(dgram_on_message(b, count_message, &count), 0);
  static const char data[972];
  for (int i = 0; i < 10; i++)
    assert_int_equal(dgram_send(a, data, sizeof data, 2000, "10.1.0.2", NULL, NULL), 0);
  sim_run();
  assert_int_equal(count, 3);
  assert_int_equal(dgram_sim_count(sim, DGRAM_SIM_QUEUE_FULL), 7);
}

TEST("a full send buffer has sends wait, and all leave in order") {
  dgram_sim_link_options_t options = dgram_default_sim_link_options();
  options.rate = 1000000;
  struct sim_pair pair = sim_pair(&options);
  dgram_options_t small = sim_options(pair.a, DGRAM_UDP4);
  small.send_buffer_size = 4000;
  dgram_socket_t *a = new_with(loop, &small);
  dgram_socket_t *b = sim_bound(loop, pair.b, 2000);
  int count = 0;
  int sent = 0;
  assert_int_equal(dgram_bind_sync(a, 1000, NULL), 0);
  assert_int_equal(dgram_on_message(b, count_message, &count), 0);
  assert_int_equal(dgram_on_message(b, check_order, NULL), 0);
  order_breaks = 0;
  last_number = -1;
  static int numbers[1000][100];
  for (int i = 0; i < 1000; i++) {
    numbers[i][0] = i;
    assert_int_equal(
        dgram_send(a, numbers[i], sizeof numbers[i], 2000, "10.0.0.2", count_sent, &sent), 0);
  }
  sim_run_for(DGRAM_SIM_MS(1));
  assert_in_range(dgram_get_send_queue_count(a), 900, 995);
  sim_run();
  assert_int_equal(sent, 1000);
  assert_int_equal(count, 1000);
  assert_int_equal(order_breaks, 0);
}

TEST("a full receive buffer drops") {
  struct sim_pair pair = sim_pair(NULL);
  dgram_socket_t *a = sim_bound(loop, pair.a, 1000);
  dgram_options_t small = sim_options(pair.b, DGRAM_UDP4);
  small.recv_buffer_size = 5000;
  dgram_socket_t *b = new_with(loop, &small);
  int count = 0;
  assert_int_equal(dgram_bind_sync(b, 2000, NULL), 0);
  assert_int_equal(dgram_on_message(b, count_message, &count), 0);
  assert_int_equal(dgram_get_recv_buffer_size(b), 10000);
  static const char data[488];
  for (int i = 0; i < 100; i++)
    assert_int_equal(dgram_send(a, data, sizeof data, 2000, "10.0.0.2", NULL, NULL), 0);
  sim_run();
  assert_int_equal(count, 10);
  assert_int_equal(dgram_sim_count(sim, DGRAM_SIM_BUFFER_FULL), 90);
}

TEST("fragments: each may be lost") {
  dgram_sim_link_options_t options = dgram_default_sim_link_options();
  options.loss = 0.05;
  struct sim_pair pair = sim_pair(&options);
  dgram_socket_t *a = sim_bound(loop, pair.a, 1000);
  int count = 0;
  dgram_socket_t *b = sim_bound(loop, pair.b, 2000);
  assert_int_equal(dgram_on_message(b, count_message, &count), 0);
  static const char data[10000]; /* 7 fragments */
  for (int i = 0; i < 1000; i++) {
    assert_int_equal(dgram_send(a, data, sizeof data, 2000, "10.0.0.2", NULL, NULL), 0);
    sim_run();
  }
  assert_in_range(count, 650, 745); /* 0.95^7 is 0.698 */
}

TEST("a narrow link on the way tells the sender its MTU") {
  struct sim_pair pair = {.a = sim_host("a", "10.0.0.1", NULL),
                          .b = sim_host("b", "10.0.2.2", NULL)};
  dgram_sim_host_t *router = sim_host("router", "10.0.0.254", NULL);
  dgram_sim_link_options_t narrow = dgram_default_sim_link_options();
  narrow.mtu = 1000;
  sim_link(pair.a, router, NULL);
  sim_link(router, pair.b, &narrow);
  dgram_socket_t *a = sim_traced(loop, pair.a, 1000, "a");
  int count = 0;
  dgram_socket_t *b = sim_bound(loop, pair.b, 2000);
  assert_int_equal(dgram_on_message(b, count_message, &count), 0);
  static const char data[1200];
  assert_int_equal(dgram_send(a, data, 900, 2000, "10.0.2.2", NULL, NULL), 0);
  sim_run();
  assert_int_equal(count, 1);
  assert_int_equal(dgram_send(a, data, sizeof data, 2000, "10.0.2.2", NULL, NULL), 0);
  sim_run();
  assert_int_equal(count, 1); /* DF was set, as Linux does; the sender has learned the MTU */
  assert_int_equal(dgram_sim_count(sim, DGRAM_SIM_TOO_LARGE), 1);
  assert_int_equal(dgram_send(a, data, sizeof data, 2000, "10.0.2.2", NULL, NULL), 0);
  sim_run();
  assert_int_equal(count, 2); /* in fragments */
  assert_trace("");
}

TEST("a connected socket learns of it by EMSGSIZE") {
  struct sim_pair pair = {.a = sim_host("a", NULL, "fd00::1"), .b = sim_host("b", NULL, "fd01::2")};
  dgram_sim_host_t *router = sim_host("router", NULL, "fd00::ff");
  dgram_sim_link_options_t narrow = dgram_default_sim_link_options();
  narrow.mtu = 1280;
  sim_link(pair.a, router, NULL);
  sim_link(router, pair.b, &narrow);
  dgram_socket_t *a = sim_socket(loop, pair.a, DGRAM_UDP6);
  dgram_socket_t *b = sim_socket(loop, pair.b, DGRAM_UDP6);
  int count = 0;
  assert_int_equal(dgram_bind_sync(b, 2000, NULL), 0);
  assert_int_equal(dgram_on_message(b, count_message, &count), 0);
  assert_int_equal(dgram_on_error(a, trace_error, "a"), 0);
  assert_int_equal(dgram_connect_sync(a, 2000, "fd01::2"), 0);
  static const char data[1400];
  assert_int_equal(dgram_send(a, data, sizeof data, 0, NULL, NULL, NULL), 0);
  sim_run();
  assert_trace("a(EMSGSIZE)");
  assert_int_equal(dgram_send(a, data, sizeof data, 0, NULL, NULL, NULL), 0);
  sim_run();
  assert_int_equal(count, 1);
}

TEST("what is on a link when it goes down is lost, and up again it carries") {
  struct sim_pair pair = sim_pair(NULL);
  dgram_socket_t *a = sim_bound(loop, pair.a, 1000);
  sim_traced(loop, pair.b, 2000, "b");
  sim_send(a, "on the way", 2000, "10.0.0.2");
  sim_run_for(DGRAM_SIM_US(500));
  assert_int_equal(dgram_sim_link_set_up(pair.link, 0), 0);
  assert_int_equal(dgram_sim_link_set_up(pair.link, 1), 0);
  sim_send(a, "later", 2000, "10.0.0.2");
  sim_run();
  assert_trace("b(later)");
  assert_int_equal(dgram_sim_link_set_up(pair.link, 0), 0);
  assert_int_equal(dgram_send(a, "down", 4, 2000, "10.0.0.2", trace_sent, "sent"), 0);
  sim_run();
  assert_trace("sent");
  assert_int_equal(dgram_sim_count(sim, DGRAM_SIM_LINK_DOWN), 2);
}

TEST("a host that is off is silent, and keeps its sockets") {
  struct sim_pair pair = sim_pair(NULL);
  dgram_socket_t *a = sim_traced(loop, pair.a, 1000, "a");
  dgram_socket_t *b = sim_traced(loop, pair.b, 2000, "b");
  assert_int_equal(dgram_sim_host_set_up(pair.b, 0), 0);
  sim_send(a, "one", 2000, "10.0.0.2");
  sim_send(b, "two", 1000, "10.0.0.1");
  sim_run();
  assert_trace("");
  assert_int_equal(dgram_sim_count(sim, DGRAM_SIM_HOST_DOWN), 2);
  assert_int_equal(dgram_sim_host_set_up(pair.b, 1), 0);
  sim_send(a, "three", 2000, "10.0.0.2");
  sim_run();
  assert_trace("b(three)");
}

TEST("a partition parts hosts until it heals") {
  dgram_sim_host_t *hosts[4];
  dgram_socket_t *sockets[4];
  static const char *const names[] = {"h0", "h1", "h2", "h3"};
  for (int i = 0; i < 4; i++) {
    char address[32];
    snprintf(address, sizeof address, "10.0.0.%d", i + 1);
    hosts[i] = sim_host(names[i], address, NULL);
    for (int k = 0; k < i; k++)
      sim_link(hosts[i], hosts[k], NULL);
    sockets[i] = sim_traced(loop, hosts[i], 1000, names[i]);
  }
  assert_int_equal(dgram_sim_partition(sim, hosts, 2), 0); /* h0 and h1, h2 and h3 */
  sim_send(sockets[0], "x", 1000, "10.0.0.2");
  sim_run();
  sim_send(sockets[0], "x", 1000, "10.0.0.3");
  sim_run();
  sim_send(sockets[2], "y", 1000, "10.0.0.4");
  sim_run();
  sim_send(sockets[3], "y", 1000, "10.0.0.1");
  sim_run();
  assert_trace("h1(x) h3(y)");
  assert_int_equal(dgram_sim_heal(sim), 0);
  sim_send(sockets[0], "z", 1000, "10.0.0.3");
  sim_run();
  assert_trace("h2(z)");
}

TEST("hosts forward, by the fewest hops, and another way where a link is down") {
  dgram_sim_host_t *a = sim_host("a", "10.0.1.1", NULL);
  dgram_sim_host_t *b = sim_host("b", "10.0.2.1", NULL);
  dgram_sim_host_t *short_way = sim_host("short", "10.0.3.1", NULL);
  dgram_sim_host_t *long_way[2] = {sim_host("long1", "10.0.4.1", NULL),
                                   sim_host("long2", "10.0.5.1", NULL)};
  sim_link(a, long_way[0], NULL);
  sim_link(long_way[0], long_way[1], NULL);
  sim_link(long_way[1], b, NULL);
  dgram_sim_link_t *first = sim_link(a, short_way, NULL);
  sim_link(short_way, b, NULL);
  dgram_socket_t *from = sim_traced(loop, a, 1000, "a");
  dgram_socket_t *to = sim_bound(loop, b, 2000);
  assert_int_equal(dgram_on_message(to, trace_time, NULL), 0);
  sim_send(from, "x", 2000, "10.0.2.1");
  sim_run();
  assert_trace("1@2000");
  assert_int_equal(dgram_sim_link_set_up(first, 0), 0);
  sim_send(from, "xy", 2000, "10.0.2.1");
  sim_run();
  assert_trace("2@5000");
  assert_int_equal(dgram_set_ttl(from, 2), 0); /* two routers are on the long way */
  assert_int_equal(dgram_connect_sync(from, 2000, "10.0.2.1"), 0);
  sim_send(from, "x", 0, NULL);
  sim_run();
  assert_trace("a(EHOSTUNREACH)");
  assert_int_equal(dgram_sim_count(sim, DGRAM_SIM_TTL_EXCEEDED), 1);
  assert_int_equal(dgram_set_ttl(from, 3), 0);
  sim_send(from, "xyz", 0, NULL);
  sim_run();
  assert_int_equal(dgram_sim_count(sim, DGRAM_SIM_DELIVERED), 3);
}

TEST("an address that nobody has is silent at the sender, and known at a router") {
  dgram_sim_host_t *a = sim_host("a", "10.0.1.1", NULL);
  dgram_sim_host_t *b = sim_host("b", "10.0.2.1", NULL);
  sim_link(a, b, NULL);
  dgram_socket_t *from = sim_traced(loop, a, 1000, "a");
  assert_int_equal(dgram_send(from, "x", 1, 2000, "10.9.9.9", trace_sent, "sent"), 0);
  sim_run();
  assert_trace("sent");
  assert_int_equal(dgram_sim_count(sim, DGRAM_SIM_NO_ROUTE), 1);
}

TEST("a switch joins its links, also where it stands in a ring of switches") {
  dgram_sim_host_t *switches[3];
  dgram_sim_host_t *hosts[3];
  dgram_socket_t *sockets[3];
  static const char *const names[] = {"h0", "h1", "h2"};
  static const char *const switch_names[] = {"s0", "s1", "s2"};
  for (int i = 0; i < 3; i++) {
    char address[32];
    snprintf(address, sizeof address, "10.0.0.%d", i + 1);
    assert_int_equal(dgram_sim_switch(sim, switch_names[i], &switches[i]), 0);
    hosts[i] = sim_host(names[i], address, NULL);
    sim_link(hosts[i], switches[i], NULL);
    sockets[i] = sim_traced(loop, hosts[i], 1000, names[i]);
  }
  for (int i = 0; i < 3; i++)
    sim_link(switches[i], switches[(i + 1) % 3], NULL);
  assert_int_equal(dgram_set_ttl(sockets[0], 1), 0); /* no router is on the way */
  sim_send(sockets[0], "x", 1000, "10.0.0.3");
  sim_run();
  assert_trace("h2(x)");
  assert_int_equal(dgram_set_broadcast(sockets[0], 1), 0);
  sim_send(sockets[0], "all", 1000, "255.255.255.255");
  sim_run();
  assert_trace("h0(all) h1(all) h2(all)");
  sim_send(sockets[0], "net", 1000, "10.0.0.255");
  sim_run();
  assert_trace("h0(net) h1(net) h2(net)");
}
