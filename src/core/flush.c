/*
 * Sends that are ready: handed to the datapath, done, their callbacks called. A send that comes
 * here completes exactly once.
 */
#include "internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "descriptor.h"

enum {
  /* Finished sends that a loop keeps, as much as it has to receive into: malloc() and free() for
   * each of a large burst would cost as much as all the rest. */
  MOST_SPARE_BYTES = 4 * 1024 * 1024,
  MOST_RETRIES = 100, /* in a row that meet ENOBUFS, 1 ms apart */
  RETRY_MS = 1
};

/* What stands in `memory` of a send that is an option to be set behind others. */
struct option {
  int level;
  int name;
  socklen_t length;
  char value[sizeof(struct ip_mreqn)]; /* the largest */
};

/* ---- memory ---- */

static void send_free_for_good(struct dgram__send *send) {
  free(send->memory);
  free(send);
}

static void send_free_host(struct dgram__send *send) {
  if (send->host == NULL) /* as nearly always: a call less */
    return;
  free(send->host);
  send->host = NULL;
}

void dgram__send_free(struct dgram__loop *loop, struct dgram__send *send) {
  send_free_host(send);
  if (loop->free_bytes + send->footprint > MOST_SPARE_BYTES) {
    send_free_for_good(send);
    return;
  }
  send->datagram.next = loop->free_list != NULL ? &loop->free_list->datagram : NULL;
  loop->free_list = send;
  loop->free_bytes += send->footprint;
}

void dgram__send_free_list_clear(struct dgram__loop *loop) {
  while (loop->free_list != NULL) {
    struct dgram__send *send = loop->free_list;
    loop->free_list = dgram__next_send(send);
    send_free_for_good(send);
  }
}

/* ---- completion ---- */

static void send_report_failure(dgram_socket_t *socket, const struct dgram__send *send) {
  struct dgram__described described;
  dgram__error_describe_at(&described, send->status, send->syscall, send->shown, send->host,
                           &send->datagram.to);
  if (send->callback != NULL)
    send->callback(socket, &described.error, 0, send->context);
  else
    dgram__emit_described_error(socket, &described.error);
}

static void send_complete_one(dgram_socket_t *socket, struct dgram__send *send) {
  socket->tx.bytes -= send->datagram.size;
  socket->tx.count--;
  if (send->status < 0)
    send_report_failure(socket, send);
  else /* what has no callback is done only if it failed */
    send->callback(socket, NULL, send->datagram.size, send->context);
  dgram__send_free(socket->loop, send);
}

/* In place: inside a callback the program may run the task that closes, which calls the others. */
void dgram__send_complete(dgram_socket_t *socket, struct dgram__queue *queue) {
  bool before = socket->tx.completing;
  socket->tx.completing = true;
  for (unsigned left = queue->count; left > 0 && queue->count > 0; left--)
    send_complete_one(socket, dgram__queue_pop(queue));
  socket->tx.completing = before;
}

/* Not inside a callback: callbacks that send and flush would else nest without end. */
void dgram__send_complete_all(dgram_socket_t *socket) {
  struct dgram__tx *tx = &socket->tx;
  if (tx->completing)
    return;
  dgram__send_complete(socket, &tx->completed);
  if (tx->completed.count > 0)
    dgram__defer(socket, DGRAM__TASK_COMPLETE);
}

static void send_complete_later(dgram_socket_t *socket) {
  if (!socket->tx.about_to_complete)
    dgram__defer(socket, DGRAM__TASK_COMPLETE);
}

void dgram__send_failed(dgram_socket_t *socket, struct dgram__send *send, int code,
                        const char *syscall, enum dgram__shown shown) {
  send->status = code;
  send->syscall = syscall;
  send->shown = shown;
  dgram__queue_push(&socket->tx.completed, send);
  send_complete_later(socket);
}

/* What stays in `ready` then waits for the system. */
void dgram__send_failed_in_order(dgram_socket_t *socket, struct dgram__send *send, int code,
                                 const char *syscall, enum dgram__shown shown) {
  struct dgram__tx *tx = &socket->tx;
  dgram__send_flush(socket);
  if (tx->ready.count == 0) {
    dgram__send_failed(socket, send, code, syscall, shown);
    return;
  }
  send->status = code;
  send->syscall = syscall;
  send->shown = shown;
  dgram__queue_push(&tx->ready, send);
  tx->markers++;
}

