#!/bin/sh
# Makes fruit.png: new fruit after ten minutes of two CPU cores, one row per class, one column per seed. ./fruit is a
# folder with a folder of watercolours per fruit: the Pomological Watercolor Collection of the US Department of
# Agriculture, about 1900, a work of its government.
artgan train ./fruit --minutes 10
artgan sample --seeds 0-11 -o fruit.png
