/* The environment variables that change how a loop moves datagrams, never whether. */
#include "lib/fixture.h"

enum { SENDS = 200, SIZE = 100 };

static char bytes[SENDS][SIZE];

static void check_bytes(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                        void *context) {
  int *received = context;
  assert_int_equal(rinfo->size, SIZE);
  assert_memory_equal(message, bytes[*received], SIZE);
  ++*received;
}

/* Datagrams that would share a segmented send, if there was any. */
static void all_arrive(const dgram_options_t *options) {
  uv_loop_t *loop = open_loop();
  int port;
  int received = 0;
  int sent = 0;
  dgram_socket_t *receiver = new_roomy(loop, check_bytes, &received, &port);
  dgram_socket_t *sender = NULL;
  assert_int_equal(dgram_create_socket_options(loop, options, NULL, NULL, &sender), 0);
  for (int i = 0; i < SENDS; i++) {
    memset(bytes[i], i, SIZE);
    assert_int_equal(dgram_send(sender, bytes[i], SIZE, port, NULL, count_sent, &sent), 0);
  }
  run_until(loop, &received, SENDS);
  run_until(loop, &sent, SENDS);
  close_socket(sender);
  close_socket(receiver);
  close_loop(loop);
}

static void all_arrive_with(const char *name, const char *value) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  const char *present = getenv(name);
  char *before = present != NULL ? strdup(present) : NULL;
  assert_int_equal(setenv(name, value, 1), 0);
  all_arrive(&options);
  if (before != NULL)
    setenv(name, before, 1);
  else
    unsetenv(name);
  free(before);
}

static void without_segmentation_all_arrive(void **state) {
  all_arrive_with("DGRAM_GSO", "0");
}

static void with_segmentation_all_arrive(void **state) {
  all_arrive_with("DGRAM_GSO", "1");
  all_arrive_with("DGRAM_GSO", "");
}

static void with_disable_gso_all_arrive(void **state) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.disable_gso = 1;
  all_arrive(&options);
}

static void with_and_without_joining_all_arrive(void **state) {
  all_arrive_with("DGRAM_GRO", "0");
  all_arrive_with("DGRAM_GRO", "1");
}

static void with_one_datagram_a_system_call_all_arrive(void **state) {
  all_arrive_with("DGRAM_MMSG", "0");
  all_arrive_with("DGRAM_MMSG", "");
}

static void the_library_has_the_version_of_its_header(void **state) {
  char version[32];
  snprintf(version, sizeof version, "%d.%d.%d", DGRAM_VERSION_MAJOR, DGRAM_VERSION_MINOR,
           DGRAM_VERSION_PATCH);
  assert_string_equal(dgram_version(), version);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(without_segmentation_all_arrive),
      cmocka_unit_test(with_segmentation_all_arrive),
      cmocka_unit_test(with_disable_gso_all_arrive),
      cmocka_unit_test(with_and_without_joining_all_arrive),
      cmocka_unit_test(with_one_datagram_a_system_call_all_arrive),
      cmocka_unit_test(the_library_has_the_version_of_its_header),
  };
  return cmocka_run_group_tests_name("environment", tests, NULL, NULL);
}
