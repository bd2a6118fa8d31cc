#!/usr/bin/env bash
# Analyses src/ with gcc's -fanalyzer; scripts/analyze.txt lists what it reports wrongly, by source
# and kind, with the reason. Fails at any other report, and at a line of that file that nothing is
# reported for. (clang's static analyzer is a part of clang-tidy, which `make lint` runs: the checks
# clang-analyzer-* of .clang-tidy. Its suppressions are NOLINT in the sources.)
#
# What is wrongly reported depends on the compiler: the file is for GCC 12. ANALYZE_CC=gcc-13 takes
# another one.
set -euo pipefail
cd "$(dirname "$0")/.."

cc=${ANALYZE_CC:-gcc}
known=scripts/analyze.txt
logs=build/analyze
jobs=$(getconf _NPROCESSORS_ONLN)

scripts/setup.sh check build
rm -rf "$logs"
mkdir -p "$logs"
read -ra options <<<"$(pkg-config --cflags libuv)"
for folder in include src/*; do
  options+=(-I "$folder")
done
if pkg-config --exists libidn2; then
  options+=(-DDGRAM_HAVE_LIBIDN2)
fi

# One source after the other, each with a log of its own.
export cc logs
# shellcheck disable=SC2016 # the inner shell expands it
printf '%s\0' src/*/*.c | xargs -0 -P "$jobs" -I '{}' sh -c '
  source=$1 log=$logs/$(echo "$1" | tr / .)
  shift
  "$cc" -std=gnu11 -O1 -fanalyzer -D_GNU_SOURCE "$@" -c -o "$log.o" "$source" 2>"$log"' \
  sh '{}' "${options[@]}"

reported=$(for source in src/*/*.c; do
  sed -n "s|.*warning: .*\[\(-W[a-z-]*\)\]\$|$source \1|p" "$logs/${source//\//.}"
done | sort -u)
expected=$(sed -n 's/^\(src[^ ]* -W[^: ]*\): .*/\1/p' "$known" | sort -u)

new=$(comm -23 <(echo "$reported") <(echo "$expected"))
stale=$(comm -13 <(echo "$reported") <(echo "$expected"))
while read -r source kind; do
  [ -z "$source" ] || grep -B 1 -A 12 -- "\[$kind\]" "$logs/${source//\//.}" >&2
done <<<"$new"
[ -z "$new" ] || printf 'analyze: reported: %s\n' "$new" >&2
[ -z "$stale" ] || printf 'analyze: in %s, but not reported: %s\n' "$known" "$stale" >&2
[ -z "$new$stale" ] || exit 1
echo "analyze: $(find src -name '*.c' | wc -l) sources, nothing but the $(wc -l <<<"$expected") that $known explains"
