// A responder of multicast DNS (RFC 6762): says which address of this host NAME.local is, on every
// interface, those that come later included. One socket, and each answer leaves by the interface by
// which the question came, with the address that this host has there.
#include <dgram_interfaces.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
enum {
  HEADER = 12,
  TYPE_A = 1,
  TYPE_ANY = 255,
  CLASS_IN = 1,
  UNICAST = 0x8000,
  PORT = 5353,
  ANSWER = 256
};
static const char *name = "libdgram-demo"; // its label before "local"
// A number of two bytes, big-endian.
static unsigned number(const unsigned char *bytes) {
  return (unsigned)bytes[0] << 8 | bytes[1];
}
// The bytes of NAME.local in a message: each label behind its length, and an empty one.
static size_t write_name(unsigned char *to) {
  static const unsigned char local[] = {5, 'l', 'o', 'c', 'a', 'l', 0};
  size_t length = strlen(name);
  to[0] = (unsigned char)length;
  for (size_t i = 0; i < length; i++)
    to[1 + i] = (unsigned char)name[i];
  memcpy(to + 1 + length, local, sizeof local);
  return length + 8;
}
// The length of the name at `at`, which ends before `end`; 0: it is cut off. (RFC 1035, 4.1.4)
static size_t name_length(const unsigned char *at, const unsigned char *end) {
  const unsigned char *begin = at;
  while (at < end && *at != 0 && *at < 64)
    at += *at + 1;
  if (at >= end)
    return 0;
  return (size_t)(at - begin) + (*at == 0 ? 1 : 2); // a pointer has two bytes
}
// Whether a message asks for the address of NAME.local; then `unicast` is whether the answer is
// wanted by unicast.
static int is_asked(const unsigned char *message, size_t size, int *unicast) {
  unsigned char own[80];
  size_t own_length = write_name(own);
  const unsigned char *at = message + HEADER, *end = message + size;
  if (size < HEADER || (message[2] & 0xf8) != 0) // an answer, or no plain question
    return 0;
  for (unsigned count = number(message + 4); count > 0; count--) {
    size_t length = name_length(at, end);
    if (length == 0 || (size_t)(end - at) < length + 4)
      return 0;
    unsigned type = number(at + length), class = number(at + length + 2);
    *unicast = (class & UNICAST) != 0;
    if (length == own_length && strncasecmp((const char *)at, (const char *)own, length) == 0 &&
        (type == TYPE_A || type == TYPE_ANY) && (class & ~(unsigned)UNICAST) == CLASS_IN)
      return 1;
    at += length + 4;
  }
  return 0;
}
// Writes the answer: one record with an address. To a question from another port than 5353, which
// is an ordinary resolver's (6.7), it repeats the id and the question.
static size_t write_answer(unsigned char *to, const unsigned char *question, int is_plain,
                           const struct in_addr *address) {
  size_t size = HEADER;
  memset(to, 0, ANSWER);
  to[2] = 0x84; // an answer, authoritative
  to[7] = 1;    // with one record
  if (is_plain) {
    memcpy(to, question, 2);
    to[5] = 1;
    size += write_name(to + size);
    to[size + 1] = TYPE_A;
    to[size + 3] = CLASS_IN;
    size += 4;
  }
  size += write_name(to + size);
  // Class IN has the cache-flush bit for multicast; the time to live is 10 s or 120 s; 4 bytes.
  const unsigned char record[] = {0, TYPE_A, is_plain ? 0 : 0x80, CLASS_IN, 0,
                                  0, 0,      is_plain ? 10 : 120, 0,        4};
  memcpy(to + size, record, sizeof record);
  memcpy(to + size + sizeof record, address, 4);
  return size + sizeof record + 4;
}
static void on_message(dgram_socket_t *s, const char *msg, const dgram_rinfo_t *rinfo, void *ctx) {
  const unsigned char *question = (const unsigned char *)msg;
  const dgram_info_t *info = dgram_rinfo_info(rinfo);
  unsigned char bytes[ANSWER];
  int unicast;
  if (!is_asked(question, rinfo->size, &unicast) || info == NULL || info->local == NULL)
    return;
  const struct sockaddr_in *own = (const struct sockaddr_in *)info->local;
  int is_plain = rinfo->port != PORT;
  uv_buf_t answer =
      uv_buf_init((char *)bytes, (unsigned)write_answer(bytes, question, is_plain, &own->sin_addr));
  char text[INET_ADDRSTRLEN];
  const char *interface = dgram_info_interface_name(info);
  inet_ntop(AF_INET, &own->sin_addr, text, sizeof text);
  printf("%s.local is %s, to %s by %s\n", name, text, dgram_rinfo_address(rinfo),
         interface != NULL ? interface : "?");
  if (unicast || is_plain) {
    dgram_reply(s, rinfo, &answer, 1, NULL, NULL);
    return;
  }
  struct sockaddr_in group;
  dgram_send_options_t options = dgram_default_send_options();
  uv_ip4_addr("224.0.0.251", PORT, &group);
  options.interface_index = info->interface_index;
  options.source = info->local;
  options.ttl = 255; // RFC 6762, 11
  dgram_send_with(s, &answer, 1, (const struct sockaddr *)&group, &options, NULL, NULL);
}
static void on_membership(dgram_socket_t *s, const dgram_membership_t *membership, void *ctx) {
  static const char *const changes[] = {[DGRAM_MEMBERSHIP_JOINED] = "on",
                                        [DGRAM_MEMBERSHIP_FAILED] = "not on",
                                        [DGRAM_MEMBERSHIP_LEFT] = "no longer on"};
  printf("%s %s\n", changes[membership->change], membership->interface_name);
}
static void on_error(dgram_socket_t *s, const dgram_error_t *error, void *ctx) {
  fprintf(stderr, "%s\n", error->message); // an answer that could not be sent: it is asked again
}
int main(int argc, char *argv[]) {
  dgram_socket_t *s;
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.reuse_addr = 1; // other responders of this host have the port, too
  options.receive_info = DGRAM_INFO_DESTINATION | DGRAM_INFO_INTERFACE;
  if (argc > 1 && strlen(argv[1]) < 64)
    name = argv[1];
  int err = dgram_create_socket_options(uv_default_loop(), &options, on_message, NULL, &s);
  if (err == 0)
    err = dgram_on_error(s, on_error, NULL);
  if (err == 0)
    err = dgram_bind_sync(s, PORT, NULL);
  if (err == 0)
    err = dgram_add_membership_all(s, "224.0.0.251", on_membership, NULL);
  if (err != 0) {
    fprintf(stderr, "mdns: %s\n", dgram_strerror(err));
    return 1;
  }
  return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
