#!/bin/sh
# Runs the benchmark and writes its results; see README.md.
#   run.sh [DIRECTORY]   with the programs; else $BENCH_BIN, else build/release/bench
# BENCH_SECONDS, BENCH_RUNS, BENCH_ONLY and BENCH_PEERS say how long and what, BENCH_RESULTS where
# the results go.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
bin=${1:-${BENCH_BIN:-$here/../build/release/bench}}
seconds=${BENCH_SECONDS:-2}
runs=${BENCH_RUNS:-5}
results=${BENCH_RESULTS:-$here/results}
every_run=$results/runs.tmp

all_scenarios="stream fanin pingpong"
scenarios=$(echo "${BENCH_ONLY:-$all_scenarios}" | tr ',' ' ')
wanted=$(echo "${BENCH_PEERS:-raw libuv libdgram node libdgram-node bun}" | tr ',' ' ')
peers=
bun=

fail() {
  echo "bench: $*" >&2
  exit 1
}

# The payload sizes of a scenario, in bytes.
sizes() {
  case $1 in
    stream | fanin) echo 64 1200 ;;
    pingpong) echo 64 ;;
    *) fail "no scenario '$1'; there are: $all_scenarios" ;;
  esac
}

# Runs a peer with the arguments SCENARIO SIZE SECONDS; it prints one line.
run_peer() {
  peer=$1
  shift
  case $peer in
    raw | libuv) "$bin/bench_$peer" "$@" ;;
    libdgram) "$bin/bench_dgram" "$@" ;;
    node | libdgram-node) node "$here/peers/javascript.js" "$peer" "$@" ;;
    bun) "$bun" "$here/peers/javascript.js" bun "$@" ;;
  esac
}

# npm has the program of each kind of processor in a package of its own: the first one that runs.
find_bun() {
  for bun in "$here"/peers/node_modules/@oven/bun-*/bin/bun; do
    "$bun" --version >/dev/null 2>&1 && return
  done
  bun=
}

# Says why a peer can't be had here; nothing if it can.
why_not() {
  case $1 in
    raw | libuv | libdgram) ;;
    node) command -v node >/dev/null || echo "there is no node (Debian: nodejs)" ;;
    libdgram-node)
      node -e 'require(process.argv[1])' "$here/../bindings/node" >/dev/null 2>&1 ||
        echo "bindings/node is not there, or not built"
      ;;
    bun) [ -n "$bun" ] || echo "no bun in bench/peers/node_modules that runs here" ;;
    *) fail "no peer '$1'" ;;
  esac
}

choose_peers() {
  find_bun
  for peer in $wanted; do
    reason=$(why_not "$peer")
    if [ -z "$reason" ]; then
      peers="$peers $peer"
    else
      echo "bench: without $peer: $reason" >&2
    fi
  done
  peers=${peers# }
  [ -n "$peers" ] || fail "no peer is left"
}

# One run of each peer: what disturbs the machine for a while disturbs all alike.
run_round() {
  for peer in $peers; do
    printf '  %s, %s bytes, run %s of %s: %s\n' "$2" "$3" "$1" "$runs" "$peer" >&2
    line=$(run_peer "$peer" "$2" "$3" "$seconds") || fail "$peer failed in $2, $3 bytes"
    echo "$1,$line" >>"$every_run"
  done
}

run_scenario() {
  list=$(sizes "$1")
  for size in $list; do
    round=1
    while [ "$round" -le "$runs" ]; do
      run_round "$round" "$1" "$size"
      round=$((round + 1))
    done
  done
}

draw() {
  command -v gnuplot >/dev/null || {
    echo "bench: no chart: gnuplot is missing (Debian: gnuplot-nox)" >&2
    return
  }
  awk -v scenario="$1" -f "$here/chart.awk" "$results/results.csv" >"$results/chart.tmp"
  for format in svg png; do
    (cd "$results" && gnuplot -e "data='chart.tmp'; output='$1.$format'; format='$format'; \
      scenario='$1'; peers='$peers'" "$here/chart.gp")
  done
  echo "Chart: $results/$1.svg and $1.png"
}

[ -d "$bin" ] || fail "no programs in '$bin': build the preset 'release' first"
case $runs in
  '' | *[!0-9]* | 0) fail "BENCH_RUNS is not a number above 0: '$runs'" ;;
esac
for scenario in $scenarios; do
  sizes "$scenario" >/dev/null
done
choose_peers
mkdir -p "$results"
: >"$every_run"

for scenario in $scenarios; do
  run_scenario "$scenario"
done
awk -v csv="$results/results.csv" -v seconds="$seconds" -f "$here/summary.awk" "$every_run"
for scenario in $scenarios; do
  draw "$scenario"
done
