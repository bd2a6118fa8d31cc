/*
 * Workers that break the rules of the wire, or don't read what they are told: the primary goes on,
 * serves the others, and keeps no descriptor of theirs.
 */
#include "cluster_test.h"

#include <poll.h>
#include <sys/resource.h>

#include "channel.h"
#include "worker_env.h"
#include "shared_sockets.h"

/* ---- workers ---- */

static void say_bytes(const void *bytes, size_t size) {
  must(write(DGRAM__CHANNEL_FD, bytes, size) == (ssize_t)size);
}

static void say(const struct dgram__frame *frame) {
  unsigned char bytes[DGRAM__FRAME_SIZE];
  dgram__frame_write(frame, bytes);
  say_bytes(bytes, sizeof bytes);
}

/* It must not come to its own end. */
static void wait_for_death(void) {
  for (;;)
    pause();
}

static struct dgram__frame any_port(uint32_t number) {
  struct dgram__frame frame = {.kind = DGRAM__FRAME_REQUEST, .number = number};
  dgram__address_loopback(&frame.address, AF_INET, 0);
  return frame;
}

static void say_garbage(void) {
  static const unsigned char garbage[DGRAM__FRAME_SIZE] = "GET / HTTP/1.1\r\n";
  say_bytes(garbage, sizeof garbage);
  wait_for_death();
}

static void say_another_version(void) {
  unsigned char bytes[DGRAM__FRAME_SIZE];
  const struct dgram__frame frame = {.kind = DGRAM__FRAME_ONLINE};
  dgram__frame_write(&frame, bytes);
  bytes[0] = DGRAM__FRAME_VERSION + 1;
  say_bytes(bytes, sizeof bytes);
  wait_for_death();
}

static void say_what_a_primary_says(void) {
  const struct dgram__frame frame = {.kind = DGRAM__FRAME_REPLY};
  say(&frame);
  wait_for_death();
}

static void be_online_twice(void) {
  const struct dgram__frame frame = {.kind = DGRAM__FRAME_ONLINE};
  say(&frame);
  say(&frame);
  wait_for_death();
}

static void ask_for_nothing(void) {
  const struct dgram__frame frame = {.kind = DGRAM__FRAME_REQUEST, .number = 1};
  say(&frame);
  wait_for_death();
}

static void use_a_number_twice(void) {
  const struct dgram__frame frame = any_port(7);
  say(&frame);
  say(&frame);
  wait_for_death();
}

static void listen_to_what_it_has_not(void) {
  const struct dgram__frame frame = {.kind = DGRAM__FRAME_LISTENING, .number = 1};
  say(&frame);
  wait_for_death();
}

static void release_what_it_has_not(void) {
  const struct dgram__frame frame = {.kind = DGRAM__FRAME_RELEASE, .number = 1};
  say(&frame);
  wait_for_death();
}

static void end_inside_a_frame(void) {
  say_bytes("\1\1", 2);
  _exit(0);
}

/*
 * Goes on to ask, without reading, until the primary, which can't answer, hears it no more. Returns
 * how often it has asked.
 */
static uint32_t ask_until_refused(uint32_t asked) {
  enum { ENOUGH = 100000 };
  unsigned char bytes[DGRAM__FRAME_SIZE];
  for (int refused = 0; refused < ENOUGH && asked < ENOUGH;) {
    const struct dgram__frame frame = any_port(asked);
    dgram__frame_write(&frame, bytes);
    if (write(DGRAM__CHANNEL_FD, bytes, sizeof bytes) == (ssize_t)sizeof bytes)
      asked++;
    else
      refused++;
  }
  must(asked < ENOUGH);
  return asked;
}

static void flood(void) {
  ask_until_refused(0);
  report("refused");
  wait_for_death();
}

