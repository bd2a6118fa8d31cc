#include "lib/thief.h"

#include "lib/fixture.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { NOBODY = 65534 };

/* One bind, with SO_REUSEADDR, and perhaps SO_REUSEPORT and another address. */
static int thief_bind(int port, int way) {
  struct sockaddr_in address = loopback_address(port);
  int on = 1;
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0)
    _exit(1);
  if (way & 1)
    address.sin_addr.s_addr = htonl(INADDR_ANY);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (way & 2)
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  int bound = bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
  close(fd);
  return bound;
}

/* Its process ends with the test, which may fail. */
static void thief_live(const struct thief *thief, int port, pid_t test) {
  if (geteuid() == 0 && (setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
    _exit(1);
  for (int way = 0; getppid() == test; way++) {
    thief->shared->loot += thief_bind(port, way);
    thief->shared->tries++;
  }
  _exit(0);
}

void thief_start(struct thief *thief, int port) {
  thief->shared =
      mmap(NULL, sizeof *thief->shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  assert_ptr_not_equal(thief->shared, MAP_FAILED);
  pid_t test = getpid();
  thief->pid = fork();
  assert_true(thief->pid >= 0);
  if (thief->pid == 0)
    thief_live(thief, port, test);
  thief_try(thief, 1);
}

void thief_try(const struct thief *thief, int times) {
  for (int begin = thief->shared->tries; thief->shared->tries - begin < times;)
    sched_yield();
}

void thief_end(struct thief *thief) {
  int status;
  thief_try(thief, 100);
  assert_int_equal(kill(thief->pid, SIGKILL), 0);
  assert_int_equal(waitpid(thief->pid, &status, 0), thief->pid);
  assert_true(WIFSIGNALED(status));
  print_message("the thief has tried %d times\n", (int)thief->shared->tries);
  assert_int_equal(thief->shared->loot, 0);
  munmap(thief->shared, sizeof *thief->shared);
}
