/* A folder of the test's own, with a path in it at which servers meet. */
#ifndef TESTS_LIB_FOLDER_H
#define TESTS_LIB_FOLDER_H

extern char folder[32];
extern char path[64]; /* in it */

/* As setup and teardown of cmocka's: the folder must be empty again. */
int folder_make(void **state);
int folder_remove(void **state);

int folder_count_files(void);

#endif
