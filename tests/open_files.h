/* How many files this process has open: what is left over shows. */
#ifndef OPEN_FILES_H
#define OPEN_FILES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>

static inline int count_open_files(void) {
  DIR *entries = opendir("/proc/self/fd");
  assert_non_null(entries);
  int count = 0;
  while (readdir(entries) != NULL)
    count++;
  closedir(entries);
  return count;
}

#endif
