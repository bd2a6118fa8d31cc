/*
 * Scenarios with other processes and threads: hand-overs, of which both sides are in this process;
 * descriptors of the service manager; a primary whose worker is a process that libuv has forked; a
 * worker whose primary is played here; a group of threads.
 */
#include "torture/torture.h"

#include "frame.h"

#include "lib/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* ---- a hand-over ---- */

static char folder[32];
static char path[64];
static int taken;

static void on_taken(void *context) {
  taken++;
}

static void run_server(void) {
  uv_run(&world.loop, UV_RUN_NOWAIT);
}

/* Takes what is offered; returns whether it was confirmed. */
static bool take(bool confirms) {
  int fds[DGRAM_HANDOVER_MOST];
  dgram_takeover_t *takeover = NULL;
  int count = dgram_handover_take(path, 1000, fds, &takeover);
  OK(count);
  CHECK((count == 2) == (takeover != NULL) && (count == 2 || count < 0));
  for (int i = 0; i < count; i++)
    close(fds[i]);
  if (confirms)
    return OK(dgram_handover_confirm(takeover)) && count == 2;
  dgram_handover_abandon(takeover);
  return false;
}

/*
 * Nothing is left in it but an offer's file that was taken, or could not be removed: without
 * rename(2) or lstat(2) it stays, and so does a temporary one without unlink(2).
 */
static void remove_folder(void) {
  DIR *files = opendir(folder);
  bool may_stay = met() && (inject_concerns(CALL_unlink) || inject_concerns(CALL_rename) ||
                            inject_concerns(CALL_lstat));
  CHECK(files != NULL);
  for (const struct dirent *file; (file = readdir(files)) != NULL;)
    if (file->d_name[0] != '.') {
      CHECK(may_stay || strcmp(file->d_name, "offer") == 0);
      CHECK(unlinkat(dirfd(files), file->d_name, 0) == 0);
    }
  closedir(files);
  CHECK(rmdir(folder) == 0);
}

SCENARIO_OF(IN_ONE_MODE, "a hand-over") {
  dgram_offer_t *offer = NULL;
  struct member *members[2] = {new_member(NULL), new_member(NULL)};
  int fds[2];
  taken = 0;
  snprintf(folder, sizeof folder, "/tmp/dgram-XXXXXX");
  CHECK(mkdtemp(folder) != NULL);
  snprintf(path, sizeof path, "%s/offer", folder);
  inject.poll_hook = run_server;
  for (int i = 0; i < 2; i++) {
    bind_member(members[i]);
    fds[i] = dgram_fileno(members[i]->socket);
    OK(fds[i]);
  }
  bool offered = OK(dgram_handover_offer(&world.loop, path, fds, 2, on_taken, NULL, &offer));
  CHECK(offered == (offer != NULL));
  if (offered) {
    CHECK(dgram_handover_limit(offer, 2000) == 0);
    take(false);
    settle();
    CHECK(taken == 0);
    bool confirmed = take(true);
    WAIT(taken == 1 || !confirmed);
    CHECK(taken <= 1);
    /* If the server has not read the confirmation it continues, too. */
    EXPECT(taken == confirmed || inject_concerns(CALL_recvmsg_unix));
    if (taken == 0)
      dgram_handover_withdraw(offer);
  }
  offer = NULL;
  if (OK(dgram_handover_offer(&world.loop, path, fds, 2, on_taken, NULL, &offer)))
    dgram_handover_withdraw(offer);
  settle();
  inject.poll_hook = NULL;
  remove_folder();
}

SCENARIO_OF(IN_ONE_MODE, "descriptors of the service manager") {
  dgram_listen_fd_t fds[2];
  char number[TEXT];
  snprintf(number, sizeof number, "%d", (int)getpid());
  setenv("LISTEN_PID", number, 1);
  setenv("LISTEN_FDS", "1", 1);
  setenv("LISTEN_FDNAMES", "first", 1);
  int count = dgram_listen_fds(fds, 2, 1);
  OK(count);
  CHECK(count < 0 || (count == 1 && strcmp(fds[0].name, "first") == 0));
  CHECK(getenv("LISTEN_FDS") == NULL);
}

/* ---- a primary ---- */

static int exits;
static int closes;
static int listens;
static int onlines;
static int disconnects;

static void on_online(dgram_cluster_t *cluster, int id, void *context) {
  onlines++;
}

static void on_worker_listening(dgram_cluster_t *cluster, int id, const dgram_address_t *address,
                                void *context) {
  CHECK(address->port > 0);
  listens++;
}

static void on_worker_disconnect(dgram_cluster_t *cluster, int id, void *context) {
  disconnects++;
  dgram_cluster_kill(cluster, id, SIGKILL);
}

