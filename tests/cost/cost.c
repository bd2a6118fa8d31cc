/*
 * Plays runs of the library for callgrind to count its instructions (count.sh): through the public
 * header, over system calls of kernel.c.
 *
 *   cost RUN[,KEY=VALUE]...    plays these, prints "RUN[,KEY=VALUE]... DATAGRAMS" for each
 *   cost                       plays every run as it stands
 *
 * A run is played twice, and what it costs to set it up and to come to rest the first time is not
 * counted: only what is called from measured() is.
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
  bool together;      /* it listens to 'messages' */
  unsigned sockets;   /* that send in turn */
  unsigned idle;      /* sockets with nothing to do */
  unsigned flows;     /* destinations, or senders, in turn; 0: the sockets are connected */
  unsigned window;    /* sends of a turn of the loop */
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
     .together = true},
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

struct play {
  struct run run;
  uv_loop_t loop;
  dgram_socket_t **sockets; /* those that send or receive, then the idle ones */
  struct sockaddr_in *flows;
  char (*texts)[INET_ADDRSTRLEN]; /* of the flows */
  uint64_t begun;                 /* sends */
  uint64_t heard;                 /* callbacks of sends, or messages by all listeners */
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

/* ---- what is called back ---- */

static void on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                    void *context) {
  check(error == NULL, "a send failed");
  ((struct play *)context)->heard++;
}

static void on_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  check(rinfo->size == SIZE, "a message of a wrong size");
  ((struct play *)context)->heard++;
}

static void on_messages(dgram_socket_t *socket, const dgram_message_t *const messages[],
                        size_t count, void *context) {
  ((struct play *)context)->heard += count;
}

/* ---- playing ---- */

static void send_one(struct play *play) {
  static char payload[SIZE];
  const struct run *run = &play->run;
  dgram_socket_t *socket = play->sockets[play->begun % run->sockets];
  dgram_send_cb callback = run->callback ? on_sent : NULL;
  uint64_t flow = run->flows > 0 ? play->begun % run->flows : 0;
  play->begun++;
  uv_buf_t buffer = {.base = payload, .len = sizeof payload};
  int err;
  if (run->text) {
    err = dgram_send(socket, payload, sizeof payload, PORT, play->texts[flow], callback, play);
  } else {
    const void *to = run->flows > 0 ? &play->flows[flow] : NULL;
    err = dgram_send_to(socket, &buffer, 1, to, callback, play);
  }
  check(err == 0, "a send was not accepted");
}

static unsigned datagrams_of_a_turn(const struct run *run) {
  return run->receives ? SLOTS * run->segments : run->window;
}

static unsigned turns(const struct run *run) {
  unsigned each = datagrams_of_a_turn(run);
  return (DATAGRAMS + each - 1) / each;
}

static void play_turns(struct play *play) {
  for (unsigned turn = 0; turn < turns(&play->run); turn++) {
    for (unsigned i = 0; i < play->run.window; i++)
      send_one(play);
    uv_run(&play->loop, UV_RUN_NOWAIT);
  }
}

/* callgrind is told to count from its beginning to its end, and to write down the sum. */
__attribute__((noinline)) static void measured(struct play *play) {
  play_turns(play);
}

/* Everything that should have come has come, and nothing else. */
static void check_result(const struct play *play, uint64_t bytes_before) {
  const struct run *run = &play->run;
  uint64_t datagrams = 2ULL * turns(run) * datagrams_of_a_turn(run);
  if (run->receives) {
    check(play->heard == datagrams * run->listeners, "messages are missing");
    return;
  }
  check(kernel_bytes_sent() - bytes_before == datagrams * SIZE, "not all has left");
  check(!run->callback || play->heard == datagrams, "callbacks are missing");
}

/* ---- setting up ---- */

static dgram_socket_t *new_socket(struct play *play) {
  dgram_socket_t *socket;
  check(dgram_create_socket(&play->loop, DGRAM_UDP4, NULL, NULL, &socket) == 0, "no socket");
  check(dgram_bind_sync(socket, 0, "127.0.0.1") == 0, "can't bind");
  return socket;
}

