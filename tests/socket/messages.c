/* 'messages' over the network: batches of what came, whole and in order, from whom it should be. */
#include "lib/fixture.h"

TEST("datagrams that came together are one batch") {
  int port;
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound(loop, trace_message, "one", &port);
  assert_int_equal(dgram_on_messages(socket, trace_messages, "all"), 0);
  raw_send(fd, "a", 1, port);
  raw_send(fd, "", 0, port);
  raw_send(fd, "ccc", 3, port);
  settle(loop);
  assert_trace("all[a  ccc] one(a) one() one(ccc)");
  close(fd);
}

TEST("a batch needs no listener of message") {
  int port;
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_on_messages(socket, trace_messages, "all"), 0);
  raw_send(fd, "a", 1, port);
  raw_send(fd, "b", 1, port);
  settle(loop);
  assert_trace("all[a b]");
  close(fd);
}

TEST("messages has on, once and off") {
  int port;
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_on_messages(socket, trace_messages, "on"), 0);
  assert_int_equal(dgram_once_messages(socket, trace_messages, "once"), 0);
  assert_int_equal(dgram_on_messages(socket, trace_messages, "off"), 0);
  assert_int_equal(dgram_off_messages(socket, trace_messages, "off"), 0);
  assert_int_equal(dgram_off_messages(socket, trace_messages, "off"), UV_ENOENT);
  for (int i = 0; i < 2; i++) {
    raw_send(fd, "x", 1, port);
    settle(loop);
  }
  assert_trace("on[x] once[x] on[x]");
  close(fd);
}

/* ---- from whom ---- */

TEST("a batch of a connected socket has its peer's datagrams only") {
  int port;
  int peer = raw_socket();
  int stranger = raw_socket();
  dgram_socket_t *socket = new_bound(loop, trace_message, "one", &port);
  assert_int_equal(dgram_on_messages(socket, trace_messages, "all"), 0);
  raw_send(stranger, "early", 5, port); /* the kernel filters only from the connect on */
  raw_send(peer, "a", 1, port);
  raw_send(stranger, "again", 5, port);
  raw_send(peer, "b", 1, port);
  connect_now(socket, raw_port(peer));
  settle(loop);
  assert_trace("all[a b] one(a) one(b)");
  close(peer);
  close(stranger);
}

TEST("a connected socket emits no batch of strangers") {
  int port;
  int peer = raw_socket();
  int stranger = raw_socket();
  dgram_socket_t *socket = new_bound(loop, trace_message, "one", &port);
  assert_int_equal(dgram_on_messages(socket, trace_messages, "all"), 0);
  raw_send(stranger, "x", 1, port);
  assert_int_equal(dgram_connect_sync(socket, raw_port(peer), NULL), 0);
  settle(loop);
  assert_trace("");
  close(peer);
  close(stranger);
}

static void connect_to_the_first(dgram_socket_t *socket, const dgram_message_t *const messages[],
                                 size_t count, void *context) {
  trace("%d", (int)count);
  assert_int_equal(dgram_connect_sync(socket, messages[0]->rinfo.port, NULL), 0);
}

/* The batch had been emitted; of its messages only the peer's follow. */
TEST("a socket may be connected in a batch") {
  int port;
  int peer = raw_socket();
  int stranger = raw_socket();
  dgram_socket_t *socket = new_bound(loop, trace_message, "one", &port);
  assert_int_equal(dgram_once_messages(socket, connect_to_the_first, NULL), 0);
  raw_send(peer, "a", 1, port);
  raw_send(stranger, "x", 1, port);
  raw_send(peer, "b", 1, port);
  settle(loop);
  assert_trace("3 one(a) one(b)");
  close(peer);
  close(stranger);
}

static void check_sender(dgram_socket_t *socket, const dgram_message_t *const messages[],
                         size_t count, void *context) {
  static const char *const addresses[] = {"127.0.0.1", "127.0.0.2", "127.0.0.3"};
  const int *ports = context;
  for (size_t i = 0; i < count; i++)
    (void)dgram_rinfo_address(&messages[i]->rinfo); /* of all, before any is looked at */
  for (size_t i = 0; i < count; i++) {
    const dgram_rinfo_t *rinfo = &messages[i]->rinfo;
    int number = messages[i]->message[0] - '0';
    assert_int_equal(rinfo->port, ports[number]);
    assert_string_equal(dgram_rinfo_address(rinfo), addresses[number]);
    assert_int_equal(ntohs(((const struct sockaddr_in *)(const void *)rinfo->sockaddr)->sin_port),
                     ports[number]);
    trace("%d", number);
  }
}

TEST("each datagram of a batch names its own sender") {
  enum { SENDERS = 3 };
  int port;
  int fds[SENDERS];
  int ports[SENDERS];
  dgram_socket_t *receiver = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_on_messages(receiver, check_sender, ports), 0);
  for (int i = 0; i < SENDERS; i++) {
    struct sockaddr_in address = loopback_address(0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)i);
    fds[i] = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(fds[i], (struct sockaddr *)&address, sizeof address), 0);
    ports[i] = raw_port(fds[i]);
  }
  for (int i = 0; i < 2 * SENDERS; i++)
    raw_send(fds[i % SENDERS], &"012"[i % SENDERS], 1, port);
  run_until_trace(loop, "0 1 2 0 1 2");
  for (int i = 0; i < SENDERS; i++)
    close(fds[i]);
}

/* ---- many ---- */

enum { MANY = 5000 };

struct tally {
  unsigned next; /* the number of the next datagram */
  int received;
};

static void count_in_order(dgram_socket_t *socket, const dgram_message_t *const messages[],
                           size_t count, void *context) {
  struct tally *tally = context;
  assert_in_range(count, 1, 1024);
  for (size_t i = 0; i < count; i++) {
    unsigned number;
    assert_int_equal(messages[i]->rinfo.size, sizeof number);
    memcpy(&number, messages[i]->message, sizeof number);
    assert_int_equal(number, tally->next++);
  }
  tally->received += (int)count;
}

/* Of one size, so that the kernel may join them; as many at a time as the buffer holds. */
TEST("a flood comes as batches, whole and in order") {
  enum { AT_ONCE = 50 };
  struct tally tally = {0};
  static unsigned numbers[MANY];
  int port;
  int sender_port;
  int sent = 0;
  dgram_socket_t *receiver = new_roomy(loop, NULL, NULL, &port);
  dgram_socket_t *sender = new_bound(loop, NULL, NULL, &sender_port);
  assert_int_equal(dgram_on_messages(receiver, count_in_order, &tally), 0);
  for (unsigned i = 0; i < MANY / test_scale(); i++) {
    numbers[i] = i;
    assert_int_equal(
        dgram_send(sender, &numbers[i], sizeof numbers[i], port, NULL, count_sent, &sent), 0);
    if (i % AT_ONCE == AT_ONCE - 1)
      run_until(loop, &tally.received, (int)i + 1);
  }
  run_until(loop, &tally.received, (int)(MANY / test_scale()));
}
