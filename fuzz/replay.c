/*
 * Usage: fuzz_TARGET FOLDER...
 * The main() of a fuzz target without libFuzzer: tries each file of the folders once, so that a
 * corpus is a test of any build, with any compiler.
 */
#include <dirent.h>

#include "target.h"

enum { REPLAY_MAX_PATH = 4096, REPLAY_MAX_BYTES = 1 << 20 };

static void replay_file(const char *path) {
  FILE *file = fopen(path, "rb");
  uint8_t *bytes = malloc(REPLAY_MAX_BYTES);
  REQUIRE(file != NULL && bytes != NULL);
  size_t size = fread(bytes, 1, REPLAY_MAX_BYTES, file);
  fclose(file);
  uint8_t *exact = copy_exactly(bytes, size);
  free(bytes);
  fprintf(stderr, "%s\n", path); /* the last line names the input that fails */
  (void)LLVMFuzzerTestOneInput(exact, size);
  free(exact);
}

static unsigned replay_folder(const char *folder) {
  unsigned count = 0;
  DIR *entries = opendir(folder);
  REQUIRE(entries != NULL);
  for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
    char path[REPLAY_MAX_PATH];
    if (entry->d_name[0] == '.')
      continue;
    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    replay_file(path);
    count++;
  }
  closedir(entries);
  return count;
}

int main(int argc, char *argv[]) {
  unsigned count = 0;
  for (int i = 1; i < argc; i++)
    count += replay_folder(argv[i]);
  printf("%u inputs\n", count);
  return count > 0 ? 0 : 1;
}
