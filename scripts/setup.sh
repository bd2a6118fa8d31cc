#!/usr/bin/env bash
# Usage: setup.sh check|install [build|demo|test|lint|docs|fuzz|mutants|bench|growth|machines]...
# Checks for the tools of make targets; of `build` if none is named. `check` reports what is
# missing, and fails; `install` installs it on Debian and Ubuntu, and reports it elsewhere. Prints
# nothing if nothing is missing.
set -euo pipefail

# The requirements, each as PROBE:PACKAGE. A probe is a command, the path of a file, lib/NAME for a
# library of pkg-config, or libfuzzer, which is part of clang; the package is Debian's. pkg-config is
# listed before the libraries. An option is installed with the rest, and is never reported as missing.
for_build="cc:gcc make:make cmake:cmake ninja:ninja-build pkg-config:pkg-config
  lib/libuv:libuv1-dev"
options="lib/libidn2:libidn2-dev"
for_node="c++:g++ node:nodejs npm:npm python3:python3" # npm brings node-gyp
for_tests="lib/cmocka:libcmocka-dev valgrind:valgrind strace:strace ip:iproute2 socat:socat
  avahi-daemon:avahi-daemon avahi-resolve:avahi-utils
  ethtool:ethtool dnsmasq:dnsmasq-base dig:bind9-dnsutils $for_node"
for_lint="clang-format:clang-format clang-tidy:clang-tidy cppcheck:cppcheck shellcheck:shellcheck"
for_docs="doxygen:doxygen"
for_machines="aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu
  arm-linux-gnueabihf-gcc:gcc-arm-linux-gnueabihf riscv64-linux-gnu-gcc:gcc-riscv64-linux-gnu
  s390x-linux-gnu-gcc:gcc-s390x-linux-gnu i686-linux-gnu-gcc:gcc-i686-linux-gnu
  /usr/aarch64-linux-gnu/include/stdio.h:libc6-dev-arm64-cross
  /usr/arm-linux-gnueabihf/include/stdio.h:libc6-dev-armhf-cross
  /usr/riscv64-linux-gnu/include/stdio.h:libc6-dev-riscv64-cross
  /usr/s390x-linux-gnu/include/stdio.h:libc6-dev-s390x-cross
  /usr/i686-linux-gnu/include/stdio.h:libc6-dev-i386-cross
  qemu-system-aarch64:qemu-system-arm qemu-system-s390x:qemu-system-misc
  /usr/share/qemu/opensbi-riscv64-generic-fw_dynamic.bin:opensbi cpio:cpio musl-gcc:musl-tools
  clang:clang libfuzzer:libclang-rt-dev"

usage() {
  echo "usage: $0 check|install [build|demo|test|lint|docs|fuzz|mutants|bench|growth|machines]..." >&2
  exit 2
}

case ${1-} in
check | install) mode=$1 ;;
*) usage ;;
esac
targets=("${@:2}")
[ ${#targets[@]} -gt 0 ] || targets=(build)

needs=
for target in "${targets[@]}"; do
  case $target in
  build) needs+=" $for_build" ;;
  demo) needs+=" $for_build socat:socat $for_node" ;;
  test) needs+=" $for_build $for_tests" ;;
  lint) needs+=" $for_build $for_tests $for_lint $for_docs" ;; # includes the tests and `make docs`
  docs) needs+=" $for_docs" ;;
  fuzz) needs+=" $for_build clang:clang libfuzzer:libclang-rt-dev llvm-cov:llvm llvm-profdata:llvm" ;;
  mutants) needs+=" $for_build $for_tests clang:clang git:git" ;;
  bench) needs+=" $for_build gnuplot:gnuplot-nox go:golang-go $for_node" ;; # python3 is a peer too
  machines) needs+=" $for_build $for_tests $for_machines" ;;
  growth) needs+=" $for_build gnuplot:gnuplot-nox $for_tests" ;;
  *) usage ;;
  esac
done

# ip(8) is in sbin, which is not on every user's path.
PATH=$PATH:/usr/sbin:/sbin

is_there() {
  case $1 in
  /*) [ -e "$1" ] ;;
  lib/*) pkg-config --exists "${1#lib/}" 2>/dev/null ;;
  libfuzzer) [ -e "$(clang -print-file-name="libclang_rt.fuzzer-$(uname -m).a" 2>/dev/null)" ] ;;
  *) command -v "$1" >/dev/null ;;
  esac
}

# Sets the lists of missing packages, and of the probes that failed.
find_missing() {
  packages=()
  missing=()
  local need
  for need in $needs; do
    if ! is_there "${need%%:*}" && [[ " ${missing[*]-} " != *" ${need%%:*} "* ]]; then
      packages+=("${need#*:}")
      missing+=("${need%%:*}")
    fi
  done
}

find_missing
if [ "$mode" = check ]; then
  [ ${#missing[@]} -ne 0 ] || exit 0
  echo "Missing here: ${missing[*]}" >&2
  echo "\`make setup FOR='${targets[*]}'\` installs them on Debian and Ubuntu, where they are:" >&2
  echo "  ${packages[*]}" >&2
  echo "Elsewhere the system's package manager does (lib/NAME: the library with its headers)." >&2
  exit 1
fi

required=${#missing[@]}
for option in $options; do
  is_there "${option%%:*}" || packages+=("${option#*:}")
done
[ ${#packages[@]} -ne 0 ] || exit 0

# give_up LINE...: without the requirements this fails; missing options alone are not an error.
give_up() {
  [ "$required" -ne 0 ] || exit 0
  printf '%s\n' "$@" >&2
  exit 1
}

if ! command -v apt-get >/dev/null || ! command -v dpkg >/dev/null; then
  give_up "Missing here: ${missing[*]}" \
    "Install them with this system's package manager (lib/NAME: the library NAME with its" \
    "headers), then try again. On Debian they are: ${packages[*]}"
fi

echo "Missing here, from Debian's packages: ${packages[*]}"
install="apt-get update && apt-get install -y --no-install-recommends ${packages[*]}"

if [ "$(id -u)" -eq 0 ]; then
  as_root=()
elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
  as_root=(sudo) # prompts for the password, if needed, on the terminal
else
  give_up "To install them, run this as root, then try again:" "  $install"
fi

echo "Installing them: $install"
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive sh -c "$install" >&2 || give_up "Installing failed."

find_missing
[ ${#missing[@]} -eq 0 ] || give_up "Still missing after installing: ${missing[*]}"
