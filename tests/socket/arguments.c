/*
 * Bad arguments, one table: each row is a call that is refused, and its code. After each row
 * nothing has changed: the sockets are in their states, no event was emitted, the callback of the
 * call is forgotten, no program's look-up was asked, and nothing waits to be sent.
 *
 * What else a call refuses, since the kernel does or by the state of its own, is in its own test.
 */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

#include <dgram_access.h>
#include <dgram_interfaces.h>
#include <dgram_stats.h>

#include <sys/mman.h>

#define EACH(list) for (size_t i = 0; i < sizeof(list) / sizeof *(list); i++)

/* ---- what the rows call with ---- */

static uv_loop_t *at;
static dgram_socket_t *unbound, *unbound6, *asking, *bound, *connected;
static int port, connected_port;
static struct lookup_stub stub; /* of `asking`, which looks up by it */

/* Longer than a host name may be (RFC 1035, 2.3.4). */
static char host_256[257];

static void open_subjects(uv_loop_t *loop) {
  at = loop;
  memset(host_256, 'a', sizeof host_256 - 1);
  stub = (struct lookup_stub){.at_once = "127.0.0.1"};
  unbound = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  unbound6 = new_socket(loop, DGRAM_UDP6, NULL, NULL);
  asking = new_with_lookup(loop, DGRAM_UDP4, &stub);
  bound = new_bound(loop, NULL, NULL, &port);
  connected = new_bound(loop, NULL, NULL, &connected_port);
  connect_now(connected, 9);
  trace_events(unbound);
  trace_events(unbound6);
  trace_events(asking);
  trace_events(bound);
  trace_events(connected);
}

static void assert_state(dgram_socket_t *socket, dgram_bind_state_t bind_state,
                         dgram_connect_state_t connect_state) {
  assert_int_equal(dgram_bind_state(socket), bind_state);
  assert_int_equal(dgram_connect_state(socket), connect_state);
  assert_int_equal(dgram_get_send_queue_size(socket), 0);
  assert_int_equal(dgram_get_send_queue_count(socket), 0);
  assert_int_equal(dgram_off_listening(socket, trace_event, "never"), UV_ENOENT);
  assert_int_equal(dgram_off_connect(socket, trace_connect, "never"), UV_ENOENT);
  assert_int_equal(dgram_off_close(socket, trace_event, "never"), UV_ENOENT);
}

static void assert_unchanged(void) {
  settle(at);
  assert_trace("");
  assert_state(unbound, DGRAM_UNBOUND, DGRAM_DISCONNECTED);
  assert_state(unbound6, DGRAM_UNBOUND, DGRAM_DISCONNECTED);
  assert_state(asking, DGRAM_UNBOUND, DGRAM_DISCONNECTED);
  assert_state(bound, DGRAM_BOUND, DGRAM_DISCONNECTED);
  assert_state(connected, DGRAM_BOUND, DGRAM_CONNECTED);
  assert_int_equal(port_of(bound), port);
  assert_int_equal(port_of(connected), connected_port);
}

static void assert_row(const char *call, int result, int code) {
  if (result != code)
    fail_msg("%s: %s, not %s", call, dgram_err_name(result), dgram_err_name(code));
  assert_unchanged();
}

#define ROW(code, call) assert_row(#call, call, code)

/* At the end each of them can do what it could do before. */
static void assert_subjects_usable(void) {
  bind_now(unbound, "127.0.0.1");
  bind_now(asking, "127.0.0.1");
  assert_usable(unbound);
  assert_usable(bound);
  connect_now(bound, 9);
  assert_int_equal(dgram_disconnect(connected), 0);
  connect_now(connected, 9);
  assert_trace("listening ask(127.0.0.1) listening connect connect");
}

/* ---- no socket, no listener, nowhere to store ---- */

TEST("a call without a socket is refused") {
  dgram_bind_options_t options = dgram_default_bind_options();
  struct sockaddr_in to = loopback_address(9);
  const struct sockaddr *binary = (const struct sockaddr *)&to;
  dgram_address_t address = {.address = "untouched", .port = 7};
  dgram_outgoing_t outgoing = {.to = binary};
  open_subjects(loop);
  ROW(UV_EINVAL, dgram_bind(NULL, 0, NULL, trace_event, "never"));
  ROW(UV_EINVAL, dgram_bind_options(NULL, &options, trace_event, "never"));
  ROW(UV_EINVAL, dgram_bind_sync(NULL, 0, NULL));
  ROW(UV_EINVAL, dgram_connect(NULL, 9, NULL, trace_connect, "never"));
  ROW(UV_EINVAL, dgram_connect_sync(NULL, 9, NULL));
  ROW(UV_EINVAL, dgram_disconnect(NULL));
  ROW(UV_EINVAL, dgram_close(NULL, trace_event, "never"));
  ROW(UV_EINVAL, dgram_send(NULL, "x", 1, port, NULL, trace_sent, "never"));
  ROW(UV_EINVAL, dgram_send_buffers(NULL, NULL, 0, port, NULL, trace_sent, "never"));
  ROW(UV_EINVAL, dgram_send_to(NULL, NULL, 0, binary, trace_sent, "never"));
  ROW(UV_EINVAL, dgram_send_with(NULL, NULL, 0, binary, NULL, trace_sent, "never"));
  ROW(UV_EINVAL, dgram_send_many(NULL, &outgoing, 1, NULL, NULL));
  ROW(UV_EINVAL, dgram_try_send(NULL, NULL, 0, binary));
  ROW(UV_EINVAL, dgram_try_send_with(NULL, NULL, 0, binary, NULL, NULL));
  ROW(UV_EINVAL, dgram_try_send_many(NULL, &outgoing, 1));
  ROW(UV_EINVAL, dgram_address(NULL, &address));
  ROW(UV_EINVAL, dgram_remote_address(NULL, &address));
  ROW(UV_EINVAL, dgram_lookup_done_fd(NULL, 0));
  ROW(UV_EINVAL, dgram_pause(NULL));
  ROW(UV_EINVAL, dgram_pause_at(NULL, 0));
  ROW(UV_EINVAL, dgram_resume(NULL));
  ROW(UV_EINVAL, dgram_cancel_send(NULL, trace_sent, "never"));
  ROW(UV_EINVAL, dgram_set_send_queue_limit(NULL, 1, 1, 1, 1));
  ROW(UV_EINVAL, dgram_set_send_timeout(NULL, 1));
  ROW(UV_EINVAL, dgram_set_lookup_timeout(NULL, 1));
  ROW(UV_EINVAL, dgram_on_drain(NULL, trace_event, "never"));
  ROW(UV_EINVAL, dgram_once_drain(NULL, trace_event, "never"));
  ROW(UV_EINVAL, dgram_off_drain(NULL, trace_event, "never"));
  assert_int_equal(dgram_is_paused(NULL), 0);
  assert_string_equal(address.address, "untouched");
  assert_int_equal(address.port, 7);
  assert_null(dgram_loop(NULL));
  assert_int_equal(dgram_get_send_queue_size(NULL), 0);
  assert_int_equal(dgram_get_send_queue_count(NULL), 0);
  assert_subjects_usable();
}