void dgram__send_drop(dgram_socket_t *socket, struct dgram__send *send) {
  socket->tx.bytes -= send->datagram.size;
  socket->tx.count--;
  dgram__send_free(socket->loop, send);
}

/* ---- flush ---- */

static void send_move_sent(dgram_socket_t *socket, int sent) {
  struct dgram__tx *tx = &socket->tx;
  socket->loop->has_sent = true;
  tx->retries = 0;
  bool to_be_told = false;
  if ((unsigned)sent == tx->ready.count && !tx->some_silent) {
    dgram__queue_move(&tx->completed, &tx->ready);
    send_complete_later(socket);
    return;
  }
  for (int i = 0; i < sent; i++) {
    struct dgram__send *send = dgram__queue_pop(&tx->ready);
    if (send->callback != NULL) {
      dgram__queue_push(&tx->completed, send);
      to_be_told = true;
    } else {
      dgram__send_drop(socket, send);
    }
  }
  if (to_be_told)
    send_complete_later(socket);
}

/* Whether the error only asks to wait; then it has been arranged to go on. */
static bool send_block(dgram_socket_t *socket, int err) {
  struct dgram__tx *tx = &socket->tx;
  if (err == UV_EAGAIN) {
    tx->blocked = DGRAM__BLOCKED_BY_EAGAIN;
    return true;
  }
  /* A full device queue does not make the socket writable later, so there is only the clock. */
  if (err != UV_ENOBUFS || tx->retries >= MOST_RETRIES)
    return false;
  tx->retries++;
  tx->blocked = DGRAM__BLOCKED_BY_ENOBUFS;
  dgram__retry_later(socket, RETRY_MS);
  return true;
}

/*
 * The error of a send may be an ICMP error of an earlier datagram, which the system reports to
 * whichever call comes next: on a connected socket, or where another use of the system socket has
 * IP_RECVERR on. A healthy send must not pay for it: it is tried again, and if the result differs,
 * the first one is emitted as the receive error that it is.
 */
static bool async_error_suspect(dgram_socket_t *socket, int err) {
  struct dgram__tx *tx = &socket->tx;
  bool possible =
      dgram__is_connected(&socket->connecting) || dgram__udp_queues_errors(&socket->udp);
  if (!possible || tx->suspicion != 0)
    return false;
  tx->suspicion = err;
  return true;
}

void dgram__async_error_emit(dgram_socket_t *socket) {
  if (!socket->closed)
    dgram__emit_error(socket, socket->tx.refusal, "recvmsg", NULL, 0);
}

static void async_error_report(dgram_socket_t *socket, int err) {
  socket->tx.refusal = err;
  dgram__defer(socket, DGRAM__TASK_ASYNC_ERROR);
}

/* The send has ended; so it is known what became of the suspicion. */
static void async_error_settle(dgram_socket_t *socket, int end) {
  struct dgram__tx *tx = &socket->tx;
  if (tx->suspicion != 0 && tx->suspicion != end)
    async_error_report(socket, tx->suspicion);
  tx->suspicion = 0;
}

void dgram__async_error_take(dgram_socket_t *socket) {
  int err = socket->loop->datapath->take_error(&socket->udp);
  if (err != 0)
    async_error_report(socket, err);
}

/* ---- what stands among the sends ---- */

/* How many of the ready sends are datagrams, up to the first marker. */
static unsigned send_count_datagrams(const struct dgram__tx *tx) {
  const struct dgram__send *send = tx->ready.first;
  unsigned count = 0;
  while (count < tx->ready.count && send->status == 0) {
    count++;
    send = dgram__next_send(send);
  }
  return count;
}

/* The first one is no datagram to send: a failure that is due now, or an option. */
static void send_pass_marker(dgram_socket_t *socket) {
  struct dgram__tx *tx = &socket->tx;
  struct dgram__send *send = dgram__queue_pop(&tx->ready);
  tx->markers--;
  if (send->status < 0) {
    dgram__send_failed(socket, send, send->status, send->syscall, send->shown);
    return;
  }
  const struct option *option = send->memory;
  (void)dgram__set_option(socket, option->level, option->name, option->value, option->length);
  dgram__send_free(socket->loop, send);
}

