/* What is handed over: several sockets, of both families, in order, and as they were. */
#include "handover_test.h"

static void all_come_in_order(void **state) {
  uv_loop_t *loop = open_loop();
  struct taker taker;
  int fds[DGRAM_HANDOVER_MOST];
  int before = count_open_files();
  for (int i = 0; i < DGRAM_HANDOVER_MOST; i++)
    fds[i] = raw_socket();
  for (int count = 1; count <= DGRAM_HANDOVER_MOST; count += 21) {
    dgram_offer_t *offer = offer_fds(loop, fds, (size_t)count);
    assert_int_equal(take_from(loop, &taker), count);
    for (int i = 0; i < count; i++)
      assert_int_equal(raw_port(taker.fds[i]), raw_port(fds[i]));
    give_up(&taker);
    dgram_handover_withdraw(offer);
    settle(loop);
  }
  for (int i = 0; i < DGRAM_HANDOVER_MOST; i++)
    close(fds[i]);
  assert_int_equal(count_open_files(), before);
  close_loop(loop);
}

static void both_families_come(void **state) {
  skip_without_ipv6();
  uv_loop_t *loop = open_loop();
  struct taker taker;
  int port;
  dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
  dgram_socket_t *old6 = new_socket(loop, DGRAM_UDP6, NULL, NULL);
  bind_now(old6, "::1");
  int fds[] = {dgram_fileno(old), dgram_fileno(old6)};
  offer_fds(loop, fds, 2);
  assert_int_equal(take_from(loop, &taker), 2);

  dgram_bind_options_t options = dgram_default_bind_options();
  dgram_socket_t *next6 = new_socket(loop, DGRAM_UDP6, NULL, NULL);
  options.fd = taker.fds[0];
  assert_int_equal(dgram_bind_options(next6, &options, NULL, NULL), UV_EINVAL);
  options.fd = taker.fds[1];
  assert_int_equal(dgram_bind_options(next6, &options, NULL, NULL), 0);
  dgram_socket_t *next = new_taken(loop, taker.fds[0], NULL, NULL);
  assert_int_equal(dgram_handover_confirm(taker.takeover), 0);
  run_until_trace(loop, "taken");
  close_socket(old);
  close_socket(old6);
  settle(loop);
  assert_usable(next);
  assert_usable(next6);
  close_socket(next);
  close_socket(next6);
  close_loop(loop);
}

static void one_of_udp_lite_comes(void **state) {
  struct taker taker;
  int fd = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE);
  if (fd < 0) {
    print_message("skipped: no UDP-Lite here\n");
    skip();
  }
  uv_loop_t *loop = open_loop();
  dgram_offer_t *offer = offer_fds(loop, &fd, 1);
  assert_int_equal(take_from(loop, &taker), 1);
  give_up(&taker);
  dgram_handover_withdraw(offer);
  settle(loop);
  close(fd);
  close_loop(loop);
}

/* ---- options that open a port to others ---- */

static const int opening[] = {SO_REUSEADDR, SO_REUSEPORT};
enum { OPENING = sizeof opening / sizeof *opening };

static int option_of(int fd, int name) {
  int on = -1;
  socklen_t length = sizeof on;
  assert_int_equal(getsockopt(fd, SOL_SOCKET, name, &on, &length), 0);
  return on;
}

/* Whether each is as it was. */
static void assert_options(int fd, const int was[OPENING]) {
  for (int i = 0; i < OPENING; i++)
    assert_int_equal(option_of(fd, opening[i]), was[i]);
}

/* As another program does that takes a descriptor over, or an older version of this library. */
static void change_options(int fd, const int was[OPENING]) {
  for (int i = 0; i < OPENING; i++) {
    int other = !was[i];
    assert_int_equal(setsockopt(fd, SOL_SOCKET, opening[i], &other, sizeof other), 0);
  }
}

enum end { DIES, CONFIRMS, OUTLIVES_THE_OFFER, ENDS };

static void end_in(enum end end, dgram_offer_t *offer, struct taker *taker, uv_loop_t *loop) {
  if (end == CONFIRMS)
    assert_int_equal(dgram_handover_confirm(taker->takeover), 0);
  else if (end == OUTLIVES_THE_OFFER)
    dgram_handover_withdraw(offer);
  else
    dgram_handover_abandon(taker->takeover);
  if (end == CONFIRMS)
    run_until_trace(loop, "taken");
  settle(loop);
}

