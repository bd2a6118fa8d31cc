/*
 * Every allocation and every system call of the library fails once, the first, the second, ...,
 * until a scenario has run without meeting the fault. Whatever fails: nothing crashes, nothing is
 * left over, and each accepted send completes exactly once.
 */
#include "lib/fault.h"

#include <dgram_names.h>
#include <dgram_post.h>
#include <dgram_stats.h>

#include "internal.h"

#include <dgram_peer.h>

#include <sys/socket.h>
#include <sys/utsname.h>

static size_t bytes_sent; /* as the system saw it */

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
FAULT(socket)
FAULT(bind)
FAULT(connect)
FAULT(getsockname)
FAULT(setsockopt)
FAULT(recvmsg)
FAULT(uv_poll_init_socket)
FAULT_WRAP(int, getpeername, (int fd, struct sockaddr *address, socklen_t *length),
           (fd, address, length), -1)
FAULT_WRAP(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *length),
           (fd, level, name, value, length), -1)
FAULT_WRAP(int, uname, (struct utsname * names), (names), -1)
FAULT_WRAP(int, recvmmsg,
           (int fd, struct mmsghdr *headers, unsigned count, int flags, struct timespec *timeout),
           (fd, headers, count, flags, timeout), -1)
FAULT_WRAP(int, uv_getaddrinfo,
           (uv_loop_t * loop, uv_getaddrinfo_t *request, uv_getaddrinfo_cb callback,
            const char *node, const char *service, const struct addrinfo *hints),
           (loop, request, callback, node, service, hints), UV_ENOMEM)

/* Those that also count. */

WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags)) {
  ssize_t sent = fails("sendmsg") ? -1 : __real_sendmsg(fd, message, flags);
  bytes_sent += sent > 0 ? (size_t)sent : 0;
  return sent;
}

WRAP(int, sendmmsg, (int fd, struct mmsghdr *headers, unsigned count, int flags)) {
  int sent = fails("sendmmsg") ? -1 : __real_sendmmsg(fd, headers, count, flags);
  for (int i = 0; i < sent; i++)
    bytes_sent += headers[i].msg_len;
  return sent;
}

WRAP(int, posix_memalign, (void **memory, size_t alignment, size_t size)) {
  if (fails("posix_memalign") || __real_posix_memalign(memory, alignment, size) != 0)
    return ENOMEM;
  fault_counted(*memory);
  return 0;
}
/* NOLINTEND(bugprone-reserved-identifier) */

/* The lock of the list of loops is made once: without it the process ends. */
static bool locks_fail;

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
WRAP(int, uv_mutex_init, (uv_mutex_t * mutex)) {
  return locks_fail && fails("uv_mutex_init") ? UV_ENOMEM : __real_uv_mutex_init(mutex);
}
FAULT_WRAP(int, uv_async_init, (uv_loop_t * loop, uv_async_t *async, uv_async_cb callback),
           (loop, async, callback), UV_EMFILE)
/* NOLINTEND(bugprone-reserved-identifier) */

/* ---- callbacks ---- */

enum { MOST_SENDS = 32, SIZE = 100 };

static uv_loop_t
    *scenario_loop;     /* of one run; lost with a failed one, for others must not be mixed up */
static int binds_ended; /* 'listening', or an 'error' of binding */
static int closing;     /* sockets that were closed, and those that have emitted 'close' */
static int closes;
static size_t bytes_received;
static int accepted[MOST_SENDS]; /* 0 or 1 */
static int completed[MOST_SENDS];
static int sends;
static char payloads[MOST_SENDS][SIZE];

static void on_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  bytes_received += rinfo->size;
  for (size_t i = 1; i < rinfo->size; i++) /* a payload is one byte over and over */
    CHECK(message[i] == message[0]);
}

/* Each is answered from the address that it came to. */
static void on_messages(dgram_socket_t *socket, const dgram_message_t *const messages[],
                        size_t count, void *context) {
  for (size_t i = 0; i < count; i++) {
    on_message(socket, messages[i]->message, &messages[i]->rinfo, context);
    uv_buf_t nothing = uv_buf_init(NULL, 0);
    int err = dgram_reply(socket, &messages[i]->rinfo, &nothing, 1, NULL, NULL);
    CHECK(err == 0 || fault.in != NULL);
  }
}

