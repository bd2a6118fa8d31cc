# Reads every run: ROUND, and the line that the runner printed: the columns of results.csv.
# Writes the medians to the file named by `csv`, prints them as tables with ratios, and at the end
# the results for the library's targets.
# A ratio is the median of the ratios within each round: in a round the peers ran one after the
# other, so the machine's slower and faster times cancel out of it.
BEGIN {
  FS = ","
  SENT = 5; RECEIVED = 6; LOSS = 7; SEND_CPU = 8; RECEIVE_CPU = 9
  P50 = 10; P99 = 11; P999 = 12; HEAP = 13
  LAST = HEAP
  BOTH_CPU = LAST + 1 # of both sides: that of a round trip
  split("%.0f %.0f %.2f %.1f %.1f %.2f %.2f %.2f %.1f", format, " ")
  NONE = "-"
}

{
  cell = $2 SUBSEP $3
  if (!(cell in seen)) { seen[cell] = 1; cells[++cell_count] = cell }
  if (!((cell, $4) in seen)) { seen[cell, $4] = 1; peers[cell, ++peer_count[cell]] = $4 }
  if ($1 > rounds) rounds = $1
  for (column = SENT; column <= LAST; column++) {
    value[cell, $4, column, $1] = $column
    if ($column != "") { filled[cell, column] = 1; filled[cell, $4, column] = 1 }
  }
  value[cell, $4, BOTH_CPU, $1] = $SEND_CPU + $RECEIVE_CPU
  filled[cell, $4, BOTH_CPU] = 1
}

# ---- the kinds of scenarios ----

function scenario_of(cell,    name) {
  split(cell, name, SUBSEP)
  return name[1]
}

# The side that a scenario measures; both where the peer is on both.
function measures(cell, column) {
  if (column == SEND_CPU) return scenario_of(cell) ~ /^(stream|pingpong|fanout|fanout-text|burst)$/
  return scenario_of(cell) !~ /^(fanout|fanout-text|burst)$/
}

# Whether the sender counts what it receives: answers, or the datagrams of the server in `mixed`.
function comes_back(cell) {
  return scenario_of(cell) ~ /^(pingpong|echo-.*|mixed)$/
}

function rate_column(cell) {
  return comes_back(cell) || scenario_of(cell) == "burst" ? SENT : RECEIVED
}

# ---- medians and ratios ----

# The median of values[1..count], which it sorts.
function median(values, count,    i, j, v) {
  for (i = 2; i <= count; i++) {
    v = values[i]
    for (j = i - 1; j > 0 && values[j] + 0 > v + 0; j--) values[j + 1] = values[j]
    values[j + 1] = v
  }
  return count % 2 ? values[(count + 1) / 2] : (values[count / 2] + values[count / 2 + 1]) / 2
}

# The median of a column; stores the minimum and maximum in `least` and `greatest`.
function middle(cell, peer, column,    round, values, result) {
  for (round = 1; round <= rounds; round++) values[round] = value[cell, peer, column, round]
  result = median(values, rounds)
  least = values[1]
  greatest = values[rounds]
  return result
}

# One figure by another, each of a cell and peer; NONE where one of them was not measured.
function ratio_of(cell, peer, other_cell, other, column,    round, values, below) {
  if (!((cell, peer, column) in filled) || !((other_cell, other, column) in filled)) return NONE
  for (round = 1; round <= rounds; round++) {
    below = value[other_cell, other, column, round]
    if (below == 0) return NONE
    values[round] = value[cell, peer, column, round] / below
  }
  return median(values, rounds)
}

function ratio(cell, peer, other, column) {
  return ratio_of(cell, peer, cell, other, column)
}

# Of the two peers on libuv the one with the better median: more datagrams, less of the rest.
function better_libuv(cell, column,    a, b) {
  if (!((cell, "libuv", column) in filled)) return "libuv-mmsg"
  if (!((cell, "libuv-mmsg", column) in filled)) return "libuv"
  a = middle(cell, "libuv", column)
  b = middle(cell, "libuv-mmsg", column)
  if (column == SENT || column == RECEIVED) return a > b ? "libuv" : "libuv-mmsg"
  return a < b ? "libuv" : "libuv-mmsg"
}

function ratio_to_libuv(cell, peer, column) {
  return ratio(cell, peer, better_libuv(cell, column), column)
}

function ratio_text(number) {
  return number == NONE ? NONE : sprintf(number < 0.1 ? "%.4f" : "%.2f", number)
}

# ---- results.csv ----

function write_csv(cell, peer,    name, column, line) {
  split(cell, name, SUBSEP)
  line = name[1] "," name[2] "," peer
  for (column = SENT; column <= LAST; column++)
    line = line "," ((cell, peer, column) in filled \
      ? sprintf(format[column - SENT + 1], middle(cell, peer, column)) : "")
  print line >csv
}

# ---- a cell's table ----

