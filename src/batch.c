#include "batch.h"

#include <stdio.h>

struct dgram__run dgram__batch_run(const struct dgram__datagram *first, unsigned available,
                                   const struct dgram__limits *limits) {
  struct dgram__run run = {.datagrams = 1, .segment = first->size, .iov_count = first->iov_count};
  if (first->size == 0 || first->size > limits->segment)
    return run;

  unsigned most = available < limits->datagrams ? available : limits->datagrams;
  size_t bytes = first->size;
  size_t last_size = first->size;
  const struct dgram__datagram *next = first->next;
  /* Only the last segment may be shorter, so that the receiver can tell them apart. */
  while (run.datagrams < most && last_size == run.segment && next->size <= run.segment &&
         next->size > 0 && bytes + next->size <= limits->bytes &&
         run.iov_count + next->iov_count <= limits->iov_count &&
         dgram__address_equal(&next->to, &first->to)) {
    run.datagrams++;
    run.iov_count += next->iov_count;
    bytes += next->size;
    last_size = next->size;
    next = next->next;
  }
  return run;
}

bool dgram__batch_kernel_corrupts(const char *release) {
  unsigned major = 0;
  unsigned minor = 0;
  unsigned patch = 0;
  if (sscanf(release, "%u.%u.%u", &major, &minor, &patch) < 2 || major != 7)
    return false;
  return minor == 0 || (minor == 1 && patch <= 4);
}
