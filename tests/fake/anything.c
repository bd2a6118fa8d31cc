/*
 * A worker, and a next server, that do anything for some seconds: frames that are right and wrong,
 * halves of them, floods, descriptors, sudden ends, silence. Meanwhile the other side serves and
 * starts workers, and afterwards it has the descriptors that it had.
 * DGRAM_TEST_SECONDS is how long; the default is 2.
 */
#include "lib/cluster_fixture.h"
#include "lib/folder.h"

#include <dgram_handover.h>

#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "channel.h"
#include "unix_listener.h"
#include "worker_env.h"
#include "unit/random.h"

static uint64_t nanoseconds_wanted(void) {
  const char *seconds = getenv("DGRAM_TEST_SECONDS");
  return (uint64_t)(seconds != NULL ? atoi(seconds) : 2) * 1000000000;
}

/* ---- who does anything ---- */

enum { MOST_KEPT = 16, MOST_BYTES = 4 * DGRAM__FRAME_SIZE, MOST_ATTACHED = 5 };

static uint32_t random_state;

static unsigned below(unsigned end) {
  return random_below(&random_state, end);
}

static bool one_in(unsigned count) {
  return below(count) == 0;
}

/* Sends bytes, with descriptors or without; what has no room is lost, or is half a frame. */
static void send_some(int fd, const void *bytes, size_t size, unsigned attached) {
  int fds[MOST_ATTACHED];
  for (unsigned i = 0; i < attached; i++)
    fds[i] = (int)below(STDERR_FILENO + 1);
  (void)process_send_fds(fd, bytes, size, fds, attached, MSG_DONTWAIT | (one_in(50) ? MSG_OOB : 0));
}

/* Reads something, and keeps or spoils the descriptors that come with it. */
static void read_some(int fd, int kept[MOST_KEPT]) {
  char bytes[MOST_BYTES];
  union {
    char bytes[CMSG_SPACE(MOST_ATTACHED * sizeof(int))];
    struct cmsghdr align;
  } control;
  struct iovec iov = {.iov_base = bytes, .iov_len = 1 + below(sizeof bytes)};
  struct msghdr message = {.msg_iov = &iov,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof control.bytes};
  if (recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0)
    return;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header == NULL || header->cmsg_len < CMSG_LEN(sizeof(int)))
    return;
  int *buffer = &kept[below(MOST_KEPT)];
  int on = 1;
  if (*buffer >= 0)
    close(*buffer);
  memcpy(buffer, CMSG_DATA(header), sizeof *buffer);
  setsockopt(*buffer, SOL_SOCKET, one_in(2) ? SO_REUSEADDR : SO_REUSEPORT, &on, sizeof on);
}

static void send_garbage(int fd) {
  unsigned char bytes[MOST_BYTES];
  for (size_t i = 0; i < sizeof bytes; i++)
    bytes[i] = (unsigned char)below(256);
  send_some(fd, bytes, 1 + below(sizeof bytes), below(MOST_ATTACHED + 1));
}

static void send_frame(int fd, const struct dgram__frame *frame) {
  unsigned char bytes[DGRAM__FRAME_SIZE];
  dgram__frame_write(frame, bytes);
  send_some(fd, bytes, one_in(100) ? 1 + below(sizeof bytes) : sizeof bytes,
            one_in(4) ? below(MOST_ATTACHED + 1) : 0);
}

static void pause_a_while(void) {
  struct pollfd none = {.fd = -1};
  poll(&none, 1, (int)below(20));
}

/* ---- a worker ---- */

static struct dgram__frame any_frame(uint32_t *requests) {
  struct dgram__frame frame = {.kind = DGRAM__FRAME_REQUEST, .number = (*requests)++};
  dgram__address_loopback(&frame.address, one_in(4) ? AF_INET6 : AF_INET,
                          one_in(4) ? (int)below(65536) : 0);
  frame.reuse_addr = one_in(4);
  frame.ipv6_only = one_in(8);
  if (one_in(3))
    frame.fd = (int)(one_in(2) ? below(64) : below(INT32_MAX));
  if (one_in(3)) /* of what it has, most likely */
    frame = (struct dgram__frame){.kind = one_in(2) ? DGRAM__FRAME_RELEASE : DGRAM__FRAME_LISTENING,
                                  .number = *requests > 20 ? *requests - 1 - below(20) : 0};
  if (one_in(200))
    frame.kind = (enum dgram__frame_kind)below(DGRAM__FRAME_KINDS + 1);
  return frame;
}

