/*
 * Errors: the name and text of a code, and the message of an 'error' event. The codes are declared
 * in dgram.h and by libuv.
 */
#ifndef DGRAM_ERRORS_H
#define DGRAM_ERRORS_H

#include "address.h"

/* The size of a message: "getaddrinfo ENOTFOUND " and a host name of 255 bytes fit. */
#define DGRAM__ERROR_TEXT 384

/*
 * Fills `error`, and `text` with its message: "SYSCALL CODE ADDRESS:PORT". What is unknown (NULL,
 * port 0) is left out; without a syscall the message is the code's text. `error` points to the
 * arguments and to `text`.
 */
void dgram__error_describe(dgram_error_t *error, char text[DGRAM__ERROR_TEXT], int code,
                           const char *syscall, const char *address, int port);

/* The size of a message with each byte escaped. */
enum {
  DGRAM__ESCAPED_BYTE = 4,
  DGRAM__ERROR_ESCAPED = DGRAM__ESCAPED_BYTE * DGRAM__ERROR_TEXT + 1
};

/*
 * Escapes a message for a terminal or a log, since a host name in it may come from a peer: control,
 * line-breaking and bidirectional characters, bytes that are not UTF-8 and the backslash become
 * "\xNN" and "\\".
 */
void dgram__error_escape(char escaped[DGRAM__ERROR_ESCAPED], const char *text);

/* What an error's message and members contain of a destination. */
enum dgram__shown {
  DGRAM__SHOW_NOTHING, /* the error does not concern it */
  DGRAM__SHOW_HOST,
  DGRAM__SHOW_ENDPOINT /* host or address, and port */
};

/* An error with the strings that it refers to. */
struct dgram__described {
  dgram_error_t error;
  char address[DGRAM_ADDRESS_TEXT];
  char text[DGRAM__ERROR_TEXT];
};

/* Describes an error that concerns a destination: `host` if it was given by name, or `to`. */
void dgram__error_describe_at(struct dgram__described *described, int code, const char *syscall,
                              enum dgram__shown shown, const char *host,
                              const union dgram__address *to);

/* Whether the kernel may report an ICMP error of an earlier datagram by this code. */
bool dgram__is_icmp_error(int code);

#endif
