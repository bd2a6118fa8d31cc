/*
 * Every allocation fails once, the first, the second, ..., while sockets on a network in memory do
 * all that allocates. Whatever fails: nothing crashes, nothing is left over, and each accepted send
 * completes exactly once. A call returns UV_ENOMEM, or what is lost for want of memory is counted.
 */
#include "lib/fault.h"

#include <dgram_sim.h>

#include <errno.h>

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants this name */
WRAP(int, posix_memalign, (void **memory, size_t alignment, size_t size)) {
  if (fails("posix_memalign") || __real_posix_memalign(memory, alignment, size) != 0)
    return ENOMEM;
  fault_counted(*memory);
  return 0;
}
/* NOLINTEND(bugprone-reserved-identifier) */

static uv_loop_t *own_loop;
static dgram_sim_t *sim;
static int accepted;
static int completed;
static int delivered;

static void on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                    void *context) {
  completed++;
}

static void on_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  delivered++;
}

static void on_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
}

/* A host, or NULL for want of memory. */
static dgram_sim_host_t *host_of(const char *name, const char *address) {
  dgram_sim_host_t *host;
  int err = dgram_sim_host(sim, name, &host);
  CHECK(err == (host != NULL ? 0 : UV_ENOMEM));
  if (host != NULL) {
    err = dgram_sim_host_add_address(host, address);
    CHECK(err == 0 || err == UV_ENOMEM);
  }
  return host;
}

static dgram_sim_link_t *link_of(dgram_sim_host_t *a, dgram_sim_host_t *b,
                                 const dgram_sim_link_options_t *options) {
  dgram_sim_link_t *link = NULL;
  if (a != NULL && b != NULL) {
    int err = dgram_sim_link(a, b, options, &link);
    CHECK(err == (link != NULL ? 0 : UV_ENOMEM));
  }
  return link;
}

static dgram_socket_t *socket_of(dgram_sim_host_t *host, int port) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  dgram_socket_t *socket = NULL;
  options.sim_host = host;
  if (host == NULL ||
      dgram_create_socket_options(own_loop, &options, on_message, NULL, &socket) != 0)
    return NULL;
  (void)dgram_on_error(socket, on_error, NULL);
  int err = dgram_bind_sync(socket, port, NULL);
  CHECK(err == 0 || err == UV_ENOMEM);
  return socket;
}

static void send_to(dgram_socket_t *socket, int port, const char *address) {
  static const char data[2000];
  if (socket != NULL)
    accepted += dgram_send(socket, data, sizeof data, port, address, on_sent, NULL) == 0;
}

static void on_timer(dgram_sim_t *of, void *context) {
  ++*(int *)context;
}

static void exchange(dgram_socket_t *sockets[3]) {
  int fired = 0;
  int started = dgram_sim_timer_start(sim, DGRAM_SIM_MS(20), on_timer, &fired, NULL) == 0;
  for (int i = 0; i < 3; i++)
    if (sockets[i] != NULL)
      (void)dgram_add_membership(sockets[i], "224.0.0.114", NULL);
  for (int i = 0; i < 3; i++) {
    send_to(sockets[0], 2000, "192.0.2.1"); /* through the NAT, and a narrow link */
    send_to(sockets[0], 2001, "192.0.2.1"); /* nobody has the port */
    send_to(sockets[1], 2000, "224.0.0.114");
    send_to(sockets[2], 1000, "198.51.100.1");
    send_to(sockets[2], 1000, "nat"); /* by name */
    CHECK(dgram_sim_run(sim) == 0);
  }
  CHECK(fired == started);
}

static void scenario(void) {
  accepted = completed = 0;
  own_loop = __real_malloc(sizeof *own_loop);
  assert_int_equal(uv_loop_init(own_loop), 0);
  int err = dgram_sim_create(own_loop, 1, &sim);
  CHECK(err == (sim != NULL ? 0 : UV_ENOMEM));
  if (sim != NULL) {
    dgram_sim_link_options_t narrow = dgram_default_sim_link_options();
    narrow.mtu = 1000;
    narrow.duplicate = 1;
    narrow.rate = 1000000;
    dgram_sim_host_t *inside = host_of("inside", "192.168.1.2");
    dgram_sim_host_t *nat = host_of("nat", "198.51.100.1");
    dgram_sim_host_t *server = host_of("server", "192.0.2.1");
    dgram_sim_host_t *bridge;
    (void)dgram_sim_switch(sim, "bridge", &bridge);
    link_of(inside, nat, NULL);
    link_of(inside, bridge, NULL);
    const dgram_sim_link_t *outside = link_of(nat, server, &narrow);
    if (outside != NULL)
      (void)dgram_sim_host_set_nat(nat, outside, "198.51.100.1", NULL);
    dgram_socket_t *sockets[3] = {socket_of(inside, 1000), socket_of(nat, 2000),
                                  socket_of(server, 2000)};
    exchange(sockets);
    for (int i = 0; i < 3; i++)
      if (sockets[i] != NULL)
        CHECK(dgram_close(sockets[i], NULL, NULL) == 0);
    CHECK(dgram_sim_run(sim) == 0);
    CHECK(dgram_sim_reset(sim, 2) == 0);
    CHECK(dgram_sim_free(sim) == 0);
  }
  CHECK(uv_run(own_loop, UV_RUN_DEFAULT) == 0);
  CHECK(uv_loop_close(own_loop) == 0);
  __real_free(own_loop);
  CHECK(completed == accepted);
}

TEST("a network in memory survives each fault") {
  static const int errors[] = {ENOMEM};
  dgram_on_unhandled_error(on_error, NULL);
  survive_all_faults(scenario, errors, 1, 40);
  assert_true(delivered > 0);
}
