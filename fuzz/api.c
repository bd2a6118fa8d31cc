/*
 * A program of public calls, decoded from the input, on two hosts of a network in memory: at the
 * top level, and inside listeners, callbacks and deferred tasks. After each call, and in each
 * callback, the contracts of the headers hold:
 *
 *   sends      each accepted one completes exactly once; those in binary form in order; after
 *              'close' with ECANCELED only
 *   messages   are what was sent, at most once, in order, to a socket that is neither closed nor
 *              paused
 *   errors     a call with a negative result has changed nothing that getters show
 *   callbacks  none runs inside a call whose contract does not say so
 *   the end    every socket closes, all that was accepted has completed, and nothing is left
 */
#include <dgram.h>
#include <dgram_access.h>
#include <dgram_names.h>
#include <dgram_post.h>
#include <dgram_sim.h>
#include <dgram_stats.h>

#include <netinet/in.h>

#include "target.h"

enum {
  SOCKETS = 6,
  MAX_CALLS = 400,
  MAX_SENDS = 4000, /* numbers of datagrams */
  MAX_LOOKUPS = 64,
  MAX_TASKS = 512,
  MAX_ROUNDS = 50,
  MAX_TICKS = 300, /* the network looks each 256th time */
  MAX_DEPTH = 3,   /* of calls inside callbacks */
  HEADER = 8,      /* bytes of a datagram: its number, and its size */
  LISTS = 2,
  FILLER = 0x40404040 /* no number: what other parts begin with */
};

/* A datagram. */
struct sent {
  int socket; /* the slot and generation of the sender */
  unsigned generation;
  uint32_t size;
  bool has_callback;
  bool in_order; /* in binary form: no look-up may delay it */
  bool pending;
  uint32_t segment; /* it leaves as several datagrams of this size; 0: as one */
  uint8_t *memory;  /* borrowed by the library while pending */
  unsigned arrived; /* in which slots, as bits */
};

struct slot {
  dgram_socket_t *socket; /* NULL: none, or freed */
  unsigned generation;
  dgram_type_t type;
  bool closing;
  bool closed; /* 'close' has been emitted */
  bool paused;
  unsigned pending; /* sends with callbacks */
  unsigned lists;   /* pending callbacks of dgram_send_many() */
  unsigned posts;   /* ... of dgram_post_send() */
  unsigned connects;
  uint32_t last_completed;        /* number + 1 of a send in order */
  uint32_t last_arrived[SOCKETS]; /* likewise, by sender */
  dgram_sender_t *sender;
  bool has_signal;
};

static struct {
  struct input input;
  dgram_sim_t *sim;
  dgram_sim_host_t *hosts[2];
  struct slot slots[SOCKETS];
  unsigned generation;
  struct sent sends[MAX_SENDS];
  uint32_t sent;
  dgram_lookup_t *lookups[MAX_LOOKUPS];
  unsigned lookup_count;
  dgram_task_t *tasks[MAX_TASKS];
  unsigned task_count;
  dgram_access_list_t *lists[LISTS];
  dgram_abort_signal_t *signal;
  bool aborted;
  unsigned depth;
  const struct slot *inside; /* the slot whose callback runs; NULL: none */
  bool trace;                /* prints each call */
  bool quiet;                /* callbacks make no calls */
  bool may_emit;             /* callbacks may run now */
  uint64_t events;           /* callbacks so far */
  unsigned calls;
} it;

static uv_loop_t loop;
static uv_timer_t ticks;
static uint8_t payload[70000];

static uint32_t below(uint32_t limit) {
  return input_below(&it.input, limit);
}

/* ---- what getters show ---- */

struct state {
  dgram_bind_state_t bind;
  dgram_connect_state_t connect;
  size_t bytes;
  size_t count;
  int paused;
  int recv_buffer;
  int64_t ttl;
  int port;
  int peer_port;
};

static struct state read_state(const struct slot *slot) {
  dgram_socket_t *socket = slot->socket;
  dgram_address_t address;
  struct state state = {.bind = dgram_bind_state(socket),
                        .connect = dgram_connect_state(socket),
                        .bytes = dgram_get_send_queue_size(socket),
                        .count = dgram_get_send_queue_count(socket),
                        .paused = dgram_is_paused(socket)};
  if (!slot->closing) {
    state.recv_buffer = dgram_get_recv_buffer_size(socket);
    if (dgram_get_sockopt(socket, DGRAM_SO_TTL, &state.ttl) != 0)
      state.ttl = -1;
  }
  state.port = dgram_address(socket, &address) == 0 ? address.port : -1;
  state.peer_port = dgram_remote_address(socket, &address) == 0 ? address.port : -1;
  return state;
}

static void check_slot(const struct slot *slot) {
  if (slot->socket == NULL)
    return;
  struct state state = read_state(slot);
  REQUIRE(state.count >= slot->pending);
  REQUIRE(state.count > 0 || state.bytes == 0);
  REQUIRE(state.connect != DGRAM_CONNECTED || state.bind == DGRAM_BOUND);
  if (slot->closed)
    REQUIRE(state.bind == DGRAM_UNBOUND && state.connect == DGRAM_DISCONNECTED);
  if (!slot->closing)
    REQUIRE((state.paused != 0) == slot->paused);
}

