#!/usr/bin/env bash
# Runs the static checks of the sources, all of them even if one fails; prints at the end which
# failed.
set -euo pipefail
cd "$(dirname "$0")/.."

jobs=$(getconf _NPROCESSORS_ONLN)
failed=()
# duplicateAssignExpression is of the kind "style", but some versions report it nevertheless.
cppcheck_options=(-j "$jobs" --quiet "--enable=warning,performance,portability"
  --suppress=duplicateAssignExpression --inline-suppr --error-exitcode=1)

# check NAME COMMAND...: runs one linter, and records a failure.
check() {
  echo "lint: $1"
  "${@:2}" || failed+=("$1")
}

# The sources for clang-tidy and cppcheck: those that the build dev compiles.
compiled() {
  sed -n 's/^  "file": "\(.*\)",\{0,1\}$/\1/p' build/dev/compile_commands.json | sort -u
}

format() {
  find . \( -path ./build -o -path ./.git -o -name node_modules \) -prune \
    -o \( -name '*.[ch]' -o -name '*.cc' \) -exec clang-format --dry-run -Werror {} +
}

tidy() {
  # It prints the number of suppressed warnings, too.
  compiled | xargs -P "$jobs" -n 1 clang-tidy -p build/dev --quiet 2>&1 |
    { grep -vE '^[0-9]+ warnings? generated\.$' || true; }
}

# The build dev does not compile the addon for Node.js, which needs the headers of Node.js.
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

# Parses all JavaScript; node takes one file at a time.
javascript() {
  find bindings/node bench \( -name node_modules -o -name build \) -prune \
    -o \( -name '*.js' -o -name '*.mjs' -o -name '*.cjs' \) -print0 |
    xargs -0 -P "$jobs" -n 1 node --check
}

# The example in the README is examples/server.c.
readme() {
  # shellcheck disable=SC2016 # what looks like a command is Markdown
  diff --label README.md --label examples/server.c -u \
    <(sed -n '/^```c$/,/^```$/p' README.md | sed '1d;$d') <(grep -v '^//' examples/server.c)
}

# What docs/promises.md and SECURITY.md name is there: tests, functions, constants, source files.
promises() {
  local missing
  # shellcheck disable=SC2016 # what looks like a command is Markdown
  missing=$(comm -23 \
    <(grep -ohE '`([a-z]+/[a-z_0-9.-]+|[a-z-]+\.test\.js)`|\b(dgram_[a-z_0-9]+\(|DGRAM_[A-Z_0-9]+)' \
      docs/promises.md SECURITY.md | tr -d '`(' | sort -u) \
    <({
      ctest --test-dir build/dev -N | sed -n 's/^ *Test *#[0-9]*: \([^@]*\).*$/\1/p'
      grep -rohE '\b(dgram_[a-z_0-9]+|DGRAM_[A-Z_0-9]+)\b' include src tests
      find src -name '*.[ch]' -printf '%P\n' | sed 'p; s/\.[ch]$//'
      find bindings/node -maxdepth 3 -name '*.[cj]*' -printf '%P\n%f\n'
    } | sort -u))
  [ -z "$missing" ] || {
    echo "named in docs/promises.md or SECURITY.md, and not there:" "$missing"
    return 1
  }
}

# Each row of docs/features.md names tests that ctest has, and functions that the headers have.
features() {
  {
    ctest --test-dir build/dev -N | sed -n 's/^ *Test *#[0-9]*: \([^@]*\).*$/\1/p'
    grep -ohE '\b(dgram_[a-z_0-9]+|DGRAM_[A-Z_0-9]+)\b' include/*.h
  } | awk -f docs/features.awk - docs/features.md
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
check shellcheck shellcheck scripts/*.sh .ci/run tests/*.sh tests/*/*.sh bench/*.sh \
  bindings/node/test/*.sh bindings/node/test/examples/*.sh
check readme readme
check features features
check promises promises
check docs scripts/docs.sh

if [ ${#failed[@]} -ne 0 ]; then
  echo "lint: failed: ${failed[*]}" >&2
  exit 1
fi
echo "lint: passed"
