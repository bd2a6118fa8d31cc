/*
 * Which of the sockets that share a port gets a datagram: the kernel is told by a program of
 * classic BPF that returns a socket's place among them (SO_ATTACH_REUSEPORT_CBPF in socket(7)).
 * Floor 1: makes system calls, knows neither loop nor socket. Codes are UV_E*; UV_ENOTSUP where
 * the kernel knows no such thing.
 */
#ifndef DGRAM_REUSEPORT_BPF_H
#define DGRAM_REUSEPORT_BPF_H

enum { DGRAM__REUSEPORT_STEERED = 256 }; /* the most sockets */

/*
 * By the CPU that received the datagram: CPU c has socket i where cpus[i] is c, else socket
 * c % count. `cpus` may be NULL. `fd` is any of the sockets, in place of all, which may be bound
 * later.
 */
int dgram__reuseport_by_cpu(int fd, const int cpus[], unsigned count);

/*
 * By the big-endian number of `width` (1, 2, 4) bytes at `offset` of the payload, modulo `count`.
 * A datagram that ends before goes by the kernel's hash.
 */
int dgram__reuseport_by_payload(int fd, unsigned offset, unsigned width, unsigned count);

#endif
