/*
 * B57: a send's callback comes before the 'message' of the reply that the send provokes, so a
 * program may begin to wait for the answer in the callback.
 */
#include "lib/fixture.h"

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

TEST("two sockets of a loop exchange requests and replies") {
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
  run_to_end(loop);
}

TEST("a burst of requests gets its replies") {
  int port;
  callbacks = replies = 0;
  dgram_socket_t *server = new_roomy(loop, echo, NULL, &server_port);
  client = new_roomy(loop, count_reply, NULL, &port);
  request(REQUESTS);
  run_until(loop, &replies, REQUESTS / 4); /* what a receive buffer of the default size holds */
  run_until(loop, &callbacks, REQUESTS);
  close_socket(server);
  close_socket(client);
  run_to_end(loop);
}

/*
 * Three sockets are ready in one turn, in this order: one whose listener has the client send, the
 * server, and the client, which then finds replies to what it sent in this very turn.
 */
TEST("requests may be replied to in their own iteration") {
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
  run_to_end(loop);
}

static int peer_fd; /* a peer that is no socket of the library */

/* Answers the first datagram that waits there. */
static void answer_one(void) {
  struct sockaddr_in from;
  socklen_t length = sizeof from;
  char bytes[16];
  ssize_t size =
      recvfrom(peer_fd, bytes, sizeof bytes, MSG_DONTWAIT, (struct sockaddr *)&from, &length);
  if (size > 0)
    raw_send(peer_fd, bytes, (size_t)size, ntohs(from.sin_port));
}

static void answer_before_poll(uv_prepare_t *prepare) {
  answer_one();
}

static void ignore_handle(uv_handle_t *handle) {
}

/* A peer so quick that the reply is there before the loop looks for datagrams again. */
TEST("a request may be replied to before the loop polls") {
  for (int bound = 0; bound < 2; bound++) {
    begin_round(loop);
    uv_prepare_t prepare;
    peer_fd = raw_socket();
    uv_prepare_init(loop, &prepare);
    uv_prepare_start(&prepare, answer_before_poll);
    callbacks = replies = 0;
    server_port = raw_port(peer_fd);
    client = new_socket(loop, DGRAM_UDP4, count_reply, NULL);
    if (bound)
      bind_now(client, "127.0.0.1");
    request(1);
    run_until(loop, &replies, 1);
    assert_int_equal(callbacks, 1);
    uv_close((uv_handle_t *)&prepare, ignore_handle);
    close(peer_fd);
    close_socket(client);
    run_to_end(loop);
  }
}

static void wake(dgram_socket_t *socket, void *context) {
  raw_send(peer_fd, "", 0, port_of(socket));
}

/* The first of the many that it sends has left, and been answered, when it returns. */
static void request_more(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                         void *context) {
  char byte;
  assert_int_equal(recv(peer_fd, &byte, 1, MSG_DONTWAIT), 1); /* what this callback is of */
  request(REQUESTS);
  answer_one();
}

/* The callback runs while the socket is about to receive: it is woken as soon as it is bound. */
TEST("requests in a callback may be replied to before it returns") {
  peer_fd = raw_socket();
  server_port = raw_port(peer_fd);
  callbacks = replies = 0;
  client = new_socket(loop, DGRAM_UDP4, count_reply, NULL);
  assert_int_equal(dgram_on_listening(client, wake, NULL), 0);
  send_text(client, "x", server_port, request_more, NULL);
  run_until(loop, &replies, 1);
  run_until(loop, &callbacks, REQUESTS);
  close(peer_fd);
  close_socket(client);
  run_to_end(loop);
}
