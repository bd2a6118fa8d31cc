/*
 * Every call of a scenario fails, each with every error that it may give.
 *
 *   1. A process of its own runs the scenario, and counts the calls of each kind.
 *   2. For each call and each fault it runs the scenario again, where this call fails once, and
 *      then recovers; where all calls of its kind fail from this one on, until the scenario ends;
 *      and the same until the sockets have closed.
 *   3. If that process dies, by a failed check, a crash or a watchdog, the runner notes the fault
 *      and goes on behind it, in another process.
 *
 *   DGRAM_TORTURE_ONLY=TEXT    only scenarios with TEXT in their name
 *   DGRAM_TORTURE_SHARE=N      one of N faults, others at each run
 *   DGRAM_TORTURE_FAULT=TEXT   only this fault, as a report names it, and in this process
 *   DGRAM_TORTURE_LONG=1       also two, three and five failing calls in a row, and pairs of them
 *   DGRAM_TORTURE_RULES=0      tries all faults at which libuv aborts, not one of each scenario
 */
#include "torture/world.h"

#include "lib/raw.h"
#include "unit/random.h"

#include "library_calls.h"

#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

enum { FOREVER = 1000000, STATUS_FAILED = 3, STATUS_LIBUV = 4, WATCHDOG_SECONDS = 10 };

static const struct mode modes[] = {
    {"offloads", AF_INET, "1", "1", "1"},
    {"plain", AF_INET, "0", "0", "1"},
    {"single", AF_INET, "0", "0", "0"},
    {"IPv6", AF_INET6, "1", "1", "1"},
};
enum { MODES = sizeof modes / sizeof *modes };

/* How the call fails: once, or from it on; and whether that ends before the sockets are tried. */
static const struct way {
  const char *name;
  unsigned times;
  bool lifts;
  bool of_long; /* only if there is time */
  bool pairs;   /* another call fails, too: it is chosen at random */
} ways[] = {
    {"once", 1, true, false, false},
    {"from then on", FOREVER, true, false, false},
    {"to the end", FOREVER, false, false, false},
    {"once, to the end", 1, false, true, false},
    {"twice", 2, true, true, false},
    {"three times", 3, true, true, false},
    {"five times", 5, false, true, false},
    {"once", 1, true, true, true},
    {"from then on", FOREVER, true, true, true},
    {"to the end", FOREVER, false, true, true},
};
enum { WAYS = sizeof ways / sizeof *ways };

/* What a process of a scenario tells the runner. */
static struct shared {
  const struct scenario *scenario;
  const struct mode *mode;
  const struct way *way;
  struct inject_plan plans[INJECT_PLANS];
  unsigned long at; /* the number of this fault in its scenario and mode */
  bool recorded;    /* the scenario has run without a fault */
  char text[400];   /* why it ends */
  unsigned long injected[CALLS];
  unsigned long runs;
  unsigned most_turns;
  unsigned char called[TORTURE_FUNCTIONS];
  unsigned long left_out[CALLS]; /* by a rule */
  unsigned long aborted[CALLS];  /* tried, and libuv has aborted */
  bool tried[CALLS];             /* in this scenario and mode */
} * shared;

static unsigned long failures;
static pid_t runner;

/* ---- rules: what libuv itself does not survive ---- */

static const struct rule {
  enum torture_call call;
  const char *reason;
} rules[] = {
    {CALL_libuv_epoll_ctl_watch,
     "uv__io_poll() calls abort() when epoll_ctl() refuses to add or change a descriptor"},
    {CALL_uv_realloc, "uv__io_start() calls abort() when its table of descriptors cannot grow"},
};
enum { RULES = sizeof rules / sizeof *rules };

static const struct rule *rule_of(enum torture_call call) {
  for (int i = 0; i < RULES; i++)
    if (rules[i].call == call)
      return &rules[i];
  return NULL;
}

/* ---- the end of a process ---- */

void torture_fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(shared->text, sizeof shared->text, format, arguments);
  va_end(arguments);
  if (getpid() == runner) { /* it runs one fault itself */
    fprintf(stderr, "%s\n", shared->text);
    raise(SIGTRAP);
  }
  _exit(STATUS_FAILED);
}

