/*
 * Internationalised host names. With libidn2 they are mapped as Node.js maps them, by UTS 46: as
 * capitals, decomposed and in full width they are the same name. Without it libuv encodes the
 * characters as they stand. Either way a program sees the name as it gave it.
 */
#include "lib/name_server.h"

#ifdef DGRAM_HAVE_LIBIDN2
enum { MAPPED = 1 };
#else
enum { MAPPED = 0 };
#endif

static const struct {
  const char *name;
  const char *address;
  int as_it_stands; /* libuv alone finds it */
} hosts_of_test[] = {
    {"bücher.test", "127.0.0.7", 1},
    {"BÜCHER.test", "127.0.0.7", 0},
    {"Bücher.TEST", "127.0.0.7", 1}, /* the name service folds ASCII itself */
    {"bu\xcc\x88"
     "cher.test",
     "127.0.0.7", 0}, /* u, combining diaeresis */
    {"BU\xcc\x88"
     "CHER.test",
     "127.0.0.7", 0},
    {"ｂücher.test", "127.0.0.7", 0},
    {"bücher。test", "127.0.0.7", 1},        /* ideographic full stop */
    {"b\xc2\xadücher.test", "127.0.0.7", 0}, /* soft hyphen */
    {"xn--bcher-kva.test", "127.0.0.7", 1},
    {"XN--BCHER-KVA.test", "127.0.0.7", 1},
    {"ＡＢＣ.test", "127.0.0.6", 0},
    {"faß.test", "127.0.0.8", 1}, /* not fass.test */
    {"☃.test", "127.0.0.9", 1},   /* a symbol, which IDNA 2008 does not allow */
#ifdef DGRAM_HAVE_LIBIDN2         /* else it is a name outside of the test's */
    {"１２７.0.0.6", "127.0.0.6", 0},
#endif
};

enum { NAMES = sizeof hosts_of_test / sizeof hosts_of_test[0] };

static void assert_not_found(const struct kept_error *kept, const char *name) {
  char message[400];
  snprintf(message, sizeof message, "getaddrinfo ENOTFOUND %s", name);
  assert_string_equal(kept->message, message);
  assert_string_equal(kept->address, name);
}

TEST("a bind finds a name as it is mapped") {
  for (int i = 0; i < NAMES; i++) {
    dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
    dgram_address_t address = {.port = -1};
    struct kept_error kept = {0};
    assert_int_equal(dgram_on_error(socket, keep_error, &kept), 0);
    if (MAPPED || hosts_of_test[i].as_it_stands) {
      bind_now(socket, hosts_of_test[i].name);
      assert_int_equal(dgram_address(socket, &address), 0);
      assert_string_equal(address.address, hosts_of_test[i].address);
    } else {
      assert_int_equal(dgram_bind(socket, PORT, hosts_of_test[i].name, NULL, NULL), 0);
      run_until(loop, &kept.calls, 1);
      assert_not_found(&kept, hosts_of_test[i].name);
    }
    close_socket(socket);
  }
}

TEST("a connect and a send find a name as it is mapped") {
  int connected = 0;
  int received = 0;
  dgram_address_t peer;
  dgram_socket_t *receiver = new_socket(loop, DGRAM_UDP4, trace_message, "got");
  assert_int_equal(dgram_on_message(receiver, count_message, &received), 0);
  int port = bind_now(receiver, "127.0.0.7");
  const char *name = MAPPED ? "BÜCHER.test" : "bücher.test";
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_send(socket, "one", 3, port, name, NULL, NULL), 0);
  run_until(loop, &received, 1);
  assert_int_equal(dgram_connect(socket, port, name, count_connect, &connected), 0);
  run_until(loop, &connected, 1);
  assert_int_equal(dgram_remote_address(socket, &peer), 0);
  assert_string_equal(peer.address, "127.0.0.7");
  assert_trace("got(one)");
}

TEST("an error names a name that is not found as it was given") {
  static const char *const names[] = {"NIRGENDS-Ü.test", "nirgends-u\xcc\x88.test", "bü cher.test",
                                      "ü..test"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    struct kept_error kept = {0};
    dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
    assert_int_equal(dgram_send(socket, "x", 1, PORT, names[i], keep_send_error, &kept), 0);
    run_until(loop, &kept.calls, 1);
    assert_not_found(&kept, names[i]);
    close_socket(socket);
  }
}

TEST("a name that is no UTF-8 is EINVAL") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(socket, 0,
                              "b\xfc"
                              "cher.test",
                              NULL, NULL),
                   UV_EINVAL);
}

static void answer_lookup(dgram_lookup_t *lookup, const char *host, dgram_type_t type,
                          void *context) {
  trace("lookup(%s)", host);
  dgram_lookup_done(lookup, 0, "127.0.0.1");
}

TEST("a program's own look-up gets the name as it was given") {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.lookup = answer_lookup;
  dgram_socket_t *socket = new_with(loop, &options);
  assert_int_equal(dgram_bind(socket, 0,
                              "BU\xcc\x88"
                              "CHER。test",
                              trace_event, "listening"),
                   0);
  assert_trace("lookup(BU\xcc\x88"
               "CHER。test) listening");
}

int main(void) {
  return names_run();
}
