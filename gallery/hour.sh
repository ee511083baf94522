#!/bin/sh
# Makes hour.png: an hour of one CPU core at 128 px; two rows by the plain tutorial DCGAN, four by painter-128. ./fruit is
# a folder with a folder of watercolours per fruit: the Pomological Watercolor Collection of the US Department of
# Agriculture, about 1900, a work of its government. Give it from the top of a copy of this repository.
OMP_NUM_THREADS=1 python -m tests.bench.quality ./fruit --minutes 60 --presets painter-128 --samples 500 --out hour
python - <<'EOF'
from PIL import Image

sheet = Image.new("RGB", (1042, 6 * 130 + 2), "white")
sheet.paste(Image.open("hour/fruit-tutorial-seed0.png").crop((0, 0, 1042, 2 * 130 + 2)), (0, 0))
sheet.paste(Image.open("hour/fruit-painter-128-seed0.png").crop((0, 0, 1042, 4 * 130 + 2)), (0, 2 * 130))
sheet.save("hour.png")
EOF
