/*
 * A worker in this process, whose primary is the test: it answers late, wrongly, or not at all.
 */
#include "lib/fixture.h"

#include <dgram_cluster.h>
#include <sys/stat.h>

#include "channel.h"
#include "descriptor.h"
#include "worker_env.h"

/* ---- the primary ---- */

static struct dgram__channel primary;
static uv_loop_t *loop;
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

/* Descriptor 3 must be the worker's before libuv takes it for something of its own. */
static int begin(void **state) {
  struct stat file;
  char variable[64];
  int fds[2];
  assert_int_equal(dgram__descriptor_pair(fds), 0);
  int ours = fcntl(fds[0], F_DUPFD_CLOEXEC, 10);
  assert_int_equal(dup2(fds[1], DGRAM__CHANNEL_FD), DGRAM__CHANNEL_FD);
  fcntl(DGRAM__CHANNEL_FD, F_SETFD, 0);
  for (int i = 0; i < 2; i++)
    if (fds[i] != DGRAM__CHANNEL_FD)
      close(fds[i]);
  dgram__channel_init(&primary, ours);
  assert_int_equal(fstat(DGRAM__CHANNEL_FD, &file), 0);
  snprintf(variable, sizeof variable, "%d:5:%llu", DGRAM__FRAME_VERSION,
           (unsigned long long)file.st_ino);
  assert_int_equal(setenv("DGRAM_CLUSTER", variable, 1), 0);
  loop = open_loop();
  disconnected = 0;
  uv_timer_init(loop, &awake);
  assert_int_equal(uv_timer_start(&awake, never, UINT64_MAX, 0), 0);
  assert_int_equal(dgram_worker_join(loop, on_disconnect, NULL, &worker), 0);
  assert_int_equal(dgram_worker_id(worker), 5);
  return 0;
}

static int end(void **state) {
  dgram_worker_leave(worker);
  uv_close((uv_handle_t *)&awake, NULL);
  close_loop(loop);
  assert_int_equal(disconnected, 1);
  assert_false(dgram_cluster_is_primary());
  dgram__channel_close(&primary);
  close(DGRAM__CHANNEL_FD);
  assert_true(dgram_cluster_is_primary());
  return 0;
}

/* Waits for what the worker says next. */
static struct dgram__frame hear(enum dgram__frame_kind expected) {
  struct dgram__frame frame;
  while (dgram__channel_receive(&primary, &frame, NULL) == 0)
    uv_run(loop, UV_RUN_NOWAIT);
  assert_int_equal(frame.kind, expected);
  return frame;
}

static void give(uint32_t number, int status, int fd) {
  const struct dgram__frame frame = {
      .kind = DGRAM__FRAME_REPLY, .number = number, .status = status};
  assert_int_equal(dgram__channel_send(&primary, &frame, fd), 0);
}

static void run_until_disconnected(void) {
  run_until(loop, &disconnected, 1);
  worker = NULL;
}

/* ---- the worker ---- */

/* The next descriptor that the system would give: none has been left open below it. */
static int lowest_free(void) {
  int fd = dup(STDERR_FILENO);
  close(fd);
  return fd;
}

static dgram_socket_t *new_asking(uint32_t *number) {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  trace_events(socket);
  assert_int_equal(dgram_bind(socket, 0, "127.0.0.1", NULL, NULL), 0);
  *number = hear(DGRAM__FRAME_REQUEST).number;
  return socket;
}

static int udp_socket(int family) {
  int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  assert_true(fd >= 0);
  return fd;
}

/* ---- a right answer, and when it comes ---- */

static void it_is_bound_and_says_so(void **state) {
  uint32_t number;
  hear(DGRAM__FRAME_ONLINE);
  dgram_socket_t *socket = new_asking(&number);
  assert_true(uv_loop_alive(loop));
  int fd = raw_socket();
  give(number, 0, fd);
  assert_int_equal(hear(DGRAM__FRAME_LISTENING).number, number);
  assert_trace("listening");
  assert_int_equal(port_of(socket), raw_port(fd));
  close(fd);
  close_socket(socket);
  assert_int_equal(hear(DGRAM__FRAME_RELEASE).number, number);
}

