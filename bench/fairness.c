/*
 * A loop under a flood: the delay of its timer, and how long a quiet socket of the same loop
 * takes to answer, while another socket receives more than its listener can process. README.md
 * describes the results of bench/fairness.sh.
 *
 *   bench_fairness SERVER LISTENER SIZE SENDERS SECONDS [PER-SEND]
 *
 * SERVER: dgram, libuv (a recvmsg for each datagram) or libuv-mmsg (UV_UDP_RECVMMSG). LISTENER: of
 * `message` or, dgram only, of `messages`. The flood is of SIZE bytes from SENDERS sockets in turn,
 * PER-SEND datagrams a call: a segmented send unless that is 1; by default as many as fit.
 *
 * Server and flood are processes with a core each; the flooding one is also the quiet socket's
 * client. What counts is the time between two ticks in which the server was neither kept off its
 * core by other programs nor without datagrams: it runs until there are SECONDS of it. Linux only.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <dgram.h>
#include <errno.h>
#include <netinet/udp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
  WORK_NS = 20 * 1000, /* of the listener, for each datagram */
  TICK_MS = 10,
  REQUEST_INTERVAL_NS = 3 * 1000 * 1000, /* from an answer to the next request */
  REQUEST_TIMEOUT_NS = 1000 * 1000 * 1000,
  WARM_UP_TICKS = 20,    /* not measured */
  MAX_WAIT_FACTOR = 100, /* times SECONDS: on a busier machine the run fails */
  MAX_SENDERS = 1000,
  MAX_SAMPLES = 1 << 16,
  MAX_BYTES = 65507, /* of a segmented send, ... */
  MAX_SEGMENTS = 64, /* ... and datagrams of it, udp(7) */
  CHUNKS = 20,       /* datagrams that libuv takes in a call */
  CHUNK_BYTES = 65536
};

typedef struct samples {
  size_t count;
  uint64_t ns[MAX_SAMPLES];
} samples_t;

/* On the clock by which the kernel stamps what it receives. */
typedef struct span {
  uint64_t from_ns;
  uint64_t to_ns;
} span_t;

typedef struct spans {
  size_t count;
  span_t at[MAX_SAMPLES];
} spans_t;

typedef struct plan {
  const char *server;
  bool batches; /* the listener is one of 'messages' */
  size_t size;
  size_t senders;
  size_t per_send;
  uint64_t length_ns;
} plan_t;

/* What the two processes share. */
static struct shared {
  atomic_bool over;     /* no more requests are to be sent */
  atomic_bool answered; /* no request waits for its answer */
  spans_t requests;     /* from each to its answer */
} * shared;

static int checked(int result, const char *what) {
  if (result < 0)
    bench_fail(what, strerror(errno));
  return result;
}

static int checked_uv(int result, const char *what) {
  if (result < 0)
    bench_fail(what, dgram_strerror(result));
  return result;
}

static void add_sample(samples_t *samples, uint64_t ns) {
  if (samples->count < MAX_SAMPLES)
    samples->ns[samples->count++] = ns;
}

static void add_span(spans_t *spans, uint64_t from_ns, uint64_t to_ns) {
  if (spans->count < MAX_SAMPLES)
    spans->at[spans->count++] = (span_t){from_ns, to_ns};
}

