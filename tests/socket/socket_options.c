/*
 * setBroadcast, setTTL, setMulticastTTL and setMulticastLoopback: their ranges, the states in
 * which they can be called, and that the kernel has what was set: the socket was made by the
 * test, which reads the option by a second descriptor of it.
 */
#include "lib/fixture.h"

struct option {
  int (*set)(dgram_socket_t *socket, int value);
  int level[2]; /* of IPv4, of IPv6 */
  int name[2];
  int accepted[4];
  int kept[4]; /* what the kernel then has */
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

static int kernels_value(const struct twin *fixture, const struct option *option, int v6) {
  int value = -1;
  socklen_t length = sizeof value;
  assert_int_equal(getsockopt(fixture->twin, option->level[v6], option->name[v6], &value, &length),
                   0);
  return value;
}

static void assert_set(uv_loop_t *loop, dgram_type_t type) {
  struct twin fixture = open_twin(loop, type);
  for (int i = 0; i < OPTIONS; i++)
    for (int j = 0; j < 4; j++) {
      assert_int_equal(options[i].set(fixture.socket, options[i].accepted[j]), 0);
      assert_int_equal(kernels_value(&fixture, &options[i], type == DGRAM_UDP6),
                       options[i].kept[j]);
    }
  close_twin(&fixture);
}

TEST("the kernel has the option that was set") {
  assert_set(loop, DGRAM_UDP4);
}

TEST("the kernel has the option that was set on a udp6 socket") {
  skip_without_ipv6();
  assert_set(loop, DGRAM_UDP6);
}

static void assert_ranges(uv_loop_t *loop, dgram_type_t type) {
  struct twin fixture = open_twin(loop, type);
  for (int i = 0; i < OPTIONS; i++) {
    int before = kernels_value(&fixture, &options[i], type == DGRAM_UDP6);
    for (int j = 0; j < options[i].refusals; j++)
      assert_int_equal(options[i].set(fixture.socket, options[i].refused[j]), UV_EINVAL);
    assert_int_equal(kernels_value(&fixture, &options[i], type == DGRAM_UDP6), before);
  }
  close_twin(&fixture);
}

TEST("an option out of range is EINVAL and changes nothing") {
  assert_ranges(loop, DGRAM_UDP4);
}

/* There -1 would mean the system's default. */
TEST("an option of a udp6 socket out of range is EINVAL and changes nothing") {
  skip_without_ipv6();
  assert_ranges(loop, DGRAM_UDP6);
}

static void assert_all(dgram_socket_t *socket, int code) {
  for (int i = 0; i < OPTIONS; i++)
    assert_int_equal(options[i].set(socket, 1), code);
}

TEST("an option of an unbound socket is EBADF") {
  int listening = 0;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_all(socket, UV_EBADF);
  assert_int_equal(dgram_bind(socket, 0, NULL, count_event, &listening), 0);
  assert_all(socket, UV_EBADF); /* nor while it is being bound */
  run_until(loop, &listening, 1);
  assert_all(socket, 0);
}

TEST("an option after a failed bind is EBADF") {
  struct kept_error kept = {0};
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, keep_error, &kept), 0);
  assert_int_equal(dgram_bind(socket, 0, "::1", NULL, NULL), 0);
  run_until(loop, &kept.calls, 1);
  assert_all(socket, UV_EBADF);
}

/* It is closed for the program, though it waits for the bind. */
TEST("an option of a socket that is to close is refused") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  send_text(socket, "x", 9, trace_sent, "sent");
  assert_int_equal(dgram_close(socket, trace_event, "close"), 0);
  assert_all(socket, DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  run_to_end(loop);
  assert_trace("sent close");
}

/* With the flag a broadcast of the loopback leaves, without it EACCES. */
TEST("set_broadcast() lets a broadcast leave") {
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
}
