#include "peer.h"

#include <stdlib.h>

static void on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                    void *context);

static uv_buf_t next_memory(outbox_t *outbox) {
  size_t size = outbox->side->size;
  uv_buf_t memory = {.base = outbox->bytes + outbox->next * size, .len = size};
  outbox->next = outbox->next + 1 < outbox->count ? outbox->next + 1 : 0;
  return memory;
}

static void send_next(outbox_t *outbox) {
  parcel_t parcel = {.datagram = next_memory(outbox)};
  outbox->compose(&parcel, outbox->context);
  outbox->busy++;
  if (outbox->by_text)
    checked(dgram_send(outbox->socket, parcel.datagram.base, parcel.datagram.len,
                       ntohs(parcel.to->sin_port), "127.0.0.1", on_sent, outbox),
            "dgram_send");
  else
    checked(dgram_send_to(outbox->socket, &parcel.datagram, 1, (const struct sockaddr *)parcel.to,
                          on_sent, outbox),
            "dgram_send_to");
}

static void on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                    void *context) {
  outbox_t *outbox = context;
  check_sent(error);
  bench_count(outbox->side, 1);
  outbox->busy--;
  if (!bench_stop_sending(outbox->side))
    send_next(outbox);
  else if (outbox->closes && outbox->busy == 0)
    checked(dgram_close(socket, NULL, NULL), "dgram_close");
}

void make_outbox(outbox_t *outbox, size_t count) {
  outbox->count = count;
  outbox->bytes = bench_allocate(count * outbox->side->size);
}

void start_outbox(outbox_t *outbox) {
  for (size_t i = 0; i < outbox->count; i++)
    send_next(outbox);
}

void end_outbox(outbox_t *outbox) {
  free(outbox->bytes);
}
