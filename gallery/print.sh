#!/bin/sh
# Makes print.png: a picture of 2048 px painted tile by tile; on the left the whole of it, on the right a part pixel by
# pixel. Content and style are artgan's own painters' work.
python - <<'EOF'
from PIL import Image

import artgan

for school, seed in {"mountains": 0, "impasto": 0}.items():
    Image.fromarray(artgan.paint(school, seed, 2048)).save(f"{school}.png")
EOF
artgan stylize mountains.png impasto.png --size 2048 --detail fast --bits 16 --dpi 300 -o large.tif
python - <<'EOF'
from artgan.engine.images import decode
from PIL import Image

large, side, gap = decode("large.tif"), 480, 6
sheet = Image.new("RGB", (2 * side + gap, side), "white")
sheet.paste(large.resize((side, side), Image.Resampling.LANCZOS), (0, 0))
sheet.paste(large.crop((420, 800, 420 + side, 800 + side)), (side + gap, 0))
sheet.save("print.png", optimize=True)
EOF
