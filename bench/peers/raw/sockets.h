/* The system's sockets, for the peers that use them by hand. Errors end the program. */
#ifndef BENCH_RAW_SOCKETS_H
#define BENCH_RAW_SOCKETS_H

#include "../../harness.h"

#include <netinet/udp.h>
#include <sys/socket.h>

/* glibc's header may be older than the kernel: linux/udp.h. */
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

/* A system call's result; if it is negative, the end of the program. */
int checked(int result, const char *what);

int open_socket(void);
void set_option(int fd, int level, int option, int value);
void connect_to(int fd, const struct sockaddr_in *to);
void bind_socket(int fd);

/* The side's sockets, each connected to the first target. They end by close_sockets(). */
int *open_senders(const bench_side_t *side, size_t count);
/* The same, one for each flow, to which answers come back too: many, and joined ones. */
int *open_clients(const bench_side_t *side);
/* Those of a receiver: `side->sockets` of them, bound, on ports that are written to `ports`. */
int *open_receivers(bench_side_t *side, uint16_t *ports);
void close_sockets(int *fds, size_t count);

/* An epoll(7) that tells the index of the socket that can be read. */
int open_poller(const int *fds, size_t count);

/* Where a send of fanout-text goes: the address is read anew each time. */
struct sockaddr_in read_target(const char *host, in_port_t port);

#endif
