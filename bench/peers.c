/*
 * What a datagram costs on its way to one of many connected sockets of one port, made by
 * dgram_accept_peer(): over loopback the kernel looks the socket up inside the sender's sendto(2),
 * so that is what is timed, apart from receiving. A datagram of a stranger goes to the server.
 *
 *   bench_peers [PEERS...]   prints a line for each; by default 0, 1, 100 and 5000 peers
 *
 * Two descriptors for each peer are needed: ulimit -n.
 */
#include <dgram_peer.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 50, ROUNDS = 200, RUNS = 5 };

static uv_loop_t loop;
static long received;

static void on_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  received++;
}

static void check(int err, const char *what) {
  if (err == 0)
    return;
  fprintf(stderr, "%s: %s\n", what, dgram_strerror(err));
  exit(1);
}

static double now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* A plain socket of 127.0.0.1. */
static int open_remote(struct sockaddr_in *name) {
  socklen_t length = sizeof *name;
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  *name = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (fd < 0 || bind(fd, (struct sockaddr *)name, sizeof *name) != 0 ||
      getsockname(fd, (struct sockaddr *)name, &length) != 0)
    check(uv_translate_sys_error(errno), "socket");
  return fd;
}

/* The time of one sendto(2), ns, from one of these at random; the fastest of some runs. */
static double send_all(const int fds[], long count, const struct sockaddr_in *to) {
  double best = 0;
  for (int run = 0; run < RUNS; run++) {
    double spent = 0;
    received = 0;
    for (long round = 0; round < ROUNDS; round++) {
      int from[BATCH];
      for (int i = 0; i < BATCH; i++)
        from[i] = fds[random() % count];
      double begin = now_ns();
      for (int i = 0; i < BATCH; i++)
        if (sendto(from[i], "x", 1, 0, (const struct sockaddr *)to, sizeof *to) != 1)
          check(uv_translate_sys_error(errno), "sendto");
      spent += now_ns() - begin;
      while (received < (round + 1) * BATCH)
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    spent /= (double)ROUNDS * BATCH;
    if (run == 0 || spent < best)
      best = spent;
  }
  return best;
}

static void measure(long count) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  dgram_socket_t *server;
  dgram_socket_t **sockets = calloc((size_t)count + 1, sizeof(dgram_socket_t *));
  int *fds = calloc((size_t)count + 1, sizeof *fds);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct sockaddr_in name;
  dgram_address_t address;
  options.reuse_port = 1;
  check(uv_loop_init(&loop), "uv_loop_init");
  check(dgram_create_socket_options(&loop, &options, on_message, NULL, &server), "create");
  check(dgram_bind_sync(server, 0, "127.0.0.1"), "bind");
  check(dgram_address(server, &address), "address");
  to.sin_port = htons((uint16_t)address.port);
  int stranger = open_remote(&name);
  double accepting = 0;
  for (long i = 0; i < count; i++) {
    fds[i] = open_remote(&name);
    double begin = now_ns();
    check(dgram_accept_peer(server, (struct sockaddr *)&name, NULL, &sockets[i]), "accept");
    accepting += now_ns() - begin;
    check(dgram_on_message(sockets[i], on_message, NULL), "on_message");
  }
  printf("%8ld", count);
  if (count > 0)
    printf("%14.0f%14.0f", accepting / (double)count, send_all(fds, count, &to));
  else
    printf("%14s%14s", "-", "-");
  printf("%18.0f\n", send_all(&stranger, 1, &to));
  fflush(stdout);
  for (long i = 0; i < count; i++) {
    dgram_close(sockets[i], NULL, NULL);
    close(fds[i]);
  }
  close(stranger);
  dgram_close(server, NULL, NULL);
  uv_run(&loop, UV_RUN_DEFAULT);
  check(uv_loop_close(&loop), "uv_loop_close");
  free(sockets);
  free(fds);
}

int main(int argc, char *argv[]) {
  static const long counts[] = {0, 1, 100, 5000};
  printf("%8s%14s%14s%18s\n", "peers", "accept_ns", "peer_ns", "stranger_ns");
  for (int i = 1; i < argc; i++)
    measure(atol(argv[i]));
  for (size_t i = 0; argc == 1 && i < sizeof counts / sizeof *counts; i++)
    measure(counts[i]);
  return 0;
}
