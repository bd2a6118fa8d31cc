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

static void free_for_good(struct dgram__send *send) {
  free(send->memory);
  free(send);
}

static void free_host(struct dgram__send *send) {
  if (send->host == NULL) /* as nearly always: a call less */
    return;
  free(send->host);
  send->host = NULL;
}

void dgram__send_free(struct dgram__loop *loop, struct dgram__send *send) {
  free_host(send);
  if (loop->spare_bytes + send->footprint > MOST_SPARE_BYTES) {
    free_for_good(send);
    return;
  }
  send->datagram.next = loop->spare != NULL ? &loop->spare->datagram : NULL;
  loop->spare = send;
  loop->spare_bytes += send->footprint;
}

void dgram__free_spare_sends(struct dgram__loop *loop) {
  while (loop->spare != NULL) {
    struct dgram__send *send = loop->spare;
    loop->spare = dgram__next_send(send);
    free_for_good(send);
  }
}

/* ---- completion ---- */

static void tell_failure(dgram_socket_t *socket, const struct dgram__send *send) {
  struct dgram__described described;
  dgram__error_describe_at(&described, send->status, send->syscall, send->shown, send->host,
                           &send->datagram.to);
  if (send->callback != NULL)
    send->callback(socket, &described.error, 0, send->context);
  else
    dgram__tell_error(socket, &described.error);
}

static void complete(dgram_socket_t *socket, struct dgram__send *send) {
  socket->outbox.bytes -= send->datagram.size;
  socket->outbox.count--;
  if (send->status < 0)
    tell_failure(socket, send);
  else /* what has no callback is done only if it failed */
    send->callback(socket, NULL, send->datagram.size, send->context);
  dgram__send_free(socket->loop, send);
}

/* In place: inside a callback the program may run the task that closes, which calls the others. */
void dgram__outbox_complete(dgram_socket_t *socket, struct dgram__queue *queue) {
  bool before = socket->outbox.completing;
  socket->outbox.completing = true;
  for (unsigned left = queue->count; left > 0 && queue->count > 0; left--)
    complete(socket, dgram__queue_pop(queue));
  socket->outbox.completing = before;
}

/* Not inside a callback: callbacks that send and flush would else nest without end. */
void dgram__outbox_complete_done(dgram_socket_t *socket) {
  struct dgram__outbox *outbox = &socket->outbox;
  if (outbox->completing)
    return;
  dgram__outbox_complete(socket, &outbox->done);
  if (outbox->done.count > 0)
    dgram__defer(socket, DGRAM__COMPLETE);
}

static void complete_later(dgram_socket_t *socket) {
  if (!socket->outbox.about_to_complete)
    dgram__defer(socket, DGRAM__COMPLETE);
}

void dgram__send_failed(dgram_socket_t *socket, struct dgram__send *send, int code,
                        const char *syscall, enum dgram__shown shown) {
  send->status = code;
  send->syscall = syscall;
  send->shown = shown;
  dgram__queue_push(&socket->outbox.done, send);
  complete_later(socket);
}

/* What stays in `ready` then waits for the system. */
void dgram__send_failed_in_order(dgram_socket_t *socket, struct dgram__send *send, int code,
                                 const char *syscall, enum dgram__shown shown) {
  struct dgram__outbox *outbox = &socket->outbox;
  dgram__flush(socket);
  if (outbox->ready.count == 0) {
    dgram__send_failed(socket, send, code, syscall, shown);
    return;
  }
  send->status = code;
  send->syscall = syscall;
  send->shown = shown;
  dgram__queue_push(&outbox->ready, send);
  outbox->markers++;
}

void dgram__send_drop(dgram_socket_t *socket, struct dgram__send *send) {
  socket->outbox.bytes -= send->datagram.size;
  socket->outbox.count--;
  dgram__send_free(socket->loop, send);
}

/* ---- flush ---- */

static void finish_sent(dgram_socket_t *socket, int sent) {
  struct dgram__outbox *outbox = &socket->outbox;
  socket->loop->has_sent = true;
  outbox->retries = 0;
  bool to_be_told = false;
  if ((unsigned)sent == outbox->ready.count && !outbox->some_silent) {
    dgram__queue_move(&outbox->done, &outbox->ready);
    complete_later(socket);
    return;
  }
  for (int i = 0; i < sent; i++) {
    struct dgram__send *send = dgram__queue_pop(&outbox->ready);
    if (send->callback != NULL) {
      dgram__queue_push(&outbox->done, send);
      to_be_told = true;
    } else {
      dgram__send_drop(socket, send);
    }
  }
  if (to_be_told)
    complete_later(socket);
}

/* Whether the error only asks to wait; then it has been arranged to go on. */
static bool stalled(dgram_socket_t *socket, int err) {
  struct dgram__outbox *outbox = &socket->outbox;
  if (err == UV_EAGAIN) {
    outbox->stall = DGRAM__UNTIL_WRITABLE;
    return true;
  }
  /* A full device queue does not make the socket writable later, so there is only the clock. */
  if (err != UV_ENOBUFS || outbox->retries >= MOST_RETRIES)
    return false;
  outbox->retries++;
  outbox->stall = DGRAM__UNTIL_RETRY;
  dgram__retry_later(socket, RETRY_MS);
  return true;
}

/*
 * The error of a send may be an ICMP error of an earlier datagram, which the system reports to
 * whichever call comes next: on a connected socket, or where another use of the system socket has
 * IP_RECVERR on. A healthy send must not pay for it: it is tried again, and if the result differs,
 * the first one is emitted as the receive error that it is.
 */
