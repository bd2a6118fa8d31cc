#include "lib/lookup_stub.h"

#include "lib/fixture.h"

static void lookup_stub_ask(dgram_lookup_t *lookup, const char *host, dgram_type_t type,
                            void *context) {
  struct lookup_stub *stub = context;
  assert_in_range(stub->asked, 0, LOOKUP_STUB_MOST - 1);
  struct lookup_stub_query *query = &stub->queries[stub->asked++];
  query->lookup = lookup;
  query->type = type;
  keep_text(query->host, sizeof query->host, host);
  trace("ask(%s)", host);
  if (stub->at_once != NULL || stub->fails != 0)
    lookup_stub_answer(stub, stub->asked - 1, stub->fails, stub->at_once);
}

void lookup_stub_answer(struct lookup_stub *stub, int number, int status, const char *address) {
  dgram_lookup_t *lookup = stub->queries[number].lookup;
  assert_non_null(lookup);
  stub->queries[number].lookup = NULL;
  dgram_lookup_done(lookup, status, address);
}

dgram_options_t lookup_stub_options(dgram_type_t type, struct lookup_stub *stub) {
  dgram_options_t options = dgram_default_options(type);
  options.lookup = lookup_stub_ask;
  options.lookup_context = stub;
  return options;
}

dgram_socket_t *new_with_lookup(uv_loop_t *loop, dgram_type_t type, struct lookup_stub *stub) {
  dgram_options_t options = lookup_stub_options(type, stub);
  return new_with(loop, &options);
}

dgram_socket_t *new_bound_with_lookup(uv_loop_t *loop, struct lookup_stub *stub) {
  dgram_socket_t *socket = new_with_lookup(loop, DGRAM_UDP4, stub);
  assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), 0);
  lookup_stub_answer(stub, 0, 0, "127.0.0.1");
  assert_true(port_of(socket) > 0);
  stub->asked = 0;
  trace_clear();
  return socket;
}
