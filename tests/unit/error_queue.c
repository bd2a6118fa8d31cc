/*
 * Messages of the error queue: which are ICMP errors, what they say, and that nothing behind their
 * bounds is read. The kernel makes them; the forms here are those of ip_recv_error() and
 * ipv6_recv_error(), as they were observed (netns/icmp_event.c), and broken ones.
 */
#include "error_queue.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <linux/errqueue.h>

#include "unit/random.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* A message under construction; its control bytes are allocated, so that sanitizers see bounds. */
static struct msghdr message;
static union dgram__address name;

static void begin(void) {
  free(message.msg_control);
  memset(&message, 0, sizeof message);
  dgram__address_loopback(&name, AF_INET, 4000);
  message.msg_name = &name;
  message.msg_namelen = dgram__address_length(&name);
}

/* Adds a control message; `size` bytes of data. */
static void add(int level, int type, const void *data, size_t size) {
  size_t before = message.msg_controllen;
  char *grown = calloc(1, before + CMSG_SPACE(size));
  assert_non_null(grown);
  if (before > 0)
    memcpy(grown, message.msg_control, before);
  struct cmsghdr header = {
      .cmsg_len = (socklen_t)CMSG_LEN(size), .cmsg_level = level, .cmsg_type = type};
  memcpy(grown + before, &header, sizeof header);
  if (size > 0)
    memcpy(grown + before + CMSG_LEN(0), data, size);
  free(message.msg_control);
  message.msg_control = grown;
  message.msg_controllen = (socklen_t)(before + CMSG_SPACE(size));
}

struct form {
  struct sock_extended_err error;
  union dgram__address offender;
};

static struct form form_of(int origin, int type, int code, int errno_code, unsigned info) {
  struct form form = {.error = {.ee_errno = (uint32_t)errno_code,
                                .ee_origin = (uint8_t)origin,
                                .ee_type = (uint8_t)type,
                                .ee_code = (uint8_t)code,
                                .ee_info = info}};
  dgram__address_loopback(&form.offender, origin == SO_EE_ORIGIN_ICMP6 ? AF_INET6 : AF_INET, 77);
  return form;
}

static size_t size_of(const struct form *form) {
  return offsetof(struct form, offender) + dgram__address_length(&form->offender);
}

static void an_icmp_error_is_read(void **state) {
  struct dgram__icmp_error icmp;
  struct form form = form_of(SO_EE_ORIGIN_ICMP, 3, 3, ECONNREFUSED, 0);
  begin();
  add(IPPROTO_IP, IP_RECVERR, &form, size_of(&form));
  assert_int_equal(dgram__error_queue_parse(&message, &icmp), DGRAM__QUEUED_ICMP);
  assert_int_equal(icmp.family, AF_INET);
  assert_int_equal(icmp.type, 3);
  assert_int_equal(icmp.code, 3);
  assert_int_equal(icmp.mtu, 0);
  assert_int_equal(icmp.error, UV_ECONNREFUSED);
  assert_true(dgram__address_equal(&icmp.peer, &name));
  dgram__address_set_port(&form.offender, 0);
  assert_true(dgram__address_equal(&icmp.reporter, &form.offender));
}

static void the_mtu_is_read_where_a_packet_was_too_big(void **state) {
  static const struct {
    int origin, type, code;
    unsigned info;
    int mtu;
  } cases[] = {
      {SO_EE_ORIGIN_ICMP, 3, 4, 1300, 1300}, {SO_EE_ORIGIN_ICMP6, 2, 0, 1280, 1280},
      {SO_EE_ORIGIN_ICMP, 3, 4, 0, 0},       {SO_EE_ORIGIN_ICMP, 3, 4, UINT32_MAX, 0},
      {SO_EE_ORIGIN_ICMP, 12, 0, 20, 0}, /* a pointer */
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    struct dgram__icmp_error icmp;
    struct form form =
        form_of(cases[i].origin, cases[i].type, cases[i].code, EMSGSIZE, cases[i].info);
    bool v6 = cases[i].origin == SO_EE_ORIGIN_ICMP6;
    begin();
    add(v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVERR : IP_RECVERR, &form, size_of(&form));
    assert_int_equal(dgram__error_queue_parse(&message, &icmp), DGRAM__QUEUED_ICMP);
    assert_int_equal(icmp.mtu, cases[i].mtu);
  }
}

