/**
 * @file dgram_stats.h
 * Counters of a socket, and of all sockets of a loop.
 *
 * They are always on: what counts is a system call, a batch or an error, never a single datagram.
 * They begin at 0 with the socket, or with the first socket of the loop, and never fall. The rules
 * of dgram.h apply here too.
 */
#ifndef DGRAM_STATS_H
#define DGRAM_STATS_H

#include <dgram.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The number of entries of a table of errors. */
#define DGRAM_STATS_CODES 8

/** How often one error occurred. */
typedef struct dgram_stats_code {
  int code;     /**< negative: `UV_E*` or `DGRAM_ERR_*`; 0: the entry, and all after it, is empty */
  int reserved; /**< 0 */
  uint64_t count; /**< at least 1 if there is a code */
} dgram_stats_code_t;

/**
 * The counters. Start from dgram_default_stats(); later versions add members.
 *
 * A datagram is counted when the system has passed it to the socket, or accepted it. Those that are
 * received and not delivered count too: without a listener, from another address than the peer's,
 * or in a batch when the socket is closed.
 */
typedef struct dgram_stats {
  size_t struct_size;     /**< set by dgram_default_stats() */
  uint64_t datagrams_in;  /**< received */
  uint64_t bytes_in;      /**< payload of these */
  uint64_t datagrams_out; /**< sends that the system accepted; one with a `segment_size` counts
                             once, though it leaves as several datagrams */
  uint64_t bytes_out;     /**< payload of these */
  uint64_t receive_calls; /**< recvmsg(2) and recvmmsg(2), also those that found nothing */
  uint64_t send_calls;    /**< sendmsg(2) and sendmmsg(2), also those that failed */
  uint64_t gro_buffers;   /**< receive buffers into which the system had joined datagrams (UDP_GRO);
                               one datagram by itself is none */
  uint64_t gro_datagrams; /**< datagrams in these */
  uint64_t gso_batches;   /**< messages that the system split into datagrams (UDP_SEGMENT) */
  uint64_t gso_datagrams; /**< datagrams of these */
  uint64_t kernel_drops;  /**< what the kernel dropped on the way in: the receive buffer was full,
                               the checksum was wrong, or a filter of the program rejected it. With
                               GRO (`gro_buffers` is not 0) a joined buffer counts as one,
                               whatever number of datagrams was in it: then this is a lower bound.
                               It is exact with `disable_gro`. It is the count
                               of the system socket: of all its holders, and since it was made.
                               Linux 4.12 or newer (SO_MEMINFO); elsewhere 0. Exact while fewer than
                               2^32 are dropped between two readings */
  uint64_t truncated;     /**< receive buffers that were too small for what had come */
  uint64_t receive_errors;  /**< errors of receiving, but for those in `icmp_errors` */
  uint64_t send_failures;   /**< sends that ended with an error, but for those cancelled */
  uint64_t sends_cancelled; /**< sends that ended with UV_ECANCELED: the socket was closed */
  uint64_t blocked_eagain;  /**< how often the socket's send buffer was full (EAGAIN) */
  uint64_t blocked_enobufs; /**< how often the device's queue was full (ENOBUFS), or no port free */
  uint64_t queue_max_bytes; /**< the highest dgram_get_send_queue_size() while sends had to wait:
                               for the bind, a name, or for a full buffer. What leaves in the
                               iteration in which it was sent does not count. Of a loop: the
                               highest of any of its sockets */
  uint64_t queue_max_count; /**< the same, of dgram_get_send_queue_count() */
  uint64_t idle_wakeups;    /**< wake-ups that led to nothing: another holder of the system socket
                                was faster, or the error persists */
  uint64_t back_offs;       /**< how often the socket was not polled for some milliseconds, after
                                several of these in a row */
  uint64_t posts;           /**< datagrams of dgram_post_send() that the loop has taken over */
  uint64_t posts_refused;   /**< calls of dgram_post_send() that returned UV_ENOBUFS */
  uint64_t queue_refused;   /**< calls that returned UV_ENOBUFS: dgram_set_send_queue_limit() */
  uint64_t pauses;          /**< how often dgram_pause() has paused the socket */
  uint64_t receives_refused; /**< datagrams refused by dgram_set_receive_access(); they are among
                                  `datagrams_in` */
  uint64_t receives_limited; /**< ... by dgram_set_receive_rate(), likewise */
  uint64_t sends_refused;    /**< sends, and connects, refused by dgram_set_send_access() */
  dgram_stats_code_t send_errors[DGRAM_STATS_CODES]; /**< `send_failures` by their codes, in the
                                order of their first occurrence; codes beyond the last entry are
                                only in the sum */
  dgram_stats_code_t icmp_errors[DGRAM_STATS_CODES]; /**< ICMP errors of earlier datagrams, by the
                                code that the kernel maps the ICMP type and code to (ip(7),
                                icmp(7)): ECONNREFUSED: port unreachable, EHOSTUNREACH, ENETUNREACH,
                                EMSGSIZE: fragmentation needed, … */
} dgram_stats_t;

