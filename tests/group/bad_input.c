/* Arguments of <dgram_group.h> that are refused, before anything happens. */
#include "lib/group_fixture.h"
#include "lib/refusals.h"

static int never_start(dgram_group_t *group, int index, dgram_socket_t *socket, void *context) {
  counts[index].failures++;
  return 0;
}

/* Starts a group with options that are changed, of it or of its sockets; it must be refused. */
static int start(void (*change)(dgram_group_options_t *options, int number), int number) {
  dgram_group_t *group = (dgram_group_t *)counts; /* not NULL */
  group_socket = dgram_default_options(DGRAM_UDP4);
  dgram_group_options_t options = answering(2);
  options.on_start = never_start;
  change(&options, number);
  int err = dgram_group_start(&options, &group);
  assert_null(group);
  assert_int_equal(counts[0].failures, 0);
  return err;
}

static void without_on_start(dgram_group_options_t *options, int number) {
  options->on_start = NULL;
}

static void without_socket(dgram_group_options_t *options, int number) {
  options->socket = NULL;
}

static void with_size(dgram_group_options_t *options, int size) {
  options->struct_size = (size_t)size;
}

static void with_size_of_socket(dgram_group_options_t *options, int size) {
  group_socket.struct_size = (size_t)size;
}

static void with_threads(dgram_group_options_t *options, int threads) {
  options->threads = threads;
}

static void with_steer(dgram_group_options_t *options, int steer) {
  options->steer = (dgram_steer_t)steer;
}

/* A number of 1 byte at this offset of the payload, or of this width at offset 0. */
static void with_offset(dgram_group_options_t *options, int offset) {
  options->steer = DGRAM_STEER_PAYLOAD;
  options->payload_offset = offset;
  options->payload_width = 1;
}

static void with_width(dgram_group_options_t *options, int width) {
  with_offset(options, 0);
  options->payload_width = width;
}

static void with_offset_of_4_bytes(dgram_group_options_t *options, int offset) {
  with_offset(options, offset);
  options->payload_width = 4;
}

static int defer_nothing(dgram_task_t *task, void *context) {
  return 0;
}

static void with_defer(dgram_group_options_t *options, int number) {
  group_socket.defer = defer_nothing;
}

static dgram_abort_signal_t *abort_signal;

static void with_signal(dgram_group_options_t *options, int number) {
  group_socket.signal = abort_signal;
}

TEST("an argument of a group that is missing, unknown or out of range is refused") {
  dgram_group_options_t options = answering(2);
  dgram_group_t *none = (dgram_group_t *)counts; /* not NULL */
  dgram_address_t address;
  dgram_group_t *group = start_group(&options);
  assert_int_equal(dgram_abort_signal_create(&abort_signal), 0);
  ASSERT_REFUSED(
      REFUSED(UV_EINVAL, dgram_group_start(&options, NULL)),
      REFUSED(UV_EINVAL, dgram_group_start(NULL, &none)),
      REFUSED(UV_EINVAL, start(without_on_start, 0)), REFUSED(UV_EINVAL, start(without_socket, 0)),
      REFUSED(UV_EINVAL, start(with_threads, -1)),
      REFUSED(UV_EINVAL, start(with_threads, DGRAM_GROUP_THREADS + 1)),
      REFUSED(UV_EINVAL, start(with_steer, DGRAM_STEER_PAYLOAD + 1)),
      REFUSED(UV_EINVAL, start(with_width, 0)), REFUSED(UV_EINVAL, start(with_width, 3)),
      REFUSED(UV_EINVAL, start(with_width, 8)), REFUSED(UV_EINVAL, start(with_width, -1)),
      REFUSED(UV_EINVAL, start(with_offset, -1)), REFUSED(UV_EINVAL, start(with_offset, 65527)),
      REFUSED(UV_EINVAL, start(with_offset_of_4_bytes, 65524)),
      REFUSED(UV_EINVAL, start(with_defer, 0)), /* it is for one thread */
      REFUSED(UV_EINVAL, start(with_signal, 0)),
      REFUSED(UV_EINVAL, dgram_group_address(NULL, &address)),
      REFUSED(UV_EINVAL, dgram_group_address(group, NULL)),
      REFUSED(UV_EINVAL, dgram_group_post(NULL, 0, count_stop, NULL)),
      REFUSED(UV_EINVAL, dgram_group_post(group, -1, count_stop, NULL)),
      REFUSED(UV_EINVAL, dgram_group_post(group, 2, count_stop, NULL)),
      REFUSED(UV_EINVAL, dgram_group_post(group, 0, NULL, NULL)));
  assert_null(none);
  dgram_abort_signal_free(abort_signal);
}

/* The options of a socket may be those of an older header: they end where a member begins. */
static int is_size_of_socket(int size) {
  return size >= (int)offsetof(dgram_options_t, lookup) && size <= (int)sizeof(dgram_options_t) &&
         size % 4 == 0;
}

TEST("a size of options that is not the one of a header is refused") {
  for (int size = 0; size <= (int)sizeof(dgram_group_options_t) + 1; size++)
    if (size != sizeof(dgram_group_options_t))
      assert_int_equal(start(with_size, size), UV_EINVAL);
  for (int size = 0; size <= (int)sizeof(dgram_options_t) + 1; size++)
    if (!is_size_of_socket(size))
      assert_int_equal(start(with_size_of_socket, size), UV_EINVAL);
}

static void ignore_lookup(dgram_lookup_t *lookup, const char *host, dgram_type_t type,
                          void *context) {
}

TEST("each thread of a group may have a look-up of the program's") {
  dgram_group_options_t options = answering(2);
  group_socket.lookup = ignore_lookup;
  start_group(&options);
}

TEST("calls that return no error do nothing with NULL") {
  assert_int_equal(dgram_group_stop(NULL), 0);
  assert_int_equal(dgram_group_size(NULL), 0);
}
