// A name server on all addresses of a host, IPv4 and IPv6, by one socket: each answer leaves from
// the address that was asked, as clients require. It answers A with the address 192.0.2.1, and TXT
// with its own address that was asked; other questions have no answer (RFC 1035, 4.1).
// Usage: dns_wildcard [port]
#include <dgram.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
enum { HEADER = 12, A = 1, TXT = 16, MOST = 512 };
static int failed;
static int read_16(const unsigned char *at) {
  return at[0] << 8 | at[1];
}
// The end of the question, which has one name; 0: it is none, or is longer than it should be.
static size_t question_end(const unsigned char *query, size_t size) {
  size_t at = HEADER;
  if (size < HEADER || (query[2] & 0x80) != 0 || read_16(query + 4) != 1)
    return 0;
  while (at < size && query[at] != 0 && query[at] < 64)
    at += 1 + query[at];
  return at + 5 <= size && query[at] == 0 && at - HEADER < 255 ? at + 5 : 0;
}
static void on_message(dgram_socket_t *server, const char *message, const dgram_rinfo_t *rinfo,
                       void *ctx) {
  unsigned char answer[MOST + 16 + DGRAM_ADDRESS_TEXT];
  dgram_address_t own;
  const dgram_info_t *info = dgram_rinfo_info(rinfo);
  size_t end = question_end((const unsigned char *)message, rinfo->size);
  if (end == 0 || dgram_sockaddr_describe(info->local, &own) != 0)
    return;
  memcpy(answer, message, end);
  int type = read_16(answer + end - 4);
  answer[2] = (unsigned char)(0x84 | (answer[2] & 0x79)); // an authoritative response
  answer[3] = 0;
  memset(answer + 6, 0, 6);
  answer[7] = type == A || type == TXT;
  if (answer[7]) {
    static const unsigned char address[] = {192, 0, 2, 1};
    size_t length = type == A ? 4 : 1 + strlen(own.address);
    const unsigned char record[] = {0xc0, HEADER,
                                    0,    (unsigned char)type,
                                    0,    1,
                                    0,    0,
                                    0,    60, // seconds to live
                                    0,    (unsigned char)length};
    memcpy(answer + end, record, sizeof record);
    end += sizeof record;
    answer[end] = (unsigned char)(length - 1);
    if (type == A)
      memcpy(answer + end, address, sizeof address);
    else
      memcpy(answer + end + 1, own.address, length - 1);
    end += length;
  }
  uv_buf_t buffer = uv_buf_init((char *)answer, (unsigned)end);
  dgram_reply(server, rinfo, &buffer, 1, NULL, NULL);
}
static void on_error(dgram_socket_t *server, const dgram_error_t *error, void *ctx) {
  fprintf(stderr, "%s\n", error->message);
  failed = 1;
  dgram_close(server, NULL, NULL);
}
int main(int argc, char **argv) {
  dgram_socket_t *server;
  dgram_options_t options = dgram_default_options(DGRAM_UDP6); // and IPv4
  options.receive_info = DGRAM_INFO_DESTINATION;
  dgram_create_socket_options(uv_default_loop(), &options, on_message, NULL, &server);
  dgram_on_error(server, on_error, NULL);
  int err = dgram_bind(server, argc > 1 ? atoi(argv[1]) : 53, NULL, NULL, NULL);
  if (err != 0) {
    fprintf(stderr, "bind: %s\n", dgram_strerror(err));
    return 1;
  }
  uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  return failed;
}
