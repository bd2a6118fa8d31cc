/* GCC's <stddef.h> includes it for FreeBSD; the types are the C library's. */