static void other_messages_are_no_icmp_errors(void **state) {
  static const int origins[] = {
      SO_EE_ORIGIN_NONE,     SO_EE_ORIGIN_LOCAL, SO_EE_ORIGIN_TIMESTAMPING,
      SO_EE_ORIGIN_ZEROCOPY, 6 /* TXTIME */,     255};
  struct dgram__icmp_error icmp;
  for (size_t i = 0; i < COUNT(origins); i++) {
    struct form form = form_of(origins[i], 3, 4, EMSGSIZE, 1300);
    begin();
    add(IPPROTO_IP, IP_RECVERR, &form, size_of(&form));
    assert_int_equal(dgram__error_queue_parse(&message, &icmp), DGRAM__QUEUED_OTHER);
  }
  struct form form = form_of(SO_EE_ORIGIN_ICMP, 3, 4, EMSGSIZE, 1300);
  begin();
  assert_int_equal(dgram__error_queue_parse(&message, &icmp), DGRAM__QUEUED_OTHER);
  add(SOL_SOCKET, IP_RECVERR, &form, size_of(&form));
  add(IPPROTO_IP, IPV6_RECVERR, &form, size_of(&form));
  assert_int_equal(dgram__error_queue_parse(&message, &icmp), DGRAM__QUEUED_OTHER);
  add(IPPROTO_IP, IP_RECVERR, &form, size_of(&form)); /* behind others */
  assert_int_equal(dgram__error_queue_parse(&message, &icmp), DGRAM__QUEUED_ICMP);
}

static void what_is_cut_off_is_unknown(void **state) {
  struct form form = form_of(SO_EE_ORIGIN_ICMP, 3, 3, ECONNREFUSED, 0);
  for (size_t size = 0; size <= size_of(&form); size++) {
    struct dgram__icmp_error icmp;
    begin();
    add(IPPROTO_IP, IP_RECVERR, &form, size);
    bool whole = size >= sizeof form.error;
    assert_int_equal(dgram__error_queue_parse(&message, &icmp),
                     whole ? DGRAM__QUEUED_ICMP : DGRAM__QUEUED_OTHER);
    if (whole)
      assert_int_equal(icmp.reporter.any.sa_family, size == size_of(&form) ? AF_INET : AF_UNSPEC);
  }
  struct dgram__icmp_error icmp;
  begin();
  add(IPPROTO_IP, IP_RECVERR, &form, size_of(&form));
  message.msg_namelen = 0;
  assert_int_equal(dgram__error_queue_parse(&message, &icmp), DGRAM__QUEUED_ICMP);
  assert_int_equal(icmp.peer.any.sa_family, AF_UNSPEC);
  message.msg_name = NULL;
  assert_int_equal(dgram__error_queue_parse(&message, &icmp), DGRAM__QUEUED_ICMP);
  assert_int_equal(icmp.peer.any.sa_family, AF_UNSPEC);
}

/* Sanitizers and valgrind see what is read. */
static void any_bytes_are_read_within_their_bounds(void **state) {
  uint32_t seed = 1;
  for (int round = 0; round < 20000; round++) {
    struct dgram__icmp_error icmp;
    size_t size = random_below(&seed, 96);
    struct form form = form_of(SO_EE_ORIGIN_ICMP, 3, 3, ECONNREFUSED, 0);
    begin();
    message.msg_control = calloc(1, size + 1);
    message.msg_controllen = (socklen_t)size;
    assert_non_null(message.msg_control);
    for (size_t i = 0; i < size; i++)
      ((char *)message.msg_control)[i] = (char)random_below(&seed, 256);
    if (size >= sizeof(struct cmsghdr)) {
      struct cmsghdr header = {
          .cmsg_len = random_below(&seed, 128), .cmsg_level = IPPROTO_IP, .cmsg_type = IP_RECVERR};
      memcpy(message.msg_control, &header, sizeof header);
    }
    if (size >= CMSG_LEN(sizeof form.error) && random_below(&seed, 2) == 0)
      memcpy((char *)message.msg_control + CMSG_LEN(0), &form, sizeof form.error);
    (void)dgram__error_queue_parse(&message, &icmp);
  }
  begin();
}

