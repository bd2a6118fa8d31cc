/*
 * The state of a primary. Only primary.c includes this, and the fuzz target that makes one.
 */
#ifndef DGRAM_PRIMARY_H
#define DGRAM_PRIMARY_H

#include <dgram_cluster.h>

#include "channel.h"
#include "list.h"
#include "shared_sockets.h"

enum dgram__worker_state {
  DGRAM__WORKER_FORKED,      /* its process was started */
  DGRAM__WORKER_ONLINE,      /* it has joined */
  DGRAM__WORKER_DISCONNECTED /* its channel is closed */
};

/* A worker, as its primary knows it. */
struct dgram__worker_process {
  struct dgram__list_node node; /* in `workers`, until its process has ended */
  dgram_cluster_t *cluster;
  enum dgram__worker_state state;
  int id;
  int replaces; /* the worker to be disconnected when this one listens; or 0 */
  char **env;   /* what was added to its environment */
  uv_process_t process;
  bool exited;    /* the process has; what it sent before may be unread */
  uv_poll_t poll; /* of `channel` */
  unsigned open_handles;
  struct dgram__channel channel;
  bool disconnect_queued; /* DGRAM__FRAME_DISCONNECT waits until the channel is not busy */
  struct dgram__leases leases;
};

enum dgram__cluster_state {
  DGRAM__CLUSTER_OPEN,
  DGRAM__CLUSTER_CLOSING, /* until all workers have ended */
  DGRAM__CLUSTER_CLOSED   /* until the timer has closed */
};

struct dgram_cluster {
  enum dgram__cluster_state state;
  dgram_cluster_options_t options;
  char **args;
  char *file;
  uv_loop_t *loop;
  struct dgram__list workers; /* by ascending id */
  unsigned count;             /* workers whose memory is not freed */
  int last_id;
  struct dgram__shared_sockets shared;
  uv_timer_t grace;
  dgram_cluster_close_cb on_close;
  void *close_context;
};

/* Sends a frame that is queued, and watches the channel. */
void dgram__primary_write(struct dgram__worker_process *worker);

#endif
