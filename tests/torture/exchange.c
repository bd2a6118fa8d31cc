/* Scenarios of sockets that send to each other: binds, sends of each kind, connects, closes. */
#include "torture/torture.h"

SCENARIO("an exchange") {
  struct member *receiver = new_member(NULL);
  struct member *sender = new_member(NULL);
  bind_member(receiver);
  int port = port_of(receiver);
  say(sender, "first", port); /* which binds it */
  for (int i = 0; i < 6; i++)
    say(sender, "one of several", port);
  wait_for_sends();
  WAIT(receiver->messages == 7);
  EXPECT(receiver->messages == 7);
  close_member(sender);
}

SCENARIO("a burst") {
  enum { BURST = 150 };
  static const char text[] = "the same size each, so that they leave together";
  struct member *receiver = new_member(NULL);
  struct member *sender = new_member(NULL);
  bind_member(receiver);
  bind_member(sender);
  OK(dgram_set_receive_budget(receiver->socket, 20));
  int port = port_of(receiver);
  for (int i = 0; i < BURST; i++)
    say(sender, i % 50 == 49 ? "short" : text, port);
  wait_for_sends();
  WAIT(receiver->messages == BURST);
  EXPECT(receiver->messages == BURST);
}

/* ---- sends of each kind ---- */

static uv_buf_t buffers[3];

static void set_buffers(void) {
  static char text[] = "abcdefghijkl";
  for (int i = 0; i < 3; i++)
    buffers[i] = uv_buf_init(text + (size_t)4 * (size_t)i, 4);
}

static void send_kinds(struct member *sender, int port) {
  dgram_socket_t *socket = sender->socket;
  const struct sockaddr *to = to_port(port);
  struct torture_send *send = new_send();
  OK(accept_send(send, dgram_send_buffers(socket, buffers, 3, port, world.host, on_sent, send)) ||
             send->accepted
         ? 0
         : UV_ENOMEM);
  OK(dgram_send_buffers(socket, buffers, 3, port, world.host, NULL, NULL));
  send = new_send();
  int err = dgram_send_to(socket, buffers, 2, to, on_sent, send);
  accept_send(send, err);
  OK(err);
  OK(dgram_send_to(socket, buffers, 1, to, NULL, NULL));
  OK(dgram_send_to(socket, NULL, 0, to, NULL, NULL));
  OK(dgram_send(socket, "by name", 7, port, "localhost", NULL, NULL));
}

SCENARIO("sends of each kind") {
  struct member *receiver = new_member(NULL);
  struct member *sender = new_member(NULL);
  set_buffers();
  bind_member(receiver);
  int port = port_of(receiver);
  send_kinds(sender, port);
  CHECK(dgram_get_send_queue_count(sender->socket) <= 6);
  CHECK(dgram_get_send_queue_size(sender->socket) <= 60);
  WAIT(dgram_get_send_queue_count(sender->socket) == 0);
  dgram_flush(sender->socket);
  send_kinds(sender, port);
  dgram_flush(sender->socket);
  WAIT(dgram_get_send_queue_count(sender->socket) == 0 && receiver->messages == 12);
  EXPECT(receiver->messages == 12);
}

static void on_many_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t sent,
                         void *context) {
  on_sent(socket, error, sent, context);
}

/* Sends with options, of which those with a segment size are several datagrams. */
SCENARIO("sends with options, and lists") {
  struct member *receiver = new_member(NULL);
  struct member *sender = new_member(NULL);
  set_buffers();
  bind_member(receiver);
  bind_member(sender);
  struct sockaddr_storage source = loopback(0);
  struct sockaddr_storage to = loopback(port_of(receiver));
  dgram_send_options_t plain = dgram_default_send_options();
  dgram_send_options_t marked = dgram_default_send_options();
  dgram_send_options_t segments = dgram_default_send_options();
  marked.ttl = 3;
  marked.tos = 8;
  marked.dont_fragment = 1;
  marked.source = (struct sockaddr *)&source;
  segments.segment_size = 5;
  const dgram_send_options_t *options[] = {&plain, &marked, &marked, &segments, NULL};
  for (int i = 0; i < 5; i++) {
    struct torture_send *send = new_send();
    int err = dgram_send_with(sender->socket, buffers, 3, (struct sockaddr *)&to, options[i],
                              on_sent, send);
    accept_send(send, err);
    OK(err);
  }
  const dgram_outgoing_t list[] = {
      {buffers, 3, (struct sockaddr *)&to, NULL, 0},
      {buffers, 1, (struct sockaddr *)&to, &marked, 0},
      {buffers, 2, (struct sockaddr *)&to, &segments, 0},
  };
  struct torture_send *send = new_send();
  int err = dgram_send_many(sender->socket, list, 3, on_many_sent, send);
  accept_send(send, err);
  OK(err);
  OK(dgram_send_many(sender->socket, list, 3, NULL, NULL));
  WAIT(dgram_get_send_queue_count(sender->socket) == 0 && receiver->messages == 15);
  EXPECT(receiver->messages == 15);
}

