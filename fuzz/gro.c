/*
 * What a socket delivers of the buffers that it receives. A kernel that this file plays fills them
 * as the input says: of any size, joined of segments of any size (UDP_GRO), with other control
 * messages, cut off, with errors between. Each datagram of them comes to the listeners exactly
 * once, whole, in order, whatever the listeners do: pause, take a part of a batch, change the
 * budget, close; and nothing comes to a socket that is paused or closed.
 *
 * The descriptor is a true one, readable by a datagram of its own as long as the kernel has
 * buffers.
 */
#include <dgram.h>

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cmsg.h"
#include "target.h"

enum {
  MAX_BUFFERS = 200,
  MAX_SIZE = 65535,
  MAX_SEGMENTS = 128, /* of a buffer, so that an input takes little time */
  MAX_TURNS = 2000,
  CHUNK = 16384
};

static uint8_t memory[MAX_SIZE + CHUNK];
static uv_loop_t loop;
static uint64_t now;

/* ---- what the kernel has ---- */

struct buffer {
  int error; /* of the call that would receive it; 0: none */
  size_t size;
  size_t at;   /* of its bytes in `memory` */
  int segment; /* as UDP_GRO says; 0: it does not */
  bool is_cut; /* MSG_CTRUNC */
  bool last_of_call;
};

/* A datagram that must be delivered. */
struct expected {
  const uint8_t *bytes;
  size_t size;
};

static struct {
  struct buffer buffers[MAX_BUFFERS];
  unsigned count;
  unsigned next; /* the one to be received */
  struct expected expected[MAX_BUFFERS * MAX_SEGMENTS];
  unsigned received; /* of `expected`: what was received */
  int answers_gro;   /* of getsockopt(UDP_GRO) */
} kernel;

static void read_buffers(struct input *input) {
  static const size_t sizes[] = {0, 1, 100, 1200, 3600, 20000, MAX_SIZE};
  static const int errors[] = {ECONNREFUSED, EINTR, ENOMEM, EAGAIN, EHOSTUNREACH};
  kernel.count = 1 + input_below(input, MAX_BUFFERS);
  kernel.next = 0;
  kernel.received = 0;
  kernel.answers_gro = input_bit(input);
  for (unsigned i = 0; i < kernel.count; i++) {
    struct buffer *buffer = &kernel.buffers[i];
    uint8_t kind = input_byte(input);
    *buffer = (struct buffer){.size = sizes[kind % 8 % 7], .at = (i * 977U) % CHUNK};
    if (kind % 8 == 7)
      buffer->size = input_below(input, MAX_SIZE + 1);
    if (kind & 8)
      buffer->segment = (int)input_below(input, 70000) - 1;
    if (buffer->segment > 0 && buffer->size / (size_t)buffer->segment >= MAX_SEGMENTS)
      buffer->segment = (int)(buffer->size / MAX_SEGMENTS) + 1;
    buffer->is_cut = (kind & 48) == 48;
    buffer->last_of_call = (kind & 64) != 0;
    if ((kind & 128) != 0 && i > 0 && kernel.buffers[i - 1].error == 0)
      buffer->error = errors[input_byte(input) % 5];
  }
}

/* The datagrams of a buffer; by hand, not as the library does. */
static void expect(const struct buffer *buffer) {
  const uint8_t *bytes = memory + buffer->at;
  size_t left = buffer->size;
  if (buffer->segment == 0 && buffer->is_cut && kernel.answers_gro != 0)
    return; /* nobody knows where they begin: an 'error' */
  do {
    size_t size = left;
    if (buffer->segment > 0 && (size_t)buffer->segment < left)
      size = (size_t)buffer->segment;
    kernel.expected[kernel.received++] = (struct expected){bytes, size};
    bytes += size;
    left -= size;
  } while (left > 0);
}

