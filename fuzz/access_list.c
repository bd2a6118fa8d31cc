/*
 * An access list, changed and asked by the input, beside a model that only knows a sequence of
 * rules: each call has the same result, and the same addresses are in the list.
 */
#include <dgram_access.h>

#include "ip.h"
#include "target.h"

enum { MAX_RULES = 64, MAX_CALLS = 200, MAX_TEXT = 80 };

enum rule_kind { RULE_PREFIX, RULE_RANGE };

struct rule {
  enum rule_kind kind;
  struct dgram__ip first;
  struct dgram__ip last;
};

static struct {
  dgram_access_list_t *list;
  struct rule rules[MAX_RULES]; /* each as often as it was added */
  size_t count;
  union dgram__address first; /* of the last range */
  union dgram__address last;
} it;

/* ---- addresses of few values, so that rules meet ---- */

/* A prefix of one kind, then some low bits of it. */
static union dgram__address read_address(struct input *input) {
  static const char *const near[] = {"192.0.2.0",
                                     "::ffff:192.0.2.0",
                                     "2001:db8::",
                                     "::",
                                     "0.0.0.0",
                                     "255.255.255.0",
                                     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:0"};
  union dgram__address address;
  uint8_t choice = input_byte(input);
  REQUIRE(dgram__address_parse(&address, near[choice % (sizeof near / sizeof *near)], 0));
  uint8_t *bytes = address.any.sa_family == AF_INET ? (uint8_t *)&address.v4.sin_addr
                                                    : address.v6.sin6_addr.s6_addr;
  size_t size = address.any.sa_family == AF_INET ? 4 : 16;
  if (choice & 128) /* anywhere */
    bytes[input_byte(input) % size] = input_byte(input);
  bytes[size - 1] = input_byte(input);
  return address;
}

static void write_text(const union dgram__address *address, char text[MAX_TEXT]) {
  REQUIRE(inet_ntop(address->any.sa_family,
                    address->any.sa_family == AF_INET ? (const void *)&address->v4.sin_addr
                                                      : (const void *)&address->v6.sin6_addr,
                    text, MAX_TEXT) != NULL);
}

/* ---- the model ---- */

static bool is_before(struct dgram__ip a, struct dgram__ip b) {
  return a.high != b.high ? a.high < b.high : a.low < b.low;
}

static bool is_in(struct dgram__ip ip) {
  for (size_t i = 0; i < it.count; i++)
    if (!is_before(ip, it.rules[i].first) && !is_before(it.rules[i].last, ip))
      return true;
  return false;
}

/* The addresses whose first `bits` bits, of 128, are those of the address. */
static struct rule prefix_rule(const union dgram__address *address, int bits) {
  struct rule rule = {.kind = RULE_PREFIX, .first = dgram__ip_of(address)};
  rule.last = rule.first;
  for (int bit = bits; bit < 128; bit++) {
    uint64_t *first = bit < 64 ? &rule.first.high : &rule.first.low;
    uint64_t *last = bit < 64 ? &rule.last.high : &rule.last.low;
    uint64_t mask = UINT64_C(1) << (63 - bit % 64);
    *first &= ~mask;
    *last |= mask;
  }
  return rule;
}

/* A range that is exactly a prefix is the same rule as that. */
static struct rule range_rule(const union dgram__address *first, const union dgram__address *last) {
  struct rule rule = {RULE_RANGE, dgram__ip_of(first), dgram__ip_of(last)};
  for (int bits = 0; bits <= 128; bits++) {
    struct rule prefix = prefix_rule(first, bits);
    if (dgram__ip_equal(prefix.first, rule.first) && dgram__ip_equal(prefix.last, rule.last))
      return prefix;
  }
  return rule;
}

static size_t find_rule(const struct rule *rule) {
  size_t i = 0;
  while (i < it.count &&
         !(it.rules[i].kind == rule->kind && dgram__ip_equal(it.rules[i].first, rule->first) &&
           dgram__ip_equal(it.rules[i].last, rule->last)))
    i++;
  return i;
}

/* Does with the model what a call did; `expected` is what the call has to return. */
static void change_model(bool add, const struct rule *rule, int result) {
  size_t at = find_rule(rule);
  if (add) {
    REQUIRE(result == 0);
    it.rules[it.count++] = *rule;
  } else if (at == it.count) {
    REQUIRE(result == UV_ENOENT);
  } else {
    REQUIRE(result == 0);
    it.rules[at] = it.rules[--it.count];
  }
}

/* ---- calls ---- */

static void change_prefix(struct input *input, bool add) {
  char text[MAX_TEXT];
  union dgram__address address = read_address(input);
  bool is_v4 = address.any.sa_family == AF_INET;
  int most = is_v4 ? 32 : 128;
  int prefix = (int)input_below(input, 140) - 2;
  write_text(&address, text);
  int result = add ? dgram_access_list_add_subnet(it.list, text, prefix)
                   : dgram_access_list_remove_subnet(it.list, text, prefix);
  if (prefix < 0 || prefix > most) {
    REQUIRE(result == UV_EINVAL);
    return;
  }
  struct rule rule = prefix_rule(&address, prefix + (is_v4 ? 96 : 0));
  change_model(add, &rule, result);
}

static void change_address(struct input *input, bool add) {
  char text[MAX_TEXT];
  union dgram__address address = read_address(input);
  write_text(&address, text);
  int result = add ? dgram_access_list_add_address(it.list, text)
                   : dgram_access_list_remove_address(it.list, text);
  struct rule rule = prefix_rule(&address, 128);
  change_model(add, &rule, result);
}

static bool is_v4_mapped(struct dgram__ip ip) {
  return ip.high == 0 && ip.low >> 32 == 0xffff;
}

static void change_range(struct input *input, bool add) {
  char texts[2][MAX_TEXT];
  bool again = input_bit(input); /* the range of the call before */
  union dgram__address first = again ? it.first : read_address(input);
  union dgram__address last = again ? it.last : read_address(input);
  it.first = first;
  it.last = last;
  write_text(&first, texts[0]);
  write_text(&last, texts[1]);
  int result = add ? dgram_access_list_add_range(it.list, texts[0], texts[1])
                   : dgram_access_list_remove_range(it.list, texts[0], texts[1]);
  struct rule rule = range_rule(&first, &last);
  if (is_v4_mapped(dgram__ip_of(&first)) != is_v4_mapped(dgram__ip_of(&last)) ||
      is_before(dgram__ip_of(&last), dgram__ip_of(&first))) {
    REQUIRE(result == UV_EINVAL);
    return;
  }
  change_model(add, &rule, result);
}

/* The input's own texts: refused, or addresses as libc has them. */
static void change_text(struct input *input, bool add) {
  char text[MAX_TEXT];
  union dgram__address address;
  input_text(input, text, sizeof text);
  bool valid = dgram__address_parse(&address, text, 0);
  int result = add ? dgram_access_list_add_address(it.list, text)
                   : dgram_access_list_remove_address(it.list, text);
  if (!valid) {
    REQUIRE(result == UV_EINVAL);
    return;
  }
  struct rule rule = prefix_rule(&address, 128);
  change_model(add, &rule, result);
}

static void check_around(struct dgram__ip ip) {
  struct dgram__ip near[] = {ip, {ip.high, ip.low + 1}, {ip.high, ip.low - 1}};
  for (size_t i = 0; i < sizeof near / sizeof *near; i++) {
    union dgram__address address;
    dgram__address_any(&address, AF_INET6, 53);
    for (unsigned byte = 0; byte < 16; byte++)
      address.v6.sin6_addr.s6_addr[byte] = (uint8_t)dgram__ip_octet(near[i], byte);
    REQUIRE(dgram_access_list_check(it.list, &address.any) == is_in(near[i]));
    if (!is_v4_mapped(near[i]))
      continue;
    dgram__address_any(&address, AF_INET, 53);
    address.v4.sin_addr.s_addr = htonl((uint32_t)near[i].low);
    REQUIRE(dgram_access_list_check(it.list, &address.any) == is_in(near[i]));
  }
}

static void check_list(struct input *input) {
  union dgram__address address = read_address(input);
  check_around(dgram__ip_of(&address));
  for (size_t i = 0; i < it.count; i++) {
    check_around(it.rules[i].first);
    check_around(it.rules[i].last);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct input input = {data, size};
  it.count = 0;
  dgram__address_any(&it.first, AF_INET, 0);
  it.last = it.first;
  REQUIRE(dgram_access_list_create(&it.list) == 0);
  for (unsigned i = 0; i < MAX_CALLS && input.left > 0; i++) {
    uint8_t call = input_byte(&input);
    bool add = call & 16 && it.count < MAX_RULES;
    if (call % 16 == 15) {
      dgram_access_list_clear(it.list);
      it.count = 0;
    } else if (call % 4 == 0)
      change_prefix(&input, add);
    else if (call % 4 == 1)
      change_range(&input, add);
    else if (call % 16 == 2)
      change_text(&input, add);
    else if (call % 4 == 2)
      change_address(&input, add);
    else
      check_list(&input);
    REQUIRE(dgram_access_list_count(it.list) == it.count);
  }
  check_list(&input);
  dgram_access_list_free(it.list);
  return 0;
}
