/*
 * The fixture of the tests over the scripted descriptor: a loop, sockets on it, and the trace: a
 * word for each thing that the library reported, in order.
 */
#ifndef TESTS_FAKE_SCRIPTED_H
#define TESTS_FAKE_SCRIPTED_H

#include "fake/fake_udp.h"
#include "lib/fixture.h"

extern uv_loop_t *scripted_loop;

/* Around each test: at the end what is open is closed. */
void scripted_begin(uv_loop_t *loop);
void scripted_end(void);

/* A test over the scripted descriptor, as TEST() of lib/fixture.h. */
#define SCRIPTED_TEST_(sentence, name)               \
  static void name(void);                            \
  FIXTURE_TEST(sentence, FIXTURE_JOIN(name, _run)) { \
    scripted_begin(loop);                            \
    name();                                          \
    scripted_end();                                  \
  }                                                  \
  static void name(void)
#define SCRIPTED_TEST(sentence) SCRIPTED_TEST_(sentence, FIXTURE_JOIN(scripted_in_line_, __LINE__))

/* A socket over the fake, with a listener of each event; not bound, or bound. */
dgram_socket_t *scripted_unbound_socket(void);
dgram_socket_t *scripted_socket(void);

/* Sends the number as text to 127.0.0.1, port 1000 + number. In the trace: "7" or "7:ECODE". */
void scripted_send(dgram_socket_t *socket, int number);
void scripted_send_all(dgram_socket_t *socket, int first, int last);
/* The same without a callback: an error is in the trace as "error(MESSAGE)". */
void scripted_send_silently(dgram_socket_t *socket, int number);

/* Called with each send's number after its word; NULL: nothing. */
extern void (*scripted_on_sent)(dgram_socket_t *socket, int number);

/* Called with the number of messages before it, after the word "(BYTES)"; NULL: nothing. */
extern void (*scripted_on_message)(dgram_socket_t *socket, int number);

/* Called after the word "error(MESSAGE)"; NULL: nothing. */
extern void (*scripted_on_error)(dgram_socket_t *socket);

/* Runs the loop for a few turns, in which all happens that need not wait. */
void scripted_run(void);

/* Runs it, and compares what is in the trace, and in fake_sends(), then. */
#define EXPECT(expected)    \
  do {                      \
    scripted_run();         \
    assert_trace(expected); \
  } while (0)
#define EXPECT_SENT(sends, expected)          \
  do {                                        \
    scripted_run();                           \
    assert_string_equal(fake_sends(), sends); \
    assert_trace(expected);                   \
  } while (0)

/* The numbers of a range, as a trace of them reads: "3 4 5". */
const char *scripted_numbers(int first, int last);

#endif
