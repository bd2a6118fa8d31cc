/*
 * The controller of a soak: soak MINUTES RESULTS
 *
 * 1. It opens the service's socket, and starts the workers, the service and the load.
 * 2. An epoch runs: it kills and restarts workers, has the service hand over, also to successors
 *    that fail, and kills it.
 * 3. The epoch settles: nothing is sent any more, every send has completed, the receive buffers are
 *    empty, and all servers that there should be are there.
 * 4. It accounts for each datagram, and goes on with the next epoch until the time is over.
 * 5. It reports; 1 is its exit status if a datagram is unaccounted for, a promise was broken, or
 *    memory or descriptors have grown.
 */
#include "soak/soak.h"

#include <dgram.h>
#include <dgram_cluster.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
  CONTROL_STEP_MS = 50,
  CONTROL_EPOCH_MS = 10000,
  CONTROL_ACTION_MS = 250,  /* between two kills, restarts or hand-overs */
  CONTROL_SETTLED_MS = 500, /* all must be quiet for so long */
  CONTROL_MOST_SETTLE_MS = 30000,
  CONTROL_WORKERS = 4, /* of which one is never killed, so that the port stays */
  CONTROL_CHILDREN = 8,
  CONTROL_SLACK_KB = 1024 /* of growth of memory */
};

enum control_phase { CONTROL_RUNS, CONTROL_SETTLES, CONTROL_ENDS };

struct control_worker {
  int id; /* 0: none */
  int pid;
  bool listening;
  bool replaced; /* another was started for it; a second would be one too many */
};

/* What is sampled: the highest of the processes of a kind. */
enum control_kind { CONTROL_SELF, CONTROL_LOAD, CONTROL_WORKER, CONTROL_SERVICE, CONTROL_KINDS };
static const char *const control_names[] = {"controller", "load", "worker", "service"};

struct control_sample {
  long kb;  /* RssAnon */
  long fds; /* open descriptors */
};

struct control_sums {
  unsigned long long sent, delivered, dropped, refused, with_killed, uncertain, unexplained;
  unsigned long long answers, answers_dropped, answers_with_killed, answers_failed;
};

static struct control {
  uv_loop_t loop;
  uv_timer_t timer;
  dgram_cluster_t *cluster;
  char program[1024], path[256];
  char *worker_args[4];
  struct control_worker workers[2 * CONTROL_WORKERS + 8];
  int keeper; /* the worker that is never killed */
  uv_process_t services[CONTROL_CHILDREN];
  bool service_runs[CONTROL_CHILDREN];
  uv_process_t load;
  int fds[SOAK_TARGETS]; /* the system sockets of the targets */
  enum control_phase phase;
  uint64_t began_ms, epoch_began_ms, settle_began_ms, quiet_since_ms, acted_ms, sampled_ms;
  uint64_t length_ms;
  uint32_t drops_before[SOAK_TARGETS], load_drops_before;
  unsigned long long backlog_before;
  unsigned uncertain[SOAK_TARGETS]; /* datagrams that a killed process may have just taken */
  FILE *results;
  struct control_sample first[CONTROL_KINDS], last[CONTROL_KINDS];
  unsigned epochs, worker_kills, restarts, service_kills, service_starts, handover_tries;
  struct control_sums sums;
} control;

/* ---- what the system knows ---- */

static uint32_t control_meminfo(unsigned target, unsigned which) {
  uint32_t info[SK_MEMINFO_VARS] = {0};
  socklen_t size = sizeof info;
  soak_checked(getsockopt(control.fds[target], SOL_SOCKET, SO_MEMINFO, info, &size), "SO_MEMINFO");
  return info[which];
}

/* Packets that a CPU's queue had no room for, of the whole machine: no socket counts these. */
static unsigned long long control_backlog_drops(void) {
  char line[512];
  unsigned long long sum = 0;
  unsigned processed, dropped;
  FILE *file = fopen("/proc/net/softnet_stat", "re");
  while (file != NULL && fgets(line, sizeof line, file) != NULL)
    if (sscanf(line, "%x %x", &processed, &dropped) == 2) /* NOLINT(cert-err34-c) */
      sum += dropped;
  if (file != NULL)
    fclose(file);
  return sum;
}

