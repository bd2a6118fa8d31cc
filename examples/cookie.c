// Beyond the specification: a server that is of no use as a reflector. A source address can be
// forged, and then the answer goes to a victim. So the server sends its long answer only to who has
// echoed a cookie, which shows that datagrams to this address reach the sender; until then what it
// sends is shorter than what it has received. It keeps no state for a peer: the cookie is a keyed
// hash of the address and the minute, as that of DNS (RFC 9018).
//
// A question is 16 hexadecimal digits, the cookie or any others, and at least 16 bytes more. The
// reply to a wrong cookie is the right one, 16 bytes: too short to be a question, so that two such
// servers cannot be made to reply to each other for ever. From each source (of IPv6 each /64) no
// more than 20 datagrams a second are accepted. At Ctrl-C it reports its counts.
// Usage: cookie [port]
#include <dgram.h>
#include <dgram_access.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
enum { COOKIE = 16, SHORTEST = 32, ANSWER = 1200 };         // bytes
static const uint64_t lifetime = 60 * UINT64_C(1000000000); // ns; a cookie is accepted for 1 to 2
static uint64_t key[2];
static size_t unproven_in, unproven_out, proven; // bytes, bytes, questions
static int failed;
static void on_error(dgram_socket_t *s, const dgram_error_t *error, void *ctx) {
  fprintf(stderr, "%s\n", error->message);
  failed = 1;
  dgram_close(s, NULL, NULL);
}
static uint64_t rotate(uint64_t x, int bits) {
  return x << bits | x >> (64 - bits);
}
static void sip_rounds(uint64_t v[4], int rounds) {
  for (; rounds > 0; rounds--) {
    v[0] += v[1], v[1] = rotate(v[1], 13) ^ v[0], v[0] = rotate(v[0], 32);
    v[2] += v[3], v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3], v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1], v[1] = rotate(v[1], 17) ^ v[2], v[2] = rotate(v[2], 32);
  }
}
// SipHash-2-4 (Aumasson, Bernstein 2012), a keyed hash that nobody can guess without the key.
static uint64_t siphash(const uint64_t words[], size_t count) {
  uint64_t v[4] = {key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
                   key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573)};
  for (size_t i = 0; i <= count; i++) {
    uint64_t word = i < count ? words[i] : (uint64_t)(8 * count) << 56;
    v[3] ^= word, sip_rounds(v, 2), v[0] ^= word;
  }
  v[2] ^= 0xff, sip_rounds(v, 4);
  return v[0] ^ v[1] ^ v[2] ^ v[3];
}
static uint64_t cookie_of(const struct sockaddr *peer, uint64_t period) {
  uint64_t words[3] = {0, 0, period};
  if (peer->sa_family == AF_INET)
    memcpy(words, &((const struct sockaddr_in *)(const void *)peer)->sin_addr, 4);
  else
    memcpy(words, &((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr, 16);
  return siphash(words, 3);
}
static int is_proven(const char *question, const struct sockaddr *peer, uint64_t period) {
  char text[COOKIE + 1] = "";
  memcpy(text, question, COOKIE);
  if (strspn(text, "0123456789abcdef") != COOKIE)
    return 0;
  uint64_t cookie = strtoull(text, NULL, 16);
  return cookie == cookie_of(peer, period) || cookie == cookie_of(peer, period - 1);
}
static void on_message(dgram_socket_t *s, const char *msg, const dgram_rinfo_t *rinfo, void *ctx) {
  char text[ANSWER];
  uv_buf_t reply = {.base = text, .len = COOKIE};
  uint64_t period = uv_hrtime() / lifetime;
  if (rinfo->size < SHORTEST) {
    unproven_in += rinfo->size;
    return;
  }
  if (is_proven(msg, rinfo->sockaddr, period)) {
    memset(text, 'a', sizeof text);
    reply.len = sizeof text;
    proven++;
  } else {
    snprintf(text, sizeof text, "%016" PRIx64, cookie_of(rinfo->sockaddr, period));
    unproven_in += rinfo->size;
    unproven_out += reply.len;
  }
  dgram_send_to(s, &reply, 1, rinfo->sockaddr, NULL, NULL); // if it fails, the peer asks again
}
static void on_ctrl_c(uv_signal_t *ctrl_c, int number) {
  dgram_socket_t *server = ctrl_c->data;
  printf("%zu answers; from others %zu bytes, to them %zu\n", proven, unproven_in, unproven_out);
  dgram_close(server, NULL, NULL);
}
int main(int argc, char **argv) {
  dgram_socket_t *server;
  dgram_rate_options_t rate = dgram_default_rate_options();
  rate.packets_per_second = 20;
  dgram_create_socket(uv_default_loop(), DGRAM_UDP4, on_message, NULL, &server);
  dgram_on_error(server, on_error, NULL);
  int err = uv_random(NULL, NULL, key, sizeof key, 0, NULL);
  if (err == 0)
    err = dgram_set_receive_rate(server, &rate);
  if (err == 0) // a flood of questions that the network takes too slowly costs no more memory
    err = dgram_set_send_queue_limit(server, 1 << 20, 0, 0, 0);
  if (err == 0)
    err = dgram_bind(server, argc > 1 ? atoi(argv[1]) : 41234, NULL, NULL, NULL);
  if (err != 0) {
    fprintf(stderr, "bind: %s\n", dgram_strerror(err));
    return 1;
  }
  uv_signal_t ctrl_c;
  uv_signal_init(uv_default_loop(), &ctrl_c);
  ctrl_c.data = server;
  uv_signal_start_oneshot(&ctrl_c, on_ctrl_c, SIGINT);
  uv_unref((uv_handle_t *)&ctrl_c);
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  return failed;
}
