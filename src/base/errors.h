/*
 * Errors: what a code is called, what it says, and how an 'error' event is worded.
 * Floor 0: knows no socket. The codes themselves stand in dgram.h and in libuv.
 */
#ifndef DGRAM_ERRORS_H
#define DGRAM_ERRORS_H

#include "address.h"

/* Room for "getaddrinfo ENOTFOUND " and a host name of 255 bytes, with some to spare. */
#define DGRAM__ERROR_TEXT 384

/*
 * Fills `error`, and `text` with its message: "SYSCALL CODE ADDRESS:PORT". What is unknown (NULL,
 * port 0) is left out; without a syscall the message is the code's text. `error` points to the
 * arguments and to `text`.
 */
void dgram__error_describe(dgram_error_t *error, char text[DGRAM__ERROR_TEXT], int code,
                           const char *syscall, const char *address, int port);

/* Room for such a text, each byte of it escaped. */
enum {
  DGRAM__ESCAPED_BYTE = 4,
  DGRAM__ERROR_ESCAPED = DGRAM__ESCAPED_BYTE * DGRAM__ERROR_TEXT + 1
};

/*
 * Writes a text of at most DGRAM__ERROR_TEXT bytes so that a terminal or a log only shows it: a
 * host name in it may be anybody's. Control characters, those that break lines or change the
 * direction of text, bytes that are not UTF-8 and the backslash become "\xNN" and "\\".
 */
void dgram__error_escape(char escaped[DGRAM__ERROR_ESCAPED], const char *text);

/* What an error says of a destination. */
enum dgram__shown {
  DGRAM__SHOW_NOTHING, /* it had no part in it */
  DGRAM__SHOW_HOST,
  DGRAM__SHOW_ENDPOINT /* host or address, and port */
};

/* An error with the texts that it points to. */
struct dgram__described {
  dgram_error_t error;
  char address[DGRAM_ADDRESS_TEXT];
  char text[DGRAM__ERROR_TEXT];
};

/* Describes what failed on the way to a destination: `host` if it was given by name, or `to`. */
void dgram__error_describe_at(struct dgram__described *described, int code, const char *syscall,
                              enum dgram__shown shown, const char *host,
                              const union dgram__address *to);

/* Whether the system may report an ICMP error of an earlier datagram by this code. */
bool dgram__is_icmp_error(int code);

#endif
