/*
 * A worker, and a next server, that do anything for some seconds: frames that are right and wrong,
 * halves of them, floods, descriptors, sudden ends, silence. Meanwhile the other side serves and
 * starts workers, and afterwards it has the descriptors that it had.
 * DGRAM_TEST_SECONDS says how long; the default is 2.
 */
#include "cluster_test.h"

#include <dgram_handover.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "channel.h"
#include "folder.h"
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
static void send_some(int fd, const void *bytes, size_t size, int attached) {
  union {
    char bytes[CMSG_SPACE(MOST_ATTACHED * sizeof(int))];
    struct cmsghdr align;
  } control = {.bytes = {0}};
  struct iovec iov = {.iov_base = (void *)bytes, .iov_len = size};
  struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
  if (attached > 0) {
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE((size_t)attached * sizeof(int));
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN((size_t)attached * sizeof(int));
    for (int i = 0; i < attached; i++) {
      int standard = (int)below(STDERR_FILENO + 1);
      memcpy(CMSG_DATA(header) + (size_t)i * sizeof(int), &standard, sizeof standard);
    }
  }
  (void)sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT | (one_in(50) ? MSG_OOB : 0));
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
  int *place = &kept[below(MOST_KEPT)];
  int on = 1;
  if (*place >= 0)
    close(*place);
  memcpy(place, CMSG_DATA(header), sizeof *place);
  setsockopt(*place, SOL_SOCKET, one_in(2) ? SO_REUSEADDR : SO_REUSEPORT, &on, sizeof on);
}

static void send_garbage(int fd) {
  unsigned char bytes[MOST_BYTES];
  for (size_t i = 0; i < sizeof bytes; i++)
    bytes[i] = (unsigned char)below(256);
  send_some(fd, bytes, 1 + below(sizeof bytes), (int)below(MOST_ATTACHED + 1));
}

static void send_frame(int fd, const struct dgram__frame *frame) {
  unsigned char bytes[DGRAM__FRAME_SIZE];
  dgram__frame_write(frame, bytes);
  send_some(fd, bytes, one_in(100) ? 1 + below(sizeof bytes) : sizeof bytes,
            one_in(4) ? (int)below(MOST_ATTACHED + 1) : 0);
}

static void pause_a_while(void) {
  struct pollfd none = {.fd = -1};
  poll(&none, 1, (int)below(20));
}

/* ---- a worker ---- */

static struct dgram__frame any_frame(uint32_t *asked) {
  struct dgram__frame frame = {.kind = DGRAM__FRAME_REQUEST, .number = (*asked)++};
  dgram__address_loopback(&frame.address, one_in(4) ? AF_INET6 : AF_INET,
                          one_in(4) ? (int)below(65536) : 0);
  frame.reuse_addr = one_in(4);
  frame.ipv6_only = one_in(8);
  if (one_in(3))
    frame.fd = (int)(one_in(2) ? below(64) : below(INT32_MAX));
  if (one_in(3)) /* of what it has, most likely */
    frame = (struct dgram__frame){.kind = one_in(2) ? DGRAM__FRAME_RELEASE : DGRAM__FRAME_LISTENING,
                                  .number = *asked > 20 ? *asked - 1 - below(20) : 0};
  if (one_in(200))
    frame.kind = (enum dgram__frame_kind)below(DGRAM__FRAME_KINDS + 1);
  return frame;
}

