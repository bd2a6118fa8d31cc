/*
 * Many datagrams of one size, which may leave as one segmented send: whatever the devices can and
 * however narrow the way is, all arrive, in order, byte for byte.
 */
#include "lib/packets.h"

#include <sys/utsname.h>

enum {
  ROUND = 40, /* sends of one turn; a receive buffer of the usual size takes them */
  ROUNDS = 6,
  MOST = 2000 /* bytes of one */
};

/* ---- the datagrams ---- */

/* How large each datagram of a stream is: its size, but every few one is the last of a run. */
struct stream {
  int size;
  int last; /* the size of the last one of a run */
  int run;  /* datagrams; 1: all are `size` long */
  int sent;
  int done;
  int arrived;
  char *bytes; /* of the round's datagrams, one after the other */
};

static size_t size_of(const struct stream *stream, int number) {
  int is_last = number % stream->run == stream->run - 1;
  return (size_t)(is_last && stream->run > 1 ? stream->last : stream->size);
}

static void fill(char *bytes, size_t size, int number) {
  for (size_t i = 0; i < size; i++)
    bytes[i] = (char)(number * 31 + (int)(i * 7 + i / 251));
}

/* A receiver: the next one must come, whole. */
static void compare(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                    void *context) {
  struct stream *stream = context;
  char expected[MOST];
  size_t size = size_of(stream, stream->arrived);
  if (rinfo->size != size)
    fail_msg("datagram %d has %zu bytes, not %zu", stream->arrived, rinfo->size, size);
  fill(expected, size, stream->arrived);
  if (memcmp(message, expected, size) != 0)
    fail_msg("datagram %d has other bytes", stream->arrived);
  stream->arrived++;
}

/* Sends the datagrams of some rounds; each leaves in one iteration, and arrives before the next.
 */
static void send_rounds(dgram_socket_t *socket, struct stream *stream, const char *to) {
  for (int i = 0; i < ROUNDS; i++) {
    char *at = stream->bytes;
    for (int j = 0; j < ROUND; j++) {
      size_t size = size_of(stream, stream->sent);
      fill(at, size, stream->sent++);
      assert_int_equal(dgram_send(socket, at, size, PORT, to, count_sent, &stream->done), 0);
      at += size;
    }
    run_hosts_until(&stream->arrived, stream->sent);
    run_hosts_until(&stream->done, stream->sent);
  }
}

/* ---- the scenario: left sends to middle, or over it to right ---- */

struct scenario {
  struct stream stream;
  dgram_socket_t *sender;
  const char *to;
  int wire; /* of the host that receives */
};

static void begin(struct scenario *scenario, dgram_type_t type, struct host *receiver, int gso) {
  static char bytes[ROUND * MOST];
  const struct addresses *net = type == DGRAM_UDP4 ? &ipv4 : &ipv6;
  dgram_options_t options = dgram_default_options(type);
  options.disable_gso = !gso;
  *scenario = (struct scenario){.stream = {.size = 1200, .last = 300, .run = 10, .bytes = bytes},
                                .to = receiver == middle ? net->middle : net->right};
  forward();
  enter(receiver);
  scenario->wire = tap("eth0");
  bind_with(receiver, type, compare, &scenario->stream);
  enter(left);
  scenario->sender = new_with(left->loop, &options);
}

static void assert_all_arrive(struct scenario *scenario) {
  send_rounds(scenario->sender, &scenario->stream, scenario->to);
}

enum { ONE_BY_ONE = 1500, MANY_IN_ONE = 65535 }; /* bytes of the largest packet */

static size_t largest_packet(int wire) {
  struct packet packet;
  size_t largest = 0;
  while (take_packet(wire, &packet))
    if (packet.size > largest)
      largest = packet.size;
  return largest;
}

/* ---- what the devices can ---- */

/* Whether the library segments here at all: not where it is switched off, nor on kernels that do it
 * wrong. */
static int is_segmenting(void) {
  struct utsname kernel;
  assert_int_equal(uname(&kernel), 0);
  return offload_is_on("DGRAM_GSO") && strncmp(kernel.release, "7.0", 3) != 0 &&
         strncmp(kernel.release, "7.1", 3) != 0;
}

/* A virtual link hands segmented sends over as they are: so it shows that there are any. */
TEST_OVER_EACH("a segmented send crosses the link") {
  struct scenario scenario;
  begin(&scenario, net->type, middle, 1);
  assert_all_arrive(&scenario);
  size_t largest = largest_packet(scenario.wire);
  if (is_segmenting())
    assert_in_range(largest, 5 * 1200, MANY_IN_ONE);
  else
    assert_in_range(largest, 1200, ONE_BY_ONE);
}

TEST("a socket's option turns segmentation off") {
  struct scenario scenario;
  begin(&scenario, DGRAM_UDP4, middle, 0);
  assert_all_arrive(&scenario);
  assert_in_range(largest_packet(scenario.wire), 1200, ONE_BY_ONE);
}

