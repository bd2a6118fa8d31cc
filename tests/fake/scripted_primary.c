/*
 * A worker in this process, whose primary is the test: it replies late, wrongly, or not at all.
 */
#include "lib/fixture.h"
#include "lib/process.h"

#include <dgram_cluster.h>

#include "channel.h"
#include "worker_env.h"

/* ---- the primary, and its worker ---- */

static struct dgram__channel primary;
static uv_loop_t *worker_loop;
static dgram_worker_t *worker;
static uv_timer_t awake; /* keeps the loop going while nothing else does */
static int disconnected;

static void on_disconnect(dgram_worker_t *left, void *context) {
  assert_ptr_equal(left, worker);
  worker = NULL;
  disconnected++;
}

static void never(uv_timer_t *timer) {
  fail();
}

/* Waits for what the worker sends next. */
static struct dgram__frame receive(enum dgram__frame_kind expected) {
  struct dgram__frame frame;
  while (dgram__channel_receive(&primary, &frame, NULL) == 0)
    uv_run(worker_loop, UV_RUN_NOWAIT);
  assert_int_equal(frame.kind, expected);
  return frame;
}

static void reply(uint32_t number, int status, int fd) {
  const struct dgram__frame frame = {
      .kind = DGRAM__FRAME_REPLY, .number = number, .status = status};
  assert_int_equal(dgram__channel_send(&primary, &frame, fd), 0);
}

/* Descriptor 3 must be the worker's before libuv takes it for something of its own. */
static int setup(void **state) {
  dgram__channel_init(&primary, process_invite_worker(DGRAM__FRAME_VERSION, 5));
  disconnected = 0;
  return primary.fd < 0;
}

static void begin(uv_loop_t *loop) {
  worker_loop = loop;
  uv_timer_init(loop, &awake);
  assert_int_equal(uv_timer_start(&awake, never, UINT64_MAX, 0), 0);
  assert_int_equal(dgram_worker_join(loop, on_disconnect, NULL, &worker), 0);
  assert_int_equal(dgram_worker_id(worker), 5);
  receive(DGRAM__FRAME_ONLINE);
}

static void end(uv_loop_t *loop) {
  dgram_worker_leave(worker);
  uv_close((uv_handle_t *)&awake, NULL);
}

static int teardown(void **state) {
  assert_int_equal(disconnected, 1);
  assert_false(dgram_cluster_is_primary());
  dgram__channel_close(&primary);
  close(DGRAM__CHANNEL_FD);
  assert_true(dgram_cluster_is_primary());
  return 0;
}

__attribute__((constructor)) static void set_hooks(void) {
  fixture_hooks((struct fixture_hooks){setup, begin, end, teardown});
}

static void run_until_disconnected(void) {
  run_until(worker_loop, &disconnected, 1);
  worker = NULL;
}

/* The next descriptor that the system would give: none has been left open below it. */
static int lowest_free(void) {
  int fd = dup(STDERR_FILENO);
  close(fd);
  return fd;
}

/* A socket that has requested to be bound. */
static dgram_socket_t *new_waiting(uint32_t *number) {
  dgram_socket_t *socket = new_socket(worker_loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_bind(socket, 0, "127.0.0.1", NULL, NULL), 0);
  *number = receive(DGRAM__FRAME_REQUEST).number;
  return socket;
}

/* Replies with a socket of the primary's. Returns its port. */
static int reply_with_socket(uint32_t number) {
  int fd = raw_socket();
  int port = raw_port(fd);
  reply(number, 0, fd);
  close(fd);
  return port;
}

/* ---- a right reply, and when it comes ---- */

TEST("a bind is reported to the primary when its reply has come") {
  uint32_t number;
  dgram_socket_t *socket = new_waiting(&number);
  assert_true(uv_loop_alive(loop));
  int port = reply_with_socket(number);
  assert_int_equal(receive(DGRAM__FRAME_LISTENING).number, number);
  assert_trace("listening");
  assert_int_equal(port_of(socket), port);
  close_socket(socket);
  assert_int_equal(receive(DGRAM__FRAME_RELEASE).number, number);
}

TEST("a bind that waits for its reply keeps the loop alive, until its socket is closed") {
  uint32_t number;
  uv_unref((uv_handle_t *)&awake);
  assert_false(uv_loop_alive(loop));
  dgram_socket_t *socket = new_waiting(&number);
  assert_true(uv_loop_alive(loop));
  close_socket(socket);
  settle(loop);
  assert_false(uv_loop_alive(loop));
}

TEST("a reply for which nobody waits is released") {
  uint32_t number;
  close_socket(new_waiting(&number));
  settle(loop);
  int descriptors = lowest_free();
  reply_with_socket(number);
  assert_int_equal(receive(DGRAM__FRAME_RELEASE).number, number);
  assert_int_equal(lowest_free(), descriptors);
  assert_trace("close");
}

/* The channel holds only so many: the others are requested when there is room, in order. */
TEST("thousands of requests are sent in order, also of sockets that have been closed") {
  enum { SOCKETS = 3000 };
  static dgram_socket_t *sockets[SOCKETS];
  for (int i = 0; i < SOCKETS; i++) {
    sockets[i] = new_socket(loop, DGRAM_UDP4, NULL, NULL);
    assert_int_equal(dgram_bind(sockets[i], 1 + i, "127.0.0.1", NULL, NULL), 0);
  }
  settle(loop);
  for (int i = 0; i < SOCKETS; i += 2)
    close_socket(sockets[i]); /* some have been sent, some haven't */
  for (int i = 0; i < SOCKETS; i++) {
    struct dgram__frame frame = receive(DGRAM__FRAME_REQUEST);
    assert_int_equal(frame.number, i);
    assert_int_equal(dgram__address_port(&frame.address), 1 + i);
  }
}

