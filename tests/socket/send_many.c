/*
 * dgram_send_many(): a list of datagrams, one call and one callback.
 */
#include "lib/fixture.h"

enum { MANY = 3000 };

static char texts[MANY][16];
static uv_buf_t buffers[MANY];
static dgram_outgoing_t list[MANY];
static struct sockaddr_in to;

struct end {
  int calls;
  int code;
  size_t sent;
  char message[400];
};

static void on_end(dgram_socket_t *socket, const dgram_error_t *error, size_t sent, void *context) {
  struct end *end = context;
  end->calls++;
  end->sent = sent;
  end->code = error != NULL ? error->code : 0;
  keep_text(end->message, sizeof end->message, error != NULL ? error->message : "");
}

static void make_list(int fd) {
  to = loopback_address(raw_port(fd));
  for (int i = 0; i < MANY; i++) {
    snprintf(texts[i], sizeof texts[i], "%d", 1000 + i);
    buffers[i] = uv_buf_init(texts[i], 4);
    list[i] = (dgram_outgoing_t){.buffers = &buffers[i], .count = 1, .to = (struct sockaddr *)&to};
  }
}

/* What comes is the list from `first` on. */
static void assert_arrived(int fd, int first, int count) {
  char text[16];
  for (int i = 0; i < count; i++) {
    raw_receive(fd, text, sizeof text);
    assert_string_equal(text, texts[first + i]);
  }
}

TEST("a list leaves in order, far past one batch, and has one callback") {
  int port;
  int fd = raw_socket();
  struct end end = {.calls = 0};
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  make_list(fd);
  for (int at = 0; at < MANY; at += 1500) { /* within the receive buffer that is granted */
    end.calls = 0;
    assert_int_equal(dgram_send_many(socket, list + at, 300, on_end, &end), 0);
    assert_int_equal(dgram_get_send_queue_count(socket), 300);
    memset(&to, 0, sizeof to); /* addresses are copied */
    assert_int_equal(end.calls, 0);
    run_until(loop, &end.calls, 1);
    assert_int_equal(end.code, 0);
    assert_int_equal(end.sent, 300);
    assert_arrived(fd, at, 300);
    make_list(fd);
  }
  close(fd);
}

TEST("thousands in one list all leave") {
  int port;
  int received = 0;
  struct end end = {.calls = 0};
  dgram_socket_t *receiver = new_roomy(loop, count_message, &received, &port);
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  int fd = raw_socket();
  make_list(fd);
  to = loopback_address(port);
  assert_int_equal(dgram_send_many(socket, list, MANY, on_end, &end), 0);
  run_until(loop, &end.calls, 1);
  assert_int_equal(end.sent, MANY);
  assert_int_equal(dgram_send_many(socket, list, 1, on_end, &end), 0); /* it is bound now */
  assert_int_equal(dgram_send_many(socket, list, MANY, on_end, &end), 0);
  run_until(loop, &end.calls, 3);
  assert_int_equal(end.sent, MANY);
  settle(loop);
  assert_int_equal(end.calls, 3);
  assert_true(received > 0);
  close_socket(receiver);
  close(fd);
}

TEST("an unbound socket is bound by a list, and sends keep their order around it") {
  int fd = raw_socket();
  int sent = 0;
  struct end end = {.calls = 0};
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  make_list(fd);
  assert_int_equal(dgram_send_many(socket, list, 3, on_end, &end), 0);
  send_text(socket, "behind", raw_port(fd), count_sent, &sent);
  assert_int_equal(dgram_send_many(socket, list + 3, 2, on_end, &end), 0);
  run_until(loop, &end.calls, 2);
  assert_string_equal(arrived(fd), "1000 1001 1002 behind 1003 1004");
  close(fd);
}

TEST("the first error is reported, and those behind it are sent") {
  int port;
  int fd = raw_socket();
  struct end end = {.calls = 0};
  static char large[65508];
  dgram_send_options_t options = dgram_default_send_options();
  options.interface_index = 999999;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  make_list(fd);
  buffers[1] = uv_buf_init(large, sizeof large);
  list[3].options = &options;
  assert_int_equal(dgram_send_many(socket, list, 5, on_end, &end), 0);
  run_until(loop, &end.calls, 1);
  assert_int_equal(end.code, UV_EMSGSIZE);
  assert_int_equal(end.sent, 3);
  char expected[100];
  snprintf(expected, sizeof expected, "send EMSGSIZE 127.0.0.1:%d", raw_port(fd));
  assert_string_equal(end.message, expected);
  assert_string_equal(arrived(fd), "1000 1002 1004");
  close(fd);
}

TEST("without a callback the bytes are copied, and each error is an 'error' event") {
  int port;
  int fd = raw_socket();
  struct kept_error error = {.calls = 0};
  dgram_send_options_t options = dgram_default_send_options();
  options.interface_index = 999999;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_on_error(socket, keep_error, &error), 0);
  make_list(fd);
  list[1].options = list[2].options = &options;
  assert_int_equal(dgram_send_many(socket, list, 4, NULL, NULL), 0);
  memset(texts, 'z', sizeof texts);
  run_until(loop, &error.calls, 2);
  assert_string_equal(error.syscall, "send");
  assert_string_equal(arrived(fd), "1000 1003");
  close(fd);
}

TEST("a list with one argument that is refused sends nothing") {
  struct end end = {.calls = 0};
  int fd = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  make_list(fd);
  list[4].to = NULL;
  assert_int_equal(dgram_send_many(socket, list, 5, on_end, &end), DGRAM_ERR_SOCKET_BAD_PORT);
  assert_int_equal(dgram_send_many(socket, list, 0, on_end, &end), UV_EINVAL);
  assert_int_equal(dgram_send_many(socket, NULL, 1, on_end, &end), UV_EINVAL);
  assert_int_equal(dgram_send_many(NULL, list, 1, on_end, &end), UV_EINVAL);
  settle(loop);
  assert_int_equal(dgram_bind_state(socket), DGRAM_UNBOUND);
  assert_int_equal(dgram_get_send_queue_count(socket), 0);
  assert_int_equal(end.calls, 0);
  assert_string_equal(arrived(fd), "");
  close(fd);
}

static void close_inside(dgram_socket_t *socket, const dgram_error_t *error, size_t sent,
                         void *context) {
  assert_null(error);
  assert_int_equal(sent, 2);
  assert_int_equal(dgram_close(socket, NULL, NULL), 0);
  (*(int *)context)++;
}

TEST("the callback may close the socket; a list that waits for the bind of a closed one leaves") {
  int fd = raw_socket();
  int closed = 0;
  struct end end = {.calls = 0};
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  make_list(fd);
  assert_int_equal(dgram_send_many(socket, list, 2, close_inside, &closed), 0);
  run_to_end(loop);
  assert_int_equal(closed, 1);
  assert_string_equal(arrived(fd), "1000 1001");
  socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_send_many(socket, list, 2, on_end, &end), 0);
  assert_int_equal(dgram_close(socket, NULL, NULL), 0);
  assert_int_equal(dgram_send_many(socket, list, 2, on_end, &end),
                   DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  run_to_end(loop);
  assert_int_equal(end.calls, 1);
  assert_int_equal(end.code, 0);
  assert_string_equal(arrived(fd), "1000 1001");
  close(fd);
}
