/* A bind that fails: the socket is unbound again, and its waiting sends end. */
#include "fake/scene.h"

static void a_failed_bind_is_an_error_event_and_can_be_repeated(void **state) {
  dgram_socket_t *socket = scene_unbound_socket();
  fake_fail_open(UV_EADDRINUSE);
  assert_int_equal(dgram_bind(socket, 53, "127.0.0.1", NULL, NULL), 0);
  scene_run();
  assert_string_equal(scene_story(), "error(bind EADDRINUSE 127.0.0.1:53)");
  assert_int_equal(dgram_bind(socket, 53, "127.0.0.1", NULL, NULL), 0);
  scene_run();
  assert_string_equal(scene_story(), "listening");
}

static void count_call(dgram_socket_t *socket, void *context) {
  ++*(int *)context;
}

static void the_callback_of_a_failed_bind_is_forgotten(void **state) {
  dgram_socket_t *socket = scene_unbound_socket();
  int calls = 0;
  fake_fail_open(UV_EADDRINUSE);
  assert_int_equal(dgram_bind(socket, 0, NULL, count_call, &calls), 0);
  scene_run();
  assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), 0);
  scene_run();
  assert_int_equal(calls, 0);
}

static void sends_that_wait_for_it_end_with_its_error(void **state) {
  dgram_socket_t *socket = scene_unbound_socket();
  fake_fail_open(UV_EMFILE);
  scene_send(socket, 0);
  scene_send_silently(socket, 1); /* told by the 'error' of the bind */
  scene_send(socket, 2);
  scene_run();
  assert_string_equal(scene_story(), "error(bind EMFILE 0.0.0.0) 0:EMFILE 2:EMFILE");
  assert_int_equal(dgram_get_send_queue_count(socket), 0);
  assert_int_equal(fake_send_calls(), 0);
}

static void a_close_that_waits_for_it_follows(void **state) {
  dgram_socket_t *socket = scene_unbound_socket();
  fake_fail_open(UV_EMFILE);
  scene_send(socket, 0);
  scene_close(socket);
  scene_run();
  assert_string_equal(scene_story(), "error(bind EMFILE 0.0.0.0) 0:EMFILE close");
}

static void send_again(dgram_socket_t *socket) {
  scene_on_error = NULL;
  scene_send(socket, 1);
}

static void the_listener_may_send_again_which_binds_again(void **state) {
  dgram_socket_t *socket = scene_unbound_socket();
  scene_on_error = send_again;
  fake_fail_open(UV_EMFILE);
  scene_send(socket, 0);
  scene_run();
  assert_string_equal(scene_story(), "error(bind EMFILE 0.0.0.0) 0:EMFILE listening 1");
}

static void the_listener_may_close(void **state) {
  dgram_socket_t *socket = scene_unbound_socket();
  scene_on_error = scene_close;
  fake_fail_open(UV_EMFILE);
  scene_send(socket, 0);
  scene_run();
  assert_string_equal(scene_story(), "error(bind EMFILE 0.0.0.0) 0:EMFILE close");
}

static void send_again_and_close(dgram_socket_t *socket) {
  scene_on_error = NULL;
  scene_send(socket, 1);
  scene_close(socket);
}

static void the_listener_may_send_again_and_close_after_it(void **state) {
  dgram_socket_t *socket = scene_unbound_socket();
  scene_on_error = send_again_and_close;
  fake_fail_open(UV_EMFILE);
  scene_send(socket, 0);
  scene_run();
  assert_string_equal(scene_story(), "error(bind EMFILE 0.0.0.0) 0:EMFILE listening 1 close");
}

static int failures;

static void bind_again(dgram_socket_t *socket) {
  if (++failures == 1000) /* as good as for ever */
    return;
  fake_fail_open(UV_EADDRINUSE);
  assert_int_equal(dgram_bind(socket, 53, "127.0.0.1", NULL, NULL), 0);
}

static void a_listener_that_binds_again_for_ever_does_not_starve_the_loop(void **state) {
  dgram_socket_t *socket = scene_unbound_socket();
  failures = 0;
  scene_on_error = bind_again;
  bind_again(socket);
  scene_run();
  assert_in_range(failures, 2, 20);
  scene_on_error = NULL;
}

/* Not ENOPROTOOPT, as the system has it. */
static void ipv6_only_on_udp4_is_EINVAL(void **state) {
  dgram_socket_t *socket = scene_unbound_socket();
  fake_use_system(socket->loop, true);
  socket->options.flags |= DGRAM__IPV6_ONLY;
  assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), 0);
  scene_run();
  assert_string_equal(scene_story(), "error(bind EINVAL 0.0.0.0)");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SCENE(a_failed_bind_is_an_error_event_and_can_be_repeated),
      SCENE(the_callback_of_a_failed_bind_is_forgotten),
      SCENE(sends_that_wait_for_it_end_with_its_error),
      SCENE(a_close_that_waits_for_it_follows),
      SCENE(the_listener_may_send_again_which_binds_again),
      SCENE(the_listener_may_close),
      SCENE(the_listener_may_send_again_and_close_after_it),
      SCENE(a_listener_that_binds_again_for_ever_does_not_starve_the_loop),
      SCENE(ipv6_only_on_udp4_is_EINVAL),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
