#!/usr/bin/env bash
# Usage: machines.sh [MACHINE...]
# Builds the library and its tests for other machines, C libraries, compilers and versions of libuv,
# in build/machines/MACHINE, and runs the tests there. All, unless some are named:
#
#   arm64 armhf riscv64 s390x  cross-compiled; run in a virtual machine (qemu-system) with Debian's
#                              kernel for it. qemu-user would be quicker, but does not translate
#                              UDP_SEGMENT, UDP_GRO, SO_MEMINFO, most of multicast and others: 69 of
#                              248 tests failed on s390x, most for that. Not run: the examples, and what
#                              @plain and @single repeat without offloads
#   i386                       cross-compiled, and run by this machine's kernel
#   musl                       musl-gcc; all but the examples, whose test needs stdbuf(1)
#   clang                      clang, with the libuv that is installed
#   msan                       clang's MemorySanitizer, in libuv and cmocka, too
#   libuv                      with the newest libuv of Debian's suites that can be had
#
# All but the last two have Debian 12's libuv 1.44, the oldest that is supported. MACHINES_TESTS=REGEX
# selects tests by name. Prints a line of a table for each machine; build/machines/MACHINE.log has
# the rest. Needs Debian on x86-64: sources, kernels and programs of the virtual machines are
# Debian's packages, fetched by apt-get into build/machines without a change to the system's own.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

base=$PWD/build/machines
jobs=$(getconf _NPROCESSORS_ONLN)
all=(arm64 armhf riscv64 s390x i386 musl clang msan libuv)
tests=${MACHINES_TESTS:-.}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
guest_packages="busybox-static bash dash coreutils iproute2 ethtool dnsmasq-base bind9-dnsutils strace"

# apt ARCHITECTURE COMMAND...: a command of apt for it, with package lists of its own.
apt() {
  APT_CONFIG=$base/apt/$1/apt.conf "${@:2}"
}

# apt_root ARCHITECTURE KIND SUITE...: makes the package lists. Those of a suite may be out of date
# here; their signatures are checked all the same.
apt_root() {
  local root=$base/apt/$1 kind=$2 suite
  mkdir -p "$root"/state/lists/partial "$root"/cache/archives/partial "$root"/etc/{apt.conf,preferences}.d
  touch "$root/state/status"
  for suite in "${@:3}"; do
    echo "$kind [signed-by=$keyring] http://deb.debian.org/debian $suite main"
  done >"$root/etc/sources.list"
  cat >"$root/apt.conf" <<-END
	Dir "$root/";
	Dir::State "state";
	Dir::State::status "$root/state/status";
	Dir::Cache "cache";
	Dir::Etc "etc";
	Dir::Etc::sourcelist "sources.list";
	Dir::Etc::sourceparts "-";
	APT::Architecture "$1";
	APT::Architectures { "$1"; };
	APT::Install-Recommends "false";
	APT::Sandbox::User "root";
	Acquire::Check-Valid-Until "false";
	Acquire::Languages "none";
	END
  apt "$1" apt-get -qq update
}

# ---- libuv and cmocka, from Debian's sources ----

# fetch PACKAGE VERSION: unpacks the source into build/machines/sources/PACKAGE-VERSION.
fetch() {
  local folder=$base/sources/$1-$2
  [ ! -e "$folder/CMakeLists.txt" ] || return 0
  mkdir -p "$folder"
  (cd "$base/sources" && apt source apt-get -qq source --download-only --tar-only "$1=$2" >&2) &&
    tar -xf "$base/sources/$1_${2%-*}".orig.tar.* -C "$folder" --strip-components=1 \
      --exclude '*.asc'
}

versions() {
  apt source apt-cache showsrc "$1" 2>/dev/null | sed -n 's/^Version: //p' | sort -Vu
}

