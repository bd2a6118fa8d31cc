/*
 * The world of one run of a scenario: its loop, sockets and sends, and what must be so in the end.
 *
 * In this file: a loop; sockets and their events; sends; a run: its begin, its end, its checks.
 */
#include "torture/world.h"

#include "lib/process.h"
#include "lib/raw.h"

#include <errno.h>
#include <fcntl.h>

enum {
  MOST_TURNS = 2000, /* of a WAIT: each that waits moves the clock, so only a loop that spins has */
  GUARD_MS = 5000,   /* of virtual time: longer than anything that the library waits for */
  REAL_GUARD_MS = 5000
};

struct world world;

static uv_timer_t world_guard;
static bool world_guard_expired;
static int world_raw[2]; /* by family */

/* ---- a loop ---- */

bool torture_ok(int result, const char *file, int line, const char *call) {
  if (result >= 0)
    return true;
  if (!met())
    torture_fail("%s:%d: %s is %s", file, line, call, dgram_err_name(result));
  world.reported++;
  return false;
}

bool torture_excused(void) {
  for (int i = 0; i < INJECT_PLANS; i++)
    if (inject.plans[i].fault == EAGAIN && inject.plans[i].times > 1)
      return true;
  return world.reported > 0;
}

static void world_on_guard(uv_timer_t *guard) {
  (void)guard;
  world_guard_expired = true;
}

void wait_begin(void) {
  world_guard_expired = false;
  world.turns = 0;
  uv_update_time(&world.loop);
  uv_timer_start(&world_guard, world_on_guard, inject.real_time ? REAL_GUARD_MS : GUARD_MS, 0);
}

bool wait_turn(const char *file, int line) {
  if (world_guard_expired)
    return false;
  if (++world.turns > MOST_TURNS && !inject.real_time)
    torture_fail("%s:%d: %u turns of the loop without an end: it spins", file, line, world.turns);
  uv_run(&world.loop, UV_RUN_ONCE);
  return true;
}

void wait_end(void) {
  uv_timer_stop(&world_guard);
  if (world.turns > world.most_turns && !inject.real_time)
    world.most_turns = world.turns;
}

void settle(void) {
  enum { TURNS = 10 };
  for (int i = 0; i < TURNS; i++)
    uv_run(&world.loop, UV_RUN_NOWAIT);
}

/* ---- sockets ---- */

void on_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                void *context) {
  struct member *member = context;
  CHECK(member->socket == socket || member->socket == NULL);
  CHECK(!member->closing);
  if (rinfo->size == 6 && memcmp(message, "probe!", 6) == 0)
    member->probes++;
  else
    member->messages++;
}

static void world_on_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  struct member *member = context;
  CHECK(error->code < 0 && error->name != NULL && error->message != NULL);
  CHECK(error->syscall != NULL);
  CHECK(member == NULL || !member->close_emitted);
  CHECK(member == NULL || member->socket == NULL || member->socket == socket);
  if (member != NULL)
    member->errors++;
  world.reported++;
}

static void world_on_close(dgram_socket_t *socket, void *context) {
  struct member *member = context;
  (void)socket;
  CHECK(member->closing && !member->close_emitted);
  member->close_emitted = true;
}

static void world_on_listening(dgram_socket_t *socket, void *context) {
  struct member *member = context;
  (void)socket;
  CHECK(!member->close_emitted);
  member->listening++;
}

struct member *adopt_member(dgram_socket_t *socket) {
  CHECK(world.member_count < MEMBERS);
  struct member *member = &world.members[world.member_count++];
  *member = (struct member){.socket = socket};
  if (socket == NULL)
    return member;
  OK(dgram_on_error(socket, world_on_error, member));
  OK(dgram_on_message(socket, on_message, member));
  return member;
}

dgram_options_t options_of_mode(void) {
  return dgram_default_options(world.type);
}

struct member *new_member(const dgram_options_t *options) {
  dgram_options_t plain = options_of_mode();
  dgram_socket_t *socket = NULL;
  const dgram_options_t *used = options != NULL ? options : &plain;
  bool made = OK(dgram_create_socket_options(&world.loop, used, NULL, NULL, &socket));
  CHECK(made == (socket != NULL));
  struct member *member = adopt_member(socket);
  member->simulated = used->sim_host != NULL;
  return member;
}

static bool world_bind_ended(const struct member *member) {
  return dgram_bind_state(member->socket) != DGRAM_BINDING &&
         (member->listening > 0 || dgram_bind_state(member->socket) == DGRAM_UNBOUND);
}

