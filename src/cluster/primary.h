/*
 * A primary's state, and the functions that cross its files. Only they include this.
 */
#ifndef DGRAM_PRIMARY_H
#define DGRAM_PRIMARY_H

#include <dgram_cluster.h>

#include "channel.h"
#include "shared_sockets.h"

/* A worker, as its primary knows it. */
struct dgram__worker_process {
  struct dgram__worker_process *next;
  dgram_cluster_t *cluster;
  int id;
  int replaces; /* the worker that shall go when this one listens; or 0 */
  char **env;   /* that was added */
  uv_process_t process;
  uv_poll_t poll; /* of the channel */
  unsigned open_handles;
  struct dgram__channel channel;
  struct dgram__leases holder;
  bool online;
  bool connected;     /* until 'disconnect' */
  bool to_disconnect; /* it is to be asked, once the channel is free */
  bool exited;
};

struct dgram_cluster {
  dgram_cluster_options_t options;
  char **args;
  char *file;
  uv_loop_t *loop;
  struct dgram__worker_process *workers; /* in the order of their ids */
  unsigned count;                        /* of those whose memory is not gone */
  int last_id;
  struct dgram__shared_sockets shares;
  uv_timer_t grace;
  bool closing;
  dgram_cluster_close_cb on_close;
  void *close_context;
};

/* ---- hear.c: what a worker says, and what it is told ---- */

/* Asks the worker for what it is to be asked, and waits for what its channel can do next. */
void dgram__primary_write(struct dgram__worker_process *worker);

/* Hears a worker that takes its answers. Returns 0, or how the connection has ended. */
int dgram__primary_read(struct dgram__worker_process *worker);

/* ---- cluster.c ---- */

/* The connection has ended: takes back what the worker holds, and tells 'disconnect'. */
void dgram__primary_disconnect(struct dgram__worker_process *worker);

#endif
