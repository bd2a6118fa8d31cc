/*
 * Options of a system socket by the names of dgram.h: the calls of setsockopt(2) that each stands
 * for in a family, its range, and when it may be set. Makes several calls or none. And the MTU of a
 * path.
 * Knows neither libuv's loop nor the socket.
 */
#ifndef DGRAM_SOCKOPT_H
#define DGRAM_SOCKOPT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "address.h"

struct dgram__udp;

/* When an option may be set, and what it acts on. */
enum dgram__sockopt_phase {
  DGRAM__SOCKOPT_OF_SENDS,    /* at any time; on the sends that follow */
  DGRAM__SOCKOPT_AT_ANY_TIME, /* at any time; not on sends */
  DGRAM__SOCKOPT_BEFORE_BIND  /* it has no effect afterwards */
};

enum {
  DGRAM__SOCKOPT_FIRST = DGRAM_SO_BROADCAST,
  DGRAM__SOCKOPT_END = DGRAM_SO_TXTIME_CLOCK + 1,
  DGRAM__SOCKOPT_CALLS = 2, /* that an option stands for, at most: of IPv6, and of IPv4 */
  DGRAM__SOCKOPT_MOST_CALLS = DGRAM__SOCKOPT_CALLS * DGRAM__SOCKOPT_END + 1, /* and the interface */
  DGRAM__SOCKOPT_VALUE_SIZE = 16 /* the largest: a name of SO_BINDTODEVICE */
};

/* One call of setsockopt(2). */
struct dgram__sockopt_call {
  const char *text; /* the option's name: "SO_MARK"; static */
  int level;
  int name;
  socklen_t length;
  char value[DGRAM__SOCKOPT_VALUE_SIZE];
};

/* 0; UV_EINVAL: there is no such option; UV_ENOTSUP: not on this system. */
int dgram__sockopt_check(int option);

/* Whether the value is in the range of an option. */
bool dgram__sockopt_allows(dgram_sockopt_t option, int64_t value);

enum dgram__sockopt_phase dgram__sockopt_phase(dgram_sockopt_t option);

/* The calls that set an option on a socket of this family. Returns how many, 1 or 2. */
unsigned dgram__sockopt_calls(dgram_sockopt_t option, int family, int64_t value,
                              struct dgram__sockopt_call calls[DGRAM__SOCKOPT_CALLS]);

/* The call that binds to an interface; "": to none any more. The name is that of an interface. */
struct dgram__sockopt_call dgram__sockopt_bind_device(const char *name);

/*
 * Makes the calls, at most DGRAM__SOCKOPT_MOST_CALLS, in order. Returns 0; or the error of the
 * first that is refused, with its index in `refused`, and then the former values of those before it
 * are restored.
 */
int dgram__sockopt_make_calls(const struct dgram__udp *udp,
                              const struct dgram__sockopt_call calls[], unsigned count,
                              unsigned *refused);

/*
 * The error that the socket, of this family, would return for the calls, or 0; it does not change:
 * they are made on another one.
 */
int dgram__sockopt_try_calls(const struct dgram__udp *udp, int family,
                             const struct dgram__sockopt_call calls[], unsigned count);

/* Reads an option. Returns 0 or an error, and then `value` is unchanged. */
int dgram__sockopt_read(const struct dgram__udp *udp, int family, dgram_sockopt_t option,
                        int64_t *value);

/* Reads the name of the interface that the socket is bound to, "": none. Returns 0 or an error. */
int dgram__sockopt_read_bind_device(const struct dgram__udp *udp, char name[DGRAM_INTERFACE_NAME]);

/* The MTU of the path to the peer of a connected socket, or an error. */
int dgram__sockopt_mtu(const struct dgram__udp *udp, int family);

/*
 * The MTU of the path to an address, or an error: asked by a socket of its own, with the mark, the
 * interface and the local address of this one, if it is bound.
 */
int dgram__sockopt_mtu_to(const struct dgram__udp *udp, const union dgram__address *to);

#endif
