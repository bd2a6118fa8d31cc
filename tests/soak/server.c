/*
 * The servers of a soak: workers that share a port of their primary, and the service, which gets
 * its socket from the service manager (that is the controller) or from the service before it.
 * Both mark what is delivered to them, and answer some of it. In a variable of the environment
 * (SOAK_TAKE) a successor is told from where to take its socket, and whether to fail on the way.
 */
#include "soak/soak.h"

#include <dgram.h>
#include <dgram_cluster.h>
#include <dgram_handover.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  SERVER_ANSWERS = 4096,      /* under way, at most; then datagrams are not answered */
  SERVER_FAULTS = 300,        /* one call in so many fails */
  SERVER_RETRY_MS = 50,       /* until an offer that has failed is made again */
  SERVER_TAKE_LIMIT_MS = 2000 /* the time that a successor has */
};

struct server_answer {
  struct soak_payload payload;
  struct server_answer *next;
};

static struct server {
  uv_loop_t loop;
  dgram_socket_t *socket; /* NULL after its 'close' */
  dgram_worker_t *worker; /* NULL when it is disconnected */
  struct server_answer answers[SERVER_ANSWERS];
  struct server_answer *free;
  const char *path; /* of the offer */
  dgram_takeover_t *takeover;
  dgram_offer_t *offer;
  uv_timer_t retry;
  int files; /* that the process had open when it began, without what it closes */
} server;

static int server_failed(const char *what, int code) {
  atomic_fetch_add(&soak->errors, 1);
  if (getenv("SOAK_VERBOSE") != NULL)
    fprintf(stderr, "soak: %d: %s: %s\n", (int)getpid(), what, dgram_strerror(code));
  return 4;
}

/* ---- datagrams ---- */

static void server_on_answered(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                               void *context) {
  struct server_answer *answer = context;
  soak_mark(answer->payload.index, error == NULL ? SOAK_ANSWER_LEFT : SOAK_ANSWER_FAILED,
            "a send completed twice");
  answer->next = server.free;
  server.free = answer;
}

static void server_answer(dgram_socket_t *socket, uint32_t index, const dgram_rinfo_t *rinfo) {
  struct server_answer *answer = server.free;
  if (answer == NULL)
    return;
  server.free = answer->next;
  answer->payload = (struct soak_payload){SOAK_MAGIC, atomic_load(&soak->epoch), index, 1};
  uv_buf_t buffer = uv_buf_init((char *)&answer->payload, sizeof answer->payload);
  soak_mark(index, SOAK_ANSWER_ACCEPTED, "a datagram was answered twice");
  if (dgram_send_to(socket, &buffer, 1, rinfo->sockaddr, server_on_answered, answer) == 0)
    return;
  soak_mark(index, SOAK_ANSWER_FAILED, "a send completed twice");
  answer->next = server.free;
  server.free = answer;
}

static void server_on_message(dgram_socket_t *socket, const char *message,
                              const dgram_rinfo_t *rinfo, void *context) {
  uint32_t index;
  if (!soak_is_ours(message, rinfo->size, false, &index))
    return;
  soak_mark(index, SOAK_DELIVERED, "a datagram was delivered twice");
  if (index % SOAK_ANSWERED == 0)
    server_answer(socket, index, rinfo);
}

static void server_on_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
  server_failed(error->message, error->code);
}

static int server_count_files(void) {
  int count = 0;
  for (int fd = 0; fd < 1024; fd++)
    count += fcntl(fd, F_GETFD) >= 0;
  return count;
}

/* Where a bind has failed nothing keeps the loop alive, but the handles are there. */
static void server_close(void) {
  if (!uv_is_closing((uv_handle_t *)&server.retry))
    uv_close((uv_handle_t *)&server.retry, NULL);
  if (server.socket != NULL)
    (void)dgram_close(server.socket, NULL, NULL); /* or it is closing */
  dgram_worker_leave(server.worker);
  dgram_handover_abandon(server.takeover);
  dgram_handover_withdraw(server.offer);
  server.takeover = NULL;
  server.offer = NULL;
}

/* Runs the loop to its end. Nothing that the process has opened may be left then. */
static int server_run(void) {
  uv_run(&server.loop, UV_RUN_DEFAULT);
  server_close();
  uv_run(&server.loop, UV_RUN_DEFAULT);
  int result = uv_loop_close(&server.loop);
  int left = server_count_files() - server.files;
  if (result != 0 || left != 0)
    soak_broken("a server has ended with handles or descriptors left", (uint32_t)left,
                (unsigned)result);
  return 0;
}

