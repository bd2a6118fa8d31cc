/* Sends very many datagrams in one iteration of the loop, and waits for all their callbacks. */
#include "peer.h"

#include <stdlib.h>

typedef struct burst {
  bench_side_t *side;
  uv_loop_t loop;
  uv_udp_t socket;
  uv_idle_t idle;
  uv_udp_send_t *requests;
  char *payloads;
  uint64_t sequence;
  uint64_t began_ns;
  size_t in_flight;
  bool try_first;
} burst_t;

static void count_sent(burst_t *burst) {
  bench_count(burst->side, 1);
  if (--burst->in_flight == 0)
    bench_add_time(burst->side, bench_now_ns() - burst->began_ns);
}

static void on_sent(uv_udp_send_t *request, int status);

static void send_round(burst_t *burst) {
  bench_side_t *side = burst->side;
  const struct sockaddr *to = (const struct sockaddr *)side->targets;
  burst->began_ns = bench_now_ns();
  burst->in_flight = BENCH_BURST;
  for (size_t i = 0; i < BENCH_BURST; i++) {
    uv_buf_t datagram = uv_buf_init(burst->payloads + i * side->size, (unsigned)side->size);
    work_write(datagram.base, side->size, burst->sequence++);
    if (send_datagram(&burst->requests[i], &burst->socket, &datagram, to, on_sent,
                      burst->try_first))
      count_sent(burst);
  }
}

/* Starts the next round, in the iteration in which the last one completed. */
static void send_next_round(burst_t *burst) {
  if (burst->in_flight > 0)
    return;
  if (!bench_stop_sending(burst->side)) {
    send_round(burst);
    return;
  }
  uv_close((uv_handle_t *)&burst->idle, NULL);
  uv_close((uv_handle_t *)&burst->socket, NULL);
}

static void on_sent(uv_udp_send_t *request, int status) {
  burst_t *burst = request->data;
  checked(status, "uv_udp_send");
  count_sent(burst);
  if (!burst->try_first)
    send_next_round(burst);
}

/* Without callbacks the next iteration of the loop follows the sends. */
static void on_idle(uv_idle_t *idle) {
  send_next_round(idle->data);
}

void burst_send(bench_side_t *side) {
  burst_t burst = {.side = side, .try_first = uses_try_send(side), .idle.data = &burst};
  burst.payloads = bench_allocate(BENCH_BURST * side->size);
  burst.requests = bench_allocate(BENCH_BURST * sizeof *burst.requests);
  for (size_t i = 0; i < BENCH_BURST; i++)
    burst.requests[i].data = &burst;
  init_loop(&burst.loop);
  checked(uv_udp_init(&burst.loop, &burst.socket), "uv_udp_init");
  checked(uv_idle_init(&burst.loop, &burst.idle), "uv_idle_init");

  bench_begin(side, NULL);
  if (burst.try_first)
    checked(uv_idle_start(&burst.idle, on_idle), "uv_idle_start");
  send_round(&burst);
  run_loop(&burst.loop);
  free(burst.requests);
  free(burst.payloads);
}