/* One datagram that is truly sent, and that nobody will ever take. */
static void make_readable(dgram_socket_t *socket) {
  struct sockaddr_in self;
  socklen_t length = sizeof self;
  int fd = dgram_fileno(socket);
  check(getsockname(fd, (struct sockaddr *)&self, &length) == 0 &&
            sendto(fd, "", 1, 0, (struct sockaddr *)&self, length) == 1,
        "can't make a socket readable");
}

static void prepare_receiver(struct play *play, dgram_socket_t *socket) {
  for (unsigned i = 0; i < play->run.listeners; i++) {
    int err = play->run.together ? dgram_on_messages(socket, on_messages, play)
                                 : dgram_on_message(socket, on_message, play);
    check(err == 0, "can't listen");
  }
  kernel_receive(play->run.segments, SIZE, play->flows, play->run.flows);
  make_readable(socket);
}

/* A receive call gets more buffers the quicker listeners are; in the end it gets all. */
static void warm_receiver(struct play *play) {
  enum { TURNS = 8 };
  for (int turn = 0; turn < TURNS; turn++)
    uv_run(&play->loop, UV_RUN_NOWAIT);
  play->heard = 0;
}

static void make_sockets(struct play *play) {
  const struct run *run = &play->run;
  play->sockets = allocate((size_t)run->sockets + run->idle, sizeof(dgram_socket_t *));
  for (unsigned i = 0; i < run->sockets + run->idle; i++) {
    play->sockets[i] = new_socket(play);
    if (i < run->sockets && run->flows == 0)
      check(dgram_connect_sync(play->sockets[i], PORT, "127.0.0.1") == 0, "can't connect");
  }
  uv_run(&play->loop, UV_RUN_NOWAIT); /* 'listening', 'connect' */
}

static void make_flows(struct play *play) {
  unsigned count = play->run.flows;
  play->flows = allocate(count, sizeof *play->flows);
  play->texts = allocate(count, sizeof *play->texts);
  for (unsigned i = 0; i < count; i++) {
    struct sockaddr_in *flow = &play->flows[i];
    snprintf(play->texts[i], sizeof play->texts[i], "10.1.%u.%u", i / 256 % 256, i % 256);
    uv_ip4_addr(play->texts[i], PORT, flow);
  }
}

static void close_all(struct play *play) {
  for (unsigned i = 0; i < play->run.sockets + play->run.idle; i++)
    dgram_close(play->sockets[i], NULL, NULL);
  uv_run(&play->loop, UV_RUN_DEFAULT);
  check(uv_loop_close(&play->loop) == 0, "something is left on the loop");
  free(play->sockets);
  free(play->flows);
  free(play->texts);
}

/* A system may allow fewer descriptors than it could. */
static void allow_files(unsigned count) {
  struct rlimit limit;
  check(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
  if (limit.rlim_cur >= count)
    return;
  limit.rlim_cur = count;
  check(setrlimit(RLIMIT_NOFILE, &limit) == 0, "may not open so many files");
}

static void play_run(const struct run *run) {
  struct play play = {.run = *run};
  uint64_t bytes_before = kernel_bytes_sent();
  allow_files(run->sockets + run->idle + OTHER_FILES);
  check(uv_loop_init(&play.loop) == 0, "no loop");
  make_flows(&play);
  make_sockets(&play);
  if (run->receives) {
    prepare_receiver(&play, play.sockets[0]);
    warm_receiver(&play);
  }
  play_turns(&play);
  measured(&play);
  check_result(&play, bytes_before);
  close_all(&play);
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

static void play_argument(const char *argument) {
  char text[256];
  char *rest;
  snprintf(text, sizeof text, "%s", argument);
  struct run run = find_run(strtok_r(text, ",", &rest));
  for (const char *word; (word = strtok_r(NULL, ",", &rest)) != NULL;)
    set(&run, word);
  check(run.sockets > 0, "a run needs a socket");
  play_run(&run);
  printf("%s %u\n", argument, turns(&run) * datagrams_of_a_turn(&run));
}

int main(int argc, char **argv) {
  for (unsigned i = 0; argc < 2 && i < RUNS; i++)
    play_argument(runs[i].name);
  for (int i = 1; i < argc; i++)
    play_argument(argv[i]);
  return 0;
}
