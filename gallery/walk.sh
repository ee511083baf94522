#!/bin/sh
# Makes walk.gif: a walk through the six schools that `artgan demo` learns in ten minutes (of two CPU cores), each of
# the six pictures on its own way, all of them back where they began.
artgan demo artgan-demo --minutes 10
artgan walk walk.gif --run artgan-demo/runs/00000-paintings-demo --grid 3x2 --size 96 --seconds 6 --fps 15 --even