function print_head(cell,    name) {
  split(cell, name, SUBSEP)
  printf "\n%s, %s bytes; medians of %d x %s s\n", name[1], name[2], rounds, seconds
  printf "  %-20s %8s  %-17s %6s %7s %6s", "peer", "k/s", "least to greatest", "loss %", "/ raw",
    "/ uv"
  if (measures(cell, SEND_CPU)) printf "  %8s %7s %6s", "send ns", "/ raw", "/ uv"
  if (measures(cell, RECEIVE_CPU)) printf "  %8s %7s %6s", "recv ns", "/ raw", "/ uv"
  if ((cell, P50) in filled) printf "  %9s %9s %9s %7s %6s", "p50 us", "p99", "p99.9", "/ raw", "/ uv"
  if ((cell, HEAP) in filled) printf "  %12s", "bytes/socket"
  printf "\n"
}

function print_ratios(cell, peer, column) {
  printf " %7s %6s", ratio_text(ratio(cell, peer, "raw", column)),
    ratio_text(ratio_to_libuv(cell, peer, column))
}

function print_rate(cell, peer,    rate, range) {
  rate = middle(cell, peer, rate_column(cell))
  range = sprintf("%.1f to %.1f", least / 1e3, greatest / 1e3)
  printf "  %-20s %8.1f  %-17s %6.2f", peer, rate / 1e3, range, middle(cell, peer, LOSS)
  print_ratios(cell, peer, rate_column(cell))
}

function print_cpu(cell, peer, column) {
  if (!measures(cell, column)) return
  printf "  %8.1f", middle(cell, peer, column)
  print_ratios(cell, peer, column)
}

function print_times(cell, peer) {
  if (!((cell, P50) in filled)) return
  printf "  %9.1f %9.1f %9.1f", middle(cell, peer, P50), middle(cell, peer, P99),
    middle(cell, peer, P999)
  print_ratios(cell, peer, P50)
}

function print_heap(cell, peer) {
  if ((cell, peer, HEAP) in filled) printf "  %12.0f", middle(cell, peer, HEAP)
}

# The peers in JavaScript, one beside another.
function print_beside(cell, peer, other,    text) {
  if (!((cell, peer) in seen) || !((cell, other) in seen)) return
  text = "rate " ratio_text(ratio(cell, peer, other, rate_column(cell)))
  if (measures(cell, SEND_CPU))
    text = text ", send CPU " ratio_text(ratio(cell, peer, other, SEND_CPU))
  if (measures(cell, RECEIVE_CPU))
    text = text ", receive CPU " ratio_text(ratio(cell, peer, other, RECEIVE_CPU))
  printf "  %s / %s: %s\n", peer, other, text
}

function print_table(cell,    p, peer) {
  print_head(cell)
  for (p = 1; p <= peer_count[cell]; p++) {
    peer = peers[cell, p]
    print_rate(cell, peer)
    print_cpu(cell, peer, SEND_CPU)
    print_cpu(cell, peer, RECEIVE_CPU)
    print_times(cell, peer)
    print_heap(cell, peer)
    printf "\n"
  }
  print_beside(cell, "libdgram-node", "node")
  print_beside(cell, "libdgram-node-pooled", "node")
  print_beside(cell, "libdgram-node", "bun")
  print_beside(cell, "bun", "node")
}

# ---- targets: what libdgram shall reach ----

function cell_named(scenario, size) {
  return scenario SUBSEP size
}

function print_target(text, number, bound, at_most,    met) {
  met = number == NONE ? "not measured" \
    : (at_most ? number <= bound : number >= bound) ? "met" : "NOT MET"
  printf "  %-58s %9s  %s %-6s %s\n", text, ratio_text(number), at_most ? "<=" : ">=", bound, met
}

function at_most(text, number, bound) {
  print_target(text, number, bound, 1)
}

function at_least(text, number, bound) {
  print_target(text, number, bound, 0)
}

function named(column) {
  return column == SEND_CPU ? "send CPU" : column == RECEIVE_CPU ? "receive CPU" \
    : column == BOTH_CPU ? "CPU" : column == P50 ? "p50" : column == P99 ? "p99" : "delivered"
}

# libdgram's figure by that of raw, or of the better libuv, in a cell: at most, or at least `bound`.
function by_raw(scenario, size, column, bound,    number, text) {
  number = ratio(cell_named(scenario, size), "libdgram", "raw", column)
  text = scenario " " size ": " named(column) " / raw"
  if (column == RECEIVED) at_least(text, number, bound)
  else at_most(text, number, bound)
}

function by_libuv(scenario, size, column, bound,    number, text) {
  number = ratio_to_libuv(cell_named(scenario, size), "libdgram", column)
  text = scenario " " size ": " named(column) " / libuv"
  if (column == RECEIVED) at_least(text, number, bound)
  else at_most(text, number, bound)
}

