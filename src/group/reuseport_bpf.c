/*
 * The programs return an index into the kernel's array of the sockets of a port. Offset 0 is the
 * first byte of the payload. A result beyond the array leaves the choice to the kernel's hash.
 * See the kernel's Documentation/networking/filter.rst, and net/core/sock_reuseport.c.
 */
#include "reuseport_bpf.h"

#include "address.h"

#if defined(__linux__) && defined(SO_ATTACH_REUSEPORT_CBPF)

#include <assert.h>
#include <errno.h>
#include <linux/filter.h>
#include <string.h>

/* An index that no socket has. */
#define BY_HASH UINT32_MAX

#define STATEMENT(code, k) ((struct sock_filter)BPF_STMT(code, k))
#define JUMP(code, k, if_true, if_false) ((struct sock_filter)BPF_JUMP(code, k, if_true, if_false))

enum {
  PER_CPU = 2, /* instructions */
  OTHERS = 3,
  MAX_LENGTH = PER_CPU * DGRAM__REUSEPORT_MAX_SOCKETS + OTHERS
};

struct bpf_program {
  struct sock_filter code[MAX_LENGTH];
  unsigned short length;
};

static void reuseport_bpf_add(struct bpf_program *program, struct sock_filter instruction) {
  assert(program->length < MAX_LENGTH);
  program->code[program->length++] = instruction;
}

/* Ends a program with the number in the accumulator, modulo the number of sockets. */
static void reuseport_bpf_add_modulo(struct bpf_program *program, unsigned count) {
  reuseport_bpf_add(program, STATEMENT(BPF_ALU | BPF_MOD | BPF_K, count));
  reuseport_bpf_add(program, STATEMENT(BPF_RET | BPF_A, 0));
}

static int reuseport_bpf_attach(int fd, struct bpf_program *program) {
  struct sock_fprog code;
  memset(&code, 0, sizeof code); /* the padding too, which the kernel copies */
  code.len = program->length;
  code.filter = program->code;
  if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &code, sizeof code) == 0)
    return 0;
  return errno == ENOPROTOOPT ? UV_ENOTSUP : -errno; /* before Linux 4.5, and in some sandboxes */
}

int dgram__reuseport_by_cpu(int fd, const int cpus[], unsigned count) {
  struct bpf_program program = {.length = 0};
  reuseport_bpf_add(&program,
                    STATEMENT(BPF_LD | BPF_W | BPF_ABS, (unsigned)(SKF_AD_OFF + SKF_AD_CPU)));
  for (unsigned i = 0; cpus != NULL && i < count; i++) {
    reuseport_bpf_add(&program, JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)cpus[i], 0, 1));
    reuseport_bpf_add(&program, STATEMENT(BPF_RET | BPF_K, i));
  }
  reuseport_bpf_add_modulo(&program, count);
  return reuseport_bpf_attach(fd, &program);
}

/* A load beyond the payload ends a program with 0, so the length is compared first. */
int dgram__reuseport_by_payload(int fd, unsigned offset, unsigned width, unsigned count) {
  struct bpf_program program = {.length = 0};
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
  return UV_ENOTSUP;
}

int dgram__reuseport_by_payload(int fd, unsigned offset, unsigned width, unsigned count) {
  return UV_ENOTSUP;
}

#endif
