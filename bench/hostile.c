/*
 * A server under hostile traffic: the delay of a timer of its loop, the growth of its memory and
 * descriptors, and how many questions of an honest peer it answers. README.md describes the results
 * of bench/hostile.sh.
 *
 *   bench_hostile SERVER ATTACK SECONDS
 *
 * SERVER: dgram, or libuv (uv_udp_t with UV_UDP_RECVMMSG). The attacks are those of `attacks`.
 *
 * Server and attacker are processes with a core and a network namespace each, joined by a veth pair
 * that they create and that ends with them. The attacking one is the honest peer too: it asks
 * between two bursts, once every 3 ms, and a question counts as lost after 20 ms. Linux only.
 */
#define _GNU_SOURCE
#include "harness.h"
#include "lib/forge.h"

#include <arpa/inet.h>
#include <dgram.h>
#include <dirent.h>
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
#include <unistd.h>

#define SERVER_ADDRESS "10.9.0.2"
#define ATTACKER_ADDRESS "10.9.0.1"
#define GROUP "239.9.9.9"

enum {
  PORT = 4000,
  TICK_MS = 10,
  BURST = 64, /* datagrams between two looks at the honest peer */
  ASK_EVERY_NS = 3 * 1000 * 1000,
  LOST_AFTER_NS = 20 * 1000 * 1000,
  MAX_TICKS = 1 << 16,
  MAX_BYTES = 65507,
  CHUNKS = 20, /* datagrams that libuv takes in a call */
  CHUNK_BYTES = 65536
};

static const uint64_t question_mark = 0x6e6f697473657571; /* the first bytes of a question */

typedef struct question {
  uint64_t mark;
  uint64_t number;
} question_t;

