/*
 * A sender as of QUIC (RFC 9000, 14.2): its datagrams are never fragmented, it begins with what its
 * own link takes, and lowers their size when 'icmp' tells that a router had to drop one, or
 * EMSGSIZE that its own system knows it. All its data arrives, though the path becomes narrower on
 * the way.
 *
 * The protocol: a datagram is the offset of its bytes, and the bytes; the receiver takes what comes
 * in order, and answers with the offset that it waits for; from there the sender goes on when a
 * datagram was too large, or when nothing has come for a while: a router limits its reports.
 */
#include "lib/packets.h"

enum { DATA = 200000, HALF = DATA / 2, OFFSET = 4, WINDOW = 8, WIDE = 1500 };

static struct {
  dgram_socket_t *socket;
  char data[DATA];
  const char *peer;
  size_t headers; /* of IP and UDP */
  size_t size;    /* of a datagram's bytes, with the offset */
  size_t base;    /* all before it has arrived */
  size_t next;    /* the offset of the next datagram */
  int too_big;    /* reports that have lowered the size */
  int refused;    /* sends that have */
} sender;

static struct {
  char data[DATA];
  size_t expected;
  size_t largest; /* of the datagrams that came since it was set to 0 */
  int halves;     /* that are complete */
} receiver;

static size_t get_offset(const char *bytes) {
  uint32_t offset;
  memcpy(&offset, bytes, OFFSET);
  return offset;
}

/* ---- the receiver ---- */

static void on_data(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                    void *context) {
  size_t size = rinfo->size - OFFSET;
  if (rinfo->size > receiver.largest)
    receiver.largest = rinfo->size;
  if (get_offset(message) == receiver.expected) {
    memcpy(receiver.data + receiver.expected, message + OFFSET, size);
    receiver.expected += size;
  }
  receiver.halves = (receiver.expected >= HALF) + (receiver.expected == DATA);
  uint32_t expected = (uint32_t)receiver.expected;
  uv_buf_t answer = uv_buf_init((char *)&expected, OFFSET);
  assert_int_equal(dgram_send_to(socket, &answer, 1, rinfo->sockaddr, NULL, NULL), 0);
}

/* ---- the sender ---- */

static void send_more(void);

static void lower_to(int mtu, int *count) {
  size_t size = (size_t)mtu - sender.headers;
  assert_in_range(mtu, 1280, WIDE);
  if (size < sender.size) {
    sender.size = size;
    ++*count;
  }
  sender.next = sender.base;
  send_more();
}

static void on_icmp(dgram_socket_t *socket, const dgram_icmp_t *icmp, void *context) {
  assert_int_equal(icmp->kind, DGRAM_ICMP_PACKET_TOO_BIG);
  assert_string_equal(icmp->peer.address, sender.peer);
  lower_to(icmp->mtu, &sender.too_big);
}

static void on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                    void *context) {
  free(context);
  if (error == NULL)
    return;
  assert_int_equal(error->code, UV_EMSGSIZE);
  if ((int)(sender.size + sender.headers) > error->mtu) /* not yet lowered by another */
    lower_to(error->mtu, &sender.refused);
}

static void send_more(void) {
  while (sender.next < DATA && sender.next < sender.base + WINDOW * sender.size) {
    size_t size =
        sender.size - OFFSET < DATA - sender.next ? sender.size - OFFSET : DATA - sender.next;
    uint32_t offset = (uint32_t)sender.next;
    char *bytes = malloc(OFFSET + size);
    assert_non_null(bytes);
    memcpy(bytes, &offset, OFFSET);
    memcpy(bytes + OFFSET, sender.data + sender.next, size);
    assert_int_equal(
        dgram_send(sender.socket, bytes, OFFSET + size, PORT, sender.peer, on_sent, bytes), 0);
    sender.next += size;
  }
}

static void on_answer(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                      void *context) {
  size_t offset = get_offset(message);
  if (offset <= sender.base)
    return;
  sender.base = offset;
  if (sender.next < sender.base)
    sender.next = sender.base;
  send_more();
}

static void on_silence(uv_timer_t *timer) {
  sender.next = sender.base;
  send_more();
}

static void on_closed(uv_handle_t *handle) {
  ++*(int *)handle->data;
}

/* ---- the test ---- */

TEST_OVER_EACH("a sender lowers its datagrams to the MTU that routers tell, and all data arrives") {
  memset(&receiver, 0, sizeof receiver);
  sender.peer = net->right;
  sender.headers = net == &ipv4 ? 28 : 48;
  sender.size = WIDE - sender.headers;
  sender.base = sender.next = 0;
  sender.too_big = sender.refused = 0;
  for (size_t i = 0; i < DATA; i++)
    sender.data[i] = (char)(i * 31 + i / 257);
  forward();
  sh("ip link set eth1 mtu 1400");
  bind_with(right, net->type, on_data, NULL);
  dgram_sockopt_value_t option = {DGRAM_SO_PATH_MTU, DGRAM_PATH_MTU_ON};
  dgram_options_t options = dgram_default_options(net->type);
  options.sockopts = &option;
  options.sockopt_count = 1;
  enter(left);
  sender.socket = new_with(left->loop, &options);
  assert_int_equal(dgram_on_message(sender.socket, on_answer, NULL), 0);
  assert_int_equal(dgram_on_icmp(sender.socket, on_icmp, NULL), 0);
  uv_timer_t silence;
  uv_timer_init(left->loop, &silence);
  uv_timer_start(&silence, on_silence, 250, 250);
  send_more();
  run_hosts_until(&receiver.halves, 1);
  assert_int_equal(sender.size, 1400 - sender.headers);
  assert_int_equal(receiver.largest, sender.size);

  enter(middle);
  sh("ip link set eth1 mtu 1280");
  receiver.largest = 0;
  run_hosts_until(&receiver.halves, 2);
  assert_int_equal(sender.size, 1280 - sender.headers);
  assert_int_equal(receiver.largest, sender.size);
  assert_memory_equal(receiver.data, sender.data, DATA);
  assert_in_range(sender.too_big + sender.refused, 2, 4);
  int closed = 0;
  silence.data = &closed;
  uv_close((uv_handle_t *)&silence, on_closed);
  run_hosts_until(&closed, 1);
}

int main(void) {
  return hosts_run();
}