function stream_targets() {
  by_raw("stream", 1200, SEND_CPU, 1.15)
  by_raw("stream", 1200, RECEIVE_CPU, 1.15)
  by_raw("stream", 1200, RECEIVED, 0.9)
  by_raw("stream", 64, SEND_CPU, 2.0)
  by_raw("stream", 64, RECEIVE_CPU, 2.0)
  by_libuv("stream", 64, RECEIVED, 20)
  by_libuv("stream", 1200, RECEIVED, 8)
}

function fan_targets(size) {
  by_raw("fanin", size, RECEIVE_CPU, 1.10)
  by_raw("fanout", size, SEND_CPU, 1.10)
  by_libuv("fanin", size, RECEIVE_CPU, 0.85)
}

function pingpong_targets() {
  by_raw("pingpong", 64, P50, 1.05)
  by_libuv("pingpong", 64, P50, 1.0)
  by_libuv("pingpong", 64, P99, 1.0)
}

# Answers for each second of CPU time: the inverse of CPU time for each answer.
function echo_target(scenario, size,    number) {
  number = ratio_to_libuv(cell_named(scenario, size), "libdgram", RECEIVE_CPU)
  if (number != NONE) number = 1 / number
  at_least(scenario " " size ": answers per CPU second / libuv", number, 1.5)
}

function many_targets(    many, one, heap) {
  many = cell_named("many-10000", 64)
  one = cell_named("many-1", 64)
  at_least("many-10000: rate / that of many-1", ratio_of(many, "libdgram", one, "libdgram",
    RECEIVED), 0.95)
  heap = (many, "libdgram", HEAP) in filled ? middle(many, "libdgram", HEAP) : NONE
  at_most("many-10000: bytes for each socket", heap, 1024)
}

# The figures by which the same work is compared. A round trip's CPU time is that of both sides. In
# `stream` the sender also does the system's work for what its receiver takes, and little for what
# that loses, so a peer with a slower receiver seems to send cheaper; `fanout` and `burst` compare
# senders, with the same receiver.
function compares(cell, column,    scenario) {
  scenario = scenario_of(cell)
  if (column == P50) return 1
  if (column == BOTH_CPU) return scenario == "pingpong"
  if (scenario == "pingpong" || (scenario == "stream" && column == SEND_CPU)) return 0
  return (column == SEND_CPU || column == RECEIVE_CPU) && measures(cell, column)
}

# What receiving costs in Node.js, by what it costs with the built-in.
function by_node(peer, size, bound) {
  at_most("stream " size ": receive CPU, " peer " / node",
    ratio(cell_named("stream", size), peer, "node", RECEIVE_CPU), bound)
}

function node_targets() {
  by_node("libdgram-node", 64, 0.0833)
  by_node("libdgram-node", 512, 0.25)
  by_node("libdgram-node", 1200, 0.25)
  by_node("libdgram-node-pooled", 512, 0.125)
  by_node("libdgram-node-pooled", 1200, 0.125)
}

# The worst of the ratios of libdgram-posix to the plain libuv, over all cells and figures.
function posix_target(    c, column, number, worst, where) {
  worst = NONE
  for (c = 1; c <= cell_count; c++)
    for (column = SEND_CPU; column <= BOTH_CPU; column++) {
      if (!compares(cells[c], column)) continue
      number = ratio(cells[c], "libdgram-posix", "libuv", column)
      if (number == NONE || (worst != NONE && number <= worst)) continue
      worst = number
      where = cells[c] " " named(column)
      sub(SUBSEP, " ", where)
    }
  at_most("libdgram-posix / plain libuv, worst: " where, worst, 1.0)
}

function print_targets() {
  print "\nTargets: libdgram's ratios, and the bounds that it shall keep"
  stream_targets()
  fan_targets(64)
  fan_targets(1200)
  pingpong_targets()
  echo_target("echo-1", 64)
  echo_target("echo-1", 1200)
  echo_target("echo-16", 64)
  echo_target("echo-16", 1200)
  many_targets()
  by_libuv("mixed", 1200, RECEIVE_CPU, 0.5)
  node_targets()
  posix_target()
}

END {
  print "scenario,size_bytes,peer,sent_per_second,received_per_second,loss_percent," \
    "send_cpu_ns,receive_cpu_ns,rtt_p50_us,rtt_p99_us,rtt_p999_us,bytes_per_socket" >csv
  for (c = 1; c <= cell_count; c++) {
    for (p = 1; p <= peer_count[cells[c]]; p++) write_csv(cells[c], peers[cells[c], p])
    print_table(cells[c])
  }
  print "\nk/s: thousands a second of datagrams delivered, round trips, answers, or sends (burst)."
  print "ns: CPU time of the side for each. / raw and / uv: what stands before them, as a multiple of"
  print "the same by raw, and by that of the peers libuv and libuv-mmsg that is better at it."
  print_targets()
}
