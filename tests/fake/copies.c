/* What is sent without a callback is copied, into memory that sends use one after the other. */
#include "fake/scene.h"

#include <string.h>

enum { LONGEST = 60000, MANY = 200 }; /* more bytes than a loop keeps */

static char bytes[LONGEST];

/* The program's memory changes as soon as the call has returned. */
static void send_letters(dgram_socket_t *socket, char letter, size_t size) {
  memset(bytes, letter, size);
  assert_int_equal(dgram_send(socket, bytes, size, 1000, NULL, NULL, NULL), 0);
  memset(bytes, '?', size);
}

static void assert_sent(unsigned number, char letter, size_t size) {
  const struct fake_sent *sent = fake_sent(number);
  memset(bytes, letter, size);
  assert_int_equal(sent->size, size);
  assert_memory_equal(sent->bytes, bytes, size);
}

static void copies_may_be_longer_or_shorter_than_the_ones_before(void **state) {
  static const size_t sizes[] = {10, 1000, 5, 0, LONGEST, 200};
  enum { SIZES = sizeof sizes / sizeof sizes[0], ROUNDS = 3 };
  dgram_socket_t *socket = scene_socket();
  for (unsigned round = 0; round < ROUNDS; round++) {
    for (unsigned i = 0; i < SIZES; i++)
      send_letters(socket, (char)('a' + i), sizes[(i + round) % SIZES]);
    scene_run();
    for (unsigned i = 0; i < SIZES; i++)
      assert_sent(round * SIZES + i, (char)('a' + i), sizes[(i + round) % SIZES]);
  }
}

static void copies_may_take_more_memory_than_is_kept(void **state) {
  dgram_socket_t *socket = scene_socket();
  for (unsigned round = 0; round < 2; round++) {
    for (unsigned i = 0; i < MANY; i++)
      send_letters(socket, (char)('a' + i % 26), LONGEST);
    scene_run();
    for (unsigned i = 0; i < MANY; i++)
      assert_sent(round * MANY + i, (char)('a' + i % 26), LONGEST);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE(copies_may_be_longer_or_shorter_than_the_ones_before),
      SCENE(copies_may_take_more_memory_than_is_kept),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
