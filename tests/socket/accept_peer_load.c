/*
 * Peers come and go while others send all the time: between its bind and its connect a peer's
 * socket gets datagrams that are not the peer's. Each datagram arrives once: at the server, or at
 * the peer's socket, there in the order in which it was sent.
 *
 * A thread plays the peers. Each has two datagrams on their way at most, so that no buffer is full,
 * and sends the next one when one is answered: what gets lost, the peer waits for in vain.
 */
#include "lib/fixture.h"

#include <dgram_peer.h>

#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>

enum {
  AT_A_TIME = 32,
  DATAGRAMS = 24,  /* of each peer */
  ACCEPTED_AT = 3, /* which of them has it accepted */
  WAIT_MS = 5000,  /* for an answer, until it is lost */
  STAYS_EVERY = 4  /* each such peer is never accepted */
};

struct datagram {
  unsigned peer;
  unsigned number;
};

/* ---- the peers, on a thread of their own ---- */

struct remote {
  unsigned peer;
  unsigned sent;
  unsigned answered;
};

static unsigned peers; /* all there will be */
static int server_port;
static atomic_int lost;
static uv_async_t peers_done;
static int done;

/* Of a thread that is not the test's. */
static void fail_with_errno(const char *call) {
  perror(call);
  abort();
}

/* Bound to its address before it is connected: see dgram__bind_connected(). */
static int open_peer(struct remote *remote, unsigned peer) {
  struct sockaddr_in to = loopback_address(server_port);
  struct sockaddr_in own = loopback_address(0);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  *remote = (struct remote){.peer = peer};
  if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof own) != 0 ||
      connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
    fail_with_errno("socket, bind or connect");
  return fd;
}

static void peer_send(struct remote *remote, int fd) {
  while (remote->sent < DATAGRAMS && remote->sent < remote->answered + 2) {
    struct datagram datagram = {remote->peer, remote->sent++};
    if (send(fd, &datagram, sizeof datagram, 0) != sizeof datagram)
      fail_with_errno("send");
  }
}

static void peer_receive(struct remote *remote, int fd) {
  struct datagram datagram;
  while (recv(fd, &datagram, sizeof datagram, 0) == sizeof datagram)
    remote->answered += datagram.peer == remote->peer;
}

static void play_peers(void *context) {
  struct pollfd fds[AT_A_TIME];
  struct remote remotes[AT_A_TIME];
  unsigned opened = 0;
  unsigned open = 0;
  for (; open < AT_A_TIME; open++)
    fds[open] = (struct pollfd){.fd = open_peer(&remotes[open], opened++), .events = POLLIN};
  for (unsigned i = 0; i < open; i++)
    peer_send(&remotes[i], fds[i].fd);
  while (open > 0 && lost == 0) {
    if (poll(fds, open, WAIT_MS) <= 0)
      lost = 1;
    for (unsigned i = 0; i < open && lost == 0; i++) {
      if (fds[i].revents == 0)
        continue;
      peer_receive(&remotes[i], fds[i].fd);
      if (remotes[i].answered == DATAGRAMS) {
        close(fds[i].fd);
        if (opened < peers) {
          fds[i] = (struct pollfd){.fd = open_peer(&remotes[i], opened++), .events = POLLIN};
        } else {
          fds[i] = fds[--open];
          remotes[i] = remotes[open];
          break;
        }
      }
      peer_send(&remotes[i], fds[i].fd);
    }
  }
  for (unsigned i = 0; i < open; i++)
    close(fds[i].fd);
  uv_async_send(&peers_done);
}

/* ---- the server ---- */

struct served {
  dgram_socket_t *socket; /* of its own; NULL: the server's */
  unsigned at_socket;     /* the number that may come there next, or a later one */
  unsigned received;
  bool seen[DATAGRAMS];
};

static struct served *served;
static dgram_accept_options_t accept_options;
static int accepted;
static int closed;