STRANGER(work_badly) {
  int kept[MOST_KEPT];
  uint32_t requests = 0;
  memset(kept, -1, sizeof kept);
  alarm(120); /* it does not outlive a test that has failed */
  random_state = (uint32_t)getpid() * 2654435761U | 1;
  for (;;) {
    struct dgram__frame frame = any_frame(&requests);
    send_frame(DGRAM__CHANNEL_FD, &frame);
    if (one_in(3))
      read_some(DGRAM__CHANNEL_FD, kept);
    if (one_in(300))
      pause_a_while();
    if (one_in(3000))
      send_garbage(DGRAM__CHANNEL_FD);
    if (one_in(5000))
      shutdown(DGRAM__CHANNEL_FD, (int)below(3));
    if (one_in(5000))
      close(DGRAM__CHANNEL_FD);
    if (one_in(5000))
      _exit(1);
  }
}

static void leave_when_bound(dgram_socket_t *socket, void *context) {
  must(dgram_close(socket, NULL, NULL) == 0);
}

STRANGER(work_well) {
  dgram_socket_t *socket;
  watch();
  must(dgram_worker_join(loop, NULL, NULL, &this_worker) == 0);
  must(dgram_create_socket(loop, DGRAM_UDP4, NULL, NULL, &socket) == 0);
  must(dgram_on_listening(socket, leave_when_bound, NULL) == 0);
  must(dgram_bind(socket, 0, "127.0.0.2", NULL, NULL) == 0);
  uv_run(loop, UV_RUN_DEFAULT);
  dgram_worker_leave(this_worker);
  uv_run(loop, UV_RUN_DEFAULT);
}

/* ---- who serves meanwhile ---- */

static struct {
  uv_loop_t *loop;
  dgram_socket_t *socket;
  int port;
  int client;
  int answered;
} server;

static void count_datagram(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                           void *context) {
  assert_int_equal(rinfo->size, 1);
  server.answered++;
}

static void open_server(uv_loop_t *loop) {
  server.loop = loop;
  server.client = raw_socket();
  server.answered = 0;
  server.socket = new_bound(loop, count_datagram, NULL, &server.port);
}

static void serve_one(void) {
  int expected = server.answered + 1;
  watch();
  raw_send(server.client, "x", 1, server.port);
  run_until(server.loop, &server.answered, expected);
}

/* ---- a primary ---- */

enum { BAD = 3 };

static struct {
  bool ending;
  int bad[BAD]; /* their ids; 0: none */
  int bad_ended;
  int good;
  int good_ended;
} workers;

static void replace(dgram_cluster_t *of, int id, int64_t status, int signum, void *context) {
  if (id == workers.good) {
    assert_int_equal(status, 0);
    assert_int_equal(signum, 0);
    workers.good_ended++;
    workers.good = workers.ending ? 0 : fork_worker("work_well");
    return;
  }
  for (int i = 0; i < BAD; i++) {
    if (workers.bad[i] == id) {
      workers.bad_ended++;
      workers.bad[i] = workers.ending ? 0 : fork_worker("work_badly");
    }
  }
}

/* Runs the loop until the workers have ended, and none has come in their place. */
static void end_workers(void) {
  workers.ending = true;
  for (int i = 0; i < BAD; i++)
    dgram_cluster_kill(cluster, workers.bad[i], SIGKILL);
  while (dgram_cluster_next(cluster, 0) > 0)
    uv_run(server.loop, UV_RUN_ONCE);
  settle(server.loop); /* handles have closed */
  workers.ending = false;
}

