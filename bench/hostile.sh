#!/usr/bin/env bash
# Usage: hostile.sh [DIRECTORY]
# A server under hostile traffic, libdgram beside uv_udp_t with UV_UDP_RECVMMSG: the delay of a timer
# of 10 ms, growth of memory and descriptors, and the share of an honest peer's questions that are
# answered. Writes the medians to hostile.csv in the folder for results, draws hostile.svg, and
# prints where libdgram is worse by more than the runs of a server differ among themselves.
# Needs the right to create network namespaces.
# DIRECTORY, BENCH_SECONDS, BENCH_RUNS and BENCH_RESULTS are those of run.sh.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bin=${1:-${BENCH_BIN:-$here/../build/release/bench}}
seconds=${BENCH_SECONDS:-1}
runs=${BENCH_RUNS:-5}
results=${BENCH_RESULTS:-$here/results}
every_run=$results/hostile.tmp

attacks="none spoofed ports empty largest joined multicast icmp icmp-read closing"

# The runs of the servers are interleaved, so that changes of the machine's speed affect both.
all_runs() {
  local round attack server
  for round in $(seq "$runs"); do
    echo "bench: round $round of $runs" >&2
    for attack in $attacks; do
      for server in dgram libuv; do
        "$bin/bench_hostile" "$server" "$attack" "$seconds" ||
          echo "bench: $server $attack is skipped in round $round" >&2
      done
    done
  done
}

# Reads the lines of bench_hostile. A column is worse (or better) if the medians of the two servers
# differ by more than the runs of either do, and by more than `least`: 1.5 ms of the timer, since the
# clock of a loop counts in ms; 256 and 64 KiB; half a percent.
medians() {
  awk -F, "$(cat "$here/median.awk")"'
    {
      key = $1 "," $2
      if (!(key in runs)) order[++keys] = key
      runs[key]++
      for (column = 3; column <= 11; column++) {
        v = value[key, column, runs[key]] = $column + 0
        if (runs[key] == 1 || v < low[key, column]) low[key, column] = v
        if (runs[key] == 1 || v > high[key, column]) high[key, column] = v
      }
    }
    function spread(key, column) { return high[key, column] - low[key, column] }
    function verdict(attack, column, least,    a, b, most, difference) {
      a = attack ",dgram"
      b = attack ",libuv"
      if (!(a in runs) || !(b in runs)) return ""
      most = spread(a, column) > spread(b, column) ? spread(a, column) : spread(b, column)
      if (most < least) most = least
      difference = median(column, a) - median(column, b)
      if (column == 9) difference = -difference # more answers are better
      return difference > most ? "worse" : -difference > most ? "better" : "same"
    }
    END {
      print "attack,server,timer_p50_us,timer_p99_us,timer_worst_us,memory_kb,later_kb,descriptors," \
        "answered_percent,received_per_second,sent_per_second,timer,memory,later,answered"
      for (i = 1; i <= keys; i++) {
        key = order[i]
        split(key, part, ",")
        printf "%s", key
        for (column = 3; column <= 11; column++)
          printf column == 9 ? ",%.2f" : ",%.0f", median(column, key)
        if (part[2] == "dgram")
          printf ",%s,%s,%s,%s", verdict(part[1], 5, 1500), verdict(part[1], 6, 256),
            verdict(part[1], 7, 64), verdict(part[1], 9, 0.5)
        else
          printf ",,,,"
        print ""
      }
    }'
}

all_runs >"$every_run"
medians <"$every_run" >"$results/hostile.csv"
column -s, -t "$results/hostile.csv"
awk -F, '/,worse/ { print "bench: libdgram is worse under \"" $1 "\": timer " $12 ", memory " $13 \
  ", memory of the second half " $14 ", answered " $15 }' "$results/hostile.csv"
gnuplot -e "data='$results/hostile.csv'; output='$results/hostile.svg'" "$here/hostile.gp"
