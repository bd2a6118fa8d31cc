#include "peer.h"

#include <stdlib.h>

static void on_sent(uv_udp_send_t *request, int status);

static void count_sent(slot_t *slot) {
  slot->busy = false;
  slot->queue->in_flight--;
  bench_count(slot->queue->side, 1);
}

static void send_next(slot_t *slot) {
  send_queue_t *queue = slot->queue;
  queue->compose(slot, queue->context);
  slot->busy = true;
  queue->in_flight++;
  if (send_datagram(&slot->request, queue->socket, &slot->datagram, slot->to, on_sent,
                    queue->try_first))
    count_sent(slot);
}

static void close_when_done(send_queue_t *queue) {
  if (queue->close_at_end && queue->in_flight == 0)
    uv_close((uv_handle_t *)queue->socket, NULL);
}

/* With uv_udp_try_send() the slots are reused in the next iteration, by on_idle(). */
static void on_sent(uv_udp_send_t *request, int status) {
  slot_t *slot = request->data;
  send_queue_t *queue = slot->queue;
  checked(status, "uv_udp_send");
  count_sent(slot);
  if (queue->try_first)
    return;
  if (!bench_stop_sending(queue->side))
    send_next(slot);
  else
    close_when_done(queue);
}

/* Sends once per iteration: without send callbacks, this lets the loop run other handles. */
static void on_idle(uv_idle_t *idle) {
  send_queue_t *queue = idle->data;
  if (bench_stop_sending(queue->side)) {
    if (queue->in_flight > 0)
      return;
    uv_close((uv_handle_t *)idle, NULL);
    close_when_done(queue);
    return;
  }
  for (size_t i = 0; i < queue->count; i++)
    if (!queue->slots[i].busy)
      send_next(&queue->slots[i]);
}

void send_queue_init(send_queue_t *queue, size_t count) {
  size_t size = queue->side->size;
  queue->try_first = uses_try_send(queue->side);
  queue->count = count;
  queue->bytes = bench_allocate(count * size);
  queue->slots = bench_allocate(count * sizeof *queue->slots);
  for (size_t i = 0; i < count; i++) {
    queue->slots[i] = (slot_t){.queue = queue, .bytes = queue->bytes + i * size};
    queue->slots[i].request.data = &queue->slots[i];
  }
}

void send_queue_start(send_queue_t *queue) {
  if (queue->try_first) {
    queue->idle.data = queue;
    checked(uv_idle_init(queue->socket->loop, &queue->idle), "uv_idle_init");
    checked(uv_idle_start(&queue->idle, on_idle), "uv_idle_start");
    return;
  }
  for (size_t i = 0; i < queue->count; i++)
    send_next(&queue->slots[i]);
}

void send_queue_free(send_queue_t *queue) {
  free(queue->slots);
  free(queue->bytes);
}
