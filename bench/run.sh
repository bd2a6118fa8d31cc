#!/bin/sh
# Runs the benchmark and writes its results; see README.md.
#   run.sh [DIRECTORY]   with the programs; else $BENCH_BIN, else build/release/bench
# BENCH_SECONDS, BENCH_RUNS, BENCH_ONLY and BENCH_PEERS set how long and what, BENCH_RESULTS where
# the results are written.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
bin=${1:-${BENCH_BIN:-$here/../build/release/bench}}
seconds=${BENCH_SECONDS:-1}
runs=${BENCH_RUNS:-5}
results=${BENCH_RESULTS:-$here/results}
every_run=$results/runs.tmp

all_scenarios="stream fanin fanout fanout-text pingpong echo-1 echo-16 many-1 many-100 many-10000 \
many-all-100 many-all-10000 burst mixed"
all_peers="raw raw-single libuv libuv-mmsg libdgram libdgram-posix go asyncio node libdgram-node \
libdgram-node-pooled bun"
selected_scenarios=$(echo "${BENCH_ONLY:-$all_scenarios}" | tr ',' ' ')
selected_peers=$(echo "${BENCH_PEERS:-$all_peers}" | tr ',' ' ')
scenarios=
peers=
bun=
unsupported=3 # the exit status of a peer that does not support a role

fail() {
  echo "bench: $*" >&2
  exit 1
}

note() {
  echo "bench: $*" >&2
}

# The payload sizes of a scenario, in bytes.
sizes() {
  case $1 in
    stream) echo 64 512 1200 ;;
    fanin | fanout | fanout-text | echo-1 | echo-16) echo 64 1200 ;;
    pingpong | burst | many-1 | many-100 | many-10000 | many-all-100 | many-all-10000) echo 64 ;;
    mixed) echo 1200 ;;
    *) fail "no scenario '$1'; there are: $all_scenarios" ;;
  esac
}

# The peer on each side, in a scenario of which another is measured.
receiver_of() {
  case $1 in
    fanout | fanout-text | burst) echo raw ;;
    *) echo "$2" ;;
  esac
}

sender_of() {
  case $1 in
    fanin | echo-* | many-* | mixed) echo raw ;;
    *) echo "$2" ;;
  esac
}

# The command of a peer's side, a word on each line.
command_of() {
  case $1 in
    raw | raw-single | libuv | go) echo "$bin/bench_$1" ;;
    libuv-mmsg) printf '%s\n' "$bin/bench_libuv" send=try receive=mmsg ;;
    libdgram | libdgram-posix) echo "$bin/bench_dgram" ;;
    asyncio) printf '%s\n' python3 "$here/peers/asyncio/side.py" ;;
    node | libdgram-node | libdgram-node-pooled) printf '%s\n' node "$here/peers/javascript.js" "$1" ;;
    bun) printf '%s\n' "$bun" "$here/peers/javascript.js" bun ;;
  esac
}

# run_peer PEER SCENARIO SIZE: prints one line.
run_peer() (
  receiver=$(receiver_of "$2" "$1")
  sender=$(sender_of "$2" "$1")
  [ "$1" != libdgram-posix ] || export DGRAM_GSO=0 DGRAM_GRO=0
  set -f
  IFS='
'
  # shellcheck disable=SC2046 # a word on each line
  "$bin/bench_run" "$2" "$3" "$seconds" "$1" $(command_of "$receiver") -- $(command_of "$sender")
)

# npm has the program of each kind of processor in a package of its own: the first one that runs.
find_bun() {
  for bun in "$here"/peers/node_modules/@oven/bun-*/bin/bun; do
    "$bun" --version >/dev/null 2>&1 && return
  done
  bun=
}

