/* Scenarios of listeners, options, groups, look-ups, descriptors and access lists. */
#include "torture/torture.h"

#include <errno.h>

/* ---- listeners ---- */

static void on_event(dgram_socket_t *socket, void *context) {
}

static void on_connected(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
}

static void on_failure(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  world.reported++;
}

static void on_batch(dgram_socket_t *socket, const dgram_message_t *const messages[], size_t count,
                     void *context) {
}

static void on_report(dgram_socket_t *socket, const dgram_icmp_t *icmp, void *context) {
}

/* One of each is added for ever, and one for once; the first is removed again. */
#define LISTEN(event, listener)                                                               \
  do {                                                                                        \
    bool on_##event = OK(dgram_on_##event(member->socket, listener, member));                 \
    OK(dgram_once_##event(member->socket, listener, NULL));                                   \
    CHECK(dgram_off_##event(member->socket, listener, member) == (member->socket == NULL      \
                                                                      ? UV_EINVAL             \
                                                                  : on_##event ? 0            \
                                                                               : UV_ENOENT)); \
  } while (0)

SCENARIO("listeners of each event") {
  struct member *member = new_member(NULL);
  bool listened = OK(dgram_on_message(member->socket, on_message, NULL));
  if (listened)
    CHECK(dgram_off_message(member->socket, on_message, NULL) == 0);
  OK(dgram_once_message(member->socket, on_message, member));
  dgram_off_message(member->socket, on_message, member);
  LISTEN(messages, on_batch);
  LISTEN(listening, on_event);
  LISTEN(error, on_failure);
  LISTEN(connect, on_connected);
  LISTEN(icmp, on_report);
  LISTEN(drain, on_event);
  LISTEN(close, on_event);
  bind_member(member);
  LISTEN(icmp, on_report);
  if (member->socket != NULL)
    CHECK(dgram_loop(member->socket) == &world.loop);
  CHECK(dgram_unref(member->socket) == member->socket);
  CHECK(dgram_ref(member->socket) == member->socket);
  CHECK(dgram_version() != NULL && dgram_err_name(UV_EINVAL) != NULL);
  CHECK(dgram_strerror(UV_EINVAL) != NULL);
}

/* ---- options of the system socket ---- */

SCENARIO("options of the system socket") {
  static const dgram_sockopt_value_t kept[] = {{DGRAM_SO_TOS, 8}, {DGRAM_SO_FREEBIND, 1}};
  dgram_options_t options = options_of_mode();
  int64_t value;
  char device[DGRAM_INTERFACE_NAME];
  options.sockopts = kept;
  options.sockopt_count = 2;
  options.bind_device = "lo";
  options.reuse_addr = 1;
  options.recv_buffer_size = 50000;
  options.send_buffer_size = 50000;
  struct member *member = new_member(&options);
  dgram_socket_t *socket = member->socket;
  OK(dgram_set_sockopt(socket, DGRAM_SO_TTL, 5));
  bind_member(member);
  if (dgram_bind_state(socket) != DGRAM_BOUND)
    return;
  OK(dgram_set_sockopt(socket, DGRAM_SO_PATH_MTU, DGRAM_PATH_MTU_ON));
  OK(dgram_get_sockopt(socket, DGRAM_SO_TTL, &value));
  OK(dgram_get_bind_device(socket, device));
  say(member, "before the options", world.port);
  OK(dgram_set_broadcast(socket, 1));
  OK(dgram_set_ttl(socket, 9));
  OK(dgram_set_multicast_ttl(socket, 9));
  OK(dgram_set_multicast_loopback(socket, 1));
  OK(dgram_set_multicast_interface(socket, world.family == AF_INET ? "127.0.0.1" : "::%lo"));
  OK(dgram_set_recv_buffer_size(socket, 60000));
  OK(dgram_set_send_buffer_size(socket, 60000));
  OK(dgram_get_recv_buffer_size(socket));
  OK(dgram_get_send_buffer_size(socket));
  CHECK(dgram_buffer_size_reason(socket) <= 0);
  OK(dgram_get_mtu_to(socket, to_port(9)));
  OK(dgram_fileno(socket));
  wait_for_sends();
}

