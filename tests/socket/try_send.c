/*
 * Sends that leave inside the call or not at all: dgram_try_send(), dgram_try_send_with(),
 * dgram_try_send_many().
 */
#include "lib/fixture.h"

static const struct sockaddr *target(int fd) {
  static struct sockaddr_in to;
  to = loopback_address(raw_port(fd));
  return (const struct sockaddr *)&to;
}

TEST("a datagram has left when the call returns, and no callback is called") {
  int port;
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_try_send(socket, "now", 3, target(fd)), 0);
  assert_string_equal(arrived(fd), "now");
  assert_int_equal(dgram_get_send_queue_count(socket), 0);
  assert_int_equal(dgram_get_send_queue_size(socket), 0);
  assert_int_equal(dgram_try_send(socket, NULL, 0, target(fd)), 0);
  char byte;
  assert_int_equal(recv(fd, &byte, 1, 0), 0);
  close(fd);
}

TEST("an unbound socket is bound inside the call, and emits 'listening' from the loop") {
  int listening = 0;
  int fd = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  dgram_on_listening(socket, count_event, &listening);
  assert_int_equal(dgram_try_send(socket, "x", 1, target(fd)), 0);
  assert_int_equal(dgram_bind_state(socket), DGRAM_BOUND);
  assert_string_equal(arrived(fd), "x");
  assert_int_equal(listening, 0);
  assert_int_equal(dgram_try_send(socket, "y", 1, target(fd)), 0);
  assert_string_equal(arrived(fd), "y");
  run_until(loop, &listening, 1);
  close(fd);
}

TEST("a socket that is being bound refuses it with EAGAIN, and the send before it still leaves") {
  int fd = raw_socket();
  int sent = 0;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  send_text(socket, "queued", raw_port(fd), count_sent, &sent);
  assert_int_equal(dgram_try_send(socket, "x", 1, target(fd)), UV_EAGAIN);
  run_until(loop, &sent, 1);
  assert_string_equal(arrived(fd), "queued");
  assert_int_equal(dgram_try_send(socket, "x", 1, target(fd)), 0);
  assert_string_equal(arrived(fd), "x");
  close(fd);
}

TEST("sends that were queued before leave first, and their callbacks run from the loop") {
  int port;
  int fd = raw_socket();
  int sent = 0;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  send_text(socket, "1", raw_port(fd), count_sent, &sent);
  send_text(socket, "2", raw_port(fd), count_sent, &sent);
  assert_int_equal(dgram_try_send(socket, "3", 1, target(fd)), 0);
  assert_string_equal(arrived(fd), "1 2 3");
  assert_int_equal(sent, 0);
  assert_int_equal(dgram_get_send_queue_count(socket), 2);
  run_until(loop, &sent, 2);
  close(fd);
}

static void try_inside(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                       void *context) {
  int fd = *(int *)context;
  assert_null(error);
  assert_int_equal(dgram_try_send(socket, "inside", 6, target(fd)), 0);
  assert_int_equal(dgram_close(socket, NULL, NULL), 0);
  assert_int_equal(dgram_try_send(socket, "late", 4, target(fd)),
                   DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
}

TEST("it can be called in a send's callback, which then closes the socket") {
  int fd = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_send(socket, "1", 1, raw_port(fd), NULL, try_inside, &fd), 0);
  run_to_end(loop);
  assert_string_equal(arrived(fd), "1 inside");
  close(fd);
}

TEST("a connected socket sends to its peer only") {
  int port;
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_try_send(socket, "x", 1, NULL), DGRAM_ERR_SOCKET_BAD_PORT);
  connect_now(socket, raw_port(fd));
  assert_int_equal(dgram_try_send(socket, "peer", 4, NULL), 0);
  assert_int_equal(dgram_try_send(socket, "x", 1, target(fd)), DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED);
  assert_string_equal(arrived(fd), "peer");
  close(fd);
}

TEST("the error of an earlier datagram is an 'error' event, and does not fail a healthy send") {
  int port;
  int own;
  struct kept_error error = {.calls = 0};
  int holder = raw_holder(&port);
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &own);
  assert_int_equal(dgram_on_error(socket, keep_error, &error), 0);
  connect_now(socket, port);
  assert_int_equal(dgram_try_send(socket, "refused", 7, NULL), 0);
  assert_int_equal(dgram_try_send(socket, "refused too", 11, NULL), 0);
  assert_int_equal(error.calls, 0);
  run_until(loop, &error.calls, 1);
  assert_int_equal(error.code, UV_ECONNREFUSED);
  assert_string_equal(error.syscall, "recvmsg");
  close(holder);
}

