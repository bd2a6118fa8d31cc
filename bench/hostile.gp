# Draws what hostile.sh has measured. Set by it: data, output.
set datafile separator ','
set terminal svg size 1600,460 font 'sans-serif,14' background '#ffffff'
set output output
set encoding utf8

set linetype 1 linecolor rgb '#1f6fb4'
set linetype 2 linecolor rgb '#e8a33d'

set style data histograms
set style histogram clustered gap 1
set style fill solid 1.0 noborder
set boxwidth 0.9
set grid ytics linecolor rgb '#dddddd' linewidth 1
set border 3 linecolor rgb '#666666'
set tics nomirror
set xtics rotate by 35 right
set key outside below center horizontal reverse Left samplen 1.5

dgram = "< awk -F, '$2 == \"dgram\"' " . data
libuv = "< awk -F, '$2 == \"libuv\"' " . data

set multiplot layout 1,3 title 'A server under hostile traffic' font ',17' \
  margins 0.05,0.98,0.30,0.84 spacing 0.05,0
set title 'Worst delay of a timer of 10 ms, in µs (log scale; less is better)'
set logscale y
plot dgram using 5:xtic(1) linetype 1 title 'libdgram', libuv using 5 linetype 2 title 'libuv'
unset logscale y
set yrange [0:*]
set title 'Growth of memory, in KiB (less is better)'
plot dgram using 6:xtic(1) linetype 1 title 'libdgram', libuv using 6 linetype 2 title 'libuv'
set title 'Questions answered, in % (more is better)'
plot dgram using 9:xtic(1) linetype 1 title 'libdgram', libuv using 9 linetype 2 title 'libuv'
unset multiplot
