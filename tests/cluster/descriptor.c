/* `fd` in a worker is a descriptor of the primary's, if that has allowed it. */
#include "lib/cluster_fixture.h"

ROLE(bind_to_fd) {
  must(adopt_fd(reporting_udp4(loop), number_of("FD")) == 0);
}

/* Starts a worker that wants the descriptor. */
static int fork_for(int fd) {
  set_number("FD", fd);
  return fork_worker("bind_to_fd");
}

static void assert_refused(int fd) {
  int id = fork_for(fd);
  await_times(1, "%d:error(open,EACCES)", id);
  await_times(1, "exit(%d,0,0)", id);
}

TEST("a descriptor that the primary shares is shared by workers") {
  int fd = raw_socket();
  assert_int_equal(dgram_cluster_share_fd(cluster, fd), 0);
  fork_for(fd);
  fork_for(fd);
  await_times(2, ":bound(%d)", raw_port(fd));
  close(fd); /* the workers have it */
  await("listening(1)", "listening(2)");
}

TEST("a descriptor of UDP-Lite is shared, too") {
  struct sockaddr_in local = loopback_address(0);
  int fd = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE);
  if (fd < 0) {
    print_message("skipped: no UDP-Lite here\n");
    skip();
  }
  assert_int_equal(bind(fd, (struct sockaddr *)&local, sizeof local), 0);
  assert_int_equal(dgram_cluster_share_fd(cluster, fd), 0);
  fork_for(fd);
  await_times(1, ":bound(%d)", raw_port(fd));
  close(fd);
}

/* Whether there is something of this number, and what, is nothing that a worker learns. */
TEST("a descriptor that the primary does not share is EACCES") {
  int port;
  int fd = raw_socket();
  assert_refused(fd);
  assert_refused(dgram_fileno(new_bound(loop, NULL, NULL, &port)));
  assert_refused(STDERR_FILENO);
  assert_refused(9999);
  close(fd);
}

TEST("a descriptor that is no longer shared is EACCES again") {
  int fd = raw_socket();
  assert_int_equal(dgram_cluster_share_fd(cluster, fd), 0);
  fork_for(fd);
  await("listening(1)");
  assert_int_equal(dgram_cluster_unshare_fd(cluster, fd), 0);
  assert_refused(fd); /* though another worker has it */
  close(fd);
}

/* The number of one that was closed is given to the next that is opened. */
TEST("a socket with the number of a shared one is another socket") {
  int fd = raw_socket();
  assert_int_equal(dgram_cluster_share_fd(cluster, fd), 0);
  fork_for(fd);
  await("listening(1)");
  int other = raw_socket();
  assert_int_equal(dup2(other, fd), fd);
  close(other);
  assert_refused(fd);
  assert_int_equal(dgram_cluster_share_fd(cluster, fd), 0);
  fork_for(fd);
  await_times(1, "3:bound(%d)", raw_port(fd)); /* and not what worker 1 has */
  close(fd);
}

TEST("a descriptor of the other family is EINVAL") {
  skip_without_ipv6();
  int fd = socket(AF_INET6, SOCK_DGRAM, 0);
  assert_true(fd >= 0);
  assert_int_equal(dgram_cluster_share_fd(cluster, fd), 0);
  fork_for(fd);
  await("1:error(open,EINVAL)", "exit(1,0,0)");
  close(fd);
}

int main(void) {
  return cluster_run();
}
