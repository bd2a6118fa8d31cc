/* A folder of the test's own, with a path in it at which servers meet. */
#ifndef FOLDER_H
#define FOLDER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[32];
static char path[64]; /* in it */

/* Setup and teardown of a test: the folder must be empty again. */

static inline int make_folder(void **state) {
  (void)state;
  snprintf(folder, sizeof folder, "/tmp/dgram-XXXXXX");
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/offer", folder);
  return 0;
}

static inline int remove_folder(void **state) {
  (void)state;
  assert_int_equal(rmdir(folder), 0);
  return 0;
}

/* How many files there are in the folder. */
static inline int count_files(void) {
  DIR *entries = opendir(folder);
  assert_non_null(entries);
  int count = 0;
  for (const struct dirent *entry; (entry = readdir(entries)) != NULL;)
    count += entry->d_name[0] != '.';
  closedir(entries);
  return count;
}

#endif
