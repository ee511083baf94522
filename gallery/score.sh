#!/bin/sh
# Makes score.png again: the page of a score of what `artgan demo` trains in two minutes, as headless Chromium shows it.
artgan demo artgan-demo --minutes 2
artgan score --runs artgan-demo/runs --num 500 --html score.html
chromium --headless --no-sandbox --hide-scrollbars --window-size=1100,1500 --screenshot=score.png score.html
