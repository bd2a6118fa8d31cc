/*
 * A UDP descriptor that does what a test's script says, and writes down what it was asked: the
 * linker puts it (__wrap_dgram__udp_...) in the place of the true functions of src/udp.
 *
 * Its file descriptors are ends of socket pairs, so the loop polls for real: what is scripted to
 * be received makes a socket readable, and a send that returns UV_EAGAIN makes it unwritable.
 */
#ifndef TESTS_FAKE_FAKE_UDP_H
#define TESTS_FAKE_FAKE_UDP_H

#include <limits.h>

#include "internal.h"

/* Forgets the script and the log, and closes the other ends. */
void fake_reset(void);

/* From now to the reset the true functions are called; the loop has GSO and GRO, or neither. */
void fake_use_system(struct dgram__loop *loop, bool offloads);

/* ---- open ---- */

/* The next open fails with this code. */
void fake_fail_open(int code);

/* What the last open was asked for. */
const struct dgram__settings *fake_settings(void);

/* ---- send ---- */

enum { FAKE_ALL = INT_MAX };

/* What a call of send returns: at most so many datagrams, or an error. In order, one a call. */
void fake_reply(int reply);

/* The same of several. */
#define FAKE_REPLIES(...)                                         \
  do {                                                            \
    const int replies_[] = {__VA_ARGS__};                         \
    for (size_t i_ = 0; i_ < sizeof replies_ / sizeof(int); i_++) \
      fake_reply(replies_[i_]);                                   \
  } while (0)

/* What it returns when no such reply is left; FAKE_ALL to begin with. */
void fake_reply_always(int reply);

/* Ends what UV_EAGAIN began: the socket is writable. */
void fake_make_writable(const dgram_socket_t *socket);

unsigned fake_send_calls(void);

/*
 * What send was asked and did, since this was last called: the bytes of the datagrams that left,
 * as text, and the error codes' names. Calls are parted by '|': "0 1 2 | EAGAIN | 3 4".
 */
const char *fake_sends(void);

/* A datagram that left. */
struct fake_sent {
  int fd;
  union dgram__address to;
  size_t size;
  char *bytes;
};

unsigned fake_sent_count(void);
const struct fake_sent *fake_sent(unsigned number);

/* ---- recv ---- */

struct fake_buffer {
  const char *data; /* NULL: zeros */
  size_t size;
  int segment;
};

/*
 * What one call of recv finds, and that the socket is readable until then. A negative count is an
 * error.
 */
void fake_receive(const dgram_socket_t *socket, const struct fake_buffer buffers[], int count);

/* Calls of recv so far. */
unsigned fake_recv_calls(void);

/* How many buffers the last one was to fill at most. */
unsigned fake_recv_most(void);

/* Where all of it comes from. */
enum { FAKE_SENDER_PORT = 4321 }; /* of 192.0.2.1 */

#endif
