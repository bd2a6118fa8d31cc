/*
 * A primary that reads any bytes, and descriptors, from a worker: it neither crashes nor leaks a
 * descriptor, and the connection ends when the worker has closed it. With an odd first byte the
 * input is well-formed frames, abbreviated to four bytes each; else it is the bytes that are read.
 */
#include "primary.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "descriptor.h"
#include "descriptors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_BYTES = 4096, SHORT_FRAME = 4 };

static void require(bool condition) {
  if (!condition)
    abort();
}

/* ---- the input ---- */

/* kind, number, what is requested, port */
static struct dgram__frame expand(const uint8_t abbreviated[SHORT_FRAME]) {
  struct dgram__frame frame = {.kind = 1 + abbreviated[0] % (DGRAM__FRAME_KINDS - 1),
                               .number = abbreviated[1] % 8,
                               .reuse_addr = (abbreviated[2] & 1) != 0,
                               .ipv6_only = (abbreviated[2] & 2) != 0,
                               .fd = abbreviated[2] & 4 ? abbreviated[3] % 16 : 0};
  if (abbreviated[2] & 8)
    dgram__address_loopback(&frame.address, abbreviated[2] & 16 ? AF_INET6 : AF_INET, 0);
  return frame;
}

/* Writes the bytes that the primary is to read. Returns their number. */
static size_t compose(unsigned char *bytes, const uint8_t *data, size_t size) {
  size_t length = 0;
  if (size == 0 || data[0] % 2 == 0) {
    length = size < MAX_BYTES ? size : MAX_BYTES;
    memcpy(bytes, data, length);
    return length;
  }
  for (size_t at = 1; at + SHORT_FRAME <= size && length + DGRAM__FRAME_SIZE <= MAX_BYTES;
       at += SHORT_FRAME, length += DGRAM__FRAME_SIZE) {
    const struct dgram__frame frame = expand(data + at);
    dgram__frame_write(&frame, bytes + length);
  }
  return length;
}

/* ---- the primary ---- */

static uv_loop_t loop;
static uv_timer_t keep_alive; /* keeps the loop alive, as the process would */
static bool disconnected;

static void on_disconnect(dgram_cluster_t *cluster, int id, void *context) {
  disconnected = true;
}

static void on_timer(uv_timer_t *timer) {
  abort();
}

static void open_loop(void) {
  require(uv_loop_init(&loop) == 0);
  require(uv_timer_init(&loop, &keep_alive) == 0);
  require(uv_timer_start(&keep_alive, on_timer, UINT64_MAX, 0) == 0);
}

static void close_loop(void) {
  uv_close((uv_handle_t *)&keep_alive, NULL);
  uv_run(&loop, UV_RUN_DEFAULT);
  require(uv_loop_close(&loop) == 0);
}

/* A worker without a process. */
static struct dgram__worker_process *add_worker(dgram_cluster_t *cluster, int fd) {
  struct dgram__worker_process *worker = calloc(1, sizeof *worker);
  require(worker != NULL && uv_poll_init(&loop, &worker->poll, fd) == 0);
  worker->cluster = cluster;
  worker->id = 1;
  worker->exited = true;
  worker->poll.data = worker;
  worker->open_handles = 2; /* one more than it has, so that it is freed here */
  dgram__channel_init(&worker->channel, fd);
  dgram__list_append(&cluster->workers, &worker->node);
  cluster->count = 1;
  dgram__primary_write(worker);
  return worker;
}

/* With a descriptor, which the primary has not asked for. */
static bool write_bytes(int fd, const unsigned char *bytes, size_t length, bool with_descriptor) {
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
  } control = {.bytes = {0}};
  struct iovec iov = {.iov_base = (unsigned char *)bytes, .iov_len = length};
  struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
  if (with_descriptor) {
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  return sendmsg(fd, &message, 0) == (ssize_t)length;
}

static void read_replies(struct dgram__channel *channel) {
  struct dgram__frame frame;
  int fd;
  while (dgram__channel_receive(channel, &frame, &fd) > 0)
    if (fd >= 0)
      close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  unsigned char bytes[MAX_BYTES];
  struct dgram_cluster cluster = {
      .loop = &loop, .options = {.on_disconnect = on_disconnect}, .shared = {.limit = 1024}};
  struct dgram__channel theirs;
  int fds[2];
  open_loop();
  int descriptors = count_descriptors();
  require(dgram__descriptor_pair(fds) == 0);
  dgram__channel_init(&theirs, fds[1]);
  struct dgram__worker_process *worker = add_worker(&cluster, fds[0]);
  size_t length = compose(bytes, data, size);
  require(length == 0 || write_bytes(theirs.fd, bytes, length, data[size - 1] % 2 == 1));
  shutdown(theirs.fd, SHUT_WR);
  disconnected = false;
  while (!disconnected) {
    uv_run(&loop, UV_RUN_NOWAIT);
    read_replies(&theirs);
  }
  dgram__channel_close(&theirs);
  uv_run(&loop, UV_RUN_NOWAIT);
  require(worker->open_handles == 1 && dgram__list_is_empty(&cluster.shared.sockets));
  free(worker);
  require(count_descriptors() == descriptors);
  close_loop();
  return 0;
}
