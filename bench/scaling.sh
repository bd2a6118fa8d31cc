#!/usr/bin/env bash
# Usage: scaling.sh [DIRECTORY]
# How a server's rate grows with its threads, or processes: 64 flows are answered by groups of
# sockets on one port, or by workers that share a socket. Writes the medians to scaling.csv in the folder for
# results, and prints them.
# DIRECTORY, BENCH_SECONDS, BENCH_RUNS and BENCH_RESULTS are those of run.sh.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bin=${1:-${BENCH_BIN:-$here/../build/release/bench}}
seconds=${BENCH_SECONDS:-1}
runs=${BENCH_RUNS:-5}
results=${BENCH_RESULTS:-$here/results}
every_run=$results/scaling.tmp

size=64 # bytes of payload
servers="1-thread 2-threads 1-process 2-processes"
works="0 5000" # ns that the application computes for each datagram

# serve SERVER WORK: one run. Prints what bench_run does.
serve() {
  local command=() order=()
  case $1 in
  *-thread | *-threads) command=("$bin/bench_scaling" "threads=${1%-*}") ;;
  *-process | *-processes) # any idle process receives the next datagram
    command=("$bin/bench_scaling" "processes=${1%-*}")
    order=(order=any)
    ;;
  *)
    echo "bench: no server '$1'; there are: $servers" >&2
    exit 1
    ;;
  esac
  [ "$2" = 0 ] || command+=("work=$2")
  "$bin/bench_run" echo-64 $size "$seconds" "$1" "${command[@]}" cores=all -- \
    "$bin/bench_raw" "${order[@]}"
}

# The runs of the servers are interleaved, so that changes of the machine's speed affect all.
all_runs() {
  local round work server line
  for round in $(seq "$runs"); do
    echo "bench: round $round of $runs" >&2
    for work in $works; do
      for server in $servers; do
        line=$(serve "$server" "$work")
        echo "$work,$line"
      done
    done
  done
}

# Reads lines of WORK and the columns of results.csv (README.md): what is the client's there was
# sent, what is the server's was received.
medians() {
  awk -F, "$(cat "$here/median.awk")"'
    {
      key = $4 "," $1
      if (!(key in runs)) order[++keys] = key
      runs[key]++
      for (column = 5; column <= 11; column++) value[key, column, runs[key]] = $column + 0
    }
    END {
      print "server,work_ns,answers_per_second,loss_percent,server_cpu_ns,client_cpu_ns," \
        "rtt_p50_us,rtt_p99_us"
      for (i = 1; i <= keys; i++)
        printf "%s,%.0f,%.2f,%.1f,%.1f,%.2f,%.2f\n", order[i], median(5, order[i]),
          median(7, order[i]), median(9, order[i]), median(8, order[i]), median(10, order[i]),
          median(11, order[i])
    }'
}

all_runs >"$every_run"
medians <"$every_run" >"$results/scaling.csv"
column -s, -t "$results/scaling.csv"
