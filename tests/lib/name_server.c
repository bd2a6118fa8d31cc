#include "lib/name_server.h"

#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { UP_PORT = 5300 };

static pid_t dnsmasq;
static int up = -1; /* the socket on which the test gets the queries for up.test */

void write_file(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, text, strlen(text)), strlen(text));
  close(fd);
}

/*
 * Puts a file of the test's own in place of a system's, for this program only. Where there is none
 * there is nothing to hide.
 */
static int hide(const char *path, const char *text) {
  char own[] = "/tmp/dgram-test-XXXXXX";
  if (access(path, F_OK) != 0)
    return 1;
  int fd = mkstemp(own);
  assert_true(fd >= 0);
  close(fd);
  write_file(own, text);
  int hidden = mount(own, path, "none", MS_BIND, NULL) == 0;
  unlink(own); /* what is mounted stays */
  return hidden;
}

/* The resolver would also query each name within the domain of the host's own name. */
static int have_no_domain(void) {
  return unshare(CLONE_NEWUTS) == 0 && sethostname("host", 4) == 0;
}

static int hide_files(void) {
  return unshare(CLONE_NEWNS) == 0 && mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0 &&
         access(RESOLV_CONF, F_OK) == 0 && hide(RESOLV_CONF, RESOLVER) &&
         hide("/etc/nsswitch.conf", "hosts: dns\n") && hide("/run/nscd/socket", "");
}

static void run_dnsmasq(int log) {
  static char *const arguments[] = {"dnsmasq",
                                    "--no-daemon",
                                    "--conf-file=/dev/null",
                                    "--no-resolv",
                                    "--no-hosts",
                                    "--cache-size=0",
                                    "--bind-interfaces",
                                    "--listen-address=127.0.0.1",
                                    "--local=/test/",
                                    "--host-record=four.test,127.0.0.4",
                                    "--host-record=six.test,fd00::6",
                                    "--host-record=both.test,127.0.0.5,fd00::5",
                                    "--host-record=abc.test,127.0.0.6",
                                    "--host-record=xn--bcher-kva.test,127.0.0.7",
                                    "--host-record=xn--fa-hia.test,127.0.0.8",
                                    "--host-record=xn--n3h.test,127.0.0.9",
                                    "--server=/up.test/127.0.0.1#5300",
                                    NULL};
  prctl(PR_SET_PDEATHSIG, SIGKILL); /* it ends with the test, however that ends */
  dup2(log, STDERR_FILENO);
  setenv("PATH", "/usr/sbin:/sbin:/usr/bin:/bin", 1);
  execvp(arguments[0], arguments);
  _exit(127);
}

/* Starts it, and waits until it reports that it listens. */
static void start_dnsmasq(void) {
  int ends[2];
  char line[256];
  int started = 0;
  assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
  dnsmasq = fork();
  assert_true(dnsmasq >= 0);
  if (dnsmasq == 0)
    run_dnsmasq(ends[1]);
  close(ends[1]);
  FILE *log = fdopen(ends[0], "r");
  assert_non_null(log);
  while (!started && fgets(line, sizeof line, log) != NULL)
    started = strstr(line, "started") != NULL;
  assert_true(started); /* its log stays open: it must be able to write */
}

static void start_name_server(void) {
  struct sockaddr_in address = loopback_address(UP_PORT);
  sh("ip link set lo up");
  add_address("fd00::5", 128, "lo");
  add_address("fd00::6", 128, "lo");
  up = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  assert_true(up >= 0);
  assert_int_equal(bind(up, (struct sockaddr *)&address, sizeof address), 0);
  start_dnsmasq();
}

/* As hosts_allowed(). */
static int names_allowed(void) {
  if (!hosts_allowed())
    return 0;
  if (!have_command("dnsmasq"))
    print_message("skipped: dnsmasq(8) is missing\n");
  else if (!have_no_domain() || !hide_files())
    print_message("skipped: cannot configure a resolver of its own: %s\n", strerror(errno));
  else
    return 1;
  return 0;
}

int names_run(void) {
  if (!names_allowed())
    return SKIPPED;
  start_name_server();
  int failed = fixture_run();
  kill(dnsmasq, SIGKILL);
  return waitpid(dnsmasq, NULL, 0) == dnsmasq ? failed : 1;
}

static void receive_query(struct query *query) {
  enum { HEADER = 12, TYPE_AND_CLASS = 4 };
  socklen_t length = sizeof query->from;
  ssize_t size =
      recvfrom(up, query->bytes, sizeof query->bytes, 0, (struct sockaddr *)&query->from, &length);
  assert_true(size > HEADER);
  query->size = HEADER;
  while (query->bytes[query->size] != 0) /* labels */
    query->size += query->bytes[query->size] + 1U;
  query->size += 1 + TYPE_AND_CLASS;
  assert_true(query->size <= (size_t)size);
}

/* Waits until the loop has something to do or a query has come. Returns whether it has. */
static int is_asked(const uv_loop_t *loop) {
  struct pollfd wakes[] = {{.fd = uv_backend_fd(loop), .events = POLLIN},
                           {.fd = up, .events = POLLIN}};
  assert_true(poll(wakes, 2, uv_backend_timeout(loop)) >= 0);
  return wakes[1].revents != 0;
}

void wait_for_query(uv_loop_t *loop, struct query *query) {
  do
    uv_run(loop, UV_RUN_NOWAIT);
  while (!is_asked(loop));
  receive_query(query);
}

void answer_query(struct query *query, uint8_t code, const char *address) {
  static const uint8_t record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4}; /* type A */
  uint8_t *bytes = query->bytes;
  size_t size = query->size;
  memset(bytes + 6, 0, 6); /* numbers of records, but not of questions */
  bytes[2] = 0x81;         /* a response */
  bytes[3] = 0x80 | code;
  if (code == FOUND) {
    bytes[7] = 1;
    memcpy(bytes + size, record, sizeof record);
    assert_int_equal(inet_pton(AF_INET, address, bytes + size + sizeof record), 1);
    size += sizeof record + 4;
  }
  assert_int_equal(sendto(up, bytes, size, 0, (struct sockaddr *)&query->from, sizeof query->from),
                   size);
}

void run_answering_until(uv_loop_t *loop, uint8_t code, const int *reached, int wanted) {
  while (uv_run(loop, UV_RUN_NOWAIT) && *reached < wanted)
    if (is_asked(loop)) {
      struct query query;
      receive_query(&query);
      int good = memcmp(query.bytes + 13, "good", 4) == 0; /* behind the header and a length */
      answer_query(&query, good ? FOUND : code, "127.0.0.1");
    }
}
