#include "lib/task_list.h"

#include "lib/fixture.h"

static int task_list_defer(dgram_task_t *task, void *context) {
  struct task_list *list = context;
  list->asked++;
  if (list->refuses)
    return 0;
  assert_in_range(list->count, 0, TASK_LIST_MOST - 1);
  list->tasks[list->count++] = task;
  return 1;
}

dgram_options_t task_list_options(struct task_list *list) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.defer = task_list_defer;
  options.defer_context = list;
  return options;
}

dgram_socket_t *new_with_defer(uv_loop_t *loop, struct task_list *list) {
  dgram_options_t options = task_list_options(list);
  return new_with(loop, &options);
}

dgram_socket_t *new_bound_with_defer(uv_loop_t *loop, struct task_list *list) {
  dgram_socket_t *socket = new_with_defer(loop, list);
  assert_int_equal(dgram_bind_sync(socket, 0, "127.0.0.1"), 0);
  task_list_run_all(list);
  list->asked = 0;
  return socket;
}

void task_list_run(struct task_list *list, int number) {
  dgram_task_t *task = list->tasks[number];
  list->count--;
  for (int i = number; i < list->count; i++)
    list->tasks[i] = list->tasks[i + 1];
  dgram_task_run(task);
}

void task_list_run_all(struct task_list *list) {
  while (list->count > 0)
    task_list_run(list, 0);
}

void task_list_run_backwards(struct task_list *list) {
  while (list->count > 0)
    task_list_run(list, list->count - 1);
}
