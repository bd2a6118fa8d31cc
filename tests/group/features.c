/* What node:dgram has not, on the sockets of a group: each thread has its own. */
#include "lib/group_fixture.h"

#include <dgram_peer.h>

enum { THREADS = 3 };

/* ---- options ---- */

/* A program that was compiled with 0.3, whose struct ended with `low_latency`. */
TEST("a group takes the options of an older program's socket") {
  dgram_group_options_t options = answering(THREADS);
  group_socket.struct_size = offsetof(dgram_options_t, receive_budget);
  group_socket.receive_batch = -1; /* padding then, and what follows is not the program's */
  group_socket.receive_budget = -1;
  group_socket.defer = NULL;
  dgram_group_t *group = start_group(&options);
  assert_in_range(receiver_of_byte('x', group), 0, THREADS - 1);
}

/* Threads count what they see; cmocka works in the main thread only. */
static int check_options(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  int64_t ttl = 0;
  if (dgram_get_sockopt(socket, DGRAM_SO_TTL, &ttl) != 0 || ttl != 33)
    return UV_EPROTO;
  return start_answering(group, index, socket, context);
}

TEST("a group's sockets have the options that were given, and share a port") {
  const dgram_sockopt_value_t values[] = {{DGRAM_SO_TTL, 33}, {DGRAM_SO_BIND_ADDRESS_NO_PORT, 1}};
  dgram_group_options_t options = answering(THREADS);
  group_socket.sockopts = values;
  group_socket.sockopt_count = 2;
  options.on_start = check_options;
  dgram_group_t *group = start_group(&options);
  assert_in_range(port_of_group(group), 1, 65535);
  assert_in_range(receiver_of_byte('x', group), 0, THREADS - 1);
}

TEST("a group is refused an option that a socket is refused, and nothing is left of it") {
  const dgram_sockopt_value_t values[] = {{DGRAM_SO_TTL, 256}};
  dgram_group_options_t options = answering(THREADS);
  int before = count_open_files();
  group_socket.bind_device = "nosuchif";
  assert_not_started(&options, UV_ENODEV);
  group_socket.bind_device = NULL;
  group_socket.sockopts = values;
  group_socket.sockopt_count = 1;
  assert_not_started(&options, UV_EINVAL);
  assert_int_equal(count_open_files(), before);
}

/* ---- answers ---- */

static void reply(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                  void *context) {
  struct thread_counts *count = context;
  unsigned char index = (unsigned char)count->index;
  uv_buf_t buffers[] = {uv_buf_init((char *)&index, 1),
                        uv_buf_init((char *)message, (unsigned)rinfo->size)};
  count->messages++;
  if (dgram_reply(socket, rinfo, buffers, 2, NULL, NULL) != 0)
    count->failures++;
}

/* A socket begins paused, and pauses again for each datagram: its thread resumes it. */
static void reply_and_pause(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                            void *context) {
  reply(socket, message, rinfo, context);
  if (dgram_pause(socket) != 0)
    ((struct thread_counts *)context)->failures++;
}

static int start_replying(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  counts[index].index = index;
  return dgram_on_message(socket, reply, &counts[index]);
}

static int start_paused(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  counts[index].index = index;
  int err = dgram_on_message(socket, reply_and_pause, &counts[index]);
  return err == 0 ? dgram_pause(socket) : err;
}

TEST("each thread of a group answers from the address that a datagram came to") {
  dgram_group_options_t options = answering(THREADS);
  options.address = NULL;
  options.on_start = start_replying;
  group_socket.receive_info = DGRAM_INFO_DESTINATION;
  dgram_group_t *group = start_group(&options);
  struct sockaddr_in to = loopback_address(port_of_group(group));
  struct sockaddr_in from = {0};
  inet_pton(AF_INET, "127.0.0.2", &to.sin_addr);
  for (int i = 0; i < 16; i++) {
    int fd = raw_socket();
    char text[8];
    socklen_t length = sizeof from;
    assert_int_equal(sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof to), 1);
    assert_int_equal(recvfrom(fd, text, sizeof text, 0, (struct sockaddr *)&from, &length), 2);
    assert_int_equal(from.sin_addr.s_addr, to.sin_addr.s_addr);
    close(fd);
  }
}

