#include "peer.h"

#include <stdlib.h>

struct parcel {
  uv_udp_send_t request;
  pool_t *pool;
  parcel_t *next; /* of those that are free */
  char bytes[];
};

static void on_posted(uv_udp_send_t *request, int status) {
  parcel_t *parcel = request->data;
  checked(status, "uv_udp_send");
  parcel->next = parcel->pool->free;
  parcel->pool->free = parcel;
}

static parcel_t *take(pool_t *pool) {
  parcel_t *parcel = pool->free;
  if (parcel) {
    pool->free = parcel->next;
    return parcel;
  }
  parcel = bench_allocate(sizeof *parcel + pool->size);
  parcel->pool = pool;
  parcel->request.data = parcel;
  return parcel;
}

void post(pool_t *pool, uv_udp_t *socket, const uv_buf_t *datagram, const struct sockaddr *to) {
  if (pool->tries && try_to_send(socket, datagram, to))
    return;
  parcel_t *parcel = take(pool);
  uv_buf_t copy = uv_buf_init(parcel->bytes, (unsigned)datagram->len);
  memcpy(copy.base, datagram->base, datagram->len);
  checked(uv_udp_send(&parcel->request, socket, &copy, 1, to, on_posted), "uv_udp_send");
}

void end_pool(pool_t *pool) {
  for (parcel_t *next; pool->free; pool->free = next) {
    next = pool->free->next;
    free(pool->free);
  }
}
