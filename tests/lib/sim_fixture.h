/*
 * The tests of the network in memory: each test has one, empty, on its loop. After it the sockets
 * are closed and the network freed, which proves that no socket is left.
 */
#ifndef TESTS_LIB_SIM_FIXTURE_H
#define TESTS_LIB_SIM_FIXTURE_H

#include "lib/fixture.h"

#include <dgram_sim.h>

enum { SIM_SEED = 1 };

extern dgram_sim_t *sim;

/* A host with these addresses; either may be NULL. */
dgram_sim_host_t *sim_host(const char *name, const char *v4, const char *v6);

/* Options NULL: the default. */
dgram_sim_link_t *sim_link(dgram_sim_host_t *a, dgram_sim_host_t *b,
                           const dgram_sim_link_options_t *options);

/* Two hosts, 10.0.0.1 and fd00::1, 10.0.0.2 and fd00::2, with a link. */
struct sim_pair {
  dgram_sim_host_t *a;
  dgram_sim_host_t *b;
  dgram_sim_link_t *link;
};
struct sim_pair sim_pair(const dgram_sim_link_options_t *options);

dgram_options_t sim_options(dgram_sim_host_t *host, dgram_type_t type);
dgram_socket_t *sim_socket(uv_loop_t *loop, dgram_sim_host_t *host, dgram_type_t type);

/* A udp4 socket, bound to the port on all interfaces; the network has run. */
dgram_socket_t *sim_bound(uv_loop_t *loop, dgram_sim_host_t *host, int port);

/* The same, and it traces its messages and errors under this name. */
dgram_socket_t *sim_traced(uv_loop_t *loop, dgram_sim_host_t *host, int port, const char *name);

void sim_run(void);
void sim_run_for(uint64_t ns);

/* Sends a text without a callback. */
void sim_send(dgram_socket_t *socket, const char *text, int port, const char *address);

#endif
