/*
 * The limit: a program written by hand for this flow alone, on the best
 * system calls that Linux has for UDP: sendmmsg(2) of GSO batches, recvmmsg(2) with GRO, epoll(7).
 *
 * Results of variants, in interleaved runs on an otherwise idle virtual machine of 2 cores
 * (Linux 6.18), in million datagrams received per second at 64 / 1200 bytes: GSO batches per call,
 * 4: - / 7.0; 8: 18.2 / 7.1; 16: 20.7 / 6.9; 32: 21.6 / 6.4; 64: 22.4 / 6.3; 128: 22.2 / -. Many
 * batches help as long as their bytes stay in the cache: see CALL_BYTES. No connect(2), but an
 * address with each batch: 21.2 / 6.6, where connected 22.4 / 6.9. Receiving until EAGAIN 24.4
 * / 7.8, until a batch is not full 23.6 / 7.6. A blocking recvmmsg(2) with MSG_WAITFORONE: 23.6
 * / 6.6, where epoll 22.8 / 7.4. UDP_SEGMENT as a control message: 23.0 / 7.3, where as an option
 * of the socket 22.8 / 7.4. 4 to 64 slots a call: no difference beyond the noise.
 */
#include "roles.h"

int main(int argc, char **argv) {
  static const bench_roles_t roles[] = {{"stream", stream_send, stream_receive},
                                        {"fanin", fanin_send, fanin_receive},
                                        {"fanout", fanout_send, fanout_receive},
                                        {"fanout-text", fanout_text_send, fanout_receive},
                                        {"pingpong", pingpong_send, pingpong_receive},
                                        {"echo-1", echo_send, echo_receive},
                                        {"echo-16", echo_send, echo_receive},
                                        {"echo-64", echo_send, echo_receive},
                                        {"many-1", stream_send, stream_receive},
                                        {"many-100", stream_send, stream_receive},
                                        {"many-10000", stream_send, stream_receive},
                                        {"many-all-100", fanout_send, fanout_receive},
                                        {"many-all-10000", fanout_send, fanout_receive},
                                        {"burst", burst_send, stream_receive},
                                        {"mixed", mixed_send, mixed_receive},
                                        {NULL, NULL, NULL}};
  return bench_main(argc, argv, roles);
}
