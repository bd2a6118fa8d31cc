/*
 * What the socket tests share: a loop with a watchdog, sockets that are bound at once, and notes
 * of what happened in which order. It knows the library by <dgram.h> only.
 *
 * The heavy tests divide their amounts by the environment variable DGRAM_TEST_SCALE (default 1):
 * set it where a program runs much slower, as under valgrind.
 */
#ifndef SOCKET_TEST_H
#define SOCKET_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dgram.h>

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the loop ---- */

enum {
  WATCHDOG_SECONDS = 20,
  ROOM = 8 * 1024 * 1024 /* of receive buffers that should hold much, in bytes */
};

static inline unsigned test_scale(void) {
  const char *scale = getenv("DGRAM_TEST_SCALE");
  int number = scale != NULL ? atoi(scale) : 1;
  return number > 1 ? (unsigned)number : 1;
}

/* A signal, since a loop that never comes to its end may not come to its timers either. */
static inline void watchdog_bites(int number) {
  static const char text[] = "watchdog: this test does not come to its end\n";
  ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
  (void)written;
  _exit(98);
}

static inline void fail_on_unhandled(dgram_socket_t *socket, const dgram_error_t *error,
                                     void *context) {
  fail_msg("unhandled 'error': %s", error->message);
}

static char notes[8192];

static inline void watch(void) {
  signal(SIGALRM, watchdog_bites);
  alarm(WATCHDOG_SECONDS * (test_scale() > 1 ? 10 : 1));
}

/*
 * A loop of the test's own. After a test that failed it is left as it is, so it is on the heap:
 * another loop must not get its address.
 */
static inline uv_loop_t *open_loop(void) {
  uv_loop_t *loop = malloc(sizeof *loop);
  assert_non_null(loop);
  assert_int_equal(uv_loop_init(loop), 0);
  notes[0] = '\0';
  dgram_on_unhandled_error(fail_on_unhandled, NULL);
  watch();
  return loop;
}

static inline void run_to_end(uv_loop_t *loop) {
  assert_int_equal(uv_run(loop, UV_RUN_DEFAULT), 0);
}

/* Runs the loop to its end; that it can be closed then proves that no handle was left. */
static inline void close_loop(uv_loop_t *loop) {
  run_to_end(loop);
  assert_int_equal(uv_loop_close(loop), 0);
  free(loop);
  alarm(0);
}

/* Runs the loop until the flag (or count) is no longer below `wanted`. */
static inline void run_until(uv_loop_t *loop, const int *reached, int wanted) {
  while (*reached < wanted)
    if (uv_run(loop, UV_RUN_ONCE) == 0 && *reached < wanted)
      fail_msg("the loop ended at %d of %d", *reached, wanted);
}

/* ---- notes: what happened, in order, one word each ---- */

static inline void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

static inline void note(const char *format, ...) {
  size_t length = strlen(notes);
  if (length > 0)
    length += (size_t)snprintf(notes + length, sizeof notes - length, " ");
  va_list arguments;
  va_start(arguments, format);
  int written = vsnprintf(notes + length, sizeof notes - length, format, arguments);
  va_end(arguments);
  assert_true(written >= 0 && (size_t)written < sizeof notes - length);
}

/* Compares the notes, and begins anew. */
#define assert_notes(expected)            \
  do {                                    \
    assert_string_equal(notes, expected); \
    notes[0] = '\0';                      \
  } while (0)

/* Listeners and callbacks that note their context, a word. */

static inline void note_event(dgram_socket_t *socket, void *context) {
  note("%s", (const char *)context);
}

static inline void note_message(dgram_socket_t *socket, const char *message,
                                const dgram_rinfo_t *rinfo, void *context) {
  note("%s(%.*s)", (const char *)context, (int)rinfo->size, message);
}

static inline void note_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  note("%s(%s)", (const char *)context, error->name);
}

static inline void note_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                             void *context) {
  if (error != NULL)
    note("%s(%s)", (const char *)context, error->name);
  else
    note("%s", (const char *)context);
}

/* ---- counts ---- */

static inline void count_event(dgram_socket_t *socket, void *context) {
  ++*(int *)context;
}

static inline void count_message(dgram_socket_t *socket, const char *message,
                                 const dgram_rinfo_t *rinfo, void *context) {
  ++*(int *)context;
}

static inline void count_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                              void *context) {
  assert_null(error);
  ++*(int *)context;
}

/* ---- errors, kept beyond the listener ---- */

struct kept_error {
  int calls;
  int code;
  char name[64];
  char syscall[32];
  char address[300];
  int port;
  char message[400];
};

static inline void keep_text(char *to, size_t size, const char *text) {
  int length = snprintf(to, size, "%s", text != NULL ? text : "NULL");
  assert_true(length >= 0 && (size_t)length < size);
}

