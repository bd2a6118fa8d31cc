#!/usr/bin/env bash
# Runs the tests of /machines/tests in a virtual machine, several at a time; each is a line, of its
# name, the exit code for "skipped" and its command, with tabs between. Prints a line of the result
# of each, and the end of the output of those that fail.
set -u
export DGRAM_TEST_SCALE=20 # it is as slow as valgrind
time_limit=400             # seconds
jobs=3

run() {
  local name=$1 skipped=$2 command=$3 start=$SECONDS code=0 output
  output=$(mktemp)
  timeout -k 5 "$time_limit" bash -c "$command" >"$output" 2>&1 </dev/null || code=$?
  case $code in
  0) echo "RESULT passed $name $((SECONDS - start)) s" ;;
  "$skipped") echo "RESULT skipped $name: $(grep -a -m 1 skipped "$output")" ;;
  *) # in one write, since others print at the same time
    echo "RESULT failed $name: exit code $code
$(grep -av -e ' OK ' "$output" | tail -n 30 | sed 's/^/  /')"
    ;;
  esac
  rm -f "$output"
}

running=0
while IFS=$'\t' read -r name skipped command; do
  run "$name" "$skipped" "$command" &
  running=$((running + 1))
  if [ "$running" -ge "$jobs" ]; then
    wait -n
    running=$((running - 1))
  fi
done </machines/tests
wait