void torture_libuv_aborts(const char *reason) {
  snprintf(shared->text, sizeof shared->text, "libuv aborts: %s", reason);
  _exit(STATUS_LIBUV);
}

void torture_note(unsigned function) {
  shared->called[function] = 1;
}

/* ---- a process: one scenario in one mode ---- */

static void run_scenario(const struct inject_plan plans[INJECT_PLANS], const struct way *way) {
  memcpy(shared->plans, plans, sizeof shared->plans);
  shared->way = way;
  alarm(WATCHDOG_SECONDS);
  world_run(shared->scenario, shared->mode, plans, way->lifts);
  if (shared->text[0] != '\0')
    _exit(STATUS_FAILED); /* in a process that the scenario has started */
  if (world.most_turns > shared->most_turns)
    shared->most_turns = world.most_turns;
  if (plans[0].at > 0) {
    shared->runs++;
    shared->injected[plans[0].call] += *inject.met;
  }
}

/*
 * What no system does for ever: it does not interrupt each call, nor return EAGAIN of a stream or
 * of netlink that poll(2) finds ready (of UDP it does: no port is free, the checksum is wrong).
 */
static bool is_possible(enum torture_call call, int fault) {
  return fault != EINTR &&
         !(fault == EAGAIN && (call == CALL_recvmsg_unix || call == CALL_sendmsg_unix ||
                               call == CALL_recvmsg_netlink));
}

/* Of many calls of a kind some are chosen, the first ones all. */
static bool is_chosen_call(unsigned at, unsigned count, bool long_run) {
  enum { FIRST = 16, FURTHER = 16 };
  return long_run || at <= FIRST || at == count || at % (count / FURTHER + 1) == 0;
}

static unsigned share(void) {
  const char *share = getenv("DGRAM_TORTURE_SHARE");
  return share != NULL && atoi(share) > 1 ? (unsigned)atoi(share) : 1;
}

static void name_fault(char text[200], const struct inject_plan plans[INJECT_PLANS],
                       const struct way *way) {
  int length = 0;
  for (int i = 0; i < INJECT_PLANS && plans[i].at > 0; i++)
    length += snprintf(text + length, (size_t)(200 - length), "%s%s #%u %s", i > 0 ? " and " : "",
                       torture_calls[plans[i].call].name, plans[i].at,
                       torture_fault_name(plans[i].fault));
  snprintf(text + length, (size_t)(200 - length), ", %s", way->name);
}

/* All faults one after the other: call by call, and of each its faults, and their ways. */
struct cursor {
  const unsigned *counts; /* of each call */
  int call;
  unsigned at;
  const int *fault;
  const struct way *way;
};

static struct cursor cursor_begin(const unsigned counts[CALLS]) {
  static const int none[] = {FAULT_NONE, FAULT_NONE};
  return (struct cursor){.counts = counts, .fault = none, .way = ways + WAYS - 1};
}

static bool cursor_next(struct cursor *cursor) {
  if (++cursor->way < ways + WAYS)
    return true;
  cursor->way = ways;
  if (*++cursor->fault != FAULT_NONE)
    return true;
  cursor->at++;
  while (cursor->call < CALLS && cursor->at > cursor->counts[cursor->call]) {
    cursor->call++;
    cursor->at = 1;
  }
  if (cursor->call < CALLS)
    cursor->fault = torture_calls[cursor->call].faults;
  return cursor->call < CALLS;
}

static bool cursor_is_chosen(const struct cursor *cursor, bool long_run) {
  const struct way *way = cursor->way;
  enum torture_call call = (enum torture_call)cursor->call;
  return (!way->of_long || long_run) &&
         (way->times < FOREVER || is_possible(call, *cursor->fault)) &&
         is_chosen_call(cursor->at, cursor->counts[call], long_run);
}

/* A connect whose peer cannot be read is undone, and if that fails, too, the socket is deaf. */
static bool is_left_out(enum torture_call first, enum torture_call second) {
  return rule_of(second) != NULL || (first == CALL_connect && second == CALL_getpeername) ||
         (first == CALL_getpeername && second == CALL_connect);
}

