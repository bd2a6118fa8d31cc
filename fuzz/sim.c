/*
 * A network in memory that the input builds and changes while sockets send on it: hosts, switches,
 * NATs, links with loss, delay, rates and small MTUs, partitions, hosts that are off, groups.
 *
 *   determinism   the same program is the same run: its hash, its counts and its time
 *   conservation  each datagram to one host ends exactly once: delivered, or lost for one reason;
 *                 so does each one that a link has duplicated
 *   content       what arrives is what was sent, and takes at least 1 us
 *   time          never goes back
 */
#include <dgram_sim.h>

#include <arpa/inet.h>

#include "target.h"

enum {
  HOSTS = 8,
  LINKS = 16,
  SOCKETS = 8,
  MAX_OPS = 200,
  MAX_SENDS = 2000,
  MAX_ECHOES = 6, /* of a datagram and its answers */
  HEADER = 8
};

/* A datagram, by its number. */
struct sent {
  uint64_t at;
  uint32_t size;
  bool to_many;   /* a group or a broadcast */
  unsigned alive; /* it and its duplicates that have not ended */
};

struct outcome {
  uint64_t hash;
  uint64_t now;
  uint64_t counts[DGRAM_SIM_EVENT_KINDS];
  uint64_t messages;
};

static struct {
  struct input input;
  dgram_sim_t *sim;
  dgram_sim_host_t *hosts[HOSTS];
  unsigned host_count;
  dgram_sim_link_t *links[LINKS];
  unsigned link_count;
  dgram_socket_t *sockets[SOCKETS];
  bool echoes[SOCKETS];
  struct sent sends[MAX_SENDS];
  uint32_t sent;
  uint64_t now;
  unsigned messages;
} it;

static uv_loop_t loop;
static uint8_t payload[66000];

static uint32_t below(uint32_t limit) {
  return input_below(&it.input, limit);
}

/* ---- datagrams ---- */

static struct sent *find_sent(const void *data, size_t size) {
  uint32_t number;
  if (size < HEADER) /* an ICMP error */
    return NULL;
  memcpy(&number, data, sizeof number);
  REQUIRE(number < it.sent && it.sends[number].size == size);
  REQUIRE(memcmp((const uint8_t *)data + HEADER, payload + HEADER, size - HEADER) == 0);
  return &it.sends[number];
}

static bool is_to_many(const struct sockaddr *to) {
  if (to->sa_family == AF_INET6) {
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)to;
    return IN6_IS_ADDR_MULTICAST(&v6->sin6_addr);
  }
  uint32_t host = ntohl(((const struct sockaddr_in *)to)->sin_addr.s_addr);
  return IN_MULTICAST(host) || (host & 0xff) == 0xff || host == INADDR_BROADCAST;
}

static void on_trace(const dgram_sim_t *sim, const dgram_sim_event_t *event, void *context) {
  REQUIRE(event->time >= it.now && event->time == dgram_sim_now(sim));
  it.now = event->time;
  struct sent *sent = find_sent(event->data, event->size);
  if (sent == NULL || event->kind == DGRAM_SIM_ICMP)
    return;
  if (event->kind == DGRAM_SIM_SENT) {
    REQUIRE(sent->alive == 0);
    sent->at = event->time;
    sent->to_many = is_to_many(event->to);
  }
  if (event->kind == DGRAM_SIM_DELIVERED)
    REQUIRE(event->time >= sent->at + 1000);
  if (event->kind == DGRAM_SIM_SENT || event->kind == DGRAM_SIM_DUPLICATED)
    sent->alive++;
  else if (!sent->to_many)
    REQUIRE(sent->alive-- > 0);
}

/* Sends a datagram with a number; `echoes` answers may follow. */
static void send_numbered(dgram_socket_t *socket, uint32_t size, uint8_t echoes, int port,
                          const char *address, const struct sockaddr *to) {
  static uint8_t bytes[sizeof payload];
  uint32_t number = it.sent;
  if (number == MAX_SENDS)
    return;
  memcpy(bytes, payload, size);
  memcpy(bytes, &number, sizeof number);
  bytes[4] = echoes;
  it.sends[it.sent++] = (struct sent){.size = size};
  uv_buf_t buffer = uv_buf_init((char *)bytes, size);
  int result = to != NULL ? dgram_send_to(socket, &buffer, 1, to, NULL, NULL)
                          : dgram_send(socket, bytes, size, port, address, NULL, NULL);
  REQUIRE(result <= 0);
}