static void on_worker_exit(dgram_cluster_t *cluster, int id, int64_t status, int signum,
                           void *context) {
  exits++;
  CHECK(disconnects >= exits);
}

static void on_cluster_closed(void *context) {
  closes++;
}

/* What the worker does: nothing fails there. */
static void on_refused(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  _exit(0);
}

static void on_bound(dgram_socket_t *socket, void *context) {
  uv_close(context, NULL);
}

/* No reply has come: what fails in the primary may be that. */
static void on_patience(uv_timer_t *timer) {
  _exit(0);
}

static void be_worker(void) {
  enum { SECONDS = 8, FIRST = 4, PATIENCE_MS = 1000 };
  uv_loop_t loop;
  uv_timer_t patience;
  dgram_worker_t *worker;
  dgram_socket_t *socket;
  inject.on = false;
  alarm(SECONDS);
  close_range(FIRST, ~0U, 0);
  if (uv_loop_init(&loop) != 0 || dgram_worker_join(&loop, NULL, NULL, &worker) != 0 ||
      dgram_create_socket(&loop, DGRAM_UDP4, NULL, NULL, &socket) != 0)
    _exit(1);
  dgram_on_error(socket, on_refused, NULL);
  uv_timer_init(&loop, &patience);
  uv_timer_start(&patience, on_patience, PATIENCE_MS, 0);
  dgram_bind(socket, 0, "127.0.0.1", on_bound, &patience);
  uv_run(&loop, UV_RUN_DEFAULT);
  _exit(0);
}

static bool is_gone(const dgram_cluster_t *cluster, int id) {
  return dgram_cluster_pid(cluster, id) == UV_ESRCH;
}

static void run_cluster(dgram_cluster_t *cluster) {
  char *const env[] = {"A=B", NULL};
  int shared = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (OK(dgram_cluster_share_fd(cluster, shared)))
    OK(dgram_cluster_unshare_fd(cluster, shared));
  int id = dgram_cluster_fork(cluster, env);
  if (OK(id)) {
    CHECK(dgram_cluster_next(cluster, 0) == id && dgram_cluster_pid(cluster, id) > 0);
    WAIT(listens == 1 || is_gone(cluster, id));
    EXPECT(listens == 1 || is_gone(cluster, id)); /* it was refused, and has ended */
    int second = is_gone(cluster, id) ? 0 : dgram_cluster_restart(cluster, id);
    OK(second);
    WAIT(second <= 0 || listens == 2 || is_gone(cluster, second));
    for (int at = 0; (at = dgram_cluster_next(cluster, at)) > 0;) {
      CHECK(dgram_cluster_disconnect(cluster, at) == 0);
      int err = dgram_cluster_kill(cluster, at, SIGTERM);
      CHECK(err == 0 || err == UV_ESRCH);
    }
  }
  close(shared);
}

SCENARIO_OF(IN_REAL_TIME, "a primary and its workers") {
  char *const args[] = {"worker", NULL};
  dgram_cluster_t *cluster = NULL;
  dgram_cluster_options_t options = dgram_default_cluster_options(args);
  options.on_online = on_online;
  options.on_listening = on_worker_listening;
  options.on_disconnect = on_worker_disconnect;
  options.on_exit = on_worker_exit;
  onlines = disconnects = exits = closes = listens = 0;
  inject.become_worker = be_worker;
  CHECK(dgram_cluster_is_primary());
  bool made = OK(dgram_cluster_create(&world.loop, &options, &cluster));
  CHECK(made == (cluster != NULL));
  if (made) {
    run_cluster(cluster);
    CHECK(dgram_cluster_close(cluster, 0, on_cluster_closed, NULL) == 0);
  }
  WAIT(closes == made);
  CHECK(closes == made && disconnects == exits);
  inject.become_worker = NULL;
}

/* ---- a worker, whose primary is played ---- */

static struct played_primary {
  int fd; /* -1: it has ended the connection */
  unsigned char bytes[DGRAM__FRAME_SIZE];
  size_t size;
} primary;

static int worker_left;

static void on_left(dgram_worker_t *worker, void *context) {
  worker_left++;
}

