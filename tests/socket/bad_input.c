/* Bad arguments get their documented code, and the socket stays usable. */
#include "lib/fixture.h"

#include <sys/mman.h>

/* Longer than a host name may be (RFC 1035, 2.3.4), and the longest. */
static char host_256[257];
static char host_255[256];

static uv_loop_t *loop;
static dgram_socket_t *target;
static int port;

static int begin(void **state) {
  memset(host_256, 'a', sizeof host_256 - 1);
  memset(host_255, 'a', sizeof host_255 - 1);
  loop = open_loop();
  target = new_bound(loop, NULL, NULL, &port);
  return 0;
}

static void end(void) {
  assert_int_equal(dgram_get_send_queue_count(target), 0);
  assert_usable(target);
  close_socket(target);
  close_loop(loop);
}

static int create(const dgram_options_t *options) {
  dgram_socket_t *socket = target; /* anything but NULL */
  int err = dgram_create_socket_options(loop, options, NULL, NULL, &socket);
  assert_int_not_equal(err, 0);
  assert_null(socket);
  return err;
}

static void create_without_loop_or_socket(void **state) {
  dgram_socket_t *socket = target;
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  assert_int_equal(dgram_create_socket(NULL, DGRAM_UDP4, NULL, NULL, &socket), UV_EINVAL);
  assert_null(socket);
  assert_int_equal(dgram_create_socket(loop, DGRAM_UDP4, NULL, NULL, NULL), UV_EINVAL);
  socket = target;
  assert_int_equal(dgram_create_socket_options(NULL, &options, NULL, NULL, &socket), UV_EINVAL);
  assert_null(socket);
  assert_int_equal(dgram_create_socket_options(loop, &options, NULL, NULL, NULL), UV_EINVAL);
  assert_int_equal(create(NULL), UV_EINVAL);
  end();
}

static void create_with_an_unknown_type(void **state) {
  static const int types[] = {0, 5, 7, -1, 46};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    dgram_socket_t *socket = target;
    dgram_options_t options = dgram_default_options(DGRAM_UDP4);
    memcpy(&options.type, &types[i], sizeof options.type);
    assert_int_equal(create(&options), DGRAM_ERR_SOCKET_BAD_TYPE);
    assert_int_equal(dgram_create_socket(loop, options.type, NULL, NULL, &socket),
                     DGRAM_ERR_SOCKET_BAD_TYPE);
    assert_null(socket);
  }
  end();
}

static void create_with_options_of_the_wrong_size(void **state) {
  static const size_t sizes[] = {0, 1, sizeof(size_t), sizeof(dgram_options_t) + 1, SIZE_MAX};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    dgram_options_t options = dgram_default_options(DGRAM_UDP4);
    options.struct_size = sizes[i];
    assert_int_equal(create(&options), UV_EINVAL);
  }
  end();
}

static void create_with_a_negative_buffer_size(void **state) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.recv_buffer_size = -1;
  assert_int_equal(create(&options), UV_EINVAL);
  options.recv_buffer_size = 0;
  options.send_buffer_size = INT32_MIN;
  assert_int_equal(create(&options), UV_EINVAL);
  end();
}

static void bind_without_socket(void **state) {
  assert_int_equal(dgram_bind(NULL, 0, NULL, NULL, NULL), UV_EINVAL);
  end();
}

static void bind_to_a_port_out_of_range(void **state) {
  static const int ports[] = {-1, 65536, 70000, INT32_MAX, INT32_MIN};
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  for (size_t i = 0; i < sizeof ports / sizeof *ports; i++)
    assert_int_equal(dgram_bind(socket, ports[i], NULL, trace_event, "forgotten"),
                     DGRAM_ERR_SOCKET_BAD_PORT);
  assert_int_equal(dgram_off_listening(socket, trace_event, "forgotten"), UV_ENOENT);
  bind_now(socket, "127.0.0.1");
  assert_usable(socket);
  close_socket(socket);
  end();
}

static void bind_to_a_host_name_too_long(void **state) {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(socket, 0, host_256, trace_event, "forgotten"), UV_EINVAL);
  assert_int_equal(dgram_off_listening(socket, trace_event, "forgotten"), UV_ENOENT);
  bind_now(socket, "127.0.0.1");
  assert_usable(socket);
  close_socket(socket);
  end();
}

/* What isn't an address is taken for a host name, and not found. */
static void bind_to_what_is_no_address(void **state) {
  static const char *const texts[] = {
      "256.1.1.1.invalid", "::g", "127.0.0.1:80", "1.2.3.4.5", "[::1]", "fe80::1%+1", host_255};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    struct kept_error kept = {0};
    dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
    assert_int_equal(dgram_on_error(socket, keep_error, &kept), 0);
    assert_int_equal(dgram_bind(socket, 0, texts[i], NULL, NULL), 0);
    run_until(loop, &kept.calls, 1);
    assert_true(kept.code < 0);
    assert_string_equal(kept.syscall, "getaddrinfo");
    assert_string_equal(kept.address, texts[i]);
    assert_non_null(strstr(kept.message, texts[i]));
    bind_now(socket, "127.0.0.1");
    assert_usable(socket);
    close_socket(socket);
  }
  end();
}

