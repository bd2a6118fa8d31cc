#include "peer.h"

#include <stdlib.h>

static void on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                    void *context);

static void send_next(slot_t *slot) {
  outbox_t *outbox = slot->outbox;
  outbox->compose(slot, outbox->context);
  outbox->busy++;
  if (outbox->by_text)
    checked(dgram_send(outbox->socket, slot->datagram.base, slot->datagram.len,
                       ntohs(slot->to->sin_port), "127.0.0.1", on_sent, slot),
            "dgram_send");
  else
    checked(dgram_send_to(outbox->socket, &slot->datagram, 1, (const struct sockaddr *)slot->to,
                          on_sent, slot),
            "dgram_send_to");
}

static void on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                    void *context) {
  slot_t *slot = context;
  outbox_t *outbox = slot->outbox;
  check_sent(error);
  bench_count(outbox->side, 1);
  outbox->busy--;
  if (!bench_stop_sending(outbox->side))
    send_next(slot);
  else if (outbox->closes && outbox->busy == 0)
    checked(dgram_close(socket, NULL, NULL), "dgram_close");
}

void make_outbox(outbox_t *outbox, size_t count) {
  size_t size = outbox->side->size;
  outbox->count = count;
  outbox->bytes = bench_allocate(count * size);
  outbox->slots = bench_allocate(count * sizeof *outbox->slots);
  for (size_t i = 0; i < count; i++)
    outbox->slots[i] = (slot_t){.outbox = outbox, .bytes = outbox->bytes + i * size};
}

void start_outbox(outbox_t *outbox) {
  for (size_t i = 0; i < outbox->count; i++)
    send_next(&outbox->slots[i]);
}

void end_outbox(outbox_t *outbox) {
  free(outbox->slots);
  free(outbox->bytes);
}
