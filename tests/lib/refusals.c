#include "lib/refusals.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

void assert_refusals(const struct refusal rows[], size_t count) {
  for (size_t i = 0; i < count; i++)
    if (rows[i].result != rows[i].expected)
      fail_msg("%s is %d, not %d", rows[i].call, rows[i].result, rows[i].expected);
}
