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
  DIR *folder = opendir("/proc/self/fd");
  assert_non_null(folder);
  int count = 0;
  while (readdir(folder) != NULL)
    count++;
  closedir(folder);
  return count;
}

#endif
