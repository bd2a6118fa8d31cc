/* `fd` in a worker is a descriptor of the primary's. */
#include "cluster_test.h"

static void bind_to_fd(void) {
  uv_loop_t *loop = join();
  dgram_bind_options_t options = dgram_default_bind_options();
  options.fd = told("FD");
  must(dgram_bind_options(reporting_udp4(loop), &options, NULL, NULL) == 0);
  work_to_end(loop);
}

static const struct role roles[] = {{"bind_to_fd", bind_to_fd}};

static void set_fd(int fd) {
  char text[16];
  snprintf(text, sizeof text, "%d", fd);
  assert_int_equal(setenv("FD", text, 1), 0);
}

static void it_is_shared(void **state) {
  struct crew crew;
  char bound[32];
  crew_open(&crew, "bind_to_fd");
  int fd = raw_socket();
  set_fd(fd);
  snprintf(bound, sizeof bound, ":bound(%d)", raw_port(fd));
  crew_fork(&crew);
  crew_fork(&crew);
  run_until_noted(crew.loop, bound, 2);
  close(fd); /* the workers have it */
  crew_await(&crew, "listening(1)", "listening(2)");
  crew_close(&crew);
}

static void one_of_udp_lite_is_shared(void **state) {
  struct crew crew;
  char bound[32];
  struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE);
  if (fd < 0) {
    print_message("skipped: no UDP-Lite here\n");
    skip();
  }
  assert_int_equal(bind(fd, (struct sockaddr *)&local, sizeof local), 0);
  crew_open(&crew, "bind_to_fd");
  set_fd(fd);
  snprintf(bound, sizeof bound, ":bound(%d)", raw_port(fd));
  crew_fork(&crew);
  run_until_noted(crew.loop, bound, 1);
  close(fd);
  crew_close(&crew);
}

static void what_is_no_datagram_socket_is_refused(void **state) {
  struct crew crew;
  crew_open(&crew, "bind_to_fd");
  set_fd(STDERR_FILENO);
  crew_fork(&crew);
  crew_await(&crew, "1:error(open,ERR_INVALID_FD_TYPE)", "exit(1,0,0)");
  set_fd(9999);
  crew_fork(&crew);
  crew_await(&crew, "2:error(open,ERR_INVALID_FD_TYPE)", "exit(2,0,0)");
  crew_close(&crew);
}

static void one_of_the_other_family_is_refused(void **state) {
  struct crew crew;
  skip_without_ipv6();
  crew_open(&crew, "bind_to_fd");
  int fd = socket(AF_INET6, SOCK_DGRAM, 0);
  assert_true(fd >= 0);
  set_fd(fd);
  crew_fork(&crew);
  crew_await(&crew, "1:error(open,EINVAL)", "exit(1,0,0)");
  close(fd);
  crew_close(&crew);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(it_is_shared),
    cmocka_unit_test(one_of_udp_lite_is_shared),
    cmocka_unit_test(what_is_no_datagram_socket_is_refused),
    cmocka_unit_test(one_of_the_other_family_is_refused),
};

CLUSTER_TEST_MAIN(roles, tests)
