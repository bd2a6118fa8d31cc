/*
 * B57: a send's callback comes before the 'message' of the reply that the send provokes, so a
 * program may begin to wait for the answer in the callback.
 */
#include "socket_test.h"

enum { REQUESTS = 1100 }; /* so many that some leave before the turn ends */

static dgram_socket_t *client;
static int server_port;
static int callbacks;
static int replies;

static void echo(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                 void *context) {
  uv_buf_t reply = uv_buf_init((char *)message, (unsigned)rinfo->size);
  if (rinfo->size > 0) /* an empty one only wakes the socket */
    assert_int_equal(dgram_send_to(socket, &reply, 1, rinfo->sockaddr, NULL, NULL), 0);
}

static void count_callback(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                           void *context) {
  assert_null(error);
  callbacks++;
}

static void count_reply(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                        void *context) {
  if (rinfo->size == 0)
    return;
  replies++;
  assert_true(replies <= callbacks);
}

static void request(int count) {
  for (int i = 0; i < count; i++)
    send_text(client, "request", server_port, count_callback, NULL);
}

static void request_all(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                        void *context) {
  request(REQUESTS);
}

static void ping_pong_in_one_loop(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  callbacks = replies = 0;
  dgram_socket_t *server = new_bound(loop, echo, NULL, &server_port);
  client = new_bound(loop, count_reply, NULL, &port);
  for (int i = 1; i <= 20; i++) {
    request(1);
    run_until(loop, &replies, i);
  }
  assert_int_equal(callbacks, 20);
  close_socket(server);
  close_socket(client);
  close_loop(loop);
}

static void a_burst_of_requests(void **state) {
  uv_loop_t *loop = open_loop();
  int port;
  callbacks = replies = 0;
  dgram_socket_t *server = new_roomy(loop, echo, NULL, &server_port);
  client = new_roomy(loop, count_reply, NULL, &port);
  request(REQUESTS);
  run_until(loop, &replies, REQUESTS / 2);
  run_until(loop, &callbacks, REQUESTS);
  close_socket(server);
  close_socket(client);
  close_loop(loop);
}

/*
 * Three sockets are ready in one turn, in this order: one whose listener has the client send, the
 * server, and the client, which then finds replies to what it sent in this very turn.
 */
static void requests_answered_in_the_turn_in_which_they_were_made(void **state) {
  uv_loop_t *loop = open_loop();
  int trigger_port;
  int client_port;
  callbacks = replies = 0;
  dgram_socket_t *trigger = new_bound(loop, request_all, NULL, &trigger_port);
  dgram_socket_t *server = new_roomy(loop, echo, NULL, &server_port);
  client = new_roomy(loop, count_reply, NULL, &client_port);
  int fd = raw_socket();
  raw_send(fd, "", 0, trigger_port);
  raw_send(fd, "", 0, server_port);
  raw_send(fd, "", 0, client_port);
  run_until(loop, &callbacks, REQUESTS);
  close(fd);
  close_socket(trigger);
  close_socket(server);
  close_socket(client);
  close_loop(loop);
}

static void reply_at_once(uv_prepare_t *prepare) {
  const int *fd = prepare->data;
  struct sockaddr_in from;
  socklen_t length = sizeof from;
  char bytes[16];
  ssize_t size =
      recvfrom(*fd, bytes, sizeof bytes, MSG_DONTWAIT, (struct sockaddr *)&from, &length);
  if (size > 0)
    raw_send(*fd, bytes, (size_t)size, ntohs(from.sin_port));
}

static void ignore_handle(uv_handle_t *handle) {
}

/* A peer so quick that the reply is there before the loop looks for datagrams again. */
static void a_request_answered_before_the_loop_polls(void **state) {
  for (int bound = 0; bound < 2; bound++) {
    uv_loop_t *loop = open_loop();
    int fd = raw_socket();
    uv_prepare_t peer = {.data = &fd};
    uv_prepare_init(loop, &peer);
    uv_prepare_start(&peer, reply_at_once);
    callbacks = replies = 0;
    server_port = raw_port(fd);
    client = new_socket(loop, DGRAM_UDP4, count_reply, NULL);
    if (bound)
      bind_now(client, "127.0.0.1");
    request(1);
    run_until(loop, &replies, 1);
    assert_int_equal(callbacks, 1);
    uv_close((uv_handle_t *)&peer, ignore_handle);
    close(fd);
    close_socket(client);
    close_loop(loop);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ping_pong_in_one_loop),
      cmocka_unit_test(a_burst_of_requests),
      cmocka_unit_test(requests_answered_in_the_turn_in_which_they_were_made),
      cmocka_unit_test(a_request_answered_before_the_loop_polls),
  };
  return cmocka_run_group_tests_name("reply", tests, NULL, NULL);
}
