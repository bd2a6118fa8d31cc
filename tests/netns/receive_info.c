/*
 * Facts about received datagrams that need a wire: the interface of several, destinations of groups
 * and broadcasts, hops, marks of a router, and datagrams that the kernel joins on their way in.
 */
#include "lib/info.h"

#include "lib/hosts.h"

#include <linux/bpf.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/syscall.h>

enum { PLACE = DGRAM_INFO_DESTINATION | DGRAM_INFO_INTERFACE };

static void trace_facts(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                        void *context) {
  trace_info(message, rinfo);
  ++*(int *)context;
}

/* A socket on PORT of a host, on all interfaces, that traces these facts. */
static dgram_socket_t *ask_on(struct host *host, dgram_type_t type, unsigned flags, int *count) {
  struct host *before = here;
  enter(host);
  dgram_options_t options = dgram_default_options(type);
  options.receive_info = flags;
  dgram_socket_t *socket = new_with(host->loop, &options);
  assert_int_equal(dgram_on_message(socket, trace_facts, count), 0);
  assert_int_equal(dgram_bind_sync(socket, PORT, NULL), 0);
  enter(before);
  return socket;
}

static void assert_facts(int *count, int wanted, const char *facts) {
  run_hosts_until(count, wanted);
  assert_trace(facts);
}

TEST_OVER_EACH("a datagram has the interface by which it came, and the address that it went to") {
  int count = 0;
  ask_on(middle, net->type, PLACE, &count);
  dgram_socket_t *from_left = bind_on(left, net->type, NULL);
  dgram_socket_t *from_right = bind_on(right, net->type, NULL);
  char expected[256];
  send_from(from_left, "a", net->middle);
  snprintf(expected, sizeof expected, "a to:%s,%s by:eth0", net->middle, net->middle);
  assert_facts(&count, 1, expected);
  send_from(from_right, "b", net->middle_1);
  snprintf(expected, sizeof expected, "b to:%s,%s by:eth1", net->middle_1, net->middle_1);
  assert_facts(&count, 2, expected);
}

/* The address of one interface, by the other one. */
TEST_OVER_EACH("a datagram to the address of another interface has the one by which it came") {
  int count = 0;
  forward();
  ask_on(middle, net->type, PLACE, &count);
  dgram_socket_t *from_left = bind_on(left, net->type, NULL);
  char expected[256];
  send_from(from_left, "a", net->middle_1);
  snprintf(expected, sizeof expected, "a to:%s,%s by:eth0", net->middle_1, net->middle_1);
  assert_facts(&count, 1, expected);
}

TEST("a renamed interface has its new name") {
  int count = 0;
  ask_on(middle, DGRAM_UDP4, DGRAM_INFO_INTERFACE, &count);
  dgram_socket_t *from_left = bind_on(left, DGRAM_UDP4, NULL);
  send_from(from_left, "a", ipv4.middle);
  assert_facts(&count, 1, "a by:eth0");
  enter(middle);
  sh("ip link set eth0 down; ip link set eth0 name wan; ip link set wan up");
  send_from(from_left, "b", ipv4.middle);
  assert_facts(&count, 2, "b by:wan");
}

/* The address to answer from is of the interface by which it came. */
TEST("a datagram to a group of IPv4 has the group, and an own address of the interface") {
  int count = 0;
  dgram_socket_t *socket = ask_on(middle, DGRAM_UDP4, PLACE, &count);
  assert_int_equal(dgram_add_membership(socket, ipv4.group, "eth0"), 0);
  assert_int_equal(dgram_add_membership(socket, ipv4.group, "eth1"), 0);
  dgram_socket_t *from_left = bind_on(left, DGRAM_UDP4, NULL);
  dgram_socket_t *from_right = bind_on(right, DGRAM_UDP4, NULL);
  send_from(from_left, "a", ipv4.group);
  assert_facts(&count, 1, "a to:239.1.2.3,10.0.1.1 by:eth0");
  send_from(from_right, "b", ipv4.group);
  assert_facts(&count, 2, "b to:239.1.2.3,10.0.2.1 by:eth1");
}

