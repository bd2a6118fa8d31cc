/* Sockets of the system's, beside those of the library: peers, holders of ports. */
#ifndef TESTS_LIB_RAW_H
#define TESTS_LIB_RAW_H

#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

enum { ROOM = 8 * 1024 * 1024 /* of receive buffers that should hold much, in bytes */ };

struct sockaddr_in loopback_address(int port);

union raw_address {
  struct sockaddr any;
  struct sockaddr_in v4;
  struct sockaddr_in6 v6;
};

/* Makes it of a numeric address of either family; returns its size. */
socklen_t raw_address(union raw_address *to, const char *address, int port);

/* A socket in blocking mode, on 127.0.0.1 and a free port. */
int raw_socket(void);

/*
 * A socket that holds a port of 127.0.0.1 and takes datagrams from nobody, since it is connected
 * to itself: what is sent there is refused (ICMP), or goes to another socket on this port if that
 * has SO_REUSEADDR too.
 */
int raw_holder(int *port);

/* A port of 127.0.0.1 that nobody has any more: what is sent there is refused (ICMP). */
int raw_closed_port(void);

int raw_port(int fd);
int raw_option(int fd, int name); /* of SOL_SOCKET */
void raw_connect(int fd, int port);
void raw_send(int fd, const void *bytes, size_t size, int port);

/*
 * Sends datagrams of `segment` bytes each as one segmented send: a socket with GRO gets them in one
 * buffer. Returns 0, and sends nothing, where the system does not segment.
 */
int raw_send_joined(int fd, const void *bytes, size_t size, int segment, int port);

/* Waits for one datagram; returns the sender's port. */
int raw_receive(int fd, char *text, size_t size);

/* Reads all that has arrived: the datagrams' texts, one word each. */
const char *arrived(int fd);

int is_open(int fd);

/* How many files this process has open: what is left over shows. */
int count_open_files(void);

int is_free_port(int port);

/*
 * A port to bind to later. It is none of the ephemeral ports of the kernel (on Linux
 * from 32,768 on): the next moment another test would have it.
 */
int free_port(void);

int have_ipv6(void);

/* Skips the test where there is no IPv6. */
#define skip_without_ipv6()                              \
  do {                                                   \
    if (!have_ipv6()) {                                  \
      print_message("skipped: no IPv6 loopback here\n"); \
      skip();                                            \
    }                                                    \
  } while (0)

#endif
