#include "udp_recv.h"

/* The kernel overwrites the lengths and flags of the headers that it fills. */
static void udp_recv_reset_header(struct msghdr *header) {
  header->msg_namelen = sizeof(union dgram__address);
  header->msg_controllen = sizeof(struct dgram__cmsg_in);
  header->msg_flags = 0;
}

void dgram__rx_batch_init(struct dgram__rx_buffers *inbox) {
  struct dgram__rx_batch *self = (struct dgram__rx_batch *)inbox;
  for (int i = 0; i < DGRAM__RX_BUFFERS; i++) {
    self->iov[i] =
        (struct iovec){.iov_base = inbox->slots[i].data, .iov_len = DGRAM__RX_BUFFER_SIZE};
    struct msghdr *header = &self->headers[i].msg_hdr;
    *header = (struct msghdr){.msg_name = &inbox->slots[i].from,
                              .msg_iov = &self->iov[i],
                              .msg_iovlen = 1,
                              .msg_control = self->controls[i].bytes};
    udp_recv_reset_header(header);
  }
}

int dgram__rx_batch_recv(struct dgram__udp *udp, struct dgram__rx_buffers *inbox, unsigned most) {
  struct dgram__rx_batch *self = (struct dgram__rx_batch *)inbox;
  int filled = dgram__receive_messages(udp, self->headers, most);
  if (filled < 0)
    return filled != UV_EAGAIN ? filled : 0;
  for (int i = 0; i < filled; i++) {
    struct dgram__mmsghdr *header = &self->headers[i];
    dgram__address_trim(&inbox->slots[i].from, header->msg_hdr.msg_namelen);
    inbox->slots[i].size = header->msg_len;
    inbox->slots[i].segment = dgram__udp_segment(udp->fd, &header->msg_hdr);
    udp_recv_reset_header(&header->msg_hdr);
  }
  if (udp->deferred_receive_error != 0) { /* it keeps its place in the order */
    inbox->slots[filled++].segment = udp->deferred_receive_error;
    udp->deferred_receive_error = 0;
  }
  return filled;
}