static void on_listening(dgram_socket_t *socket, void *context) {
  binds_ended++;
}

/* The listener of 'error', or where there was no memory for one, the handler in its place. */
static void on_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  const char *syscall = error->syscall != NULL ? error->syscall : "";
  CHECK(error->code < 0 && *syscall != '\0');
  if (strcmp(syscall, "bind") == 0 || strcmp(syscall, "getaddrinfo") == 0 ||
      strcmp(syscall, "setsockopt") == 0)
    binds_ended++;
}

static bool is_connected(const dgram_socket_t *socket) {
  union dgram__address peer;
  socklen_t length = sizeof peer;
  return __real_getpeername(socket->udp.fd, &peer.any, &length) == 0;
}

/* The end of an attempt: both sides agree on what came of it. */
static void on_connect(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  CHECK(socket->udp.fd < 0 || is_connected(socket) == (error == NULL));
  ++*(int *)context;
}

static void on_close(dgram_socket_t *socket, void *context) {
  closes++;
}

static void on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                    void *context) {
  CHECK(error == NULL || (error->code < 0 && bytes == 0));
  ++*(int *)context;
}

/* ---- what scenarios do ---- */

static dgram_socket_t *new_with(const dgram_options_t *options, dgram_message_cb listener) {
  dgram_socket_t *socket;
  int err = dgram_create_socket_options(scenario_loop, options, listener, NULL, &socket);
  CHECK(err == 0 ? socket != NULL : err == UV_ENOMEM && socket == NULL);
  if (socket != NULL) {
    err = dgram_on_error(socket, on_error, NULL);
    CHECK(err == 0 || err == UV_ENOMEM);
  }
  return socket;
}

static dgram_socket_t *new_socket(dgram_message_cb listener) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  return new_with(&options, listener);
}

/* Binds, and runs the loop until that has ended well or ill. */
static void bind_and_wait(dgram_socket_t *socket, const char *address) {
  int before = binds_ended;
  int err = dgram_bind(socket, 0, address, on_listening, NULL);
  CHECK(err == 0 || fault.in != NULL);
  while (err == 0 && binds_ended == before)
    uv_run(scenario_loop, UV_RUN_ONCE);
}

/* The port, or that of nobody. */
static int port_of(const dgram_socket_t *socket) {
  dgram_address_t address = {.port = 9};
  for (int i = 0; i < 2 && dgram_address(socket, &address) != 0; i++)
    CHECK(fault.in != NULL);
  return address.port;
}

/* Sends the next payload, in so many buffers. */
static void send_next(dgram_socket_t *socket, size_t buffers, int port, const char *address,
                      dgram_send_cb callback) {
  int number = sends++;
  memset(payloads[number], 'a' + number, SIZE);
  uv_buf_t list[SIZE];
  for (size_t i = 0; i < buffers; i++)
    list[i] = uv_buf_init(payloads[number] + i * (SIZE / buffers), (unsigned)(SIZE / buffers));
  bool met = fault.in != NULL;
  int err = dgram_send_buffers(socket, list, buffers, port, address, callback, &completed[number]);
  CHECK(err == 0 || (err == UV_ENOMEM && fault.in != NULL) || socket == NULL);
  if (!met && fault.in != NULL && strcmp(fault.in, "strdup") == 0)
    CHECK(err == UV_ENOMEM); /* it may not go anywhere else instead */
  accepted[number] = err == 0 && callback != NULL;
}

/* One of each kind, and some that can leave as one. */
static void send_all_kinds(dgram_socket_t *socket, int port) {
  send_next(socket, 1, port, NULL, on_sent);
  send_next(socket, 1, port, NULL, NULL);
  send_next(socket, 4, port, "127.0.0.1", on_sent);
  send_next(socket, 4, port, "127.0.0.1", NULL);
  send_next(socket, 0, port, NULL, on_sent);
  send_next(socket, 0, port, NULL, NULL);
  send_next(socket, 1, port, "localhost", on_sent);
  send_next(socket, 1, port, "localhost", NULL);
  send_next(socket, 4, port, "localhost", on_sent);
  for (int i = 0; i < 5; i++)
    send_next(socket, 1, port, "127.0.0.1", on_sent);
}

