# Draws the curves of a soak. Set by run.sh: data, output.
set datafile separator ','
set terminal svg size 1600,460 font 'sans-serif,14' background '#ffffff'
set output output
set encoding utf8

set linetype 1 linecolor rgb '#6b7785' linewidth 1.5
set linetype 2 linecolor rgb '#e8a33d' linewidth 1.5
set linetype 3 linecolor rgb '#1f6fb4' linewidth 1.5
set linetype 4 linecolor rgb '#5b9a57' linewidth 1.5

set grid ytics linecolor rgb '#dddddd' linewidth 1
set border 3 linecolor rgb '#666666'
set tics nomirror
set key outside below center horizontal reverse Left samplen 1.5
set xlabel 'minutes'
names = 'controller load worker service'

set multiplot layout 1,3 title 'A soak: faults, kills, restarts, hand-overs' font ',17' \
  margins 0.05,0.98,0.24,0.84 spacing 0.05,0
set logscale y
set title 'Memory in KiB (RssAnon; log scale)'
plot for [i = 1:4] data using ($1 / 60):(column(2 * i)) with lines linetype i title word(names, i)
unset logscale y
set yrange [0:*]
set title 'Descriptors'
plot for [i = 1:4] data using ($1 / 60):(column(2 * i + 1)) with lines linetype i title word(names, i)
set title 'Delivered, in millions; faults, in thousands'
plot data using ($1 / 60):($10 / 1e6) with lines linetype 3 title 'delivered', \
  data using ($1 / 60):($11 / 1e3) with lines linetype 2 title 'faults'
unset multiplot
