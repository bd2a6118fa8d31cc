/*
 * Arguments out of their range, at each function of dgram_sim.h: an error, and nothing has changed.
 */
#include "lib/sim_fixture.h"

#include <math.h>

static void nothing(dgram_sim_t *of, void *context) {
}

TEST("a network, and its time") {
  dgram_sim_t *other = (dgram_sim_t *)1;
  assert_int_equal(dgram_sim_create(NULL, 1, &other), UV_EINVAL);
  assert_null(other);
  assert_int_equal(dgram_sim_create(loop, 1, NULL), UV_EINVAL);
  assert_int_equal(dgram_sim_reset(NULL, 1), UV_EINVAL);
  assert_int_equal(dgram_sim_free(NULL), 0);
  assert_int_equal(dgram_sim_run(NULL), UV_EINVAL);
  assert_int_equal(dgram_sim_run_for(NULL, 1), UV_EINVAL);
  assert_int_equal(dgram_sim_step(NULL, 1), UV_EINVAL);
  dgram_sim_stop(NULL);
  dgram_sim_stop(sim);
  assert_int_equal(dgram_sim_next(NULL), UINT64_MAX);
  assert_int_equal(dgram_sim_now(NULL), 0);
  assert_int_equal(dgram_sim_random(NULL), 0);
  assert_int_equal(dgram_sim_timer_start(NULL, 1, nothing, NULL, NULL), UV_EINVAL);
  dgram_sim_timer_t *timer = (dgram_sim_timer_t *)1;
  assert_int_equal(dgram_sim_timer_start(sim, 1, NULL, NULL, &timer), UV_EINVAL);
  assert_null(timer);
  assert_int_equal(dgram_sim_trace(NULL, NULL, NULL), UV_EINVAL);
  assert_int_equal(dgram_sim_hash(NULL), 0);
  assert_int_equal(dgram_sim_count(NULL, DGRAM_SIM_SENT), 0);
  assert_int_equal(dgram_sim_count(sim, DGRAM_SIM_EVENT_KINDS), 0);
  assert_int_equal(dgram_sim_partition(NULL, NULL, 0), UV_EINVAL);
  assert_int_equal(dgram_sim_partition(sim, NULL, 1), UV_EINVAL);
  assert_int_equal(dgram_sim_heal(NULL), UV_EINVAL);
  assert_int_equal(dgram_sim_run_for(sim, UINT64_MAX), 0);
  assert_int_equal(dgram_sim_now(sim), UINT64_MAX - 1);
}

