#include "lib/raw.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>
#include <uv.h>

struct sockaddr_in loopback_address(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

socklen_t raw_address(union raw_address *to, const char *address, int port) {
  if (uv_ip4_addr(address, port, &to->v4) == 0)
    return sizeof to->v4;
  assert_int_equal(uv_ip6_addr(address, port, &to->v6), 0);
  return sizeof to->v6;
}

int raw_socket(void) {
  struct sockaddr_in address = loopback_address(0);
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  int room = ROOM; /* or what the system grants */
  assert_true(fd >= 0);
  assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room), 0);
  assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
  return fd;
}

int raw_holder(int *port) {
  int on = 1;
  int fd = raw_socket();
  /* Not before the bind: port 0 may be one that another process holds, if both have the option. */
  assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
  *port = raw_port(fd);
  raw_connect(fd, *port);
  return fd;
}

int raw_closed_port(void) {
  int fd = raw_socket();
  int port = raw_port(fd);
  close(fd);
  return port;
}

int raw_port(int fd) {
  struct sockaddr_in address = {0};
  socklen_t length = sizeof address;
  assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
  return ntohs(address.sin_port);
}

int raw_option(int fd, int name) {
  int value = -1;
  socklen_t length = sizeof value;
  assert_int_equal(getsockopt(fd, SOL_SOCKET, name, &value, &length), 0);
  return value;
}

void raw_connect(int fd, int port) {
  struct sockaddr_in peer = loopback_address(port);
  assert_int_equal(connect(fd, (struct sockaddr *)&peer, sizeof peer), 0);
}

void raw_send(int fd, const void *bytes, size_t size, int port) {
  struct sockaddr_in to = loopback_address(port);
  assert_int_equal(sendto(fd, bytes, size, 0, (struct sockaddr *)&to, sizeof to), size);
}

int raw_send_joined(int fd, const void *bytes, size_t size, int segment, int port) {
#ifdef __linux__
  enum { SEGMENTS = 103 /* UDP_SEGMENT, which older C libraries lack */ };
  int none = 0;
  if (setsockopt(fd, IPPROTO_UDP, SEGMENTS, &segment, sizeof segment) != 0)
    return 0;
  raw_send(fd, bytes, size, port);
  assert_int_equal(setsockopt(fd, IPPROTO_UDP, SEGMENTS, &none, sizeof none), 0);
  return 1;
#else
  return 0;
#endif
}

int raw_receive(int fd, char *text, size_t size) {
  struct sockaddr_in from;
  socklen_t length = sizeof from;
  ssize_t got = recvfrom(fd, text, size - 1, 0, (struct sockaddr *)&from, &length);
  assert_true(got >= 0);
  text[got] = '\0';
  return ntohs(from.sin_port);
}

const char *arrived(int fd) {
  static char texts[4096];
  size_t length = 0;
  ssize_t size;
  while ((size = recv(fd, texts + length, sizeof texts - length - 1, MSG_DONTWAIT)) >= 0) {
    length += (size_t)size;
    texts[length++] = ' ';
  }
  texts[length > 0 ? length - 1 : 0] = '\0';
  return texts;
}

int is_open(int fd) {
  return fcntl(fd, F_GETFD) != -1;
}

int count_open_files(void) {
  DIR *entries = opendir("/dev/fd");
  assert_non_null(entries);
  int count = 0;
  while (readdir(entries) != NULL)
    count++;
  closedir(entries);
  return count;
}

int is_free_port(int port) {
  struct sockaddr_in address = loopback_address(port);
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  assert_true(fd >= 0);
  int bound = bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
  close(fd);
  return bound;
}

int free_port(void) {
  static int next;
  int port;
  do
    port = 10240 + (getpid() * 64 + next++) % 20480;
  while (!is_free_port(port));
  return port;
}

int have_ipv6(void) {
  struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
  int fd = socket(AF_INET6, SOCK_DGRAM, 0);
  int bound = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
  if (fd >= 0)
    close(fd);
  return bound;
}
