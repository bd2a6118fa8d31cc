/*
 * The load of a soak: datagrams of several sizes to the workers and the service, by each kind of
 * send, steadily and in bursts that overflow the servers' receive buffers. Marks how each send
 * ends, and the answers.
 */
#include "soak/soak.h"

#include <dgram.h>
#include <dgram_post.h>
#include <dgram_stats.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
  LOAD_BYTES = 1200,   /* of a datagram, at most */
  LOAD_POOL = 8192,    /* sends with borrowed bytes under way, at most */
  LOAD_EACH_MS = 24,   /* datagrams in a millisecond, on average */
  LOAD_BURST = 1500,   /* and sometimes so many more */
  LOAD_BURST_IN = 300, /* one millisecond in so many has a burst */
  LOAD_POSTS = 4,      /* posts of the other thread in a millisecond */
  LOAD_FAULTS = 300,   /* one call in so many fails */
  LOAD_RECEIVE = 1 << 22
};

struct load_send {
  uint32_t index;
  char bytes[LOAD_BYTES];
  struct load_send *next;
};

static struct load {
  uv_loop_t loop;
  uv_timer_t timer;
  uv_thread_t poster;
  dgram_socket_t *socket;
  dgram_sender_t *sender;
  struct load_send sends[LOAD_POOL];
  struct load_send *free;
  unsigned under_way; /* of the pool */
  atomic_uint posts;  /* under way */
  struct sockaddr_in to[SOAK_TARGETS];
} load;

/* Fills in the next record and its payload. Returns false if the epoch has no more. */
static bool load_begin(char *bytes, uint32_t *index, unsigned target) {
  *index = atomic_fetch_add(&soak->used, 1);
  if (*index >= SOAK_RECORDS)
    return false;
  struct soak_payload payload = {SOAK_MAGIC, atomic_load(&soak->epoch), *index, 0};
  memcpy(bytes, &payload, sizeof payload);
  if (target == 1)
    atomic_fetch_or(&soak->records[*index].marks, SOAK_TO_SERVICE);
  return true;
}

static void load_ended(uint32_t index, bool left) {
  soak_mark(index, left ? SOAK_LEFT : SOAK_FAILED, "a send completed twice");
}

/* Some datagrams in a row have one size, so that they are segmented sends. */
static size_t load_size(uint32_t index) {
  static const size_t sizes[] = {16, 64, 200, LOAD_BYTES};
  return sizes[index / 32 % 4];
}

/* ---- the loop ---- */

static void load_on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                         void *context) {
  struct load_send *send = context;
  load_ended(send->index, error == NULL);
  send->next = load.free;
  load.free = send;
  load.under_way--;
}

/* Returns false if there is no room for another send. */
static bool load_send_one(unsigned target) {
  struct load_send *send = load.free;
  if (send == NULL || !load_begin(send->bytes, &send->index, target))
    return false;
  const struct sockaddr *to = (const struct sockaddr *)&load.to[target];
  size_t size = load_size(send->index);
  uv_buf_t buffer = uv_buf_init(send->bytes, (unsigned)size);
  soak_mark(send->index, SOAK_ACCEPTED, "a record was used twice");
  if (send->index % 64 == 0) {
    load_ended(send->index, dgram_try_send(load.socket, send->bytes, size, to) >= 0);
    return true;
  }
  load.free = send->next;
  load.under_way++;
  int result = 0;
  if (send->index % 64 < 4) {
    dgram_send_options_t options = dgram_default_send_options();
    result = dgram_send_with(load.socket, &buffer, 1, to, &options, load_on_sent, send);
  } else if (send->index % 64 < 8) {
    result = dgram_send(load.socket, send->bytes, size, ntohs(load.to[target].sin_port),
                        "127.0.0.1", load_on_sent, send);
  } else {
    result = dgram_send_to(load.socket, &buffer, 1, to, load_on_sent, send);
  }
  if (result == 0)
    return true;
  load_ended(send->index, false);
  send->next = load.free;
  load.free = send;
  load.under_way--;
  return true;
}

