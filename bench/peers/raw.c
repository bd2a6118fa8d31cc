/*
 * The limit: what a program gets that is written for nothing but this flow, by hand, on the best
 * system calls that Linux has for UDP: sendmmsg(2) of GSO runs, recvmmsg(2) of GRO runs, epoll(7).
 *
 * What was tried, in interleaved runs on an otherwise idle virtual machine of 2 cores (Linux 6.18),
 * in million datagrams received per second at 64 / 1200 bytes:
 *   GSO runs a call, 4: - / 7.0; 8: 18.2 / 7.1; 16: 20.7 / 6.9; 32: 21.6 / 6.4; 64: 22.4 / 6.3;
 *     128: 22.2 / -. Many runs are good as long as their bytes stay in the cache: see CALL_BYTES.
 *   No connect(2), but an address with each run: 21.2 / 6.6, where connected 22.4 / 6.9.
 *   Receiving until EAGAIN 24.4 / 7.8, until a batch is not full 23.6 / 7.6.
 *   A blocking recvmmsg(2) with MSG_WAITFORONE: 23.6 / 6.6, where epoll 22.8 / 7.4.
 *   UDP_SEGMENT as a control message: 23.0 / 7.3, where as an option of the socket 22.8 / 7.4.
 *   4 to 64 slots a call: no difference beyond the noise.
 */
#define _GNU_SOURCE
#include "../harness.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* glibc's header may be older than the kernel: linux/udp.h. */
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum {
  RUN_SEGMENTS = 64,       /* what every kernel with UDP_SEGMENT takes */
  RUN_BYTES = 65507,       /* the largest UDP payload on IPv4; holds for a run too */
  CALL_BYTES = 512 * 1024, /* written and sent while it is in the cache */
  SLOT_BYTES = 65536,      /* the largest GRO run: less would cut it off */
  SLOTS = 16,
  FLOW_SLOTS = 64,
  MAX_BATCH = 256
};

/* Room for one control message that holds an int or less, aligned as the kernel wants it. */
typedef union control {
  size_t align;
  char bytes[CMSG_SPACE(sizeof(int))];
} control_t;

/* The arguments of one system call: messages with `stride` bytes each, one behind the other. */
typedef struct batch {
  struct mmsghdr messages[MAX_BATCH];
  struct iovec vectors[MAX_BATCH];
  control_t controls[MAX_BATCH];
  char *bytes;
  size_t stride;
  unsigned count;
} batch_t;

static int checked(int result, const char *what) {
  if (result < 0)
    bench_fail(what, strerror(errno));
  return result;
}

static size_t smaller(size_t a, size_t b) {
  return a < b ? a : b;
}

static void batch_init(batch_t *batch, size_t count, size_t stride) {
  memset(batch, 0, sizeof *batch);
  batch->count = (unsigned)smaller(count, MAX_BATCH);
  batch->stride = stride;
  batch->bytes = bench_allocate(batch->count * stride);
  for (unsigned i = 0; i < batch->count; i++) {
    batch->vectors[i] = (struct iovec){batch->bytes + i * stride, stride};
    batch->messages[i].msg_hdr.msg_iov = &batch->vectors[i];
    batch->messages[i].msg_hdr.msg_iovlen = 1;
  }
}

/* ---- sender ---- */

static void aim(batch_t *batch, struct sockaddr_in *to) {
  for (unsigned i = 0; i < batch->count; i++) {
    batch->messages[i].msg_hdr.msg_name = to;
    batch->messages[i].msg_hdr.msg_namelen = sizeof *to;
  }
}

static uint64_t write_batch(batch_t *batch, size_t size, uint64_t sequence) {
  char *end = batch->bytes + batch->count * batch->stride;
  for (char *payload = batch->bytes; payload < end; payload += size)
    work_write(payload, size, sequence++);
  return sequence;
}

/* The system may take only the first messages of a batch. */
static void send_batch(int fd, batch_t *batch) {
  for (unsigned sent = 0; sent < batch->count;)
    sent +=
        (unsigned)checked(sendmmsg(fd, batch->messages + sent, batch->count - sent, 0), "sendmmsg");
}

