#include "peer.h"

#include <stdlib.h>

static void on_sent(uv_udp_send_t *request, int status);

static void has_left(slot_t *slot) {
  slot->busy = false;
  slot->outbox->busy--;
  bench_count(slot->outbox->side, 1);
}

static void send_next(slot_t *slot) {
  outbox_t *outbox = slot->outbox;
  outbox->compose(slot, outbox->context);
  slot->busy = true;
  outbox->busy++;
  if (send_datagram(&slot->request, outbox->socket, &slot->datagram, slot->to, on_sent,
                    outbox->tries))
    has_left(slot);
}

static void close_when_done(outbox_t *outbox) {
  if (outbox->closes && outbox->busy == 0)
    uv_close((uv_handle_t *)outbox->socket, NULL);
}

/* What was tried in vain is replaced in the next turn, with all others. */
static void on_sent(uv_udp_send_t *request, int status) {
  slot_t *slot = request->data;
  outbox_t *outbox = slot->outbox;
  checked(status, "uv_udp_send");
  has_left(slot);
  if (outbox->tries)
    return;
  if (!bench_stop_sending(outbox->side))
    send_next(slot);
  else
    close_when_done(outbox);
}

/* A turn of the loop: without callbacks, it is what makes room for all that wants to run. */
static void on_idle(uv_idle_t *idle) {
  outbox_t *outbox = idle->data;
  if (bench_stop_sending(outbox->side)) {
    if (outbox->busy > 0)
      return;
    uv_close((uv_handle_t *)idle, NULL);
    close_when_done(outbox);
    return;
  }
  for (size_t i = 0; i < outbox->count; i++)
    if (!outbox->slots[i].busy)
      send_next(&outbox->slots[i]);
}

void make_outbox(outbox_t *outbox, size_t count) {
  size_t size = outbox->side->size;
  outbox->tries = sends_by_trying(outbox->side);
  outbox->count = count;
  outbox->bytes = bench_allocate(count * size);
  outbox->slots = bench_allocate(count * sizeof *outbox->slots);
  for (size_t i = 0; i < count; i++) {
    outbox->slots[i] = (slot_t){.outbox = outbox, .bytes = outbox->bytes + i * size};
    outbox->slots[i].request.data = &outbox->slots[i];
  }
}

void start_outbox(outbox_t *outbox) {
  if (outbox->tries) {
    outbox->idle.data = outbox;
    checked(uv_idle_init(outbox->socket->loop, &outbox->idle), "uv_idle_init");
    checked(uv_idle_start(&outbox->idle, on_idle), "uv_idle_start");
    return;
  }
  for (size_t i = 0; i < outbox->count; i++)
    send_next(&outbox->slots[i]);
}

void end_outbox(outbox_t *outbox) {
  free(outbox->slots);
  free(outbox->bytes);
}
