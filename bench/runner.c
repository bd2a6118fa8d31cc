/*
 * Runs one measurement: starts the two sides as processes on cores of their own, runs the protocol
 * of README.md with them, checks their results, and prints a line of results.csv.
 *
 *   bench_run SCENARIO SIZE SECONDS PEER RECEIVER-COMMAND... -- SENDER-COMMAND...
 *
 * A command gets ROLE SCENARIO SIZE SECONDS after its words, but before those like KEY=VALUE.
 * Exits with status 3 if a side does not support the scenario. Linux only.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

enum {
  HANG_SECONDS = 30,
  MAX_KEPT_OFF_PERCENT = 2, /* of the time: more is reported */
  MAX_LINE = 128 * 1024,    /* the ports of 10,000 sockets fit, also into an argument */
  MAX_WORDS = 64,           /* of our command line, and so of a side's */
  MAX_FIGURE = 32,
  UNSUPPORTED = 3 /* exit status, of a side and ours */
};

typedef struct result {
  double counted;
  double rate;
  double cpu_ns;
  double kept_off;
  double wrong;
  char p50[MAX_FIGURE];
  char p99[MAX_FIGURE];
  char p999[MAX_FIGURE];
  char bytes_per_socket[MAX_FIGURE];
} result_t;

typedef struct side {
  const char *name;
  const char *role;
  char **command;
  pid_t pid;
  int input;  /* what the side reads, ... */
  int output; /* ... and what it prints */
  size_t length;
  char line[MAX_LINE];
  result_t result;
} side_t;

typedef struct plan {
  char *scenario;
  char *size;
  char *seconds;
  char *peer;
  struct timespec deadline;
} plan_t;

static side_t receiver = {.name = "receiver", .role = "receive"};
static side_t sender = {.name = "sender", .role = "send"};

static void end_side(side_t *side) {
  if (side->pid <= 0)
    return;
  kill(side->pid, SIGKILL);
  waitpid(side->pid, NULL, 0);
  side->pid = 0;
}

/* Kills both sides first, so that none outlives the run. */
static _Noreturn void exit_run(int status) {
  end_side(&sender);
  end_side(&receiver);
  exit(status);
}

static _Noreturn void fail(const char *what, const char *why) {
  fprintf(stderr, "bench: %s: %s\n", what, why);
  exit_run(1);
}

static int checked(int result, const char *what) {
  if (result < 0)
    fail(what, strerror(errno));
  return result;
}

/* ---- starting a side ---- */

/* The words of the command with the side's arguments among them, up to a NULL. */
static void compose(char *words[MAX_WORDS], const plan_t *plan, const side_t *side, char *ports) {
  char *arguments[] = {(char *)side->role, plan->scenario, plan->size, plan->seconds, ports};
  size_t count = 0, left = sizeof arguments / sizeof *arguments;
  char **word = side->command;
  /* The first word is the program; its path may have a '=' in it. */
  for (; *word && (count == 0 || !strchr(*word, '=')); word++)
    words[count++] = *word;
  for (size_t i = 0; i < left; i++)
    if (arguments[i])
      words[count++] = arguments[i];
  for (; *word; word++)
    words[count++] = *word;
  words[count] = NULL;
}

/* Whether the command uses more than one core: that of a server with threads does. */
static bool uses_all_cores(char *words[]) {
  while (*words && strcmp(*words, "cores=all") != 0)
    words++;
  return *words != NULL;
}

/* In the child: executes the side. */
static _Noreturn void exec_side(char *words[], int core, int input, int output) {
  signal(SIGPIPE, SIG_DFL);
  if (!uses_all_cores(words))
    bench_use_core(core);
  checked(dup2(input, STDIN_FILENO), "dup2");
  checked(dup2(output, STDOUT_FILENO), "dup2");
  execvp(words[0], words);
  fprintf(stderr, "bench: %s: %s\n", words[0], strerror(errno));
  _exit(127);
}

static void start(side_t *side, const plan_t *plan, int core, char *ports) {
  char *words[MAX_WORDS];
  int input[2], output[2];
  compose(words, plan, side, ports);
  checked(pipe2(input, O_CLOEXEC), "pipe2");
  checked(pipe2(output, O_CLOEXEC), "pipe2");
  side->pid = checked(fork(), "fork");
  if (side->pid == 0) {
    receiver.pid = sender.pid = 0; /* this process has no sides to end */
    exec_side(words, core, input[0], output[1]);
  }
  close(input[0]);
  close(output[1]);
  side->input = input[1];
  side->output = output[0];
}

