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
static void all_arrive(uv_loop_t *loop, const dgram_options_t *options) {
  begin_round(loop);
  int port;
  int received = 0;
  int sent = 0;
  new_roomy(loop, check_bytes, &received, &port);
  dgram_socket_t *sender = new_with(loop, options);
  for (int i = 0; i < SENDS; i++) {
    memset(bytes[i], i, SIZE);
    assert_int_equal(dgram_send(sender, bytes[i], SIZE, port, NULL, count_sent, &sent), 0);
  }
  run_until(loop, &received, SENDS);
  run_until(loop, &sent, SENDS);
}

static void all_arrive_with(uv_loop_t *loop, const char *name, const char *value) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  const char *present = getenv(name);
  char *before = present != NULL ? strdup(present) : NULL;
  assert_int_equal(setenv(name, value, 1), 0);
  all_arrive(loop, &options);
  if (before != NULL)
    setenv(name, before, 1);
  else
    unsetenv(name);
  free(before);
}

TEST("without segmentation all datagrams arrive") {
  all_arrive_with(loop, "DGRAM_GSO", "0");
}

TEST("with segmentation all datagrams arrive") {
  all_arrive_with(loop, "DGRAM_GSO", "1");
  all_arrive_with(loop, "DGRAM_GSO", "");
}

TEST("with disable_gso all datagrams arrive") {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.disable_gso = 1;
  all_arrive(loop, &options);
}

TEST("with and without joining all datagrams arrive") {
  all_arrive_with(loop, "DGRAM_GRO", "0");
  all_arrive_with(loop, "DGRAM_GRO", "1");
}

TEST("with one datagram a system call all datagrams arrive") {
  all_arrive_with(loop, "DGRAM_MMSG", "0");
  all_arrive_with(loop, "DGRAM_MMSG", "");
}

TEST("the library has the version of its header") {
  char version[32];
  snprintf(version, sizeof version, "%d.%d.%d", DGRAM_VERSION_MAJOR, DGRAM_VERSION_MINOR,
           DGRAM_VERSION_PATCH);
  assert_string_equal(dgram_version(), version);
}
