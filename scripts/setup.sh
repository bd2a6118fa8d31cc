#!/usr/bin/env bash
# Usage: setup.sh [build|demo|test|lint|docs|fuzz|bench|growth]
# Sees to it that the tools of a make target are there: installs what is missing on Debian and
# Ubuntu, says what is missing elsewhere. Says nothing when nothing is missing.
set -euo pipefail

# The needs, each as PROBE:PACKAGE. A probe is a command, lib/NAME for a library known to
# pkg-config, or libfuzzer, which is clang's; the package is Debian's. pkg-config stands before the
# libraries that it looks for.
needs="cc:gcc c++:g++ make:make cmake:cmake ninja:ninja-build pkg-config:pkg-config
  lib/libuv:libuv1-dev"
for_node="node:nodejs npm:npm python3:python3" # npm brings node-gyp
for_tests="lib/cmocka:libcmocka-dev valgrind:valgrind strace:strace ip:iproute2 socat:socat
  ethtool:ethtool dnsmasq:dnsmasq-base $for_node"
for_lint="clang-format:clang-format clang-tidy:clang-tidy cppcheck:cppcheck shellcheck:shellcheck"
for_docs="doxygen:doxygen xsltproc:xsltproc"

case ${1-build} in
build) ;;
demo) needs+=" socat:socat $for_node" ;;
test) needs+=" $for_tests" ;;
lint) needs+=" $for_tests $for_lint $for_docs" ;; # the linters read the tests and contracts too
docs) needs=$for_docs ;;
fuzz) needs+=" clang:clang libfuzzer:libclang-rt-dev" ;;
bench) needs+=" gnuplot:gnuplot-nox go:golang-go $for_node" ;; # and python3 is a peer, too
growth) needs+=" gnuplot:gnuplot-nox $for_tests" ;;
*)
  echo "usage: $0 [build|demo|test|lint|docs|fuzz|bench|growth]" >&2
  exit 2
  ;;
esac

# ip(8) is in sbin, which is not on every user's path.
PATH=$PATH:/usr/sbin:/sbin

is_there() {
  case $1 in
  lib/*) pkg-config --exists "${1#lib/}" 2>/dev/null ;;
  libfuzzer) [ -e "$(clang -print-file-name="libclang_rt.fuzzer-$(uname -m).a" 2>/dev/null)" ] ;;
  *) command -v "$1" >/dev/null ;;
  esac
}

# Sets the lists of what is missing: as packages, and as a reader elsewhere would look for it.
look() {
  packages=()
  missing=()
  local need
  for need in $needs; do
    if ! is_there "${need%%:*}"; then
      packages+=("${need#*:}")
      missing+=("${need%%:*}")
    fi
  done
}

look
if [ ${#missing[@]} -eq 0 ]; then
  exit 0
fi

if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then
  echo "Missing here: ${missing[*]}" >&2
  echo "Install them with this system's package manager (lib/NAME: the library NAME with its" >&2
  echo "headers), then try again. On Debian they are: ${packages[*]}" >&2
  exit 1
fi

echo "Missing here, from Debian's packages: ${packages[*]}"
install="apt-get update && apt-get install -y --no-install-recommends ${packages[*]}"

if [ "$(id -u)" -eq 0 ]; then
  as_root=()
elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
  as_root=(sudo) # asks for the password, if it needs one, on the terminal
else
  echo "To install them, run this as root, then try again:" >&2
  echo "  $install" >&2
  exit 1
fi

echo "Installing them: $install"
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive sh -c "$install" >&2

look
if [ ${#missing[@]} -ne 0 ]; then
  echo "Still missing after installing: ${missing[*]}" >&2
  exit 1
fi
