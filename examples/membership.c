// Mirrors "socket.addMembership(multicastAddress[, multicastInterface])".
#include <dgram_cluster.h>
#include <stdio.h>
static int failed;
static void on_error(dgram_socket_t *s, const dgram_error_t *error, void *ctx) {
  fprintf(stderr, "%s\n", error->message);
  failed = 1;
  dgram_close(s, NULL, NULL);
}
static void on_message(dgram_socket_t *s, const char *msg, const dgram_rinfo_t *rinfo, void *ctx) {
  printf("got: %.*s from %s\n", (int)rinfo->size, msg, dgram_rinfo_address(rinfo));
}
static void on_listening(dgram_socket_t *s, void *ctx) {
  int err = dgram_add_membership(s, "224.0.0.114", NULL);
  if (err != 0) { // in JavaScript it would throw
    fprintf(stderr, "addMembership: %s\n", dgram_strerror(err));
    failed = 1;
    dgram_close(s, NULL, NULL);
    return;
  }
  printf("member of 224.0.0.114\n");
}
static int fork_two(char *argv[]) {
  dgram_cluster_t *cluster;
  dgram_cluster_options_t options = dgram_default_cluster_options(argv);
  if (dgram_cluster_create(uv_default_loop(), &options, &cluster) != 0)
    return 1;
  dgram_cluster_fork(cluster, NULL);         // Works ok.
  dgram_cluster_fork(cluster, NULL);         // Fails with EADDRINUSE.
  uv_run(uv_default_loop(), UV_RUN_DEFAULT); // as long as there are workers
  dgram_cluster_close(cluster, 0, NULL, NULL);
  return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
int main(int argc, char *argv[]) {
  dgram_socket_t *s;
  dgram_worker_t *worker;
  if (dgram_cluster_is_primary())
    return fork_two(argv);
  dgram_worker_join(uv_default_loop(), NULL, NULL, &worker);
  dgram_create_socket(uv_default_loop(), DGRAM_UDP4, on_message, NULL, &s);
  dgram_on_error(s, on_error, NULL);
  dgram_bind(s, 1234, NULL, on_listening, NULL);
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  return failed;
}
