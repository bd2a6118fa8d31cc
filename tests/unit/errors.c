/* Errors: every code has its name and its text, and 'error' events are worded as documented. */
#include "errors.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const int system_codes[] = {
#define CODE(name, text) UV_##name,
    UV_ERRNO_MAP(CODE)
#undef CODE
};

static const struct {
  int code;
  const char *name;
  const char *text;
} own_codes[] = {
    {DGRAM_ERR_SOCKET_ALREADY_BOUND, "ERR_SOCKET_ALREADY_BOUND", "Socket is already bound"},
    {DGRAM_ERR_SOCKET_BAD_PORT, "ERR_SOCKET_BAD_PORT",
     "Port should be > 0 and < 65536; >= 0 to bind"},
    {DGRAM_ERR_SOCKET_BAD_TYPE, "ERR_SOCKET_BAD_TYPE",
     "Bad socket type specified. Valid types are: udp4, udp6"},
    {DGRAM_ERR_SOCKET_BUFFER_SIZE, "ERR_SOCKET_BUFFER_SIZE", "Could not get or set buffer size"},
    {DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING, "ERR_SOCKET_DGRAM_NOT_RUNNING", "Not running"},
    {DGRAM_ERR_SOCKET_BAD_BUFFER_SIZE, "ERR_SOCKET_BAD_BUFFER_SIZE",
     "Buffer size must be a positive integer"},
    {DGRAM_ERR_SOCKET_DGRAM_IS_CONNECTED, "ERR_SOCKET_DGRAM_IS_CONNECTED", "Already connected"},
    {DGRAM_ERR_SOCKET_DGRAM_NOT_CONNECTED, "ERR_SOCKET_DGRAM_NOT_CONNECTED", "Not connected"},
    {DGRAM_ERR_INVALID_FD_TYPE, "ERR_INVALID_FD_TYPE", "Unsupported fd type"},
    {DGRAM_ERR_MISSING_ARGS, "ERR_MISSING_ARGS",
     "The \"multicastAddress\" argument must be specified"},
    {DGRAM_ERR_IP_BLOCKED, "ERR_IP_BLOCKED", "IP is blocked by an access list"},
};

static void system_codes_have_the_names_and_texts_of_libuv(void **state) {
  for (size_t i = 0; i < COUNT(system_codes); i++) {
    int code = system_codes[i];
    if (code != UV_EAI_NODATA && code != UV_EAI_NONAME)
      assert_string_equal(dgram_err_name(code), uv_err_name(code));
    assert_string_equal(dgram_strerror(code), uv_strerror(code));
  }
}

static void own_codes_have_the_names_and_texts_of_the_specification(void **state) {
  static const int all[] = {
#define CODE(name, code, text) DGRAM_##name,
      DGRAM_ERROR_MAP(CODE)
#undef CODE
  };
  assert_int_equal(COUNT(own_codes), COUNT(all));
  for (size_t i = 0; i < COUNT(own_codes); i++) {
    assert_string_equal(dgram_err_name(own_codes[i].code), own_codes[i].name);
    assert_string_equal(dgram_strerror(own_codes[i].code), own_codes[i].text);
  }
}

static void a_host_that_is_not_found_is_ENOTFOUND(void **state) {
  assert_string_equal(dgram_err_name(UV_EAI_NONAME), "ENOTFOUND");
  assert_string_equal(dgram_err_name(UV_EAI_NODATA), "ENOTFOUND");
}

/* What the calls return most of the time. */
static void no_error_has_a_name_and_a_text(void **state) {
  assert_string_equal(dgram_err_name(0), "OK");
  assert_string_equal(dgram_strerror(0), "success");
}

static void other_numbers_are_unknown(void **state) {
  static const int numbers[] = {1, -4999, -5000, -5012, INT_MAX, INT_MIN};
  for (size_t i = 0; i < COUNT(numbers); i++) {
    assert_string_equal(dgram_err_name(numbers[i]), "UNKNOWN");
    assert_string_equal(dgram_strerror(numbers[i]), "unknown error");
  }
}

static void own_codes_differ_and_lie_below_those_of_libuv(void **state) {
  for (size_t i = 0; i < COUNT(own_codes); i++) {
    for (size_t j = 0; j < i; j++)
      assert_int_not_equal(own_codes[i].code, own_codes[j].code);
    for (size_t j = 0; j < COUNT(system_codes); j++)
      assert_true(own_codes[i].code < system_codes[j]);
  }
}

static const struct {
  int code;
  int port;
  const char *syscall;
  const char *address;
  const char *message;
} messages[] = {
    {UV_EADDRINUSE, 41234, "bind", "0.0.0.0", "bind EADDRINUSE 0.0.0.0:41234"},
    {UV_EADDRNOTAVAIL, 0, "bind", "1.1.1.1", "bind EADDRNOTAVAIL 1.1.1.1"},
    {UV_EINVAL, 9, "bind", "::1", "bind EINVAL ::1:9"},
    {UV_ECONNREFUSED, 0, "recvmsg", NULL, "recvmsg ECONNREFUSED"},
    {UV_EMSGSIZE, 9, "send", NULL, "send EMSGSIZE"},
    {UV_EAI_NONAME, 0, "getaddrinfo", "nowhere.invalid", "getaddrinfo ENOTFOUND nowhere.invalid"},
    {UV_EPERM, 0, NULL, NULL, "operation not permitted"},
    {UV_EPERM, 9, NULL, "127.0.0.1", "operation not permitted"},
    {DGRAM_ERR_SOCKET_BUFFER_SIZE, 0, NULL, NULL, "Could not get or set buffer size"},
    {-1000000, 0, "send", NULL, "send UNKNOWN"},
};

