/*
 * Sockets that a service manager has opened: this program, started anew with descriptors and
 * variables as sd_listen_fds(3) has them, and by systemd-socket-activate itself where that is.
 */
#include "lib/fixture.h"
#include "lib/process.h"

#include <dgram_handover.h>

/* ---- the program that is started ---- */

static const char *if_set(const char *variable, const char *word) {
  return getenv(variable) != NULL ? word : "";
}

/*
 * Prints what it has got, one word each: how many or which error; each descriptor, its name, and
 * whether programs inherit it; what a second call returns; and what variables are left.
 */
static int print_fds(int room, int clear) {
  dgram_listen_fd_t fds[8];
  int count = dgram_listen_fds(room > 0 ? fds : NULL, (size_t)room, clear);
  if (count < 0)
    printf("%s", uv_err_name(count));
  else
    printf("%d", count);
  for (int i = 0; i < count && i < room; i++)
    printf(" %d=%s%s", fds[i].fd, fds[i].name,
           (fcntl(fds[i].fd, F_GETFD) & FD_CLOEXEC) != 0 ? "" : "(inherited)");
  printf(" then %d%s%s%s\n", dgram_listen_fds(NULL, 0, 0), if_set("LISTEN_PID", " pid"),
         if_set("LISTEN_FDS", " fds"), if_set("LISTEN_FDNAMES", " names"));
  return 0;
}

static void answer_and_end(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                           void *context) {
  dgram_send(socket, message, rinfo->size, rinfo->port, NULL, NULL, NULL);
  dgram_close(socket, NULL, NULL);
}

/* Binds to the only descriptor, and answers one datagram. Returns which step failed, or 0. */
static int serve(void) {
  dgram_listen_fd_t fd;
  dgram_socket_t *socket;
  if (dgram_listen_fds(&fd, 1, 1) != 1)
    return 1;
  if (dgram_create_socket(uv_default_loop(), DGRAM_UDP4, answer_and_end, NULL, &socket) != 0)
    return 2;
  if (adopt_fd(socket, fd.fd) != 0)
    return 3;
  return uv_run(uv_default_loop(), UV_RUN_DEFAULT) == 0 ? 0 : 4;
}

/* ---- starting it ---- */

/* What it prints with so many descriptors, of 3 to 7, and these variables; $$ is its process id. */
static const char *printed(int given, const char *variables, int room, int clear) {
  static char words[2048];
  char command[8192];
  int length = snprintf(command, sizeof command, "exec env %s %s print %d %d", variables,
                        process_program(), room, clear);
  for (int fd = 3; fd < 8; fd++)
    length += snprintf(command + length, sizeof command - (size_t)length, " %d<%s", fd,
                       fd < 3 + given ? "/dev/null" : "&-");
  FILE *output = popen(command, "r");
  assert_non_null(output);
  size_t got = fread(words, 1, sizeof words - 1, output);
  words[got] = '\0';
  words[strcspn(words, "\n")] = '\0';
  assert_int_equal(pclose(output), 0);
  return words;
}

#define OURS "LISTEN_PID=$$ "
#define assert_printed(expected, ...) assert_string_equal(printed(__VA_ARGS__), expected)

TEST("descriptors are returned with their names") {
  assert_printed("1 3=unknown then 1 pid fds", 1, OURS "LISTEN_FDS=1", 8, 0);
  assert_printed("3 3=unknown 4=unknown 5=unknown then 3 pid fds", 3, OURS "LISTEN_FDS=3", 8, 0);
  assert_printed("3 3=dns 4= 5=x.socket then 3 pid fds names", 3,
                 OURS "LISTEN_FDS=3 LISTEN_FDNAMES=dns::x.socket", 8, 0);
  assert_printed("1 3= then 1 pid fds names", 1, OURS "LISTEN_FDS=1 LISTEN_FDNAMES=", 8, 0);
}

TEST("descriptors for which there is no room count all the same") {
  assert_printed("3 3=a 4=b then 3 pid fds names", 3, OURS "LISTEN_FDS=3 LISTEN_FDNAMES=a:b:c", 2,
                 0);
  assert_printed("3 then 3 pid fds", 3, OURS "LISTEN_FDS=3", 0, 0);
}

TEST("no descriptor is returned without the variables, or with those of another process") {
  assert_printed("0 then 0", 1, "", 8, 0);
  assert_printed("0 then 0 fds", 1, "LISTEN_FDS=1", 8, 0);
  assert_printed("0 then 0 pid", 1, OURS, 8, 0);
  assert_printed("0 then 0 pid fds", 1, "LISTEN_PID=1 LISTEN_FDS=1", 8, 0);
  assert_printed("0 then 0 pid fds", 1, OURS "LISTEN_FDS=0", 8, 0);
}

