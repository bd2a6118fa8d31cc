#!/bin/sh
# Replaces the results in the pages that describe them: each part between
# the lines <!-- begin NAME --> and <!-- end NAME -->. docs/performance.md has the tables and
# the targets of results/summary.txt, docs/scaling.md has results/scaling.csv.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
results=$here/results
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# put PAGE: its parts are the files of $scratch by these names.
put() {
  awk -v scratch="$scratch" '
    /^<!-- end / { inside = 0 }
    !inside { print }
    /^<!-- begin / {
      inside = 1
      print "\n```text"
      while ((getline line <(scratch "/" $3)) > 0) print line
      print "```\n"
    }
  ' "$1" >"$scratch/page"
  cat "$scratch/page" >"$1"
}

# The tables begin at the first line of the summary, the targets at "Targets". No empty line is left
# at either end of a part.
awk -v scratch="$scratch" '
  BEGIN { part = "tables" }
  /^Targets/ { part = "targets" }
  NF { for (; empty > 0 && begun[part]; empty--) print "" >(scratch "/" part)
       empty = 0; begun[part] = 1; print >(scratch "/" part) }
  !NF { empty++ }
' "$results/summary.txt"
column -s, -t "$results/scaling.csv" >"$scratch/scaling"

put "$here/../docs/performance.md"
put "$here/../docs/scaling.md"
