/* Arguments of <dgram_cluster.h> that are refused, with nothing changed. */
#include "lib/cluster_fixture.h"
#include "lib/refusals.h"

static char *const args[] = {"worker", NULL};

/* Creates a cluster with options of this size, which must be refused. */
static int create_with_size(uv_loop_t *loop, size_t size) {
  dgram_cluster_t *created = (dgram_cluster_t *)args; /* not NULL */
  dgram_cluster_options_t options = dgram_default_cluster_options(args);
  options.struct_size = size;
  int err = dgram_cluster_create(loop, &options, &created);
  assert_true(err < 0 && created == NULL);
  return err;
}

TEST("an argument of a cluster that is missing, unknown or out of range is refused") {
  static char *const no_args[] = {NULL};
  const dgram_cluster_options_t options = dgram_default_cluster_options(args);
  const dgram_cluster_options_t empty = dgram_default_cluster_options(no_args);
  const dgram_cluster_options_t without = dgram_default_cluster_options(NULL);
  const int no_version = offsetof(dgram_cluster_options_t, context); /* ended there */
  dgram_cluster_t *created = (dgram_cluster_t *)args;
  dgram_worker_t *worker = (dgram_worker_t *)args;
  int stream = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_REFUSED(REFUSED(UV_EINVAL, dgram_cluster_create(NULL, &options, &created)),
                 REFUSED(UV_EINVAL, dgram_cluster_create(loop, NULL, &created)),
                 REFUSED(UV_EINVAL, dgram_cluster_create(loop, &options, NULL)),
                 REFUSED(UV_EINVAL, dgram_cluster_create(loop, &empty, &created)),
                 REFUSED(UV_EINVAL, dgram_cluster_create(loop, &without, &created)),
                 REFUSED(UV_EINVAL, create_with_size(loop, 0)),
                 REFUSED(UV_EINVAL, create_with_size(loop, sizeof options + 8)),
                 REFUSED(UV_EINVAL, create_with_size(loop, no_version)),
                 REFUSED(UV_EINVAL, create_with_size(
                                        loop, offsetof(dgram_cluster_options_t, most_sockets) + 1)),
                 REFUSED(UV_EINVAL, dgram_cluster_fork(NULL, NULL)),
                 REFUSED(UV_EINVAL, dgram_cluster_pid(NULL, 1)),
                 REFUSED(UV_EINVAL, dgram_cluster_disconnect(NULL, 1)),
                 REFUSED(UV_EINVAL, dgram_cluster_kill(NULL, 1, SIGTERM)),
                 REFUSED(UV_EINVAL, dgram_cluster_restart(NULL, 1)),
                 REFUSED(UV_EINVAL, dgram_cluster_close(NULL, 0, NULL, NULL)),
                 REFUSED(DGRAM_ERR_INVALID_FD_TYPE, dgram_cluster_share_fd(cluster, stream)),
                 REFUSED(DGRAM_ERR_INVALID_FD_TYPE, dgram_cluster_share_fd(cluster, STDERR_FILENO)),
                 REFUSED(UV_EBADF, dgram_cluster_share_fd(cluster, 9999)),
                 REFUSED(UV_EINVAL, dgram_cluster_share_fd(cluster, 0)),
                 REFUSED(UV_EINVAL, dgram_cluster_share_fd(cluster, -1)),
                 REFUSED(UV_EINVAL, dgram_cluster_share_fd(NULL, stream)),
                 REFUSED(UV_ENOENT, dgram_cluster_unshare_fd(cluster, stream)),
                 REFUSED(UV_EINVAL, dgram_cluster_unshare_fd(NULL, stream)),
                 REFUSED(UV_EINVAL, dgram_worker_join(loop, NULL, NULL, NULL)),
                 REFUSED(UV_EINVAL, dgram_worker_join(NULL, NULL, NULL, &worker)));
  assert_null(created);
  assert_null(worker);
  close(stream);
}

TEST("a worker that does not exist is ESRCH") {
  for (int id = -1; id <= 1; id++) {
    ASSERT_REFUSED(REFUSED(UV_ESRCH, dgram_cluster_pid(cluster, id)),
                   REFUSED(UV_ESRCH, dgram_cluster_disconnect(cluster, id)),
                   REFUSED(UV_ESRCH, dgram_cluster_kill(cluster, id, SIGTERM)),
                   REFUSED(UV_ESRCH, dgram_cluster_restart(cluster, id)));
    assert_int_equal(dgram_cluster_next(cluster, id), 0);
  }
}

TEST("calls that return no error do nothing with NULL") {
  assert_int_equal(dgram_cluster_next(NULL, 0), 0);
  assert_int_equal(dgram_worker_id(NULL), 0);
  dgram_worker_leave(NULL);
}

TEST("a process that was not invited cannot join: ENOENT") {
  dgram_worker_t *worker = (dgram_worker_t *)args;
  assert_true(dgram_cluster_is_primary());
  assert_int_equal(dgram_worker_join(loop, NULL, NULL, &worker), UV_ENOENT);
  assert_null(worker);
}

TEST("a cluster may be created with the options of version 0.3") {
  dgram_cluster_options_t options = dgram_default_cluster_options(args);
  options.struct_size = offsetof(dgram_cluster_options_t, most_sockets);
  options.most_sockets = 1; /* what lies there is none of the library's business */
  cluster_replace(&options);
}

/* The variable alone invites nobody: descriptor 3 must be the very socket that it names. */
TEST("a process is no worker by the variable alone") {
  static const char *const values[] = {
      "", "1", "1:1", "1:1:", "1:1:x", "1:0:1", "1:1:1", "2:1:1", "99999999999999999999:1:1"};
  int kept = dup(WORKER_CHANNEL_FD);
  int other = raw_socket();
  assert_int_equal(dup2(other, WORKER_CHANNEL_FD), WORKER_CHANNEL_FD);
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    assert_int_equal(setenv("DGRAM_CLUSTER", values[i], 1), 0);
    assert_true(dgram_cluster_is_primary());
  }
  if (kept < 0)
    close(WORKER_CHANNEL_FD);
  else
    dup2(kept, WORKER_CHANNEL_FD);
  close(kept);
  if (other != WORKER_CHANNEL_FD)
    close(other);
  assert_int_equal(unsetenv("DGRAM_CLUSTER"), 0);
}

int main(void) {
  return cluster_run();
}