static struct control_sample control_sample(int pid) {
  char path[64], line[256];
  struct control_sample sample = {0, 0};
  snprintf(path, sizeof path, "/proc/%d/status", pid);
  FILE *file = fopen(path, "re");
  while (file != NULL && fgets(line, sizeof line, file) != NULL)
    if (strncmp(line, "RssAnon:", 8) == 0)
      sample.kb = strtol(line + 8, NULL, 10);
  if (file != NULL)
    fclose(file);
  snprintf(path, sizeof path, "/proc/%d/fd", pid);
  DIR *folder = opendir(path);
  while (folder != NULL && readdir(folder) != NULL)
    sample.fds++;
  if (folder != NULL)
    closedir(folder);
  sample.fds -= pid == (int)getpid() ? 3 : 2; /* "." and "..", and the folder itself */
  return sample;
}

/* The descriptor of the port that the workers share: the primary has it for them. */
static int control_find_shared(void) {
  for (int fd = 3; fd < 256; fd++) {
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    memset(&address, 0, sizeof address);
    if (fd != control.fds[1] && getsockname(fd, (struct sockaddr *)&address, &size) == 0 &&
        address.sin_family == AF_INET && ntohs(address.sin_port) == atomic_load(&soak->ports[0]))
      return fd;
  }
  return -1;
}

static unsigned control_life_of(int pid) {
  unsigned life = atomic_load(&soak->lives);
  while (life > 0 && atomic_load(&soak->life[life].pid) != pid)
    life--;
  return life;
}

/* ---- workers ---- */

static struct control_worker *control_find(int id) {
  for (size_t i = 0; i < sizeof control.workers / sizeof *control.workers; i++)
    if (control.workers[i].id == id)
      return &control.workers[i];
  return NULL;
}

static int control_count_workers(bool listening) {
  int count = 0;
  for (size_t i = 0; i < sizeof control.workers / sizeof *control.workers; i++)
    count += control.workers[i].id != 0 && (!listening || control.workers[i].listening);
  return count;
}

static void control_add_worker(int id) {
  struct control_worker *free = control_find(0);
  soak_checked(id, "a worker");
  if (free != NULL)
    *free = (struct control_worker){.id = id, .pid = dgram_cluster_pid(control.cluster, id)};
}

static void control_on_listening(dgram_cluster_t *cluster, int id, const dgram_address_t *address,
                                 void *context) {
  struct control_worker *worker = control_find(id);
  atomic_store(&soak->ports[0], address->port);
  if (worker != NULL)
    worker->listening = true;
}

static void control_on_disconnect(dgram_cluster_t *cluster, int id, void *context) {
  struct control_worker *worker = control_find(id);
  if (worker != NULL)
    worker->listening = false;
}

/* What a killed process was about to take is neither lost for sure nor taken for sure. */
static void control_bury(int pid, unsigned target) {
  unsigned life = control_life_of(pid);
  if (life > 0 && atomic_load(&soak->life[life].killed))
    control.uncertain[target] += atomic_load(&soak->life[life].receiving);
}

/* A server ends by itself, or by SIGKILL; 4: it has met a fault when it began. */
static void control_judge_end(int64_t status, int signum) {
  if ((signum != 0 && signum != SIGKILL) || (status != 0 && status != 4))
    soak_broken("a server has crashed, or a sanitizer has found an error", (uint32_t)status,
                (unsigned)signum);
}

static void control_on_exit(dgram_cluster_t *cluster, int id, int64_t status, int signum,
                            void *context) {
  struct control_worker *worker = control_find(id);
  if (worker != NULL) {
    control_bury(worker->pid, 0);
    worker->id = 0;
  }
  control_judge_end(status, signum);
  if (control.phase != CONTROL_ENDS && control_count_workers(false) < CONTROL_WORKERS)
    control_add_worker(dgram_cluster_fork(control.cluster, NULL));
}

