#!/bin/sh
# Makes report.png again: the page of the run that `artgan demo` trains in two minutes, as headless Chromium shows it.
artgan demo artgan-demo --minutes 2
chromium --headless --no-sandbox --hide-scrollbars --window-size=1100,1420 --screenshot=report.png \
  "artgan-demo/runs/00000-paintings-demo/report.html"