/**
 * Counters to be filled in.
 * @return zeros and the size of the struct, by value
 */
static inline dgram_stats_t dgram_default_stats(void) {
  dgram_stats_t stats = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,           0,          0,
                         0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, {{0, 0, 0}}, {{0, 0, 0}}};
  stats.struct_size = sizeof stats;
  return stats;
}

/**
 * Reads the counters of a socket. It makes one system call, for `kernel_drops`, if the socket is
 * bound. A closed socket has its last counters, until its memory is freed.
 *
 * @param socket        the socket
 * @param[in,out] stats made by dgram_default_stats(); filled in; unchanged on error
 * @retval 0
 * @retval UV_EINVAL `socket` or `stats` is NULL, or `struct_size` was not set or is that of a newer
 *                   header
 * @retval UV_ENOMEM there was no memory for the counters of this socket when it first sent or
 *                   received: what it does counts for its loop only, until there is
 */
DGRAM_EXTERN int dgram_get_stats(dgram_socket_t *socket, dgram_stats_t *stats);

/**
 * Reads the sums of the counters of all sockets of a loop, closed ones included. The sums begin
 * with the first socket of a loop, and end when its last one has been freed: a loop without sockets
 * has zeros. It makes one system call for each socket that is bound.
 *
 * @param loop          the loop
 * @param[in,out] stats made by dgram_default_stats(); filled in; unchanged on error
 * @retval 0
 * @retval UV_EINVAL `loop` or `stats` is NULL, or `struct_size` was not set or is that of a newer
 *                   header
 */
DGRAM_EXTERN int dgram_get_loop_stats(uv_loop_t *loop, dgram_stats_t *stats);

/**
 * Writes counters as one line for a log: `datagrams_in=3 bytes_in=120 … send_errors=EPERM:1`. Each
 * member is there, also if it is 0, by its name and in the order of the struct; the tables as names
 * of codes with their counts, "-" if they are empty.
 *
 * @param stats  the counters
 * @param buffer gets the text, without a line break, and a NUL; what does not fit is cut off
 * @param size   bytes of `buffer`; 0: nothing is written, and `buffer` may be NULL
 * @return the length of the whole text without the NUL, as of snprintf(3); UV_EINVAL: `stats` is
 *         NULL, its `struct_size` is not valid, or `buffer` is NULL and `size` is not 0
 */
DGRAM_EXTERN int dgram_stats_text(const dgram_stats_t *stats, char *buffer, size_t size);

/**
 * Writes counters as one JSON object (RFC 8259), in one line:
 * `{"datagrams_in":3,…,"send_errors":{"EPERM":1},"icmp_errors":{}}`; as dgram_stats_text().
 *
 * @param stats  the counters
 * @param buffer gets the text, without a line break, and a NUL; what does not fit is cut off
 * @param size   bytes of `buffer`; 0: nothing is written, and `buffer` may be NULL
 * @return the length of the whole text without the NUL, or an error, as dgram_stats_text()
 */
DGRAM_EXTERN int dgram_stats_json(const dgram_stats_t *stats, char *buffer, size_t size);

#ifdef __cplusplus
}
#endif

#endif
