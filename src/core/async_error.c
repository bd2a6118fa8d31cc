/*
 * ICMP errors of earlier datagrams.
 *
 * send() may report an ICMP error of an earlier datagram, if the socket is connected or another use
 * of its file description has set IP_RECVERR. The send itself is healthy then: it is retried once.
 * If the result differs, the first error is emitted as a receive error.
 *
 * IP_RECVERR would not spare the retry: with it sendmsg(2) still returns the ICMP error of an
 * earlier datagram, and its own datagram has not left (Linux 6.18). The error queue only names the
 * datagram that the error is about (sock_extended_err). It also makes the next send of an
 * unconnected socket fail for another peer, and keeps POLLERR set until it is read; so the library
 * sets it only for listeners of 'icmp'. Then several such errors may come in a row: see icmp.c.
 *
 * In this file: the error of a send is suspected; the retry settles it; a pending error is taken.
 */
#include "internal.h"

static bool async_error_is_possible(const dgram_socket_t *socket, int err) {
  return dgram__is_connected(&socket->connecting) || dgram__icmp_is_for_others(socket, err) ||
         dgram__udp_queues_errors(&socket->udp);
}

static void async_error_emit(dgram_socket_t *socket) {
  if (socket->life != DGRAM__CLOSED)
    dgram__emit_async_error(socket, socket->tx.async_error.error);
}

static void async_error_report(dgram_socket_t *socket, int err) {
  static const struct dgram__task_type task = {async_error_emit,
                                               offsetof(dgram_socket_t, tasks.async_error)};
  socket->tx.async_error.error = err;
  dgram__defer(socket, &task);
}

bool dgram__async_error_suspect(dgram_socket_t *socket, int err) {
  struct dgram__async_error *async_error = &socket->tx.async_error;
  bool is_suspect = dgram__icmp_is_on(socket)
                        ? dgram__icmp_retry(socket, err)
                        : async_error->suspect == 0 && async_error_is_possible(socket, err);
  if (is_suspect)
    async_error->suspect = err;
  return is_suspect;
}

/* What 'icmp' emits is no error besides. */
void dgram__async_error_settle(dgram_socket_t *socket, int result) {
  struct dgram__async_error *async_error = &socket->tx.async_error;
  if (dgram__icmp_is_on(socket))
    dgram__icmp_end_retries(socket);
  else if (async_error->suspect != result &&
           dgram__icmp_is_for_others(socket, async_error->suspect))
    dgram__count_receive_error(socket, async_error->suspect);
  else if (async_error->suspect != result)
    async_error_report(socket, async_error->suspect);
  async_error->suspect = 0;
}

void dgram__async_error_take(dgram_socket_t *socket) {
  bool icmp = dgram__icmp_is_on(socket);
  int err =
      icmp ? dgram__udp_take_pending_error(&socket->udp) : dgram__udp_take_error(&socket->udp);
  if (err < 0 && !(icmp && dgram__is_icmp_error(err)))
    async_error_report(socket, err);
}
