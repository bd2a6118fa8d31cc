/*
 * Options of one datagram: an observer on the loopback interface sees of each datagram the source,
 * hop limit and TOS that were chosen for it and for no other.
 */
#include "lib/fixture.h"
#include "lib/observer.h"

#include <net/if.h>

/* ---- three ways to a loopback address ---- */

struct way {
  const char *name;
  dgram_type_t type;
  int family; /* on the wire */
  int mapped; /* from a udp6 socket */
};

static const struct way ways[] = {{"IPv4", DGRAM_UDP4, AF_INET, 0},
                                  {"IPv6", DGRAM_UDP6, AF_INET6, 0},
                                  {"IPv4-mapped", DGRAM_UDP6, AF_INET, 1}};

/* An observer, a socket that sends to it, and the address to send to. */
struct scene {
  const struct way *way;
  int observer;
  dgram_socket_t *socket;
  struct sockaddr_storage to;
  struct observed seen;
};

static struct scene scene;

static void scene_open(uv_loop_t *loop, const struct way *way) {
  scene.way = way;
  scene.observer = observer_open(way->family, &scene.to);
  if (way->mapped) {
    struct sockaddr_in6 mapped = observer_mapped(&scene.to);
    memcpy(&scene.to, &mapped, sizeof mapped);
  }
  scene.socket = new_socket(loop, way->type, NULL, NULL);
}

static void scene_close(void) {
  close_socket(scene.socket);
  close(scene.observer);
}

/* A test that goes each way. */
#define WAYS_TEST_(sentence, name)                            \
  static void name(uv_loop_t *loop);                          \
  FIXTURE_TEST(sentence, FIXTURE_JOIN(name, _each_way)) {     \
    skip_without_ipv6();                                      \
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) { \
      scene_open(loop, &ways[i]);                             \
      name(loop);                                             \
      scene_close();                                          \
      run_to_end(loop);                                       \
    }                                                         \
  }                                                           \
  static void name(uv_loop_t *loop)
#define WAYS_TEST(sentence) WAYS_TEST_(sentence, FIXTURE_JOIN(ways_in_line_, __LINE__))

static const struct sockaddr *target(void) {
  return (const struct sockaddr *)&scene.to;
}

/* `ipv4` where the way is IPv4, or else ::1, as the wire shows it. */
static const char *host_text(const char *ipv4) {
  return scene.way->family == AF_INET6 ? "::1" : ipv4;
}

/* The same as the socket takes it. */
static const char *host_name(const char *ipv4) {
  static char text[INET6_ADDRSTRLEN + 8];
  snprintf(text, sizeof text, "%s%s", scene.way->mapped ? "::ffff:" : "", host_text(ipv4));
  return text;
}

static const struct sockaddr *host(const char *ipv4) {
  static union raw_address address;
  raw_address(&address, host_name(ipv4), 0);
  return &address.any;
}

static int sent;

static int send_with(const char *text, const dgram_send_options_t *options) {
  uv_buf_t buffer = uv_buf_init((char *)text, (unsigned)strlen(text));
  return dgram_send_with(scene.socket, &buffer, 1, target(), options, count_sent, &sent);
}

static void assert_seen(const char *text, const char *source, int ttl, int tos) {
  observer_take(scene.observer, &scene.seen);
  assert_int_equal(scene.seen.size, strlen(text));
  assert_memory_equal(scene.seen.bytes, text, strlen(text));
  assert_string_equal(scene.seen.source, source);
  assert_int_equal(scene.seen.ttl, ttl);
  assert_int_equal(scene.seen.tos, tos);
}

/* ---- each option ---- */

WAYS_TEST("a datagram leaves from the source that was chosen for it, and the next does not") {
  dgram_send_options_t options = dgram_default_send_options();
  options.source = host("127.0.0.3");
  assert_int_equal(send_with("chosen", &options), 0);
  assert_int_equal(send_with("plain", NULL), 0);
  sent = 0;
  run_until(loop, &sent, 2);
  assert_seen("chosen", host_text("127.0.0.3"), 64, 0);
  assert_seen("plain", host_text("127.0.0.1"), 64, 0);
}