/* libuv refuses it in the call, before any look-up. */
static void bind_to_a_name_that_is_no_text(void **state) {
  struct kept_error kept = {0};
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, keep_error, &kept), 0);
  int err = dgram_bind(socket, 0, "\xff\xfe", trace_event, "forgotten");
  if (err == 0)
    run_until(loop, &kept.calls, 1);
  else
    assert_int_equal(err, UV_EINVAL);
  assert_int_equal(dgram_off_listening(socket, trace_event, "forgotten"), UV_ENOENT);
  bind_now(socket, "127.0.0.1");
  assert_usable(socket);
  close_socket(socket);
  end();
}

static void close_without_socket(void **state) {
  assert_int_equal(dgram_close(NULL, trace_event, "never"), UV_EINVAL);
  end();
}

static void send_without_socket_or_bytes(void **state) {
  struct sockaddr_in to = loopback_address(port);
  uv_buf_t without = {.base = NULL, .len = 1};
  const struct sockaddr *binary = (const struct sockaddr *)&to;
  assert_int_equal(dgram_send(NULL, "x", 1, port, NULL, NULL, NULL), UV_EINVAL);
  assert_int_equal(dgram_send_buffers(NULL, NULL, 0, port, NULL, NULL, NULL), UV_EINVAL);
  assert_int_equal(dgram_send_to(NULL, NULL, 0, binary, NULL, NULL), UV_EINVAL);
  assert_int_equal(dgram_send(target, NULL, 1, port, NULL, NULL, NULL), UV_EINVAL);
  assert_int_equal(dgram_send_buffers(target, NULL, 1, port, NULL, NULL, NULL), UV_EINVAL);
  assert_int_equal(dgram_send_buffers(target, &without, 1, port, NULL, NULL, NULL), UV_EINVAL);
  assert_int_equal(dgram_send_to(target, NULL, 1, binary, NULL, NULL), UV_EINVAL);
  assert_int_equal(dgram_send_to(target, &without, 1, binary, NULL, NULL), UV_EINVAL);
  end();
}

static void send_of_nothing_from_nowhere_is_allowed(void **state) {
  int sent = 0;
  assert_int_equal(dgram_send(target, NULL, 0, port, NULL, count_sent, &sent), 0);
  run_until(loop, &sent, 1);
  uv_run(loop, UV_RUN_NOWAIT);
  end();
}

static void send_to_a_port_out_of_range(void **state) {
  static const int ports[] = {0, -1, 65536, INT32_MAX, INT32_MIN};
  for (size_t i = 0; i < sizeof ports / sizeof *ports; i++) {
    assert_int_equal(dgram_send(target, "x", 1, ports[i], NULL, NULL, NULL),
                     DGRAM_ERR_SOCKET_BAD_PORT);
    assert_int_equal(dgram_send_buffers(target, NULL, 0, ports[i], "localhost", NULL, NULL),
                     DGRAM_ERR_SOCKET_BAD_PORT);
  }
  end();
}

static void send_to_a_host_name_too_long(void **state) {
  assert_int_equal(dgram_send(target, "x", 1, port, host_256, NULL, NULL), UV_EINVAL);
  end();
}

static void send_to_a_bad_binary_address(void **state) {
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
  struct sockaddr_in no_port = loopback_address(0);
  struct sockaddr unknown = {.sa_family = AF_UNIX};
  assert_int_equal(dgram_send_to(target, NULL, 0, NULL, NULL, NULL), DGRAM_ERR_SOCKET_BAD_PORT);
  assert_int_equal(dgram_send_to(target, NULL, 0, (struct sockaddr *)&v6, NULL, NULL), UV_EINVAL);
  assert_int_equal(dgram_send_to(target, NULL, 0, &unknown, NULL, NULL), UV_EINVAL);
  assert_int_equal(dgram_send_to(target, NULL, 0, (struct sockaddr *)&no_port, NULL, NULL),
                   DGRAM_ERR_SOCKET_BAD_PORT);
  end();
}

/* A refused send does not bind the socket either. */
static void a_refused_call_changes_nothing(void **state) {
  int listening = 0;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_send(socket, "x", 1, 0, NULL, NULL, NULL), DGRAM_ERR_SOCKET_BAD_PORT);
  assert_int_equal(dgram_send(socket, NULL, 1, 9, NULL, NULL, NULL), UV_EINVAL);
  assert_int_equal(dgram_send(socket, "x", 1, 9, host_256, NULL, NULL), UV_EINVAL);
  assert_int_equal(dgram_get_send_queue_count(socket), 0);
  assert_int_equal(dgram_bind(socket, 0, NULL, count_event, &listening), 0);
  run_until(loop, &listening, 1);
  close_socket(socket);
  end();
}

