/*
 * libuv's own UDP handle, uv_udp_t, in the two ways in which a program can use it. The peer `libuv`
 * is the plain one: uv_udp_send() with a pool of requests, each used again from its callback, and
 * one recvmsg(2) for each datagram. `libuv-mmsg` has what libuv offers to be quick, by the options
 * send=try and receive=mmsg: uv_udp_try_send(), and UV_UDP_RECVMMSG with room for the most that
 * libuv takes in a call.
 *
 * What was tried, in interleaved runs of libuv 1.44.2 on an otherwise idle virtual machine of 2
 * cores (Linux 6.18), in million datagrams received per second at 64 / 1200 bytes:
 *   send=queue connect=yes receive=mmsg   0.50 / 0.46
 *   send=queue connect=yes receive=one    0.50 / 0.45   and 2 to 3 % more CPU time to receive
 *   send=queue connect=no  receive=mmsg   0.48 / 0.41
 *   send=queue connect=no  receive=one    0.48 / 0.43
 *   send=try   connect=yes receive=mmsg   0.27 / 0.25
 *   send=try   connect=yes receive=one    0.29 / 0.26
 *   send=try   connect=no  receive=mmsg   0.25 / 0.23
 *   send=try   connect=no  receive=one    0.25 / 0.22
 * A pool of 64 to 4096 requests made no difference beyond the noise.
 */
#include "peer.h"

int main(int argc, char **argv) {
  static const bench_part_t parts[] = {{"stream", stream_send, receive},
                                       {"fanin", NULL, receive},
                                       {"fanout", fanout_send, NULL},
                                       {"fanout-text", fanout_text_send, NULL},
                                       {"pingpong", pingpong_send, answer},
                                       {"echo-1", NULL, answer},
                                       {"echo-16", NULL, answer},
                                       {"many-1", NULL, receive},
                                       {"many-100", NULL, receive},
                                       {"many-10000", NULL, receive},
                                       {"many-all-100", NULL, receive},
                                       {"many-all-10000", NULL, receive},
                                       {"burst", burst_send, NULL},
                                       {"mixed", NULL, mixed_receive},
                                       {NULL, NULL, NULL}};
  return bench_main(argc, argv, parts);
}
