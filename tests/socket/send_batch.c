/*
 * Numbers of datagrams in one turn around those at which the library works in batches, and well
 * past them (bun#33391: tests that never went past one internal batch; uv#5245, uv#3129: datagrams
 * skipped or sent twice where a batch ended).
 */
#include "lib/fixture.h"

enum { MOST = 3 * 1024 };

static const int amounts[] = {1,   2,   63,  64,  65,  127, 128,  129,  192,  255, 256,
                              257, 511, 512, 513, 768, 769, 1023, 1024, 1025, MOST};
enum { AMOUNTS = sizeof amounts / sizeof *amounts };

/* Datagram i begins with its number; what follows is there for its size only. */
struct numbered {
  int number;
  char rest[60];
};

static struct numbered datagrams[MOST];

typedef size_t size_of_fn(int i);

static size_t equal_sizes(int i) {
  return 32;
}

static size_t sizes_that_share_no_send(int i) {
  return i % 2 == 0 ? 8 : 60;
}

static size_t some_shorter_ones(int i) {
  return i % 7 == 6 ? 9 : 24;
}

/* What one receive buffer may hold: the most that the system grants, which it doubles. */
static long granted_buffer(void) {
  long most = 0;
  FILE *file = fopen("/proc/sys/net/core/rmem_max", "r");
  if (file == NULL)
    return 0;
  if (fscanf(file, "%ld", &most) != 1)
    most = 0;
  (void)fclose(file);
  return 2 * most;
}

/* The system counts up to this much of its memory for a small datagram. */
static int holds(int datagrams_held) {
  return datagrams_held <= 192 || granted_buffer() >= 1280L * datagrams_held;
}

static int completed;

static void check_callback(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                           void *context) {
  assert_null(error);
  assert_ptr_equal(context, &datagrams[completed]);
  completed++;
}

static void send_number(dgram_socket_t *socket, int i, size_of_fn *size_of, int port) {
  datagrams[i].number = i;
  assert_int_equal(
      dgram_send(socket, &datagrams[i], size_of(i), port, NULL, check_callback, &datagrams[i]), 0);
}

/* Takes what has arrived at the system's socket, which must be the numbers in order. */
static int count_numbers(int fd, size_of_fn *size_of) {
  struct numbered got;
  ssize_t size;
  int next = 0;
  while ((size = recv(fd, &got, sizeof got, MSG_DONTWAIT)) >= 0) {
    assert_int_equal(got.number, next);
    assert_int_equal(size, size_of(next));
    next++;
  }
  return next;
}

static void all_leave_once_and_in_order(uv_loop_t *loop, size_of_fn *size_of) {
  for (int a = 0; a < AMOUNTS && holds(amounts[a]); a++) {
    begin_round(loop);
    int port;
    int fd = raw_socket();
    completed = 0;
    dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
    for (int i = 0; i < amounts[a]; i++)
      send_number(socket, i, size_of, raw_port(fd));
    run_until(loop, &completed, amounts[a]);
    assert_int_equal(count_numbers(fd, size_of), amounts[a]);
    close(fd);
    close_socket(socket);
    run_to_end(loop);
    assert_int_equal(completed, amounts[a]);
  }
}

TEST("datagrams of one size all leave once and in order") {
  all_leave_once_and_in_order(loop, equal_sizes);
}

TEST("datagrams of alternating sizes all leave once and in order") {
  all_leave_once_and_in_order(loop, sizes_that_share_no_send);
}

TEST("datagrams with shorter ones among them all leave once and in order") {
  all_leave_once_and_in_order(loop, some_shorter_ones);
}

/* The sends of one destination are the odd numbers, those of the other the even ones. */
TEST("datagrams to alternating destinations all leave once and in order") {
  enum { SENDS = 257 };
  int port;
  int fds[2] = {raw_socket(), raw_socket()};
  completed = 0;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  for (int i = 0; i < SENDS; i++)
    send_number(socket, i, equal_sizes, raw_port(fds[i % 2]));
  run_until(loop, &completed, SENDS);
  for (int i = 0; i < SENDS; i++) {
    struct numbered got;
    assert_int_equal(recv(fds[i % 2], &got, sizeof got, MSG_DONTWAIT), equal_sizes(i));
    assert_int_equal(got.number, i);
  }
  close(fds[0]);
  close(fds[1]);
}

struct received {
  int count;
  size_of_fn *size_of;
};

static void check_number(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                         void *context) {
  struct received *received = context;
  int number;
  assert_int_equal(rinfo->size, received->size_of(received->count));
  memcpy(&number, message, sizeof number);
  assert_int_equal(number, received->count);
  received->count++;
}

TEST("datagrams that are sent singly are received in order") {
  for (int a = 0; a < AMOUNTS && holds(amounts[a]); a++) {
    begin_round(loop);
    struct received received = {0, equal_sizes};
    int port;
    int fd = raw_socket();
    new_roomy(loop, check_number, &received, &port);
    for (int i = 0; i < amounts[a]; i++) {
      datagrams[i].number = i;
      raw_send(fd, &datagrams[i], equal_sizes(i), port);
    }
    run_until(loop, &received.count, amounts[a]);
    close(fd);
  }
}

static void all_that_are_sent_are_received(uv_loop_t *loop, size_of_fn *size_of) {
  for (int a = 0; a < AMOUNTS && holds(amounts[a]); a++) {
    begin_round(loop);
    struct received received = {0, size_of};
    int port;
    completed = 0;
    dgram_socket_t *socket = new_roomy(loop, check_number, &received, &port);
    for (int i = 0; i < amounts[a]; i++)
      send_number(socket, i, size_of, port);
    run_until(loop, &received.count, amounts[a]);
    assert_int_equal(completed, amounts[a]);
    close_socket(socket);
    run_to_end(loop);
    assert_int_equal(received.count, amounts[a]);
  }
}

TEST("datagrams of one size are all received") {
  all_that_are_sent_are_received(loop, equal_sizes);
}

TEST("datagrams with shorter ones among them are all received") {
  all_that_are_sent_are_received(loop, some_shorter_ones);
}