static void ask_without_socket_or_address(void **state) {
  dgram_address_t address = {.address = "untouched", .port = 7};
  assert_int_equal(dgram_address(NULL, &address), UV_EINVAL);
  assert_int_equal(dgram_address(target, NULL), UV_EINVAL);
  assert_string_equal(address.address, "untouched");
  assert_int_equal(address.port, 7);
  assert_null(dgram_loop(NULL));
  assert_int_equal(dgram_get_send_queue_size(NULL), 0);
  assert_int_equal(dgram_get_send_queue_count(NULL), 0);
  end();
}

static void listen_without_socket_or_listener(void **state) {
  assert_int_equal(dgram_on_message(NULL, trace_message, "m"), UV_EINVAL);
  assert_int_equal(dgram_once_message(NULL, trace_message, "m"), UV_EINVAL);
  assert_int_equal(dgram_off_message(NULL, trace_message, "m"), UV_EINVAL);
  assert_int_equal(dgram_on_message(target, NULL, NULL), UV_EINVAL);
  assert_int_equal(dgram_once_message(target, NULL, NULL), UV_EINVAL);
  assert_int_equal(dgram_off_message(target, NULL, NULL), UV_EINVAL);
  assert_int_equal(dgram_on_listening(target, NULL, NULL), UV_EINVAL);
  assert_int_equal(dgram_off_listening(NULL, trace_event, "l"), UV_EINVAL);
  assert_int_equal(dgram_once_error(target, NULL, NULL), UV_EINVAL);
  assert_int_equal(dgram_on_error(NULL, trace_error, "e"), UV_EINVAL);
  assert_int_equal(dgram_on_close(NULL, trace_event, "c"), UV_EINVAL);
  assert_int_equal(dgram_off_close(target, NULL, NULL), UV_EINVAL);
  end();
}

#define BAD_INPUT(test) cmocka_unit_test_setup(test, begin)

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

static void no_address_is_read_beyond_256_bytes(void **state) {
  char *area;
  size_t size;
  const char *name = new_endless(256, &area, &size);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_bind(socket, 0, name, NULL, NULL), UV_EINVAL);
  assert_int_equal(dgram_bind_sync(socket, 0, name), UV_EINVAL);
  assert_int_equal(dgram_connect(socket, 9, name, NULL, NULL), UV_EINVAL);
  assert_int_equal(dgram_connect_sync(socket, 9, name), UV_EINVAL);
  assert_int_equal(dgram_send(socket, "x", 1, 9, name, NULL, NULL), UV_EINVAL);
  assert_int_equal(dgram_bind_state(socket), DGRAM_UNBOUND);
  close_socket(socket);
  assert_int_equal(munmap(area, size), 0);
  end();
}

/* A zone that names no interface counts as none, but not one of any length. */
static void bind_to_a_numeric_address_too_long(void **state) {
  char address[sizeof host_256 + 4] = "::1%";
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP6, NULL, NULL);
  memcpy(address + 4, host_256, sizeof host_256);
  assert_int_equal(dgram_bind(socket, 0, address, NULL, NULL), UV_EINVAL);
  assert_int_equal(dgram_bind_sync(socket, 0, address), UV_EINVAL);
  assert_int_equal(dgram_connect(socket, 9, address, NULL, NULL), UV_EINVAL);
  assert_int_equal(dgram_send(socket, "x", 1, 9, address, NULL, NULL), UV_EINVAL);
  close_socket(socket);
  end();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      BAD_INPUT(create_without_loop_or_socket),
      BAD_INPUT(create_with_an_unknown_type),
      BAD_INPUT(create_with_options_of_the_wrong_size),
      BAD_INPUT(create_with_a_negative_buffer_size),
      BAD_INPUT(bind_without_socket),
      BAD_INPUT(bind_to_a_port_out_of_range),
      BAD_INPUT(bind_to_a_host_name_too_long),
      BAD_INPUT(no_address_is_read_beyond_256_bytes),
      BAD_INPUT(bind_to_a_numeric_address_too_long),
      BAD_INPUT(bind_to_what_is_no_address),
      BAD_INPUT(bind_to_a_name_that_is_no_text),
      BAD_INPUT(close_without_socket),
      BAD_INPUT(send_without_socket_or_bytes),
      BAD_INPUT(send_of_nothing_from_nowhere_is_allowed),
      BAD_INPUT(send_to_a_port_out_of_range),
      BAD_INPUT(send_to_a_host_name_too_long),
      BAD_INPUT(send_to_a_bad_binary_address),
      BAD_INPUT(a_refused_call_changes_nothing),
      BAD_INPUT(ask_without_socket_or_address),
      BAD_INPUT(listen_without_socket_or_listener),
  };
  return cmocka_run_group_tests_name("bad_input", tests, NULL, NULL);
}
