/* Arguments that are refused, before anything happens. */
#include "group_test.h"

static int never_start(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  places[index].failures++;
  return 0;
}

static dgram_options_t socket_options;

static dgram_group_options_t plain(void) {
  socket_options = dgram_default_options(DGRAM_UDP4);
  dgram_group_options_t options = dgram_default_group_options(&socket_options, never_start, NULL);
  options.address = "127.0.0.1";
  options.threads = 2;
  return options;
}

static void assert_refused(const dgram_group_options_t *options) {
  dgram_group_t *group = (dgram_group_t *)places; /* not NULL */
  assert_int_equal(dgram_group_start(options, &group), UV_EINVAL);
  assert_null(group);
}

static void null_is_refused(void **state) {
  dgram_group_options_t options = plain();
  assert_int_equal(dgram_group_start(&options, NULL), UV_EINVAL);
  assert_refused(NULL);
  options.on_start = NULL;
  assert_refused(&options);
  options = plain();
  options.socket = NULL;
  assert_refused(&options);
}

static void sizes_that_are_not_those_of_this_header_are_refused(void **state) {
  dgram_group_options_t options = plain();
  for (size_t size = 0; size < sizeof options; size++) {
    options.struct_size = size;
    assert_refused(&options);
  }
  options.struct_size = sizeof options + 1;
  assert_refused(&options);
  options = plain();
  for (size_t size = 0; size < sizeof socket_options; size++) {
    socket_options.struct_size = size;
    assert_refused(&options);
  }
  socket_options.struct_size = sizeof socket_options + 1;
  assert_refused(&options);
}

static void what_is_out_of_range_is_refused(void **state) {
  dgram_group_options_t options = plain();
  options.threads = -1;
  assert_refused(&options);
  options.threads = DGRAM_GROUP_THREADS + 1;
  assert_refused(&options);
  options = plain();
  options.steer = (dgram_steer_t)(DGRAM_STEER_PAYLOAD + 1);
  assert_refused(&options);
}

static void numbers_that_no_payload_has_are_refused(void **state) {
  static const struct {
    int offset;
    int width;
  } cases[] = {{0, 0}, {0, 3}, {0, 8}, {0, -1}, {-1, 1}, {65527, 1}, {65524, 4}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    dgram_group_options_t options = plain();
    options.steer = DGRAM_STEER_PAYLOAD;
    options.payload_offset = cases[i].offset;
    options.payload_width = cases[i].width;
    assert_refused(&options);
  }
}

static void ignore_lookup(dgram_lookup_t *lookup, const char *host, dgram_type_t type,
                          void *context) {
}

static int put_off_nothing(dgram_task_t *task, void *context) {
  return 0;
}

/* A look-up of its own each thread may have. */
static void what_is_for_one_thread_is_refused(void **state) {
  dgram_group_options_t options = plain();
  socket_options.defer = put_off_nothing;
  assert_refused(&options);
  options = plain();
  assert_int_equal(dgram_abort_signal_create(&socket_options.signal), 0);
  assert_refused(&options);
  dgram_abort_signal_free(socket_options.signal);
  options = answering(&socket_options, 2);
  socket_options = dgram_default_options(DGRAM_UDP4);
  socket_options.lookup = ignore_lookup;
  stop_group(start_group(&options));
}

static void calls_on_null_do_nothing(void **state) {
  dgram_address_t address;
  assert_int_equal(dgram_group_stop(NULL), 0);
  assert_int_equal(dgram_group_size(NULL), 0);
  assert_int_equal(dgram_group_address(NULL, &address), UV_EINVAL);
  assert_int_equal(dgram_group_post(NULL, 0, count_stop, NULL), UV_EINVAL);
}

static void calls_with_bad_arguments_are_refused(void **state) {
  dgram_group_options_t options = plain();
  options.on_start = start_answering;
  options.on_stop = count_stop;
  dgram_group_t *group = start_group(&options);
  assert_int_equal(dgram_group_address(group, NULL), UV_EINVAL);
  assert_int_equal(dgram_group_post(group, -1, count_stop, NULL), UV_EINVAL);
  assert_int_equal(dgram_group_post(group, 2, count_stop, NULL), UV_EINVAL);
  assert_int_equal(dgram_group_post(group, 0, NULL, NULL), UV_EINVAL);
  stop_group(group);
}

static int check_nothing_started(void **state) {
  for (int i = 0; i < MOST_PLACES; i++)
    if (places[i].failures != 0)
      return -1;
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(null_is_refused),
      cmocka_unit_test(sizes_that_are_not_those_of_this_header_are_refused),
      cmocka_unit_test(what_is_out_of_range_is_refused),
      cmocka_unit_test(numbers_that_no_payload_has_are_refused),
      cmocka_unit_test(what_is_for_one_thread_is_refused),
      cmocka_unit_test(calls_on_null_do_nothing),
      cmocka_unit_test(calls_with_bad_arguments_are_refused),
  };
  return cmocka_run_group_tests_name("bad_input", tests, NULL, check_nothing_started);
}
