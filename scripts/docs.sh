#!/usr/bin/env bash
# Generates the reference from include/*.h: HTML in build/docs/html, man pages in build/docs/man.
# Fails if the contract of a function is incomplete. Doxygen and docs/man.awk check the description,
# each parameter, and the result; this script checks `@see spec:`, the part of the specification
# that a function implements. docs/node-map.md lists these parts, the functions that are only in C,
# and every function.
set -euo pipefail
cd "$(dirname "$0")/.."

out=build/docs
man=$out/man/man3
map=docs/node-map.md

# compare WHAT EXPECTED FOUND: fails if one of two lists has a line that the other has not.
compare() {
  diff --label expected --label found -u <(sort -u <<<"$2") <(sort -u <<<"$3") >&2 || {
    echo "docs: $1" >&2
    exit 1
  }
}

scripts/setup.sh check docs
version=$(sed -n 's/^#define DGRAM_VERSION_[A-Z]* \([0-9]*\)$/\1/p' include/dgram.h | paste -sd.)

rm -rf "$out"
mkdir -p "$out"
DGRAM_VERSION=$version doxygen docs/Doxyfile
# The main header's page is the index page. Its tab "Headers" lists the others.
cp "$out/html/dgram_8h.html" "$out/html/index.html"

contracts=$(awk -v folder="$man" -v version="$version" -f docs/man.awk "$man"/*.h.3)
rm "$man"/*.h.3

# In the map each part of the specification has a heading of the third level; the section "Only in
# C" has the functions that are no part of it.
compare "@see spec: must be in each function's contract, but for those that $map has only in C" \
  "$(sed '1,/^## Only in C/d' "$map" | grep -oE '\bdgram_\w+\(' | tr -d '(')" \
  "$(sed -n 's/\t$//p' <<<"$contracts")"
compare "@see spec: must name the parts of the specification by their headings in $map" \
  "$(sed -n '/^## Only in C/q; s/^### //p' "$map" | tr -d '`')" \
  "$(cut -f 2 <<<"$contracts" | grep .)"
compare "$map must name each function, and no other" \
  "$(cut -f 1 <<<"$contracts")" "$(grep -oE '\bdgram_\w+\(' "$map" | tr -d '(')"

echo "The reference is generated:"
echo "  $out/html/index.html"
echo "  man -M $out/man dgram      and a page for each other header and function: dgram_bind, ..."
