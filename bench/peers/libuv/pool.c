#include "peer.h"

#include <stdlib.h>

struct pool_entry {
  uv_udp_send_t request;
  pool_t *pool;
  pool_entry_t *next; /* of those that are free */
  char bytes[];
};

static void on_pool_sent(uv_udp_send_t *request, int status) {
  pool_entry_t *entry = request->data;
  checked(status, "uv_udp_send");
  entry->next = entry->pool->free;
  entry->pool->free = entry;
}

static pool_entry_t *pool_take(pool_t *pool) {
  pool_entry_t *entry = pool->free;
  if (entry) {
    pool->free = entry->next;
    return entry;
  }
  entry = bench_allocate(sizeof *entry + pool->size);
  entry->pool = pool;
  entry->request.data = entry;
  return entry;
}

void pool_send(pool_t *pool, uv_udp_t *socket, const uv_buf_t *datagram,
               const struct sockaddr *to) {
  if (pool->try_first && try_send(socket, datagram, to))
    return;
  pool_entry_t *entry = pool_take(pool);
  uv_buf_t copy = uv_buf_init(entry->bytes, (unsigned)datagram->len);
  memcpy(copy.base, datagram->base, datagram->len);
  checked(uv_udp_send(&entry->request, socket, &copy, 1, to, on_pool_sent), "uv_udp_send");
}

void pool_free(pool_t *pool) {
  for (pool_entry_t *next; pool->free; pool->free = next) {
    next = pool->free->next;
    free(pool->free);
  }
}