/* ---- lines to and from a side ---- */

static void send_line(const side_t *side, const char *line) {
  size_t length = strlen(line);
  if (write(side->input, line, length) != (ssize_t)length)
    fail(side->name, "does not read its input");
}

/*
 * A side has ended, or closed its output, too early. Its error message is on stderr.
 * The signal has no effect on a process that is already ending.
 */
static _Noreturn void fail_ended(side_t *side) {
  int status = 0;
  char why[64];
  kill(side->pid, SIGKILL);
  if (waitpid(side->pid, &status, 0) == side->pid)
    side->pid = 0;
  if (WIFEXITED(status) && WEXITSTATUS(status) == UNSUPPORTED)
    exit_run(UNSUPPORTED);
  if (WIFSIGNALED(status))
    snprintf(why, sizeof why, "ended by signal %d", WTERMSIG(status));
  else
    snprintf(why, sizeof why, "ended with status %d", WEXITSTATUS(status));
  fail(side->name, why);
}

static int ms_left(const plan_t *plan) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  long long left = (long long)(plan->deadline.tv_sec - now.tv_sec) * 1000 +
                   (plan->deadline.tv_nsec - now.tv_nsec) / 1000000;
  return left > 0 ? (int)left : 0;
}

/* Appends what the side has printed to its line; true when the line is complete. */
static bool read_output(side_t *side) {
  ssize_t got = read(side->output, side->line + side->length, sizeof side->line - side->length);
  if (got <= 0)
    fail_ended(side);
  side->length += (size_t)got;
  if (side->line[side->length - 1] != '\n') {
    if (side->length == sizeof side->line)
      fail(side->name, "has printed a line that is too long");
    return false;
  }
  side->line[side->length - 1] = '\0';
  side->length = 0;
  return true;
}

/* Waits for a line that begins with `word`; returns the rest. `other` must not end meanwhile. */
static char *wait_for_line(const plan_t *plan, side_t *side, side_t *other, const char *word) {
  size_t length = strlen(word);
  for (;;) {
    struct pollfd outputs[] = {{.fd = side->output, .events = POLLIN},
                               {.fd = other->pid ? other->output : -1, .events = POLLIN}};
    if (checked(poll(outputs, 2, ms_left(plan)), "poll") == 0)
      fail(side->name, "hangs");
    if (outputs[0].revents && read_output(side))
      break;
    if (outputs[1].revents && read_output(other))
      fail(other->name, "has printed an unexpected line");
  }
  if (strncmp(side->line, word, length) != 0 || (side->line[length] && side->line[length] != ' '))
    fail(side->name, side->line);
  return side->line + length;
}

/* ---- results ---- */

/* The value of KEY= in the line, and all after it; NULL if there is no such key. */
static const char *value_of(const char *line, const char *key) {
  const char *at = strstr(line, key);
  return at ? at + strlen(key) : NULL;
}

static double number(const side_t *side, const char *line, const char *key) {
  const char *value = value_of(line, key);
  char *rest = NULL;
  double result = value ? strtod(value, &rest) : 0;
  if (rest == value || (*rest && *rest != ' '))
    fail(side->name, "has printed an invalid result");
  return result;
}

/* Copies the text of the value; empty if there is none. */
static void copy_figure(char figure[MAX_FIGURE], const char *line, const char *key) {
  const char *value = value_of(line, key);
  snprintf(figure, MAX_FIGURE, "%.*s", value ? (int)strcspn(value, " ") : 0, value ? value : "");
}

static void read_result(side_t *side, const char *line) {
  result_t *result = &side->result;
  result->counted = number(side, line, " counted=");
  result->rate = number(side, line, " rate=");
  result->cpu_ns = number(side, line, " cpu_ns=");
  result->kept_off = number(side, line, " kept_off=");
  result->wrong = number(side, line, " wrong=");
  copy_figure(result->p50, line, " p50_us=");
  copy_figure(result->p99, line, " p99_us=");
  copy_figure(result->p999, line, " p999_us=");
  copy_figure(result->bytes_per_socket, line, " bytes_per_socket=");
}

/* Where datagrams are answered, and in `mixed`, the sender counts what the receiver sends. */
static bool sender_counts_answers(const plan_t *plan) {
  return strncmp(plan->scenario, "echo-", 5) == 0 || strcmp(plan->scenario, "pingpong") == 0 ||
         strcmp(plan->scenario, "mixed") == 0;
}

