#!/usr/bin/env bash
# Usage: compile.sh freebsd|macos SOURCE...
# Compiles sources of the library as if for another system, so that its branches of #ifdef do not
# rot: with the names that this system has and that one lacks undefined, and those that it alone has
# declared (SYSTEM.h, include/). It cannot show the layout of that system's structs, nor whether a
# call does there what it should.
set -euo pipefail

system=$1
here=$(cd "$(dirname "$0")" && pwd)
declare -A macro=([freebsd]=-D__FreeBSD__=14 [macos]=-D__APPLE__)

options=(-c -std=gnu11 -U__linux__ -U__linux -Ulinux "${macro[$system]}"
  -D_DEFAULT_SOURCE -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wmissing-prototypes
  -Wno-unused-parameter -Wno-deprecated-declarations -Werror -I "$here/include"
  -include "$here/$system.h" -I "$here/../../include")
for folder in "$here"/../../src/*/; do
  options+=(-I "$folder")
done

read -ra flags <<<"$(pkg-config --cflags libuv)"
mapfile -t sources < <(realpath "${@:2}")

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" # the objects go there
printf '%s\0' "${sources[@]}" | xargs -0 -P 2 -n 8 "${CC:-cc}" "${options[@]}" "${flags[@]}"
