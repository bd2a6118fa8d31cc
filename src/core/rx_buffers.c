/*
 * A loop's receive buffers. The slots' bytes, the inbox and the basket are one block of memory:
 * what was received can't be lost for want of a basket. Pages of it that nobody uses cost nothing.
 *
 * A flood fills all slots at once, and to make their pages one by one takes so long that datagrams
 * are lost. So most slots lie on large pages, where the system has them; the few that a little
 * traffic fills don't, for such a page costs 2 MiB.
 */
#include "internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
  LARGE_PAGE = 2 * 1024 * 1024, /* bytes: of x86_64 and, mostly, arm64 */
  FEW = 8                       /* slots on small pages: the first ones */
};

static size_t rx_buffers_whole_pages(size_t bytes) {
  return (bytes + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
}

/* Asks for large pages; without them all works the same. */
static void rx_buffers_enlarge_pages(void *block, size_t bytes) {
#ifdef MADV_HUGEPAGE
  madvise(block, bytes, MADV_HUGEPAGE);
#else
  (void)block, (void)bytes;
#endif
}

static void rx_buffers_place_slots(struct dgram__rx_buffers *inbox, char *many, char *few) {
  for (size_t i = 0; i < FEW; i++)
    inbox->slots[i].data = few + i * DGRAM__RX_BUFFER_SIZE;
  for (size_t i = FEW; i < DGRAM__RX_BUFFERS; i++)
    inbox->slots[i].data = many + (i - FEW) * DGRAM__RX_BUFFER_SIZE;
}

static void rx_buffers_make_inbox(struct dgram__loop *loop) {
  const struct dgram__datapath *datapath = loop->datapath;
  size_t many_bytes =
      rx_buffers_whole_pages((size_t)(DGRAM__RX_BUFFERS - FEW) * DGRAM__RX_BUFFER_SIZE);
  size_t few_bytes = (size_t)FEW * DGRAM__RX_BUFFER_SIZE;
  size_t rest = few_bytes + datapath->inbox_size + sizeof *loop->basket;
  void *block;
  if (posix_memalign(&block, LARGE_PAGE, many_bytes + rest) != 0)
    return;
  char *many = block;
  rx_buffers_enlarge_pages(many, many_bytes);
  char *few = many + many_bytes;
  loop->inbox_memory = many;
  loop->inbox = (struct dgram__rx_buffers *)(void *)(few + few_bytes);
  loop->basket = (struct dgram__message_batch *)(void *)(few + few_bytes + datapath->inbox_size);
  for (size_t i = 0; i < DGRAM__MESSAGE_BATCH_SIZE; i++)
    loop->basket->told[i] = &loop->basket->messages[i];
  memset(loop->inbox, 0, datapath->inbox_size);
  rx_buffers_place_slots(loop->inbox, many, few);
  datapath->inbox_init(loop->inbox);
}

struct dgram__rx_buffers *dgram__rx_buffers_get(struct dgram__loop *loop) {
  if (loop->inbox == NULL)
    rx_buffers_make_inbox(loop);
  return loop->inbox;
}

void dgram__rx_buffers_free(struct dgram__loop *loop) {
  free(loop->inbox_memory);
}