/* Any call that the scenario makes, by the number of the first fault: the same in each run. */
static void choose_second(struct inject_plan *second, enum torture_call first,
                          const unsigned counts[CALLS], unsigned long number) {
  uint32_t random = (uint32_t)number + 1;
  do {
    int call = (int)random_below(&random, CALLS);
    unsigned faults = 0;
    do /* each has one at least */
      faults++;
    while (torture_calls[call].faults[faults] != FAULT_NONE);
    *second = (struct inject_plan){.call = (enum torture_call)call, .times = 1};
    if (counts[call] > 0)
      second->at = 1 + random_below(&random, counts[call]);
    second->fault = torture_calls[call].faults[random_below(&random, faults)];
    if (random_below(&random, 2) == 0 && is_possible(second->call, second->fault))
      second->times = FOREVER;
  } while (second->at == 0 || is_left_out(first, second->call));
}

/* Counts the calls of the scenario without a fault. */
static void record_calls(unsigned counts[CALLS]) {
  const struct inject_plan none[INJECT_PLANS] = {{.at = 0}};
  inject.in_child = false;
  for (int i = 0; i < 2; i++) /* the first time libuv and libc set up what they keep */
    run_scenario(none, &ways[0]);
  shared->recorded = true;
  for (int i = 0; i < CALLS; i++)
    counts[i] = inject.calls[i];
  counts[CALL_libuv_execvp] = counts[CALL_libuv_fork]; /* each in a process of its own */
}

/* All faults from number `from` on; one of so many, if they are shared. */
static void run_faults(unsigned long from, unsigned offset, const char *only) {
  unsigned counts[CALLS];
  bool long_run = getenv("DGRAM_TORTURE_LONG") != NULL;
  bool by_rules = getenv("DGRAM_TORTURE_RULES") == NULL;
  unsigned long number = 0;
  record_calls(counts);
  struct cursor cursor = cursor_begin(counts);
  while (cursor_next(&cursor)) {
    if (!cursor_is_chosen(&cursor, long_run) || number++ < from || (number + offset) % share() != 0)
      continue;
    enum torture_call call = (enum torture_call)cursor.call;
    struct inject_plan plans[INJECT_PLANS] = {{call, cursor.at, cursor.way->times, *cursor.fault}};
    char name[200];
    if (cursor.way->pairs)
      choose_second(&plans[1], call, counts, number);
    shared->at = number;
    name_fault(name, plans, cursor.way);
    if (only != NULL && strcmp(only, name) != 0)
      continue;
    if (rule_of(call) != NULL && shared->tried[call] && by_rules) {
      shared->left_out[call]++;
      continue;
    }
    shared->tried[call] = true;
    run_scenario(plans, cursor.way);
  }
}

/* ---- the runner ---- */

static struct scenario *scenarios;
static struct scenario **scenarios_end = &scenarios;

void scenario_add(struct scenario *scenario) {
  *scenarios_end = scenario;
  scenarios_end = &scenario->next;
}

static void report_failure(int status) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == STATUS_LIBUV && shared->recorded &&
      rule_of(shared->plans[0].call) != NULL) {
    shared->aborted[shared->plans[0].call]++;
    return;
  }
  char name[200] = "no fault";
  char end[64] = "";
  if (shared->recorded)
    name_fault(name, shared->plans, shared->way);
  if (WIFSIGNALED(status))
    snprintf(end, sizeof end, "ends by signal %d (%s)", WTERMSIG(status),
             strsignal(WTERMSIG(status)));
  else if (WEXITSTATUS(status) != STATUS_FAILED && WEXITSTATUS(status) != STATUS_LIBUV)
    snprintf(end, sizeof end, "ends with status %d", WEXITSTATUS(status));
  printf("FAILED %s (%s): %s: %s%s%s\n", shared->scenario->name, shared->mode->name, name, end,
         end[0] != '\0' && shared->text[0] != '\0' ? ": " : "", shared->text);
  failures++;
}

/* Returns how many faults were injected. */
static unsigned long run_in_processes(unsigned offset) {
  enum { MOST_FAILURES = 15 };
  unsigned long before = shared->runs;
  unsigned long first_failure = failures;
  shared->at = 0;
  memset(shared->tried, 0, sizeof shared->tried);
  for (;;) {
    int status;
    unsigned long from = shared->at;
    shared->text[0] = '\0';
    shared->recorded = false;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
      signal(SIGALRM, SIG_DFL);
      run_faults(from, offset, NULL);
      exit(0); /* with the checks of a sanitizer */
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
      perror("torture");
      exit(1);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
      break;
    report_failure(status);
    if (!shared->recorded || failures - first_failure >= MOST_FAILURES) {
      printf("  the rest of this scenario is skipped\n");
      break;
    }
  }
  return shared->runs - before;
}

