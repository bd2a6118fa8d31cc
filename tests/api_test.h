/*
 * What the tests of connect, adoption, options, groups, look-ups, signals and put-off work share,
 * beyond socket_test.h.
 */
#ifndef API_TEST_H
#define API_TEST_H

#include "socket_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>

/* ---- the loop ---- */

/*
 * Runs the loop as often as anything needs that waits for nobody else: a datagram over loopback
 * is there when its send has returned. What has not happened then will not.
 */
static inline void settle(uv_loop_t *loop) {
  enum { TURNS = 100 }; /* a turn tells few datagrams where the machine is slow */
  for (int i = 0; i < TURNS; i++)
    uv_run(loop, UV_RUN_NOWAIT);
}

/* Runs the loop until the notes are as expected, which they must become. */
static inline void run_until_notes(uv_loop_t *loop, const char *expected) {
  while (strncmp(notes, expected, strlen(notes)) == 0 && strcmp(notes, expected) != 0)
    if (uv_run(loop, UV_RUN_ONCE) == 0)
      break;
  assert_notes(expected);
}

/* ---- sockets ---- */

static inline dgram_socket_t *new_with(uv_loop_t *loop, const dgram_options_t *options) {
  dgram_socket_t *socket = NULL;
  assert_int_equal(dgram_create_socket_options(loop, options, NULL, NULL, &socket), 0);
  assert_non_null(socket);
  return socket;
}

/* A listener of 'connect', and a callback of dgram_connect(), that notes its context, a word. */
static inline void note_connect(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  if (error != NULL)
    note("%s(%s)", (const char *)context, error->name);
  else
    note("%s", (const char *)context);
}

static inline void count_connect(dgram_socket_t *socket, const dgram_error_t *error,
                                 void *context) {
  assert_null(error);
  ++*(int *)context;
}

/* Connects to a port of 127.0.0.1, and runs the loop until that is done. */
static inline void connect_now(dgram_socket_t *socket, int port) {
  int connected = 0;
  assert_int_equal(dgram_connect(socket, port, NULL, count_connect, &connected), 0);
  run_until(dgram_loop(socket), &connected, 1);
}

/* Notes every event of the socket but 'message'. */
static inline void note_events(dgram_socket_t *socket) {
  assert_int_equal(dgram_on_listening(socket, note_event, "listening"), 0);
  assert_int_equal(dgram_on_connect(socket, note_connect, "connect"), 0);
  assert_int_equal(dgram_on_error(socket, note_error, "error"), 0);
  assert_int_equal(dgram_on_close(socket, note_event, "close"), 0);
}

/* ---- sockets of the system's ---- */

static inline void raw_connect(int fd, int port) {
  struct sockaddr_in peer = loopback_address(port);
  assert_int_equal(connect(fd, (struct sockaddr *)&peer, sizeof peer), 0);
}

/*
 * A socket of the system's that holds a port of 127.0.0.1 and takes datagrams from nobody, since
 * it is connected to itself: what is sent there is refused (ICMP), or goes to another socket on
 * this port if that has SO_REUSEADDR too.
 */
static inline int raw_holder(int *port) {
  int on = 1;
  struct sockaddr_in address = loopback_address(0);
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  assert_true(fd >= 0);
  assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
  assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
  *port = raw_port(fd);
  raw_connect(fd, *port);
  return fd;
}

/* Reads all that has arrived: the datagrams' texts, one word each. */
static inline const char *arrived(int fd) {
  static char texts[4096];
  size_t length = 0;
  ssize_t size;
  while ((size = recv(fd, texts + length, sizeof texts - length - 1, MSG_DONTWAIT)) >= 0) {
    length += (size_t)size;
    texts[length++] = ' ';
  }
  texts[length > 0 ? length - 1 : 0] = '\0';
  return texts;
}

/* Waits for one datagram; returns the sender's port. */
static inline int raw_receive(int fd, char *text, size_t size) {
  struct sockaddr_in from;
  socklen_t length = sizeof from;
  ssize_t got = recvfrom(fd, text, size - 1, 0, (struct sockaddr *)&from, &length);
  assert_true(got >= 0);
  text[got] = '\0';
  return ntohs(from.sin_port);
}

static inline int is_open(int fd) {
  return fcntl(fd, F_GETFD) != -1;
}

enum { GROUP_TEXT = 32 };

/*
 * A group of IPv4, made of a bound port so that no other test has it: a socket may also receive
 * what is sent to groups that others have joined.
 */
