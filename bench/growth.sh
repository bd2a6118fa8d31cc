#!/usr/bin/env bash
# Usage: growth.sh PROGRAM [FOLDER]
# Instructions for each datagram against the number of sockets, flows, queued sends and listeners:
# writes FOLDER/growth.csv and draws FOLDER/growth.svg; FOLDER is bench/results unless given.
# PROGRAM is that of tests/cost, which the presets with tests build.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
program=$1
results=${2:-$here/results}
csv=$results/growth.csv

count() {
  "$here/../tests/cost/count.sh" "$program" "$@"
}

# series OF RUN KEY NUMBER...: rows of a curve, RUN with KEY set to each of the numbers.
series() {
  local of=$1 run=$2 key=$3
  shift 3
  count "${@/#/$run,$key=}" |
    awk -v of="$of" -v run="$run" 'BEGIN { OFS = "," } {
      number = $1
      sub(/.*=/, "", number)
      # With many listeners a datagram is delivered to each of them.
      calls = of == "listeners" ? number : 1
      # The one socket that is busy counts.
      print of, run, of == "sockets" ? number + 1 : number, $2 / calls, $3 / calls
    }' >>"$csv"
}

echo "of,run,count,own,all" >"$csv"
for run in send-callback receive; do
  series sockets $run idle 0 9 99 999 9999
done
for run in send-fanout receive; do
  series flows $run flows 1 10 100 1000 10000
done
for run in send send-callback; do
  series queued $run window 1 10 100 1000 10000 100000
done
series listeners receive listeners 1 10 100 1000

gnuplot -e "data='$csv'; output='$results/growth.svg'" "$here/growth.gp"
column -s, -t "$csv"
