#!/usr/bin/env bash
# Usage: fuzz.sh [TARGET...]
# Builds the fuzz targets and runs each for FUZZ_SECONDS (default 60): all of fuzz/, or the named
# ones. Their corpus is kept in build/fuzz/corpus for the next run; an input that makes a target
# fail is stored in build/fuzz/found, and build/fuzz/fuzz/fuzz_TARGET FILE runs it again.
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

# run TARGET: prints the number of inputs; or if one makes it fail, the end of libFuzzer's log.
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
