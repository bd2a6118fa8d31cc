/* Stopping a group: from outside, under load, with what the program has left. */
#include "lib/group_fixture.h"

enum { THREADS = 2 };

/* ---- under load ---- */

static atomic_int accepted;
static atomic_int completed;
static atomic_int flooding;

static void count_completed(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                            void *context) {
  completed++;
}

static void answer_counted(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                           void *context) {
  static char reply[100];
  uv_buf_t buffer = uv_buf_init(reply, sizeof reply);
  accepted += dgram_send_to(socket, &buffer, 1, rinfo->sockaddr, count_completed, NULL) == 0;
}

static int start_counting(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  return dgram_on_message(socket, answer_counted, NULL);
}

/* Errors are none: the port may be closed already. */
static void flood(void *context) {
  struct sockaddr_in to = loopback_address(*(int *)context);
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  while (flooding)
    (void)sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof to);
  close(fd);
}

TEST("each accepted send completes when a group is stopped under load") {
  for (int round = 0; round < 5; round++) {
    dgram_group_options_t options = answering(THREADS);
    uv_thread_t thread;
    options.on_start = start_counting;
    dgram_group_t *group = start_group(&options);
    int port = port_of_group(group);
    accepted = 0;
    completed = 0;
    flooding = 1;
    assert_int_equal(uv_thread_create(&thread, flood, &port), 0);
    while (accepted < 100)
      sched_yield();
    stop_group(group);
    assert_int_equal(completed, accepted);
    flooding = 0;
    assert_int_equal(uv_thread_join(&thread), 0);
  }
}

/* ---- from inside ---- */

static atomic_int stop_result;

static void stop_inside(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  stop_result = dgram_group_stop(context);
  uv_sem_post(&group_done);
}

TEST("a thread cannot stop its own group: EPERM") {
  dgram_group_options_t options = answering(THREADS);
  dgram_group_t *group = start_group(&options);
  assert_int_equal(dgram_group_post(group, 0, stop_inside, group), 0);
  uv_sem_wait(&group_done);
  assert_int_equal(stop_result, UV_EPERM);
}

TEST("a thread can stop another group") {
  dgram_group_options_t options = answering(THREADS);
  dgram_group_t *other;
  assert_int_equal(dgram_group_start(&options, &other), 0);
  dgram_group_t *group = start_group(&options);
  stop_result = UV_EPERM;
  assert_int_equal(dgram_group_post(group, 0, stop_inside, other), 0);
  uv_sem_wait(&group_done);
  assert_int_equal(stop_result, 0);
  for (int i = 0; i < THREADS; i++)
    assert_int_equal(atomic_exchange(&counts[i].stops, 0), 1);
}

/* ---- what the program does on the loop ---- */

static void close_socket_of_thread(dgram_group_t *group, int index, dgram_socket_t *socket,
                                   void *context) {
  if (dgram_close(socket, NULL, NULL) != 0)
    counts[index].failures++;
  uv_stop(dgram_loop(socket)); /* ends nothing */
  uv_sem_post(&group_done);
}

static void check_no_socket(dgram_group_t *group, int index, dgram_socket_t *socket,
                            void *context) {
  if ((socket == NULL) != (index == 0))
    counts[index].failures++;
  counts[index].stops++;
}

TEST("a thread whose socket the program has closed goes on, and the others get its datagrams") {
  dgram_group_options_t options = answering(THREADS);
  options.on_stop = check_no_socket;
  dgram_group_t *group = start_group(&options);
  assert_int_equal(dgram_group_post(group, 0, close_socket_of_thread, NULL), 0);
  uv_sem_wait(&group_done);
  for (int i = 0; i < 8; i++)
    assert_int_equal(receiver_of_byte('x', group), 1);
}

static uv_timer_t timers[THREADS];

static void count_tick(uv_timer_t *timer) {
  struct thread_counts *count = timer->data;
  count->messages++;
}

static int start_timer(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  uv_timer_t *timer = &timers[index];
  uv_timer_init(dgram_loop(socket), timer);
  timer->data = &counts[index];
  uv_timer_start(timer, count_tick, 0, 1);
  return start_answering(group, index, socket, context);
}

static void close_timer(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  uv_close((uv_handle_t *)&timers[index], NULL);
  counts[index].stops++;
}

static void only_stop_timer(dgram_group_t *group, int index, dgram_socket_t *socket,
                            void *context) {
  uv_timer_stop(&timers[index]);
  counts[index].stops++;
}

TEST("on_stop may close what on_start has opened") {
  dgram_group_options_t options = answering(THREADS);
  options.on_start = start_timer;
  options.on_stop = close_timer;
  start_group(&options);
  while (counts[0].messages == 0 || counts[1].messages == 0)
    sched_yield();
}

TEST("a handle that is left on a thread's loop keeps the group: EBUSY") {
  dgram_group_options_t options = answering(THREADS);
  options.on_start = start_timer;
  options.on_stop = only_stop_timer;
  dgram_group_t *group = start_group(&options);
  assert_int_equal(dgram_group_stop(group), UV_EBUSY);
  for (int i = 0; i < THREADS; i++) {
    assert_int_equal(dgram_group_stop(group), UV_EBUSY);
    uv_loop_t *of_thread = timers[i].loop;
    uv_close((uv_handle_t *)&timers[i], NULL);
    run_to_end(of_thread);
  }
}
