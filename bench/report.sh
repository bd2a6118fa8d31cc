#!/bin/sh
# Puts the tables of results/summary.txt into docs/performance.md, in the place of those there: each
# part between the line <!-- begin NAME --> and the line <!-- end NAME -->.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
summary=$here/results/summary.txt
page=$here/../docs/performance.md

# The parts begin at lines of the summary: the tables at its first, the targets at "Targets".
awk -v summary="$summary" '
  BEGIN {
    part = "tables"
    while ((getline line <summary) > 0) {
      if (line ~ /^Targets/) part = "targets"
      text[part] = text[part] line "\n"
    }
    for (part in text) sub(/^\n+/, "", text[part])
    for (part in text) sub(/\n+$/, "\n", text[part])
  }
  /^<!-- end / { inside = 0 }
  !inside { print }
  /^<!-- begin / {
    inside = 1
    printf "\n```text\n%s```\n\n", text[$3]
  }
' "$page" >"$page.new"
mv "$page.new" "$page"