/* ---- calls and callbacks ---- */

struct call {
  struct slot *slot;
  struct state before;
  uint64_t events;
  bool outer;
};

/* `emits`: callbacks may run inside the call. */
static struct call begin_call(const char *name, struct slot *slot, bool emits) {
  if (it.trace)
    fprintf(stderr, "%*s%s(%d)\n", (int)it.depth * 2, "", name, (int)(slot - it.slots));
  struct call call = {slot, read_state(slot), it.events, it.may_emit};
  it.may_emit = emits;
  it.calls++;
  return call;
}

/* What a refused call may change all the same. */
enum exception { NONE, MAY_BIND };

/* Sends that were queued before may have left, so the queue may be shorter. */
static int end_call(const struct call *call, int result, enum exception exception) {
  if (it.trace)
    fprintf(stderr, "%*s= %d\n", (int)it.depth * 2, "", result);
  struct slot *slot = call->slot;
  it.may_emit = call->outer;
  if (slot->socket == NULL)
    return result;
  if (result < 0 && call->events == it.events) {
    struct state now = read_state(slot);
    REQUIRE(now.bytes <= call->before.bytes && now.count <= call->before.count);
    REQUIRE(now.connect == call->before.connect && now.paused == call->before.paused);
    REQUIRE(now.peer_port == call->before.peer_port);
    bool bound = exception == MAY_BIND && call->before.bind == DGRAM_UNBOUND;
    REQUIRE(now.bind == call->before.bind || bound);
    REQUIRE(bound || (now.port == call->before.port && now.ttl == call->before.ttl &&
                      now.recv_buffer == call->before.recv_buffer));
  }
  check_slot(slot);
  return result;
}

static void call_something(void);

/* Runs in each callback: checks, then as the input says a call. */
static void on_event(struct slot *slot) {
  REQUIRE(it.may_emit);
  it.events++;
  check_slot(slot);
  if (it.quiet || it.depth >= MAX_DEPTH || input_byte(&it.input) % 4 != 1)
    return;
  bool outer = it.may_emit;
  const struct slot *outside = it.inside;
  it.inside = slot;
  it.depth++;
  call_something();
  it.depth--;
  it.inside = outside;
  it.may_emit = outer;
}

/* ---- events ---- */

/* The slot of a socket, by the context of its listeners. */
static struct slot *slot_of(dgram_socket_t *socket, void *context) {
  struct slot *slot = context;
  REQUIRE(slot->socket == socket);
  return slot;
}

/* A datagram arrives in a socket: it was sent, as it is, and did not arrive before. */
static void check_arrival(struct slot *slot, const char *bytes, size_t size) {
  uint32_t number;
  uint32_t whole;
  if (size < HEADER) /* it has no number */
    return;
  memcpy(&number, bytes, sizeof number);
  if (number >= FILLER) /* not the first part of what left as several */
    return;
  memcpy(&whole, bytes + 4, sizeof whole);
  REQUIRE(number < it.sent && it.sends[number].size == whole);
  struct sent *sent = &it.sends[number];
  REQUIRE(size == (sent->segment > 0 && sent->segment < whole ? sent->segment : whole));
  REQUIRE(memcmp(bytes + HEADER, payload + HEADER, size - HEADER) == 0);
  REQUIRE((sent->arrived & 1U << (slot - it.slots)) == 0);
  sent->arrived |= 1U << (slot - it.slots);
  if (!sent->in_order)
    return;
  REQUIRE(slot->last_arrived[sent->socket] <= number);
  slot->last_arrived[sent->socket] = number + 1;
}

static void on_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  struct slot *slot = slot_of(socket, context);
  REQUIRE(!slot->closing);
  REQUIRE(dgram_rinfo_address(rinfo) != NULL && rinfo->port > 0 && rinfo->port < 65536);
  check_arrival(slot, message, rinfo->size);
  if (!it.quiet && input_byte(&it.input) % 8 == 3) {
    uv_buf_t buffer = uv_buf_init("ok", 2);
    struct call call = begin_call(__func__, slot, false);
    end_call(&call, dgram_reply(socket, rinfo, &buffer, 1, NULL, NULL), MAY_BIND);
  }
  on_event(slot);
}

static void on_messages(dgram_socket_t *socket, const dgram_message_t *const messages[],
                        size_t count, void *context) {
  struct slot *slot = slot_of(socket, context);
  REQUIRE(!slot->closing && count >= 1 && count <= 1024);
  if (!it.quiet && input_byte(&it.input) % 8 == 1) {
    REQUIRE(dgram_pause_at(socket, below((uint32_t)count + 1)) == 0);
    slot->paused = true;
  }
  on_event(slot);
}

