/* The server of many clients; see mixed.h. */
#include "../../mixed.h"
#include "peer.h"

typedef struct server {
  bench_side_t *side;
  struct sockaddr_in places[MIXED_CLIENTS]; /* port 0: not known yet */
  size_t known;
  mixed_source_t source;
  outbox_t outbox;
} server_t;

static void compose(parcel_t *parcel, void *context) {
  server_t *server = context;
  mixed_datagram_t datagram = mixed_next(&server->source);
  parcel->datagram.len = datagram.size;
  parcel->to = &server->places[datagram.client];
  work_write(parcel->datagram.base, datagram.size, datagram.sequence);
}

static void on_reply(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                     void *context) {
  server_t *server = context;
  size_t client = mixed_read_reply(server->side->readers, message, rinfo->size);
  if (server->places[client].sin_port != 0)
    return;
  memcpy(&server->places[client], rinfo->sockaddr, sizeof server->places[client]);
  if (++server->known == MIXED_CLIENTS)
    start_outbox(&server->outbox);
}

void mixed_receive(bench_side_t *side) {
  uv_loop_t loop;
  watch_t watch;
  server_t server = {.side = side, .source = mixed_source(side->size)};
  init_loop(&loop);
  dgram_socket_t *socket = new_bound(side, &loop, on_reply, &server);
  uint16_t port = port_of(socket);
  server.outbox =
      (outbox_t){.side = side, .socket = socket, .compose = compose, .context = &server};
  make_outbox(&server.outbox, MIXED_IN_FLIGHT);

  bench_begin(side, &port);
  watch_for_end(&watch, &loop, side, &socket, 1);
  run_loop(&loop);
  end_outbox(&server.outbox);
}
