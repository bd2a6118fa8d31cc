/*
 * How long a look-up in an access list takes, beside the two simple ways: a list of subnets that is
 * searched from its beginning, and a hash table for each length of a prefix that is in use.
 *
 *   access_list [RULES]...   by default 10, 1000, and 100000
 *
 * It prints the CPU time of a look-up in nanoseconds, the median of several rounds, for addresses
 * that are in one of the rules and for random ones; and each as a multiple of the access list's.
 * Look-ups overlap, since none waits for another's answer: a processor reads the memory of several
 * at once. "one by one" is the time of one that begins with the answer of the one before.
 *
 * Of the access list it prints, too, the memory of a rule and the time of a change of one, which
 * includes reading its text.
 */
#include <dgram.h>
#include <dgram_access.h>

#include <arpa/inet.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { QUERIES = 1 << 14, ROUNDS = 9, LENGTHS = 33 };

struct rule {
  uint32_t address;
  uint32_t mask;
  int bits;
  char text[INET_ADDRSTRLEN];
};

struct table {
  uint32_t *slots; /* addresses, each + 1 so that 0 is a free slot; the last address is not used */
  uint32_t mask;
};

static struct rule *rules;
static int rule_count;
static struct table tables[LENGTHS];
static dgram_access_list_t *list;

static uint64_t random_state = 88172645463325252U;

static uint32_t random_next(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (uint32_t)(random_state >> 16);
}

/* ---- the three ways ---- */

static bool in_access_list(uint32_t address) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
  return dgram_access_list_check(list, (const struct sockaddr *)&to) == 1;
}

static bool in_array(uint32_t address) {
  for (int i = 0; i < rule_count; i++)
    if ((address & rules[i].mask) == rules[i].address)
      return true;
  return false;
}

static uint32_t *table_find(const struct table *table, uint32_t address) {
  uint32_t at = (address * 2654435761U) >> 7 & table->mask;
  while (table->slots[at] != 0 && table->slots[at] != address + 1)
    at = (at + 1) & table->mask;
  return &table->slots[at];
}

static bool in_tables(uint32_t address) {
  for (int bits = 0; bits < LENGTHS; bits++)
    if (tables[bits].slots != NULL &&
        *table_find(&tables[bits], bits > 0 ? address & UINT32_MAX << (32 - bits) : 0) != 0)
      return true;
  return false;
}

/* ---- rules: two thirds are addresses, the others subnets of 8 to 31 bits ---- */

static void make_rule(int i) {
  int bits = i % 3 != 0 ? 32 : i % 300 != 0 ? 20 + (int)(random_next() % 12) : 12;
  uint32_t mask = UINT32_MAX << (32 - bits);
  rules[i] = (struct rule){.address = random_next() & mask, .mask = mask, .bits = bits};
  struct in_addr address = {htonl(rules[i].address)};
  inet_ntop(AF_INET, &address, rules[i].text, sizeof rules[i].text);
  struct table *table = &tables[bits];
  if (table->slots == NULL) {
    uint32_t size = 16;
    while (size < 2U * (uint32_t)rule_count)
      size *= 2;
    *table = (struct table){calloc(size, sizeof(uint32_t)), size - 1};
    if (table->slots == NULL)
      abort();
  }
  *table_find(table, rules[i].address) = rules[i].address + 1;
}

static void add_rules(void) {
  for (int i = 0; i < rule_count; i++)
    if (dgram_access_list_add_subnet(list, rules[i].text, rules[i].bits) != 0)
      abort();
}

static void remove_rules(void) {
  for (int i = 0; i < rule_count; i++)
    if (dgram_access_list_remove_subnet(list, rules[i].text, rules[i].bits) != 0)
      abort();
}

/* ---- the time ---- */

static int compare(const void *a, const void *b) {
  double difference = *(const double *)a - *(const double *)b;
  return (difference > 0) - (difference < 0);
}