static void on_listening(dgram_socket_t *socket, void *context) {
  struct slot *slot = slot_of(socket, context);
  REQUIRE(!slot->closed);
  on_event(slot);
}

static void on_connect(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  struct slot *slot = slot_of(socket, context);
  REQUIRE(!slot->closing && error == NULL);
  on_event(slot);
}

/* The callback of dgram_connect(). */
static void on_connected(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  struct slot *slot = slot_of(socket, context);
  REQUIRE(slot->connects-- > 0);
  REQUIRE(!slot->closed || (error != NULL && error->code == UV_ECANCELED));
  on_event(slot);
}

static void on_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  struct slot *slot = slot_of(socket, context);
  REQUIRE(error->code < 0 && error->name != NULL && error->message != NULL);
  REQUIRE(strcmp(error->name, dgram_err_name(error->code)) == 0);
  on_event(slot);
}

static void on_drain(dgram_socket_t *socket, void *context) {
  on_event(slot_of(socket, context));
}

static void on_close(dgram_socket_t *socket, void *context) {
  struct slot *slot = slot_of(socket, context);
  REQUIRE(!slot->closed);
  slot->closing = slot->closed = true;
  on_event(slot);
}

static void on_extra(dgram_socket_t *socket, void *context) {
  on_event(slot_of(socket, context));
}

static void on_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                    void *context) {
  struct sent *sent = context;
  struct slot *slot = &it.slots[sent->socket];
  uint32_t number = (uint32_t)(sent - it.sends);
  REQUIRE(slot->socket == socket && slot->generation == sent->generation);
  REQUIRE(sent->pending && slot->pending > 0);
  sent->pending = false;
  slot->pending--;
  free(sent->memory); /* not read any more */
  REQUIRE(bytes == (error == NULL ? sent->size : 0));
  REQUIRE(!slot->closed || (error != NULL && error->code < 0));
  /* One that is given up while it waits for the bind does not wait for those before it. */
  bool given_up = error != NULL && (error->code == UV_ECANCELED || error->code == UV_ETIMEDOUT);
  if (sent->in_order && !slot->closed && !given_up) {
    REQUIRE(slot->last_completed <= number);
    slot->last_completed = number + 1;
  }
  on_event(slot);
}

static void on_many_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t sent,
                         void *context) {
  struct slot *slot = slot_of(socket, context);
  REQUIRE(slot->lists-- > 0);
  on_event(slot);
}

/* ---- look-ups and deferred tasks of the program ---- */

static void on_lookup(dgram_lookup_t *lookup, const char *host, dgram_type_t type, void *context) {
  REQUIRE(strlen(host) <= 255);
  if (it.lookup_count == MAX_LOOKUPS) {
    dgram_lookup_done(lookup, UV_EAI_AGAIN, NULL);
    return;
  }
  it.lookups[it.lookup_count++] = lookup;
}

static int on_defer(dgram_task_t *task, void *context) {
  if (it.task_count == MAX_TASKS)
    return 0;
  it.tasks[it.task_count++] = task;
  return 1;
}

static void answer_lookup(void) {
  static const char *const answers[] = {"10.0.0.1", "fd00::2", "127.0.0.1", "none", "::1"};
  if (it.lookup_count == 0)
    return;
  unsigned at = below(it.lookup_count);
  dgram_lookup_t *lookup = it.lookups[at];
  it.lookups[at] = it.lookups[--it.lookup_count];
  int status = below(4) == 3 ? UV_EAI_NONAME : 0;
  const char *answer = answers[below(5)];
  bool outer = it.may_emit;
  it.may_emit = true;
  dgram_lookup_done(lookup, status, answer);
  it.may_emit = outer;
}

static void run_task(void) {
  if (it.task_count == 0)
    return;
  dgram_task_t *task = it.tasks[0];
  it.task_count--;
  for (unsigned i = 0; i < it.task_count; i++)
    it.tasks[i] = it.tasks[i + 1];
  bool outer = it.may_emit;
  it.may_emit = true;
  dgram_task_run(task);
  it.may_emit = outer;
}

/* ---- arguments ---- */

static int some_port(void) {
  static const int ports[] = {0, 1000, 1001, 1002, 65535, 65536, -1, 1000};
  return ports[below(8)];
}

/* NULL, an address, a name, or what the input has. */
static const char *some_address(void) {
  static const char *const known[] = {
      NULL,      "10.0.0.1",        "10.0.0.2", "127.0.0.1", "fd00::1",         "fd00::2",
      "::1",     "::ffff:10.0.0.2", "a",        "b",         "255.255.255.255", "224.0.0.5",
      "ff02::5", "fe80::1%2",       "localhost"};
  static char text[300];
  uint32_t choice = below(16);
  if (choice < sizeof known / sizeof *known)
    return known[choice];
  input_text(&it.input, text, sizeof text);
  return text;
}