static void one_that_waits_keeps_the_loop_alive(void **state) {
  uint32_t number;
  hear(DGRAM__FRAME_ONLINE);
  uv_unref((uv_handle_t *)&awake);
  assert_false(uv_loop_alive(loop));
  dgram_socket_t *socket = new_asking(&number);
  assert_true(uv_loop_alive(loop));
  close_socket(socket);
  settle(loop);
  assert_false(uv_loop_alive(loop)); /* nobody cares for the answer any more */
}

static void an_answer_that_nobody_waits_for_is_given_back(void **state) {
  uint32_t number;
  hear(DGRAM__FRAME_ONLINE);
  dgram_socket_t *socket = new_asking(&number);
  close_socket(socket);
  settle(loop);
  int descriptors = lowest_free();
  int fd = raw_socket();
  give(number, 0, fd);
  assert_int_equal(hear(DGRAM__FRAME_RELEASE).number, number);
  close(fd);
  assert_int_equal(lowest_free(), descriptors);
  assert_trace("close");
}

/* The channel holds only so many: the others are asked when there is room, in order. */
static void thousands_ask_in_order(void **state) {
  enum { SOCKETS = 3000 };
  static dgram_socket_t *sockets[SOCKETS];
  hear(DGRAM__FRAME_ONLINE);
  for (int i = 0; i < SOCKETS; i++) {
    sockets[i] = new_socket(loop, DGRAM_UDP4, NULL, NULL);
    assert_int_equal(dgram_bind(sockets[i], 1 + i, "127.0.0.1", NULL, NULL), 0);
  }
  settle(loop);
  for (int i = 0; i < SOCKETS; i += 2)
    close_socket(sockets[i]); /* some have asked, some haven't: all are answered */
  for (int i = 0; i < SOCKETS; i++) {
    struct dgram__frame frame = hear(DGRAM__FRAME_REQUEST);
    assert_int_equal(frame.number, i);
    assert_int_equal(dgram__address_port(&frame.address), 1 + i);
  }
  for (int i = 1; i < SOCKETS; i += 2)
    close_socket(sockets[i]);
}

/* ---- answers that are no use ---- */

static void an_error_is_told(void **state) {
  uint32_t number;
  hear(DGRAM__FRAME_ONLINE);
  dgram_socket_t *socket = new_asking(&number);
  give(number, UV_EADDRINUSE, -1);
  run_until_trace(loop, "error(EADDRINUSE)");
  assert_int_equal(dgram_bind(socket, 0, "127.0.0.1", NULL, NULL), 0); /* it may ask again */
  assert_int_equal(hear(DGRAM__FRAME_REQUEST).number, number + 1);
  close_socket(socket);
}

static void what_is_no_use_is_given_back(void **state) {
  static const char *const expected[] = {"error(EMFILE)", "error(ERR_INVALID_FD_TYPE)",
                                         "error(EINVAL)"};
  hear(DGRAM__FRAME_ONLINE);
  for (int i = 0; i < 3; i++) {
    uint32_t number;
    dgram_socket_t *socket = new_asking(&number);
    int fd = i == 0 ? -1 : i == 1 ? STDERR_FILENO : udp_socket(AF_INET6);
    int descriptors = lowest_free();
    give(number, 0, fd);
    run_until_trace(loop, expected[i]);
    assert_int_equal(hear(DGRAM__FRAME_RELEASE).number, number);
    assert_int_equal(lowest_free(), descriptors);
    trace_clear();
    close_socket(socket);
    if (i == 2)
      close(fd);
    settle(loop);
    trace_clear();
  }
}

/* ---- the end of the connection ---- */

static void ask_and_share(dgram_socket_t **asking, dgram_socket_t **sharing) {
  uint32_t number;
  hear(DGRAM__FRAME_ONLINE);
  *sharing = new_asking(&number);
  int fd = raw_socket();
  give(number, 0, fd);
  close(fd);
  hear(DGRAM__FRAME_LISTENING);
  *asking = new_asking(&number);
  trace_clear();
}

/* Both have ended, and the loop binds for itself now. */
static void assert_parted(dgram_socket_t *asking) {
  run_until_disconnected();
  run_until_trace(loop, "error(ECANCELED) close");
  assert_int_equal(bind_now(asking, "127.0.0.1") > 0, 1);
  close_socket(asking);
}