TEST("a datagram to a group of IPv6 has the group, and no own address") {
  int count = 0;
  dgram_socket_t *socket = ask_on(middle, DGRAM_UDP6, PLACE, &count);
  assert_int_equal(dgram_add_membership(socket, "ff02::1234", "::%eth1"), 0);
  dgram_socket_t *from_right = bind_on(right, DGRAM_UDP6, NULL);
  send_from(from_right, "a", "ff02::1234%eth0");
  assert_facts(&count, 1, "a to:ff02::1234,- by:eth1");
}

TEST("a broadcast has its address, and the own one of the network") {
  int count = 0;
  ask_on(middle, DGRAM_UDP4, PLACE, &count);
  dgram_socket_t *from_right = bind_on(right, DGRAM_UDP4, NULL);
  assert_int_equal(dgram_set_broadcast(from_right, 1), 0);
  send_from(from_right, "a", "10.0.2.255");
  assert_facts(&count, 1, "a to:10.0.2.255,10.0.2.1 by:eth1");
  send_from(from_right, "b", "255.255.255.255");
  assert_facts(&count, 2, "b to:255.255.255.255,10.0.2.1 by:eth1");
}

TEST("a datagram to a group or a broadcast of IPv4 has mapped addresses on a udp6 socket") {
  int count = 0;
  ask_on(middle, DGRAM_UDP6, PLACE, &count);
  dgram_socket_t *from_right = bind_on(right, DGRAM_UDP4, NULL);
  assert_int_equal(dgram_set_broadcast(from_right, 1), 0);
  send_from(from_right, "a", "10.0.2.255");
  assert_facts(&count, 1, "a to:::ffff:10.0.2.255,::ffff:10.0.2.1 by:eth1");
}

TEST("a link-local destination has its zone") {
  int count = 0;
  char own[INET6_ADDRSTRLEN];
  char to[INET6_ADDRSTRLEN + 8];
  char expected[256];
  ask_on(middle, DGRAM_UDP6, PLACE, &count);
  assert_true(find_link_local("eth1", own));
  dgram_socket_t *from_right = bind_on(right, DGRAM_UDP6, NULL);
  snprintf(to, sizeof to, "%s%%eth0", own);
  send_from(from_right, "a", to);
  snprintf(expected, sizeof expected, "a to:%s%%eth1,%s%%eth1 by:eth1", own, own);
  assert_facts(&count, 1, expected);
}

TEST_OVER_EACH("each router on the way takes one from the TTL") {
  int count = 0;
  forward();
  ask_on(right, net->type, DGRAM_INFO_TTL, &count);
  dgram_socket_t *sender = bind_on(left, net->type, NULL);
  enter(left);
  assert_int_equal(dgram_set_ttl(sender, 2), 0);
  send_from(sender, "a", net->right);
  assert_facts(&count, 1, "a ttl:1");
}

/* ---- congestion ---- */

/* Where tc(8) finds the program below; it is gone with the process. */
static const char *const programs = "/tmp";

static int bpf(int command, union bpf_attr *attributes) {
  return (int)syscall(SYS_bpf, command, attributes, sizeof *attributes);
}

/*
 * Has the kernel's own function mark what leaves: bpf_skb_ecn_set_ce() marks what is capable of
 * ECN, and passes all on. False: no such programs here.
 */
static bool pin_marker(const char *path) {
  static const struct bpf_insn marker[] = {
      {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_skb_ecn_set_ce},
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 /* TC_ACT_OK */},
      {.code = BPF_JMP | BPF_EXIT},
  };
  union bpf_attr load = {.prog_type = BPF_PROG_TYPE_SCHED_CLS,
                         .insns = (uintptr_t)marker,
                         .insn_cnt = sizeof marker / sizeof *marker,
                         .license = (uintptr_t) "GPL"};
  int fd = bpf(BPF_PROG_LOAD, &load);
  if (fd < 0)
    return false;
  union bpf_attr pin = {.pathname = (uintptr_t)path, .bpf_fd = (uint32_t)fd};
  bool pinned = bpf(BPF_OBJ_PIN, &pin) == 0;
  close(fd);
  return pinned;
}

static bool tries(const char *command) {
  char quietly[512];
  snprintf(quietly, sizeof quietly, "PATH=$PATH:/usr/sbin:/sbin; { %s; } >/dev/null 2>&1", command);
  return system(quietly) == 0;
}

