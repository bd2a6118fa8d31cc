/* What a socket asks of its datapath when it is bound. */
#include "fake/scene.h"

#include <stdlib.h>

static struct dgram__settings asked; /* by the last bind */

static int note_settings(struct dgram__udp *udp, const struct dgram__settings *settings) {
  (void)udp;
  asked = *settings;
  return UV_EPERM;
}

/* Binds to an address, with the options; returns how the datapath was asked. */
static struct dgram__settings settings_of(dgram_options_t options, const char *address) {
  struct dgram__datapath noting = fake_datapath;
  noting.open = note_settings;
  dgram_socket_t *socket;
  assert_int_equal(dgram_create_socket_options(&scene_loop, &options, NULL, NULL, &socket), 0);
  socket->loop->datapath = &noting;
  assert_int_equal(dgram_bind(socket, 53, address, NULL, NULL), 0);
  scene_run();
  scene_close(socket);
  scene_run();
  return asked;
}

static void ignore_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  assert_int_equal(error->code, UV_EPERM);
}

static int begin(void **state) {
  dgram_on_unhandled_error(ignore_error, NULL);
  unsetenv("DGRAM_GSO");
  return scene_begin(state);
}

static void the_defaults_are_plain_with_segmentation(void **state) {
  struct dgram__settings settings = settings_of(dgram_default_options(DGRAM_UDP4), "127.0.0.1");
  assert_false(settings.reuse_addr);
  assert_false(settings.reuse_port);
  assert_false(settings.ipv6_only);
  assert_true(settings.gso);
}

static void each_option_reaches_the_datapath(void **state) {
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
  assert_false(settings_of(options, NULL).gso);
}

static void the_environment_turns_segmentation_off(void **state) {
  setenv("DGRAM_GSO", "0", 1);
  assert_false(settings_of(dgram_default_options(DGRAM_UDP4), NULL).gso);
  setenv("DGRAM_GSO", "1", 1);
  assert_true(settings_of(dgram_default_options(DGRAM_UDP4), NULL).gso);
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

static void the_address_is_the_one_given_or_any(void **state) {
  for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
    dgram_options_t options = dgram_default_options(addresses[i].type);
    struct dgram__settings settings = settings_of(options, addresses[i].address);
    char text[DGRAM_ADDRESS_TEXT];
    dgram__address_text(&settings.local, text);
    assert_string_equal(text, addresses[i].asked);
    assert_int_equal(dgram__address_port(&settings.local), 53);
  }
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, begin, scene_end)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(the_defaults_are_plain_with_segmentation),
      TEST(each_option_reaches_the_datapath),
      TEST(the_environment_turns_segmentation_off),
      TEST(the_address_is_the_one_given_or_any),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