/* What the two processes share. */
static struct shared {
  atomic_bool begun; /* a first question was answered: the link works */
  atomic_bool over;
  uint64_t asked;
  uint64_t answered;
  uint64_t sent; /* datagrams of the attack */
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

static void shell(const char *command) {
  char line[512];
  snprintf(line, sizeof line, "PATH=$PATH:/usr/sbin:/sbin; %s", command);
  if (system(line) != 0)
    bench_fail(command, "failed");
}

/* ---- attacks ---- */

typedef struct attacker {
  int forger;   /* a raw socket */
  int socket;   /* a connected one */
  int segments; /* the same with segmented sends of one byte each */
  uint64_t random;
  struct forged_end self;
  struct forged_end server;
  struct forged_end group;
} attacker_t;

static uint32_t pick(attacker_t *attacker) {
  attacker->random = attacker->random * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(attacker->random >> 33);
}

static void forge_from(attacker_t *attacker, const struct forged_end *from,
                       const struct forged_end *to) {
  static const char payload[32] = "hostile";
  struct forged packet;
  forge_udp(&packet, from, to, payload, sizeof payload);
  (void)forge_send(attacker->forger, &packet); /* ENOBUFS is as good as a loss */
}

static void attack_nothing(attacker_t *attacker) {
  usleep(500);
}

static void attack_spoofed(attacker_t *attacker) {
  struct forged_end from = attacker->self;
  uint32_t host = pick(attacker);
  from.address[0] = 20;
  memcpy(from.address + 1, &host, 3);
  from.port = (uint16_t)pick(attacker);
  forge_from(attacker, &from, &attacker->server);
}

static void attack_ports(attacker_t *attacker) {
  struct forged_end from = attacker->self;
  from.port = (uint16_t)(1 + attacker->random++ % 65535);
  forge_from(attacker, &from, &attacker->server);
}

static void attack_multicast(attacker_t *attacker) {
  forge_from(attacker, &attacker->self, &attacker->group);
}

static void attack_empty(attacker_t *attacker) {
  (void)send(attacker->socket, NULL, 0, MSG_DONTWAIT);
}

static void attack_largest(attacker_t *attacker) {
  static const char payload[MAX_BYTES];
  (void)send(attacker->socket, payload, sizeof payload, MSG_DONTWAIT);
}

static void attack_joined(attacker_t *attacker) {
  static const char payload[BURST];
  (void)send(attacker->segments, payload, sizeof payload, MSG_DONTWAIT);
}

/* Errors about datagrams that the server has sent, or has not; truncated, and with wrong sums. */
static void attack_icmp(attacker_t *attacker) {
  static const uint8_t errors[] = {3, 3, 3, 4, 5, 11, 12};
  struct forged quoted, packet;
  struct forged_end to = attacker->self;
  if (pick(attacker) % 2 != 0)
    to.port = (uint16_t)pick(attacker);
  forge_udp(&quoted, &attacker->server, &to, "answer", 6);
  struct forged_icmp icmp = {.type = errors[pick(attacker) % sizeof errors],
                             .code = (uint8_t)(pick(attacker) % 16),
                             .rest = pick(attacker) % 4 != 0 ? pick(attacker) : 1400,
                             .quote_bytes =
                                 pick(attacker) % 4 != 0 ? FORGED_WHOLE : pick(attacker) % 48,
                             .wrong_checksum = pick(attacker) % 8 == 0};
  forge_icmp(&packet, &attacker->self, &attacker->server, &icmp, &quoted);
  (void)forge_send(attacker->forger, &packet);
}

typedef struct attack {
  const char *name;
  void (*send)(attacker_t *attacker);
  bool joins;        /* the server is in a multicast group */
  bool reads_icmp;   /* the server wants ICMP errors (IP_RECVERR) */
  bool closes;       /* the server closes its socket at each tick, and opens another */
  unsigned per_call; /* datagrams that one call of `send` makes */
} attack_t;

static const attack_t attacks[] = {
    {"none", attack_nothing, false, false, false, 0},
    {"spoofed", attack_spoofed, false, false, false, 1},
    {"ports", attack_ports, false, false, false, 1},
    {"empty", attack_empty, false, false, false, 1},
    {"largest", attack_largest, false, false, false, 1},
    {"joined", attack_joined, false, false, false, BURST},
    {"multicast", attack_multicast, true, false, false, 1},
    {"icmp", attack_icmp, false, false, false, 1},
    {"icmp-read", attack_icmp, false, true, false, 1},
    {"closing", attack_spoofed, false, false, true, 1},
};

/* ---- the honest peer ---- */

typedef struct peer {
  int fd;
  uint64_t number;
  bool waits;
  uint64_t asked_ns;
} peer_t;

static void peer_step(peer_t *peer) {
  question_t question = {question_mark, peer->number}, answer;
  while (recv(peer->fd, &answer, sizeof answer, MSG_DONTWAIT) == sizeof answer)
    if (peer->waits && answer.number == peer->number) {
      shared->answered++;
      peer->waits = false;
    }
  uint64_t passed_ns = bench_now_ns() - peer->asked_ns;
  if (passed_ns < (peer->waits ? LOST_AFTER_NS : ASK_EVERY_NS))
    return;
  peer->waits = true;
  question.number = ++peer->number;
  peer->asked_ns = bench_now_ns();
  shared->asked++;
  (void)send(peer->fd, &question, sizeof question, MSG_DONTWAIT);
}

/* A new link carries nothing for a moment, and what it loses then is asked again after a second. */
static void peer_wait(peer_t *peer) {
  do {
    peer_step(peer);
    usleep(1000);
  } while (shared->answered == 0 && !atomic_load(&shared->over));
  shared->asked = shared->answered = 0;
  peer->waits = false;
  atomic_store(&shared->begun, true);
}

static int connected(void) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PORT)};
  int fd = checked(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
  checked(inet_pton(AF_INET, SERVER_ADDRESS, &to.sin_addr), "inet_pton");
  checked(connect(fd, (struct sockaddr *)&to, sizeof to), "connect");
  return fd;
}

