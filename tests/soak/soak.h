/*
 * A soak: every process of it, and the memory that they share.
 *
 *   controller --- starts ---> load       sends datagrams, and reads the answers
 *     |   \------- starts ---> service    has the system socket of the controller, by LISTEN_FDS or
 *     |                                   by a hand-over from the service before it
 *     +------ primary of ---> workers     share a port
 *
 * Each datagram of an epoch has a record in the shared memory. The load, the servers and the
 * wrapped system calls mark in it what has become of the datagram; at the end of an epoch, when
 * nothing is under way, the controller reads all records and compares them with what the kernel
 * counts as dropped.
 */
#ifndef TESTS_SOAK_SOAK_H
#define TESTS_SOAK_SOAK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
  SOAK_RECORDS = 1 << 20, /* datagrams of an epoch, at most */
  SOAK_LIVES = 1 << 16,   /* processes of a soak, at most */
  SOAK_TARGETS = 2,       /* 0: the workers' port, 1: the service's */
  SOAK_MAGIC = 0x6b616f73,
  SOAK_ANSWERED = 8 /* one datagram in so many is answered */
};

/* What has become of a datagram, and of its answer. */
enum soak_mark {
  SOAK_ACCEPTED = 1 << 0, /* the library has accepted the send */
  SOAK_LEFT = 1 << 1,     /* the send has completed */
  SOAK_FAILED = 1 << 2,   /* the send was refused, or has completed with an error */
  SOAK_TAKEN = 1 << 3,    /* a system call has passed it to a server */
  SOAK_DELIVERED = 1 << 4,
  SOAK_ANSWER_ACCEPTED = 1 << 5,
  SOAK_ANSWER_LEFT = 1 << 6,
  SOAK_ANSWER_FAILED = 1 << 7,
  SOAK_ANSWER_TAKEN = 1 << 8,
  SOAK_ANSWER_DELIVERED = 1 << 9,
  SOAK_TO_SERVICE = 1 << 10
};

struct soak_record {
  atomic_uint_fast16_t marks;
  atomic_uint_fast16_t taker; /* the life that has taken it; 0: nobody */
};

struct soak_life {
  atomic_int pid;
  atomic_uint receiving; /* inside a system call that takes datagrams */
  atomic_bool killed;    /* by SIGKILL */
};

struct soak_payload {
  uint32_t magic;
  uint32_t epoch;
  uint32_t index;
  uint32_t is_answer;
};

struct soak_shared {
  atomic_uint epoch;
  atomic_bool sending;    /* the load may send */
  atomic_uint load_idle;  /* the last epoch in which all sends of the load have completed */
  atomic_uint load_drops; /* what the kernel has dropped on the way to the load, so far */
  atomic_uint service;    /* the life of the service that offers its socket; 0: none */
  atomic_uint lives;      /* used so far; the first is 1 */
  atomic_uint used;       /* records of the epoch */
  atomic_int ports[SOAK_TARGETS];
  atomic_ullong faults;    /* injected */
  atomic_ullong errors;    /* 'error' and failed calls, reported to the program */
  atomic_ullong broken;    /* promises; each is printed */
  atomic_ullong handovers; /* confirmed */
  struct soak_life life[SOAK_LIVES];
  struct soak_record records[SOAK_RECORDS];
};

extern struct soak_shared *soak;
extern unsigned soak_self; /* the life of this process */

/* Maps the file, and takes a life. Ends the process with a message if that fails. */
void soak_join(const char *path);

/* A promise does not hold: prints that, and has the soak fail. */
void soak_broken(const char *what, uint32_t index, unsigned marks);

/* Adds marks to a record. One that is there already is a promise broken: `what` happened twice. */
void soak_mark(uint32_t index, unsigned marks, const char *what);

/* The record of a payload of this epoch. Returns false for others' datagrams. */
bool soak_is_ours(const void *bytes, size_t size, bool is_answer, uint32_t *index);

/* A number that is hard to foresee, for what is mixed at random. */
uint32_t soak_random(void);

/* Ends the process with a message if the result is negative. */
int soak_checked(int result, const char *what);

/* Faults are injected into this process from now on, one in so many calls; 0: none. */
void soak_inject(unsigned one_in);

/* The processes that are started; none returns before its end. Each returns an exit status. */
int soak_worker(const char *path);
int soak_service(const char *path);
int soak_load(const char *path);
int soak_control(int argc, char **argv);

#endif
