/*
 * Workers that break the rules of the protocol, or don't read what is sent to them: the primary
 * goes on, serves the others, and keeps no descriptor of theirs.
 */
#include "lib/cluster_fixture.h"

#include <poll.h>
#include <sys/resource.h>

#include "channel.h"
#include "worker_env.h"
#include "shared_sockets.h"

/* ---- workers that break the rules ---- */

static void send_bytes(const void *bytes, size_t size) {
  must(write(DGRAM__CHANNEL_FD, bytes, size) == (ssize_t)size);
}

static void send_frame(struct dgram__frame frame) {
  unsigned char bytes[DGRAM__FRAME_SIZE];
  dgram__frame_write(&frame, bytes);
  send_bytes(bytes, sizeof bytes);
}

/* A request for any port of 127.0.0.1. */
static struct dgram__frame any_port(uint32_t number) {
  struct dgram__frame frame = {.kind = DGRAM__FRAME_REQUEST, .number = number};
  dgram__address_loopback(&frame.address, AF_INET, 0);
  return frame;
}

HOSTILE(send_garbage) {
  static const unsigned char garbage[DGRAM__FRAME_SIZE] = "GET / HTTP/1.1\r\n";
  send_bytes(garbage, sizeof garbage);
}

HOSTILE(send_another_version) {
  unsigned char bytes[DGRAM__FRAME_SIZE];
  const struct dgram__frame frame = {.kind = DGRAM__FRAME_ONLINE};
  dgram__frame_write(&frame, bytes);
  bytes[0] = DGRAM__FRAME_VERSION + 1;
  send_bytes(bytes, sizeof bytes);
}

HOSTILE(send_what_a_primary_sends) {
  send_frame((struct dgram__frame){.kind = DGRAM__FRAME_REPLY});
}

HOSTILE(be_online_twice) {
  send_frame((struct dgram__frame){.kind = DGRAM__FRAME_ONLINE});
  send_frame((struct dgram__frame){.kind = DGRAM__FRAME_ONLINE});
}

HOSTILE(request_nothing) {
  send_frame((struct dgram__frame){.kind = DGRAM__FRAME_REQUEST, .number = 1});
}

HOSTILE(use_a_number_twice) {
  send_frame(any_port(7));
  send_frame(any_port(7));
}

HOSTILE(listen_to_what_it_has_not) {
  send_frame((struct dgram__frame){.kind = DGRAM__FRAME_LISTENING, .number = 1});
}

HOSTILE(release_what_it_has_not) {
  send_frame((struct dgram__frame){.kind = DGRAM__FRAME_RELEASE, .number = 1});
}

static const char *const breakers[] = {
    "send_garbage",
    "send_another_version",
    "send_what_a_primary_sends",
    "be_online_twice",
    "request_nothing",
    "use_a_number_twice",
    "listen_to_what_it_has_not",
    "release_what_it_has_not",
};

/* ---- workers that do not read, or request too much ---- */

STRANGER(end_inside_a_frame) {
  send_bytes("\1\1", 2);
}

/*
 * Goes on to request, without reading, until the primary, which can't reply, reads no more. Returns
 * the number of requests.
 */
static uint32_t request_until_refused(uint32_t requests) {
  enum { ENOUGH = 100000 };
  unsigned char bytes[DGRAM__FRAME_SIZE];
  for (int refused = 0; refused < ENOUGH && requests < ENOUGH;) {
    const struct dgram__frame frame = any_port(requests);
    dgram__frame_write(&frame, bytes);
    if (write(DGRAM__CHANNEL_FD, bytes, sizeof bytes) == (ssize_t)sizeof bytes)
      requests++;
    else
      refused++;
  }
  must(requests < ENOUGH);
  return requests;
}

HOSTILE(flood) {
  request_until_refused(0);
  report("refused");
}

