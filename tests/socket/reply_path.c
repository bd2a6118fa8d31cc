/*
 * Answers from the address that a datagram came to, at once and later, on a socket that is bound to
 * all interfaces. Several interfaces are in tests/netns/reply_path.c.
 */
#include "lib/info.h"

static uv_buf_t text_buffer(const char *text) {
  return uv_buf_init((char *)text, (unsigned)strlen(text));
}

static int reply_text(dgram_socket_t *socket, const dgram_rinfo_t *rinfo, const char *text,
                      const char *callback) {
  uv_buf_t buffer = text_buffer(text);
  return dgram_reply(socket, rinfo, &buffer, 1, callback != NULL ? trace_sent : NULL,
                     (void *)callback);
}

static void answer(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                   void *context) {
  char text[64];
  snprintf(text, sizeof text, "re:%.*s", (int)rinfo->size, message);
  assert_int_equal(reply_text(socket, rinfo, text, NULL), 0);
}

static dgram_socket_t *bind_answering(uv_loop_t *loop, dgram_type_t type, const char *address,
                                      unsigned flags, dgram_message_cb listener, void *context) {
  dgram_options_t options = dgram_default_options(type);
  options.receive_info = flags;
  dgram_socket_t *socket = new_with(loop, &options);
  assert_int_equal(dgram_on_message(socket, listener, context), 0);
  bind_now(socket, address);
  return socket;
}

