/* What is to happen comes in the order of its time, and of what was scheduled first. */
#include "event_heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim_random.h"

enum { EVENTS = 2000 };

static struct dgram__sim_event all[EVENTS];

static void an_empty_heap_has_no_event(void **state) {
  struct dgram__sim_events events = {0};
  assert_null(dgram__sim_events_take(&events));
}

static void events_of_one_time_come_in_the_order_of_adding(void **state) {
  struct dgram__sim_events events = {0};
  for (int i = 0; i < EVENTS; i++)
    dgram__sim_events_add(&events, &all[i], 5);
  for (int i = 0; i < EVENTS; i++)
    assert_ptr_equal(dgram__sim_events_take(&events), &all[i]);
  assert_null(dgram__sim_events_take(&events));
}

static void events_come_in_the_order_of_their_times(void **state) {
  struct dgram__random random = dgram__random_seeded(1);
  struct dgram__sim_events events = {0};
  int added = 0;
  int taken = 0;
  uint64_t now = 0;
  uint64_t order = 0;
  while (taken < EVENTS) {
    if (added < EVENTS && dgram__random_below(&random, 3) > 0) {
      dgram__sim_events_add(&events, &all[added++], now + dgram__random_below(&random, 100));
      continue;
    }
    const struct dgram__sim_event *event = dgram__sim_events_take(&events);
    if (event == NULL)
      continue;
    assert_true(event->at > now || (event->at == now && (taken == 0 || event->order > order)));
    now = event->at;
    order = event->order;
    taken++;
  }
  assert_null(dgram__sim_events_take(&events));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_empty_heap_has_no_event),
      cmocka_unit_test(events_of_one_time_come_in_the_order_of_adding),
      cmocka_unit_test(events_come_in_the_order_of_their_times),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
