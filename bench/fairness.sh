#!/usr/bin/env bash
# Usage: fairness.sh [DIRECTORY]
# What a flood of one socket does to the other work of its loop: the delay of a timer of 10 ms, and
# of the answers of another socket, while the flooded one's listener takes 20 us for each
# datagram; libdgram beside libuv. Writes the medians to fairness.csv in the folder for results, and
# prints them with the ratios.
# DIRECTORY, BENCH_SECONDS, BENCH_RUNS and BENCH_RESULTS are those of run.sh.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bin=${1:-${BENCH_BIN:-$here/../build/release/bench}}
seconds=${BENCH_SECONDS:-1}
runs=${BENCH_RUNS:-5}
results=${BENCH_RESULTS:-$here/results}
every_run=$results/fairness.tmp

servers="dgram,message libuv,message libuv-mmsg,message dgram,messages"
sizes="1 64 1472" # bytes of payload
senders="1 200"

# The runs of the servers are interleaved, so that changes of the machine's speed affect all.
all_runs() {
  local round server size count
  for round in $(seq "$runs"); do
    echo "bench: round $round of $runs" >&2
    for size in $sizes; do
      for count in $senders; do
        for server in $servers; do
          "$bin/bench_fairness" "${server%,*}" "${server#*,}" "$size" "$count" "$seconds" ||
            echo "bench: $server $size $count is skipped in round $round" >&2
        done
      done
    done
  done
}

# Reads the lines of bench_fairness. A ratio is to the plain `libuv` of the same flood, of medians.
medians() {
  awk -F, "$(cat "$here/median.awk")"'
    {
      key = $1 "," $2 "," $3 "," $4
      if (!(key in runs)) order[++keys] = key
      runs[key]++
      flood[key] = $3 "," $4
      for (column = 5; column <= 10; column++) value[key, column, runs[key]] = $column + 0
    }
    END {
      print "server,listener,size_bytes,senders,timer_p50_us,timer_p99_us,quiet_p50_us," \
        "quiet_p99_us,received_per_second,calm,timer_p50_ratio,timer_p99_ratio," \
        "quiet_p50_ratio,quiet_p99_ratio"
      for (i = 1; i <= keys; i++) {
        key = order[i]
        printf "%s", key
        for (column = 5; column <= 9; column++) printf ",%.0f", median(column, key)
        printf ",%.4f", median(10, key)
        beside = "libuv,message," flood[key]
        known = beside in runs
        for (column = 5; column <= 8; column++)
          if (known)
            printf ",%.2f", median(column, key) / median(column, beside)
          else
            printf ","
        print ""
      }
    }'
}

all_runs >"$every_run"
sort -s -t, -k3,3n -k4,4n "$every_run" | medians >"$results/fairness.csv"
column -s, -t "$results/fairness.csv"