/* A socket that had no memory for its counters has none. */
static void read_counters(dgram_socket_t *socket) {
  dgram_stats_t stats = dgram_default_stats();
  if (socket == NULL)
    return;
  int err = dgram_get_stats(socket, &stats);
  CHECK(err == 0 || (err == UV_ENOMEM && fault.in != NULL));
  CHECK(dgram_get_loop_stats(scenario_loop, &stats) == 0);
}

static void close_socket(dgram_socket_t *socket) {
  read_counters(socket);
  if (socket == NULL)
    return;
  int err = dgram_close(socket, on_close, NULL);
  if (err != 0) { /* then it is still open */
    CHECK(err == UV_ENOMEM && fault.in != NULL);
    err = dgram_close(socket, on_close, NULL);
  }
  CHECK(err == 0);
  closing++;
}

/* ---- scenarios ---- */

static void an_exchange(void) {
  dgram_socket_t *receiver = new_socket(on_message);
  dgram_socket_t *sender = new_socket(NULL);
  bind_and_wait(receiver, "127.0.0.1");
  bind_and_wait(sender, "localhost");
  int port = port_of(receiver);
  send_all_kinds(sender, port);
  while (dgram_get_send_queue_count(sender) > 0)
    uv_run(scenario_loop, UV_RUN_ONCE);
  while (port != 9 && bytes_received < bytes_sent)
    uv_run(scenario_loop, UV_RUN_ONCE);
  close_socket(sender);
  close_socket(receiver);
}

static void a_close_before_the_sends_have_left(void) {
  dgram_socket_t *sender = new_socket(NULL);
  bind_and_wait(sender, NULL);
  send_all_kinds(sender, 9);
  close_socket(sender);
}

static void a_close_before_the_bind(void) {
  dgram_socket_t *sender = new_socket(NULL);
  send_all_kinds(sender, 9);
  close_socket(sender);
  dgram_socket_t *other = new_socket(NULL);
  int err = dgram_bind(other, 0, "localhost", on_listening, NULL);
  CHECK(err == 0 || fault.in != NULL);
  close_socket(other);
}

/* Connects, and runs the loop until that has ended. Returns whether it went well. */
static bool connect_and_wait(dgram_socket_t *socket, int port) {
  int ended = 0;
  int err = dgram_connect(socket, port, "localhost", on_connect, &ended);
  CHECK(err == 0 || fault.in != NULL);
  while (err == 0 && ended == 0)
    uv_run(scenario_loop, UV_RUN_ONCE);
  CHECK(ended == (err == 0));
  return err == 0 && is_connected(socket);
}

static void an_exchange_with_one_peer(void) {
  dgram_socket_t *receiver = new_socket(on_message);
  dgram_socket_t *sender = new_socket(NULL);
  bind_and_wait(receiver, "127.0.0.1");
  int port = port_of(receiver);
  if (connect_and_wait(sender, port)) {
    for (int i = 0; i < 5; i++)
      send_next(sender, 1, 0, NULL, on_sent);
    if (dgram_disconnect(sender) == 0)
      send_next(sender, 1, port, NULL, on_sent);
    else
      CHECK(fault.in != NULL && is_connected(sender));
  }
  while (dgram_get_send_queue_count(sender) > 0)
    uv_run(scenario_loop, UV_RUN_ONCE);
  while (port != 9 && bytes_received < bytes_sent)
    uv_run(scenario_loop, UV_RUN_ONCE);
  close_socket(sender);
  close_socket(receiver);
}

/* ---- a bind that is answered with a system socket ---- */

static dgram_lookup_t *lookup_of_bind; /* where to bind; NULL: not called */

