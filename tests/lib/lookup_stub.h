/* A program's own look-up: it keeps its queries, and the test answers them. */
#ifndef TESTS_LIB_LOOKUP_STUB_H
#define TESTS_LIB_LOOKUP_STUB_H

#include <dgram.h>

enum { LOOKUP_STUB_MOST = 64 };

struct lookup_stub_query {
  dgram_lookup_t *lookup; /* NULL: answered */
  dgram_type_t type;
  char host[300];
};

/* Zero-initialised: each query waits for lookup_stub_answer(). */
struct lookup_stub {
  const char *at_once; /* an address: it answers this inside the call */
  int fails;           /* or a code: it fails with this inside the call */
  int asked;           /* how many queries there have been */
  struct lookup_stub_query queries[LOOKUP_STUB_MOST];
};

/* Options of a socket that looks up by the stub. Each look-up is traced: "ask(HOST)". */
dgram_options_t lookup_stub_options(dgram_type_t type, struct lookup_stub *stub);
dgram_socket_t *new_with_lookup(uv_loop_t *loop, dgram_type_t type, struct lookup_stub *stub);

/* A udp4 socket bound to 127.0.0.1 and a free port; the stub has forgotten that query. */
dgram_socket_t *new_bound_with_lookup(uv_loop_t *loop, struct lookup_stub *stub);

void lookup_stub_answer(struct lookup_stub *stub, int number, int status, const char *address);

#endif
