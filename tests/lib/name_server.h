/*
 * A name server of the test's own: the program has a network of its own, in which dnsmasq(8) is the
 * resolver's server. It answers
 *
 *   four.test   127.0.0.4              both.test     127.0.0.5 and fd00::5
 *   six.test    fd00::6                NAME.up.test  what the test answers itself
 *   abc.test    127.0.0.6              bücher.test   127.0.0.7
 *   faß.test    127.0.0.8              ☃.test        127.0.0.9
 *
 * and that all else in test does not exist.
 */
#ifndef TESTS_LIB_NAME_SERVER_H
#define TESTS_LIB_NAME_SERVER_H

#include "lib/hosts.h"

/* ---- what the resolver reads ---- */

void write_file(const char *path, const char *text);

#define RESOLV_CONF "/etc/resolv.conf"
#define RESOLVER "options attempts:1 timeout:10\nnameserver 127.0.0.1\n"

/* ---- the program ---- */

/*
 * The main() of a program. All tests share a network: the resolver's threads stay where they began.
 * The tests have no hosts.
 */
int names_run(void);

/* ---- answering for up.test (RFC 1035, 4.1) ---- */

enum { FOUND = 0, SERVER_FAILED = 2, NO_SUCH_NAME = 3, REFUSED = 5 };

struct query {
  uint8_t bytes[512]; /* header, question, and room for an answer */
  size_t size;        /* up to the question's end */
  struct sockaddr_in from;
};

/* Runs the loop until there is a query for a name of up.test. */
void wait_for_query(uv_loop_t *loop, struct query *query);

/* Answers with a code and, if it is FOUND, an IPv4 address. */
void answer_query(struct query *query, uint8_t code, const char *address);

/*
 * Runs the loop until the count is reached or the loop has ended. Meanwhile it answers: a name of
 * up.test that begins with "good" is 127.0.0.1, for others there is the code. How often dnsmasq
 * asks for one is its own affair.
 */
void run_answering_until(uv_loop_t *loop, uint8_t code, const int *reached, int wanted);

#endif