SCENARIO("multicast groups") {
  bool v4 = world.family == AF_INET;
  const char *group = v4 ? "239.7.7.7" : "ff12::7777";
  const char *specific = v4 ? "232.1.2.3" : "ff32::1234";
  const char *source = v4 ? "127.0.0.1" : "::1";
  const char *interface = v4 ? "127.0.0.1" : "::%lo";
  struct member *member = new_member(NULL);
  dgram_socket_t *socket = member->socket;
  if (OK(dgram_add_membership(socket, group, interface)))
    OK(dgram_drop_membership(socket, group, interface));
  if (OK(dgram_add_source_specific_membership(socket, source, specific, interface)))
    OK(dgram_drop_source_specific_membership(socket, source, specific, interface));
}

/* ---- look-ups of the program, and descriptors ---- */

static dgram_lookup_t *kept_lookup;

static void look_up(dgram_lookup_t *lookup, const char *host, dgram_type_t type, void *context) {
  if (strcmp(host, "later") == 0) {
    CHECK(kept_lookup == NULL);
    kept_lookup = lookup;
  } else {
    dgram_lookup_done(lookup, strcmp(host, "never") == 0 ? UV_EAI_NONAME : 0, world.host);
  }
}

static int system_socket(void) {
  struct sockaddr_storage address = loopback(0);
  int fd = socket(world.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0);
  return fd;
}

SCENARIO("look-ups of the program, and a descriptor for an answer") {
  dgram_options_t options = options_of_mode();
  options.lookup = look_up;
  options.receive_info = DGRAM_INFO_DESTINATION | DGRAM_INFO_TTL;
  kept_lookup = NULL;
  struct member *member = new_member(&options);
  struct member *other = new_member(&options);
  int fd = system_socket();
  OK(dgram_bind(member->socket, 0, "later", NULL, NULL));
  say(member, "waits", world.port);
  int err = kept_lookup != NULL ? dgram_lookup_done_fd(kept_lookup, fd) : UV_EINVAL;
  if (!OK(err))
    close(fd);
  wait_for_sends();
  OK(dgram_bind(other->socket, 0, "at once", NULL, NULL));
  kept_lookup = NULL;
  struct torture_send *send = new_send();
  err = dgram_send(other->socket, "x", 1, world.port, "later", on_sent, send);
  OK(err);
  accept_send(send, err);
  settle();
  dgram_lookup_done(kept_lookup, 0, world.host);
  wait_for_sends();
  EXPECT(all_sent());
}

SCENARIO("a descriptor that is taken over") {
  dgram_bind_options_t bind = dgram_default_bind_options();
  struct member *member = new_member(NULL);
  bind.fd = system_socket();
  bool taken = OK(dgram_bind_options(member->socket, &bind, NULL, NULL));
  if (!taken)
    close(bind.fd);
  if (taken) {
    struct sockaddr_storage to = loopback(port_of(member));
    for (int i = 0; i < 3; i++)
      CHECK(sendto(world.raw, "raw", 3, 0, (struct sockaddr *)&to, sizeof to) == 3);
    WAIT(member->messages == 3);
    dgram_stats_t stats = dgram_default_stats();
    if (OK(dgram_get_loop_stats(&world.loop, &stats)) && stats.icmp_errors[0].count > 0)
      world.reported++; /* on a shared system socket they are counted only */
    EXPECT(member->messages == 3);
  }
  say(member, "x", world.port);
  wait_for_sends();
}

/* ---- names that are kept ---- */