SCENARIO("sends that leave at once or not at all") {
  struct member *receiver = new_member(NULL);
  struct member *sender = new_member(NULL);
  set_buffers();
  bind_member(receiver);
  struct sockaddr_storage to = loopback(port_of(receiver));
  const struct sockaddr *address = (struct sockaddr *)&to;
  dgram_send_options_t segments = dgram_default_send_options();
  segments.segment_size = 4;
  size_t sent = 0;
  int expected = OK(dgram_try_send(sender->socket, "now", 3, address));
  OK(dgram_try_send_with(sender->socket, buffers, 3, address, &segments, &sent));
  expected += (int)sent / 4;
  dgram_outgoing_t list[] = {{buffers, 3, address, NULL, 0},
                             {buffers, 1, address, NULL, 0},
                             {buffers, 2, address, NULL, 0}};
  int left = dgram_try_send_many(sender->socket, list, 3);
  CHECK(left <= 3);
  expected += OK(left) ? left : 0;
  WAIT(receiver->messages >= expected);
  EXPECT(receiver->messages == expected);
  CHECK(receiver->messages <= 7);
}

/* ---- connects ---- */

static void on_connect(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  struct member *member = context;
  CHECK(error != NULL || member->closing || dgram_connect_state(socket) == DGRAM_CONNECTED);
  if (error != NULL)
    world.reported++;
  member->connects++;
}

SCENARIO("a connect") {
  struct member *receiver = new_member(NULL);
  struct member *sender = new_member(NULL);
  dgram_address_t peer;
  bind_member(receiver);
  int port = port_of(receiver);
  bool tried = OK(dgram_connect(sender->socket, port, "localhost", on_connect, sender));
  WAIT(sender->connects == tried);
  CHECK(sender->connects == tried);
  if (dgram_connect_state(sender->socket) == DGRAM_CONNECTED) {
    OK(dgram_remote_address(sender->socket, &peer));
    OK(dgram_get_mtu(sender->socket));
    for (int i = 0; i < 5; i++)
      say(sender, "to the peer", 0);
    wait_for_sends();
    WAIT(receiver->messages == 5);
    EXPECT(receiver->messages == 5);
    if (OK(dgram_disconnect(sender->socket)))
      say(sender, "disconnected", port);
    else
      CHECK(dgram_connect_state(sender->socket) == DGRAM_CONNECTED);
    wait_for_sends();
  }
}

SCENARIO("a bind and a connect inside the calls") {
  struct member *receiver = new_member(NULL);
  struct member *sender = new_member(NULL);
  bool bound = OK(dgram_bind_sync(receiver->socket, 0, world.host));
  CHECK((dgram_bind_state(receiver->socket) == DGRAM_BOUND) == bound);
  int port = port_of(receiver);
  say(sender, "queued before", port);
  settle();
  wait_for_sends();
  bool connected = OK(dgram_connect_sync(sender->socket, port, world.host));
  CHECK((dgram_connect_state(sender->socket) == DGRAM_CONNECTED) == connected);
  if (connected)
    for (int i = 0; i < 5; i++)
      say(sender, "to the peer", 0);
  wait_for_sends();
  WAIT(receiver->messages == 6);
  EXPECT(receiver->messages == 6);
}

/* Nobody receives: the first datagram is refused by ICMP, which a later send may report. */
SCENARIO("a connect to nobody") {
  struct member *sender = new_member(NULL);
  if (OK(dgram_connect_sync(sender->socket, 9, world.host)))
    for (int i = 0; i < 6; i++) {
      say(sender, "to nobody", 0);
      settle();
    }
  wait_for_sends();
}

