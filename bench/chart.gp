# Draws the bars that chart.awk has positioned: datagrams delivered or times, and CPU time.
# Set by run.sh: data, scenario, peers ("raw libuv ..."), all_peers (that there are), format (svg or
# png), output.
set datafile separator ','
if (format eq 'svg') {
  set terminal svg size 1600,560 font 'sans-serif,14' background '#ffffff'
} else {
  set terminal png size 1600,560 font 'DejaVu Sans,12' background '#ffffff'
}
set output output
set encoding utf8

# Colours that differ in lightness too; related peers have one hue.
set linetype 1 linecolor rgb '#6b7785'
set linetype 2 linecolor rgb '#b4bdc7'
set linetype 3 linecolor rgb '#b9770e'
set linetype 4 linecolor rgb '#efbf66'
set linetype 5 linecolor rgb '#1f6fb4'
set linetype 6 linecolor rgb '#8fbfe6'
set linetype 7 linecolor rgb '#2a9d8f'
set linetype 8 linecolor rgb '#d4c34a'
set linetype 9 linecolor rgb '#3f7d3a'
set linetype 10 linecolor rgb '#8a5aa8'
set linetype 11 linecolor rgb '#cbb0dc'
set linetype 12 linecolor rgb '#c4504b'

# The colour of a peer does not depend on the other peers.
colour(peer) = sum [i = 1:words(all_peers)] (word(all_peers, i) eq peer ? i : 0)

set style fill solid 1.0 noborder
set boxwidth 0.86
set logscale y
set grid ytics linecolor rgb '#dddddd' linewidth 1
set border 3 linecolor rgb '#666666'
set tics nomirror
unset xtics # the groups' labels come from the data

set key outside below center horizontal reverse Left samplen 1.5 spacing 1.2

bar(panel, peer) = (column(1) == panel && strcol(3) eq peer) ? column(2) : NaN
any_bar(panel) = (column(1) == panel && strcol(3) ne 'tic') ? column(2) : NaN
tic_at(panel) = (column(1) == panel && strcol(3) eq 'tic') ? column(2) : NaN

echo = scenario[1:4] eq 'echo'
burst = scenario eq 'burst'
timed = scenario eq 'pingpong' || echo || burst
title_1 = timed ? (burst ? 'Time for 10,000 sends in µs' : 'Round-trip time in µs') \
  : 'Datagrams delivered per second'
title_2 = scenario eq 'pingpong' ? 'CPU time per round trip in µs' \
  : echo ? 'CPU time per answer in ns' : 'CPU time per datagram in ns'
title_1 = title_1 . (timed ? ' (log scale; less is better)' : ' (log scale; more is better)')
title_2 = title_2 . ' (log scale; less is better)'

set multiplot layout 1,2 title sprintf("UDP over loopback, scenario %s", scenario) offset 0,-0.5 \
  font ',17' margins 0.05,0.99,0.24,0.86 spacing 0.06,0

do for [panel = 1:2] {
  set autoscale
  stats data using (any_bar(panel)):4 name 'B' nooutput
  # From a whole decade on, with room for the upright texts over the bars.
  low = 10 ** floor(log10(B_min_y) - 0.15)
  high = 10 ** (log10(B_max_y) + 0.2 * log10(B_max_y / low))
  set yrange [low:high]
  set xrange [0.2:B_max_x + 0.8]
  set title panel == 1 ? title_1 : title_2
  set format y panel == 1 && !timed ? '%.0s %c' : '%.0f'
  plot for [i = 1:words(peers)] data using (bar(panel, word(peers, i))):4 with boxes \
      linetype colour(word(peers, i)) title word(peers, i), \
    data using (any_bar(panel)):4:5 with labels left rotate by 90 offset 0,0.3 font ',10' notitle, \
    data using (tic_at(panel)):(low * 1.001):5 with labels offset 0,-1.2 notitle
}
unset multiplot