/* A system socket that has a peer. */
static int new_connected(void) {
  union dgram__address nobody_there;
  dgram__address_loopback(&nobody_there, AF_INET, 9);
  int fd = __real_socket(AF_INET, SOCK_DGRAM, 0);
  assert_int_equal(__real_connect(fd, &nobody_there.any, dgram__address_length(&nobody_there)), 0);
  return fd;
}

static void keep_lookup(dgram_lookup_t *lookup, const char *host, dgram_type_t type,
                        void *context) {
  if (strcmp(host, "bind") == 0)
    lookup_of_bind = lookup;
  else
    dgram_lookup_done(lookup, 0, "127.0.0.1");
}

/* While a connect to another peer waits. */
static void a_system_socket_as_the_answer(void) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.lookup = keep_lookup;
  options.receive_info = DGRAM_INFO_ALL;
  lookup_of_bind = NULL;
  int ended = 0;
  int fd = new_connected();
  dgram_socket_t *socket = new_with(&options, NULL);
  int bind_err = dgram_bind(socket, 0, "bind", on_listening, NULL);
  int connect_err = dgram_connect(socket, 10, "name", on_connect, &ended);
  CHECK((bind_err == 0 && connect_err == 0) || fault.in != NULL);
  bool taken = lookup_of_bind != NULL && dgram_lookup_done_fd(lookup_of_bind, fd) == 0;
  CHECK(taken || fault.in != NULL);
  while (connect_err == 0 && ended == 0)
    uv_run(scenario_loop, UV_RUN_ONCE);
  close_socket(socket);
  if (!taken)
    __real_close(fd);
}

/* ---- options of the system socket, and ICMP errors ---- */

static void on_icmp(dgram_socket_t *socket, const dgram_icmp_t *icmp, void *context) {
  CHECK(icmp->kind == DGRAM_ICMP_PORT_UNREACHABLE);
  ++*(int *)context;
}

/* A port of nobody. */
static int closed_port(void) {
  union dgram__address name;
  socklen_t length = sizeof name;
  dgram__address_loopback(&name, AF_INET, 0);
  int fd = __real_socket(AF_INET, SOCK_DGRAM, 0);
  assert_int_equal(__real_bind(fd, &name.any, length), 0);
  assert_int_equal(__real_getsockname(fd, &name.any, &length), 0);
  __real_close(fd);
  return dgram__address_port(&name);
}

static void options_and_icmp_errors(void) {
  static const dgram_sockopt_value_t sockopts[] = {{DGRAM_SO_TOS, 8}, {DGRAM_SO_FREEBIND, 1}};
  static char large[65508];
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.sockopts = sockopts;
  options.sockopt_count = 2;
  options.bind_device = "lo";
  options.disable_gro = 1;
  int reports = 0, failed = 0;
  dgram_socket_t *socket = new_with(&options, NULL);
  bool listens = dgram_on_icmp(socket, on_icmp, &reports) == 0;
  CHECK(listens || fault.in != NULL);
  int err = dgram_set_sockopt(socket, DGRAM_SO_PATH_MTU, DGRAM_PATH_MTU_ON);
  CHECK(err == 0 || fault.in != NULL);
  bind_and_wait(socket, "127.0.0.1");
  err = dgram_set_sockopt(socket, DGRAM_SO_TTL, 9);
  CHECK(err == 0 || fault.in != NULL);
  send_next(socket, 1, closed_port(), "127.0.0.1", on_sent);
  err = dgram_send(socket, large, sizeof large, 9, "127.0.0.1", on_sent, &failed);
  CHECK(err == 0 || fault.in != NULL);
  while (dgram_get_send_queue_count(socket) > 0)
    uv_run(scenario_loop, UV_RUN_ONCE);
  CHECK(failed == (err == 0));
  /* A report wakes the loop; if its socket, or its being sent, has failed, none comes. */
  while (fault.in == NULL && reports == 0)
    uv_run(scenario_loop, UV_RUN_ONCE);
  if (listens)
    CHECK(dgram_off_icmp(socket, on_icmp, &reports) == 0);
  union dgram__address to;
  dgram__address_loopback(&to, AF_INET, 9);
  CHECK(dgram_get_mtu_to(socket, &to.any) > 0 || fault.in != NULL);
  close_socket(socket);
}