/* When all has completed, that is reported, and what the kernel has dropped of the answers. */
static void load_settle(void) {
  dgram_stats_t stats = dgram_default_stats();
  if (load.under_way > 0 || atomic_load(&load.posts) > 0)
    return;
  if (dgram_get_stats(load.socket, &stats) != 0)
    return;
  atomic_store(&soak->load_drops, (unsigned)stats.kernel_drops);
  atomic_store(&soak->load_idle, atomic_load(&soak->epoch));
}

static void load_on_timer(uv_timer_t *timer) {
  if (!atomic_load(&soak->sending)) {
    load_settle();
    return;
  }
  unsigned count = soak_random() % (2 * LOAD_EACH_MS);
  unsigned target = soak_random() % SOAK_TARGETS;
  if (soak_random() % LOAD_BURST_IN == 0)
    count += LOAD_BURST;
  while (count-- > 0 && load_send_one(target))
    ;
}

static void load_on_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                            void *context) {
  uint32_t index;
  if (soak_is_ours(message, rinfo->size, true, &index))
    soak_mark(index, SOAK_ANSWER_DELIVERED, "an answer was delivered twice");
}

static void load_on_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  atomic_fetch_add(&soak->errors, 1);
}

/* ---- the other thread ---- */

/* The context is an address within an array, which stands for an index. */
static char load_indexes[SOAK_RECORDS];

static void load_on_posted(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                           void *context) {
  load_ended((uint32_t)((char *)context - load_indexes), error == NULL);
  atomic_fetch_sub(&load.posts, 1);
}

static void load_post(unsigned target) {
  char bytes[LOAD_BYTES] = {0};
  uint32_t index;
  atomic_fetch_add(&load.posts, 1); /* before it looks whether it may */
  if (atomic_load(&soak->sending) && load_begin(bytes, &index, target)) {
    uv_buf_t buffer = uv_buf_init(bytes, (unsigned)load_size(index));
    soak_mark(index, SOAK_ACCEPTED, "a record was used twice");
    if (dgram_post_send(load.sender, &buffer, 1, (const struct sockaddr *)&load.to[target],
                        load_on_posted, &load_indexes[index]) == 0)
      return;
    load_ended(index, false);
  }
  atomic_fetch_sub(&load.posts, 1);
}

static void load_run_poster(void *context) {
  const struct timespec pause = {.tv_nsec = 1000000};
  while (true) {
    for (int i = 0; i < LOAD_POSTS; i++)
      load_post(soak_random() % SOAK_TARGETS);
    nanosleep(&pause, NULL);
  }
}

/* ---- both ---- */

int soak_load(const char *path) {
  soak_join(path);
  signal(SIGPIPE, SIG_IGN);
  for (size_t i = 0; i < LOAD_POOL; i++) {
    load.sends[i].next = load.free;
    load.free = &load.sends[i];
  }
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.disable_gro = 1; /* so that the kernel's count of drops is exact */
  options.recv_buffer_size = LOAD_RECEIVE;
  soak_checked(uv_loop_init(&load.loop), "uv_loop_init");
  soak_checked(
      dgram_create_socket_options(&load.loop, &options, load_on_message, NULL, &load.socket),
      "dgram_create_socket");
  soak_checked(dgram_on_error(load.socket, load_on_error, NULL), "dgram_on_error");
  soak_checked(dgram_bind_sync(load.socket, 0, "127.0.0.1"), "dgram_bind_sync");
  soak_checked(dgram_sender_create(load.socket, NULL, &load.sender), "dgram_sender_create");
  for (int i = 0; i < SOAK_TARGETS; i++)
    soak_checked(uv_ip4_addr("127.0.0.1", atomic_load(&soak->ports[i]), &load.to[i]), "a port");
  soak_checked(uv_timer_init(&load.loop, &load.timer), "uv_timer_init");
  soak_checked(uv_timer_start(&load.timer, load_on_timer, 1, 1), "uv_timer_start");
  soak_checked(uv_thread_create(&load.poster, load_run_poster, NULL), "uv_thread_create");
  soak_inject(LOAD_FAULTS);
  return uv_run(&load.loop, UV_RUN_DEFAULT);
}
