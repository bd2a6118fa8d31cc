/* What a socket asks of its descriptor when it is bound. */
#include "fake/scripted.h"

#include <stdlib.h>

static void ignore_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  assert_int_equal(error->code, UV_EPERM);
}

/* Binds to an address, with the options; returns what was asked for. */
static struct dgram__settings settings_of(dgram_options_t options, const char *address) {
  dgram_socket_t *socket;
  assert_int_equal(dgram_create_socket_options(scripted_loop, &options, NULL, NULL, &socket), 0);
  dgram_on_unhandled_error(ignore_error, NULL);
  fake_fail_open(UV_EPERM);
  assert_int_equal(dgram_bind(socket, 53, address, NULL, NULL), 0);
  scripted_run();
  close_socket(socket);
  scripted_run();
  return *fake_settings();
}

SCRIPTED_TEST("a socket with the default options asks for a plain bind and all capabilities") {
  unsetenv("DGRAM_GSO");
  unsetenv("DGRAM_GRO");
  unsetenv("DGRAM_MMSG");
  struct dgram__settings settings = settings_of(dgram_default_options(DGRAM_UDP4), "127.0.0.1");
  assert_false(settings.reuse_addr);
  assert_false(settings.reuse_port);
  assert_false(settings.ipv6_only);
  assert_int_equal(settings.capabilities.max_segments, DGRAM__MAX_SEGMENTS);
  assert_int_equal(settings.capabilities.max_gro_segments, DGRAM__MAX_SEGMENTS);
  assert_int_equal(settings.capabilities.max_tx_batch, DGRAM__MAX_TX_BATCH);
  assert_int_equal(settings.capabilities.max_rx_batch, DGRAM__RX_BUFFERS);
}

SCRIPTED_TEST("each option of a socket reaches its descriptor") {
  dgram_options_t options = dgram_default_options(DGRAM_UDP6);
  options.reuse_addr = 1;
  assert_true(settings_of(options, NULL).reuse_addr);
  options.reuse_addr = 0;
  options.reuse_port = 1;
  assert_true(settings_of(options, NULL).reuse_port);
  assert_false(settings_of(options, NULL).reuse_addr);
  options.ipv6_only = 1;
  assert_true(settings_of(options, NULL).ipv6_only);
  options.disable_gso = 1;
  assert_int_equal(settings_of(options, NULL).capabilities.max_segments, 1);
  assert_int_equal(settings_of(options, NULL).capabilities.max_gro_segments, DGRAM__MAX_SEGMENTS);
  options.disable_gso = 0;
  options.disable_gro = 1;
  assert_int_equal(settings_of(options, NULL).capabilities.max_segments, DGRAM__MAX_SEGMENTS);
  assert_int_equal(settings_of(options, NULL).capabilities.max_gro_segments, 1);
}

/* What a socket may try with the variable set so. */
static struct dgram__udp_capabilities capabilities_with(const char *variable, const char *value) {
  setenv(variable, value, 1);
  struct dgram__settings settings = settings_of(dgram_default_options(DGRAM_UDP4), NULL);
  unsetenv(variable);
  return settings.capabilities;
}

SCRIPTED_TEST("each variable of the environment switches its capability off") {
  struct dgram__udp_capabilities without_gso = capabilities_with("DGRAM_GSO", "0");
  assert_int_equal(without_gso.max_segments, 1);
  assert_int_equal(without_gso.max_gro_segments, DGRAM__MAX_SEGMENTS);
  struct dgram__udp_capabilities without_gro = capabilities_with("DGRAM_GRO", "0");
  assert_int_equal(without_gro.max_segments, DGRAM__MAX_SEGMENTS);
  assert_int_equal(without_gro.max_gro_segments, 1);
  struct dgram__udp_capabilities without_mmsg = capabilities_with("DGRAM_MMSG", "0");
  assert_int_equal(without_mmsg.max_segments, DGRAM__MAX_SEGMENTS);
  assert_int_equal(without_mmsg.max_tx_batch, 1);
  assert_int_equal(without_mmsg.max_rx_batch, 1);
  assert_int_equal(capabilities_with("DGRAM_GSO", "1").max_segments, DGRAM__MAX_SEGMENTS);
}

static const struct {
  dgram_type_t type;
  const char *address;
  const char *asked;
} addresses[] = {
    {DGRAM_UDP4, NULL, "0.0.0.0"},
    {DGRAM_UDP4, "", "0.0.0.0"},
    {DGRAM_UDP4, "127.0.0.1", "127.0.0.1"},
    {DGRAM_UDP6, NULL, "::"},
    {DGRAM_UDP6, "fe80::1%lo", "fe80::1%lo"},
    {DGRAM_UDP6, "::ffff:127.0.0.1", "::ffff:127.0.0.1"},
};

SCRIPTED_TEST("a socket is bound to the address that is given, or to any") {
  for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
    dgram_options_t options = dgram_default_options(addresses[i].type);
    struct dgram__settings settings = settings_of(options, addresses[i].address);
    char text[DGRAM_ADDRESS_TEXT];
    dgram__address_text(&settings.local, text);
    assert_string_equal(text, addresses[i].asked);
    assert_int_equal(dgram__address_port(&settings.local), 53);
  }
}
