/* What a fuzz target defines, and what it may use. */
#ifndef FUZZ_TARGET_H
#define FUZZ_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* libFuzzer's: tries one input; what is wrong ends the process. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process, so that libFuzzer keeps the input, unless the condition holds. */
#define REQUIRE(condition)                                                           \
  do {                                                                               \
    if (!(condition)) {                                                              \
      fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
      abort();                                                                       \
    }                                                                                \
  } while (0)

/* A copy of the bytes with nothing behind it, so that reading more is detected. To be freed. */
static inline void *copy_exactly(const void *bytes, size_t size) {
  void *copy = malloc(size > 0 ? size : 1);
  REQUIRE(copy != NULL);
  if (size > 0)
    memcpy(copy, bytes, size);
  return copy;
}

/* ---- an input as a sequence of choices ---- */

/* What is left of an input. Behind its end every byte is 0, so each input is valid. */
struct input {
  const uint8_t *at;
  size_t left;
};

static inline uint8_t input_byte(struct input *input) {
  if (input->left == 0)
    return 0;
  input->left--;
  return *input->at++;
}

static inline bool input_bit(struct input *input) {
  return (input_byte(input) & 1) != 0;
}

/* A number below `limit`, or 0. */
static inline uint32_t input_below(struct input *input, uint32_t limit) {
  uint32_t number = input_byte(input);
  if (limit > 256)
    number |= (uint32_t)input_byte(input) << 8;
  if (limit > 65536)
    number |= (uint32_t)input_byte(input) << 16;
  return limit > 0 ? number % limit : 0;
}

/* Copies as many bytes as there are, and zeros behind them. */
static inline void input_copy(struct input *input, void *to, size_t size) {
  size_t copied = size < input->left ? size : input->left;
  memset(to, 0, size);
  if (copied > 0)
    memcpy(to, input->at, copied);
  input->at += copied;
  input->left -= copied;
}

/* The bytes up to the next NUL or newline as a text of less than `size` bytes; these are passed. */
static inline void input_text(struct input *input, char *text, size_t size) {
  size_t length = 0;
  while (input->left > 0 && *input->at != '\0' && *input->at != '\n') {
    if (length + 1 < size)
      text[length++] = (char)*input->at;
    input->at++;
    input->left--;
  }
  text[length] = '\0';
  (void)input_byte(input);
}

/* ---- functions that the linker replaces ---- */

/* WRAP(type, name, (parameters)) { ... } stands for a function that dgram_fuzz() of CMakeLists.txt
 * names. The true one is __real_NAME. */
#define WRAP(type, name, parameters) \
  type __real_##name parameters;     \
  type __wrap_##name parameters;     \
  type __wrap_##name parameters

#endif
