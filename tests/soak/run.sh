#!/usr/bin/env bash
# Usage: run.sh PROGRAM [FOLDER]
# Runs a soak for MINUTES (30), writes FOLDER/soak.csv, a line each second, and FOLDER/soak.txt, the
# report, and draws FOLDER/soak.svg. FOLDER is bench/results unless given. Fails if a datagram is
# unaccounted for, a promise was broken, or memory or descriptors have grown.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
program=$1
results=${2:-$here/../../bench/results}
minutes=${MINUTES:-30}
csv=$results/soak.csv

mkdir -p "$results"
status=0
"$program" "$minutes" "$csv" | tee "$results/soak.txt" || status=$?
gnuplot -e "data='$csv'; output='$results/soak.svg'" "$here/soak.gp"
exit "$status"
