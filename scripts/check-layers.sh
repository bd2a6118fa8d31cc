#!/usr/bin/env bash
# Checks who includes whom (docs/design.md): no file includes upward, and what is built on the
# library sees nothing of it but its headers <dgram*.h>. Also that the files of src/ stay short.
set -euo pipefail
cd "$(dirname "$0")/.."

longest=450 # lines of a file in src/
floor_0='(errors|address|listeners|batch|segments|control|pace|spin|wire)\.h'
floor_1='(arrival|datapath|mmsg|descriptor|environment|channel|place|shares|invitation|steer|cpus)\.h'
floor_2='(internal|queue|connect|receive|sharing)\.h'
floor_3='(group_options|cluster)\.h'
addon_knows='dgram(_[a-z]+)?|node_api|uv'
libc='(arpa|net|netinet|sys)/[a-z]+|assert|errno|fcntl|inttypes|limits|std[a-z]+|string|unistd'
failed=0

complain() {
  echo "check-layers: $*" >&2
  failed=1
}

# The includes of a file, one a line: "local.h" or <system.h>.
includes() {
  sed -nE 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*(["<][^">]*[">]).*/\1/p' "$1"
}

# allow FILE OWN FOREIGN WHY: of the project's headers the file includes only those that match
# OWN, and no system header that matches FOREIGN.
allow() {
  local include
  for include in $(includes "$1"); do
    if [[ $include == \"* && ! $include =~ ^\"($2)\"$ ]] || [[ $include =~ ^\<($3)\>$ ]]; then
      complain "$1 includes $include, but $4"
    fi
  done
}

check_src_file() {
  case $(basename "$1") in
  errors.[ch] | address.[ch] | listeners.[ch] | batch.[ch] | segments.[ch] | control.[ch] \
    | pace.[ch] | spin.[ch] | wire.[ch])
    # <dgram.h> has types and codes that floor 0 speaks of; of libuv it sees no more.
    allow "$1" "$floor_0" 'uv.*|dgram_.*' "floor 0 knows libc, floor 0 and <dgram.h>"
    ;;
  datapath* | arrival.[ch] | departure.c | mmsg.[ch] | descriptor.[ch] | environment.h | channel.[ch] | place.[ch] | shares.[ch] \
    | invitation.[ch] | steer.[ch] | cpus.[ch])
    allow "$1" "$floor_0|$floor_1" 'uv.*|dgram.*' "floor 1 knows libc, floor 0 and itself"
    ;;
  group*.[ch] | cluster.[ch] | hear.[ch] | handover.[ch] | takeover.[ch] | listen_fds.[ch])
    allow "$1" "$floor_0|$floor_1|$floor_3|sharing\.h" '' \
      "floor 3 knows the socket by <dgram.h> and sharing.h, floors 1 and 0, and itself"
    ;;
  worker.[ch]) # a worker's sockets ask its primary: the one place where floor 2 knows of a cluster
    ;;
  *)
    allow "$1" "$floor_0|$floor_1|$floor_2" 'dgram_.*' "floor 2 knows nothing of floor 3"
    ;;
  esac
  if [ "$(wc -l <"$1")" -gt $longest ]; then
    complain "$1 is longer than $longest lines"
  fi
}

# check_user FILE ALLOWED: a file built on the library; what it includes with quotes must match
# ALLOWED, a path from the project's top.
check_user() {
  local include name folder found
  for include in $(includes "$1"); do
    name=${include:1:-1}
    found=
    for folder in "$(dirname "$1")" "${1%%/*}"; do
      if [ -z "$found" ] && [ -e "$folder/$name" ]; then
        found=$(realpath --relative-to=. "$folder/$name")
      fi
    done
    if [[ $include == \"* && ! $found =~ ^($2)$ ]] || [[ $include == \<* && -e src/$name ]]; then
      complain "$1 includes $include, but knows the library by <dgram*.h> only"
    fi
  done
}

# The addon for Node.js: itself, the library, Node-API, libuv, and libc with POSIX.
check_addon_file() {
  local include
  for include in $(includes "$1"); do
    if [[ ! $include =~ ^(\"addon\.h\"|\<($addon_knows|$libc)\.h\>)$ ]]; then
      complain "$1 includes $include, but the addon knows <dgram*.h>, <node_api.h>, <uv.h> and libc"
    fi
  done
}

# c_files FOLDER: the C and C++ files in the folder, if it is there.
c_files() {
  [ ! -d "$1" ] || find "$1" -name node_modules -prune -o -type f -name '*.[ch]' -print \
    -o -type f -name '*.cc' -print
}

[ -n "$(c_files src)" ] || complain "there is nothing in src/"
for file in $(c_files src); do
  check_src_file "$file"
done
allow include/dgram.h '' 'dgram.*' "the main header stands alone"
for file in $(c_files include); do
  allow "$file" '' '' "a public header knows no other than such"
done
for folder in examples bench tools bindings tests/install; do
  for file in $(c_files $folder); do
    check_user "$file" "$folder/.*"
  done
done
for file in $(c_files bindings/node/src); do
  check_addon_file "$file"
done
# The helpers of the tests lie in tests/ itself.
for file in $(c_files tests/socket) $(c_files tests/group) \
  $(find tests -maxdepth 1 -name '*.[ch]'); do
  check_user "$file" 'tests/(socket|group)/.*|tests/[^/]*'
done

exit $failed