static void report_kept_off(const side_t *side) {
  double percent = 100 * side->result.kept_off;
  if (percent > MAX_KEPT_OFF_PERCENT)
    fprintf(stderr, "bench: note: the %s could not use its core %.0f %% of the time\n", side->name,
            percent);
}

static void report(const plan_t *plan) {
  const result_t *sent = &sender.result, *received = &receiver.result;
  bool answers = sender_counts_answers(plan);
  double left = answers ? received->counted : sent->counted;
  double came = answers ? sent->counted : received->counted;
  char why[64];
  snprintf(why, sizeof why, "%.0f of %.0f", sent->wrong + received->wrong, came);
  if (sent->wrong + received->wrong > 0)
    fail("datagrams of a wrong size, content or order", why);
  if (came <= 0 || came > left)
    fail("received", came > 0 ? "more than was sent" : "nothing");
  report_kept_off(&sender);
  report_kept_off(&receiver);
  printf("%s,%s,%s,%.0f,%.0f,%.2f,%.1f,%.1f", plan->scenario, plan->size, plan->peer, sent->rate,
         received->rate, 100 * (left - came) / left, sent->cpu_ns / sent->counted,
         received->cpu_ns / received->counted);
  printf(",%s,%s,%s,%s\n", sent->p50, sent->p99, sent->p999, received->bytes_per_socket);
}

/* ---- the run ---- */

/* The side has printed its result; it must also exit with status 0. */
static void wait_for_end(const plan_t *plan, side_t *side) {
  struct pollfd output = {.fd = side->output, .events = POLLIN};
  int status;
  char rest;
  if (poll(&output, 1, ms_left(plan)) <= 0)
    fail(side->name, "hangs");
  if (read(side->output, &rest, 1) != 0)
    fail(side->name, "has printed an unexpected line");
  checked(waitpid(side->pid, &status, 0), "waitpid");
  side->pid = 0;
  if (status != 0)
    fail(side->name, "ended with an error");
}

/*
 * The receiver's clock is started first, so that its time is over while the sender still sends.
 * Losses and CPU time are those of the whole run, with what is still received after its end.
 */
static void run(const plan_t *plan) {
  static char ports[MAX_LINE];
  start(&receiver, plan, 1, NULL);
  const char *ready = wait_for_line(plan, &receiver, &sender, "ready");
  snprintf(ports, sizeof ports, "ports=%s", ready + strspn(ready, " "));
  start(&sender, plan, 0, ports);
  wait_for_line(plan, &sender, &receiver, "ready");
  send_line(&receiver, "begin\n");
  send_line(&sender, "begin\n");
  read_result(&sender, wait_for_line(plan, &sender, &receiver, "result"));
  wait_for_end(plan, &sender);
  send_line(&receiver, "end\n");
  read_result(&receiver, wait_for_line(plan, &receiver, &sender, "result"));
  wait_for_end(plan, &receiver);
}

/* 10,000 sockets are more than what a process may have by default. */
static void raise_file_limit(void) {
  struct rlimit files;
  checked(getrlimit(RLIMIT_NOFILE, &files), "getrlimit");
  files.rlim_cur = files.rlim_max;
  checked(setrlimit(RLIMIT_NOFILE, &files), "setrlimit");
}

/* Where "--" is among the words; where they end if it is not. */
static char **find_separator(char **words) {
  while (*words && strcmp(*words, "--") != 0)
    words++;
  return words;
}

int main(int argc, char **argv) {
  char **separator = argc > 5 && argc < MAX_WORDS ? find_separator(argv + 5) : NULL;
  if (!separator || separator == argv + 5 || !*separator || !separator[1]) {
    fprintf(stderr, "usage: %s SCENARIO SIZE SECONDS PEER RECEIVER-COMMAND... -- ", argv[0]);
    fprintf(stderr, "SENDER-COMMAND...\n");
    return 2;
  }
  *separator = NULL;
  receiver.command = argv + 5;
  sender.command = separator + 1;
  plan_t plan = {.scenario = argv[1], .size = argv[2], .seconds = argv[3], .peer = argv[4]};
  clock_gettime(CLOCK_MONOTONIC, &plan.deadline);
  plan.deadline.tv_sec += (time_t)strtod(plan.seconds, NULL) + HANG_SECONDS;
  /* For a side that does not end after its result: when the runner has ended, its input ends. */
  alarm((unsigned)strtoul(plan.seconds, NULL, 10) + 2 * HANG_SECONDS);
  signal(SIGPIPE, SIG_IGN); /* a side that has ended is detected in wait_for_line() */
  raise_file_limit();
  run(&plan);
  report(&plan);
  return 0;
}
