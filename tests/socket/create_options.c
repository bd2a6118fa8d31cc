/* The size of the options' struct says which members the program knew; and they are copied. */
#include "lib/fixture.h"
#include "lib/lookup_stub.h"

/* A program that was compiled with 0.1, where `disable_gso` was the last member. */
TEST("of a shorter struct the members beyond it have their default") {
  struct lookup_stub stub = {0};
  dgram_options_t options = lookup_stub_options(DGRAM_UDP4, &stub);
  options.struct_size = offsetof(dgram_options_t, disable_gso) + sizeof options.disable_gso;
  options.signal = (dgram_abort_signal_t *)&stub; /* none: it must not be touched */
  dgram_socket_t *socket = new_with(loop, &options);
  bind_now(socket, "127.0.0.1");
  assert_usable(socket);
  assert_int_equal(stub.asked, 0);
}

/* In the midst of one, half of it would be the program's and half the default's. */
TEST("one that ends inside a member is refused") {
  static const size_t ends[] = {
      offsetof(dgram_options_t, lookup),         offsetof(dgram_options_t, lookup_context),
      offsetof(dgram_options_t, signal),         offsetof(dgram_options_t, reuse_port),
      offsetof(dgram_options_t, defer),          offsetof(dgram_options_t, defer_context),
      offsetof(dgram_options_t, low_latency),    offsetof(dgram_options_t, receive_batch),
      offsetof(dgram_options_t, receive_budget), sizeof(dgram_options_t)};
  size_t at = 0;
  for (size_t size = 0; size <= sizeof(dgram_options_t) + 8; size++) {
    dgram_socket_t *socket = NULL;
    dgram_options_t options = dgram_default_options(DGRAM_UDP4);
    options.struct_size = size;
    int err = dgram_create_socket_options(loop, &options, NULL, NULL, &socket);
    int is_end = at < sizeof ends / sizeof *ends && size == ends[at];
    if (err != (is_end ? 0 : UV_EINVAL))
      fail_msg("struct_size %d: %d", (int)size, err);
    at += is_end;
    if (err == 0)
      close_socket(socket);
  }
}

/* Of 0.3, where padding was what is `receive_batch` now; out of range here. */
TEST("of the padding of an older one nothing is read") {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.struct_size = offsetof(dgram_options_t, receive_budget);
  options.receive_batch = -1;
  close_socket(new_with(loop, &options));
  run_to_end(loop);
}

TEST("one shorter than the first version is refused") {
  dgram_socket_t *socket = NULL;
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.struct_size = offsetof(dgram_options_t, disable_gso);
  assert_int_equal(dgram_create_socket_options(loop, &options, NULL, NULL, &socket), UV_EINVAL);
  assert_null(socket);
  run_to_end(loop);
}

TEST("the defaults are those of a plain socket") {
  static const dgram_type_t types[] = {DGRAM_UDP4, DGRAM_UDP6};
  for (int i = 0; i < 2; i++) {
    dgram_options_t options = dgram_default_options(types[i]);
    assert_int_equal(options.struct_size, sizeof options);
    assert_int_equal(options.type, types[i]);
    assert_int_equal(options.reuse_addr, 0);
    assert_int_equal(options.ipv6_only, 0);
    assert_int_equal(options.recv_buffer_size, 0);
    assert_int_equal(options.send_buffer_size, 0);
    assert_int_equal(options.disable_gso, 0);
    assert_true(options.lookup == NULL);
    assert_null(options.lookup_context);
    assert_null(options.signal);
    assert_int_equal(options.reuse_port, 0);
    assert_true(options.defer == NULL);
    assert_null(options.defer_context);
    assert_int_equal(options.low_latency, 0);
  }
}

TEST("they are copied") {
  struct lookup_stub stub = {.at_once = "127.0.0.1"};
  dgram_options_t options = lookup_stub_options(DGRAM_UDP4, &stub);
  dgram_socket_t *socket = new_with(loop, &options);
  memset(&options, 0xff, sizeof options);
  bind_now(socket, "name");
  assert_int_equal(stub.asked, 1);
}
