/*
 * A system for a datapath to send on, as the tests play it: it segments, refuses and
 * stops as it is told, checks every datagram that it is given, and writes the story of it.
 * The linker puts its system calls (__wrap_...) in the place of the true ones.
 */
#ifndef TESTS_FAKE_KERNEL_H
#define TESTS_FAKE_KERNEL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "udp.h"

/* ---- datagrams to send ---- */

enum {
  FIRST = 100, /* datagrams are numbered with three digits: their first bytes */
  MOST = 700,
  ROOM = 4096 /* bytes from one datagram to the next: they do not touch */
};

extern char memory[MOST * ROOM];
extern struct dgram__datagram queue[MOST];
extern unsigned queued;

/* Adds a datagram at `bytes`, to the port. */
void enqueue_at(char *bytes, uint32_t size, int port);

/* Adds some to one port, each in a place of its own. */
void enqueue(unsigned count, uint32_t size);

/* ---- the system ---- */

struct kernel {
  int refusal;               /* the error of every segmented send; 0: none */
  uint32_t largest_segment;  /* `size_error` for more; 0: no limit */
  uint32_t largest_datagram; /* the same, segmented or not */
  int size_error;
  int errors[8]; /* of the next calls, 0 for none, before they do anything */
  unsigned error_count;
  unsigned stop_after; /* EAGAIN after so many messages of a call; 0: never */
  uint64_t seconds;    /* of the clock */
  const char *release; /* of the kernel; NULL: uname() fails */
  bool segments;       /* it knows UDP_SEGMENT */
  unsigned left;       /* datagrams that left */
  size_t most_parts;   /* of one message */
  char story[8192];
};
extern struct kernel kernel;

void fail_next_call(int err);

/*
 * What was asked of it since this was last called, calls parted by '|', segmented sends in
 * brackets, refused ones with their error: "[100 101]:EIO | 100 101".
 */
const char *story(void);

#endif
