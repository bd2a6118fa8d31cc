/*
 * Sockets that a service manager has opened: this program, started anew with descriptors and
 * variables as sd_listen_fds(3) has them, and by systemd-socket-activate itself where that is.
 */
#include "handover_test.h"

/* ---- the program that is started ---- */

static const char *if_set(const char *variable, const char *word) {
  return getenv(variable) != NULL ? word : "";
}

/*
 * Says what it has got, one word each: how many or which error; each descriptor, its name, and
 * whether programs inherit it; what there is when it asks again; and what variables are left.
 */
static int tell(int room, int clear) {
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
  dgram_bind_options_t options = dgram_default_bind_options();
  if (dgram_listen_fds(&fd, 1, 1) != 1)
    return 1;
  options.fd = fd.fd;
  if (dgram_create_socket(uv_default_loop(), DGRAM_UDP4, answer_and_end, NULL, &socket) != 0)
    return 2;
  if (dgram_bind_options(socket, &options, NULL, NULL) != 0)
    return 3;
  return uv_run(uv_default_loop(), UV_RUN_DEFAULT) == 0 ? 0 : 4;
}

/* ---- starting it ---- */

static char program[4096];

/* What it says with so many descriptors, of 3 to 7, and these variables; $$ is its process id. */
static const char *said(int given, const char *variables, int room, int clear) {
  static char words[2048];
  char command[8192];
  int length = snprintf(command, sizeof command, "exec env %s %s tell %d %d", variables, program,
                        room, clear);
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
#define assert_said(expected, ...) assert_string_equal(said(__VA_ARGS__), expected)

static void all_are_told_with_their_names(void **state) {
  assert_said("1 3=unknown then 1 pid fds", 1, OURS "LISTEN_FDS=1", 8, 0);
  assert_said("3 3=unknown 4=unknown 5=unknown then 3 pid fds", 3, OURS "LISTEN_FDS=3", 8, 0);
  assert_said("3 3=dns 4= 5=x.socket then 3 pid fds names", 3,
              OURS "LISTEN_FDS=3 LISTEN_FDNAMES=dns::x.socket", 8, 0);
  assert_said("1 3= then 1 pid fds names", 1, OURS "LISTEN_FDS=1 LISTEN_FDNAMES=", 8, 0);
}

static void the_others_count_where_there_is_no_room(void **state) {
  assert_said("3 3=a 4=b then 3 pid fds names", 3, OURS "LISTEN_FDS=3 LISTEN_FDNAMES=a:b:c", 2, 0);
  assert_said("3 then 3 pid fds", 3, OURS "LISTEN_FDS=3", 0, 0);
}

static void without_the_variables_or_for_another_there_are_none(void **state) {
  assert_said("0 then 0", 1, "", 8, 0);
  assert_said("0 then 0 fds", 1, "LISTEN_FDS=1", 8, 0);
  assert_said("0 then 0 pid", 1, OURS, 8, 0);
  assert_said("0 then 0 pid fds", 1, "LISTEN_PID=1 LISTEN_FDS=1", 8, 0);
  assert_said("0 then 0 pid fds", 1, OURS "LISTEN_FDS=0", 8, 0);
}

static void the_variables_are_removed_if_that_is_wanted(void **state) {
  assert_said("2 3=a 4=b then 0", 2, OURS "LISTEN_FDS=2 LISTEN_FDNAMES=a:b", 8, 1);
  assert_said("0 then 0", 1, "LISTEN_PID=1 LISTEN_FDS=1", 8, 1);
  assert_said("EINVAL then 0", 1, OURS "LISTEN_FDS=one", 8, 1);
}

static void variables_that_are_malformed_are_EINVAL(void **state) {
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
    assert_memory_equal(said(3, variables[i], 8, 0), "EINVAL ", 7);
}

static void a_name_has_255_bytes_at_most(void **state) {
  char name[257];
  char variables[512];
  char expected[512];
  memset(name, 'n', sizeof name);
  name[256] = '\0';
  snprintf(variables, sizeof variables, OURS "LISTEN_FDS=1 LISTEN_FDNAMES=%s", name);
  assert_memory_equal(said(1, variables, 8, 0), "EINVAL ", 7);
  name[255] = '\0';
  snprintf(variables, sizeof variables, OURS "LISTEN_FDS=1 LISTEN_FDNAMES=%s", name);
  snprintf(expected, sizeof expected, "1 3=%s then 1 pid fds names", name);
  assert_said(expected, 1, variables, 8, 0);
}

static void one_that_is_not_open_is_EBADF(void **state) {
  assert_memory_equal(said(2, OURS "LISTEN_FDS=3", 8, 0), "EBADF ", 6);
}

static void room_without_a_place_is_EINVAL(void **state) {
  assert_int_equal(dgram_listen_fds(NULL, 1, 0), UV_EINVAL);
}

/* ---- the service manager's own program ---- */

static void exited_well(uv_process_t *process, int64_t status, int signum) {
  assert_int_equal(status, 0);
  assert_int_equal(signum, 0);
  uv_close((uv_handle_t *)process, NULL);
}

/* Until somebody listens datagrams go nowhere, and nothing tells when that is. */
static void send_again(uv_timer_t *timer) {
  dgram_socket_t *client = timer->data;
  send_text(client, "x", *(int *)timer->loop->data, NULL, NULL);
}

/* The first datagram starts the program, and waits for it in the socket. */
static void it_serves_a_socket_of_systemd_socket_activate(void **state) {
  enum { AGAIN_MS = 20 };
  if (system("command -v systemd-socket-activate >/dev/null") != 0) {
    print_message("skipped: there is no systemd-socket-activate here\n");
    skip();
  }
  uv_loop_t *loop = open_loop();
  uv_timer_t again;
  char activate[] = "systemd-socket-activate";
  char datagram[] = "--datagram";
  char listen[64];
  char mode[] = "serve";
  char *args[] = {activate, datagram, listen, program, mode, NULL};
  int port = free_port();
  snprintf(listen, sizeof listen, "--listen=127.0.0.1:%d", port);
  uv_process_t process;
  uv_process_options_t options = {.exit_cb = exited_well, .file = activate, .args = args};
  assert_int_equal(uv_spawn(loop, &process, &options), 0);
  dgram_socket_t *client = new_socket(loop, DGRAM_UDP4, trace_message, "answer");
  bind_now(client, "127.0.0.1");
  loop->data = &port;
  again.data = client;
  assert_int_equal(uv_timer_init(loop, &again), 0);
  assert_int_equal(uv_timer_start(&again, send_again, 0, AGAIN_MS), 0);
  run_until_trace(loop, "answer(x)");
  uv_close((uv_handle_t *)&again, NULL);
  close_socket(client);
  close_loop(loop);
}

int main(int argc, char **argv) {
  size_t size = sizeof program;
  if (argc == 4)
    return tell(atoi(argv[2]), atoi(argv[3]));
  if (argc == 2)
    return serve();
  if (uv_exepath(program, &size) != 0)
    return 1;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_are_told_with_their_names),
      cmocka_unit_test(the_others_count_where_there_is_no_room),
      cmocka_unit_test(without_the_variables_or_for_another_there_are_none),
      cmocka_unit_test(the_variables_are_removed_if_that_is_wanted),
      cmocka_unit_test(variables_that_are_malformed_are_EINVAL),
      cmocka_unit_test(a_name_has_255_bytes_at_most),
      cmocka_unit_test(one_that_is_not_open_is_EBADF),
      cmocka_unit_test(room_without_a_place_is_EINVAL),
      cmocka_unit_test(it_serves_a_socket_of_systemd_socket_activate),
  };
  return cmocka_run_group_tests_name("listen_fds", tests, NULL, NULL);
}