/* Binary; NULL now and then. */
static const struct sockaddr *some_sockaddr(struct slot *slot) {
  static struct sockaddr_storage address;
  static const uint16_t ports[] = {1000, 1001, 1002, 0};
  uint8_t choice = input_byte(&it.input);
  bool v6 = (slot->type == DGRAM_UDP6) != (choice % 16 == 15);
  memset(&address, 0, sizeof address);
  if (choice % 32 == 30)
    return NULL;
  address.ss_family = v6 ? AF_INET6 : AF_INET;
  struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
  struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address;
  v4->sin_port = htons(ports[choice / 32 % 4]);
  if (v6) {
    in6->sin6_addr = in6addr_loopback;
    if (choice & 1)
      memcpy(&in6->sin6_addr, (uint8_t[16]){0xfd, 0, [15] = choice & 2 ? 1 : 2}, 16);
  } else {
    v4->sin_addr.s_addr = htonl(choice & 1 ? 0x0a000001 + ((choice & 2) != 0) : INADDR_LOOPBACK);
  }
  return (const struct sockaddr *)&address;
}

/* A new datagram, which has a number if it has room for it. */
static struct sent *new_datagram(struct slot *slot, bool in_order) {
  static const uint32_t sizes[] = {8, 0, 1, 100, 1400, 1500, 3000, 65507, 65508, 40000};
  uint32_t number = it.sent;
  uint32_t size = sizes[below(10)];
  struct sent *sent = &it.sends[number];
  *sent = (struct sent){.socket = (int)(slot - it.slots),
                        .generation = slot->generation,
                        .size = size,
                        .in_order = in_order};
  sent->memory = copy_exactly(payload, size);
  if (size >= HEADER) {
    memcpy(sent->memory, &number, sizeof number);
    memcpy(sent->memory + 4, &size, sizeof size);
  }
  return sent;
}

/* Ends a call that sends: with a callback the library borrows the bytes until that. */
static void end_send(const struct call *call, struct sent *sent, bool has_callback, int result) {
  struct slot *slot = call->slot;
  if (result == 0) {
    it.sent++;
    sent->pending = has_callback;
    slot->pending += has_callback;
  }
  if (result != 0 || !has_callback)
    free(sent->memory);
  end_call(call, result, NONE);
  REQUIRE(result != 0 || !slot->closing);
}

static void call_send(struct slot *slot) {
  bool has_callback = input_bit(&it.input);
  struct sent *sent = new_datagram(slot, false);
  int port = some_port();
  const char *address = some_address();
  struct call call = begin_call(__func__, slot, false);
  int result = dgram_send(slot->socket, sent->memory, sent->size, port, address,
                          has_callback ? on_sent : NULL, sent);
  end_send(&call, sent, has_callback, result);
}

/* In up to three pieces. */
static size_t pieces_of(const struct sent *sent, uv_buf_t pieces[3]) {
  char *bytes = (char *)sent->memory;
  uint32_t first = below(sent->size + 1);
  uint32_t second = below(sent->size - first + 1);
  pieces[0] = uv_buf_init(bytes, first);
  pieces[1] = uv_buf_init(bytes + first, second);
  pieces[2] = uv_buf_init(bytes + first + second, sent->size - first - second);
  return sent->size == 0 ? below(3) : 3;
}

static dgram_send_options_t some_options(struct slot *slot) {
  static const size_t segments[] = {0, 0, 0, 20, 1200, 65507, 65508, 0};
  dgram_send_options_t options = dgram_default_send_options();
  uint8_t set = input_byte(&it.input);
  if (set & 1)
    options.ttl = (int)below(258) - 1;
  if (set & 2)
    options.tos = (int)below(258) - 1;
  if (set & 4)
    options.dont_fragment = (int)below(4) - 1;
  if (set & 8)
    options.interface_index = below(4);
  if (set & 16)
    options.source = some_sockaddr(slot);
  options.segment_size = segments[set >> 5];
  if (set == 255)
    options.struct_size = below(2000);
  return options;
}

static void call_send_binary(struct slot *slot) {
  uv_buf_t pieces[3];
  uint8_t how = input_byte(&it.input);
  bool has_callback = (how & 1) != 0;
  struct sent *sent = new_datagram(slot, true);
  size_t count = pieces_of(sent, pieces);
  const dgram_send_options_t options = some_options(slot);
  struct sockaddr_storage copy;
  const struct sockaddr *to = some_sockaddr(slot);
  if (to != NULL)
    to = memcpy(&copy, to, sizeof copy);
  dgram_send_cb callback = has_callback ? on_sent : NULL;
  struct call call = begin_call(__func__, slot, false);
  int result;
  if (how & 2) {
    sent->segment = (uint32_t)options.segment_size;
    result = dgram_send_with(slot->socket, pieces, count, to, &options, callback, sent);
  } else if (how & 4) {
    sent->in_order = false;
    result = dgram_send_buffers(slot->socket, pieces, count, 1000, some_address(), callback, sent);
  } else if (how & 8) {
    dgram_path_t path = {.interface_index = below(3)};
    if (to != NULL)
      memcpy(&path.peer, to, sizeof path.peer);
    result = dgram_send_path(slot->socket, &path, pieces, count, callback, sent);
  } else
    result = dgram_send_to(slot->socket, pieces, count, to, callback, sent);
  end_send(&call, sent, has_callback, result);
}