static void answer(const struct dgram__frame *request) {
  struct sockaddr_storage address = loopback(0);
  unsigned char bytes[DGRAM__FRAME_SIZE];
  const struct dgram__frame reply = {.kind = DGRAM__FRAME_REPLY, .number = request->number};
  int fd = socket(world.family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
  dgram__frame_write(&reply, bytes);
  (void)process_send_fds(primary.fd, bytes, sizeof bytes, &fd, 1, 0); /* it may have gone */
  close(fd);
}

/* Reads what the worker has sent, and answers a request. Returns false, for WAIT(). */
static bool play_primary(void) {
  struct dgram__frame frame;
  ssize_t size = 1;
  while (primary.fd >= 0 && size > 0) {
    size = recv(primary.fd, primary.bytes + primary.size, sizeof primary.bytes - primary.size,
                MSG_DONTWAIT);
    if (size > 0)
      primary.size += (size_t)size;
    if (primary.size == sizeof primary.bytes) {
      CHECK(dgram__frame_read(&frame, primary.bytes)); /* whole, and nothing twice */
      primary.size = 0;
      if (frame.kind == DGRAM__FRAME_REQUEST)
        answer(&frame);
    }
  }
  if (size == 0 && primary.fd >= 0) {
    close(primary.fd);
    primary.fd = -1;
  }
  return false;
}

static void on_shared(dgram_socket_t *socket, void *context) {
  ((struct member *)context)->listening++;
}

SCENARIO_OF(IN_ONE_MODE, "a worker and its primary") {
  dgram_worker_t *worker = NULL;
  int placeholder = fcntl(WORKER_CHANNEL_FD, F_DUPFD_CLOEXEC, 10);
  worker_left = 0;
  primary = (struct played_primary){.fd = process_invite_worker(DGRAM__FRAME_VERSION, 1)};
  CHECK(primary.fd >= 0 && placeholder >= 0);
  bool has_joined = OK(dgram_worker_join(&world.loop, on_left, NULL, &worker));
  CHECK(has_joined == (worker != NULL));
  if (has_joined)
    CHECK(dgram_worker_id(worker) == 1);
  struct member *member = new_member(NULL);
  member->left_alone = true; /* the primary closes it with the connection */
  OK(dgram_on_listening(member->socket, on_shared, member));
  bool binds = has_joined && OK(dgram_bind(member->socket, 0, world.host, NULL, NULL));
  WAIT(play_primary() || !binds || member->listening > 0 || member->errors > 0 || worker_left > 0);
  EXPECT(!binds || member->listening == 1);
  if (has_joined && worker_left == 0)
    dgram_worker_leave(worker);
  WAIT(play_primary() || worker_left == has_joined);
  CHECK(worker_left == has_joined);
  if (member->socket != NULL && !member->closing)
    member->closing = dgram_close(member->socket, NULL, NULL) != 0 || true;
  settle();
  if (primary.fd >= 0)
    close(primary.fd);
  unsetenv("DGRAM_CLUSTER");
  dup2(placeholder, WORKER_CHANNEL_FD);
  close(placeholder);
}

/* ---- a group ---- */

static atomic_int group_started;
static atomic_int group_stopped;
static atomic_int group_posted;
static atomic_int group_messages;

static void ignore_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
}

static void on_group_message(dgram_socket_t *socket, const char *message,
                             const dgram_rinfo_t *rinfo, void *context) {
  group_messages++;
}

static int on_start(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  dgram_on_unhandled_error(ignore_error, NULL);
  int err = dgram_on_message(socket, on_group_message, NULL);
  group_started += err == 0;
  return err;
}

static void on_stop(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  group_stopped++;
}

static void on_post(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  group_posted++;
}

static void use_group(dgram_group_t *group) {
  enum { PATIENCE = 200, MICROSECONDS = 500 };
  dgram_address_t address;
  int posted = 0;
  CHECK(dgram_group_size(group) == 2);
  CHECK(dgram_group_address(group, &address) == 0);
  for (int i = 0; i < 2; i++)
    posted += OK(dgram_group_post(group, i, on_post, NULL));
  struct sockaddr_storage to = loopback(address.port);
  CHECK(sendto(world.raw, "group", 5, 0, (struct sockaddr *)&to, sizeof to) == 5);
  for (int i = 0; i < PATIENCE && (group_posted < posted || group_messages < 1); i++)
    usleep(MICROSECONDS);
  CHECK(group_posted == posted);
  CHECK(group_messages == 1 || met());
}

SCENARIO_OF(IN_REAL_TIME, "a group of threads") {
  dgram_options_t socket = options_of_mode();
  dgram_group_options_t options = dgram_default_group_options(&socket, on_start, NULL);
  dgram_group_t *group = NULL;
  group_started = group_stopped = group_posted = group_messages = 0;
  options.address = world.host;
  options.threads = 2;
  options.pin = 1;
  options.steer = DGRAM_STEER_CPU;
  options.on_stop = on_stop;
  bool started = OK(dgram_group_start(&options, &group));
  CHECK(started == (group != NULL));
  if (started) {
    CHECK(group_started == 2);
    use_group(group);
    CHECK(dgram_group_stop(group) == 0);
  }
  CHECK(group_stopped == group_started);
}
