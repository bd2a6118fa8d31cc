/*
 * Ten thousand idle sockets cost a loop their structs, and not the receive memory ten thousand
 * times over.
 */
#include "lib/fixture.h"

#include <sys/resource.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

enum {
  SOCKETS = 10000,
  MOST_BYTES_EACH = 1024,
  COUNTERS = 256, /* bytes of heap, of a socket that has sent or received */
  INBOX = 8388608,
  SLACK = 65536
};

#ifdef __GLIBC__
static size_t heap_in_use(void) {
  struct mallinfo2 info = {0};
#if defined(__has_feature)
#if __has_feature(memory_sanitizer) /* takes what mallinfo2() returns for uninitialised */
  return 0;
#endif
#endif
  info = mallinfo2();
  return info.uordblks + info.hblkhd;
}
#else
static size_t heap_in_use(void) {
  return 0;
}
#endif

/* The allocators of valgrind and the sanitizers always answer the same. */
static int heap_is_counted(void) {
  size_t before = heap_in_use();
  void *volatile block = malloc(100000); /* volatile: not to be optimised away */
  size_t after = heap_in_use();
  free(block);
  return block != NULL && after >= before + 100000;
}

/* Each socket is a descriptor. */
static int can_open(rlim_t descriptors) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return 0;
  if (limit.rlim_cur >= descriptors)
    return 1;
  limit.rlim_cur = descriptors;
  if (limit.rlim_max < descriptors)
    limit.rlim_max = descriptors;
  return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

static void skip_unless_measurable(void) {
  const char *why = heap_is_counted() ? NULL : "this allocator does not count its heap";
  if (why == NULL && !can_open(SOCKETS + 100))
    why = "RLIMIT_NOFILE can't be raised to 10,100";
  if (why != NULL) {
    print_message("skipped: %s\n", why);
    skip();
  }
}

static dgram_socket_t *sockets[SOCKETS];

/* On many addresses, and not those of another run at this time: one has not enough free ports. */
static void open_all(uv_loop_t *loop, int *received) {
  int listening = 0;
  for (int i = 0; i < SOCKETS; i++) {
    char address[32];
    snprintf(address, sizeof address, "127.0.%d.%d", (int)getpid() % 250, 1 + i % 100);
    assert_int_equal(dgram_create_socket(loop, DGRAM_UDP4, count_message, received, &sockets[i]),
                     0);
    assert_int_equal(dgram_bind(sockets[i], 0, address, count_event, &listening), 0);
  }
  run_until(loop, &listening, SOCKETS);
}

static void close_all(uv_loop_t *loop) {
  for (int i = 0; i < SOCKETS; i++)
    close_socket(sockets[i]);
  run_to_end(loop);
}

static void send_to_socket(int fd, int i) {
  dgram_address_t address;
  assert_int_equal(dgram_address(sockets[i], &address), 0);
  struct sockaddr_in to = loopback_address(address.port);
  assert_int_equal(inet_pton(AF_INET, address.address, &to.sin_addr), 1);
  assert_int_equal(sendto(fd, "x", 1, 0, (const struct sockaddr *)&to, sizeof to), 1);
}

TEST("an idle socket costs at most 1024 bytes of heap") {
  skip_unless_measurable();
  int received = 0;
  size_t before = heap_in_use();
  open_all(loop, &received);
  size_t each = (heap_in_use() - before) / SOCKETS;
  print_message("%zu bytes of heap each\n", each);
  close_all(loop);
  reopen_loop(loop);
  assert_in_range(each, 1, MOST_BYTES_EACH);
  assert_in_range(heap_in_use(), 0, before + SLACK);
}

TEST("sockets that have received share their receive buffers") {
  skip_unless_measurable();
  int fd = raw_socket();
  int received = 0;
  open_all(loop, &received);
  size_t before = heap_in_use();
  for (int i = 0; i < SOCKETS; i++) {
    send_to_socket(fd, i);
    if (i % 100 == 99)
      run_until(loop, &received, i + 1);
  }
  size_t after = heap_in_use();
  close(fd);
  close_all(loop);
  assert_in_range(after, before, before + INBOX + (size_t)SOCKETS * COUNTERS);
}
