/* The shared memory of a soak, and the program's main(). */
#include "soak/soak.h"

#include <dgram.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

struct soak_shared *soak;
unsigned soak_self;

int soak_checked(int result, const char *what) {
  if (result >= 0)
    return result;
  fprintf(stderr, "soak: %s: %s\n", what, result == -1 ? strerror(errno) : dgram_strerror(result));
  exit(4);
}

void soak_join(const char *path) {
  int fd = soak_checked(open(path, O_RDWR | O_CLOEXEC), path);
  soak = mmap(NULL, sizeof *soak, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (soak == MAP_FAILED)
    soak_checked(-1, "mmap");
  close(fd);
  soak_self = atomic_fetch_add(&soak->lives, 1) + 1;
  if (soak_self >= SOAK_LIVES) {
    fprintf(stderr, "soak: too many processes\n");
    exit(4);
  }
  atomic_store(&soak->life[soak_self].pid, (int)getpid());
}

void soak_broken(const char *what, uint32_t index, unsigned marks) {
  if (atomic_fetch_add(&soak->broken, 1) < 20)
    fprintf(stderr, "soak: BROKEN in epoch %u: %s: datagram %u, marks %03x\n",
            atomic_load(&soak->epoch), what, index, marks);
}

void soak_mark(uint32_t index, unsigned marks, const char *what) {
  unsigned before = (unsigned)atomic_fetch_or(&soak->records[index].marks, marks);
  if ((before & marks) != 0)
    soak_broken(what, index, before);
}

bool soak_is_ours(const void *bytes, size_t size, bool is_answer, uint32_t *index) {
  struct soak_payload payload;
  if (size < sizeof payload)
    return false;
  memcpy(&payload, bytes, sizeof payload);
  if (payload.magic != SOAK_MAGIC || payload.is_answer != is_answer)
    return false;
  if (payload.epoch != atomic_load(&soak->epoch) || payload.index >= SOAK_RECORDS) {
    soak_broken("a datagram came after its epoch", payload.index, payload.epoch);
    return false;
  }
  *index = payload.index;
  return true;
}

uint32_t soak_random(void) {
  static _Thread_local uint64_t state;
  if (state == 0) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    state = (uint64_t)now.tv_nsec * 2654435761u ^ (uint64_t)getpid() << 32 ^ (uintptr_t)&state;
  }
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(state >> 33);
}

int main(int argc, char **argv) {
  if (argc != 3 || argv[1][0] == '-' || (argv[1][0] >= '0' && argv[1][0] <= '9'))
    return soak_control(argc, argv);
  prctl(PR_SET_PDEATHSIG, SIGKILL); /* no process outlives the controller */
  if (strcmp(argv[1], "worker") == 0)
    return soak_worker(argv[2]);
  if (strcmp(argv[1], "load") == 0)
    return soak_load(argv[2]);
  return soak_service(argv[2]);
}
