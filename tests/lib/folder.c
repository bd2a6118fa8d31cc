#include "lib/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

char folder[32];
char path[64];

int folder_make(void **state) {
  snprintf(folder, sizeof folder, "/tmp/dgram-XXXXXX");
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/offer", folder);
  return 0;
}

int folder_remove(void **state) {
  assert_int_equal(rmdir(folder), 0);
  return 0;
}

int folder_count_files(void) {
  DIR *entries = opendir(folder);
  assert_non_null(entries);
  int count = 0;
  for (const struct dirent *entry; (entry = readdir(entries)) != NULL;)
    count += entry->d_name[0] != '.';
  closedir(entries);
  return count;
}
