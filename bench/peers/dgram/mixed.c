/* The server of many clients; see mixed.h. */
#include "../../mixed.h"
#include "peer.h"

#include <stdlib.h>

typedef struct server {
  bench_side_t *side;
  dgram_socket_t *socket;
  struct sockaddr_in places[MIXED_CLIENTS]; /* port 0: not known yet */
  size_t known;
  mixed_source_t source;
  struct slot *slots; /* MIXED_IN_FLIGHT of them */
} server_t;

/* A datagram in flight; its memory is used again for another when it has left. */
typedef struct slot {
  server_t *server;
  char *payload;
} slot_t;

static void on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                    void *context);

static void send_next(slot_t *slot) {
  server_t *server = slot->server;
  mixed_datagram_t datagram = mixed_next(&server->source);
  work_write(slot->payload, datagram.size, datagram.sequence);
  uv_buf_t buffer = uv_buf_init(slot->payload, (unsigned)datagram.size);
  checked(dgram_send_to(server->socket, &buffer, 1,
                        (const struct sockaddr *)&server->places[datagram.client], on_sent, slot),
          "dgram_send_to");
}

static void on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                    void *context) {
  slot_t *slot = context;
  check_sent(error);
  bench_count(slot->server->side, 1);
  if (!bench_stop_sending(slot->server->side))
    send_next(slot);
}

static void on_reply(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                     void *context) {
  server_t *server = context;
  bench_side_t *side = server->side;
  size_t client = mixed_read_reply(side->readers, message, rinfo->size);
  if (server->places[client].sin_port != 0)
    return;
  memcpy(&server->places[client], rinfo->sockaddr, sizeof *server->places);
  if (++server->known == MIXED_CLIENTS)
    for (size_t i = 0; i < MIXED_IN_FLIGHT; i++)
      send_next(&server->slots[i]);
}

void mixed_receive(bench_side_t *side) {
  uv_loop_t loop;
  watch_t watch;
  server_t server = {.side = side, .source = mixed_source(side->size)};
  char *payloads = bench_allocate(MIXED_IN_FLIGHT * side->size);
  server.slots = bench_allocate(MIXED_IN_FLIGHT * sizeof *server.slots);
  for (size_t i = 0; i < MIXED_IN_FLIGHT; i++)
    server.slots[i] = (slot_t){&server, payloads + i * side->size};
  init_loop(&loop);
  server.socket = new_bound(&loop, on_reply, &server);
  uint16_t port = port_of(server.socket);

  bench_begin(side, &port);
  watch_for_end(&watch, &loop, side, &server.socket, 1);
  run_loop(&loop);
  free(server.slots);
  free(payloads);
}