static void call_try_send(struct slot *slot) {
  uv_buf_t pieces[3];
  struct sent *sent = new_datagram(slot, true);
  size_t count = pieces_of(sent, pieces);
  const dgram_send_options_t options = some_options(slot);
  const struct sockaddr *to = some_sockaddr(slot);
  size_t left = 0;
  uint8_t how = input_byte(&it.input);
  dgram_outgoing_t list = {.buffers = pieces, .count = count, .to = to};
  it.sent++; /* it may arrive though a later part of it was refused */
  struct call call = begin_call(__func__, slot, false);
  int result;
  if (how % 4 == 0)
    result = dgram_try_send(slot->socket, sent->memory, sent->size, to);
  else if (how % 4 == 1)
    result = dgram_try_send_many(slot->socket, &list, 1);
  else {
    sent->segment = (uint32_t)options.segment_size;
    result = dgram_try_send_with(slot->socket, pieces, count, to, &options, &left);
    REQUIRE(left <= sent->size && (result != 0 || left == sent->size));
  }
  free(sent->memory);
  REQUIRE(result <= 1);
  end_call(&call, result, MAY_BIND);
}

/* The whole list is accepted or none. */
static void call_send_many(struct slot *slot) {
  uv_buf_t pieces[8];
  dgram_outgoing_t list[8];
  size_t count = 1 + below(8);
  struct sockaddr_storage to[8];
  for (size_t i = 0; i < count; i++) {
    const struct sockaddr *address = some_sockaddr(slot);
    pieces[i] = uv_buf_init("many", below(5));
    list[i] = (dgram_outgoing_t){.buffers = &pieces[i], .count = 1};
    if (address != NULL)
      list[i].to = memcpy(&to[i], address, sizeof to[i]);
  }
  struct call call = begin_call(__func__, slot, false);
  int result = dgram_send_many(slot->socket, list, count, on_many_sent, slot);
  slot->lists += result == 0;
  end_call(&call, result, NONE);
}

static void on_posted(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                      void *context) {
  struct slot *slot = slot_of(socket, context);
  REQUIRE(slot->posts-- > 0);
  on_event(slot);
}

static void call_post(struct slot *slot) {
  struct call call = begin_call(__func__, slot, false);
  uv_buf_t buffer = uv_buf_init("post", 4);
  int result = 0;
  if (slot->sender == NULL)
    result = dgram_sender_create(slot->socket, NULL, &slot->sender);
  else if (below(8) == 1) {
    dgram_sender_free(slot->sender);
    slot->sender = NULL;
  } else {
    result = dgram_post_send(slot->sender, &buffer, 1, some_sockaddr(slot), on_posted, slot);
    slot->posts += result == 0;
  }
  end_call(&call, result, NONE);
}

static void call_cancel(struct slot *slot) {
  struct sent *sent = &it.sends[it.sent > 0 ? below(it.sent) : 0];
  struct call call = begin_call(__func__, slot, false);
  bool pending = it.sent > 0 && sent->pending && &it.slots[sent->socket] == slot;
  int result = dgram_cancel_send(slot->socket, on_sent, sent);
  REQUIRE(result != 0 || pending);
  REQUIRE(result != UV_ENOENT || !pending);
  end_call(&call, result, NONE);
}

/* ---- other calls ---- */

static void call_bind(struct slot *slot) {
  uint8_t how = input_byte(&it.input);
  int port = some_port();
  const char *address = how & 4 ? some_address() : NULL;
  dgram_bind_options_t options = dgram_default_bind_options();
  options.port = port;
  options.address = address;
  options.exclusive = how & 8;
  options.fd = how > 250 ? (int)below(3) - 1 : 0;
  struct call call = begin_call(__func__, slot, false);
  int result;
  if (how % 4 == 0)
    result = dgram_bind(slot->socket, port, address, how & 16 ? on_extra : NULL, slot);
  else if (how % 4 == 1)
    result = dgram_bind_options(slot->socket, &options, NULL, NULL);
  else
    result = dgram_bind_sync(slot->socket, port, address);
  end_call(&call, result, NONE);
}

static void call_connect(struct slot *slot) {
  uint8_t how = input_byte(&it.input);
  int port = some_port();
  const char *address = some_address();
  struct call call = begin_call(__func__, slot, false);
  int result;
  if (how % 4 == 0) {
    result = dgram_connect_sync(slot->socket, port, address);
    end_call(&call, result, MAY_BIND);
    return;
  }
  if (how % 4 == 1)
    result = dgram_disconnect(slot->socket);
  else {
    result = dgram_connect(slot->socket, port, address, how & 4 ? on_connected : NULL, slot);
    slot->connects += result == 0 && how & 4;
  }
  end_call(&call, result, NONE);
}

static void call_close(struct slot *slot) {
  struct call call = begin_call(__func__, slot, false);
  int result = dgram_close(slot->socket, NULL, NULL);
  REQUIRE((result == 0) == !slot->closing);
  slot->closing = true;
  end_call(&call, result, NONE);
}