static struct control_worker *control_choose_worker(void) {
  size_t count = sizeof control.workers / sizeof *control.workers, start = soak_random() % count;
  for (size_t i = 0; i < count; i++) {
    struct control_worker *worker = &control.workers[(start + i) % count];
    if (worker->id != 0 && worker->id != control.keeper && worker->listening)
      return worker;
  }
  return NULL;
}

static void control_kill_worker(void) {
  struct control_worker *worker = control_choose_worker();
  if (worker == NULL)
    return;
  atomic_store(&soak->life[control_life_of(worker->pid)].killed, true);
  control.worker_kills += dgram_cluster_kill(control.cluster, worker->id, SIGKILL) == 0;
}

static void control_restart_worker(void) {
  struct control_worker *worker = control_choose_worker();
  if (worker == NULL || worker->replaced || control_count_workers(false) > CONTROL_WORKERS + 2)
    return;
  worker->replaced = true;
  control_add_worker(dgram_cluster_restart(control.cluster, worker->id));
  control.restarts++;
}

/* ---- the service ---- */

static int control_count_services(void) {
  int count = 0;
  for (int i = 0; i < CONTROL_CHILDREN; i++)
    count += control.service_runs[i];
  return count;
}

/* The service that offers its socket; NULL: none at the moment. */
static uv_process_t *control_find_service(void) {
  int pid = atomic_load(&soak->life[atomic_load(&soak->service)].pid);
  for (int i = 0; i < CONTROL_CHILDREN; i++)
    if (control.service_runs[i] && control.services[i].pid == pid)
      return &control.services[i];
  return NULL;
}

static void control_start_service(const char *how);

static void control_on_service_closed(uv_handle_t *handle) {
  control.service_runs[(uv_process_t *)handle - control.services] = false;
  if (control.phase != CONTROL_ENDS && control_count_services() == 0)
    control_start_service(NULL);
}

static void control_on_service_exit(uv_process_t *process, int64_t status, int signum) {
  control_bury(process->pid, 1);
  control_judge_end(status, signum);
  uv_close((uv_handle_t *)process, control_on_service_closed);
}

static void control_spawn(uv_process_t *process, const char *role, char **env, int passed_fd,
                          uv_exit_cb on_exit) {
  char *args[] = {control.program, (char *)role, control.path, NULL};
  uv_stdio_container_t files[4] = {{.flags = UV_IGNORE},
                                   {.flags = UV_INHERIT_FD, .data.fd = 1},
                                   {.flags = UV_INHERIT_FD, .data.fd = 2},
                                   {.flags = UV_INHERIT_FD, .data.fd = passed_fd}};
  uv_process_options_t options = {.file = control.program,
                                  .args = args,
                                  .env = env,
                                  .stdio = files,
                                  .stdio_count = passed_fd > 0 ? 4 : 3,
                                  .exit_cb = on_exit};
  soak_checked(uv_spawn(&control.loop, process, &options), role);
}

/* As the service manager does; or, with `how`, as the successor of the one that runs. */
static void control_start_service(const char *how) {
  int slot = 0;
  char verb[64], verbose[] = "SOAK_VERBOSE=1";
  char *env[4] = {"LISTEN_FDS=1", NULL}; /* LISTEN_PID is set by the process itself */
  while (slot < CONTROL_CHILDREN && control.service_runs[slot])
    slot++;
  if (slot == CONTROL_CHILDREN)
    return;
  if (how != NULL) {
    snprintf(verb, sizeof verb, "SOAK_HOW=%s", how);
    env[0] = "SOAK_TAKE=1";
    env[1] = verb;
  }
  if (getenv("SOAK_VERBOSE") != NULL)
    env[how != NULL ? 2 : 1] = verbose;
  control.service_runs[slot] = true;
  control.service_starts++;
  control_spawn(&control.services[slot], "service", env, how != NULL ? 0 : control.fds[1],
                control_on_service_exit);
}

static void control_hand_over(void) {
  static const char *const hows[] = {"confirms", "confirms", "confirms", "dies", "abandons"};
  if (control_find_service() == NULL || control_count_services() > 3)
    return;
  control.handover_tries++;
  control_start_service(hows[soak_random() % 5]);
}