static void leaving_ends_all(void **state) {
  dgram_socket_t *asking;
  dgram_socket_t *sharing;
  ask_and_share(&asking, &sharing);
  dgram_worker_leave(worker);
  assert_trace(""); /* not inside the call */
  assert_parted(asking);
}

static void so_does_being_asked_to(void **state) {
  dgram_socket_t *asking;
  dgram_socket_t *sharing;
  const struct dgram__frame frame = {.kind = DGRAM__FRAME_DISCONNECT};
  ask_and_share(&asking, &sharing);
  assert_int_equal(dgram__channel_send(&primary, &frame, -1), 0);
  assert_parted(asking);
}

static void so_does_the_primarys_death(void **state) {
  dgram_socket_t *asking;
  dgram_socket_t *sharing;
  ask_and_share(&asking, &sharing);
  dgram__channel_close(&primary);
  assert_parted(asking);
}

static void so_does_what_no_primary_says(void **state) {
  dgram_socket_t *asking;
  dgram_socket_t *sharing;
  ask_and_share(&asking, &sharing);
  const struct dgram__frame frame = {.kind = DGRAM__FRAME_REQUEST};
  int descriptors = lowest_free();
  assert_int_equal(dgram__channel_send(&primary, &frame, STDERR_FILENO), 0);
  assert_parted(asking);
  assert_true(lowest_free() <= descriptors);
}

static void so_does_an_answer_to_another_question(void **state) {
  dgram_socket_t *asking;
  dgram_socket_t *sharing;
  ask_and_share(&asking, &sharing);
  give(1000, 0, STDERR_FILENO);
  assert_parted(asking);
}

static void so_does_garbage(void **state) {
  static const unsigned char garbage[DGRAM__FRAME_SIZE] = "garbage";
  dgram_socket_t *asking;
  dgram_socket_t *sharing;
  ask_and_share(&asking, &sharing);
  assert_int_equal(write(primary.fd, garbage, sizeof garbage), sizeof garbage);
  assert_parted(asking);
}

/* In a listener of 'listening', or of 'error', everything may be done. */
static void leave(dgram_socket_t *socket, void *context) {
  dgram_worker_leave(worker);
  close_socket(socket);
}

static void a_listener_may_leave_and_close(void **state) {
  uint32_t number;
  hear(DGRAM__FRAME_ONLINE);
  dgram_socket_t *socket = new_asking(&number);
  assert_int_equal(dgram_on_listening(socket, leave, NULL), 0);
  int fd = raw_socket();
  give(number, 0, fd);
  close(fd);
  run_until_disconnected();
  run_until_trace(loop, "listening close");
}

/* In the listener of one's end the others are closed, which wait for an answer, too. */
static dgram_socket_t *others[2];

static void close_others(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  for (int i = 0; i < 2; i++)
    close_socket(others[i]);
}

static void a_listener_may_close_the_others_at_the_end(void **state) {
  uint32_t number;
  hear(DGRAM__FRAME_ONLINE);
  dgram_socket_t *asking = new_asking(&number);
  assert_int_equal(dgram_on_error(asking, close_others, NULL), 0);
  for (int i = 0; i < 2; i++)
    others[i] = new_asking(&number);
  dgram_worker_leave(worker);
  run_until_disconnected();
  run_until_trace(loop, "error(ECANCELED) close close");
  close_socket(asking);
}

#define PRIMARY_TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void) {
  const struct CMUnitTest tests[] = {
      PRIMARY_TEST(it_is_bound_and_says_so),
      PRIMARY_TEST(one_that_waits_keeps_the_loop_alive),
      PRIMARY_TEST(an_answer_that_nobody_waits_for_is_given_back),
      PRIMARY_TEST(thousands_ask_in_order),
      PRIMARY_TEST(an_error_is_told),
      PRIMARY_TEST(what_is_no_use_is_given_back),
      PRIMARY_TEST(leaving_ends_all),
      PRIMARY_TEST(so_does_being_asked_to),
      PRIMARY_TEST(so_does_the_primarys_death),
      PRIMARY_TEST(so_does_what_no_primary_says),
      PRIMARY_TEST(so_does_an_answer_to_another_question),
      PRIMARY_TEST(so_does_garbage),
      PRIMARY_TEST(a_listener_may_leave_and_close),
      PRIMARY_TEST(a_listener_may_close_the_others_at_the_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
