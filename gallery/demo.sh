#!/bin/sh
# Makes demo.png: what `artgan demo` draws after two minutes (of two CPU cores), one row per school, enlarged.
artgan demo artgan-demo --minutes 2
python - <<'EOF'
from PIL import Image

with Image.open("artgan-demo/samples.png") as sheet:
    sheet.resize((3 * sheet.width, 3 * sheet.height), Image.Resampling.BICUBIC).save("demo.png", optimize=True)
EOF
