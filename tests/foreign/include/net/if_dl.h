/* The part of <net/if_dl.h> of the BSDs and macOS that src/ uses: see tests/foreign/compile.sh. */
#ifndef TESTS_FOREIGN_NET_IF_DL_H
#define TESTS_FOREIGN_NET_IF_DL_H

struct sockaddr_dl {
  unsigned char sdl_len;
  unsigned char sdl_family;
  unsigned short sdl_index;
  unsigned char sdl_type;
  unsigned char sdl_nlen;
  unsigned char sdl_alen;
  unsigned char sdl_slen;
  char sdl_data[46];
};

#define LLADDR(s) ((char *)((s)->sdl_data + (s)->sdl_nlen))

#endif
