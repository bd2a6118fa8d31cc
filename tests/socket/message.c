/* What a listener of 'message' gets: the bytes, and their sender. */
#include "lib/fixture.h"

#include <ifaddrs.h>

struct kept_rinfo {
  int calls;
  char address[DGRAM_ADDRESS_TEXT];
  const char *family;
  int port;
  size_t size;
  int sockaddr_family;
  char bytes[16];
};

static void keep_rinfo(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  struct kept_rinfo *kept = context;
  kept->calls++;
  keep_text(kept->address, sizeof kept->address, dgram_rinfo_address(rinfo));
  kept->family = rinfo->family;
  kept->port = rinfo->port;
  kept->size = rinfo->size;
  kept->sockaddr_family = rinfo->sockaddr->sa_family;
  assert_in_range(rinfo->size, 0, sizeof kept->bytes);
  memcpy(kept->bytes, message, rinfo->size);
}

/* Has a socket of one type, bound to `from`, send to one of another that is bound to `at`. */
static struct kept_rinfo message_from(uv_loop_t *loop, dgram_type_t sender_type, const char *from,
                                      dgram_type_t receiver_type, const char *at, const char *to,
                                      int *sender_port) {
  struct kept_rinfo kept = {0};
  begin_round(loop);
  dgram_socket_t *receiver = new_socket(loop, receiver_type, keep_rinfo, &kept);
  dgram_socket_t *sender = new_socket(loop, sender_type, NULL, NULL);
  int port = bind_now(receiver, at);
  *sender_port = bind_now(sender, from);
  assert_int_equal(dgram_send(sender, "hello", 5, port, to, NULL, NULL), 0);
  run_until(loop, &kept.calls, 1);
  assert_int_equal(kept.size, 5);
  assert_memory_equal(kept.bytes, "hello", 5);
  return kept;
}

TEST("a message from a udp4 socket names the sender") {
  int port;
  struct kept_rinfo kept =
      message_from(loop, DGRAM_UDP4, "127.0.0.2", DGRAM_UDP4, "127.0.0.1", "127.0.0.1", &port);
  assert_string_equal(kept.address, "127.0.0.2");
  assert_string_equal(kept.family, "IPv4");
  assert_int_equal(kept.port, port);
  assert_int_equal(kept.sockaddr_family, AF_INET);
}

TEST("a message from a udp6 socket names the sender") {
  skip_without_ipv6();
  int port;
  struct kept_rinfo kept = message_from(loop, DGRAM_UDP6, "::1", DGRAM_UDP6, "::1", "::1", &port);
  assert_string_equal(kept.address, "::1");
  assert_string_equal(kept.family, "IPv6");
  assert_int_equal(kept.port, port);
  assert_int_equal(kept.sockaddr_family, AF_INET6);
}

TEST("a dual-stack socket names a sender of IPv4 as mapped") {
  skip_without_ipv6();
  int port;
  struct kept_rinfo kept =
      message_from(loop, DGRAM_UDP4, "127.0.0.1", DGRAM_UDP6, NULL, "127.0.0.1", &port);
  assert_string_equal(kept.address, "::ffff:127.0.0.1");
  assert_string_equal(kept.family, "IPv6");
  assert_int_equal(kept.port, port);
}

TEST("a dual-stack socket sends to a mapped address") {
  skip_without_ipv6();
  int port;
  struct kept_rinfo kept =
      message_from(loop, DGRAM_UDP6, NULL, DGRAM_UDP4, "127.0.0.1", "::ffff:127.0.0.1", &port);
  assert_string_equal(kept.address, "127.0.0.1");
  assert_int_equal(kept.port, port);
}

static void ask_twice(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                      void *context) {
  const char *text = dgram_rinfo_address(rinfo);
  assert_ptr_equal(dgram_rinfo_address(rinfo), text);
  trace("%s=%s", (const char *)context, text);
}

TEST("every listener of a message can read the address") {
  int port;
  int received = 0;
  dgram_socket_t *socket = new_bound(loop, ask_twice, "a", &port);
  assert_int_equal(dgram_on_message(socket, ask_twice, "b"), 0);
  assert_int_equal(dgram_on_message(socket, count_message, &received), 0);
  send_text(socket, "x", port, NULL, NULL);
  run_until(loop, &received, 1);
  assert_trace("a=127.0.0.1 b=127.0.0.1");
}

/* An address that is only good on one link, as text with its zone; 0 if this machine has none. */
static int find_link_local(char *text, size_t size) {
  struct ifaddrs *all;
  int found = 0;
  assert_int_equal(getifaddrs(&all), 0);
  for (struct ifaddrs *at = all; at != NULL && !found; at = at->ifa_next) {
    const struct sockaddr_in6 *v6 = (const void *)at->ifa_addr;
    char number[INET6_ADDRSTRLEN];
    if (v6 == NULL || v6->sin6_family != AF_INET6 || !IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr))
      continue;
    inet_ntop(AF_INET6, &v6->sin6_addr, number, sizeof number);
    snprintf(text, size, "%s%%%s", number, at->ifa_name);
    found = 1;
  }
  freeifaddrs(all);
  return found;
}

/* From this machine to itself; nothing goes out on the link. */
TEST("a message from a link-local address names the zone") {
  char own[DGRAM_ADDRESS_TEXT];
  int port;
  if (!find_link_local(own, sizeof own)) {
    print_message("skipped: no link-local address here\n");
    skip();
  }
  struct kept_rinfo kept = message_from(loop, DGRAM_UDP6, own, DGRAM_UDP6, own, own, &port);
  assert_string_equal(kept.address, own);
  assert_string_equal(kept.family, "IPv6");
  assert_int_equal(kept.port, port);
}

static void trace_sender(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                         void *context) {
  trace("%s:%.*s", dgram_rinfo_address(rinfo), (int)rinfo->size, message);
  ++*(int *)context;
}

/* Each slot of a batch has an address of its own (netty#5233 on the receiving side). */
TEST("each message of a batch names its own sender") {
  int port;
  int received = 0;
  new_bound(loop, trace_sender, &received, &port);
  dgram_socket_t *a = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_socket_t *b = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  bind_now(a, "127.0.0.2");
  bind_now(b, "127.0.0.33");
  send_text(a, "1", port, NULL, NULL);
  send_text(b, "2", port, NULL, NULL);
  run_until(loop, &received, 2);
  send_text(b, "3", port, NULL, NULL);
  send_text(a, "4", port, NULL, NULL);
  run_until(loop, &received, 4);
  assert_trace("127.0.0.2:1 127.0.0.33:2 127.0.0.33:3 127.0.0.2:4");
}

static void answer(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                   void *context) {
  uv_buf_t reply = uv_buf_init((char *)message, (unsigned)rinfo->size);
  assert_int_equal(dgram_send_to(socket, &reply, 1, rinfo->sockaddr, NULL, NULL), 0);
}

TEST("the sockaddr of a message is where to reply") {
  int port;
  int echoed = 0;
  new_bound(loop, answer, NULL, &port);
  dgram_socket_t *client = new_socket(loop, DGRAM_UDP4, count_message, &echoed);
  assert_int_equal(dgram_on_message(client, trace_message, "echo"), 0);
  send_text(client, "hi", port, NULL, NULL);
  run_until(loop, &echoed, 1);
  assert_trace("echo(hi)");
}

TEST("a message without listeners is dropped") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  int sent = 0;
  send_text(socket, "nobody", port, count_sent, &sent);
  run_until(loop, &sent, 1);
  uv_run(loop, UV_RUN_NOWAIT);
  assert_usable(socket);
}