static void resume(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  counts[index].failures += dgram_resume(socket) != 0;
}

TEST("a thread of a group that is paused loses nothing, and another is not held up") {
  enum { EACH = 5 };
  int fds[EACH * THREADS];
  int sum = 0;
  dgram_group_options_t options = answering(THREADS);
  options.on_start = start_paused;
  options.steer = DGRAM_STEER_PAYLOAD;
  dgram_group_t *group = start_group(&options);
  for (int i = 0; i < EACH * THREADS; i++) {
    char byte = (char)(i % THREADS);
    fds[i] = raw_socket();
    raw_send(fds[i], &byte, 1, port_of_group(group));
  }
  for (int i = 0; i < EACH; i++)
    for (int index = THREADS - 1; index >= 0; index--) { /* one datagram for each resume */
      char byte = (char)index;
      assert_int_equal(dgram_group_post(group, index, resume, NULL), 0);
      assert_int_equal(answer_from(fds[i * THREADS + index], &byte, 1), index);
    }
  stop_group(group);
  for (int i = 0; i < THREADS; i++)
    sum += counts[i].messages;
  assert_int_equal(sum, EACH * THREADS);
  for (int i = 0; i < EACH * THREADS; i++)
    close(fds[i]);
}

/* ---- peers ---- */

enum { PEERS = 12, OF_PEER = 0x80 };

/* Of each thread: only that touches them. */
static struct {
  dgram_socket_t *sockets[PEERS];
  int count;
} accepted[THREADS];

static void answer_peer(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                        void *context) {
  struct thread_counts *count = context;
  unsigned char bytes[] = {(unsigned char)(OF_PEER | count->index), (unsigned char)*message};
  count->messages++;
  if (dgram_send(socket, bytes, sizeof bytes, 0, NULL, NULL, NULL) != 0)
    count->failures++;
}

static void accept_and_reply(dgram_socket_t *socket, const char *message,
                             const dgram_rinfo_t *rinfo, void *context) {
  struct thread_counts *count = context;
  int own = count->index;
  dgram_socket_t **peer = &accepted[own].sockets[accepted[own].count];
  if (accepted[own].count == PEERS || dgram_accept_peer(socket, rinfo->sockaddr, NULL, peer) != 0 ||
      dgram_on_message(*peer, answer_peer, count) != 0)
    count->failures++;
  else
    accepted[own].count++;
  reply(socket, message, rinfo, context);
}

static int start_accepting(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  counts[index].index = index;
  accepted[index].count = 0;
  return dgram_on_message(socket, accept_and_reply, &counts[index]);
}

/* Else they would keep the thread running. */
static void close_peers(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  for (int i = 0; i < accepted[index].count; i++)
    counts[index].failures += dgram_close(accepted[index].sockets[i], NULL, NULL) != 0;
  counts[index].stops++;
}

static void ask_all(const int fds[], int port, int of_peer, dgram_steer_t steer) {
  for (int i = 0; i < PEERS; i++) {
    char byte = (char)i;
    raw_send(fds[i], &byte, 1, port);
    int from = answer_from(fds[i], &byte, 1);
    assert_int_equal(from & OF_PEER, of_peer);
    if (steer == DGRAM_STEER_PAYLOAD)
      assert_int_equal(from & ~OF_PEER, i % THREADS);
  }
}

TEST("each thread of a group accepts the peers that it gets, and its steering stays") {
  static const dgram_steer_t steers[] = {DGRAM_STEER_FLOW, DGRAM_STEER_PAYLOAD};
  for (int n = 0; n < 2; n++) {
    int fds[PEERS];
    dgram_group_options_t options = answering(THREADS);
    options.on_start = start_accepting;
    options.on_stop = close_peers;
    options.steer = steers[n];
    dgram_group_t *group = start_group(&options);
    int port = port_of_group(group);
    for (int i = 0; i < PEERS; i++)
      fds[i] = raw_socket();
    ask_all(fds, port, 0, steers[n]);
    ask_all(fds, port, OF_PEER, steers[n]);
    stop_group(group);
    int accepts = 0;
    for (int i = 0; i < THREADS; i++)
      accepts += accepted[i].count;
    assert_int_equal(accepts, PEERS); /* nobody's twice */
    for (int i = 0; i < PEERS; i++)
      close(fds[i]);
  }
}