static inline void keep_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  struct kept_error *kept = context;
  kept->calls++;
  kept->code = error->code;
  kept->port = error->port;
  keep_text(kept->name, sizeof kept->name, error->name);
  keep_text(kept->syscall, sizeof kept->syscall, error->syscall);
  keep_text(kept->address, sizeof kept->address, error->address);
  keep_text(kept->message, sizeof kept->message, error->message);
}

/* As a send's callback: the send must fail. */
static inline void keep_send_error(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                                   void *context) {
  assert_non_null(error);
  assert_int_equal(bytes, 0);
  keep_error(socket, error, context);
}

/* ---- sockets ---- */

static inline dgram_socket_t *new_socket(uv_loop_t *loop, dgram_type_t type,
                                         dgram_message_cb on_message, void *context) {
  dgram_socket_t *socket = NULL;
  assert_int_equal(dgram_create_socket(loop, type, on_message, context, &socket), 0);
  assert_non_null(socket);
  return socket;
}

static inline int port_of(const dgram_socket_t *socket) {
  dgram_address_t address;
  assert_int_equal(dgram_address(socket, &address), 0);
  assert_in_range(address.port, 1, 65535);
  return address.port;
}

/* Binds to a free port and runs the loop until that is done. Returns the port. */
static inline int bind_now(dgram_socket_t *socket, const char *address) {
  int listening = 0;
  assert_int_equal(dgram_bind(socket, 0, address, count_event, &listening), 0);
  run_until(dgram_loop(socket), &listening, 1);
  return port_of(socket);
}

/* A udp4 socket on 127.0.0.1, bound. */
static inline dgram_socket_t *new_bound(uv_loop_t *loop, dgram_message_cb on_message, void *context,
                                        int *port) {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, on_message, context);
  *port = bind_now(socket, "127.0.0.1");
  return socket;
}

/* As new_bound(), with the largest receive buffer that the system grants. */
static inline dgram_socket_t *new_roomy(uv_loop_t *loop, dgram_message_cb on_message, void *context,
                                        int *port) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.recv_buffer_size = ROOM;
  dgram_socket_t *socket = NULL;
  assert_int_equal(dgram_create_socket_options(loop, &options, on_message, context, &socket), 0);
  *port = bind_now(socket, "127.0.0.1");
  return socket;
}

static inline void send_text(dgram_socket_t *socket, const char *text, int port,
                             dgram_send_cb callback, void *context) {
  assert_int_equal(dgram_send(socket, text, strlen(text), port, "127.0.0.1", callback, context), 0);
}

static inline void close_socket(dgram_socket_t *socket) {
  assert_int_equal(dgram_close(socket, NULL, NULL), 0);
}

/* Sends a datagram to the socket and back to prove that it can still do both; it is bound. */
static inline void assert_usable(dgram_socket_t *socket) {
  int sent = 0;
  int received = 0;
  assert_int_equal(dgram_on_message(socket, count_message, &received), 0);
  assert_int_equal(dgram_send(socket, "x", 1, port_of(socket), NULL, count_sent, &sent), 0);
  run_until(dgram_loop(socket), &received, 1);
  assert_int_equal(sent, 1);
  assert_int_equal(received, 1);
  assert_int_equal(dgram_off_message(socket, count_message, &received), 0);
}

/* ---- the system ---- */

static inline struct sockaddr_in loopback_address(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

/* A socket of the system's, in blocking mode, on 127.0.0.1 and a free port. */
static inline int raw_socket(void) {
  struct sockaddr_in address = loopback_address(0);
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  int room = ROOM; /* or what the system grants */
  assert_true(fd >= 0);
  assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room), 0);
  assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
  return fd;
}

static inline int raw_port(int fd) {
  struct sockaddr_in address = {0};
  socklen_t length = sizeof address;
  assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
  return ntohs(address.sin_port);
}

static inline int is_free_port(int port) {
  struct sockaddr_in address = loopback_address(port);
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  assert_true(fd >= 0);
  int bound = bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
  close(fd);
  return bound;
}

/*
 * A port to bind to later. It is none of those that the system gives to who asks for any (on Linux
 * from 32,768 on): the next moment another test would have it.
 */
static inline int free_port(void) {
  static int next;
  int port;
  do
    port = 10240 + (getpid() * 64 + next++) % 20480;
  while (!is_free_port(port));
  return port;
}

static inline void raw_send(int fd, const void *bytes, size_t size, int port) {
  struct sockaddr_in to = loopback_address(port);
  assert_int_equal(sendto(fd, bytes, size, 0, (struct sockaddr *)&to, sizeof to), size);
}

static inline int have_ipv6(void) {
  struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
  int fd = socket(AF_INET6, SOCK_DGRAM, 0);
  int bound = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
  if (fd >= 0)
    close(fd);
  return bound;
}

/* Call before the loop is opened. */
#define skip_without_ipv6()                              \
  do {                                                   \
    if (!have_ipv6()) {                                  \
      print_message("skipped: no IPv6 loopback here\n"); \
      skip();                                            \
    }                                                    \
  } while (0)

#endif
