/*
 * Every allocation of access lists and limits fails once, the first, the second, ..., and so does
 * the call for random bytes: what fails has changed nothing, and nothing is left over.
 */
#include "lib/fault.h"

#include <dgram_access.h>
#include <dgram_peer.h>

#include <arpa/inet.h>

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker wants these names */
FAULT_WRAP(int, uv_random,
           (uv_loop_t * loop, uv_random_t *request, void *bytes, size_t size, unsigned flags,
            uv_random_cb callback),
           (loop, request, bytes, size, flags, callback), UV_EIO)

WRAP(void *, realloc, (void *old, size_t size)) {
  if (fails("realloc"))
    return NULL;
  void *memory = __real_realloc(old, size);
  return old == NULL ? fault_counted(memory) : memory;
}
/* NOLINTEND(bugprone-reserved-identifier) */

static int covers(const dgram_access_list_t *list, const char *text) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  CHECK(inet_pton(AF_INET, text, &address.sin_addr) == 1);
  return dgram_access_list_check(list, (struct sockaddr *)&address);
}

/* A call that has met the fault has failed with its error. Returns whether it succeeded. */
static bool succeeds(int err) {
  CHECK(err == 0 || fault.in != NULL);
  CHECK(err == 0 || err == UV_ENOMEM || (err == UV_EIO && strcmp(fault.in, "uv_random") == 0));
  return err == 0;
}

/* ---- lists ---- */

/* Nothing but the rules that were added, each of which is taken back. */
static void rules(void) {
  static const struct {
    const char *first;
    const char *last; /* NULL: a subnet */
    int prefix;
    const char *inside;
  } all[] = {
      {"10.0.0.0", NULL, 8, "10.200.0.1"},
      {"192.0.2.1", NULL, 32, "192.0.2.1"},
      {"192.0.2.2", NULL, 32, "192.0.2.2"},
      {"192.0.2.128", NULL, 27, "192.0.2.130"},
      {"172.16.0.3", "172.18.9.77", 0, "172.17.0.0"},
      {"198.51.100.1", "198.51.100.6", 0, "198.51.100.4"},
      {"198.51.100.9", "198.51.100.14", 0, "198.51.100.9"},
      {"203.0.113.7", NULL, 32, "203.0.113.7"},
  };
  enum { COUNT = sizeof all / sizeof *all };
  bool added[COUNT];
  size_t count = 0;
  dgram_access_list_t *list;
  if (!succeeds(dgram_access_list_create(&list))) {
    CHECK(list == NULL);
    return;
  }
  for (int i = 0; i < COUNT; i++) {
    added[i] = succeeds(all[i].last != NULL
                            ? dgram_access_list_add_range(list, all[i].first, all[i].last)
                            : dgram_access_list_add_subnet(list, all[i].first, all[i].prefix));
    count += added[i];
    CHECK(dgram_access_list_count(list) == count);
    for (int k = 0; k <= i; k++)
      CHECK(covers(list, all[k].inside) == added[k]);
    CHECK(covers(list, "172.16.0.2") == 0 && covers(list, "172.18.9.78") == 0);
    CHECK(covers(list, "198.51.100.7") == 0 && covers(list, "192.0.2.3") == 0);
  }
  for (int i = 0; i < COUNT; i++) /* taking back needs no memory */
    CHECK((all[i].last != NULL
               ? dgram_access_list_remove_range(list, all[i].first, all[i].last)
               : dgram_access_list_remove_subnet(list, all[i].first, all[i].prefix)) ==
          (added[i] ? 0 : UV_ENOENT));
  for (int i = 0; i < COUNT; i++)
    CHECK(covers(list, all[i].inside) == 0);
  dgram_access_list_free(list);
}

/* The array that finds ranges grows; without memory for it they are found, too. */
static void many_ranges(void) {
  enum { RANGES = 40 };
  char first[32], last[32];
  bool added[RANGES];
  dgram_access_list_t *list;
  if (!succeeds(dgram_access_list_create(&list)))
    return;
  for (int i = 0; i < RANGES; i++) {
    snprintf(first, sizeof first, "10.0.%d.1", i);
    snprintf(last, sizeof last, "10.0.%d.2", i);
    added[i] = succeeds(dgram_access_list_add_range(list, first, last));
  }
  for (int i = 0; i < RANGES; i++) {
    snprintf(first, sizeof first, "10.0.%d.1", i);
    snprintf(last, sizeof last, "10.0.%d.2", i);
    CHECK(covers(list, last) == added[i]);
    if (i % 2 == 0)
      CHECK(dgram_access_list_remove_range(list, first, last) == (added[i] ? 0 : UV_ENOENT));
  }
  dgram_access_list_free(list);
}

