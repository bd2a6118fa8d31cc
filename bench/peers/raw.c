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

static int open_sender(size_t size) {
  int fd = checked(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
  int segment = (int)size;
  checked(setsockopt(fd, SOL_UDP, UDP_SEGMENT, &segment, sizeof segment), "UDP_SEGMENT");
  return fd;
}

static void stream_send(bench_thread_t *thread) {
  size_t size = bench_size(thread);
  size_t segments = smaller(RUN_SEGMENTS, RUN_BYTES / size);
  size_t runs = smaller(64, CALL_BYTES / (segments * size));
  batch_t batch;
  batch_init(&batch, (size_t)bench_number(thread, "runs", (long)runs), segments * size);
  int fd = open_sender(size);

  bench_begin(thread, 0);
  struct sockaddr_in to = bench_target(thread, 0);
  if (bench_chosen(thread, "connect", "no", false))
    aim(&batch, &to);
  else
    checked(connect(fd, (struct sockaddr *)&to, sizeof to), "connect");

  for (uint64_t sequence = 0; !bench_stop_sending(thread);) {
    sequence = write_batch(&batch, size, sequence);
    send_batch(fd, &batch);
    bench_count(thread, batch.count * segments);
  }
  close(fd);
  free(batch.bytes);
}

/* ---- receiver ---- */

static uint16_t open_receiver(int *fd) {
  int on = 1, bytes = BENCH_RECV_BUFFER;
  struct sockaddr_in self = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof self;
  *fd = checked(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
  checked(setsockopt(*fd, SOL_UDP, UDP_GRO, &on, sizeof on), "UDP_GRO");
  checked(setsockopt(*fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes), "SO_RCVBUF");
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

/*
 * Until there is none. A batch that is not full says the same without a call more, but the call
 * gives the sender time: the receiver has to be woken less often, which costs the sender.
 */
static void receive_waiting(int fd, batch_t *batch, bench_thread_t *thread) {
  int received;
  do {
    received = receive_batch(fd, batch);
    work_reader_t reader = thread->reader; /* a local one stays in registers */
    uint64_t datagrams = 0;
    for (int i = 0; i < received; i++)
      datagrams += read_message(&reader, &batch->messages[i]);
    thread->reader = reader;
    bench_count(thread, datagrams);
  } while (received > 0);
}

static void stream_receive(bench_thread_t *thread) {
  batch_t batch;
  batch_init(&batch, (size_t)bench_number(thread, "slots", SLOTS), SLOT_BYTES);
  int fd;
  uint16_t port = open_receiver(&fd);
  int poller = open_poller(fd);

  bench_begin(thread, port);
  while (await_datagrams(poller, thread))
    receive_waiting(fd, &batch, thread);
  close(poller);
  close(fd);
  free(batch.bytes);
}

int main(int argc, char **argv) {
  static const bench_part_t parts[] = {{"stream", stream_send, stream_receive}, {NULL, NULL, NULL}};
  return bench_main(argc, argv, "raw", parts);
}