static void fill(struct msghdr *message, unsigned *length, const struct buffer *buffer) {
  struct cmsghdr header = {.cmsg_level = SOL_UDP, .cmsg_type = UDP_GRO};
  struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = htons(9)};
  REQUIRE(message->msg_iovlen == 1 && message->msg_iov->iov_len >= MAX_SIZE);
  REQUIRE(message->msg_namelen >= sizeof from);
  REQUIRE(message->msg_controllen >= CMSG_SPACE(sizeof(int)));
  memcpy(message->msg_iov->iov_base, memory + buffer->at, buffer->size);
  memcpy(message->msg_name, &from, sizeof from);
  message->msg_namelen = sizeof from;
  message->msg_flags = buffer->is_cut ? MSG_CTRUNC : 0;
  message->msg_controllen = buffer->segment != 0 ? CMSG_SPACE(sizeof(int)) : 0;
  if (buffer->segment == 0 && buffer->is_cut) { /* a message that is none of ours, cut off */
    header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_len = CMSG_LEN(4)};
    message->msg_controllen = CMSG_LEN(4);
  }
  if (buffer->segment != 0)
    header.cmsg_len = CMSG_LEN(sizeof(int));
  if (message->msg_controllen > 0)
    memcpy(message->msg_control, &header, sizeof header);
  if (buffer->segment != 0)
    memcpy((char *)message->msg_control + CMSG_LEN(0), &buffer->segment, sizeof buffer->segment);
  *length = (unsigned)buffer->size;
  expect(buffer);
}

/* ---- the socket and its listeners ---- */

static struct {
  dgram_socket_t *socket;
  struct input *script; /* what listeners do */
  unsigned delivered;   /* by 'message' */
  unsigned batched;     /* by 'messages' */
  bool has_batches;
  bool paused;
  bool closing;
  bool closed;
} it;

static void on_close(dgram_socket_t *socket, void *context) {
  REQUIRE(it.closing && !it.closed);
  it.closed = true;
}

static void pause_it(void) {
  REQUIRE(dgram_pause(it.socket) == 0);
  it.paused = true;
}

static void close_it(void) {
  REQUIRE(dgram_close(it.socket, on_close, NULL) == 0);
  it.closing = true;
}

static void on_batch(dgram_socket_t *socket, const dgram_message_t *const messages[], size_t count,
                     void *context);

static void act(void) {
  switch (input_byte(it.script) % 32) {
  case 1:
    pause_it();
    break;
  case 2:
    close_it();
    break;
  case 3:
    REQUIRE(dgram_set_receive_budget(it.socket, (int)input_below(it.script, 40)) == 0);
    break;
  case 4:
    pause_it();
    REQUIRE(dgram_resume(it.socket) == 0);
    it.paused = false;
    break;
  default:
    break;
  }
}

static void require_datagram(unsigned number, const char *bytes, size_t size) {
  REQUIRE(number < kernel.received);
  REQUIRE(size == kernel.expected[number].size);
  REQUIRE(size == 0 || memcmp(bytes, kernel.expected[number].bytes, size) == 0);
}

static void on_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                       void *context) {
  REQUIRE(!it.closing && (!it.paused || it.delivered < it.batched));
  REQUIRE(rinfo->port == 9);
  require_datagram(it.delivered, message, rinfo->size);
  REQUIRE(!it.has_batches || it.delivered < it.batched);
  it.delivered++;
  act();
}

static void on_batch(dgram_socket_t *socket, const dgram_message_t *const messages[], size_t count,
                     void *context) {
  REQUIRE(!it.closing && !it.paused && count >= 1);
  REQUIRE(it.delivered == it.batched); /* the 'message' of each has come */
  for (size_t i = 0; i < count; i++)
    require_datagram(it.batched + (unsigned)i, messages[i]->message, messages[i]->rinfo.size);
  size_t taken = count;
  if (input_byte(it.script) % 4 == 1) {
    taken = input_below(it.script, (uint32_t)count + 1);
    REQUIRE(dgram_pause_at(socket, count + 1) == UV_EINVAL);
    REQUIRE(dgram_pause_at(socket, taken) == 0);
    it.paused = true;
  }
  it.batched += (unsigned)taken;
  if (!it.paused)
    act();
}

static void on_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  REQUIRE(!it.closing && error->code < 0);
}

/* ---- the system calls ---- */

/* Whether a buffer is to be received. If there are no more, the descriptor is not readable. */
static bool has_buffer(int fd) {
  char byte;
  REQUIRE(!it.closing);
  if (kernel.next < kernel.count)
    return true;
  (void)recv(fd, &byte, 1, MSG_DONTWAIT);
  errno = EAGAIN;
  return false;
}

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker sets the names */
WRAP(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags)) {
  unsigned length;
  if (flags & MSG_ERRQUEUE)
    return __real_recvmsg(fd, message, flags);
  if (!has_buffer(fd))
    return -1;
  struct buffer *buffer = &kernel.buffers[kernel.next];
  if (buffer->error != 0) {
    errno = buffer->error;
    buffer->error = 0; /* it is reported once, and the buffer comes after it */
    return -1;
  }
  kernel.next++;
  fill(message, &length, buffer);
  return (ssize_t)length;
}

