/*
 * What a connected socket receives, as the kernel shows it.
 *
 * Programs of the kernel (eBPF) at connect(2), getpeername(2) and recvmsg(2) may show a connected
 * socket other addresses than the kernel filters by, as load balancers of clusters do. What the
 * kernel lets through is the peer's. Simulated: getpeername(2) returns another peer, or
 * recvmsg(2) another sender, than the program has connected to.
 *
 * A receive call may return fewer datagrams than it has buffers for though more are there: an ICMP
 * error has come in the midst of them, and waits for the next call. What strangers sent before the
 * socket was connected is not emitted then either. Simulated: each call brings one datagram.
 */
#include "fake/scripted.h"

static bool peer_rewritten;
static bool sender_rewritten;
static bool one_a_call;

static void rewrite(struct sockaddr *address) {
  ((struct sockaddr_in *)(void *)address)->sin_port = htons(7777);
}

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
int __wrap_getpeername(int fd, struct sockaddr *address, socklen_t *length);
int __real_getpeername(int fd, struct sockaddr *address, socklen_t *length);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
int __wrap_recvmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags,
                    struct timespec *timeout);
int __real_recvmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags,
                    struct timespec *timeout);

int __wrap_getpeername(int fd, struct sockaddr *address, socklen_t *length) {
  int result = __real_getpeername(fd, address, length);
  if (result == 0 && peer_rewritten)
    rewrite(address);
  return result;
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags) {
  ssize_t size = __real_recvmsg(fd, message, flags);
  if (size >= 0 && sender_rewritten && message->msg_name != NULL)
    rewrite(message->msg_name);
  return size;
}

int __wrap_recvmmsg(int fd, struct mmsghdr *headers, unsigned count, int flags,
                    struct timespec *timeout) {
  if (one_a_call && count > 1)
    count = 1;
  int received = __real_recvmmsg(fd, headers, count, flags, timeout);
  for (int i = 0; i < received && sender_rewritten; i++)
    rewrite(headers[i].msg_hdr.msg_name);
  return received;
}
/* NOLINTEND(bugprone-reserved-identifier) */

/* A socket of the library over the system's, bound. */
static dgram_socket_t *new_system_socket(uint8_t max_rx_batch) {
  dgram_socket_t *socket = scripted_unbound_socket();
  fake_use_system(socket->loop, true);
  socket->loop->capabilities.max_rx_batch = max_rx_batch;
  assert_int_equal(dgram_bind_sync(socket, 0, "127.0.0.1"), 0);
  return socket;
}

static void assert_answers_come(uint8_t max_rx_batch) {
  int peer = raw_socket();
  dgram_socket_t *socket = new_system_socket(max_rx_batch);
  assert_int_equal(dgram_connect_sync(socket, raw_port(peer), "127.0.0.1"), 0);
  for (int i = 0; i < 3; i++) {
    raw_send(peer, "answer", 6, port_of(socket));
    scripted_run();
  }
  assert_trace("listening (answer) (answer) (answer)");
  close(peer);
  close_socket(socket);
  EXPECT("close");
}

static void assert_answers_come_with(bool peer, bool sender) {
  peer_rewritten = peer;
  sender_rewritten = sender;
  assert_answers_come(DGRAM__RX_BUFFERS);
  assert_answers_come(1);
  peer_rewritten = false;
  sender_rewritten = false;
}

SCRIPTED_TEST("a connected socket whose peer's address is rewritten gets its answers") {
  assert_answers_come_with(true, false);
}

SCRIPTED_TEST("a connected socket whose senders' addresses are rewritten gets its answers") {
  assert_answers_come_with(false, true);
}

SCRIPTED_TEST("a connected socket with both rewritten gets its answers") {
  assert_answers_come_with(true, true);
}

SCRIPTED_TEST("what came before the connect is not emitted though a receive call was short") {
  int peer = raw_socket();
  int stranger = raw_socket();
  dgram_socket_t *socket = new_system_socket(DGRAM__RX_BUFFERS);
  one_a_call = true;
  for (int i = 0; i < 3; i++)
    raw_send(stranger, "stranger", 8, port_of(socket));
  raw_send(peer, "peer", 4, port_of(socket));
  assert_int_equal(dgram_connect_sync(socket, raw_port(peer), "127.0.0.1"), 0);
  EXPECT("listening (peer)");
  one_a_call = false;
  close(peer);
  close(stranger);
}