static void on_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  const bool *echoes = context;
  REQUIRE(find_sent(message, rinfo->size) != NULL);
  it.messages++;
  uint8_t left = (uint8_t)message[4];
  if (*echoes && left > 0 && dgram_connect_state(socket) == DGRAM_DISCONNECTED)
    send_numbered(socket, (uint32_t)rinfo->size, left - 1, 0, NULL, rinfo->sockaddr);
}

static void on_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  REQUIRE(error->code < 0);
}

/* ---- arguments ---- */

static const char *some_address(void) {
  static const char *const known[] = {
      "10.0.0.1",  "10.0.0.2", "10.0.1.1",  "192.168.0.1", "192.168.0.2",     "203.0.113.1",
      "fd00::1",   "fd00::2",  "fd00:1::1", "224.0.0.5",   "ff02::5",         "10.0.0.255",
      "127.0.0.1", "::1",      "h1",        "h2",          "255.255.255.255", "localhost"};
  static char text[80];
  uint32_t choice = below(20);
  if (choice < sizeof known / sizeof *known)
    return known[choice];
  input_text(&it.input, text, sizeof text);
  return text;
}

static dgram_sim_host_t *some_host(void) {
  return it.host_count > 0 ? it.hosts[below(it.host_count)] : NULL;
}

static dgram_sim_link_t *some_link(void) {
  return it.link_count > 0 ? it.links[below(it.link_count)] : NULL;
}

static dgram_sim_link_options_t some_link_options(void) {
  static const unsigned mtus[] = {1500, 576, 1280, 65535, 575};
  dgram_sim_link_options_t options = dgram_default_sim_link_options();
  uint8_t set = input_byte(&it.input);
  options.delay = (uint64_t)below(256) * 100000;
  options.jitter = set & 1 ? DGRAM_SIM_MS(2) : 0;
  options.loss = set & 2 ? below(11) / 10.0 : 0;
  options.duplicate = set & 4 ? below(11) / 20.0 : 0;
  options.reorder = set & 8 ? below(12) / 10.0 : 0;
  options.rate = set & 16 ? 1 + (uint64_t)below(256) * 1000 : 0;
  options.queue_bytes = set & 32 ? below(60000) : 0;
  options.mtu = set & 64 ? mtus[below(5)] : 1500;
  if (set == 255)
    options.struct_size = 3;
  return options;
}

/* ---- changes of the network; what is refused changes nothing ---- */

static void add_host(void) {
  char name[8];
  if (it.host_count == HOSTS)
    return;
  bool is_switch = below(4) == 1;
  dgram_sim_host_t **host = &it.hosts[it.host_count];
  snprintf(name, sizeof name, "h%u", it.host_count);
  REQUIRE((is_switch ? dgram_sim_switch : dgram_sim_host)(it.sim, name, host) == 0);
  it.host_count++;
}

static void add_address(void) {
  char text[100];
  static const char *const prefixes[] = {"", "/24", "/0", "/32", "/64", "/128", "/129", "/"};
  dgram_sim_host_t *host = some_host();
  snprintf(text, sizeof text, "%s%s", some_address(), prefixes[below(8)]);
  REQUIRE(dgram_sim_host_add_address(host, text) <= 0);
}

static void add_link(void) {
  dgram_sim_host_t *a = some_host();
  dgram_sim_host_t *b = some_host();
  const dgram_sim_link_options_t options = some_link_options();
  if (it.link_count == LINKS)
    return;
  int result = dgram_sim_link(a, b, below(4) == 1 ? NULL : &options, &it.links[it.link_count]);
  REQUIRE((result == 0) == (it.links[it.link_count] != NULL));
  it.link_count += result == 0;
}

static void change_link(void) {
  const dgram_sim_link_options_t options = some_link_options();
  dgram_sim_link_t *link = some_link();
  if (below(2) == 1)
    REQUIRE(dgram_sim_link_set(link, below(2) == 1 ? some_host() : NULL, &options) <= 0);
  else
    REQUIRE(dgram_sim_link_set_up(link, below(3) > 0) <= 0);
}

