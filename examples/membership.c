// Mirrors "socket.addMembership(multicastAddress[, multicastInterface])", but for the cluster,
// which comes in a later version: this is what one worker does.
#include <dgram.h>
#include <stdio.h>
static void on_error(dgram_socket_t *s, const dgram_error_t *error, void *ctx) {
  fprintf(stderr, "%s\n", error->message);
  dgram_close(s, NULL, NULL);
}
static void on_message(dgram_socket_t *s, const char *msg, const dgram_rinfo_t *rinfo, void *ctx) {
  printf("got: %.*s from %s\n", (int)rinfo->size, msg, dgram_rinfo_address(rinfo));
}
static void on_listening(dgram_socket_t *s, void *ctx) {
  int err = dgram_add_membership(s, "224.0.0.114", NULL);
  if (err != 0) { // in JavaScript it would throw
    fprintf(stderr, "addMembership: %s\n", dgram_strerror(err));
    dgram_close(s, NULL, NULL);
    return;
  }
  printf("member of 224.0.0.114\n");
}
int main(void) {
  dgram_socket_t *s;
  dgram_create_socket(uv_default_loop(), DGRAM_UDP4, on_message, NULL, &s);
  dgram_on_error(s, on_error, NULL);
  dgram_bind(s, 1234, NULL, on_listening, NULL);
  return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
