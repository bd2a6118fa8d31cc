/*
 * What is to happen at a time: a pairing heap, by time and then in the order of scheduling. An
 * event is part of the struct that it is about, so that scheduling it can't fail.
 */
#ifndef DGRAM_SIM_EVENT_HEAP_H
#define DGRAM_SIM_EVENT_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dgram__sim_event {
  struct dgram__sim_event *child;
  struct dgram__sim_event *sibling;
  uint64_t at; /* ns */
  uint64_t order;
  void (*run)(struct dgram__sim_event *event);  /* owns the event from then on */
  void (*drop)(struct dgram__sim_event *event); /* the network ends before its time */
};

/* Zero-initialised: nothing is to happen. */
struct dgram__sim_events {
  struct dgram__sim_event *first;
  uint64_t scheduled; /* events so far */
};

void dgram__sim_events_add(struct dgram__sim_events *events, struct dgram__sim_event *event,
                           uint64_t at);

/* Removes the first one and returns it. NULL: there is none. */
struct dgram__sim_event *dgram__sim_events_take(struct dgram__sim_events *events);

#endif
