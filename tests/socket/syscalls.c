/*
 * How few system calls it takes, counted by strace. The program runs itself under it, as one of
 * the children below.
 */
#include "lib/fixture.h"

/* ---- the children ---- */

enum { BURST = 10000, ROUNDS = 100 };

static int child_status;

static void fail_child(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  child_status = 1;
}

static void fail_child_send(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                            void *context) {
  if (error != NULL)
    child_status = 1;
}

/* Sends a burst of one size in one turn to the port of a system socket that nobody reads. */
static int burst_child(size_t size, int disable_gso) {
  static char bytes[1200];
  int fd = raw_socket();
  dgram_socket_t *socket;
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.disable_gso = disable_gso;
  if (dgram_create_socket_options(uv_default_loop(), &options, NULL, NULL, &socket) != 0)
    return 1;
  for (int i = 0; i < BURST; i++)
    if (dgram_send(socket, bytes, size, raw_port(fd), "127.0.0.1", fail_child_send, NULL) != 0)
      return 1;
  if (dgram_close(socket, NULL, NULL) != 0)
    return 1;
  return uv_run(uv_default_loop(), UV_RUN_DEFAULT) + child_status;
}

static void echo_or_close(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                          void *context) {
  if (rinfo->size == 0)
    dgram_close(socket, NULL, NULL);
  else
    dgram_send(socket, message, rinfo->size, rinfo->port, NULL, NULL, NULL);
}

static void tell_port(dgram_socket_t *socket, void *context) {
  dgram_address_t address;
  if (dgram_address(socket, &address) == 0)
    printf("%d\n", address.port);
  (void)fflush(stdout);
}

/* Echoes until an empty datagram comes. */
static int echo_child(void) {
  dgram_socket_t *socket;
  if (dgram_create_socket(uv_default_loop(), DGRAM_UDP4, echo_or_close, NULL, &socket) != 0 ||
      dgram_on_error(socket, fail_child, NULL) != 0 ||
      dgram_bind(socket, 0, "127.0.0.1", tell_port, NULL) != 0)
    return 1;
  return uv_run(uv_default_loop(), UV_RUN_DEFAULT) + child_status;
}

static int be_child(const char *name) {
  if (strcmp(name, "burst64") == 0)
    return burst_child(64, 0);
  if (strcmp(name, "burst1200") == 0)
    return burst_child(1200, 0);
  if (strcmp(name, "burst64-without-gso") == 0)
    return burst_child(64, 1);
  if (strcmp(name, "echo") == 0)
    return echo_child();
  return 2;
}

/* ---- counting ---- */

static const char *self;

struct calls {
  int sends;
  int receives;
  int empty_handed; /* calls that found nothing to do: EAGAIN */
  int segmented;    /* sends that the kernel cuts up */
};

static char trace_path[64];

static void skip_unless_traceable(void) {
  const char *why = NULL;
  if (test_scale() > 1)
    why = "DGRAM_TEST_SCALE is set: valgrind makes system calls of its own";
  else if (system("strace -qq -o /dev/null true 2>/dev/null") != 0)
    why = "strace is missing, or not permitted here";
  if (why != NULL) {
    print_message("skipped: %s\n", why);
    skip();
  }
}

/* Starts a child under strace. Returns its standard output. */
static FILE *start(const char *child, const char *variables) {
  char command[1024];
  const char *asan = getenv("ASAN_OPTIONS"); /* its leak checker can't be traced */
  strcpy(trace_path, "/tmp/dgram-syscalls-XXXXXX");
  int fd = mkstemp(trace_path);
  assert_true(fd >= 0);
  close(fd);
  int length = snprintf(
      command, sizeof command,
      "ASAN_OPTIONS='%s:detect_leaks=0' %s strace -f -qq -o %s "
      "-e trace=sendto,sendmsg,sendmmsg,recvfrom,recvmsg,recvmmsg,?recvmmsg_time64 '%s' %s",
      asan != NULL ? asan : "", variables, trace_path, self, child);
  assert_true(length > 0 && (size_t)length < sizeof command);
  FILE *output = popen(command, "r");
  assert_non_null(output);
  return output;
}

/* Waits for the child's end and counts what it did. */
static struct calls finish(FILE *output) {
  static char line[16384]; /* strace shortens what is longer */
  struct calls calls = {0};
  int status = pclose(output);
  FILE *trace = fopen(trace_path, "r");
  assert_non_null(trace);
  while (fgets(line, sizeof line, trace) != NULL) {
    calls.sends +=
        strstr(line, " sendto(") || strstr(line, " sendmsg(") || strstr(line, " sendmmsg(");
    calls.receives +=
        strstr(line, " recvfrom(") || strstr(line, " recvmsg(") || strstr(line, " recvmmsg");
    calls.empty_handed += strstr(line, "EAGAIN") != NULL;
    calls.segmented += strstr(line, "cmsg_level=SOL_UDP") != NULL;
  }
  (void)fclose(trace);
  unlink(trace_path);
  assert_int_equal(status, 0);
  return calls;
}

TEST("a burst of small datagrams takes few sends") {
  skip_unless_traceable();
  struct calls calls = finish(start("burst64", ""));
  print_message("%d sends\n", calls.sends);
  assert_in_range(calls.sends, 1, 400);
}

TEST("a burst of packet sized datagrams takes few sends") {
  skip_unless_traceable();
  struct calls calls = finish(start("burst1200", ""));
  print_message("%d sends\n", calls.sends);
  assert_in_range(calls.sends, 1, 400);
}

/* Still many a call, by sendmmsg. */
static void assert_unsegmented(struct calls calls) {
  print_message("%d sends\n", calls.sends);
  assert_int_equal(calls.segmented, 0);
  assert_in_range(calls.sends, 1, 400);
}

TEST("with GSO off no send is segmented") {
  skip_unless_traceable();
  assert_unsegmented(finish(start("burst64", "DGRAM_GSO=0")));
  assert_unsegmented(finish(start("burst64-without-gso", "")));
}

TEST("an echo takes one receive and one send") {
  skip_unless_traceable();
  int port = 0;
  char reply[8];
  int fd = raw_socket();
  FILE *output = start("echo", "");
  assert_int_equal(fscanf(output, "%d", &port), 1);
  for (int i = 0; i < ROUNDS; i++) {
    raw_send(fd, "ping", 4, port);
    assert_int_equal(recv(fd, reply, sizeof reply, 0), 4);
  }
  raw_send(fd, "", 0, port);
  struct calls calls = finish(output);
  close(fd);
  assert_int_equal(calls.sends, ROUNDS);
  assert_int_equal(calls.receives, ROUNDS + 1); /* and the one that closes it */
  assert_int_equal(calls.empty_handed, 0);
}

int main(int argc, char **argv) {
  if (argc > 1)
    return be_child(argv[1]);
  self = argv[0];
  return fixture_run();
}
