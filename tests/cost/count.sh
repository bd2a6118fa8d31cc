#!/usr/bin/env bash
# Usage: count.sh PROGRAM [RUN[,KEY=VALUE]...]...
# Counts the instructions of runs of tests/cost/cost.c. Prints a line for each:
#   RUN OWN ALL
# OWN: instructions for each datagram in the library itself. ALL: in the whole process, with libuv,
# libc and the program that executes the run, but without the kernel.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# A profile for each call of measured(), and nothing else in it. It is written without
# abbreviations; its grammar is in valgrind's manual, "Callgrind Format Specification".
valgrind --tool=callgrind --toggle-collect=measured --dump-after=measured --compress-strings=no \
  --callgrind-out-file="$folder/profile" "$@" >"$folder/runs" 2>"$folder/messages" || {
  cat "$folder/messages" >&2
  exit 1
}

number=0
while read -r run datagrams; do
  number=$((number + 1))
  awk -v run="$run" -v datagrams="$datagrams" '
    /^ob=/ { own = /\/libdgram[^\/]*\.so/ }
    /^calls=/ { inside_callee = 1; next } # the next line is the cost of what was called
    /^[0-9+*-]/ {
      if (!inside_callee) { all += $2; if (own) library += $2 }
      inside_callee = 0
    }
    END { printf "%s %.1f %.1f\n", run, library / datagrams, all / datagrams }
  ' "$folder/profile.$number"
done <"$folder/runs"