static void note(const struct datagram *datagram) {
  struct served *of = &served[datagram->peer];
  assert_false(of->seen[datagram->number]);
  of->seen[datagram->number] = true;
  of->received++;
}

static void end_if_complete(struct served *of) {
  if (of->received < DATAGRAMS || of->socket == NULL)
    return;
  assert_int_equal(dgram_close(of->socket, count_event, &closed), 0);
  of->socket = NULL;
}

static struct datagram read_datagram(const char *message, const dgram_rinfo_t *rinfo) {
  struct datagram datagram;
  assert_int_equal(rinfo->size, sizeof datagram);
  memcpy(&datagram, message, sizeof datagram);
  assert_true(datagram.peer < peers && datagram.number < DATAGRAMS);
  return datagram;
}

static void on_peer_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                            void *context) {
  struct datagram datagram = read_datagram(message, rinfo);
  struct served *of = context;
  assert_ptr_equal(of, &served[datagram.peer]);
  note(&datagram);
  assert_true(datagram.number >= of->at_socket);
  of->at_socket = datagram.number + 1;
  assert_int_equal(dgram_send(socket, message, rinfo->size, 0, NULL, NULL, NULL), 0);
  end_if_complete(of);
}

static void on_server_message(dgram_socket_t *server, const char *message,
                              const dgram_rinfo_t *rinfo, void *context) {
  struct datagram datagram = read_datagram(message, rinfo);
  struct served *of = &served[datagram.peer];
  uv_buf_t bytes = uv_buf_init((char *)message, (unsigned)rinfo->size);
  note(&datagram);
  if (datagram.number == ACCEPTED_AT && datagram.peer % STAYS_EVERY != 0) {
    assert_int_equal(dgram_accept_peer(server, rinfo->sockaddr, &accept_options, &of->socket), 0);
    assert_int_equal(dgram_on_message(of->socket, on_peer_message, of), 0);
    accepted++;
  }
  assert_int_equal(dgram_send_to(server, &bytes, 1, rinfo->sockaddr, NULL, NULL), 0);
  end_if_complete(of);
}

static void on_peers_done(uv_async_t *async) {
  uv_close((uv_handle_t *)async, NULL);
  done = 1;
}

static void serve_all(uv_loop_t *loop, const char *bound_to, const char *local) {
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  struct sockaddr_in address = loopback_address(0);
  uv_thread_t thread;
  peers = 2000 / test_scale();
  lost = accepted = closed = done = 0;
  served = calloc(peers, sizeof *served);
  accept_options = dgram_default_accept_options();
  accept_options.local = local != NULL ? (struct sockaddr *)&address : NULL;
  options.reuse_port = 1;
  options.recv_buffer_size = 200000;
  dgram_socket_t *server = new_with(loop, &options);
  assert_int_equal(dgram_on_message(server, on_server_message, NULL), 0);
  server_port = bind_now(server, bound_to);
  assert_int_equal(uv_async_init(loop, &peers_done, on_peers_done), 0);
  assert_int_equal(uv_thread_create(&thread, play_peers, NULL), 0);
  run_until(loop, &done, 1);
  uv_thread_join(&thread);
  assert_int_equal(lost, 0);
  for (unsigned i = 0; i < peers; i++) {
    assert_int_equal(served[i].received, DATAGRAMS);
    assert_int_equal(served[i].at_socket > 0, i % STAYS_EVERY != 0);
  }
  run_until(loop, &closed, accepted);
  close_sockets(loop);
  free(served);
}

TEST("each datagram comes once to the server or the peer's socket, as peers come and go") {
  serve_all(loop, "127.0.0.1", NULL);
}

TEST("each datagram comes once to a server on all interfaces or the peer's socket") {
  serve_all(loop, NULL, NULL);
}

TEST("each datagram comes once to a server on all interfaces or the peer's on the given address") {
  serve_all(loop, NULL, "127.0.0.1");
}