static void server_on_close(dgram_socket_t *socket, void *context) {
  server.socket = NULL;
}

static void server_on_disconnect(dgram_worker_t *worker, void *context) {
  server.worker = NULL;
}

/* The kernel's count of drops is exact without GRO. */
static int server_open(const char *path) {
  soak_join(path);
  soak_checked(uv_loop_init(&server.loop), "uv_loop_init"); /* libuv keeps two descriptors */
  soak_checked(uv_loop_close(&server.loop), "uv_loop_close");
  server.files = server_count_files();
  signal(SIGPIPE, SIG_IGN);
  for (size_t i = 0; i < SERVER_ANSWERS; i++) {
    server.answers[i].next = server.free;
    server.free = &server.answers[i];
  }
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  options.disable_gro = 1;
  soak_checked(uv_loop_init(&server.loop), "uv_loop_init");
  soak_checked(uv_timer_init(&server.loop, &server.retry), "uv_timer_init");
  soak_inject(getenv("SOAK_KEEPER") == NULL ? SERVER_FAULTS : 0);
  int result =
      dgram_create_socket_options(&server.loop, &options, server_on_message, NULL, &server.socket);
  if (result == 0)
    result = dgram_on_error(server.socket, server_on_error, NULL);
  return result == 0 ? dgram_on_close(server.socket, server_on_close, NULL) : result;
}

/* ---- a worker ---- */

int soak_worker(const char *path) {
  int result = server_open(path);
  if (result == 0)
    result = dgram_worker_join(&server.loop, server_on_disconnect, NULL, &server.worker);
  if (result == 0)
    result = dgram_bind(server.socket, 0, "127.0.0.1", NULL, NULL); /* the port of all workers */
  if (result != 0)
    return server_failed("a worker", result);
  return server_run();
}

/* ---- the service ---- */

static void server_on_taken(void *context) {
  server.offer = NULL;
  server_close();
}

/* Offers the socket; with faults that may take several attempts. */
static void server_offer(uv_timer_t *timer) {
  int fd = dgram_fileno(server.socket);
  int result = fd < 0 ? fd
                      : dgram_handover_offer(&server.loop, server.path, &fd, 1, server_on_taken,
                                             NULL, &server.offer);
  if (result != 0) {
    server_failed("dgram_handover_offer", result);
    uv_timer_start(timer, server_offer, SERVER_RETRY_MS, 0);
    return;
  }
  dgram_handover_limit(server.offer, SERVER_TAKE_LIMIT_MS);
  atomic_store(&soak->service, soak_self);
}

/* Confirms, unless it is to fail: then the service before it goes on. */
static void server_on_listening(dgram_socket_t *socket, void *context) {
  if (server.takeover != NULL) {
    const char *how = getenv("SOAK_HOW");
    if (how != NULL && strcmp(how, "dies") == 0) {
      atomic_store(&soak->life[soak_self].killed, true);
      raise(SIGKILL);
    }
    int result = UV_ECANCELED; /* abandoned when it is closed */
    if (how == NULL || strcmp(how, "abandons") != 0) {
      result = dgram_handover_confirm(server.takeover);
      server.takeover = NULL;
    }
    if (result != 0 && result != UV_EPIPE) {
      server_failed("a successor", result);
      server_close();
      return;
    }
    atomic_fetch_add(&soak->handovers, 1);
  }
  server_offer(&server.retry);
}

/* Returns a descriptor of the service before it, or of the service manager; or an error. */
static int server_get_socket(void) {
  int fds[DGRAM_HANDOVER_MOST];
  if (getenv("SOAK_TAKE") != NULL) {
    int taken = dgram_handover_take(server.path, SERVER_TAKE_LIMIT_MS, fds, &server.takeover);
    return taken > 0 ? fds[0] : taken;
  }
  char self[32];
  dgram_listen_fd_t passed[1];
  snprintf(self, sizeof self, "%d", (int)getpid());
  setenv("LISTEN_PID", self, 1);
  int count = dgram_listen_fds(passed, 1, 1);
  server.files -= count > 0;
  return count > 0 ? passed[0].fd : UV_EBADF;
}

int soak_service(const char *path) {
  static char offer[100];
  snprintf(offer, sizeof offer, "%s.offer", path);
  server.path = offer;
  int result = server_open(path);
  if (result == 0)
    result = server_get_socket();
  if (result > 0) {
    dgram_bind_options_t options = dgram_default_bind_options();
    options.fd = result;
    result = dgram_bind_options(server.socket, &options, server_on_listening, NULL);
  }
  if (result != 0)
    return server_failed("a service", result);
  return server_run();
}
