/* Listeners: their order, and what happens when they change the list that they are called from. */
#include "listeners.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct dgram__listeners list;
static char called[64]; /* the names of those called, in order */

/* A listener: it notes its name, and may do something to the list. */
struct guest {
  char name;
  void (*act)(struct guest *self);
  struct guest *other; /* what it is done to */
  int acts;            /* how often it still does it */
};

static void on_event(struct guest *guest) {
  size_t length = strlen(called);
  called[length] = guest->name;
  called[length + 1] = '\0';
  if (guest->act != NULL && guest->acts-- > 0)
    guest->act(guest);
}

static void add_kind(struct guest *guest, enum dgram__listener_kind kind) {
  assert_true(dgram__listeners_add(&list, (dgram__listener_fn *)on_event, guest, kind));
}

static void add(struct guest *guest) {
  add_kind(guest, DGRAM__ON);
}

static bool take_off(struct guest *guest) {
  return dgram__listeners_remove(&list, (dgram__listener_fn *)on_event, guest);
}

/* Whether anybody was called. */
static bool emit(void) {
  struct dgram__emission emission = dgram__emission_begin(&list);
  const struct dgram__listener *to;
  bool told = false;
  while ((to = dgram__emission_next(&emission)) != NULL) {
    ((void (*)(struct guest *))to->function)(to->context);
    told = true;
  }
  return told;
}

/* Those called by one emission. */
static const char *emitted(void) {
  called[0] = '\0';
  emit();
  return called;
}

static void remove_other(struct guest *self) {
  take_off(self->other);
}

static void add_other(struct guest *self) {
  add(self->other);
}

static void emit_again(struct guest *self) {
  emit();
}

static void remove_once_kind(struct guest *self) {
  dgram__listeners_remove_kind(&list, DGRAM__ONCE);
}

static int setup(void **state) {
  memset(&list, 0, sizeof list);
  called[0] = '\0';
  return 0;
}

static int teardown(void **state) {
  dgram__listeners_clear(&list);
  return list.list.first == NULL ? 0 : -1;
}

/* ---- */

static void all_are_called_in_the_order_in_which_they_were_added(void **state) {
  struct guest a = {.name = 'a'};
  struct guest b = {.name = 'b'};
  add(&a);
  add(&b);
  add(&a);
  assert_string_equal(emitted(), "aba");
  assert_string_equal(emitted(), "aba");
}

static void emit_tells_whether_anybody_was_called(void **state) {
  struct guest a = {.name = 'a'};
  assert_false(emit());
  add_kind(&a, DGRAM__ONCE);
  assert_true(emit());
  assert_false(emit());
}

static void one_added_with_once_is_called_once(void **state) {
  struct guest a = {.name = 'a'};
  struct guest b = {.name = 'b'};
  add_kind(&a, DGRAM__ONCE);
  add(&b);
  add_kind(&a, DGRAM__ON_ATTEMPT);
  assert_string_equal(emitted(), "aba");
  assert_string_equal(emitted(), "b");
}

static void one_added_with_once_is_gone_before_its_call(void **state) {
  struct guest a = {.name = 'a', .act = emit_again, .acts = 1};
  add_kind(&a, DGRAM__ONCE);
  assert_string_equal(emitted(), "a");
  assert_false(take_off(&a));
}

static void those_that_are_gone_leave_nothing_behind(void **state) {
  struct guest a = {.name = 'a'};
  struct guest b = {.name = 'b', .act = remove_other, .other = &b, .acts = 1};
  add_kind(&a, DGRAM__ONCE);
  add(&b);
  assert_string_equal(emitted(), "ab");
  assert_null(list.list.first);
}

static void remove_takes_the_newest_with_this_function_and_context(void **state) {
  struct guest a = {.name = 'a'};
  struct guest b = {.name = 'b'};
  add(&a);
  add(&b);
  add(&a);
  assert_true(take_off(&a));
  assert_string_equal(emitted(), "ab");
  assert_true(take_off(&a));
  assert_string_equal(emitted(), "b");
  assert_false(take_off(&a));
}

static void remove_compares_the_function_too(void **state) {
  struct guest a = {.name = 'a'};
  add(&a);
  assert_false(dgram__listeners_remove(&list, (dgram__listener_fn *)emit_again, &a));
  assert_string_equal(emitted(), "a");
}

static void one_may_remove_itself_while_called(void **state) {
  struct guest a = {.name = 'a'};
  struct guest b = {.name = 'b', .act = remove_other, .other = &b, .acts = 1};
  struct guest c = {.name = 'c'};
  add(&a);
  add(&b);
  add(&c);
  assert_string_equal(emitted(), "abc");
  assert_string_equal(emitted(), "ac");
}

static void one_may_remove_the_next_which_is_then_not_called(void **state) {
  struct guest b = {.name = 'b'};
  struct guest a = {.name = 'a', .act = remove_other, .other = &b, .acts = 1};
  struct guest c = {.name = 'c'};
  add(&a);
  add(&b);
  add(&c);
  assert_string_equal(emitted(), "ac");
  assert_string_equal(emitted(), "ac");
}

