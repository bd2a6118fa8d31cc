/* Stopping: from outside, under load, with what the program has left. */
#include "group_test.h"

#include <sched.h>

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

static void under_load_each_accepted_send_completes(void **state) {
  for (int round = 0; round < 5; round++) {
    dgram_options_t socket = dgram_default_options(DGRAM_UDP4);
    dgram_group_options_t options = answering(&socket, THREADS);
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

static atomic_int refusal;

static void stop_inside(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  refusal = dgram_group_stop(group);
  uv_sem_post(context);
}

static void a_thread_cannot_stop_its_own_group(void **state) {
  dgram_options_t socket = dgram_default_options(DGRAM_UDP4);
  dgram_group_options_t options = answering(&socket, THREADS);
  dgram_group_t *group = start_group(&options);
  uv_sem_t done;
  assert_int_equal(uv_sem_init(&done, 0), 0);
  assert_int_equal(dgram_group_post(group, 0, stop_inside, &done), 0);
  uv_sem_wait(&done);
  assert_int_equal(refusal, UV_EPERM);
  stop_group(group);
  uv_sem_destroy(&done);
}

static void stop_other(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  refusal = dgram_group_stop(context);
}

static void it_can_stop_another(void **state) {
  dgram_options_t socket = dgram_default_options(DGRAM_UDP4);
  dgram_group_options_t options = answering(&socket, THREADS);
  dgram_group_t *other = start_group(&options);
  dgram_group_t *group = start_group(&options);
  refusal = UV_EPERM;
  assert_int_equal(dgram_group_post(group, 0, stop_other, other), 0);
  assert_int_equal(dgram_group_stop(group), 0);
  assert_int_equal(refusal, 0);
  for (int i = 0; i < THREADS; i++)
    assert_int_equal(places[i].stops, 2);
}

/* ---- what the program does on the loop ---- */

static void close_and_tell(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  if (dgram_close(socket, NULL, NULL) != 0)
    places[index].failures++;
  uv_stop(dgram_loop(socket)); /* ends nothing */
  uv_sem_post(context);
}

static void check_no_socket(dgram_group_t *group, int index, dgram_socket_t *socket,
                            void *context) {
  if ((socket == NULL) != (index == 0))
    places[index].failures++;
  places[index].stops++;
}

/* The thread stays, and takes calls. */
static void a_program_may_have_closed_a_socket(void **state) {
  dgram_options_t socket = dgram_default_options(DGRAM_UDP4);
  dgram_group_options_t options = answering(&socket, THREADS);
  options.on_stop = check_no_socket;
  dgram_group_t *group = start_group(&options);
  uv_sem_t done;
  assert_int_equal(uv_sem_init(&done, 0), 0);
  assert_int_equal(dgram_group_post(group, 0, close_and_tell, &done), 0);
  uv_sem_wait(&done);
  for (int i = 0; i < 8; i++) { /* from anywhere it comes to the other now */
    int fd = raw_socket();
    assert_int_equal(ask(fd, "x", 1, port_of_group(group)), 1);
    close(fd);
  }
  stop_group(group);
  uv_sem_destroy(&done);
}

static uv_timer_t timers[THREADS];

static void count_tick(uv_timer_t *timer) {
  struct place *place = timer->data;
  place->messages++;
}

static int start_timer(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  uv_timer_t *timer = &timers[index];
  uv_timer_init(dgram_loop(socket), timer);
  timer->data = &places[index];
  uv_timer_start(timer, count_tick, 0, 1);
  return start_answering(group, index, socket, context);
}

static void close_timer(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  uv_close((uv_handle_t *)&timers[index], NULL);
  places[index].stops++;
}

static void only_stop_timer(dgram_group_t *group, int index, dgram_socket_t *socket,
                            void *context) {
  uv_timer_stop(&timers[index]);
  places[index].stops++;
}

static void on_stop_can_close_what_on_start_opened(void **state) {
  dgram_options_t socket = dgram_default_options(DGRAM_UDP4);
  dgram_group_options_t options = answering(&socket, THREADS);
  options.on_start = start_timer;
  options.on_stop = close_timer;
  dgram_group_t *group = start_group(&options);
  while (places[0].messages == 0 || places[1].messages == 0)
    sched_yield();
  stop_group(group);
}

static void handles_that_are_left_keep_the_group(void **state) {
  dgram_options_t socket = dgram_default_options(DGRAM_UDP4);
  dgram_group_options_t options = answering(&socket, THREADS);
  options.on_start = start_timer;
  options.on_stop = only_stop_timer;
  dgram_group_t *group = start_group(&options);
  assert_int_equal(dgram_group_stop(group), UV_EBUSY);
  for (int i = 0; i < THREADS; i++) {
    assert_int_equal(dgram_group_stop(group), UV_EBUSY);
    uv_loop_t *loop = timers[i].loop;
    uv_close((uv_handle_t *)&timers[i], NULL);
    run_to_end(loop);
  }
  stop_group(group);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(under_load_each_accepted_send_completes),
      cmocka_unit_test(a_thread_cannot_stop_its_own_group),
      cmocka_unit_test(it_can_stop_another),
      cmocka_unit_test(a_program_may_have_closed_a_socket),
      cmocka_unit_test(on_stop_can_close_what_on_start_opened),
      cmocka_unit_test(handles_that_are_left_keep_the_group),
  };
  return cmocka_run_group_tests_name("stop", tests, NULL, NULL);
}
