#!/usr/bin/env bash
# Usage: mutants.sh [PATH...]
# Mutation testing: changes src/ in one place at a time, as an error of a programmer might, and runs
# the tests that reach the place. A mutant that none of them notices is a test that is missing, or an
# entry in mutants/equivalent.txt. PATH limits it to files of src/ that begin with that, e.g. core/.
#   MUTANTS_PER_FILE=30  how many of each file are tried, or `all`
#   MUTANTS_SEED=1       which ones
#   MUTANTS_SECONDS=20   how long tests are tried on one, the likeliest to notice it first, or `all`
#   MUTANTS_AGAIN=1      the sample of the last run, of which those that survived run once more
#   MUTANTS_JOBS=2       how many tests run at a time; the default is the number of processors
# All mutants are compiled into one build; mutate.py and run.py describe their steps. The results are
# in build/mutants: results.json, and DGRAM_MUTANT=NUMBER build/mutants/build/tests/NAME runs a test
# on the mutant with that number in list.json.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=build/mutants
scripts/setup.sh check mutants
cmake --preset dev >/dev/null # for compile_commands.json
mkdir -p "$folder"
echo "mutants: writing them"
python3 scripts/mutants/mutate.py build/dev/compile_commands.json "$folder/tree" "$folder/list.json"
echo "mutants: $(wc -l <"$folder/list.json") in src/; compiling them"
cmake -S "$folder/tree" -B "$folder/build" -G Ninja -DCMAKE_BUILD_TYPE=Debug \
  -DCMAKE_C_FLAGS="-w -g0 -O1" -DDGRAM_BUILD_TESTS=ON -DDGRAM_BUILD_EXAMPLES=ON >/dev/null
cmake --build "$folder/build" >"$folder/build.log" 2>&1 || {
  tail -n 60 "$folder/build.log" >&2
  exit 1
}
echo "mutants: running the tests"
python3 scripts/mutants/run.py "$folder/build" "$folder/list.json" "$folder" "$@"