static void call_flow(struct slot *slot) {
  uint8_t how = input_byte(&it.input);
  struct call call = begin_call(__func__, slot, false);
  int result = 0;
  if (how % 8 < 2)
    result = dgram_pause(slot->socket);
  else if (how % 8 < 5)
    result = dgram_resume(slot->socket);
  else if (how % 8 == 5)
    result = dgram_set_receive_budget(slot->socket, (int)below(300) - 1);
  else if (how % 8 == 6)
    result =
        dgram_set_send_queue_limit(slot->socket, below(5000), below(10), below(3000), below(8));
  else if (how & 8)
    result = dgram_set_send_timeout(slot->socket, (int)below(100) - 1);
  else
    result = dgram_set_lookup_timeout(slot->socket, (int)below(100) - 1);
  if (result == 0 && how % 8 < 5)
    slot->paused = how % 8 < 2;
  end_call(&call, result, NONE);
}

static void call_setter(struct slot *slot) {
  dgram_socket_t *socket = slot->socket;
  int value = (int)below(70000) - 1;
  struct call call = begin_call(__func__, slot, false);
  int result;
  switch (input_byte(&it.input) % 10) {
  case 0:
    result = dgram_set_broadcast(socket, value & 1);
    break;
  case 1:
    result = dgram_set_ttl(socket, value % 300);
    break;
  case 2:
    result = dgram_set_multicast_ttl(socket, value % 300);
    break;
  case 3:
    result = dgram_set_multicast_loopback(socket, value & 1);
    break;
  case 4:
    result = dgram_set_multicast_interface(socket, some_address());
    break;
  case 5:
    result = dgram_set_recv_buffer_size(socket, value);
    break;
  case 6:
    result = dgram_set_send_buffer_size(socket, value);
    break;
  case 7:
    result = dgram_get_mtu_to(socket, some_sockaddr(slot));
    break;
  default:
    result = dgram_set_sockopt(socket, (dgram_sockopt_t)(value % 20), below(70000));
  }
  end_call(&call, result, NONE);
}

static void call_membership(struct slot *slot) {
  static const char *const groups[] = {"224.0.0.5", "ff02::5", "232.1.2.3", "10.0.0.1", "", "x"};
  const char *group = groups[below(6)];
  uint8_t how = input_byte(&it.input);
  const char *interface = how & 4 ? some_address() : NULL;
  struct call call = begin_call(__func__, slot, false);
  int result;
  if (how % 4 == 0)
    result = dgram_drop_membership(slot->socket, group, interface);
  else if (how % 4 == 1)
    result = dgram_add_source_specific_membership(slot->socket, "10.0.0.2", group, interface);
  else if (how % 4 == 2)
    result = dgram_drop_source_specific_membership(slot->socket, "10.0.0.2", group, interface);
  else
    result = dgram_add_membership(slot->socket, group, interface);
  end_call(&call, result, MAY_BIND);
}

static void call_listeners(struct slot *slot) {
  dgram_socket_t *socket = slot->socket;
  struct call call = begin_call(__func__, slot, false);
  int result;
  switch (input_byte(&it.input) % 10) {
  case 0:
    result = dgram_on_messages(socket, on_messages, slot);
    break;
  case 1:
    result = dgram_off_messages(socket, on_messages, slot);
    break;
  case 2:
    result = dgram_once_listening(socket, on_extra, slot);
    break;
  case 3:
    result = dgram_off_listening(socket, on_extra, slot);
    break;
  case 4:
    result = dgram_once_error(socket, on_error, slot);
    break;
  case 5:
    result = dgram_on_drain(socket, on_drain, slot);
    break;
  case 6:
    result = dgram_off_drain(socket, on_drain, slot);
    break;
  case 7:
    result = dgram_once_connect(socket, on_connect, slot);
    break;
  case 8:
    result = dgram_on_icmp(socket, NULL, slot);
    break;
  default:
    result = dgram_once_messages(socket, on_messages, slot);
  }
  end_call(&call, result, NONE);
}

static void call_access(struct slot *slot) {
  uint8_t how = input_byte(&it.input);
  dgram_access_list_t *list = how & 1 ? it.lists[how >> 1 & 1] : NULL;
  struct call call = begin_call(__func__, slot, false);
  int result;
  if (how & 64) {
    dgram_rate_options_t rate = dgram_default_rate_options();
    rate.packets_per_second = below(300);
    rate.sources = 1 + below(4);
    result = dgram_set_receive_rate(slot->socket, how & 32 ? &rate : NULL);
  } else if (how & 4)
    result = dgram_set_receive_access(slot->socket, how & 8 ? DGRAM_ALLOW : DGRAM_BLOCK, list);
  else
    result = dgram_set_send_access(slot->socket, how & 8 ? DGRAM_ALLOW : DGRAM_BLOCK, list);
  end_call(&call, result, NONE);
}

