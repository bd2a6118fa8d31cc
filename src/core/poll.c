/*
 * What libuv watches for a socket: its poll handle, opened by the bind and closed by the close.
 *
 *   NOT_POLLED -> POLLED               dgram__poll_open()
 *   POLLED, BACKED_OFF -> BACKED_OFF   several wake-ups in a row led to nothing
 *   BACKED_OFF -> POLLED               after 1 to 128 ms
 *   any -> NOT_POLLED                  dgram__poll_close()
 *
 * In this file: the state; the handle, and what it watches for; a wake-up; the sockets by their
 * descriptors.
 */
#include "internal.h"
#include "sharing.h"

#include <stdlib.h>
#include <string.h>

enum {
  PATIENCE = 3, /* wake-ups in a row: fewer that led to nothing are taken for chance */
  DOUBLINGS = 7 /* of 1 ms: so a socket that can receive again is noticed within 128 ms */
};

static const unsigned char poll_edges[] = {
    [DGRAM__NOT_POLLED] = DGRAM__FROM_ANY,
    [DGRAM__POLLED] = DGRAM__FROM(DGRAM__NOT_POLLED) | DGRAM__FROM(DGRAM__BACKED_OFF),
    [DGRAM__BACKED_OFF] = DGRAM__FROM(DGRAM__POLLED) | DGRAM__FROM(DGRAM__BACKED_OFF),
};

/*
 * What to watch for, to receive. A paused socket watches for POLLRDHUP, which a datagram does not
 * raise: the kernel does not even wake the process for it. So the handle stays active, and keeps
 * the loop alive; and poll(2) reports a pending error (POLLERR), whatever it watches for.
 */
static void poll_choose_receive_events(dgram_socket_t *socket) {
  int events = socket->rx.paused == 0 ? UV_READABLE : UV_DISCONNECT;
  socket->receive_events = (unsigned char)(socket->poll_state == DGRAM__POLLED ? events : 0);
}

static void poll_set_state(dgram_socket_t *socket, enum dgram__poll_state state) {
  dgram__assert_edge(poll_edges, socket->poll_state, state);
  socket->poll_state = state;
  poll_choose_receive_events(socket);
}

/* ---- the handle ---- */

static void poll_on_poll(uv_poll_t *poll, int status, int events);
static void poll_wake(void *owner, int status, int events);

/* Watches for the events: libuv the descriptor, or a simulated network its endpoint. */
static void poll_watch(dgram_socket_t *socket, int events) {
  if (dgram__udp_is_simulated(&socket->udp))
    socket->udp.endpoint->ops->watch(socket->udp.endpoint, events);
  else
    uv_poll_start(&socket->poll, events, poll_on_poll);
  socket->poll_events = (unsigned char)events;
}

void dgram__poll_update(dgram_socket_t *socket) {
  if (socket->poll_state == DGRAM__NOT_POLLED)
    return;
  int events = 0;
  if (socket->binding.state == DGRAM__LISTENING) { /* no 'message' before 'listening' */
    events |= socket->receive_events;
    events |= socket->tx.blocked == DGRAM__BLOCKED_BY_EAGAIN ? UV_WRITABLE : 0;
  }
  if (events != socket->poll_events)
    poll_watch(socket, events);
  /* Of a simulated socket the handle is all zeros, and never active: only its flag changes. */
  if (dgram__keeps_loop_alive(socket))
    uv_ref((uv_handle_t *)&socket->poll);
  else
    uv_unref((uv_handle_t *)&socket->poll);
}

void dgram__poll_paused(dgram_socket_t *socket) {
  poll_choose_receive_events(socket);
  dgram__poll_update(socket);
}

/* libuv knows only the descriptors that it watches at the moment. Returns 0 or UV_ENOMEM. */
static int poll_enter_fd(dgram_socket_t *socket) {
  struct dgram__loop *loop = socket->loop;
  int fd = socket->udp.fd;
  if (fd >= loop->fd_room) {
    int room = fd < 32 ? 64 : 2 * fd;
    dgram_socket_t **grown = calloc((size_t)room, sizeof(dgram_socket_t *));
    if (grown == NULL)
      return UV_ENOMEM;
    if (loop->fd_room > 0)
      memcpy(grown, loop->by_fd, (size_t)loop->fd_room * sizeof(dgram_socket_t *));
    free(loop->by_fd);
    loop->by_fd = grown;
    loop->fd_room = room;
  }
  loop->by_fd[fd] = socket;
  return 0;
}

/* Returns 0 or an error. */
static int poll_open_handle(dgram_socket_t *socket) {
  int err = poll_enter_fd(socket);
  if (err != 0)
    return err;
  err = uv_poll_init_socket(socket->loop->uv, &socket->poll, socket->udp.fd);
  if (err != 0)
    socket->loop->by_fd[socket->udp.fd] = NULL;
  socket->poll.data = socket;
  return err;
}