/* A system socket that receives from this address and port only, and sends there. */
static int raw_client(const char *server, int port) {
  union raw_address to;
  socklen_t length = raw_address(&to, server, port);
  int fd = socket(to.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  assert_int_equal(connect(fd, &to.any, length), 0);
  return fd;
}

static void ask(int fd, const char *text) {
  assert_int_equal(send(fd, text, strlen(text), 0), strlen(text));
}

/* ---- from where ---- */

static void assert_answered(uv_loop_t *loop, dgram_type_t type, unsigned flags,
                            const char *server) {
  dgram_socket_t *socket = bind_answering(loop, type, NULL, flags, answer, NULL);
  int fd = raw_client(server, port_of(socket));
  ask(fd, "a");
  ask(fd, "b");
  settle(loop);
  assert_string_equal(arrived(fd), "re:a re:b");
  close(fd);
  begin_round(loop);
}

TEST("an answer leaves from the address that the datagram came to") {
  assert_answered(loop, DGRAM_UDP4, DGRAM_INFO_DESTINATION, "127.0.0.1");
  assert_answered(loop, DGRAM_UDP4, DGRAM_INFO_DESTINATION, "127.0.0.2");
  assert_answered(loop, DGRAM_UDP4, DGRAM_INFO_ALL, "127.1.2.3");
}

TEST("an answer of a udp6 socket leaves from the address of either family") {
  skip_without_ipv6();
  assert_answered(loop, DGRAM_UDP6, DGRAM_INFO_DESTINATION, "::1");
  assert_answered(loop, DGRAM_UDP6, DGRAM_INFO_DESTINATION, "127.0.0.2");
}

static void answer_batch(dgram_socket_t *socket, const dgram_message_t *const messages[],
                         size_t count, void *context) {
  for (size_t i = 0; i < count; i++)
    answer(socket, messages[i]->message, &messages[i]->rinfo, context);
}

TEST("each datagram of a batch is answered from its own address") {
  dgram_socket_t *socket =
      bind_answering(loop, DGRAM_UDP4, NULL, DGRAM_INFO_DESTINATION, answer, NULL);
  assert_int_equal(dgram_off_message(socket, answer, NULL), 0);
  assert_int_equal(dgram_on_messages(socket, answer_batch, NULL), 0);
  int first = raw_client("127.0.0.2", port_of(socket));
  int second = raw_client("127.0.0.3", port_of(socket));
  ask(first, "a");
  ask(second, "b");
  ask(first, "c");
  settle(loop);
  assert_string_equal(arrived(first), "re:a re:c");
  assert_string_equal(arrived(second), "re:b");
  close(first);
  close(second);
}

/* ---- later ---- */

static void keep_path(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                      void *context) {
  assert_int_equal(dgram_rinfo_path(rinfo, context), 0);
  trace("kept");
}

static dgram_path_t receive_path(uv_loop_t *loop, dgram_socket_t *socket, int fd,
                                 dgram_path_t *kept) {
  ask(fd, "x");
  trace_clear();
  run_until_trace(loop, "kept");
  trace_clear();
  return *kept; /* a copy */
}

TEST("a way that was kept leads back after others have come, and by a copy") {
  dgram_path_t kept;
  dgram_socket_t *socket =
      bind_answering(loop, DGRAM_UDP4, NULL, DGRAM_INFO_DESTINATION, keep_path, &kept);
  int first = raw_client("127.0.0.2", port_of(socket));
  int second = raw_client("127.0.0.3", port_of(socket));
  dgram_path_t to_first = receive_path(loop, socket, first, &kept);
  dgram_path_t to_second = receive_path(loop, socket, second, &kept);
  uv_buf_t buffers[] = {text_buffer("la"), text_buffer("ter")};
  assert_int_equal(dgram_send_path(socket, &to_first, buffers, 2, trace_sent, "1"), 0);
  assert_int_equal(dgram_send_path(socket, &to_second, buffers, 2, trace_sent, "2"), 0);
  memset(&to_first, 0xff, sizeof to_first); /* it was copied */
  run_until_trace(loop, "1 2");
  assert_string_equal(arrived(first), "later");
  assert_string_equal(arrived(second), "later");
  close(first);
  close(second);
}

/* The kernel names the interface of the own address, by which a peer of 127.0.0.0/8 is not found.
 */
TEST("a way to this host has no interface, on either family") {
  dgram_path_t kept;
  for (int i = 0; i < 2; i++) {
    if (i == 1)
      skip_without_ipv6();
    begin_round(loop);
    dgram_socket_t *socket = bind_answering(loop, i == 0 ? DGRAM_UDP4 : DGRAM_UDP6, NULL,
                                            DGRAM_INFO_DESTINATION, keep_path, &kept);
    int fd = raw_client("127.0.0.2", port_of(socket));
    dgram_path_t path = receive_path(loop, socket, fd, &kept);
    assert_int_equal(path.interface_index, 0);
    close(fd);
  }
}

TEST("a way that leads from an address that the host has not ends with the system's error") {
  dgram_path_t kept;
  dgram_socket_t *socket =
      bind_answering(loop, DGRAM_UDP4, NULL, DGRAM_INFO_DESTINATION, keep_path, &kept);
  int fd = raw_client("127.0.0.2", port_of(socket));
  dgram_path_t path = receive_path(loop, socket, fd, &kept);
  assert_int_equal(uv_ip4_addr("192.0.2.1", 0, (struct sockaddr_in *)(void *)&path.local), 0);
  uv_buf_t buffer = text_buffer("x");
  struct kept_error error = {0};
  assert_int_equal(dgram_send_path(socket, &path, &buffer, 1, keep_send_error, &error), 0);
  assert_int_equal(dgram_send_path(socket, &kept, &buffer, 1, trace_sent, "2"), 0);
  run_until_trace(loop, "2");
  assert_int_equal(error.calls, 1);
  assert_true(error.code == UV_ENETUNREACH || error.code == UV_EINVAL);
  assert_string_equal(arrived(fd), "x");
  close(fd);
}

TEST("a way of the program's own leads from its local address") {
  dgram_path_t path = {.reserved = {0}};
  int fd = raw_socket();
  dgram_socket_t *socket = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  int port = bind_now(socket, NULL);
  raw_connect(fd, port);
  close(fd);
  fd = raw_client("127.0.0.7", port);
  struct sockaddr_in own;
  socklen_t length = sizeof own;
  assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &length), 0);
  memcpy(&path.peer, &own, sizeof own);
  assert_int_equal(uv_ip4_addr("127.0.0.7", 9, (struct sockaddr_in *)(void *)&path.local), 0);
  uv_buf_t buffer = text_buffer("x");
  assert_int_equal(dgram_send_path(socket, &path, &buffer, 1, trace_sent, "1"), 0);
  run_until_trace(loop, "1");
  assert_string_equal(arrived(fd), "x");
  close(fd);
}

/* ---- where it is not known ---- */

static void fail_to_answer(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                           void *context) {
  assert_int_equal(reply_text(socket, rinfo, "x", "never"), *(int *)context);
  assert_int_equal(dgram_get_send_queue_count(socket), 0);
  trace("failed");
}

