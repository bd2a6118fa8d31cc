#!/usr/bin/env bash
# Usage: run.sh BUILD_DIR [SANITIZERS]
# Installs a build into a scratch folder and checks that programs of C and of C++ can be built
# against it and run: by find_package() and by pkg-config, shared and static; and that every header
# is there and can be the only one. Then builds the sources in other ways: as a part of another
# project, by CMake with its defaults, and without CMake.
set -euo pipefail

build=$1
sanitizers=${2-}
here=$(cd "$(dirname "$0")" && pwd)
sources=$(cd "$here/../.." && pwd)

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

# expect_ok PROGRAM ARGUMENT...: it runs, and prints what it should.
expect_ok() {
  local printed
  printed=$(timeout 30 "$@") || fail "$1 ended with code $?: $printed"
  [ "$printed" = ok ] || fail "$1 printed: $printed"
  echo "ok: ${1#"$scratch"/}"
}

# includes ROOT: the options with which the library's sources compile, one a line.
includes() {
  printf -- '-I%s\n' "$1"/include "$1"/src/*/
}

# needs PROGRAM LIBRARY: the program loads that library when it starts.
needs() {
  readelf -d "$1" | grep -F "Shared library: [$2]" >/dev/null
}

cmake --install "$build" --prefix "$prefix" >"$scratch/install.log"

# Where the library folder is depends on the system: lib, lib64 or lib/TRIPLET.
pc_file=$(find "$prefix" -name libdgram.pc)
libdir=$(dirname "$(dirname "$pc_file")")

version=$(PKG_CONFIG_PATH=$libdir/pkgconfig pkg-config --modversion libdgram)
case $version in # until 1.0 a minor version may break what the one before it promised
0.*) soname=libdgram.so.${version%.*} ;;
*) soname=libdgram.so.${version%%.*} ;;
esac
readelf -d "$libdir/libdgram.so" | grep -F "Library soname: [$soname]" >/dev/null ||
  fail "libdgram.so has not the SONAME $soname"
[ "$(readlink -f "$libdir/$soname")" = "$(readlink -f "$libdir/libdgram.so.$version")" ] ||
  fail "$soname does not lead to libdgram.so.$version"
# Which names it exports the linker checks: the tests call every function of the headers.
! nm -D --defined-only "$libdir/libdgram.so" | grep -v "LIBDGRAM_${soname#*.so.}$" ||
  fail "exported without the version LIBDGRAM_${soname#*.so.}"
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

# Each header alone, with the warnings that programs may have turned on.
strict="-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wcast-qual -Wundef
  -Wredundant-decls -Wformat=2"
declare -A only=([c]="-Wstrict-prototypes -Wc++-compat" [c++]="-Wold-style-cast")
for header in "$here"/../../include/*.h; do
  header=$(basename "$header")
  for language in c c++; do
    # shellcheck disable=SC2046,SC2086 # lists of words
    echo "#include <$header>" |
      cc -x "$language" $strict ${only[$language]} -Werror -fsyntax-only - \
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

# A later library with more members in a message: a program that was compiled before still runs.
later=$scratch/later
mkdir "$later"
cp -r "$sources/include" "$sources/src" "$later"
sed -i 's/^} dgram_\(message\|rinfo\)_t;$/  double later[3];\n&/' "$later/include/dgram.h"
[ "$(grep -c 'double later' "$later/include/dgram.h")" = 2 ] || fail "the structs are not found"
# shellcheck disable=SC2046
{
  cc -std=gnu11 -D_GNU_SOURCE -fPIC -shared $(includes "$later") "$later"/src/*/*.c \
    -Wl,-soname,"$soname" -o "$later/$soname" $(pkg-config --cflags --libs libuv)
  cc "$here/batch.c" -o "$scratch/shared/batch" $(pkg-config --cflags --libs libdgram)
}
LD_LIBRARY_PATH=$libdir expect_ok "$scratch/shared/batch"
LD_LIBRARY_PATH=$later expect_ok "$scratch/shared/batch" 2>"$scratch/warnings" # no symbol versions

