#define _GNU_SOURCE
#include "batch.h"

#include <errno.h>

void batch_init(batch_t *batch, size_t count, size_t stride) {
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

void batch_set_destination(batch_t *batch, struct sockaddr_in *to) {
  for (unsigned i = 0; i < batch->count; i++) {
    batch->messages[i].msg_hdr.msg_name = to;
    batch->messages[i].msg_hdr.msg_namelen = sizeof *to;
  }
}

/* The system may take only the first messages of a batch. */
void batch_send(int fd, batch_t *batch, unsigned count) {
  for (unsigned sent = 0; sent < count;)
    sent += (unsigned)checked(sendmmsg(fd, batch->messages + sent, count - sent, 0), "sendmmsg");
}

uint64_t batch_send_flow(int fd, batch_t *batch, unsigned count, uint64_t sequence, uint64_t step) {
  for (unsigned i = 0; i < count; i++, sequence += step)
    work_write(batch->vectors[i].iov_base, batch->stride, sequence);
  batch_send(fd, batch, count);
  return sequence;
}

int batch_receive(int fd, batch_t *batch, bool names) {
  /* The last call left the lengths of what it wrote. */
  for (unsigned i = 0; i < batch->count; i++) {
    struct msghdr *header = &batch->messages[i].msg_hdr;
    header->msg_control = batch->controls[i].bytes;
    header->msg_controllen = sizeof batch->controls[i].bytes;
    header->msg_name = names ? &batch->names[i] : NULL;
    header->msg_namelen = names ? sizeof batch->names[i] : 0;
  }
  int received = recvmmsg(fd, batch->messages, batch->count, MSG_DONTWAIT, NULL);
  if (received < 0 && (errno == EAGAIN || errno == EINTR))
    return 0;
  return checked(received, "recvmmsg");
}

size_t batch_segment(struct mmsghdr *message) {
  struct msghdr *header = &message->msg_hdr;
  for (struct cmsghdr *at = CMSG_FIRSTHDR(header); at; at = CMSG_NXTHDR(header, at))
    if (at->cmsg_level == SOL_UDP && at->cmsg_type == UDP_GRO) {
      int segment;
      memcpy(&segment, CMSG_DATA(at), sizeof segment);
      return (size_t)segment;
    }
  return message->msg_len;
}
