#include "peer.h"

#include <stdlib.h>

static void on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                    void *context);

static uv_buf_t next_memory(send_queue_t *queue) {
  size_t size = queue->side->size;
  uv_buf_t memory = {.base = queue->bytes + queue->next * size, .len = size};
  queue->next = queue->next + 1 < queue->count ? queue->next + 1 : 0;
  return memory;
}

static void send_next(send_queue_t *queue) {
  datagram_t datagram = {.buffer = next_memory(queue)};
  queue->compose(&datagram, queue->context);
  queue->in_flight++;
  if (queue->by_text)
    checked(dgram_send(queue->socket, datagram.buffer.base, datagram.buffer.len,
                       ntohs(datagram.to->sin_port), "127.0.0.1", on_sent, queue),
            "dgram_send");
  else
    checked(dgram_send_to(queue->socket, &datagram.buffer, 1, (const struct sockaddr *)datagram.to,
                          on_sent, queue),
            "dgram_send_to");
}

static void on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                    void *context) {
  send_queue_t *queue = context;
  check_sent(error);
  bench_count(queue->side, 1);
  queue->in_flight--;
  if (!bench_stop_sending(queue->side))
    send_next(queue);
  else if (queue->close_at_end && queue->in_flight == 0)
    checked(dgram_close(socket, NULL, NULL), "dgram_close");
}

void send_queue_init(send_queue_t *queue, size_t count) {
  queue->count = count;
  queue->bytes = bench_allocate(count * queue->side->size);
}

void send_queue_start(send_queue_t *queue) {
  for (size_t i = 0; i < queue->count; i++)
    send_next(queue);
}

void send_queue_free(send_queue_t *queue) {
  free(queue->bytes);
}
