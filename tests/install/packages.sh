#!/usr/bin/env bash
# Checks that make's targets install no packages: where a tool is missing they report it, print the
# command that installs it, and fail; `make setup` calls the system's package manager.
set -euo pipefail
cd "$(dirname "$0")/../.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
  echo "packages test failed: $*" >&2
  exit 1
}

# The system's programs, but without some; and a package manager that only records its arguments.
bin=$scratch/bin
mkdir "$bin"
for folder in /usr/local/bin /usr/bin /bin; do
  for program in "$folder"/*; do
    [ ! -x "$program" ] || ln -sf "$program" "$bin"
  done
done
rm -f "$bin"/{ninja,doxygen,clang,clang-format,gnuplot,sudo,apt-get,dpkg,id}
for program in apt-get dpkg sudo; do
  printf '#!/bin/sh\necho "%s $*" >>"%s"\n' "$program" "$scratch/requested" >"$bin/$program"
done
printf '#!/bin/sh\necho 0\n' >"$bin/id" # root, so that nothing prompts for a password
chmod +x "$bin"/{apt-get,dpkg,sudo,id}

# run TARGET...: make TARGET there. Sets `code` and `output`.
run() {
  code=0
  : >"$scratch/requested"
  output=$(PATH=$bin make --no-print-directory "$@" 2>&1 </dev/null) || code=$?
}

# refuses TOOL FOR TARGET...: make TARGET fails for the lack of TOOL, and installs nothing.
refuses() {
  run "${@:3}"
  [ $code -ne 0 ] || fail "make ${*:3} succeeds without $1"
  [ ! -s "$scratch/requested" ] || fail "make ${*:3} ran $(cat "$scratch/requested")"
  [[ $output == *"Missing here: "*"$1"* ]] || fail "make ${*:3} does not report that $1 is missing: $output"
  [[ $output == *"make setup FOR='$2'"* ]] || fail "make ${*:3} does not name make setup: $output"
  echo "ok: make ${*:3} without $1"
}
refuses ninja build build
refuses ninja build install "PREFIX=$scratch/prefix"
refuses doxygen docs docs
refuses clang-format lint lint
refuses clang fuzz fuzz
refuses clang mutants mutants
refuses gnuplot bench bench
refuses gnuplot growth growth

# installs PACKAGE TARGET...: make TARGET requests PACKAGE from the package manager. It remains missing.
installs() {
  run "${@:2}"
  [ $code -ne 0 ] || fail "make ${*:2} does not detect that nothing was installed"
  grep -q "^apt-get install .*\b$1\b" "$scratch/requested" ||
    fail "make ${*:2} does not install $1: $output"
  echo "ok: make ${*:2} installs $1"
}
installs doxygen setup
installs ninja-build setup FOR=build
installs gnuplot-nox setup "FOR=build bench"
installs ninja-build demo
installs ninja-build test