/* ---- what acts at once, over a queue of the program's own ---- */

enum { MOST_TASKS = 64 };

static dgram_task_t *tasks[MOST_TASKS];
static int task_count;

static int put_off(dgram_task_t *task, void *context) {
  CHECK(task_count < MOST_TASKS);
  tasks[task_count++] = task;
  return 1;
}

/* Runs the loop once, and what was put off. */
static void run_both(void) {
  uv_run(scenario_loop, task_count > 0 ? UV_RUN_NOWAIT : UV_RUN_ONCE);
  for (int i = 0; i < task_count; i++) /* those that are added, too */
    dgram_task_run(tasks[i]);
  task_count = 0;
}

static dgram_socket_t *new_deferring(int reuse_port) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.defer = put_off;
  options.reuse_port = reuse_port;
  options.receive_info = reuse_port ? DGRAM_INFO_ALL : 0;
  return new_with(&options, NULL);
}

static void an_exchange_at_once(void) {
  task_count = 0;
  dgram_socket_t *receiver = new_deferring(1);
  dgram_socket_t *sender = new_deferring(0); /* or the system may give it the receiver's port */
  bool listens = dgram_on_messages(receiver, on_messages, NULL) == 0;
  bool bound = dgram_bind_sync(receiver, 0, "127.0.0.1") == 0;
  CHECK((listens && bound) || fault.in != NULL);
  CHECK((dgram_bind_state(receiver) == DGRAM_BOUND) == bound);
  int port = port_of(receiver);
  bool connected = dgram_connect_sync(sender, port, NULL) == 0;
  CHECK(connected || fault.in != NULL);
  CHECK((dgram_connect_state(sender) == DGRAM_CONNECTED) == connected);
  for (int i = 0; i < 3; i++)
    send_next(sender, 1, connected ? 0 : port, NULL, on_sent);
  dgram_flush(sender);
  while (dgram_get_send_queue_count(sender) > 0)
    run_both();
  while (listens && bound && bytes_received < bytes_sent)
    run_both();
  close_socket(sender);
  close_socket(receiver);
  dgram_flush(sender);
  while (task_count > 0)
    run_both();
}

/* ---- a peer with a socket of its own ---- */

static void a_peer_with_a_socket_of_its_own(void) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.reuse_port = 1;
  dgram_socket_t *server = new_with(&options, on_message);
  dgram_socket_t *sender = new_socket(NULL);
  dgram_socket_t *own = NULL;
  union dgram__address peer;
  bind_and_wait(server, "127.0.0.1");
  bind_and_wait(sender, "127.0.0.1");
  dgram__address_loopback(&peer, AF_INET, port_of(sender));
  int err = dgram_accept_peer(server, &peer.any, NULL, &own);
  CHECK((err == 0) == (own != NULL) && (err == 0 || fault.in != NULL));
  CHECK(own == NULL || dgram_connect_state(own) == DGRAM_CONNECTED);
  bool listens = own != NULL && dgram_on_message(own, on_message, NULL) == 0;
  CHECK(listens || fault.in != NULL);
  int port = port_of(server);
  for (int i = 0; i < 5; i++)
    send_next(sender, 1, port, "127.0.0.1", on_sent);
  while (dgram_get_send_queue_count(sender) > 0)
    uv_run(scenario_loop, UV_RUN_ONCE);
  while (port != 9 && (own == NULL || listens) && bytes_received < bytes_sent)
    uv_run(scenario_loop, UV_RUN_ONCE);
  close_socket(own);
  close_socket(sender);
  close_socket(server);
}

/* ---- limits and pauses ---- */

static void on_message_pause(dgram_socket_t *socket, const char *message,
                             const dgram_rinfo_t *rinfo, void *context) {
  on_message(socket, message, rinfo, context);
  CHECK(dgram_pause(socket) == 0);
}

static void on_drain(dgram_socket_t *socket, void *context) {
  ++*(int *)context;
}

static bool is_done_or_faulty(int err) {
  CHECK(err == 0 || (err == UV_ENOMEM && fault.in != NULL));
  return err == 0;
}