/* Waits for the reply of this number, and closes the descriptor that comes with it. */
static int reply_status(struct dgram__channel *channel, uint32_t number) {
  struct dgram__frame reply;
  int fd;
  int got;
  while ((got = dgram__channel_receive(channel, &reply, &fd)) == 0)
    ;
  must(got == 1 && reply.kind == DGRAM__FRAME_REPLY && reply.number == number);
  must(reply.status != 0 || close(fd) == 0);
  return reply.status;
}

/* Then reads: each request has its reply, in order. */
HOSTILE(flood_and_read) {
  struct dgram__channel channel;
  uint32_t requests = request_until_refused(0);
  report("full");
  requests = request_until_refused(requests);
  dgram__channel_init(&channel, DGRAM__CHANNEL_FD);
  for (uint32_t number = 0; number < requests; number++)
    (void)reply_status(&channel, number);
  report("all replied");
}

/* Requests more than it may hold, and reads: the rest is refused. */
HOSTILE(request_many) {
  struct dgram__channel channel;
  int status = 0;
  dgram__channel_init(&channel, DGRAM__CHANNEL_FD);
  for (uint32_t number = 0; number <= DGRAM__MAX_LEASES; number++) {
    send_frame(any_port(number));
    status = reply_status(&channel, number);
  }
  report("last(%s)", dgram_err_name(status));
}

/* Requests ports of an address of its own until it is refused, and reports how many it has got. */
HOSTILE(request_without_end) {
  struct dgram__channel channel;
  int status = 0;
  int count = 0;
  this_id = number_of("SELF");
  dgram__channel_init(&channel, DGRAM__CHANNEL_FD);
  for (uint32_t number = 0; status == 0; number++) {
    struct dgram__frame frame = any_port(number);
    frame.address.v4.sin_addr.s_addr += htonl((uint32_t)this_id);
    send_frame(frame);
    status = reply_status(&channel, number);
    count += status == 0;
  }
  report("got(%d,%s)", count, dgram_err_name(status));
}

HOSTILE(send_descriptors) {
  struct dgram__channel channel;
  dgram__channel_init(&channel, DGRAM__CHANNEL_FD);
  const struct dgram__frame online = {.kind = DGRAM__FRAME_ONLINE};
  must(dgram__channel_send(&channel, &online, STDERR_FILENO) == 0);
  for (uint32_t i = 0; i < 100; i++) {
    const struct dgram__frame frame = any_port(i);
    const struct dgram__frame release = {.kind = DGRAM__FRAME_RELEASE, .number = i};
    must(dgram__channel_send(&channel, &frame, STDERR_FILENO) == 0);
    must(dgram__channel_send(&channel, &release, STDERR_FILENO) == 0);
  }
}

/* Urgent data is not read as other data is; and then half a frame. */
HOSTILE(send_urgent) {
  must(send(DGRAM__CHANNEL_FD, "!", 1, MSG_OOB) == 1 || errno == EOPNOTSUPP);
  report("done");
}

HOSTILE(send_half) {
  send_bytes("\1\1", 2);
  report("done");
}

HOSTILE(shut_down) {
  shutdown(DGRAM__CHANNEL_FD, SHUT_RD);
  report("done");
}

/* ---- the primary ---- */

static void kill_worker(int id) {
  assert_int_equal(dgram_cluster_kill(cluster, id, SIGKILL), 0);
}

TEST("a worker that breaks the rules is killed") {
  enum { BREAKERS = sizeof breakers / sizeof *breakers };
  for (int i = 0; i < BREAKERS; i++)
    await_times(1, "exit(%d,0,9)", fork_worker(breakers[i]));
  assert_int_equal(times_traced("disconnect("), BREAKERS);
}

TEST("a worker that ends inside a frame is disconnected") {
  fork_worker("end_inside_a_frame");
  await("disconnect(1)", "exit(1,0,0)");
}

TEST("a worker that does not read is not read, and the others are served") {
  fork_worker("flood");
  await("0:refused");
  fork_worker("listen_on_any");
  await("listening(2)");
  int before = count_open_files();
  kill_worker(1);
  await("exit(1,0,9)");
  assert_true(count_open_files() < before); /* what it held is closed */
}

