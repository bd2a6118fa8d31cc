/*
 * Executes runs of the library for callgrind to count its instructions (count.sh): through the
 * public header, over system calls of kernel.c.
 *
 *   cost RUN[,KEY=VALUE]...    executes these, prints "RUN[,KEY=VALUE]... DATAGRAMS" for each
 *   cost                       executes every run without changes
 *
 * Each run is executed twice, so that setup and warm-up are not counted: only the calls from
 * measured() are.
 */
#include <dgram.h>

#include "cost/kernel.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum {
  SIZE = 64,         /* bytes of a datagram */
  SLOTS = 64,        /* what the library receives at one call */
  DATAGRAMS = 16384, /* of a run, at least */
  PORT = 4321,
  OTHER_FILES = 64, /* descriptors of all but the sockets */
};

/* Every number can be set by its name. */
struct run {
  const char *name;
  bool receives;
  bool callback;      /* sends have one */
  bool text;          /* sends go to an address as text */
  bool batches;       /* it listens to 'messages' */
  unsigned sockets;   /* that send in turn */
  unsigned idle;      /* sockets with nothing to do */
  unsigned flows;     /* destinations, or senders, in turn; 0: the sockets are connected */
  unsigned window;    /* sends per iteration of the loop */
  unsigned segments;  /* datagrams of a received buffer */
  unsigned listeners; /* that are called for each datagram, or each batch */
};

static const struct run runs[] = {
    {.name = "send", .sockets = 1, .window = 1024},
    {.name = "send-callback", .sockets = 1, .window = 1024, .callback = true},
    {.name = "send-fanout", .sockets = 1, .window = 1024, .callback = true, .flows = 256},
    {.name = "send-text", .sockets = 1, .window = 1024, .callback = true, .flows = 1, .text = true},
    {.name = "send-sockets", .sockets = 256, .window = 256, .callback = true},
    {.name = "receive", .receives = true, .sockets = 1, .flows = 1, .segments = 1, .listeners = 1},
    {.name = "receive-joined",
     .receives = true,
     .sockets = 1,
     .flows = 1,
     .segments = 64,
     .listeners = 1},
    {.name = "receive-messages",
     .receives = true,
     .sockets = 1,
     .flows = 1,
     .segments = 64,
     .listeners = 1,
     .batches = true},
};
enum { RUNS = sizeof runs / sizeof runs[0] };

static const struct {
  const char *name;
  size_t offset;
} keys[] = {
    {"sockets", offsetof(struct run, sockets)},   {"idle", offsetof(struct run, idle)},
    {"flows", offsetof(struct run, flows)},       {"window", offsetof(struct run, window)},
    {"segments", offsetof(struct run, segments)}, {"listeners", offsetof(struct run, listeners)},
};
enum { KEYS = sizeof keys / sizeof keys[0] };

struct state {
  struct run run;
  uv_loop_t loop;
  dgram_socket_t **sockets; /* those that send or receive, then the idle ones */
  struct sockaddr_in *flows;
  char (*texts)[INET_ADDRSTRLEN]; /* of the flows */
  uint64_t begun;                 /* sends */
  uint64_t callbacks;             /* callbacks of sends, or messages by all listeners */
};

static void check(bool holds, const char *what) {
  if (holds)
    return;
  fprintf(stderr, "cost: %s\n", what);
  exit(1);
}

static void *allocate(size_t count, size_t size) {
  void *memory = calloc(count > 0 ? count : 1, size);
  check(memory != NULL, "no memory");
  return memory;
}

/* ---- callbacks ---- */

static void on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                    void *context) {
  check(error == NULL, "a send failed");
  ((struct state *)context)->callbacks++;
}

static void on_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  check(rinfo->size == SIZE, "a message of a wrong size");
  ((struct state *)context)->callbacks++;
}

static void on_messages(dgram_socket_t *socket, const dgram_message_t *const messages[],
                        size_t count, void *context) {
  ((struct state *)context)->callbacks += count;
}

/* ---- executing a run ---- */

static void send_one(struct state *state) {
  static char payload[SIZE];
  const struct run *run = &state->run;
  dgram_socket_t *socket = state->sockets[state->begun % run->sockets];
  dgram_send_cb callback = run->callback ? on_sent : NULL;
  uint64_t flow = run->flows > 0 ? state->begun % run->flows : 0;
  state->begun++;
  uv_buf_t buffer = {.base = payload, .len = sizeof payload};
  int err;
  if (run->text) {
    err = dgram_send(socket, payload, sizeof payload, PORT, state->texts[flow], callback, state);
  } else {
    const void *to = run->flows > 0 ? &state->flows[flow] : NULL;
    err = dgram_send_to(socket, &buffer, 1, to, callback, state);
  }
  check(err == 0, "a send was not accepted");
}

static unsigned datagrams_per_iteration(const struct run *run) {
  return run->receives ? SLOTS * run->segments : run->window;
}

static unsigned iterations(const struct run *run) {
  unsigned each = datagrams_per_iteration(run);
  return (DATAGRAMS + each - 1) / each;
}

static void run_iterations(struct state *state) {
  for (unsigned done = 0; done < iterations(&state->run); done++) {
    for (unsigned i = 0; i < state->run.window; i++)
      send_one(state);
    uv_run(&state->loop, UV_RUN_NOWAIT);
  }
}

/* callgrind counts from the start of this function to its end, and writes a profile. */
__attribute__((noinline)) static void measured(struct state *state) {
  run_iterations(state);
}

