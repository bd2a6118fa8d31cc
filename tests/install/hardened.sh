#!/usr/bin/env bash
# Usage: hardened.sh FILE...
# Checks that shared objects of a release build, the library's or the addon's, are hardened by all
# that the compiler at hand (CC, or cc) has: tables that are read-only after start-up (RELRO and
# BIND_NOW), code without relocations, a stack that is not executable, stack protectors, checked
# copies (_FORTIFY_SOURCE) and control-flow protection.
set -euo pipefail

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0

complain() {
  echo "hardened: $*" >&2
  failed=1
}

# compiles FLAG...: the compiler takes them, for what is on stdin.
compiles() {
  "${CC:-cc}" -Werror "$@" -x c -c -o "$scratch/object" - 2>/dev/null
}
has() {
  echo 'int nothing;' | compiles "$@"
}
has_fortify() {
  printf '#include <string.h>\n#if __USE_FORTIFY_LEVEL < 2\n#error\n#endif\nint nothing;\n' |
    compiles -O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
}

# The notes that FILE has about control-flow protection, one a line: IBT, SHSTK; BTI, PAC.
notes() {
  readelf -n "$1" | sed -n 's/.*feature: //p' | tr -d ' ' | tr ',' '\n' | sort -u
}

# control_flow FLAG INSTRUCTION...: the code that the compiler generates for it. The linker writes the note only
# where the start-up files of the system have it, too: an empty library shows that.
control_flow() {
  local file=$1 flag=$2 first note
  echo 'int nothing;' >"$scratch/empty.c"
  "${CC:-cc}" -shared -fPIC "$flag" -o "$scratch/empty.so" "$scratch/empty.c"
  for note in $(notes "$scratch/empty.so"); do
    [[ " $(notes "$file" | tr '\n' ' ')" == *" $note "* ]] || complain "$file has no note of $note"
  done
  first=$(nm -D --defined-only "$file" | sed -n 's/@.*//; s/.* T //p' | head -n 1)
  objdump -d --no-show-raw-insn "$file" | grep -A 1 "<$first\(@@.*\)\?>:$" | grep -wE "$3" >/dev/null ||
    complain "$file: $first does not begin as $flag has it"
}

# lacks FILE SECTION PATTERN: no line that readelf has of it matches.
lacks() {
  ! readelf "$2" -W "$1" | grep -E "$3" >/dev/null
}

check() {
  local file=$1 symbols
  if lacks "$file" -d '\(FLAGS\).*BIND_NOW' || lacks "$file" -d '\(FLAGS_1\).*NOW'; then
    complain "$file has no BIND_NOW"
  fi
  ! lacks "$file" -l '^ *GNU_RELRO ' || complain "$file has no RELRO"
  ! lacks "$file" -l '^ *GNU_STACK .* RW ' || complain "$file has an executable stack"
  lacks "$file" -l ' RWE ' || complain "$file has a segment to write and to execute"
  lacks "$file" -d '\(TEXTREL\)|\(FLAGS\).*TEXTREL' || complain "$file has relocations in its code"
  symbols=$(nm -D --undefined-only "$file")
  if has -fstack-protector-strong && [[ $symbols != *__stack_chk_fail* ]]; then
    complain "$file has no stack protectors"
  fi
  if has_fortify && [[ ! $symbols =~ __[a-z]+_chk ]]; then
    complain "$file has no checked copies"
  fi
  if has -fcf-protection=full; then
    control_flow "$file" -fcf-protection=full 'endbr(32|64)'
    [[ $(notes "$file") == *SHSTK* ]] || complain "$file has no note of SHSTK"
  fi
  if has -mbranch-protection=standard; then
    control_flow "$file" -mbranch-protection=standard 'bti|paciasp|pacibsp'
  fi
}

for file in "$@"; do
  check "$file"
done
exit $failed
