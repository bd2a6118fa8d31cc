/* Calls that must be refused, in one table: the call as it stands in the source, and its error. */
#ifndef TESTS_LIB_REFUSALS_H
#define TESTS_LIB_REFUSALS_H

#include <stddef.h>

struct refusal {
  const char *call;
  int result;
  int expected;
};

#define REFUSED(expected, call) \
  { #call, (call), (expected) }

void assert_refusals(const struct refusal rows[], size_t count);

/* The rows are called in an order of the compiler's, and each by itself changes nothing. */
#define ASSERT_REFUSED(...)                               \
  do {                                                    \
    const struct refusal rows_[] = {__VA_ARGS__};         \
    assert_refusals(rows_, sizeof rows_ / sizeof *rows_); \
  } while (0)

#endif
