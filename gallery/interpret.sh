#!/bin/sh
# Makes interpret.png: the look inside a model trained for ten minutes on ./pomological, the watercolours of fruit that
# fruit.sh tells of, as headless Chromium shows it.
artgan train ./pomological --minutes 10
artgan interpret 0 -o inside.html
chromium --headless --no-sandbox --hide-scrollbars --window-size=1100,1500 --screenshot=interpret.png inside.html
