/*
 * Included by every source of src/ in the build of scripts/mutants.sh, which contains all mutants
 * at once: MUTANT(n) is true in a process in whose environment DGRAM_MUTANT is n. If
 * DGRAM_MUTANTS_SEEN names a file, its n-th byte is set to 1 when MUTANT(n) is evaluated, by this
 * process or a child.
 */
#ifndef MUTANT_H
#define MUTANT_H

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int mutant_chosen;
static unsigned char *mutants_seen;

/* In each object file, before the tests start: some clear their environment. The system calls are
   direct, since some tests replace the functions of libc. */
__attribute__((constructor(101))) static void mutant_start(void) {
  const char *chosen = getenv("DGRAM_MUTANT");
  const char *seen = getenv("DGRAM_MUTANTS_SEEN");
  if (chosen != NULL)
    mutant_chosen = atoi(chosen);
  if (seen == NULL)
    return;
  long file = syscall(SYS_openat, AT_FDCWD, seen, O_RDWR | O_CLOEXEC, 0);
  struct stat status;
  if (file < 0 || syscall(SYS_fstat, file, &status) != 0)
    return; /* this process runs as another user */
  void *bytes =
      (void *)syscall(SYS_mmap, NULL, status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0L);
  if (bytes == MAP_FAILED || syscall(SYS_close, file) != 0)
    abort();
  mutants_seen = bytes;
}

__attribute__((unused)) static inline int mutant_is(int number) {
  if (mutants_seen != NULL)
    mutants_seen[number] = 1;
  return mutant_chosen == number;
}

#define MUTANT(number) mutant_is(number)

#endif
