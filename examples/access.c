// Beyond the specification: a server with access lists. It receives from 127.0.0.0/8, but from each
// address no more than 5 datagrams a second; a sender whose datagram is "bye" is blocked, inside
// the listener, and what it sends after that is not seen. At Ctrl-C it reports the counts.
// Usage: access [port]
#include <dgram.h>
#include <dgram_access.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static dgram_access_list_t *blocked;
static int failed;
static void on_error(dgram_socket_t *s, const dgram_error_t *error, void *ctx) {
  fprintf(stderr, "%s\n", error->message);
  failed = 1;
  dgram_close(s, NULL, NULL);
}
static void on_message(dgram_socket_t *s, const char *msg, const dgram_rinfo_t *rinfo, void *ctx) {
  const char *from = dgram_rinfo_address(rinfo);
  printf("got: %.*s from %s\n", (int)rinfo->size, msg, from);
  if (rinfo->size == 3 && memcmp(msg, "bye", 3) == 0)
    dgram_access_list_add_address(blocked, from);
}
static void on_ctrl_c(uv_signal_t *ctrl_c, int number) {
  dgram_socket_t *server = ctrl_c->data;
  dgram_access_counts_t counts = dgram_default_access_counts();
  dgram_get_access_counts(server, &counts);
  printf("refused: %" PRIu64 ", over the limit: %" PRIu64 "\n", counts.receives_refused,
         counts.receives_limited);
  dgram_close(server, NULL, NULL);
}
// Each call fails without memory only; the rules are constants.
static void set_access(dgram_socket_t *server) {
  dgram_access_list_t *local;
  dgram_access_list_create(&local);
  dgram_access_list_add_subnet(local, "127.0.0.0", 8);
  dgram_set_receive_access(server, DGRAM_ALLOW, local);
  dgram_access_list_free(local); // the socket keeps it
  dgram_access_list_create(&blocked);
  dgram_set_receive_access(server, DGRAM_BLOCK, blocked);
  dgram_rate_options_t rate = dgram_default_rate_options();
  rate.packets_per_second = 5;
  dgram_set_receive_rate(server, &rate);
}
int main(int argc, char **argv) {
  dgram_socket_t *server;
  dgram_create_socket(uv_default_loop(), DGRAM_UDP4, on_message, NULL, &server);
  dgram_on_error(server, on_error, NULL);
  set_access(server);
  int err = dgram_bind(server, argc > 1 ? atoi(argv[1]) : 41234, NULL, NULL, NULL);
  if (err != 0) {
    fprintf(stderr, "bind: %s\n", dgram_strerror(err));
    return 1;
  }
  uv_signal_t ctrl_c;
  uv_signal_init(uv_default_loop(), &ctrl_c);
  ctrl_c.data = server;
  uv_signal_start_oneshot(&ctrl_c, on_ctrl_c, SIGINT);
  uv_unref((uv_handle_t *)&ctrl_c);
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  dgram_access_list_free(blocked);
  return failed;
}