TEST("workers may do anything: their primary serves, and starts others") {
  enum { LIMIT = 256 };
  struct rlimit before;
  char *const args[] = {"worker", NULL};
  dgram_cluster_options_t options = dgram_default_cluster_options(args);
  options.on_exit = replace;
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
  const struct rlimit limit = {.rlim_cur = LIMIT, .rlim_max = before.rlim_max};
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
  cluster_replace(&options);
  open_server(loop);
  assert_int_equal(dgram_cluster_share_fd(cluster, server.client), 0);
  workers.good = fork_worker("work_well"); /* libuv opens files of its own for the first one */
  end_workers();
  assert_int_equal(workers.good_ended, 1);
  int files = count_open_files();

  workers.good = fork_worker("work_well");
  for (int i = 0; i < BAD; i++)
    workers.bad[i] = fork_worker("work_badly");
  for (uint64_t begin = uv_hrtime(); uv_hrtime() - begin < nanoseconds_wanted();)
    serve_one();
  assert_true(workers.good_ended > 1);
  end_workers();
  print_message("answered %d, good workers %d, bad ones %d\n", server.answered, workers.good_ended,
                workers.bad_ended);
  assert_int_equal(count_open_files(), files);
  serve_one();
  close_cluster(0);
  close(server.client);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* ---- a next server ---- */

static bool confirms; /* it also sends the frame that ends the offer */

static void exchange_anything(int fd, int kept[MOST_KEPT]) {
  struct dgram__frame frame = {.kind = confirms ? DGRAM__FRAME_CONFIRM : DGRAM__FRAME_DESCRIPTOR};
  do {
    if (one_in(2))
      read_some(fd, kept);
    if (one_in(20))
      send_frame(fd, &frame);
    if (one_in(20))
      send_garbage(fd);
    if (one_in(20))
      pause_a_while();
    if (one_in(20))
      shutdown(fd, (int)below(3));
  } while (!one_in(8));
}

static void follow_badly(uint32_t seed) {
  enum { AT_ONCE = 12 };
  int kept[MOST_KEPT];
  int fds[AT_ONCE];
  memset(kept, -1, sizeof kept);
  memset(fds, -1, sizeof fds);
  alarm(120);
  random_state = seed * 2654435761U | 1;
  for (;;) {
    int *fd = &fds[below(AT_ONCE)];
    if (*fd < 0)
      *fd = dgram__unix_listener_connect(path);
    if (*fd >= 0)
      exchange_anything(*fd, kept);
    if (*fd >= 0 && one_in(3)) {
      close(*fd);
      *fd = -1;
    }
    if (one_in(2000))
      _exit(0);
  }
}

static dgram_offer_t *standing;
static int taken;

static void offer(void);

/* It goes on: what confirms that it has taken the sockets does not serve. */
static void offer_again(void *context) {
  taken++;
  offer();
}

static void offer(void) {
  enum { LIMIT_MS = 20 };
  int fds[] = {dgram_fileno(server.socket), server.client};
  assert_int_equal(dgram_handover_offer(server.loop, path, fds, 2, offer_again, NULL, &standing),
                   0);
  assert_int_equal(dgram_handover_limit(standing, LIMIT_MS), 0);
}

static pid_t start_follower(uint32_t seed) {
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0)
    follow_badly(seed);
  return pid;
}

/* One that keeps to the rules gets the sockets, once nobody else has them. */
static void take_in_thread(void *context) {
  int fds[DGRAM_HANDOVER_MOST];
  dgram_takeover_t *takeover;
  int *count = context;
  do
    *count = dgram_handover_take(path, 10000, fds, &takeover);
  while (*count == UV_EBUSY);
  for (int i = 0; i < *count; i++)
    close(fds[i]);
  if (dgram_handover_confirm(takeover) != 0)
    *count = -1;
}

static void have_next_servers_do_anything(uv_loop_t *loop) {
  enum { FOLLOWERS = 2 };
  pid_t followers[FOLLOWERS];
  uint32_t seed = (uint32_t)getpid();
  uv_thread_t thread;
  int count = 0;
  folder_make(NULL);
  taken = 0;
  open_server(loop);
  offer();
  int files = count_open_files();
  for (int i = 0; i < FOLLOWERS; i++)
    followers[i] = start_follower(seed++);
  for (uint64_t begin = uv_hrtime(); uv_hrtime() - begin < nanoseconds_wanted();) {
    serve_one();
    for (int i = 0; i < FOLLOWERS; i++)
      if (waitpid(followers[i], NULL, WNOHANG) == followers[i])
        followers[i] = start_follower(seed++);
  }
  for (int i = 0; i < FOLLOWERS; i++) {
    kill(followers[i], SIGKILL);
    assert_int_equal(waitpid(followers[i], NULL, 0), followers[i]);
  }
  settle(loop);
  print_message("answered %d, taken %d times\n", server.answered, taken);
  assert_int_equal(taken > 0, confirms);
  assert_int_equal(count_open_files(), files);
  int fd = dgram_fileno(server.socket);
  while (!confirms && (raw_option(fd, SO_REUSEADDR) != 0 || raw_option(fd, SO_REUSEPORT) != 0))
    uv_run(loop,
           UV_RUN_ONCE); /* what was changed at the very end is restored, or the watchdog ends it */

  int before = taken;
  assert_int_equal(uv_thread_create(&thread, take_in_thread, &count), 0);
  run_until(loop, &taken, before + 1);
  assert_int_equal(uv_thread_join(&thread), 0);
  assert_int_equal(count, 2);
  dgram_handover_withdraw(standing);
  close(server.client);
  folder_remove(NULL);
}

TEST("next servers may do anything but confirm: the server goes on") {
  confirms = false;
  have_next_servers_do_anything(loop);
}

TEST("next servers may do anything, and confirm: the server goes on") {
  confirms = true;
  have_next_servers_do_anything(loop);
}

int main(void) {
  return cluster_run();
}