TEST("a worker that reads again gets a reply to each request") {
  fork_worker("flood_and_read");
  struct pollfd reported = {.fd = dgram_fileno(cluster_reports), .events = POLLIN};
  assert_int_equal(poll(&reported, 1, -1), 1); /* so there is much to read at once */
  await("0:all replied");
  kill_worker(1);
}

TEST("a worker may hold so many sockets, and no more: EMFILE") {
  int before = count_open_files();
  fork_worker("request_many");
  await("0:last(EMFILE)");
  assert_true(count_open_files() <= before + DGRAM__MAX_LEASES + 4);
  kill_worker(1);
  await("exit(1,0,9)");
  assert_true(count_open_files() <= before + 4);
}

/* What reading does not clear must not be found readable again and again. */
TEST("a worker that sends urgent data, half a frame or an end does not keep the loop busy") {
  enum { REST_MS = 50, FEW = 20 };
  static const char *const roles[] = {"send_urgent", "send_half", "shut_down"};
  for (int i = 0; i < 3; i++) {
    fork_worker(roles[i]);
    await_times(i + 1, "0:done");
    settle(loop);
    assert_in_range(turns_in(loop, REST_MS), 1, FEW);
  }
  close_cluster(1);
}

/* ---- how many sockets there may be for all ---- */

/* Starts one that requests without end. Returns how many it has got. */
static int got_by_another(void) {
  char words[32];
  int last = 0;
  for (int id = 0; (id = dgram_cluster_next(cluster, id)) > 0;)
    last = id;
  set_number("SELF", last + 1);
  int id = fork_worker("request_without_end");
  snprintf(words, sizeof words, "%d:got(", id);
  await_times(1, "%s", words);
  const char *got = strstr(trace_text, words) + strlen(words);
  assert_non_null(strstr(got, ",EMFILE)"));
  return atoi(got);
}

TEST("the workers together may hold most_sockets, and each half of what is left") {
  dgram_cluster_options_t options = cluster_options();
  options.most_sockets = 20;
  cluster_replace(&options);
  assert_int_equal(got_by_another(), 10);
  assert_int_equal(got_by_another(), 5);
  assert_int_equal(got_by_another(), 3);
  fork_worker("listen_on_any"); /* there is something left for others */
  await("listening(4)");
  kill_worker(1);
  await("exit(1,0,9)");
  assert_int_equal(got_by_another(), 6); /* half of the eleven that are free again */
  close_cluster(1);
}

TEST("the default of most_sockets comes from the process' limit of descriptors") {
  enum { LIMIT = 200, WORKERS = 8, FREE = 15 };
  struct rlimit before;
  int files[FREE];
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
  const struct rlimit limit = {.rlim_cur = LIMIT, .rlim_max = before.rlim_max};
  const dgram_cluster_options_t options = cluster_options();
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
  cluster_replace(&options);
  int got = 0;
  for (int i = 0; i < WORKERS; i++)
    got += got_by_another();
  assert_in_range(got, LIMIT / 2, LIMIT / 4 * 3);
  for (int i = 0; i < FREE; i++) { /* the primary has some for itself */
    files[i] = raw_socket();
    assert_true(files[i] >= 0);
  }
  for (int i = 0; i < FREE; i++)
    close(files[i]);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
  close_cluster(1);
}

/* The frames are right, so it is not killed; but it never reads: its replies fill the channel. */
TEST("a worker's own descriptors are not received") {
  fork_worker("listen_on_any");
  await("listening(1)");
  int before = count_open_files();
  fork_worker("send_descriptors");
  await("online(2)");
  settle(loop);
  assert_true(count_open_files() <= before + 1); /* the channel */
  kill_worker(2);
  await("exit(2,0,9)");
  assert_int_equal(count_open_files(), before);
}

int main(void) {
  return cluster_run();
}
