/*
 * Options of one datagram between hosts: an address of the sender's, an interface of multicast, and
 * "don't fragment" over a link that is too narrow; departure times where the kernel has "fq".
 */
#include "lib/hosts.h"

#include <time.h>

static int sent;

static int send_size(dgram_socket_t *socket, const char *to, size_t size,
                     const dgram_send_options_t *options) {
  static char bytes[3000];
  union raw_address address;
  uv_buf_t buffer = uv_buf_init(bytes, (unsigned)size);
  memset(bytes, 'x', sizeof bytes);
  raw_address(&address, to, PORT);
  return dgram_try_send_with(socket, &buffer, 1, &address.any, options, NULL);
}

static void send_word(dgram_socket_t *socket, const char *to, const char *word,
                      const dgram_send_options_t *options) {
  union raw_address address;
  uv_buf_t buffer = uv_buf_init((char *)word, (unsigned)strlen(word));
  raw_address(&address, to, PORT);
  assert_int_equal(dgram_send_with(socket, &buffer, 1, &address.any, options, count_sent, &sent),
                   0);
}

static char source[DGRAM_ADDRESS_TEXT];
static size_t size_seen;
static int seen;

static void see(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                void *context) {
  keep_text(source, sizeof source, dgram_rinfo_address(rinfo));
  size_seen = rinfo->size;
  seen++;
}

TEST_OVER_EACH("a datagram leaves from another address of its host") {
  const char *other = net->type == DGRAM_UDP4 ? "10.0.1.7" : "fd00:1::7";
  union raw_address from;
  dgram_send_options_t options = dgram_default_send_options();
  seen = 0;
  bind_with(middle, net->type, see, NULL);
  enter(left);
  if (net->type == DGRAM_UDP4)
    sh("ip address add %s/24 dev eth0", other);
  else
    add_address(other, 64, "eth0");
  dgram_socket_t *sender = bind_on(left, net->type, NULL);
  raw_address(&from, other, PORT);
  options.source = &from.any;
  send_word(sender, net->middle, "chosen", &options);
  run_hosts_until(&seen, 1);
  assert_string_equal(source, other);
  raw_address(&from, net->left, PORT);
  send_word(sender, net->middle, "chosen, too", &options);
  run_hosts_until(&seen, 2);
  assert_string_equal(source, net->left);
}

TEST_OVER_EACH("a datagram to a group leaves by the interface that was chosen for it") {
  dgram_send_options_t options = dgram_default_send_options();
  dgram_socket_t *receiver = bind_on(right, net->type, NULL);
  dgram_socket_t *elsewhere = bind_on(left, net->type, NULL);
  const char *by = net->type == DGRAM_UDP4 ? net->right : "::%eth0";
  enter(right);
  assert_int_equal(dgram_add_membership(receiver, net->group, by), 0);
  enter(left);
  assert_int_equal(
      dgram_add_membership(elsewhere, net->group, net->type == DGRAM_UDP4 ? net->left : "::%eth0"),
      0);
  dgram_socket_t *sender = bind_on(middle, net->type, NULL);
  enter(middle);
  options.interface_index = if_nametoindex("eth1");
  send_word(sender, net->group, "chosen", &options);
  send_word(sender, net->group, "plain", NULL); /* by eth0 */
  assert_received(right, "chosen");
  assert_received(left, "plain");
}

TEST_OVER_EACH("over a narrow link a datagram that may not be fragmented is EMSGSIZE") {
  dgram_send_options_t options = dgram_default_send_options();
  seen = 0;
  bind_with(middle, net->type, see, NULL);
  enter(left);
  sh("ip link set eth0 mtu 1300");
  dgram_socket_t *sender = bind_on(left, net->type, NULL);
  enter(left);
  options.dont_fragment = 1;
  assert_int_equal(send_size(sender, net->middle, 2000, &options), UV_EMSGSIZE);
  assert_int_equal(send_size(sender, net->middle, 1200, &options), 0);
  run_hosts_until(&seen, 1);
  assert_int_equal(size_seen, 1200);
  enter(left);
  options.dont_fragment = 0;
  assert_int_equal(send_size(sender, net->middle, 2000, &options), 0);
  run_hosts_until(&seen, 2);
  assert_int_equal(size_seen, 2000);
  enter(left);
  assert_int_equal(send_size(sender, net->middle, 2000, NULL), 0);
  run_hosts_until(&seen, 3);
  assert_int_equal(size_seen, 2000);
}

TEST_OVER_EACH("datagrams leave in the order of their departure times") {
  dgram_send_options_t options = dgram_default_send_options();
  static const char *const words[] = {"0", "1", "2", "3", "4", "5"};
  struct timespec now;
  bind_on(middle, net->type, NULL);
  enter(left);
  if (system("tc qdisc replace dev eth0 root fq 2>/dev/null") != 0) {
    print_message("skipped: this kernel has no queueing discipline \"fq\"\n");
    skip();
  }
  dgram_socket_t *sender = bind_on(left, net->type, NULL);
  enter(left);
  assert_int_equal(dgram_set_sockopt(sender, DGRAM_SO_TXTIME_CLOCK, CLOCK_MONOTONIC), 0);
  clock_gettime(CLOCK_MONOTONIC, &now);
  uint64_t start = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
  for (unsigned i = 6; i-- > 0;) { /* the last first */
    options.departure_ns = start + (200 + 20 * i) * UINT64_C(1000000);
    send_word(sender, net->middle, words[i], &options);
  }
  assert_received(middle, "0 1 2 3 4 5");
}

int main(void) {
  return hosts_run();
}