static void run_attacker(const attack_t *attack) {
  int one = 1;
  attacker_t attacker = {.forger = checked(forge_socket(AF_INET), "a raw socket"),
                         .socket = connected(),
                         .segments = connected(),
                         .random = 1,
                         .self = forge_end(ATTACKER_ADDRESS, 9),
                         .server = forge_end(SERVER_ADDRESS, PORT),
                         .group = forge_end(GROUP, PORT)};
  peer_t peer = {.fd = connected()};
  checked(setsockopt(attacker.segments, SOL_UDP, UDP_SEGMENT, &one, sizeof one), "UDP_SEGMENT");
  peer_wait(&peer);
  while (!atomic_load(&shared->over)) {
    for (int i = 0; i < BURST && attack->per_call > 0; i++)
      attack->send(&attacker);
    if (attack->per_call == 0)
      attack->send(&attacker);
    shared->sent += BURST * (uint64_t)attack->per_call;
    peer_step(&peer);
  }
  if (peer.waits) /* it has not had its time */
    shared->asked--;
}

/* ---- the server ---- */

typedef struct server {
  const attack_t *attack;
  bool is_dgram;
  uv_loop_t loop;
  uv_timer_t ticker;
  dgram_socket_t *dgram;
  uv_udp_t udp;
  uv_buf_t buffer;
  uint64_t due_ms;
  uint64_t kept_off_ns;
  uint64_t length_ns;
  uint64_t end_ns; /* 0: the attack has not begun */
  uint64_t received;
  size_t ticks;
  double late_us[MAX_TICKS];
  long kb[2];   /* RSS: before the attack, the highest, ... */
  long half_kb; /* ... and the highest of the first half */
  long fds[2];  /* the same of descriptors */
} server_t;

static server_t server;

static bool is_question(const void *bytes, size_t size) {
  return size == sizeof(question_t) && memcmp(bytes, &question_mark, sizeof question_mark) == 0;
}

static void open_socket(void);

static void on_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  server.received++;
  if (!is_question(message, rinfo->size))
    return;
  uv_buf_t answer = uv_buf_init((char *)message, (unsigned)rinfo->size);
  checked_uv(dgram_send_to(socket, &answer, 1, rinfo->sockaddr, NULL, NULL), "dgram_send_to");
}

static void on_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  bench_fail("the server", error->message);
}

static void on_icmp(dgram_socket_t *socket, const dgram_icmp_t *icmp, void *context) {
}

static void on_dgram_close(dgram_socket_t *socket, void *context) {
  server.dgram = NULL;
  if (!atomic_load(&shared->over))
    open_socket();
}

static void open_dgram(void) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.recv_buffer_size = BENCH_RECV_BUFFER;
  checked_uv(dgram_create_socket_options(&server.loop, &options, on_message, NULL, &server.dgram),
             "dgram_create_socket");
  checked_uv(dgram_on_error(server.dgram, on_error, NULL), "dgram_on_error");
  checked_uv(dgram_bind_sync(server.dgram, PORT, NULL), "dgram_bind_sync");
  if (server.attack->reads_icmp)
    checked_uv(dgram_on_icmp(server.dgram, on_icmp, NULL), "dgram_on_icmp");
  if (server.attack->joins)
    checked_uv(dgram_add_membership(server.dgram, GROUP, SERVER_ADDRESS), "a membership");
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
  *buffer = server.buffer;
}

/* Errors are those of ICMP, which do not concern the server. */
static void on_uv_message(uv_udp_t *udp, ssize_t size, const uv_buf_t *buffer,
                          const struct sockaddr *from, unsigned flags) {
  if (size < 0 || from == NULL)
    return;
  server.received++;
  if (!is_question(buffer->base, (size_t)size))
    return;
  uv_buf_t answer = uv_buf_init(buffer->base, (unsigned)size);
  (void)uv_udp_try_send(udp, &answer, 1, from);
}

static void on_uv_close(uv_handle_t *handle) {
  if (!atomic_load(&shared->over))
    open_socket();
}

