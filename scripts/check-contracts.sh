#!/usr/bin/env bash
# Usage: check-contracts.sh [HEADER...]
# Checks that no function of the headers in include/ is without its contract: each parameter, what
# it returns, and the part of the specification that it is (`@see spec:`). Which parts there are,
# and which functions are none, stands in docs/node-map.md; each function must be found there.
set -euo pipefail
cd "$(dirname "$0")/.."

headers=("$@")
[ $# -gt 0 ] || headers=(include/*.h)
map=docs/node-map.md
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0

complain() {
  echo "check-contracts: $*" >&2
  failed=1
}

# compare WHAT EXPECTED FOUND: complains of the lines that only one of two lists has.
compare() {
  if ! diff --label expected --label found -u <(sort -u <<<"$2") <(sort -u <<<"$3") >&2; then
    complain "$1"
  fi
}

# Doxygen complains of whatever has no comment, of parameters, and of results. (A setting may be
# repeated: the last one counts. Without HTML it complains of every function.)
{
  cat docs/Doxyfile
  printf '%s\n' "INPUT = ${headers[*]}" "OUTPUT_DIRECTORY = $scratch"
} | doxygen - || complain "${headers[*]}: incomplete comments"

# What it does not look for. A line is a function's name, a tab, and what is found.
xsltproc "$scratch/xml/combine.xslt" "$scratch/xml/index.xml" >"$scratch/all.xml"
list() {
  xsltproc --stringparam what "$1" scripts/contracts.xsl "$scratch/all.xml"
}

functions=$(list functions)
[ -n "$functions" ] || complain "${headers[*]}: no functions"
for function in $(list undescribed); do
  complain "$function lacks the words for a parameter, or for itself"
done

# The map's sections: the specification's parts, each with a heading of the third level; and then
# the functions that are none of them.
parts=$(sed -n '/^## Only in C/q; s/^### //p' "$map" | tr -d '`')
only_in_c=$(sed '1,/^## Only in C/d' "$map" | grep -oE '\bdgram_\w+\(' | tr -d '(')
compare "@see spec: must be in each function's contract, but for those that $map has only in C" \
  "$only_in_c" "$(list uncited)"
compare "@see spec: must name the parts of the specification by their headings in $map" \
  "$parts" "$(list citations)"
compare "$map must name each function, and no other" \
  "$functions" "$(grep -oE '\bdgram_\w+\(' "$map" | tr -d '(')"

exit $failed
