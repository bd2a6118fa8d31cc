/* Bad arguments of the four calls of groups get their documented code, and change nothing. */
#include "lib/fixture.h"

typedef int join_fn(dgram_socket_t *socket, const char *group, const char *interface);
typedef int source_fn(dgram_socket_t *socket, const char *source, const char *group,
                      const char *interface);

static join_fn *const joins[] = {dgram_add_membership, dgram_drop_membership};
static source_fn *const sources[] = {dgram_add_source_specific_membership,
                                     dgram_drop_source_specific_membership};

/* The four calls return this, and the unbound socket stays unbound. */
static void assert_all(dgram_type_t type, const char *source, const char *group,
                       const char *interface, int code) {
  uv_loop_t *loop = open_loop();
  dgram_address_t address;
  dgram_socket_t *socket = new_socket(loop, type, NULL, NULL);
  trace_events(socket);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(joins[i](socket, group, interface), code);
    assert_int_equal(sources[i](socket, source, group, interface), code);
  }
  settle(loop);
  assert_int_equal(dgram_address(socket, &address), UV_EBADF);
  assert_trace("");
  close_socket(socket);
  close_loop(loop);
}

static void a_group_that_is_no_address_is_einval(void **state) {
  static const char *const groups[] = {"224.0.0", "group", "224.0.0.1:80", " 224.0.0.1",
                                       "256.0.0.1"};
  for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
    assert_all(DGRAM_UDP4, "127.0.0.1", groups[i], "127.0.0.1", UV_EINVAL);
}

/* What only the kernel can tell is asked of a bound socket; leaving without a source by itself. */
static void assert_kernel_refuses(dgram_type_t type, const char *source, const char *group,
                                  const char *interface, int code, int leave_code) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, type, NULL, NULL);
  bind_now(socket, NULL);
  assert_int_equal(dgram_add_membership(socket, group, interface), code);
  assert_int_equal(dgram_drop_membership(socket, group, interface), leave_code);
  for (int i = 0; i < 2; i++)
    assert_int_equal(sources[i](socket, source, group, interface), code);
  close_socket(socket);
  close_loop(loop);
}

static void a_group_of_ipv6_on_a_udp4_socket_is_enoprotoopt(void **state) {
  skip_without_ipv6();
  assert_kernel_refuses(DGRAM_UDP4, "::1", "ff02::1234", NULL, UV_ENOPROTOOPT, UV_ENOPROTOOPT);
  assert_kernel_refuses(DGRAM_UDP4, "::1", "ff02::1234", "::%lo", UV_ENOPROTOOPT, UV_ENOPROTOOPT);
  assert_kernel_refuses(DGRAM_UDP4, "::1", "ff02::1%nosuchif", "lo", UV_ENOPROTOOPT,
                        UV_ENOPROTOOPT);
}

static void a_source_of_another_family_than_the_group_is_einval(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_address_t address;
  skip_without_ipv6();
  for (int i = 0; i < 2; i++) {
    dgram_socket_t *socket = new_socket(loop, i == 0 ? DGRAM_UDP4 : DGRAM_UDP6, NULL, NULL);
    for (int j = 0; j < 2; j++) {
      assert_int_equal(sources[j](socket, "127.0.0.1", "ff3e::1234", NULL), UV_EINVAL);
      assert_int_equal(sources[j](socket, "::1", "232.1.2.3", NULL), UV_EINVAL);
    }
    assert_int_equal(dgram_address(socket, &address), UV_EBADF);
    close_socket(socket);
  }
  close_loop(loop);
}

static void a_group_that_is_not_multicast_is_refused_by_the_kernel(void **state) {
  assert_kernel_refuses(DGRAM_UDP4, "127.0.0.1", "10.0.0.1", "127.0.0.1", UV_EINVAL,
                        UV_EADDRNOTAVAIL);
}

static void a_group_of_ipv6_that_is_not_multicast_is_einval(void **state) {
  skip_without_ipv6();
  assert_kernel_refuses(DGRAM_UDP6, "::1", "::2", "lo", UV_EINVAL, UV_EINVAL);
}

static void an_interface_that_is_no_address_is_einval(void **state) {
  static const char *const interfaces[] = {"", "127.0.0", "no such interface", "::1", "::%lo"};
  for (size_t i = 0; i < sizeof interfaces / sizeof *interfaces; i++)
    assert_all(DGRAM_UDP4, "127.0.0.1", "232.1.2.3", interfaces[i], UV_EINVAL);
}

