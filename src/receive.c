/*
 * Readable socket -> one batch from the datapath -> a 'message' for each datagram.
 *
 * One batch a wake-up, and no reading until EAGAIN: the work is bounded, so a fast sender can't
 * keep timers and other sockets waiting; if more is there, the loop says so in its next turn.
 */
#include "internal.h"

static void deliver_pieces(dgram_socket_t *socket, const struct dgram__slot *slot,
                           dgram_rinfo_t *rinfo) {
  struct dgram__pieces pieces = {
      .data = slot->data, .left = slot->size, .segment = (size_t)slot->segment};
  const char *message;
  while (!socket->closing && dgram__pieces_next(&pieces, &message, &rinfo->size))
    dgram__emit_message(socket, message, rinfo);
}

/* The kernel filters for a connected socket, but not what had come before it was connected. */
static bool is_foreign(const dgram_socket_t *socket, const struct dgram__slot *slot) {
  return socket->connecting.connected &&
         !dgram__address_equal(&slot->from, &socket->connecting.peer);
}

static void deliver(dgram_socket_t *socket, const struct dgram__slot *slot) {
  if (slot->segment < 0) {
    dgram__emit_error(socket, slot->segment, "recvmsg", NULL, 0);
    return;
  }
  if (is_foreign(socket, slot))
    return;
  char text[DGRAM_ADDRESS_TEXT];
  text[0] = '\0'; /* made when asked for */
  dgram_rinfo_t rinfo = {.sockaddr = &slot->from.any,
                         .family = dgram__family_name(slot->from.any.sa_family),
                         .port = dgram__address_port(&slot->from),
                         .text = text};
  deliver_pieces(socket, slot, &rinfo);
}

void dgram__receive(dgram_socket_t *socket) {
  struct dgram__loop *loop = socket->loop;
  if (socket->closed)
    return;
  struct dgram__inbox *inbox = dgram__loop_inbox(loop);
  int filled = inbox != NULL ? loop->datapath->recv(&socket->path, inbox) : UV_ENOMEM;
  /* A send's callback comes before the reply that it provokes: programs begin to listen in it. */
  dgram__outbox_complete(socket, &socket->outbox.done);
  if (filled < 0 && !socket->closing)
    dgram__emit_error(socket, filled, "recvmsg", NULL, 0);
  for (int i = 0; i < filled && !socket->closing; i++)
    deliver(socket, &inbox->slots[i]);
  dgram__flush(socket);
}

const char *dgram_rinfo_address(const dgram_rinfo_t *rinfo) {
  if (rinfo == NULL)
    return NULL;
  if (rinfo->text[0] == '\0')
    dgram__address_text((const union dgram__address *)(const void *)rinfo->sockaddr, rinfo->text);
  return rinfo->text;
}
