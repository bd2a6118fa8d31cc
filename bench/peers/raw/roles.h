/* The roles of the peer `raw`, by the files that have them. */
#ifndef BENCH_RAW_ROLES_H
#define BENCH_RAW_ROLES_H

#include "../../harness.h"

/* send.c */
void stream_send(bench_side_t *side);
void fanin_send(bench_side_t *side);
void fanout_send(bench_side_t *side);
void fanout_text_send(bench_side_t *side);
void burst_send(bench_side_t *side);

/* receive.c */
void stream_receive(bench_side_t *side); /* a flow, whose datagrams may be merged */
void fanin_receive(bench_side_t *side);
void fanout_receive(bench_side_t *side); /* a socket for each flow */

/* answer.c */
void pingpong_send(bench_side_t *side);
void pingpong_receive(bench_side_t *side);
void echo_send(bench_side_t *side);
void echo_receive(bench_side_t *side);

/* mixed.c */
void mixed_send(bench_side_t *side);
void mixed_receive(bench_side_t *side);

#endif