TEST("an error of the datagram itself is returned, and nothing is queued") {
  int port;
  int fd = raw_socket();
  static char large[65508];
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_try_send(socket, large, sizeof large, target(fd)), UV_EMSGSIZE);
  assert_int_equal(dgram_get_send_queue_count(socket), 0);
  assert_int_equal(dgram_try_send(socket, "good", 4, target(fd)), 0);
  assert_string_equal(arrived(fd), "good");
  close(fd);
}

/* ---- lists ---- */

enum { MANY = 400 }; /* a receive buffer of the default size has room for them */

TEST("a list leaves in one call, far past one batch, each with its options") {
  static char texts[MANY][16];
  static uv_buf_t buffers[MANY];
  static dgram_outgoing_t list[MANY];
  int port;
  int fd = raw_socket();
  dgram_send_options_t options = dgram_default_send_options();
  options.segment_size = 2;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  for (int i = 0; i < MANY; i++) {
    snprintf(texts[i], sizeof texts[i], "%d", 1000 + i);
    buffers[i] = uv_buf_init(texts[i], 4);
    list[i] = (dgram_outgoing_t){.buffers = &buffers[i], .count = 1, .to = target(fd), .sent = 99};
    if (i % 7 == 3)
      list[i].options = &options;
  }
  assert_int_equal(dgram_try_send_many(socket, list, MANY), MANY);
  char text[8];
  for (int i = 0; i < MANY; i++) {
    assert_int_equal(list[i].sent, 4);
    if (i % 7 != 3) {
      raw_receive(fd, text, sizeof text);
      assert_string_equal(text, texts[i]);
      continue;
    }
    raw_receive(fd, text, sizeof text);
    assert_memory_equal(text, texts[i], 2);
    raw_receive(fd, text, sizeof text);
    assert_memory_equal(text, texts[i] + 2, 2);
  }
  assert_string_equal(arrived(fd), "");
  close(fd);
}

TEST(
    "of a list with a datagram that fails, those before it leave, and then its error is returned") {
  int port;
  int fd = raw_socket();
  static char large[65508];
  uv_buf_t good = uv_buf_init("good", 4);
  uv_buf_t bad = uv_buf_init(large, sizeof large);
  dgram_outgoing_t list[4] = {{.buffers = &good, .count = 1, .to = target(fd)}};
  list[1] = list[3] = list[2] = list[0];
  list[2].buffers = &bad;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_try_send_many(socket, list, 4), 2);
  assert_int_equal(list[1].sent, 4);
  assert_int_equal(list[2].sent, 0);
  assert_int_equal(dgram_try_send_many(socket, list + 2, 2), UV_EMSGSIZE);
  assert_int_equal(list[3].sent, 0);
  assert_string_equal(arrived(fd), "good good");
  close(fd);
}

TEST("a list with an argument that is refused sends nothing") {
  int fd = raw_socket();
  uv_buf_t good = uv_buf_init("good", 4);
  dgram_outgoing_t list[2] = {{.buffers = &good, .count = 1, .to = target(fd), .sent = 5}};
  list[1] = list[0];
  list[1].to = NULL;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_try_send_many(socket, list, 2), DGRAM_ERR_SOCKET_BAD_PORT);
  assert_int_equal(list[0].sent, 5);
  assert_int_equal(dgram_bind_state(socket), DGRAM_UNBOUND);
  assert_string_equal(arrived(fd), "");
  close(fd);
}

TEST("a message with a segment size leaves whole, and its bytes are counted") {
  int port;
  int fd = raw_socket();
  static char bytes[100000];
  size_t sent = 1;
  dgram_send_options_t options = dgram_default_send_options();
  options.segment_size = 1000;
  uv_buf_t buffer = uv_buf_init(bytes, sizeof bytes);
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  memset(bytes, 'x', sizeof bytes);
  assert_int_equal(dgram_try_send_with(socket, &buffer, 1, target(fd), &options, &sent), 0);
  assert_int_equal(sent, sizeof bytes);
  static char received[2000];
  for (int i = 0; i < 100; i++)
    assert_int_equal(recv(fd, received, sizeof received, 0), 1000);
  assert_string_equal(arrived(fd), "");
  close(fd);
}