static uint64_t wall_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int compare(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

/* The least that `percent` of the samples do not exceed, in us. */
static double percentile_us(samples_t *samples, size_t percent) {
  if (samples->count == 0)
    bench_fail("samples", "there are none");
  qsort(samples->ns, samples->count, sizeof *samples->ns, compare);
  size_t rank = (samples->count * percent - 1) / 100;
  return (double)samples->ns[rank] / 1e3;
}

/* ---- the flood, and the client of the quiet socket ---- */

typedef struct client {
  int fd;
  uint64_t request; /* the number of the one that waits for its answer; 0: none */
  uint64_t next;
  uint64_t requested_ns;
  uint64_t answered_ns;
} client_t;

static int connected_to(uint16_t port) {
  struct sockaddr_in to = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = checked(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
  checked(connect(fd, (struct sockaddr *)&to, sizeof to), "connect");
  return fd;
}

/* The kernel's time of arrival, since the answer is read only after a send. 0: none has arrived. */
static uint64_t answer_ns(const client_t *client) {
  uint64_t number = 0;
  union {
    char bytes[CMSG_SPACE(sizeof(struct timespec))];
    struct cmsghdr header;
  } control;
  struct iovec vector = {.iov_base = &number, .iov_len = sizeof number};
  struct msghdr message = {.msg_iov = &vector,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof control};
  if (recvmsg(client->fd, &message, 0) < 0 || number != client->request)
    return 0;
  struct timespec stamp;
  if (CMSG_FIRSTHDR(&message) == NULL || control.header.cmsg_type != SO_TIMESTAMPNS)
    bench_fail("SO_TIMESTAMPNS", "no time of an answer");
  memcpy(&stamp, CMSG_DATA(&control.header), sizeof stamp);
  return (uint64_t)stamp.tv_sec * 1000000000u + (uint64_t)stamp.tv_nsec;
}

static void send_some(int fd, const void *bytes, size_t size) {
  if (send(fd, bytes, size, 0) >= 0 || errno == EAGAIN || errno == ENOBUFS)
    return;
  if (errno == ECONNREFUSED) /* the server has failed, and reported why */
    _exit(1);
  checked(-1, "send");
}

static void send_request(client_t *client) {
  client->request = ++client->next;
  client->requested_ns = wall_ns();
  send_some(client->fd, &client->request, sizeof client->request);
}

/* A request that times out counts as answered at that time. */
static void step_client(client_t *client) {
  uint64_t now = wall_ns();
  if (client->request == 0) {
    if (now - client->answered_ns >= REQUEST_INTERVAL_NS)
      send_request(client);
    return;
  }
  uint64_t answered = answer_ns(client);
  if (answered == 0 && now - client->requested_ns < REQUEST_TIMEOUT_NS)
    return;
  client->answered_ns = now;
  client->request = 0;
  add_span(&shared->requests, client->requested_ns, answered != 0 ? answered : now);
}

static void open_senders(int fds[], const plan_t *plan, uint16_t port) {
  int segment = (int)plan->size;
  for (size_t i = 0; i < plan->senders; i++) {
    fds[i] = connected_to(port);
    if (plan->per_send > 1)
      checked(setsockopt(fds[i], SOL_UDP, UDP_SEGMENT, &segment, sizeof segment), "UDP_SEGMENT");
  }
}

static void flood(const plan_t *plan, const uint16_t ports[2]) {
  static char payload[MAX_BYTES];
  int fds[MAX_SENDERS], on = 1;
  client_t client = {.fd = connected_to(ports[1])};
  checked(setsockopt(client.fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on), "SO_TIMESTAMPNS");
  open_senders(fds, plan, ports[0]);
  for (size_t i = 0; !atomic_load(&shared->over) || client.request != 0; i++) {
    send_some(fds[i % plan->senders], payload, plan->size * plan->per_send);
    step_client(&client);
  }
  atomic_store(&shared->answered, true);
}

/* ---- the server ---- */

/* The time between two ticks, as it was found at the second. */
typedef struct interval {
  uint64_t began_ns; /* by the wall clock */
  uint64_t due_ms;   /* the tick at its end, by the loop's clock */
  uint64_t kept_off_ns;
  uint64_t worked_ns;
} interval_t;

typedef struct server {
  uv_loop_t loop;
  uv_timer_t ticker;
  dgram_socket_t *dgram[2]; /* the flooded one and the quiet one; or ... */
  uv_udp_t udp[2];
  uv_buf_t buffer;
  uint64_t length_ns;
  uint64_t ticks;
  interval_t interval; /* the one under way */
  uint64_t began_ns;   /* after the warm-up */
  uint64_t calm_ns;    /* of the intervals that count ... */
  uint64_t worked_ns;  /* ... this was the listener's work */
  samples_t lateness;
  spans_t calm; /* those intervals, joined where they follow each other */
} server_t;

static server_t server;

static void work(size_t datagrams) {
  uint64_t end = bench_now_ns() + datagrams * WORK_NS;
  while (bench_now_ns() < end)
    ;
  server.interval.worked_ns += datagrams * WORK_NS;
}

static void on_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  work(1);
}

static void on_messages(dgram_socket_t *socket, const dgram_message_t *const messages[],
                        size_t count, void *context) {
  work(count);
}

static void on_request(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  uv_buf_t answer = uv_buf_init((char *)message, (unsigned)rinfo->size);
  checked_uv(dgram_send_to(socket, &answer, 1, rinfo->sockaddr, NULL, NULL), "dgram_send_to");
}

static void on_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  bench_fail("the server", error->message);
}

static uint16_t open_dgram(int which, dgram_message_cb listener) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  dgram_address_t self;
  options.recv_buffer_size = BENCH_RECV_BUFFER;
  dgram_socket_t **socket = &server.dgram[which];
  checked_uv(dgram_create_socket_options(&server.loop, &options, listener, NULL, socket),
             "dgram_create_socket");
  checked_uv(dgram_on_error(*socket, on_error, NULL), "dgram_on_error");
  checked_uv(dgram_bind_sync(*socket, 0, "127.0.0.1"), "dgram_bind_sync");
  checked_uv(dgram_address(*socket, &self), "dgram_address");
  return (uint16_t)self.port;
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
  *buffer = server.buffer;
}