static int open_socket(void) {
  return checked(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
}

static void set_option(int fd, int level, int option, int value) {
  checked(setsockopt(fd, level, option, &value, sizeof value), "setsockopt");
}

static void connect_to(int fd, struct sockaddr_in to) {
  checked(connect(fd, (struct sockaddr *)&to, sizeof to), "connect");
}

static void stream_send(bench_thread_t *thread) {
  size_t size = bench_size(thread);
  size_t segments = smaller(RUN_SEGMENTS, RUN_BYTES / size);
  size_t runs = smaller(64, CALL_BYTES / (segments * size));
  batch_t batch;
  batch_init(&batch, (size_t)bench_number(thread, "runs", (long)runs), segments * size);
  int fd = open_socket();
  set_option(fd, SOL_UDP, UDP_SEGMENT, (int)size);

  bench_begin(thread, 0);
  struct sockaddr_in to = bench_target(thread, 0);
  if (bench_chosen(thread, "connect", "no", false))
    aim(&batch, &to);
  else
    connect_to(fd, to);

  for (uint64_t sequence = 0; !bench_stop_sending(thread);) {
    sequence = write_batch(&batch, size, sequence);
    send_batch(fd, &batch);
    bench_count(thread, batch.count * segments);
  }
  close(fd);
  free(batch.bytes);
}

/* sendmmsg(2) is for one socket: each of many takes a call for its datagram. */
static void fanin_send(bench_thread_t *thread) {
  size_t size = bench_size(thread), flows = bench_flows(thread);
  char *payload = bench_allocate(size);
  int *fds = bench_allocate(flows * sizeof *fds);
  for (size_t i = 0; i < flows; i++)
    fds[i] = open_socket();

  bench_begin(thread, 0);
  for (size_t i = 0; i < flows; i++)
    connect_to(fds[i], bench_target(thread, 0));
  for (uint64_t sequence = 0; !bench_stop_sending(thread); sequence += flows)
    for (size_t i = 0; i < flows; i++) {
      work_write(payload, size, sequence + i);
      checked((int)send(fds[i], payload, size, 0), "send");
      bench_count(thread, 1);
    }
  for (size_t i = 0; i < flows; i++)
    close(fds[i]);
  free(fds);
  free(payload);
}

/* ---- receiver ---- */

static uint16_t open_receiver(int *fd) {
  struct sockaddr_in self = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof self;
  *fd = open_socket();
  set_option(*fd, SOL_SOCKET, SO_RCVBUF, BENCH_RECV_BUFFER);
  checked(bind(*fd, (struct sockaddr *)&self, sizeof self), "bind");
  checked(getsockname(*fd, (struct sockaddr *)&self, &length), "getsockname");
  return ntohs(self.sin_port);
}

static int open_poller(int fd) {
  int poller = checked(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
  struct epoll_event event = {.events = EPOLLIN};
  checked(epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
  return poller;
}

/* False when everything has been received. */
static bool await_datagrams(int poller, bench_thread_t *thread) {
  struct epoll_event event;
  int ready;
  while ((ready = epoll_wait(poller, &event, 1, BENCH_QUIET_MS)) <= 0)
    if (ready == 0 && bench_stop_receiving(thread))
      return false;
  return true;
}

static int receive_batch(int fd, batch_t *batch) {
  /* The last call left the lengths of what it wrote. */
  for (unsigned i = 0; i < batch->count; i++) {
    batch->messages[i].msg_hdr.msg_control = batch->controls[i].bytes;
    batch->messages[i].msg_hdr.msg_controllen = sizeof batch->controls[i].bytes;
  }
  int received = recvmmsg(fd, batch->messages, batch->count, MSG_DONTWAIT, NULL);
  if (received < 0 && (errno == EAGAIN || errno == EINTR))
    return 0;
  return checked(received, "recvmmsg");
}

/* The size of the datagrams that were merged into the message; its own if none were. */
static size_t segment_size(struct mmsghdr *message) {
  struct msghdr *header = &message->msg_hdr;
  for (struct cmsghdr *at = CMSG_FIRSTHDR(header); at; at = CMSG_NXTHDR(header, at))
    if (at->cmsg_level == SOL_UDP && at->cmsg_type == UDP_GRO) {
      int segment;
      memcpy(&segment, CMSG_DATA(at), sizeof segment);
      return (size_t)segment;
    }
  return message->msg_len;
}

static uint64_t read_message(work_reader_t *reader, struct mmsghdr *message) {
  const char *payload = message->msg_hdr.msg_iov->iov_base;
  size_t segment = segment_size(message);
  uint64_t datagrams = 0;
  for (size_t left = message->msg_len; left > 0; datagrams++) {
    size_t size = smaller(left, segment);
    work_read(reader, payload, size);
    payload += size;
    left -= size;
  }
  return datagrams;
}

/* What came in one call: reads it, and tells how many datagrams it was. */
typedef uint64_t (*read_batch_t)(bench_thread_t *thread, batch_t *batch, int received);

static uint64_t read_runs(bench_thread_t *thread, batch_t *batch, int received) {
  work_reader_t reader = *thread->readers; /* a local one stays in registers */
  uint64_t datagrams = 0;
  for (int i = 0; i < received; i++)
    datagrams += read_message(&reader, &batch->messages[i]);
  *thread->readers = reader;
  return datagrams;
}

static uint64_t read_flows(bench_thread_t *thread, batch_t *batch, int received) {
  size_t flows = bench_flows(thread);
  for (int i = 0; i < received; i++)
    work_read_flow(thread->readers, flows, batch->vectors[i].iov_base, batch->messages[i].msg_len);
  return (uint64_t)received;
}

/*
 * Until there is none. A batch that is not full says the same without a call more, but the call
 * gives the sender time: the receiver has to be woken less often, which costs the sender.
 */
static void receive_waiting(int fd, batch_t *batch, bench_thread_t *thread, read_batch_t read) {
  int received;
  do {
    received = receive_batch(fd, batch);
    bench_count(thread, read(thread, batch, received));
  } while (received > 0);
}

static void receive(bench_thread_t *thread, int fd, uint16_t port, batch_t *batch,
                    read_batch_t read) {
  int poller = open_poller(fd);
  bench_begin(thread, port);
  while (await_datagrams(poller, thread))
    receive_waiting(fd, batch, thread, read);
  close(poller);
  close(fd);
  free(batch->bytes);
}

static void stream_receive(bench_thread_t *thread) {
  batch_t batch;
  batch_init(&batch, (size_t)bench_number(thread, "slots", SLOTS), SLOT_BYTES);
  int fd;
  uint16_t port = open_receiver(&fd);
  set_option(fd, SOL_UDP, UDP_GRO, 1);
  receive(thread, fd, port, &batch, read_runs);
}

/* Nothing can be merged: small slots, and many of them. A byte more shows what is too long. */
static void fanin_receive(bench_thread_t *thread) {
  batch_t batch;
  batch_init(&batch, (size_t)bench_number(thread, "slots", FLOW_SLOTS), bench_size(thread) + 1);
  int fd;
  uint16_t port = open_receiver(&fd);
  receive(thread, fd, port, &batch, read_flows);
}

/* ---- pingpong ---- */

/* Each side waits in recv(2): the system wakes it a call earlier than with epoll(7). */
static void pingpong_send(bench_thread_t *thread) {
  size_t size = bench_size(thread);
  char *payload = bench_allocate(size + 1);
  int fd = open_socket();

  bench_begin(thread, 0);
  connect_to(fd, bench_target(thread, 0));
  for (uint64_t sequence = 0; !bench_stop_sending(thread); sequence++) {
    work_write(payload, size, sequence);
    uint64_t sent_ns = bench_now_ns();
    checked((int)send(fd, payload, size, 0), "send");
    int received = checked((int)recv(fd, payload, size + 1, 0), "recv");
    bench_round_trip(thread, sent_ns);
    work_read(thread->readers, payload, (size_t)received);
    bench_count(thread, 1);
  }
  close(fd);
  free(payload);
}

static void pingpong_receive(bench_thread_t *thread) {
  size_t size = bench_size(thread);
  char *payload = bench_allocate(size + 1);
  int fd;
  uint16_t port = open_receiver(&fd);
  struct timeval quiet = {.tv_usec = BENCH_QUIET_MS * 1000L};
  checked(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &quiet, sizeof quiet), "SO_RCVTIMEO");

  bench_begin(thread, port);
  for (;;) {
    struct sockaddr_in from;
    socklen_t length = sizeof from;
    ssize_t received = recvfrom(fd, payload, size + 1, 0, (struct sockaddr *)&from, &length);
    if (received < 0 && errno == EAGAIN) {
      if (bench_stop_receiving(thread))
        break;
      continue;
    }
    checked((int)received, "recvfrom");
    work_read(thread->readers, payload, (size_t)received);
    bench_count(thread, 1);
    checked((int)sendto(fd, payload, (size_t)received, 0, (struct sockaddr *)&from, length),
            "sendto");
  }
  close(fd);
  free(payload);
}

int main(int argc, char **argv) {
  static const bench_part_t parts[] = {{"stream", stream_send, stream_receive},
                                       {"fanin", fanin_send, fanin_receive},
                                       {"pingpong", pingpong_send, pingpong_receive},
                                       {NULL, NULL, NULL}};
  return bench_main(argc, argv, "raw", parts);
}
