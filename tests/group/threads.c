/* All of a socket's callbacks run on its own thread, which is pinned to a CPU by the option `pin`.
 */
#include "lib/group_fixture.h"

enum { THREADS = 3 };

static struct {
  uv_thread_t thread;
  int cpus[CPU_SETSIZE];
  int cpu_count;
  atomic_int elsewhere; /* callbacks on another thread */
  atomic_int listening;
  atomic_int closes;
} seen[THREADS];

static void check_thread(int index) {
  uv_thread_t self = uv_thread_self();
  if (!uv_thread_equal(&self, &seen[index].thread))
    seen[index].elsewhere++;
}

static void on_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  check_thread(((struct thread_counts *)context)->index);
}

static void on_listening(dgram_socket_t *socket, void *context) {
  int index = ((struct thread_counts *)context)->index;
  check_thread(index);
  seen[index].listening++;
}

static void on_close(dgram_socket_t *socket, void *context) {
  int index = ((struct thread_counts *)context)->index;
  check_thread(index);
  seen[index].closes++;
}

static int start_seeing(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  struct thread_counts *count = &counts[index];
  seen[index].thread = uv_thread_self();
  seen[index].cpu_count = allowed_cpus(seen[index].cpus);
  if (context != seen || start_answering(group, index, socket, context) != 0)
    return UV_EINVAL;
  int err = dgram_on_message(socket, on_message, count);
  if (err == 0)
    err = dgram_on_listening(socket, on_listening, count);
  return err == 0 ? dgram_on_close(socket, on_close, count) : err;
}

static void stop_seeing(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  check_thread(index);
  if (context != seen || dgram_bind_state(socket) != DGRAM_BOUND)
    counts[index].failures++;
  counts[index].stops++;
}

static dgram_group_t *start_seeing_group(int pin) {
  dgram_group_options_t options = answering(THREADS);
  options.on_start = start_seeing;
  options.on_stop = stop_seeing;
  options.context = seen;
  options.pin = pin;
  memset(seen, 0, sizeof seen);
  return start_group(&options);
}

TEST("each socket of a group has a thread of its own, and all its callbacks run there") {
  dgram_group_t *group = start_seeing_group(0);
  uv_thread_t self = uv_thread_self();
  for (int i = 0; i < 32; i++)
    receiver_of_byte('x', group);
  stop_group(group);
  for (int i = 0; i < THREADS; i++) {
    assert_false(uv_thread_equal(&seen[i].thread, &self));
    assert_false(uv_thread_equal(&seen[i].thread, &seen[(i + 1) % THREADS].thread));
    assert_int_equal(seen[i].elsewhere, 0);
    assert_int_equal(seen[i].listening, 1);
    assert_int_equal(seen[i].closes, 1);
  }
}

TEST("each thread of a group stays on one CPU if pinned") {
  int cpus[CPU_SETSIZE];
  int count = allowed_cpus(cpus);
  stop_group(start_seeing_group(1));
  for (int i = 0; i < THREADS; i++) {
    assert_int_equal(seen[i].cpu_count, 1);
    assert_int_equal(seen[i].cpus[0], cpus[i % count]);
  }
  assert_int_equal(allowed_cpus(cpus), count); /* this thread is not pinned */
}

TEST("each thread of a group may use all CPUs if not pinned") {
  int cpus[CPU_SETSIZE];
  int count = allowed_cpus(cpus);
  stop_group(start_seeing_group(0));
  for (int i = 0; i < THREADS; i++)
    assert_int_equal(seen[i].cpu_count, count);
}

TEST("a group has a thread for each CPU by default") {
  int cpus[CPU_SETSIZE];
  int count = allowed_cpus(cpus);
  if (count > MOST_THREADS)
    skip();
  dgram_group_options_t options = answering(0);
  assert_int_equal(dgram_group_size(start_group(&options)), count);
}