static bool is_datagram(ssize_t size, const struct sockaddr *from) {
  checked_uv((int)size, "uv_udp_recv");
  return from != NULL;
}

static void on_uv_message(uv_udp_t *udp, ssize_t size, const uv_buf_t *buffer,
                          const struct sockaddr *from, unsigned flags) {
  if (is_datagram(size, from))
    work(1);
}

static void on_uv_request(uv_udp_t *udp, ssize_t size, const uv_buf_t *buffer,
                          const struct sockaddr *from, unsigned flags) {
  if (!is_datagram(size, from))
    return;
  uv_buf_t answer = uv_buf_init(buffer->base, (unsigned)size);
  checked_uv(uv_udp_try_send(udp, &answer, 1, from), "uv_udp_try_send");
}

static uint16_t open_uv(int which, bool many, uv_udp_recv_cb listener) {
  struct sockaddr_in self;
  int length = sizeof self, bytes = BENCH_RECV_BUFFER;
  uv_udp_t *udp = &server.udp[which];
  checked_uv(uv_udp_init_ex(&server.loop, udp, AF_INET | (many ? UV_UDP_RECVMMSG : 0)), "uv_udp");
  checked_uv(uv_ip4_addr("127.0.0.1", 0, &self), "uv_ip4_addr");
  checked_uv(uv_udp_bind(udp, (struct sockaddr *)&self, 0), "uv_udp_bind");
  checked_uv(uv_recv_buffer_size((uv_handle_t *)udp, &bytes), "uv_recv_buffer_size");
  checked_uv(uv_udp_getsockname(udp, (struct sockaddr *)&self, &length), "uv_udp_getsockname");
  checked_uv(uv_udp_recv_start(udp, on_allocate, listener), "uv_udp_recv_start");
  return ntohs(self.sin_port);
}

/* Opens the flooded socket and the quiet one. */
static void open_sockets(const plan_t *plan, uint16_t ports[2]) {
  if (strcmp(plan->server, "dgram") == 0) {
    ports[0] = open_dgram(0, plan->batches ? NULL : on_message);
    ports[1] = open_dgram(1, on_request);
    if (plan->batches)
      checked_uv(dgram_on_messages(server.dgram[0], on_messages, NULL), "dgram_on_messages");
    return;
  }
  bool many = strcmp(plan->server, "libuv-mmsg") == 0;
  unsigned bytes = many ? CHUNKS * CHUNK_BYTES : CHUNK_BYTES;
  server.buffer = uv_buf_init(bench_allocate(bytes), bytes);
  ports[0] = open_uv(0, many, on_uv_message);
  ports[1] = open_uv(1, many, on_uv_request);
}

static void close_all(void) {
  uv_close((uv_handle_t *)&server.ticker, NULL);
  for (int i = 0; i < 2; i++)
    if (server.dgram[i] != NULL)
      checked_uv(dgram_close(server.dgram[i], NULL, NULL), "dgram_close");
    else
      uv_close((uv_handle_t *)&server.udp[i], NULL);
}

/* The next interval. libuv has restarted the timer, by the loop's clock, when it fired. */
static void begin_interval(uint64_t now) {
  server.interval = (interval_t){.began_ns = now,
                                 .due_ms = uv_now(&server.loop) + TICK_MS,
                                 .kept_off_ns = bench_kept_off_ns()};
}

static bool is_calm(const interval_t *interval, uint64_t length_ns) {
  return bench_kept_off_ns() - interval->kept_off_ns <= length_ns / 100 &&
         interval->worked_ns >= length_ns / 4 * 3;
}

static void add_interval(const interval_t *interval, uint64_t now, uint64_t late_ns) {
  uint64_t length_ns = now - interval->began_ns;
  if (!is_calm(interval, length_ns))
    return;
  add_sample(&server.lateness, late_ns);
  server.calm_ns += length_ns;
  server.worked_ns += interval->worked_ns;
  spans_t *calm = &server.calm;
  if (calm->count > 0 && calm->at[calm->count - 1].to_ns == interval->began_ns)
    calm->at[calm->count - 1].to_ns = now;
  else
    add_span(calm, interval->began_ns, now);
}