static double now_ns(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static unsigned count_found(bool (*look_up)(uint32_t address), const uint32_t queries[],
                            int count) {
  unsigned found = 0;
  for (int i = 0; i < count; i++)
    found += look_up(queries[i]);
  return found;
}

/* Each address is computed from the last answer, of which a compiler does not know that nothing is
 * added. */
static unsigned count_found_one_by_one(bool (*look_up)(uint32_t address), const uint32_t queries[],
                                       int count) {
  static volatile uint32_t nothing;
  uint32_t factor = nothing;
  unsigned found = 0;
  for (int i = 0; i < count; i++)
    found += look_up(queries[i] + found * factor);
  return found;
}

static double measure(unsigned (*count_all)(bool (*)(uint32_t), const uint32_t[], int),
                      bool (*look_up)(uint32_t address), const uint32_t queries[], int count) {
  double times[ROUNDS];
  unsigned right = count_found(in_tables, queries, count);
  for (int round = 0; round < ROUNDS; round++) {
    double began = now_ns();
    if (count_all(look_up, queries, count) != right)
      abort();
    times[round] = (now_ns() - began) / count;
  }
  qsort(times, ROUNDS, sizeof *times, compare);
  return times[ROUNDS / 2];
}

static void compare_ways(const char *which, const uint32_t queries[]) {
  int few = rule_count > 1000 ? 64 : QUERIES; /* the array is slow */
  double ours = measure(count_found, in_access_list, queries, QUERIES);
  double one_by_one = measure(count_found_one_by_one, in_access_list, queries, QUERIES);
  double hashes = measure(count_found, in_tables, queries, QUERIES);
  double array = measure(count_found, in_array, queries, few);
  printf("%7d rules, %-6s  access list %6.1f ns, one by one %6.1f ns; hash by length %6.1f ns, "
         "x %.1f; array %9.1f ns, x %.0f\n",
         rule_count, which, ours, one_by_one, hashes, hashes / ours, array, array / ours);
}

/* ---- memory and changes ---- */

static double memory(void) {
#ifdef __GLIBC__
  struct mallinfo2 info = mallinfo2();
  return (double)(info.uordblks + info.hblkhd);
#else
  return 0;
#endif
}

/* Fills the list, empties it, and fills it again. */
static void change_all(void) {
  double memory_before = memory(), began = now_ns();
  add_rules();
  double added = now_ns(), memory_after = memory();
  remove_rules();
  double removed = now_ns();
  if (dgram_access_list_count(list) != 0)
    abort();
  add_rules();
  printf("%7d rules          memory %6.1f bytes, to add %6.1f ns, to remove %6.1f ns, each\n",
         rule_count, (memory_after - memory_before) / rule_count, (added - began) / rule_count,
         (removed - added) / rule_count);
}

static void run(int count) {
  static uint32_t inside[QUERIES], anywhere[QUERIES];
  rule_count = count;
  rules = calloc((size_t)count, sizeof *rules);
  if (rules == NULL || dgram_access_list_create(&list) != 0)
    abort();
  for (int i = 0; i < count; i++)
    make_rule(i);
  change_all();
  for (int i = 0; i < QUERIES; i++) {
    const struct rule *rule = &rules[random_next() % (uint32_t)count];
    inside[i] = rule->address | (random_next() & ~rule->mask);
    anywhere[i] = random_next();
  }
  compare_ways("inside", inside);
  compare_ways("random", anywhere);
  dgram_access_list_free(list);
  for (int bits = 0; bits < LENGTHS; bits++)
    free(tables[bits].slots);
  memset(tables, 0, sizeof tables);
  free(rules);
}

int main(int argc, char **argv) {
  static const int counts[] = {10, 1000, 100000};
  for (int i = 1; i < argc; i++)
    if (atoi(argv[i]) > 0)
      run(atoi(argv[i]));
  for (int i = 0; argc == 1 && i < 3; i++)
    run(counts[i]);
  return 0;
}