int dgram__poll_open(dgram_socket_t *socket) {
  int err = 0;
  if (dgram__udp_is_simulated(&socket->udp)) {
    socket->udp.endpoint->owner = socket;
    socket->udp.endpoint->on_ready = poll_wake;
  } else {
    err = poll_open_handle(socket);
  }
  if (err != 0)
    return err;
  socket->poll_events = 0;
  poll_set_state(socket, DGRAM__POLLED);
  dgram__hold(socket);
  return 0;
}

static void poll_on_closed(uv_handle_t *handle) {
  dgram__release(handle->data);
}

void dgram__poll_close(dgram_socket_t *socket) {
  if (socket->poll_state == DGRAM__NOT_POLLED)
    return;
  poll_set_state(socket, DGRAM__NOT_POLLED);
  dgram__retry_now(socket);
  if (dgram__udp_is_simulated(&socket->udp)) {
    dgram__release(socket); /* not the last time: it has not closed yet */
    return;
  }
  socket->loop->by_fd[socket->udp.fd] = NULL;
  uv_close((uv_handle_t *)&socket->poll, poll_on_closed);
}

/* ---- a wake-up ---- */

static void poll_resume(dgram_socket_t *socket) {
  if (socket->life == DGRAM__CLOSED)
    return;
  if (socket->poll_state == DGRAM__BACKED_OFF)
    poll_set_state(socket, DGRAM__POLLED);
  if (socket->tx.blocked == DGRAM__BLOCKED_BY_ENOBUFS && dgram__send_resume(socket))
    socket->idle_wakeups = 0;
  dgram__poll_update(socket);
}

void dgram__retry_later(dgram_socket_t *socket, unsigned ms) {
  static const struct dgram__task_type task = {poll_resume, offsetof(dgram_socket_t, tasks.resume)};
  dgram__resume_after(socket, ms, &task);
}

/*
 * A wake-up has led to nothing. Either another holder of the system socket was quicker, and
 * poll(2) reports nothing any more; or the next wake-up would come at once and lead to nothing
 * again: an error that receiving does not clear, no memory to receive into, EAGAIN of a send for
 * want of a free port, a socket that was shut down. After a few of them in a row the socket backs
 * off.
 */
static void poll_back_off(dgram_socket_t *socket) {
  bool blocked = socket->tx.blocked == DGRAM__BLOCKED_BY_EAGAIN;
  dgram__count(socket)->idle_wakeups++;
  if (socket->idle_wakeups < PATIENCE + DOUBLINGS)
    socket->idle_wakeups++;
  if (socket->idle_wakeups < PATIENCE)
    return;
  if (!dgram__udp_has_event(&socket->udp, blocked)) {
    socket->idle_wakeups = 0;
    return;
  }
  dgram__count(socket)->back_offs++;
  poll_set_state(socket, DGRAM__BACKED_OFF);
  dgram__retry_later(socket, 1U << (socket->idle_wakeups - PATIENCE));
  if (blocked)
    dgram__send_blocked_by_ports(socket, socket->idle_wakeups == PATIENCE);
}

/*
 * libuv reports a pending socket error (POLLERR) as EBADF, stops watching, and does not say what
 * else the socket is ready for. The error is read and emitted; dgram__poll_update() watches again.
 */
static void poll_wake(void *owner, int status, int events) {
  dgram_socket_t *socket = owner;
  bool progress = false;
  dgram__hold(socket);
  if (status != 0) {
    socket->poll_events = 0;
    events = UV_READABLE | UV_WRITABLE;
    int err =
        dgram__icmp_is_on(socket) ? dgram__icmp_take(socket) : dgram__udp_take_error(&socket->udp);
    progress = err != 0;
    if (err < 0 && dgram__icmp_is_for_others(socket, err))
      dgram__count_receive_error(socket, err);
    else if (err < 0)
      dgram__emit_async_error(socket, err);
  }
  if ((events & UV_WRITABLE) && socket->tx.blocked == DGRAM__BLOCKED_BY_EAGAIN)
    progress |= dgram__send_resume(socket);
  if ((events & UV_READABLE) && socket->life != DGRAM__CLOSED && socket->rx.paused == 0)
    progress |= dgram__receive(socket);
  if (progress)
    socket->idle_wakeups = 0;
  else if (socket->life != DGRAM__CLOSED)
    poll_back_off(socket);
  dgram__poll_update(socket);
  dgram__release(socket);
}

static void poll_on_poll(uv_poll_t *poll, int status, int events) {
  poll_wake(poll->data, status, events);
}

/* ---- the sockets by their descriptors ---- */

bool dgram__poll_has_fd(const struct dgram__loop *loop, int fd) {
  return fd < loop->fd_room && loop->by_fd[fd] != NULL;
}

void dgram__lend_descriptor(uv_loop_t *uv, int fd) {
  const struct dgram__loop *loop = dgram__loop_find(uv);
  if (loop != NULL && dgram__poll_has_fd(loop, fd))
    dgram__receive_lend(loop->by_fd[fd]);
}
