/* The client, with one request in flight, and the server, of any number of clients. */
#include "peer.h"

#include <stdlib.h>

/* ---- the client ---- */

typedef struct client {
  bench_side_t *side;
  uv_udp_t socket;
  pool_t pool;
  uv_buf_t request;
  uint64_t sequence;
  uint64_t sent_ns;
} client_t;

static void send_request(client_t *client) {
  work_write(client->request.base, client->request.len, client->sequence++);
  client->sent_ns = bench_now_ns();
  pool_send(&client->pool, &client->socket, &client->request, NULL);
}

static void on_answer(uv_udp_t *socket, ssize_t size, const uv_buf_t *buffer,
                      const struct sockaddr *from, unsigned flags) {
  client_t *client = ((rx_buffers_t *)socket->data)->context;
  if (!is_datagram(size, from))
    return;
  bench_add_time(client->side, bench_now_ns() - client->sent_ns);
  work_read(client->side->readers, buffer->base, (size_t)size);
  bench_count(client->side, 1);
  if (!bench_stop_sending(client->side))
    send_request(client);
  else
    uv_close((uv_handle_t *)socket, NULL);
}

void pingpong_send(bench_side_t *side) {
  uv_loop_t loop;
  client_t client = {.side = side, .pool = {.size = side->size, .try_first = uses_try_send(side)}};
  rx_buffers_t rx = {.context = &client};
  client.request = uv_buf_init(bench_allocate(side->size), (unsigned)side->size);
  init_loop(&loop);
  rx_buffers_init(&rx, side);
  init_receiving(&rx, &loop, &client.socket);
  checked(uv_udp_connect(&client.socket, (struct sockaddr *)side->targets), "uv_udp_connect");
  start_receiving(&client.socket, on_answer);

  bench_begin(side, NULL);
  send_request(&client);
  run_loop(&loop);
  rx_buffers_free(&rx);
  pool_free(&client.pool);
  free(client.request.base);
}

/* ---- the server ---- */

static void on_request(uv_udp_t *socket, ssize_t size, const uv_buf_t *buffer,
                       const struct sockaddr *from, unsigned flags) {
  rx_buffers_t *rx = socket->data;
  bench_side_t *side = rx->side;
  if (!is_datagram(size, from))
    return;
  work_read_flow(side->readers, side->flows, buffer->base, (size_t)size);
  bench_count(side, 1);
  uv_buf_t answer = uv_buf_init(buffer->base, (unsigned)size);
  pool_send(rx->context, socket, &answer, from);
}

/* The pool has room for a datagram of any size, so that one that is too long is answered too. */
void answer(bench_side_t *side) {
  uv_loop_t loop;
  pool_t pool = {.size = UINT16_MAX, .try_first = uses_try_send(side)};
  rx_buffers_t rx = {.context = &pool};
  init_loop(&loop);
  rx_buffers_open(&rx, side, &loop, on_request);

  bench_begin(side, rx.ports);
  watch_for_end(&rx, &loop);
  run_loop(&loop);
  rx_buffers_free(&rx);
  pool_free(&pool);
}