static void what_the_next_server_changes_is_set_back(const int was[OPENING], enum end end) {
  uv_loop_t *loop = open_loop();
  struct taker taker;
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.reuse_addr = was[0];
  options.reuse_port = was[1];
  dgram_socket_t *old = new_with(loop, &options);
  bind_now(old, "127.0.0.1");
  dgram_offer_t *offer = offer_socket(old);
  assert_int_equal(take_from(loop, &taker), 1);
  change_options(taker.fds[0], was);
  end_in(end, offer, &taker, loop);
  assert_options(taker.fds[0], was);
  if (end == OUTLIVES_THE_OFFER)
    dgram_handover_abandon(taker.takeover);
  else if (end != CONFIRMS)
    dgram_handover_withdraw(offer);
  close(taker.fds[0]);
  close_socket(old);
  close_loop(loop);
}

static void options_are_as_they_were(void **state) {
  for (int was = 0; was < 4; was++) {
    const int options[OPENING] = {was & 1, was >> 1};
    for (int end = DIES; end < ENDS; end++)
      what_the_next_server_changes_is_set_back(options, (enum end)end);
  }
}

/* The same as soon as one says what can't be, and is dropped. */
static void also_when_it_is_refused(void **state) {
  static const int was[OPENING] = {0, 0};
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
  dgram_offer_t *offer = offer_socket(old);
  int other = dup(dgram_fileno(old));
  int fd = raw_successor();
  settle(loop);
  change_options(other, was);
  assert_int_equal(send(fd, "what no server says, but forty bytes long", 40, MSG_NOSIGNAL), 40);
  settle(loop);
  assert_options(other, was);
  close(fd);
  close(other);
  dgram_handover_withdraw(offer);
  close_socket(old);
  close_loop(loop);
}

/* And meanwhile, though nothing happens. */
static void also_while_it_has_them(void **state) {
  static const int was[OPENING] = {0, 0};
  uv_loop_t *loop = open_loop();
  struct taker taker;
  int port;
  dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
  dgram_offer_t *offer = offer_socket(old);
  assert_int_equal(take_from(loop, &taker), 1);
  for (int i = 0; i < 3; i++) {
    change_options(taker.fds[0], was);
    while (option_of(taker.fds[0], SO_REUSEADDR) != 0 || option_of(taker.fds[0], SO_REUSEPORT) != 0)
      uv_run(loop, UV_RUN_ONCE); /* or the watchdog bites */
  }
  give_up(&taker);
  dgram_handover_withdraw(offer);
  close_socket(old);
  close_loop(loop);
}

/* A next server that is this library changes nothing. */
static void to_bind_to_what_was_taken_changes_nothing(void **state) {
  static const int was[OPENING] = {0, 0};
  uv_loop_t *loop = open_loop();
  struct taker taker;
  int port;
  dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
  offer_socket(old);
  assert_int_equal(take_from(loop, &taker), 1);
  dgram_socket_t *next = new_taken(loop, taker.fds[0], NULL, NULL);
  assert_options(dgram_fileno(next), was);
  assert_int_equal(dgram_handover_confirm(taker.takeover), 0);
  assert_options(dgram_fileno(next), was);
  run_until_trace(loop, "taken");
  close_socket(old);
  close_socket(next);
  close_loop(loop);
}

/* The offer keeps a port though its socket is closed, and what comes waits there. */
static void the_offer_outlives_the_socket(void **state) {
  uv_loop_t *loop = open_loop();
  struct taker taker;
  int port;
  int sender = raw_socket();
  dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
  dgram_offer_t *offer = offer_socket(old);
  close_socket(old);
  settle(loop);
  raw_send(sender, "kept", 4, port);
  assert_int_equal(take_from(loop, &taker), 1);
  assert_string_equal(arrived(taker.fds[0]), "kept");
  give_up(&taker);
  dgram_handover_withdraw(offer);
  close(sender);
  close_loop(loop);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      HANDOVER_TEST(all_come_in_order),
      TAKEN_TEST(both_families_come),
      TAKEN_TEST(one_of_udp_lite_comes),
      TAKEN_TEST(options_are_as_they_were),
      HANDOVER_TEST(also_when_it_is_refused),
      HANDOVER_TEST(also_while_it_has_them),
      TAKEN_TEST(to_bind_to_what_was_taken_changes_nothing),
      HANDOVER_TEST(the_offer_outlives_the_socket),
  };
  return cmocka_run_group_tests_name("sockets", tests, NULL, NULL);
}
