#include "lib/sim_fixture.h"

dgram_sim_t *sim;

static void sim_begin(uv_loop_t *loop) {
  assert_int_equal(dgram_sim_create(loop, SIM_SEED, &sim), 0);
}

static void sim_end(uv_loop_t *loop) {
  if (sim == NULL) /* the test has freed it */
    return;
  close_sockets(loop);
  assert_int_equal(dgram_sim_free(sim), 0);
  sim = NULL;
}

__attribute__((constructor)) static void sim_add_fixture(void) {
  fixture_hooks((struct fixture_hooks){.begin = sim_begin, .end = sim_end});
}

dgram_sim_host_t *sim_host(const char *name, const char *v4, const char *v6) {
  dgram_sim_host_t *host;
  assert_int_equal(dgram_sim_host(sim, name, &host), 0);
  if (v4 != NULL)
    assert_int_equal(dgram_sim_host_add_address(host, v4), 0);
  if (v6 != NULL)
    assert_int_equal(dgram_sim_host_add_address(host, v6), 0);
  return host;
}

dgram_sim_link_t *sim_link(dgram_sim_host_t *a, dgram_sim_host_t *b,
                           const dgram_sim_link_options_t *options) {
  dgram_sim_link_t *link;
  assert_int_equal(dgram_sim_link(a, b, options, &link), 0);
  return link;
}

struct sim_pair sim_pair(const dgram_sim_link_options_t *options) {
  struct sim_pair pair = {.a = sim_host("a", "10.0.0.1", "fd00::1"),
                          .b = sim_host("b", "10.0.0.2", "fd00::2")};
  pair.link = sim_link(pair.a, pair.b, options);
  return pair;
}

dgram_options_t sim_options(dgram_sim_host_t *host, dgram_type_t type) {
  dgram_options_t options = dgram_default_options(type);
  options.sim_host = host;
  return options;
}

dgram_socket_t *sim_socket(uv_loop_t *loop, dgram_sim_host_t *host, dgram_type_t type) {
  dgram_options_t options = sim_options(host, type);
  return new_with(loop, &options);
}

dgram_socket_t *sim_bound(uv_loop_t *loop, dgram_sim_host_t *host, int port) {
  dgram_socket_t *socket = sim_socket(loop, host, DGRAM_UDP4);
  assert_int_equal(dgram_bind_sync(socket, port, NULL), 0);
  assert_int_equal(dgram_sim_run_for(sim, 0), 0);
  return socket;
}

dgram_socket_t *sim_traced(uv_loop_t *loop, dgram_sim_host_t *host, int port, const char *name) {
  dgram_socket_t *socket = sim_bound(loop, host, port);
  assert_int_equal(dgram_on_message(socket, trace_message, (void *)name), 0);
  assert_int_equal(dgram_on_error(socket, trace_error, (void *)name), 0);
  return socket;
}

void sim_run(void) {
  assert_int_equal(dgram_sim_run(sim), 0);
}

void sim_run_for(uint64_t ns) {
  assert_int_equal(dgram_sim_run_for(sim, ns), 0);
}

void sim_send(dgram_socket_t *socket, const char *text, int port, const char *address) {
  assert_int_equal(dgram_send(socket, text, strlen(text), port, address, NULL, NULL), 0);
}
