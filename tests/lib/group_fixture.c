#include "lib/group_fixture.h"

struct thread_counts counts[MOST_THREADS];
dgram_options_t group_socket;
uv_sem_t group_done;

/* Those that run. */
enum { MOST_GROUPS = 2 };
static dgram_group_t *groups[MOST_GROUPS];

static void group_begin(uv_loop_t *loop) {
  memset(counts, 0, sizeof counts);
  memset(groups, 0, sizeof groups);
  group_socket = dgram_default_options(DGRAM_UDP4);
  assert_int_equal(uv_sem_init(&group_done, 0), 0);
}

static void group_end(uv_loop_t *loop) {
  for (int i = 0; i < MOST_GROUPS; i++)
    if (groups[i] != NULL)
      stop_group(groups[i]);
  uv_sem_destroy(&group_done);
}

__attribute__((constructor)) static void group_hooks(void) {
  fixture_hooks((struct fixture_hooks){.begin = group_begin, .end = group_end});
}

/* ---- what its threads do ---- */

static void count_failure(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  struct thread_counts *count = context;
  count->failures++;
}

/* Sends back the index and what came. */
static void answer(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                   void *context) {
  struct thread_counts *count = context;
  unsigned char index = (unsigned char)count->index;
  uv_buf_t buffers[] = {uv_buf_init((char *)&index, 1),
                        uv_buf_init((char *)message, (unsigned)rinfo->size)};
  count->messages++;
  if (dgram_send_to(socket, buffers, 2, rinfo->sockaddr, NULL, NULL) != 0)
    count->failures++;
}

int start_answering(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  counts[index].index = index;
  dgram_on_unhandled_error(count_failure, &counts[index]);
  return dgram_on_message(socket, answer, &counts[index]);
}

void count_stop(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  counts[index].stops++;
}

void post_done(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  uv_sem_post(&group_done);
}

/* ---- the group ---- */

dgram_group_options_t answering(int threads) {
  dgram_group_options_t options = dgram_default_group_options(&group_socket, start_answering, NULL);
  options.address = "127.0.0.1";
  options.threads = threads;
  options.on_stop = count_stop;
  return options;
}

dgram_group_t *start_group(const dgram_group_options_t *options) {
  dgram_group_t **group = groups[0] == NULL ? &groups[0] : &groups[1];
  assert_null(*group);
  memset(counts, 0, sizeof counts);
  watch();
  assert_int_equal(dgram_group_start(options, group), 0);
  assert_non_null(*group);
  if (options->threads != 0)
    assert_int_equal(dgram_group_size(*group), options->threads);
  return *group;
}

void assert_not_started(const dgram_group_options_t *options, int expected) {
  dgram_group_t *group = (dgram_group_t *)counts; /* not NULL */
  assert_int_equal(dgram_group_start(options, &group), expected);
  assert_null(group);
}

void stop_group(dgram_group_t *group) {
  int size = dgram_group_size(group);
  assert_int_equal(dgram_group_stop(group), 0);
  groups[group == groups[0] ? 0 : 1] = NULL;
  for (int i = 0; i < size; i++) {
    assert_int_equal(counts[i].failures, 0);
    assert_int_equal(counts[i].stops, 1);
  }
}

int port_of_group(const dgram_group_t *group) {
  dgram_address_t address;
  assert_int_equal(dgram_group_address(group, &address), 0);
  assert_in_range(address.port, 1, 65535);
  return address.port;
}

int answer_from(int fd, const void *bytes, size_t size) {
  unsigned char reply[64] = {0};
  assert_true(size < sizeof reply);
  assert_int_equal(recv(fd, reply, sizeof reply, 0), size + 1);
  assert_memory_equal(reply + 1, bytes, size);
  return reply[0];
}

int receiver_of(int fd, const void *bytes, size_t size, const dgram_group_t *group) {
  raw_send(fd, bytes, size, port_of_group(group));
  return answer_from(fd, bytes, size);
}

int receiver_of_byte(unsigned char byte, const dgram_group_t *group) {
  int fd = raw_socket();
  int index = receiver_of(fd, &byte, 1, group);
  close(fd);
  return index;
}

/* ---- CPUs ---- */

int allowed_cpus(int cpus[CPU_SETSIZE]) {
  cpu_set_t allowed;
  int count = 0;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0)
    return 0;
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
    if (CPU_ISSET(cpu, &allowed))
      cpus[count++] = cpu;
  return count;
}

void stay_on(const int cpus[], int count) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (int i = 0; i < count; i++)
    CPU_SET(cpus[i], &set);
  assert_int_equal(sched_setaffinity(0, sizeof set, &set), 0);
}