static void change_list(void) {
  static const char *const addresses[] = {"10.0.0.1", "10.0.0.2", "fd00::1", "::1"};
  uint8_t how = input_byte(&it.input);
  if (how & 8)
    (void)dgram_access_list_remove_address(it.lists[how & 1], addresses[how >> 4 & 3]);
  else
    (void)dgram_access_list_add_address(it.lists[how & 1], addresses[how >> 4 & 3]);
}

static void call_getters(struct slot *slot) {
  static char text[8192];
  dgram_stats_t stats = dgram_default_stats();
  dgram_access_counts_t counts = dgram_default_access_counts();
  struct call call = begin_call(__func__, slot, false);
  REQUIRE(dgram_get_stats(slot->socket, &stats) == 0);
  REQUIRE(dgram_stats_text(&stats, text, sizeof text) < (int)sizeof text);
  REQUIRE(dgram_get_access_counts(slot->socket, &counts) == 0);
  REQUIRE(dgram_loop(slot->socket) == &loop);
  REQUIRE(dgram_fileno(slot->socket) < 0);
  (void)dgram_buffer_size_reason(slot->socket);
  (void)dgram_get_mtu(slot->socket);
  end_call(&call, 0, NONE);
}

static void call_flush(struct slot *slot) {
  struct call call = begin_call(__func__, slot, true);
  dgram_flush(slot->socket);
  end_call(&call, 0, NONE);
}

static void call_ref(struct slot *slot) {
  struct call call = begin_call(__func__, slot, false);
  REQUIRE((below(2) ? dgram_ref(slot->socket) : dgram_unref(slot->socket)) == slot->socket);
  end_call(&call, 0, NONE);
}

static void call_abort(void) {
  bool outer = it.may_emit;
  it.may_emit = false;
  it.aborted = true;
  for (int i = 0; i < SOCKETS; i++)
    if (it.slots[i].has_signal)
      it.slots[i].closing = true;
  dgram_abort_signal_abort(it.signal);
  it.may_emit = outer;
}

static void create(struct slot *slot) {
  uint8_t set = input_byte(&it.input);
  uint8_t more = input_byte(&it.input);
  dgram_options_t options = dgram_default_options(set & 1 ? DGRAM_UDP6 : DGRAM_UDP4);
  *slot = (struct slot){.generation = ++it.generation, .type = options.type};
  options.sim_host = it.hosts[(slot - it.slots) % 2];
  options.reuse_addr = set & 2;
  options.reuse_port = set & 4;
  options.ipv6_only = set & 8;
  options.lookup = set & 16 ? on_lookup : NULL;
  options.defer = set & 32 ? on_defer : NULL;
  options.signal = set & 64 ? it.signal : NULL;
  options.receive_info = set & 128 ? DGRAM_INFO_DESTINATION | DGRAM_INFO_TTL : 0;
  options.receive_batch = more & 1;
  options.receive_budget = more & 2 ? 1 + more / 16 : 0;
  options.pause_without_listener = more & 4;
  options.recv_buffer_size = more & 8 ? more * 64 : 0;
  slot->has_signal = options.signal != NULL;
  slot->closing = slot->has_signal && it.aborted;
  REQUIRE(dgram_create_socket_options(&loop, &options, on_message, slot, &slot->socket) == 0);
  REQUIRE(dgram_on_error(slot->socket, on_error, slot) == 0);
  REQUIRE(dgram_on_close(slot->socket, on_close, slot) == 0);
  if (slot->closing)
    return;
  REQUIRE(dgram_on_listening(slot->socket, on_listening, slot) == 0);
  REQUIRE(dgram_on_connect(slot->socket, on_connect, slot) == 0);
}

/* A closed socket is valid inside its own callbacks only. */
static void call_something(void) {
  static void (*const calls[])(struct slot * slot) = {
      call_bind,      call_bind,        call_connect,     call_connect,     call_send,
      call_send,      call_send_binary, call_send_binary, call_send_binary, call_try_send,
      call_send_many, call_post,        call_cancel,      call_flow,        call_flow,
      call_setter,    call_membership,  call_listeners,   call_access,      call_getters,
      call_flush,     call_ref,         call_close};
  if (it.calls >= MAX_CALLS || it.sent + 8 >= MAX_SENDS)
    return;
  uint8_t what = input_byte(&it.input);
  struct slot *slot = &it.slots[what % SOCKETS];
  uint8_t call = input_byte(&it.input);
  if (call >= 250)
    answer_lookup();
  else if (call >= 240)
    run_task();
  else if (call >= 232)
    change_list();
  else if (call == 231)
    call_abort();
  else if (slot->socket == NULL)
    create(slot);
  else if (!slot->closed || it.inside == slot)
    calls[call % (sizeof calls / sizeof *calls)](slot);
}

/* ---- a program ---- */