static bool suspected(dgram_socket_t *socket, int err) {
  struct dgram__outbox *outbox = &socket->outbox;
  bool possible =
      dgram__is_connected(&socket->connecting) || dgram__path_queues_errors(&socket->path);
  if (!possible || outbox->suspicion != 0)
    return false;
  outbox->suspicion = err;
  return true;
}

void dgram__outbox_tell_refusal(dgram_socket_t *socket) {
  if (!socket->closed)
    dgram__emit_error(socket, socket->outbox.refusal, "recvmsg", NULL, 0);
}

static void refuse(dgram_socket_t *socket, int err) {
  socket->outbox.refusal = err;
  dgram__defer(socket, DGRAM__TELL_REFUSAL);
}

/* The send has ended; so it is known what became of the suspicion. */
static void judge(dgram_socket_t *socket, int end) {
  struct dgram__outbox *outbox = &socket->outbox;
  if (outbox->suspicion != 0 && outbox->suspicion != end)
    refuse(socket, outbox->suspicion);
  outbox->suspicion = 0;
}

void dgram__outbox_take_refusal(dgram_socket_t *socket) {
  int err = socket->loop->datapath->take_error(&socket->path);
  if (err != 0)
    refuse(socket, err);
}

/* ---- what stands among the sends ---- */

/* How many of the ready sends are datagrams, up to the first marker. */
static unsigned count_datagrams(const struct dgram__outbox *outbox) {
  const struct dgram__send *send = outbox->ready.first;
  unsigned count = 0;
  while (count < outbox->ready.count && send->status == 0) {
    count++;
    send = dgram__next_send(send);
  }
  return count;
}

/* The first one is no datagram to send: a failure that is due now, or an option. */
static void pass_marker(dgram_socket_t *socket) {
  struct dgram__outbox *outbox = &socket->outbox;
  struct dgram__send *send = dgram__queue_pop(&outbox->ready);
  outbox->markers--;
  if (send->status < 0) {
    dgram__send_failed(socket, send, send->status, send->syscall, send->shown);
    return;
  }
  const struct option *option = send->memory;
  (void)dgram__set_option(socket, option->level, option->name, option->value, option->length);
  dgram__send_free(socket->loop, send);
}

static inline void send_first(dgram_socket_t *socket, unsigned count) {
  struct dgram__outbox *outbox = &socket->outbox;
  int sent = socket->loop->datapath->send(&socket->path, &outbox->ready.first->datagram, count);
  if (sent < 0 && (stalled(socket, sent) || suspected(socket, sent)))
    return;
  judge(socket, sent);
  if (sent > 0)
    finish_sent(socket, sent);
  else
    dgram__send_failed(socket, dgram__queue_pop(&outbox->ready), sent, "send",
                       DGRAM__SHOW_ENDPOINT);
}

void dgram__flush(dgram_socket_t *socket) {
  struct dgram__outbox *outbox = &socket->outbox;
  while (outbox->ready.count > 0 && outbox->stall == DGRAM__NOT_STALLED) {
    unsigned count = outbox->markers == 0 ? outbox->ready.count : count_datagrams(outbox);
    if (count > 0)
      send_first(socket, count);
    else
      pass_marker(socket);
  }
  if (outbox->ready.count == 0) {
    outbox->retries = 0;
    outbox->some_silent = false;
  }
  dgram__watch(socket);
}

/* ---- options that must not act on what was sent before ---- */

/* Tries the option on another system socket, so that the caller gets its error. */
static int try_option(int family, int level, int name, const void *value, socklen_t length) {
  int fd = dgram__descriptor_socket(family, SOCK_DGRAM);
  if (fd < 0)
    return fd;
  int err = setsockopt(fd, level, name, value, length) == 0 ? 0 : -errno;
  close(fd);
  return err;
}

static struct dgram__send *new_option(int level, int name, const void *value, socklen_t length) {
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
  struct dgram__outbox *outbox = &socket->outbox;
  dgram__outbox_leave(socket);
  if (outbox->ready.count == 0)
    return dgram__set_option(socket, level, name, value, length);
  struct dgram__send *send = new_option(level, name, value, length);
  if (send == NULL)
    return UV_ENOMEM;
  int family = dgram__family(socket->options.type);
  int err = try_option(family, level, name, value, length);
  if (err != 0) {
    dgram__send_free(socket->loop, send);
    return err;
  }
  dgram__queue_push(&outbox->ready, send);
  outbox->markers++;
  return 0;
}

void dgram_flush(dgram_socket_t *socket) {
  if (socket == NULL)
    return;
  dgram__pin(socket);
  if (socket->state == DGRAM_BOUND) /* so there is no need to wait for 'listening' */
    dgram__outbox_release(socket);
  struct dgram__outbox *outbox = &socket->outbox;
  outbox->about_to_complete = !outbox->completing;
  dgram__flush(socket);
  outbox->about_to_complete = false;
  dgram__outbox_complete_done(socket);
  dgram__unpin(socket);
}

bool dgram__resume(dgram_socket_t *socket) {
  unsigned before = socket->outbox.ready.count;
  socket->outbox.stall = DGRAM__NOT_STALLED;
  dgram__flush(socket);
  return socket->outbox.stall == DGRAM__NOT_STALLED || socket->outbox.ready.count < before;
}

void dgram__outbox_stuck(dgram_socket_t *socket, bool first) {
  const struct dgram__datagram *datagram = &socket->outbox.ready.first->datagram;
  socket->outbox.stall = DGRAM__UNTIL_RETRY;
  if (!first)
    return;
  struct dgram__described described;
  dgram__error_describe_at(&described, UV_EAGAIN, "send", DGRAM__SHOW_ENDPOINT, NULL,
                           &datagram->to);
  dgram__tell_error(socket, &described.error);
}
