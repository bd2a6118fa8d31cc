/*
 * Readable socket -> one batch from the datapath -> 'messages', and a 'message' for each datagram.
 *
 * One batch a wake-up, and no reading until EAGAIN: the work is bounded, so a fast sender can't
 * keep timers and other sockets waiting; if more is there, the loop says so in its next turn.
 */
#include "internal.h"

static struct dgram__pieces pieces_of(const struct dgram__slot *slot) {
  return (struct dgram__pieces){
      .data = slot->data, .left = slot->size, .segment = (size_t)slot->segment};
}

static void deliver_pieces(dgram_socket_t *socket, const struct dgram__slot *slot,
                           dgram_rinfo_t *rinfo) {
  struct dgram__pieces pieces = pieces_of(slot);
  const char *message;
  while (!socket->closing && dgram__pieces_next(&pieces, &message, &rinfo->size))
    dgram__emit_message(socket, message, rinfo);
}

/* The kernel filters for a connected socket, but not what had come before it was connected. */
static bool is_foreign(const dgram_socket_t *socket, const struct dgram__slot *slot) {
  return socket->connecting.connected &&
         !dgram__address_equal(&slot->from, &socket->connecting.peer);
}

/* The sender of what is in the slot; as text when it is asked for, with room for that. */
static dgram_rinfo_t read_sender(const struct dgram__slot *slot, char text[DGRAM_ADDRESS_TEXT]) {
  text[0] = '\0';
  return (dgram_rinfo_t){.sockaddr = &slot->from.any,
                         .family = dgram__family_name(slot->from.any.sa_family),
                         .port = dgram__address_port(&slot->from),
                         .text = text};
}

static void deliver(dgram_socket_t *socket, const struct dgram__slot *slot) {
  if (slot->segment < 0) {
    dgram__emit_error(socket, slot->segment, "recvmsg", NULL, 0);
    return;
  }
  bool heard = socket->events.message.first != NULL;
  if (!heard || is_foreign(socket, slot))
    return;
  char text[DGRAM_ADDRESS_TEXT];
  dgram_rinfo_t rinfo = read_sender(slot, text);
  deliver_pieces(socket, slot, &rinfo);
}

/* ---- 'messages' ---- */

static void empty_basket(dgram_socket_t *socket, struct dgram__basket *basket) {
  size_t count = basket->count;
  basket->count = 0;
  if (count > 0 && !socket->closing)
    dgram__emit_messages(socket, basket->messages, count);
}

static void gather_pieces(dgram_socket_t *socket, const struct dgram__slot *slot,
                          struct dgram__basket *basket, dgram_rinfo_t rinfo) {
  struct dgram__pieces pieces = pieces_of(slot);
  const char *message;
  while (dgram__pieces_next(&pieces, &message, &rinfo.size)) {
    if (basket->count == DGRAM__BASKET_SIZE)
      empty_basket(socket, basket);
    basket->messages[basket->count++] = (dgram_message_t){.message = message, .rinfo = rinfo};
  }
}

/* Tells the whole batch at once, to those who listen for that. */
static void deliver_together(dgram_socket_t *socket, const struct dgram__inbox *inbox, int filled) {
  struct dgram__basket *basket = socket->loop->basket;
  basket->count = 0;
  for (int i = 0; i < filled; i++) {
    const struct dgram__slot *slot = &inbox->slots[i];
    if (slot->segment >= 0 && !is_foreign(socket, slot))
      gather_pieces(socket, slot, basket, read_sender(slot, basket->senders[i]));
  }
  empty_basket(socket, basket);
}

void dgram__receive(dgram_socket_t *socket) {
  struct dgram__loop *loop = socket->loop;
  if (socket->closed)
    return;
  struct dgram__inbox *inbox = dgram__loop_inbox(loop);
  int filled = inbox != NULL ? loop->datapath->recv(&socket->path, inbox) : UV_ENOMEM;
  if (filled > 0)
    loop->pace.turn += (unsigned)filled;
  /* A send's callback comes before the reply that it provokes: programs begin to listen in it. */
  dgram__outbox_complete_done(socket);
  if (filled < 0 && !socket->closing)
    dgram__emit_error(socket, filled, "recvmsg", NULL, 0);
  if (filled > 0 && !socket->closing && socket->events.messages.first != NULL)
    deliver_together(socket, inbox, filled);
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
