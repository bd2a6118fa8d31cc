/*
 * System calls that the program plays in place of the kernel, so that the library does the same
 * work every time: whatever is sent leaves at once, and whoever looks finds a full inbox.
 */
#ifndef TESTS_COST_KERNEL_H
#define TESTS_COST_KERNEL_H

#include <netinet/in.h>
#include <stdint.h>

/* The bytes that have left. */
uint64_t kernel_bytes_sent(void);

/* What fills each buffer that is received into, from `senders` in turn. */
void kernel_receive(unsigned segments, unsigned segment_size, const struct sockaddr_in senders[],
                    unsigned count);

#endif
