/*
 * The main program of the peers that run on the measured side only: each role is in the scenarios
 * in which the peer is measured. `raw`, which is the other side as well, has a main program of its
 * own.
 */
#include "roles.h"

int main(int argc, char **argv) {
  static const bench_roles_t roles[] = {{"stream", stream_send, receive},
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
  return bench_main(argc, argv, roles);
}
