/* What is sent without a callback is copied, into memory that sends use one after the other. */
#include "fake/scripted.h"

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

SCRIPTED_TEST("copied sends may be longer or shorter than the ones before") {
  static const size_t sizes[] = {10, 1000, 5, 0, LONGEST, 200};
  enum { SIZES = sizeof sizes / sizeof sizes[0], ROUNDS = 3 };
  dgram_socket_t *socket = scripted_socket();
  for (unsigned round = 0; round < ROUNDS; round++) {
    for (unsigned i = 0; i < SIZES; i++)
      send_letters(socket, (char)('a' + i), sizes[(i + round) % SIZES]);
    scripted_run();
    for (unsigned i = 0; i < SIZES; i++)
      assert_sent(round * SIZES + i, (char)('a' + i), sizes[(i + round) % SIZES]);
  }
}

SCRIPTED_TEST("copied sends may take more memory than is kept") {
  dgram_socket_t *socket = scripted_socket();
  for (unsigned round = 0; round < 2; round++) {
    for (unsigned i = 0; i < MANY; i++)
      send_letters(socket, (char)('a' + i % 26), LONGEST);
    scripted_run();
    for (unsigned i = 0; i < MANY; i++)
      assert_sent(round * MANY + i, (char)('a' + i % 26), LONGEST);
  }
}
