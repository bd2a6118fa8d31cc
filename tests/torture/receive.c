/* Scenarios of receiving: facts, replies, batches, pauses, limits, ICMP, counters, peers. */
#include "torture/torture.h"

#include <netinet/ip_icmp.h>

/* ---- facts, and replies ---- */

static int replied;

static void answer(dgram_socket_t *socket, const dgram_rinfo_t *rinfo) {
  static char text[] = "answer"; /* borrowed until it is sent */
  uv_buf_t buffer = uv_buf_init(text, 6);
  dgram_path_t path;
  dgram_address_t address;
  CHECK(dgram_rinfo_address(rinfo) != NULL);
  CHECK(dgram_sockaddr_describe(rinfo->sockaddr, &address) == 0);
  const dgram_info_t *info = dgram_rinfo_info(rinfo);
  CHECK(info != NULL);
  if ((info->flags & DGRAM_INFO_INTERFACE) != 0)
    CHECK(dgram_info_interface_name(info) != NULL || met());
  CHECK(dgram_rinfo_path(rinfo, &path) == 0);
  struct torture_send *send = new_send();
  int err = replied++ % 2 == 0 ? dgram_reply(socket, rinfo, &buffer, 1, on_sent, send)
                               : dgram_send_path(socket, &path, &buffer, 1, on_sent, send);
  accept_send(send, err);
  OK(err);
}

static void on_question(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                        void *context) {
  answer(socket, rinfo);
}

SCENARIO("answers by the path of a question") {
  dgram_options_t options = options_of_mode();
  options.receive_info = DGRAM_INFO_ALL;
  replied = 0;
  struct member *server = new_member(&options);
  struct member *client = new_member(NULL);
  OK(dgram_on_message(server->socket, on_question, NULL));
  bind_member(server);
  bind_member(client);
  int port = port_of(server);
  for (int i = 0; i < 4; i++)
    say(client, "question", port);
  wait_for_sends();
  WAIT(client->messages == 4);
  EXPECT(client->messages == 4);
  dgram_off_message(server->socket, on_question, NULL); /* the probe is not answered */
}

/* ---- batches, and pauses ---- */

static int batched;

static void on_messages(dgram_socket_t *socket, const dgram_message_t *const messages[],
                        size_t count, void *context) {
  struct member *member = context;
  CHECK(!member->closing && count > 0);
  for (size_t i = 0; i < count; i++)
    CHECK(messages[i]->rinfo.size > 0);
  if (batched == 0 && count > 1) {
    OK(dgram_pause_at(socket, 1));
    batched++;
    return;
  }
  batched += (int)count;
}

SCENARIO("batches, of which a listener takes one message") {
  struct member *receiver = new_member(NULL);
  struct member *sender = new_member(NULL);
  batched = 0;
  bool listens = OK(dgram_on_messages(receiver->socket, on_messages, receiver));
  bind_member(receiver);
  bind_member(sender);
  int port = port_of(receiver);
  for (int i = 0; i < 10; i++)
    say(sender, "one of ten", port);
  wait_for_sends();
  settle();
  OK(dgram_resume(receiver->socket));
  WAIT(receiver->messages >= 10);
  EXPECT(receiver->messages == 10 && (!listens || batched == 10));
  if (listens)
    CHECK(dgram_off_messages(receiver->socket, on_messages, receiver) == 0);
}

static void on_message_pause(dgram_socket_t *socket, const char *message,
                             const dgram_rinfo_t *rinfo, void *context) {
  OK(dgram_pause(socket));
}

SCENARIO("a receiver that pauses after each message") {
  struct member *receiver = new_member(NULL);
  struct member *sender = new_member(NULL);
  bool pauses = OK(dgram_on_message(receiver->socket, on_message_pause, NULL));
  bind_member(receiver);
  int port = port_of(receiver);
  for (int i = 0; i < 5; i++)
    say(sender, "one by one", port);
  wait_for_sends();
  for (int i = 0; i < 5; i++) {
    WAIT(receiver->messages > i);
    if (pauses && receiver->messages > i && !met())
      CHECK(dgram_is_paused(receiver->socket) && receiver->messages == i + 1);
    OK(dgram_resume(receiver->socket));
  }
  EXPECT(receiver->messages == 5);
  if (pauses)
    CHECK(dgram_off_message(receiver->socket, on_message_pause, NULL) == 0);
}

/* ---- limits ---- */

static void on_drain(dgram_socket_t *socket, void *context) {
  ((struct member *)context)->drains++;
}

