/*
 * A worker of a cluster with any primary: sockets bind through the connection, and the primary
 * writes what the input says, with and without descriptors, of UDP and others. Each bind ends once,
 * by 'listening' or 'error'; the worker ends when the primary has closed; no descriptor is leaked.
 * With an odd first byte the input is well-formed frames, abbreviated to four bytes each; else it
 * is the bytes that are read.
 */
#include <dgram_cluster.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "channel.h"
#include "descriptor.h"
#include "descriptors.h"
#include "target.h"
#include "worker_env.h"

enum { SOCKETS = 4, SHORT_FRAME = 4, MAX_FRAMES = 40, MAX_TURNS = 100, HIGH_FD = 100 };

static uv_loop_t loop;
static struct dgram__channel primary; /* its end of the connection */
static int spare[4];                  /* that it has to give: UDP of both families, others */
static bool disconnected;

static struct bound {
  dgram_socket_t *socket; /* NULL: closed */
  bool binds;             /* neither 'listening' nor 'error' has come since the bind */
  bool closing;
} sockets[SOCKETS];

/* ---- the worker's events ---- */

static void on_listening(dgram_socket_t *socket, void *context) {
  struct bound *bound = context;
  REQUIRE(bound->socket == socket && bound->binds);
  bound->binds = false;
}

/* A bind that fails; or the descriptor of the primary, which may be anything, has an error. */
static void on_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  struct bound *bound = context;
  REQUIRE(bound->socket == socket && error->code < 0);
  if (dgram_bind_state(socket) == DGRAM_UNBOUND)
    bound->binds = false;
}

static void on_close(dgram_socket_t *socket, void *context) {
  struct bound *bound = context;
  REQUIRE(bound->socket == socket);
  bound->socket = NULL;
}

static void on_disconnect(dgram_worker_t *worker, void *context) {
  REQUIRE(!disconnected);
  disconnected = true;
}

/* ---- the primary ---- */

/* kind and whether a descriptor goes with it, number, status, how many turns the loop then runs */
static void send_frame(const uint8_t abbreviated[SHORT_FRAME]) {
  const struct dgram__frame frame = {.kind = 1 + abbreviated[0] % (DGRAM__FRAME_KINDS - 1),
                                     .number = abbreviated[1] % 8,
                                     .status = abbreviated[2] < 128 ? 0 : -abbreviated[2]};
  int fd = abbreviated[0] & 128 ? spare[abbreviated[2] % 4] : -1;
  if (!dgram__channel_busy(&primary))
    (void)dgram__channel_send(&primary, &frame, fd);
  for (int i = 0; i < abbreviated[3] % 4; i++)
    uv_run(&loop, UV_RUN_NOWAIT);
}

/* It may be closed already: at the end of the connection those that were bound are. */
static void close_socket(struct bound *bound) {
  if (bound->socket == NULL)
    return;
  int result = dgram_close(bound->socket, NULL, NULL);
  REQUIRE(result == 0 || result == DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING);
  bound->closing = true;
}

static void play_primary(struct input *input) {
  bool frames = input_bit(input);
  if (!frames && input->left > 0)
    (void)send(primary.fd, input->at, input->left, MSG_NOSIGNAL | MSG_DONTWAIT);
  for (int i = 0; frames && i < MAX_FRAMES && input->left > 0; i++) {
    uint8_t abbreviated[SHORT_FRAME];
    input_copy(input, abbreviated, sizeof abbreviated);
    send_frame(abbreviated);
    if (abbreviated[3] & 16)
      close_socket(&sockets[abbreviated[3] >> 6]);
  }
}

/* Descriptor 3 becomes the worker's end, as if this process had been started by a primary. */
static void connect_worker(void) {
  struct stat file;
  static char variable[64]; /* the environment's, so that setting it allocates nothing */
  int fds[2];
  REQUIRE(dgram__descriptor_pair(fds) == 0);
  dgram__channel_init(&primary, fcntl(fds[0], F_DUPFD_CLOEXEC, HIGH_FD));
  REQUIRE(primary.fd >= 0 && dup2(fds[1], DGRAM__CHANNEL_FD) == DGRAM__CHANNEL_FD);
  REQUIRE(fcntl(DGRAM__CHANNEL_FD, F_SETFD, 0) == 0);
  for (int i = 0; i < 2; i++)
    if (fds[i] != DGRAM__CHANNEL_FD)
      close(fds[i]);
  REQUIRE(fstat(DGRAM__CHANNEL_FD, &file) == 0);
  snprintf(variable, sizeof variable, "DGRAM_CLUSTER=%d:%d:%llu", DGRAM__FRAME_VERSION, 1,
           (unsigned long long)file.st_ino);
  REQUIRE(putenv(variable) == 0);
}

/* ---- an input ---- */

/* Before anything else of the process, as libFuzzer's files, has the number. */
__attribute__((constructor)) static void reserve_channel(void) {
  int placeholder = socket(AF_INET, SOCK_DGRAM, 0);
  REQUIRE(dup2(placeholder, DGRAM__CHANNEL_FD) >= 0); /* nobody else's */
  if (placeholder != DGRAM__CHANNEL_FD)
    close(placeholder);
}

static void init(void) {
  REQUIRE(uv_loop_init(&loop) == 0);
  const int families[] = {AF_INET, AF_INET6, AF_UNIX, AF_INET};
  for (int i = 0; i < 4; i++) {
    int fd = socket(families[i], i == 3 ? SOCK_STREAM : SOCK_DGRAM, 0);
    spare[i] = fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);
    close(fd);
  }
}

static void open_sockets(void) {
  for (int i = 0; i < SOCKETS; i++) {
    struct bound *bound = &sockets[i];
    *bound = (struct bound){.binds = true};
    REQUIRE(dgram_create_socket(&loop, i % 2 ? DGRAM_UDP6 : DGRAM_UDP4, NULL, NULL,
                                &bound->socket) == 0);
    REQUIRE(dgram_on_listening(bound->socket, on_listening, bound) == 0);
    REQUIRE(dgram_on_error(bound->socket, on_error, bound) == 0);
    REQUIRE(dgram_on_close(bound->socket, on_close, bound) == 0);
    REQUIRE(dgram_bind(bound->socket, 0, NULL, NULL, NULL) == 0);
  }
  for (int i = 0; i < 3; i++)
    uv_run(&loop, UV_RUN_NOWAIT); /* the binds are requested */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct input input = {data, size};
  dgram_worker_t *worker;
  if (spare[0] == 0)
    init();
  int before = count_descriptors();
  connect_worker();
  disconnected = false;
  REQUIRE(dgram_worker_join(&loop, on_disconnect, NULL, &worker) == 0);
  open_sockets();
  play_primary(&input);
  dgram__channel_close(&primary);
  for (int i = 0; i < MAX_TURNS && !disconnected; i++)
    uv_run(&loop, UV_RUN_NOWAIT);
  REQUIRE(disconnected);
  for (int i = 0; i < SOCKETS; i++) {
    struct bound *bound = &sockets[i];
    REQUIRE(bound->socket == NULL || bound->closing || !bound->binds);
    close_socket(bound);
  }
  uv_run(&loop, UV_RUN_DEFAULT);
  for (int i = 0; i < SOCKETS; i++)
    REQUIRE(sockets[i].socket == NULL);
  REQUIRE(count_descriptors() == before);
  return 0;
}
