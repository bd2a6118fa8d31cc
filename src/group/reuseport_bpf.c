/*
 * The programs that choose a socket. The kernel runs them with the payload in front: offset 0 is
 * its first byte. A result that is no socket's place leaves the choice to the kernel's hash.
 * See the kernel's Documentation/networking/filter.rst, and net/core/sock_reuseport.c.
 */
#include "reuseport_bpf.h"

#include "address.h"

#if defined(__linux__) && defined(SO_ATTACH_REUSEPORT_CBPF)

#include <assert.h>
#include <errno.h>
#include <linux/filter.h>
#include <string.h>

/* No socket's place. */
#define BY_HASH UINT32_MAX

#define STATEMENT(code, k) ((struct sock_filter)BPF_STMT(code, k))
#define JUMP(code, k, if_true, if_false) ((struct sock_filter)BPF_JUMP(code, k, if_true, if_false))

enum {
  PER_CPU = 2, /* instructions */
  REST = 3,
  LONGEST = PER_CPU * DGRAM__REUSEPORT_STEERED + REST
};

struct program {
  struct sock_filter code[LONGEST];
  unsigned short length;
};

static void reuseport_bpf_add(struct program *program, struct sock_filter instruction) {
  assert(program->length < LONGEST);
  program->code[program->length++] = instruction;
}

/* The end of each: the number that was loaded, modulo the sockets. */
static void reuseport_bpf_add_modulo(struct program *program, unsigned count) {
  reuseport_bpf_add(program, STATEMENT(BPF_ALU | BPF_MOD | BPF_K, count));
  reuseport_bpf_add(program, STATEMENT(BPF_RET | BPF_A, 0));
}

static int reuseport_bpf_attach(int fd, struct program *program) {
  struct sock_fprog code;
  memset(&code, 0, sizeof code); /* its gap too: the kernel is handed all of it */
  code.len = program->length;
  code.filter = program->code;
  if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &code, sizeof code) == 0)
    return 0;
  return errno == ENOPROTOOPT ? UV_ENOTSUP : -errno; /* before Linux 4.5, and in some sandboxes */
}

int dgram__reuseport_by_cpu(int fd, const int cpus[], unsigned count) {
  struct program program = {.length = 0};
  reuseport_bpf_add(&program,
                    STATEMENT(BPF_LD | BPF_W | BPF_ABS, (unsigned)(SKF_AD_OFF + SKF_AD_CPU)));
  for (unsigned i = 0; cpus != NULL && i < count; i++) {
    reuseport_bpf_add(&program, JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)cpus[i], 0, 1));
    reuseport_bpf_add(&program, STATEMENT(BPF_RET | BPF_K, i));
  }
  reuseport_bpf_add_modulo(&program, count);
  return reuseport_bpf_attach(fd, &program);
}

/* A load beyond the end would end the program with 0, and make socket 0 the one for all such. */
int dgram__reuseport_by_payload(int fd, unsigned offset, unsigned width, unsigned count) {
  struct program program = {.length = 0};
  unsigned short load = width == 1 ? BPF_B : width == 2 ? BPF_H : BPF_W;
  reuseport_bpf_add(&program, STATEMENT(BPF_LD | BPF_W | BPF_LEN, 0));
  reuseport_bpf_add(&program, JUMP(BPF_JMP | BPF_JGE | BPF_K, offset + width, 1, 0));
  reuseport_bpf_add(&program, STATEMENT(BPF_RET | BPF_K, BY_HASH));
  reuseport_bpf_add(&program, STATEMENT(BPF_LD | load | BPF_ABS, offset));
  reuseport_bpf_add_modulo(&program, count);
  return reuseport_bpf_attach(fd, &program);
}

#else

int dgram__reuseport_by_cpu(int fd, const int cpus[], unsigned count) {
  (void)fd;
  (void)cpus;
  (void)count;
  return UV_ENOTSUP;
}

int dgram__reuseport_by_payload(int fd, unsigned offset, unsigned width, unsigned count) {
  (void)fd;
  (void)offset;
  (void)width;
  (void)count;
  return UV_ENOTSUP;
}

#endif
