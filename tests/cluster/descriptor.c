/* `fd` in a worker is a descriptor of the primary's, if that has allowed it. */
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
  assert_int_equal(dgram_cluster_share_fd(crew.cluster, fd), 0);
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
  assert_int_equal(dgram_cluster_share_fd(crew.cluster, fd), 0);
  set_fd(fd);
  snprintf(bound, sizeof bound, ":bound(%d)", raw_port(fd));
  crew_fork(&crew);
  run_until_noted(crew.loop, bound, 1);
  close(fd);
  crew_close(&crew);
}

/* Starts a worker that asks for the descriptor, and is refused. */
static void refuse(struct crew *crew, int fd) {
  char words[64];
  set_fd(fd);
  int id = crew_fork(crew);
  snprintf(words, sizeof words, "%d:error(open,EACCES)", id);
  run_until_noted(crew->loop, words, 1);
  snprintf(words, sizeof words, "exit(%d,0,0)", id);
  run_until_noted(crew->loop, words, 1);
}

/* Whether there is something of this number, and what, is nothing that a worker is told. */
static void what_is_not_allowed_is_refused(void **state) {
  struct crew crew;
  crew_open(&crew, "bind_to_fd");
  int fd = raw_socket();
  refuse(&crew, fd);
  refuse(&crew, dgram_fileno(crew.reports));
  refuse(&crew, STDERR_FILENO);
  refuse(&crew, 9999);
  close(fd);
  crew_close(&crew);
}

static void no_more_is_refused_again(void **state) {
  struct crew crew;
  crew_open(&crew, "bind_to_fd");
  int fd = raw_socket();
  assert_int_equal(dgram_cluster_share_fd(crew.cluster, fd), 0);
  set_fd(fd);
  crew_fork(&crew);
  crew_await(&crew, "listening(1)");
  assert_int_equal(dgram_cluster_unshare_fd(crew.cluster, fd), 0);
  refuse(&crew, fd); /* though another worker has it */
  close(fd);
  crew_close(&crew);
}

/* The number of one that was closed is given to the next that is opened. */
static void another_socket_of_the_same_number_is_another(void **state) {
  struct crew crew;
  char bound[32];
  crew_open(&crew, "bind_to_fd");
  int fd = raw_socket();
  assert_int_equal(dgram_cluster_share_fd(crew.cluster, fd), 0);
  set_fd(fd);
  crew_fork(&crew);
  crew_await(&crew, "listening(1)");
  int other = raw_socket();
  assert_int_equal(dup2(other, fd), fd);
  close(other);
  refuse(&crew, fd);
  assert_int_equal(dgram_cluster_share_fd(crew.cluster, fd), 0);
  snprintf(bound, sizeof bound, "3:bound(%d)", raw_port(fd));
  set_fd(fd);
  crew_fork(&crew);
  run_until_noted(crew.loop, bound, 1); /* and not what worker 1 has */
  close(fd);
  crew_close(&crew);
}

static void what_is_no_udp_socket_cannot_be_allowed(void **state) {
  struct crew crew;
  crew_open(&crew, "bind_to_fd");
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  assert_int_equal(dgram_cluster_share_fd(crew.cluster, fd), DGRAM_ERR_INVALID_FD_TYPE);
  assert_int_equal(dgram_cluster_share_fd(crew.cluster, STDERR_FILENO), DGRAM_ERR_INVALID_FD_TYPE);
  close(fd);
  assert_int_equal(dgram_cluster_share_fd(crew.cluster, fd), UV_EBADF);
  assert_int_equal(dgram_cluster_share_fd(crew.cluster, 0), UV_EINVAL);
  assert_int_equal(dgram_cluster_share_fd(crew.cluster, -1), UV_EINVAL);
  assert_int_equal(dgram_cluster_share_fd(NULL, fd), UV_EINVAL);
  assert_int_equal(dgram_cluster_unshare_fd(crew.cluster, fd), UV_ENOENT);
  assert_int_equal(dgram_cluster_unshare_fd(NULL, fd), UV_EINVAL);
  crew_close(&crew);
}

static void one_of_the_other_family_is_refused(void **state) {
  struct crew crew;
  skip_without_ipv6();
  crew_open(&crew, "bind_to_fd");
  int fd = socket(AF_INET6, SOCK_DGRAM, 0);
  assert_true(fd >= 0);
  assert_int_equal(dgram_cluster_share_fd(crew.cluster, fd), 0);
  set_fd(fd);
  crew_fork(&crew);
  crew_await(&crew, "1:error(open,EINVAL)", "exit(1,0,0)");
  close(fd);
  crew_close(&crew);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(it_is_shared),
    cmocka_unit_test(one_of_udp_lite_is_shared),
    cmocka_unit_test(what_is_not_allowed_is_refused),
    cmocka_unit_test(no_more_is_refused_again),
    cmocka_unit_test(another_socket_of_the_same_number_is_another),
    cmocka_unit_test(what_is_no_udp_socket_cannot_be_allowed),
    cmocka_unit_test(one_of_the_other_family_is_refused),
};

CLUSTER_TEST_MAIN(roles, tests)