void bind_member(struct member *member) {
  if (OK(dgram_bind(member->socket, 0, world.host, world_on_listening, member)))
    WAIT(world_bind_ended(member));
  EXPECT(member->listening == 1);
}

int port_of(const struct member *member) {
  dgram_address_t address = {.port = 9};
  if (!OK(dgram_address(member->socket, &address)))
    return 9;
  return address.port;
}

void close_member(struct member *member) {
  if (member->socket == NULL || member->closing)
    return;
  member->closing = true;
  member->close_owed = OK(dgram_close(member->socket, world_on_close, member));
  if (!member->close_owed)
    CHECK(dgram_close(member->socket, NULL, NULL) == 0);
}

struct sockaddr_storage loopback(int port) {
  struct sockaddr_storage address;
  memset(&address, 0, sizeof address);
  if (world.family == AF_INET6)
    memcpy(&address,
           &(struct sockaddr_in6){.sin6_family = AF_INET6,
                                  .sin6_port = htons((uint16_t)port),
                                  .sin6_addr = IN6ADDR_LOOPBACK_INIT},
           sizeof(struct sockaddr_in6));
  else
    memcpy(&address,
           &(struct sockaddr_in){.sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)port),
                                 .sin_addr = {htonl(INADDR_LOOPBACK)}},
           sizeof(struct sockaddr_in));
  return address;
}

const struct sockaddr *to_port(int port) {
  static struct sockaddr_storage address;
  address = loopback(port);
  return (const struct sockaddr *)&address;
}

/* ---- sends ---- */

struct torture_send *new_send(void) {
  CHECK(world.send_count < SENDS);
  struct torture_send *send = &world.sends[world.send_count++];
  *send = (struct torture_send){.accepted = false};
  return send;
}

void on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes, void *context) {
  struct torture_send *send = context;
  (void)socket;
  (void)bytes;
  CHECK(send->accepted && send->completed == 0);
  send->completed++;
  if (error != NULL) {
    CHECK(error->code < 0);
    send->error = error->code;
    world.reported++;
  }
}

bool accept_send(struct torture_send *send, int err) {
  send->accepted = err == 0;
  return send->accepted;
}

void say(struct member *member, const char *text, int port) {
  struct torture_send *send = new_send();
  int err = dgram_send(member->socket, text, strlen(text), port, port > 0 ? world.host : NULL,
                       on_sent, send);
  accept_send(send, err);
  OK(err);
}

bool all_sent(void) {
  for (unsigned i = 0; i < world.send_count; i++)
    if (world.sends[i].accepted && world.sends[i].completed == 0)
      return false;
  return true;
}

void wait_for_sends(void) {
  WAIT(all_sent());
}

/* ---- a run ---- */

static void world_make_raw(int family) {
  bool v6 = family == AF_INET6;
  int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  world.family = family;
  struct sockaddr_storage address = loopback(0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0)
    torture_fail("no socket of the tests: %s", strerror(errno));
  world_raw[v6] = fd;
}

void world_init(void) {
  /* A worker's connection to its primary has this number, and so has what a service manager gives.
   */
  int reserved = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (reserved < 0 || (reserved != WORKER_CHANNEL_FD && dup2(reserved, WORKER_CHANNEL_FD) < 0))
    torture_fail("no descriptor");
  uv_loop_t loop; /* libuv opens files of the process with the first one */
  if (uv_loop_init(&loop) != 0 || uv_loop_close(&loop) != 0)
    torture_fail("no loop");
  world_make_raw(AF_INET);
  if (have_ipv6())
    world_make_raw(AF_INET6);
}

static void world_begin(const struct mode *mode) {
  memset(&world, 0, sizeof world);
  world.family = mode->family;
  world.type = mode->family == AF_INET6 ? DGRAM_UDP6 : DGRAM_UDP4;
  world.host = mode->family == AF_INET6 ? "::1" : "127.0.0.1";
  world.raw = world_raw[mode->family == AF_INET6];
  world.port = raw_port(world.raw);
  dgram_on_unhandled_error(world_on_error, NULL);
  CHECK(uv_loop_init(&world.loop) == 0);
  CHECK(uv_timer_init(&world.loop, &world_guard) == 0);
}