static void control_kill_service(void) {
  uv_process_t *service = control_find_service();
  if (service == NULL)
    return;
  atomic_store(&soak->life[atomic_load(&soak->service)].killed, true);
  control.service_kills += uv_process_kill(service, SIGKILL) == 0;
}

static void control_on_load_exit(uv_process_t *process, int64_t status, int signum) {
  if (control.phase != CONTROL_ENDS) {
    soak_broken("the load has ended", (uint32_t)status, (unsigned)signum);
    control.length_ms = 0;
  }
  uv_close((uv_handle_t *)process, NULL);
}

/* ---- accounting ---- */

/* Counts one record, and asserts what must hold for it alone. */
static void control_count(uint32_t index, unsigned long long *lost,
                          unsigned long long *answers_lost, unsigned long long *answers_unsure) {
  struct soak_record *record = &soak->records[index];
  struct control_sums *sums = &control.sums;
  unsigned marks = (unsigned)atomic_load(&record->marks);
  unsigned taker = (unsigned)atomic_load(&record->taker);
  bool killed = atomic_load(&soak->life[taker].killed);
  sums->sent += (marks & SOAK_LEFT) != 0;
  sums->refused += (marks & SOAK_FAILED) != 0;
  if ((marks & (SOAK_LEFT | SOAK_FAILED)) == 0 || (marks & SOAK_ACCEPTED) == 0)
    soak_broken("a send did not complete", index, marks);
  if ((marks & SOAK_FAILED) != 0 && (marks & SOAK_TAKEN) != 0)
    soak_broken("a send failed, but the datagram arrived", index, marks);
  if ((marks & SOAK_DELIVERED) != 0)
    sums->delivered++;
  else if ((marks & SOAK_TAKEN) != 0 && killed)
    sums->with_killed++;
  else if ((marks & SOAK_TAKEN) != 0)
    soak_broken("a datagram was received and not delivered", index, marks);
  else if ((marks & SOAK_LEFT) != 0)
    lost[(marks & SOAK_TO_SERVICE) != 0]++;

  if ((marks & SOAK_ANSWER_ACCEPTED) == 0)
    return;
  if ((marks & SOAK_ANSWER_FAILED) != 0 && (marks & SOAK_ANSWER_TAKEN) != 0)
    soak_broken("an answer failed, but it arrived", index, marks);
  sums->answers_failed += (marks & SOAK_ANSWER_FAILED) != 0;
  if ((marks & SOAK_ANSWER_DELIVERED) != 0)
    sums->answers++;
  else if ((marks & SOAK_ANSWER_TAKEN) != 0)
    soak_broken("an answer was received and not delivered", index, marks);
  else if ((marks & SOAK_ANSWER_LEFT) != 0)
    ++*answers_lost;
  else if ((marks & SOAK_ANSWER_FAILED) == 0 && killed)
    ++*answers_unsure;
  else if ((marks & SOAK_ANSWER_FAILED) == 0)
    soak_broken("an answer did not complete", index, marks);
}

/* What is lost was dropped by a receive buffer, by a CPU's queue, or is uncertain; not more. */
static void control_compare(const char *what, unsigned long long lost, unsigned long long drops,
                            unsigned long long uncertain, unsigned long long backlog) {
  unsigned long long most = drops + uncertain + backlog;
  if (lost <= most && lost + uncertain >= drops)
    return;
  control.sums.unexplained += lost > most ? lost - most : drops - lost;
  fprintf(stderr, "soak: %s: %llu lost; dropped %llu, uncertain %llu, in queues of CPUs %llu\n",
          what, lost, drops, uncertain, backlog);
  soak_broken("the losses are not what was dropped", 0, 0);
}

