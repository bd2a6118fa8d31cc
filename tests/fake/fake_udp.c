#include "fake/fake_udp.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
  MOST_PAIRS = 16,
  MOST_REPLIES = 4096,
  MOST_RECEIPTS = 256,
  MOST_SENT = 20000,
  TEXT = 65536,
};

/* What one call of recv finds. */
struct receipt {
  int fd;
  const struct fake_buffer *buffers;
  int count;
  bool taken;
};

/* Zeroed, all that is asked succeeds. */
static struct {
  struct {
    int fd;
    int peer;
  } pairs[MOST_PAIRS];
  unsigned pair_count;
  int open_error;
  struct dgram__settings settings; /* of the last open */
  bool system;

  int replies[MOST_REPLIES];
  unsigned reply_count;
  unsigned replies_used;
  int reply_always; /* 0: FAKE_ALL */
  struct receipt receipts[MOST_RECEIPTS];
  unsigned receipt_count;

  unsigned send_calls;
  unsigned recv_calls;
  unsigned recv_most;
  struct fake_sent sent[MOST_SENT];
  unsigned sent_count;
  char text[2][TEXT]; /* being written, and handed out */
  size_t text_length;
} fake;

static void check(bool holds, const char *what) {
  if (holds)
    return;
  fprintf(stderr, "fake udp: %s\n", what);
  abort();
}

void fake_reset(void) {
  for (unsigned i = 0; i < fake.pair_count; i++)
    close(fake.pairs[i].peer);
  for (unsigned i = 0; i < fake.sent_count; i++)
    free(fake.sent[i].bytes);
  memset(&fake, 0, sizeof fake);
}

void fake_use_system(struct dgram__loop *loop, bool offloads) {
  fake.system = true;
  loop->capabilities = dgram__udp_capabilities();
  if (!offloads)
    loop->capabilities.max_segments = loop->capabilities.max_gro_segments = 1;
}

/* The newest of a number, for numbers are used again. */
static int peer_of(int fd) {
  for (unsigned i = fake.pair_count; i-- > 0;)
    if (fake.pairs[i].fd == fd)
      return fake.pairs[i].peer;
  check(false, "not one of its file descriptors");
  return -1;
}

/* ---- open ---- */

void fake_fail_open(int code) {
  fake.open_error = code;
}

const struct dgram__settings *fake_settings(void) {
  return &fake.settings;
}

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
int __wrap_dgram__udp_open(struct dgram__udp *udp, const struct dgram__settings *settings);
int __real_dgram__udp_open(struct dgram__udp *udp, const struct dgram__settings *settings);
int __wrap_dgram__udp_send(struct dgram__udp *udp, struct dgram__tx_batch **batch,
                           const struct dgram__datagram *first, unsigned count);
int __real_dgram__udp_send(struct dgram__udp *udp, struct dgram__tx_batch **batch,
                           const struct dgram__datagram *first, unsigned count);
int __wrap_dgram__udp_recv(struct dgram__udp *udp, struct dgram__rx_buffers *buffers,
                           unsigned most);
int __real_dgram__udp_recv(struct dgram__udp *udp, struct dgram__rx_buffers *buffers,
                           unsigned most);

int __wrap_dgram__udp_open(struct dgram__udp *udp, const struct dgram__settings *settings) {
  if (fake.system)
    return __real_dgram__udp_open(udp, settings);
  fake.settings = *settings;
  int err = fake.open_error;
  fake.open_error = 0;
  if (err != 0)
    return err;
  int pair[2];
  check(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0, "socketpair");
  check(fake.pair_count < MOST_PAIRS, "too many sockets");
  fake.pairs[fake.pair_count].fd = pair[0];
  fake.pairs[fake.pair_count++].peer = pair[1];
  *udp = (struct dgram__udp){
      .fd = pair[0], .capabilities = settings->capabilities, .counters = udp->counters};
  return 0;
}

/* ---- send ---- */

void fake_reply(int reply) {
  check(fake.reply_count < MOST_REPLIES, "too long a script");
  fake.replies[fake.reply_count++] = reply;
}

void fake_reply_always(int reply) {
  fake.reply_always = reply;
}

static int next_reply(void) {
  if (fake.replies_used < fake.reply_count)
    return fake.replies[fake.replies_used++];
  return fake.reply_always != 0 ? fake.reply_always : FAKE_ALL;
}

static void make_unwritable(int fd) {
  while (send(fd, "", 1, MSG_DONTWAIT) == 1)
    ;
}

void fake_make_writable(const dgram_socket_t *socket) {
  char byte;
  while (recv(peer_of(socket->udp.fd), &byte, 1, MSG_DONTWAIT) == 1)
    ;
}

