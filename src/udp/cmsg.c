#include "cmsg.h"

#include <string.h>

#include <dgram.h>

void dgram__cmsg_set_segment(struct msghdr *message, struct dgram__cmsg_out *control,
                             uint16_t segment) {
  memset(control, 0, sizeof *control); /* the padding too: the kernel is handed all of it */
  message->msg_control = control->bytes;
  message->msg_controllen = sizeof control->bytes;
  struct cmsghdr *header = CMSG_FIRSTHDR(message);
  header->cmsg_level = SOL_UDP;
  header->cmsg_type = UDP_SEGMENT;
  header->cmsg_len = CMSG_LEN(sizeof segment);
  memcpy(CMSG_DATA(header), &segment, sizeof segment);
}

int dgram__cmsg_segment(const struct msghdr *message) {
  /* CMSG_NXTHDR wants a message that it could change, and does not change it. */
  struct msghdr *walked = (struct msghdr *)message;
  for (struct cmsghdr *at = CMSG_FIRSTHDR(walked); at != NULL; at = CMSG_NXTHDR(walked, at)) {
    int segment; /* an int here, though a uint16_t in the other direction */
    if (at->cmsg_level != SOL_UDP || at->cmsg_type != UDP_GRO ||
        dgram__cmsg_size(message, at) < sizeof segment)
      continue;
    memcpy(&segment, CMSG_DATA(at), sizeof segment);
    return segment > 0 ? segment : 0;
  }
  return message->msg_flags & MSG_CTRUNC ? UV_EMSGSIZE : 0;
}