WAYS_TEST("a datagram has the hop limit that was chosen for it, and the next does not") {
  dgram_send_options_t options = dgram_default_send_options();
  static const int ttls[] = {1, 17, 255};
  sent = 0;
  for (size_t i = 0; i < 3; i++) {
    options.ttl = ttls[i];
    assert_int_equal(send_with("chosen", &options), 0);
    assert_int_equal(send_with("plain", NULL), 0);
  }
  run_until(loop, &sent, 6);
  for (size_t i = 0; i < 3; i++) {
    assert_seen("chosen", host_text("127.0.0.1"), ttls[i], 0);
    assert_seen("plain", host_text("127.0.0.1"), 64, 0);
  }
}

WAYS_TEST("a datagram has the DSCP and the ECN that were chosen for it, and the next does not") {
  dgram_send_options_t options = dgram_default_send_options();
  static const int all[] = {0, 1, 2, 3, 46 << 2, 46 << 2 | 1, 10 << 2 | 2, 0xfc, 0xff};
  enum { ALL = sizeof all / sizeof *all };
  sent = 0;
  for (size_t i = 0; i < ALL; i++) {
    options.tos = all[i];
    assert_int_equal(send_with("chosen", &options), 0);
    assert_int_equal(send_with("plain", NULL), 0);
  }
  run_until(loop, &sent, 2 * ALL);
  for (size_t i = 0; i < ALL; i++) {
    assert_seen("chosen", host_text("127.0.0.1"), 64, all[i]);
    assert_seen("plain", host_text("127.0.0.1"), 64, 0);
  }
}

WAYS_TEST("a datagram leaves by the interface that was chosen for it") {
  dgram_send_options_t options = dgram_default_send_options();
  options.interface_index = if_nametoindex("lo");
  options.source = host("127.0.0.2");
  sent = 0;
  assert_int_equal(send_with("both", &options), 0);
  options.source = NULL;
  assert_int_equal(send_with("interface", &options), 0);
  run_until(loop, &sent, 2);
  assert_seen("both", host_text("127.0.0.2"), 64, 0);
  assert_seen("interface", host_text("127.0.0.1"), 64, 0);
  assert_int_equal(scene.seen.interface_index, options.interface_index);
}

WAYS_TEST("options hold before the bind, on a connected socket and after it") {
  dgram_send_options_t options = dgram_default_send_options();
  uv_buf_t buffer = uv_buf_init("x", 1);
  int port = ntohs(((struct sockaddr_in *)&scene.to)->sin_port);
  options.ttl = 9;
  options.tos = 0x28;
  options.source = host("127.0.0.4");
  sent = 0;
  assert_int_equal(send_with("unbound", &options), 0);
  assert_int_equal(dgram_bind_state(scene.socket), DGRAM_BINDING);
  run_until(loop, &sent, 1);
  assert_seen("unbound", host_text("127.0.0.4"), 9, 0x28);
  assert_int_equal(dgram_connect_sync(scene.socket, port, host_name("127.0.0.1")), 0);
  assert_int_equal(dgram_send_with(scene.socket, &buffer, 1, target(), &options, count_sent, &sent),
                   DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED);
  sent = 0;
  for (int i = 0; i < 2; i++)
    assert_int_equal(dgram_send_with(scene.socket, &buffer, 1, NULL, &options, count_sent, &sent),
                     0);
  run_until(loop, &sent, 2);
  /* Linux keeps the source of the connect, unless another is chosen for the datagram. */
  assert_seen("x", host_text("127.0.0.4"), 9, 0x28);
  assert_seen("x", host_text("127.0.0.4"), 9, 0x28);
  assert_int_equal(dgram_send_with(scene.socket, &buffer, 1, NULL, &options, count_sent, &sent), 0);
  assert_int_equal(dgram_disconnect(scene.socket), 0);
  assert_seen("x", host_text("127.0.0.4"), 9, 0x28);
}