/* What a socket that has a port receives and sends. */
static void world_probe(struct member *member) {
  struct sockaddr_storage to = loopback(port_of(member));
  CHECK(sendto(world.raw, "probe!", 6, 0, (struct sockaddr *)&to, sizeof to) == 6);
  WAIT(member->probes == 1);
  CHECK(member->probes == 1);
}

static void world_probe_out(struct member *member) {
  char text[TEXT];
  while (recv(world.raw, text, sizeof text, MSG_DONTWAIT) >= 0)
    continue;
  struct torture_send *send = new_send();
  int err = dgram_send(member->socket, "out", 3, world.port, world.host, on_sent, send);
  CHECK(accept_send(send, err));
  WAIT(send->completed == 1);
  CHECK(send->completed == 1 && send->error == 0);
  CHECK(recv(world.raw, text, sizeof text, MSG_DONTWAIT) == 3);
}

/* A socket works, whatever has failed before; an error of before may still be emitted. */
static void world_try(struct member *member) {
  if (member->socket == NULL || member->closing || member->left_alone || member->simulated)
    return;
  WAIT(dgram_bind_state(member->socket) != DGRAM_BINDING &&
       dgram_connect_state(member->socket) != DGRAM_CONNECTING);
  CHECK(dgram_bind_state(member->socket) != DGRAM_BINDING);
  CHECK(dgram_connect_state(member->socket) != DGRAM_CONNECTING);
  wait_for_sends();
  CHECK(all_sent());
  if (dgram_bind_state(member->socket) == DGRAM_UNBOUND)
    CHECK(dgram_bind_sync(member->socket, 0, world.host) == 0);
  CHECK(dgram_set_send_queue_limit(member->socket, 0, 0, 0, 0) == 0);
  CHECK(dgram_resume(member->socket) == 0);
  int err = dgram_off_message(member->socket, on_message, member);
  CHECK(err == 0 || err == UV_ENOENT);
  CHECK(dgram_on_message(member->socket, on_message, member) == 0);
  if (dgram_connect_state(member->socket) == DGRAM_CONNECTED)
    CHECK(dgram_disconnect(member->socket) == 0); /* it may have no port until it sends */
  world_probe_out(member);
  world_probe(member);
}

static void world_end(void) {
  for (unsigned i = 0; i < world.member_count; i++)
    close_member(&world.members[i]);
  uv_close((uv_handle_t *)&world_guard, NULL);
  for (int turns = 0; uv_run(&world.loop, UV_RUN_ONCE) != 0; turns++)
    if (turns > MOST_TURNS && !inject.real_time)
      torture_fail("the loop has no end: it spins");
  int err = uv_loop_close(&world.loop);
  if (err != 0) {
    uv_print_all_handles(&world.loop, stderr);
    torture_fail("a handle is left: uv_loop_close() is %s", uv_err_name(err));
  }
}

static void world_check(int live, int files) {
  for (unsigned i = 0; i < world.send_count; i++)
    if (world.sends[i].completed != world.sends[i].accepted)
      torture_fail("send %u was %s and has completed %d times", i,
                   world.sends[i].accepted ? "accepted" : "refused", world.sends[i].completed);
  for (unsigned i = 0; i < world.member_count; i++)
    CHECK(world.members[i].close_emitted == world.members[i].close_owed);
  if (inject.live != live)
    torture_fail("%d allocations are left", inject.live - live);
  int left = count_open_files() - files;
  /* uv_loop_init() of libuv 1.44 leaves its epoll descriptor open when one of these fails. */
  bool is_of_libuv = (inject_concerns(CALL_libuv_eventfd) || inject_concerns(CALL_libuv_pipe2)) &&
                     left > 0 && left <= (int)*inject.met;
  if (left != 0 && !is_of_libuv)
    torture_fail("%d descriptors are left", left);
}

void world_run(const struct scenario *scenario, const struct mode *mode,
               const struct inject_plan plans[INJECT_PLANS], bool lifts) {
  int files = count_open_files();
  int live = inject.live;
  setenv("DGRAM_GSO", mode->gso, 1);
  setenv("DGRAM_GRO", mode->gro, 1);
  setenv("DGRAM_MMSG", mode->mmsg, 1);
  inject.real_time = scenario->kind == IN_REAL_TIME;
  world_begin(mode);
  inject_begin(plans);
  scenario->run();
  if (lifts) {
    inject_lift();
    for (unsigned i = 0; i < world.member_count; i++)
      world_try(&world.members[i]);
  }
  world_end();
  inject_end();
  world_check(live, files);
}
