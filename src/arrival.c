#include "arrival.h"

/* The kernel overwrites the lengths and flags of the headers that it fills. */
static void reset_header(struct msghdr *header) {
  header->msg_namelen = sizeof(union dgram__address);
  header->msg_controllen = sizeof(struct dgram__control_in);
  header->msg_flags = 0;
}

void dgram__arrival_init(struct dgram__inbox *inbox) {
  struct dgram__arrival *self = (struct dgram__arrival *)inbox;
  for (int i = 0; i < DGRAM__SLOTS; i++) {
    self->iov[i] = (struct iovec){.iov_base = inbox->slots[i].data, .iov_len = DGRAM__SLOT_SIZE};
    struct msghdr *header = &self->headers[i].msg_hdr;
    *header = (struct msghdr){.msg_name = &inbox->slots[i].from,
                              .msg_iov = &self->iov[i],
                              .msg_iovlen = 1,
                              .msg_control = self->controls[i].bytes};
    reset_header(header);
  }
}

int dgram__arrival_recv(struct dgram__path *path, struct dgram__inbox *inbox, unsigned most) {
  struct dgram__arrival *self = (struct dgram__arrival *)inbox;
  int filled = dgram__receive_messages(path, self->headers, most);
  if (filled < 0)
    return filled != UV_EAGAIN ? filled : 0;
  for (int i = 0; i < filled; i++) {
    struct dgram__mmsghdr *header = &self->headers[i];
    dgram__address_trim(&inbox->slots[i].from, header->msg_hdr.msg_namelen);
    inbox->slots[i].size = header->msg_len;
    inbox->slots[i].segment = dgram__path_segment(path->fd, &header->msg_hdr);
    reset_header(&header->msg_hdr);
  }
  if (path->deferred_receive_error != 0) { /* it keeps its place in the order */
    inbox->slots[filled++].segment = path->deferred_receive_error;
    path->deferred_receive_error = 0;
  }
  return filled;
}