TEST("limits that make no sense are refused") {
  open_subjects(loop);
  ROW(UV_EINVAL, dgram_pause_at(bound, 0)); /* no batch is being delivered */
  ROW(UV_EINVAL, dgram_cancel_send(bound, NULL, "never"));
  ROW(UV_ENOENT, dgram_cancel_send(bound, trace_sent, "never"));
  ROW(UV_EINVAL, dgram_set_send_queue_limit(bound, 10, 0, 11, 0));
  ROW(UV_EINVAL, dgram_set_send_queue_limit(bound, 0, 10, 0, 11));
  ROW(UV_EINVAL, dgram_set_send_queue_limit(bound, 0, 0, 1, 0));
  ROW(UV_EINVAL, dgram_set_send_timeout(bound, -1));
  ROW(UV_EINVAL, dgram_set_lookup_timeout(bound, -1));
  ROW(UV_EINVAL, dgram_on_drain(bound, NULL, "never"));
  ROW(UV_EINVAL, dgram_off_drain(bound, NULL, "never"));
  ROW(UV_ENOENT, dgram_off_drain(bound, trace_event, "never"));
  assert_int_equal(dgram_is_paused(bound), 0);
  assert_subjects_usable();
}

TEST("an option without a socket is refused") {
  open_subjects(loop);
  ROW(UV_EINVAL, dgram_set_broadcast(NULL, 1));
  ROW(UV_EINVAL, dgram_set_ttl(NULL, 1));
  int64_t value;
  char name[DGRAM_INTERFACE_NAME];
  struct sockaddr_in to = loopback_address(9);
  ROW(UV_EINVAL, dgram_set_sockopt(NULL, DGRAM_SO_TTL, 1));
  ROW(UV_EINVAL, dgram_get_sockopt(NULL, DGRAM_SO_TTL, &value));
  ROW(UV_EINVAL, dgram_get_bind_device(NULL, name));
  ROW(UV_EINVAL, dgram_get_mtu(NULL));
  ROW(UV_EINVAL, dgram_get_mtu_to(NULL, (struct sockaddr *)&to));
  ROW(UV_EINVAL, dgram_set_multicast_ttl(NULL, 1));
  ROW(UV_EINVAL, dgram_set_multicast_loopback(NULL, 1));
  ROW(UV_EINVAL, dgram_set_multicast_interface(NULL, "127.0.0.1"));
  ROW(UV_EINVAL, dgram_set_receive_budget(NULL, 1));
  ROW(UV_EINVAL, dgram_set_recv_buffer_size(NULL, 1));
  ROW(UV_EINVAL, dgram_set_send_buffer_size(NULL, 1));
  ROW(UV_EINVAL, dgram_get_recv_buffer_size(NULL));
  ROW(UV_EINVAL, dgram_get_send_buffer_size(NULL));
  ROW(UV_EINVAL, dgram_buffer_size_reason(NULL));
  ROW(UV_EINVAL, dgram_set_receive_access(NULL, DGRAM_BLOCK, NULL));
  ROW(UV_EINVAL, dgram_set_send_access(NULL, DGRAM_BLOCK, NULL));
  ROW(UV_EINVAL, dgram_set_receive_rate(NULL, NULL));
  ROW(UV_EINVAL, dgram_get_access_counts(
                     NULL, &(dgram_access_counts_t){.struct_size = sizeof(dgram_access_counts_t)}));
  ROW(UV_EINVAL, dgram_add_membership(NULL, "224.0.0.114", NULL));
  ROW(UV_EINVAL, dgram_drop_membership(NULL, "224.0.0.114", NULL));
  ROW(UV_EINVAL, dgram_add_membership_all(NULL, "224.0.0.114", NULL, NULL));
  ROW(UV_EINVAL, dgram_drop_membership_all(NULL, "224.0.0.114"));
  ROW(UV_EINVAL, dgram_add_source_specific_membership(NULL, "127.0.0.1", "232.1.2.3", NULL));
  ROW(UV_EINVAL, dgram_drop_source_specific_membership(NULL, "127.0.0.1", "232.1.2.3", NULL));
}

static void ignore_icmp(dgram_socket_t *socket, const dgram_icmp_t *icmp, void *context) {
}

TEST("a listener without a socket is refused") {
  open_subjects(loop);
  ROW(UV_EINVAL, dgram_on_message(NULL, trace_message, "m"));
  ROW(UV_EINVAL, dgram_once_message(NULL, trace_message, "m"));
  ROW(UV_EINVAL, dgram_off_message(NULL, trace_message, "m"));
  ROW(UV_EINVAL, dgram_on_messages(NULL, trace_messages, "m"));
  ROW(UV_EINVAL, dgram_once_messages(NULL, trace_messages, "m"));
  ROW(UV_EINVAL, dgram_off_messages(NULL, trace_messages, "m"));
  ROW(UV_EINVAL, dgram_off_listening(NULL, trace_event, "l"));
  ROW(UV_EINVAL, dgram_on_connect(NULL, trace_connect, "c"));
  ROW(UV_EINVAL, dgram_on_error(NULL, trace_error, "e"));
  ROW(UV_EINVAL, dgram_on_close(NULL, trace_event, "c"));
  ROW(UV_EINVAL, dgram_on_icmp(NULL, ignore_icmp, NULL));
  ROW(UV_EINVAL, dgram_once_icmp(NULL, ignore_icmp, NULL));
  ROW(UV_EINVAL, dgram_off_icmp(NULL, ignore_icmp, NULL));
}