/* ---- a socket ---- */

static void on_error(dgram_socket_t *socket, const dgram_error_t *error, void *context) {
}

/* A socket whose lists and limit are set or not, one by one. */
static void a_socket(void) {
  uv_loop_t *loop = __real_malloc(sizeof *loop);
  dgram_socket_t *socket = NULL;
  dgram_access_list_t *list = NULL;
  dgram_rate_options_t rate = dgram_default_rate_options();
  dgram_access_counts_t counts = dgram_default_access_counts();
  rate.packets_per_second = 1000000;
  CHECK(uv_loop_init(loop) == 0);
  dgram_on_unhandled_error(on_error, NULL);
  bool made = succeeds(dgram_create_socket(loop, DGRAM_UDP4, NULL, NULL, &socket)) &&
              succeeds(dgram_access_list_create(&list)) &&
              succeeds(dgram_access_list_add_address(list, "127.0.0.2"));
  if (made) {
    (void)succeeds(dgram_set_receive_access(socket, DGRAM_BLOCK, list));
    bool sends_limited = succeeds(dgram_set_send_access(socket, DGRAM_BLOCK, list));
    (void)succeeds(dgram_set_receive_rate(socket, &rate));
    (void)succeeds(dgram_set_receive_rate(socket, &rate));
    int err = dgram_send(socket, "x", 1, 9, "127.0.0.2", NULL, NULL);
    CHECK(sends_limited ? err == DGRAM_ERR_IP_BLOCKED : err == 0 || err == UV_ENOMEM);
    CHECK(dgram_get_access_counts(socket, &counts) == 0);
    CHECK(counts.sends_refused == (err == DGRAM_ERR_IP_BLOCKED ? 1 : 0));
  }
  dgram_access_list_free(list);
  if (socket != NULL)
    CHECK(dgram_close(socket, NULL, NULL) == 0);
  CHECK(uv_run(loop, UV_RUN_DEFAULT) == 0);
  CHECK(uv_loop_close(loop) == 0);
  __real_free(loop);
}

/* The socket of a peer has all lists of its server, or there is none. */
static void a_peer(void) {
  uv_loop_t *loop = __real_malloc(sizeof *loop);
  dgram_socket_t *server = NULL, *accepted = NULL;
  dgram_access_list_t *list = NULL;
  dgram_options_t options = dgram_default_options(DGRAM_UDP4);
  struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(9)};
  peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  options.reuse_port = 1;
  CHECK(uv_loop_init(loop) == 0);
  dgram_on_unhandled_error(on_error, NULL);
  bool made = succeeds(dgram_create_socket_options(loop, &options, NULL, NULL, &server)) &&
              succeeds(dgram_access_list_create(&list)) &&
              succeeds(dgram_set_send_access(server, DGRAM_BLOCK, list)) &&
              succeeds(dgram_bind_sync(server, 0, "127.0.0.1"));
  bool bound = made && dgram_bind_state(server) == DGRAM_BOUND;
  if (bound && succeeds(dgram_accept_peer(server, (struct sockaddr *)&peer, NULL, &accepted))) {
    if (dgram_access_list_add_address(list, "127.0.0.1") == 0)
      CHECK(dgram_try_send(accepted, "x", 1, NULL) == DGRAM_ERR_IP_BLOCKED);
    CHECK(dgram_close(accepted, NULL, NULL) == 0);
  } else {
    CHECK(accepted == NULL);
  }
  dgram_access_list_free(list);
  if (server != NULL)
    CHECK(dgram_close(server, NULL, NULL) == 0);
  CHECK(uv_run(loop, UV_RUN_DEFAULT) == 0);
  CHECK(uv_loop_close(loop) == 0);
  __real_free(loop);
}

static const int errors[] = {ENOMEM};

TEST("rules survive each fault") {
  survive_all_faults(rules, errors, 1, 20);
}

TEST("many ranges survive each fault") {
  survive_all_faults(many_ranges, errors, 1, 50);
}

TEST("a socket with lists and a limit survives each fault") {
  survive_all_faults(a_socket, errors, 1, 6);
}

TEST("the socket of a peer of a server with lists survives each fault") {
  survive_all_faults(a_peer, errors, 1, 8);
}