static void open_uv(void) {
  struct sockaddr_in self;
  int bytes = BENCH_RECV_BUFFER;
  unsigned flags = server.attack->reads_icmp ? UV_UDP_LINUX_RECVERR : 0;
  checked_uv(uv_udp_init_ex(&server.loop, &server.udp, AF_INET | UV_UDP_RECVMMSG), "uv_udp");
  checked_uv(uv_ip4_addr("0.0.0.0", PORT, &self), "uv_ip4_addr");
  checked_uv(uv_udp_bind(&server.udp, (struct sockaddr *)&self, flags), "uv_udp_bind");
  checked_uv(uv_recv_buffer_size((uv_handle_t *)&server.udp, &bytes), "uv_recv_buffer_size");
  if (server.attack->joins)
    checked_uv(uv_udp_set_membership(&server.udp, GROUP, SERVER_ADDRESS, UV_JOIN_GROUP),
               "a membership");
  checked_uv(uv_udp_recv_start(&server.udp, on_allocate, on_uv_message), "uv_udp_recv_start");
}

static void open_socket(void) {
  if (server.is_dgram)
    open_dgram();
  else
    open_uv();
}

static void close_socket(void) {
  if (!server.is_dgram && !uv_is_closing((uv_handle_t *)&server.udp))
    uv_close((uv_handle_t *)&server.udp, on_uv_close);
  if (server.is_dgram && server.dgram != NULL)
    (void)dgram_close(server.dgram, on_dgram_close, NULL); /* or it is closing */
}

/* ---- what is measured ---- */

static long resident_kb(void) {
  long pages[2] = {0, 0};
  FILE *file = fopen("/proc/self/statm", "re");
  if (file == NULL || fscanf(file, "%ld %ld", &pages[0], &pages[1]) != 2) /* NOLINT(cert-err34-c) */
    bench_fail("/proc/self/statm", "cannot be read");
  fclose(file);
  return pages[1] * (sysconf(_SC_PAGESIZE) / 1024);
}

static long open_files(void) {
  long count = 0;
  DIR *folder = opendir("/proc/self/fd");
  if (folder == NULL)
    bench_fail("/proc/self/fd", "cannot be read");
  while (readdir(folder) != NULL)
    count++;
  closedir(folder);
  return count;
}

static void keep_highest(uint64_t now) {
  long kb = resident_kb(), fds = open_files();
  server.kb[1] = kb > server.kb[1] ? kb : server.kb[1];
  server.fds[1] = fds > server.fds[1] ? fds : server.fds[1];
  if (now < server.end_ns - server.length_ns / 2)
    server.half_kb = server.kb[1];
}

static void begin(uint64_t now) {
  server.end_ns = now + server.length_ns;
  server.received = 0;
  keep_highest(now);
  server.kb[0] = server.kb[1];
  server.fds[0] = server.fds[1];
}

static void begin_interval(void) {
  server.due_ms = uv_now(&server.loop) + TICK_MS;
  server.kept_off_ns = bench_kept_off_ns();
}

/* What the timer was late, without the time for which another program had the core. */
static void on_tick(uv_timer_t *timer) {
  uint64_t ticked = uv_hrtime(), due = server.due_ms * 1000000;
  uint64_t kept_off = bench_kept_off_ns() - server.kept_off_ns;
  uint64_t late = ticked > due + kept_off ? ticked - due - kept_off : 0;
  if (server.end_ns == 0) {
    if (atomic_load(&shared->begun))
      begin(ticked);
    begin_interval();
    return;
  }
  if (server.ticks < MAX_TICKS)
    server.late_us[server.ticks++] = (double)late / 1e3;
  if (server.ticks % 10 == 0)
    keep_highest(ticked);
  if (server.attack->closes)
    close_socket();
  if (ticked >= server.end_ns) {
    atomic_store(&shared->over, true);
    uv_close((uv_handle_t *)timer, NULL);
    close_socket();
    return;
  }
  begin_interval();
}