static void answer_with_ttl(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                            void *context) {
  dgram_path_t path;
  dgram_send_options_t options = dgram_default_send_options();
  uv_buf_t buffer = {.base = "answer", .len = 6};
  assert_int_equal(dgram_rinfo_path(rinfo, &path), 0);
  options.source = (const struct sockaddr *)&path.local;
  options.interface_index = path.interface_index;
  options.ttl = 9;
  assert_int_equal(dgram_send_with(socket, &buffer, 1, (const struct sockaddr *)&path.peer,
                                   &options, NULL, NULL),
                   0);
  memset(&path.local, 0, sizeof path.local); /* AF_UNSPEC: as without `source` */
  assert_int_equal(dgram_send_with(socket, &buffer, 1, (const struct sockaddr *)&path.peer,
                                   &options, NULL, NULL),
                   0);
}

TEST("the members of a way are options of a send, also without a local address") {
  dgram_socket_t *socket =
      bind_answering(loop, DGRAM_UDP4, NULL, DGRAM_INFO_DESTINATION, answer_with_ttl, NULL);
  int fd = raw_client("127.0.0.1", port_of(socket));
  ask(fd, "a");
  settle(loop);
  assert_string_equal(arrived(fd), "answer answer");
  close(fd);
}

TEST("an answer is refused where the address is not known") {
  static const unsigned flags[] = {0, DGRAM_INFO_INTERFACE,
                                   (unsigned)DGRAM_INFO_ALL & ~(unsigned)DGRAM_INFO_DESTINATION};
  for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
    begin_round(loop);
    int code = UV_EINVAL;
    dgram_socket_t *socket =
        bind_answering(loop, DGRAM_UDP4, NULL, flags[i], fail_to_answer, &code);
    int fd = raw_client("127.0.0.1", port_of(socket));
    ask(fd, "x");
    run_until_trace(loop, "failed");
    assert_usable(socket);
    close(fd);
    close_sockets(loop);
  }
}

TEST("a socket that is bound to one address answers from that without asking for it") {
  dgram_socket_t *socket = bind_answering(loop, DGRAM_UDP4, "127.0.0.5", 0, answer, NULL);
  int fd = raw_client("127.0.0.5", port_of(socket));
  ask(fd, "a");
  settle(loop);
  assert_string_equal(arrived(fd), "re:a");
  close(fd);
}

TEST("an answer without its arguments is refused") {
  dgram_path_t path = {.reserved = {0}};
  dgram_rinfo_t rinfo = {.text = NULL};
  uv_buf_t buffer = text_buffer("x");
  int port;
  dgram_socket_t *socket = new_bound(loop, NULL, NULL, &port);
  assert_int_equal(dgram_rinfo_path(NULL, &path), UV_EINVAL);
  assert_int_equal(dgram_rinfo_path(&rinfo, NULL), UV_EINVAL);
  assert_int_equal(dgram_reply(socket, NULL, &buffer, 1, trace_sent, "never"), UV_EINVAL);
  assert_int_equal(dgram_send_path(socket, NULL, &buffer, 1, trace_sent, "never"), UV_EINVAL);
  assert_int_equal(dgram_send_path(NULL, &path, &buffer, 1, trace_sent, "never"), UV_EINVAL);
  assert_int_equal(dgram_send_path(socket, &path, &buffer, 1, trace_sent, "never"), UV_EINVAL);
  struct sockaddr_in to = loopback_address(port);
  memcpy(&path.peer, &to, sizeof to);
  assert_int_equal(dgram_send_path(socket, &path, NULL, 1, trace_sent, "never"), UV_EINVAL);
  path.local.ss_family = AF_INET6;
  assert_int_equal(dgram_send_path(socket, &path, &buffer, 1, trace_sent, "never"), UV_EINVAL);
  path.local.ss_family = AF_INET;
  ((struct sockaddr_in *)(void *)&path.peer)->sin_port = 0;
  assert_int_equal(dgram_send_path(socket, &path, &buffer, 1, trace_sent, "never"),
                   DGRAM_ERR_SOCKET_BAD_PORT);
  assert_int_equal(dgram_get_send_queue_count(socket), 0);
  settle(loop);
  assert_trace("");
}