# sources NEWEST: sets libuv to the folder of the oldest version, of 1.44 on, or of the newest that
# is still there: the lists may name one that the archive has no more.
sources() {
  local version candidates
  [ -e "$base/apt/source/apt.conf" ] || apt_root source deb-src bookworm trixie forky sid
  candidates=$(versions libuv1)
  [ -z "$1" ] || candidates=$(sort -rV <<<"$candidates")
  for version in $candidates; do
    if fetch libuv1 "$version" 2>/dev/null; then
      libuv=$base/sources/libuv1-$version
      break
    fi
  done
  version=$(versions cmocka | head -n 1)
  fetch cmocka "$version"
  cmocka=$base/sources/cmocka-$version
}

# cmake_build SOURCE BUILD OPTION...
cmake_build() {
  cmake -G Ninja -S "$1" -B "$2" "${@:3}" && cmake --build "$2" --parallel "$jobs"
}

# build MACHINE FLAGS OPTION...: libuv and cmocka into build/machines/MACHINE/prefix, then the tests.
build() {
  local to=$base/$1 flags=$2 options=("${@:3}")
  local prefix=$to/prefix
  local ours=(-DCMAKE_BUILD_TYPE=Debug -DDGRAM_BUILD_TESTS=ON -DDGRAM_WERROR=ON
    -DDGRAM_LIBIDN2=OFF -DCMAKE_C_FLAGS="$flags")
  local theirs=(-DCMAKE_INSTALL_PREFIX="$prefix" -DCMAKE_INSTALL_LIBDIR=lib
    -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_C_FLAGS="$flags")
  cmake_build "$libuv" "$to/libuv" "${theirs[@]}" -DBUILD_TESTING=OFF -DLIBUV_BUILD_TESTS=OFF \
    "${options[@]}"
  cmake --install "$to/libuv"
  cmake_build "$cmocka" "$to/cmocka" "${theirs[@]}" -DWITH_EXAMPLES=OFF -DUNIT_TESTING=OFF \
    "${options[@]}"
  cmake --install "$to/cmocka"
  PKG_CONFIG_LIBDIR=$prefix/lib/pkgconfig cmake_build . "$to/dgram" "${ours[@]}" "${options[@]}"
}

# cross TRIPLET PROCESSOR: the options for a cross-compiler.
cross() {
  printf '%s\n' -DCMAKE_SYSTEM_NAME=Linux "-DCMAKE_SYSTEM_PROCESSOR=$2" "-DCMAKE_C_COMPILER=$1-gcc"
}

# ---- here ----

# run_here MACHINE: by ctest, and again what failed: other work may delay a test.
run_here() {
  local folder=$base/$1/dgram
  local options=(--test-dir "$folder" --parallel "$jobs" --timeout 120 --output-on-failure
    --no-tests=error -R "$tests" -LE 'install|cost|example')
  ctest "${options[@]}" --output-junit "$base/$1.xml" ||
    ctest "${options[@]}" --output-junit "$base/$1.xml.again" --rerun-failed
}

# count_here MACHINE: passed, failed, skipped.
count_here() {
  local file=$base/$1.xml failed=0
  count() { grep -c "<testcase .*status=\"$1\"" "$2" || true; }
  [ ! -e "$file.again" ] || failed=$(count fail "$file.again")
  echo "$(($(count run "$file") + $(count fail "$file") - failed)) passed, $failed failed," \
    "$(count notrun "$file") skipped"
}

# ---- in a virtual machine ----

# guest_root ARCHITECTURE SUITE KERNEL: the files of a small Debian, and the kernel in boot/.
guest_root() {
  local root=$base/$1/root deb
  [ ! -e "$root/complete" ] || return 0
  apt_root "$1" deb "$2"
  # shellcheck disable=SC2086 # the packages are words
  apt "$1" apt-get -qq -y --download-only install "$3" $guest_packages >&2
  rm -rf "$root"
  mkdir -p "$root"/usr/{bin,sbin,lib} "$root"/{proc,sys,dev,tmp,run,root}
  for deb in bin sbin lib; do
    ln -s "usr/$deb" "$root/$deb"
  done
  for deb in "$base/apt/$1"/cache/archives/*.deb; do
    case ${deb##*/} in
    libicu* | udev_* | initramfs-tools* | linux-base*) ;; # nothing calls them
    linux-image-[0-9]*)
      dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$root" --wildcards \
        '*/boot/vmlinu*' '*/modules/*/kernel/drivers/net/*.ko*' '*/modules/*/kernel/net/*.ko*'
      ;;
    *)
      dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$root" \
        --exclude './usr/share/doc' --exclude './usr/share/man' --exclude './usr/share/locale'
      ;;
    esac
  done
  printf '127.0.0.1 localhost\n::1 localhost\n127.0.1.1 guest\n' >"$root/etc/hosts"
  printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
  : >"$root/etc/resolv.conf"
  printf '%s\n' root:x:0:0::/root:/bin/bash daemon:x:1:1::/:/bin/false \
    nobody:x:65534:65534::/:/bin/false >"$root/etc/passwd"
  printf '%s\n' root:x:0: daemon:x:1: nogroup:x:65534: >"$root/etc/group"
  touch "$root/complete"
}

