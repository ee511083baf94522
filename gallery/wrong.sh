#!/usr/bin/env bash
# Makes wrong.png again: five failures made on purpose, on a folder ./fruit with a folder of watercolours per fruit.
# Each training takes a few minutes; the picture shows the first eight pictures of every last preview, in this order.
set -euo pipefail

artgan train ./fruit --kimg 20 --set train.d_lr=0.006 --preset studio64 --set train.remedies=false --run rate
artgan train ./fruit --kimg 20 --set train.g_lr=1e-20 --preset studio64 --set train.remedies=false --run still
python - <<'EOF'
import json, random, shutil
from pathlib import Path

files = sorted(path for path in Path("fruit").rglob("*.jpg"))
Path("one").mkdir()
for number in range(200):
    shutil.copy(files[100], f"one/{number:03d}.jpg")
Path("few").mkdir()
for file in random.Random(1).sample(files, 20):
    shutil.copy(file, f"few/{file.parent.name}-{file.name}")
labels = [file.parent.name for file in files]
random.Random(1).shuffle(labels)
table = {file.relative_to("fruit").as_posix(): label for file, label in zip(files, labels, strict=True)}
Path("shuffled.json").write_text(json.dumps(table))
EOF
artgan train ./one --kimg 20 --preset studio64 --set train.remedies=false --run one
artgan train ./few --kimg 20 --preset studio64 --set train.remedies=false --run few
artgan train ./fruit --labels shuffled.json --kimg 20 --preset studio64 --set train.remedies=false --run shuffled
python - <<'EOF'
from pathlib import Path
from PIL import Image

sheet = Image.new("RGB", (530, 5 * 66 + 2), "white")
for row, name in enumerate(("rate", "still", "one", "few", "shuffled")):
    (run,) = Path("runs").glob(f"*-{name}")
    last = max(run.glob("fakes*.png"))
    sheet.paste(Image.open(last).crop((0, 0, 530, 68)), (0, row * 66))
sheet.save("wrong.png")
EOF
