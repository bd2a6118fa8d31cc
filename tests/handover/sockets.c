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
  run_until_notes(loop, "taken");
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
  uv_loop_t *loop = open_loop();
  struct taker taker;
  int fd = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE);
  if (fd < 0) {
    close_loop(loop);
    print_message("skipped: no UDP-Lite here\n");
    skip();
  }
  dgram_offer_t *offer = offer_fds(loop, &fd, 1);
  assert_int_equal(take_from(loop, &taker), 1);
  give_up(&taker);
  dgram_handover_withdraw(offer);
  settle(loop);
  close(fd);
  close_loop(loop);
}

static int reuse_addr_of(int fd) {
  int on = -1;
  socklen_t length = sizeof on;
  assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, &length), 0);
  return on;
}

/* To bind to a descriptor sets SO_REUSEADDR, with which another process could take the port. */
static void so_reuseaddr_is_as_it_was(void **state) {
  uv_loop_t *loop = open_loop();
  struct taker taker;
  int port;
  for (int on = 0; on <= 1; on++) {
    for (int confirm = 0; confirm <= 1; confirm++) {
      dgram_options_t options = dgram_default_options(DGRAM_UDP4);
      options.reuse_addr = on;
      dgram_socket_t *old = new_with(loop, &options);
      port = bind_now(old, "127.0.0.1");
      dgram_offer_t *offer = offer_socket(old);
      assert_int_equal(take_from(loop, &taker), 1);
      dgram_socket_t *next = new_taken(loop, taker.fds[0], NULL, NULL);
      assert_int_equal(port_of(next), port);
      assert_int_equal(reuse_addr_of(dgram_fileno(old)), 1);
      if (confirm) {
        assert_int_equal(dgram_handover_confirm(taker.takeover), 0);
        run_until_notes(loop, "taken");
      } else {
        dgram_handover_abandon(taker.takeover);
        dgram_handover_withdraw(offer);
      }
      assert_int_equal(reuse_addr_of(dgram_fileno(next)), on);
      close_socket(next);
      close_socket(old);
      settle(loop);
    }
  }
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
      TAKEN_TEST(so_reuseaddr_is_as_it_was),
      HANDOVER_TEST(the_offer_outlives_the_socket),
  };
  return cmocka_run_group_tests_name("sockets", tests, NULL, NULL);
}