static void control_account(void) {
  unsigned long long lost[SOAK_TARGETS] = {0}, answers_lost = 0, answers_unsure = 0;
  uint32_t used = atomic_load(&soak->used);
  for (uint32_t i = 0; i < used && i < SOAK_RECORDS; i++)
    control_count(i, lost, &answers_lost, &answers_unsure);
  unsigned long long backlog = control_backlog_drops() - control.backlog_before;
  for (unsigned i = 0; i < SOAK_TARGETS; i++) {
    uint32_t drops = control_meminfo(i, SK_MEMINFO_DROPS) - control.drops_before[i];
    control_compare(i == 0 ? "to the workers" : "to the service", lost[i], drops,
                    control.uncertain[i], backlog);
    control.sums.dropped += lost[i];
    control.sums.uncertain += control.uncertain[i];
  }
  uint32_t load_drops = atomic_load(&soak->load_drops) - control.load_drops_before;
  control_compare("answers", answers_lost, load_drops, answers_unsure, backlog);
  control.sums.answers_dropped += answers_lost;
  control.sums.answers_with_killed += answers_unsure;
}

/* ---- curves ---- */

static void control_sample_all(struct control_sample samples[CONTROL_KINDS]) {
  uv_process_t *service = control_find_service();
  samples[CONTROL_SELF] = control_sample((int)getpid());
  samples[CONTROL_LOAD] = control_sample(control.load.pid);
  samples[CONTROL_WORKER] = (struct control_sample){0, 0};
  for (size_t i = 0; i < sizeof control.workers / sizeof *control.workers; i++) {
    if (control.workers[i].id == 0 || !control.workers[i].listening)
      continue;
    struct control_sample one = control_sample(control.workers[i].pid),
                          *all = &samples[CONTROL_WORKER];
    all->kb = one.kb > all->kb ? one.kb : all->kb;
    all->fds = one.fds > all->fds ? one.fds : all->fds;
  }
  samples[CONTROL_SERVICE] =
      service != NULL ? control_sample(service->pid) : (struct control_sample){0, 0};
}

/* A line each second. Of a process that ends meanwhile nothing may be known. */
static void control_write_curves(uint64_t now) {
  struct control_sample samples[CONTROL_KINDS];
  control_sample_all(samples);
  fprintf(control.results, "%.1f", (double)(now - control.began_ms) / 1000);
  for (int i = 0; i < CONTROL_KINDS; i++)
    if (samples[i].kb > 0)
      fprintf(control.results, ",%ld,%ld", samples[i].kb, samples[i].fds);
    else
      fprintf(control.results, ",,");
  fprintf(control.results, ",%llu,%llu\n", control.sums.delivered + control.sums.answers,
          (unsigned long long)atomic_load(&soak->faults));
  fflush(control.results);
}

/* At the end of an epoch there are always the same processes, and nothing is under way. */
static void control_keep_settled(void) {
  control_sample_all(control.last);
  /* Pools, tables and buffers have their sizes when there has been an epoch. */
  if (control.epochs <= 1)
    memcpy(control.first, control.last, sizeof control.first);
}

static int control_grown(void) {
  int grown = 0;
  for (int i = 0; i < CONTROL_KINDS; i++) {
    struct control_sample first = control.first[i], last = control.last[i];
    bool more_fds = last.fds > first.fds,
         more_kb = last.kb > first.kb + first.kb / 8 + CONTROL_SLACK_KB;
    printf("soak: %-10s memory %ld -> %ld KiB, descriptors %ld -> %ld%s\n", control_names[i],
           first.kb, last.kb, first.fds, last.fds, more_fds || more_kb ? ": GROWN" : "");
    grown += more_fds || more_kb;
  }
  return grown;
}

/* ---- epochs ---- */

static void control_begin_epoch(uint64_t now) {
  memset(soak->records, 0, sizeof soak->records);
  for (unsigned i = 0; i < SOAK_TARGETS; i++) {
    control.drops_before[i] = control_meminfo(i, SK_MEMINFO_DROPS);
    control.uncertain[i] = 0;
  }
  control.load_drops_before = atomic_load(&soak->load_drops);
  control.backlog_before = control_backlog_drops();
  atomic_store(&soak->used, 0);
  atomic_fetch_add(&soak->epoch, 1);
  control.epoch_began_ms = control.acted_ms = now;
  control.phase = CONTROL_RUNS;
  atomic_store(&soak->sending, true);
}

