/*
 * Any text as an address, and any bytes as a socket address.
 *
 * Texts: libuv takes the same texts for addresses; what is parsed, written and parsed again is the
 * same address; what Node.js takes for an address is one; a part of a text is never read beyond its
 * end. Socket addresses: they are described, or refused, whatever their bytes are, and compared.
 */
#include "address.h"

#include <uv.h>

#include "target.h"

enum {
  MAX_TEXT = 300,  /* longer than any name */
  MAX_NUMBER = 45, /* characters of an address without its zone */
  SOCKADDRS = 2    /* that are compared */
};

static bool is_same_host(const union dgram__address *a, const union dgram__address *b) {
  if (a->any.sa_family != b->any.sa_family)
    return false;
  if (a->any.sa_family == AF_INET)
    return a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
  return memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof a->v6.sin6_addr) == 0;
}

/* libuv truncates what is longer than an address; it knows no zone by its number. */
static void compare_with_libuv(const char *text, bool parsed, const union dgram__address *address) {
  union dgram__address expected = {.any.sa_family = AF_UNSPEC};
  if (strcspn(text, "%") > MAX_NUMBER)
    return;
  bool is_address = uv_ip4_addr(text, 0, &expected.v4) == 0;
  if (!is_address) {
    memset(&expected, 0, sizeof expected);
    is_address = uv_ip6_addr(text, 0, &expected.v6) == 0;
  }
  REQUIRE(is_address == parsed);
  REQUIRE(!parsed || is_same_host(&expected, address));
}

/* An address that is written as text and parsed again is the same, zone and port included. */
static void require_round_trip(const union dgram__address *address) {
  dgram_address_t described;
  union dgram__address again;
  REQUIRE(dgram_sockaddr_describe(&address->any, &described) == 0);
  REQUIRE(memchr(described.address, '\0', sizeof described.address) != NULL);
  REQUIRE(described.port == dgram__address_port(address));
  REQUIRE(strcmp(described.family, address->any.sa_family == AF_INET ? "IPv4" : "IPv6") == 0);
  REQUIRE(dgram__address_parse(&again, described.address, described.port));
  REQUIRE(is_same_host(&again, address));
  REQUIRE(dgram__address_port(&again) == described.port);
}

static void try_text(struct input *input) {
  char read[MAX_TEXT];
  union dgram__address address = {.any.sa_family = AF_UNSPEC};
  union dgram__address literal = {.any.sa_family = AF_UNSPEC};
  struct dgram__interface interface;
  int port = (int)input_below(input, 65536);
  input_text(input, read, sizeof read);
  char *text = copy_exactly(read, strlen(read) + 1);
  bool parsed = dgram__address_parse(&address, text, port);
  compare_with_libuv(text, parsed, &address);
  if (parsed) {
    REQUIRE(dgram__address_port(&address) == port);
    REQUIRE(dgram__address_length(&address) > 0);
    require_round_trip(&address);
  } else {
    REQUIRE(address.any.sa_family == AF_UNSPEC); /* untouched */
  }
  if (dgram__address_parse_literal(&literal, text, port))
    REQUIRE(parsed && dgram__address_equal(&literal, &address));
  else
    REQUIRE(!parsed || strchr(text, '%') != NULL);
  bool is_interface = dgram__interface_parse(&interface, text, AF_INET6);
  REQUIRE(is_interface || !parsed);
  REQUIRE(!parsed || interface.family == address.any.sa_family);
  free(text);
}

/* The bytes of a socket address, at an odd address and with nothing behind them. */
static char *read_sockaddr(struct input *input, struct sockaddr_storage *bytes, char **memory) {
  static const sa_family_t families[] = {AF_INET, AF_INET6, AF_UNSPEC, AF_UNIX};
  memset(bytes, 0, sizeof *bytes);
  input_copy(input, bytes, sizeof(struct sockaddr_in6));
  uint8_t choice = input_byte(input);
  if (choice % 8 != 7)
    bytes->ss_family = families[choice % 4];
  size_t size =
      bytes->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
  *memory = malloc(size + 1);
  REQUIRE(*memory != NULL);
  memcpy(*memory + 1, bytes, size);
  return *memory + 1;
}

static void require_known_sockaddr(const struct sockaddr *sockaddr,
                                   const struct sockaddr_storage *bytes,
                                   union dgram__address *copy) {
  REQUIRE(dgram__address_copy(copy, sockaddr));
  REQUIRE(dgram__sockaddr_family(sockaddr) == copy->any.sa_family);
  REQUIRE(dgram__sockaddr_port(sockaddr) == dgram__address_port(copy));
  REQUIRE(dgram__address_equal(copy, copy) && dgram__address_same(copy, copy));
  require_round_trip(copy);
  if (bytes->ss_family == AF_INET6) {
    REQUIRE(memcmp(&copy->v6, bytes, sizeof copy->v6) == 0);
    REQUIRE(dgram__address_is_any(copy) == IN6_IS_ADDR_UNSPECIFIED(&copy->v6.sin6_addr));
  } else {
    uint32_t host = ntohl(copy->v4.sin_addr.s_addr);
    REQUIRE(dgram__address_is_multicast(copy) == (host >= 0xe0000000 && host <= 0xefffffff));
    REQUIRE(memcmp(copy->v4.sin_zero, (char[8]){0}, sizeof copy->v4.sin_zero) == 0);
  }
}

static void try_sockaddrs(struct input *input) {
  struct sockaddr_storage bytes[SOCKADDRS];
  union dgram__address copies[SOCKADDRS];
  char *memory[SOCKADDRS];
  bool known[SOCKADDRS];
  for (int i = 0; i < SOCKADDRS; i++) {
    const void *sockaddr = read_sockaddr(input, &bytes[i], &memory[i]);
    dgram_address_t described;
    known[i] = bytes[i].ss_family == AF_INET || bytes[i].ss_family == AF_INET6;
    REQUIRE(dgram_sockaddr_describe(sockaddr, &described) == (known[i] ? 0 : UV_EINVAL));
    if (known[i])
      require_known_sockaddr(sockaddr, &bytes[i], &copies[i]);
  }
  if (known[0] && known[1]) {
    bool equal = dgram__address_equal(&copies[0], &copies[1]);
    REQUIRE(equal == dgram__address_equal(&copies[1], &copies[0]));
    REQUIRE(!dgram__address_same(&copies[0], &copies[1]) || equal);
    REQUIRE(!equal || is_same_host(&copies[0], &copies[1]));
    union dgram__address moved = copies[0];
    dgram__address_set_host(&moved, &copies[1]);
    REQUIRE(dgram__address_port(&moved) == dgram__address_port(&copies[0]));
    REQUIRE(is_same_host(&moved, &copies[1]));
  }
  for (int i = 0; i < SOCKADDRS; i++)
    free(memory[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct input input = {data, size};
  if (input_bit(&input))
    try_sockaddrs(&input);
  else
    try_text(&input);
  return 0;
}
