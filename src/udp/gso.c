#include "gso.h"

#include <stdio.h>

bool dgram__gso_kernel_corrupts(const char *release) {
  unsigned major = 0;
  unsigned minor = 0;
  unsigned patch = 0;
  if (sscanf(release, "%u.%u.%u", &major, &minor, &patch) < 2 || major != 7)
    return false;
  return minor == 0 || (minor == 1 && patch <= 4);
}