# Prints why a peer is not available here; nothing if it is.
why_not() {
  case $1 in
    raw | raw-single | libuv | libuv-mmsg | libdgram | libdgram-posix) ;;
    go)
      if ! command -v go >/dev/null; then
        echo "there is no go (Debian: golang-go)"
      elif ! go build -o "$bin/bench_go" "$here"/peers/go/*.go >&2; then
        echo "it does not build"
      fi
      ;;
    asyncio) command -v python3 >/dev/null || echo "there is no python3" ;;
    node) command -v node >/dev/null || echo "there is no node (Debian: nodejs)" ;;
    libdgram-node | libdgram-node-pooled)
      node -e 'require(process.argv[1])' "$here/../bindings/node" >/dev/null 2>&1 ||
        echo "bindings/node is not there, or not built"
      ;;
    bun) [ -n "$bun" ] || echo "no bun in bench/peers/node_modules that runs here" ;;
    *) fail "no peer '$1'; there are: $all_peers" ;;
  esac
}

# Sets `peers`: the selected ones that are available.
choose_peers() {
  find_bun
  for peer in $selected_peers; do
    reason=$(why_not "$peer")
    if [ -z "$reason" ]; then
      peers="$peers $peer"
    else
      note "without $peer: $reason"
    fi
  done
  peers=${peers# }
  [ -n "$peers" ] || fail "no peer is left"
}

# Sets `scenarios`: the selected ones that are possible. A process has files besides its sockets.
choose_scenarios() {
  files=$(awk '/^Max open files/ { print $5 }' /proc/self/limits) # the hard limit
  for scenario in $selected_scenarios; do
    sizes "$scenario" >/dev/null
    case $scenario in
      many-*10000)
        if [ "$files" != unlimited ] && [ "$files" -lt 10100 ]; then
          note "without $scenario: a process may have $files open files only (ulimit -H -n)"
          continue
        fi
        ;;
    esac
    scenarios="$scenarios $scenario"
  done
}

# One run of each peer: a temporary disturbance of the machine affects all alike. A peer that does
# not support the scenario reports that by its exit status, and is not started again.
run_round() {
  for peer in $peers; do
    case " $skipped " in *" $2:$peer "*) continue ;; esac
    printf '  %s, %s bytes, run %s of %s: %s\n' "$2" "$3" "$1" "$runs" "$peer" >&2
    status=0
    line=$(run_peer "$peer" "$2" "$3") || status=$?
    case $status in
      0) echo "$1,$line" >>"$every_run" ;;
      "$unsupported")
        note "$2 without $peer: it does not support it"
        skipped="$skipped $2:$peer"
        ;;
      *) fail "$peer failed in $2, $3 bytes" ;;
    esac
  done
}

# run_scenarios SCENARIO...: of the same sizes, interleaved.
run_scenarios() {
  skipped=
  list=$(sizes "$1")
  for size in $list; do
    round=1
    while [ "$round" -le "$runs" ]; do
      for scenario in "$@"; do
        run_round "$round" "$scenario" "$size"
      done
      round=$((round + 1))
    done
  done
}

# Those that are compared with each other: the same traffic, beside ever more sockets.
compared() {
  for scenario in $scenarios; do
    case $scenario in many-[0-9]*) echo "$scenario" ;; esac
  done
}

run_all() {
  compared_yet=no
  for next in $scenarios; do
    case $next in
      many-[0-9]*)
        # shellcheck disable=SC2046 # words
        [ $compared_yet = yes ] || run_scenarios $(compared)
        compared_yet=yes
        ;;
      *) run_scenarios "$next" ;;
    esac
  done
}

# Scenarios whose figures are only in their own table have no chart.
draw() {
  case $1 in many-* | fanout-text) return ;; esac
  command -v gnuplot >/dev/null || {
    note "no chart of $1: gnuplot is missing (Debian: gnuplot-nox)"
    return
  }
  awk -v scenario="$1" -f "$here/chart.awk" "$results/results.csv" >"$results/chart.tmp"
  for format in svg png; do
    (cd "$results" && gnuplot -e "data='chart.tmp'; output='$1.$format'; format='$format'; \
      scenario='$1'; peers='$peers'; all_peers='$all_peers'" "$here/chart.gp")
  done
  echo "Chart: $results/$1.svg and $1.png"
}

[ -d "$bin" ] || fail "no programs in '$bin': build the preset 'release' first"
case $runs in
  '' | *[!0-9]* | 0) fail "BENCH_RUNS is not a number above 0: '$runs'" ;;
esac
choose_scenarios
choose_peers
mkdir -p "$results"
: >"$every_run"

run_all
awk -v csv="$results/results.csv" -v seconds="$seconds" -f "$here/summary.awk" "$every_run" |
  tee "$results/summary.txt"
for scenario in $scenarios; do
  draw "$scenario"
done