TEST("a call without a listener, or a place for its result, is refused") {
  open_subjects(loop);
  ROW(UV_EINVAL, dgram_on_message(bound, NULL, NULL));
  ROW(UV_EINVAL, dgram_once_message(bound, NULL, NULL));
  ROW(UV_EINVAL, dgram_off_message(bound, NULL, NULL));
  ROW(UV_EINVAL, dgram_on_messages(bound, NULL, NULL));
  ROW(UV_EINVAL, dgram_once_messages(bound, NULL, NULL));
  ROW(UV_EINVAL, dgram_off_messages(bound, NULL, NULL));
  ROW(UV_EINVAL, dgram_on_icmp(bound, NULL, NULL));
  ROW(UV_EINVAL, dgram_once_icmp(unbound, NULL, NULL));
  ROW(UV_EINVAL, dgram_off_icmp(bound, NULL, NULL));
  ROW(UV_EINVAL, dgram_on_listening(bound, NULL, NULL));
  ROW(UV_EINVAL, dgram_once_connect(unbound, NULL, "x"));
  ROW(UV_EINVAL, dgram_off_connect(unbound, NULL, "x"));
  ROW(UV_EINVAL, dgram_once_error(bound, NULL, NULL));
  ROW(UV_EINVAL, dgram_off_close(bound, NULL, NULL));
  ROW(UV_EINVAL, dgram_address(bound, NULL));
  ROW(UV_EINVAL, dgram_remote_address(connected, NULL));
  ROW(UV_EINVAL, dgram_abort_signal_create(NULL));
  assert_subjects_usable();
}

/* ---- counters ---- */

TEST("counters are not read without a socket, a loop, or a place of the right size") {
  dgram_stats_t stats = dgram_default_stats();
  dgram_stats_t other = dgram_default_stats();
  char text[8] = "before";
  open_subjects(loop);
  other.struct_size = sizeof other + 1;
  other.datagrams_in = 7;
  ROW(UV_EINVAL, dgram_get_stats(NULL, &stats));
  ROW(UV_EINVAL, dgram_get_stats(bound, NULL));
  ROW(UV_EINVAL, dgram_get_stats(bound, &other));
  ROW(UV_EINVAL, dgram_get_loop_stats(NULL, &stats));
  ROW(UV_EINVAL, dgram_get_loop_stats(loop, NULL));
  ROW(UV_EINVAL, dgram_get_loop_stats(loop, &other));
  ROW(UV_EINVAL, dgram_stats_text(NULL, text, sizeof text));
  ROW(UV_EINVAL, dgram_stats_text(&other, text, sizeof text));
  ROW(UV_EINVAL, dgram_stats_text(&stats, NULL, 1));
  ROW(UV_EINVAL, dgram_stats_json(NULL, text, sizeof text));
  ROW(UV_EINVAL, dgram_stats_json(&other, text, sizeof text));
  ROW(UV_EINVAL, dgram_stats_json(&stats, NULL, 1));
  other.struct_size = 0;
  ROW(UV_EINVAL, dgram_get_stats(bound, &other));
  assert_int_equal(other.datagrams_in, 7);
  assert_string_equal(text, "before");
  assert_subjects_usable();
}

/* ---- creating a socket ---- */

/* There is no socket, so its pointer is NULL. */
static int create_of_type(uv_loop_t *loop, int type) {
  dgram_socket_t *socket = bound;
  dgram_type_t bad_type;
  memcpy(&bad_type, &type, sizeof bad_type);
  int err = dgram_create_socket(loop, bad_type, NULL, NULL, &socket);
  assert_null(socket);
  return err;
}

static int create(uv_loop_t *loop, const dgram_options_t *options) {
  dgram_socket_t *socket = bound;
  int err = dgram_create_socket_options(loop, options, NULL, NULL, &socket);
  assert_null(socket);
  return err;
}

static int create_with(int type, int recv_buffer_size, int send_buffer_size, int receive_budget,
                       int receive_batch) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  memcpy(&options.type, &type, sizeof options.type);
  options.recv_buffer_size = recv_buffer_size;
  options.send_buffer_size = send_buffer_size;
  options.receive_budget = receive_budget;
  options.receive_batch = receive_batch;
  return create(at, &options);
}

TEST("a socket of bad options is not created") {
  static const int types[] = {0, 5, 7, -1, 46};
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  open_subjects(loop);
  ROW(UV_EINVAL, create_of_type(NULL, DGRAM_UDP4));
  ROW(UV_EINVAL, dgram_create_socket(loop, DGRAM_UDP4, NULL, NULL, NULL));
  ROW(UV_EINVAL, create(NULL, &options));
  ROW(UV_EINVAL, dgram_create_socket_options(loop, &options, NULL, NULL, NULL));
  ROW(UV_EINVAL, create(loop, NULL));
  EACH(types) {
    ROW(DGRAM_ERR_SOCKET_BAD_TYPE, create_of_type(loop, types[i]));
    ROW(DGRAM_ERR_SOCKET_BAD_TYPE, create_with(types[i], 0, 0, 0, 0));
  }
  ROW(UV_EINVAL, create_with(DGRAM_UDP4, -1, 0, 0, 0));
  ROW(UV_EINVAL, create_with(DGRAM_UDP4, 0, INT32_MIN, 0, 0));
  ROW(UV_EINVAL, create_with(DGRAM_UDP4, 0, 0, -1, 0));
  ROW(UV_EINVAL, create_with(DGRAM_UDP4, 0, 0, 0, -1));
  options.receive_info = DGRAM_INFO_ALL + 1U;
  ROW(UV_EINVAL, create(loop, &options));
  options.receive_info = UINT32_MAX;
  ROW(UV_EINVAL, create(loop, &options));
}

/* In the midst of a member, half of it would be the program's and half the default's. */
TEST("the options of a socket end where a version of their struct ended") {
  static const size_t ends[] = {offsetof(dgram_options_t, lookup),
                                offsetof(dgram_options_t, lookup_context),
                                offsetof(dgram_options_t, signal),
                                offsetof(dgram_options_t, reuse_port),
                                offsetof(dgram_options_t, defer),
                                offsetof(dgram_options_t, defer_context),
                                offsetof(dgram_options_t, low_latency),
                                offsetof(dgram_options_t, receive_batch),
                                offsetof(dgram_options_t, receive_budget),
                                offsetof(dgram_options_t, receive_info),
                                sizeof(dgram_options_t)};
  size_t end = 0;
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  open_subjects(loop);
  for (options.struct_size = 0; options.struct_size <= sizeof options + 8; options.struct_size++) {
    if (end < sizeof ends / sizeof *ends && options.struct_size == ends[end]) {
      close_socket(new_with(loop, &options));
      end++;
    } else
      ROW(UV_EINVAL, create(loop, &options));
  }
  options.struct_size = SIZE_MAX;
  ROW(UV_EINVAL, create(loop, &options));
}

/* ---- ports ---- */

static int bind_options_to(int bad_port, const char *address, size_t struct_size) {
  dgram_bind_options_t options = dgram_default_bind_options();
  options.port = bad_port;
  options.address = address;
  options.struct_size = struct_size;
  return dgram_bind_options(unbound, &options, trace_event, "never");
}

