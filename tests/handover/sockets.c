/* What is handed over: several sockets, of both families, in order, and as they were. */
#include "lib/handover_fixture.h"

TEST("sockets are handed over in their order, as many as an offer may have") {
  struct taker taker;
  int fds[DGRAM_HANDOVER_MOST];
  int before = count_open_files();
  for (int i = 0; i < DGRAM_HANDOVER_MOST; i++)
    fds[i] = raw_socket();
  for (int count = 1; count <= DGRAM_HANDOVER_MOST; count += 21) {
    dgram_offer_t *offer = offer_fds(loop, fds, (size_t)count);
    assert_int_equal(take(loop, &taker), count);
    for (int i = 0; i < count; i++)
      assert_int_equal(raw_port(taker.fds[i]), raw_port(fds[i]));
    give_up(&taker);
    withdraw(offer);
    settle(loop);
  }
  for (int i = 0; i < DGRAM_HANDOVER_MOST; i++)
    close(fds[i]);
  assert_int_equal(count_open_files(), before);
}

TEST("sockets of both families are handed over, and each is bound in its own family only") {
  skip_without_ipv6();
  struct taker taker;
  int port;
  dgram_socket_t *old = new_bound(loop, NULL, NULL, &port);
  dgram_socket_t *old6 = new_socket(loop, DGRAM_UDP6, NULL, NULL);
  bind_now(old6, "::1");
  int fds[] = {dgram_fileno(old), dgram_fileno(old6)};
  offer_fds(loop, fds, 2);
  assert_int_equal(take(loop, &taker), 2);

  dgram_socket_t *next6 = new_socket(loop, DGRAM_UDP6, NULL, NULL);
  assert_int_equal(adopt_fd(next6, taker.fds[0]), UV_EINVAL);
  assert_int_equal(adopt_fd(next6, taker.fds[1]), 0);
  dgram_socket_t *next = new_taken(loop, taker.fds[0], NULL, NULL);
  confirm(loop, &taker);
  close_socket(old);
  close_socket(old6);
  settle(loop);
  assert_usable(next);
  assert_usable(next6);
}

TEST("a UDP-Lite socket is handed over") {
  struct taker taker;
  int fd = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE);
  if (fd < 0) {
    print_message("skipped: no UDP-Lite here\n");
    skip();
  }
  offer_fds(loop, &fd, 1);
  take_one(loop, &taker);
  give_up(&taker);
  settle(loop);
  close(fd);
}

/* ---- options that open a port to others ---- */

static const int opening[] = {SO_REUSEADDR, SO_REUSEPORT};
enum { OPENING = sizeof opening / sizeof *opening };
static const int closed[OPENING] = {0, 0};

/* Whether each is as it was. */
static void assert_options(int fd, const int was[OPENING]) {
  for (int i = 0; i < OPENING; i++)
    assert_int_equal(raw_option(fd, opening[i]), was[i]);
}

/* As another program does that takes a descriptor over, or an older version of this library. */
static void change_options(int fd, const int was[OPENING]) {
  for (int i = 0; i < OPENING; i++) {
    int other = !was[i];
    assert_int_equal(setsockopt(fd, SOL_SOCKET, opening[i], &other, sizeof other), 0);
  }
}

enum end { DIES, CONFIRMS, OUTLIVES_THE_OFFER, ENDS };

static void assert_restored(uv_loop_t *loop, const int was[OPENING], enum end end) {
  struct taker taker;
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.reuse_addr = was[0];
  options.reuse_port = was[1];
  dgram_socket_t *old = new_with(loop, &options);
  bind_now(old, "127.0.0.1");
  dgram_offer_t *offer = offer_socket(old);
  take_one(loop, &taker);
  change_options(taker.fds[0], was);
  if (end == CONFIRMS)
    confirm(loop, &taker);
  else if (end == OUTLIVES_THE_OFFER)
    withdraw(offer);
  else
    dgram_handover_abandon(taker.takeover);
  settle(loop);
  assert_options(taker.fds[0], was);
  if (end == OUTLIVES_THE_OFFER)
    dgram_handover_abandon(taker.takeover);
  else if (end == DIES)
    withdraw(offer);
  close(taker.fds[0]);
  close_socket(old);
}

TEST("an option that a next server changes is restored, however that ends") {
  for (int was = 0; was < 4; was++) {
    const int options[OPENING] = {was & 1, was >> 1};
    for (int end = DIES; end < ENDS; end++)
      assert_restored(loop, options, (enum end)end);
  }
}

TEST("an option that a next server changes is restored as soon as that is dropped") {
  dgram_offer_t *offer;
  int other = dup(dgram_fileno(new_offered(loop, &offer)));
  int fd = raw_successor();
  settle(loop);
  change_options(other, closed);
  assert_int_equal(send(fd, "what no server says, but forty bytes long", 40, MSG_NOSIGNAL), 40);
  settle(loop);
  assert_options(other, closed);
  close(fd);
  close(other);
}

TEST("an option that a next server changes is restored while that has the sockets") {
  struct taker taker;
  dgram_offer_t *offer;
  new_offered(loop, &offer);
  take_one(loop, &taker);
  for (int i = 0; i < 3; i++) {
    change_options(taker.fds[0], closed);
    while (raw_option(taker.fds[0], SO_REUSEADDR) != 0 ||
           raw_option(taker.fds[0], SO_REUSEPORT) != 0)
      uv_run(loop, UV_RUN_ONCE); /* or the watchdog ends it */
  }
  give_up(&taker);
}

/* A next server that is this library changes nothing. */
TEST("a bind to a taken socket changes none of its options") {
  struct taker taker;
  dgram_offer_t *offer;
  new_offered(loop, &offer);
  take_one(loop, &taker);
  dgram_socket_t *next = new_taken(loop, taker.fds[0], NULL, NULL);
  assert_options(dgram_fileno(next), closed);
  assert_int_equal(dgram_handover_confirm(taker.takeover), 0);
  assert_options(dgram_fileno(next), closed);
  run_until_trace(loop, "taken");
}

TEST("an offer keeps the port of a socket that is closed, and what comes waits there") {
  struct taker taker;
  dgram_offer_t *offer;
  int sender = raw_socket();
  dgram_socket_t *old = new_offered(loop, &offer);
  int port = port_of(old);
  close_socket(old);
  settle(loop);
  raw_send(sender, "kept", 4, port);
  take_one(loop, &taker);
  assert_string_equal(arrived(taker.fds[0]), "kept");
  give_up(&taker);
  close(sender);
}
