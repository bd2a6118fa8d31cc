#!/usr/bin/env bash
# Usage: run.sh BUILD_DIR [SANITIZERS]
# Installs a build into a scratch folder and checks that programs of C and of C++ can be built
# against it and run: by find_package() and by pkg-config, shared and static; and that every header
# is there and can be the only one.
set -euo pipefail

build=$1
sanitizers=${2-}
here=$(cd "$(dirname "$0")" && pwd)

if [ -n "$sanitizers" ]; then
  echo "skipped: a program built without sanitizers cannot use a library built with them"
  exit 77 # ctest counts it as skipped
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
prefix=$scratch/prefix

fail() {
  echo "install test failed: $*" >&2
  exit 1
}

# expect_ok PROGRAM: it runs, and prints what it should.
expect_ok() {
  local printed
  printed=$(timeout 30 "$1") || fail "$1 ended with code $?: $printed"
  [ "$printed" = ok ] || fail "$1 printed: $printed"
  echo "ok: ${1#"$scratch"/}"
}

# needs PROGRAM LIBRARY: the program loads that library when it starts.
needs() {
  readelf -d "$1" | grep -qF "Shared library: [$2]"
}

cmake --install "$build" --prefix "$prefix" >"$scratch/install.log"

# Where the library folder is depends on the system: lib, lib64 or lib/TRIPLET.
pc_file=$(find "$prefix" -name libdgram.pc)
libdir=$(dirname "$(dirname "$pc_file")")

version=$(PKG_CONFIG_PATH=$libdir/pkgconfig pkg-config --modversion libdgram)
soname=libdgram.so.${version%%.*}
readelf -d "$libdir/libdgram.so" | grep -qF "Library soname: [$soname]" ||
  fail "libdgram.so has not the SONAME $soname"
[ "$(readlink -f "$libdir/$soname")" = "$(readlink -f "$libdir/libdgram.so.$version")" ] ||
  fail "$soname does not lead to libdgram.so.$version"
echo "ok: SONAME $soname"

# By find_package(), shared and static.
cmake -S "$here" -B "$scratch/cmake" -DCMAKE_PREFIX_PATH="$prefix" \
  -DWANTED_VERSION="$version" >"$scratch/configure.log" ||
  fail "find_package: $(cat "$scratch/configure.log")"
cmake --build "$scratch/cmake" >"$scratch/build.log" ||
  fail "the build by find_package: $(cat "$scratch/build.log")"
for language in c cc; do
  needs "$scratch/cmake/${language}_dgram" "$soname" || fail "the shared library is not used"
  ! needs "$scratch/cmake/${language}_dgram_static" "$soname" || fail "static is not static"
  expect_ok "$scratch/cmake/${language}_dgram"
  expect_ok "$scratch/cmake/${language}_dgram_static"
done

export PKG_CONFIG_PATH=$libdir/pkgconfig
mkdir "$scratch/shared" "$scratch/static"

# Each header alone.
for header in "$here"/../../include/*.h; do
  header=$(basename "$header")
  for language in c c++; do
    # shellcheck disable=SC2046 # pkg-config's answer is a list of words
    echo "#include <$header>" |
      cc -x "$language" -Wall -Wextra -Wpedantic -Werror -fsyntax-only - \
        $(pkg-config --cflags libdgram) || fail "<$header> alone, in $language"
  done
  echo "ok: <$header>"
done

# By pkg-config: first shared; then static, as where only the static library is installed.

# pkg-config's answers are lists of words, hence without quotes.
# shellcheck disable=SC2046
{
  cc "$here/consumer.c" -o "$scratch/shared/c" $(pkg-config --cflags --libs libdgram)
  c++ "$here/consumer.cc" -o "$scratch/shared/cc" $(pkg-config --cflags --libs libdgram)
}
for language in c cc; do
  needs "$scratch/shared/$language" "$soname" || fail "the shared library is not used"
  LD_LIBRARY_PATH=$libdir expect_ok "$scratch/shared/$language"
done

rm "$libdir"/libdgram.so*
# shellcheck disable=SC2046
{
  cc "$here/consumer.c" -o "$scratch/static/c" $(pkg-config --static --cflags --libs libdgram)
  c++ "$here/consumer.cc" -o "$scratch/static/cc" $(pkg-config --static --cflags --libs libdgram)
}
for language in c cc; do
  expect_ok "$scratch/static/$language"
done
