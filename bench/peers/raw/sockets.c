#include "sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

int checked(int result, const char *what) {
  if (result < 0)
    bench_fail(what, strerror(errno));
  return result;
}

int open_socket(void) {
  return checked(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
}

void set_option(int fd, int level, int option, int value) {
  checked(setsockopt(fd, level, option, &value, sizeof value), "setsockopt");
}

void connect_to(int fd, const struct sockaddr_in *to) {
  checked(connect(fd, (const struct sockaddr *)to, sizeof *to), "connect");
}

void bind_socket(int fd) {
  struct sockaddr_in self = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  checked(bind(fd, (struct sockaddr *)&self, sizeof self), "bind");
}

int *open_senders(const bench_side_t *side, size_t count) {
  int *fds = bench_allocate(count * sizeof *fds);
  for (size_t i = 0; i < count; i++) {
    fds[i] = open_socket();
    connect_to(fds[i], &side->targets[0]);
  }
  return fds;
}

int *open_clients(const bench_side_t *side) {
  int *fds = open_senders(side, side->flows);
  for (size_t i = 0; i < side->flows; i++) {
    set_option(fds[i], SOL_SOCKET, SO_RCVBUF, BENCH_RECV_BUFFER);
    set_option(fds[i], SOL_UDP, UDP_GRO, 1);
  }
  return fds;
}

static uint16_t port_of(int fd) {
  struct sockaddr_in self;
  socklen_t length = sizeof self;
  checked(getsockname(fd, (struct sockaddr *)&self, &length), "getsockname");
  return ntohs(self.sin_port);
}

int *open_receivers(bench_side_t *side, uint16_t *ports) {
  bench_measure_heap(side);
  int *fds = bench_allocate(side->sockets * sizeof *fds);
  for (size_t i = 0; i < side->sockets; i++) {
    fds[i] = open_socket();
    set_option(fds[i], SOL_SOCKET, SO_RCVBUF, BENCH_RECV_BUFFER);
    bind_socket(fds[i]);
    ports[i] = port_of(fds[i]);
  }
  return fds;
}

void close_sockets(int *fds, size_t count) {
  for (size_t i = 0; i < count; i++)
    close(fds[i]);
  free(fds);
}

int open_poller(const int *fds, size_t count) {
  int poller = checked(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  for (size_t i = 0; i < count; i++) {
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = i};
    checked(epoll_ctl(poller, EPOLL_CTL_ADD, fds[i], &event), "epoll_ctl");
  }
  return poller;
}

struct sockaddr_in read_target(const char *host, in_port_t port) {
  struct sockaddr_in target = {.sin_family = AF_INET, .sin_port = port};
  if (inet_pton(AF_INET, host, &target.sin_addr) != 1)
    bench_fail(host, "not an address");
  return target;
}
