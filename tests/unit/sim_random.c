/* The numbers by chance of the network in memory: those of the generators' authors, so that a seed
 * means the same in every version and on every machine. */
#include "sim_random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void a_seed_gives_the_state_that_splitmix64_gives(void **state) {
  const struct dgram__random random = dgram__random_seeded(1234567);
  assert_true(random.state[0] == UINT64_C(6457827717110365317));
  assert_true(random.state[1] == UINT64_C(3203168211198807973));
  assert_true(random.state[2] == UINT64_C(9817491932198370423));
  assert_true(random.state[3] == UINT64_C(4593380528125082431));
}

static void the_numbers_are_those_of_xoshiro256(void **state) {
  static const uint64_t expected[] = {
      UINT64_C(11520),
      UINT64_C(0),
      UINT64_C(1509978240),
      UINT64_C(1215971899390074240),
      UINT64_C(1216172134540287360),
      UINT64_C(607988272756665600),
      UINT64_C(16172922978634559625),
      UINT64_C(8476171486693032832),
      UINT64_C(10595114339597558777),
      UINT64_C(2904607092377533576),
  };
  struct dgram__random random = {{1, 2, 3, 4}};
  for (size_t i = 0; i < COUNT(expected); i++)
    assert_true(dgram__random_next(&random) == expected[i]);
}

static void a_likelihood_of_zero_draws_no_number(void **state) {
  struct dgram__random random = {{1, 2, 3, 4}};
  assert_false(dgram__random_happens(&random, 0));
  assert_true(dgram__random_next(&random) == 11520);
}

/* The first number is 11520 / 2^64, the third a little more. */
static void a_number_below_the_likelihood_happens(void **state) {
  struct dgram__random random = {{1, 2, 3, 4}};
  assert_true(dgram__random_happens(&random, 1e-15));
  random = (struct dgram__random){{1, 2, 3, 4}};
  assert_false(dgram__random_happens(&random, 0x1p-53)); /* 11520 / 2^11 is 5 */
  random = (struct dgram__random){{1, 2, 3, 4}};
  assert_false(dgram__random_happens(&random, 5 * 0x1p-53));
  random = (struct dgram__random){{1, 2, 3, 4}};
  assert_true(dgram__random_happens(&random, 6 * 0x1p-53));
}

static void what_is_certain_always_happens(void **state) {
  struct dgram__random random = dgram__random_seeded(1);
  for (int i = 0; i < 1000; i++)
    assert_true(dgram__random_happens(&random, 1));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_seed_gives_the_state_that_splitmix64_gives),
      cmocka_unit_test(the_numbers_are_those_of_xoshiro256),
      cmocka_unit_test(a_likelihood_of_zero_draws_no_number),
      cmocka_unit_test(a_number_below_the_likelihood_happens),
      cmocka_unit_test(what_is_certain_always_happens),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