/* ---- closes ---- */

SCENARIO("closes before what was begun has ended") {
  struct member *binding = new_member(NULL);
  struct member *naming = new_member(NULL);
  struct member *connecting = new_member(NULL);
  struct member *sending = new_member(NULL);
  OK(dgram_bind(binding->socket, 0, "localhost", NULL, NULL));
  say(binding, "waits for the bind", 9);
  close_member(binding);
  for (int i = 0; i < 3; i++) {
    struct torture_send *send = new_send();
    int err = dgram_send(naming->socket, "x", 1, 9, "localhost", on_sent, send);
    accept_send(send, err);
    OK(err);
  }
  OK(dgram_connect(connecting->socket, 9, "localhost", on_connect, connecting));
  close_member(naming);
  close_member(connecting);
  bind_member(sending);
  for (int i = 0; i < 20; i++)
    say(sending, "not flushed", 9);
  close_member(sending);
  wait_for_sends();
  EXPECT(all_sent());
}

SCENARIO("sockets that are disposed of") {
  dgram_socket_t *socket = NULL;
  if (OK(dgram_create_socket(&world.loop, world.type, NULL, NULL, &socket))) {
    struct torture_send *send = new_send();
    int err = dgram_send(socket, "x", 1, world.port, world.host, on_sent, send);
    accept_send(send, err);
    OK(err);
  }
  dgram_dispose(socket);
  EXPECT(all_sent());
  socket = NULL;
  if (OK(dgram_create_socket(&world.loop, world.type, NULL, NULL, &socket)))
    OK(dgram_bind_sync(socket, 0, world.host));
  dgram_dispose_at(&socket);
}

SCENARIO("sockets that a signal closes") {
  dgram_abort_signal_t *signal = NULL;
  bool made = OK(dgram_abort_signal_create(&signal));
  CHECK(made == (signal != NULL));
  dgram_options_t options = options_of_mode();
  options.signal = signal;
  struct member *first = new_member(&options);
  struct member *second = new_member(&options);
  bind_member(first);
  say(first, "x", port_of(first));
  if (made) {
    first->closing = first->socket != NULL; /* which it does by itself */
    second->closing = second->socket != NULL;
  }
  dgram_abort_signal_abort(signal);
  dgram_abort_signal_abort(signal);
  if (made) {
    dgram_socket_t *late = NULL;
    if (OK(dgram_create_socket_options(&world.loop, &options, NULL, NULL, &late)))
      CHECK(dgram_close(late, NULL, NULL) == DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  }
  dgram_abort_signal_free(signal);
  wait_for_sends();
  EXPECT(all_sent());
}

/* ---- tasks that the program runs ---- */

enum { TASKS = 64 };

static dgram_task_t *tasks[TASKS];
static int task_count;

static int put_off(dgram_task_t *task, void *context) {
  CHECK(task_count < TASKS);
  tasks[task_count++] = task;
  return 1;
}

static bool run_tasks(void) {
  for (int i = 0; i < task_count; i++) /* and those that are added */
    dgram_task_run(tasks[i]);
  task_count = 0;
  return false;
}

SCENARIO("tasks that the program runs") {
  dgram_options_t options = options_of_mode();
  options.defer = put_off;
  task_count = 0;
  struct member *receiver = new_member(&options);
  struct member *sender = new_member(&options);
  receiver->left_alone = sender->left_alone = true;
  OK(dgram_bind_sync(receiver->socket, 0, world.host));
  int port = port_of(receiver);
  OK(dgram_connect(sender->socket, port, world.host, on_connect, sender));
  WAIT(run_tasks() || sender->connects == 1 || sender->errors > 0);
  bool connected = dgram_connect_state(sender->socket) == DGRAM_CONNECTED;
  for (int i = 0; i < 5; i++)
    say(sender, "deferred", connected ? 0 : port);
  dgram_flush(sender->socket);
  WAIT(run_tasks() || (all_sent() && receiver->messages == 5));
  EXPECT(receiver->messages == 5);
  close_member(sender);
  close_member(receiver);
  WAIT(run_tasks() || (sender->close_emitted && receiver->close_emitted));
  run_tasks();
}
