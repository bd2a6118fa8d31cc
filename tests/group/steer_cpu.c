/*
 * DGRAM_STEER_CPU: the CPU that receives a datagram says which socket gets it. On loopback that is
 * the one on which it was sent.
 */
#include "cpus_test.h"

enum { THREADS = 2 };

static int cpus[CPU_SETSIZE];
static int cpu_count;

static dgram_group_t *start_steered(int pin) {
  dgram_options_t socket = dgram_default_options(DGRAM_UDP4);
  dgram_group_options_t options = answering(&socket, THREADS);
  options.steer = DGRAM_STEER_CPU;
  options.pin = pin;
  return start_group(&options);
}

/* From one CPU, but several ports. */
static void check_home(dgram_group_t *group, int cpu, int expected) {
  stay_on(&cpu, 1);
  for (int i = 0; i < 16; i++) {
    int fd = raw_socket();
    assert_int_equal(ask(fd, "x", 1, port_of_group(group)), expected);
    close(fd);
  }
  stay_on(cpus, cpu_count);
}

static void by_number(void **state) {
  dgram_group_t *group = start_steered(0);
  for (int i = 0; i < cpu_count; i++)
    check_home(group, cpus[i], cpus[i] % THREADS);
  stop_group(group);
}

static void to_the_thread_that_is_pinned_there(void **state) {
  dgram_group_t *group = start_steered(1);
  for (int i = 0; i < cpu_count && i < THREADS; i++)
    check_home(group, cpus[i], i);
  stop_group(group);
}

/* Both threads on the last CPU: the first one has it; the other CPUs go by number. */
static void to_the_first_thread_of_several(void **state) {
  int last = cpus[cpu_count - 1];
  stay_on(&last, 1);
  dgram_group_t *group = start_steered(1);
  check_home(group, last, 0);
  for (int i = 0; i < cpu_count - 1; i++)
    check_home(group, cpus[i], cpus[i] % THREADS);
  stop_group(group);
}

static int set_up(void **state) {
  cpu_count = allowed_cpus(cpus);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(by_number),
      cmocka_unit_test(to_the_thread_that_is_pinned_there),
      cmocka_unit_test(to_the_first_thread_of_several),
  };
  return cmocka_run_group_tests_name("steer_cpu", tests, set_up, NULL);
}
