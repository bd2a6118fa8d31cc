/*
 * A socket of the system's on a loopback address that sees of each datagram what its sender has
 * chosen: source, interface, hop limit, TOS. Linux only.
 */
#ifndef TESTS_LIB_OBSERVER_H
#define TESTS_LIB_OBSERVER_H

#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

enum { OBSERVED_MAX = 65536 };

struct observed {
  char source[INET6_ADDRSTRLEN];
  int ttl;
  int tos;
  unsigned interface_index; /* that it came in by */
  size_t size;
  char bytes[OBSERVED_MAX];
};

/* On 127.0.0.1, or on ::1, and a free port; `to` is its address. Returns the descriptor. */
int observer_open(int family, struct sockaddr_storage *to);

/* Makes an IPv4-mapped address of an IPv4 one. */
struct sockaddr_in6 observer_mapped(const struct sockaddr_storage *ipv4);

/* Waits for a datagram. */
void observer_take(int fd, struct observed *observed);

/* Whether nothing has come. */
int observer_is_empty(int fd);

#endif
