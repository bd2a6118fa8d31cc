/*
 * The trace of a test: what happened, in order, one word each. "sent1 got(hello) closed" is a
 * trace. It begins anew with each loop that open_loop() makes.
 */
#ifndef TESTS_LIB_TRACE_H
#define TESTS_LIB_TRACE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dgram.h>

enum { TRACE_SIZE = 65536 };
extern char trace_text[TRACE_SIZE];
extern int trace_count; /* of its words */

/* How many words a trace has that reads so. */
int words_in(const char *text);

void trace(const char *format, ...) __attribute__((format(printf, 1, 2)));
void trace_clear(void);

/* Compares the trace, and clears it. A macro, so that a failure shows the caller's line. */
#define assert_trace(expected)                 \
  do {                                         \
    assert_string_equal(trace_text, expected); \
    trace_clear();                             \
  } while (0)

/* Runs the loop until the trace is as expected, which it must become. */
void run_until_trace(uv_loop_t *loop, const char *expected);

/*
 * Listeners and callbacks that trace their context, a word: "word", "word(TEXT)" for a message,
 * "word[TEXT TEXT]" for a batch, "word(ENAME)" for an error.
 */
void trace_event(dgram_socket_t *socket, void *context);
void trace_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                   void *context);
void trace_messages(dgram_socket_t *socket, const dgram_message_t *const messages[], size_t count,
                    void *context);
void trace_error(dgram_socket_t *socket, const dgram_error_t *error, void *context);
void trace_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes, void *context);
void trace_connect(dgram_socket_t *socket, const dgram_error_t *error, void *context);

/* Adds a listener of each event but 'message' that traces the event's name. */
void trace_events(dgram_socket_t *socket);

#endif
