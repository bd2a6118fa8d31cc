/*
 * Steering: which of the sockets that share a port (SO_REUSEPORT) gets a datagram. The kernel runs
 * a program of classic BPF that returns the socket's index (SO_ATTACH_REUSEPORT_CBPF, socket(7)).
 * The functions return 0 or an error, UV_ENOTSUP where the kernel has no such option.
 */
#ifndef DGRAM_REUSEPORT_BPF_H
#define DGRAM_REUSEPORT_BPF_H

enum { DGRAM__REUSEPORT_MAX_SOCKETS = 256 };

/*
 * By the CPU that received the datagram: CPU c has socket i where cpus[i] is c, else socket
 * c % count. `cpus` may be NULL. `fd` is any socket of the port; others may be bound later.
 */
int dgram__reuseport_by_cpu(int fd, const int cpus[], unsigned count);

/*
 * By the big-endian number of `width` (1, 2, 4) bytes at `offset` of the payload, modulo `count`.
 * A shorter datagram goes by the kernel's hash.
 */
int dgram__reuseport_by_payload(int fd, unsigned offset, unsigned width, unsigned count);

#endif
