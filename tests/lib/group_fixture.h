/*
 * The tests of groups: a group whose sockets answer with their index, and flows that send to it.
 * cmocka's assertions work in the main thread only, so a thread of the group counts what it sees.
 * After a test the groups that still run are stopped: no thread may have seen a failure, and each
 * has been stopped once.
 */
#ifndef TESTS_LIB_GROUP_FIXTURE_H
#define TESTS_LIB_GROUP_FIXTURE_H

#include "lib/fixture.h"

#include <dgram_group.h>

#include <sched.h>
#include <stdatomic.h>

enum { MOST_THREADS = 16 };

/* What each thread of a group has seen. */
extern struct thread_counts {
  int index;
  atomic_int messages;
  atomic_int failures;
  atomic_int stops;
} counts[MOST_THREADS];

/* The options of a group's sockets: those of udp4, anew for each test. */
extern dgram_options_t group_socket;

/* As on_start: the socket answers. */
int start_answering(dgram_group_t *group, int index, dgram_socket_t *socket, void *context);

/* As on_stop. */
void count_stop(dgram_group_t *group, int index, dgram_socket_t *socket, void *context);

/* Posts group_done, which a test may wait for. */
extern uv_sem_t group_done;
void post_done(dgram_group_t *group, int index, dgram_socket_t *socket, void *context);

/* Options of a group on 127.0.0.1 that answers. */
dgram_group_options_t answering(int threads);

dgram_group_t *start_group(const dgram_group_options_t *options);
void assert_not_started(const dgram_group_options_t *options, int expected);

/* Stops it now, for what is to be asserted then. */
void stop_group(dgram_group_t *group);

int port_of_group(const dgram_group_t *group);

/* Waits for the answer to these bytes. Returns the index of the socket that sent it. */
int answer_from(int fd, const void *bytes, size_t size);

/* Sends the bytes. Returns the index of the socket that gets them. */
int receiver_of(int fd, const void *bytes, size_t size, const dgram_group_t *group);

/* The same of a byte from a socket of its own. */
int receiver_of_byte(unsigned char byte, const dgram_group_t *group);

/* ---- CPUs ---- */

/*
 * Fills the numbers of the CPUs that this thread may use. Returns how many there are; on any
 * thread, so nothing is asserted.
 */
int allowed_cpus(int cpus[CPU_SETSIZE]);

/* Moves this thread, and those that it will start. */
void stay_on(const int cpus[], int count);

#endif