static inline void send_first(dgram_socket_t *socket, unsigned count) {
  struct dgram__tx *tx = &socket->tx;
  int sent = socket->loop->datapath->send(&socket->udp, &tx->ready.first->datagram, count);
  if (sent < 0 && (send_block(socket, sent) || async_error_suspect(socket, sent)))
    return;
  async_error_settle(socket, sent);
  if (sent > 0)
    send_move_sent(socket, sent);
  else
    dgram__send_failed(socket, dgram__queue_pop(&tx->ready), sent, "send", DGRAM__SHOW_ENDPOINT);
}

void dgram__send_flush(dgram_socket_t *socket) {
  struct dgram__tx *tx = &socket->tx;
  while (tx->ready.count > 0 && tx->blocked == DGRAM__NOT_BLOCKED) {
    unsigned count = tx->markers == 0 ? tx->ready.count : send_count_datagrams(tx);
    if (count > 0)
      send_first(socket, count);
    else
      send_pass_marker(socket);
  }
  if (tx->ready.count == 0) {
    tx->retries = 0;
    tx->some_silent = false;
  }
  dgram__poll_update(socket);
}

/* ---- options that must not act on what was sent before ---- */

/* Tries the option on another system socket, so that the caller gets its error. */
static int send_try_option(int family, int level, int name, const void *value, socklen_t length) {
  int fd = dgram__descriptor_socket(family, SOCK_DGRAM);
  if (fd < 0)
    return fd;
  int err = setsockopt(fd, level, name, value, length) == 0 ? 0 : -errno;
  close(fd);
  return err;
}

static struct dgram__send *send_new_option(int level, int name, const void *value,
                                           socklen_t length) {
  struct dgram__send *send = calloc(1, sizeof *send);
  struct option *option = malloc(sizeof *option);
  if (send == NULL || option == NULL) {
    free(send);
    free(option);
    return NULL;
  }
  *option = (struct option){.level = level, .name = name, .length = length};
  assert(length <= sizeof option->value);
  memcpy(option->value, value, length);
  send->status = 1;
  send->memory = option;
  send->footprint = sizeof *send + sizeof *option;
  return send;
}

int dgram__send_then_set(dgram_socket_t *socket, int level, int name, const void *value,
                         socklen_t length) {
  struct dgram__tx *tx = &socket->tx;
  dgram__send_before_change(socket);
  if (tx->ready.count == 0)
    return dgram__set_option(socket, level, name, value, length);
  struct dgram__send *send = send_new_option(level, name, value, length);
  if (send == NULL)
    return UV_ENOMEM;
  int family = dgram__family(socket->options.type);
  int err = send_try_option(family, level, name, value, length);
  if (err != 0) {
    dgram__send_free(socket->loop, send);
    return err;
  }
  dgram__queue_push(&tx->ready, send);
  tx->markers++;
  return 0;
}

void dgram_flush(dgram_socket_t *socket) {
  if (socket == NULL)
    return;
  dgram__hold(socket);
  if (socket->state == DGRAM_BOUND) /* so there is no need to wait for 'listening' */
    dgram__send_bound(socket);
  struct dgram__tx *tx = &socket->tx;
  tx->about_to_complete = !tx->completing;
  dgram__send_flush(socket);
  tx->about_to_complete = false;
  dgram__send_complete_all(socket);
  dgram__release(socket);
}

bool dgram__send_resume(dgram_socket_t *socket) {
  unsigned before = socket->tx.ready.count;
  socket->tx.blocked = DGRAM__NOT_BLOCKED;
  dgram__send_flush(socket);
  return socket->tx.blocked == DGRAM__NOT_BLOCKED || socket->tx.ready.count < before;
}

void dgram__send_blocked_by_ports(dgram_socket_t *socket, bool first) {
  const struct dgram__datagram *datagram = &socket->tx.ready.first->datagram;
  socket->tx.blocked = DGRAM__BLOCKED_BY_ENOBUFS;
  if (!first)
    return;
  struct dgram__described described;
  dgram__error_describe_at(&described, UV_EAGAIN, "send", DGRAM__SHOW_ENDPOINT, NULL,
                           &datagram->to);
  dgram__emit_described_error(socket, &described.error);
}
