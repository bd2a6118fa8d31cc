# Positions the bars of one scenario for chart.gp. Reads results.csv, prints
#   PANEL,X,PEER,VALUE,TEXT     a bar
#   PANEL,X,tic,0,TEXT          the label under a group of bars
# Panel 1: datagrams delivered per second, a group for each size; or, where times are measured,
# those, a group for each percentile. Panel 2: CPU time, a group for each side that is measured, in
# ns; in pingpong in us.
BEGIN {
  FS = OFS = ","
  SENT = 4; RECEIVED = 5; SEND_CPU = 7; RECEIVE_CPU = 8; P50 = 9; P99 = 10
  name[SEND_CPU] = "send"; name[RECEIVE_CPU] = "receive"
  name[P50] = "median"; name[P99] = "p99"
  sends_only = scenario ~ /^(fanout|burst)$/
  receives_only = scenario ~ /^(fanin|echo-.*|mixed)$/
  rate = scenario == "mixed" ? SENT : RECEIVED
}

$1 != scenario { next }
$2 == 512 { next } # in the tables only: three groups of so many bars can't be read

{
  if (!($2 in size_seen)) { size_seen[$2] = 1; sizes[++size_count] = $2 }
  if (!($3 in peer_seen)) { peer_seen[$3] = 1; peers[++peer_count] = $3 }
  if ($P50 != "") timed = 1
  for (column = SENT; column <= P99; column++) value[$2, $3, column] = $column
}

function per_second(number) {
  if (number >= 1e7) return sprintf("%.1f M", number / 1e6)
  if (number >= 1e6) return sprintf("%.2f M", number / 1e6)
  return sprintf("%.0f k", number / 1e3)
}

function number(n) {
  if (n >= 1e4) return sprintf("%.0fk", n / 1e3)
  if (n >= 1e3) return sprintf("%.1fk", n / 1e3)
  return sprintf(n >= 10 ? "%.0f" : "%.1f", n)
}

# The position of bar p in group g; a bar's room stays free between groups.
function position(g, p) {
  return (g - 1) * (peer_count + 1) + p
}

# A group of bars: a column's values, with their label under them.
function group(panel, size, column, label,    g, p, n) {
  g = ++groups[panel]
  print panel, position(g, (peer_count + 1) / 2), "tic", 0, label
  for (p = 1; p <= peer_count; p++) {
    n = value[size, peers[p], column]
    if (n == "") continue
    if (scenario == "pingpong" && column <= RECEIVE_CPU) n /= 1e3
    print panel, position(g, p), peers[p], n, column == rate ? per_second(n) : number(n)
  }
}

function labelled(panel, size, column) {
  group(panel, size, column, name[column] "\\n" size " bytes")
}

END {
  for (s = 1; s <= size_count; s++) {
    if (!timed) group(1, sizes[s], rate, sizes[s] " bytes")
    else for (column = P50; column <= P99; column++) labelled(1, sizes[s], column)
    if (!receives_only) labelled(2, sizes[s], SEND_CPU)
    if (!sends_only) labelled(2, sizes[s], RECEIVE_CPU)
  }
}
