# Reads every run: ROUND,scenario,size_bytes,peer,sent,received,loss,send_cpu,receive_cpu
# Writes the medians to the file named by `csv` and prints them as a table with ratios.
# A ratio is the median of the ratios within each round: in a round the peers ran one after the
# other, so the machine's slower and faster times cancel out of it.
BEGIN {
  FS = ","
  SENT = 5; RECEIVED = 6; LOSS = 7; SEND_CPU = 8; RECEIVE_CPU = 9
}

{
  cell = $2 SUBSEP $3
  if (!(cell in seen)) { seen[cell] = 1; cells[++cell_count] = cell }
  if (!((cell, $4) in seen)) { seen[cell, $4] = 1; peers[cell, ++peer_count[cell]] = $4 }
  if ($1 > rounds) rounds = $1
  for (column = SENT; column <= RECEIVE_CPU; column++) value[cell, $4, column, $1] = $column
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

function ratio(cell, peer, other,    round, values) {
  if (!((cell, other) in seen)) return "-"
  for (round = 1; round <= rounds; round++)
    values[round] = value[cell, peer, RECEIVED, round] / value[cell, other, RECEIVED, round]
  return sprintf("%.2f", median(values, rounds))
}

function write_csv(cell, peer,    name) {
  split(cell, name, SUBSEP)
  printf "%s,%s,%s,%.0f,%.0f,%.2f,%.1f,%.1f\n", name[1], name[2], peer,
    middle(cell, peer, SENT), middle(cell, peer, RECEIVED), middle(cell, peer, LOSS),
    middle(cell, peer, SEND_CPU), middle(cell, peer, RECEIVE_CPU) >csv
}

function print_row(cell, peer,    received, range) {
  received = middle(cell, peer, RECEIVED)
  range = sprintf("%.3f to %.3f", least / 1e6, greatest / 1e6)
  printf "  %-10s %10.3f   %-18s %10.3f %7.2f %9.1f %9.1f %8s %8s\n", peer, received / 1e6, range,
    middle(cell, peer, SENT) / 1e6, middle(cell, peer, LOSS), middle(cell, peer, SEND_CPU),
    middle(cell, peer, RECEIVE_CPU), ratio(cell, peer, "raw"), ratio(cell, peer, "libuv")
}

function print_head(cell,    name) {
  split(cell, name, SUBSEP)
  printf "\n%s, %s bytes: million datagrams per second, CPU ns per datagram; ", name[1], name[2]
  printf "medians of %d x %s s\n", rounds, seconds
  printf "  %-10s %10s   %-18s %10s %7s %9s %9s %8s %8s\n", "peer", "received", "least to greatest",
    "sent", "loss %", "send CPU", "recv CPU", "/ raw", "/ libuv"
}

END {
  print "scenario,size_bytes,peer,sent_per_second,received_per_second,loss_percent," \
    "send_cpu_ns,receive_cpu_ns" >csv
  for (c = 1; c <= cell_count; c++) {
    print_head(cells[c])
    for (p = 1; p <= peer_count[cells[c]]; p++) {
      write_csv(cells[c], peers[cells[c], p])
      print_row(cells[c], peers[cells[c], p])
    }
  }
  print "\nThe last two columns: datagrams received, as a multiple of the same by raw and libuv."
}
