/* Closing a socket inside each kind of callback, its own included. */
#include "lib/fixture.h"

static void trace_and_close(dgram_socket_t *socket, const char *name) {
  trace("%s", name);
  assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
}

static void close_in_event(dgram_socket_t *socket, void *context) {
  trace_and_close(socket, context);
}

static void close_in_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  trace_and_close(socket, context);
}

static void close_in_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                          void *context) {
  trace_and_close(socket, context);
}

TEST("close() in listening leaves the other listeners and emits close") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_listening(socket, close_in_event, "listening"), 0);
  assert_int_equal(dgram_on_listening(socket, trace_event, "still"), 0);
  assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), 0);
  run_to_end(loop);
  assert_trace("listening still closed");
}

/* node#7061: here the queued sends threw what nobody could catch. */
TEST("close() in listening lets sends that wait leave") {
  int fd = raw_socket();
  char byte;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_listening(socket, close_in_event, "listening"), 0);
  send_text(socket, "1", raw_port(fd), trace_sent, "sent1");
  send_text(socket, "2", raw_port(fd), trace_sent, "sent2");
  run_to_end(loop);
  assert_trace("listening sent1 sent2 closed");
  assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), 1);
  assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT), 1);
  close(fd);
}

struct closer {
  int seen;
  int close_at;
};

static void close_at_message(dgram_socket_t *socket, const char *message,
                             const dgram_rinfo_t *rinfo, void *context) {
  struct closer *closer = context;
  if (++closer->seen == closer->close_at)
    assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
}

/* bun#33669: the rest of the batch was delivered after the close. */
TEST("close() in a message of a batch ends the batch") {
  enum { SENT = 20 };
  for (int k = 1; k <= SENT; k += 9) {
    begin_round(loop);
    struct closer closer = {0, k};
    int port;
    int fd = raw_socket();
    new_bound(loop, close_at_message, &closer, &port);
    for (int i = 0; i < SENT; i++)
      raw_send(fd, "x", 1, port);
    run_to_end(loop);
    close(fd);
    assert_int_equal(closer.seen, k);
    assert_trace("closed");
  }
}

/* Datagrams of one size from one send may come in one buffer of the system's (GRO). */
TEST("close() in a message of a GRO batch ends the batch") {
  enum { SENT = 20 };
  for (int k = 1; k <= SENT; k += 9) {
    begin_round(loop);
    struct closer closer = {0, k};
    int port;
    int sender_port;
    dgram_socket_t *sender = new_bound(loop, NULL, NULL, &sender_port);
    new_bound(loop, close_at_message, &closer, &port);
    for (int i = 0; i < SENT; i++)
      send_text(sender, "x", port, NULL, NULL);
    close_socket(sender);
    run_to_end(loop);
    assert_int_equal(closer.seen, k);
    assert_trace("closed");
  }
}

static void close_socket_and_note(dgram_socket_t *socket, const char *message,
                                  const dgram_rinfo_t *rinfo, void *context) {
  trace_and_close(socket, context);
}

TEST("close() in a message leaves its other listeners") {
  int port;
  int fd = raw_socket();
  dgram_socket_t *socket = new_bound(loop, close_socket_and_note, "first", &port);
  assert_int_equal(dgram_on_message(socket, trace_message, "second"), 0);
  raw_send(fd, "x", 1, port);
  run_to_end(loop);
  close(fd);
  assert_trace("first second(x) closed");
}

static void answer_and_close(dgram_socket_t *socket, const char *message,
                             const dgram_rinfo_t *rinfo, void *context) {
  assert_int_equal(dgram_send(socket, "bye", 3, rinfo->port, "127.0.0.1", trace_sent, "answered"),
                   0);
  assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
}

TEST("close() in a message lets what was sent before leave") {
  int port;
  char bytes[8];
  int fd = raw_socket();
  new_bound(loop, answer_and_close, NULL, &port);
  raw_send(fd, "hi", 2, port);
  run_to_end(loop);
  assert_int_equal(recv(fd, bytes, sizeof bytes, MSG_DONTWAIT), 3);
  close(fd);
  assert_trace("answered closed");
}

static void close_other(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                        void *context) {
  dgram_socket_t **other = context;
  trace("message");
  if (*other != NULL)
    assert_int_equal(dgram_close(*other, trace_event, "closed"), 0);
  *other = NULL;
}

