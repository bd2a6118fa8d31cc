/* Which options of a group are in order. */
#include "group_options.h"

#include <stdbool.h>
#include <string.h>

/* What dgram_group_options_t ended with in version 0.3, the first that has it. */
#define OPTIONS_SIZE_0_3 (offsetof(dgram_group_options_t, context) + sizeof(void *))

/* And dgram_options_t in that version. */
#define SOCKET_OPTIONS_SIZE_0_3 (offsetof(dgram_options_t, low_latency) + sizeof(int))

enum { LARGEST_PAYLOAD = 65527 }; /* over IPv6 */

static bool is_steering(const dgram_group_options_t *options) {
  int width = options->payload_width;
  switch (options->steer) {
  case DGRAM_STEER_FLOW:
  case DGRAM_STEER_CPU:
    return true;
  case DGRAM_STEER_PAYLOAD:
    return (width == 1 || width == 2 || width == 4) && options->payload_offset >= 0 &&
           options->payload_offset <= LARGEST_PAYLOAD - width;
  }
  return false;
}

/* Reads the members that the program knew when it was compiled; the others have their default. */
static int read_options(dgram_group_options_t *options, const dgram_group_options_t *given) {
  if (given->struct_size < OPTIONS_SIZE_0_3 || given->struct_size > sizeof *options)
    return UV_EINVAL;
  *options = dgram_default_group_options(NULL, NULL, NULL);
  memcpy(options, given, given->struct_size);
  if (options->socket == NULL || options->on_start == NULL || !is_steering(options))
    return UV_EINVAL;
  if (options->threads < 0 || options->threads > DGRAM_GROUP_THREADS)
    return UV_EINVAL;
  if (options->threads == 0) {
    unsigned cpus = uv_available_parallelism();
    options->threads = cpus < DGRAM_GROUP_THREADS ? (int)cpus : DGRAM_GROUP_THREADS;
  }
  return 0;
}

static int read_socket_options(dgram_options_t *options, const dgram_options_t *given) {
  if (given->struct_size < SOCKET_OPTIONS_SIZE_0_3 || given->struct_size > sizeof *options)
    return UV_EINVAL;
  *options = dgram_default_options(given->type);
  memcpy(options, given, given->struct_size);
  options->struct_size = sizeof *options;
  options->reuse_port = 1;
  return options->signal != NULL || options->defer != NULL ? UV_EINVAL : 0;
}

int dgram__group_read_options(dgram_group_options_t *options, dgram_options_t *socket,
                              const dgram_group_options_t *given) {
  int err = read_options(options, given);
  return err == 0 ? read_socket_options(socket, options->socket) : err;
}
