/*
 * WRAP(type, name, (parameters)) { ... } is what the linker puts in the place of a function, where
 * dgram_test_wraps() of CMakeLists.txt names it. The true one is __real_NAME.
 */
#ifndef TESTS_LIB_WRAP_H
#define TESTS_LIB_WRAP_H

#define WRAP(type, name, parameters) \
  type __real_##name parameters;     \
  type __wrap_##name parameters;     \
  type __wrap_##name parameters

#endif
