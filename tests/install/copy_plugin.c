/*
 * A plugin that has a copy of the library of its own, linked in statically: an echo server on the
 * host's loop. See copy_host.c.
 */
#include <dgram.h>

const char *plugin_version(void);
int plugin_start(uv_loop_t *loop);
void plugin_stop(void);

static dgram_socket_t *server;

static void on_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  (void)context;
  dgram_send(socket, message, rinfo->size, rinfo->port, dgram_rinfo_address(rinfo), NULL, NULL);
}

const char *plugin_version(void) {
  return dgram_version();
}

/* Returns the server's port, or a negative code. */
int plugin_start(uv_loop_t *loop) {
  dgram_address_t own;
  int err = dgram_create_socket(loop, DGRAM_UDP4, on_message, NULL, &server);
  if (err == 0)
    err = dgram_bind_sync(server, 0, "127.0.0.1");
  if (err == 0)
    err = dgram_address(server, &own);
  return err == 0 ? own.port : err;
}

void plugin_stop(void) {
  dgram_close(server, NULL, NULL);
}
