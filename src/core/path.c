/*
 * Answers: by the address and the interface that a datagram came to.
 *
 *   dgram_rinfo_info()   what is known of the datagram
 *   dgram_rinfo_path()   of that, what an answer needs: the peer, the own address, the interface
 *   dgram_send_path()    sends by it, as dgram_send_with() does; or to the connected peer
 */
#include "internal.h"

#include <string.h>

/* The receive buffer that a message came in: its text lies there. */
static struct dgram__rx_buffer *path_buffer(const dgram_rinfo_t *rinfo) {
  return (void *)(rinfo->text - offsetof(struct dgram__rx_buffer, text));
}

const dgram_info_t *dgram_rinfo_info(const dgram_rinfo_t *rinfo) {
  if (rinfo == NULL)
    return NULL;
  struct dgram__rx_buffer *buffer = path_buffer(rinfo);
  return buffer->info.asked != 0 ? dgram__rx_info_show(&buffer->info) : NULL;
}

/*
 * Whether the peer is of this host for certain: of 127.0.0.0/8. The interface that the kernel names
 * is then that of the own address, by which it does not find the peer.
 */
static bool path_is_loopback(const union dgram__address *peer) {
  const unsigned char *host = peer->any.sa_family == AF_INET
                                  ? (const unsigned char *)&peer->v4.sin_addr
                                  : &peer->v6.sin6_addr.s6_addr[12];
  bool is_v4 = peer->any.sa_family == AF_INET || IN6_IS_ADDR_V4MAPPED(&peer->v6.sin6_addr);
  return is_v4 && host[0] == 127;
}

int dgram_rinfo_path(const dgram_rinfo_t *rinfo, dgram_path_t *path) {
  if (rinfo == NULL || path == NULL)
    return UV_EINVAL;
  const struct dgram__rx_buffer *buffer = path_buffer(rinfo);
  const struct dgram__rx_info *info = &buffer->info;
  memset(path, 0, sizeof *path);
  memcpy(&path->peer, &buffer->from, sizeof buffer->from);
  if ((info->asked & DGRAM_INFO_DESTINATION) != 0) {
    memcpy(&path->local, &info->local, sizeof info->local);
    path->interface_index = path_is_loopback(&buffer->from) ? 0 : info->interface_index;
  }
  return 0;
}

/* Whether all that the socket sends has one source, whatever the path says. */
static bool path_is_bound_to_one_address(const dgram_socket_t *socket) {
  union dgram__address own;
  return dgram__is_bound(socket) && dgram__udp_name(&socket->udp, false, &own) == 0 &&
         !dgram__address_is_any(&own);
}

/* Returns 0, or DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED for another than the peer. */
static int path_check_peer(const dgram_socket_t *socket, const struct sockaddr *to) {
  const struct dgram__connecting *connecting = &socket->connecting;
  union dgram__address peer;
  bool same = dgram__address_copy(&peer, to) && (dgram__address_equal(&peer, &connecting->peer) ||
                                                 dgram__address_equal(&peer, &connecting->to));
  return same ? 0 : DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED;
}

int dgram_send_path(dgram_socket_t *socket, const dgram_path_t *path, const uv_buf_t buffers[],
                    size_t count, dgram_send_cb callback, void *context) {
  int err = path != NULL ? dgram__check_open(socket) : UV_EINVAL;
  if (err != 0)
    return err;
  const struct sockaddr *to = (const struct sockaddr *)&path->peer;
  if (dgram__is_connected(&socket->connecting)) { /* the system has chosen the source */
    err = path_check_peer(socket, to);
    return err != 0 ? err : dgram_send_to(socket, buffers, count, NULL, callback, context);
  }
  bool has_source = path->local.ss_family != AF_UNSPEC;
  if (!has_source && path->interface_index == 0)
    return path_is_bound_to_one_address(socket)
               ? dgram_send_to(socket, buffers, count, to, callback, context)
               : UV_EINVAL;
  dgram_send_options_t options = dgram_default_send_options();
  options.source = has_source ? (const struct sockaddr *)&path->local : NULL;
  options.interface_index = path->interface_index;
  return dgram_send_with(socket, buffers, count, to, &options, callback, context);
}

int dgram_reply(dgram_socket_t *socket, const dgram_rinfo_t *rinfo, const uv_buf_t buffers[],
                size_t count, dgram_send_cb callback, void *context) {
  dgram_path_t path;
  int err = dgram_rinfo_path(rinfo, &path);
  return err != 0 ? err : dgram_send_path(socket, &path, buffers, count, callback, context);
}