/* Closed sockets whose last callback has returned. */
static void forget_closed(void) {
  for (int i = 0; i < SOCKETS; i++) {
    struct slot *slot = &it.slots[i];
    if (slot->socket == NULL || !slot->closed || slot->pending > 0 || slot->lists > 0 ||
        slot->posts > 0 || slot->connects > 0)
      continue;
    dgram_sender_free(slot->sender);
    slot->sender = NULL;
    slot->socket = NULL;
  }
}

static void run_for(uint64_t ns) {
  it.may_emit = true;
  REQUIRE(dgram_sim_run_for(it.sim, ns) == 0);
  it.may_emit = false;
  forget_closed();
}

static bool is_pending(void) {
  bool pending = it.lookup_count > 0 || it.task_count > 0;
  for (int i = 0; i < SOCKETS; i++) {
    const struct slot *slot = &it.slots[i];
    pending |= slot->pending > 0 || slot->lists > 0 || slot->posts > 0 || slot->connects > 0;
    pending |= slot->closing && slot->socket != NULL;
    if (slot->socket != NULL && !slot->closed)
      pending |= dgram_get_send_queue_count(slot->socket) > 0;
  }
  return pending;
}

static void on_tick(uv_timer_t *timer) {
}

/* The network looks for what comes from outside of it, as posts do, now and then while time goes
 * on. */
static void serve_posts(void) {
  unsigned posts = 0;
  for (int i = 0; i < SOCKETS; i++)
    posts += it.slots[i].posts;
  if (posts == 0)
    return;
  REQUIRE(uv_timer_start(&ticks, on_tick, 1, 1) == 0);
  run_for(DGRAM_SIM_MS(MAX_TICKS));
  uv_timer_stop(&ticks);
}

/* Until all that was accepted has completed. */
static void settle(void) {
  it.quiet = true;
  for (int i = 0; i < MAX_ROUNDS && (i == 0 || is_pending()); i++) {
    while (it.task_count > 0)
      run_task();
    while (it.lookup_count > 0)
      answer_lookup();
    run_for(DGRAM_SIM_S(60));
    serve_posts();
  }
  REQUIRE(!is_pending());
  it.quiet = false;
}

static void open_world(struct input *input) {
  static dgram_socket_t *keeper; /* of what the library has for a loop */
  dgram_sim_link_options_t link = dgram_default_sim_link_options();
  if (it.sim == NULL) {
    memset(payload, 0x40, sizeof payload);
    REQUIRE(uv_loop_init(&loop) == 0 && uv_timer_init(&loop, &ticks) == 0);
    REQUIRE(dgram_sim_create(&loop, 1, &it.sim) == 0);
    REQUIRE(dgram_create_socket(&loop, DGRAM_UDP4, NULL, NULL, &keeper) == 0);
  }
  dgram_sim_t *sim = it.sim;
  memset(&it, 0, sizeof it);
  it.sim = sim;
  it.trace = getenv("FUZZ_TRACE") != NULL;
  it.input = *input;
  uint8_t set = input_byte(&it.input);
  REQUIRE(dgram_sim_reset(sim, set) == 0);
  REQUIRE(dgram_sim_host(sim, "a", &it.hosts[0]) == 0);
  REQUIRE(dgram_sim_host(sim, "b", &it.hosts[1]) == 0);
  REQUIRE(dgram_sim_host_add_address(it.hosts[0], "10.0.0.1") == 0);
  REQUIRE(dgram_sim_host_add_address(it.hosts[0], "fd00::1") == 0);
  REQUIRE(dgram_sim_host_add_address(it.hosts[1], "10.0.0.2") == 0);
  REQUIRE(dgram_sim_host_add_address(it.hosts[1], "fd00::2") == 0);
  link.rate = set & 1 ? 100000 : 0;
  link.loss = set & 2 ? 0.1 : 0;
  link.jitter = set & 4 ? DGRAM_SIM_MS(3) : 0;
  REQUIRE(dgram_sim_link(it.hosts[0], it.hosts[1], &link, NULL) == 0);
  for (int i = 0; i < LISTS; i++)
    REQUIRE(dgram_access_list_create(&it.lists[i]) == 0);
  REQUIRE(dgram_abort_signal_create(&it.signal) == 0);
}

static void close_world(void) {
  for (int i = 0; i < SOCKETS; i++)
    if (it.slots[i].socket != NULL && !it.slots[i].closing)
      call_close(&it.slots[i]);
  settle();
  for (int i = 0; i < SOCKETS; i++)
    REQUIRE(it.slots[i].socket == NULL);
  for (uint32_t i = 0; i < it.sent; i++)
    REQUIRE(!it.sends[i].pending);
  for (int i = 0; i < LISTS; i++)
    dgram_access_list_free(it.lists[i]);
  dgram_abort_signal_free(it.signal);
  REQUIRE(dgram_sim_reset(it.sim, 0) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct input input = {data, size};
  open_world(&input);
  while (it.input.left > 0 && it.calls < MAX_CALLS) {
    uint8_t run = input_byte(&it.input);
    if (run % 4 == 0)
      run_for((uint64_t)(run / 4) * 100000);
    call_something();
  }
  settle();
  close_world();
  return 0;
}