static void work_badly(void) {
  int kept[MOST_KEPT];
  uint32_t asked = 0;
  memset(kept, -1, sizeof kept);
  alarm(120); /* it does not outlive a test that has failed */
  random_state = (uint32_t)getpid() * 2654435761U | 1;
  for (;;) {
    struct dgram__frame frame = any_frame(&asked);
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

static void work_well(void) {
  uv_loop_t *loop = uv_default_loop();
  dgram_socket_t *socket;
  alarm(WATCHDOG_SECONDS);
  must(dgram_worker_join(loop, NULL, NULL, &this_worker) == 0);
  must(dgram_create_socket(loop, DGRAM_UDP4, NULL, NULL, &socket) == 0);
  must(dgram_on_listening(socket, leave_when_bound, NULL) == 0);
  must(dgram_bind(socket, 0, "127.0.0.2", NULL, NULL) == 0);
  uv_run(loop, UV_RUN_DEFAULT);
  dgram_worker_leave(this_worker);
  uv_run(loop, UV_RUN_DEFAULT);
}

static const struct role roles[] = {
    {"work_badly", work_badly},
    {"work_well", work_well},
};

/* ---- who serves meanwhile ---- */

struct server {
  uv_loop_t *loop;
  dgram_socket_t *socket;
  int port;
  int client;
  int answered;
};

static void answer_back(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                        void *context) {
  struct server *server = context;
  assert_int_equal(rinfo->size, 1);
  server->answered++;
}

static void open_server(struct server *server) {
  *server = (struct server){.loop = open_loop(), .client = raw_socket()};
  server->socket = new_bound(server->loop, answer_back, server, &server->port);
}

static void serve_one(struct server *server) {
  int expected = server->answered + 1;
  watch();
  raw_send(server->client, "x", 1, server->port);
  run_until(server->loop, &server->answered, expected);
}

static void close_server(struct server *server) {
  close(server->client);
  close_socket(server->socket);
  close_loop(server->loop);
}

/* ---- a primary ---- */

enum { BAD = 3 };

static struct {
  dgram_cluster_t *cluster;
  bool ending;
  int bad[BAD]; /* their ids; 0: none */
  int bad_ended;
  int good;
  int good_ended;
  int closed;
} crew;

static int fork_as(const char *role) {
  char variable[32];
  char *const env[] = {variable, NULL};
  snprintf(variable, sizeof variable, "ROLE=%s", role);
  int id = dgram_cluster_fork(crew.cluster, env);
  assert_true(id > 0);
  return id;
}

static void on_end(dgram_cluster_t *cluster, int id, int64_t status, int signum, void *context) {
  if (id == crew.good) {
    assert_int_equal(status, 0);
    assert_int_equal(signum, 0);
    crew.good_ended++;
    crew.good = crew.ending ? 0 : fork_as("work_well");
    return;
  }
  for (int i = 0; i < BAD; i++) {
    if (crew.bad[i] == id) {
      crew.bad_ended++;
      crew.bad[i] = crew.ending ? 0 : fork_as("work_badly");
    }
  }
}

static void on_crew_closed(void *context) {
  crew.closed++;
}

static void end_crew(struct server *server) {
  crew.ending = true;
  for (int i = 0; i < BAD; i++)
    dgram_cluster_kill(crew.cluster, crew.bad[i], SIGKILL);
  while (dgram_cluster_next(crew.cluster, 0) > 0)
    uv_run(server->loop, UV_RUN_ONCE);
  settle(server->loop); /* handles have closed */
}

static void workers_may_do_anything(void **state) {
  enum { LIMIT = 256 };
  struct server server;
  struct rlimit before;
  char *const args[] = {"worker", NULL};
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
  const struct rlimit limit = {.rlim_cur = LIMIT, .rlim_max = before.rlim_max};
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
  open_server(&server);
  dgram_cluster_options_t options = dgram_default_cluster_options(args);
  options.on_exit = on_end;
  assert_int_equal(dgram_cluster_create(server.loop, &options, &crew.cluster), 0);
  assert_int_equal(dgram_cluster_share_fd(crew.cluster, server.client), 0);
  crew.good = fork_as("work_well"); /* libuv opens files of its own for the first one */
  while (crew.good_ended == 0)
    uv_run(server.loop, UV_RUN_ONCE);
  crew.ending = true;
  while (crew.good != 0)
    uv_run(server.loop, UV_RUN_ONCE);
  settle(server.loop);
  int files = count_open_files();

  crew.ending = false;
  crew.good = fork_as("work_well");
  for (int i = 0; i < BAD; i++)
    crew.bad[i] = fork_as("work_badly");
  for (uint64_t begin = uv_hrtime(); uv_hrtime() - begin < nanoseconds_wanted();)
    serve_one(&server);
  assert_true(crew.good_ended > 1);
  end_crew(&server);
  print_message("answered %d, good workers %d, bad ones %d\n", server.answered, crew.good_ended,
                crew.bad_ended);
  assert_int_equal(count_open_files(), files);
  serve_one(&server);
  assert_int_equal(dgram_cluster_close(crew.cluster, 0, on_crew_closed, NULL), 0);
  run_until(server.loop, &crew.closed, 1);
  close_server(&server);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* ---- a next server ---- */

static int connect_to_offer(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
    return fd;
  close(fd);
  return -1;
}

static bool confirms; /* it also says the word that ends the offer */

static void say_anything(int fd, int kept[MOST_KEPT]) {
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
      *fd = connect_to_offer();
    if (*fd >= 0)
      say_anything(*fd, kept);
    if (*fd >= 0 && one_in(3)) {
      close(*fd);
      *fd = -1;
    }
    if (one_in(2000))
      _exit(0);
  }
}

static struct {
  struct server server;
  dgram_offer_t *offer;
  int taken;
} old;

static void offer_again(void *context);

static void offer(void) {
  enum { LIMIT_MS = 20 };
  int fds[] = {dgram_fileno(old.server.socket), old.server.client};
  assert_int_equal(
      dgram_handover_offer(old.server.loop, path, fds, 2, offer_again, NULL, &old.offer), 0);
  assert_int_equal(dgram_handover_limit(old.offer, LIMIT_MS), 0);
}

/* It goes on: what says that it has taken the sockets does not serve. */
static void offer_again(void *context) {
  old.taken++;
  offer();
}

static pid_t start_follower(uint32_t seed) {
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0)
    follow_badly(seed);
  return pid;
}

static int has_option(int fd, int name) {
  int on = -1;
  socklen_t length = sizeof on;
  assert_int_equal(getsockopt(fd, SOL_SOCKET, name, &on, &length), 0);
  return on;
}

/* What was changed at the very end is set back, too; or the watchdog bites. */
static void wait_for_options(const struct server *server) {
  int fd = dgram_fileno(server->socket);
  while (has_option(fd, SO_REUSEADDR) || has_option(fd, SO_REUSEPORT))
    uv_run(server->loop, UV_RUN_ONCE);
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

static void have_next_servers_do_anything(void) {
  enum { FOLLOWERS = 2 };
  pid_t followers[FOLLOWERS];
  uint32_t seed = (uint32_t)getpid();
  uv_thread_t thread;
  int count = 0;
  make_folder(NULL);
  old.taken = 0;
  open_server(&old.server);
  offer();
  int files = count_open_files();
  for (int i = 0; i < FOLLOWERS; i++)
    followers[i] = start_follower(seed++);
  for (uint64_t begin = uv_hrtime(); uv_hrtime() - begin < nanoseconds_wanted();) {
    serve_one(&old.server);
    for (int i = 0; i < FOLLOWERS; i++)
      if (waitpid(followers[i], NULL, WNOHANG) == followers[i])
        followers[i] = start_follower(seed++);
  }
  for (int i = 0; i < FOLLOWERS; i++) {
    kill(followers[i], SIGKILL);
    assert_int_equal(waitpid(followers[i], NULL, 0), followers[i]);
  }
  settle(old.server.loop);
  print_message("answered %d, taken %d times\n", old.server.answered, old.taken);
  assert_int_equal(old.taken > 0, confirms);
  assert_int_equal(count_open_files(), files);
  if (!confirms)
    wait_for_options(&old.server);

  int before = old.taken;
  assert_int_equal(uv_thread_create(&thread, take_in_thread, &count), 0);
  run_until(old.server.loop, &old.taken, before + 1);
  assert_int_equal(uv_thread_join(&thread), 0);
  assert_int_equal(count, 2);
  dgram_handover_withdraw(old.offer);
  close_server(&old.server);
  remove_folder(NULL);
}

static void next_servers_may_do_anything(void **state) {
  confirms = false;
  have_next_servers_do_anything();
}

static void those_that_confirm_too(void **state) {
  confirms = true;
  have_next_servers_do_anything();
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(workers_may_do_anything),
    cmocka_unit_test(next_servers_may_do_anything),
    cmocka_unit_test(those_that_confirm_too),
};

CLUSTER_TEST_MAIN(roles, tests)
