#!/bin/sh
# Runs tests with the addon under AddressSanitizer and UndefinedBehaviorSanitizer, or valgrind:
#
#   sanitized.sh asan [FILE...]       every test, or those of the files
#   sanitized.sh valgrind [FILE...]   by default the quicker ones
#
# The addon is built apart, in a copy of what it needs, so that the build at hand stays. Node itself
# is not instrumented: the sanitizer comes into it by LD_PRELOAD, and into its children too.
set -eu
kind=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT INT TERM

mkdir -p "$copy/bindings"
cp -r "$root/include" "$root/src" "$root/LICENSE" "$copy"
(cd "$root/bindings" && tar -cf - --exclude=build --exclude=node_modules node) |
  tar -xf - -C "$copy/bindings"
cd "$copy/bindings/node"

gyp=$(npm root -g)/npm/node_modules/node-gyp/bin/node-gyp.js
case $kind in
  asan) flags='-fsanitize=address,undefined -fno-sanitize-recover=undefined' ;;
  valgrind) flags= ;;
  *) echo "usage: $0 asan|valgrind [FILE...]" >&2; exit 2 ;;
esac
# gyp puts these behind the flags of binding.gyp, so that -O1 wins.
if ! CFLAGS="$flags -O1 -g -fno-omit-frame-pointer" LDFLAGS="$flags" \
  node "$gyp" rebuild --nodedir="${NODEDIR:-/usr}" >build.log 2>&1; then
  cat build.log >&2
  exit 1
fi

export DGRAM_TEST_SANITIZED=1
cd test
if [ "$kind" = asan ]; then
  [ $# -gt 0 ] || set -- ./*.test.js
  # Leaks are looked for as well: what Node leaves behind itself is still reachable. A child that
  # ends by process.exit() in the middle of things has leaks of its own, hence only on request.
  export ASAN_OPTIONS="detect_leaks=${DETECT_LEAKS:-0}:abort_on_error=1:handle_segv=1"
  export UBSAN_OPTIONS=print_stacktrace=1
  export DGRAM_TEST_SLOWNESS=4
  LD_PRELOAD=$(gcc -print-file-name=libasan.so)
  export LD_PRELOAD
  node --test "$@"
else
  [ $# -gt 0 ] || set -- contexts.test.js buffers.test.js
  export DGRAM_TEST_SLOWNESS=30 DGRAM_TEST_MESSAGES=1000
  # V8 looks through the stack for what may be a pointer: that is its own affair.
  for fault in Cond Value8; do
    printf '{\n  within Node\n  Memcheck:%s\n  obj:*/node\n  ...\n}\n' "$fault"
  done >"$copy/node.supp"
  for file in "$@"; do
    # The test file itself and the children that it makes.
    valgrind --quiet --error-exitcode=9 --leak-check=no --trace-children=yes \
      --suppressions="$copy/node.supp" --log-file="$copy/valgrind.%p.log" node "$file" || failed=$?
  done
  cat "$copy"/valgrind.*.log
  exit "${failed:-0}"
fi