/* ---- replies that are no use ---- */

TEST("an error as the reply is emitted, and the socket may request again") {
  uint32_t number;
  dgram_socket_t *socket = new_waiting(&number);
  reply(number, UV_EADDRINUSE, -1);
  run_until_trace(loop, "error(EADDRINUSE)");
  assert_int_equal(dgram_bind(socket, 0, "127.0.0.1", NULL, NULL), 0);
  assert_int_equal(receive(DGRAM__FRAME_REQUEST).number, number + 1);
}

TEST("a reply without a UDP socket of the family is an error, and is released") {
  const struct {
    int fd;
    const char *expected;
  } rows[] = {{-1, "error(EMFILE)"},
              {STDERR_FILENO, "error(ERR_INVALID_FD_TYPE)"},
              {socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), "error(EINVAL)"}};
  assert_true(rows[2].fd >= 0);
  for (int i = 0; i < 3; i++) {
    uint32_t number;
    dgram_socket_t *socket = new_waiting(&number);
    int descriptors = lowest_free();
    reply(number, 0, rows[i].fd);
    run_until_trace(loop, rows[i].expected);
    assert_int_equal(receive(DGRAM__FRAME_RELEASE).number, number);
    assert_int_equal(lowest_free(), descriptors);
    close_socket(socket);
    settle(loop);
    trace_clear();
  }
  close(rows[2].fd);
}

/* ---- the end of the connection ---- */

/* Two sockets: one is shared, and one waits for its reply and is returned. */
static dgram_socket_t *share_and_wait(void) {
  uint32_t number;
  new_waiting(&number);
  reply_with_socket(number);
  receive(DGRAM__FRAME_LISTENING);
  dgram_socket_t *waiting = new_waiting(&number);
  trace_clear();
  return waiting;
}

/* Both have ended, and the loop binds for itself now. */
static void assert_parted(dgram_socket_t *waiting) {
  run_until_disconnected();
  run_until_trace(worker_loop, "error(ECANCELED) close");
  assert_int_equal(bind_now(waiting, "127.0.0.1") > 0, 1);
}

TEST("the connection ends with dgram_worker_leave(), but not inside the call") {
  dgram_socket_t *waiting = share_and_wait();
  dgram_worker_leave(worker);
  assert_trace("");
  assert_parted(waiting);
}

TEST("the connection ends when the primary disconnects") {
  const struct dgram__frame frame = {.kind = DGRAM__FRAME_DISCONNECT};
  dgram_socket_t *waiting = share_and_wait();
  assert_int_equal(dgram__channel_send(&primary, &frame, -1), 0);
  assert_parted(waiting);
}

TEST("the connection ends when the primary has died") {
  dgram_socket_t *waiting = share_and_wait();
  dgram__channel_close(&primary);
  assert_parted(waiting);
}

TEST("the connection ends with a frame that no primary sends, and its descriptor is closed") {
  const struct dgram__frame frame = {.kind = DGRAM__FRAME_REQUEST};
  dgram_socket_t *waiting = share_and_wait();
  int descriptors = lowest_free();
  assert_int_equal(dgram__channel_send(&primary, &frame, STDERR_FILENO), 0);
  assert_parted(waiting);
  assert_true(lowest_free() <= descriptors);
}

TEST("the connection ends with a reply to a request that there was not") {
  dgram_socket_t *waiting = share_and_wait();
  int descriptors = lowest_free();
  reply(1000, 0, STDERR_FILENO);
  assert_parted(waiting);
  assert_true(lowest_free() <= descriptors);
}

TEST("the connection ends with bytes that are no frame") {
  static const unsigned char garbage[DGRAM__FRAME_SIZE] = "garbage";
  dgram_socket_t *waiting = share_and_wait();
  assert_int_equal(write(primary.fd, garbage, sizeof garbage), sizeof garbage);
  assert_parted(waiting);
}

/* In a listener of 'listening', or of 'error', everything may be done. */
static void leave(dgram_socket_t *socket, void *context) {
  dgram_worker_leave(worker);
  close_socket(socket);
}

TEST("a listener of 'listening' may leave and close") {
  uint32_t number;
  dgram_socket_t *socket = new_waiting(&number);
  assert_int_equal(dgram_on_listening(socket, leave, NULL), 0);
  reply_with_socket(number);
  run_until_disconnected();
  run_until_trace(loop, "listening close");
}

/* In the listener of one's end the others are closed, which wait for a reply, too. */
static dgram_socket_t *others[2];

static void close_others(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  for (int i = 0; i < 2; i++)
    close_socket(others[i]);
}

TEST("a listener of 'error' may close the other sockets at the connection's end") {
  uint32_t number;
  dgram_socket_t *waiting = new_waiting(&number);
  assert_int_equal(dgram_on_error(waiting, close_others, NULL), 0);
  for (int i = 0; i < 2; i++)
    others[i] = new_waiting(&number);
  dgram_worker_leave(worker);
  run_until_disconnected();
  run_until_trace(loop, "error(ECANCELED) close close");
}