static void write_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void write_text(const char *format, ...) {
  size_t length = fake.text_length;
  va_list arguments;
  va_start(arguments, format);
  length += (size_t)vsnprintf(fake.text[0] + length, TEXT - length, format, arguments);
  va_end(arguments);
  check(length < TEXT, "too long a log");
  fake.text_length = length;
}

static void write_word(const char *word, int length) {
  write_text("%s%.*s", fake.text_length > 0 ? " " : "", length, word);
}

static void write_datagram(int fd, const struct dgram__datagram *datagram) {
  check(fake.sent_count < MOST_SENT, "too many datagrams");
  struct fake_sent *sent = &fake.sent[fake.sent_count++];
  *sent = (struct fake_sent){.fd = fd, .to = datagram->to, .size = datagram->size};
  sent->bytes = calloc(1, datagram->size + 1);
  check(sent->bytes != NULL, "no memory");
  size_t at = 0;
  for (uint32_t i = 0; i < datagram->iov_count; i++) {
    const struct iovec *piece = &datagram->iov[i];
    check(at + piece->iov_len <= datagram->size, "more bytes than the datagram's size");
    if (piece->iov_len > 0)
      memcpy(sent->bytes + at, piece->iov_base, piece->iov_len);
    at += piece->iov_len;
  }
  check(at == datagram->size, "fewer bytes than the datagram's size");
  write_word(sent->bytes, 20);
}

int __wrap_dgram__udp_send(struct dgram__udp *udp, struct dgram__tx_batch **batch,
                           const struct dgram__datagram *first, unsigned count) {
  if (fake.system)
    return __real_dgram__udp_send(udp, batch, first, count);
  check(count >= 1, "asked to send nothing");
  int reply = next_reply();
  if (fake.send_calls++ > 0 && fake.text_length > 0)
    write_word("|", 1);
  if (reply == UV_EAGAIN)
    make_unwritable(udp->fd);
  if (reply < 0) {
    write_word(dgram_err_name(reply), 20);
    return reply;
  }
  unsigned left = (unsigned)reply < count ? (unsigned)reply : count;
  const struct dgram__datagram *datagram = first;
  for (unsigned i = 0; i < left; i++, datagram = datagram->next)
    write_datagram(udp->fd, datagram);
  return (int)left;
}

unsigned fake_send_calls(void) {
  return fake.send_calls;
}

const char *fake_sends(void) {
  memcpy(fake.text[1], fake.text[0], fake.text_length + 1);
  fake.text[0][0] = '\0';
  fake.text_length = 0;
  return fake.text[1];
}

unsigned fake_sent_count(void) {
  return fake.sent_count;
}

const struct fake_sent *fake_sent(unsigned number) {
  check(number < fake.sent_count, "not so many left");
  return &fake.sent[number];
}

/* ---- recv ---- */

void fake_receive(const dgram_socket_t *socket, const struct fake_buffer buffers[], int count) {
  check(fake.receipt_count < MOST_RECEIPTS && count <= DGRAM__RX_BUFFERS, "too much to receive");
  fake.receipts[fake.receipt_count++] =
      (struct receipt){.fd = socket->udp.fd, .buffers = buffers, .count = count};
  check(send(peer_of(socket->udp.fd), "", 1, 0) == 1, "can't make the socket readable");
}

static void fill_buffer(struct dgram__rx_buffer *buffer, const struct fake_buffer *from) {
  if (from->data != NULL)
    memcpy(buffer->data, from->data, from->size);
  else
    memset(buffer->data, 0, from->size);
  buffer->size = from->size;
  buffer->segment = from->segment;
  dgram__address_parse(&buffer->from, "192.0.2.1", FAKE_SENDER_PORT);
}

int __wrap_dgram__udp_recv(struct dgram__udp *udp, struct dgram__rx_buffers *buffers,
                           unsigned most) {
  if (fake.system)
    return __real_dgram__udp_recv(udp, buffers, most);
  fake.recv_calls++;
  fake.recv_most = most; /* a script may bring more, as one buffer may hold many */
  char byte;
  if (recv(udp->fd, &byte, 1, MSG_DONTWAIT) != 1)
    return 0;
  struct receipt *receipt = fake.receipts;
  while (receipt->fd != udp->fd || receipt->taken)
    check(++receipt < fake.receipts + fake.receipt_count, "readable without a script");
  receipt->taken = true;
  for (int i = 0; i < receipt->count; i++)
    fill_buffer(&buffers->all[i], &receipt->buffers[i]);
  while (fake.receipt_count > 0 && fake.receipts[fake.receipt_count - 1].taken)
    fake.receipt_count--; /* so that a script may go on for long */
  return receipt->count;
}

unsigned fake_recv_calls(void) {
  return fake.recv_calls;
}

unsigned fake_recv_most(void) {
  return fake.recv_most;
}
/* NOLINTEND(bugprone-reserved-identifier) */