TEST("the variables are removed if that is wanted") {
  assert_printed("2 3=a 4=b then 0", 2, OURS "LISTEN_FDS=2 LISTEN_FDNAMES=a:b", 8, 1);
  assert_printed("0 then 0", 1, "LISTEN_PID=1 LISTEN_FDS=1", 8, 1);
  assert_printed("EINVAL then 0", 1, OURS "LISTEN_FDS=one", 8, 1);
}

TEST("malformed variables are EINVAL") {
  static const char *const variables[] = {
      "LISTEN_PID= LISTEN_FDS=1",
      "LISTEN_PID=me LISTEN_FDS=1",
      "LISTEN_PID=-1 LISTEN_FDS=1",
      "LISTEN_PID=99999999999999999999 LISTEN_FDS=1",
      OURS "LISTEN_FDS=",
      OURS "LISTEN_FDS=-1",
      OURS "LISTEN_FDS=+1",
      OURS "LISTEN_FDS=1x",
      OURS "'LISTEN_FDS= 1'",
      OURS "LISTEN_FDS=2147483647",
      OURS "LISTEN_FDS=4294967297",
      OURS "LISTEN_FDS=2 LISTEN_FDNAMES=a",
      OURS "LISTEN_FDS=2 LISTEN_FDNAMES=a:b:c",
      OURS "LISTEN_FDS=2 LISTEN_FDNAMES=",
      OURS "LISTEN_FDS=1 LISTEN_FDNAMES=a:",
  };
  for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
    assert_memory_equal(printed(3, variables[i], 8, 0), "EINVAL ", 7);
}

TEST("the name of a descriptor has 255 bytes at most") {
  char name[257];
  char variables[512];
  char expected[512];
  memset(name, 'n', sizeof name);
  name[256] = '\0';
  snprintf(variables, sizeof variables, OURS "LISTEN_FDS=1 LISTEN_FDNAMES=%s", name);
  assert_memory_equal(printed(1, variables, 8, 0), "EINVAL ", 7);
  name[255] = '\0';
  snprintf(variables, sizeof variables, OURS "LISTEN_FDS=1 LISTEN_FDNAMES=%s", name);
  snprintf(expected, sizeof expected, "1 3=%s then 1 pid fds names", name);
  assert_printed(expected, 1, variables, 8, 0);
}

TEST("a descriptor that is not open is EBADF") {
  assert_memory_equal(printed(2, OURS "LISTEN_FDS=3", 8, 0), "EBADF ", 6);
}

/* ---- the service manager's own program ---- */

static void exited_well(uv_process_t *process, int64_t status, int signum) {
  assert_int_equal(status, 0);
  assert_int_equal(signum, 0);
  uv_close((uv_handle_t *)process, NULL);
}

static int activated_port;

/* Until somebody listens datagrams are lost, and nothing shows when that is. */
static void send_again(uv_timer_t *timer) {
  dgram_socket_t *client = timer->data;
  send_text(client, "x", activated_port, NULL, NULL);
}

/* The first datagram starts the program, and waits for it in the socket. */
TEST("a server starts with a socket of systemd-socket-activate") {
  enum { AGAIN_MS = 20 };
  if (system("command -v systemd-socket-activate >/dev/null") != 0) {
    print_message("skipped: there is no systemd-socket-activate here\n");
    skip();
  }
  uv_timer_t again;
  char activate[] = "systemd-socket-activate";
  char datagram[] = "--datagram";
  char listen[64];
  char mode[] = "serve";
  char *args[] = {activate, datagram, listen, (char *)process_program(), mode, NULL};
  activated_port = free_port();
  snprintf(listen, sizeof listen, "--listen=127.0.0.1:%d", activated_port);
  uv_process_t process;
  uv_process_options_t options = {.exit_cb = exited_well, .file = activate, .args = args};
  assert_int_equal(uv_spawn(loop, &process, &options), 0);
  dgram_socket_t *client = new_socket(loop, DGRAM_UDP4, trace_message, "answer");
  bind_now(client, "127.0.0.1");
  again.data = client;
  assert_int_equal(uv_timer_init(loop, &again), 0);
  assert_int_equal(uv_timer_start(&again, send_again, 0, AGAIN_MS), 0);
  run_until_trace(loop, "answer(x)");
  uv_close((uv_handle_t *)&again, NULL);
  close_socket(client);
  run_to_end(loop);
}

int main(int argc, char **argv) {
  if (argc == 4)
    return print_fds(atoi(argv[2]), atoi(argv[3]));
  return argc == 2 ? serve() : fixture_run();
}