/* Sets features of left's device, and of middle's where datagrams come in; see ethtool(8). */
static void assert_all_arrive_with(const char *of_left, const char *of_middle, size_t most) {
  skip_without_command("ethtool");
  for (int i = 0; i < 2; i++) {
    struct scenario scenario;
    if (i > 0)
      reopen_hosts();
    begin(&scenario, i == 0 ? DGRAM_UDP4 : DGRAM_UDP6, middle, 1);
    sh("ethtool -K eth0 %s >/dev/null", of_left);
    enter(middle);
    sh("ethtool -K eth0 %s >/dev/null", of_middle);
    assert_all_arrive(&scenario);
    assert_in_range(largest_packet(scenario.wire), 1200, most);
  }
}

TEST("all datagrams arrive without UDP segmentation in the device") {
  assert_all_arrive_with("tx-udp-segmentation off", "gro off", ONE_BY_ONE);
}

TEST("all datagrams arrive without any segmentation") {
  assert_all_arrive_with("tx-udp-segmentation off gso off", "gro off", ONE_BY_ONE);
}

TEST("all datagrams arrive without checksums in the device") {
  assert_all_arrive_with("tx off", "rx off", ONE_BY_ONE);
}

TEST("all datagrams arrive without scattered buffers") {
  assert_all_arrive_with("sg off", "gro off", MANY_IN_ONE);
}

TEST("all datagrams arrive with merging at the receiver") {
  assert_all_arrive_with("tx-udp-segmentation off", "gro on", MANY_IN_ONE);
}

TEST("all datagrams arrive with merging in lists at the receiver") {
  assert_all_arrive_with("tx-udp-segmentation off", "gro on rx-gro-list on", MANY_IN_ONE);
}

/* ---- how narrow the way is ---- */

/* A segment over the MTU is refused, though the datagram by itself may leave in fragments. */
TEST_OVER_EACH("all datagrams arrive over a link that is narrower than the segments") {
  struct scenario scenario;
  begin(&scenario, net->type, middle, 1);
  sh("ip link set eth0 mtu 1300");
  scenario.stream.size = 1400;
  assert_all_arrive(&scenario);
  scenario.stream.last = 1399; /* nearly as large */
  assert_all_arrive(&scenario);
  scenario.stream.run = 1; /* all of one size */
  assert_all_arrive(&scenario);
  scenario.stream.size = 1000; /* and now there is no reason any more not to segment */
  largest_packet(scenario.wire);
  assert_all_arrive(&scenario);
  if (is_segmenting())
    assert_in_range(largest_packet(scenario.wire), 5 * 1000, MANY_IN_ONE);
}

TEST("all datagrams arrive over a link that is far narrower than the segments") {
  struct scenario scenario;
  begin(&scenario, DGRAM_UDP4, middle, 1);
  scenario.stream.size = MOST;
  scenario.stream.last = 100;
  assert_all_arrive(&scenario);
}

TEST("all datagrams arrive over a link that becomes narrower and wider") {
  static const int mtus[] = {1000, 600, 1500};
  struct scenario scenario;
  begin(&scenario, DGRAM_UDP4, middle, 1);
  assert_all_arrive(&scenario);
  for (size_t i = 0; i < sizeof mtus / sizeof *mtus; i++) {
    sh("ip link set eth0 mtu %d", mtus[i]);
    assert_all_arrive(&scenario);
  }
}

/* The link is behind a router, so the system learns of it by an answer to a lost datagram. */
TEST_OVER_EACH("all datagrams arrive over a way that is known to be narrower") {
  static const char probe[1400];
  struct scenario scenario;
  int sent = 0;
  begin(&scenario, net->type, right, 1);
  enter(middle);
  sh("ip link set eth1 mtu 1300");
  enter(left);
  int wire = tap("eth0");
  assert_int_equal(
      dgram_send(scenario.sender, probe, sizeof probe, PORT, scenario.to, count_sent, &sent), 0);
  run_hosts_until(&sent, 1);
  wait_for_too_big(wire);
  scenario.stream.size = 1400;
  assert_all_arrive(&scenario);
}

TEST("all datagrams arrive over IPv4 from an IPv6 socket") {
  struct scenario scenario;
  begin(&scenario, DGRAM_UDP6, middle, 1);
  scenario.to = "::ffff:10.0.1.1";
  assert_all_arrive(&scenario);
  sh("ip link set eth0 mtu 1300");
  scenario.stream.size = 1400;
  assert_all_arrive(&scenario);
}

TEST("all datagrams arrive over a router") {
  struct scenario scenario;
  begin(&scenario, DGRAM_UDP4, right, 1);
  assert_all_arrive(&scenario);
}

int main(void) {
  return hosts_run();
}
