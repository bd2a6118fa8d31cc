/* Sends very many datagrams in one iteration of the loop, and waits for all their callbacks. */
#include "peer.h"

#include <stdlib.h>

typedef struct burst {
  bench_side_t *side;
  uv_loop_t loop;
  dgram_socket_t *socket;
  char *payloads;
  uint64_t sequence;
  uint64_t began_ns;
  size_t in_flight;
} burst_t;

static void on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                    void *context);

static void send_round(burst_t *burst) {
  bench_side_t *side = burst->side;
  burst->began_ns = bench_now_ns();
  burst->in_flight = BENCH_BURST;
  for (size_t i = 0; i < BENCH_BURST; i++) {
    uv_buf_t buffer = uv_buf_init(burst->payloads + i * side->size, (unsigned)side->size);
    work_write(buffer.base, side->size, burst->sequence++);
    checked(dgram_send_to(burst->socket, &buffer, 1, (const struct sockaddr *)side->targets,
                          on_sent, burst),
            "dgram_send_to");
  }
}

static void on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                    void *context) {
  burst_t *burst = context;
  check_sent(error);
  bench_count(burst->side, 1);
  if (--burst->in_flight > 0)
    return;
  bench_add_time(burst->side, bench_now_ns() - burst->began_ns);
  if (!bench_stop_sending(burst->side))
    send_round(burst);
  else
    checked(dgram_close(socket, NULL, NULL), "dgram_close");
}

void burst_send(bench_side_t *side) {
  burst_t burst = {.side = side, .payloads = bench_allocate(BENCH_BURST * side->size)};
  init_loop(&burst.loop);
  burst.socket = new_socket(&burst.loop, 0, NULL, NULL);
  checked(dgram_bind_sync(burst.socket, 0, NULL), "dgram_bind_sync");

  bench_begin(side, NULL);
  send_round(&burst);
  run_loop(&burst.loop);
  free(burst.payloads);
}
