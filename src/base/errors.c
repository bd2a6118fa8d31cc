#include "errors.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct error_texts {
  const char *name;
  const char *message;
};

/* uv_err_name() and uv_strerror() of libuv allocate (and leak) for an unknown code. */
static struct error_texts error_find(int code) {
  switch (code) {
  case 0:
    return (struct error_texts){"OK", "success"};
#define OUR_ERROR(name, value, text) \
  case value:                        \
    return (struct error_texts){#name, text};
    DGRAM_ERROR_MAP(OUR_ERROR)
#undef OUR_ERROR
#define UV_ERROR(name, text) \
  case UV_##name:            \
    return (struct error_texts){#name, text};
    UV_ERRNO_MAP(UV_ERROR)
#undef UV_ERROR
  default:
    return (struct error_texts){"UNKNOWN", "unknown error"};
  }
}

const char *dgram_err_name(int code) {
  /* The resolver has two codes for a host that does not exist; Node.js has one name for both. */
  return code == UV_EAI_NODATA || code == UV_EAI_NONAME ? "ENOTFOUND" : error_find(code).name;
}

const char *dgram_strerror(int code) {
  return error_find(code).message;
}

void dgram__error_describe(dgram_error_t *error, char text[DGRAM__ERROR_TEXT], int code,
                           const char *syscall, const char *address, int port) {
  error->code = code;
  error->name = dgram_err_name(code);
  error->syscall = syscall;
  error->address = address;
  error->port = port;
  error->message = text;
  error->mtu = 0;
  if (syscall == NULL)
    snprintf(text, DGRAM__ERROR_TEXT, "%s", dgram_strerror(code));
  else if (address == NULL)
    snprintf(text, DGRAM__ERROR_TEXT, "%s %s", syscall, error->name);
  else if (port == 0)
    snprintf(text, DGRAM__ERROR_TEXT, "%s %s %s", syscall, error->name, address);
  else
    snprintf(text, DGRAM__ERROR_TEXT, "%s %s %s:%d", syscall, error->name, address, port);
}

void dgram__error_describe_at(struct dgram__described *described, int code, const char *syscall,
                              enum dgram__shown shown, const char *host,
                              const union dgram__address *to) {
  const char *address = shown != DGRAM__SHOW_NOTHING ? host : NULL;
  int port = 0;
  if (shown == DGRAM__SHOW_ENDPOINT && to->any.sa_family != AF_UNSPEC) {
    port = dgram__address_port(to);
    dgram__address_text(to, described->address);
    if (host == NULL)
      address = described->address;
  }
  dgram__error_describe(&described->error, described->text, code, syscall, address, port);
}

/* The errors of Linux's icmp_err_convert() and icmpv6_err_convert(); other systems have fewer. */
bool dgram__is_icmp_error(int code) {
  switch (-code) {
  case ECONNREFUSED:
  case EHOSTUNREACH:
  case ENETUNREACH:
  case EMSGSIZE:
  case ENOPROTOOPT:
  case EOPNOTSUPP:
  case EPROTO:
  case EACCES:
#ifdef EHOSTDOWN
  case EHOSTDOWN:
#endif
#ifdef ENONET
  case ENONET:
#endif
    return true;
  default:
    return false;
  }
}

/* ---- escaping ---- */

/*
 * Decodes the first character of a UTF-8 text. Returns its length, or 0 for invalid UTF-8, as are
 * surrogates, numbers over U+10FFFF and overlong forms (RFC 3629, 3).
 */
static size_t error_decode(const unsigned char *text, unsigned *number) {
  static const unsigned char first[] = {0, 0, 0xc0, 0xe0, 0xf0, 0xf8};
  static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
  size_t length = 4;
  while (text[0] < first[length])
    length--;
  if (text[0] >= first[5] || (length == 1 && text[0] > 0x7f))
    return 0;
  *number = text[0] - first[length];
  for (size_t i = 1; i < length; i++) {
    if ((text[i] & 0xc0) != 0x80)
      return 0;
    *number = *number << 6 | (text[i] & 0x3f);
  }
  bool is_surrogate = *number >= 0xd800 && *number <= 0xdfff;
  return *number < least[length] || *number > 0x10ffff || is_surrogate ? 0 : length;
}

/*
 * Whether a character may control a terminal or a log: C0, DEL, C1, the line and paragraph
 * separators, and the bidirectional formatting characters.
 */
static bool error_is_control(unsigned number) {
  static const struct {
    unsigned first;
    unsigned last;
  } ranges[] = {{0, 0x1f},        {0x7f, 0x9f},     {0x61c, 0x61c},
                {0x200e, 0x200f}, {0x2028, 0x202e}, {0x2066, 0x2069}};
  for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
    if (number >= ranges[i].first && number <= ranges[i].last)
      return true;
  return false;
}

void dgram__error_escape(char escaped[DGRAM__ERROR_ESCAPED], const char *text) {
  const unsigned char *at = (const unsigned char *)text;
  char *to = escaped;
  while (*at != '\0' && to + DGRAM__ESCAPED_BYTE < escaped + DGRAM__ERROR_ESCAPED) {
    unsigned number = 0;
    size_t length = error_decode(at, &number);
    if (error_is_control(number))
      length = 0;
    if (*at == '\\') {
      memcpy(to, "\\\\", 2);
      to += 2;
    } else if (length > 0) {
      memcpy(to, at, length);
      to += length;
    } else {
      to += snprintf(to, DGRAM__ESCAPED_BYTE + 1, "\\x%02x", *at);
    }
    at += length > 0 ? length : 1;
  }
  *to = '\0';
}