static bool control_is_quiet(void) {
  return atomic_load(&soak->load_idle) == atomic_load(&soak->epoch) &&
         control_count_workers(true) == CONTROL_WORKERS &&
         control_count_workers(false) == CONTROL_WORKERS && control_count_services() == 1 &&
         control_find_service() != NULL && control_meminfo(0, SK_MEMINFO_RMEM_ALLOC) == 0 &&
         control_meminfo(1, SK_MEMINFO_RMEM_ALLOC) == 0;
}

static void control_act(uint64_t now) {
  static void (*const actions[])(void) = {control_kill_worker, control_restart_worker,
                                          control_hand_over,   control_hand_over,
                                          control_hand_over,   control_kill_service};
  control.acted_ms = now;
  actions[soak_random() % (sizeof actions / sizeof *actions)]();
}

static void control_end(void) {
  control.phase = CONTROL_ENDS;
  uv_close((uv_handle_t *)&control.timer, NULL);
  uv_process_kill(&control.load, SIGKILL);
  for (int i = 0; i < CONTROL_CHILDREN; i++)
    if (control.service_runs[i])
      uv_process_kill(&control.services[i], SIGKILL);
  soak_checked(dgram_cluster_close(control.cluster, 1000, NULL, NULL), "dgram_cluster_close");
}

static void control_settle(uint64_t now) {
  if (!control_is_quiet())
    control.quiet_since_ms = now;
  if (now - control.settle_began_ms > CONTROL_MOST_SETTLE_MS) {
    fprintf(stderr, "soak: load idle %d, workers %d of %d, services %d, offered %d, queued %u %u\n",
            atomic_load(&soak->load_idle) == atomic_load(&soak->epoch), control_count_workers(true),
            control_count_workers(false), control_count_services(), control_find_service() != NULL,
            control_meminfo(0, SK_MEMINFO_RMEM_ALLOC), control_meminfo(1, SK_MEMINFO_RMEM_ALLOC));
    soak_broken("the epoch does not settle", 0, 0);
    control_end();
    return;
  }
  if (now - control.quiet_since_ms < CONTROL_SETTLED_MS)
    return;
  control_account();
  control.epochs++;
  control_keep_settled();
  if (now - control.began_ms >= control.length_ms)
    control_end();
  else
    control_begin_epoch(now);
}

static void control_on_step(uv_timer_t *timer) {
  uint64_t now = uv_now(&control.loop);
  if (now - control.sampled_ms >= 1000) {
    control.sampled_ms = now;
    control_write_curves(now);
  }
  if (control.phase == CONTROL_SETTLES) {
    control_settle(now);
    return;
  }
  if (now - control.acted_ms >= CONTROL_ACTION_MS)
    control_act(now);
  if (now - control.epoch_began_ms < CONTROL_EPOCH_MS &&
      now - control.began_ms < control.length_ms && atomic_load(&soak->used) < SOAK_RECORDS / 8 * 7)
    return;
  atomic_store(&soak->sending, false);
  atomic_store(&soak->load_idle, 0);
  control.settle_began_ms = control.quiet_since_ms = now;
  control.phase = CONTROL_SETTLES;
}

/* ---- the start and the report ---- */

static void control_open_shared(void) {
  const char *folder = getenv("TMPDIR");
  snprintf(control.path, sizeof control.path, "%s/soak.XXXXXX", folder != NULL ? folder : "/tmp");
  int fd = soak_checked(mkstemp(control.path), control.path);
  soak_checked(ftruncate(fd, sizeof(struct soak_shared)), "ftruncate");
  close(fd);
  soak_join(control.path);
}

