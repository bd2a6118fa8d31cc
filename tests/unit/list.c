/* The intrusive list. */
#include "list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct item {
  int number;
  struct dgram__list_node node;
};

static struct item items[4] = {{.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}};

/* A list of the items 0 to 3. */
static struct dgram__list all_items(void) {
  struct dgram__list list = {0};
  for (int i = 0; i < 4; i++)
    dgram__list_append(&list, &items[i].node);
  return list;
}

/* The list holds the items with these numbers, in both directions. */
static void assert_holds(const struct dgram__list *list, const int numbers[], int count) {
  const struct dgram__list_node *node = list->first;
  const struct dgram__list_node *previous = NULL;
  for (int i = 0; i < count; i++) {
    assert_non_null(node);
    assert_ptr_equal(node->previous, previous);
    assert_int_equal(DGRAM__LIST_ENTRY(node, struct item, node)->number, numbers[i]);
    previous = node;
    node = node->next;
  }
  assert_null(node);
  assert_ptr_equal(list->last, previous);
}

static void a_zeroed_list_is_empty(void **state) {
  (void)state;
  struct dgram__list list = {0};
  assert_true(dgram__list_is_empty(&list));
  assert_null(dgram__list_take_first(&list));
}

static void what_is_appended_stands_in_order(void **state) {
  (void)state;
  struct dgram__list list = all_items();
  assert_false(dgram__list_is_empty(&list));
  assert_holds(&list, (const int[]){0, 1, 2, 3}, 4);
}

static void the_structs_are_visited_in_order(void **state) {
  (void)state;
  const struct dgram__list list = all_items();
  const struct dgram__list empty = {0};
  int visited = 0;
  DGRAM__LIST_FOR_EACH (item, &list, struct item, node)
    assert_int_equal(item->number, visited++);
  DGRAM__LIST_FOR_EACH (item, &empty, struct item, node)
    visited += item->number;
  assert_int_equal(visited, 4);
}

static void any_node_can_be_removed(void **state) {
  (void)state;
  struct dgram__list list = all_items();
  dgram__list_remove(&list, &items[1].node);
  assert_holds(&list, (const int[]){0, 2, 3}, 3);
  dgram__list_remove(&list, &items[3].node);
  assert_holds(&list, (const int[]){0, 2}, 2);
  dgram__list_remove(&list, &items[0].node);
  assert_holds(&list, (const int[]){2}, 1);
  dgram__list_remove(&list, &items[2].node);
  assert_true(dgram__list_is_empty(&list));
  dgram__list_append(&list, &items[1].node);
  assert_holds(&list, (const int[]){1}, 1);
}

static void the_first_is_taken_until_the_list_is_empty(void **state) {
  (void)state;
  struct dgram__list list = all_items();
  for (int i = 0; i < 4; i++)
    assert_ptr_equal(dgram__list_take_first(&list), &items[i].node);
  assert_true(dgram__list_is_empty(&list));
  assert_null(list.last);
}

static void all_can_be_taken_at_once(void **state) {
  (void)state;
  struct dgram__list list = all_items();
  struct dgram__list taken = dgram__list_take_all(&list);
  assert_true(dgram__list_is_empty(&list));
  assert_holds(&taken, (const int[]){0, 1, 2, 3}, 4);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_zeroed_list_is_empty),
      cmocka_unit_test(what_is_appended_stands_in_order),
      cmocka_unit_test(the_structs_are_visited_in_order),
      cmocka_unit_test(any_node_can_be_removed),
      cmocka_unit_test(the_first_is_taken_until_the_list_is_empty),
      cmocka_unit_test(all_can_be_taken_at_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