/* Then reads: each question has its answer, in order. */
static void flood_and_read(void) {
  struct dgram__channel channel;
  struct dgram__frame heard;
  int fd;
  uint32_t asked = ask_until_refused(0);
  report("full");
  asked = ask_until_refused(asked);
  dgram__channel_init(&channel, DGRAM__CHANNEL_FD);
  for (uint32_t number = 0; number < asked; number++) {
    int got;
    while ((got = dgram__channel_receive(&channel, &heard, &fd)) == 0)
      ;
    must(got == 1 && heard.kind == DGRAM__FRAME_REPLY && heard.number == number);
    must(heard.status != 0 || close(fd) == 0);
  }
  report("all answered");
  wait_for_death();
}

/* Asks for more than it may hold, and reads: the rest is refused. */
static void ask_for_many(void) {
  struct dgram__channel channel;
  struct dgram__frame heard;
  int fd;
  uv_loop_t loop;
  int got = 0;
  must(uv_loop_init(&loop) == 0);
  dgram__channel_init(&channel, DGRAM__CHANNEL_FD);
  for (uint32_t number = 0; number <= DGRAM__MAX_LEASES; number++) {
    const struct dgram__frame frame = any_port(number);
    say(&frame);
    while ((got = dgram__channel_receive(&channel, &heard, &fd)) == 0)
      ;
    must(got == 1 && heard.number == number);
    must(heard.status != 0 || close(fd) == 0);
  }
  report("last(%s)", dgram_err_name(heard.status));
  wait_for_death();
}

/* Asks for ports of an address of its own until it is refused, and reports how many it has got. */
static void ask_without_end(void) {
  struct dgram__channel channel;
  struct dgram__frame heard = {.status = 0};
  int fd;
  int count = 0;
  this_id = told("SELF");
  dgram__channel_init(&channel, DGRAM__CHANNEL_FD);
  for (uint32_t number = 0; heard.status == 0; number++) {
    struct dgram__frame frame = any_port(number);
    frame.address.v4.sin_addr.s_addr += htonl((uint32_t)this_id);
    say(&frame);
    while (dgram__channel_receive(&channel, &heard, &fd) == 0)
      ;
    if (fd >= 0)
      close(fd);
    count += heard.status == 0;
  }
  report("got(%d,%s)", count, dgram_err_name(heard.status));
  wait_for_death();
}

static void send_descriptors(void) {
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
  wait_for_death();
}

/* Urgent data is not read as other data is; and then half a frame. */
static void send_urgent(void) {
  must(send(DGRAM__CHANNEL_FD, "!", 1, MSG_OOB) == 1 || errno == EOPNOTSUPP);
  report("urgent");
  wait_for_death();
}

static void send_half(void) {
  say_bytes("\1\1", 2);
  report("half");
  wait_for_death();
}

static void shut_down(void) {
  shutdown(DGRAM__CHANNEL_FD, SHUT_RD);
  report("shut");
  wait_for_death();
}

static void listen_on_any(void) {
  uv_loop_t *loop = join();
  must(dgram_bind(reporting_udp4(loop), 0, "127.0.0.1", NULL, NULL) == 0);
  work_to_end(loop);
}

static const struct role roles[] = {
    {"say_garbage", say_garbage},
    {"say_another_version", say_another_version},
    {"say_what_a_primary_says", say_what_a_primary_says},
    {"be_online_twice", be_online_twice},
    {"ask_for_nothing", ask_for_nothing},
    {"use_a_number_twice", use_a_number_twice},
    {"listen_to_what_it_has_not", listen_to_what_it_has_not},
    {"release_what_it_has_not", release_what_it_has_not},
    {"end_inside_a_frame", end_inside_a_frame},
    {"flood", flood},
    {"flood_and_read", flood_and_read},
    {"ask_for_many", ask_for_many},
    {"ask_without_end", ask_without_end},
    {"send_descriptors", send_descriptors},
    {"send_urgent", send_urgent},
    {"send_half", send_half},
    {"shut_down", shut_down},
    {"listen_on_any", listen_on_any},
};

/* ---- the primary ---- */

