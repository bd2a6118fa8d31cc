/* The roles that main.c assigns to the scenarios: each peer that is linked to it has them. */
#ifndef BENCH_ROLES_H
#define BENCH_ROLES_H

#include "../harness.h"

void stream_send(bench_side_t *side);
void fanout_send(bench_side_t *side);
void fanout_text_send(bench_side_t *side);
void burst_send(bench_side_t *side);
void pingpong_send(bench_side_t *side);

/* Check each datagram; send it back; or serve many clients, see mixed.h. */
void receive(bench_side_t *side);
void answer(bench_side_t *side);
void mixed_receive(bench_side_t *side);

#endif