static void control_open_service_socket(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int fd = soak_checked(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
  soak_checked(bind(fd, (struct sockaddr *)&address, size), "bind");
  soak_checked(getsockname(fd, (struct sockaddr *)&address, &size), "getsockname");
  control.fds[1] = fd;
  atomic_store(&soak->ports[1], ntohs(address.sin_port));
}

static void control_start_workers(void) {
  char *keeper[] = {"SOAK_KEEPER=1", NULL};
  control.worker_args[0] = control.program;
  control.worker_args[1] = "worker";
  control.worker_args[2] = control.path;
  dgram_cluster_options_t options = dgram_default_cluster_options(control.worker_args);
  options.file = control.program;
  options.on_listening = control_on_listening;
  options.on_disconnect = control_on_disconnect;
  options.on_exit = control_on_exit;
  soak_checked(dgram_cluster_create(&control.loop, &options, &control.cluster), "a cluster");
  control.keeper = dgram_cluster_fork(control.cluster, keeper);
  control_add_worker(control.keeper);
  while (control_count_workers(true) < 1) /* has the port that the others ask for */
    uv_run(&control.loop, UV_RUN_ONCE);
  control.fds[0] = soak_checked(control_find_shared(), "the workers' socket");
  while (control_count_workers(false) < CONTROL_WORKERS)
    control_add_worker(dgram_cluster_fork(control.cluster, NULL));
}

static int control_report(void) {
  const struct control_sums *sums = &control.sums;
  int grown = control_grown();
  unsigned long long broken = atomic_load(&soak->broken);
  printf("soak: %.1f minutes, %u epochs\n",
         (double)(uv_now(&control.loop) - control.began_ms) / 60000, control.epochs);
  printf(
      "soak: %llu datagrams sent: %llu delivered, %llu dropped by the kernel, %llu with a killed "
      "process (and %llu uncertain); %llu sends refused or failed\n",
      sums->sent, sums->delivered, sums->dropped, sums->with_killed, sums->uncertain,
      sums->refused);
  printf(
      "soak: %llu answers delivered, %llu dropped by the kernel, %llu with a killed process, %llu "
      "refused or failed\n",
      sums->answers, sums->answers_dropped, sums->answers_with_killed, sums->answers_failed);
  printf("soak: %llu faults injected, %llu errors reported by the library\n",
         (unsigned long long)atomic_load(&soak->faults),
         (unsigned long long)atomic_load(&soak->errors));
  printf("soak: %u workers killed, %u restarted; %u services started, %u killed; %llu hand-overs "
         "of %u "
         "attempts\n",
         control.worker_kills, control.restarts, control.service_starts, control.service_kills,
         (unsigned long long)atomic_load(&soak->handovers), control.handover_tries);
  printf("soak: %llu promises broken, %llu datagrams unexplained\n", broken, sums->unexplained);
  return broken > 0 || grown > 0 || control.epochs == 0 ? 1 : 0;
}

int soak_control(int argc, char **argv) {
  double minutes = argc > 1 ? strtod(argv[1], NULL) : 30;
  if (argc > 3 || !(minutes > 0)) {
    fprintf(stderr, "usage: %s [MINUTES [RESULTS.csv]]\n", argv[0]);
    return 2;
  }
  ssize_t length = readlink("/proc/self/exe", control.program, sizeof control.program - 1);
  soak_checked((int)length, "/proc/self/exe");
  control.results = fopen(argc > 2 ? argv[2] : "/dev/null", "we");
  if (control.results == NULL)
    soak_checked(-1, argv[2]);
  fprintf(control.results, "seconds,controller_kb,controller_fds,load_kb,load_fds,worker_kb,"
                           "worker_fds,service_kb,service_fds,datagrams,faults\n");
  control_open_shared();
  soak_checked(uv_loop_init(&control.loop), "uv_loop_init");
  control_open_service_socket();
  control_start_workers();
  control_start_service(NULL);
  control_spawn(&control.load, "load", NULL, 0, control_on_load_exit);
  uv_update_time(&control.loop);
  control.began_ms = control.sampled_ms = uv_now(&control.loop);
  control.length_ms = (uint64_t)(minutes * 60000);
  soak_checked(uv_timer_init(&control.loop, &control.timer), "uv_timer_init");
  soak_checked(uv_timer_start(&control.timer, control_on_step, CONTROL_STEP_MS, CONTROL_STEP_MS),
               "uv_timer_start");
  control_begin_epoch(control.began_ms);
  uv_run(&control.loop, UV_RUN_DEFAULT);
  unlink(control.path);
  char offer[sizeof control.path + 8]; /* of the service, which was killed */
  snprintf(offer, sizeof offer, "%s.offer", control.path);
  unlink(offer);
  fclose(control.results);
  return control_report();
}