/* They would not end by themselves. */
static void kill_all(const struct crew *crew) {
  for (int id = 0; (id = dgram_cluster_next(crew->cluster, id)) > 0;)
    dgram_cluster_kill(crew->cluster, id, SIGKILL);
}

static void count_timer(uv_timer_t *timer) {
  ++*(int *)timer->data;
}

static void who_breaks_the_rules_is_killed(void **state) {
  enum { BREAKERS = 8 };
  struct crew crew;
  crew_open(&crew, NULL);
  for (int i = 0; i < BREAKERS; i++) {
    char end[32];
    int id = crew_fork_as(&crew, roles[i].name);
    snprintf(end, sizeof end, "exit(%d,0,9)", id);
    run_until_noted(crew.loop, end, 1);
  }
  assert_int_equal(times_noted("disconnect("), BREAKERS);
  crew_close(&crew);
}

static void an_end_inside_a_frame_is_an_end(void **state) {
  struct crew crew;
  crew_open(&crew, "end_inside_a_frame");
  crew_fork(&crew);
  crew_await(&crew, "disconnect(1)", "exit(1,0,0)");
  crew_close(&crew);
}

static void one_that_does_not_read_is_not_heard(void **state) {
  struct crew crew;
  crew_open(&crew, "flood");
  crew_fork(&crew);
  crew_await(&crew, "0:refused");
  crew_fork_as(&crew, "listen_on_any"); /* the others are served meanwhile */
  crew_await(&crew, "listening(2)");
  int before = count_open_files();
  assert_int_equal(dgram_cluster_kill(crew.cluster, 1, SIGKILL), 0);
  crew_await(&crew, "exit(1,0,9)");
  assert_true(count_open_files() < before); /* what it held is closed */
  crew_close(&crew);
}

static void once_it_reads_it_is_heard_again(void **state) {
  struct crew crew;
  crew_open(&crew, "flood_and_read");
  crew_fork(&crew);
  struct pollfd reported = {.fd = dgram_fileno(crew.reports), .events = POLLIN};
  assert_int_equal(poll(&reported, 1, -1), 1); /* so there is much to hear at once */
  crew_await(&crew, "0:all answered");
  assert_int_equal(dgram_cluster_kill(crew.cluster, 1, SIGKILL), 0);
  crew_close(&crew);
}

static void nobody_may_hold_too_many(void **state) {
  struct crew crew;
  crew_open(&crew, "ask_for_many");
  int before = count_open_files();
  crew_fork(&crew);
  crew_await(&crew, "0:last(EMFILE)");
  assert_true(count_open_files() <= before + DGRAM__MAX_LEASES + 4);
  assert_int_equal(dgram_cluster_kill(crew.cluster, 1, SIGKILL), 0);
  crew_await(&crew, "exit(1,0,9)");
  assert_true(count_open_files() <= before + 4);
  crew_close(&crew);
}

/* What reading does not clear must not be found readable again and again. */
static void no_one_keeps_the_loop_busy(void **state) {
  enum { REST_MS = 50, FEW = 20 };
  static const char *const busy[] = {"send_urgent", "send_half", "shut_down"};
  struct crew crew;
  uv_timer_t rest;
  crew_open(&crew, NULL);
  assert_int_equal(uv_timer_init(crew.loop, &rest), 0);
  for (int i = 0; i < 3; i++) {
    crew_fork_as(&crew, busy[i]);
    int over = 0;
    int turns = 0;
    run_until_noted(crew.loop, i == 0 ? "0:urgent" : i == 1 ? "0:half" : "0:shut", 1);
    settle(crew.loop);
    rest.data = &over;
    assert_int_equal(uv_timer_start(&rest, count_timer, REST_MS, 0), 0);
    for (; over == 0; turns++)
      uv_run(crew.loop, UV_RUN_ONCE);
    assert_in_range(turns, 1, FEW);
  }
  kill_all(&crew);
  uv_close((uv_handle_t *)&rest, NULL);
  crew_close(&crew);
}