SCENARIO("names that are kept") {
  struct member *receiver = new_member(NULL);
  struct member *sender = new_member(NULL);
  bool cached = OK(dgram_set_name_cache(&world.loop, 2, 60000));
  bind_member(receiver);
  int port = port_of(receiver);
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 3; i++) {
      struct torture_send *send = new_send();
      int err = dgram_send(sender->socket, "named", 5, port, "localhost", on_sent, send);
      accept_send(send, err);
      OK(err);
    }
    wait_for_sends();
    if (round == 1)
      dgram_clear_name_cache(&world.loop);
  }
  WAIT(receiver->messages == 9);
  EXPECT(receiver->messages == 9);
  if (cached)
    CHECK(dgram_set_name_cache(&world.loop, 0, 0) == 0);
}

#ifdef DGRAM_HAVE_LIBIDN2
SCENARIO("a name that is not ASCII, and none") {
  struct member *sender = new_member(NULL);
  static const char *const names[] = {"nowhere.invalid", "n\xc3\xb6where.invalid"};
  for (int i = 0; i < 2; i++) {
    struct torture_send *send = new_send();
    int err = dgram_send(sender->socket, "x", 1, 9, names[i], on_sent, send);
    accept_send(send, err);
    OK(err);
  }
  wait_for_sends();
}
#endif

/* ---- posts ---- */

SCENARIO("posts") {
  struct member *receiver = new_member(NULL);
  struct member *sender = new_member(NULL);
  dgram_sender_options_t options = dgram_default_sender_options();
  dgram_sender_t *posts = NULL;
  char text[] = "posted";
  uv_buf_t buffer = uv_buf_init(text, 6);
  options.keep_alive = 1;
  bind_member(receiver);
  struct sockaddr_storage to = loopback(port_of(receiver));
  bool made = OK(dgram_sender_create(sender->socket, &options, &posts));
  CHECK(made == (posts != NULL));
  dgram_send_options_t segments = dgram_default_send_options();
  segments.segment_size = 3; /* two datagrams */
  int accepted = 0;
  for (int i = 0; made && i < 6; i++) {
    struct torture_send *send = new_send();
    const struct sockaddr *address = (struct sockaddr *)&to;
    int err = i == 4 ? dgram_post_send_with(posts, &buffer, 1, address, &segments, on_sent, send)
                     : dgram_post_send(posts, &buffer, 1, address, on_sent, send);
    accepted += (i == 4 ? 2 : 1) * accept_send(send, err);
    OK(err);
  }
  WAIT(all_sent() && receiver->messages == accepted);
  EXPECT(receiver->messages == accepted);
  for (int i = 0; made && i < 3; i++) { /* and some that the loop does not come to */
    struct torture_send *send = new_send();
    int err = dgram_post_send(posts, &buffer, 1, (struct sockaddr *)&to, on_sent, send);
    accept_send(send, err);
    OK(err);
  }
  close_member(sender);
  dgram_sender_free(posts);
}

/* ---- access lists, and rates ---- */

static bool add_rules(dgram_access_list_t *list) {
  bool v4 = world.family == AF_INET;
  bool all = OK(dgram_access_list_add_address(list, world.host));
  all &= OK(dgram_access_list_add_address(list, v4 ? "10.1.2.3" : "fd00::1:2:3"));
  all &= OK(dgram_access_list_add_range(list, v4 ? "172.16.0.3" : "fd00:1::3",
                                        v4 ? "172.18.9.77" : "fd00:2::77"));
  all &= OK(dgram_access_list_add_subnet(list, v4 ? "192.0.2.0" : "2001:db8::", v4 ? 24 : 32));
  return all;
}

