/* Which options of a group are in order. */
#include "group_options.h"

#include <stdbool.h>

_Static_assert(sizeof(dgram_group_options_t) ==
                   offsetof(dgram_group_options_t, context) + sizeof(void *),
               "With more members, read_options() takes the size of version 0.3, too.");

enum { LARGEST_PAYLOAD = 65527 }; /* over IPv6 */

static bool group_options_is_steering(const dgram_group_options_t *options) {
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

static int group_options_read_options(dgram_group_options_t *options,
                                      const dgram_group_options_t *given) {
  if (given->struct_size != sizeof *options)
    return UV_EINVAL;
  *options = *given;
  if (options->socket == NULL || options->on_start == NULL || !group_options_is_steering(options))
    return UV_EINVAL;
  if (options->threads < 0 || options->threads > DGRAM_GROUP_THREADS)
    return UV_EINVAL;
  if (options->threads == 0) {
    unsigned cpus = uv_available_parallelism();
    options->threads = cpus < DGRAM_GROUP_THREADS ? (int)cpus : DGRAM_GROUP_THREADS;
  }
  return 0;
}

static int group_options_read_socket_options(dgram_options_t *options,
                                             const dgram_options_t *given) {
  if (given->struct_size != sizeof *options)
    return UV_EINVAL;
  *options = *given;
  options->reuse_port = 1;
  return options->signal != NULL || options->defer != NULL ? UV_EINVAL : 0;
}

int dgram__group_read_options(dgram_group_options_t *options, dgram_options_t *socket,
                              const dgram_group_options_t *given) {
  int err = group_options_read_options(options, given);
  return err == 0 ? group_options_read_socket_options(socket, options->socket) : err;
}
