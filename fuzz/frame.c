/*
 * Any bytes as a frame: a frame that is read is well formed, and encodes to the same bytes.
 */
#include "frame.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_well_formed(const struct dgram__frame *frame) {
  int family = frame->address.any.sa_family;
  return frame->kind > 0 && frame->kind < DGRAM__FRAME_KINDS && frame->status <= 0 &&
         frame->fd >= 0 && (family == AF_UNSPEC || family == AF_INET || family == AF_INET6);
}

/* An input that is too short for a frame is padded with zeros, a longer one truncated. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  unsigned char bytes[DGRAM__FRAME_SIZE] = {0};
  unsigned char encoded[DGRAM__FRAME_SIZE];
  struct dgram__frame frame;
  memcpy(bytes, data, size < sizeof bytes ? size : sizeof bytes);
  if (!dgram__frame_read(&frame, bytes))
    return 0;
  dgram__frame_write(&frame, encoded);
  if (!is_well_formed(&frame) || memcmp(encoded, bytes, sizeof bytes) != 0)
    abort();
  return 0;
}
