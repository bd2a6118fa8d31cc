# Places the bars of one scenario for chart.gp. Reads results.csv, prints
#   PANEL,X,PEER,VALUE,TEXT     a bar
#   PANEL,X,tic,0,TEXT          the label under a group of bars
# Panel 1: datagrams received per second, a group for each size. Panel 2: CPU time, a group for
# each side of each size.
BEGIN { FS = ","; OFS = "," }

$1 != scenario { next }

{
  if (!($2 in size_seen)) { size_seen[$2] = 1; sizes[++size_count] = $2 }
  if (!($3 in peer_seen)) { peer_seen[$3] = 1; peers[++peer_count] = $3 }
  received[$2, $3] = $5
  cpu[$2, $3, 1] = $7
  cpu[$2, $3, 2] = $8
}

function per_second(number) {
  if (number >= 1e7) return sprintf("%.1f M", number / 1e6)
  if (number >= 1e6) return sprintf("%.2f M", number / 1e6)
  return sprintf("%.0f k", number / 1e3)
}

function nanoseconds(number) {
  return sprintf("%.0f", number)
}

# The position of bar p in group g; a bar's room stays free between groups.
function place(g, p) {
  return (g - 1) * (peer_count + 1) + p
}

function tic(panel, g, text) {
  print panel, place(g, (peer_count + 1) / 2), "tic", 0, text
}

END {
  side_name[1] = "send"; side_name[2] = "receive"
  for (s = 1; s <= size_count; s++) {
    tic(1, s, sizes[s] " bytes")
    for (p = 1; p <= peer_count; p++) {
      number = received[sizes[s], peers[p]]
      print 1, place(s, p), peers[p], number, per_second(number)
    }
    for (side = 1; side <= 2; side++) {
      g = 2 * (s - 1) + side
      tic(2, g, side_name[side] "\\n" sizes[s] " bytes")
      for (p = 1; p <= peer_count; p++) {
        number = cpu[sizes[s], peers[p], side]
        print 2, place(g, p), peers[p], number, nanoseconds(number)
      }
    }
  }
}
