/*
 * libdgram, as a program uses it: the public header alone, a callback for each datagram on both
 * sides. With DGRAM_DATAPATH=posix in the environment the same is the peer `libdgram-posix`.
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