/* tc attaches the program above, as another AQM; the mount is of this process alone. */
static bool mark_by_program(const char *interface) {
  char command[256];
  char path[64];
  snprintf(path, sizeof path, "%s/marker", programs);
  if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0 ||
      mount("bpf", programs, "bpf", 0, NULL) != 0 || !pin_marker(path))
    return false;
  snprintf(command, sizeof command,
           "tc qdisc add dev %s clsact && tc filter add dev %s egress bpf direct-action "
           "object-pinned %s",
           interface, interface, path);
  return tries(command);
}

/* From now on the interface of the host marks all that leaves as having met congestion. */
static bool mark_congestion(const char *interface) {
  char command[128];
  snprintf(command, sizeof command, "tc qdisc replace dev %s root netem loss 100%% ecn", interface);
  return tries(command) || mark_by_program(interface);
}

/* RFC 3168, 5: what is not capable of ECN stays so. */
TEST("a receiver sees the congestion that a router's tc has marked") {
  int count = 0;
  forward();
  enter(middle);
  if (!have_command("tc") || !mark_congestion("eth1")) {
    print_message("skipped: tc(8) can't mark datagrams here\n");
    skip();
  }
  ask_on(right, DGRAM_UDP4, DGRAM_INFO_TOS, &count);
  enter(left);
  int capable = close_with_hosts(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  set_int(capable, IPPROTO_IP, IP_TOS, 46 << 2 | 2);
  raw_send_to(capable, "capable", ipv4.right, PORT);
  assert_facts(&count, 1, "capable dscp:46 ecn:3");
}

/* ---- joined on the way in ---- */

enum { STREAM = 200, SIZE = 100 };

struct stream {
  int count;
  int joined;
};

/* The datagram has its traffic class as its only content. */
static void check_class(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                        void *context) {
  struct stream *stream = context;
  const dgram_info_t *info = dgram_rinfo_info(rinfo);
  assert_int_equal(rinfo->size, SIZE);
  assert_int_equal(info->flags, DGRAM_INFO_TOS | DGRAM_INFO_TTL | DGRAM_INFO_SEGMENT_SIZE);
  assert_int_equal(info->dscp << 2 | info->ecn, (unsigned char)message[0]);
  assert_int_equal(info->ttl, 64);
  stream->joined += info->segment_size != 0;
  stream->count++;
}

/*
 * One flow, whose datagrams are of two traffic classes in turn, four each: they come over the link
 * joined, as their sender has joined them, and a device with a queue of NAPI joins further ones;
 * but never those of two classes.
 */
TEST("datagrams of two traffic classes are told apart, though they come joined") {
  enum { RUN = 4, ROUND = 40 };
  struct stream stream = {0};
  static char bytes[2][SIZE] = {{(char)(46 << 2)}, {10 << 2 | 1}};
  skip_without_command("ethtool");
  enter(middle);
  sh("ethtool -K eth0 gro on");
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.receive_info = DGRAM_INFO_TOS | DGRAM_INFO_TTL | DGRAM_INFO_SEGMENT_SIZE;
  options.recv_buffer_size = ROOM;
  dgram_socket_t *receiver = new_with(middle->loop, &options);
  assert_int_equal(dgram_on_message(receiver, check_class, &stream), 0);
  assert_int_equal(dgram_bind_sync(receiver, PORT, NULL), 0);
  dgram_socket_t *sender = bind_on(left, DGRAM_UDP4, NULL);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PORT)};
  assert_int_equal(inet_pton(AF_INET, ipv4.middle, &to.sin_addr), 1);
  for (int sent = 0; sent < STREAM; sent += ROUND) {
    enter(left);
    for (int i = 0; i < ROUND; i++) {
      dgram_send_options_t marked = dgram_default_send_options();
      uv_buf_t buffer = uv_buf_init(bytes[i / RUN % 2], SIZE);
      marked.tos = (unsigned char)bytes[i / RUN % 2][0];
      assert_int_equal(
          dgram_send_with(sender, &buffer, 1, (const struct sockaddr *)&to, &marked, NULL, NULL),
          0);
    }
    run_hosts_until(&stream.count, sent + ROUND);
  }
  const char *gro = getenv("DGRAM_GRO");
  if (gro != NULL && strcmp(gro, "1") == 0)
    assert_true(stream.joined >= STREAM / 2);
}

int main(void) {
  return hosts_run();
}