static inline void name_group(char group[GROUP_TEXT], int net, int port) {
  snprintf(group, GROUP_TEXT, "%d.1.%d.%d", net, port / 256, port % 256);
}

/* ---- a program's own look-up ---- */

enum { MOST_QUESTIONS = 64 };

struct question {
  dgram_lookup_t *lookup; /* NULL: answered */
  dgram_type_t type;
  char host[300];
};

/* Zero-initialised: it keeps the questions, and the test answers them. */
struct hook {
  const char *at_once; /* an address: it answers this inside the call */
  int fails;           /* or a code: it fails with this inside the call */
  int asked;
  struct question questions[MOST_QUESTIONS];
};

static inline void answer(struct hook *hook, int number, int status, const char *address) {
  dgram_lookup_t *lookup = hook->questions[number].lookup;
  assert_non_null(lookup);
  hook->questions[number].lookup = NULL;
  dgram_lookup_done(lookup, status, address);
}

static inline void ask_hook(dgram_lookup_t *lookup, const char *host, dgram_type_t type,
                            void *context) {
  struct hook *hook = context;
  assert_in_range(hook->asked, 0, MOST_QUESTIONS - 1);
  struct question *question = &hook->questions[hook->asked++];
  question->lookup = lookup;
  question->type = type;
  keep_text(question->host, sizeof question->host, host);
  note("ask(%s)", host);
  if (hook->at_once != NULL || hook->fails != 0)
    answer(hook, hook->asked - 1, hook->fails, hook->at_once);
}

static inline dgram_options_t hooked_options(dgram_type_t type, struct hook *hook) {
  dgram_options_t options = dgram_default_options(type);
  options.lookup = ask_hook;
  options.lookup_context = hook;
  return options;
}

static inline dgram_socket_t *new_hooked(uv_loop_t *loop, dgram_type_t type, struct hook *hook) {
  dgram_options_t options = hooked_options(type, hook);
  return new_with(loop, &options);
}

/* As new_hooked(), bound to 127.0.0.1 and a free port; the hook has forgotten that question. */
static inline dgram_socket_t *new_hooked_bound(uv_loop_t *loop, struct hook *hook) {
  dgram_socket_t *socket = new_hooked(loop, DGRAM_UDP4, hook);
  assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), 0);
  answer(hook, 0, 0, "127.0.0.1");
  assert_true(port_of(socket) > 0);
  hook->asked = 0;
  notes[0] = '\0';
  return socket;
}

/* ---- a program's own queue ---- */

enum { MOST_TASKS = 256 };

/* Zero-initialised: it takes every task, and the test has them run. */
struct agenda {
  int refuses; /* it takes none, so the loop does what is asked */
  int asked;
  int count;
  dgram_task_t *tasks[MOST_TASKS];
};

static inline int put_off(dgram_task_t *task, void *context) {
  struct agenda *agenda = context;
  agenda->asked++;
  if (agenda->refuses)
    return 0;
  assert_in_range(agenda->count, 0, MOST_TASKS - 1);
  agenda->tasks[agenda->count++] = task;
  return 1;
}

/* Takes one task off and runs it; the others move up. */
static inline void run_task(struct agenda *agenda, int number) {
  dgram_task_t *task = agenda->tasks[number];
  agenda->count--;
  for (int i = number; i < agenda->count; i++)
    agenda->tasks[i] = agenda->tasks[i + 1];
  dgram_task_run(task);
}

/* Runs all, also those that come while they run: the first first, or the newest first. */
static inline void run_tasks(struct agenda *agenda) {
  while (agenda->count > 0)
    run_task(agenda, 0);
}

static inline void run_tasks_backwards(struct agenda *agenda) {
  while (agenda->count > 0)
    run_task(agenda, agenda->count - 1);
}

static inline dgram_options_t deferring_options(struct agenda *agenda) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.defer = put_off;
  options.defer_context = agenda;
  return options;
}

static inline dgram_socket_t *new_deferring(uv_loop_t *loop, struct agenda *agenda) {
  dgram_options_t options = deferring_options(agenda);
  return new_with(loop, &options);
}

/* As new_deferring(), bound to 127.0.0.1 and a free port; nothing is put off. */
static inline dgram_socket_t *new_deferring_bound(uv_loop_t *loop, struct agenda *agenda) {
  dgram_socket_t *socket = new_deferring(loop, agenda);
  assert_int_equal(dgram_bind_sync(socket, 0, "127.0.0.1"), 0);
  run_tasks(agenda);
  agenda->asked = 0;
  return socket;
}

#endif
