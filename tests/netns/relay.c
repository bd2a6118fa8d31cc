/*
 * A relay with a slow side (examples/relay.c) holds its queue bound and pauses: the way to right
 * has a token bucket, so that the system's send buffer of the relay is full most of the time.
 */
#include "lib/hosts.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { DATAGRAMS = 600, SIZE = 1000, MOST = 32 };

#ifdef EXAMPLE_RELAY
static const char *const relay_program = EXAMPLE_RELAY;
#else
static const char *relay_program = NULL; /* not const: clang warns of execv(NULL) */
#endif

struct relay {
  pid_t pid;
  FILE *output;
};

static void run_relay(int output) {
  char port[16], most[16];
  snprintf(port, sizeof port, "%d", PORT);
  snprintf(most, sizeof most, "%d", MOST);
  char *arguments[] = {(char *)relay_program, port, port, (char *)ipv4.right, most, NULL};
  prctl(PR_SET_PDEATHSIG, SIGKILL); /* it ends with the test, however that ends */
  dup2(output, STDOUT_FILENO);
  execv(relay_program, arguments);
  _exit(127);
}

/* Starts it on the host that the program is now, and waits until it listens. */
static struct relay start_relay(void) {
  char line[200];
  int pipes[2];
  struct relay relay;
  assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
  relay.pid = fork();
  assert_true(relay.pid >= 0);
  if (relay.pid == 0)
    run_relay(pipes[1]);
  close(pipes[1]);
  relay.output = fdopen(pipes[0], "r");
  assert_non_null(relay.output);
  assert_non_null(fgets(line, sizeof line, relay.output));
  assert_string_equal(line, "relay listening 0.0.0.0:4000\n");
  return relay;
}

struct result {
  unsigned received;
  unsigned pauses;
  unsigned highest;
};

static struct result stop_relay(struct relay *relay) {
  struct result result;
  int status;
  assert_int_equal(kill(relay->pid, SIGTERM), 0);
  assert_int_equal(fscanf(relay->output, "received %u, paused %u times, queued %u at most",
                          &result.received, &result.pauses, &result.highest),
                   3);
  fclose(relay->output);
  assert_int_equal(waitpid(relay->pid, &status, 0), relay->pid);
  assert_int_equal(status, 0);
  return result;
}

/* The numbers that right gets: each but the last is higher than the one before. */
struct arrivals {
  int count;
  int last;
  int ended; /* the last datagram has come */
};

static void compare(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                    void *context) {
  struct arrivals *arrivals = context;
  int number;
  assert_int_equal(rinfo->size, SIZE);
  memcpy(&number, message, sizeof number);
  if (number <= arrivals->last && number != DATAGRAMS)
    fail_msg("datagram %d comes after %d", number, arrivals->last);
  arrivals->last = number;
  arrivals->count++;
  arrivals->ended = number == DATAGRAMS;
}

static int next_number; /* to be sent */

/* More than the way to right can carry; the last datagram again and again. */
static void send_some(uv_timer_t *timer) {
  static char bytes[SIZE];
  for (int i = 0; i < 20; i++) {
    uv_buf_t buffers[] = {uv_buf_init((char *)&next_number, sizeof next_number),
                          uv_buf_init(bytes, SIZE - sizeof next_number)};
    assert_int_equal(dgram_send_buffers(timer->data, buffers, 2, PORT, ipv4.middle, NULL, NULL), 0);
    if (next_number == DATAGRAMS)
      return;
    next_number++;
  }
}

/* What the system has no room for while the relay pauses is dropped. */
TEST("a relay with a slow side holds its queue bound and pauses") {
  struct arrivals arrivals = {0};
  if (relay_program == NULL) {
    print_message("skipped: the examples are not built\n");
    skip();
  }
  skip_without_command("tc");
  enter(middle);
  sh("tc qdisc add dev eth1 root tbf rate %umbit burst 3000 limit 1000000",
     test_scale() > 1 ? 2 : 20);
  struct relay relay = start_relay();
  bind_with(right, DGRAM_UDP4, compare, &arrivals);
  uv_timer_t timer;
  uv_timer_init(left->loop, &timer);
  timer.data = bind_on(left, DGRAM_UDP4, NULL);
  next_number = 1;
  uv_timer_start(&timer, send_some, 0, 4);
  run_hosts_until(&arrivals.ended, 1);
  uv_close((uv_handle_t *)&timer, NULL);
  uv_run(left->loop, UV_RUN_NOWAIT);
  struct result result = stop_relay(&relay);
  print_message("received %u, paused %u times, %d arrived\n", result.received, result.pauses,
                arrivals.count);
  assert_int_equal(result.highest, MOST);
  assert_in_range(result.pauses, 2, DATAGRAMS);
  assert_in_range(arrivals.count, 2 * MOST, result.received);
}

int main(void) {
  return hosts_run();
}