/* Checks that exactly the expected datagrams and callbacks have arrived. */
static void check_result(const struct state *state, uint64_t bytes_before) {
  const struct run *run = &state->run;
  uint64_t datagrams = 2ULL * iterations(run) * datagrams_per_iteration(run);
  if (run->receives) {
    check(state->callbacks == datagrams * run->listeners, "messages are missing");
    return;
  }
  check(kernel_bytes_sent() - bytes_before == datagrams * SIZE, "not all was sent");
  check(!run->callback || state->callbacks == datagrams, "callbacks are missing");
}

/* ---- setting up ---- */

static dgram_socket_t *new_socket(struct state *state) {
  dgram_socket_t *socket;
  check(dgram_create_socket(&state->loop, DGRAM_UDP4, NULL, NULL, &socket) == 0, "no socket");
  check(dgram_bind_sync(socket, 0, "127.0.0.1") == 0, "can't bind");
  return socket;
}

/* Sends one real datagram, which is never read. */
static void make_readable(dgram_socket_t *socket) {
  struct sockaddr_in self;
  socklen_t length = sizeof self;
  int fd = dgram_fileno(socket);
  check(getsockname(fd, (struct sockaddr *)&self, &length) == 0 &&
            sendto(fd, "", 1, 0, (struct sockaddr *)&self, length) == 1,
        "can't make a socket readable");
}

static void prepare_receiver(struct state *state, dgram_socket_t *socket) {
  for (unsigned i = 0; i < state->run.listeners; i++) {
    int err = state->run.batches ? dgram_on_messages(socket, on_messages, state)
                                 : dgram_on_message(socket, on_message, state);
    check(err == 0, "can't listen");
  }
  kernel_receive(state->run.segments, SIZE, state->flows, state->run.flows);
  make_readable(socket);
}

/* The number of buffers per receive call grows while listeners are fast, up to all. */
static void warm_receiver(struct state *state) {
  enum { ITERATIONS = 8 };
  for (int i = 0; i < ITERATIONS; i++)
    uv_run(&state->loop, UV_RUN_NOWAIT);
  state->callbacks = 0;
}

static void make_sockets(struct state *state) {
  const struct run *run = &state->run;
  state->sockets = allocate((size_t)run->sockets + run->idle, sizeof(dgram_socket_t *));
  for (unsigned i = 0; i < run->sockets + run->idle; i++) {
    state->sockets[i] = new_socket(state);
    if (i < run->sockets && run->flows == 0)
      check(dgram_connect_sync(state->sockets[i], PORT, "127.0.0.1") == 0, "can't connect");
  }
  uv_run(&state->loop, UV_RUN_NOWAIT); /* 'listening', 'connect' */
}

static void make_flows(struct state *state) {
  unsigned count = state->run.flows;
  state->flows = allocate(count, sizeof *state->flows);
  state->texts = allocate(count, sizeof *state->texts);
  for (unsigned i = 0; i < count; i++) {
    struct sockaddr_in *flow = &state->flows[i];
    snprintf(state->texts[i], sizeof state->texts[i], "10.1.%u.%u", i / 256 % 256, i % 256);
    uv_ip4_addr(state->texts[i], PORT, flow);
  }
}

static void close_all(struct state *state) {
  for (unsigned i = 0; i < state->run.sockets + state->run.idle; i++)
    dgram_close(state->sockets[i], NULL, NULL);
  uv_run(&state->loop, UV_RUN_DEFAULT);
  check(uv_loop_close(&state->loop) == 0, "something is left on the loop");
  free(state->sockets);
  free(state->flows);
  free(state->texts);
}

/* Raises the soft limit of descriptors. */
static void allow_files(unsigned count) {
  struct rlimit limit;
  check(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
  if (limit.rlim_cur >= count)
    return;
  limit.rlim_cur = count;
  check(setrlimit(RLIMIT_NOFILE, &limit) == 0, "may not open so many files");
}

static void execute_run(const struct run *run) {
  struct state state = {.run = *run};
  uint64_t bytes_before = kernel_bytes_sent();
  allow_files(run->sockets + run->idle + OTHER_FILES);
  check(uv_loop_init(&state.loop) == 0, "no loop");
  make_flows(&state);
  make_sockets(&state);
  if (run->receives) {
    prepare_receiver(&state, state.sockets[0]);
    warm_receiver(&state);
  }
  run_iterations(&state);
  measured(&state);
  check_result(&state, bytes_before);
  close_all(&state);
}

/* ---- the command line ---- */

static void set(struct run *run, const char *word) {
  for (unsigned i = 0; i < KEYS; i++) {
    size_t length = strlen(keys[i].name);
    if (strncmp(word, keys[i].name, length) != 0 || word[length] != '=')
      continue;
    unsigned value = (unsigned)strtoul(word + length + 1, NULL, 10);
    memcpy((char *)run + keys[i].offset, &value, sizeof value);
    return;
  }
  check(false, "no such key");
}

static struct run find_run(const char *name) {
  for (unsigned i = 0; i < RUNS; i++)
    if (strcmp(runs[i].name, name) == 0)
      return runs[i];
  check(false, "no such run");
  return runs[0];
}

static void execute_argument(const char *argument) {
  char text[256];
  char *rest;
  snprintf(text, sizeof text, "%s", argument);
  struct run run = find_run(strtok_r(text, ",", &rest));
  for (const char *word; (word = strtok_r(NULL, ",", &rest)) != NULL;)
    set(&run, word);
  check(run.sockets > 0, "a run needs a socket");
  execute_run(&run);
  printf("%s %u\n", argument, iterations(&run) * datagrams_per_iteration(&run));
}

int main(int argc, char **argv) {
  for (unsigned i = 0; argc < 2 && i < RUNS; i++)
    execute_argument(runs[i].name);
  for (int i = 1; i < argc; i++)
    execute_argument(argv[i]);
  return 0;
}
