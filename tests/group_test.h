/*
 * What the tests of groups share: a group whose sockets answer with their index, and flows that
 * ask. It knows the library by its headers only.
 *
 * cmocka's assertions work in the main thread only, so the others keep what they saw.
 */
#ifndef GROUP_TEST_H
#define GROUP_TEST_H

#include "lib/fixture.h"

#include <dgram_group.h>

#include <stdatomic.h>

enum { MOST_PLACES = 16 };

/* What a thread saw. */
struct place {
  int index;
  atomic_int messages;
  atomic_int failures;
  atomic_int stops;
};

static struct place places[MOST_PLACES];

static inline void count_failure(dgram_socket_t *socket, const dgram_error_t *error,
                                 void *context) {
  struct place *place = context;
  place->failures++;
}

/* Sends back the index and what came. */
static inline void answer(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                          void *context) {
  struct place *place = context;
  unsigned char index = (unsigned char)place->index;
  uv_buf_t buffers[] = {uv_buf_init((char *)&index, 1),
                        uv_buf_init((char *)message, (unsigned)rinfo->size)};
  place->messages++;
  if (dgram_send_to(socket, buffers, 2, rinfo->sockaddr, NULL, NULL) != 0)
    place->failures++;
}

static inline int start_answering(dgram_group_t *group, int index, dgram_socket_t *socket,
                                  void *context) {
  struct place *place = &places[index];
  place->index = index;
  dgram_on_unhandled_error(count_failure, place);
  return dgram_on_message(socket, answer, place);
}

static inline void count_stop(dgram_group_t *group, int index, dgram_socket_t *socket,
                              void *context) {
  places[index].stops++;
}

/* A group on 127.0.0.1 that answers. Its socket options must outlive the start. */
static inline dgram_group_options_t answering(const dgram_options_t *socket, int threads) {
  dgram_group_options_t options = dgram_default_group_options(socket, start_answering, NULL);
  options.address = "127.0.0.1";
  options.threads = threads;
  options.on_stop = count_stop;
  return options;
}

/* Starts it, and the watchdog. */
static inline dgram_group_t *start_group(const dgram_group_options_t *options) {
  dgram_group_t *group = NULL;
  memset(places, 0, sizeof places);
  watch();
  assert_int_equal(dgram_group_start(options, &group), 0);
  assert_non_null(group);
  assert_int_equal(dgram_group_size(group), options->threads);
  return group;
}

static inline void stop_group(dgram_group_t *group) {
  int size = dgram_group_size(group);
  assert_int_equal(dgram_group_stop(group), 0);
  for (int i = 0; i < size; i++) {
    assert_int_equal(places[i].failures, 0);
    assert_int_equal(places[i].stops, 1);
  }
  alarm(0);
}

static inline int port_of_group(const dgram_group_t *group) {
  dgram_address_t address;
  assert_int_equal(dgram_group_address(group, &address), 0);
  assert_in_range(address.port, 1, 65535);
  return address.port;
}

/* Waits for the answer to these bytes. Returns the index of the socket that sent it. */
static inline int take_answer(int fd, const void *bytes, size_t size) {
  unsigned char reply[64] = {0};
  assert_true(size < sizeof reply);
  assert_int_equal(recv(fd, reply, sizeof reply, 0), size + 1);
  assert_memory_equal(reply + 1, bytes, size);
  return reply[0];
}

/* Which socket gets these bytes. */
static inline int ask(int fd, const void *bytes, size_t size, int port) {
  raw_send(fd, bytes, size, port);
  return take_answer(fd, bytes, size);
}

#endif
