/* What comes is spread over the group's sockets by flow; each datagram goes to one of them. */
#include "group_test.h"

enum { THREADS = 3, FLOWS = 64, ROUNDS = 4 };

/* Each flow numbers what it asks. An answer that came twice would take the place of the next. */
static void check_flows(const int fds[], int port, int home[]) {
  for (int round = 0; round < ROUNDS; round++) {
    for (int i = 0; i < FLOWS; i++)
      raw_send(fds[i], &round, sizeof round, port);
    for (int i = 0; i < FLOWS; i++) {
      int index = take_answer(fds[i], &round, sizeof round);
      if (round == 0)
        home[i] = index;
      assert_int_equal(index, home[i]);
    }
  }
}

static void check_that_all_have_some(const int home[]) {
  int flows[THREADS] = {0};
  for (int i = 0; i < FLOWS; i++)
    flows[home[i]]++;
  for (int i = 0; i < THREADS; i++) {
    assert_true(flows[i] > 0); /* by chance once in 10^11 */
    assert_int_equal(places[i].messages, flows[i] * ROUNDS);
  }
}

static void each_thread_has_flows_and_each_flow_one_thread(void **state) {
  dgram_options_t socket = dgram_default_options(DGRAM_UDP4);
  dgram_group_options_t options = answering(&socket, THREADS);
  dgram_group_t *group = start_group(&options);
  static int fds[FLOWS];
  static int home[FLOWS];
  char none;
  for (int i = 0; i < FLOWS; i++)
    fds[i] = raw_socket();
  check_flows(fds, port_of_group(group), home);
  check_that_all_have_some(home);
  stop_group(group);
  for (int i = 0; i < FLOWS; i++) {
    assert_int_equal(recv(fds[i], &none, 1, MSG_DONTWAIT), -1);
    close(fds[i]);
  }
}

static void a_group_of_one_has_all(void **state) {
  dgram_options_t socket = dgram_default_options(DGRAM_UDP4);
  dgram_group_options_t options = answering(&socket, 1);
  dgram_group_t *group = start_group(&options);
  int fd = raw_socket();
  assert_int_equal(ask(fd, "x", 1, port_of_group(group)), 0);
  close(fd);
  stop_group(group);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_thread_has_flows_and_each_flow_one_thread),
      cmocka_unit_test(a_group_of_one_has_all),
  };
  return cmocka_run_group_tests_name("flows", tests, NULL, NULL);
}
