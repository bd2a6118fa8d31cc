/* How often a loop turns while it has nothing to do: one that spins shows. */
#ifndef LOOP_TURNS_H
#define LOOP_TURNS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <uv.h>

static inline void count_turn(uv_prepare_t *prepare) {
  ++*(int *)prepare->data;
}

static inline void end_of_turns(uv_timer_t *timer) {
  uv_close((uv_handle_t *)timer, NULL);
}

/* Runs the loop for so many milliseconds; returns the number of its turns. */
static inline int turns_in(uv_loop_t *loop, unsigned ms) {
  uv_prepare_t prepare;
  uv_timer_t timer;
  int turns = 0;
  assert_int_equal(uv_prepare_init(loop, &prepare), 0);
  prepare.data = &turns;
  assert_int_equal(uv_prepare_start(&prepare, count_turn), 0);
  assert_int_equal(uv_timer_init(loop, &timer), 0);
  assert_int_equal(uv_timer_start(&timer, end_of_turns, ms, 0), 0);
  while (!uv_is_closing((uv_handle_t *)&timer))
    uv_run(loop, UV_RUN_ONCE);
  uv_close((uv_handle_t *)&prepare, NULL);
  uv_run(loop, UV_RUN_NOWAIT);
  return turns;
}

#endif