TEST("hosts and their addresses") {
  char long_name[65];
  memset(long_name, 'x', sizeof long_name - 1);
  long_name[64] = '\0';
  dgram_sim_host_t *host = (dgram_sim_host_t *)1;
  assert_int_equal(dgram_sim_host(NULL, "a", &host), UV_EINVAL);
  assert_null(host);
  assert_int_equal(dgram_sim_host(sim, NULL, &host), UV_EINVAL);
  assert_int_equal(dgram_sim_host(sim, "", &host), UV_EINVAL);
  assert_int_equal(dgram_sim_host(sim, long_name, &host), UV_EINVAL);
  assert_int_equal(dgram_sim_host(sim, "a", NULL), UV_EINVAL);
  assert_int_equal(dgram_sim_host(sim, "localhost", &host), UV_EEXIST);
  assert_int_equal(dgram_sim_host(sim, long_name + 1, &host), 0);
  assert_int_equal(dgram_sim_host(sim, long_name + 1, &host), UV_EEXIST);
  dgram_sim_host_t *bridge;
  assert_int_equal(dgram_sim_switch(NULL, "s", &bridge), UV_EINVAL);
  assert_int_equal(dgram_sim_switch(sim, "s", &bridge), 0);
  host = sim_host("a", NULL, NULL);
  assert_string_equal(dgram_sim_host_name(host), "a");
  assert_null(dgram_sim_host_name(NULL));
  assert_int_equal(dgram_sim_host_set_up(NULL, 1), UV_EINVAL);
  static const char *const bad[] = {"",
                                    "x",
                                    "10.0.0.1/0",
                                    "10.0.0.1/33",
                                    "10.0.0.1/",
                                    "10.0.0.1/x",
                                    "10.0.0.1/8x",
                                    "fd00::1/129",
                                    "0.0.0.0",
                                    "::",
                                    "224.0.0.1",
                                    "ff02::1",
                                    "127.0.0.1",
                                    "::1",
                                    "fe80::1%eth0",
                                    "::ffff:10.0.0.1",
                                    "10.0.0.1/0000008"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_int_equal(dgram_sim_host_add_address(host, bad[i]), UV_EINVAL);
  assert_int_equal(dgram_sim_host_add_address(NULL, "10.0.0.1"), UV_EINVAL);
  assert_int_equal(dgram_sim_host_add_address(host, NULL), UV_EINVAL);
  assert_int_equal(dgram_sim_host_add_address(bridge, "10.0.0.1"), UV_EINVAL);
  assert_int_equal(dgram_sim_host_add_address(host, "10.0.0.1/32"), 0);
  assert_int_equal(dgram_sim_host_add_address(host, "10.0.0.1/24"), UV_EEXIST);
  assert_int_equal(dgram_sim_host_add_address(host, "fd00::1/128"), 0);
  assert_int_equal(dgram_sim_host_add_address(host, "10.0.0.2/1"), 0);
  assert_int_equal(dgram_sim_host_add_address(host, "fd00::2/9"), 0);
}

TEST("links") {
  struct sim_pair pair = sim_pair(NULL);
  dgram_sim_host_t *third = sim_host("third", NULL, NULL);
  dgram_sim_link_t *link = (dgram_sim_link_t *)1;
  assert_int_equal(dgram_sim_link(NULL, pair.b, NULL, &link), UV_EINVAL);
  assert_null(link);
  assert_int_equal(dgram_sim_link(pair.a, NULL, NULL, &link), UV_EINVAL);
  assert_int_equal(dgram_sim_link(pair.a, pair.a, NULL, &link), UV_EINVAL);
  assert_int_equal(dgram_sim_link(pair.a, pair.b, NULL, &link), UV_EEXIST);
  assert_int_equal(dgram_sim_link(pair.b, pair.a, NULL, NULL), UV_EEXIST);
  const dgram_sim_link_options_t good = dgram_default_sim_link_options();
  dgram_sim_link_options_t bad[12];
  for (int i = 0; i < 12; i++)
    bad[i] = good;
  bad[0].struct_size = 0;
  bad[1].loss = -0.1;
  bad[2].loss = 1.1;
  bad[3].loss = NAN;
  bad[4].duplicate = 2;
  bad[5].reorder = -1;
  bad[6].mtu = 575;
  bad[7].mtu = 65536;
  bad[8].delay = UINT64_MAX;
  bad[9].jitter = UINT64_MAX;
  bad[10].reorder_delay = UINT64_MAX;
  bad[11].struct_size = sizeof good + 8;
  for (int i = 0; i < 12; i++) {
    assert_int_equal(dgram_sim_link(pair.a, third, &bad[i], NULL), UV_EINVAL);
    assert_int_equal(dgram_sim_link_set(pair.link, NULL, &bad[i]), UV_EINVAL);
  }
  assert_int_equal(dgram_sim_link_set(NULL, NULL, &good), UV_EINVAL);
  assert_int_equal(dgram_sim_link_set(pair.link, NULL, NULL), UV_EINVAL);
  assert_int_equal(dgram_sim_link_set(pair.link, third, &good), UV_EINVAL);
  assert_int_equal(dgram_sim_link_set(pair.link, pair.b, &good), 0);
  assert_int_equal(dgram_sim_link_set_up(NULL, 1), UV_EINVAL);
  dgram_sim_t *other;
  dgram_sim_host_t *foreign;
  assert_int_equal(dgram_sim_create(loop, 1, &other), 0);
  assert_int_equal(dgram_sim_host(other, "a", &foreign), 0);
  assert_int_equal(dgram_sim_link(pair.a, foreign, NULL, NULL), UV_EINVAL);
  assert_int_equal(dgram_sim_partition(sim, &foreign, 1), UV_EINVAL);
  assert_int_equal(dgram_sim_free(other), 0);
}

TEST("NATs") {
  struct sim_pair pair = sim_pair(NULL);
  dgram_sim_host_t *bridge;
  dgram_sim_host_t *third = sim_host("third", "10.0.0.3", NULL);
  assert_int_equal(dgram_sim_switch(sim, "s", &bridge), 0);
  dgram_sim_link_t *link = sim_link(bridge, third, NULL);
  dgram_sim_nat_options_t options = dgram_default_sim_nat_options();
  assert_int_equal(dgram_sim_host_set_nat(NULL, pair.link, "10.0.0.1", NULL), UV_EINVAL);
  assert_int_equal(dgram_sim_host_set_nat(pair.a, NULL, "10.0.0.1", NULL), UV_EINVAL);
  assert_int_equal(dgram_sim_host_set_nat(pair.a, pair.link, NULL, NULL), UV_EINVAL);
  assert_int_equal(dgram_sim_host_set_nat(pair.a, link, "10.0.0.1", NULL), UV_EINVAL);
  assert_int_equal(dgram_sim_host_set_nat(bridge, link, "10.0.0.1", NULL), UV_EINVAL);
  assert_int_equal(dgram_sim_host_set_nat(pair.a, pair.link, "x", NULL), UV_EINVAL);
  assert_int_equal(dgram_sim_host_set_nat(pair.a, pair.link, "10.0.0.9", NULL), UV_EADDRNOTAVAIL);
  options.struct_size = 0;
  assert_int_equal(dgram_sim_host_set_nat(pair.a, pair.link, "10.0.0.1", &options), UV_EINVAL);
  options = dgram_default_sim_nat_options();
  options.type = (dgram_sim_nat_type_t)4;
  assert_int_equal(dgram_sim_host_set_nat(pair.a, pair.link, "10.0.0.1", &options), UV_EINVAL);
  options = dgram_default_sim_nat_options();
  options.timeout = UINT64_MAX;
  assert_int_equal(dgram_sim_host_set_nat(pair.a, pair.link, "10.0.0.1", &options), UV_EINVAL);
  assert_int_equal(dgram_sim_host_set_nat(pair.a, pair.link, "10.0.0.1", NULL), 0);
  assert_int_equal(dgram_sim_host_set_nat(pair.a, pair.link, "10.0.0.1", NULL), UV_EEXIST);
}