static void one_may_remove_the_last(void **state) {
  struct guest b = {.name = 'b'};
  struct guest a = {.name = 'a', .act = remove_other, .other = &b, .acts = 1};
  add(&a);
  add(&b);
  assert_string_equal(emitted(), "a");
}

static void one_may_remove_the_one_before(void **state) {
  struct guest a = {.name = 'a'};
  struct guest b = {.name = 'b', .act = remove_other, .other = &a, .acts = 1};
  struct guest c = {.name = 'c'};
  add(&a);
  add(&b);
  add(&c);
  assert_string_equal(emitted(), "abc");
  assert_string_equal(emitted(), "bc");
}

static void one_added_while_emitting_is_first_called_at_the_next(void **state) {
  struct guest b = {.name = 'b'};
  struct guest a = {.name = 'a', .act = add_other, .other = &b, .acts = 1};
  add(&a);
  assert_string_equal(emitted(), "a");
  assert_string_equal(emitted(), "ab");
}

static void one_added_in_place_of_itself_is_first_called_at_the_next(void **state) {
  struct guest a = {.name = 'a', .act = add_other, .other = &a, .acts = 1};
  add_kind(&a, DGRAM__ONCE);
  assert_string_equal(emitted(), "a");
  assert_string_equal(emitted(), "a");
}

static void one_added_in_an_outer_emission_is_called_in_a_nested_one_only(void **state) {
  struct guest c = {.name = 'c'};
  struct guest a = {.name = 'a', .act = add_other, .other = &c, .acts = 1};
  struct guest b = {.name = 'b', .act = emit_again, .acts = 1};
  add(&a);
  add(&b);
  assert_string_equal(emitted(), "ababc"); /* a, b, and within b: a, b, c */
}

static void nested_emissions_call_everybody_each_time(void **state) {
  struct guest a = {.name = 'a', .act = emit_again, .acts = 2};
  struct guest b = {.name = 'b'};
  add(&a);
  add(&b);
  assert_string_equal(emitted(), "aaabbb");
}

static void one_removed_in_a_nested_emission_is_not_called_in_the_outer_one(void **state) {
  struct guest c = {.name = 'c'};
  struct guest a = {.name = 'a', .act = emit_again, .acts = 1};
  struct guest b = {.name = 'b', .act = remove_other, .other = &c, .acts = 1};
  add(&a);
  add(&b);
  add(&c);
  assert_string_equal(emitted(), "aabb");
}

static void a_kind_is_removed_and_the_others_stay(void **state) {
  struct guest a = {.name = 'a'};
  struct guest b = {.name = 'b'};
  struct guest c = {.name = 'c'};
  add_kind(&a, DGRAM__ON_ATTEMPT);
  add_kind(&b, DGRAM__ONCE);
  add_kind(&c, DGRAM__ON);
  add_kind(&a, DGRAM__ON_ATTEMPT);
  dgram__listeners_remove_kind(&list, DGRAM__ON_ATTEMPT);
  assert_string_equal(emitted(), "bc");
}

static void a_kind_may_be_removed_while_emitting(void **state) {
  struct guest a = {.name = 'a', .act = remove_once_kind, .acts = 1};
  struct guest b = {.name = 'b'};
  struct guest c = {.name = 'c'};
  add(&a);
  add_kind(&b, DGRAM__ONCE);
  add(&c);
  assert_string_equal(emitted(), "ac");
  assert_string_equal(emitted(), "ac");
}

static void clear_removes_all_and_the_list_can_be_used_again(void **state) {
  struct guest a = {.name = 'a'};
  struct guest b = {.name = 'b'};
  add(&a);
  add_kind(&b, DGRAM__ONCE);
  dgram__listeners_clear(&list);
  assert_null(list.list.first);
  assert_string_equal(emitted(), "");
  add(&b);
  assert_string_equal(emitted(), "b");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(all_are_called_in_the_order_in_which_they_were_added),
      TEST(emit_tells_whether_anybody_was_called),
      TEST(one_added_with_once_is_called_once),
      TEST(one_added_with_once_is_gone_before_its_call),
      TEST(those_that_are_gone_leave_nothing_behind),
      TEST(remove_takes_the_newest_with_this_function_and_context),
      TEST(remove_compares_the_function_too),
      TEST(one_may_remove_itself_while_called),
      TEST(one_may_remove_the_next_which_is_then_not_called),
      TEST(one_may_remove_the_last),
      TEST(one_may_remove_the_one_before),
      TEST(one_added_while_emitting_is_first_called_at_the_next),
      TEST(one_added_in_place_of_itself_is_first_called_at_the_next),
      TEST(one_added_in_an_outer_emission_is_called_in_a_nested_one_only),
      TEST(nested_emissions_call_everybody_each_time),
      TEST(one_removed_in_a_nested_emission_is_not_called_in_the_outer_one),
      TEST(a_kind_is_removed_and_the_others_stay),
      TEST(a_kind_may_be_removed_while_emitting),
      TEST(clear_removes_all_and_the_list_can_be_used_again),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
