/*
 * Control messages that no kernel writes. What the kernel's say is tested by socket/receive_info.
 */
#include "rx_info.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/time.h>

#include <cmocka.h>

static void read_one(struct dgram__rx_info *info, int level, int type, const void *data,
                     size_t size) {
  union {
    struct cmsghdr align;
    char bytes[128];
  } control = {.bytes = {0}};
  struct msghdr message = {.msg_control = &control, .msg_controllen = (socklen_t)CMSG_SPACE(size)};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = level;
  header->cmsg_type = type;
  header->cmsg_len = (socklen_t)CMSG_LEN(size);
  memcpy(CMSG_DATA(header), data, size);
  dgram__rx_info_read(info, &message, DGRAM_INFO_ALL, AF_INET, 1);
}

static void a_timestamp_in_microseconds_that_is_no_time_wraps(void **state) {
  struct dgram__rx_info info;
  struct timeval time = {.tv_sec = 2, .tv_usec = 3};
  read_one(&info, SOL_SOCKET, SO_TIMESTAMP, &time, sizeof time);
  assert_int_equal(info.facts.timestamp_ns, 2000003000);
  memset(&time, 0x80, sizeof time);
  read_one(&info, SOL_SOCKET, SO_TIMESTAMP, &time, sizeof time);
  assert_true((info.facts.flags & DGRAM_INFO_TIMESTAMP) != 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_timestamp_in_microseconds_that_is_no_time_wraps),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