/* ---- how many sockets there may be for all ---- */

/* Forks one that asks without end. Returns how many it has got. */
static int got_by_another(struct crew *crew) {
  char words[32];
  char self[16];
  int id = dgram_cluster_next(crew->cluster, 0);
  int last = 0;
  for (; id > 0; id = dgram_cluster_next(crew->cluster, id))
    last = id;
  snprintf(self, sizeof self, "%d", last + 1);
  assert_int_equal(setenv("SELF", self, 1), 0);
  id = crew_fork_as(crew, "ask_without_end");
  snprintf(words, sizeof words, "%d:got(", id);
  run_until_noted(crew->loop, words, 1);
  const char *got = strstr(trace_text, words) + strlen(words);
  assert_non_null(strstr(got, ",EMFILE)"));
  return atoi(got);
}

static void all_workers_together_have_a_bound(void **state) {
  struct crew crew;
  crew_open(&crew, NULL);
  crew_limit(&crew, 20);
  assert_int_equal(got_by_another(&crew), 10); /* half of it */
  assert_int_equal(got_by_another(&crew), 5);
  assert_int_equal(got_by_another(&crew), 3);
  crew_fork_as(&crew, "listen_on_any"); /* there is something left for others */
  crew_await(&crew, "listening(4)");
  assert_int_equal(dgram_cluster_kill(crew.cluster, 1, SIGKILL), 0);
  crew_await(&crew, "exit(1,0,9)");
  assert_int_equal(got_by_another(&crew), 6); /* half of the eleven that are free again */
  kill_all(&crew);
  crew_close(&crew);
}

static void the_bound_comes_from_the_limit_of_the_process(void **state) {
  enum { LIMIT = 200, HOSTILE = 8, FREE = 15 };
  struct rlimit before;
  struct crew crew;
  int files[FREE];
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
  const struct rlimit limit = {.rlim_cur = LIMIT, .rlim_max = before.rlim_max};
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
  crew_open(&crew, NULL);
  int got = 0;
  for (int i = 0; i < HOSTILE; i++)
    got += got_by_another(&crew);
  assert_in_range(got, LIMIT / 2, LIMIT / 4 * 3);
  for (int i = 0; i < FREE; i++) { /* the primary has some for itself */
    files[i] = raw_socket();
    assert_true(files[i] >= 0);
  }
  for (int i = 0; i < FREE; i++)
    close(files[i]);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
  kill_all(&crew);
  crew_close(&crew);
}

/* The frames are right, so it is not killed; but it never reads: its answers fill the channel. */
static void descriptors_of_a_worker_are_not_taken_in(void **state) {
  struct crew crew;
  crew_open(&crew, "send_descriptors");
  crew_fork_as(&crew, "listen_on_any");
  crew_await(&crew, "listening(1)");
  int before = count_open_files();
  crew_fork(&crew);
  crew_await(&crew, "online(2)");
  settle(crew.loop);
  assert_true(count_open_files() <= before + 1); /* the channel */
  assert_int_equal(dgram_cluster_kill(crew.cluster, 2, SIGKILL), 0);
  crew_await(&crew, "exit(2,0,9)");
  assert_int_equal(count_open_files(), before);
  crew_close(&crew);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(who_breaks_the_rules_is_killed),
    cmocka_unit_test(an_end_inside_a_frame_is_an_end),
    cmocka_unit_test(one_that_does_not_read_is_not_heard),
    cmocka_unit_test(once_it_reads_it_is_heard_again),
    cmocka_unit_test(nobody_may_hold_too_many),
    cmocka_unit_test(no_one_keeps_the_loop_busy),
    cmocka_unit_test(all_workers_together_have_a_bound),
    cmocka_unit_test(the_bound_comes_from_the_limit_of_the_process),
    cmocka_unit_test(descriptors_of_a_worker_are_not_taken_in),
};

CLUSTER_TEST_MAIN(roles, tests)
