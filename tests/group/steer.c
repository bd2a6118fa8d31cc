/*
 * Which of a group's sockets gets a datagram: by flow (the default), by CPU (on loopback the one on
 * which it was sent), or by a number in its payload. Each datagram goes to one of them.
 */
#include "lib/group_fixture.h"

enum { THREADS = 3 };

/* ---- by flow ---- */

enum { FLOWS = 64, ROUNDS = 4 };

/* Each flow sends sequence numbers. A duplicate answer would be read as the next one. */
TEST("each thread has flows, and each flow stays with one thread") {
  dgram_group_options_t options = answering(THREADS);
  dgram_group_t *group = start_group(&options);
  int port = port_of_group(group);
  int fds[FLOWS];
  int owner[FLOWS];
  int flows[THREADS] = {0};
  char none;
  for (int i = 0; i < FLOWS; i++)
    fds[i] = raw_socket();
  for (int round = 0; round < ROUNDS; round++) {
    for (int i = 0; i < FLOWS; i++)
      raw_send(fds[i], &round, sizeof round, port);
    for (int i = 0; i < FLOWS; i++) {
      int index = answer_from(fds[i], &round, sizeof round);
      if (round == 0)
        owner[i] = index;
      assert_int_equal(index, owner[i]);
    }
  }
  for (int i = 0; i < FLOWS; i++)
    flows[owner[i]]++;
  for (int i = 0; i < THREADS; i++) {
    assert_true(flows[i] > 0); /* by chance once in 10^11 */
    assert_int_equal(counts[i].messages, flows[i] * ROUNDS);
  }
  stop_group(group);
  for (int i = 0; i < FLOWS; i++) {
    assert_int_equal(recv(fds[i], &none, 1, MSG_DONTWAIT), -1);
    close(fds[i]);
  }
}

TEST("a group of one has all flows") {
  dgram_group_options_t options = answering(1);
  assert_int_equal(receiver_of_byte('x', start_group(&options)), 0);
}

/* ---- by CPU ---- */

static int cpus[CPU_SETSIZE];

static dgram_group_t *start_by_cpu(int pin) {
  dgram_group_options_t options = answering(2);
  options.steer = DGRAM_STEER_CPU;
  options.pin = pin;
  return start_group(&options);
}

/* From one CPU, but several ports. */
static void assert_owner(dgram_group_t *group, int cpu, int count, int expected) {
  stay_on(&cpu, 1);
  for (int i = 0; i < 16; i++)
    assert_int_equal(receiver_of_byte('x', group), expected);
  stay_on(cpus, count);
}

TEST("a datagram goes by its CPU's number where no thread is pinned") {
  int count = allowed_cpus(cpus);
  dgram_group_t *group = start_by_cpu(0);
  for (int i = 0; i < count; i++)
    assert_owner(group, cpus[i], count, cpus[i] % 2);
}

TEST("a datagram goes to the thread that is pinned to its CPU") {
  int count = allowed_cpus(cpus);
  dgram_group_t *group = start_by_cpu(1);
  for (int i = 0; i < count && i < 2; i++)
    assert_owner(group, cpus[i], count, i);
}

/* Both threads on the last CPU: the first one has it; the other CPUs go by number. */
TEST("a datagram goes to the first of several threads that are pinned to its CPU") {
  int count = allowed_cpus(cpus);
  stay_on(&cpus[count - 1], 1);
  dgram_group_t *group = start_by_cpu(1);
  assert_owner(group, cpus[count - 1], count, 0);
  for (int i = 0; i < count - 1; i++)
    assert_owner(group, cpus[i], count, cpus[i] % 2);
}

/* ---- by payload ---- */

static dgram_group_t *start_by_payload(int offset, int width) {
  dgram_group_options_t options = answering(THREADS);
  options.steer = DGRAM_STEER_PAYLOAD;
  options.payload_offset = offset;
  options.payload_width = width;
  return start_group(&options);
}

TEST("a number in the payload decides, from any sender") {
  dgram_group_t *group = start_by_payload(0, 1);
  for (int number = 0; number < 256; number++)
    assert_int_equal(receiver_of_byte((unsigned char)number, group), number % THREADS);
}

/* The bytes before and after it would select another thread. */
TEST("a number in the payload may be of 1, 2 or 4 bytes and anywhere") {
  static const struct {
    int width;
    unsigned char bytes[6]; /* from offset 1 on */
    unsigned long number;
  } cases[] = {
      {1, {1, 200, 1, 1, 1, 1}, 200},
      {2, {1, 0x12, 0x35, 1, 1, 1}, 0x1235},
      {2, {1, 0xff, 0xfe, 0, 0, 0}, 0xfffe},
      {4, {1, 0x12, 0x34, 0x56, 0x79, 1}, 0x12345679},
      {4, {1, 0xff, 0xff, 0xff, 0xfe, 0}, 0xfffffffe},
  };
  int fd = raw_socket();
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    dgram_group_t *group = start_by_payload(1, cases[i].width);
    assert_int_equal(receiver_of(fd, cases[i].bytes, sizeof cases[i].bytes, group),
                     cases[i].number % THREADS);
    stop_group(group);
  }
  close(fd);
}

/* One byte short, from 64 ports: they do not all go to one thread. */
TEST("a payload that is too short for the number goes by its flow") {
  dgram_group_t *group = start_by_payload(3, 2);
  int seen[THREADS] = {0};
  for (int i = 0; i < 64; i++) {
    int fd = raw_socket();
    int owner = receiver_of(fd, "abcd", 4, group);
    assert_int_equal(receiver_of(fd, "", 0, group), owner);
    seen[owner]++;
    close(fd);
  }
  for (int i = 0; i < THREADS; i++)
    assert_true(seen[i] > 0);
}

TEST("a number in the payload decides in a udp6 group, too") {
  skip_without_ipv6();
  group_socket = dgram_default_options(DGRAM_UDP6);
  dgram_group_options_t options = answering(THREADS);
  options.steer = DGRAM_STEER_PAYLOAD;
  options.address = NULL;
  dgram_group_t *group = start_group(&options);
  int fd = raw_socket(); /* of IPv4 */
  for (int i = 0; i < 2 * THREADS; i++) {
    unsigned char number = (unsigned char)i;
    assert_int_equal(receiver_of(fd, &number, 1, group), i % THREADS);
  }
  close(fd);
}
