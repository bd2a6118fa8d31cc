/*
 * The seam below a socket: a network that is not the kernel's, in memory, and the UDP sockets on
 * it. Each function of udp.h that would make a system call on such a socket calls the endpoint's
 * function instead, once per call, not per datagram. Codes are UV_E*.
 */
#ifndef DGRAM_NETWORK_H
#define DGRAM_NETWORK_H

#include <limits.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <uv.h>

#include "address.h"

/* In place of the descriptor of a simulated socket; every system call answers EBADF to it. */
enum { DGRAM__SIMULATED_FD = INT_MAX };

struct dgram__datagram;
struct dgram__endpoint;
struct dgram__network;
struct dgram__rx_buffers;
struct dgram__settings;

/* Called once, with the answer to a look-up: status 0 and an address with port 0, or an error. */
typedef void dgram__answer_fn(void *lookup, int status, const union dgram__address *address);

struct dgram__network_ops {
  /* Binds as dgram__udp_open() does. */
  int (*open)(struct dgram__network *network, const struct dgram__settings *settings,
              struct dgram__endpoint **endpoint);

  /* Looks a name up and answers later. Returns 0, or an error, and then it does not answer. */
  int (*resolve)(struct dgram__network *network, const char *name, int family,
                 dgram__answer_fn *answer, void *lookup);
};

/* The network as one host is attached to it; a host of the simulation begins with it. */
struct dgram__network {
  const struct dgram__network_ops *ops;
  uv_loop_t *loop;  /* of all its sockets */
  unsigned sockets; /* that exist, bound or not */
};

/* As the functions of udp.h of these names do. */
struct dgram__endpoint_ops {
  void (*close)(struct dgram__endpoint *endpoint);
  int (*connect)(struct dgram__endpoint *endpoint, const union dgram__address *to);
  int (*take_error)(struct dgram__endpoint *endpoint);
  int (*name)(const struct dgram__endpoint *endpoint, bool peer, union dgram__address *name);
  int (*send)(struct dgram__endpoint *endpoint, const struct dgram__datagram *first,
              unsigned count);
  int (*recv)(struct dgram__endpoint *endpoint, struct dgram__rx_buffers *buffers, unsigned most);

  /* The events UV_READABLE and UV_WRITABLE that it has; an error counts as both. */
  int (*events)(const struct dgram__endpoint *endpoint);

  /* Calls `on_ready` from now on when it has one of these events, as long as it has. */
  void (*watch)(struct dgram__endpoint *endpoint, int events);

  /* setsockopt(2), getsockopt(2). `only_check`: nothing changes. UV_ENOTSUP: not simulated. */
  int (*set_option)(struct dgram__endpoint *endpoint, int level, int name, const void *value,
                    socklen_t length, bool only_check);
  int (*get_option)(const struct dgram__endpoint *endpoint, int level, int name, void *value,
                    socklen_t *length);
};

/* A bound UDP socket on it; the network's own struct begins with it. */
struct dgram__endpoint {
  const struct dgram__endpoint_ops *ops;
  void (*on_ready)(void *owner, int status, int events); /* status as uv_poll_cb has it */
  void *owner;
};

#endif