static double seconds(void) {
  struct timespec now;
  inject.real_time = true;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void print_calls(void) {
  unsigned long total = 0;
  printf("\nfaults  calls that failed\n");
  for (int i = 0; i < CALLS; i++)
    if (shared->injected[i] > 0)
      printf("%7lu  %s\n", shared->injected[i], torture_calls[i].name);
  for (int i = 0; i < CALLS; i++)
    total += shared->injected[i];
  for (int i = 0; i < RULES; i++)
    printf("left out: %lu faults of \"%s\": %s (tried: it did %lu times)\n",
           shared->left_out[rules[i].call], torture_calls[rules[i].call].name, rules[i].reason,
           shared->aborted[rules[i].call]);
  for (int i = 0; i < CALLS; i++)
    if (shared->injected[i] == 0 && rule_of((enum torture_call)i) == NULL)
      printf("never failed: %s\n", torture_calls[i].name);
  printf("runs with a fault: %lu; calls that failed: %lu; most turns of a loop: %u\n", shared->runs,
         total, shared->most_turns);
}

/* Each public function was called. */
static void check_functions(void) {
  static const char *const names[] = {TORTURE_FUNCTION_NAMES};
  unsigned called = 0;
  for (int i = 0; i < TORTURE_FUNCTIONS; i++) {
    called += shared->called[i];
    if (shared->called[i] == 0) {
      printf("FAILED no scenario calls %s()\n", names[i]);
      failures++;
    }
  }
  printf("public functions called: %u of %d\n", called, TORTURE_FUNCTIONS);
}

/* Each function that the library calls may fail here, or is known not to fail. */
static void check_calls(void) {
  static const char *const unknown[] = {TORTURE_UNKNOWN_CALLS NULL};
  for (const char *const *name = unknown; *name != NULL; name++) {
    printf("FAILED the library calls %s(), which is neither in calls.txt nor in harmless.txt\n",
           *name);
    failures++;
  }
}

int main(void) {
  const char *only = getenv("DGRAM_TORTURE_ONLY");
  const char *fault = getenv("DGRAM_TORTURE_FAULT");
  const char *least = getenv("DGRAM_TORTURE_LEAST");
  unsigned offset = share() > 1 ? (unsigned)time(NULL) : 0;
  unsigned count = 0;
  signal(SIGPIPE, SIG_IGN); /* as libuv's programs do */
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED)
    return 1;
  if (!inject_knows_libuv()) {
    printf("skipped: libuv is linked into this program\n");
    return 77;
  }
  inject.real_time = true;
  inject_init();
  world_init();
  double begin = seconds();
  for (const struct scenario *scenario = scenarios; scenario != NULL; scenario = scenario->next)
    for (const struct mode *mode = modes; mode < modes + MODES; mode++) {
      if ((only != NULL && strstr(scenario->name, only) == NULL) ||
          (scenario->kind != IN_ALL_MODES && mode != modes) ||
          (mode->family == AF_INET6 && !have_ipv6()))
        continue;
      shared->scenario = scenario;
      shared->mode = mode;
      if (fault != NULL) {
        runner = getpid();
        run_faults(0, 0, fault);
        continue;
      }
      double then = seconds();
      unsigned long runs = run_in_processes(offset);
      printf("%6lu faults, %5.1f s: %s (%s)\n", runs, seconds() - then, scenario->name, mode->name);
      count++;
    }
  printf("\nscenarios, by mode: %u; %.0f s\n", count, seconds() - begin);
  print_calls();
  check_calls();
  if (only == NULL && fault == NULL) {
    check_functions();
    if (least != NULL && share() == 1 && shared->runs < (unsigned long)atol(least)) {
      printf("FAILED fewer than %s faults\n", least);
      failures++;
    }
  }
  printf(failures == 0 ? "passed\n" : "FAILURES: %lu\n", failures);
  return failures == 0 ? 0 : 1;
}
