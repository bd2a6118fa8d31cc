/* Who asks, with one request under way; and who answers, whatever the number of those who ask. */
#include "peer.h"

#include <stdlib.h>

/* ---- who asks ---- */

typedef struct asker {
  bench_side_t *side;
  uv_udp_t socket;
  pool_t pool;
  uv_buf_t request;
  uint64_t sequence;
  uint64_t sent_ns;
} asker_t;

static void ask(asker_t *asker) {
  work_write(asker->request.base, asker->request.len, asker->sequence++);
  asker->sent_ns = bench_now_ns();
  post(&asker->pool, &asker->socket, &asker->request, NULL);
}

static void on_answer(uv_udp_t *socket, ssize_t size, const uv_buf_t *buffer,
                      const struct sockaddr *from, unsigned flags) {
  asker_t *asker = ((inbox_t *)socket->data)->context;
  if (!is_datagram(size, from))
    return;
  bench_took(asker->side, bench_now_ns() - asker->sent_ns);
  work_read(asker->side->readers, buffer->base, (size_t)size);
  bench_count(asker->side, 1);
  if (!bench_stop_sending(asker->side))
    ask(asker);
  else
    uv_close((uv_handle_t *)socket, NULL);
}

void pingpong_send(bench_side_t *side) {
  uv_loop_t loop;
  asker_t asker = {.side = side, .pool = {.size = side->size, .tries = sends_by_trying(side)}};
  inbox_t inbox = {.context = &asker};
  asker.request = uv_buf_init(bench_allocate(side->size), (unsigned)side->size);
  init_loop(&loop);
  make_buffer(&inbox, side);
  init_receiving(&inbox, &loop, &asker.socket);
  checked(uv_udp_connect(&asker.socket, (struct sockaddr *)side->targets), "uv_udp_connect");
  start_receiving(&asker.socket, on_answer);

  bench_begin(side, NULL);
  ask(&asker);
  run_loop(&loop);
  end_inbox(&inbox);
  end_pool(&asker.pool);
  free(asker.request.base);
}

/* ---- who answers ---- */

static void on_request(uv_udp_t *socket, ssize_t size, const uv_buf_t *buffer,
                       const struct sockaddr *from, unsigned flags) {
  inbox_t *inbox = socket->data;
  bench_side_t *side = inbox->side;
  if (!is_datagram(size, from))
    return;
  work_read_flow(side->readers, side->flows, buffer->base, (size_t)size);
  bench_count(side, 1);
  uv_buf_t answer = uv_buf_init(buffer->base, (unsigned)size);
  post(inbox->context, socket, &answer, from);
}

/* Where a datagram is too long there is room for a copy all the same. */
void answer(bench_side_t *side) {
  uv_loop_t loop;
  pool_t pool = {.size = UINT16_MAX, .tries = sends_by_trying(side)};
  inbox_t inbox = {.context = &pool};
  init_loop(&loop);
  open_inbox(&inbox, side, &loop, on_request);

  bench_begin(side, inbox.ports);
  watch_for_end(&inbox, &loop);
  run_loop(&loop);
  end_inbox(&inbox);
  end_pool(&pool);
}
