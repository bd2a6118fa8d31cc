/* BSD sockets, for the peers that use them directly. Errors end the program. */
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

/* Returns the result of a system call; ends the program if it is negative. */
int checked(int result, const char *what);

int open_socket(void);
void set_option(int fd, int level, int option, int value);
void connect_to(int fd, const struct sockaddr_in *to);
void bind_socket(int fd);

/* The side's sockets, each connected to the first target. close_sockets() closes them. */
int *open_senders(const bench_side_t *side, size_t count);
/* The same, one for each flow, prepared to receive answers: many, and merged ones. */
int *open_clients(const bench_side_t *side);
/* Those of a receiver: `side->sockets` of them, bound, on ports that are written to `ports`. */
int *open_receivers(bench_side_t *side, uint16_t *ports);
void close_sockets(int *fds, size_t count);

/* An epoll(7) whose events have the index of the readable socket. */
int open_poller(const int *fds, size_t count);

/* The destination of a send in fanout-text: the address is parsed each time. */
struct sockaddr_in read_target(const char *host, in_port_t port);

#endif
