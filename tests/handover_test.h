/*
 * What the tests of handing over share, beyond api_test.h: a folder of the test's own, a server
 * with its offer, and the next one, which blocks and therefore is in a thread.
 */
#ifndef HANDOVER_TEST_H
#define HANDOVER_TEST_H

#include "lib/fixture.h"
#include "folder.h"
#include "lib/raw.h"

#include <sys/stat.h>
#include <sys/un.h>

#include <dgram_handover.h>

/* ---- a path ---- */

/* A test that leaves a file at the path, as one that has been taken does. */
static inline int remove_folder_and_file(void **state) {
  unlink(path);
  return remove_folder(state);
}

#define HANDOVER_TEST(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
#define TAKEN_TEST(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder_and_file)

static inline int exists(const char *name) {
  struct stat file;
  return lstat(name, &file) == 0;
}

/* ---- the server that goes ---- */

static inline void note_taken(void *context) {
  trace("%s", (const char *)context);
}

static inline dgram_offer_t *offer_fds(uv_loop_t *loop, const int fds[], size_t count) {
  dgram_offer_t *offer = NULL;
  assert_int_equal(dgram_handover_offer(loop, path, fds, count, note_taken, "taken", &offer), 0);
  assert_non_null(offer);
  return offer;
}

static inline dgram_offer_t *offer_socket(dgram_socket_t *socket) {
  int fd = dgram_fileno(socket);
  return offer_fds(dgram_loop(socket), &fd, 1);
}

/* A socket that is bound and offered. */
static inline dgram_socket_t *new_offered(uv_loop_t *loop, dgram_offer_t **offer) {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  *offer = offer_socket(socket);
  return socket;
}

static inline void withdraw_and_close(uv_loop_t *loop, dgram_socket_t *socket,
                                      dgram_offer_t *offer) {
  dgram_handover_withdraw(offer);
  close_socket(socket);
  close_loop(loop);
}

/* ---- the server that comes ---- */

/* One that takes, in a thread of its own; cmocka's assertions work in the main thread only. */
struct taker {
  int timeout_ms;
  int count; /* or an error */
  int fds[DGRAM_HANDOVER_MOST];
  dgram_takeover_t *takeover;
  uv_async_t done; /* keeps the loop alive until then */
  uv_thread_t thread;
};

enum { PATIENCE_MS = 10000 }; /* for what will happen */

static inline void take_in_thread(void *context) {
  struct taker *taker = context;
  taker->count = dgram_handover_take(path, taker->timeout_ms, taker->fds, &taker->takeover);
  uv_async_send(&taker->done);
}

static inline void on_taker_done(uv_async_t *done) {
  uv_close((uv_handle_t *)done, NULL);
}

/* Takes what the loop's server offers, while the loop runs. Returns the count or an error. */
static inline int take_from(uv_loop_t *loop, struct taker *taker) {
  taker->timeout_ms = PATIENCE_MS;
  assert_int_equal(uv_async_init(loop, &taker->done, on_taker_done), 0);
  assert_int_equal(uv_thread_create(&taker->thread, take_in_thread, taker), 0);
  while (!uv_is_closing((uv_handle_t *)&taker->done))
    uv_run(loop, UV_RUN_ONCE);
  assert_int_equal(uv_thread_join(&taker->thread), 0);
  settle(loop); /* the handle has closed */
  assert_true((taker->count > 0) == (taker->takeover != NULL));
  return taker->count;
}

/* Gives back what was taken: the server dies before it has confirmed. */
static inline void give_up(struct taker *taker) {
  for (int i = 0; i < taker->count; i++)
    close(taker->fds[i]);
  dgram_handover_abandon(taker->takeover);
}

/* A socket on the loop that is bound to a taken descriptor. */
static inline dgram_socket_t *new_taken(uv_loop_t *loop, int fd, dgram_message_cb on_message,
                                        void *context) {
  dgram_bind_options_t options = dgram_default_bind_options();
  options.fd = fd;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, on_message, context);
  assert_int_equal(dgram_bind_options(socket, &options, NULL, NULL), 0);
  return socket;
}

/* A next server takes the socket and confirms; the one before closes. Returns the new one. */
static inline dgram_socket_t *hand_over(uv_loop_t *loop, dgram_socket_t *old) {
  struct taker taker;
  trace_clear();
  offer_socket(old);
  assert_int_equal(take_from(loop, &taker), 1);
  dgram_socket_t *next = new_taken(loop, taker.fds[0], NULL, NULL);
  assert_int_equal(dgram_handover_confirm(taker.takeover), 0);
  run_until_trace(loop, "taken");
  close_socket(old);
  settle(loop);
  return next;
}

/* ---- one that keeps to no rules ---- */

static inline struct sockaddr_un path_address(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  return address;
}

static inline int raw_unix(void) {
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  assert_true(fd >= 0);
  return fd;
}

/* Connects to the offer as its next server would. */
static inline int raw_successor(void) {
  struct sockaddr_un address = path_address();
  int fd = raw_unix();
  assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
  return fd;
}

#endif
