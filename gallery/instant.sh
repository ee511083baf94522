#!/bin/sh
# Makes instant.png: two pictures, each repainted at once after four others, in about a second each. All are artgan's own
# painters' work.
python - <<'EOF'
from pathlib import Path

from PIL import Image

import artgan

for folder, pictures in {
    "contents": {"waves": 1, "mountains": 0},
    "styles": {"impasto": 0, "orphist": 3, "tilings": 2, "color-fields": 2},
}.items():
    Path(folder).mkdir(exist_ok=True)
    for school, seed in pictures.items():
        Image.fromarray(artgan.paint(school, seed, 512)).save(f"{folder}/{school}.png")
EOF
artgan stylize ./contents ./styles --all-pairs --detail instant -o painted
python - <<'EOF'
from PIL import Image

contents, styles = ("waves", "mountains"), ("impasto", "orphist", "tilings", "color-fields")
side, gap = 240, 6
sheet = Image.new("RGB", (5 * (side + gap) - gap, 3 * (side + gap) - gap), "white")


def paste(file, column, row):
    with Image.open(file) as picture:
        small = picture.resize((side, side), Image.Resampling.LANCZOS)
    sheet.paste(small, (column * (side + gap), row * (side + gap)))


for column, style in enumerate(styles, 1):
    paste(f"styles/{style}.png", column, 0)
for row, content in enumerate(contents, 1):
    paste(f"contents/{content}.png", 0, row)
    for column, style in enumerate(styles, 1):
        paste(f"painted/{content}-{style}.png", column, row)
sheet.save("instant.png", optimize=True)
EOF
