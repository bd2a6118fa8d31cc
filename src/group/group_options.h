/*
 * The options of a group, as a program gives them. Floor 3.
 */
#ifndef DGRAM_GROUP_OPTIONS_H
#define DGRAM_GROUP_OPTIONS_H

#include <dgram_group.h>

/*
 * Reads the options and those of its sockets, which share their port. `threads` is then their
 * number. Returns 0 or UV_EINVAL.
 */
int dgram__group_read_options(dgram_group_options_t *options, dgram_options_t *socket,
                              const dgram_group_options_t *given);

#endif