# guest_tests MACHINE: the tests as lines for tests/machines/run.sh.
guest_tests() {
  ctest --test-dir "$base/$1/dgram" --show-only=json-v1 -R "$tests" -E '@(plain|single)$' \
    -LE 'install|cost|example' | python3 -c '
import json, shlex, sys
for test in json.load(sys.stdin)["tests"]:
    properties = {p["name"]: p["value"] for p in test["properties"]}
    words = properties.get("ENVIRONMENT", []) + test["command"]
    print(test["name"], properties.get("SKIP_RETURN_CODE", "none"),
          "env " + " ".join(map(shlex.quote, words)), sep="\t")'
}

# guest_files MACHINE STRIP: what the tests need, at the paths that it has here.
guest_files() {
  local folder=$base/$1/dgram files=$base/$1/files
  rm -rf "$files"
  mkdir -p "$files/machines" "$files$folder/tests" "$files$base/$1/prefix/lib" "$files$PWD/tests"
  cp -a "$base/$1"/prefix/lib/*.so* "$files$base/$1/prefix/lib"
  cp -a "$folder"/*.so* "$files$folder"
  find "$folder/tests" -maxdepth 1 -type f -perm -u+x -exec cp -t "$files$folder/tests" {} +
  find "$files" -type f -exec "$2" -g {} +
  cp -a tests/*.sh "$files$PWD/tests"
  cp tests/machines/run.sh "$files/machines"
  install -m 755 tests/machines/init.sh "$files/init"
  guest_tests "$1" >"$files/machines/tests"
}

# run_guest MACHINE CONSOLE EMULATOR...: what it prints is its console.
run_guest() {
  local image=$base/$1/initramfs.gz root=$base/$1/root
  (
    cd "$root" && find . -path ./boot -prune -o -print0 | cpio -0 -o -H newc --quiet
    cd "$base/$1/files" && find . -print0 | cpio -0 -o -H newc --quiet
  ) | gzip -1 >"$image"
  timeout "${MACHINES_SECONDS:-7200}" "${@:3}" -smp 2 -m 2560 -nographic -no-reboot -net none \
    -kernel "$root"/boot/vmlinu* -initrd "$image" \
    -append "console=$2 rdinit=/init panic=-1 quiet" </dev/null | sed -u 's|\r$||'
}

# count_guest MACHINE
count_guest() {
  local file=$base/$1.log kind
  for kind in passed failed skipped; do
    printf '%s%s %s' "$([ $kind = passed ] || echo ', ')" \
      "$(grep -ac "^RESULT $kind " "$file" || true)" "$kind"
  done
  grep -aq '^GUEST end' "$file" || printf ', and it did not come to its end'
  echo
}

# ---- the machines ----

# emulated MACHINE TRIPLET PROCESSOR SUITE KERNEL CONSOLE EMULATOR...
emulated() {
  local options
  mapfile -t options < <(cross "$2" "$3")
  sources ''
  build "$1" '' "${options[@]}"
  guest_root "$1" "$4" "$5"
  guest_files "$1" "$2-strip"
  run_guest "$1" "$6" "${@:7}"
}

build_and_run() {
  local options
  case $1 in
  arm64)
    emulated arm64 aarch64-linux-gnu aarch64 bookworm linux-image-arm64 ttyAMA0 \
      qemu-system-aarch64 -M virt -cpu max
    ;;
  armhf)
    emulated armhf arm-linux-gnueabihf armv7l bookworm linux-image-armmp ttyAMA0 \
      qemu-system-arm -M virt -cpu cortex-a15
    ;;
  riscv64) # Debian 12 has no kernel for it
    emulated riscv64 riscv64-linux-gnu riscv64 trixie linux-image-riscv64 ttyS0 \
      qemu-system-riscv64 -M virt
    ;;
  s390x)
    emulated s390x s390x-linux-gnu s390x bookworm linux-image-s390x ttysclp0 \
      qemu-system-s390x -M s390-ccw-virtio -cpu max
    ;;
  i386) # the loader that comes with the cross-compiler is not where programs look for it
    mapfile -t options < <(cross i686-linux-gnu i686)
    sources ''
    build i386 '' "${options[@]}" "-DCMAKE_EXE_LINKER_FLAGS=-Wl,--dynamic-linker=$(
      )/usr/i686-linux-gnu/lib/ld-linux.so.2 -Wl,-rpath,/usr/i686-linux-gnu/lib"
    run_here i386
    ;;
  musl) # has no headers of the kernel
    mkdir -p "$base/musl/kernel"
    ln -sfn /usr/include/linux /usr/include/asm-generic /usr/include/x86_64-linux-gnu/asm \
      "$base/musl/kernel"
    sources ''
    build musl "-isystem $base/musl/kernel" -DCMAKE_C_COMPILER=musl-gcc
    run_here musl
    ;;
  clang)
    cmake_build . "$base/clang/dgram" -DCMAKE_BUILD_TYPE=Debug -DDGRAM_BUILD_TESTS=ON \
      -DDGRAM_WERROR=ON -DCMAKE_C_COMPILER=clang
    run_here clang
    ;;
  msan)
    sources ''
    build msan '-O1 -fsanitize=memory -fno-omit-frame-pointer' -DCMAKE_C_COMPILER=clang \
      -DDGRAM_SANITIZE=memory
    run_here msan
    ;;
  libuv)
    sources newest
    build libuv ''
    run_here libuv
    ;;
  esac
}

# row MACHINE: its line of the table.
row() {
  local log=$base/$1.log cache=$base/$1/dgram/CMakeCache.txt system compiler uv result
  compiler=$(sed -n 's/^CMAKE_C_COMPILER:[A-Z]*=//p' "$cache")
  compiler="${compiler##*/} $("$compiler" -dumpversion)"
  uv=$(sed -n 's/.*Found libuv, version //p' "$log" | head -n 1)
  system=$(sed -n 's/^GUEST kernel //p' "$log")
  if [ -n "$system" ]; then
    result=$(count_guest "$1")
  else
    [ -e "$base/$1.xml" ] || return
    system="$(uname -r) $(uname -m)"
    result=$(count_here "$1")
  fi
  echo "| $1 | $compiler | $uv | Linux $system | $result |"
}

if [ "${1-}" = --one ]; then # in a process of its own, since `set -e` does not hold in a condition
  build_and_run "$2"
  exit
fi
for machine in "${@:-"${all[@]}"}"; do
  [[ " ${all[*]} " == *" $machine "* ]] || {
    echo "machines: there is no $machine; there are: ${all[*]}" >&2
    exit 2
  }
done
scripts/setup.sh check machines

mkdir -p "$base"
failed=()
for machine in "${@:-"${all[@]}"}"; do
  rm -f "$base/$machine".xml*
  if ! scripts/machines.sh --one "$machine" >"$base/$machine.log" 2>&1 ||
    grep -aq '^RESULT failed' "$base/$machine.log"; then
    failed+=("$machine")
    grep -aE -A 12 '^RESULT failed|error:|FAILED:|\(Failed\)|\(Timeout\)' "$base/$machine.log" |
      head -n 60 >&2 || tail -n 20 "$base/$machine.log" >&2
  fi
  row "$machine" || echo "| $machine | not run: see $base/$machine.log |"
done

if [ ${#failed[@]} -ne 0 ]; then
  echo "machines: failed: ${failed[*]}" >&2
  exit 1
fi
