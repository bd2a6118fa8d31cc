/*
 *   TEST("close() twice is refused") {
 *     dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
 *     ...
 *   }
 *
 * is a test with a loop of its own. The program's main() runs the tests of its file in their order
 * and names each by its sentence. After a test its sockets are closed, the loop must come to its
 * end, and no file may be left open.
 */
#ifndef TESTS_LIB_TEST_H
#define TESTS_LIB_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <uv.h>

struct fixture_test {
  const char *file;
  const char *sentence;
  void (*run)(uv_loop_t *loop);
  uv_loop_t *loop;
  struct fixture_test *next;
};

void fixture_add(struct fixture_test *test);

#define FIXTURE_JOIN_(a, b) a##b
#define FIXTURE_JOIN(a, b) FIXTURE_JOIN_(a, b)
#define FIXTURE_TEST(text, name)                                            \
  static void name(uv_loop_t *loop);                                        \
  __attribute__((constructor)) static void FIXTURE_JOIN(name, _add)(void) { \
    static struct fixture_test test = {__FILE__, text, name, NULL, NULL};   \
    fixture_add(&test);                                                     \
  }                                                                         \
  static void name(uv_loop_t *loop)
#define TEST(sentence) FIXTURE_TEST(sentence, FIXTURE_JOIN(test_in_line_, __LINE__))

/* The tests of the program, in the order of the file; what its main() does by default. */
int fixture_run(void);

/* What else surrounds each test of a program; each function may be NULL. */
struct fixture_hooks {
  CMFixtureFunction setup;        /* before there is a loop */
  void (*begin)(uv_loop_t *loop); /* begin and end are part of the test */
  void (*end)(uv_loop_t *loop);   /* before its sockets are closed, unless it has failed */
  CMFixtureFunction teardown;     /* also if it has failed */
};

/* For a constructor: a program has one such fixture. */
void fixture_hooks(struct fixture_hooks hooks);

#endif