SCENARIO("limits of the queue and of times, and a cancelled send") {
  enum { LIMIT = 4, MS = 1000 };
  struct member *receiver = new_member(NULL);
  struct member *sender = new_member(NULL);
  bool refused = false;
  bind_member(receiver);
  int port = port_of(receiver);
  bool drains = OK(dgram_on_drain(sender->socket, on_drain, sender));
  bool limited = OK(dgram_set_send_queue_limit(sender->socket, 0, LIMIT, 0, 0));
  OK(dgram_set_send_timeout(sender->socket, MS));
  OK(dgram_set_lookup_timeout(sender->socket, MS));
  struct torture_send *third = NULL;
  for (int i = 0; i <= LIMIT; i++) {
    struct torture_send *send = new_send();
    int err = dgram_send(sender->socket, "limited", 7, port, i == 1 ? "localhost" : world.host,
                         on_sent, send);
    third = i == 2 ? send : third;
    accept_send(send, err);
    refused |= err == UV_ENOBUFS;
    if (err != UV_ENOBUFS)
      OK(err);
  }
  CHECK(refused || !limited || met());
  int err = dgram_cancel_send(sender->socket, on_sent, third);
  CHECK(err == 0 || met());
  wait_for_sends();
  WAIT(!drains || !refused || sender->drains > 0);
  CHECK(sender->drains == (drains && refused));
  if (drains)
    CHECK(dgram_off_drain(sender->socket, on_drain, sender) == 0);
}

/* ---- ICMP, and counters ---- */

static void on_icmp(dgram_socket_t *socket, const dgram_icmp_t *icmp, void *context) {
  CHECK(icmp->kind == DGRAM_ICMP_PORT_UNREACHABLE && dgram_icmp_kind_name(icmp->kind) != NULL);
  ((struct member *)context)->reports++;
}

static int nobodys_port(void) {
  struct sockaddr_storage address = loopback(0);
  socklen_t size = sizeof address;
  int fd = socket(world.family, SOCK_DGRAM, 0);
  CHECK(bind(fd, (struct sockaddr *)&address, size) == 0);
  CHECK(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
  close(fd);
  return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

SCENARIO("reports of ICMP") {
  struct member *sender = new_member(NULL);
  int nobody = nobodys_port();
  bool listens = OK(dgram_on_icmp(sender->socket, on_icmp, sender));
  bind_member(sender);
  for (int i = 0; i < 3; i++)
    say(sender, "to nobody", nobody);
  wait_for_sends();
  WAIT(!listens || sender->reports > 0);
  EXPECT(!listens || sender->reports > 0 || met());
  if (listens)
    CHECK(dgram_off_icmp(sender->socket, on_icmp, sender) == 0);
}

SCENARIO("counters") {
  struct member *receiver = new_member(NULL);
  struct member *sender = new_member(NULL);
  dgram_stats_t stats = dgram_default_stats();
  char text[4096];
  bind_member(receiver);
  int port = port_of(receiver);
  for (int i = 0; i < 3; i++)
    say(sender, "counted", port);
  WAIT(all_sent() && receiver->messages == 3);
  if (OK(dgram_get_stats(receiver->socket, &stats)))
    EXPECT(stats.datagrams_in == 3);
  if (sender->socket != NULL && OK(dgram_get_loop_stats(&world.loop, &stats)))
    EXPECT(stats.datagrams_out == 3);
  CHECK(dgram_stats_text(&stats, text, sizeof text) > 0);
  CHECK(dgram_stats_json(&stats, text, sizeof text) > 0);
}

/* ---- a socket for each peer ---- */

SCENARIO("a peer with a socket of its own") {
  dgram_options_t options = options_of_mode();
  options.reuse_port = 1;
  options.ipv6_only = world.family == AF_INET6;
  struct member *server = new_member(&options);
  struct member *client = new_member(NULL);
  bind_member(server);
  bind_member(client);
  struct sockaddr_storage peer = loopback(port_of(client));
  dgram_accept_options_t accept = dgram_default_accept_options();
  dgram_socket_t *accepted = NULL;
  bool made = OK(dgram_accept_peer(server->socket, (struct sockaddr *)&peer, &accept, &accepted));
  CHECK(made == (accepted != NULL));
  struct member *own = adopt_member(accepted);
  int port = port_of(server);
  for (int i = 0; i < 4; i++)
    say(client, "to the peer's socket", port);
  wait_for_sends();
  WAIT(own->messages + server->messages == 4);
  EXPECT(own->messages + server->messages == 4);
  if (made && !torture_excused())
    CHECK(own->messages == 4);
  if (made)
    say(own, "and back", 0);
  WAIT(all_sent() && client->messages == made);
  EXPECT(client->messages == made);
  close_member(own);
  WAIT(own->close_emitted || !own->close_owed);
}
