#include "rtnetlink.h"

#ifdef __linux__

#include <linux/rtnetlink.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

bool dgram__rtnetlink_next_deleted(struct dgram__rtnetlink_iter *messages, unsigned *index) {
  while (messages->left >= sizeof(struct nlmsghdr)) {
    struct nlmsghdr header;
    struct ifinfomsg link;
    const unsigned char *body = messages->at + NLMSG_HDRLEN;
    size_t left = messages->left - NLMSG_HDRLEN; /* bytes of this body and what follows */
    memcpy(&header, messages->at, sizeof header);
    if (header.nlmsg_len < sizeof header) { /* would repeat for ever */
      messages->left = 0;
      return false;
    }
    bool has_link = header.nlmsg_type == RTM_DELLINK &&
                    header.nlmsg_len - NLMSG_HDRLEN >= sizeof link && left >= sizeof link;
    if (has_link)
      memcpy(&link, body, sizeof link);
    /* NLMSG_ALIGN() overflows: 0 for the largest lengths. */
    size_t length = header.nlmsg_len < messages->left ? NLMSG_ALIGN(header.nlmsg_len) : SIZE_MAX;
    if (length > messages->left)
      length = messages->left;
    messages->at += length;
    messages->left -= length;
    /* Of another family: the interface has left a bridge, and is still there. */
    if (has_link && link.ifi_family == AF_UNSPEC && link.ifi_index > 0) {
      *index = (unsigned)link.ifi_index;
      return true;
    }
  }
  messages->left = 0;
  return false;
}

#else

bool dgram__rtnetlink_next_deleted(struct dgram__rtnetlink_iter *messages, unsigned *index) {
  (void)index;
  messages->left = 0;
  return false;
}

#endif
