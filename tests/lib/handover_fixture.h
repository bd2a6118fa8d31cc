/*
 * The tests of hand-over. Each has a folder of its own, with a path in it at which servers meet:
 * one offers its sockets there, the next one takes them, which blocks and therefore happens in a
 * thread while the loop runs. After a test the offers that still stand are withdrawn. Then the
 * folder must be empty, but for the file that an offer leaves when it has been taken.
 */
#ifndef TESTS_LIB_HANDOVER_FIXTURE_H
#define TESTS_LIB_HANDOVER_FIXTURE_H

#include "lib/fixture.h"
#include "lib/folder.h"
#include "lib/process.h"

#include <sys/stat.h>
#include <sys/un.h>

#include <dgram_handover.h>

enum { PATIENCE_MS = 10000 }; /* for what will happen */

int path_exists(void);

/* ---- the server that offers ---- */

/* Offers at the path. "taken" is traced when a next server has confirmed. */
dgram_offer_t *offer_fds(uv_loop_t *loop, const int fds[], size_t count);
dgram_offer_t *offer_socket(dgram_socket_t *socket);

/* A socket that is bound and offered. */
dgram_socket_t *new_offered(uv_loop_t *loop, dgram_offer_t **offer);

void withdraw(dgram_offer_t *offer);

/* ---- the server that takes ---- */

struct taker {
  int count; /* of the sockets; or an error */
  int fds[DGRAM_HANDOVER_MOST];
  dgram_takeover_t *takeover;
};

/* Takes what the loop's server offers, while the loop runs. Returns the count or an error. */
int take(uv_loop_t *loop, struct taker *taker);

/* The same, of one socket. */
void take_one(uv_loop_t *loop, struct taker *taker);

/* Takes without a server that would answer. Returns the error. */
int take_at_once(const char *at);

/* Confirms, and waits until the server that has offered knows. */
void confirm(uv_loop_t *loop, struct taker *taker);

/* Closes what was taken: the next server dies before it has confirmed. */
void give_up(struct taker *taker);

/* A socket on the loop that is bound to a taken descriptor. */
dgram_socket_t *new_taken(uv_loop_t *loop, int fd, dgram_message_cb on_message, void *context);

/* A next server takes the socket and confirms; the one before closes. Returns the new one. */
dgram_socket_t *hand_over(uv_loop_t *loop, dgram_socket_t *old);

/* ---- one that breaks the rules ---- */

struct sockaddr_un path_address(void);
int raw_unix(void);
int raw_unix_bound(void); /* to the path */

/* Connects to the offer as its next server would. */
int raw_successor(void);

#endif
