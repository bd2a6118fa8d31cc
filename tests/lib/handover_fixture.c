#include "lib/handover_fixture.h"

/* The offers that stand. */
enum { MOST_OFFERS = 8 };
static dgram_offer_t *offers[MOST_OFFERS];
static int offers_taken;

static void forget_offer(dgram_offer_t *const *offer) {
  assert_non_null(*offer);
  offers[offer - offers] = NULL;
}

/* ---- setup and teardown ---- */

static int handover_setup(void **state) {
  memset(offers, 0, sizeof offers);
  offers_taken = 0;
  return folder_make(state);
}

static void handover_end(uv_loop_t *loop) {
  for (int i = 0; i < MOST_OFFERS; i++)
    dgram_handover_withdraw(offers[i]);
}

static int handover_teardown(void **state) {
  if (offers_taken > 0)
    unlink(path);
  return folder_remove(state);
}

__attribute__((constructor)) static void handover_hooks(void) {
  fixture_hooks((struct fixture_hooks){handover_setup, NULL, handover_end, handover_teardown});
}

int path_exists(void) {
  struct stat file;
  return lstat(path, &file) == 0;
}

/* ---- the server that offers ---- */

static void trace_taken(void *context) {
  trace("taken");
  offers_taken++;
  forget_offer(context);
}

dgram_offer_t *offer_fds(uv_loop_t *loop, const int fds[], size_t count) {
  dgram_offer_t **offer = offers;
  while (*offer != NULL)
    offer++;
  assert_in_range(offer - offers, 0, MOST_OFFERS - 1);
  assert_int_equal(dgram_handover_offer(loop, path, fds, count, trace_taken, offer, offer), 0);
  assert_non_null(*offer);
  return *offer;
}

dgram_offer_t *offer_socket(dgram_socket_t *socket) {
  int fd = dgram_fileno(socket);
  return offer_fds(dgram_loop(socket), &fd, 1);
}

dgram_socket_t *new_offered(uv_loop_t *loop, dgram_offer_t **offer) {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  *offer = offer_socket(socket);
  return socket;
}

void withdraw(dgram_offer_t *offer) {
  dgram_offer_t **standing = offers;
  while (*standing != offer)
    standing++;
  dgram_handover_withdraw(offer);
  forget_offer(standing);
}

/* ---- the server that takes ---- */

/* cmocka's assertions work in the main thread only. */
struct taking {
  struct taker *taker;
  uv_async_t done; /* keeps the loop alive until then */
};

static void take_in_thread(void *context) {
  struct taking *taking = context;
  struct taker *taker = taking->taker;
  taker->count = dgram_handover_take(path, PATIENCE_MS, taker->fds, &taker->takeover);
  uv_async_send(&taking->done);
}

static void close_done(uv_async_t *done) {
  uv_close((uv_handle_t *)done, NULL);
}

int take(uv_loop_t *loop, struct taker *taker) {
  struct taking taking = {.taker = taker};
  uv_thread_t thread;
  assert_int_equal(uv_async_init(loop, &taking.done, close_done), 0);
  assert_int_equal(uv_thread_create(&thread, take_in_thread, &taking), 0);
  while (!uv_is_closing((uv_handle_t *)&taking.done))
    uv_run(loop, UV_RUN_ONCE);
  assert_int_equal(uv_thread_join(&thread), 0);
  settle(loop); /* the handle has closed */
  assert_true((taker->count > 0) == (taker->takeover != NULL));
  return taker->count;
}

void take_one(uv_loop_t *loop, struct taker *taker) {
  assert_int_equal(take(loop, taker), 1);
}

int take_at_once(const char *at) {
  int fds[DGRAM_HANDOVER_MOST];
  dgram_takeover_t *takeover = (dgram_takeover_t *)fds; /* not NULL */
  int err = dgram_handover_take(at, 0, fds, &takeover);
  assert_true(err < 0);
  assert_null(takeover);
  return err;
}

void confirm(uv_loop_t *loop, struct taker *taker) {
  assert_int_equal(dgram_handover_confirm(taker->takeover), 0);
  run_until_trace(loop, "taken");
}

void give_up(struct taker *taker) {
  for (int i = 0; i < taker->count; i++)
    close(taker->fds[i]);
  dgram_handover_abandon(taker->takeover);
}

dgram_socket_t *new_taken(uv_loop_t *loop, int fd, dgram_message_cb on_message, void *context) {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, on_message, context);
  assert_int_equal(adopt_fd(socket, fd), 0);
  return socket;
}

dgram_socket_t *hand_over(uv_loop_t *loop, dgram_socket_t *old) {
  struct taker taker;
  trace_clear();
  offer_socket(old);
  take_one(loop, &taker);
  dgram_socket_t *next = new_taken(loop, taker.fds[0], NULL, NULL);
  confirm(loop, &taker);
  close_socket(old);
  settle(loop);
  return next;
}

/* ---- one that breaks the rules ---- */

struct sockaddr_un path_address(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  return address;
}

int raw_unix(void) {
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  assert_true(fd >= 0);
  return fd;
}

int raw_unix_bound(void) {
  struct sockaddr_un address = path_address();
  int fd = raw_unix();
  assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
  return fd;
}

int raw_successor(void) {
  struct sockaddr_un address = path_address();
  int fd = raw_unix();
  assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
  return fd;
}
