/*
 * A hand-over with any peer: both the server that offers and the one that takes read the input.
 * Neither crashes, hangs or leaks a descriptor. With an odd first byte the input is well-formed
 * frames, abbreviated to three bytes each; else it is the bytes that are read. The linker replaces
 * poll(2) by __wrap_poll().
 */
#include <dgram_handover.h>

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "channel.h"
#include "descriptor.h"
#include "descriptors.h"
#include "unix_listener.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_FRAMES = 80, SHORT_FRAME = 3 };

static char path[64];
static uv_loop_t loop;
static uv_timer_t keep_alive; /* keeps the loop alive, as the sockets would */
static int udp;               /* the socket that is handed over */
static bool taken;

static void require(bool condition) {
  if (!condition)
    abort();
}

static void on_timer(uv_timer_t *timer) {
}

static void init(void) {
  snprintf(path, sizeof path, "/tmp/dgram-fuzz-%d", (int)getpid());
  udp = socket(AF_INET, SOCK_DGRAM, 0);
  require(udp >= 0 && uv_loop_init(&loop) == 0 && uv_timer_init(&loop, &keep_alive) == 0);
  require(uv_timer_start(&keep_alive, on_timer, UINT32_MAX, 0) == 0);
}

/* ---- the input ---- */

/* kind, number of descriptors, status */
static struct dgram__frame expand(const uint8_t abbreviated[SHORT_FRAME]) {
  return (struct dgram__frame){.kind = 1 + abbreviated[0] % (DGRAM__FRAME_KINDS - 1),
                               .number = abbreviated[1],
                               .status = abbreviated[2] < 128 ? 0 : -abbreviated[2]};
}

/* Writes as much of the input as fits; with an odd last byte each frame has a descriptor. */
static void write_input(int fd, const uint8_t *data, size_t size) {
  struct dgram__channel channel;
  if (size == 0 || data[0] % 2 == 0) {
    (void)send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    return;
  }
  dgram__channel_init(&channel, fd);
  for (size_t i = 0; i < MAX_FRAMES && 1 + (i + 1) * SHORT_FRAME <= size; i++) {
    const struct dgram__frame frame = expand(data + 1 + i * SHORT_FRAME);
    if (dgram__channel_send(&channel, &frame, data[size - 1] % 2 == 1 ? udp : -1) != 0)
      return;
  }
}

/* ---- to the server that offers ---- */

static void on_taken(void *context) {
  taken = true;
}

static void iterate(void) {
  for (int i = 0; i < 4; i++)
    uv_run(&loop, UV_RUN_NOWAIT);
}

static void to_the_offer(const uint8_t *data, size_t size) {
  dgram_offer_t *offer;
  taken = false;
  require(dgram_handover_offer(&loop, path, &udp, 1, on_taken, NULL, &offer) == 0);
  int fd = dgram__unix_listener_connect(path);
  require(fd >= 0);
  write_input(fd, data, size);
  iterate();
  close(fd);
  iterate();
  if (!taken)
    dgram_handover_withdraw(offer);
  iterate();
}

/* ---- to the server that takes ---- */

static int listener;
static const uint8_t *input;
static size_t input_size;

/* NOLINTBEGIN(bugprone-reserved-identifier): the name is set by the linker */
int __wrap_poll(struct pollfd *watched, nfds_t count, int timeout);
int __wrap_poll(struct pollfd *watched, nfds_t count, int timeout) {
  int fd = dgram__descriptor_accept(listener);
  if (fd >= 0) {
    write_input(fd, input, input_size);
    close(fd);
  }
  return 1;
}
/* NOLINTEND(bugprone-reserved-identifier) */

static void to_the_taker(const uint8_t *data, size_t size) {
  struct dgram__unix_listener file;
  int fds[DGRAM_HANDOVER_MOST];
  dgram_takeover_t *takeover;
  input = data;
  input_size = size;
  listener = dgram__unix_listener_listen(path, &file);
  require(listener >= 0);
  int count = dgram_handover_take(path, -1, fds, &takeover);
  require(count != 0 && count <= DGRAM_HANDOVER_MOST && (count > 0) == (takeover != NULL));
  for (int i = 0; i < count; i++)
    require(close(fds[i]) == 0);
  dgram_handover_abandon(takeover);
  close(listener);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (*path == '\0')
    init();
  int before = count_descriptors();
  to_the_offer(data, size);
  to_the_taker(data, size);
  require(count_descriptors() == before);
  unlink(path);
  return 0;
}