static void an_interface_of_ipv6_that_is_no_address_is_einval(void **state) {
  static const char *const interfaces[] = {"", "127.0.0.1", "no such interface", "::g"};
  skip_without_ipv6();
  for (size_t i = 0; i < sizeof interfaces / sizeof *interfaces; i++)
    assert_all(DGRAM_UDP6, "::1", "ff3e::1234", interfaces[i], UV_EINVAL);
}

static void a_zone_that_does_not_exist_is_the_systems_choice(void **state) {
  static const char *const zones[] = {"::%nosuchif", "::%4294967295", "::%", "::1"};
  skip_without_ipv6();
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP6, NULL, NULL);
  int expected = dgram_add_membership(socket, "ff02::1234", NULL);
  if (expected == 0)
    assert_int_equal(dgram_drop_membership(socket, "ff02::1234", NULL), 0);
  for (size_t i = 0; i < sizeof zones / sizeof *zones; i++) {
    assert_int_equal(dgram_add_membership(socket, "ff02::1234", zones[i]), expected);
    if (expected == 0)
      assert_int_equal(dgram_drop_membership(socket, "ff02::1234%nosuchif", NULL), 0);
  }
  close_socket(socket);
  close_loop(loop);
}

/* Only the kernel knows which interface has an address, so the socket must be bound. */
static void an_address_that_no_interface_has_is_enodev(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_add_membership(socket, "224.0.0.114", "203.0.113.9"), UV_ENODEV);
  assert_int_equal(
      dgram_add_source_specific_membership(socket, "127.0.0.1", "232.1.2.3", "203.0.113.9"),
      UV_ENODEV);
  close_socket(socket);
  close_loop(loop);
}

static void a_missing_group_is_an_error_of_its_own(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_address_t address;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(joins[i](socket, NULL, "127.0.0.1"), DGRAM_ERR_MISSING_ARGS);
    assert_int_equal(joins[i](socket, "", "127.0.0.1"), DGRAM_ERR_MISSING_ARGS);
    assert_int_equal(sources[i](socket, "127.0.0.1", NULL, "127.0.0.1"), UV_EINVAL);
    assert_int_equal(sources[i](socket, "127.0.0.1", "", "127.0.0.1"), UV_EINVAL);
  }
  assert_int_equal(dgram_address(socket, &address), UV_EBADF);
  close_socket(socket);
  close_loop(loop);
}

static void a_source_that_is_no_address_of_the_family_is_einval(void **state) {
  static const char *const texts[] = {NULL, "", "source", "::1", "::1%lo", "127.0.0"};
  uv_loop_t *loop = open_loop();
  dgram_address_t address;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    for (int j = 0; j < 2; j++)
      assert_int_equal(sources[j](socket, texts[i], "232.1.2.3", "127.0.0.1"), UV_EINVAL);
  assert_int_equal(dgram_address(socket, &address), UV_EBADF);
  close_socket(socket);
  close_loop(loop);
}

static void a_closed_socket_is_refused(void **state) {
  uv_loop_t *loop = open_loop();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  close_socket(socket);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(joins[i](socket, "224.0.0.114", NULL), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
    assert_int_equal(joins[i](socket, NULL, NULL), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
    assert_int_equal(sources[i](socket, "127.0.0.1", "232.1.2.3", NULL),
                     DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  }
  close_loop(loop);
}

static void no_socket_is_einval(void **state) {
  for (int i = 0; i < 2; i++) {
    assert_int_equal(joins[i](NULL, "224.0.0.114", NULL), UV_EINVAL);
    assert_int_equal(sources[i](NULL, "127.0.0.1", "232.1.2.3", NULL), UV_EINVAL);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_group_that_is_no_address_is_einval),
      cmocka_unit_test(a_group_of_ipv6_on_a_udp4_socket_is_enoprotoopt),
      cmocka_unit_test(a_source_of_another_family_than_the_group_is_einval),
      cmocka_unit_test(a_group_that_is_not_multicast_is_refused_by_the_kernel),
      cmocka_unit_test(a_group_of_ipv6_that_is_not_multicast_is_einval),
      cmocka_unit_test(an_interface_that_is_no_address_is_einval),
      cmocka_unit_test(an_interface_of_ipv6_that_is_no_address_is_einval),
      cmocka_unit_test(a_zone_that_does_not_exist_is_the_systems_choice),
      cmocka_unit_test(an_address_that_no_interface_has_is_enodev),
      cmocka_unit_test(a_missing_group_is_an_error_of_its_own),
      cmocka_unit_test(a_source_that_is_no_address_of_the_family_is_einval),
      cmocka_unit_test(a_closed_socket_is_refused),
      cmocka_unit_test(no_socket_is_einval),
  };
  return cmocka_run_group_tests_name("membership_arguments", tests, NULL, NULL);
}
