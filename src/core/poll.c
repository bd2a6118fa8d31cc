/*
 * What libuv watches for a socket, and what it does when it is woken: sends go on, datagrams are
 * received. A wake-up that leads to nothing several times in a row is answered by a pause.
 */
#include "internal.h"
#include "sharing.h"

#include <stdlib.h>
#include <string.h>

enum {
  PATIENCE = 3, /* wake-ups in a row: fewer that led to nothing are taken for chance */
  DOUBLINGS = 7 /* of 1 ms: so a socket that can receive again is noticed within 128 ms */
};

/* ---- wake-ups ---- */

/*
 * libuv reports a pending socket error (POLLERR) as EBADF and stops watching. The error is taken
 * and told, and watching starts again. Whether there was one.
 */
static bool poll_on_poll_error(dgram_socket_t *socket) {
  socket->poll_events = 0;
  int err = dgram__udp_take_error(&socket->udp);
  if (err < 0)
    dgram__emit_error(socket, err, "recvmsg", NULL, 0);
  return err != 0;
}

/*
 * A wake-up has led to nothing. One that another holder of the system socket was quicker at is
 * over; else the next one would come at once, and nothing would come of it either: an error that
 * receiving does not clear, no memory to receive into, EAGAIN of a send for want of a free port, a
 * socket that was shut down. After a few of them in a row the socket is not watched for a while.
 */
static void poll_back_off(dgram_socket_t *socket) {
  bool stalled = socket->tx.blocked == DGRAM__BLOCKED_BY_EAGAIN;
  if (socket->vain < PATIENCE + DOUBLINGS)
    socket->vain++;
  if (socket->vain < PATIENCE)
    return;
  if (!dgram__udp_has_event(&socket->udp, stalled)) {
    socket->vain = 0;
    return;
  }
  socket->backed_off = true;
  dgram__retry_later(socket, 1U << (socket->vain - PATIENCE));
  if (stalled)
    dgram__send_blocked_by_ports(socket, socket->vain == PATIENCE);
}

/* The time is over that the socket was to wait. */
static void poll_resume(dgram_socket_t *socket) {
  if (socket->closed)
    return;
  socket->backed_off = false;
  if (socket->tx.blocked == DGRAM__BLOCKED_BY_ENOBUFS && dgram__send_resume(socket))
    socket->vain = 0;
  dgram__poll_update(socket);
}

static const struct dgram__task_type poll_resume_task = {poll_resume, DGRAM__TASK_RESUME};

void dgram__retry_later(dgram_socket_t *socket, unsigned ms) {
  dgram__resume_after(socket, ms, &poll_resume_task);
}

static void poll_on_poll(uv_poll_t *poll, int status, int events) {
  dgram_socket_t *socket = poll->data;
  bool progress = false;
  dgram__hold(socket);
  if (status != 0) { /* what else the socket was ready for, libuv does not say then */
    progress = poll_on_poll_error(socket);
    events = UV_READABLE | UV_WRITABLE;
  }
  if ((events & UV_WRITABLE) && socket->tx.blocked == DGRAM__BLOCKED_BY_EAGAIN)
    progress |= dgram__send_resume(socket);
  if ((events & UV_READABLE) && !socket->closed)
    progress |= dgram__receive(socket);
  if (progress)
    socket->vain = 0;
  else if (!socket->closed)
    poll_back_off(socket);
  dgram__poll_update(socket);
  dgram__release(socket);
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

/* libuv knows only those that it watches at the moment. Returns 0 or UV_ENOMEM. */
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

/* ---- watching ---- */

int dgram__poll_open(dgram_socket_t *socket) {
  int err = poll_enter_fd(socket);
  if (err != 0)
    return err;
  err = uv_poll_init_socket(socket->loop->uv, &socket->poll, socket->udp.fd);
  if (err != 0) {
    socket->loop->by_fd[socket->udp.fd] = NULL;
    return err;
  }
  socket->poll.data = socket;
  socket->watched = true;
  socket->poll_events = 0;
  dgram__hold(socket);
  return 0;
}

static int poll_wanted_events(const dgram_socket_t *socket) {
  if (!socket->announced) /* no 'message' before 'listening' */
    return 0;
  bool stalled = socket->tx.blocked == DGRAM__BLOCKED_BY_EAGAIN;
  return (socket->backed_off ? 0 : UV_READABLE) | (stalled ? UV_WRITABLE : 0);
}

void dgram__poll_update(dgram_socket_t *socket) {
  if (!socket->watched)
    return;
  int events = poll_wanted_events(socket);
  if (events != socket->poll_events) {
    uv_poll_start(&socket->poll, events, poll_on_poll);
    socket->poll_events = (unsigned char)events;
  }
  if (dgram__keeps_loop_alive(socket))
    uv_ref((uv_handle_t *)&socket->poll);
  else
    uv_unref((uv_handle_t *)&socket->poll);
}

static void poll_on_poll_closed(uv_handle_t *handle) {
  dgram__release(handle->data);
}

void dgram__poll_close(dgram_socket_t *socket) {
  if (!socket->watched)
    return;
  socket->watched = false;
  socket->loop->by_fd[socket->udp.fd] = NULL;
  dgram__retry_now(socket);
  uv_close((uv_handle_t *)&socket->poll, poll_on_poll_closed);
}
