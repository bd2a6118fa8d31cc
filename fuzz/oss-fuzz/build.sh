#!/bin/bash -eu
# Builds the fuzz targets, with their corpora and dictionaries, as OSS-Fuzz expects them in $OUT.
# $CC, $CFLAGS, $LIB_FUZZING_ENGINE, $WORK and $SRC are OSS-Fuzz's; all but $OUT have defaults, so that
# this runs outside of it, too. LIBUV=system links the libuv that is installed.
SRC=${SRC:-$(cd "$(dirname "$0")/../../.." && pwd)}
source=$(cd "$(dirname "$0")" && pwd)
[ -e "$source/../CMakeLists.txt" ] && source=$source/../.. || source=$SRC/libdgram
WORK=${WORK:-$(mktemp -d)}

if [ "${LIBUV-}" != system ]; then
  cmake -G Ninja -S "$SRC/libuv" -B "$WORK/libuv" -DCMAKE_INSTALL_PREFIX="$WORK/prefix" \
    -DCMAKE_INSTALL_LIBDIR=lib -DLIBUV_BUILD_SHARED=OFF -DLIBUV_BUILD_TESTS=OFF
  cmake --build "$WORK/libuv" --target install
  # Its static library has another name than its shared one, which libdgram asks pkg-config for.
  ln -sf libuv-static.pc "$WORK/prefix/lib/pkgconfig/libuv.pc"
  export PKG_CONFIG_PATH=$WORK/prefix/lib/pkgconfig
fi

cmake -G Ninja -S "$source" -B "$WORK/libdgram" -DCMAKE_BUILD_TYPE=Debug -DDGRAM_BUILD_FUZZ=ON \
  -DDGRAM_LIBIDN2=OFF -DDGRAM_INSTALL=OFF -DBUILD_SHARED_LIBS=OFF \
  "-DDGRAM_FUZZ_ENGINE=${LIB_FUZZING_ENGINE:--fsanitize=fuzzer}"
cmake --build "$WORK/libdgram"

for target in "$WORK"/libdgram/fuzz/fuzz_*; do
  name=${target##*/fuzz_}
  cp "$target" "$OUT/"
  (cd "$source/fuzz/corpus/$name" && zip -q "$OUT/fuzz_${name}_seed_corpus.zip" ./*)
  [ ! -e "$source/fuzz/$name.dict" ] || cp "$source/fuzz/$name.dict" "$OUT/fuzz_$name.dict"
done