SCENARIO("access lists and rates") {
  dgram_access_list_t *list = NULL;
  dgram_access_counts_t counts = dgram_default_access_counts();
  dgram_rate_options_t rate = dgram_default_rate_options();
  bool v4 = world.family == AF_INET;
  rate.packets_per_second = 1000000;
  struct member *receiver = new_member(NULL);
  struct member *sender = new_member(NULL);
  bool made = OK(dgram_access_list_create(&list));
  CHECK(made == (list != NULL));
  bool all = made && add_rules(list);
  OK(dgram_set_receive_access(receiver->socket, DGRAM_ALLOW, list));
  bool limited = OK(dgram_set_send_access(sender->socket, DGRAM_ALLOW, list));
  OK(dgram_set_receive_rate(receiver->socket, &rate));
  bind_member(receiver);
  int port = port_of(receiver);
  int before = receiver->messages;
  if (all)
    for (int i = 0; i < 3; i++)
      say(sender, "allowed", port);
  WAIT(!all || (all_sent() && receiver->messages == before + 3));
  EXPECT(!all || receiver->messages == before + 3);
  if (limited && all)
    CHECK(dgram_send(sender->socket, "x", 1, 9, v4 ? "127.0.0.9" : "fd09::9", NULL, NULL) ==
          DGRAM_ERR_IP_BLOCKED);
  OK(dgram_get_access_counts(receiver->socket, &counts));
  CHECK(dgram_access_list_count(list) <= 4);
  if (all) {
    CHECK(dgram_access_list_check(list, to_port(1)) == 1);
    CHECK(dgram_access_list_remove_subnet(list, v4 ? "192.0.2.0" : "2001:db8::", v4 ? 24 : 32) ==
          0);
    CHECK(dgram_access_list_remove_range(list, v4 ? "172.16.0.3" : "fd00:1::3",
                                         v4 ? "172.18.9.77" : "fd00:2::77") == 0);
    CHECK(dgram_access_list_remove_address(list, world.host) == 0);
  }
  dgram_access_list_clear(list);
  for (int i = 0; made && i < 12; i++) { /* so that what finds them grows */
    char first[TEXT];
    char last[TEXT];
    snprintf(first, sizeof first, v4 ? "10.0.%d.1" : "fd00::%d:1", i);
    snprintf(last, sizeof last, v4 ? "10.0.%d.2" : "fd00::%d:2", i);
    OK(dgram_access_list_add_range(list, first, last));
  }
  if (receiver->socket != NULL)
    CHECK(dgram_set_receive_access(receiver->socket, DGRAM_ALLOW, NULL) == 0);
  if (sender->socket != NULL)
    CHECK(dgram_set_send_access(sender->socket, DGRAM_ALLOW, NULL) == 0);
  dgram_access_list_free(list);
}

/* ---- what few sockets have is made at the first call that needs it ---- */

static int call_first(dgram_socket_t *socket, int which) {
  dgram_rate_options_t rate = dgram_default_rate_options();
  rate.packets_per_second = 10;
  switch (which) {
  case 0:
    return dgram_on_icmp(socket, on_report, NULL);
  case 1:
    return dgram_on_drain(socket, on_event, NULL);
  case 2:
    return dgram_set_send_queue_limit(socket, 0, 1, 0, 0);
  case 3:
    return dgram_set_send_timeout(socket, 1000);
  case 4:
    return dgram_set_lookup_timeout(socket, 1000);
  case 5:
    return dgram_set_sockopt(socket, DGRAM_SO_TTL, 9);
  default:
    return dgram_set_receive_rate(socket, &rate);
  }
}

/* A call that fails has changed nothing, and succeeds when it is made again. */
SCENARIO_OF(IN_ONE_MODE, "first calls of each feature") {
  enum { FIRST_CALLS = 7 };
  bool failed[FIRST_CALLS];
  for (int i = 0; i < FIRST_CALLS; i++)
    failed[i] = !OK(call_first(new_member(NULL)->socket, i));
  inject_lift();
  for (int i = 0; i < FIRST_CALLS; i++) {
    struct member *member = &world.members[i];
    if (failed[i] && member->socket != NULL)
      CHECK(call_first(member->socket, i) == 0);
    if (i == 0 && member->socket != NULL)
      CHECK(dgram_off_icmp(member->socket, on_report, NULL) == 0);
  }
}
