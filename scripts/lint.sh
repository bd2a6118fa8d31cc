#!/usr/bin/env bash
# Runs everything that judges the sources without running them; says at the end what failed.
set -euo pipefail
cd "$(dirname "$0")/.."

jobs=$(getconf _NPROCESSORS_ONLN)
failed=()
# duplicateAssignExpression is of the kind "style", but some versions report it all the same.
cppcheck_options=(-j "$jobs" --quiet "--enable=warning,performance,portability"
  --suppress=duplicateAssignExpression --inline-suppr --error-exitcode=1)

# check NAME COMMAND...: runs one linter; the next run even if it fails.
check() {
  echo "lint: $1"
  "${@:2}" || failed+=("$1")
}

# What clang-tidy and cppcheck read: the sources that the build dev compiles, with its flags.
compiled() {
  sed -n 's/^  "file": "\(.*\)",\{0,1\}$/\1/p' build/dev/compile_commands.json | sort -u
}

format() {
  find . \( -path ./build -o -path ./.git -o -name node_modules \) -prune \
    -o \( -name '*.[ch]' -o -name '*.cc' \) -exec clang-format --dry-run -Werror {} +
}

tidy() {
  # It counts the warnings that it was told to leave out; nobody wants to know.
  compiled | xargs -P "$jobs" -n 1 clang-tidy -p build/dev --quiet 2>&1 |
    { grep -vE '^[0-9]+ warnings? generated\.$' || true; }
}

# The build dev does not compile the addon for Node.js: its headers are Node's own.
addon() {
  local prefix
  prefix=$(node -p 'require("path").resolve(process.execPath, "../..")')
  if [ ! -e "$prefix/include/node/node_api.h" ]; then
    echo "lint: skipped: cppcheck of bindings/node: this Node.js came without its headers"
    return
  fi
  cppcheck "${cppcheck_options[@]}" -I include -I "$prefix/include/node" -D NAPI_VERSION=8 \
    --suppress="*:$prefix/include/node/*" bindings/node/src/*.c
}

# Whether all JavaScript can be read; node takes one file at a time.
javascript() {
  find bindings/node bench \( -name node_modules -o -name build \) -prune \
    -o \( -name '*.js' -o -name '*.mjs' -o -name '*.cjs' \) -print0 |
    xargs -0 -P "$jobs" -n 1 node --check
}

# The first example is shown as it is run.
readme() {
  # shellcheck disable=SC2016 # what looks like a command is Markdown
  diff --label README.md --label examples/server.c -u \
    <(sed -n '/^```c$/,/^```$/p' README.md | sed '1d;$d') <(grep -v '^//' examples/server.c)
}

scripts/setup.sh check lint
# clang-tidy and cppcheck take each file's flags from this build.
cmake --preset dev >/dev/null
cmake --build --preset dev

check clang-format format
check clang-tidy tidy
check cppcheck cppcheck "${cppcheck_options[@]}" --project=build/dev/compile_commands.json
check cppcheck-addon addon
check javascript javascript
check shellcheck shellcheck scripts/*.sh .ci/run tests/*.sh tests/install/*.sh \
  tests/examples/run.sh tests/cost/*.sh bench/*.sh bindings/node/test/*.sh bindings/node/test/examples/*.sh
check readme readme
check docs scripts/docs.sh

if [ ${#failed[@]} -ne 0 ]; then
  echo "lint: failed: ${failed[*]}" >&2
  exit 1
fi
echo "lint: nothing to complain of"
