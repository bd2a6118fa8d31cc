/* The server of many clients; see mixed.h. */
#include "../../mixed.h"
#include "peer.h"

#include <stdlib.h>

typedef struct server {
  struct sockaddr_in places[MIXED_CLIENTS]; /* port 0: not known yet */
  size_t known;
  mixed_source_t source;
  outbox_t outbox;
} server_t;

static void compose(slot_t *slot, void *context) {
  server_t *server = context;
  mixed_datagram_t datagram = mixed_next(&server->source);
  work_write(slot->bytes, datagram.size, datagram.sequence);
  slot->datagram = uv_buf_init(slot->bytes, (unsigned)datagram.size);
  slot->to = (const struct sockaddr *)&server->places[datagram.client];
}

static void on_reply(uv_udp_t *socket, ssize_t size, const uv_buf_t *buffer,
                     const struct sockaddr *from, unsigned flags) {
  inbox_t *inbox = socket->data;
  bench_side_t *side = inbox->side;
  server_t *server = inbox->context;
  if (!is_datagram(size, from))
    return;
  size_t client = mixed_read_reply(side->readers, buffer->base, (size_t)size);
  if (server->places[client].sin_port != 0)
    return;
  memcpy(&server->places[client], from, sizeof *server->places);
  if (++server->known == MIXED_CLIENTS)
    start_outbox(&server->outbox);
}

void mixed_receive(bench_side_t *side) {
  uv_loop_t loop;
  server_t server = {.source = mixed_source(side->size)};
  inbox_t inbox = {.context = &server};
  init_loop(&loop);
  open_inbox(&inbox, side, &loop, on_reply);
  server.outbox =
      (outbox_t){.side = side, .socket = inbox.sockets, .compose = compose, .context = &server};
  make_outbox(&server.outbox, MIXED_IN_FLIGHT);

  bench_begin(side, inbox.ports);
  watch_for_end(&inbox, &loop);
  run_loop(&loop);
  end_inbox(&inbox);
  end_outbox(&server.outbox);
}
