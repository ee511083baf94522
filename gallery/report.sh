#!/bin/sh
# Makes report.png again: the page of a run, here one with a learning rate that is far too high, in headless Chromium.
artgan train ./fruit --kimg 20 --set train.d_lr=0.006 --run rate
chromium --headless --no-sandbox --hide-scrollbars --window-size=1100,1500 --screenshot=report.png runs/*-rate/report.html
