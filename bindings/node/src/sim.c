/*
 * Networks in memory (dgram_sim.h), for lib/sim.js: functions that take a network by its id, and
 * its hosts and links by their indices. Each returns a number, which below 0 is a code. Times are
 * in ns.
 */
#include "addon.h"

#include <dgram_sim.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
  SIM_ARGUMENTS = 5,
  SIM_NAME =
      256 /* bytes of a name or address, with its NUL; longer ones are cut off, and refused */
};

struct network {
  dgram_sim_t *sim;
  dgram_sim_host_t **hosts;
  dgram_sim_link_t **links;
  size_t host_count, link_count;
};

/* A call from JavaScript. */
struct sim_call {
  struct addon *addon;
  napi_env env;
  napi_value argv[SIM_ARGUMENTS];
  struct network *network;
};

/* ---- arguments ---- */

static double sim_number(const struct sim_call *call, int index) {
  double number = 0;
  napi_get_value_double(call->env, call->argv[index], &number);
  return number;
}

/* A duration or time; what is none is 0, and what is too long the longest. */
static uint64_t sim_ns(double number) {
  if (!(number > 0))
    return 0;
  return number < 0x1p63 ? (uint64_t)number : UINT64_MAX;
}

static bool sim_text(const struct sim_call *call, int index, char text[SIM_NAME]) {
  size_t length;
  return napi_get_value_string_utf8(call->env, call->argv[index], text, SIM_NAME, &length) ==
         napi_ok;
}

/* NULL: there is none of this index. */
static dgram_sim_host_t *sim_host_at(const struct network *network, double index) {
  bool valid = index >= 0 && index < (double)network->host_count;
  return valid ? network->hosts[(size_t)index] : NULL;
}

static dgram_sim_host_t *sim_host_of(const struct sim_call *call, int index) {
  return sim_host_at(call->network, sim_number(call, index));
}

static dgram_sim_link_t *sim_link_of(const struct sim_call *call, int index) {
  double number = sim_number(call, index);
  bool valid = number >= 0 && number < (double)call->network->link_count;
  return valid ? call->network->links[(size_t)number] : NULL;
}

/* Reads a Float64Array of this length. */
static bool sim_numbers(const struct sim_call *call, int index, double numbers[], size_t count) {
  const void *elements;
  size_t length;
  if (!addon_read_array(call->env, call->argv[index], napi_float64_array, &elements, &length) ||
      length != count)
    return false;
  memcpy(numbers, elements, count * sizeof *numbers);
  return true;
}

typedef double sim_function(struct sim_call *call);

static napi_value sim_run(napi_env env, napi_callback_info info, sim_function *function) {
  struct sim_call call = {.env = env};
  size_t argc = SIM_ARGUMENTS;
  void *data;
  napi_value result = NULL;
  double number = UV_EINVAL;
  if (napi_get_cb_info(env, info, &argc, call.argv, NULL, &data) != napi_ok)
    return NULL;
  call.addon = data;
  double id = sim_number(&call, 0);
  if (id >= 1 && id <= (double)ADDON_MAX_ID)
    call.network = addon_table_get(&call.addon->networks, (addon_id)id);
  if (call.network != NULL)
    number = function(&call);
  napi_create_double(env, number, &result);
  return result;
}

