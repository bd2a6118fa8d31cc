#!/usr/bin/env bash
# Usage: fuzz.sh [TARGET...]
# Builds the fuzz targets and runs each for FUZZ_SECONDS (default 60): all of fuzz/, or those that
# are named. What they learn is kept in build/fuzz/corpus and is where the next run begins; an
# input that makes one fail is left in build/fuzz/found, to be run again by
# build/fuzz/fuzz/fuzz_TARGET FILE.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${FUZZ_SECONDS:-60}
bin=build/fuzz/fuzz
targets=("$@")
if [ $# -eq 0 ]; then
  mapfile -t targets < <(basename -s .c fuzz/*.c)
fi

scripts/setup.sh check fuzz
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz

# run TARGET: says how many inputs it got; or if one makes it fail, what libFuzzer says of it.
run() {
  local corpus=build/fuzz/corpus/$1 log=build/fuzz/$1.log
  mkdir -p "$corpus" build/fuzz/found
  echo "fuzz: $1, for $seconds s"
  if UBSAN_OPTIONS=print_stacktrace=1 "$bin/fuzz_$1" "$corpus" -max_total_time="$seconds" \
    -timeout=10 -use_value_profile=1 -print_final_stats=1 \
    -artifact_prefix="build/fuzz/found/$1-" >"$log" 2>&1; then
    sed -n 's/^stat::number_of_executed_units: */fuzz: inputs, and none failed: /p' "$log"
  else
    tail -n 60 "$log" >&2
    return 1
  fi
}

failed=()
for target in "${targets[@]}"; do
  run "$target" || failed+=("$target")
done

if [ ${#failed[@]} -ne 0 ]; then
  echo "fuzz: failed: ${failed[*]}" >&2
  exit 1
fi
