/* A C program of a user: sends itself a datagram on 127.0.0.1, then prints "ok". */
#include <dgram.h>
#include <stdio.h>
#include <string.h>

static int got;

static void on_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  (void)context;
  got = rinfo->size == 5 && memcmp(message, "hello", 5) == 0 &&
        strcmp(dgram_rinfo_address(rinfo), "127.0.0.1") == 0;
  dgram_close(socket, NULL, NULL);
}

static void on_listening(dgram_socket_t *socket, void *context) {
  dgram_address_t own;
  (void)context;
  if (dgram_address(socket, &own) == 0)
    dgram_send(socket, "hello", 5, own.port, own.address, NULL, NULL);
}

int main(void) {
  dgram_socket_t *socket;
  int failed = dgram_create_socket(uv_default_loop(), DGRAM_UDP4, on_message, NULL, &socket);
  if (!failed)
    failed = dgram_bind(socket, 0, "127.0.0.1", on_listening, NULL);
  if (!failed)
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  puts(got ? "ok" : failed ? dgram_strerror(failed) : "the datagram did not come back");
  return got ? 0 : 1;
}
