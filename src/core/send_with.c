/*
 * Sends with options. They go the way of all sends, which send.c draws.
 */
#include "internal.h"

int dgram_send_with(dgram_socket_t *socket, const uv_buf_t buffers[], size_t count,
                    const struct sockaddr *to, const dgram_send_options_t *options,
                    dgram_send_cb callback, void *context) {
  struct dgram__outgoing outgoing;
  int err = dgram__send_read(socket, buffers, count, to, options, &outgoing);
  if (err == 0)
    err = dgram__send_limit_admit(socket, outgoing.size);
  if (err != 0)
    return err;
  struct dgram__send *send = dgram__send_make(socket, &outgoing, callback, context);
  return send != NULL ? dgram__send_accept(socket, send) : UV_ENOMEM;
}