static void each_type_and_code_has_a_kind(void **state) {
  static const struct {
    int family, type, code;
    dgram_icmp_kind_t kind;
  } cases[] = {
      {AF_INET, 3, 0, DGRAM_ICMP_NETWORK_UNREACHABLE},
      {AF_INET, 3, 1, DGRAM_ICMP_HOST_UNREACHABLE},
      {AF_INET, 3, 2, DGRAM_ICMP_PROTOCOL_UNREACHABLE},
      {AF_INET, 3, 3, DGRAM_ICMP_PORT_UNREACHABLE},
      {AF_INET, 3, 4, DGRAM_ICMP_PACKET_TOO_BIG},
      {AF_INET, 3, 5, DGRAM_ICMP_OTHER},
      {AF_INET, 3, 6, DGRAM_ICMP_NETWORK_UNREACHABLE},
      {AF_INET, 3, 7, DGRAM_ICMP_HOST_UNREACHABLE},
      {AF_INET, 3, 9, DGRAM_ICMP_PROHIBITED},
      {AF_INET, 3, 10, DGRAM_ICMP_PROHIBITED},
      {AF_INET, 3, 11, DGRAM_ICMP_NETWORK_UNREACHABLE},
      {AF_INET, 3, 12, DGRAM_ICMP_HOST_UNREACHABLE},
      {AF_INET, 3, 13, DGRAM_ICMP_PROHIBITED},
      {AF_INET, 3, 15, DGRAM_ICMP_PROHIBITED},
      {AF_INET, 3, 16, DGRAM_ICMP_OTHER},
      {AF_INET, 4, 0, DGRAM_ICMP_OTHER},
      {AF_INET, 11, 0, DGRAM_ICMP_TIME_EXCEEDED},
      {AF_INET, 11, 1, DGRAM_ICMP_TIME_EXCEEDED},
      {AF_INET, 12, 0, DGRAM_ICMP_PARAMETER_PROBLEM},
      {AF_INET, 2, 0, DGRAM_ICMP_OTHER},
      {AF_INET6, 1, 0, DGRAM_ICMP_NETWORK_UNREACHABLE},
      {AF_INET6, 1, 1, DGRAM_ICMP_PROHIBITED},
      {AF_INET6, 1, 2, DGRAM_ICMP_NETWORK_UNREACHABLE},
      {AF_INET6, 1, 3, DGRAM_ICMP_HOST_UNREACHABLE},
      {AF_INET6, 1, 4, DGRAM_ICMP_PORT_UNREACHABLE},
      {AF_INET6, 1, 5, DGRAM_ICMP_PROHIBITED},
      {AF_INET6, 1, 6, DGRAM_ICMP_PROHIBITED},
      {AF_INET6, 1, 7, DGRAM_ICMP_OTHER},
      {AF_INET6, 2, 0, DGRAM_ICMP_PACKET_TOO_BIG},
      {AF_INET6, 3, 0, DGRAM_ICMP_TIME_EXCEEDED},
      {AF_INET6, 4, 1, DGRAM_ICMP_PARAMETER_PROBLEM},
      {AF_INET6, 11, 0, DGRAM_ICMP_OTHER},
  };
  for (size_t i = 0; i < COUNT(cases); i++)
    assert_int_equal(dgram__icmp_kind(cases[i].family, cases[i].type, cases[i].code),
                     cases[i].kind);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_icmp_error_is_read),
      cmocka_unit_test(the_mtu_is_read_where_a_packet_was_too_big),
      cmocka_unit_test(other_messages_are_no_icmp_errors),
      cmocka_unit_test(what_is_cut_off_is_unknown),
      cmocka_unit_test(any_bytes_are_read_within_their_bounds),
      cmocka_unit_test(each_type_and_code_has_a_kind),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