# Copies of two versions in one process: each calls itself, and both work on one loop. The program
# has the older one, and exports it.
older=$scratch/older
mkdir "$older"
cp -r "$sources/include" "$sources/src" "$older"
sed -i 's/^\(#define DGRAM_VERSION_PATCH\) .*/\1 99/' "$older/include/dgram.h"
# shellcheck disable=SC2046
{
  cc -std=gnu11 -D_GNU_SOURCE $(includes "$older") "$older"/src/*/*.c "$here/copy_host.c" -rdynamic \
    -o "$older/host" $(pkg-config --cflags --libs libuv) -ldl
  cc -shared -fPIC "$here/copy_plugin.c" -o "$older/plugin.so" $(pkg-config --cflags libdgram) \
    -Wl,-Bstatic $(pkg-config --libs-only-L --libs-only-l libdgram | grep -o -- '-L[^ ]*\|-ldgram') \
    -Wl,-Bdynamic $(pkg-config --static --libs libdgram | sed 's/-ldgram//')
}
nm -D --defined-only "$older/host" | grep ' dgram_bind$' >/dev/null || fail "the host exports nothing"
(
  export LD_BIND_NOW=1 LD_DEBUG=bindings LD_DEBUG_OUTPUT=$older/bindings
  expect_ok "$older/host" "${version%.*}.99" "$older/plugin.so" "$libdir/$soname" "$version"
)
# Of what the loader has bound, as "FROM TO", nothing leads from one copy to another.
sed -nE 's/.*binding file ([^ ]+) \[0\] to ([^ ]+) \[0\]: [a-z]+ symbol `dgram_.*/\1 \2/p' \
  "$older"/bindings.* | sort -u >"$older/bound"
crossed=$(awk '$1 != $2' "$older/bound")
[ -z "$crossed" ] || fail "one copy calls another: $crossed"
grep -q "binding file $older/plugin.so" "$older"/bindings.* || fail "the loader reports no bindings"

rm "$libdir"/libdgram.so*
# shellcheck disable=SC2046
{
  cc "$here/consumer.c" -o "$scratch/static/c" $(pkg-config --static --cflags --libs libdgram)
  c++ "$here/consumer.cc" -o "$scratch/static/cc" $(pkg-config --static --cflags --libs libdgram)
}
for language in c cc; do
  expect_ok "$scratch/static/$language"
done

# As a part of another project: nothing is installed with that unless DGRAM_INSTALL is set, and
# BUILD_SHARED_LIBS selects what is built.

# parent FOLDER OPTION...: builds and installs the project of parent/.
parent() {
  local folder=$scratch/$1
  {
    cmake -S "$here/parent" -B "$folder" -DLIBDGRAM="$sources" "${@:2}" &&
      cmake --build "$folder" --parallel && cmake --install "$folder" --prefix "$folder/prefix"
  } >"$folder.log" 2>&1 || fail "as a part of a project, with ${*:2}: $(cat "$folder.log")"
  expect_ok "$folder/parent"
}
# installed FOLDER: the files that the project has installed, without the symbolic links of libraries.
installed() {
  (cd "$1/prefix" && find . -type f | sort | tr '\n' ' ')
}
# linked PROGRAM: the SONAME of the libdgram that it loads.
linked() {
  readelf -d "$1" | sed -n 's/.*Shared library: \[\(libdgram[^]]*\)\].*/\1/p'
}

parent part-static -DBUILD_SHARED_LIBS=OFF
[ "$(installed "$scratch/part-static")" = "./bin/parent " ] ||
  fail "installed with a project: $(installed "$scratch/part-static")"
[ -z "$(linked "$scratch/part-static/parent")" ] || fail "BUILD_SHARED_LIBS=OFF builds a shared one"
[ -z "$(find "$scratch/part-static" -name 'libdgram.so*')" ] || fail "a shared library is built, too"
grep -q '^CMAKE_BUILD_TYPE:STRING=$' "$scratch/part-static/CMakeCache.txt" ||
  fail "the build type is not the parent's"

parent part-shared -DBUILD_SHARED_LIBS=ON -DDGRAM_INSTALL=ON -DCMAKE_BUILD_TYPE=Release
"$here/hardened.sh" "$(find "$scratch/part-shared" -name "libdgram.so.$version" -print -quit)" ||
  fail "a release is not hardened"
[ "$(linked "$scratch/part-shared/parent")" = "$soname" ] || fail "BUILD_SHARED_LIBS=ON is static"
[[ $(installed "$scratch/part-shared") == *"/include/dgram.h "*"/libdgram.so.$version "* ]] ||
  fail "selected, and not installed: $(installed "$scratch/part-shared")"
[[ $(installed "$scratch/part-shared") != *libdgram.a* ]] || fail "a static library is installed, too"
echo "ok: as a part of a project"

# With defaults but for a static library: optimised, and nothing is compiled that is not installed.
plain=$scratch/plain
{
  cmake -S "$sources" -B "$plain" -DBUILD_SHARED_LIBS=OFF -DCMAKE_INSTALL_PREFIX="$plain/prefix" &&
    cmake --build "$plain" --parallel --target install
} >"$plain.log" 2>&1 || fail "a plain build: $(cat "$plain.log")"
grep -q '^CMAKE_BUILD_TYPE:STRING=Release$' "$plain/CMakeCache.txt" || fail "no build type"
others=$(find "$plain" -name '*.o' -not -path '*/dgram_static_objects.dir/*')
[ -z "$others" ] || fail "to install it compiles $others"
{
  cmake -S "$here" -B "$scratch/only-static" -DCMAKE_PREFIX_PATH="$plain/prefix" \
    -DWANTED_VERSION="$version" && cmake --build "$scratch/only-static"
} >"$scratch/only-static.log" 2>&1 ||
  fail "find_package of a static library: $(cat "$scratch/only-static.log")"
for program in c_dgram c_dgram_static cc_dgram cc_dgram_static; do
  [ -z "$(linked "$scratch/only-static/$program")" ] || fail "$program is not static"
  expect_ok "$scratch/only-static/$program"
done

# Without CMake, as in a program that includes the sources; see the README.
# shellcheck disable=SC2046 # pkg-config prints a list of words
cc -std=gnu11 -O2 -DNDEBUG -D_GNU_SOURCE $(includes "$sources") "$sources"/src/*/*.c "$here/consumer.c" \
  -o "$scratch/vendored" $(pkg-config --cflags --libs libuv)
expect_ok "$scratch/vendored"
