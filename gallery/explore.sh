#!/bin/sh
# Makes explore.png: the page of directions of a model trained for ten minutes on ./pomological, the watercolours of fruit
# that fruit.sh tells of, as headless Chromium shows it.
artgan train ./pomological --minutes 10
artgan explore 0 --num 6 --seeds 0,5
chromium --headless --no-sandbox --hide-scrollbars --window-size=1100,1000 --screenshot=explore.png \
  "runs/00000-pomological-painter-64/explore/explore.html"