/* Returns whether it was refused for the limit. */
static bool send_limited(dgram_socket_t *socket, int port, const char *address) {
  int number = sends++;
  memset(payloads[number], 'a' + number, SIZE);
  int err = dgram_send(socket, payloads[number], SIZE, port, address, on_sent, &completed[number]);
  CHECK(err == 0 || err == UV_ENOBUFS || (err == UV_ENOMEM && fault.in != NULL));
  accepted[number] = err == 0;
  return err == UV_ENOBUFS;
}

/* The receiver takes one datagram at a time; without memory for the rest it gets all. */
static void an_exchange_with_limits(void) {
  enum { LIMIT = 4, MANY_MS = 100000 };
  int drains = 0;
  bool refused = false;
  dgram_socket_t *receiver = new_socket(on_message_pause);
  dgram_socket_t *sender = new_socket(NULL);
  bind_and_wait(receiver, "127.0.0.1");
  int port = port_of(receiver);
  bool limited = sender != NULL && is_done_or_faulty(dgram_on_drain(sender, on_drain, &drains)) &&
                 is_done_or_faulty(dgram_set_send_queue_limit(sender, 0, LIMIT, 0, 0)) &&
                 is_done_or_faulty(dgram_set_send_timeout(sender, MANY_MS)) &&
                 is_done_or_faulty(dgram_set_lookup_timeout(sender, MANY_MS));
  for (int i = 0; limited && i <= LIMIT; i++)
    refused |= send_limited(sender, port, i == 1 ? "localhost" : "127.0.0.1");
  CHECK(!limited || refused || fault.in != NULL);
  if (limited) {
    int err = dgram_cancel_send(sender, on_sent, &completed[2]);
    CHECK(err == 0 || fault.in != NULL);
  }
  while (limited && (dgram_get_send_queue_count(sender) > 0 || (refused && drains == 0)))
    uv_run(scenario_loop, UV_RUN_ONCE);
  while (port != 9 && bytes_received < bytes_sent) {
    CHECK(dgram_resume(receiver) == 0);
    uv_run(scenario_loop, UV_RUN_ONCE);
  }
  CHECK(drains <= 1);
  close_socket(sender);
  close_socket(receiver);
}

/* ---- names that are kept ---- */

static void an_exchange_by_kept_names(void) {
  int err = dgram_set_name_cache(scenario_loop, 2, 60000);
  CHECK(err == 0 || (err == UV_ENOMEM && fault.in != NULL));
  CHECK(err != 0 || fault.in == NULL || strcmp(fault.in, "calloc") != 0);
  an_exchange();
  CHECK(dgram_set_name_cache(scenario_loop, 0, 0) == 0);
}

/* ---- posts ---- */

static void post_next(dgram_sender_t *sender, int port) {
  int number = sends++;
  struct sockaddr_in to = {.sin_family = AF_INET,
                           .sin_port = htons((uint16_t)port),
                           .sin_addr = {htonl(INADDR_LOOPBACK)}};
  memset(payloads[number], 'a' + number, SIZE);
  uv_buf_t buffer = {.base = payloads[number], .len = SIZE};
  dgram_send_options_t options = dgram_default_send_options();
  options.segment_size = SIZE;
  int err = dgram_post_send_with(sender, &buffer, 1, (const struct sockaddr *)&to,
                                 number % 2 != 0 ? &options : NULL, on_sent, &completed[number]);
  CHECK(err == 0 || (err == UV_ENOMEM && fault.in != NULL));
  accepted[number] = err == 0;
}

static void posts_of_a_sender(void) {
  dgram_socket_t *socket = new_socket(NULL);
  dgram_sender_t *sender = NULL;
  locks_fail = true;
  int err = dgram_sender_create(socket, NULL, &sender);
  locks_fail = false;
  CHECK(err == 0 ? sender != NULL : sender == NULL && fault.in != NULL);
  bind_and_wait(socket, "127.0.0.1");
  for (int i = 0; sender != NULL && i < 5; i++)
    post_next(sender, 9);
  for (int i = 0; i < 10; i++)
    uv_run(scenario_loop, UV_RUN_NOWAIT);
  for (int i = 0; sender != NULL && i < 5; i++)
    post_next(sender, 9);
  close_socket(socket);
  dgram_sender_free(sender);
}