static void on_tick(uv_timer_t *timer) {
  uint64_t now = wall_ns(), ticked = uv_hrtime(), due = server.interval.due_ms * 1000000;
  if (atomic_load(&shared->answered)) {
    close_all();
    return;
  }
  if (server.ticks++ == WARM_UP_TICKS)
    server.began_ns = now;
  if (server.ticks > WARM_UP_TICKS)
    add_interval(&server.interval, now, ticked > due ? ticked - due : 0);
  if (server.calm_ns >= server.length_ns)
    atomic_store(&shared->over, true);
  else if (server.began_ns != 0 && now - server.began_ns > MAX_WAIT_FACTOR * server.length_ns)
    bench_fail("the machine", "is too busy");
  begin_interval(now);
}

static void serve(const plan_t *plan, int to_flood) {
  uint16_t ports[2];
  server.length_ns = plan->length_ns;
  checked_uv(uv_loop_init(&server.loop), "uv_loop_init");
  open_sockets(plan, ports);
  checked_uv(uv_timer_init(&server.loop, &server.ticker), "uv_timer_init");
  checked_uv(uv_timer_start(&server.ticker, on_tick, TICK_MS, TICK_MS), "uv_timer_start");
  if (write(to_flood, ports, sizeof ports) != sizeof ports)
    checked(-1, "write");
  uv_run(&server.loop, UV_RUN_DEFAULT);
  checked_uv(uv_loop_close(&server.loop), "uv_loop_close");
  free(server.buffer.base);
}

/* ---- both ---- */

static pid_t start_flood(const plan_t *plan, int *to_flood) {
  int ends[2];
  uint16_t ports[2];
  checked(pipe(ends), "pipe");
  pid_t pid = checked(fork(), "fork");
  *to_flood = ends[1];
  if (pid > 0)
    return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL); /* no flood outlives its server */
  close(ends[1]);
  bench_use_core(1);
  if (read(ends[0], ports, sizeof ports) == sizeof ports)
    flood(plan, ports);
  _exit(0);
}

static size_t number(const char *text, size_t most) {
  char *rest;
  unsigned long value = strtoul(text, &rest, 10);
  if (rest == text || *rest || value < 1 || value > most)
    bench_fail(text, "not a number, or out of range");
  return value;
}

static plan_t read_plan(int argc, char **argv) {
  if (argc < 6 || argc > 7) {
    fprintf(stderr, "usage: %s SERVER LISTENER SIZE SENDERS SECONDS [PER-SEND]\n", argv[0]);
    exit(2);
  }
  plan_t plan = {.server = argv[1], .batches = strcmp(argv[2], "messages") == 0};
  plan.size = number(argv[3], MAX_BYTES);
  plan.senders = number(argv[4], MAX_SENDERS);
  plan.length_ns = (uint64_t)(strtod(argv[5], NULL) * 1e9);
  size_t fits = MAX_BYTES / plan.size;
  fits = fits < MAX_SEGMENTS ? fits : MAX_SEGMENTS;
  plan.per_send = argc > 6 ? number(argv[6], fits) : fits;
  if (plan.batches && strcmp(plan.server, "dgram") != 0)
    bench_fail(plan.server, "has no 'messages'");
  return plan;
}

/* Round trips all of whose time counts. */
static samples_t *calm_answers(void) {
  static samples_t answers;
  const spans_t *calm = &server.calm, *requests = &shared->requests;
  size_t in = 0;
  for (size_t i = 0; i < requests->count; i++) {
    const span_t *span = &requests->at[i];
    while (in < calm->count && calm->at[in].to_ns < span->to_ns)
      in++;
    if (in < calm->count && calm->at[in].from_ns <= span->from_ns)
      add_sample(&answers, span->to_ns - span->from_ns);
  }
  return &answers;
}

int main(int argc, char **argv) {
  plan_t plan = read_plan(argc, argv);
  int to_flood, status;
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED)
    checked(-1, "mmap");
  pid_t pid = start_flood(&plan, &to_flood);
  bench_use_core(0);
  serve(&plan, to_flood);
  checked(waitpid(pid, &status, 0), "waitpid");
  if (status != 0)
    bench_fail("the flood", "ended with an error");
  samples_t *answers = calm_answers();
  printf("%s,%s,%zu,%zu,%.0f,%.0f,%.0f,%.0f,%.0f,%.3f\n", plan.server, argv[2], plan.size,
         plan.senders, percentile_us(&server.lateness, 50), percentile_us(&server.lateness, 99),
         percentile_us(answers, 50), percentile_us(answers, 99),
         (double)server.worked_ns / WORK_NS * 1e9 / (double)server.calm_ns,
         (double)server.lateness.count / (double)(server.ticks - WARM_UP_TICKS));
  return 0;
}
