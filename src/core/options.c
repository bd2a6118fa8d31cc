/*
 * Options of the system socket: set and read inside the call, on a bound socket.
 */
#include "internal.h"

int dgram__check_open(const dgram_socket_t *socket) {
  if (socket == NULL)
    return UV_EINVAL;
  return socket->life == DGRAM__OPEN ? 0 : DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING;
}

static int options_check_bound(const dgram_socket_t *socket) {
  int err = dgram__check_open(socket);
  return err == 0 && !dgram__is_bound(socket) ? UV_EBADF : err;
}

int dgram__set_option(const dgram_socket_t *socket, int level, int name, const void *value,
                      socklen_t length) {
  return dgram__udp_set_option(&socket->udp, level, name, value, length);
}

/* ---- options of sends to come ---- */

static int options_set_int(dgram_socket_t *socket, int level, int name, int value) {
  int err = options_check_bound(socket);
  return err != 0 ? err : dgram__send_then_set(socket, level, name, &value, sizeof value);
}

/* Sets an option that goes by one name on IPv4 and by another on IPv6. */
static int options_set_by_family(dgram_socket_t *socket, int name_v4, int name_v6, int value) {
  bool v6 = socket != NULL && socket->options.type == DGRAM_UDP6;
  return v6 ? options_set_int(socket, IPPROTO_IPV6, name_v6, value)
            : options_set_int(socket, IPPROTO_IP, name_v4, value);
}

int dgram_set_broadcast(dgram_socket_t *socket, int flag) {
  return options_set_int(socket, SOL_SOCKET, SO_BROADCAST, flag != 0);
}

int dgram_set_ttl(dgram_socket_t *socket, int ttl) {
  if (ttl < 1 || ttl > 255)
    return UV_EINVAL;
  return options_set_by_family(socket, IP_TTL, IPV6_UNICAST_HOPS, ttl);
}

int dgram_set_multicast_ttl(dgram_socket_t *socket, int ttl) {
  if (ttl < 0 || ttl > 255)
    return UV_EINVAL;
  return options_set_by_family(socket, IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS, ttl);
}

int dgram_set_multicast_loopback(dgram_socket_t *socket, int flag) {
  return options_set_by_family(socket, IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP, flag != 0);
}

int dgram_set_multicast_interface(dgram_socket_t *socket, const char *multicast_interface) {
  struct dgram__interface chosen;
  int err = multicast_interface != NULL ? dgram__check_open(socket) : UV_EINVAL;
  if (err != 0)
    return err;
  if (!dgram__interface_parse(&chosen, multicast_interface, dgram__family(socket->options.type)))
    return UV_EINVAL;
  if (!dgram__is_bound(socket))
    return UV_EBADF;
  /* The kernel refuses an address of the other family where it is of no use; on udp6 it may be. */
  if (chosen.family == AF_INET6)
    return options_set_int(socket, IPPROTO_IPV6, IPV6_MULTICAST_IF, (int)chosen.index);
  struct ip_mreqn request = {.imr_address = chosen.address, .imr_ifindex = (int)chosen.index};
  return dgram__send_then_set(socket, IPPROTO_IP, IP_MULTICAST_IF, &request, sizeof request);
}

/* ---- buffer sizes ---- */

/* Keeps the errno for dgram_buffer_size_reason(); returns the specification's error. */
static int options_buffer_size_failed(dgram_socket_t *socket, int reason) {
  socket->binding.buffer_size_reason = reason;
  return DGRAM_ERR_SOCKET_BUFFER_SIZE;
}

int dgram__set_buffer_size(dgram_socket_t *socket, int name, int size) {
  int err = size > 0 ? dgram__set_option(socket, SOL_SOCKET, name, &size, sizeof size) : 0;
  return err == 0 ? 0 : options_buffer_size_failed(socket, err);
}

static int options_set_buffer_size(dgram_socket_t *socket, int name, int size) {
  if (socket == NULL)
    return UV_EINVAL;
  if (size < 0)
    return DGRAM_ERR_SOCKET_BAD_BUFFER_SIZE;
  if (options_check_bound(socket) != 0)
    return options_buffer_size_failed(socket, UV_EBADF);
  return dgram__set_buffer_size(socket, name, size);
}

static int options_get_buffer_size(dgram_socket_t *socket, int name) {
  int size = 0;
  socklen_t length = sizeof size;
  if (socket == NULL)
    return UV_EINVAL;
  if (options_check_bound(socket) != 0)
    return options_buffer_size_failed(socket, UV_EBADF);
  int err = dgram__udp_get_option(&socket->udp, SOL_SOCKET, name, &size, &length);
  if (err != 0)
    return options_buffer_size_failed(socket, err);
  return size;
}

int dgram_set_recv_buffer_size(dgram_socket_t *socket, int size) {
  return options_set_buffer_size(socket, SO_RCVBUF, size);
}

int dgram_set_send_buffer_size(dgram_socket_t *socket, int size) {
  return options_set_buffer_size(socket, SO_SNDBUF, size);
}

int dgram_get_recv_buffer_size(dgram_socket_t *socket) {
  return options_get_buffer_size(socket, SO_RCVBUF);
}

int dgram_get_send_buffer_size(dgram_socket_t *socket) {
  return options_get_buffer_size(socket, SO_SNDBUF);
}

int dgram_buffer_size_reason(const dgram_socket_t *socket) {
  return socket != NULL ? socket->binding.buffer_size_reason : UV_EINVAL;
}
