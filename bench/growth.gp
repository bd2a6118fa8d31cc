# Draws what growth.sh has counted. Set by it: data, output.
set datafile separator ','
set terminal svg size 1600,460 font 'sans-serif,14' background '#ffffff'
set output output
set encoding utf8

set linetype 1 linecolor rgb '#e8a33d' linewidth 2 pointtype 7 pointsize 0.7
set linetype 2 linecolor rgb '#1f6fb4' linewidth 2 pointtype 7 pointsize 0.7
set linetype 3 linecolor rgb '#5b9a57' linewidth 2 pointtype 7 pointsize 0.7

set logscale x
set format x '%.0s%c'
set grid ytics linecolor rgb '#dddddd' linewidth 1
set border 3 linecolor rgb '#666666'
set tics nomirror
set key inside bottom left reverse Left samplen 1.5

counted(of, run) = (strcol(1) eq of && strcol(2) eq run) ? column(5) : NaN

set yrange [0:*]
set offsets graph 0, 0, 0.1, 0 # room over the lines

set multiplot layout 1,4 title 'Instructions for each datagram, without the kernel’s' \
  font ',17' margins 0.035,0.98,0.10,0.82 spacing 0.035,0
set title 'Sockets on the loop, one of them busy'
plot data using 3:(counted('sockets', 'send-callback')) with linespoints linetype 1 title 'send', \
  data using 3:(counted('sockets', 'receive')) with linespoints linetype 2 title 'receive'
set title 'Flows, in turn'
plot data using 3:(counted('flows', 'send-fanout')) with linespoints linetype 1 \
    title 'send, destinations', \
  data using 3:(counted('flows', 'receive')) with linespoints linetype 2 title 'receive, senders'
set title 'Sends in one turn of the loop'
plot data using 3:(counted('queued', 'send-callback')) with linespoints linetype 1 \
    title 'send with a callback', \
  data using 3:(counted('queued', 'send')) with linespoints linetype 3 title 'send without'
set title 'Listeners: instructions for the call of one'
plot data using 3:(counted('listeners', 'receive')) with linespoints linetype 2 title 'receive'
unset multiplot