WAYS_TEST("what the system refuses is the error of that datagram's callback, and of no other") {
  dgram_send_options_t options = dgram_default_send_options();
  struct kept_error errors[2] = {{.calls = 0}};
  uv_buf_t buffer = uv_buf_init("bad", 3);
  options.interface_index = 999999;
  sent = 0;
  assert_int_equal(send_with("before", NULL), 0);
  assert_int_equal(
      dgram_send_with(scene.socket, &buffer, 1, target(), &options, keep_send_error, &errors[0]),
      0);
  assert_int_equal(send_with("between", NULL), 0);
  options.interface_index = 0;
  union raw_address foreign;
  memcpy(&foreign, host("192.0.2.1"), sizeof foreign);
  if (scene.way->family == AF_INET6)
    foreign.v6.sin6_addr.s6_addr[0] = 0x20;
  options.source = &foreign.any;
  assert_int_equal(
      dgram_send_with(scene.socket, &buffer, 1, target(), &options, keep_send_error, &errors[1]),
      0);
  assert_int_equal(send_with("after", NULL), 0);
  run_until(loop, &sent, 3);
  assert_int_equal(errors[0].calls, 1);
  assert_true(errors[0].code == UV_ENODEV || errors[0].code == UV_ENXIO ||
              errors[0].code == UV_EINVAL);
  assert_int_equal(errors[1].calls, 1);
  assert_true(errors[1].code == UV_EINVAL || errors[1].code == UV_EADDRNOTAVAIL ||
              errors[1].code == UV_ENETUNREACH);
  assert_seen("before", host_text("127.0.0.1"), 64, 0);
  assert_seen("between", host_text("127.0.0.1"), 64, 0);
  assert_seen("after", host_text("127.0.0.1"), 64, 0);
}

/* ---- many ---- */

enum { MANY = 450, SHAPES = 8 }; /* a receive buffer of the default size has room for them */

static unsigned next_random(unsigned *state) {
  *state = *state * 1664525 + 1013904223;
  return *state >> 16;
}

/* The options of a shape; NULL for some. What it looks like is in the last two. */
static const dgram_send_options_t *shape(unsigned number, const char **source, int *ttl, int *tos) {
  static dgram_send_options_t options;
  options = dgram_default_send_options();
  *source = host_text("127.0.0.1");
  *ttl = 64;
  *tos = 0;
  if (number < 3)
    return NULL;
  if (number & 1)
    options.ttl = *ttl = 10 + (int)number;
  if (number & 2)
    options.tos = *tos = 4 * (int)number;
  if (number & 4) {
    options.source = host("127.0.0.7");
    *source = host_text("127.0.0.7");
  }
  return &options;
}

WAYS_TEST("of many datagrams in random order each arrives with its options, in order") {
  static char bytes[MANY][48];
  static unsigned shapes[MANY];
  static size_t sizes[MANY];
  unsigned state = 7;
  unsigned number = 0;
  const char *source;
  int ttl;
  int tos;
  sent = 0;
  for (int i = 0; i < MANY; i++) {
    if (i == 0 || next_random(&state) % 4 == 0) /* runs of several */
      number = next_random(&state) % SHAPES;
    shapes[i] = number;
    sizes[i] = next_random(&state) % 5 == 0 ? 8 + next_random(&state) % 20 : 24;
    snprintf(bytes[i], sizeof bytes[i], "%07d%030d", i, 0);
    const dgram_send_options_t *options = shape(number, &source, &ttl, &tos);
    uv_buf_t buffer = uv_buf_init(bytes[i], (unsigned)sizes[i]);
    int copied = next_random(&state) % 3 == 0;
    assert_int_equal(dgram_send_with(scene.socket, &buffer, 1, target(), options,
                                     copied ? NULL : count_sent, &sent),
                     0);
    sent += copied;
  }
  run_until(loop, &sent, MANY);
  for (int i = 0; i < MANY; i++) {
    (void)shape(shapes[i], &source, &ttl, &tos);
    bytes[i][sizes[i]] = '\0';
    assert_seen(bytes[i], source, ttl, tos);
  }
  assert_true(observer_is_empty(scene.observer));
}
