/*
 * setBroadcast, setTTL, setMulticastTTL and setMulticastLoopback: their ranges, the states in
 * which they can be called, and that the kernel has what was set: the socket was made by the
 * test, which keeps a second descriptor of it to ask.
 */
#include "lib/fixture.h"

struct option {
  int (*set)(dgram_socket_t *socket, int value);
  int level[2]; /* of IPv4, of IPv6 */
  int name[2];
  int accepted[4];
  int kept[4]; /* what the kernel then says */
  int refused[4];
  int refusals;
};

static const struct option options[] = {
    {.set = dgram_set_broadcast,
     .level = {SOL_SOCKET, SOL_SOCKET},
     .name = {SO_BROADCAST, SO_BROADCAST},
     .accepted = {1, 0, -7, 256},
     .kept = {1, 0, 1, 1}},
    {.set = dgram_set_ttl,
     .level = {IPPROTO_IP, IPPROTO_IPV6},
     .name = {IP_TTL, IPV6_UNICAST_HOPS},
     .accepted = {1, 255, 64, 2},
     .kept = {1, 255, 64, 2},
     .refused = {0, -1, 256, INT32_MAX},
     .refusals = 4},
    {.set = dgram_set_multicast_ttl,
     .level = {IPPROTO_IP, IPPROTO_IPV6},
     .name = {IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS},
     .accepted = {0, 255, 1, 64},
     .kept = {0, 255, 1, 64},
     .refused = {-1, 256, INT32_MIN, INT32_MAX},
     .refusals = 4},
    {.set = dgram_set_multicast_loopback,
     .level = {IPPROTO_IP, IPPROTO_IPV6},
     .name = {IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP},
     .accepted = {0, 1, 0, -7},
     .kept = {0, 1, 0, 1}},
};
enum { OPTIONS = 4 };

/* A socket, and a second descriptor of its system socket. */
struct scene {
  uv_loop_t *loop;
  dgram_socket_t *socket;
  int twin;
};

static struct scene open_scene(dgram_type_t type) {
  struct scene scene = {.loop = open_loop()};
  dgram_bind_options_t bind_options = dgram_default_bind_options();
  bind_options.fd = socket(type == DGRAM_UDP4 ? AF_INET : AF_INET6, SOCK_DGRAM, 0);
  assert_true(bind_options.fd > 0);
  scene.twin = dup(bind_options.fd);
  scene.socket = new_socket(scene.loop, type, NULL, NULL);
  assert_int_equal(dgram_bind_options(scene.socket, &bind_options, NULL, NULL), 0);
  return scene;
}

static void close_scene(struct scene *scene) {
  close(scene->twin);
  close_socket(scene->socket);
  close_loop(scene->loop);
}

static int kernels_value(const struct scene *scene, const struct option *option, int v6) {
  int value = -1;
  socklen_t length = sizeof value;
  assert_int_equal(getsockopt(scene->twin, option->level[v6], option->name[v6], &value, &length),
                   0);
  return value;
}

static void assert_set(dgram_type_t type) {
  struct scene scene = open_scene(type);
  for (int i = 0; i < OPTIONS; i++)
    for (int j = 0; j < 4; j++) {
      assert_int_equal(options[i].set(scene.socket, options[i].accepted[j]), 0);
      assert_int_equal(kernels_value(&scene, &options[i], type == DGRAM_UDP6), options[i].kept[j]);
    }
  close_scene(&scene);
}

static void the_kernel_has_what_was_set(void **state) {
  assert_set(DGRAM_UDP4);
}

static void the_kernel_has_what_was_set_on_ipv6(void **state) {
  skip_without_ipv6();
  assert_set(DGRAM_UDP6);
}

static void assert_ranges(dgram_type_t type) {
  struct scene scene = open_scene(type);
  for (int i = 0; i < OPTIONS; i++) {
    int before = kernels_value(&scene, &options[i], type == DGRAM_UDP6);
    for (int j = 0; j < options[i].refusals; j++)
      assert_int_equal(options[i].set(scene.socket, options[i].refused[j]), UV_EINVAL);
    assert_int_equal(kernels_value(&scene, &options[i], type == DGRAM_UDP6), before);
  }
  close_scene(&scene);
}

