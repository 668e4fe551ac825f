# SPDX-License-Identifier: MIT
# Draws what scripts/campaign soak --csv FILE has written:
#   gnuplot -e "csv='FILE'; out='docs/plots/soak.svg'" tests/faults/soak.gp
set terminal svg size 1000,720 font "sans,12" background "white"
set output out
set datafile separator "," # a sample a second; every fifteenth is drawn
set multiplot layout 4,1 margins 0.08,0.98,0.09,0.97 spacing 0,0.05
set grid
set xrange [0:*]
set yrange [0:*]
set format x ""
set key bottom right
plot csv skip 1 every 15 using ($1/60):($4/1024) with lines lc rgb "#1b6ca8" title "resident memory, MiB"
plot csv skip 1 every 15 using ($1/60):2 with lines lc rgb "#c0562b" title "descriptors", \
     csv skip 1 every 15 using ($1/60):3 with lines lc rgb "#5a9e5a" title "threads"
set key top right
plot csv skip 1 every 15 using ($1/60):8 with points pt 7 ps 0.2 lc rgb "#7f8c8d" title "a commit, ms (mean of a second)"
set format x "%g"
set xlabel "minutes"
set key top left
plot csv skip 1 every 15 using ($1/60):6 with lines lc rgb "#8e5ea2" title "tasks succeeded", \
     csv skip 1 every 15 using ($1/60):($5/400) with lines lc rgb "#d99a2b" title "database and log, bytes / 400"
