/*
 * Host names that a name server knows, knows in one family only, or does not know: as the
 * destination of a send, to bind to and to connect to.
 */
#include "lib/name_server.h"

static const struct {
  dgram_type_t type;
  const char *name;
  const char *address; /* NULL: not found */
} hosts_of_test[] = {{DGRAM_UDP4, "four.test", "127.0.0.4"}, {DGRAM_UDP6, "four.test", NULL},
                     {DGRAM_UDP4, "six.test", NULL},         {DGRAM_UDP6, "six.test", "fd00::6"},
                     {DGRAM_UDP4, "both.test", "127.0.0.5"}, {DGRAM_UDP6, "both.test", "fd00::5"},
                     {DGRAM_UDP4, "none.test", NULL},        {DGRAM_UDP6, "none.test", NULL}};

enum { NAMES = sizeof hosts_of_test / sizeof hosts_of_test[0] };

static void assert_not_found(const struct kept_error *kept, const char *name) {
  char message[128];
  snprintf(message, sizeof message, "getaddrinfo ENOTFOUND %s", name);
  assert_int_equal(kept->calls, 1);
  assert_string_equal(kept->message, message);
  assert_string_equal(kept->name, "ENOTFOUND");
  assert_string_equal(dgram_err_name(kept->code), "ENOTFOUND");
  assert_string_equal(kept->syscall, "getaddrinfo");
  assert_string_equal(kept->address, name);
  assert_int_equal(kept->port, 0);
}

/* ---- send ---- */

/* Only the host of the name listens, so what is received went to it. */
static void a_send_goes_to(uv_loop_t *loop, dgram_type_t type, const char *name,
                           const char *address) {
  int received = 0;
  int sent = 0;
  dgram_socket_t *receiver = new_socket(loop, type, trace_message, "got");
  assert_int_equal(dgram_on_message(receiver, count_message, &received), 0);
  int port = bind_now(receiver, address);
  dgram_socket_t *sender = new_socket(loop, type, NULL, NULL);
  assert_int_equal(dgram_send(sender, name, strlen(name), port, name, count_sent, &sent), 0);
  run_until(loop, &received, 1);
  assert_int_equal(sent, 1);
  trace("%s", name);
  close_socket(sender);
  close_socket(receiver);
}

static void a_send_fails(uv_loop_t *loop, dgram_type_t type, const char *name) {
  struct kept_error kept = {0};
  dgram_socket_t *sender = new_socket(loop, type, NULL, NULL);
  assert_int_equal(dgram_send(sender, "x", 1, PORT, name, keep_send_error, &kept), 0);
  run_until(loop, &kept.calls, 1);
  assert_not_found(&kept, name);

  struct kept_error emitted = {0}; /* without callback */
  assert_int_equal(dgram_on_error(sender, keep_error, &emitted), 0);
  assert_int_equal(dgram_send(sender, "x", 1, PORT, name, NULL, NULL), 0);
  run_until(loop, &emitted.calls, 1);
  assert_not_found(&emitted, name);
  close_socket(sender);
}

TEST("a send takes a name's address of its family") {
  for (int i = 0; i < NAMES; i++) {
    if (hosts_of_test[i].address != NULL)
      a_send_goes_to(loop, hosts_of_test[i].type, hosts_of_test[i].name, hosts_of_test[i].address);
    else
      a_send_fails(loop, hosts_of_test[i].type, hosts_of_test[i].name);
  }
  assert_trace("got(four.test) four.test got(six.test) six.test got(both.test) both.test "
               "got(both.test) both.test");
}

/* ---- bind ---- */

TEST("a bind takes a name's address of its family") {
  for (int i = 0; i < NAMES; i++) {
    dgram_socket_t *socket = new_socket(loop, hosts_of_test[i].type, NULL, NULL);
    dgram_address_t address;
    struct kept_error kept = {0};
    if (hosts_of_test[i].address != NULL) {
      bind_now(socket, hosts_of_test[i].name);
      assert_int_equal(dgram_address(socket, &address), 0);
      assert_string_equal(address.address, hosts_of_test[i].address);
    } else {
      assert_int_equal(dgram_on_error(socket, keep_error, &kept), 0);
      assert_int_equal(dgram_bind(socket, PORT, hosts_of_test[i].name, trace_event, "listening"),
                       0);
      run_until(loop, &kept.calls, 1);
      assert_not_found(&kept, hosts_of_test[i].name);
      bind_now(socket, NULL); /* it can be bound again */
    }
    close_socket(socket);
  }
  assert_trace("");
}

/* ---- connect ---- */

static void on_connected(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  struct kept_error *kept = context;
  if (error != NULL)
    keep_error(socket, error, kept);
  else
    kept->calls++;
}

TEST("a connect takes a name's address of its family") {
  for (int i = 0; i < NAMES; i++) {
    dgram_socket_t *socket = new_socket(loop, hosts_of_test[i].type, NULL, NULL);
    dgram_address_t peer;
    struct kept_error kept = {0};
    assert_int_equal(dgram_connect(socket, PORT, hosts_of_test[i].name, on_connected, &kept), 0);
    run_until(loop, &kept.calls, 1);
    if (hosts_of_test[i].address != NULL) {
      assert_int_equal(kept.code, 0);
      assert_int_equal(dgram_remote_address(socket, &peer), 0);
      assert_string_equal(peer.address, hosts_of_test[i].address);
      assert_int_equal(peer.port, PORT);
    } else {
      assert_not_found(&kept, hosts_of_test[i].name);
      assert_int_equal(dgram_remote_address(socket, &peer), DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED);
    }
    close_socket(socket);
  }
}

TEST("a failed connect emits 'error' and can be repeated") {
  struct kept_error emitted = {0};
  struct kept_error connected = {0};
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, keep_error, &emitted), 0);
  assert_int_equal(dgram_connect(socket, PORT, "none.test", NULL, NULL), 0);
  run_until(loop, &emitted.calls, 1);
  assert_not_found(&emitted, "none.test");
  assert_int_equal(dgram_connect(socket, PORT, "four.test", on_connected, &connected), 0);
  run_until(loop, &connected.calls, 1);
  assert_int_equal(connected.code, 0);
}

int main(void) {
  return names_run();
}
