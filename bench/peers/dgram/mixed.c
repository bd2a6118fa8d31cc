/* The server of many clients; see mixed.h. */
#include "../../mixed.h"
#include "peer.h"

typedef struct server {
  bench_side_t *side;
  struct sockaddr_in addresses[MIXED_CLIENTS]; /* port 0: not known yet */
  size_t known;
  mixed_source_t source;
  send_queue_t queue;
} server_t;

static void compose(datagram_t *datagram, void *context) {
  server_t *server = context;
  mixed_datagram_t next = mixed_next(&server->source);
  datagram->buffer.len = next.size;
  datagram->to = &server->addresses[next.client];
  work_write(datagram->buffer.base, next.size, next.sequence);
}

static void on_reply(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                     void *context) {
  server_t *server = context;
  size_t client = mixed_read_reply(server->side->readers, message, rinfo->size);
  if (server->addresses[client].sin_port != 0)
    return;
  memcpy(&server->addresses[client], rinfo->sockaddr, sizeof server->addresses[client]);
  if (++server->known == MIXED_CLIENTS)
    send_queue_start(&server->queue);
}

void mixed_receive(bench_side_t *side) {
  uv_loop_t loop;
  watch_t watch;
  server_t server = {.side = side, .source = mixed_source(side->size)};
  init_loop(&loop);
  dgram_socket_t *socket = new_bound(side, &loop, on_reply, &server);
  uint16_t port = port_of(socket);
  server.queue =
      (send_queue_t){.side = side, .socket = socket, .compose = compose, .context = &server};
  send_queue_init(&server.queue, MIXED_IN_FLIGHT);

  bench_begin(side, &port);
  watch_for_end(&watch, &loop, side, &socket, 1);
  run_loop(&loop);
  send_queue_free(&server.queue);
}