static void partition(void) {
  dgram_sim_host_t *part[HOSTS];
  size_t count = 0;
  uint8_t mask = input_byte(&it.input);
  for (unsigned i = 0; i < it.host_count; i++)
    if (mask & 1U << i)
      part[count++] = it.hosts[i];
  REQUIRE((mask == 0 ? dgram_sim_heal(it.sim) : dgram_sim_partition(it.sim, part, count)) == 0);
}

static void set_nat(void) {
  dgram_sim_nat_options_t options = dgram_default_sim_nat_options();
  uint8_t set = input_byte(&it.input);
  options.type = (dgram_sim_nat_type_t)(set % 5);
  options.timeout = DGRAM_SIM_MS(1 + set);
  options.hairpin = set & 8;
  options.random_ports = set & 16;
  dgram_sim_host_t *host = some_host();
  REQUIRE(dgram_sim_host_set_nat(host, some_link(), some_address(), &options) <= 0);
}

/* ---- sockets ---- */

static void open_socket(unsigned at) {
  uint8_t set = input_byte(&it.input);
  dgram_options_t options = dgram_default_options(set & 1 ? DGRAM_UDP6 : DGRAM_UDP4);
  options.sim_host = some_host();
  options.reuse_addr = set & 2;
  options.reuse_port = set & 4;
  options.ipv6_only = set & 8;
  options.recv_buffer_size = set & 16 ? 4096 : 0;
  options.send_buffer_size = set & 32 ? 4096 : 0;
  if (options.sim_host == NULL) /* the real network */
    return;
  it.echoes[at] = set & 64;
  REQUIRE(dgram_create_socket_options(&loop, &options, on_message, &it.echoes[at],
                                      &it.sockets[at]) == 0);
  REQUIRE(dgram_on_error(it.sockets[at], on_error, NULL) == 0);
  (void)dgram_bind_sync(it.sockets[at], (int)(1000 + below(3)),
                        below(3) == 1 ? some_address() : NULL);
}

static void use_socket(unsigned at) {
  dgram_socket_t *socket = it.sockets[at];
  uint8_t how = input_byte(&it.input);
  static const uint32_t sizes[] = {HEADER, 100, 1472, 1473, 3000, 40000, 65507};
  switch (how % 16) {
  case 0:
    it.sockets[at] = NULL;
    REQUIRE(dgram_close(socket, NULL, NULL) == 0);
    break;
  case 1:
    (void)dgram_connect_sync(socket, (int)(1000 + below(3)), some_address());
    break;
  case 2:
    (void)dgram_disconnect(socket);
    break;
  case 3:
    (void)dgram_add_membership(socket, how & 16 ? "224.0.0.5" : "ff02::5", NULL);
    break;
  case 4:
    (void)dgram_drop_membership(socket, how & 16 ? "224.0.0.5" : "ff02::5", NULL);
    break;
  case 5:
    (void)dgram_set_sockopt(socket, (dgram_sockopt_t)below(18), below(300));
    break;
  case 6:
    (void)(how & 16 ? dgram_pause : dgram_resume)(socket);
    break;
  default:
    for (unsigned i = how & 128 ? 1 + below(20) : 1; i > 0; i--)
      send_numbered(socket, sizes[how / 16 % 7], (uint8_t)below(MAX_ECHOES), (int)(1000 + below(3)),
                    some_address(), NULL);
  }
}

static void on_timer(dgram_sim_t *sim, void *context) {
  (void)dgram_sim_link_set_up(context, 1);
}

static void take_time(void) {
  uint8_t how = input_byte(&it.input);
  uint64_t before = dgram_sim_now(it.sim);
  uint64_t next = dgram_sim_next(it.sim);
  REQUIRE(next >= before);
  if (how % 4 == 0)
    REQUIRE(dgram_sim_step(it.sim, before + (uint64_t)how * 1000000) >= 0);
  else if (how % 4 == 1)
    REQUIRE(dgram_sim_timer_start(it.sim, (uint64_t)how * 10000, on_timer, some_link(), NULL) == 0);
  else {
    REQUIRE(dgram_sim_run_for(it.sim, (uint64_t)how * 100000) == 0);
    REQUIRE(dgram_sim_now(it.sim) == before + (uint64_t)how * 100000);
  }
  REQUIRE(dgram_sim_now(it.sim) >= before);
}