static void the_message_says_what_is_known_and_leaves_out_the_rest(void **state) {
  for (size_t i = 0; i < COUNT(messages); i++) {
    char text[DGRAM__ERROR_TEXT];
    dgram_error_t error;
    dgram__error_describe(&error, text, messages[i].code, messages[i].syscall, messages[i].address,
                          messages[i].port);
    assert_string_equal(error.message, messages[i].message);
  }
}

static void the_error_carries_each_part(void **state) {
  char text[DGRAM__ERROR_TEXT];
  char syscall[] = "send";
  char address[] = "127.0.0.1";
  dgram_error_t error;
  memset(&error, 0xaa, sizeof error);
  dgram__error_describe(&error, text, UV_EPERM, syscall, address, 53);
  assert_int_equal(error.code, UV_EPERM);
  assert_string_equal(error.name, "EPERM");
  assert_ptr_equal(error.syscall, syscall);
  assert_ptr_equal(error.address, address);
  assert_int_equal(error.port, 53);
  assert_ptr_equal(error.message, text);
}

static void the_longest_host_name_fits(void **state) {
  char host[256];
  memset(host, 'h', 255);
  host[255] = '\0';
  char expected[512];
  snprintf(expected, sizeof expected, "getaddrinfo ERR_SOCKET_DGRAM_NOT_RUNNING %s:65535", host);
  char text[DGRAM__ERROR_TEXT];
  dgram_error_t error;
  dgram__error_describe(&error, text, DGRAM_ERR_SOCKET_DGRAM_NOT_RUNNING, "getaddrinfo", host,
                        65535);
  assert_string_equal(error.message, expected);
}

static const struct {
  const char *text;
  const char *escaped;
} escapes[] = {
    {"", ""},
    {"bind EADDRINUSE 0.0.0.0:41234", "bind EADDRINUSE 0.0.0.0:41234"},
    {" ~", " ~"},
    {"b\xc3\xbc\xe2\x98\x83\xf0\x9f\x92\xa9\xc2\xa0",
     "b\xc3\xbc\xe2\x98\x83\xf0\x9f\x92\xa9\xc2\xa0"},
    {"a\nb\r\t\x1b[2J\x7f\x01", "a\\x0ab\\x0d\\x09\\x1b[2J\\x7f\\x01"},
    {"\xc2\x9b"
     "2J\xc2\x80\xc2\x9f",
     "\\xc2\\x9b2J\\xc2\\x80\\xc2\\x9f"},
    {"\x9b"
     "2J\x80\xff\xfe\xf5\xc0\x80",
     "\\x9b2J\\x80\\xff\\xfe\\xf5\\xc0\\x80"},
    {"\xe2\x98", "\\xe2\\x98"}, /* cut off */
    {"\xf0\x9f\n", "\\xf0\\x9f\\x0a"},
    {"a\\x0a", "a\\\\x0a"},
    /* a surrogate, a number over U+10FFFF, a longer form than needed */
    {"\xed\xa0\x80\xed\xbf\xbf", "\\xed\\xa0\\x80\\xed\\xbf\\xbf"},
    {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
    {"\xe0\x9f\xbf\xf0\x8f\xbf\xbf", "\\xe0\\x9f\\xbf\\xf0\\x8f\\xbf\\xbf"},
    {"\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf", "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf"},
    /* U+2028 ends a line, U+202E and U+2066 turn the text around, U+2069 and U+202C end it */
    {"\xe2\x80\xa8 \xe2\x80\xae \xe2\x81\xa6 \xe2\x81\xa9 \xe2\x80\xac \xd8\x9c",
     "\\xe2\\x80\\xa8 \\xe2\\x80\\xae \\xe2\\x81\\xa6 "
     "\\xe2\\x81\\xa9 \\xe2\\x80\\xac \\xd8\\x9c"},
};

static void what_a_terminal_would_act_on_is_escaped(void **state) {
  for (size_t i = 0; i < COUNT(escapes); i++) {
    char escaped[DGRAM__ERROR_ESCAPED];
    dgram__error_escape(escaped, escapes[i].text);
    assert_string_equal(escaped, escapes[i].escaped);
  }
}

static void the_longest_text_fits_escaped(void **state) {
  char text[DGRAM__ERROR_TEXT];
  char escaped[DGRAM__ERROR_ESCAPED];
  memset(text, '\n', sizeof text - 1);
  text[sizeof text - 1] = '\0';
  dgram__error_escape(escaped, text);
  assert_int_equal(strlen(escaped), 4 * (sizeof text - 1));
  assert_string_equal(escaped + strlen(escaped) - 8, "\\x0a\\x0a");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(system_codes_have_the_names_and_texts_of_libuv),
      cmocka_unit_test(own_codes_have_the_names_and_texts_of_the_specification),
      cmocka_unit_test(a_host_that_is_not_found_is_ENOTFOUND),
      cmocka_unit_test(no_error_has_a_name_and_a_text),
      cmocka_unit_test(other_numbers_are_unknown),
      cmocka_unit_test(own_codes_differ_and_lie_below_those_of_libuv),
      cmocka_unit_test(the_message_says_what_is_known_and_leaves_out_the_rest),
      cmocka_unit_test(the_error_carries_each_part),
      cmocka_unit_test(the_longest_host_name_fits),
      cmocka_unit_test(what_a_terminal_would_act_on_is_escaped),
      cmocka_unit_test(the_longest_text_fits_escaped),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