static void out_of_range_is_einval_and_changes_nothing(void **state) {
  assert_ranges(DGRAM_UDP4);
}

/* There -1 would mean the system's default. */
static void out_of_range_is_einval_on_ipv6_too(void **state) {
  skip_without_ipv6();
  assert_ranges(DGRAM_UDP6);
}

static void assert_all(dgram_socket_t *socket, int code) {
  for (int i = 0; i < OPTIONS; i++)
    assert_int_equal(options[i].set(socket, 1), code);
}

static void an_unbound_socket_is_ebadf(void **state) {
  uv_loop_t *loop = open_loop();
  int listening = 0;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_all(socket, UV_EBADF);
  assert_int_equal(dgram_bind(socket, 0, NULL, count_event, &listening), 0);
  assert_all(socket, UV_EBADF); /* nor while it is being bound */
  run_until(loop, &listening, 1);
  assert_all(socket, 0);
  close_socket(socket);
  close_loop(loop);
}

static void after_a_failed_bind_it_is_ebadf_again(void **state) {
  uv_loop_t *loop = open_loop();
  struct kept_error kept = {0};
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, keep_error, &kept), 0);
  assert_int_equal(dgram_bind(socket, 0, "::1", NULL, NULL), 0);
  run_until(loop, &kept.calls, 1);
  assert_all(socket, UV_EBADF);
  close_socket(socket);
  close_loop(loop);
}

static void a_closed_socket_is_refused(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *bound = new_bound(loop, NULL, NULL, &port);
  dgram_socket_t *unbound = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  close_socket(bound);
  close_socket(unbound);
  assert_all(bound, DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  assert_all(unbound, DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  close_loop(loop);
}

/* It is closed for the program, though it waits for the bind. */
static void a_socket_that_is_to_close_is_refused(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  send_text(socket, "x", 9, trace_sent, "sent");
  assert_int_equal(dgram_close(socket, trace_event, "close"), 0);
  assert_all(socket, DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  close_loop(loop);
  assert_trace("sent close");
}

static void no_socket_is_einval(void **state) {
  assert_all(NULL, UV_EINVAL);
}

/* With the flag a broadcast of the loopback leaves, without it EACCES. */
static void broadcast_is_what_lets_a_broadcast_leave(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *target = new_socket(loop, DGRAM_UDP4, trace_message, "got");
  dgram_socket_t *sender = new_bound(loop, NULL, NULL, &port);
  port = bind_now(target, "127.255.255.255");
  for (int flag = 0; flag < 2; flag++) {
    assert_int_equal(dgram_set_broadcast(sender, flag), 0);
    assert_int_equal(dgram_send(sender, "x", 1, port, "127.255.255.255", trace_sent, "sent"), 0);
    run_until_trace(loop, flag ? "sent got(x)" : "sent(EACCES)");
  }
  assert_int_equal(dgram_set_broadcast(sender, 0), 0);
  assert_int_equal(dgram_send(sender, "x", 1, port, "127.255.255.255", trace_sent, "sent"), 0);
  run_until_trace(loop, "sent(EACCES)");
  close_socket(sender);
  close_socket(target);
  close_loop(loop);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_kernel_has_what_was_set),
      cmocka_unit_test(the_kernel_has_what_was_set_on_ipv6),
      cmocka_unit_test(out_of_range_is_einval_and_changes_nothing),
      cmocka_unit_test(out_of_range_is_einval_on_ipv6_too),
      cmocka_unit_test(an_unbound_socket_is_ebadf),
      cmocka_unit_test(after_a_failed_bind_it_is_ebadf_again),
      cmocka_unit_test(a_closed_socket_is_refused),
      cmocka_unit_test(a_socket_that_is_to_close_is_refused),
      cmocka_unit_test(no_socket_is_einval),
      cmocka_unit_test(broadcast_is_what_lets_a_broadcast_leave),
  };
  return cmocka_run_group_tests_name("socket_options", tests, NULL, NULL);
}
