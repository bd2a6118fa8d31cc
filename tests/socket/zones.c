/*
 * IPv6 addresses whose zone names no interface: bind, connect and send, inside the call and from
 * the loop, read one text alike, as Node.js does.
 */
#include "lib/fixture.h"

/* ---- each way to name an address, and how it ends ---- */

struct outcome {
  int calls;
  int code;
  char syscall[32];
};

static void keep(struct outcome *outcome, const dgram_error_t *error) {
  outcome->calls++;
  outcome->code = error != NULL ? error->code : 0;
  snprintf(outcome->syscall, sizeof outcome->syscall, "%s", error != NULL ? error->syscall : "");
}

static void on_listening(dgram_socket_t *socket, void *context) {
  keep(context, NULL);
}

static void on_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  keep(context, error);
}

static void on_connect(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  keep(context, error);
}

static void on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                    void *context) {
  keep(context, error);
}

static struct outcome bind_to(uv_loop_t *loop, dgram_type_t type, const char *address) {
  struct outcome outcome = {0};
  dgram_socket_t *socket = new_socket(loop, type, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, on_error, &outcome), 0);
  assert_int_equal(dgram_bind(socket, 0, address, on_listening, &outcome), 0);
  run_until(loop, &outcome.calls, 1);
  close_socket(socket);
  return outcome;
}

static struct outcome connect_to(uv_loop_t *loop, dgram_type_t type, const char *address) {
  struct outcome outcome = {0};
  dgram_socket_t *socket = new_socket(loop, type, NULL, NULL);
  assert_int_equal(dgram_connect(socket, 9, address, on_connect, &outcome), 0);
  run_until(loop, &outcome.calls, 1);
  close_socket(socket);
  return outcome;
}

static struct outcome send_to(uv_loop_t *loop, dgram_type_t type, const char *address) {
  struct outcome outcome = {0};
  dgram_socket_t *socket = new_socket(loop, type, NULL, NULL);
  assert_int_equal(dgram_send(socket, "x", 1, 9, address, on_sent, &outcome), 0);
  run_until(loop, &outcome.calls, 1);
  close_socket(socket);
  return outcome;
}

static int bind_sync_to(uv_loop_t *loop, dgram_type_t type, const char *address) {
  dgram_socket_t *socket = new_socket(loop, type, NULL, NULL);
  int err = dgram_bind_sync(socket, 0, address);
  close_socket(socket);
  return err;
}

static int connect_sync_to(uv_loop_t *loop, dgram_type_t type, const char *address) {
  dgram_socket_t *socket = new_socket(loop, type, NULL, NULL);
  int err = dgram_connect_sync(socket, 9, address);
  close_socket(socket);
  return err;
}

/* ---- the forms ---- */

TEST("an address that needs no zone may have any") {
  static const char *const texts[] = {"::1",        "::1%lo",
                                      "::1%1",      "::1%nosuch",
                                      "::1%0",      "::1%01",
                                      "::1%1x",     "::1%-1",
                                      "::1%999999", "::1%99999999999999999999",
                                      "::1%LO",     "::1%a.b:c-d",
                                      "::%nosuch",  "::ffff:127.0.0.1%nosuch"};
  skip_without_ipv6();
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    struct outcome outcomes[] = {bind_to(loop, DGRAM_UDP6, texts[i]),
                                 connect_to(loop, DGRAM_UDP6, texts[i]),
                                 send_to(loop, DGRAM_UDP6, texts[i])};
    for (int j = 0; j < 3; j++)
      if (outcomes[j].code != 0)
        fail_msg("%s: %s %s", texts[i], outcomes[j].syscall, dgram_err_name(outcomes[j].code));
    assert_int_equal(bind_sync_to(loop, DGRAM_UDP6, texts[i]), 0);
    assert_int_equal(connect_sync_to(loop, DGRAM_UDP6, texts[i]), 0);
  }
}

TEST("a link-local address without a zone is refused by the kernel") {
  static const char *const texts[] = {"fe80::1", "fe80::1%nosuch", "fe80::1%0", "fe80::1%999999",
                                      "ff02::1%nosuch"};
  skip_without_ipv6();
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    struct outcome bound = bind_to(loop, DGRAM_UDP6, texts[i]);
    struct outcome connected = connect_to(loop, DGRAM_UDP6, texts[i]);
    assert_int_equal(bound.code, UV_EINVAL);
    assert_string_equal(bound.syscall, "bind");
    assert_int_equal(connected.code, UV_EINVAL);
    assert_string_equal(connected.syscall, "connect");
    assert_int_equal(bind_sync_to(loop, DGRAM_UDP6, texts[i]), UV_EINVAL);
    assert_int_equal(connect_sync_to(loop, DGRAM_UDP6, texts[i]), UV_EINVAL);
  }
}

TEST("the family of an address does not depend on its zone") {
  static const char *const texts[] = {"::1", "::1%lo", "::1%nosuch", "::ffff:127.0.0.1%nosuch"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    struct outcome outcomes[] = {bind_to(loop, DGRAM_UDP4, texts[i]),
                                 connect_to(loop, DGRAM_UDP4, texts[i]),
                                 send_to(loop, DGRAM_UDP4, texts[i])};
    static const char *const syscalls[] = {"bind", "connect", "send"};
    for (int j = 0; j < 3; j++) {
      assert_int_equal(outcomes[j].code, UV_EINVAL);
      assert_string_equal(outcomes[j].syscall, syscalls[j]);
    }
    assert_int_equal(bind_sync_to(loop, DGRAM_UDP4, texts[i]), UV_EINVAL);
    assert_int_equal(connect_sync_to(loop, DGRAM_UDP4, texts[i]), UV_EINVAL);
  }
}

/* Some of these the system's look-up finds in the other family, others not at all. */
TEST("an address with what is no zone is looked up") {
  static const char *const texts[] = {"::1%", "::1%+1", "::1%lo%lo", "::1% 1", "127.0.0.1%lo"};
  skip_without_ipv6();
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    struct outcome outcomes[] = {bind_to(loop, DGRAM_UDP6, texts[i]),
                                 connect_to(loop, DGRAM_UDP6, texts[i]),
                                 send_to(loop, DGRAM_UDP6, texts[i])};
    for (int j = 0; j < 3; j++) {
      assert_true(outcomes[j].code < 0);
      assert_string_equal(outcomes[j].syscall, "getaddrinfo");
    }
    assert_int_equal(bind_sync_to(loop, DGRAM_UDP6, texts[i]), UV_EINVAL);
    assert_int_equal(connect_sync_to(loop, DGRAM_UDP6, texts[i]), UV_EINVAL);
  }
}

/* ---- a look-up's answer is an address, never a name ---- */

static void answer_lookup(dgram_lookup_t *lookup, const char *host, dgram_type_t type,
                          void *context) {
  dgram_lookup_done(lookup, 0, context);
}

TEST("the answer of a look-up may have any zone") {
  static char answers[][16] = {"::1%nosuch", "::1%", "::1%+1", "::1%lo%lo", "::1%999999"};
  skip_without_ipv6();
  for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
    struct outcome outcome = {0};
    dgram_options_t options = dgram_default_options(DGRAM_UDP6);
    options.lookup = answer_lookup;
    options.lookup_context = answers[i];
    dgram_socket_t *socket = new_with(loop, &options);
    assert_int_equal(dgram_on_error(socket, on_error, &outcome), 0);
    assert_int_equal(dgram_bind(socket, 0, "host", on_listening, &outcome), 0);
    run_until(loop, &outcome.calls, 1);
    assert_int_equal(outcome.code, 0);
    close_socket(socket);
  }
}
