#!/usr/bin/env bash
# Usage: check-exports.sh libdgram.so
# Checks that the shared library exports the functions of include/*.h, all and no others.
set -euo pipefail
export LC_ALL=C # one order for both lists

include=$(dirname "$0")/../include
library=$1

# A declaration is DGRAM_EXTERN, a type, the name and "("; it may go over several lines.
declared=$(grep -hv '^#' "$include"/*.h | tr '\n' ' ' |
  grep -oE 'DGRAM_EXTERN [^;(]+\(' | grep -oE '[A-Za-z0-9_]+\($' | tr -d '(' | sort)
exported=$(nm -D --defined-only "$library" | awk '{ print $NF }' | sort)

if [ "$declared" != "$exported" ]; then
  echo "check-exports: $library does not export what the headers declare:" >&2
  diff --label declared --label exported -u <(echo "$declared") <(echo "$exported") >&2
  exit 1
fi