static void serve(double seconds) {
  static char chunks[CHUNKS][CHUNK_BYTES]; /* touched by what arrives only */
  server.buffer = uv_buf_init(chunks[0], sizeof chunks);
  checked_uv(uv_loop_init(&server.loop), "uv_loop_init");
  open_socket();
  checked_uv(uv_timer_init(&server.loop, &server.ticker), "uv_timer_init");
  checked_uv(uv_timer_start(&server.ticker, on_tick, TICK_MS, TICK_MS), "uv_timer_start");
  server.length_ns = (uint64_t)(seconds * 1e9);
  begin_interval();
  uv_run(&server.loop, UV_RUN_DEFAULT);
  checked_uv(uv_loop_close(&server.loop), "uv_loop_close");
}

/* ---- both ---- */

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static const attack_t *find_attack(const char *name) {
  for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++)
    if (strcmp(attacks[i].name, name) == 0)
      return &attacks[i];
  bench_fail(name, "no such attack");
}

/* The attacker waits for the byte that says that the link and the server are there. */
static pid_t start_attacker(const attack_t *attack, int *go, int *ready) {
  int begin[2], made[2];
  char byte = 0;
  checked(pipe(begin), "pipe");
  checked(pipe(made), "pipe");
  pid_t pid = checked(fork(), "fork");
  *go = begin[1];
  *ready = made[0];
  if (pid > 0)
    return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL); /* no attack outlives its server */
  close(begin[1]);
  checked(unshare(CLONE_NEWNET), "unshare");
  if (write(made[1], &byte, 1) != 1 || read(begin[0], &byte, 1) != 1)
    _exit(1);
  shell("ip link set lo up; ip link set eth0 up; ip addr add " ATTACKER_ADDRESS "/24 dev eth0; "
        "ip route add default dev eth0");
  bench_use_core(1);
  run_attacker(attack);
  _exit(0);
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: %s SERVER ATTACK SECONDS\n", argv[0]);
    return 2;
  }
  int go, ready, status;
  char byte = 0, command[128];
  server.is_dgram = strcmp(argv[1], "dgram") == 0;
  server.attack = find_attack(argv[2]);
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED)
    checked(-1, "mmap");
  checked(unshare(CLONE_NEWNET), "unshare");
  pid_t pid = start_attacker(server.attack, &go, &ready);
  if (read(ready, &byte, 1) != 1)
    bench_fail("the attacker", "has failed");
  snprintf(command, sizeof command, "ip link add eth0 type veth peer name eth0 netns %d", (int)pid);
  shell(command);
  shell("for i in all default eth0; do echo 0 >/proc/sys/net/ipv4/conf/$i/rp_filter; "
        "echo 0 >/proc/sys/net/ipv4/conf/$i/accept_redirects; done; "
        "ip link set lo up; ip link set eth0 up; ip addr add " SERVER_ADDRESS "/24 dev eth0; "
        "ip route add default via " ATTACKER_ADDRESS);
  bench_use_core(0);
  if (write(go, &byte, 1) != 1)
    checked(-1, "write");
  serve(strtod(argv[3], NULL));
  checked(waitpid(pid, &status, 0), "waitpid");
  if (status != 0 || server.ticks == 0)
    bench_fail("the attacker", "ended with an error");
  qsort(server.late_us, server.ticks, sizeof *server.late_us, compare);
  double asked = shared->asked > 0 ? (double)shared->asked : 1;
  printf("%s,%s,%.0f,%.0f,%.0f,%ld,%ld,%ld,%.2f,%.0f,%.0f\n", argv[2], argv[1],
         server.late_us[server.ticks / 2], server.late_us[server.ticks * 99 / 100],
         server.late_us[server.ticks - 1], server.kb[1] - server.kb[0],
         server.kb[1] - server.half_kb, server.fds[1] - server.fds[0],
         100 * (double)shared->answered / asked, (double)server.received / strtod(argv[3], NULL),
         (double)shared->sent / strtod(argv[3], NULL));
  return 0;
}
