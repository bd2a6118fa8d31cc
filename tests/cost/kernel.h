/*
 * Simulated system calls, so that the library does the same work every time: each send succeeds at
 * once, and each receive call fills all its buffers.
 */
#ifndef TESTS_COST_KERNEL_H
#define TESTS_COST_KERNEL_H

#include <netinet/in.h>
#include <stdint.h>

/* The bytes that were sent. */
uint64_t kernel_bytes_sent(void);

/* Sets the content of each received buffer; the senders are `senders` in turn. */
void kernel_receive(unsigned segments, unsigned segment_size, const struct sockaddr_in senders[],
                    unsigned count);

#endif
