/*
 * What has happened: counted, hashed, told to the program.
 */
#include "sim.h"

#include <string.h>

static uint64_t trace_mix(uint64_t hash, uint64_t value) {
  return dgram__random_mix(hash ^ value) + UINT64_C(0x9e3779b97f4a7c15);
}

static uint64_t trace_mix_bytes(uint64_t hash, const void *data, size_t size) {
  const char *at = data;
  while (size > 0) {
    uint64_t word = 0;
    size_t part = size < sizeof word ? size : sizeof word;
    memcpy(&word, at, part);
    hash = trace_mix(hash, word);
    at += part;
    size -= part;
  }
  return hash;
}

void dgram__sim_trace_begin(dgram_sim_t *sim) {
  sim->hash = 0;
  memset(sim->counts, 0, sizeof sim->counts);
}

void dgram__sim_note(const dgram_sim_host_t *host, dgram_sim_event_kind_t kind,
                     const struct dgram__sim_packet *packet) {
  dgram_sim_t *sim = host->sim;
  uint64_t hash = trace_mix(sim->hash, sim->now);
  hash = trace_mix(hash, (uint64_t)kind << 48 | (uint64_t)host->number << 24 | packet->size);
  hash = trace_mix_bytes(hash, &packet->from, sizeof packet->from);
  hash = trace_mix_bytes(hash, &packet->to, sizeof packet->to);
  if (kind == DGRAM_SIM_SENT)
    hash = trace_mix_bytes(hash, packet->data, packet->size);
  sim->hash = hash;
  sim->counts[kind]++;
  if (sim->trace == NULL)
    return;
  const dgram_sim_event_t event = {.time = sim->now,
                                   .kind = kind,
                                   .host = host->name,
                                   .from = &packet->from.any,
                                   .to = &packet->to.any,
                                   .data = packet->data,
                                   .size = packet->size};
  sim->trace(sim, &event, sim->trace_context);
}

int dgram_sim_trace(dgram_sim_t *sim, dgram_sim_trace_cb callback, void *context) {
  if (sim == NULL)
    return UV_EINVAL;
  sim->trace = callback;
  sim->trace_context = context;
  return 0;
}

uint64_t dgram_sim_hash(const dgram_sim_t *sim) {
  return sim != NULL ? sim->hash : 0;
}

uint64_t dgram_sim_count(const dgram_sim_t *sim, dgram_sim_event_kind_t kind) {
  return sim != NULL && (unsigned)kind < DGRAM_SIM_EVENT_KINDS ? sim->counts[kind] : 0;
}