/* Both have something to read in this turn of the loop. */
TEST("close() in a message of another socket ends its messages") {
  int ports[2];
  int fd = raw_socket();
  dgram_socket_t *sockets[2];
  dgram_socket_t *others[2];
  for (int i = 0; i < 2; i++) {
    sockets[i] = new_bound(loop, close_other, &others[i], &ports[i]);
    others[1 - i] = sockets[i];
  }
  raw_send(fd, "x", 1, ports[0]);
  raw_send(fd, "x", 1, ports[1]);
  uv_run(loop, UV_RUN_ONCE);
  uv_run(loop, UV_RUN_NOWAIT);
  assert_trace("message closed");
  close_socket(others[0] == NULL ? sockets[0] : sockets[1]);
  run_to_end(loop);
  close(fd);
}

TEST("close() in the error of a bind emits close") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, close_in_error, "error"), 0);
  assert_int_equal(dgram_bind(socket, 0, "192.0.2.1", NULL, NULL), 0);
  run_to_end(loop);
  assert_trace("error closed");
}

TEST("close() in the error of a bind to a host name emits close") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, close_in_error, "error"), 0);
  assert_int_equal(dgram_bind(socket, 0, "no-such-host.invalid", NULL, NULL), 0);
  run_to_end(loop);
  assert_trace("error closed");
}

TEST("close() in the error of a bind fails the sends that waited") {
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_on_error(socket, close_in_error, "error"), 0);
  assert_int_equal(dgram_bind(socket, 0, "192.0.2.1", NULL, NULL), 0);
  send_text(socket, "1", 9, trace_sent, "send1");
  send_text(socket, "2", 9, NULL, NULL);
  run_to_end(loop);
  assert_trace("error send1(EADDRNOTAVAIL) closed");
}

TEST("close() in the error of a send emits close") {
  static char overlong[65508];
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_once_error(socket, close_in_error, "error"), 0);
  assert_int_equal(dgram_on_error(socket, trace_error, "second"), 0);
  assert_int_equal(dgram_send(socket, overlong, sizeof overlong, port, NULL, NULL, NULL), 0);
  send_text(socket, "2", port, trace_sent, "sent2");
  run_to_end(loop);
  assert_trace("error second(EMSGSIZE) sent2 closed");
}

TEST("close() in the callback of a send emits close") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  send_text(socket, "1", 9, close_in_sent, "sent1");
  send_text(socket, "2", 9, trace_sent, "sent2");
  run_to_end(loop);
  assert_trace("sent1 sent2 closed");
}

static void send_look_up_and_close(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                                   void *context) {
  trace("sent1");
  send_text(socket, "3", 9, trace_sent, "sent3");
  assert_int_equal(dgram_send(socket, "4", 1, 9, "localhost", trace_sent, "lookup4"), 0);
  assert_int_equal(dgram_close(socket, trace_event, "closed"), 0);
}

TEST("close() in the callback of a send lets later sends leave") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  send_text(socket, "1", 9, send_look_up_and_close, NULL);
  send_text(socket, "2", 9, trace_sent, "sent2");
  run_to_end(loop);
  assert_trace("sent1 sent2 sent3 closed lookup4(ECANCELED)");
}

static void use_closed(dgram_socket_t *socket) {
  dgram_address_t address;
  assert_int_equal(dgram_close(socket, NULL, NULL), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  assert_int_equal(dgram_bind(socket, 0, NULL, NULL, NULL), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  assert_int_equal(dgram_send(socket, "x", 1, 9, NULL, NULL, NULL),
                   DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  assert_int_equal(dgram_address(socket, &address), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  assert_ptr_equal(dgram_ref(socket), socket);
}

static void use_in_close(dgram_socket_t *socket, void *context) {
  use_closed(socket);
  assert_int_equal(dgram_on_close(socket, trace_event, "never"), 0);
  trace("%s", (const char *)context);
}

static void use_in_cancelled(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                             void *context) {
  assert_int_equal(error->code, UV_ECANCELED);
  use_closed(socket);
  trace("%s", (const char *)context);
}

TEST("a socket can be named but not used in close") {
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_send(socket, "1", 1, 9, "localhost", use_in_cancelled, "cancelled1"), 0);
  assert_int_equal(dgram_send(socket, "2", 1, 9, "localhost", use_in_cancelled, "cancelled2"), 0);
  assert_int_equal(dgram_close(socket, use_in_close, "closed"), 0);
  run_to_end(loop);
  assert_trace("closed cancelled1 cancelled2");
}

static void new_in_close(dgram_socket_t *socket, void *context) {
  dgram_socket_t **created = context;
  *created = new_socket(dgram_loop(socket), DGRAM_UDP4, NULL, NULL);
}

/* It was the loop's last one, so what the loop shares may be on its way out. */
TEST("a new socket may be made in close") {
  dgram_socket_t *created = NULL;
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  assert_int_equal(dgram_close(socket, new_in_close, &created), 0);
  run_to_end(loop);
  assert_non_null(created);
  bind_now(created, "127.0.0.1");
  assert_usable(created);
  close_socket(created);
}