TEST("a bind to a port out of range is refused") {
  static const int ports[] = {-1, 65536, 70000, INT32_MAX, INT32_MIN};
  open_subjects(loop);
  EACH(ports) {
    ROW(DGRAM_ERR_SOCKET_BAD_PORT, dgram_bind(unbound, ports[i], NULL, trace_event, "never"));
    ROW(DGRAM_ERR_SOCKET_BAD_PORT, dgram_bind_sync(unbound, ports[i], NULL));
    ROW(DGRAM_ERR_SOCKET_BAD_PORT, dgram_bind(asking, ports[i], "name", trace_event, "never"));
    ROW(DGRAM_ERR_SOCKET_BAD_PORT, bind_options_to(ports[i], NULL, sizeof(dgram_bind_options_t)));
  }
  assert_subjects_usable();
}

/* Port 0, too; a socket that is not connected needs a destination. */
TEST("a connect or a send to a port out of range is refused") {
  static const int ports[] = {0, -1, 65536, INT32_MAX, INT32_MIN};
  open_subjects(loop);
  EACH(ports) {
    ROW(DGRAM_ERR_SOCKET_BAD_PORT, dgram_connect(unbound, ports[i], NULL, trace_connect, "never"));
    ROW(DGRAM_ERR_SOCKET_BAD_PORT, dgram_connect(asking, ports[i], "name", trace_connect, "never"));
    ROW(DGRAM_ERR_SOCKET_BAD_PORT, dgram_connect_sync(unbound, ports[i], NULL));
    ROW(DGRAM_ERR_SOCKET_BAD_PORT,
        dgram_send(unbound, "x", 1, ports[i], NULL, trace_sent, "never"));
    ROW(DGRAM_ERR_SOCKET_BAD_PORT,
        dgram_send(asking, "x", 1, ports[i], "name", trace_sent, "never"));
    ROW(DGRAM_ERR_SOCKET_BAD_PORT, dgram_send(bound, "x", 1, ports[i], NULL, trace_sent, "never"));
    ROW(DGRAM_ERR_SOCKET_BAD_PORT,
        dgram_send_buffers(bound, NULL, 0, ports[i], NULL, trace_sent, "never"));
    ROW(DGRAM_ERR_SOCKET_BAD_PORT,
        dgram_send_buffers(bound, NULL, 0, ports[i], "localhost", trace_sent, "never"));
  }
  assert_subjects_usable();
}

TEST("the first and the last port are none out of range") {
  static const int ports[] = {1, 65535};
  EACH(ports) {
    dgram_address_t peer;
    int connected_by_call = 0;
    dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
    assert_int_equal(dgram_connect_sync(socket, ports[i], NULL), 0);
    assert_int_equal(dgram_remote_address(socket, &peer), 0);
    assert_int_equal(peer.port, ports[i]);
    assert_int_equal(dgram_disconnect(socket), 0);
    assert_int_equal(dgram_connect(socket, ports[i], NULL, count_connect, &connected_by_call), 0);
    run_until(loop, &connected_by_call, 1);
    assert_int_equal(dgram_remote_address(socket, &peer), 0);
    assert_int_equal(peer.port, ports[i]);
  }
}

/* ---- addresses ---- */

/* A text without an end, of `size` bytes; the byte behind it cannot be read. */
static const char *new_endless(size_t size, char **area, size_t *area_size) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  *area_size = 2 * page;
  *area = mmap(NULL, *area_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  assert_ptr_not_equal(*area, MAP_FAILED);
  assert_int_equal(mprotect(*area + page, page, PROT_NONE), 0);
  memset(*area + page - size, 'a', size);
  return *area + page - size;
}

/* Each call that takes an address. */
static void assert_address_refused(dgram_socket_t *socket, const char *address) {
  ROW(UV_EINVAL, dgram_bind(socket, 0, address, trace_event, "never"));
  ROW(UV_EINVAL, dgram_bind_sync(socket, 0, address));
  ROW(UV_EINVAL, dgram_connect(socket, 9, address, trace_connect, "never"));
  ROW(UV_EINVAL, dgram_connect_sync(socket, 9, address));
  ROW(UV_EINVAL, dgram_send(socket, "x", 1, 9, address, trace_sent, "never"));
}

/* A zone that names no interface counts as none, but not one of any length. */
TEST("an address of 256 bytes is refused, and no byte beyond them is read") {
  char *area;
  size_t size;
  const char *endless = new_endless(256, &area, &size);
  char zone[sizeof host_256 + 4] = "::1%";
  open_subjects(loop);
  memcpy(zone + 4, host_256, sizeof host_256);
  assert_address_refused(unbound, host_256);
  assert_address_refused(asking, host_256);
  assert_address_refused(unbound6, zone);
  assert_address_refused(unbound, endless);
  ROW(UV_EINVAL, bind_options_to(0, host_256, sizeof(dgram_bind_options_t)));
  ROW(UV_EINVAL, dgram_send(bound, "x", 1, port, host_256, trace_sent, "never"));
  assert_subjects_usable();
  assert_int_equal(munmap(area, size), 0);
}

/* Nor one of the other family. */
TEST("a synchronous call refuses what is no numeric address") {
  static const char *const texts[] = {"localhost",    "::1", "1.2.3",
                                      "127.0.0.1:80", " ",   "::ffff:1.2.3.4"};
  open_subjects(loop);
  EACH(texts) {
    ROW(UV_EINVAL, dgram_bind_sync(unbound, 0, texts[i]));
    ROW(UV_EINVAL, dgram_connect_sync(unbound, 9, texts[i]));
  }
  ROW(UV_EINVAL, dgram_bind_sync(asking, 0, "name"));
  ROW(UV_EINVAL, dgram_connect_sync(asking, 9, "name"));
  ROW(UV_EADDRINUSE, dgram_bind_sync(unbound, port, "127.0.0.1"));
  ROW(UV_EADDRNOTAVAIL, dgram_bind_sync(unbound, 0, "203.0.113.9"));
  assert_subjects_usable();
}

TEST("the options of a bind have one size") {
  open_subjects(loop);
  for (size_t size = 0; size < sizeof(dgram_bind_options_t); size++)
    ROW(UV_EINVAL, bind_options_to(0, NULL, size));
  ROW(UV_EINVAL, bind_options_to(0, NULL, sizeof(dgram_bind_options_t) + 1));
  ROW(UV_EINVAL, bind_options_to(0, NULL, SIZE_MAX));
  ROW(UV_EINVAL, dgram_bind_options(unbound, NULL, trace_event, "never"));
  assert_subjects_usable();
}

/* ---- sends ---- */

