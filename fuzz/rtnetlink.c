/*
 * Any bytes as messages of netlink: they are read in a bounded number of steps, and every index
 * that is read stands in them.
 */
#include "rtnetlink.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool has_number(const uint8_t *data, size_t size, unsigned number) {
  for (size_t i = 0; i + sizeof number <= size; i++)
    if (memcmp(data + i, &number, sizeof number) == 0)
      return true;
  return false;
}

/* On the heap, of just this size, so that a read beyond it is found; at an odd address. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  uint8_t *copy = malloc(size + 1);
  if (copy == NULL)
    return 0;
  memcpy(copy + 1, data, size);
  struct dgram__rtnetlink_iter messages = {.at = copy + 1, .left = size};
  size_t before = size + 1;
  unsigned index;
  while (dgram__rtnetlink_next_deleted(&messages, &index)) {
    if (index == 0 || messages.left >= before || !has_number(data, size, index))
      abort();
    before = messages.left;
  }
  if (messages.left != 0)
    abort();
  free(copy);
  return 0;
}
