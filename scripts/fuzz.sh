#!/usr/bin/env bash
# Usage: fuzz.sh [run|merge|coverage] [TARGET...]
# Works on all of fuzz/CMakeLists.txt, or the named targets; fuzz/README.md describes them.
#
#   run       builds the targets and runs each for FUZZ_SECONDS (default 60), from fuzz/corpus/TARGET
#             and from what earlier runs have found, build/fuzz/corpus/TARGET. An input that makes a
#             target fail is stored in build/fuzz/found, and build/fuzz/fuzz/fuzz_TARGET FILE tries
#             it again
#   merge     reduces both to few inputs that reach the same code: the new fuzz/corpus/TARGET
#   coverage  prints how many percent of the lines of each file fuzz/corpus/TARGET reaches
set -euo pipefail
cd "$(dirname "$0")/.."

mode=run
case ${1-} in
run | merge | coverage)
  mode=$1
  shift
  ;;
esac
seconds=${FUZZ_SECONDS:-60}
targets=("$@")
if [ $# -eq 0 ]; then
  mapfile -t targets < <(sed -n 's/^ *dgram_fuzz(\([a-z_]*\).*/\1/p' fuzz/CMakeLists.txt)
fi

# run TARGET: prints the number of inputs; or if one makes it fail, the end of libFuzzer's log.
run() {
  local corpus=build/fuzz/corpus/$1 log=build/fuzz/$1.log options=()
  mkdir -p "$corpus" build/fuzz/found
  [ ! -e "fuzz/$1.dict" ] || options=("-dict=fuzz/$1.dict")
  echo "fuzz: $1, for $seconds s"
  if UBSAN_OPTIONS=print_stacktrace=1 "build/fuzz/fuzz/fuzz_$1" "$corpus" "fuzz/corpus/$1" \
    -max_total_time="$seconds" -timeout=10 -use_value_profile=1 -print_final_stats=1 \
    -artifact_prefix="build/fuzz/found/$1-" "${options[@]}" >"$log" 2>&1; then
    sed -n 's/^stat::number_of_executed_units: */fuzz: inputs, and none failed: /p' "$log"
  else
    tail -n 60 "$log" >&2
    return 1
  fi
}

# merge TARGET: of the inputs that reach the same code the smallest stay.
merge() {
  local merged=build/fuzz/merged/$1
  rm -rf "$merged"
  mkdir -p "$merged" "build/fuzz/corpus/$1" "fuzz/corpus/$1"
  "build/fuzz/fuzz/fuzz_$1" -set_cover_merge=1 -use_counters=0 "$merged" "fuzz/corpus/$1" \
    "build/fuzz/corpus/$1" >"build/fuzz/$1.log" 2>&1 || return 1
  find "fuzz/corpus/$1" -type f -not -name 'found-*' -delete # what once failed stays
  cp "$merged"/* "fuzz/corpus/$1"
  echo "fuzz: $1 has $(find "fuzz/corpus/$1" -type f | wc -l) inputs"
}

# measure TARGET: what its corpus covers, as lines "FILE LINES COVERED".
measure() {
  local bin=build/fuzz-coverage/fuzz/fuzz_$1 profile=build/fuzz-coverage/$1
  LLVM_PROFILE_FILE=$profile.raw "$bin" -runs=0 "fuzz/corpus/$1" >"$profile.log" 2>&1 || return 1
  llvm-profdata merge -sparse "$profile.raw" -o "$profile.profdata" &&
    llvm-cov export -format=lcov "$bin" "-instr-profile=$profile.profdata" src |
    awk -F: '/^SF:/ { file = $2; sub(/.*\/src\//, "", file) } /^LF:/ { lines = $2 }
      /^LH:/ { print file, lines, $2 }' >"$profile.lines"
}

# A row for each file that a target reaches, a column for each target; "best" is the most.
print_coverage() {
  (cd build/fuzz-coverage && awk '
    FNR == 1 { name = FILENAME; sub(/\.lines$/, "", name); names[++count] = name }
    { lines[$1] = $2; part[$1, name] = $2 > 0 ? int(100 * $3 / $2) : 0 }
    END {
      printf "%-27s %5s %5s", "file", "lines", "best"
      for (i = 1; i <= count; i++) printf " %s", names[i]
      print ""
      for (file in lines) {
        best = 0
        for (i = 1; i <= count; i++)
          if (part[file, names[i]] > best) best = part[file, names[i]]
        if (best == 0) continue
        row = sprintf("%-27s %5d %4d%%", file, lines[file], best)
        for (i = 1; i <= count; i++)
          row = row sprintf(" %" length(names[i]) "s", part[file, names[i]] ? part[file, names[i]] : "")
        print row | "sort"
      }
    }' "${targets[@]/%/.lines}")
}

scripts/setup.sh check fuzz
preset=fuzz
[ "$mode" != coverage ] || preset=fuzz-coverage
cmake --preset $preset >/dev/null
cmake --build --preset $preset

failed=()
step=$mode
[ "$mode" != coverage ] || step=measure
for target in "${targets[@]}"; do
  $step "$target" || failed+=("$target")
done

if [ ${#failed[@]} -ne 0 ]; then
  echo "fuzz: failed: ${failed[*]}" >&2
  exit 1
fi
[ "$mode" != coverage ] || print_coverage
