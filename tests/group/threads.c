/* All of a socket's callbacks run on its own thread, which stays on its CPU if that is wanted. */
#include "cpus_test.h"

enum { THREADS = 3 };

static struct {
  uv_thread_t thread;
  int cpus[CPU_SETSIZE];
  int cpu_count;
  atomic_int elsewhere; /* callbacks on another thread */
  atomic_int listening;
  atomic_int closes;
} noted[THREADS];

static void check_thread(int index) {
  uv_thread_t self = uv_thread_self();
  if (!uv_thread_equal(&self, &noted[index].thread))
    noted[index].elsewhere++;
}

static void on_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  check_thread(((struct place *)context)->index);
}

static void on_listening(dgram_socket_t *socket, void *context) {
  int index = ((struct place *)context)->index;
  check_thread(index);
  noted[index].listening++;
}

static void on_close(dgram_socket_t *socket, void *context) {
  int index = ((struct place *)context)->index;
  check_thread(index);
  noted[index].closes++;
}

static int start_noting(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  struct place *place = &places[index];
  noted[index].thread = uv_thread_self();
  noted[index].cpu_count = allowed_cpus(noted[index].cpus);
  if (context != noted || start_answering(group, index, socket, context) != 0)
    return UV_EINVAL;
  int err = dgram_on_message(socket, on_message, place);
  if (err == 0)
    err = dgram_on_listening(socket, on_listening, place);
  return err == 0 ? dgram_on_close(socket, on_close, place) : err;
}

static void stop_noting(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  check_thread(index);
  if (context != noted || dgram_bind_state(socket) != DGRAM_BOUND)
    places[index].failures++;
  places[index].stops++;
}

static dgram_group_t *start_noted(int pin) {
  dgram_options_t socket = dgram_default_options(DGRAM_UDP4);
  dgram_group_options_t options = answering(&socket, THREADS);
  options.on_start = start_noting;
  options.on_stop = stop_noting;
  options.context = noted;
  options.pin = pin;
  memset(noted, 0, sizeof noted);
  return start_group(&options);
}

static void each_socket_has_a_thread_of_its_own(void **state) {
  dgram_group_t *group = start_noted(0);
  uv_thread_t self = uv_thread_self();
  for (int i = 0; i < 32; i++) {
    int fd = raw_socket();
    ask(fd, "x", 1, port_of_group(group));
    close(fd);
  }
  stop_group(group);
  for (int i = 0; i < THREADS; i++) {
    assert_false(uv_thread_equal(&noted[i].thread, &self));
    assert_false(uv_thread_equal(&noted[i].thread, &noted[(i + 1) % THREADS].thread));
    assert_int_equal(noted[i].elsewhere, 0);
    assert_int_equal(noted[i].listening, 1);
    assert_int_equal(noted[i].closes, 1);
  }
}

static void each_stays_on_one_cpu_if_pinned(void **state) {
  int cpus[CPU_SETSIZE];
  int count = allowed_cpus(cpus);
  stop_group(start_noted(1));
  for (int i = 0; i < THREADS; i++) {
    assert_int_equal(noted[i].cpu_count, 1);
    assert_int_equal(noted[i].cpus[0], cpus[i % count]);
  }
  assert_int_equal(allowed_cpus(cpus), count); /* this thread stays free */
}

static void each_may_use_all_cpus_if_not(void **state) {
  int cpus[CPU_SETSIZE];
  int count = allowed_cpus(cpus);
  stop_group(start_noted(0));
  for (int i = 0; i < THREADS; i++)
    assert_int_equal(noted[i].cpu_count, count);
}

static void there_is_one_for_each_cpu_by_default(void **state) {
  int cpus[CPU_SETSIZE];
  int count = allowed_cpus(cpus);
  if (count > MOST_PLACES)
    skip();
  dgram_options_t socket = dgram_default_options(DGRAM_UDP4);
  dgram_group_options_t options = answering(&socket, 0);
  dgram_group_t *group = NULL;
  memset(places, 0, sizeof places);
  assert_int_equal(dgram_group_start(&options, &group), 0);
  assert_int_equal(dgram_group_size(group), count);
  stop_group(group);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_socket_has_a_thread_of_its_own),
      cmocka_unit_test(each_stays_on_one_cpu_if_pinned),
      cmocka_unit_test(each_may_use_all_cpus_if_not),
      cmocka_unit_test(there_is_one_for_each_cpu_by_default),
  };
  return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
