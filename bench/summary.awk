# Reads every run: ROUND, and the line that the peer printed: the columns of results.csv.
# Writes the medians to the file named by `csv` and prints them as a table with ratios.
# A ratio is the median of the ratios within each round: in a round the peers ran one after the
# other, so the machine's slower and faster times cancel out of it.
BEGIN {
  FS = ","
  SENT = 5; RECEIVED = 6; LOSS = 7; SEND_CPU = 8; RECEIVE_CPU = 9; P50 = 10; P99 = 11; P999 = 12
  split("%.0f %.0f %.2f %.1f %.1f %.2f %.2f %.2f", format, " ")
}

{
  cell = $2 SUBSEP $3
  if (!(cell in seen)) { seen[cell] = 1; cells[++cell_count] = cell }
  if (!((cell, $4) in seen)) { seen[cell, $4] = 1; peers[cell, ++peer_count[cell]] = $4 }
  if ($1 > rounds) rounds = $1
  if ($P50 != "") answered[cell] = 1
  for (column = SENT; column <= P999; column++) value[cell, $4, column, $1] = $column
}

# The median of values[1..count], which it sorts.
function median(values, count,    i, j, v) {
  for (i = 2; i <= count; i++) {
    v = values[i]
    for (j = i - 1; j > 0 && values[j] + 0 > v + 0; j--) values[j + 1] = values[j]
    values[j + 1] = v
  }
  return count % 2 ? values[(count + 1) / 2] : (values[count / 2] + values[count / 2 + 1]) / 2
}

# The median of a column; leaves the least and greatest in `least` and `greatest`.
function middle(cell, peer, column,    round, values, result) {
  for (round = 1; round <= rounds; round++) values[round] = value[cell, peer, column, round]
  result = median(values, rounds)
  least = values[1]
  greatest = values[rounds]
  return result
}

function ratio(cell, peer, other, column,    round, values, result) {
  if (!((cell, other) in seen)) return "-"
  for (round = 1; round <= rounds; round++)
    values[round] = value[cell, peer, column, round] / value[cell, other, column, round]
  result = median(values, rounds)
  return sprintf(result < 0.1 ? "%.4f" : "%.2f", result)
}

function write_csv(cell, peer,    name, column, line) {
  split(cell, name, SUBSEP)
  line = name[1] "," name[2] "," peer
  for (column = SENT; column <= (cell in answered ? P999 : RECEIVE_CPU); column++)
    line = line "," sprintf(format[column - SENT + 1], middle(cell, peer, column))
  print line (cell in answered ? "" : ",,,") >csv
}

function print_head(cell,    name) {
  split(cell, name, SUBSEP)
  printf "\n%s, %s bytes: %s; medians of %d x %s s\n", name[1], name[2], cell in answered \
    ? "thousand round trips per second, times in us, CPU us per round trip" \
    : "million datagrams per second, CPU ns per datagram", rounds, seconds
}

function print_stream_head() {
  printf "  %-13s %9s   %-18s %9s %7s %9s %9s %8s %8s\n", "peer", "received",
    "least to greatest", "sent", "loss %", "send CPU", "recv CPU", "/ raw", "/ libuv"
}

function print_stream_row(cell, peer,    received, range) {
  received = middle(cell, peer, RECEIVED)
  range = sprintf("%.3f to %.3f", least / 1e6, greatest / 1e6)
  printf "  %-13s %9.3f   %-18s %9.3f %7.2f %9.1f %9.1f %8s %8s\n", peer, received / 1e6, range,
    middle(cell, peer, SENT) / 1e6, middle(cell, peer, LOSS), middle(cell, peer, SEND_CPU),
    middle(cell, peer, RECEIVE_CPU), ratio(cell, peer, "raw", RECEIVED),
    ratio(cell, peer, "libuv", RECEIVED)
}

function print_answered_head() {
  printf "  %-13s %9s   %-18s %8s %8s %8s %8s %8s %8s %8s\n", "peer", "trips", "least to greatest",
    "p50", "p99", "p99.9", "ask CPU", "echo CPU", "/ raw", "/ libuv"
}

function print_answered_row(cell, peer,    trips, range) {
  trips = middle(cell, peer, RECEIVED)
  range = sprintf("%.1f to %.1f", least / 1e3, greatest / 1e3)
  printf "  %-13s %9.1f   %-18s %8.1f %8.1f %8.1f %8.1f %8.1f %8s %8s\n", peer, trips / 1e3, range,
    middle(cell, peer, P50), middle(cell, peer, P99), middle(cell, peer, P999),
    middle(cell, peer, SEND_CPU) / 1e3, middle(cell, peer, RECEIVE_CPU) / 1e3,
    ratio(cell, peer, "raw", RECEIVED), ratio(cell, peer, "libuv", RECEIVED)
}

# The peers in JavaScript, one beside another.
function print_beside(cell, peer, other) {
  if (!((cell, peer) in seen) || !((cell, other) in seen)) return
  printf "  %s / %s: received %s, send CPU %s, receive CPU %s\n", peer, other,
    ratio(cell, peer, other, RECEIVED), ratio(cell, peer, other, SEND_CPU),
    ratio(cell, peer, other, RECEIVE_CPU)
}

function print_table(cell,    p) {
  print_head(cell)
  if (cell in answered) print_answered_head(); else print_stream_head()
  for (p = 1; p <= peer_count[cell]; p++)
    if (cell in answered) print_answered_row(cell, peers[cell, p])
    else print_stream_row(cell, peers[cell, p])
  print_beside(cell, "libdgram-node", "node")
  print_beside(cell, "libdgram-node", "bun")
  print_beside(cell, "bun", "node")
}

END {
  print "scenario,size_bytes,peer,sent_per_second,received_per_second,loss_percent," \
    "send_cpu_ns,receive_cpu_ns,rtt_p50_us,rtt_p99_us,rtt_p999_us" >csv
  for (c = 1; c <= cell_count; c++) {
    for (p = 1; p <= peer_count[cells[c]]; p++) write_csv(cells[c], peers[cells[c], p])
    print_table(cells[c])
  }
  print "\nThe last two columns: datagrams received, or round trips, as a multiple of the same by"
  print "raw and libuv. CPU ratios: less than 1 is less CPU time."
}
