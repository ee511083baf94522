#!/bin/sh
# Makes schools.png: eight schools of procedural painting, ten seeds each.
python - <<'EOF'
from PIL import Image

import artgan
from artgan.data.painters import SCHOOLS

side, gap = 96, 4
sheet = Image.new("RGB", (10 * (side + gap) + gap, len(SCHOOLS) * (side + gap) + gap), "white")
for row, school in enumerate(SCHOOLS):
    for seed in range(10):
        picture = Image.fromarray(artgan.paint(school, seed, side))
        sheet.paste(picture, (gap + seed * (side + gap), gap + row * (side + gap)))
sheet.save("schools.png", optimize=True)
EOF