static void run_op(void) {
  static void (*const changes[])(void) = {add_host,    add_address, add_address, add_link, add_link,
                                          change_link, partition,   set_nat,     take_time};
  uint8_t op = input_byte(&it.input);
  unsigned at = op % SOCKETS;
  if (op < 96)
    changes[op % 9]();
  else if (op < 112) {
    dgram_sim_host_t *host = some_host();
    REQUIRE(dgram_sim_host_set_up(host, op & 1) == (host != NULL ? 0 : UV_EINVAL));
  } else if (it.sockets[at] == NULL)
    open_socket(at);
  else
    use_socket(at);
}

/* ---- a run ---- */

/* Hosts on both sides of a NAT, to begin with. */
static void add_nat(uint8_t seed) {
  static const char *const addresses[] = {"192.168.0.2", "192.168.0.1", "10.0.0.1", "192.168.0.3"};
  dgram_sim_nat_options_t options = dgram_default_sim_nat_options();
  options.type = (dgram_sim_nat_type_t)(seed % 4);
  options.timeout = DGRAM_SIM_MS(20);
  options.hairpin = seed & 4;
  options.random_ports = seed & 8;
  for (; it.host_count < 4; it.host_count++) {
    char name[8];
    snprintf(name, sizeof name, "h%u", it.host_count);
    REQUIRE(dgram_sim_host(it.sim, name, &it.hosts[it.host_count]) == 0);
    REQUIRE(dgram_sim_host_add_address(it.hosts[it.host_count], addresses[it.host_count]) == 0);
  }
  REQUIRE(dgram_sim_host_add_address(it.hosts[1], "203.0.113.1") == 0);
  for (it.link_count = 0; it.link_count < 3; it.link_count++) /* 1 is linked with all others */
    REQUIRE(dgram_sim_link(it.hosts[1], it.hosts[it.link_count + (it.link_count > 0)], NULL,
                           &it.links[it.link_count]) == 0);
  REQUIRE(dgram_sim_host_set_nat(it.hosts[1], it.links[1], "203.0.113.1", &options) == 0);
}

static struct outcome run_program(struct input input) {
  dgram_sim_t *sim = it.sim;
  struct outcome outcome;
  memset(&it, 0, sizeof it);
  it.input = input;
  it.sim = sim;
  uint8_t seed = input_byte(&it.input);
  REQUIRE(dgram_sim_reset(sim, seed) == 0);
  REQUIRE(dgram_sim_trace(sim, on_trace, NULL) == 0);
  if (seed & 128)
    add_nat(seed);
  for (unsigned i = 0; i < MAX_OPS && it.input.left > 0; i++)
    run_op();
  REQUIRE(dgram_sim_run(sim) == 0);
  REQUIRE(dgram_sim_next(sim) == UINT64_MAX);
  for (uint32_t i = 0; i < it.sent; i++)
    REQUIRE(it.sends[i].to_many || it.sends[i].alive == 0);
  memset(&outcome, 0, sizeof outcome);
  outcome.hash = dgram_sim_hash(sim);
  outcome.now = dgram_sim_now(sim);
  outcome.messages = it.messages;
  for (int i = 0; i < DGRAM_SIM_EVENT_KINDS; i++)
    outcome.counts[i] = dgram_sim_count(sim, (dgram_sim_event_kind_t)i);
  REQUIRE(outcome.messages <= outcome.counts[DGRAM_SIM_DELIVERED]);
  for (int i = 0; i < SOCKETS; i++)
    if (it.sockets[i] != NULL)
      REQUIRE(dgram_close(it.sockets[i], NULL, NULL) == 0);
  REQUIRE(dgram_sim_run(sim) == 0);
  return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct input input = {data, size};
  if (it.sim == NULL) {
    static dgram_socket_t *keeper; /* of what the library has for a loop */
    memset(payload, 0x40, sizeof payload);
    REQUIRE(uv_loop_init(&loop) == 0 && dgram_sim_create(&loop, 1, &it.sim) == 0);
    REQUIRE(dgram_create_socket(&loop, DGRAM_UDP4, NULL, NULL, &keeper) == 0);
  }
  const struct outcome first = run_program(input);
  const struct outcome second = run_program(input);
  REQUIRE(first.hash == second.hash && first.now == second.now);
  REQUIRE(first.messages == second.messages);
  REQUIRE(memcmp(first.counts, second.counts, sizeof first.counts) == 0);
  return 0;
}
