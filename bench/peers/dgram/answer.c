/* The client, with one request in flight, and the server, of any number of clients. */
#include "peer.h"

#include <stdlib.h>

/* ---- the client ---- */

typedef struct client {
  bench_side_t *side;
  uv_loop_t loop;
  dgram_socket_t *socket;
  char *payload;
  uint64_t sequence;
  uint64_t sent_ns;
} client_t;

static void on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                    void *context) {
  check_sent(error);
}

static void send_request(client_t *client) {
  size_t size = client->side->size;
  work_write(client->payload, size, client->sequence++);
  client->sent_ns = bench_now_ns();
  uv_buf_t buffer = uv_buf_init(client->payload, (unsigned)size);
  checked(dgram_send_to(client->socket, &buffer, 1, NULL, on_sent, NULL), "dgram_send_to");
}

static void on_answer(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                      void *context) {
  client_t *client = context;
  bench_add_time(client->side, bench_now_ns() - client->sent_ns);
  work_read(client->side->readers, message, rinfo->size);
  bench_count(client->side, 1);
  if (!bench_stop_sending(client->side))
    send_request(client);
  else
    checked(dgram_close(socket, NULL, NULL), "dgram_close");
}

void pingpong_send(bench_side_t *side) {
  client_t client = {.side = side, .payload = bench_allocate(side->size)};
  init_loop(&client.loop);
  client.socket = new_connected(&client.loop, side->targets, on_answer, &client);

  bench_begin(side, NULL);
  send_request(&client);
  run_loop(&client.loop);
  free(client.payload);
}

/* ---- the server ---- */

/* The message is borrowed: without a callback the library copies what it sends. */
static void on_request(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  bench_side_t *side = context;
  work_read_flow(side->readers, side->flows, message, rinfo->size);
  bench_count(side, 1);
  uv_buf_t buffer = uv_buf_init((char *)message, (unsigned)rinfo->size);
  checked(dgram_send_to(socket, &buffer, 1, rinfo->sockaddr, NULL, NULL), "dgram_send_to");
}

void answer(bench_side_t *side) {
  uv_loop_t loop;
  watch_t watch;
  init_loop(&loop);
  dgram_socket_t *socket = new_bound(side, &loop, on_request, side);
  uint16_t port = port_of(socket);

  bench_begin(side, &port);
  watch_for_end(&watch, &loop, side, &socket, 1);
  run_loop(&loop);
}