#define SIM_FUNCTION(name)                                        \
  static double name##_call(struct sim_call *call);               \
  static napi_value name(napi_env env, napi_callback_info info) { \
    return sim_run(env, info, name##_call);                       \
  }                                                               \
  static double name##_call(struct sim_call *call)

/* ---- the network ---- */

/* simCreate(seed): an id; the seed is a BigInt. */
static napi_value sim_create(napi_env env, napi_callback_info info) {
  size_t argc = 1;
  napi_value argv[1];
  void *data;
  uint64_t seed = 0;
  bool lossless;
  if (napi_get_cb_info(env, info, &argc, argv, NULL, &data) != napi_ok)
    return NULL;
  struct addon *addon = data;
  napi_get_value_bigint_uint64(env, argv[0], &seed, &lossless);
  struct network *network = calloc(1, sizeof *network);
  if (network == NULL || addon->ending || dgram_sim_create(addon->loop, seed, &network->sim) != 0) {
    free(network);
    return addon_int(env, UV_ENOMEM);
  }
  addon_id id = addon_table_add(&addon->networks, network);
  if (id != 0)
    return addon_int(env, (int64_t)id);
  dgram_sim_free(network->sim);
  free(network);
  return addon_int(env, UV_ENOMEM);
}

static int sim_free_network(struct network *network) {
  int err = dgram_sim_free(network->sim);
  if (err != 0)
    return err;
  free(network->hosts);
  free(network->links);
  free(network);
  return 0;
}

/* simFree(id): EBUSY while it has sockets. */
SIM_FUNCTION(sim_free) {
  int err = sim_free_network(call->network);
  if (err == 0)
    addon_table_remove(&call->addon->networks, (addon_id)sim_number(call, 0));
  return err;
}

void addon_free_networks(struct addon *addon) {
  addon_id id = 0;
  bool any = false;
  while ((id = addon_table_next(&addon->networks, id)) != 0) {
    any = true;
    sim_free_network(addon_table_remove(&addon->networks, id));
  }
  for (int i = 0; any && i < 2; i++) /* what the library keeps for the loop closes last */
    uv_run(addon->loop, UV_RUN_NOWAIT);
}

/* ---- hosts and links ---- */

/* simHost(id, name, isSwitch): its index. */
SIM_FUNCTION(sim_host) {
  struct network *network = call->network;
  char name[SIM_NAME];
  dgram_sim_host_t *host;
  dgram_sim_host_t **grown =
      realloc(network->hosts, (network->host_count + 1) * sizeof(dgram_sim_host_t *));
  if (grown == NULL)
    return UV_ENOMEM;
  network->hosts = grown;
  if (!sim_text(call, 1, name))
    return UV_EINVAL;
  int err = sim_number(call, 2) != 0 ? dgram_sim_switch(network->sim, name, &host)
                                     : dgram_sim_host(network->sim, name, &host);
  if (err != 0)
    return err;
  grown[network->host_count] = host;
  return (double)network->host_count++;
}

/* simAddAddress(id, host, address) */
SIM_FUNCTION(sim_add_address) {
  char address[SIM_NAME];
  return sim_text(call, 2, address) ? dgram_sim_host_add_address(sim_host_of(call, 1), address)
                                    : UV_EINVAL;
}

/* simHostUp(id, host, up) */
SIM_FUNCTION(sim_host_up) {
  return dgram_sim_host_set_up(sim_host_of(call, 1), sim_number(call, 2) != 0);
}

/* A link's options: delay, jitter, loss, duplicate, reorder, reorderDelay, rate, queueBytes, mtu.
 */
static bool sim_link_options(const struct sim_call *call, int index,
                             dgram_sim_link_options_t *options) {
  double numbers[9];
  if (!sim_numbers(call, index, numbers, 9))
    return false;
  *options = dgram_default_sim_link_options();
  options->delay = sim_ns(numbers[0]);
  options->jitter = sim_ns(numbers[1]);
  options->loss = numbers[2];
  options->duplicate = numbers[3];
  options->reorder = numbers[4];
  options->reorder_delay = sim_ns(numbers[5]);
  options->rate = sim_ns(numbers[6]);
  options->queue_bytes = sim_ns(numbers[7]);
  options->mtu = numbers[8] >= 0 && numbers[8] <= UINT16_MAX ? (unsigned)numbers[8] : 0;
  return true;
}

/* simLink(id, a, b, options): its index. */
SIM_FUNCTION(sim_link) {
  struct network *network = call->network;
  dgram_sim_link_options_t options;
  dgram_sim_link_t *link;
  dgram_sim_link_t **grown =
      realloc(network->links, (network->link_count + 1) * sizeof(dgram_sim_link_t *));
  if (grown == NULL)
    return UV_ENOMEM;
  network->links = grown;
  if (!sim_link_options(call, 3, &options))
    return UV_EINVAL;
  int err = dgram_sim_link(sim_host_of(call, 1), sim_host_of(call, 2), &options, &link);
  if (err != 0)
    return err;
  grown[network->link_count] = link;
  return (double)network->link_count++;
}

/* simLinkSet(id, link, from, options): `from` -1 is both ends. */
SIM_FUNCTION(sim_link_set) {
  dgram_sim_link_options_t options;
  const dgram_sim_host_t *from = sim_host_of(call, 2);
  if (!sim_link_options(call, 3, &options) || (from == NULL && sim_number(call, 2) != -1))
    return UV_EINVAL;
  return dgram_sim_link_set(sim_link_of(call, 1), from, &options);
}

/* simLinkUp(id, link, up) */
SIM_FUNCTION(sim_link_up) {
  return dgram_sim_link_set_up(sim_link_of(call, 1), sim_number(call, 2) != 0);
}

/* simPartition(id, hosts): their indices, in a Float64Array. */
SIM_FUNCTION(sim_partition) {
  struct network *network = call->network;
  const void *elements;
  size_t count;
  if (!addon_read_array(call->env, call->argv[1], napi_float64_array, &elements, &count))
    return UV_EINVAL;
  dgram_sim_host_t **hosts = calloc(count + 1, sizeof(dgram_sim_host_t *));
  if (hosts == NULL)
    return UV_ENOMEM;
  for (size_t i = 0; i < count; i++)
    hosts[i] = sim_host_at(network, ((const double *)elements)[i]);
  int err = dgram_sim_partition(network->sim, hosts, count);
  free(hosts);
  return err;
}

/* simNat(id, host, outside, address, options): type, timeout, hairpin, randomPorts. */
SIM_FUNCTION(sim_nat) {
  dgram_sim_nat_options_t options = dgram_default_sim_nat_options();
  double numbers[4];
  char address[SIM_NAME];
  if (!sim_text(call, 3, address) || !sim_numbers(call, 4, numbers, 4) ||
      !(numbers[0] >= 0 && numbers[0] <= DGRAM_SIM_NAT_SYMMETRIC))
    return UV_EINVAL;
  options.type = (dgram_sim_nat_type_t)numbers[0];
  options.timeout = sim_ns(numbers[1]);
  options.hairpin = numbers[2] != 0;
  options.random_ports = numbers[3] != 0;
  return dgram_sim_host_set_nat(sim_host_of(call, 1), sim_link_of(call, 2), address, &options);
}

/* ---- time, chance, counts ---- */

/* simStep(id, until): 1: something has happened, 0: it is that time. */
SIM_FUNCTION(sim_step) {
  double until = sim_number(call, 1);
  napi_ref outer = addon_enter(call->addon);
  int result = dgram_sim_step(call->network->sim, isinf(until) ? UINT64_MAX : sim_ns(until));
  addon_leave(call->addon, outer);
  return result;
}

SIM_FUNCTION(sim_now) {
  return (double)dgram_sim_now(call->network->sim);
}

/* simNext(id): Infinity: nothing is to happen. */
SIM_FUNCTION(sim_next) {
  uint64_t next = dgram_sim_next(call->network->sim);
  return next != UINT64_MAX ? (double)next : INFINITY;
}

/* simRandom(id): 0 to 1, without 1. */
SIM_FUNCTION(sim_random) {
  return (double)(dgram_sim_random(call->network->sim) >> 11) * 0x1p-53;
}

/* simHash(id, high): the lower or the higher 32 bits. */
SIM_FUNCTION(sim_hash) {
  uint64_t hash = dgram_sim_hash(call->network->sim);
  return sim_number(call, 1) != 0 ? (double)(hash >> 32) : (double)(uint32_t)hash;
}

/* simCount(id, kind) */
SIM_FUNCTION(sim_count) {
  double kind = sim_number(call, 1);
  if (!(kind >= 0 && kind < DGRAM_SIM_EVENT_KINDS))
    return UV_EINVAL;
  return (double)dgram_sim_count(call->network->sim, (dgram_sim_event_kind_t)kind);
}

/* simUse(id, host): the next Handle is on this host. */
SIM_FUNCTION(sim_use) {
  call->addon->sim_host = sim_host_of(call, 1);
  return call->addon->sim_host != NULL ? 0 : UV_EINVAL;
}

bool addon_define_sim(napi_env env, napi_value exports, struct addon *addon) {
  static const struct {
    const char *name;
    napi_callback function;
  } functions[] = {
      {"simCreate", sim_create},
      {"simFree", sim_free},
      {"simHost", sim_host},
      {"simAddAddress", sim_add_address},
      {"simHostUp", sim_host_up},
      {"simLink", sim_link},
      {"simLinkSet", sim_link_set},
      {"simLinkUp", sim_link_up},
      {"simPartition", sim_partition},
      {"simNat", sim_nat},
      {"simStep", sim_step},
      {"simNow", sim_now},
      {"simNext", sim_next},
      {"simRandom", sim_random},
      {"simHash", sim_hash},
      {"simCount", sim_count},
      {"simUse", sim_use},
  };
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
    if (!addon_define_function(env, exports, functions[i].name, functions[i].function, addon))
      return false;
  return true;
}