WRAP(int, recvmmsg,
     (int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)) {
  unsigned filled = 0;
  while (filled < count && has_buffer(fd)) {
    struct buffer *buffer = &kernel.buffers[kernel.next];
    if (buffer->error != 0 && filled > 0)
      break; /* the next call gets it */
    if (buffer->error != 0) {
      errno = buffer->error;
      buffer->error = 0;
      return -1;
    }
    kernel.next++;
    fill(&messages[filled].msg_hdr, &messages[filled].msg_len, buffer);
    filled++;
    if (buffer->last_of_call)
      break;
  }
  return filled > 0 ? (int)filled : -1;
}

WRAP(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *length)) {
  if (level != SOL_UDP || name != UDP_GRO)
    return __real_getsockopt(fd, level, name, value, length);
  memcpy(value, &kernel.answers_gro, sizeof kernel.answers_gro);
  return 0;
}

WRAP(uint64_t, uv_hrtime, (void)) {
  return now += 1000;
}
/* NOLINTEND(bugprone-reserved-identifier) */

/* ---- an input ---- */

static void open_socket(struct input *input) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  uint8_t set = input_byte(input);
  options.low_latency = 1;
  options.receive_batch = set & 1 ? 1 + (int)input_below(input, 64) : 0;
  options.receive_budget = set & 2 ? 1 + (int)input_below(input, 300) : 0;
  options.disable_gro = set & 4;
  options.receive_info = set & 8 ? DGRAM_INFO_SEGMENT_SIZE | DGRAM_INFO_TRUNCATED : 0;
  it.has_batches = (set & 16) != 0;
  REQUIRE(dgram_create_socket_options(&loop, &options, on_message, NULL, &it.socket) == 0);
  REQUIRE(dgram_on_error(it.socket, on_error, NULL) == 0);
  if (it.has_batches)
    REQUIRE(dgram_on_messages(it.socket, on_batch, NULL) == 0);
  REQUIRE(dgram_bind_sync(it.socket, 0, "127.0.0.1") == 0);
}

/* So that the descriptor is readable. */
static void send_to_itself(void) {
  dgram_address_t address;
  REQUIRE(dgram_address(it.socket, &address) == 0);
  struct sockaddr_in to = {.sin_family = AF_INET,
                           .sin_port = htons((uint16_t)address.port),
                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = dgram_fileno(it.socket);
  REQUIRE(sendto(fd, "", 0, 0, (struct sockaddr *)&to, sizeof to) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct input input = {data, size};
  if (loop.data == NULL) {
    static dgram_socket_t *keeper; /* of what the library has for a loop */
    REQUIRE(uv_loop_init(&loop) == 0);
    REQUIRE(dgram_create_socket(&loop, DGRAM_UDP4, NULL, NULL, &keeper) == 0);
    loop.data = &loop;
    for (size_t i = 0; i < sizeof memory; i++)
      memory[i] = (uint8_t)((i * 2654435761U) >> 11);
  }
  memset(&it, 0, sizeof it);
  now = 1;
  read_buffers(&input);
  it.script = &input;
  open_socket(&input);
  send_to_itself();
  unsigned turns = 0;
  while (!it.closing && (kernel.next < kernel.count || it.delivered < kernel.received)) {
    REQUIRE(++turns < MAX_TURNS);
    uv_run(&loop, UV_RUN_NOWAIT);
    if (!it.paused || it.closing)
      continue;
    unsigned before = it.delivered;
    unsigned received = kernel.next;
    uv_run(&loop, UV_RUN_NOWAIT);
    REQUIRE(it.delivered == before && kernel.next == received);
    REQUIRE(dgram_resume(it.socket) == 0);
    it.paused = false;
  }
  if (!it.closing)
    close_it();
  uv_run(&loop, UV_RUN_DEFAULT);
  REQUIRE(it.closed);
  return 0;
}
