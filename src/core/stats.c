/*
 * Counters. A socket has a block of them from its first traffic on; without memory for one it
 * counts in its loop's sums, to which a block is added when its socket is freed.
 *
 *   counted   by system calls, batches and errors, where they occur: src/udp counts its calls in
 *             udp.counters, the others call dgram__count()
 *   derived   when they are read: the bytes that were sent (struct dgram__tx), the kernel's drops
 *   read      of a socket, of a loop
 *   written   as text, as JSON
 */
#include "internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The errors of a socket, by their codes: made at the first one. */
struct dgram__stats_codes {
  dgram_stats_code_t send[DGRAM_STATS_CODES];
  dgram_stats_code_t icmp[DGRAM_STATS_CODES];
};

struct stats_block {
  struct dgram__counters counters; /* first: udp.counters points to it */
  struct dgram__list_node node;
  dgram_socket_t *socket;
  struct dgram__stats_codes *codes; /* NULL: no error yet, or no memory */
  uint32_t drops;                   /* the kernel's count, as it was last read */
};

static const struct stats_counter {
  const char *name;
  size_t from; /* offset in struct dgram__counters */
  size_t to;   /* ... in dgram_stats_t */
  enum stats_sum { ADDED, HIGHEST } sum;
} stats_counters[] = {
#define STATS_COUNTER(name, sum) \
  {#name, offsetof(struct dgram__counters, name), offsetof(dgram_stats_t, name), sum},
    DGRAM__COUNTERS(STATS_COUNTER)
#undef STATS_COUNTER
};

enum { STATS_COUNTERS = sizeof stats_counters / sizeof *stats_counters };

/* ---- counted ---- */

/* The socket's own counters; NULL: it counts in its loop's sums, or has nothing to count yet. */
static struct stats_block *stats_block(const dgram_socket_t *socket) {
  struct dgram__counters *counters = socket->udp.counters;
  return counters != &socket->loop->counters ? (struct stats_block *)(void *)counters : NULL;
}

struct dgram__counters *dgram__count(dgram_socket_t *socket) {
  if (stats_block(socket) != NULL)
    return socket->udp.counters;
  struct dgram__loop *loop = socket->loop;
  struct stats_block *block = calloc(1, sizeof *block);
  socket->udp.counters = block != NULL ? &block->counters : &loop->counters;
  if (block != NULL) {
    block->socket = socket;
    dgram__list_append(&loop->stats_blocks, &block->node);
  }
  return socket->udp.counters;
}

static void stats_count_code(dgram_stats_code_t table[], int code, uint64_t count) {
  size_t i = 0;
  while (i < DGRAM_STATS_CODES && table[i].code != code && table[i].code != 0)
    i++;
  if (i == DGRAM_STATS_CODES)
    return;
  table[i].code = code;
  table[i].count += count;
}

/* The tables of a socket, or else of its loop, made if there are none yet. NULL: no memory. */
static struct dgram__stats_codes *stats_codes(dgram_socket_t *socket) {
  struct stats_block *block = stats_block(socket);
  struct dgram__stats_codes **codes = block != NULL ? &block->codes : &socket->loop->stats_codes;
  if (*codes == NULL)
    *codes = calloc(1, sizeof **codes);
  return *codes;
}

void dgram__count_send_error(dgram_socket_t *socket, int code) {
  struct dgram__counters *counters = dgram__count(socket);
  if (code == UV_ECANCELED) {
    counters->sends_cancelled++;
    return;
  }
  counters->send_failures++;
  struct dgram__stats_codes *codes = stats_codes(socket);
  if (codes != NULL)
    stats_count_code(codes->send, code, 1);
}

void dgram__count_icmp(dgram_socket_t *socket, int code) {
  dgram__count(socket);
  struct dgram__stats_codes *codes = stats_codes(socket);
  if (codes != NULL)
    stats_count_code(codes->icmp, code, 1);
}

void dgram__count_receive_error(dgram_socket_t *socket, int code) {
  struct dgram__counters *counters = dgram__count(socket);
  if (dgram__is_icmp_error(code))
    dgram__count_icmp(socket, code);
  else
    counters->receive_errors++;
}

/* Whether sends wait for more than the next flush. */
static bool stats_queue_waits(const struct dgram__tx *tx) {
  return tx->blocked != DGRAM__NOT_BLOCKED || tx->wait_bind.count > 0 ||
         !dgram__list_is_empty(&tx->resolving);
}

void dgram__count_queue(dgram_socket_t *socket) {
  const struct dgram__tx *tx = &socket->tx;
  if (!stats_queue_waits(tx))
    return;
  struct dgram__counters *counters = dgram__count(socket);
  uint64_t bytes = dgram__tx_bytes(tx);
  if (bytes > counters->queue_max_bytes)
    counters->queue_max_bytes = bytes;
  if (tx->count > counters->queue_max_count)
    counters->queue_max_count = tx->count;
}

/* ---- derived ---- */

/* Reads the kernel's count. With no memory for the socket's counters it is read again later. */
static void stats_take_drops(dgram_socket_t *socket) {
  uint32_t drops = dgram__udp_drops(&socket->udp);
  if (stats_block(socket) == NULL && drops > 0)
    dgram__count(socket);
  struct stats_block *block = stats_block(socket);
  if (block == NULL)
    return;
  block->counters.kernel_drops += (uint32_t)(drops - block->drops);
  block->drops = drops;
}

void dgram__count_closing(dgram_socket_t *socket) {
  if (socket->udp.fd < 0)
    return;
  stats_take_drops(socket);
  if (stats_block(socket) == NULL)
    socket->loop->counters.kernel_drops += dgram__udp_drops(&socket->udp);
}

/* Those that have left, and wait for their callbacks. */
static uint64_t stats_completed_bytes(const struct dgram__tx *tx) {
  uint64_t bytes = 0;
  DGRAM__QUEUE_FOR_EACH (send, &tx->completed)
    bytes += send->kind != DGRAM__FAILED_SEND ? send->datagram.size : 0;
  return bytes;
}

static uint64_t stats_bytes_out(const dgram_socket_t *socket) {
  return socket->tx.bytes_sent + stats_completed_bytes(&socket->tx);
}

static void stats_refresh(dgram_socket_t *socket) {
  dgram__count_queue(socket);
  dgram__posts_count(socket);
  if (socket->udp.fd >= 0)
    stats_take_drops(socket);
}

/* ---- sums ---- */

static void stats_add_counters(dgram_stats_t *sum, const struct dgram__counters *counters) {
  for (size_t i = 0; i < STATS_COUNTERS; i++) {
    const struct stats_counter *counter = &stats_counters[i];
    uint64_t value;
    uint64_t before;
    memcpy(&value, (const char *)counters + counter->from, sizeof value);
    memcpy(&before, (const char *)sum + counter->to, sizeof before);
    if (counter->sum == ADDED)
      value += before;
    else if (value < before)
      value = before;
    memcpy((char *)sum + counter->to, &value, sizeof value);
  }
}

static void stats_add_table(dgram_stats_code_t sum[], const dgram_stats_code_t table[]) {
  for (size_t i = 0; i < DGRAM_STATS_CODES && table[i].code != 0; i++)
    stats_count_code(sum, table[i].code, table[i].count);
}

static void stats_add(dgram_stats_t *sum, const struct dgram__counters *counters,
                      const struct dgram__stats_codes *codes) {
  stats_add_counters(sum, counters);
  if (codes == NULL)
    return;
  stats_add_table(sum->send_errors, codes->send);
  stats_add_table(sum->icmp_errors, codes->icmp);
}

/* Adds the counters of a socket that is freed to its loop's. */
static void stats_keep_counters(struct dgram__counters *sum,
                                const struct dgram__counters *counters) {
#define STATS_KEEP_ADDED(name) sum->name += counters->name;
#define STATS_KEEP_HIGHEST(name) \
  sum->name = sum->name > counters->name ? sum->name : counters->name;
#define STATS_KEEP(name, how) STATS_KEEP_##how(name)
  DGRAM__COUNTERS(STATS_KEEP)
#undef STATS_KEEP
#undef STATS_KEEP_HIGHEST
#undef STATS_KEEP_ADDED
}

/* The first tables become the loop's own; later ones are added. */
static void stats_keep_codes(struct dgram__loop *loop, struct dgram__stats_codes *codes) {
  if (loop->stats_codes == NULL) {
    loop->stats_codes = codes;
    return;
  }
  if (codes != NULL) {
    stats_add_table(loop->stats_codes->send, codes->send);
    stats_add_table(loop->stats_codes->icmp, codes->icmp);
  }
  free(codes);
}

void dgram__count_freed(dgram_socket_t *socket) {
  struct dgram__loop *loop = socket->loop;
  struct stats_block *block = stats_block(socket);
  loop->counters.bytes_out += socket->tx.bytes_sent;
  if (block == NULL)
    return;
  stats_keep_counters(&loop->counters, &block->counters);
  stats_keep_codes(loop, block->codes);
  dgram__list_remove(&loop->stats_blocks, &block->node);
  socket->udp.counters = NULL;
  free(block);
}

/* ---- read ---- */

_Static_assert(sizeof(dgram_stats_t) == offsetof(dgram_stats_t, icmp_errors) +
                                            DGRAM_STATS_CODES * sizeof(dgram_stats_code_t),
               "With more members, stats_size_is_valid() takes the size of this version, too.");

static bool stats_size_is_valid(const dgram_stats_t *stats) {
  return stats->struct_size == sizeof *stats;
}

int dgram_get_stats(dgram_socket_t *socket, dgram_stats_t *stats) {
  if (socket == NULL || stats == NULL || !stats_size_is_valid(stats))
    return UV_EINVAL;
  stats_refresh(socket);
  const struct stats_block *block = stats_block(socket);
  if (block == NULL && socket->udp.counters != NULL)
    return UV_ENOMEM;
  dgram_stats_t read = dgram_default_stats();
  if (block != NULL)
    stats_add(&read, &block->counters, block->codes);
  read.bytes_out = stats_bytes_out(socket);
  *stats = read;
  return 0;
}

int dgram_get_loop_stats(uv_loop_t *uv, dgram_stats_t *stats) {
  if (uv == NULL || stats == NULL || !stats_size_is_valid(stats))
    return UV_EINVAL;
  dgram_stats_t sum = dgram_default_stats();
  struct dgram__loop *loop = dgram__loop_find(uv);
  if (loop != NULL) {
    for (int fd = 0; fd < loop->fd_room; fd++)
      if (loop->by_fd[fd] != NULL) /* one without traffic may have drops, and then gets a block */
        stats_refresh(loop->by_fd[fd]);
    stats_add(&sum, &loop->counters, loop->stats_codes);
    DGRAM__LIST_FOR_EACH (block, &loop->stats_blocks, struct stats_block, node) {
      dgram__count_queue(block->socket); /* of one that is not bound */
      dgram__posts_count(block->socket);
      stats_add(&sum, &block->counters, block->codes);
      sum.bytes_out += stats_bytes_out(block->socket);
    }
  }
  *stats = sum;
  return 0;
}

/* ---- written ---- */

/* A text that may be cut off. */
struct stats_writer {
  char *buffer;
  size_t size;
  size_t length; /* of the whole text */
};

__attribute__((format(printf, 2, 3))) static void stats_write(struct stats_writer *writer,
                                                              const char *format, ...) {
  size_t used = writer->length < writer->size ? writer->length : writer->size;
  va_list arguments;
  va_start(arguments, format);
  /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is not */
  int length = vsnprintf(used < writer->size ? writer->buffer + used : NULL, writer->size - used,
                         format, arguments);
  va_end(arguments);
  writer->length += length > 0 ? (size_t)length : 0;
}

/* What stands around a name. */
struct stats_style {
  const char *begin;
  const char *quote;
  const char *equals;    /* between a counter's name and its value */
  const char *separator; /* of counters */
  const char *table_begin;
  const char *table_empty;
  const char *table_end;
  const char *end;
};

static void stats_write_table(struct stats_writer *writer, const struct stats_style *style,
                              const char *name, const dgram_stats_code_t table[]) {
  stats_write(writer, "%s%s%s%s%s%s%s", style->separator, style->quote, name, style->quote,
              style->equals, style->table_begin, table[0].code == 0 ? style->table_empty : "");
  for (size_t i = 0; i < DGRAM_STATS_CODES && table[i].code != 0; i++)
    stats_write(writer, "%s%s%s%s:%" PRIu64, i > 0 ? "," : "", style->quote,
                dgram_err_name(table[i].code), style->quote, table[i].count);
  stats_write(writer, "%s", style->table_end);
}

static int stats_write_all(struct stats_writer writer, const dgram_stats_t *stats,
                           const struct stats_style *style) {
  if (stats == NULL || !stats_size_is_valid(stats) || (writer.buffer == NULL && writer.size > 0))
    return UV_EINVAL;
  for (size_t i = 0; i < STATS_COUNTERS; i++) {
    uint64_t value;
    memcpy(&value, (const char *)stats + stats_counters[i].to, sizeof value);
    stats_write(&writer, "%s%s%s%s%s%" PRIu64, i > 0 ? style->separator : style->begin,
                style->quote, stats_counters[i].name, style->quote, style->equals, value);
  }
  stats_write_table(&writer, style, "send_errors", stats->send_errors);
  stats_write_table(&writer, style, "icmp_errors", stats->icmp_errors);
  stats_write(&writer, "%s", style->end);
  return (int)writer.length;
}

int dgram_stats_text(const dgram_stats_t *stats, char *buffer, size_t size) {
  static const struct stats_style text = {"", "", "=", " ", "", "-", "", ""};
  return stats_write_all((struct stats_writer){.buffer = buffer, .size = size}, stats, &text);
}

int dgram_stats_json(const dgram_stats_t *stats, char *buffer, size_t size) {
  static const struct stats_style json = {"{", "\"", ":", ",", "{", "", "}", "}"};
  return stats_write_all((struct stats_writer){.buffer = buffer, .size = size}, stats, &json);
}
