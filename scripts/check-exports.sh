#!/usr/bin/env bash
# Usage: check-exports.sh libdgram.so
# Checks that the shared library exports the functions of include/*.h, all and no others, each with
# the library's version. Its version script cannot: it takes names by their look.
set -euo pipefail
export LC_ALL=C # one order for both lists

include=$(dirname "$0")/../include
library=$1

# A declaration is DGRAM_EXTERN, a type, the name and "("; it may go over several lines.
declared=$(grep -hv '^#' "$include"/*.h | tr '\n' ' ' |
  grep -oE 'DGRAM_EXTERN [^;(]+\(' | grep -oE '[A-Za-z0-9_]+\($' | tr -d '(' | sort)
version=$(readelf -d "$library" | sed -n 's/.*soname: \[libdgram\.so\.\(.*\)\]$/LIBDGRAM_\1/p')
exported=$(nm -D --defined-only "$library" | awk -v version="$version" '
  $NF != version { sub("@@" version "$", "", $NF); print $NF }' | sort)

if [ "$declared" != "$exported" ]; then
  echo "check-exports: $library does not export what the headers declare:" >&2
  diff --label declared --label exported -u <(echo "$declared") <(echo "$exported") >&2
  exit 1
fi
