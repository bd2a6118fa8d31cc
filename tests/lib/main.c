/* The main() of a program whose tests are all TEST(): one that has its own does not get this. */
#include "lib/fixture.h"

int main(void) {
  return fixture_run();
}
