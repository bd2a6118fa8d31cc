#!/usr/bin/env bash
# Usage: check.sh PROGRAM "COMPILER MACHINE" [--update]
# Compares the instructions for each datagram with budget.txt: fails where a run needs over 5 %
# more, and reports where one needs over 5 % less, so that the budget can be lowered. Ends with
# 77, and the figures, where the budget has nothing for this compiler. --update writes them down.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
budget=$here/budget.txt
program=$1
key=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

if ! command -v valgrind >/dev/null; then
  echo "skipped: there is no valgrind to count with"
  exit 77
fi
"$here/count.sh" "$program" >"$folder/counted"

if [ "${3-}" = --update ]; then
  { grep -v "^$key " "$budget" || true; } >"$folder/budget"
  awk -v key="$key" '{ print key, $1, $2 }' "$folder/counted" >>"$folder/budget"
  cp "$folder/budget" "$budget"
fi

awk -v key="$key" '
  BEGIN { MARGIN = 0.05; printf "%-18s %8s %8s %8s  %s\n", key, "budget", "now", "in all", "" }
  FNR == NR { if ($1 " " $2 == key) { budget[$3] = $4; known = 1 } next }
  {
    verdict = ""
    if (known && !($1 in budget)) { verdict = "NOT IN THE BUDGET"; over = 1 }
    else if (known && $2 > budget[$1] * (1 + MARGIN)) { verdict = "OVER THE BUDGET"; over = 1 }
    else if (known && $2 < budget[$1] * (1 - MARGIN)) { verdict = "under: lower the budget" }
    printf "%-18s %8s %8s %8s  %s\n", $1, ($1 in budget) ? budget[$1] : "-", $2, $3, verdict
    delete budget[$1]
  }
  END {
    for (run in budget) { print "in the budget, but not executed: " run; over = 1 }
    if (!known) print "skipped: no budget for this compiler"
    exit over ? 1 : known ? 0 : 77
  }
' "$budget" "$folder/counted"
