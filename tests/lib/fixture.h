/*
 * What every test needs: itself, a loop, sockets on it, counts and errors. The library is known by
 * <dgram.h> only.
 *
 * The heavy tests divide their amounts by the environment variable DGRAM_TEST_SCALE (default 1):
 * set it where a program runs much slower, as under valgrind.
 */
#ifndef TESTS_LIB_FIXTURE_H
#define TESTS_LIB_FIXTURE_H

#include "lib/raw.h"
#include "lib/test.h"
#include "lib/trace.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the loop ---- */

unsigned test_scale(void);

/* Whether the environment of this run leaves an offload on: DGRAM_GSO, DGRAM_GRO. */
int offload_is_on(const char *variable);

enum { WATCHDOG_SECONDS = 20 };

/* Ends the program if this test does not end. */
void watch(void);

/*
 * A loop of the test's own. After a test that failed it is left as it is, so it is on the heap:
 * another loop must not get its address.
 */
uv_loop_t *open_loop(void);

void run_to_end(uv_loop_t *loop);

/* Runs the loop to its end; that it can be closed then proves that no handle was left. */
void close_loop(uv_loop_t *loop);

/*
 * Closes the sockets that new_socket() and its like have made on the loop, and runs it to its end.
 * The fixture does so after each test; a test does it itself before what its callbacks need is
 * gone.
 */
void close_sockets(uv_loop_t *loop);

/* For a test that does the same several times: does so, and clears the trace. */
void begin_round(uv_loop_t *loop);

/* Closes the loop, which proves that nothing is left on it, and opens it again. */
void reopen_loop(uv_loop_t *loop);

/* Runs the loop until the flag (or count) is no longer below `wanted`. */
void run_until(uv_loop_t *loop, const int *reached, int wanted);

/*
 * Runs the loop as often as anything needs that waits for nobody else: a datagram over loopback
 * is there when its send has returned. What has not happened then will not.
 */
void settle(uv_loop_t *loop);

/* Runs the loop for so many milliseconds; returns how often it turned: one that spins shows. */
int turns_in(uv_loop_t *loop, unsigned ms);

/* ---- sockets ---- */

dgram_socket_t *new_socket(uv_loop_t *loop, dgram_type_t type, dgram_message_cb on_message,
                           void *context);
dgram_socket_t *new_with(uv_loop_t *loop, const dgram_options_t *options);

/* A udp4 socket on 127.0.0.1, bound. */
dgram_socket_t *new_bound(uv_loop_t *loop, dgram_message_cb on_message, void *context, int *port);

/* As new_bound(), with the largest receive buffer that the system grants. */
dgram_socket_t *new_roomy(uv_loop_t *loop, dgram_message_cb on_message, void *context, int *port);

int port_of(const dgram_socket_t *socket);

/* Binds to a free port and runs the loop until that is done. Returns the port. */
int bind_now(dgram_socket_t *socket, const char *address);

/* Has the socket adopt a descriptor. Returns the code of dgram_bind_options(). */
int adopt_fd(dgram_socket_t *socket, int fd);

/* A socket over a descriptor that the test has made, and another descriptor of it. */
struct twin {
  uv_loop_t *loop;
  dgram_socket_t *socket;
  int twin;
};

struct twin open_twin(uv_loop_t *loop, dgram_type_t type);
void close_twin(struct twin *twin);

/* Connects to a port of 127.0.0.1, and runs the loop until that is done. */
void connect_now(dgram_socket_t *socket, int port);

void send_text(dgram_socket_t *socket, const char *text, int port, dgram_send_cb callback,
               void *context);
void close_socket(dgram_socket_t *socket);

/* Sends a datagram to the socket and back to prove that it can still do both; it is bound. */
void assert_usable(dgram_socket_t *socket);

enum { GROUP_TEXT = 32 };

/*
 * A group of IPv4, made of a bound port so that no other test has it: a socket may also receive
 * what is sent to groups that others have joined.
 */
void name_group(char group[GROUP_TEXT], int net, int port);

/* ---- counts: the context of each is an int ---- */

void count_event(dgram_socket_t *socket, void *context);
void count_message(dgram_socket_t *socket, const char *message, const dgram_rinfo_t *rinfo,
                   void *context);
/* These must not be called with an error. */
void count_sent(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes, void *context);
void count_connect(dgram_socket_t *socket, const dgram_error_t *error, void *context);

/* ---- errors, kept beyond the listener ---- */

struct kept_error {
  int calls;
  int code;
  char name[64];
  char syscall[32];
  char address[300];
  int port;
  int mtu;
  char message[400];
};

/* Copies a text that must fit; NULL as "NULL". */
void keep_text(char *to, size_t size, const char *text);

void keep_error(dgram_socket_t *socket, const dgram_error_t *error, void *context);

/* As a send's callback: the send must fail. */
void keep_send_error(dgram_socket_t *socket, const dgram_error_t *error, size_t bytes,
                     void *context);

#endif