/* ---- what few sockets have is made at the first call that needs it ---- */

static int call_first(dgram_socket_t *socket, int which) {
  dgram_rate_options_t rate = dgram_default_rate_options();
  int events = 0;
  rate.packets_per_second = 10;
  switch (which) {
  case 0:
    return dgram_on_icmp(socket, on_icmp, &events);
  case 1:
    return dgram_on_drain(socket, on_drain, NULL);
  case 2:
    return dgram_set_send_queue_limit(socket, 0, 1, 0, 0);
  case 3:
    return dgram_set_send_timeout(socket, 1000);
  case 4:
    return dgram_set_sockopt(socket, DGRAM_SO_TTL, 1);
  default:
    return dgram_set_receive_rate(socket, &rate);
  }
}

/* A call that fails has changed nothing, and succeeds when it is made again. */
static void first_calls(void) {
  for (int i = 0; i < 6; i++) {
    dgram_options_t options = dgram_default_options(DGRAM_UDP4);
    dgram_socket_t *socket = new_with(&options, NULL);
    if (socket == NULL)
      continue;
    int err = call_first(socket, i);
    CHECK(err == 0 || (err == UV_ENOMEM && fault.in != NULL));
    CHECK(err == 0 || call_first(socket, i) == 0);
    close_socket(socket);
  }
}

/* ---- every fault, one after the other ---- */

static void (*in_loop)(void); /* the scenario */

/* With a loop of its own. */
static void run_scenario(void) {
  memset(accepted, 0, sizeof accepted);
  memset(completed, 0, sizeof completed);
  sends = 0;
  closing = 0;
  closes = 0;
  bytes_received = 0;
  bytes_sent = 0;
  scenario_loop = __real_malloc(sizeof *scenario_loop);
  assert_int_equal(uv_loop_init(scenario_loop), 0);
  in_loop();
  CHECK(uv_run(scenario_loop, UV_RUN_DEFAULT) == 0);
  CHECK(uv_loop_close(scenario_loop) == 0);
  __real_free(scenario_loop);
  for (int i = 0; i < sends; i++)
    CHECK(completed[i] == accepted[i]);
  CHECK(closes == closing);
}

static void survive(void (*scenario)(void), const char *offloads) {
  static const int errors[] = {EPERM, EAGAIN, EINTR, ENOBUFS, EIO};
  setenv("DGRAM_GSO", offloads, 1);
  setenv("DGRAM_GRO", offloads, 1);
  dgram_on_unhandled_error(on_error, NULL);
  in_loop = scenario;
  survive_all_faults(run_scenario, errors, sizeof errors / sizeof *errors, 10);
}

#define SURVIVES(scenario, sentence)                                           \
  FIXTURE_TEST(sentence " survives each fault with offloads", scenario##_on) { \
    survive(scenario, "1");                                                    \
  }                                                                            \
  FIXTURE_TEST(sentence " survives each fault without", scenario##_off) {      \
    survive(scenario, "0");                                                    \
  }

SURVIVES(an_exchange, "an exchange")
SURVIVES(an_exchange_with_one_peer, "an exchange with one peer")
SURVIVES(a_system_socket_as_the_answer, "a bind that is answered with a system socket")
SURVIVES(options_and_icmp_errors, "a socket with options that is told of ICMP errors")
SURVIVES(an_exchange_with_limits, "an exchange with limits and pauses")
SURVIVES(an_exchange_at_once, "an exchange at once")
SURVIVES(a_close_before_the_sends_have_left, "a close before the sends have left")
SURVIVES(a_close_before_the_bind, "a close before the bind")
SURVIVES(a_peer_with_a_socket_of_its_own, "a peer that is accepted")
SURVIVES(posts_of_a_sender, "posting")
SURVIVES(first_calls, "a first call of each feature")
SURVIVES(an_exchange_by_kept_names, "an exchange by names that are kept")