TEST("a send without its bytes is refused") {
  enum { MOST_BUFFERS = 1024 };
  static uv_buf_t buffers[MOST_BUFFERS + 1];
  struct sockaddr_in to = loopback_address(9);
  const struct sockaddr *binary = (const struct sockaddr *)&to;
  uv_buf_t without = {.base = NULL, .len = 1};
  open_subjects(loop);
  ROW(UV_EINVAL, dgram_send(bound, NULL, 1, port, NULL, trace_sent, "never"));
  ROW(UV_EINVAL, dgram_send(unbound, NULL, 1, 9, NULL, trace_sent, "never"));
  ROW(UV_EINVAL, dgram_send_buffers(bound, NULL, 1, port, NULL, trace_sent, "never"));
  ROW(UV_EINVAL, dgram_send_buffers(bound, &without, 1, port, NULL, trace_sent, "never"));
  ROW(UV_EINVAL, dgram_send_to(bound, NULL, 1, binary, trace_sent, "never"));
  ROW(UV_EINVAL, dgram_send_to(bound, &without, 1, binary, trace_sent, "never"));
  ROW(UV_EINVAL,
      dgram_send_buffers(bound, buffers, MOST_BUFFERS + 1, port, NULL, trace_sent, "never"));
  assert_subjects_usable();
}

TEST("a send to a bad binary address is refused") {
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
  struct sockaddr_in no_port = loopback_address(0);
  struct sockaddr unknown = {.sa_family = AF_UNIX};
  open_subjects(loop);
  ROW(DGRAM_ERR_SOCKET_BAD_PORT, dgram_send_to(bound, NULL, 0, NULL, trace_sent, "never"));
  ROW(DGRAM_ERR_SOCKET_BAD_PORT,
      dgram_send_to(bound, NULL, 0, (struct sockaddr *)&no_port, trace_sent, "never"));
  ROW(UV_EINVAL, dgram_send_to(bound, NULL, 0, (struct sockaddr *)&v6, trace_sent, "never"));
  ROW(UV_EINVAL, dgram_send_to(bound, NULL, 0, &unknown, trace_sent, "never"));
  ROW(DGRAM_ERR_SOCKET_BAD_PORT, dgram_send_with(bound, NULL, 0, NULL, NULL, trace_sent, "never"));
  ROW(DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED,
      dgram_send_with(connected, NULL, 0, (struct sockaddr *)&no_port, NULL, trace_sent, "never"));
  assert_subjects_usable();
}

/* Sends nothing with these options from a socket of IPv4. */
static int send_with(const dgram_send_options_t *options) {
  struct sockaddr_in to = loopback_address(9);
  return dgram_send_with(bound, NULL, 0, (struct sockaddr *)&to, options, trace_sent, "never");
}

static void on_many(dgram_socket_t *socket, const dgram_error_t *error, size_t sent,
                    void *context) {
  (void)sent;
  trace_sent(socket, error, 0, context);
}

static int send_list(size_t count, const dgram_outgoing_t list[]) {
  return dgram_send_many(bound, list, count, on_many, "never");
}

static int send_to_v6(const char *address, const char *source) {
  struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
  struct sockaddr_in6 from = {.sin6_family = AF_INET6};
  dgram_send_options_t options = dgram_default_send_options();
  assert_int_equal(inet_pton(AF_INET6, address, &to.sin6_addr), 1);
  assert_int_equal(inet_pton(AF_INET6, source, &from.sin6_addr), 1);
  from.sin6_scope_id = 2;
  options.source = (struct sockaddr *)&from;
  options.interface_index = 1;
  return dgram_send_with(unbound6, NULL, 0, (struct sockaddr *)&to, &options, trace_sent, "never");
}