/* ---- the state of the socket ---- */

TEST("a connected socket answers its peer, and nobody else") {
  dgram_path_t kept;
  int code = DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED;
  dgram_socket_t *socket =
      bind_answering(loop, DGRAM_UDP4, NULL, DGRAM_INFO_DESTINATION, keep_path, &kept);
  int stranger = raw_client("127.0.0.1", port_of(socket));
  dgram_path_t path = receive_path(loop, socket, stranger, &kept);
  int peer = raw_client("127.0.0.1", port_of(socket));
  connect_now(socket, raw_port(peer));
  uv_buf_t buffer = text_buffer("x");
  assert_int_equal(dgram_send_path(socket, &path, &buffer, 1, trace_sent, "never"), code);
  assert_int_equal(dgram_off_message(socket, keep_path, &kept), 0);
  assert_int_equal(dgram_on_message(socket, answer, NULL), 0);
  ask(peer, "a");
  settle(loop);
  assert_string_equal(arrived(peer), "re:a");
  assert_string_equal(arrived(stranger), "");
  close(peer);
  close(stranger);
}

static void answer_and_close(dgram_socket_t *socket, const char *message,
                             const dgram_rinfo_t *rinfo, void *context) {
  assert_int_equal(reply_text(socket, rinfo, "bye", "sent"), 0);
  close_socket(socket);
  assert_int_equal(reply_text(socket, rinfo, "x", "never"), DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  dgram_address_t address; /* what is known of the datagram stays so in the listener */
  assert_int_equal(dgram_sockaddr_describe(dgram_rinfo_info(rinfo)->local, &address), 0);
  assert_string_equal(address.address, "127.0.0.2");
}

TEST("an answer leaves though the listener then closes the socket") {
  dgram_socket_t *socket =
      bind_answering(loop, DGRAM_UDP4, NULL, DGRAM_INFO_DESTINATION, answer_and_close, NULL);
  int fd = raw_client("127.0.0.2", port_of(socket));
  ask(fd, "a");
  ask(fd, "b");
  run_until_trace(loop, "sent");
  assert_string_equal(arrived(fd), "bye");
  close(fd);
}

TEST("a closed socket answers nobody") {
  dgram_path_t kept;
  dgram_socket_t *socket =
      bind_answering(loop, DGRAM_UDP4, NULL, DGRAM_INFO_DESTINATION, keep_path, &kept);
  int fd = raw_client("127.0.0.2", port_of(socket));
  dgram_path_t path = receive_path(loop, socket, fd, &kept);
  uv_buf_t buffer = text_buffer("x");
  close_socket(socket);
  assert_int_equal(dgram_send_path(socket, &path, &buffer, 1, trace_sent, "never"),
                   DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  run_to_end(loop);
  assert_trace("");
  close(fd);
}

TEST("another socket, which is not bound yet, answers in its place") {
  dgram_path_t kept;
  dgram_socket_t *socket =
      bind_answering(loop, DGRAM_UDP4, NULL, DGRAM_INFO_DESTINATION, keep_path, &kept);
  int fd = raw_client("127.0.0.2", port_of(socket));
  dgram_path_t path = receive_path(loop, socket, fd, &kept);
  struct sockaddr none = {.sa_family = AF_UNSPEC};
  assert_int_equal(connect(fd, &none, sizeof none), 0); /* now it receives from any */
  struct sockaddr_in own = loopback_address(ntohs(((struct sockaddr_in *)&path.peer)->sin_port));
  assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof own), 0);
  dgram_socket_t *other = new_socket(loop, DGRAM_UDP4, NULL, NULL);
  uv_buf_t buffer = text_buffer("x");
  assert_int_equal(dgram_send_path(other, &path, &buffer, 1, trace_sent, "sent"), 0);
  run_until_trace(loop, "sent");
  struct sockaddr_in from;
  socklen_t length = sizeof from;
  char text[8];
  assert_int_equal(recvfrom(fd, text, sizeof text, 0, (struct sockaddr *)&from, &length), 1);
  assert_int_equal(ntohl(from.sin_addr.s_addr), INADDR_LOOPBACK + 1);
  assert_int_equal(ntohs(from.sin_port), port_of(other));
  close(fd);
}