#define OPTIONS_ROW(member, value)                                     \
  do {                                                                 \
    dgram_send_options_t options_ = dgram_default_send_options();      \
    options_.member = (value);                                         \
    assert_row(#member " = " #value, send_with(&options_), UV_EINVAL); \
  } while (0)

TEST("options of a send that are out of range are refused") {
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  struct sockaddr unknown = {.sa_family = AF_UNIX};
  open_subjects(loop);
  OPTIONS_ROW(struct_size, 0);
  OPTIONS_ROW(struct_size, sizeof(dgram_send_options_t) - 1);
  OPTIONS_ROW(struct_size, sizeof(dgram_send_options_t) + 1);
  OPTIONS_ROW(ttl, 0);
  OPTIONS_ROW(ttl, -2);
  OPTIONS_ROW(ttl, 256);
  OPTIONS_ROW(tos, -2);
  OPTIONS_ROW(tos, 256);
  OPTIONS_ROW(dont_fragment, -2);
  OPTIONS_ROW(dont_fragment, 2);
  OPTIONS_ROW(segment_size, 65508);
  OPTIONS_ROW(segment_size, SIZE_MAX);
  OPTIONS_ROW(interface_index, 0x80000000U);
  OPTIONS_ROW(source, (struct sockaddr *)&v6);
  OPTIONS_ROW(source, &unknown);
  dgram_send_options_t bad = dgram_default_send_options();
  bad.ttl = 0;
  struct sockaddr_in to = loopback_address(9);
  dgram_outgoing_t list[2] = {{.to = (struct sockaddr *)&to}, {.to = (struct sockaddr *)&to}};
  ROW(UV_EINVAL, send_list(0, list));
  ROW(UV_EINVAL, send_list(2, NULL));
  ROW(UV_EINVAL, dgram_try_send_many(bound, NULL, 1));
  ROW(UV_EINVAL, dgram_try_send_many(bound, list, 0));
  ROW(UV_EINVAL, dgram_try_send_many(bound, list, 1025));
  list[1].options = &bad;
  ROW(UV_EINVAL, send_list(2, list));
  ROW(UV_EINVAL, dgram_try_send_many(bound, list, 2));
  ROW(UV_EINVAL, dgram_try_send_with(bound, NULL, 0, list->to, &bad, NULL));
  ROW(UV_EINVAL, dgram_try_send_with(unbound, NULL, 1, list->to, NULL, NULL));
  ROW(UV_EINVAL, dgram_try_send(unbound, NULL, 1, list->to));
  ROW(DGRAM_ERR_SOCKET_BAD_PORT, dgram_try_send(unbound, NULL, 0, NULL));
  ROW(DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED, dgram_try_send(connected, NULL, 0, list->to));
  ROW(UV_EINVAL, send_to_v6("::1", "::ffff:127.0.0.1"));
  ROW(UV_EINVAL, send_to_v6("::ffff:127.0.0.1", "::1"));
  ROW(UV_EINVAL, send_to_v6("fe80::1", "fe80::2")); /* two interfaces */
  assert_subjects_usable();
}

/* ---- options ---- */

/* B47, B50: what can't be read, or is no size, is refused before the state is looked at. */
TEST("an option of a bad value is refused in any state") {
  open_subjects(loop);
  for (int i = 0; i < 2; i++) {
    dgram_socket_t *socket = i == 0 ? unbound : bound;
    ROW(DGRAM_ERR_SOCKET_BAD_BUFFER_SIZE, dgram_set_recv_buffer_size(socket, -1));
    ROW(DGRAM_ERR_SOCKET_BAD_BUFFER_SIZE, dgram_set_recv_buffer_size(socket, INT32_MIN));
    ROW(DGRAM_ERR_SOCKET_BAD_BUFFER_SIZE, dgram_set_send_buffer_size(socket, -1));
    ROW(DGRAM_ERR_SOCKET_BAD_BUFFER_SIZE, dgram_set_send_buffer_size(socket, INT32_MIN));
    ROW(UV_EINVAL, dgram_set_ttl(socket, 0));
    ROW(UV_EINVAL, dgram_set_ttl(socket, 256));
    ROW(UV_EINVAL, dgram_set_multicast_ttl(socket, -1));
    ROW(UV_EINVAL, dgram_set_multicast_ttl(socket, 256));
    ROW(UV_EINVAL, dgram_set_multicast_interface(socket, "127.0.0"));
    ROW(UV_EINVAL, dgram_set_receive_budget(socket, -1));
  }
  assert_int_equal(dgram_buffer_size_reason(bound), 0);
}

static int create_refused(const dgram_options_t *options) {
  dgram_socket_t *created = unbound;
  int err = dgram_create_socket_options(at, options, NULL, NULL, &created);
  assert_null(created);
  return err;
}

static int create_with_sockopt(int option, int64_t value) {
  dgram_sockopt_value_t sockopts[] = {{DGRAM_SO_TTL, 1}, {(dgram_sockopt_t)option, value}};
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.sockopts = sockopts;
  options.sockopt_count = 2;
  return create_refused(&options);
}

/* Each option by its number, and values beside its range. */
static const struct {
  int option;
  int64_t values[4];
} sockopts_refused[] = {
    {0, {0, 1, -1, 5}},
    {-1, {0, 1, -1, 5}},
    {DGRAM_SO_TXTIME_CLOCK + 1, {0, 1, -1, 5}},
    {1000, {0, 1, -1, 5}},
    {DGRAM_SO_BROADCAST, {-1, 2, INT64_MAX, INT64_MIN}},
    {DGRAM_SO_TTL, {0, -1, 256, (int64_t)1 << 32 | 5}},
    {DGRAM_SO_MULTICAST_TTL, {-1, 256, INT64_MIN, (int64_t)1 << 32}},
    {DGRAM_SO_MULTICAST_LOOPBACK, {-1, 2, 256, INT64_MIN}},
    {DGRAM_SO_TOS, {-1, 256, INT64_MIN, INT64_MAX}},
#ifdef __linux__
    {DGRAM_SO_MULTICAST_ALL, {-1, 2, INT64_MAX, INT64_MIN}},
    {DGRAM_SO_PATH_MTU, {-1, DGRAM_PATH_MTU_PROBE + 1, 4, 5}},
    {DGRAM_SO_PRIORITY, {-1, (int64_t)INT32_MAX + 1, INT64_MAX, INT64_MIN}},
    {DGRAM_SO_MARK, {-1, (int64_t)UINT32_MAX + 1, INT64_MAX, INT64_MIN}},
    {DGRAM_SO_MAX_PACING_RATE, {0, -1, INT64_MIN, -2}},
    {DGRAM_SO_BUSY_POLL, {-1, (int64_t)INT32_MAX + 1, INT64_MAX, INT64_MIN}},
    {DGRAM_SO_FREEBIND, {-1, 2, INT64_MAX, INT64_MIN}},
    {DGRAM_SO_TRANSPARENT, {-1, 2, INT64_MAX, INT64_MIN}},
    {DGRAM_SO_BIND_ADDRESS_NO_PORT, {-1, 2, INT64_MAX, INT64_MIN}},
    {DGRAM_SO_LOCAL_PORT_RANGE, {-1, (int64_t)UINT32_MAX + 1, 2000 | 1999 << 16, 65535 | 1 << 16}},
    {DGRAM_SO_TXTIME_CLOCK, {-1, 16, INT64_MAX, INT64_MIN}},
#endif
};

TEST("an option by name that is none, or out of its range, is refused in any state") {
  open_subjects(loop);
  EACH(sockopts_refused) {
    dgram_sockopt_t option = (dgram_sockopt_t)sockopts_refused[i].option;
    for (int j = 0; j < 4; j++) {
      int64_t value = sockopts_refused[i].values[j];
      ROW(UV_EINVAL, dgram_set_sockopt(unbound, option, value));
      ROW(UV_EINVAL, dgram_set_sockopt(bound, option, value));
      ROW(UV_EINVAL, create_with_sockopt((int)option, value));
    }
  }
  int64_t value = 7;
  ROW(UV_EINVAL, dgram_get_sockopt(bound, DGRAM_SO_TTL, NULL));
  ROW(UV_EINVAL, dgram_get_sockopt(bound, (dgram_sockopt_t)0, &value));
  ROW(UV_EINVAL, dgram_get_sockopt(unbound, (dgram_sockopt_t)99, &value));
  ROW(UV_EBADF, dgram_get_sockopt(unbound, DGRAM_SO_TTL, &value));
  assert_int_equal(value, 7);
  assert_subjects_usable();
}

TEST("options of creation that cannot be kept are refused") {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  open_subjects(loop);
  options.sockopt_count = 1;
  ROW(UV_EINVAL, create_refused(&options));
  options.sockopt_count = 0;
  options.bind_device = "a name of 16 chr";
  ROW(UV_EINVAL, create_refused(&options));
  ROW(UV_EINVAL, dgram_get_bind_device(bound, NULL));
  options.bind_device = "";
  close_socket(new_with(loop, &options));
  assert_subjects_usable();
}

TEST("a bad address has no MTU") {
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
  struct sockaddr_in no_port = loopback_address(0);
  struct sockaddr unknown = {.sa_family = AF_UNIX};
  open_subjects(loop);
  ROW(UV_EINVAL, dgram_get_mtu_to(bound, NULL));
  ROW(UV_EINVAL, dgram_get_mtu_to(bound, (struct sockaddr *)&v6));
  ROW(UV_EINVAL, dgram_get_mtu_to(unbound, &unknown));
  ROW(DGRAM_ERR_SOCKET_BAD_PORT, dgram_get_mtu_to(unbound, (struct sockaddr *)&no_port));
  ROW(DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED, dgram_get_mtu(bound));
  ROW(DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED, dgram_get_mtu(unbound));
  assert_subjects_usable();
}

/* ---- groups ---- */

static void assert_sources_refused(int code, dgram_socket_t *socket, const char *source,
                                   const char *group, const char *interface) {
  ROW(code, dgram_add_source_specific_membership(socket, source, group, interface));
  ROW(code, dgram_drop_source_specific_membership(socket, source, group, interface));
}

/* The four calls return this, and the unbound socket stays unbound. */
static void assert_groups_refused(int code, dgram_socket_t *socket, const char *source,
                                  const char *group, const char *interface) {
  ROW(code, dgram_add_membership(socket, group, interface));
  ROW(code, dgram_drop_membership(socket, group, interface));
  assert_sources_refused(code, socket, source, group, interface);
}

TEST("a group that is no address of a group is refused") {
  static const char *const groups[] = {"224.0.0", "group", "224.0.0.1:80", " 224.0.0.1",
                                       "256.0.0.1"};
  open_subjects(loop);
  EACH(groups)
  assert_groups_refused(UV_EINVAL, unbound, "127.0.0.1", groups[i], "127.0.0.1");
  ROW(DGRAM_ERR_MISSING_ARGS, dgram_add_membership(unbound, NULL, "127.0.0.1"));
  ROW(DGRAM_ERR_MISSING_ARGS, dgram_add_membership(unbound, "", "127.0.0.1"));
  ROW(DGRAM_ERR_MISSING_ARGS, dgram_drop_membership(unbound, NULL, "127.0.0.1"));
  ROW(DGRAM_ERR_MISSING_ARGS, dgram_drop_membership(unbound, "", "127.0.0.1"));
  EACH(groups) {
    ROW(UV_EINVAL, dgram_add_membership_all(unbound, groups[i], NULL, NULL));
    ROW(UV_EINVAL, dgram_drop_membership_all(unbound, groups[i]));
  }
  ROW(DGRAM_ERR_MISSING_ARGS, dgram_add_membership_all(unbound, NULL, NULL, NULL));
  ROW(DGRAM_ERR_MISSING_ARGS, dgram_add_membership_all(unbound, "", NULL, NULL));
  ROW(DGRAM_ERR_MISSING_ARGS, dgram_drop_membership_all(unbound, NULL));
  ROW(UV_EINVAL, dgram_add_membership_all(unbound, "10.0.0.1", NULL, NULL));
  ROW(UV_EINVAL, dgram_add_membership_all(unbound, "::2", NULL, NULL));
  ROW(UV_EINVAL, dgram_add_membership_all(unbound6, "ff02::1234%lo", NULL, NULL));
  ROW(UV_EINVAL, dgram_add_membership_all(unbound6, "::ffff:239.1.2.3", NULL, NULL));
  ROW(UV_ENOPROTOOPT, dgram_add_membership_all(unbound, "ff02::1234", NULL, NULL));
  ROW(UV_EADDRNOTAVAIL, dgram_drop_membership_all(unbound, "239.1.2.3"));
  assert_sources_refused(UV_EINVAL, unbound, "127.0.0.1", NULL, "127.0.0.1");
  assert_sources_refused(UV_EINVAL, unbound, "127.0.0.1", "", "127.0.0.1");
  assert_subjects_usable();
}

/* The kernel refuses these, so the socket is bound. It has a code of its own for leaving a group.
 */
TEST("a group that the kernel refuses is refused") {
  open_subjects(loop);
  ROW(UV_EINVAL, dgram_add_membership(bound, "10.0.0.1", "127.0.0.1"));
  ROW(UV_EADDRNOTAVAIL, dgram_drop_membership(bound, "10.0.0.1", "127.0.0.1"));
  assert_sources_refused(UV_EINVAL, bound, "127.0.0.1", "10.0.0.1", "127.0.0.1");
  ROW(UV_ENODEV, dgram_add_membership(bound, "224.0.0.114", "203.0.113.9"));
  ROW(UV_ENODEV,
      dgram_add_source_specific_membership(bound, "127.0.0.1", "232.1.2.3", "203.0.113.9"));
  assert_subjects_usable();
}

TEST("a group of IPv6 that the kernel refuses is refused") {
  skip_without_ipv6();
  open_subjects(loop);
  dgram_socket_t *bound6 = new_socket(loop, DGRAM_UDP6, NULL, NULL);
  bind_now(bound6, NULL);
  assert_groups_refused(UV_EINVAL, bound6, "::1", "::2", "lo");
  assert_groups_refused(UV_ENOPROTOOPT, bound, "::1", "ff02::1234", NULL);
  assert_groups_refused(UV_ENOPROTOOPT, bound, "::1", "ff02::1234", "::%lo");
  assert_groups_refused(UV_ENOPROTOOPT, bound, "::1", "ff02::1%nosuchif", "lo");
}

TEST("an interface that is no address is refused") {
  static const char *const interfaces[] = {"", "127.0.0", "no such interface", "::1", "::%lo"};
  static const char *const interfaces6[] = {"", "127.0.0.1", "no such interface", "::g"};
  skip_without_ipv6();
  open_subjects(loop);
  EACH(interfaces)
  assert_groups_refused(UV_EINVAL, unbound, "127.0.0.1", "232.1.2.3", interfaces[i]);
  EACH(interfaces6)
  assert_groups_refused(UV_EINVAL, unbound6, "::1", "ff3e::1234", interfaces6[i]);
  assert_subjects_usable();
}

TEST("a source that is no address of the group's family is refused") {
  static const char *const texts[] = {NULL, "", "source", "::1", "::1%lo", "127.0.0"};
  open_subjects(loop);
  EACH(texts)
  assert_sources_refused(UV_EINVAL, unbound, texts[i], "232.1.2.3", "127.0.0.1");
  if (have_ipv6()) {
    assert_sources_refused(UV_EINVAL, unbound, "127.0.0.1", "ff3e::1234", NULL);
    assert_sources_refused(UV_EINVAL, unbound, "::1", "232.1.2.3", NULL);
    assert_sources_refused(UV_EINVAL, unbound6, "127.0.0.1", "ff3e::1234", NULL);
    assert_sources_refused(UV_EINVAL, unbound6, "::1", "232.1.2.3", NULL);
  }
  assert_subjects_usable();
}

/* ---- a closed socket: whatever the other arguments are ---- */

#define CLOSED_ROW(call) assert_int_equal(call, DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING)

static void assert_calls_refused(dgram_socket_t *socket) {
  dgram_address_t address;
  dgram_bind_options_t options = dgram_default_bind_options();
  struct sockaddr_in to = loopback_address(9);
  const struct sockaddr *binary = (const struct sockaddr *)&to;
  dgram_outgoing_t outgoing = {.to = binary};
  CLOSED_ROW(dgram_bind(socket, 0, NULL, trace_event, "never"));
  CLOSED_ROW(dgram_bind_options(socket, &options, trace_event, "never"));
  CLOSED_ROW(dgram_bind_sync(socket, 0, NULL));
  CLOSED_ROW(dgram_connect(socket, 9, NULL, trace_connect, "never"));
  CLOSED_ROW(dgram_connect_sync(socket, 9, NULL));
  CLOSED_ROW(dgram_close(socket, trace_event, "never"));
  CLOSED_ROW(dgram_send(socket, "x", 1, 9, NULL, trace_sent, "never"));
  CLOSED_ROW(dgram_send_buffers(socket, NULL, 0, 9, NULL, trace_sent, "never"));
  CLOSED_ROW(dgram_send_to(socket, NULL, 0, binary, trace_sent, "never"));
  CLOSED_ROW(dgram_send_with(socket, NULL, 0, binary, NULL, trace_sent, "never"));
  CLOSED_ROW(dgram_send_many(socket, &outgoing, 1, NULL, NULL));
  CLOSED_ROW(dgram_try_send(socket, NULL, 0, binary));
  CLOSED_ROW(dgram_try_send_with(socket, NULL, 0, binary, NULL, NULL));
  CLOSED_ROW(dgram_try_send_many(socket, &outgoing, 1));
  CLOSED_ROW(dgram_address(socket, &address));
  CLOSED_ROW(dgram_remote_address(socket, &address));
  CLOSED_ROW(dgram_set_broadcast(socket, 1));
  CLOSED_ROW(dgram_set_ttl(socket, 1));
  int64_t value;
  char name[DGRAM_INTERFACE_NAME];
  CLOSED_ROW(dgram_set_sockopt(socket, DGRAM_SO_TTL, 1));
  CLOSED_ROW(dgram_get_sockopt(socket, DGRAM_SO_TTL, &value));
  CLOSED_ROW(dgram_get_bind_device(socket, name));
  CLOSED_ROW(dgram_get_mtu(socket));
  CLOSED_ROW(dgram_get_mtu_to(socket, binary));
  CLOSED_ROW(dgram_set_multicast_ttl(socket, 1));
  CLOSED_ROW(dgram_set_multicast_loopback(socket, 1));
  CLOSED_ROW(dgram_set_multicast_interface(socket, "127.0.0.1"));
  CLOSED_ROW(dgram_set_multicast_interface(socket, "127.0.0"));
  CLOSED_ROW(dgram_add_membership(socket, "224.0.0.114", NULL));
  CLOSED_ROW(dgram_add_membership(socket, NULL, NULL));
  CLOSED_ROW(dgram_drop_membership(socket, "224.0.0.114", NULL));
  CLOSED_ROW(dgram_drop_membership(socket, NULL, NULL));
  CLOSED_ROW(dgram_set_receive_access(socket, DGRAM_BLOCK, NULL));
  CLOSED_ROW(dgram_set_send_access(socket, DGRAM_ALLOW, NULL));
  CLOSED_ROW(dgram_set_receive_rate(socket, NULL));
  CLOSED_ROW(dgram_add_membership_all(socket, "224.0.0.114", NULL, NULL));
  CLOSED_ROW(dgram_drop_membership_all(socket, "224.0.0.114"));
  CLOSED_ROW(dgram_add_source_specific_membership(socket, "127.0.0.1", "232.1.2.3", NULL));
  CLOSED_ROW(dgram_drop_source_specific_membership(socket, "127.0.0.1", "232.1.2.3", NULL));
}

static void assert_listeners_refused(dgram_socket_t *socket) {
  CLOSED_ROW(dgram_on_message(socket, trace_message, "m"));
  CLOSED_ROW(dgram_once_message(socket, trace_message, "m"));
  CLOSED_ROW(dgram_off_message(socket, trace_message, "m"));
  CLOSED_ROW(dgram_on_messages(socket, trace_messages, "m"));
  CLOSED_ROW(dgram_on_connect(socket, trace_connect, "c"));
  CLOSED_ROW(dgram_once_connect(socket, trace_connect, "c"));
  CLOSED_ROW(dgram_off_connect(socket, trace_connect, "c"));
  CLOSED_ROW(dgram_on_listening(socket, trace_event, "l"));
  CLOSED_ROW(dgram_once_listening(socket, trace_event, "l"));
  CLOSED_ROW(dgram_off_listening(socket, trace_event, "l"));
}

TEST("an access list or a limit that is none is refused") {
  dgram_rate_options_t none = dgram_default_rate_options();
  dgram_rate_options_t newer = none;
  newer.packets_per_second = 1;
  newer.struct_size++;
  dgram_access_counts_t counts = {.struct_size = sizeof counts - 1};
  open_subjects(loop);
  ROW(UV_EINVAL, dgram_set_receive_access(bound, (dgram_access_t)2, NULL));
  ROW(UV_EINVAL, dgram_set_send_access(bound, (dgram_access_t)-1, NULL));
  ROW(UV_EINVAL, dgram_set_receive_rate(bound, &none));
  ROW(UV_EINVAL, dgram_set_receive_rate(bound, &newer));
  ROW(UV_EINVAL, dgram_get_access_counts(bound, NULL));
  ROW(UV_EINVAL, dgram_get_access_counts(bound, &counts));
  assert_subjects_usable();
}

TEST("every call on a closed socket is refused, and reports nothing later") {
  open_subjects(loop);
  dgram_socket_t *closed[] = {unbound, unbound6, asking, bound, connected};
  for (int i = 0; i < 5; i++) {
    close_socket(closed[i]);
    assert_calls_refused(closed[i]);
    assert_listeners_refused(closed[i]);
    assert_int_equal(dgram_disconnect(closed[i]), DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED);
    assert_int_equal(dgram_set_recv_buffer_size(closed[i], -1), DGRAM_ERR_SOCKET_BAD_BUFFER_SIZE);
    assert_int_equal(dgram_set_send_buffer_size(closed[i], INT32_MIN),
                     DGRAM_ERR_SOCKET_BAD_BUFFER_SIZE);
    assert_ptr_equal(dgram_ref(closed[i]), closed[i]);
    assert_ptr_equal(dgram_unref(closed[i]), closed[i]);
    assert_ptr_equal(dgram_loop(closed[i]), loop);
    assert_int_equal(dgram_get_send_queue_count(closed[i]), 0);
  }
  assert_trace("");
  run_to_end(loop);
  assert_trace("close close close close close");
}
